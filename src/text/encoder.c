/* A word is merged pair by pair, lowest rank first, leftmost on ties. Short words rescan an array
 * after each merge; long ones keep candidate pairs in a heap and the word as a linked list, so that
 * a word of a million letters takes n log n. Words that were seen lately come from a cache: English
 * text is mostly the same few thousand words.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "text/tokenizer.h"
#include "text/utf8.h"
#include "text/vocab.h"

enum {
    SHORT_WORD = 32, /* symbols: below, rescanning beats a heap */
    CACHE_ENTRIES = 1 << 14,
    CACHE_WORD = 23,
    CACHE_TOKENS = 8,
};

typedef struct cache_entry { /* one cache line */
    uint8_t n_bytes, n_tokens;
    char bytes[CACHE_WORD - 1];
    mu_token tokens[CACHE_TOKENS];
} cache_entry;

typedef struct candidate { /* a pair that could be merged */
    uint32_t rank;
    uint32_t left, right; /* symbol indexes */
    mu_token left_token, right_token, result;
} candidate;

typedef struct symbol {  /* of a long word */
    mu_token token;      /* MU_TOKEN_NONE once merged into its left neighbour */
    uint32_t next, prev; /* NO_SYMBOL at the ends */
} symbol;

#define NO_SYMBOL UINT32_MAX

struct mu_encoder {
    const mu_tokenizer *t; /* borrowed */
    mu_matcher *matcher;
    cache_entry *cache; /* [CACHE_ENTRIES] */
    mu_token *tokens;   /* the result */
    size_t n_tokens, tokens_cap;
    symbol *symbols;
    size_t symbols_cap;
    candidate *heap; /* least rank, then leftmost, at [0] */
    size_t n_heap, heap_cap;
    mu_buf clean;    /* a segment with its invalid bytes replaced */
    size_t *origins; /* of clean: where each byte comes from */
    size_t origins_cap;
    mu_buf prefixed; /* a segment with a space in front */
};

mu_status mu_encoder_open(const mu_tokenizer *tokenizer, mu_encoder **out, mu_err *err) {
    mu_encoder *e = mu_alloc(sizeof(*e));
    if (!e) return mu_fail(err, MU_ERR_NOMEM, "encoder");
    e->t = tokenizer;
    e->cache = MU_ALLOC(cache_entry, CACHE_ENTRIES);
    mu_status status =
        e->cache ? mu_matcher_open(&e->matcher, err) : mu_fail(err, MU_ERR_NOMEM, "encoder");
    if (status != MU_OK) {
        mu_encoder_close(e);
        return status;
    }
    *out = e;
    return MU_OK;
}

void mu_encoder_close(mu_encoder *e) {
    if (!e) return;
    mu_matcher_close(e->matcher);
    mu_free(e->cache);
    mu_free(e->tokens);
    mu_free(e->symbols);
    mu_free(e->heap);
    mu_free(e->origins);
    mu_buf_deinit(&e->clean);
    mu_buf_deinit(&e->prefixed);
    mu_free(e);
}

static mu_status no_memory(mu_err *err) {
    return mu_fail(err, MU_ERR_NOMEM, "encoding text");
}

/* array: the address of any pointer; memcpy, because a mu_token * may not be written as a
 * void *. */
static bool grow(void *array, size_t *cap, size_t need, size_t elem_size) {
    void *grown;
    memcpy(&grown, array, sizeof(grown));
    bool ok = mu_grow(&grown, cap, need, elem_size);
    memcpy(array, &grown, sizeof(grown));
    return ok;
}

static mu_status emit(mu_encoder *e, const mu_token *tokens, size_t n, mu_err *err) {
    if (!grow(&e->tokens, &e->tokens_cap, e->n_tokens + n, sizeof(*e->tokens)))
        return no_memory(err);
    memcpy(e->tokens + e->n_tokens, tokens, n * sizeof(*tokens));
    e->n_tokens += n;
    return MU_OK;
}

