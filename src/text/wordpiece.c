#include "text/wordpiece.h"

#include <string.h>

#include "text/utf8.h"

static size_t n_characters(const char *word, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        count += ((uint8_t)word[i] & 0xC0) != 0x80;
    }
    return count;
}

/* The longest token that is prefix and then a part of word from its start; *out_n of its bytes. */
static mu_token longest(const mu_tokenizer *t, const char *prefix, const char *word, size_t n,
                        size_t *out_n) {
    mu_token best = MU_TOKEN_NONE;
    mu_prefix_range range = mu_prefix_all(&t->prefixes);
    for (size_t i = 0; prefix[i]; i++) {
        if (!mu_prefix_step(&t->prefixes, &range, (uint8_t)prefix[i])) return MU_TOKEN_NONE;
    }
    for (size_t i = 0; i < n && mu_prefix_step(&t->prefixes, &range, (uint8_t)word[i]); i++) {
        mu_token token = mu_prefix_token(&t->prefixes, &range);
        if (token == MU_TOKEN_NONE) continue;
        best = token;
        *out_n = i + 1;
    }
    return best;
}

mu_status mu_wordpiece_encode(const mu_tokenizer *t, const char *word, size_t n, mu_token_list *out,
                              mu_err *err) {
    size_t n_before = out->n, n_token = 0;
    bool is_known = n_characters(word, n) <= MU_WORD_CHARACTERS_MAX;
    for (size_t at = 0; at < n && is_known; at += n_token) {
        const char *prefix = at == 0 ? t->word_prefix : t->continuation;
        mu_token token = longest(t, prefix, word + at, n - at, &n_token);
        is_known = token != MU_TOKEN_NONE;
        if (is_known && !mu_token_list_add(out, &token, 1)) {
            return mu_fail(err, MU_ERR_NOMEM, "cutting a word into tokens");
        }
    }
    if (is_known) return MU_OK;
    out->n = n_before;
    if (t->unknown == MU_TOKEN_NONE) {
        return mu_fail(err, MU_ERR_UNSUPPORTED, "the vocabulary has no token for unknown words");
    }
    return mu_token_list_add(out, &t->unknown, 1) ? MU_OK
                                                  : mu_fail(err, MU_ERR_NOMEM, "unknown word");
}
