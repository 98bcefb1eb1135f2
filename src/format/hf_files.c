/* The same fact may be in several files. Newer files are asked first: tokenizer_config.json knows
 * all that special_tokens_map.json and added_tokens.json did. A token that no file describes
 * further is special if it is named as bos, eos or the like, as the older library had it.
 */
#include "format/hf_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/hf_pipeline.h"
#include "format/json.h"

enum { PATH_BYTES = 4096 + 64 };

static const char *const names[MU_N_HF_FILES] = {
    [MU_HF_TOKENIZER_CONFIG] = "tokenizer_config.json",
    [MU_HF_SPECIAL_TOKENS] = "special_tokens_map.json",
    [MU_HF_ADDED_TOKENS] = "added_tokens.json",
    [MU_HF_CONFIG] = "config.json",
    [MU_HF_GENERATION] = "generation_config.json",
};

mu_status mu_hf_files_open(const char *folder, mu_hf_files *out, mu_err *err) {
    *out = (mu_hf_files){0};
    for (size_t i = 0; i < MU_N_HF_FILES; i++) {
        char path[PATH_BYTES];
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        mu_status status = mu_json_load(path, &out->roots[i], err);
        if (status == MU_ERR_NOT_FOUND) continue;
        if (status == MU_OK && !json_is_object(out->roots[i])) {
            status = mu_fail(err, MU_ERR_FORMAT, "%s: not a JSON object", path);
        }
        if (status == MU_OK) continue;
        mu_hf_files_close(out);
        return status;
    }
    return MU_OK;
}

void mu_hf_files_close(mu_hf_files *files) {
    for (size_t i = 0; i < MU_N_HF_FILES; i++) {
        json_decref(files->roots[i]);
    }
    *files = (mu_hf_files){0};
}

static json_t *decoder_of(const mu_hf_files *files) {
    return json_object_get(files->roots[MU_HF_TOKENIZER_CONFIG], "added_tokens_decoder");
}

/* An id that is written as a key: "50257". */
static bool id_of(const char *key, uint64_t *out) {
    char *end;
    *out = strtoull(key, &end, 10);
    return key[0] >= '0' && key[0] <= '9' && *end == '\0' && *out < MU_VOCAB_MAX;
}

void mu_hf_files_measure(const mu_hf_files *files, uint64_t *n_ids, size_t *n_bytes) {
    const char *key;
    json_t *value;
    uint64_t id;
    json_object_foreach(decoder_of(files), key, value) {
        if (id_of(key, &id) && id >= *n_ids) *n_ids = id + 1;
        *n_bytes += json_string_length(json_object_get(value, "content"));
    }
    json_object_foreach(files->roots[MU_HF_ADDED_TOKENS], key, value) {
        json_int_t number = json_integer_value(value);
        if (number >= 0 && number < MU_VOCAB_MAX && (uint64_t)number >= *n_ids) {
            *n_ids = (uint64_t)number + 1;
        }
        *n_bytes += strlen(key);
    }
}

mu_status mu_hf_added_token_read(const json_t *added, uint64_t id, mu_tokenizer_builder *b,
                                 mu_err *err) {
    static const struct {
        const char *key;
        uint8_t flag;
    } flags[] = {{"single_word", MU_ADDED_SINGLE_WORD},
                 {"lstrip", MU_ADDED_LSTRIP},
                 {"rstrip", MU_ADDED_RSTRIP},
                 {"normalized", MU_ADDED_NORMALIZED}};
    const json_t *text = json_object_get(added, "content");
    if (!json_is_string(text) || json_string_length(text) == 0) {
        return mu_fail(err, MU_ERR_FORMAT, "added_tokens: an entry without content or id");
    }
    bool is_special = mu_hf_flag(added, "special", false);
    mu_status status =
        mu_tokenizer_builder_add(b, id, json_string_value(text), json_string_length(text),
                                 is_special ? MU_TOKEN_SPECIAL : MU_TOKEN_ADDED, false, err);
    if (status != MU_OK) return status;
    b->added_flags[id] = 0;
    for (size_t i = 0; i < MU_COUNTOF(flags); i++) {
        if (mu_hf_flag(added, flags[i].key, false)) b->added_flags[id] |= flags[i].flag;
    }
    return MU_OK;
}

static bool is_added(const mu_tokenizer_builder *b, uint64_t id) {
    return id < b->spec.vocab_size &&
           (b->kinds[id] == MU_TOKEN_ADDED || b->kinds[id] == MU_TOKEN_SPECIAL);
}