/* Bytes as tokens; a byte that the vocabulary lacks has no encoding. */
static mu_status byte_token(const mu_encoder *e, char byte, mu_token *out, mu_err *err) {
    *out = e->t->byte_tokens[(uint8_t)byte];
    if (*out != MU_TOKEN_NONE) return MU_OK;
    return mu_fail(err, MU_ERR_UNSUPPORTED, "the vocabulary has no token for byte 0x%02x",
                   (uint8_t)byte);
}

static mu_status merge_short(mu_encoder *e, const char *word, size_t n, mu_err *err) {
    mu_token tokens[SHORT_WORD];
    for (size_t i = 0; i < n; i++) {
        mu_status status = byte_token(e, word[i], &tokens[i], err);
        if (status != MU_OK) return status;
    }
    const mu_merge *merges[SHORT_WORD]; /* of tokens i and i + 1 */
    for (size_t i = 0; i + 1 < n; i++) {
        merges[i] = mu_vocab_merge(e->t, tokens[i], tokens[i + 1]);
    }
    while (n > 1) {
        size_t best = n;
        for (size_t i = 0; i + 1 < n; i++) {
            if (merges[i] && (best == n || merges[i]->rank < merges[best]->rank)) best = i;
        }
        if (best == n) break;
        tokens[best] = merges[best]->result;
        n--;
        memmove(tokens + best + 1, tokens + best + 2, (n - best - 1) * sizeof(*tokens));
        memmove(merges + best, merges + best + 1, (n - best) * sizeof(*merges));
        if (best + 1 < n) merges[best] = mu_vocab_merge(e->t, tokens[best], tokens[best + 1]);
        if (best > 0) merges[best - 1] = mu_vocab_merge(e->t, tokens[best - 1], tokens[best]);
    }
    return emit(e, tokens, n, err);
}

static bool comes_before(const candidate *a, const candidate *b) {
    return a->rank != b->rank ? a->rank < b->rank : a->left < b->left;
}

static void heap_up(candidate *heap, size_t at) {
    candidate moving = heap[at];
    while (at > 0 && comes_before(&moving, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = moving;
}

static void heap_down(candidate *heap, size_t n) {
    candidate moving = heap[0];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && comes_before(&heap[child + 1], &heap[child])) child++;
        if (!comes_before(&heap[child], &moving)) break;
        heap[at] = heap[child];
    }
    heap[at] = moving;
}

static mu_status push_pair(mu_encoder *e, uint32_t left, uint32_t right, mu_err *err) {
    if (left == NO_SYMBOL || right == NO_SYMBOL) return MU_OK;
    mu_token a = e->symbols[left].token, b = e->symbols[right].token;
    const mu_merge *merge = mu_vocab_merge(e->t, a, b);
    if (!merge) return MU_OK;
    if (!grow(&e->heap, &e->heap_cap, e->n_heap + 1, sizeof(*e->heap))) return no_memory(err);
    e->heap[e->n_heap] = (candidate){merge->rank, left, right, a, b, merge->result};
    heap_up(e->heap, e->n_heap++);
    return MU_OK;
}

static candidate pop_pair(mu_encoder *e) {
    candidate best = e->heap[0];
    e->heap[0] = e->heap[--e->n_heap];
    if (e->n_heap > 0) heap_down(e->heap, e->n_heap);
    return best;
}

/* A pair is out of date when either symbol has since become something else. */
static bool is_current(const mu_encoder *e, const candidate *c) {
    return e->symbols[c->left].token == c->left_token &&
           e->symbols[c->right].token == c->right_token && e->symbols[c->left].next == c->right;
}

