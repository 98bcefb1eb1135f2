#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "text/vocab.h"

enum { VOCAB_MAX = 1 << 22 };
static const uint64_t empty_pair = UINT64_MAX;

static uint32_t table_size(uint32_t n) { /* power of two, at most half full */
    uint32_t size = 16;
    while (size < 2 * n) {
        size *= 2;
    }
    return size;
}

static uint32_t hash_bytes(const char *data, size_t n) {
    uint64_t hash = n;
    for (size_t i = 0; i < n; i++) {
        hash = (hash ^ (uint8_t)data[i]) * 0x100000001b3u;
    }
    return (uint32_t)mu_mix64(hash);
}

mu_bytes mu_tokenizer_piece(const mu_tokenizer *t, mu_token token) {
    if (token < 0 || (uint32_t)token >= t->vocab_size) return (mu_bytes){NULL, 0};
    uint32_t start = t->starts[token];
    return (mu_bytes){t->bytes + start, t->starts[token + 1] - start};
}

size_t mu_tokenizer_longest_piece(const mu_tokenizer *tokenizer) {
    size_t longest = 0;
    for (uint32_t token = 0; token < mu_tokenizer_vocab_size(tokenizer); token++) {
        size_t n = mu_tokenizer_piece(tokenizer, (mu_token)token).n;
        if (n > longest) longest = n;
    }
    return longest;
}

mu_token mu_vocab_find(const mu_tokenizer *t, const char *data, size_t n) {
    for (uint32_t at = hash_bytes(data, n);; at++) {
        mu_token token = t->lookup[at & (t->lookup_size - 1)];
        if (token == MU_TOKEN_NONE) return MU_TOKEN_NONE;
        mu_bytes piece = mu_tokenizer_piece(t, token);
        if (piece.n == n && memcmp(piece.data, data, n) == 0) return token;
    }
}

const mu_merge *mu_vocab_merge(const mu_tokenizer *t, mu_token left, mu_token right) {
    uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    for (uint32_t at = (uint32_t)mu_mix64(pair);; at++) {
        const mu_merge *merge = &t->merges[at & (t->merges_size - 1)];
        if (merge->pair == pair) return merge;
        if (merge->pair == empty_pair) return NULL;
    }
}

static mu_status copy_tokens(mu_tokenizer *t, const mu_tokenizer_spec *spec, mu_err *err) {
    uint64_t total = 1;
    for (uint32_t i = 0; i < spec->vocab_size; i++) {
        total += spec->tokens[i].n;
    }
    if (total > UINT32_MAX)
        return mu_fail(err, MU_ERR_LIMIT, "tokens of %llu bytes", (unsigned long long)total);
    t->bytes = mu_alloc((size_t)total);
    t->starts = MU_ALLOC(uint32_t, (size_t)spec->vocab_size + 1);
    t->kinds = MU_ALLOC(uint8_t, spec->vocab_size);
    t->lookup_size = table_size(spec->vocab_size);
    t->lookup = MU_ALLOC(mu_token, t->lookup_size);
    if (!t->bytes || !t->starts || !t->kinds || !t->lookup) {
        return mu_fail(err, MU_ERR_NOMEM, "tokenizer of %u tokens", spec->vocab_size);
    }
    memset(t->lookup, 0xff, t->lookup_size * sizeof(*t->lookup));
    for (uint32_t i = 0; i < spec->vocab_size; i++) {
        mu_bytes token = spec->tokens[i];
        if (token.n > 0) memcpy(t->bytes + t->starts[i], token.data, token.n);
        t->starts[i + 1] = t->starts[i] + (uint32_t)token.n;
        t->kinds[i] = spec->kinds[i];
    }
    t->vocab_size = spec->vocab_size;
    return MU_OK;
}

static mu_status index_tokens(mu_tokenizer *t, mu_err *err) {
    for (uint32_t i = 0; i < t->vocab_size; i++) {
        mu_bytes token = mu_tokenizer_piece(t, (mu_token)i);
        if (t->kinds[i] != MU_TOKEN_NORMAL || token.n == 0) continue;
        if (mu_vocab_find(t, token.data, token.n) != MU_TOKEN_NONE) {
            return mu_fail(err, MU_ERR_FORMAT, "token %u: the same bytes as another", i);
        }
        uint32_t at = hash_bytes(token.data, token.n);
        while (t->lookup[at & (t->lookup_size - 1)] != MU_TOKEN_NONE) {
            at++;
        }
        t->lookup[at & (t->lookup_size - 1)] = (mu_token)i;
    }
    for (int byte = 0; byte < 256; byte++) {
        char c = (char)byte;
        t->byte_tokens[byte] = mu_vocab_find(t, &c, 1);
    }
    return MU_OK;
}

