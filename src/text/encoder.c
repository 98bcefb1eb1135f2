/* A text passes the stages of tokenizer.h in runs between added tokens. Words that were seen lately
 * come from a cache: English text is mostly the same few thousand words.
 *
 * Bytes that are not UTF-8 are split as U+FFFD would be, one for each broken run, and put back when
 * the word is merged: the i-th U+FFFD of the words is the i-th of the text.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "text/lattice.h"
#include "text/merger.h"
#include "text/normalizer.h"
#include "text/tokenizer.h"
#include "text/utf8.h"
#include "text/vocab.h"
#include "text/wordpiece.h"

enum {
    CACHE_ENTRIES = 1 << 14,
    CACHE_WORD = 23,
    CACHE_TOKENS = 8,
};

typedef struct cache_entry { /* one cache line */
    uint8_t n_bytes, n_tokens;
    char bytes[CACHE_WORD - 1];
    mu_token tokens[CACHE_TOKENS];
} cache_entry;

struct mu_encoder {
    const mu_tokenizer *t; /* borrowed */
    mu_matcher *matcher;
    cache_entry *cache; /* [CACHE_ENTRIES] */
    mu_token_list list; /* the result */
    mu_merger merger;
    mu_lattice lattice;
    mu_normal_text normal;
    mu_buf prefixed[MU_SPLIT_STEPS_MAX]; /* what a step made of a piece */
    mu_buf clean;                        /* a run with its broken bytes replaced */
    mu_buf word;                         /* a word with them put back */
    mu_bytes *broken;                    /* [n_broken] the bytes behind each U+FFFD of clean */
    size_t n_broken, broken_cap, next_broken;
    mu_specials specials;
    const char *start; /* of the text's first piece, while it is being split; else NULL */
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
    mu_token_list_deinit(&e->list);
    mu_merger_deinit(&e->merger);
    mu_lattice_deinit(&e->lattice);
    mu_normal_text_deinit(&e->normal);
    for (size_t i = 0; i < MU_COUNTOF(e->prefixed); i++) {
        mu_buf_deinit(&e->prefixed[i]);
    }
    mu_buf_deinit(&e->clean);
    mu_buf_deinit(&e->word);
    mu_free(e->broken);
    mu_free(e);
}

static mu_status no_memory(mu_err *err) {
    return mu_fail(err, MU_ERR_NOMEM, "encoding text");
}

static mu_status emit(mu_encoder *e, const mu_token *tokens, size_t n, mu_err *err) {
    return mu_token_list_add(&e->list, tokens, n) ? MU_OK : no_memory(err);
}

static cache_entry *cache_slot(const mu_encoder *e, const char *word, size_t n) {
    uint64_t a = 0, b = 0, c = 0;
    memcpy(&a, word, n < 8 ? n : 8);
    if (n > 8) memcpy(&b, word + 8, n - 8 < 8 ? n - 8 : 8);
    if (n > 16) memcpy(&c, word + 16, n - 16);
    uint64_t hash = mu_mix64(a + 0x9e3779b97f4a7c15u * (b + 0x9e3779b97f4a7c15u * (c + n)));
    return &e->cache[hash & (CACHE_ENTRIES - 1)];
}

static mu_status run_model(mu_encoder *e, const char *word, size_t n, mu_err *err) {
    switch (e->t->model) {
    case MU_TOKEN_MODEL_UNIGRAM:
        return mu_lattice_encode(&e->lattice, e->t, word, n, &e->list, err);
    case MU_TOKEN_MODEL_WORDPIECE:
        return mu_wordpiece_encode(e->t, word, n, &e->list, err);
    default:
        return mu_merge_word(&e->merger, e->t, word, n, &e->list, err);
    }
}

/* A word of the model's own bytes. */
static mu_status encode_word(mu_encoder *e, const char *word, size_t n, mu_err *err) {
    if (n >= CACHE_WORD) return run_model(e, word, n, err);
    cache_entry *entry = cache_slot(e, word, n);
    if (entry->n_bytes == n && memcmp(entry->bytes, word, n) == 0) {
        return emit(e, entry->tokens, entry->n_tokens, err);
    }
    size_t before = e->list.n;
    mu_status status = run_model(e, word, n, err);
    size_t n_tokens = e->list.n - before;
    if (status != MU_OK || n_tokens > CACHE_TOKENS) return status;
    entry->n_bytes = (uint8_t)n;
    entry->n_tokens = (uint8_t)n_tokens;
    memcpy(entry->bytes, word, n);
    memcpy(entry->tokens, e->list.tokens + before, n_tokens * sizeof(*entry->tokens));
    return MU_OK;
}

