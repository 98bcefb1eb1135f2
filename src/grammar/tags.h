/* tags.h - inside of a grammar: values of schemas within literal texts, such as calls of tools, to
 * rules. What a group and a trigger are is said in grammar.h.
 *
 *     trigger given:  text ──trigger──▶ rest of a group ──▶ text ...     the text may end
 *     none:           reasoning ──▶ group
 *
 * Free text is any bytes, control tokens among them; it is left where the trigger is complete, so
 * it never contains one (Knuth, Morris and Pratt's automaton).
 */
#ifndef MU_GRAMMAR_TAGS_H
#define MU_GRAMMAR_TAGS_H

#include "grammar/grammar.h"
#include "grammar/rules.h"
#include "grammar/value_set.h"

/* exprs: [tags->n] the settled values of each tag. trie: whose control tokens stand for themselves
 * in the literals; NULL: none. *out_root is the rule that a text starts at. Errors: MU_ERR_LIMIT,
 * MU_ERR_NOMEM. */
mu_status mu_tags_build(const mu_grammar_tags *tags, const mu_expr *exprs,
                        const mu_token_trie *trie, mu_rules *rules, uint32_t *out_root,
                        mu_err *err) MU_MUST_USE;

#endif