static mu_status index_merges(mu_tokenizer *t, const mu_tokenizer_spec *spec, mu_err *err) {
    t->n_merges = spec->n_merges;
    t->merges_size = table_size(spec->n_merges);
    t->merges = MU_ALLOC(mu_merge, t->merges_size);
    mu_buf joined = {0};
    mu_status status = MU_OK;
    if (!t->merges) return mu_fail(err, MU_ERR_NOMEM, "tokenizer of %u merges", spec->n_merges);
    for (uint32_t i = 0; i < t->merges_size; i++) {
        t->merges[i].pair = empty_pair;
    }
    for (uint32_t rank = 0; rank < spec->n_merges && status == MU_OK; rank++) {
        mu_token left = spec->merges[rank][0], right = spec->merges[rank][1];
        mu_bytes a = mu_tokenizer_piece(t, left), b = mu_tokenizer_piece(t, right);
        mu_buf_clear(&joined);
        mu_buf_append(&joined, a.data, a.n);
        mu_buf_append(&joined, b.data, b.n);
        if (joined.failed) {
            status = mu_fail(err, MU_ERR_NOMEM, "merges");
            break;
        }
        mu_token result = mu_vocab_find(t, joined.data, joined.n);
        if (result == MU_TOKEN_NONE || a.n == 0 || b.n == 0) {
            status = mu_fail(err, MU_ERR_FORMAT, "merge %u: its result is not a token", rank);
            break;
        }
        if (mu_vocab_merge(t, left, right)) continue; /* the first rank counts */
        uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
        uint32_t at = (uint32_t)mu_mix64(pair);
        while (t->merges[at & (t->merges_size - 1)].pair != empty_pair) {
            at++;
        }
        t->merges[at & (t->merges_size - 1)] = (mu_merge){pair, rank, result};
    }
    mu_buf_deinit(&joined);
    return status;
}

/* Longest first, so that the first that matches is the right one. */
static void sort_added(mu_tokenizer *t) {
    for (uint32_t i = 1; i < t->n_added; i++) {
        mu_token token = t->added[i];
        size_t n = mu_tokenizer_piece(t, token).n;
        uint32_t at = i;
        for (; at > 0 && mu_tokenizer_piece(t, t->added[at - 1]).n < n; at--) {
            t->added[at] = t->added[at - 1];
        }
        t->added[at] = token;
    }
}

static mu_status index_added(mu_tokenizer *t, mu_err *err) {
    enum { ADDED_MAX = 1 << 14 };
    for (uint32_t i = 0; i < t->vocab_size; i++) {
        t->n_added += t->kinds[i] == MU_TOKEN_ADDED || t->kinds[i] == MU_TOKEN_SPECIAL;
    }
    if (t->n_added > ADDED_MAX) return mu_fail(err, MU_ERR_LIMIT, "%u added tokens", t->n_added);
    t->added = MU_ALLOC(mu_token, t->n_added);
    if (!t->added) return mu_fail(err, MU_ERR_NOMEM, "added tokens");
    t->n_added = 0;
    for (uint32_t i = 0; i < t->vocab_size; i++) {
        mu_bytes piece = mu_tokenizer_piece(t, (mu_token)i);
        if (t->kinds[i] == MU_TOKEN_NORMAL || t->kinds[i] == MU_TOKEN_UNUSED || piece.n == 0)
            continue;
        t->added[t->n_added++] = (mu_token)i;
        t->starts_added[(uint8_t)piece.data[0]] = true;
    }
    sort_added(t);
    return MU_OK;
}

static bool is_token(mu_token token, uint32_t vocab_size) {
    return token >= 0 && (uint32_t)token < vocab_size;
}

static mu_status check_spec(const mu_tokenizer_spec *spec, mu_err *err) {
    if (spec->vocab_size == 0 || spec->vocab_size > VOCAB_MAX || spec->n_merges > VOCAB_MAX) {
        return mu_fail(err, MU_ERR_LIMIT, "tokenizer of %u tokens and %u merges", spec->vocab_size,
                       spec->n_merges);
    }
    for (uint32_t i = 0; i < spec->n_merges; i++) {
        if (!is_token(spec->merges[i][0], spec->vocab_size) ||
            !is_token(spec->merges[i][1], spec->vocab_size)) {
            return mu_fail(err, MU_ERR_FORMAT, "merge %u: not of two tokens", i);
        }
    }
    if ((spec->bos != MU_TOKEN_NONE && !is_token(spec->bos, spec->vocab_size)) ||
        (spec->eos != MU_TOKEN_NONE && !is_token(spec->eos, spec->vocab_size))) {
        return mu_fail(err, MU_ERR_FORMAT, "bos or eos token is outside the vocabulary");
    }
    return MU_OK;
}