/* A piece of a character vocabulary, cut before each word's start where no token crosses that. */
static mu_status encode_words(mu_encoder *e, const char *text, size_t n, mu_err *err) {
    static const char mark[] = MU_WORD_MARK;
    const size_t n_mark = sizeof(mark) - 1;
    for (size_t at = 0; at < n;) {
        size_t end = at;
        while (n - end >= n_mark && memcmp(text + end, mark, n_mark) == 0) {
            end += n_mark; /* a run of marks may be a token */
        }
        if (end < n) end++;
        const char *next = end < n ? memmem(text + end, n - end, mark, n_mark) : NULL;
        end = next ? (size_t)(next - text) : n;
        mu_status status = encode_word(e, text + at, end - at, err);
        if (status != MU_OK) return status;
        at = end;
    }
    return MU_OK;
}

/* The bytes of the text behind a word of clean text. */
static mu_status restore(mu_encoder *e, mu_bytes *word, mu_err *err) {
    static const char mark[] = MU_UTF8_REPLACEMENT;
    const size_t n_mark = sizeof(mark) - 1;
    if (!memmem(word->data, word->n, mark, n_mark)) return MU_OK;
    mu_buf_clear(&e->word);
    for (size_t at = 0; at < word->n;) {
        bool is_mark = word->n - at >= n_mark && memcmp(word->data + at, mark, n_mark) == 0;
        if (is_mark && e->next_broken < e->n_broken) {
            mu_bytes bytes = e->broken[e->next_broken++];
            mu_buf_append(&e->word, bytes.data, bytes.n);
            at += n_mark;
        } else {
            mu_buf_append(&e->word, word->data + at, 1);
            at++;
        }
    }
    if (e->word.failed) return no_memory(err);
    *word = (mu_bytes){e->word.data, e->word.n};
    return MU_OK;
}

static mu_status encode_piece(mu_encoder *e, mu_bytes piece, mu_err *err) {
    if (piece.n == 0) return MU_OK;
    if (e->n_broken > 0) {
        mu_status status = restore(e, &piece, err);
        if (status != MU_OK) return status;
    }
    return e->t->cuts_at_spaces ? encode_words(e, piece.data, piece.n, err)
                                : encode_word(e, piece.data, piece.n, err);
}

static mu_status run_steps(mu_encoder *e, uint32_t step, mu_bytes text, mu_err *err);

/* The usual way: matches and what lies between them are all pieces. */
static mu_status split_isolated(mu_encoder *e, uint32_t step, mu_bytes text, mu_err *err) {
    bool is_last = step + 1 == e->t->n_steps;
    for (size_t at = 0, end; at < text.n; at = end) {
        mu_status status =
            mu_pattern_piece(e->t->patterns[step], e->matcher, text.data, text.n, at, &end, err);
        if (status != MU_OK) return status;
        mu_bytes piece = {text.data + at, end - at};
        status = is_last ? encode_piece(e, piece, err) : run_steps(e, step + 1, piece, err);
        if (status != MU_OK) return status;
    }
    return MU_OK;
}

