#include "text/tokenizer.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "text/vocab.h"

enum { VOCAB_MAX = 1 << 22, UNKNOWN_PRICE = 10 };
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

static mu_bytes string_of(const mu_strings *strings, mu_token i) {
    uint32_t start = strings->starts[i];
    return (mu_bytes){strings->bytes + start, strings->starts[i + 1] - start};
}

static bool is_token(mu_token token, uint32_t vocab_size) {
    return token >= 0 && (uint32_t)token < vocab_size;
}

mu_bytes mu_vocab_text(const mu_tokenizer *t, mu_token token) {
    if (!is_token(token, t->vocab_size)) return (mu_bytes){NULL, 0};
    return string_of(&t->texts, token);
}

mu_bytes mu_tokenizer_piece(const mu_tokenizer *t, mu_token token) {
    if (!is_token(token, t->vocab_size)) return (mu_bytes){NULL, 0};
    return string_of(t->pieces.starts ? &t->pieces : &t->texts, token);
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
        mu_bytes text = mu_vocab_text(t, token);
        if (text.n == n && memcmp(text.data, data, n) == 0) return token;
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

static mu_status copy_strings(mu_strings *out, const mu_bytes *strings, uint32_t n, mu_err *err) {
    uint64_t total = 1;
    for (uint32_t i = 0; i < n; i++) {
        total += strings[i].n;
    }
    if (total > UINT32_MAX)
        return mu_fail(err, MU_ERR_LIMIT, "tokens of %llu bytes", (unsigned long long)total);
    out->bytes = mu_alloc((size_t)total);
    out->starts = MU_ALLOC(uint32_t, (size_t)n + 1);
    if (!out->bytes || !out->starts) {
        return mu_fail(err, MU_ERR_NOMEM, "tokenizer of %u tokens", n);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (strings[i].n > 0) {
            memcpy(out->bytes + out->starts[i], strings[i].data, strings[i].n);
        }
        out->starts[i + 1] = out->starts[i] + (uint32_t)strings[i].n;
    }
    return MU_OK;
}

static mu_status copy_tokens(mu_tokenizer *t, const mu_tokenizer_spec *spec, mu_err *err) {
    mu_status status = copy_strings(&t->texts, spec->tokens, spec->vocab_size, err);
    if (status == MU_OK && spec->pieces) {
        status = copy_strings(&t->pieces, spec->pieces, spec->vocab_size, err);
    }
    if (status != MU_OK) return status;
    t->kinds = MU_ALLOC(uint8_t, spec->vocab_size);
    t->added_flags = MU_ALLOC(uint8_t, spec->vocab_size);
    t->lookup_size = table_size(spec->vocab_size);
    t->lookup = MU_ALLOC(mu_token, t->lookup_size);
    if (!t->kinds || !t->added_flags || !t->lookup) {
        return mu_fail(err, MU_ERR_NOMEM, "tokenizer of %u tokens", spec->vocab_size);
    }
    memcpy(t->kinds, spec->kinds, spec->vocab_size);
    if (spec->added_flags) memcpy(t->added_flags, spec->added_flags, spec->vocab_size);
    memset(t->lookup, 0xff, t->lookup_size * sizeof(*t->lookup));
    t->vocab_size = spec->vocab_size;
    return MU_OK;
}

/* False: another token has the same text. */
static bool index_token(mu_tokenizer *t, uint32_t i) {
    mu_bytes token = mu_vocab_text(t, (mu_token)i);
    if (mu_vocab_find(t, token.data, token.n) != MU_TOKEN_NONE) return false;
    uint32_t at = hash_bytes(token.data, token.n);
    while (t->lookup[at & (t->lookup_size - 1)] != MU_TOKEN_NONE) {
        at++;
    }
    t->lookup[at & (t->lookup_size - 1)] = (mu_token)i;
    if (token.n > t->longest_text) t->longest_text = token.n;
    return true;
}

/* Added tokens may be ordinary entries of the vocabulary as well, a byte or what a merge makes:
 * they are found like these, unless an ordinary one has the same text. Where any text that is a
 * token is merged into it, special ones are not: only the text's author may write them, by flag. */
static mu_status index_tokens(mu_tokenizer *t, mu_err *err) {
    bool may_repeat = t->model == MU_TOKEN_MODEL_UNIGRAM; /* the first is found */
    for (uint32_t i = 0; i < t->vocab_size; i++) {
        if (t->kinds[i] != MU_TOKEN_NORMAL || mu_vocab_text(t, (mu_token)i).n == 0) continue;
        if (!index_token(t, i) && !may_repeat) {
            return mu_fail(err, MU_ERR_FORMAT, "token %u: the same bytes as another", i);
        }
    }
    for (uint32_t i = 0; i < t->vocab_size; i++) {
        bool is_special = t->kinds[i] == MU_TOKEN_SPECIAL;
        if ((!is_special && t->kinds[i] != MU_TOKEN_ADDED) ||
            mu_vocab_text(t, (mu_token)i).n == 0) {
            continue;
        }
        if (!is_special || t->model != MU_TOKEN_MODEL_SCORE_BPE) (void)index_token(t, i);
    }
    for (int byte = 0; byte < 256; byte++) {
        char c = (char)byte;
        bool is_byte_level = t->model == MU_TOKEN_MODEL_BYTE_BPE;
        t->byte_tokens[byte] = is_byte_level ? mu_vocab_find(t, &c, 1) : MU_TOKEN_NONE;
    }
    for (uint32_t i = 0; i < t->vocab_size; i++) {
        mu_bytes piece = mu_tokenizer_piece(t, (mu_token)i);
        if (t->kinds[i] != MU_TOKEN_BYTE || piece.n != 1) continue;
        t->byte_tokens[(uint8_t)piece.data[0]] = (mu_token)i;
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
        mu_bytes a = mu_vocab_text(t, left), b = mu_vocab_text(t, right);
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

static int by_score(const void *a, const void *b) {
    const float *const *x = a, *const *y = b;
    return **x > **y ? -1 : **x < **y;
}

static mu_status copy_scores(mu_tokenizer *t, const mu_tokenizer_spec *spec, mu_err *err) {
    t->scores = MU_ALLOC(float, spec->vocab_size);
    if (!t->scores) return mu_fail(err, MU_ERR_NOMEM, "tokenizer of %u scores", spec->vocab_size);
    float least = 0.0f;
    for (uint32_t i = 0; i < spec->vocab_size; i++) {
        t->scores[i] = isfinite(spec->scores[i]) ? spec->scores[i] : 0.0f;
        if (t->kinds[i] == MU_TOKEN_NORMAL && t->scores[i] < least) least = t->scores[i];
    }
    t->unknown_score = (double)least - UNKNOWN_PRICE;
    return MU_OK;
}

/* Equal scores share a rank, so that among them the leftmost pair merges first. */
static mu_status rank_scores(mu_tokenizer *t, mu_err *err) {
    uint32_t n = t->vocab_size, rank = 0;
    t->ranks = MU_ALLOC(uint32_t, n);
    const float **order = MU_ALLOC(const float *, n);
    if (!t->ranks || !order) {
        mu_free(order);
        return mu_fail(err, MU_ERR_NOMEM, "tokenizer of %u scores", n);
    }
    for (uint32_t i = 0; i < n; i++) {
        order[i] = &t->scores[i];
    }
    qsort(order, n, sizeof(*order), by_score);
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0 && *order[i] < *order[i - 1]) rank++;
        t->ranks[order[i] - t->scores] = rank;
    }
    mu_free(order);
    return MU_OK;
}

/* What Unigram and WordPiece look up by its beginning. */
static mu_status index_prefixes(mu_tokenizer *t, mu_err *err) {
    mu_prefix_entry *entries = MU_ALLOC(mu_prefix_entry, t->vocab_size);
    if (!entries) return mu_fail(err, MU_ERR_NOMEM, "tokenizer of %u tokens", t->vocab_size);
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->vocab_size; i++) {
        mu_bytes text = mu_vocab_text(t, (mu_token)i);
        bool is_found = t->kinds[i] == MU_TOKEN_NORMAL || t->kinds[i] == MU_TOKEN_ADDED;
        if (!is_found || text.n == 0) continue;
        entries[n++] = (mu_prefix_entry){text.data, (uint32_t)text.n, (mu_token)i};
    }
    mu_prefix_index_init(&t->prefixes, entries, n);
    return MU_OK;
}

