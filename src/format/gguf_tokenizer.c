#include "format/hf_tokenizer.h"
#include "format/tokenizer_builder.h"

/* Patterns by the name in tokenizer.ggml.pre. */
static const struct {
    const char *name, *pattern;
    bool ignore_merges;
} patterns[] = {
    {"gpt-2", NULL, false},
    {"llama-bpe",
     "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
     "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     true},
    {"qwen2",
     "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
     "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     false},
};

/* llama.cpp's token types: normal, unknown, control, user-defined, unused, byte. */
enum { TYPE_NORMAL = 1, TYPE_UNKNOWN, TYPE_CONTROL, TYPE_USER_DEFINED, TYPE_UNUSED };

static mu_status read_pattern(const mu_metadata *metadata, mu_tokenizer_spec *spec, mu_err *err) {
    mu_meta_string name, architecture;
    if (!mu_metadata_string(metadata, "tokenizer.ggml.pre", &name)) {
        /* Older GPT-2 files do not name their pattern; of others it could be any. */
        bool is_gpt2 = mu_metadata_string(metadata, "general.architecture", &architecture) &&
                       mu_meta_string_is(architecture, "gpt2");
        if (is_gpt2) return MU_OK;
        return mu_fail(err, MU_ERR_UNSUPPORTED, "no tokenizer.ggml.pre");
    }
    for (size_t i = 0; i < MU_COUNTOF(patterns); i++) {
        if (!mu_meta_string_is(name, patterns[i].name)) continue;
        spec->pattern = patterns[i].pattern;
        spec->ignore_merges = patterns[i].ignore_merges;
        return MU_OK;
    }
    return mu_fail(err, MU_ERR_UNSUPPORTED, "tokenizer.ggml.pre \"%.*s\"",
                   (int)(name.n < 40 ? name.n : 40), name.data);
}

static void read_token(const mu_metadata *metadata, const char *key, uint32_t vocab_size,
                       mu_token *out) {
    int64_t id;
    if (mu_metadata_int(metadata, key, &id) && id >= 0 && id < vocab_size) *out = (mu_token)id;
}

static mu_status add_tokens(mu_tokenizer_builder *b, const mu_meta_value *tokens,
                            const mu_meta_value *types, mu_err *err) {
    for (size_t i = 0; i < tokens->n_elems; i++) {
        int64_t type = types ? types->ints[i] : TYPE_NORMAL;
        mu_token_kind kind = type == TYPE_CONTROL || type == TYPE_UNKNOWN ? MU_TOKEN_SPECIAL
                             : type == TYPE_USER_DEFINED                  ? MU_TOKEN_ADDED
                             : type == TYPE_UNUSED                        ? MU_TOKEN_UNUSED
                                                                          : MU_TOKEN_NORMAL;
        mu_meta_string text = tokens->strings[i];
        mu_status status =
            mu_tokenizer_builder_add(b, i, text.data, text.n, kind, kind == MU_TOKEN_NORMAL, err);
        if (status != MU_OK) return status;
    }
    return MU_OK;
}

static bool is_array(const mu_meta_value *value, mu_meta_kind kind) {
    return value && value->kind == MU_META_ARRAY && value->elem_kind == kind;
}

mu_status mu_gguf_tokenizer_open(const mu_metadata *metadata, mu_tokenizer **out, mu_err *err) {
    mu_meta_string model;
    if (!mu_metadata_string(metadata, "tokenizer.ggml.model", &model) ||
        mu_meta_string_is(model, "none") || mu_meta_string_is(model, "no_vocab")) {
        return mu_fail(err, MU_ERR_NOT_FOUND, "no tokenizer.ggml.model");
    }
    if (!mu_meta_string_is(model, "gpt2")) {
        return mu_fail(err, MU_ERR_UNSUPPORTED, "tokenizer.ggml.model \"%.*s\"",
                       (int)(model.n < 40 ? model.n : 40), model.data);
    }
    const mu_meta_value *tokens = mu_metadata_find(metadata, "tokenizer.ggml.tokens");
    const mu_meta_value *types = mu_metadata_find(metadata, "tokenizer.ggml.token_type");
    const mu_meta_value *merges = mu_metadata_find(metadata, "tokenizer.ggml.merges");
    if (!is_array(tokens, MU_META_STRING) || !is_array(merges, MU_META_STRING)) {
        return mu_fail(err, MU_ERR_FORMAT, "tokenizer.ggml.tokens or merges: not strings");
    }
    if (types && (!is_array(types, MU_META_INT) || types->n_elems != tokens->n_elems)) {
        return mu_fail(err, MU_ERR_FORMAT, "tokenizer.ggml.token_type: not one number a token");
    }
    size_t text_bytes = 0;
    for (size_t i = 0; i < tokens->n_elems; i++) {
        text_bytes += tokens->strings[i].n;
    }
    mu_tokenizer_builder b;
    mu_status status =
        mu_tokenizer_builder_init(&b, tokens->n_elems, merges->n_elems, text_bytes, err);
    if (status != MU_OK) return status;
    status = read_pattern(metadata, &b.spec, err);
    if (status == MU_OK) status = add_tokens(&b, tokens, types, err);
    for (size_t i = 0; i < merges->n_elems && status == MU_OK; i++) {
        mu_meta_string merge = merges->strings[i];
        status = mu_tokenizer_builder_merge_line(&b, merge.data, merge.n, err);
    }
    read_token(metadata, "tokenizer.ggml.bos_token_id", b.spec.vocab_size, &b.spec.bos);
    read_token(metadata, "tokenizer.ggml.eos_token_id", b.spec.vocab_size, &b.spec.eos);
    mu_metadata_bool(metadata, "tokenizer.ggml.add_bos_token", &b.spec.add_bos);
    if (status == MU_OK) status = mu_tokenizer_builder_finish(&b, out, err);
    mu_tokenizer_builder_deinit(&b);
    return status;
}
