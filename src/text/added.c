#include "text/added.h"

#include <string.h>
#include <utf8proc.h>

#include "base/alloc.h"
#include "text/utf8.h"
#include "text/vocab.h"
#include "text/white_space.h"

enum { ADDED_MAX = 1 << 16 };

static bool is_added(const mu_tokenizer *t, uint32_t i) {
    return (t->kinds[i] == MU_TOKEN_ADDED || t->kinds[i] == MU_TOKEN_SPECIAL) &&
           mu_vocab_text(t, (mu_token)i).n > 0;
}

static mu_status init_index(mu_prefix_index *index, const mu_tokenizer *t, uint8_t normalized,
                            mu_err *err) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->vocab_size; i++) {
        n += is_added(t, i) && (t->added_flags[i] & MU_ADDED_NORMALIZED) == normalized;
    }
    if (n > ADDED_MAX) return mu_fail(err, MU_ERR_LIMIT, "%u added tokens", n);
    mu_prefix_entry *entries = MU_ALLOC(mu_prefix_entry, n);
    if (!entries) return mu_fail(err, MU_ERR_NOMEM, "added tokens");
    n = 0;
    for (uint32_t i = 0; i < t->vocab_size; i++) {
        if (!is_added(t, i) || (t->added_flags[i] & MU_ADDED_NORMALIZED) != normalized) continue;
        mu_bytes text = mu_vocab_text(t, (mu_token)i);
        entries[n++] = (mu_prefix_entry){text.data, (uint32_t)text.n, (mu_token)i};
    }
    mu_prefix_index_init(index, entries, n);
    return MU_OK;
}

mu_status mu_added_init(mu_added *added, const mu_tokenizer *tokenizer, mu_err *err) {
    mu_status status = init_index(&added->raw, tokenizer, 0, err);
    if (status == MU_OK) {
        status = init_index(&added->normalized, tokenizer, MU_ADDED_NORMALIZED, err);
    }
    return status;
}

void mu_added_deinit(mu_added *added) {
    mu_prefix_index_deinit(&added->raw);
    mu_prefix_index_deinit(&added->normalized);
}

/* The character that begins at text [n], n > 0; -1 where bytes are broken. */
static int32_t character_at(const char *text, size_t n, size_t *n_bytes) {
    if (mu_utf8_step(text, n, n_bytes) != MU_UTF8_WHOLE) return -1;
    int32_t c;
    utf8proc_iterate((const uint8_t *)text, (utf8proc_ssize_t)*n_bytes, &c);
    return c;
}

/* The character that ends at `end` > 0. */
static int32_t character_before(const char *text, size_t end, size_t *n_bytes) {
    size_t start = end - 1;
    while (start > 0 && end - start < 4 && ((uint8_t)text[start] & 0xC0) == 0x80) {
        start--;
    }
    int32_t c = character_at(text + start, end - start, n_bytes);
    return *n_bytes == end - start ? c : -1;
}

/* \w: letters, marks, decimal digits, connectors. */
static bool is_word(int32_t c) {
    if (c < 0) return false;
    utf8proc_category_t category = utf8proc_category(c);
    return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_ND) ||
           category == UTF8PROC_CATEGORY_NL || category == UTF8PROC_CATEGORY_PC || c == 0x200C ||
           c == 0x200D;
}

static bool touches_a_word(const char *text, size_t n, size_t start, size_t end) {
    size_t ignored;
    return (start > 0 && is_word(character_before(text, start, &ignored))) ||
           (end < n && is_word(character_at(text + end, n - end, &ignored)));
}

/* The longest added token that begins at text [n], or MU_TOKEN_NONE. */
static mu_token match_at(const mu_tokenizer *t, const mu_prefix_index *index, const char *text,
                         size_t n, mu_specials specials, size_t *out_n) {
    mu_token best = MU_TOKEN_NONE;
    mu_prefix_range range = mu_prefix_all(index);
    for (size_t i = 0; i < n && mu_prefix_step(index, &range, (uint8_t)text[i]); i++) {
        mu_token token = mu_prefix_token(index, &range);
        if (token == MU_TOKEN_NONE) continue;
        bool is_guarded = specials.guards && memchr(specials.guards, 1, i + 1);
        if (t->kinds[token] == MU_TOKEN_SPECIAL && (!specials.are_found || is_guarded)) continue;
        best = token;
        *out_n = i + 1;
    }
    return best;
}

static void swallow(mu_added_match *match, uint8_t flags, const char *text, size_t n, size_t from) {
    size_t n_bytes;
    while ((flags & MU_ADDED_LSTRIP) && match->start > from &&
           mu_is_space(character_before(text, match->start, &n_bytes)) &&
           n_bytes <= match->start - from) {
        match->start -= n_bytes;
    }
    while ((flags & MU_ADDED_RSTRIP) && match->end < n &&
           mu_is_space(character_at(text + match->end, n - match->end, &n_bytes))) {
        match->end += n_bytes;
    }
}

mu_added_match mu_added_find(const mu_tokenizer *t, const mu_prefix_index *index, const char *text,
                             size_t n, size_t from, mu_specials specials) {
    for (size_t at = from; at < n && index->n > 0; at++) {
        if (index->first[(uint8_t)text[at]] == index->first[(uint8_t)text[at] + 1u]) continue;
        size_t n_match;
        mu_specials here = {specials.are_found, specials.guards ? specials.guards + at : NULL};
        mu_token token = match_at(t, index, text + at, n - at, here, &n_match);
        if (token == MU_TOKEN_NONE) continue;
        uint8_t flags = t->added_flags[token];
        if ((flags & MU_ADDED_SINGLE_WORD) && touches_a_word(text, n, at, at + n_match)) {
            at += n_match - 1; /* it was found, and does not count */
            continue;
        }
        mu_added_match match = {at, at + n_match, token};
        swallow(&match, flags, text, n, from);
        return match;
    }
    return (mu_added_match){n, n, MU_TOKEN_NONE};
}
