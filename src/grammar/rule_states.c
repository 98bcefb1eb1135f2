/* States inside rules: sets of nodes that read a byte, call or end, closed over forks and over
 * calls of rules that may be empty. Branches that cannot reach the end of their rule are not there:
 * the rules are checked to end, and what a fork leads to always does.
 *
 * A call that is the last thing of its rule pushes nothing: whoever called goes on.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "grammar/automaton.h"

typedef struct nodes {
    uint32_t *list; /* [n], owned */
    size_t n, cap;
    uint32_t *seen; /* [n_seen], owned, forks passed */
    size_t n_seen, seen_cap;
    bool failed;
} nodes;

static void deinit(nodes *set) {
    mu_free(set->list);
    mu_free(set->seen);
}

static bool contains(const uint32_t *list, size_t n, uint32_t node) {
    for (size_t i = 0; i < n; i++) {
        if (list[i] == node) return true;
    }
    return false;
}

static void append(nodes *set, uint32_t **list, size_t *n, size_t *cap, uint32_t node) {
    if (!mu_grow((void **)list, cap, *n + 1, sizeof(uint32_t))) {
        set->failed = true;
        return;
    }
    (*list)[(*n)++] = node;
}

/* seen is the work list too: what is behind `next` has been passed. */
static void add_closure(const mu_rules *rules, nodes *set, uint32_t node) {
    size_t next = set->n_seen;
    if (node == MU_NODE_NONE || contains(set->seen, set->n_seen, node)) return;
    append(set, &set->seen, &set->n_seen, &set->seen_cap, node);
    for (; next < set->n_seen && !set->failed; next++) {
        const mu_rule_node *at = &rules->nodes[set->seen[next]];
        bool is_fork = at->kind == MU_RULE_FORK;
        if (!is_fork) append(set, &set->list, &set->n, &set->cap, set->seen[next]);
        bool is_passed =
            is_fork || (at->kind == MU_RULE_CALL && rules->rules[at->rule].is_nullable);
        uint32_t ways[2] = {at->out, is_fork ? at->other : MU_NODE_NONE};
        for (int i = 0; i < 2 && is_passed; i++) {
            if (ways[i] == MU_NODE_NONE || contains(set->seen, set->n_seen, ways[i])) continue;
            append(set, &set->seen, &set->n_seen, &set->seen_cap, ways[i]);
        }
    }
}

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static mu_state intern(mu_automaton *a, nodes *set) {
    if (set->failed) {
        if (a->status == MU_OK) a->status = MU_ERR_NOMEM;
        return MU_STATE_NONE;
    }
    if (set->n == 0) return MU_STATE_NONE;
    qsort(set->list, set->n, sizeof(uint32_t), by_value);
    mu_key key = {.kind = MU_KIND_RULE};
    return mu_automaton_intern(a, &key, set->list, (uint32_t)set->n);
}

mu_state mu_rule_state(mu_automaton *a, uint32_t rule) {
    nodes set = {0};
    add_closure(a->rules, &set, a->rules->rules[rule].first);
    mu_state state = intern(a, &set);
    deinit(&set);
    return state;
}

bool mu_rule_is_final(const mu_automaton *a, const uint32_t *list, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        if (a->rules->nodes[list[i]].kind == MU_RULE_END) return true;
    }
    return false;
}

static bool is_only_end(const mu_automaton *a, const nodes *set) {
    return set->n == 1 && a->rules->nodes[set->list[0]].kind == MU_RULE_END;
}

/* Paths through the calls of one rule: all that may follow one of them is one state. */
static void add_call_paths(mu_automaton *a, const mu_state_row *row, uint32_t rule, uint8_t byte,
                           mu_paths *out) {
    nodes after = {0};
    for (uint32_t i = 0; i < row->n_extra; i++) {
        const mu_rule_node *node = &a->rules->nodes[row->extra[i]];
        if (node->kind == MU_RULE_CALL && node->rule == rule) {
            add_closure(a->rules, &after, node->out);
        }
    }
    uint32_t first = out->n;
    mu_state start = mu_rule_state(a, rule);
    if (start != MU_STATE_NONE) {
        mu_state_row called = a->rows[start];
        mu_rule_paths(a, &called, byte, out);
    }
    if (out->n > first && !is_only_end(a, &after)) {
        mu_paths_push_below(a, out, first, intern(a, &after));
    }
    deinit(&after);
}

void mu_rule_paths(mu_automaton *a, const mu_state_row *row, uint8_t byte, mu_paths *out) {
    nodes to = {0};
    for (uint32_t i = 0; i < row->n_extra; i++) {
        const mu_rule_node *node = &a->rules->nodes[row->extra[i]];
        if (node->kind == MU_RULE_BYTES && node->lo <= byte && byte <= node->hi) {
            add_closure(a->rules, &to, node->out);
        }
    }
    if (to.n > 0) mu_paths_add(out, intern(a, &to));
    deinit(&to);
    for (uint32_t i = 0; i < row->n_extra && a->status == MU_OK; i++) {
        const mu_rule_node *node = &a->rules->nodes[row->extra[i]];
        if (node->kind != MU_RULE_CALL) continue;
        bool is_first = true; /* call of this rule */
        for (uint32_t j = 0; j < i && is_first; j++) {
            const mu_rule_node *other = &a->rules->nodes[row->extra[j]];
            is_first = other->kind != MU_RULE_CALL || other->rule != node->rule;
        }
        if (is_first) add_call_paths(a, row, node->rule, byte, out);
    }
}