/* Whether no token has a word's start, U+2581, after anything else: then texts may be cut before
 * it, and each word be merged alone. */
static bool finds_no_word_start_inside(const mu_tokenizer *t) {
    static const char mark[] = MU_WORD_MARK;
    const size_t n_mark = sizeof(mark) - 1;
    for (uint32_t i = 0; i < t->vocab_size; i++) {
        mu_bytes text = mu_vocab_text(t, (mu_token)i);
        if (t->kinds[i] != MU_TOKEN_NORMAL) continue;
        bool only_marks = true;
        for (size_t at = 0; at < text.n; at++) {
            bool is_mark = text.n - at >= n_mark && memcmp(text.data + at, mark, n_mark) == 0;
            if (is_mark && !only_marks) return false;
            if (is_mark) at += n_mark - 1;
            only_marks = only_marks && is_mark;
        }
    }
    return mu_vocab_find(t, mark, n_mark) != MU_TOKEN_NONE;
}

static bool are_tokens(const mu_token *tokens, uint32_t n, uint32_t vocab_size) {
    for (uint32_t i = 0; i < n; i++) {
        if (!is_token(tokens[i], vocab_size)) return false;
    }
    return true;
}

static mu_status check_spec(const mu_tokenizer_spec *spec, mu_err *err) {
    if (spec->vocab_size == 0 || spec->vocab_size > VOCAB_MAX || spec->n_merges > VOCAB_MAX) {
        return mu_fail(err, MU_ERR_LIMIT, "tokenizer of %u tokens and %u merges", spec->vocab_size,
                       spec->n_merges);
    }
    for (uint32_t i = 0; i < spec->n_merges; i++) {
        if (!are_tokens(spec->merges[i], 2, spec->vocab_size)) {
            return mu_fail(err, MU_ERR_FORMAT, "merge %u: not of two tokens", i);
        }
    }
    if ((spec->bos != MU_TOKEN_NONE && !is_token(spec->bos, spec->vocab_size)) ||
        (spec->eos != MU_TOKEN_NONE && !is_token(spec->eos, spec->vocab_size))) {
        return mu_fail(err, MU_ERR_FORMAT, "bos or eos token is outside the vocabulary");
    }
    if ((spec->unknown > 0 && !is_token(spec->unknown, spec->vocab_size)) ||
        !are_tokens(spec->before, spec->n_before, spec->vocab_size) ||
        !are_tokens(spec->after, spec->n_after, spec->vocab_size) ||
        !are_tokens(spec->ends, spec->n_ends, spec->vocab_size)) {
        return mu_fail(err, MU_ERR_FORMAT, "a special token is outside the vocabulary");
    }
    if (spec->n_before > MU_TEMPLATE_MAX || spec->n_after > MU_TEMPLATE_MAX ||
        spec->n_steps > MU_SPLIT_STEPS_MAX || spec->n_normalizers > MU_NORMALIZERS_MAX) {
        return mu_fail(err, MU_ERR_LIMIT, "a tokenizer of more than %d steps", MU_SPLIT_STEPS_MAX);
    }
    return MU_OK;
}