static mu_status merge_long(mu_encoder *e, const char *word, size_t n, mu_err *err) {
    if (n >= NO_SYMBOL) return mu_fail(err, MU_ERR_LIMIT, "a word of %zu bytes", n);
    if (!grow(&e->symbols, &e->symbols_cap, n, sizeof(*e->symbols))) return no_memory(err);
    mu_status status = MU_OK;
    uint32_t n_symbols = (uint32_t)n;
    for (uint32_t i = 0; i < n_symbols && status == MU_OK; i++) {
        e->symbols[i].next = i + 1 < n_symbols ? i + 1 : NO_SYMBOL;
        e->symbols[i].prev = i > 0 ? i - 1 : NO_SYMBOL;
        status = byte_token(e, word[i], &e->symbols[i].token, err);
    }
    e->n_heap = 0;
    for (uint32_t i = 0; i + 1 < n_symbols && status == MU_OK; i++) {
        status = push_pair(e, i, i + 1, err);
    }
    while (e->n_heap > 0 && status == MU_OK) {
        candidate c = pop_pair(e);
        if (!is_current(e, &c)) continue;
        symbol *left = &e->symbols[c.left], *right = &e->symbols[c.right];
        left->token = c.result;
        left->next = right->next;
        if (right->next != NO_SYMBOL) e->symbols[right->next].prev = c.left;
        right->token = MU_TOKEN_NONE;
        status = push_pair(e, left->prev, c.left, err);
        if (status == MU_OK) status = push_pair(e, c.left, left->next, err);
    }
    for (uint32_t i = 0; i != NO_SYMBOL && status == MU_OK; i = e->symbols[i].next) {
        status = emit(e, &e->symbols[i].token, 1, err);
    }
    return status;
}

static mu_status merge_word(mu_encoder *e, const char *word, size_t n, mu_err *err) {
    if (e->t->ignore_merges) {
        mu_token whole = mu_vocab_find(e->t, word, n);
        if (whole != MU_TOKEN_NONE) return emit(e, &whole, 1, err);
    }
    return n <= SHORT_WORD ? merge_short(e, word, n, err) : merge_long(e, word, n, err);
}

static cache_entry *cache_slot(const mu_encoder *e, const char *word, size_t n) {
    uint64_t a = 0, b = 0, c = 0;
    memcpy(&a, word, n < 8 ? n : 8);
    if (n > 8) memcpy(&b, word + 8, n - 8 < 8 ? n - 8 : 8);
    if (n > 16) memcpy(&c, word + 16, n - 16);
    uint64_t hash = mu_mix64(a + 0x9e3779b97f4a7c15u * (b + 0x9e3779b97f4a7c15u * (c + n)));
    return &e->cache[hash & (CACHE_ENTRIES - 1)];
}

static mu_status encode_word(mu_encoder *e, const char *word, size_t n, mu_err *err) {
    if (n == 0) return MU_OK;
    if (n >= CACHE_WORD) return merge_word(e, word, n, err);
    cache_entry *entry = cache_slot(e, word, n);
    if (entry->n_bytes == n && memcmp(entry->bytes, word, n) == 0) {
        return emit(e, entry->tokens, entry->n_tokens, err);
    }
    size_t before = e->n_tokens;
    mu_status status = merge_word(e, word, n, err);
    size_t n_tokens = e->n_tokens - before;
    if (status != MU_OK || n_tokens > CACHE_TOKENS) return status;
    entry->n_bytes = (uint8_t)n;
    entry->n_tokens = (uint8_t)n_tokens;
    memcpy(entry->bytes, word, n);
    memcpy(entry->tokens, e->tokens + before, n_tokens * sizeof(*entry->tokens));
    return MU_OK;
}

/* Words of valid UTF-8. origins NULL: the bytes are those of the text itself; else byte i of clean
 * comes from text[origins[i]]. */
static mu_status encode_clean(mu_encoder *e, const char *clean, size_t n, const char *text,
                              const size_t *origins, mu_err *err) {
    for (size_t at = 0, end; at < n; at = end) {
        mu_status status = mu_pattern_piece(e->t->pattern, e->matcher, clean, n, at, &end, err);
        if (status != MU_OK) return status;
        const char *word = origins ? text + origins[at] : clean + at;
        size_t n_word = origins ? origins[end] - origins[at] : end - at;
        status = encode_word(e, word, n_word, err);
        if (status != MU_OK) return status;
    }
    return MU_OK;
}

