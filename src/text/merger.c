/* Short words rescan an array after each merge; long ones keep candidate pairs in a heap and the
 * word as a linked list, so that a word of a million letters takes n log n. A candidate is out of
 * date when either of its symbols has since grown: then the two end elsewhere, or the left one is
 * part of another.
 */
#include "text/merger.h"

#include <string.h>

#include "base/alloc.h"
#include "text/utf8.h"

enum { SHORT_WORD = 32 }; /* symbols: below, rescanning beats a heap */
#define NO_SYMBOL UINT32_MAX
#define NO_RANK   UINT32_MAX

struct mu_symbol {       /* a part of the word */
    uint32_t start, end; /* bytes of the word; end 0: merged into its left neighbour */
    mu_token token;      /* MU_TOKEN_NONE: a character that is no token */
    uint32_t next, prev; /* NO_SYMBOL at the ends; only of long words */
};

typedef struct pair { /* two neighbours that could be one */
    uint32_t rank;    /* NO_RANK: they could not */
    mu_token result;
} pair;

struct mu_candidate {
    uint64_t key; /* rank, then the left symbol: the smallest is next */
    uint32_t end; /* of the right symbol when this was found */
    mu_token result;
};

void mu_merger_deinit(mu_merger *merger) {
    mu_free(merger->symbols);
    mu_free(merger->heap);
    *merger = (mu_merger){0};
}

static mu_status no_memory(mu_err *err) {
    return mu_fail(err, MU_ERR_NOMEM, "merging a word");
}

static pair pair_of(const mu_tokenizer *t, const char *word, const mu_symbol *left,
                    const mu_symbol *right) {
    if (t->scores) {
        size_t n = right->end - left->start;
        mu_token token =
            n <= t->longest_text ? mu_vocab_find(t, word + left->start, n) : MU_TOKEN_NONE;
        return token == MU_TOKEN_NONE ? (pair){NO_RANK, token} : (pair){t->ranks[token], token};
    }
    const mu_merge *merge = left->token == MU_TOKEN_NONE || right->token == MU_TOKEN_NONE
                                ? NULL
                                : mu_vocab_merge(t, left->token, right->token);
    return merge ? (pair){merge->rank, merge->result} : (pair){NO_RANK, MU_TOKEN_NONE};
}

static bool add_symbol(mu_merger *m, mu_symbol symbol) {
    if (m->n_symbols == m->symbols_cap) {
        void *grown = m->symbols;
        if (!mu_grow(&grown, &m->symbols_cap, m->n_symbols + 1, sizeof(symbol))) return false;
        m->symbols = grown;
    }
    m->symbols[m->n_symbols++] = symbol;
    return true;
}

/* A character that is no token, where merges name tokens: its bytes as symbols, or the unknown
 * token, which neighbouring unknown characters may share. */
static bool add_stranger(mu_merger *m, const mu_tokenizer *t, const char *word, uint32_t start,
                         uint32_t end) {
    bool has_bytes = t->has_byte_fallback;
    for (uint32_t i = start; i < end && has_bytes; i++) {
        has_bytes = t->byte_tokens[(uint8_t)word[i]] != MU_TOKEN_NONE;
    }
    if (!has_bytes) {
        mu_symbol *last = m->n_symbols > 0 ? &m->symbols[m->n_symbols - 1] : NULL;
        if (last && t->fuses_unknown && last->token == t->unknown && t->unknown != MU_TOKEN_NONE) {
            last->end = end;
            return true;
        }
        return add_symbol(m, (mu_symbol){.start = start, .end = end, .token = t->unknown});
    }
    for (uint32_t i = start; i < end; i++) {
        mu_token token = t->byte_tokens[(uint8_t)word[i]];
        if (!add_symbol(m, (mu_symbol){.start = i, .end = i + 1, .token = token})) return false;
    }
    return true;
}

static mu_status cut_into_characters(mu_merger *m, const mu_tokenizer *t, const char *word,
                                     uint32_t n, mu_err *err) {
    m->n_symbols = 0;
    for (uint32_t at = 0; at < n;) {
        size_t n_bytes;
        mu_utf8_step(word + at, n - at, &n_bytes);
        uint32_t end = at + (uint32_t)n_bytes;
        mu_token token = mu_vocab_find(t, word + at, n_bytes);
        bool is_stranger = token == MU_TOKEN_NONE && !t->scores;
        mu_symbol symbol = {.start = at, .end = end, .token = token};
        if (!(is_stranger ? add_stranger(m, t, word, at, end) : add_symbol(m, symbol)))
            return no_memory(err);
        at = end;
    }
    return MU_OK;
}