mu_status mu_tokenizer_open(const mu_tokenizer_spec *spec, mu_tokenizer **out, mu_err *err) {
    mu_status status = check_spec(spec, err);
    if (status != MU_OK) return status;
    mu_tokenizer *t = mu_alloc(sizeof(*t));
    if (!t) return mu_fail(err, MU_ERR_NOMEM, "tokenizer");
    t->bos = spec->bos;
    t->eos = spec->eos;
    t->add_bos = spec->add_bos && spec->bos != MU_TOKEN_NONE;
    t->add_prefix_space = spec->add_prefix_space;
    t->ignore_merges = spec->ignore_merges;
    status = copy_tokens(t, spec, err);
    if (status == MU_OK) status = index_tokens(t, err);
    if (status == MU_OK) status = index_merges(t, spec, err);
    if (status == MU_OK) status = index_added(t, err);
    if (status == MU_OK) {
        status = mu_pattern_open(spec->pattern ? spec->pattern : mu_gpt2_pattern, &t->pattern, err);
    }
    if (status != MU_OK) {
        mu_tokenizer_close(t);
        return status;
    }
    *out = t;
    return MU_OK;
}

mu_status mu_tokenizer_open_bytes(mu_tokenizer **out, mu_err *err) {
    static const char eos[] = "<|endoftext|>";
    char bytes[256];
    mu_bytes tokens[257];
    uint8_t kinds[257] = {0};
    for (int i = 0; i < 256; i++) {
        bytes[i] = (char)i;
        tokens[i] = (mu_bytes){&bytes[i], 1};
    }
    tokens[256] = (mu_bytes){eos, sizeof(eos) - 1};
    kinds[256] = MU_TOKEN_SPECIAL;
    mu_tokenizer_spec spec = {
        .vocab_size = 257, .tokens = tokens, .kinds = kinds, .bos = 256, .eos = 256};
    return mu_tokenizer_open(&spec, out, err);
}

void mu_tokenizer_close(mu_tokenizer *t) {
    if (!t) return;
    mu_pattern_close(t->pattern);
    mu_free(t->added);
    mu_free(t->merges);
    mu_free(t->lookup);
    mu_free(t->kinds);
    mu_free(t->starts);
    mu_free(t->bytes);
    mu_free(t);
}

uint32_t mu_tokenizer_vocab_size(const mu_tokenizer *t) {
    return t->vocab_size;
}

mu_token mu_tokenizer_bos(const mu_tokenizer *t) {
    return t->bos;
}

mu_token mu_tokenizer_eos(const mu_tokenizer *t) {
    return t->eos;
}

mu_token_kind mu_tokenizer_kind(const mu_tokenizer *t, mu_token token) {
    if (token < 0 || (uint32_t)token >= t->vocab_size) return MU_TOKEN_UNUSED;
    return (mu_token_kind)t->kinds[token];
}

bool mu_tokenizer_has_gpt2_pattern(const mu_tokenizer *t) {
    return mu_pattern_is_gpt2(t->pattern);
}

bool mu_tokenizer_adds_bos(const mu_tokenizer *t) {
    return t->add_bos;
}

uint32_t mu_tokenizer_n_merges(const mu_tokenizer *t) {
    return t->n_merges;
}

uint32_t mu_tokenizer_merges(const mu_tokenizer *t, mu_token (*out)[2]) {
    for (uint32_t rank = 0; rank < t->n_merges; rank++) {
        out[rank][0] = MU_TOKEN_NONE;
    }
    for (uint32_t at = 0; at < t->merges_size; at++) {
        const mu_merge *merge = &t->merges[at];
        if (merge->pair == empty_pair) continue;
        out[merge->rank][0] = (mu_token)(merge->pair >> 32);
        out[merge->rank][1] = (mu_token)(merge->pair & UINT32_MAX);
    }
    uint32_t n = 0;
    for (uint32_t rank = 0; rank < t->n_merges; rank++) {
        if (out[rank][0] == MU_TOKEN_NONE) continue;
        out[n][0] = out[rank][0];
        out[n++][1] = out[rank][1];
    }
    return n;
}
