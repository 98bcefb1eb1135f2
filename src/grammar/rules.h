/* rules.h - rules that call one another, as automata over bytes: what a GBNF grammar becomes.
 *
 * A node reads a byte, forks, calls a rule and goes on, or ends its rule. Rules are numbered; a
 * call of a rule that is still unknown is allowed until mu_rules_check().
 *
 * Memory: owned tables, freed by deinit. Failures are the caller's: a false means no memory, or
 * more than MU_RULE_NODES_MAX.
 */
#ifndef MU_GRAMMAR_RULES_H
#define MU_GRAMMAR_RULES_H

#include "base/status.h"
#include "grammar/charset.h"

enum { MU_RULE_NODES_MAX = 100000, MU_RULES_MAX = 2000 };
#define MU_NODE_NONE UINT32_MAX

typedef enum mu_rule_kind {
    MU_RULE_BYTES,
    MU_RULE_FORK,
    MU_RULE_CALL,
    MU_RULE_VALUE, /* a JSON value; not in GBNF, and not for mu_rules_check() */
    MU_RULE_END,
} mu_rule_kind;

typedef struct mu_rule_node {
    mu_rule_kind kind;
    uint8_t lo, hi;      /* BYTES */
    uint32_t rule;       /* CALL; VALUE: its expression */
    uint32_t out, other; /* other: FORK; MU_NODE_NONE: nowhere */
} mu_rule_node;

typedef struct mu_rule {
    uint32_t first; /* node, MU_NODE_NONE: not defined */
    bool is_nullable;
} mu_rule;

typedef struct mu_rules {
    mu_rule_node *nodes; /* [n_nodes], owned */
    size_t n_nodes, nodes_cap;
    mu_rule *rules; /* [n_rules], owned */
    size_t n_rules, rules_cap;
    bool is_over_limit; /* why an add failed */
} mu_rules;

void mu_rules_deinit(mu_rules *rules); /* a zeroed one is allowed */

uint32_t mu_rules_add(mu_rules *rules);                            /* a rule, or MU_NODE_NONE */
uint32_t mu_rules_node(mu_rules *rules, const mu_rule_node *node); /* or MU_NODE_NONE */
/* Nodes that read one character of the sealed set in UTF-8 and go to `out`; the first, or
 * MU_NODE_NONE. */
uint32_t mu_rules_chars(mu_rules *rules, const mu_charset *set, uint32_t out);

/* Which rules may be empty; then, whether one calls itself before reading a byte, or can never end:
 * its number in *out_rule, and MU_ERR_UNSUPPORTED or MU_ERR_INVALID. */
mu_status mu_rules_check(mu_rules *rules, uint32_t *out_rule) MU_MUST_USE;

#endif
