#include "format/tokenizer_builder.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "format/byte_alphabet.h"

enum { MERGE_BYTES_MAX = 4096 };

mu_status mu_tokenizer_builder_init(mu_tokenizer_builder *b, uint64_t vocab_size, uint64_t n_merges,
                                    size_t text_bytes, mu_err *err) {
    *b = (mu_tokenizer_builder){
        .spec = {.bos = MU_TOKEN_NONE, .eos = MU_TOKEN_NONE, .unknown = MU_TOKEN_NONE}};
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
    b->added_flags = MU_ALLOC(uint8_t, vocab_size);
    b->merges = mu_alloc_array(n_merges, sizeof(*b->merges));
    b->text = mu_alloc(b->text_cap);
    b->lookup = MU_ALLOC(mu_token, b->lookup_size);
    if (!b->tokens || !b->kinds || !b->added_flags || !b->merges || !b->text || !b->lookup) {
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
    mu_free(b->added_flags);
    mu_free(b->scores);
    mu_buf_deinit(&b->charsmap);
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
    /* What is not of the alphabet no text can become; some vocabularies have such tokens. */
    if (is_encoded && !mu_byte_alphabet_decode(text, n, bytes, &n_bytes)) {
        is_encoded = false;
        kind = MU_TOKEN_UNUSED;
    }
    if (!is_encoded && n > 0) memcpy(bytes, text, n);
    bool is_listed = b->tokens[id].data != NULL;
    bool is_added = kind == MU_TOKEN_ADDED || kind == MU_TOKEN_SPECIAL;
    if (is_listed && !is_added) {
        return mu_fail(err, MU_ERR_FORMAT, "token id %llu: given twice", (unsigned long long)id);
    }
    b->n_text += n_bytes;
    b->tokens[id] = (mu_bytes){bytes, n_bytes};
    b->kinds[id] = (uint8_t)kind;
    if (kind == MU_TOKEN_UNUSED || kind == MU_TOKEN_BYTE || n_bytes == 0) return MU_OK;
    mu_token *slot = slot_of(b, bytes, n_bytes);
    if (*slot == (mu_token)id || (is_added && *slot != MU_TOKEN_NONE)) return MU_OK;
    if (*slot != MU_TOKEN_NONE && b->kinds[*slot] == MU_TOKEN_NORMAL) {
        return mu_fail(err, MU_ERR_FORMAT, "tokens %d and %llu are the same bytes", *slot,
                       (unsigned long long)id);
    }
    *slot = (mu_token)id; /* an ordinary token comes before an added one */
    return MU_OK;
}

mu_token mu_tokenizer_builder_find(const mu_tokenizer_builder *b, const char *data, size_t n) {
    return n > 0 ? *slot_of(b, data, n) : MU_TOKEN_NONE;
}

void mu_tokenizer_builder_step(mu_tokenizer_builder *b, mu_split_step step) {
    b->has_too_many = b->has_too_many || b->spec.n_steps == MU_SPLIT_STEPS_MAX;
    if (!b->has_too_many) b->steps[b->spec.n_steps++] = step;
}

void mu_tokenizer_builder_normalizer(mu_tokenizer_builder *b, mu_normalizer normalizer) {
    b->has_too_many = b->has_too_many || b->spec.n_normalizers == MU_NORMALIZERS_MAX;
    if (!b->has_too_many) b->normalizers[b->spec.n_normalizers++] = normalizer;
}

void mu_tokenizer_builder_around(mu_tokenizer_builder *b, bool is_before, mu_token token) {
    uint32_t *n = is_before ? &b->spec.n_before : &b->spec.n_after;
    b->has_too_many = b->has_too_many || *n == MU_TEMPLATE_MAX;
    if (!b->has_too_many) (is_before ? b->before : b->after)[(*n)++] = token;
}

void mu_tokenizer_builder_end(mu_tokenizer_builder *b, mu_token token) {
    b->has_too_many = b->has_too_many || b->spec.n_ends == MU_ENDS_MAX;
    if (!b->has_too_many) b->ends[b->spec.n_ends++] = token;
}

static mu_token find_half(const mu_tokenizer_builder *b, const char *text, size_t n) {
    char bytes[MERGE_BYTES_MAX];
    size_t n_bytes;
    if (n == 0 || n > sizeof(bytes)) return MU_TOKEN_NONE;
    if (b->spec.model != MU_TOKEN_MODEL_BYTE_BPE) return *slot_of(b, text, n);
    return mu_byte_alphabet_decode(text, n, bytes, &n_bytes) ? *slot_of(b, bytes, n_bytes)
                                                             : MU_TOKEN_NONE;
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

mu_status mu_tokenizer_builder_scores(mu_tokenizer_builder *b, mu_err *err) {
    b->scores = MU_ALLOC(float, b->spec.vocab_size);
    return b->scores ? MU_OK : mu_fail(err, MU_ERR_NOMEM, "tokenizer scores");
}

/* Whether Hugging Face's WordPiece decoder takes back the space that it puts before a token. */
static bool needs_no_space(mu_bytes token) {
    static const char *const starts[] = {".", "?", "!", ",", "n't", "'m", "'s", "'ve", "'re"};
    for (size_t i = 0; i < MU_COUNTOF(starts); i++) {
        size_t n = strlen(starts[i]);
        if (token.n >= n && memcmp(starts[i], token.data, n) == 0) return true;
    }
    return false;
}

/* "<0x0A>" */
static uint8_t byte_of(mu_bytes text) {
    char digits[3] = {0};
    if (text.n == 6) memcpy(digits, text.data + 3, 2);
    return (uint8_t)strtoul(digits, NULL, 16);
}

static void append_piece(const mu_tokenizer_builder *b, uint32_t id, mu_buf *out) {
    const mu_piece_rule *rule = &b->piece_rule;
    mu_bytes text = b->tokens[id];
    size_t n_mark = strlen(MU_WORD_MARK), n_skip = 0;
    if (b->kinds[id] == MU_TOKEN_BYTE) {
        uint8_t byte = byte_of(text);
        mu_buf_append(out, &byte, 1);
        return;
    }
    if (rule->continuation) {
        size_t n = strlen(rule->continuation);
        bool goes_on = n > 0 && text.n >= n && memcmp(text.data, rule->continuation, n) == 0;
        n_skip = goes_on ? n : 0;
        bool is_joined = goes_on || (rule->cleans_up && needs_no_space(text));
        if (!is_joined) mu_buf_append(out, " ", 1);
    }
    for (size_t at = n_skip; at < text.n;) {
        bool is_mark = rule->marks_are_spaces && text.n - at >= n_mark &&
                       memcmp(text.data + at, MU_WORD_MARK, n_mark) == 0;
        mu_buf_append(out, is_mark ? " " : text.data + at, 1);
        at += is_mark ? n_mark : 1;
    }
}

/* The pieces of all tokens, in `text`, which they borrow. */
static mu_status make_pieces(const mu_tokenizer_builder *b, mu_buf *text, mu_bytes **out,
                             mu_err *err) {
    uint32_t n = b->spec.vocab_size;
    mu_bytes *pieces = MU_ALLOC(mu_bytes, n);
    if (!pieces) return mu_fail(err, MU_ERR_NOMEM, "tokenizer pieces");
    for (uint32_t i = 0; i < n; i++) {
        size_t start = text->n;
        append_piece(b, i, text);
        pieces[i].n = text->n - start;
    }
    if (text->failed) {
        mu_free(pieces);
        return mu_fail(err, MU_ERR_NOMEM, "tokenizer pieces");
    }
    size_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        pieces[i].data = text->data ? text->data + at : "";
        at += pieces[i].n;
    }
    *out = pieces;
    return MU_OK;
}

mu_status mu_tokenizer_builder_finish(mu_tokenizer_builder *b, mu_tokenizer **out, mu_err *err) {
    if (b->has_too_many) {
        return mu_fail(err, MU_ERR_LIMIT,
                       "tokenizer: more than %d steps, or %d tokens that end a text",
                       MU_SPLIT_STEPS_MAX, MU_ENDS_MAX);
    }
    b->spec.steps = b->steps;
    b->spec.normalizers = b->normalizers;
    b->spec.before = b->before;
    b->spec.after = b->after;
    b->spec.ends = b->ends;
    b->spec.added_flags = b->added_flags;
    b->spec.tokens = b->tokens;
    b->spec.kinds = b->kinds;
    b->spec.merges = (const mu_token(*)[2])b->merges;
    b->spec.scores = b->scores;
    if (b->spec.model == MU_TOKEN_MODEL_BYTE_BPE) return mu_tokenizer_open(&b->spec, out, err);
    mu_buf text = {0};
    mu_bytes *pieces = NULL;
    mu_status status = make_pieces(b, &text, &pieces, err);
    b->spec.pieces = pieces;
    if (status == MU_OK) status = mu_tokenizer_open(&b->spec, out, err);
    b->spec.pieces = NULL;
    mu_free(pieces);
    mu_buf_deinit(&text);
    return status;
}
