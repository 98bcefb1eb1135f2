#include "format/tokenizer_builder.h"

#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "format/byte_alphabet.h"

enum { MERGE_BYTES_MAX = 4096 };

mu_status mu_tokenizer_builder_init(mu_tokenizer_builder *b, uint64_t vocab_size, uint64_t n_merges,
                                    size_t text_bytes, mu_err *err) {
    *b = (mu_tokenizer_builder){.spec = {.bos = MU_TOKEN_NONE, .eos = MU_TOKEN_NONE}};
    if (vocab_size == 0 || vocab_size > MU_VOCAB_MAX || n_merges > MU_VOCAB_MAX) {
        return mu_fail(err, MU_ERR_LIMIT, "%llu tokens and %llu merges, at most %d",
                       (unsigned long long)vocab_size, (unsigned long long)n_merges, MU_VOCAB_MAX);
    }
    b->spec.vocab_size = (uint32_t)vocab_size;
    b->merges_cap = (uint32_t)n_merges;
    b->text_cap = text_bytes + 1;
    b->lookup_size = 16;
    while (b->lookup_size < 2 * vocab_size) {
        b->lookup_size *= 2;
    }
    b->tokens = MU_ALLOC(mu_bytes, vocab_size);
    b->kinds = MU_ALLOC(uint8_t, vocab_size);
    b->merges = mu_alloc_array(n_merges, sizeof(*b->merges));
    b->text = mu_alloc(b->text_cap);
    b->lookup = MU_ALLOC(mu_token, b->lookup_size);
    if (!b->tokens || !b->kinds || !b->merges || !b->text || !b->lookup) {
        mu_tokenizer_builder_deinit(b);
        return mu_fail(err, MU_ERR_NOMEM, "tokenizer");
    }
    memset(b->kinds, MU_TOKEN_UNUSED, (size_t)vocab_size);
    memset(b->lookup, 0xff, b->lookup_size * sizeof(*b->lookup));
    return MU_OK;
}

void mu_tokenizer_builder_deinit(mu_tokenizer_builder *b) {
    mu_free(b->tokens);
    mu_free(b->kinds);
    mu_free(b->merges);
    mu_free(b->text);
    mu_free(b->lookup);
    *b = (mu_tokenizer_builder){0};
}

/* The slot of these bytes: an id, or where it would go. */
static mu_token *slot_of(const mu_tokenizer_builder *b, const char *data, size_t n) {
    uint64_t hash = n;
    for (size_t i = 0; i < n; i++) {
        hash = (hash ^ (uint8_t)data[i]) * 0x100000001b3u;
    }
    for (uint32_t at = (uint32_t)mu_mix64(hash);; at++) {
        mu_token *slot = &b->lookup[at & (b->lookup_size - 1)];
        if (*slot == MU_TOKEN_NONE) return slot;
        const mu_bytes *token = &b->tokens[*slot];
        if (token->n == n && memcmp(token->data, data, n) == 0) return slot;
    }
}

mu_status mu_tokenizer_builder_add(mu_tokenizer_builder *b, uint64_t id, const char *text, size_t n,
                                   mu_token_kind kind, bool is_encoded, mu_err *err) {
    if (id >= b->spec.vocab_size) {
        return mu_fail(err, MU_ERR_FORMAT, "token id %llu: %u tokens are listed, ids must be dense",
                       (unsigned long long)id, b->spec.vocab_size);
    }
    MU_ASSERT(n <= b->text_cap - b->n_text); /* the caller counted */
    char *bytes = b->text + b->n_text;
    size_t n_bytes = n;
    if (is_encoded && !mu_byte_alphabet_decode(text, n, bytes, &n_bytes)) {
        return mu_fail(err, MU_ERR_UNSUPPORTED,
                       "token %llu: not in the byte-level alphabet (only byte-level BPE is read)",
                       (unsigned long long)id);
    }
    if (!is_encoded && n > 0) memcpy(bytes, text, n);
    bool is_listed = b->kinds[id] != MU_TOKEN_UNUSED;
    bool is_added = kind == MU_TOKEN_ADDED || kind == MU_TOKEN_SPECIAL;
    if (is_listed && !is_added) {
        return mu_fail(err, MU_ERR_FORMAT, "token id %llu: given twice", (unsigned long long)id);
    }
    b->n_text += n_bytes;
    b->tokens[id] = (mu_bytes){bytes, n_bytes};
    b->kinds[id] = (uint8_t)kind;
    if (kind != MU_TOKEN_NORMAL || n_bytes == 0) return MU_OK;
    mu_token *slot = slot_of(b, bytes, n_bytes);
    if (*slot != MU_TOKEN_NONE) {
        return mu_fail(err, MU_ERR_FORMAT, "tokens %d and %llu are the same bytes", *slot,
                       (unsigned long long)id);
    }
    *slot = (mu_token)id;
    return MU_OK;
}

static mu_token find_half(const mu_tokenizer_builder *b, const char *text, size_t n) {
    char bytes[MERGE_BYTES_MAX];
    size_t n_bytes;
    if (n == 0 || n > sizeof(bytes) || !mu_byte_alphabet_decode(text, n, bytes, &n_bytes)) {
        return MU_TOKEN_NONE;
    }
    return *slot_of(b, bytes, n_bytes);
}

mu_status mu_tokenizer_builder_merge(mu_tokenizer_builder *b, const char *left, size_t n_left,
                                     const char *right, size_t n_right, mu_err *err) {
    uint32_t rank = b->spec.n_merges;
    MU_ASSERT(rank < b->merges_cap);
    mu_token a = find_half(b, left, n_left), c = find_half(b, right, n_right);
    if (a == MU_TOKEN_NONE || c == MU_TOKEN_NONE) {
        return mu_fail(err, MU_ERR_FORMAT, "merge %u: not of two tokens", rank);
    }
    b->merges[rank][0] = a;
    b->merges[rank][1] = c;
    b->spec.n_merges++;
    return MU_OK;
}

mu_status mu_tokenizer_builder_merge_line(mu_tokenizer_builder *b, const char *line, size_t n,
                                          mu_err *err) {
    const char *space = n > 0 ? memchr(line, ' ', n) : NULL;
    if (!space) {
        return mu_fail(err, MU_ERR_FORMAT, "merge %u: not two tokens with a space between",
                       b->spec.n_merges);
    }
    size_t n_left = (size_t)(space - line);
    return mu_tokenizer_builder_merge(b, line, n_left, space + 1, n - n_left - 1, err);
}

mu_status mu_tokenizer_builder_finish(mu_tokenizer_builder *b, mu_tokenizer **out, mu_err *err) {
    b->spec.tokens = b->tokens;
    b->spec.kinds = b->kinds;
    b->spec.merges = (const mu_token(*)[2])b->merges;
    return mu_tokenizer_open(&b->spec, out, err);
}
