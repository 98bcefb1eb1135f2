#include "format/hf_pipeline.h"

#include <string.h>

#include "text/utf8.h"

typedef mu_status read_step(const json_t *json, mu_tokenizer_builder *b, mu_err *err);

bool mu_hf_is_type(const json_t *json, const char *type) {
    const char *name = json_string_value(json_object_get(json, "type"));
    return name && strcmp(name, type) == 0;
}

bool mu_hf_flag(const json_t *json, const char *key, bool absent) {
    const json_t *value = json_object_get(json, key);
    return json_is_boolean(value) ? json_is_true(value) : absent;
}

static mu_status unsupported(const char *stage, const json_t *json, mu_err *err) {
    const char *type = json_string_value(json_object_get(json, "type"));
    return mu_fail(err, MU_ERR_UNSUPPORTED, "%s: \"%.40s\" is not one this version reads", stage,
                   type ? type : "?");
}

static const char *text_of(const json_t *json, const char *key) {
    return json_string_value(json_object_get(json, key));
}

/* Each step of a Sequence, or the one there is. Sequences in sequences are as deep as the JSON. */
static mu_status for_each(const json_t *json, const char *list, read_step *read,
                          mu_tokenizer_builder *b, mu_err *err) {
    if (!json || json_is_null(json)) return MU_OK;
    if (!mu_hf_is_type(json, "Sequence")) return read(json, b, err);
    const json_t *steps = json_object_get(json, list);
    mu_status status = MU_OK;
    for (size_t i = 0; i < json_array_size(steps) && status == MU_OK; i++) {
        status = for_each(json_array_get(steps, i), list, read, b, err);
    }
    return status;
}

/* A pattern is {"String": s} or {"Regex": r}. NULL: neither. */
static const char *pattern_of(const json_t *json, bool *is_literal) {
    const json_t *pattern = json_object_get(json, "pattern");
    const char *literal = text_of(pattern, "String");
    *is_literal = literal != NULL;
    return literal ? literal : text_of(pattern, "Regex");
}

/* Normalizers that are one kind and have no fields. */
static const struct {
    const char *type;
    mu_normalizer_kind kind;
} plain_normalizers[] = {
    {"NFC", MU_NORMALIZE_NFC},
    {"NFD", MU_NORMALIZE_NFD},
    {"NFKC", MU_NORMALIZE_NFKC},
    {"NFKD", MU_NORMALIZE_NFKD},
    {"Lowercase", MU_NORMALIZE_LOWERCASE},
    {"StripAccents", MU_NORMALIZE_STRIP_ACCENTS},
};

static void add_plain(mu_tokenizer_builder *b, mu_normalizer_kind kind) {
    mu_tokenizer_builder_normalizer(b, (mu_normalizer){.kind = kind});
}

static mu_status read_bert_normalizer(const json_t *json, mu_tokenizer_builder *b) {
    bool lowercase = mu_hf_flag(json, "lowercase", true);
    if (mu_hf_flag(json, "clean_text", true)) add_plain(b, MU_NORMALIZE_CLEAN);
    if (mu_hf_flag(json, "handle_chinese_chars", true)) add_plain(b, MU_NORMALIZE_SPACE_CJK);
    if (mu_hf_flag(json, "strip_accents", lowercase)) {
        add_plain(b, MU_NORMALIZE_NFD);
        add_plain(b, MU_NORMALIZE_STRIP_ACCENTS);
    }
    if (lowercase) add_plain(b, MU_NORMALIZE_LOWERCASE);
    return MU_OK;
}

static mu_status read_replace(const json_t *json, mu_tokenizer_builder *b, mu_err *err) {
    bool is_literal;
    const char *text = pattern_of(json, &is_literal), *with = text_of(json, "content");
    if (!text || !with) {
        return mu_fail(err, MU_ERR_FORMAT, "normalizer: Replace without pattern or content");
    }
    mu_tokenizer_builder_normalizer(
        b, (mu_normalizer){.kind = is_literal ? MU_NORMALIZE_REPLACE : MU_NORMALIZE_REPLACE_PATTERN,
                           .text = text,
                           .with = with});
    return MU_OK;
}

static int base64_digit(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at ? (int)(at - digits) : -1;
}

