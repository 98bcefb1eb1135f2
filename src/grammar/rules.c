#include "grammar/rules.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "grammar/lexeme.h"

void mu_rules_deinit(mu_rules *rules) {
    mu_free(rules->nodes);
    mu_free(rules->rules);
    *rules = (mu_rules){0};
}

uint32_t mu_rules_add(mu_rules *rules) {
    rules->is_over_limit = rules->n_rules == MU_RULES_MAX;
    if (rules->is_over_limit ||
        !mu_grow((void **)&rules->rules, &rules->rules_cap, rules->n_rules + 1, sizeof(mu_rule))) {
        return MU_NODE_NONE;
    }
    rules->rules[rules->n_rules] = (mu_rule){.first = MU_NODE_NONE};
    return (uint32_t)rules->n_rules++;
}

uint32_t mu_rules_node(mu_rules *rules, const mu_rule_node *node) {
    rules->is_over_limit = rules->n_nodes == MU_RULE_NODES_MAX;
    if (rules->is_over_limit || !mu_grow((void **)&rules->nodes, &rules->nodes_cap,
                                         rules->n_nodes + 1, sizeof(mu_rule_node))) {
        return MU_NODE_NONE;
    }
    rules->nodes[rules->n_nodes] = *node;
    return (uint32_t)rules->n_nodes++;
}

/* UTF-8 as ranges of bytes: a range of characters is cut where the length changes and where a byte
 * that is not the last would span a part of its range only. */

typedef struct chain {
    mu_rules *rules;
    uint32_t fork; /* the last alternative so far, MU_NODE_NONE: none */
    uint32_t out;
} chain;

static bool add_sequence(chain *c, const uint8_t *lo, const uint8_t *hi, int n) {
    uint32_t to = c->out;
    for (int i = n - 1; i >= 0; i--) {
        to = mu_rules_node(
            c->rules,
            &(mu_rule_node){
                .kind = MU_RULE_BYTES, .lo = lo[i], .hi = hi[i], .out = to, .other = MU_NODE_NONE});
        if (to == MU_NODE_NONE) return false;
    }
    c->fork =
        mu_rules_node(c->rules, &(mu_rule_node){.kind = MU_RULE_FORK, .out = to, .other = c->fork});
    return c->fork != MU_NODE_NONE;
}

static int encode(uint32_t c, uint8_t out[4]) {
    int n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (int i = n - 1; i > 0; i--) {
        out[i] = (uint8_t)(0x80 | (c & 0x3F));
        c >>= 6;
    }
    out[0] = (uint8_t)(leads[n] | c);
    return n;
}

static bool add_range(chain *c, uint32_t lo, uint32_t hi) {
    static const uint32_t cuts[] = {0x7F, 0x7FF, 0xD7FF, 0xDFFF, 0xFFFF};
    if (lo > hi) return true;
    for (size_t i = 0; i < MU_COUNTOF(cuts); i++) {
        if (lo <= cuts[i] && cuts[i] < hi) {
            return add_range(c, lo, cuts[i]) && add_range(c, cuts[i] + 1, hi);
        }
    }
    if (lo >= 0xD800 && hi <= 0xDFFF) return true; /* halves of pairs are no characters */
    for (int i = 1; i < 4; i++) {
        uint32_t mask = (1u << (6 * i)) - 1;
        if (hi < 0x80 || (lo & ~mask) == (hi & ~mask)) continue;
        if ((lo & mask) != 0)
            return add_range(c, lo, lo | mask) && add_range(c, (lo | mask) + 1, hi);
        if ((hi & mask) != mask) {
            return add_range(c, lo, (hi & ~mask) - 1) && add_range(c, hi & ~mask, hi);
        }
    }
    uint8_t first[4], last[4];
    int n = encode(lo, first);
    encode(hi, last);
    return add_sequence(c, first, last, n);
}

uint32_t mu_rules_chars(mu_rules *rules, const mu_charset *set, uint32_t out) {
    chain c = {rules, MU_NODE_NONE, out};
    for (uint32_t i = 0; i < set->n; i++) {
        if (!add_range(&c, set->ranges[i].lo, set->ranges[i].hi)) return MU_NODE_NONE;
    }
    if (c.fork != MU_NODE_NONE) return c.fork;
    return mu_rules_node(
        rules, &(mu_rule_node){.kind = MU_RULE_FORK, .out = MU_NODE_NONE, .other = MU_NODE_NONE});
}

/* Checks. */

typedef struct walk {
    const mu_rules *rules;
    bool *seen;     /* [n_nodes], all false between walks */
    uint32_t *list; /* [n_nodes] those seen, in the order they are passed */
    size_t n;
} walk;

