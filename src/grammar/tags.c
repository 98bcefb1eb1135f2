#include "grammar/tags.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

enum { LITERAL_MAX = 1024 };

/* Nodes are made from the end of the text to its beginning: each knows what follows it. A failure
 * is sticky: MU_NODE_NONE from then on. */
typedef struct builder {
    const mu_grammar_tags *tags;
    const mu_expr *exprs;
    const mu_token_trie *trie;
    mu_rules *rules;
    bool failed, is_too_long;
} builder;

static uint32_t add(builder *b, mu_rule_node node) {
    uint32_t at = b->failed ? MU_NODE_NONE : mu_rules_node(b->rules, &node);
    b->failed = b->failed || at == MU_NODE_NONE;
    return at;
}

static uint32_t fork(builder *b, uint32_t out, uint32_t other) {
    return add(b, (mu_rule_node){.kind = MU_RULE_FORK, .out = out, .other = other});
}

static uint32_t bytes(builder *b, uint8_t lo, uint8_t hi, uint32_t out) {
    return add(b,
               (mu_rule_node){
                   .kind = MU_RULE_BYTES, .lo = lo, .hi = hi, .out = out, .other = MU_NODE_NONE});
}

/* Where a control token's text stands in it, it is that token. */
static size_t escape(builder *b, const char *text, char out[LITERAL_MAX]) {
    size_t n_text = strlen(text), n = 0;
    char marked[MU_TRIE_DEPTH_MAX + 1] = {(char)MU_CONTROL_BYTE};
    for (size_t at = 0; at < n_text;) {
        size_t n_there = n_text - at < MU_TRIE_DEPTH_MAX ? n_text - at : MU_TRIE_DEPTH_MAX;
        memcpy(marked + 1, text + at, n_there);
        mu_token token =
            b->trie ? mu_token_trie_longest(b->trie, marked, n_there + 1) : MU_TOKEN_NONE;
        size_t n_token = token == MU_TOKEN_NONE ? 0 : mu_token_trie_bytes(b->trie, token).n;
        bool is_control = n_token > 1;
        size_t n_taken = is_control ? n_token - 1 : 1;
        if (n + n_taken + 1 > LITERAL_MAX) {
            b->failed = b->is_too_long = true;
            return 0;
        }
        if (is_control) out[n++] = (char)MU_CONTROL_BYTE;
        memcpy(out + n, text + at, n_taken);
        n += n_taken;
        at += n_taken;
    }
    return n;
}

/* Without its first n_skipped bytes. */
static uint32_t literal_rest(builder *b, const char *text, size_t n_skipped, uint32_t out) {
    char escaped[LITERAL_MAX];
    size_t n = escape(b, text, escaped);
    for (size_t i = n; i-- > n_skipped && !b->failed;) {
        out = bytes(b, (uint8_t)escaped[i], (uint8_t)escaped[i], out);
    }
    return out;
}

static uint32_t literal(builder *b, const char *text, uint32_t out) {
    return literal_rest(b, text, 0, out);
}

/* The first node of a group without its first n_skipped bytes. */
static uint32_t group(builder *b, size_t n_skipped, uint32_t out) {
    const mu_grammar_tags *t = b->tags;
    uint32_t first = MU_NODE_NONE, again = MU_NODE_NONE;
    uint32_t after = fork(b, literal(b, t->close, out), MU_NODE_NONE);
    for (uint32_t i = 0; i < t->n && !b->failed; i++) {
        uint32_t value = add(b, (mu_rule_node){.kind = MU_RULE_VALUE,
                                               .rule = b->exprs[i],
                                               .out = literal(b, t->items[i].end, after),
                                               .other = MU_NODE_NONE});
        mu_buf begin = {0};
        mu_buf_append_str(&begin, t->open);
        mu_buf_append_str(&begin, t->items[i].begin);
        mu_buf_append(&begin, "", 1);
        b->failed |= begin.failed;
        if (!b->failed) first = fork(b, literal_rest(b, begin.data, n_skipped, value), first);
        if (t->between) again = fork(b, literal(b, t->items[i].begin, value), again);
        mu_buf_deinit(&begin);
    }
    if (t->between && !b->failed) b->rules->nodes[after].other = literal(b, t->between, again);
    return first;
}

