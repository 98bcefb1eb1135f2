/* Metadata keys as llama.cpp's converter writes them. Where a key is absent llama.cpp has a default
 * by the kind of tokenizer, and so has this; where it is there with a type that it never has, that
 * is said, because a key passed over is a tokenizer that is almost right.
 */
#include <stdio.h>
#include <string.h>

#include "format/hf_tokenizer.h"
#include "format/pre_tokenizers.h"
#include "format/tokenizer_builder.h"

/* llama.cpp's token types: normal, unknown, control, user-defined, unused, byte. */
enum { TYPE_NORMAL = 1, TYPE_UNKNOWN, TYPE_CONTROL, TYPE_USER_DEFINED, TYPE_UNUSED, TYPE_BYTE };

typedef struct reader {
    const mu_metadata *metadata;
    const mu_meta_value *tokens, *types, *merges, *scores;
    mu_tokenizer_builder b;
    mu_err *err;
} reader;

/* The value of tokenizer.ggml.KEY; NULL when it is absent. Another kind than the wanted is an
 * error, as is an array whose elements are of another. */
static mu_status find_key(const reader *r, const char *key, mu_meta_kind kind,
                          mu_meta_kind elem_kind, const mu_meta_value **out) {
    char name[80];
    snprintf(name, sizeof(name), "tokenizer.ggml.%s", key);
    const mu_meta_value *value = mu_metadata_find(r->metadata, name);
    *out = value;
    if (!value) return MU_OK;
    bool fits = value->kind == kind && (kind != MU_META_ARRAY || value->elem_kind == elem_kind);
    if (fits) return MU_OK;
    return mu_fail(r->err, MU_ERR_FORMAT, "%s: of another type than expected", name);
}

static mu_status read_id(const reader *r, const char *key, mu_token *out) {
    const mu_meta_value *value;
    mu_status status = find_key(r, key, MU_META_INT, MU_META_NULL, &value);
    if (status != MU_OK || !value) return status;
    if (value->i >= 0 && value->i < r->b.spec.vocab_size) *out = (mu_token)value->i;
    return MU_OK; /* -1 and the like: there is none */
}

static mu_status read_flag(const reader *r, const char *key, bool *out) {
    const mu_meta_value *value;
    mu_status status = find_key(r, key, MU_META_BOOL, MU_META_NULL, &value);
    if (status == MU_OK && value) *out = value->b;
    return status;
}

static void add_normalizer(reader *r, mu_normalizer_kind kind, const char *text, const char *with) {
    mu_tokenizer_builder_normalizer(&r->b,
                                    (mu_normalizer){.kind = kind, .text = text, .with = with});
}

static void add_pattern(reader *r, const char *regex, mu_split_keep keep) {
    mu_tokenizer_builder_step(
        &r->b, (mu_split_step){.kind = MU_SPLIT_PATTERN, .regex = regex, .keep = keep});
}

static mu_status read_byte_bpe(reader *r) {
    mu_tokenizer_builder *b = &r->b;
    const mu_meta_value *pre;
    mu_status status = find_key(r, "pre", MU_META_STRING, MU_META_NULL, &pre);
    if (status != MU_OK) return status;
    mu_meta_string name = {"default", strlen("default")}, architecture;
    if (pre) {
        name = pre->str;
    } else if (mu_metadata_string(r->metadata, "general.architecture", &architecture) &&
               mu_meta_string_is(architecture, "gpt2")) {
        name = (mu_meta_string){"gpt-2", strlen("gpt-2")}; /* older files do not name it */
    }
    const mu_pre_tokenizer *found = mu_pre_tokenizer_find(name);
    if (!found) {
        return mu_fail(r->err, MU_ERR_UNSUPPORTED, "tokenizer.ggml.pre \"%.*s\"",
                       (int)(name.n < 40 ? name.n : 40), name.data);
    }
    for (size_t i = 0; i < MU_PRE_PATTERNS_MAX && found->patterns[i]; i++) {
        add_pattern(r, found->patterns[i], MU_SPLIT_ISOLATED);
    }
    b->spec.ignore_merges = found->ignore_merges;
    b->spec.add_bos = found->add_bos;
    b->spec.add_eos = found->add_eos;
    return MU_OK;
}