static mu_status cut_into_bytes(mu_merger *m, const mu_tokenizer *t, const char *word, uint32_t n,
                                mu_err *err) {
    m->n_symbols = 0;
    for (uint32_t i = 0; i < n; i++) {
        mu_token token = t->byte_tokens[(uint8_t)word[i]];
        if (token == MU_TOKEN_NONE) {
            return mu_fail(err, MU_ERR_UNSUPPORTED, "the vocabulary has no token for byte 0x%02x",
                           (uint8_t)word[i]);
        }
        if (!add_symbol(m, (mu_symbol){.start = i, .end = i + 1, .token = token}))
            return no_memory(err);
    }
    return MU_OK;
}

/* Tokens of a symbol. One without a token is a character (or a run of unknown ones). */
static mu_status emit(const mu_tokenizer *t, const char *word, const mu_symbol *symbol,
                      mu_token_list *out, mu_err *err) {
    if (symbol->token != MU_TOKEN_NONE) {
        return mu_token_list_add(out, &symbol->token, 1) ? MU_OK : no_memory(err);
    }
    for (uint32_t i = symbol->start; i < symbol->end; i++) {
        mu_token token = t->has_byte_fallback ? t->byte_tokens[(uint8_t)word[i]] : MU_TOKEN_NONE;
        bool is_unknown = token == MU_TOKEN_NONE;
        if (is_unknown) token = t->unknown;
        if (token == MU_TOKEN_NONE) {
            return mu_fail(err, MU_ERR_UNSUPPORTED, "the vocabulary has no token for byte 0x%02x",
                           (uint8_t)word[i]);
        }
        if (!mu_token_list_add(out, &token, 1)) return no_memory(err);
        if (is_unknown) break; /* one for the whole character */
    }
    return MU_OK;
}

/* symbols: [n], merged in place. */
static mu_status merge_short(const mu_tokenizer *t, const char *word, mu_symbol *symbols, size_t n,
                             mu_token_list *out, mu_err *err) {
    pair pairs[SHORT_WORD]; /* of symbols i and i + 1 */
    for (size_t i = 0; i + 1 < n; i++) {
        pairs[i] = pair_of(t, word, &symbols[i], &symbols[i + 1]);
    }
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++) {
            if (pairs[i].rank < pairs[best].rank) best = i;
        }
        if (pairs[best].rank == NO_RANK) break;
        symbols[best].token = pairs[best].result;
        symbols[best].end = symbols[best + 1].end;
        n--;
        memmove(symbols + best + 1, symbols + best + 2, (n - best - 1) * sizeof(*symbols));
        memmove(pairs + best, pairs + best + 1, (n - best) * sizeof(*pairs));
        if (best + 1 < n) pairs[best] = pair_of(t, word, &symbols[best], &symbols[best + 1]);
        if (best > 0) pairs[best - 1] = pair_of(t, word, &symbols[best - 1], &symbols[best]);
    }
    mu_status status = MU_OK;
    for (size_t i = 0; i < n && status == MU_OK; i++) {
        status = emit(t, word, &symbols[i], out, err);
    }
    return status;
}

static void heap_up(mu_candidate *heap, size_t at) {
    mu_candidate moving = heap[at];
    while (at > 0 && moving.key < heap[(at - 1) / 2].key) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = moving;
}

static void heap_down(mu_candidate *heap, size_t n, size_t at) {
    mu_candidate moving = heap[at];
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && heap[child + 1].key < heap[child].key) child++;
        if (heap[child].key >= moving.key) break;
        heap[at] = heap[child];
    }
    heap[at] = moving;
}