/* Pieces from matches and gaps in turn; `open` is the start of the piece being collected. */
static mu_status split_otherwise(mu_encoder *e, uint32_t step, mu_bytes text, mu_err *err) {
    const mu_split_step *s = &e->t->steps[step];
    size_t open = 0;
    bool was_match = false;
    for (size_t at = 0, end; at < text.n; at = end) {
        bool is_match;
        mu_status status = mu_pattern_part(e->t->patterns[step], e->matcher, text.data, text.n, at,
                                           &end, &is_match, err);
        if (status != MU_OK) return status;
        is_match = is_match != s->invert;
        bool joins = at > 0 && ((s->keep == MU_SPLIT_WITH_PREVIOUS && is_match && !was_match) ||
                                (s->keep == MU_SPLIT_WITH_NEXT && was_match && !is_match) ||
                                (s->keep == MU_SPLIT_CONTIGUOUS && is_match == was_match));
        if (!joins) {
            bool is_kept = !(s->keep == MU_SPLIT_REMOVED && was_match);
            if (is_kept && at > open) {
                status = run_steps(e, step + 1, (mu_bytes){text.data + open, at - open}, err);
                if (status != MU_OK) return status;
            }
            open = at;
        }
        was_match = is_match;
    }
    if (s->keep == MU_SPLIT_REMOVED && was_match) return MU_OK;
    return run_steps(e, step + 1, (mu_bytes){text.data + open, text.n - open}, err);
}

static mu_status prefix_space(mu_encoder *e, uint32_t step, mu_bytes text, mu_err *err) {
    if (text.data[0] != ' ') {
        mu_buf *prefixed = &e->prefixed[step];
        mu_buf_clear(prefixed);
        mu_buf_append(prefixed, " ", 1);
        mu_buf_append(prefixed, text.data, text.n);
        if (prefixed->failed) return no_memory(err);
        text = (mu_bytes){prefixed->data, prefixed->n};
    }
    return run_steps(e, step + 1, text, err);
}

/* Spaces as marks, and one in front of the pieces that the kind names. */
static mu_status mark_spaces(mu_encoder *e, uint32_t step, mu_bytes text, mu_err *err) {
    static const char mark[] = MU_WORD_MARK;
    const size_t n_mark = sizeof(mark) - 1;
    mu_split_kind kind = e->t->steps[step].kind;
    mu_buf *marked = &e->prefixed[step];
    bool is_marked =
        text.data[0] == ' ' || (text.n >= n_mark && memcmp(text.data, mark, n_mark) == 0);
    bool wants_mark = kind == MU_SPLIT_MARK_ALL ||
                      (kind == MU_SPLIT_MARK_FIRST && e->start && text.data == e->start);
    mu_buf_clear(marked);
    if (wants_mark && !is_marked) mu_buf_append(marked, mark, n_mark);
    for (size_t at = 0; at < text.n;) {
        const char *space = memchr(text.data + at, ' ', text.n - at);
        size_t end = space ? (size_t)(space - text.data) : text.n;
        mu_buf_append(marked, text.data + at, end - at);
        if (space) mu_buf_append(marked, mark, n_mark);
        at = end + (space ? 1 : 0);
    }
    if (marked->failed) return no_memory(err);
    return run_steps(e, step + 1, (mu_bytes){marked->data, marked->n}, err);
}

/* Steps from `step` on, then the model. As deep as there are steps. */
static mu_status run_steps(mu_encoder *e, uint32_t step, mu_bytes text, mu_err *err) {
    if (text.n == 0) return MU_OK;
    if (step == e->t->n_steps) return encode_piece(e, text, err);
    if (e->t->steps[step].kind == MU_SPLIT_SPACE_PREFIX) return prefix_space(e, step, text, err);
    if (e->t->steps[step].kind != MU_SPLIT_PATTERN) return mark_spaces(e, step, text, err);
    return e->t->steps[step].keep == MU_SPLIT_ISOLATED ? split_isolated(e, step, text, err)
                                                       : split_otherwise(e, step, text, err);
}

/* Broken runs of text become U+FFFD in clean, and are kept in broken. */
static mu_status clean_text(mu_encoder *e, mu_bytes text, mu_bytes *out, mu_err *err) {
    static const char mark[] = MU_UTF8_REPLACEMENT;
    const size_t n_mark = sizeof(mark) - 1;
    mu_buf_clear(&e->clean);
    for (size_t at = 0, n_bytes; at < text.n; at += n_bytes) {
        const char *from = text.data + at;
        bool is_whole = mu_utf8_step(from, text.n - at, &n_bytes) == MU_UTF8_WHOLE;
        bool is_mark = !is_whole || (n_bytes == n_mark && memcmp(from, mark, n_mark) == 0);
        mu_buf_append(&e->clean, is_mark ? mark : from, is_mark ? n_mark : n_bytes);
        if (!is_mark) continue;
        if (e->n_broken == e->broken_cap) {
            void *grown = e->broken;
            if (!mu_grow(&grown, &e->broken_cap, e->n_broken + 1, sizeof(*e->broken)))
                return no_memory(err);
            e->broken = grown;
        }
        e->broken[e->n_broken++] = (mu_bytes){from, n_bytes};
    }
    if (e->clean.failed) return no_memory(err);
    *out = (mu_bytes){e->clean.data, e->clean.n};
    return MU_OK;
}