/* SentencePiece writes a space as U+2581, and one in front of a text unless told otherwise. */
static mu_status read_score_bpe(reader *r) {
    mu_tokenizer_spec *spec = &r->b.spec;
    bool prefixes_space = true;
    mu_status status = read_flag(r, "add_space_prefix", &prefixes_space);
    if (status != MU_OK) return status;
    if (prefixes_space) add_normalizer(r, MU_NORMALIZE_PREPEND, " ", NULL);
    add_normalizer(r, MU_NORMALIZE_REPLACE, " ", MU_WORD_MARK);
    r->b.piece_rule.marks_are_spaces = true;
    spec->strips_first_space = prefixes_space;
    spec->byte_fallback = spec->add_bos = true;
    spec->bos = 1;
    spec->eos = 2;
    spec->unknown = 0;
    return MU_OK;
}

/* Gemma 4 has SentencePiece's spelling and a list of merges. */
static mu_status read_char_bpe(reader *r) {
    mu_tokenizer_spec *spec = &r->b.spec;
    add_normalizer(r, MU_NORMALIZE_REPLACE, " ", MU_WORD_MARK);
    add_pattern(r, "[^\\n]+|[\\n]+", MU_SPLIT_ISOLATED);
    r->b.piece_rule.marks_are_spaces = true;
    spec->byte_fallback = spec->add_bos = spec->ignore_merges = true;
    return MU_OK;
}

static mu_status read_unigram(reader *r) {
    mu_tokenizer_spec *spec = &r->b.spec;
    const mu_meta_value *charsmap;
    bool prefixes_space = true, merges_spaces = false;
    mu_status status = find_key(r, "precompiled_charsmap", MU_META_ARRAY, MU_META_INT, &charsmap);
    if (status == MU_OK) status = read_flag(r, "add_space_prefix", &prefixes_space);
    if (status == MU_OK) status = read_flag(r, "remove_extra_whitespaces", &merges_spaces);
    if (status != MU_OK) return status;
    if (charsmap && charsmap->n_elems > 0) {
        for (size_t i = 0; i < charsmap->n_elems; i++) {
            uint8_t byte = (uint8_t)charsmap->ints[i];
            mu_buf_append(&r->b.charsmap, &byte, 1);
        }
        if (r->b.charsmap.failed) return mu_fail(r->err, MU_ERR_NOMEM, "character map");
        mu_tokenizer_builder_normalizer(
            &r->b, (mu_normalizer){.kind = MU_NORMALIZE_CHARSMAP,
                                   .charsmap = {r->b.charsmap.data, r->b.charsmap.n}});
    }
    if (merges_spaces) {
        add_normalizer(r, MU_NORMALIZE_STRIP_LEFT, NULL, NULL);
        add_normalizer(r, MU_NORMALIZE_STRIP_RIGHT, NULL, NULL);
        add_normalizer(r, MU_NORMALIZE_REPLACE_PATTERN, " {2,}", " ");
    }
    if (prefixes_space) add_normalizer(r, MU_NORMALIZE_PREPEND, " ", NULL);
    add_normalizer(r, MU_NORMALIZE_REPLACE, " ", MU_WORD_MARK);
    r->b.piece_rule.marks_are_spaces = true;
    spec->strips_first_space = prefixes_space;
    spec->fuse_unknown = spec->add_eos = true;
    spec->unknown = 2;
    spec->eos = 1;
    return MU_OK;
}

/* The file writes U+2581 in front of what begins a word, where the model has ## before the rest. */
static mu_status read_wordpiece(reader *r) {
    static const mu_normalizer_kind kinds[] = {MU_NORMALIZE_CLEAN, MU_NORMALIZE_SPACE_CJK,
                                               MU_NORMALIZE_NFD, MU_NORMALIZE_STRIP_ACCENTS,
                                               MU_NORMALIZE_LOWERCASE};
    mu_tokenizer_spec *spec = &r->b.spec;
    for (size_t i = 0; i < MU_COUNTOF(kinds); i++) {
        add_normalizer(r, kinds[i], NULL, NULL);
    }
    add_pattern(r, "\\s", MU_SPLIT_REMOVED);
    add_pattern(r, "[!-/:-@\\[-`{-~\\p{P}]", MU_SPLIT_ISOLATED);
    r->b.piece_rule.marks_are_spaces = true;
    spec->word_prefix = MU_WORD_MARK;
    spec->continuation = "";
    spec->strips_first_space = true;
    spec->add_bos = spec->add_eos = true;
    spec->bos = 101;
    spec->eos = MU_TOKEN_NONE;
    spec->unknown = 100;
    return MU_OK;
}