/* A pair that could be one, at the heap's end. *is_added: there was one. */
static mu_status add_pair(mu_merger *m, const mu_tokenizer *t, const char *word, uint32_t left,
                          uint32_t right, bool *is_added, mu_err *err) {
    *is_added = false;
    if (left == NO_SYMBOL || right == NO_SYMBOL) return MU_OK;
    pair p = pair_of(t, word, &m->symbols[left], &m->symbols[right]);
    if (p.rank == NO_RANK) return MU_OK;
    if (m->n_heap == m->heap_cap) {
        void *grown = m->heap;
        if (!mu_grow(&grown, &m->heap_cap, m->n_heap + 1, sizeof(*m->heap))) return no_memory(err);
        m->heap = grown;
    }
    m->heap[m->n_heap++] =
        (mu_candidate){(uint64_t)p.rank << 32 | left, m->symbols[right].end, p.result};
    *is_added = true;
    return MU_OK;
}

static mu_status push_pair(mu_merger *m, const mu_tokenizer *t, const char *word, uint32_t left,
                           uint32_t right, mu_err *err) {
    bool is_added;
    mu_status status = add_pair(m, t, word, left, right, &is_added, err);
    if (is_added) heap_up(m->heap, m->n_heap - 1);
    return status;
}

/* All pairs of neighbours, made a heap at once. */
static mu_status fill_heap(mu_merger *m, const mu_tokenizer *t, const char *word, mu_err *err) {
    mu_status status = MU_OK;
    bool is_added;
    m->n_heap = 0;
    for (uint32_t i = 0; i + 1 < m->n_symbols && status == MU_OK; i++) {
        status = add_pair(m, t, word, i, i + 1, &is_added, err);
    }
    for (size_t i = m->n_heap / 2; i > 0; i--) {
        heap_down(m->heap, m->n_heap, i - 1);
    }
    return status;
}

static mu_candidate pop_pair(mu_merger *m) {
    mu_candidate best = m->heap[0];
    m->heap[0] = m->heap[--m->n_heap];
    if (m->n_heap > 0) heap_down(m->heap, m->n_heap, 0);
    return best;
}

/* Ends only grow. */
static bool is_current(const mu_merger *m, const mu_candidate *c) {
    const mu_symbol *left = &m->symbols[(uint32_t)c->key];
    return left->end != 0 && left->next != NO_SYMBOL && m->symbols[left->next].end == c->end;
}

static mu_status merge_long(mu_merger *m, const mu_tokenizer *t, const char *word,
                            mu_token_list *out, mu_err *err) {
    uint32_t n = (uint32_t)m->n_symbols;
    for (uint32_t i = 0; i < n; i++) {
        m->symbols[i].next = i + 1 < n ? i + 1 : NO_SYMBOL;
        m->symbols[i].prev = i > 0 ? i - 1 : NO_SYMBOL;
    }
    mu_status status = fill_heap(m, t, word, err);
    while (m->n_heap > 0 && status == MU_OK) {
        mu_candidate c = pop_pair(m);
        if (!is_current(m, &c)) continue;
        uint32_t at = (uint32_t)c.key;
        mu_symbol *left = &m->symbols[at], *right = &m->symbols[left->next];
        left->token = c.result;
        left->end = right->end;
        left->next = right->next;
        if (right->next != NO_SYMBOL) m->symbols[right->next].prev = at;
        right->end = 0;
        status = push_pair(m, t, word, left->prev, at, err);
        if (status == MU_OK) status = push_pair(m, t, word, at, left->next, err);
    }
    for (uint32_t i = 0; i != NO_SYMBOL && status == MU_OK; i = m->symbols[i].next) {
        status = emit(t, word, &m->symbols[i], out, err);
    }
    return status;
}

mu_status mu_merge_word(mu_merger *m, const mu_tokenizer *t, const char *word, size_t n,
                        mu_token_list *out, mu_err *err) {
    if (n >= UINT32_MAX) return mu_fail(err, MU_ERR_LIMIT, "a word of %zu bytes", n);
    if (t->takes_whole_words) {
        mu_token whole = mu_vocab_find(t, word, n);
        if (whole != MU_TOKEN_NONE) {
            return mu_token_list_add(out, &whole, 1) ? MU_OK : no_memory(err);
        }
    }
    mu_status status = t->model == MU_TOKEN_MODEL_BYTE_BPE
                           ? cut_into_bytes(m, t, word, (uint32_t)n, err)
                           : cut_into_characters(m, t, word, (uint32_t)n, err);
    if (status != MU_OK || m->n_symbols == 0) return status;
    if (m->n_symbols <= SHORT_WORD) {
        return merge_short(t, word, m->symbols, m->n_symbols, out, err);
    }
    return merge_long(m, t, word, out, err);
}