/* False: not base64. */
static bool append_base64(mu_buf *out, const char *text) {
    uint32_t bits = 0, n_bits = 0;
    for (; *text && *text != '='; text++) {
        int digit = base64_digit(*text);
        if (digit < 0) return false;
        bits = bits << 6 | (uint32_t)digit;
        n_bits += 6;
        if (n_bits < 8) continue;
        n_bits -= 8;
        uint8_t byte = (uint8_t)(bits >> n_bits);
        mu_buf_append(out, &byte, 1);
    }
    return strspn(text, "=") == strlen(text);
}

static mu_status read_charsmap(const json_t *json, mu_tokenizer_builder *b, mu_err *err) {
    const char *text = text_of(json, "precompiled_charsmap");
    if (!text || b->charsmap.n > 0 || !append_base64(&b->charsmap, text)) {
        return mu_fail(err, MU_ERR_FORMAT, "normalizer: precompiled_charsmap: not one, in base64");
    }
    if (b->charsmap.failed) return mu_fail(err, MU_ERR_NOMEM, "character map");
    mu_tokenizer_builder_normalizer(b,
                                    (mu_normalizer){.kind = MU_NORMALIZE_CHARSMAP_GRAPHEMES,
                                                    .charsmap = {b->charsmap.data, b->charsmap.n}});
    return MU_OK;
}

static mu_status read_normalizer(const json_t *json, mu_tokenizer_builder *b, mu_err *err) {
    for (size_t i = 0; i < MU_COUNTOF(plain_normalizers); i++) {
        if (!mu_hf_is_type(json, plain_normalizers[i].type)) continue;
        add_plain(b, plain_normalizers[i].kind);
        return MU_OK;
    }
    if (mu_hf_is_type(json, "BertNormalizer")) return read_bert_normalizer(json, b);
    if (mu_hf_is_type(json, "Replace")) return read_replace(json, b, err);
    if (mu_hf_is_type(json, "Precompiled")) return read_charsmap(json, b, err);
    if (mu_hf_is_type(json, "Strip")) {
        if (mu_hf_flag(json, "strip_left", true)) add_plain(b, MU_NORMALIZE_STRIP_LEFT);
        if (mu_hf_flag(json, "strip_right", true)) add_plain(b, MU_NORMALIZE_STRIP_RIGHT);
        return MU_OK;
    }
    if (mu_hf_is_type(json, "Prepend")) {
        const char *text = text_of(json, "prepend");
        if (!text) return mu_fail(err, MU_ERR_FORMAT, "normalizer: Prepend without prepend");
        mu_tokenizer_builder_normalizer(
            b, (mu_normalizer){.kind = MU_NORMALIZE_PREPEND, .text = text});
        return MU_OK;
    }
    return unsupported("normalizer", json, err);
}

mu_status mu_hf_normalizer_read(const json_t *json, mu_tokenizer_builder *b, mu_err *err) {
    return for_each(json, "normalizers", read_normalizer, b, err);
}

bool mu_hf_is_byte_level(const json_t *json) {
    if (!mu_hf_is_type(json, "Sequence")) return mu_hf_is_type(json, "ByteLevel");
    const json_t *steps = json_object_get(json, "pretokenizers");
    for (size_t i = 0; i < json_array_size(steps); i++) {
        if (mu_hf_is_byte_level(json_array_get(steps, i))) return true;
    }
    return false;
}

static void add_split(mu_tokenizer_builder *b, const char *regex, mu_split_keep keep) {
    mu_tokenizer_builder_step(
        b, (mu_split_step){.kind = MU_SPLIT_PATTERN, .regex = regex, .keep = keep});
}

static bool read_keep(const json_t *json, mu_split_keep *out) {
    static const struct {
        const char *name;
        mu_split_keep keep;
    } rows[] = {{"Isolated", MU_SPLIT_ISOLATED},
                {"Removed", MU_SPLIT_REMOVED},
                {"MergedWithPrevious", MU_SPLIT_WITH_PREVIOUS},
                {"MergedWithNext", MU_SPLIT_WITH_NEXT},
                {"Contiguous", MU_SPLIT_CONTIGUOUS}};
    const char *name = text_of(json, "behavior");
    for (size_t i = 0; name && i < MU_COUNTOF(rows); i++) {
        if (strcmp(name, rows[i].name) != 0) continue;
        *out = rows[i].keep;
        return true;
    }
    return false;
}