mu_status mu_hf_files_add_tokens(const mu_hf_files *files, mu_tokenizer_builder *b, mu_err *err) {
    const char *key;
    json_t *value;
    uint64_t id;
    mu_status status = MU_OK;
    json_object_foreach(decoder_of(files), key, value) {
        if (!id_of(key, &id)) {
            return mu_fail(err, MU_ERR_FORMAT, "%s: added_tokens_decoder: \"%.40s\" is no id",
                           names[MU_HF_TOKENIZER_CONFIG], key);
        }
        if (is_added(b, id)) continue;
        status = mu_hf_added_token_read(value, id, b, err);
        if (status != MU_OK) return status;
    }
    json_object_foreach(files->roots[MU_HF_ADDED_TOKENS], key, value) {
        if (!json_is_integer(value) || json_integer_value(value) < 0) {
            return mu_fail(err, MU_ERR_FORMAT, "%s: \"%.40s\" has no id", names[MU_HF_ADDED_TOKENS],
                           key);
        }
        id = (uint64_t)json_integer_value(value);
        if (is_added(b, id)) continue;
        status = mu_tokenizer_builder_add(b, id, key, strlen(key), MU_TOKEN_ADDED, false, err);
        if (status != MU_OK) return status;
    }
    return MU_OK;
}

/* A token by its text, or by an object with its content; MU_TOKEN_NONE: it is not there. Named as
 * special in these files it is special, whatever its entry says. */
static mu_token named(mu_tokenizer_builder *b, const json_t *name) {
    const json_t *text = json_is_object(name) ? json_object_get(name, "content") : name;
    if (!json_is_string(text)) return MU_TOKEN_NONE;
    mu_token token =
        mu_tokenizer_builder_find(b, json_string_value(text), json_string_length(text));
    if (token != MU_TOKEN_NONE && !is_added(b, (uint64_t)token)) b->kinds[token] = MU_TOKEN_SPECIAL;
    if (token != MU_TOKEN_NONE && b->kinds[token] == MU_TOKEN_ADDED) {
        b->kinds[token] = MU_TOKEN_SPECIAL;
    }
    return token;
}

static void settle_names(const mu_hf_files *files, mu_tokenizer_builder *b) {
    static const mu_hf_file order[] = {MU_HF_SPECIAL_TOKENS, MU_HF_TOKENIZER_CONFIG};
    for (size_t i = 0; i < MU_COUNTOF(order); i++) { /* the last that says so counts */
        const json_t *root = files->roots[order[i]];
        mu_token bos = named(b, json_object_get(root, "bos_token"));
        mu_token eos = named(b, json_object_get(root, "eos_token"));
        if (bos != MU_TOKEN_NONE) b->spec.bos = bos;
        if (eos != MU_TOKEN_NONE) b->spec.eos = eos;
        const json_t *more = json_object_get(root, "additional_special_tokens");
        for (size_t k = 0; k < json_array_size(more); k++) {
            (void)named(b, json_array_get(more, k));
        }
    }
}

/* add_bos_token and add_eos_token, where the template of tokenizer.json is silent. Classes named
 * after Llama made their template from these, so there a false takes bos out again. */
static void settle_template(const mu_hf_files *files, mu_tokenizer_builder *b) {
    const json_t *config = files->roots[MU_HF_TOKENIZER_CONFIG];
    const char *class = json_string_value(json_object_get(config, "tokenizer_class"));
    bool has_template = b->spec.n_before > 0 || b->spec.n_after > 0;
    bool is_made_from_flags = class && strstr(class, "Llama") && b->spec.bos != MU_TOKEN_NONE;
    if (has_template && !is_made_from_flags) return;
    bool add_bos = mu_hf_flag(config, "add_bos_token", b->spec.n_before > 0);
    bool add_eos = mu_hf_flag(config, "add_eos_token", b->spec.n_after > 0);
    b->spec.n_before = b->spec.n_after = 0;
    b->spec.add_bos = add_bos;
    b->spec.add_eos = add_eos;
}

/* A number, or a list of them. */
static mu_status settle_ends(const json_t *ids, mu_hf_file file, mu_tokenizer_builder *b,
                             mu_err *err) {
    if (!ids || json_is_null(ids)) return MU_OK;
    size_t n = json_is_array(ids) ? json_array_size(ids) : 1;
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_is_array(ids) ? json_array_get(ids, i) : ids;
        json_int_t value = json_integer_value(id);
        if (!json_is_integer(id)) {
            return mu_fail(err, MU_ERR_FORMAT,
                           "%s: eos_token_id: neither a number nor a list of them", names[file]);
        }
        if (value < 0 || value >= b->spec.vocab_size) continue; /* there is none */
        if (b->spec.eos == MU_TOKEN_NONE) b->spec.eos = (mu_token)value;
        mu_tokenizer_builder_end(b, (mu_token)value);
    }
    return MU_OK;
}

mu_status mu_hf_files_settle(const mu_hf_files *files, mu_tokenizer_builder *b, mu_err *err) {
    static const mu_hf_file order[] = {MU_HF_GENERATION, MU_HF_CONFIG};
    settle_names(files, b);
    settle_template(files, b);
    mu_status status = MU_OK;
    for (size_t i = 0; i < MU_COUNTOF(order) && status == MU_OK; i++) {
        const json_t *root = files->roots[order[i]];
        status = settle_ends(json_object_get(root, "eos_token_id"), order[i], b, err);
    }
    if (status != MU_OK) return status;
    const json_t *nested = json_object_get(files->roots[MU_HF_CONFIG], "text_config");
    return settle_ends(json_object_get(nested, "eos_token_id"), MU_HF_CONFIG, b, err);
}
