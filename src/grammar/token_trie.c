#include "grammar/token_trie.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "text/utf8.h"

typedef struct entry {
    const char *data;
    uint32_t n;
    mu_token token;
} entry;

static int by_bytes(const void *a, const void *b) {
    const entry *x = a, *y = b;
    int order = memcmp(x->data, y->data, x->n < y->n ? x->n : y->n);
    if (order != 0) return order;
    if (x->n != y->n) return x->n < y->n ? -1 : 1;
    return x->token < y->token ? -1 : 1;
}

static bool is_plain(const entry *e) {
    uint32_t n_chars = 0;
    if (mu_utf8_valid(e->data, e->n) != e->n) return false;
    for (uint32_t i = 0; i < e->n; i++) {
        uint8_t c = (uint8_t)e->data[i];
        if (c < 0x20 || c == '"' || c == '\\') return false;
        n_chars += (c & 0xC0) != 0x80;
    }
    return n_chars <= MU_TRIE_PLAIN_CHARS;
}

static uint32_t common_prefix(const entry *a, const entry *b) {
    uint32_t n = a->n < b->n ? a->n : b->n, i = 0;
    while (i < n && a->data[i] == b->data[i]) {
        i++;
    }
    return i;
}

/* entries: [n] sorted. Nodes of the path to the last token are open; those below where the next one
 * leaves it get their end. */
static bool build(mu_trie_tree *tree, const entry *entries, size_t n) {
    size_t n_nodes = 1;
    for (size_t i = 0; i < n; i++) {
        n_nodes += entries[i].n - (i ? common_prefix(&entries[i - 1], &entries[i]) : 0);
    }
    tree->nodes = MU_ALLOC(mu_trie_node, n_nodes);
    if (!tree->nodes) return false;
    uint32_t open[MU_TRIE_DEPTH_MAX + 1] = {0}, depth = 0, next = 1;
    tree->nodes[0] = (mu_trie_node){.token = MU_TOKEN_NONE};
    for (size_t i = 0; i < n; i++) {
        uint32_t common = i ? common_prefix(&entries[i - 1], &entries[i]) : 0;
        for (; depth > common; depth--) {
            tree->nodes[open[depth]].end = next;
        }
        while (depth < entries[i].n) {
            uint8_t byte = (uint8_t)entries[i].data[depth++];
            tree->nodes[next] =
                (mu_trie_node){.token = MU_TOKEN_NONE, .byte = byte, .depth = (uint8_t)depth};
            open[depth] = next++;
        }
        mu_trie_node *last = &tree->nodes[open[depth]];
        if (last->token == MU_TOKEN_NONE) last->token = entries[i].token;
    }
    for (; depth > 0; depth--) {
        tree->nodes[open[depth]].end = next;
    }
    tree->nodes[0].end = next;
    MU_ASSERT(next == n_nodes);
    tree->n = next;
    return true;
}

/* Chains tokens with the same bytes, and takes out what is plain for the second tree. */
static bool fill(mu_token_trie *trie, entry *entries, size_t n) {
    qsort(entries, n, sizeof(entry), by_bytes);
    for (size_t i = 0; i + 1 < n; i++) {
        if (entries[i].n == entries[i + 1].n &&
            common_prefix(&entries[i], &entries[i + 1]) == entries[i].n) {
            trie->same[entries[i].token] = entries[i + 1].token;
        }
    }
    if (!build(&trie->all, entries, n)) return false;
    size_t n_rest = 0;
    for (size_t i = 0; i < n; i++) {
        if (is_plain(&entries[i])) {
            trie->plain[entries[i].token / 64] |= UINT64_C(1) << (entries[i].token % 64);
        } else {
            entries[n_rest++] = entries[i];
        }
    }
    return build(&trie->rest, entries, n_rest);
}