/* What surrounds a text: the template, or bos and eos as the flags say. */
static void copy_template(mu_tokenizer *t, const mu_tokenizer_spec *spec) {
    t->n_before = spec->n_before;
    t->n_after = spec->n_after;
    if (spec->n_before > 0) memcpy(t->before, spec->before, spec->n_before * sizeof(mu_token));
    if (spec->n_after > 0) memcpy(t->after, spec->after, spec->n_after * sizeof(mu_token));
    if (spec->n_before > 0 || spec->n_after > 0) return;
    if (spec->add_bos && spec->bos != MU_TOKEN_NONE) t->before[t->n_before++] = spec->bos;
    if (spec->add_eos && spec->eos != MU_TOKEN_NONE) t->after[t->n_after++] = spec->eos;
}

static mu_status copy_ends(mu_tokenizer *t, const mu_tokenizer_spec *spec, mu_err *err) {
    t->ends = MU_ALLOC(mu_token, (size_t)spec->n_ends + 1);
    if (!t->ends) return mu_fail(err, MU_ERR_NOMEM, "end tokens");
    if (spec->eos != MU_TOKEN_NONE) t->ends[t->n_ends++] = spec->eos;
    for (uint32_t i = 0; i < spec->n_ends; i++) {
        if (!mu_tokenizer_ends_text(t, spec->ends[i])) t->ends[t->n_ends++] = spec->ends[i];
    }
    return MU_OK;
}