static mu_status read_split(const json_t *json, mu_tokenizer_builder *b, mu_err *err) {
    mu_split_step step = {.kind = MU_SPLIT_PATTERN, .invert = mu_hf_flag(json, "invert", false)};
    step.regex = pattern_of(json, &step.is_literal);
    if (!step.regex || !read_keep(json, &step.keep)) {
        return mu_fail(err, MU_ERR_UNSUPPORTED,
                       "pre_tokenizer: Split: pattern or behavior \"%.40s\"",
                       text_of(json, "behavior") ? text_of(json, "behavior") : "?");
    }
    mu_tokenizer_builder_step(b, step);
    return MU_OK;
}

/* Older files say add_prefix_space, newer ones prepend_scheme. */
static mu_status read_metaspace(const json_t *json, mu_tokenizer_builder *b, mu_err *err) {
    const char *scheme = text_of(json, "prepend_scheme"), *mark = text_of(json, "replacement");
    if (!scheme) scheme = mu_hf_flag(json, "add_prefix_space", true) ? "always" : "never";
    bool is_always = strcmp(scheme, "always") == 0, is_first = strcmp(scheme, "first") == 0;
    if (!is_always && !is_first && strcmp(scheme, "never") != 0) {
        return mu_fail(err, MU_ERR_UNSUPPORTED,
                       "pre_tokenizer: Metaspace: prepend_scheme \"%.40s\"", scheme);
    }
    if (mark && strcmp(mark, MU_WORD_MARK) != 0) {
        return mu_fail(err, MU_ERR_UNSUPPORTED, "pre_tokenizer: Metaspace: replacement \"%.40s\"",
                       mark);
    }
    mu_tokenizer_builder_step(b, (mu_split_step){.kind = is_always  ? MU_SPLIT_MARK_ALL
                                                         : is_first ? MU_SPLIT_MARK_FIRST
                                                                    : MU_SPLIT_MARK_NONE});
    if (mu_hf_flag(json, "split", true)) add_split(b, MU_WORD_MARK, MU_SPLIT_WITH_NEXT);
    return MU_OK;
}

static mu_status read_pre_tokenizer(const json_t *json, mu_tokenizer_builder *b, mu_err *err) {
    static const char signs[] = "[!-/:-@\\[-`{-~\\p{P}]", space[] = "\\s";
    if (mu_hf_is_type(json, "ByteLevel")) {
        if (mu_hf_flag(json, "add_prefix_space", true)) {
            mu_tokenizer_builder_step(b, (mu_split_step){.kind = MU_SPLIT_SPACE_PREFIX});
        }
        if (mu_hf_flag(json, "use_regex", true)) add_split(b, mu_gpt2_pattern, MU_SPLIT_ISOLATED);
    } else if (mu_hf_is_type(json, "Split")) {
        return read_split(json, b, err);
    } else if (mu_hf_is_type(json, "Digits")) {
        bool single = mu_hf_flag(json, "individual_digits", false);
        add_split(b, single ? "\\p{N}" : "\\p{N}+", MU_SPLIT_ISOLATED);
    } else if (mu_hf_is_type(json, "Punctuation")) {
        mu_split_keep keep = MU_SPLIT_ISOLATED;
        if (json_object_get(json, "behavior") && !read_keep(json, &keep)) {
            return unsupported("pre_tokenizer", json, err);
        }
        add_split(b, signs, keep);
    } else if (mu_hf_is_type(json, "Metaspace")) {
        return read_metaspace(json, b, err);
    } else if (mu_hf_is_type(json, "WhitespaceSplit")) {
        add_split(b, space, MU_SPLIT_REMOVED);
    } else if (mu_hf_is_type(json, "BertPreTokenizer")) {
        add_split(b, space, MU_SPLIT_REMOVED);
        add_split(b, signs, MU_SPLIT_ISOLATED);
    } else {
        return unsupported("pre_tokenizer", json, err);
    }
    return MU_OK;
}

mu_status mu_hf_pre_tokenizer_read(const json_t *json, mu_tokenizer_builder *b, mu_err *err) {
    return for_each(json, "pretokenizers", read_pre_tokenizer, b, err);
}

static mu_status read_template_token(const json_t *tokens, const char *name, bool is_before,
                                     mu_tokenizer_builder *b, mu_err *err) {
    const json_t *ids = json_object_get(json_object_get(tokens, name), "ids");
    if (json_array_size(ids) == 0) {
        return mu_fail(err, MU_ERR_FORMAT, "post_processor: \"%.40s\" has no ids", name);
    }
    for (size_t i = 0; i < json_array_size(ids); i++) {
        json_int_t id = json_integer_value(json_array_get(ids, i));
        if (!json_is_integer(json_array_get(ids, i)) || id < 0 || id >= b->spec.vocab_size) {
            return mu_fail(err, MU_ERR_FORMAT, "post_processor: \"%.40s\" is no token", name);
        }
        mu_tokenizer_builder_around(b, is_before, (mu_token)id);
    }
    return MU_OK;
}