/* Copies the bytes of all tokens that are offered. */
static bool own_bytes(mu_token_trie *trie, const mu_token_bytes *tokens) {
    size_t n = 0;
    for (uint32_t t = 0; t < trie->vocab_size; t++) {
        n += tokens[t].n <= MU_TRIE_DEPTH_MAX ? tokens[t].n : 0;
    }
    trie->bytes = MU_ALLOC(char, n + 1);
    trie->starts = MU_ALLOC(uint32_t, (size_t)trie->vocab_size + 1);
    if (!trie->bytes || !trie->starts) return false;
    for (uint32_t t = 0, at = 0; t < trie->vocab_size; t++) {
        if (tokens[t].n > 0 && tokens[t].n <= MU_TRIE_DEPTH_MAX) {
            memcpy(trie->bytes + at, tokens[t].data, tokens[t].n);
            at += (uint32_t)tokens[t].n;
        }
        trie->starts[t + 1] = at;
    }
    return true;
}

mu_status mu_token_trie_open(const mu_token_bytes *tokens, uint32_t vocab_size, mu_token_trie **out,
                             mu_err *err) {
    mu_token_trie *trie = mu_alloc(sizeof(*trie));
    entry *entries = MU_ALLOC(entry, (size_t)vocab_size + 1);
    bool ok = trie && entries;
    if (ok) {
        *trie = (mu_token_trie){.vocab_size = vocab_size, .n_words = (vocab_size + 63) / 64};
        trie->plain = MU_ALLOC(uint64_t, (size_t)trie->n_words + 1);
        trie->same = MU_ALLOC(mu_token, (size_t)vocab_size + 1);
        ok = trie->plain && trie->same && own_bytes(trie, tokens);
    }
    size_t n = 0;
    for (uint32_t t = 0; ok && t < vocab_size; t++) {
        trie->same[t] = MU_TOKEN_NONE;
        mu_token_bytes own = mu_token_trie_bytes(trie, (mu_token)t);
        if (own.n > 0) entries[n++] = (entry){own.data, (uint32_t)own.n, (mu_token)t};
    }
    ok = ok && fill(trie, entries, n);
    mu_free(entries);
    if (trie) atomic_init(&trie->n_refs, 1);
    if (!ok) {
        mu_token_trie_unref(trie);
        return mu_fail(err, MU_ERR_NOMEM, "tree of %u tokens", vocab_size);
    }
    *out = trie;
    return MU_OK;
}

mu_token_bytes mu_token_trie_bytes(const mu_token_trie *trie, mu_token token) {
    if (token < 0 || (uint32_t)token >= trie->vocab_size) return (mu_token_bytes){NULL, 0};
    uint32_t start = trie->starts[token];
    return (mu_token_bytes){trie->bytes + start, trie->starts[token + 1] - start};
}

mu_token mu_token_trie_longest(const mu_token_trie *trie, const char *text, size_t n) {
    const mu_trie_node *nodes = trie->all.nodes;
    mu_token best = MU_TOKEN_NONE;
    uint32_t parent = 0;
    for (size_t depth = 0; depth < n; depth++) {
        uint32_t child = parent + 1;
        while (child < nodes[parent].end && nodes[child].byte != (uint8_t)text[depth]) {
            child = nodes[child].end;
        }
        if (child >= nodes[parent].end) break;
        if (nodes[child].token != MU_TOKEN_NONE) best = nodes[child].token;
        parent = child;
    }
    return best;
}

mu_token_trie *mu_token_trie_ref(mu_token_trie *trie) {
    atomic_fetch_add_explicit(&trie->n_refs, 1, memory_order_relaxed);
    return trie;
}

void mu_token_trie_unref(mu_token_trie *trie) {
    if (!trie) return;
    if (atomic_fetch_sub_explicit(&trie->n_refs, 1, memory_order_acq_rel) > 1) return;
    mu_free(trie->all.nodes);
    mu_free(trie->rest.nodes);
    mu_free(trie->plain);
    mu_free(trie->bytes);
    mu_free(trie->starts);
    mu_free(trie->same);
    mu_free(trie);
}