/* How much of mark the text ends with, when it ended with n_matched of it before this byte. */
static size_t matched_after(const char *mark, size_t n_matched, uint8_t byte) {
    char text[LITERAL_MAX + 1];
    memcpy(text, mark, n_matched);
    text[n_matched] = (char)byte;
    size_t n = n_matched + 1;
    while (memcmp(text + n_matched + 1 - n, mark, n) != 0) {
        n--;
    }
    return n;
}

/* Any text up to the first mark, then out. at_end: where it may go on or end without one,
 * MU_NODE_NONE: nowhere. */
static uint32_t text_until(builder *b, const char *mark, size_t n_mark, uint32_t at_end,
                           uint32_t out) {
    uint32_t states[LITERAL_MAX] = {MU_NODE_NONE};
    for (size_t i = 0; i < n_mark; i++) {
        states[i] = fork(b, MU_NODE_NONE, at_end);
    }
    for (size_t i = 0; i < n_mark && !b->failed; i++) {
        int lo = 0;
        while (lo < 256 && !b->failed) {
            size_t to = matched_after(mark, i, (uint8_t)lo);
            int hi = lo;
            while (hi < 255 && matched_after(mark, i, (uint8_t)(hi + 1)) == to) {
                hi++;
            }
            uint32_t next = to == n_mark ? out : states[to];
            uint32_t edge = bytes(b, (uint8_t)lo, (uint8_t)hi, next);
            uint32_t rest =
                fork(b, edge, b->failed ? MU_NODE_NONE : b->rules->nodes[states[i]].out);
            if (!b->failed) b->rules->nodes[states[i]].out = rest;
            lo = hi + 1;
        }
    }
    return b->failed ? MU_NODE_NONE : states[0];
}

/* Up to two line breaks. */
static uint32_t blanks(builder *b, uint32_t out) {
    uint32_t one = fork(b, bytes(b, '\n', '\n', out), out);
    return fork(b, bytes(b, '\n', '\n', one), out);
}

/* Reasoning that has begun, or may. */
static uint32_t reasoning(builder *b, uint32_t out) {
    const mu_grammar_tags *t = b->tags;
    char mark[LITERAL_MAX];
    if (!t->reasoning_close) return out;
    size_t n_mark = escape(b, t->reasoning_close, mark);
    if (b->failed) return MU_NODE_NONE;
    uint32_t text = text_until(b, mark, n_mark, MU_NODE_NONE, blanks(b, out));
    if (!t->reasoning_open) return text;
    return fork(b, literal(b, t->reasoning_open, text), out);
}

static uint32_t build(builder *b) {
    const mu_grammar_tags *t = b->tags;
    uint32_t end =
        add(b, (mu_rule_node){.kind = MU_RULE_END, .out = MU_NODE_NONE, .other = MU_NODE_NONE});
    if (!t->trigger) return reasoning(b, group(b, 0, end));
    char mark[LITERAL_MAX];
    size_t n_mark = escape(b, t->trigger, mark);
    uint32_t after = fork(b, end, MU_NODE_NONE);
    uint32_t first = group(b, n_mark, after);
    uint32_t text = b->failed ? MU_NODE_NONE : text_until(b, mark, n_mark, end, first);
    if (!t->once && !b->failed) b->rules->nodes[after].other = text;
    return text;
}

mu_status mu_tags_build(const mu_grammar_tags *tags, const mu_expr *exprs,
                        const mu_token_trie *trie, mu_rules *rules, uint32_t *out_root,
                        mu_err *err) {
    builder b = {.tags = tags, .exprs = exprs, .trie = trie, .rules = rules};
    uint32_t root = mu_rules_add(rules), first = build(&b);
    if (root != MU_NODE_NONE && !b.failed) {
        rules->rules[root].first = first;
        *out_root = root;
        return MU_OK;
    }
    if (b.is_too_long || rules->is_over_limit)
        return mu_fail(err, MU_ERR_LIMIT, "more or longer texts than a grammar may have");
    return mu_fail(err, MU_ERR_NOMEM, "grammar");
}