/* A text as a regular expression that matches it and nothing else. */
static void quote(const char *text, mu_buf *out) {
    mu_buf_clear(out);
    for (; *text; text++) {
        bool is_sign = (uint8_t)*text < 0x80 && !isalnum((unsigned char)*text);
        if (is_sign) mu_buf_append(out, "\\", 1);
        mu_buf_append(out, text, 1);
    }
}

static mu_status open_step(mu_tokenizer *t, uint32_t i, const mu_split_step *step, mu_buf *quoted,
                           mu_err *err) {
    const char *regex = step->regex ? step->regex : mu_gpt2_pattern;
    t->steps[i] = *step;
    t->steps[i].regex = NULL; /* borrowed */
    if (step->kind != MU_SPLIT_PATTERN) return MU_OK;
    if (step->is_literal) {
        quote(regex, quoted);
        if (quoted->failed) return mu_fail(err, MU_ERR_NOMEM, "split steps");
        regex = quoted->data ? quoted->data : "";
    }
    return mu_pattern_open(regex, &t->patterns[i], err);
}

/* The steps of the spec, or what its two fields for the usual case say. */
static mu_status open_steps(mu_tokenizer *t, const mu_tokenizer_spec *spec, mu_err *err) {
    mu_split_step usual[2];
    uint32_t n_usual = 0;
    if (spec->add_prefix_space) {
        usual[n_usual++] = (mu_split_step){.kind = MU_SPLIT_SPACE_PREFIX};
    }
    usual[n_usual++] = (mu_split_step){.kind = MU_SPLIT_PATTERN, .regex = spec->pattern};
    bool is_usual = spec->n_steps == 0 && spec->model == MU_TOKEN_MODEL_BYTE_BPE;
    const mu_split_step *steps = is_usual ? usual : spec->steps;
    t->n_steps = is_usual ? n_usual : spec->n_steps;
    t->steps = MU_ALLOC(mu_split_step, t->n_steps);
    t->patterns = MU_ALLOC(mu_pattern *, t->n_steps);
    if (!t->steps || !t->patterns) return mu_fail(err, MU_ERR_NOMEM, "split steps");
    mu_buf quoted = {0};
    mu_status status = MU_OK;
    for (uint32_t i = 0; i < t->n_steps && status == MU_OK; i++) {
        status = open_step(t, i, &steps[i], &quoted, err);
    }
    mu_buf_deinit(&quoted);
    return status;
}

/* A prefix of WordPiece's tokens. */
static mu_status copy_prefix(char out[MU_PREFIX_BYTES], const char *prefix, mu_err *err) {
    size_t n = prefix ? strlen(prefix) : 0;
    if (n >= MU_PREFIX_BYTES) return mu_fail(err, MU_ERR_LIMIT, "a prefix of %zu bytes", n);
    if (n > 0) memcpy(out, prefix, n);
    return MU_OK;
}

static mu_status open_model(mu_tokenizer *t, const mu_tokenizer_spec *spec, mu_err *err) {
    bool by_score = spec->model == MU_TOKEN_MODEL_SCORE_BPE;
    bool by_prefix =
        spec->model == MU_TOKEN_MODEL_UNIGRAM || spec->model == MU_TOKEN_MODEL_WORDPIECE;
    bool has_scores = by_score || spec->model == MU_TOKEN_MODEL_UNIGRAM;
    if (has_scores && !spec->scores) {
        return mu_fail(err, MU_ERR_FORMAT, "a tokenizer by scores without scores");
    }
    mu_status status = copy_tokens(t, spec, err);
    if (status == MU_OK) status = index_tokens(t, err);
    if (status == MU_OK) status = index_merges(t, spec, err);
    if (status == MU_OK && has_scores) status = copy_scores(t, spec, err);
    if (status == MU_OK && by_score) status = rank_scores(t, err);
    if (status == MU_OK && by_prefix) status = index_prefixes(t, err);
    if (status == MU_OK) status = copy_prefix(t->word_prefix, spec->word_prefix, err);
    if (status == MU_OK) status = copy_prefix(t->continuation, spec->continuation, err);
    if (status == MU_OK) status = mu_added_init(&t->added, t, err);
    if (status != MU_OK) return status;
    t->cuts_at_spaces = spec->model != MU_TOKEN_MODEL_BYTE_BPE &&
                        spec->model != MU_TOKEN_MODEL_WORDPIECE && finds_no_word_start_inside(t);
    return MU_OK;
}