static void visit(walk *w, uint32_t node) {
    if (node == MU_NODE_NONE || w->seen[node]) return;
    w->seen[node] = true;
    w->list[w->n++] = node;
}

static void end_walk(walk *w) {
    for (size_t i = 0; i < w->n; i++) {
        w->seen[w->list[i]] = false;
    }
    w->n = 0;
}

/* Whether the end of a rule is reached from its first node; through bytes too where they count,
 * through a call where its rule is known to end. */
static bool reaches_end(walk *w, uint32_t first, bool through_bytes, const bool *ends) {
    bool found = false;
    visit(w, first);
    for (size_t i = 0; i < w->n && !found; i++) {
        const mu_rule_node *n = &w->rules->nodes[w->list[i]];
        found = n->kind == MU_RULE_END;
        bool is_passed = n->kind == MU_RULE_FORK || (n->kind == MU_RULE_BYTES && through_bytes) ||
                         (n->kind == MU_RULE_CALL && ends[n->rule]);
        if (!is_passed) continue;
        visit(w, n->out);
        if (n->kind == MU_RULE_FORK) visit(w, n->other);
    }
    end_walk(w);
    return found;
}

/* The least fixed point: rules that end, in turn letting others end. */
static void find_ending(walk *w, bool through_bytes, bool *ends) {
    bool has_changed = true;
    while (has_changed) {
        has_changed = false;
        for (size_t r = 0; r < w->rules->n_rules; r++) {
            if (ends[r] || !reaches_end(w, w->rules->rules[r].first, through_bytes, ends)) continue;
            ends[r] = has_changed = true;
        }
    }
}

/* Rules that this one calls before it has read anything. */
static void find_left_calls(walk *w, uint32_t rule, bool *calls) {
    visit(w, w->rules->rules[rule].first);
    for (size_t i = 0; i < w->n; i++) {
        const mu_rule_node *n = &w->rules->nodes[w->list[i]];
        if (n->kind == MU_RULE_CALL) calls[n->rule] = true;
        bool is_passed = n->kind == MU_RULE_FORK ||
                         (n->kind == MU_RULE_CALL && w->rules->rules[n->rule].is_nullable);
        if (!is_passed) continue;
        visit(w, n->out);
        if (n->kind == MU_RULE_FORK) visit(w, n->other);
    }
    end_walk(w);
}

/* A rule is left recursive when no order has every rule after those it calls first: rules whose
 * calls are all placed are placed, until nothing moves. */
static bool find_left_recursion(walk *w, bool *calls, bool *is_placed, uint32_t *out_rule) {
    size_t n = w->rules->n_rules;
    bool has_changed = true;
    while (has_changed) {
        has_changed = false;
        *out_rule = MU_NODE_NONE;
        for (uint32_t r = 0; r < n; r++) {
            if (is_placed[r]) continue;
            memset(calls, 0, n);
            find_left_calls(w, r, calls);
            bool is_free = true;
            for (size_t i = 0; i < n && is_free; i++) {
                is_free = !calls[i] || is_placed[i];
            }
            if (is_free) {
                is_placed[r] = has_changed = true;
            } else {
                *out_rule = r;
            }
        }
    }
    return *out_rule != MU_NODE_NONE;
}

mu_status mu_rules_check(mu_rules *rules, uint32_t *out_rule) {
    size_t n = rules->n_rules;
    walk w = {.rules = rules};
    w.seen = MU_ALLOC(bool, rules->n_nodes + 1);
    w.list = MU_ALLOC(uint32_t, rules->n_nodes + 1);
    bool *nullable = MU_ALLOC(bool, n + 1), *ends = MU_ALLOC(bool, n + 1);
    bool *calls = MU_ALLOC(bool, n + 1), *is_placed = MU_ALLOC(bool, n + 1);
    mu_status status = MU_ERR_NOMEM;
    if (w.seen && w.list && nullable && ends && calls && is_placed) {
        status = MU_OK;
        find_ending(&w, false, nullable);
        find_ending(&w, true, ends);
        for (uint32_t r = 0; r < n; r++) {
            rules->rules[r].is_nullable = nullable[r];
            if (ends[r] || status != MU_OK) continue;
            *out_rule = r;
            status = MU_ERR_INVALID;
        }
        if (status == MU_OK && find_left_recursion(&w, calls, is_placed, out_rule)) {
            status = MU_ERR_UNSUPPORTED;
        }
    }
    mu_free(w.seen);
    mu_free(w.list);
    mu_free(nullable);
    mu_free(ends);
    mu_free(calls);
    mu_free(is_placed);
    return status;
}
