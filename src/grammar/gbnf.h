/* gbnf.h - a grammar as llama.cpp writes them (GBNF) to rules.
 *
 *     root ::= "{" ws pair ("," ws pair)* "}"     # comment
 *     pair ::= [a-z]+ "=" number{1,3}
 *
 * Literals with \n \r \t \\ \" \[ \] \xHH \uHHHH \UHHHHHHHH, classes, `.`, groups, alternatives,
 * * + ? {m} {m,} {m,n}, names of letters, digits, - and _; the text starts at `root`. Refused: left
 * recursion, rules that can never end, names without a rule.
 */
#ifndef MU_GRAMMAR_GBNF_H
#define MU_GRAMMAR_GBNF_H

#include "grammar/rules.h"

enum { MU_GBNF_DEPTH_MAX = 100, MU_GBNF_COUNT_MAX = 5000 };

/* text: [n], valid UTF-8. On success *out_root is the rule it starts at. memory: for what lives as
 * long as the rules. Errors: MU_ERR_INVALID and MU_ERR_UNSUPPORTED with the line, MU_ERR_LIMIT,
 * MU_ERR_NOMEM. */
mu_status mu_gbnf_parse(mu_chunks *memory, const char *text, size_t n, mu_rules *rules,
                        uint32_t *out_root, mu_err *err) MU_MUST_USE;

#endif