/* What tokenizer.ggml.model may be. */
static const struct {
    const char *name;
    mu_token_model model;
    bool has_merges, has_scores;
    mu_status (*read)(reader *r);
} models[] = {
    {"gpt2", MU_TOKEN_MODEL_BYTE_BPE, true, false, read_byte_bpe},
    {"llama", MU_TOKEN_MODEL_SCORE_BPE, false, true, read_score_bpe},
    {"gemma4", MU_TOKEN_MODEL_CHAR_BPE, true, false, read_char_bpe},
    {"t5", MU_TOKEN_MODEL_UNIGRAM, false, true, read_unigram},
    {"bert", MU_TOKEN_MODEL_WORDPIECE, false, false, read_wordpiece},
};

static mu_token_kind kind_of(int64_t type) {
    switch (type) {
    case TYPE_CONTROL:
    case TYPE_UNKNOWN:
        return MU_TOKEN_SPECIAL;
    case TYPE_USER_DEFINED:
        return MU_TOKEN_ADDED;
    case TYPE_UNUSED:
        return MU_TOKEN_UNUSED;
    case TYPE_BYTE:
        return MU_TOKEN_BYTE;
    default:
        return MU_TOKEN_NORMAL;
    }
}

static mu_status add_tokens(reader *r) {
    bool is_byte_level = r->b.spec.model == MU_TOKEN_MODEL_BYTE_BPE;
    for (size_t i = 0; i < r->tokens->n_elems; i++) {
        mu_token_kind kind = r->types ? kind_of(r->types->ints[i]) : MU_TOKEN_NORMAL;
        mu_meta_string text = r->tokens->strings[i];
        mu_status status = mu_tokenizer_builder_add(
            &r->b, i, text.data, text.n, kind, is_byte_level && kind == MU_TOKEN_NORMAL, r->err);
        if (status != MU_OK) return status;
        if (r->scores) r->b.scores[i] = (float)r->scores->floats[i];
    }
    return MU_OK;
}

static mu_status add_merges(reader *r) {
    mu_status status = MU_OK;
    for (size_t i = 0; r->merges && i < r->merges->n_elems && status == MU_OK; i++) {
        mu_meta_string merge = r->merges->strings[i];
        status = mu_tokenizer_builder_merge_line(&r->b, merge.data, merge.n, r->err);
    }
    return status;
}

/* Tokens that end a text though no key says so, by what they are called. */
static bool is_called_an_end(mu_bytes text) {
    static const char *const names[] = {
        "<|eot_id|>",
        "<|eom_id|>",
        "<|im_end|>",
        "<|end|>",
        "<|return|>",
        "<|call|>",
        "<end_of_turn>",
        "<turn|>",
        "<|endoftext|>",
        "<|end_of_text|>",
        "<EOT>",
        "[EOT]",
        "<_EOT>",
        "<\xEF\xBD\x9C"
        "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>",
    };
    for (size_t i = 0; i < MU_COUNTOF(names); i++) {
        if (strlen(names[i]) == text.n && memcmp(names[i], text.data, text.n) == 0) return true;
    }
    return false;
}

static mu_status read_ends(reader *r) {
    static const char *const keys[] = {"eot_token_id", "eom_token_id"};
    mu_tokenizer_builder *b = &r->b;
    for (size_t i = 0; i < MU_COUNTOF(keys); i++) {
        mu_token token = MU_TOKEN_NONE;
        mu_status status = read_id(r, keys[i], &token);
        if (status != MU_OK) return status;
        if (token != MU_TOKEN_NONE) mu_tokenizer_builder_end(b, token);
    }
    for (uint32_t i = 0; i < b->spec.vocab_size; i++) {
        if (b->kinds[i] == MU_TOKEN_SPECIAL && is_called_an_end(b->tokens[i])) {
            mu_tokenizer_builder_end(b, (mu_token)i);
        }
    }
    return MU_OK;
}

/* BERT's text ends with what the file calls its separator (and spells so). */
static mu_status read_separator(reader *r) {
    mu_tokenizer_spec *spec = &r->b.spec;
    mu_token separator = MU_TOKEN_NONE, start = spec->bos;
    mu_status status = read_id(r, "seperator_token_id", &separator);
    if (status == MU_OK) status = read_id(r, "cls_token_id", &start);
    if (status == MU_OK) status = read_flag(r, "add_sep_token", &spec->add_eos);
    if (status != MU_OK || spec->model != MU_TOKEN_MODEL_WORDPIECE) return status;
    spec->bos = start;
    spec->eos = separator;
    return MU_OK;
}