static mu_status read_template(const json_t *json, mu_tokenizer_builder *b, mu_err *err) {
    const json_t *single = json_object_get(json, "single");
    const json_t *tokens = json_object_get(json, "special_tokens");
    bool is_before = true;
    for (size_t i = 0; i < json_array_size(single); i++) {
        const json_t *special = json_object_get(json_array_get(single, i), "SpecialToken");
        const char *name = text_of(special, "id");
        if (!special) {
            is_before = false; /* the text itself */
        } else if (!name) {
            return mu_fail(err, MU_ERR_FORMAT, "post_processor: a SpecialToken without id");
        } else {
            mu_status status = read_template_token(tokens, name, is_before, b, err);
            if (status != MU_OK) return status;
        }
    }
    return MU_OK;
}

/* {"cls": ["[CLS]", 101], "sep": ["[SEP]", 102]} */
static mu_status read_pair(const json_t *json, const char *key, bool is_before,
                           mu_tokenizer_builder *b, mu_err *err) {
    const json_t *id = json_array_get(json_object_get(json, key), 1);
    json_int_t value = json_integer_value(id);
    if (!json_is_integer(id) || value < 0 || value >= b->spec.vocab_size) {
        return mu_fail(err, MU_ERR_FORMAT, "post_processor: %s is no token", key);
    }
    mu_tokenizer_builder_around(b, is_before, (mu_token)value);
    return MU_OK;
}

static mu_status read_post_processor(const json_t *json, mu_tokenizer_builder *b, mu_err *err) {
    if (mu_hf_is_type(json, "ByteLevel")) return MU_OK; /* only offsets */
    if (mu_hf_is_type(json, "TemplateProcessing")) return read_template(json, b, err);
    if (mu_hf_is_type(json, "BertProcessing") || mu_hf_is_type(json, "RobertaProcessing")) {
        mu_status status = read_pair(json, "cls", true, b, err);
        return status == MU_OK ? read_pair(json, "sep", false, b, err) : status;
    }
    return unsupported("post_processor", json, err);
}

mu_status mu_hf_post_processor_read(const json_t *json, mu_tokenizer_builder *b, mu_err *err) {
    return for_each(json, "processors", read_post_processor, b, err);
}

static mu_status read_decoder(const json_t *json, mu_tokenizer_builder *b, mu_err *err) {
    mu_piece_rule *rule = &b->piece_rule;
    if (mu_hf_is_type(json, "ByteLevel") || mu_hf_is_type(json, "ByteFallback") ||
        mu_hf_is_type(json, "Fuse")) {
        return MU_OK; /* what concatenation does anyway */
    }
    if (mu_hf_is_type(json, "Metaspace")) {
        const char *scheme = text_of(json, "prepend_scheme");
        rule->marks_are_spaces = true;
        b->spec.strips_first_space =
            scheme ? strcmp(scheme, "never") != 0 : mu_hf_flag(json, "add_prefix_space", true);
        return MU_OK;
    }
    if (mu_hf_is_type(json, "WordPiece")) {
        rule->continuation = text_of(json, "prefix");
        rule->cleans_up = mu_hf_flag(json, "cleanup", true);
        b->spec.strips_first_space = true;
        return rule->continuation ? MU_OK : unsupported("decoder", json, err);
    }
    bool is_literal;
    if (mu_hf_is_type(json, "Replace")) {
        const char *text = pattern_of(json, &is_literal), *with = text_of(json, "content");
        if (!text || !with || !is_literal || strcmp(text, MU_WORD_MARK) != 0 ||
            strcmp(with, " ") != 0) {
            return unsupported("decoder", json, err);
        }
        rule->marks_are_spaces = true;
        return MU_OK;
    }
    const char *content = text_of(json, "content");
    if (mu_hf_is_type(json, "Strip") && content && strcmp(content, " ") == 0 &&
        json_integer_value(json_object_get(json, "stop")) == 0) {
        b->spec.strips_first_space = json_integer_value(json_object_get(json, "start")) > 0;
        return MU_OK;
    }
    return unsupported("decoder", json, err);
}

mu_status mu_hf_decoder_read(const json_t *json, mu_tokenizer_builder *b, mu_err *err) {
    return for_each(json, "decoders", read_decoder, b, err);
}
