/* States inside rules: sets of nodes that read a byte, call or end, closed over forks and over
 * calls of rules that may be empty. Branches that cannot reach the end of their rule are not there:
 * the rules are checked to end, and what a fork leads to always does.
 *
 * A call that is the last thing of its rule pushes nothing: whoever called goes on.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "grammar/automaton.h"

/* A set is filled before the next one is begun: the marks are those of the last. */
typedef struct nodes {
    uint32_t *list; /* [n], owned */
    size_t n, cap;
    uint32_t *todo; /* [n_todo], owned */
    size_t n_todo, todo_cap;
    uint32_t mark;
    bool failed;
} nodes;

static nodes begin(mu_automaton *a) {
    return (nodes){.mark = ++a->n_marked};
}

static void deinit(nodes *set) {
    mu_free(set->list);
    mu_free(set->todo);
}

static void append(nodes *set, uint32_t **list, size_t *n, size_t *cap, uint32_t node) {
    if (!mu_grow((void **)list, cap, *n + 1, sizeof(uint32_t))) {
        set->failed = true;
        return;
    }
    (*list)[(*n)++] = node;
}

static void reach(mu_automaton *a, nodes *set, uint32_t node) {
    if (node == MU_NODE_NONE || a->marks[node] == set->mark) return;
    a->marks[node] = set->mark;
    a->n_work++;
    append(set, &set->todo, &set->n_todo, &set->todo_cap, node);
}

static void add_closure(mu_automaton *a, nodes *set, uint32_t node) {
    const mu_rules *rules = a->rules;
    reach(a, set, node);
    while (set->n_todo > 0 && !set->failed) {
        uint32_t next = set->todo[--set->n_todo];
        const mu_rule_node *at = &rules->nodes[next];
        bool is_fork = at->kind == MU_RULE_FORK;
        if (!is_fork) append(set, &set->list, &set->n, &set->cap, next);
        if (is_fork || (at->kind == MU_RULE_CALL && rules->rules[at->rule].is_nullable)) {
            reach(a, set, at->out);
        }
        if (is_fork) reach(a, set, at->other);
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
    nodes set = begin(a);
    add_closure(a, &set, a->rules->rules[rule].first);
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

static bool is_same_call(const mu_rule_node *a, const mu_rule_node *b) {
    return a->kind == b->kind && a->rule == b->rule;
}

/* Paths through the calls of one rule, or the values of one expression: all that may follow one of
 * them is one state. */
static void add_call_paths(mu_automaton *a, const mu_state_row *row, const mu_rule_node *call,
                           uint8_t byte, mu_paths *out) {
    nodes after = begin(a);
    for (uint32_t i = 0; i < row->n_extra; i++) {
        const mu_rule_node *node = &a->rules->nodes[row->extra[i]];
        if (is_same_call(node, call)) add_closure(a, &after, node->out);
    }
    uint32_t first = out->n;
    bool is_value = call->kind == MU_RULE_VALUE;
    mu_state start = is_value ? mu_value_state(a, call->rule) : mu_rule_state(a, call->rule);
    if (start != MU_STATE_NONE) {
        mu_state_row called = a->rows[start];
        if (is_value) mu_json_paths(a, &called, byte, out);
        if (!is_value) mu_rule_paths(a, &called, byte, out);
    }
    if (out->n > first && !is_only_end(a, &after)) {
        mu_paths_push_below(a, out, first, intern(a, &after));
    }
    deinit(&after);
}

void mu_rule_paths(mu_automaton *a, const mu_state_row *row, uint8_t byte, mu_paths *out) {
    nodes to = begin(a);
    for (uint32_t i = 0; i < row->n_extra; i++) {
        const mu_rule_node *node = &a->rules->nodes[row->extra[i]];
        if (node->kind == MU_RULE_BYTES && node->lo <= byte && byte <= node->hi) {
            add_closure(a, &to, node->out);
        }
    }
    if (to.n > 0) mu_paths_add(out, intern(a, &to));
    deinit(&to);
    for (uint32_t i = 0; i < row->n_extra && a->status == MU_OK; i++) {
        const mu_rule_node *node = &a->rules->nodes[row->extra[i]];
        if (node->kind != MU_RULE_CALL && node->kind != MU_RULE_VALUE) continue;
        bool is_first = true; /* call of this rule */
        for (uint32_t j = 0; j < i && is_first; j++) {
            is_first = !is_same_call(&a->rules->nodes[row->extra[j]], node);
        }
        if (is_first) add_call_paths(a, row, node, byte, out);
    }
}