/* Normalized text, in which the other added tokens are found. */
static mu_status encode_normal(mu_encoder *e, mu_bytes text, bool is_first, mu_err *err) {
    /* Where the bytes came from is not known any more: guarded text has no special tokens here. */
    mu_specials specials = {.are_found = e->specials.are_found && !e->specials.guards};
    e->start = is_first ? text.data : NULL;
    for (size_t at = 0; at < text.n;) {
        mu_added_match match =
            mu_added_find(e->t, &e->t->added.normalized, text.data, text.n, at, specials);
        mu_bytes piece = {text.data + at, match.start - at};
        mu_status status = run_steps(e, 0, piece, err);
        if (status == MU_OK && match.token != MU_TOKEN_NONE) status = emit(e, &match.token, 1, err);
        if (status != MU_OK) return status;
        at = match.end;
    }
    return MU_OK;
}

/* Text between added tokens. */
static mu_status encode_run(mu_encoder *e, mu_bytes text, bool is_first, mu_err *err) {
    if (text.n == 0) return MU_OK;
    e->n_broken = e->next_broken = 0;
    mu_status status = MU_OK;
    if (mu_utf8_valid(text.data, text.n) != text.n) status = clean_text(e, text, &text, err);
    if (status == MU_OK) {
        status = mu_normalize(&e->t->normalizers, e->matcher, &e->normal, text, &text, err);
    }
    return status == MU_OK ? encode_normal(e, text, is_first, err) : status;
}

static mu_status encode_all(mu_encoder *e, const char *text, size_t n, mu_err *err) {
    for (size_t at = 0; at < n;) {
        mu_added_match match = mu_added_find(e->t, &e->t->added.raw, text, n, at, e->specials);
        mu_bytes run = {text + at, match.start - at};
        mu_status status = encode_run(e, run, at == 0, err);
        if (status == MU_OK && match.token != MU_TOKEN_NONE) status = emit(e, &match.token, 1, err);
        if (status != MU_OK) return status;
        at = match.end;
    }
    return MU_OK;
}

/* A text that begins with bos gets no other. */
static void drop_double_bos(mu_encoder *e, size_t n_before) {
    mu_token *tokens = e->list.tokens;
    if (n_before != 1 || tokens[0] != e->t->bos) return;
    if (e->list.n < 2 || tokens[1] != e->t->bos) return;
    memmove(tokens, tokens + 1, (e->list.n - 1) * sizeof(*tokens));
    e->list.n--;
}

mu_status mu_encode(mu_encoder *e, const char *text, size_t n, uint32_t flags,
                    const mu_token **out_tokens, size_t *out_n, mu_err *err) {
    return mu_encode_guarded(e, text, n, NULL, flags, out_tokens, out_n, err);
}

mu_status mu_encode_guarded(mu_encoder *e, const char *text, size_t n, const uint8_t *guards,
                            uint32_t flags, const mu_token **out_tokens, size_t *out_n,
                            mu_err *err) {
    size_t n_before = (flags & MU_ENCODE_BOS) ? e->t->n_before : 0;
    e->list.n = 0;
    e->specials = (mu_specials){(flags & MU_ENCODE_SPECIAL) != 0, guards};
    mu_status status = emit(e, e->t->before, n_before, err);
    if (status == MU_OK) status = encode_all(e, text, n, err);
    if (status != MU_OK) return status;
    drop_double_bos(e, n_before);
    if (flags & MU_ENCODE_EOS) status = emit(e, e->t->after, e->t->n_after, err);
    if (status != MU_OK) return status;
    *out_tokens = e->list.tokens;
    *out_n = e->list.n;
    return MU_OK;
}