/* Text with bytes that are not UTF-8: each broken run is read as U+FFFD and kept as it is. */
static mu_status encode_dirty(mu_encoder *e, const char *text, size_t n, mu_err *err) {
    mu_buf_clear(&e->clean);
    for (size_t at = 0, n_bytes; at < n; at += n_bytes) {
        size_t first = e->clean.n;
        bool is_whole = mu_utf8_step(text + at, n - at, &n_bytes) == MU_UTF8_WHOLE;
        mu_buf_append(&e->clean, is_whole ? text + at : MU_UTF8_REPLACEMENT,
                      is_whole ? n_bytes : strlen(MU_UTF8_REPLACEMENT));
        if (e->clean.failed ||
            !grow(&e->origins, &e->origins_cap, e->clean.n + 1, sizeof(*e->origins))) {
            return no_memory(err);
        }
        for (size_t i = first; i < e->clean.n; i++) {
            e->origins[i] = at + (is_whole ? i - first : 0);
        }
    }
    e->origins[e->clean.n] = n;
    return encode_clean(e, e->clean.data, e->clean.n, text, e->origins, err);
}

/* Text between added tokens. */
static mu_status encode_segment(mu_encoder *e, const char *text, size_t n, mu_err *err) {
    if (n == 0) return MU_OK;
    if (e->t->add_prefix_space && text[0] != ' ') {
        mu_buf_clear(&e->prefixed);
        mu_buf_append(&e->prefixed, " ", 1);
        mu_buf_append(&e->prefixed, text, n);
        if (e->prefixed.failed) return no_memory(err);
        text = e->prefixed.data;
        n++;
    }
    bool is_clean = mu_utf8_valid(text, n) == n;
    return is_clean ? encode_clean(e, text, n, text, NULL, err) : encode_dirty(e, text, n, err);
}

/* The added token at text, or NONE. */
static mu_token match_added(const mu_encoder *e, const char *text, size_t n, uint32_t flags) {
    for (uint32_t i = 0; i < e->t->n_added; i++) {
        mu_token token = e->t->added[i];
        mu_bytes piece = mu_tokenizer_piece(e->t, token);
        if (piece.n > n || memcmp(piece.data, text, piece.n) != 0) continue;
        bool is_special = mu_tokenizer_kind(e->t, token) == MU_TOKEN_SPECIAL;
        if (!is_special || (flags & MU_ENCODE_SPECIAL)) return token;
    }
    return MU_TOKEN_NONE;
}

static mu_status encode_all(mu_encoder *e, const char *text, size_t n, uint32_t flags,
                            mu_err *err) {
    size_t start = 0;
    for (size_t at = 0; at < n;) {
        if (!e->t->starts_added[(uint8_t)text[at]]) {
            at++;
            continue;
        }
        mu_token token = match_added(e, text + at, n - at, flags);
        if (token == MU_TOKEN_NONE) {
            at++;
            continue;
        }
        mu_status status = encode_segment(e, text + start, at - start, err);
        if (status == MU_OK) status = emit(e, &token, 1, err);
        if (status != MU_OK) return status;
        at += mu_tokenizer_piece(e->t, token).n;
        start = at;
    }
    return encode_segment(e, text + start, n - start, err);
}

mu_status mu_encode(mu_encoder *e, const char *text, size_t n, uint32_t flags,
                    const mu_token **out_tokens, size_t *out_n, mu_err *err) {
    e->n_tokens = 0;
    mu_status status = MU_OK;
    if ((flags & MU_ENCODE_BOS) && e->t->add_bos) status = emit(e, &e->t->bos, 1, err);
    if (status == MU_OK) status = encode_all(e, text, n, flags, err);
    if (status != MU_OK) return status;
    *out_tokens = e->tokens;
    *out_n = e->n_tokens;
    return MU_OK;
}