mu_status mu_tokenizer_open(const mu_tokenizer_spec *spec, mu_tokenizer **out, mu_err *err) {
    mu_status status = check_spec(spec, err);
    if (status != MU_OK) return status;
    mu_tokenizer *t = mu_alloc(sizeof(*t));
    if (!t) return mu_fail(err, MU_ERR_NOMEM, "tokenizer");
    t->model = spec->model;
    t->bos = spec->bos;
    t->eos = spec->eos;
    t->unknown = spec->model == MU_TOKEN_MODEL_BYTE_BPE ? MU_TOKEN_NONE : spec->unknown;
    t->takes_whole_words = spec->ignore_merges;
    t->has_byte_fallback = spec->byte_fallback;
    t->fuses_unknown = spec->fuse_unknown;
    t->strips_first_space = spec->strips_first_space;
    copy_template(t, spec);
    status = open_model(t, spec, err);
    if (status == MU_OK) status = copy_ends(t, spec, err);
    if (status == MU_OK) status = open_steps(t, spec, err);
    if (status == MU_OK) status = mu_normalizers_copy(&t->normalizers, spec, err);
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
    mu_tokenizer_spec spec = {.vocab_size = 257,
                              .tokens = tokens,
                              .kinds = kinds,
                              .bos = 256,
                              .eos = 256,
                              .unknown = MU_TOKEN_NONE};
    return mu_tokenizer_open(&spec, out, err);
}

void mu_tokenizer_close(mu_tokenizer *t) {
    if (!t) return;
    for (uint32_t i = 0; i < t->n_steps && t->patterns; i++) {
        mu_pattern_close(t->patterns[i]);
    }
    mu_free(t->patterns);
    mu_free(t->steps);
    mu_normalizers_deinit(&t->normalizers);
    mu_added_deinit(&t->added);
    mu_free(t->scores);
    mu_free(t->ranks);
    mu_prefix_index_deinit(&t->prefixes);
    mu_free(t->merges);
    mu_free(t->lookup);
    mu_free(t->ends);
    mu_free(t->kinds);
    mu_free(t->added_flags);
    mu_free(t->texts.bytes);
    mu_free(t->texts.starts);
    mu_free(t->pieces.bytes);
    mu_free(t->pieces.starts);
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

const mu_token *mu_tokenizer_ends(const mu_tokenizer *t, uint32_t *out_n) {
    *out_n = t->n_ends;
    return t->ends;
}

bool mu_tokenizer_ends_text(const mu_tokenizer *t, mu_token token) {
    for (uint32_t i = 0; i < t->n_ends; i++) {
        if (t->ends[i] == token) return true;
    }
    return false;
}

bool mu_tokenizer_has_gpt2_pattern(const mu_tokenizer *t) {
    uint32_t last = t->n_steps - 1;
    return t->model == MU_TOKEN_MODEL_BYTE_BPE && t->normalizers.n == 0 &&
           t->steps[last].kind == MU_SPLIT_PATTERN && mu_pattern_is_gpt2(t->patterns[last]) &&
           (t->n_steps == 1 || (t->n_steps == 2 && t->steps[0].kind == MU_SPLIT_SPACE_PREFIX));
}

uint32_t mu_tokenizer_n_behind(const mu_tokenizer *t) {
    return t->n_after;
}

void mu_tokenizer_cut(const mu_tokenizer *t, const mu_token *tokens, size_t n, size_t n_max,
                      mu_token *out) {
    MU_ASSERT(n > n_max);
    size_t n_behind = t->n_after < n_max ? t->n_after : n_max;
    memcpy(out, tokens, (n_max - n_behind) * sizeof(*out));
    memcpy(out + n_max - n_behind, tokens + n - n_behind, n_behind * sizeof(*out));
}

bool mu_tokenizer_adds_bos(const mu_tokenizer *t) {
    return t->n_before > 0 && t->before[0] == t->bos;
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