static mu_status read_specials(reader *r) {
    mu_tokenizer_spec *spec = &r->b.spec;
    mu_status status = read_id(r, "bos_token_id", &spec->bos);
    if (status == MU_OK) status = read_id(r, "eos_token_id", &spec->eos);
    if (status == MU_OK) status = read_id(r, "unknown_token_id", &spec->unknown);
    if (status == MU_OK) status = read_flag(r, "add_bos_token", &spec->add_bos);
    if (status == MU_OK) status = read_flag(r, "add_eos_token", &spec->add_eos);
    if (status == MU_OK) status = read_separator(r);
    mu_token *const defaults[] = {&spec->bos, &spec->eos, &spec->unknown};
    for (size_t i = 0; i < MU_COUNTOF(defaults); i++) { /* small vocabularies lack the usual ids */
        if (*defaults[i] >= (mu_token)spec->vocab_size) *defaults[i] = MU_TOKEN_NONE;
    }
    return status == MU_OK ? read_ends(r) : status;
}

static mu_status find_lists(reader *r, bool has_merges, bool has_scores) {
    mu_status status = find_key(r, "tokens", MU_META_ARRAY, MU_META_STRING, &r->tokens);
    if (status == MU_OK) {
        status = find_key(r, "token_type", MU_META_ARRAY, MU_META_INT, &r->types);
    }
    if (status == MU_OK && has_merges) {
        status = find_key(r, "merges", MU_META_ARRAY, MU_META_STRING, &r->merges);
    }
    if (status == MU_OK && has_scores) {
        status = find_key(r, "scores", MU_META_ARRAY, MU_META_FLOAT, &r->scores);
    }
    if (status != MU_OK) return status;
    if (!r->tokens) return mu_fail(r->err, MU_ERR_FORMAT, "no tokenizer.ggml.tokens");
    if (has_merges && !r->merges) return mu_fail(r->err, MU_ERR_FORMAT, "no tokenizer.ggml.merges");
    if (has_scores && !r->scores) return mu_fail(r->err, MU_ERR_FORMAT, "no tokenizer.ggml.scores");
    if ((r->types && r->types->n_elems != r->tokens->n_elems) ||
        (r->scores && r->scores->n_elems != r->tokens->n_elems)) {
        return mu_fail(r->err, MU_ERR_FORMAT,
                       "tokenizer.ggml.token_type or scores: not one number a token");
    }
    return MU_OK;
}

/* The row of models[] that the file names. MU_ERR_NOT_FOUND: it has no tokenizer. */
static mu_status find_model(const reader *r, size_t *out) {
    const mu_meta_value *model;
    mu_status status = find_key(r, "model", MU_META_STRING, MU_META_NULL, &model);
    if (status != MU_OK) return status;
    if (!model || mu_meta_string_is(model->str, "none") ||
        mu_meta_string_is(model->str, "no_vocab")) {
        return mu_fail(r->err, MU_ERR_NOT_FOUND, "no tokenizer.ggml.model");
    }
    for (size_t i = 0; i < MU_COUNTOF(models); i++) {
        if (!mu_meta_string_is(model->str, models[i].name)) continue;
        *out = i;
        return MU_OK;
    }
    return mu_fail(r->err, MU_ERR_UNSUPPORTED, "tokenizer.ggml.model \"%.*s\"",
                   (int)(model->str.n < 40 ? model->str.n : 40), model->str.data);
}

static mu_status open_builder(reader *r) {
    size_t text_bytes = 0;
    for (size_t i = 0; i < r->tokens->n_elems; i++) {
        text_bytes += r->tokens->strings[i].n;
    }
    uint64_t n_merges = r->merges ? r->merges->n_elems : 0;
    mu_status status =
        mu_tokenizer_builder_init(&r->b, r->tokens->n_elems, n_merges, text_bytes, r->err);
    if (status == MU_OK && r->scores) status = mu_tokenizer_builder_scores(&r->b, r->err);
    return status;
}

mu_status mu_gguf_tokenizer_open(const mu_metadata *metadata, mu_tokenizer **out, mu_err *err) {
    reader r = {.metadata = metadata, .err = err};
    size_t row = 0;
    mu_status status = find_model(&r, &row);
    if (status == MU_OK) status = find_lists(&r, models[row].has_merges, models[row].has_scores);
    if (status == MU_OK) status = open_builder(&r);
    r.b.spec.model = models[row].model;
    if (status == MU_OK) status = models[row].read(&r);
    if (status == MU_OK) status = add_tokens(&r);
    if (status == MU_OK) status = add_merges(&r);
    if (status == MU_OK) status = read_specials(&r);
    if (status == MU_OK) status = mu_tokenizer_builder_finish(&r.b, out, err);
    mu_tokenizer_builder_deinit(&r.b);
    return status;
}
