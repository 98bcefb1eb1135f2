/* tokenizer.json says in four places how text becomes tokens. What is read of them is exact; what
 * is not read is refused by name, because a tokenizer that is almost right is worse than none.
 */
#include "format/hf_tokenizer.h"

#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "format/json.h"
#include "format/tokenizer_builder.h"

static bool is_type(const json_t *json, const char *type) {
    const char *name = json_string_value(json_object_get(json, "type"));
    return name && strcmp(name, type) == 0;
}

static mu_status unsupported(const char *field, const json_t *json, mu_err *err) {
    const char *type = json_string_value(json_object_get(json, "type"));
    return mu_fail(err, MU_ERR_UNSUPPORTED, "%s: \"%.40s\" is not one this version reads", field,
                   type ? type : "?");
}

static bool flag(const json_t *json, const char *key, bool absent) {
    const json_t *value = json_object_get(json, key);
    return json_is_boolean(value) ? json_is_true(value) : absent;
}

/* ByteLevel with its own pattern, or Split by a pattern and then ByteLevel without one. */
static mu_status read_pre_tokenizer(const json_t *pre, mu_tokenizer_spec *spec, mu_err *err) {
    const json_t *byte_level = pre, *split = NULL;
    if (is_type(pre, "Sequence")) {
        const json_t *steps = json_object_get(pre, "pretokenizers");
        if (json_array_size(steps) != 2) return unsupported("pre_tokenizer", pre, err);
        split = json_array_get(steps, 0);
        byte_level = json_array_get(steps, 1);
    }
    if (!is_type(byte_level, "ByteLevel")) return unsupported("pre_tokenizer", byte_level, err);
    spec->add_prefix_space = flag(byte_level, "add_prefix_space", true);
    bool use_regex = flag(byte_level, "use_regex", true);
    if (!split) {
        if (use_regex) return MU_OK;
        return mu_fail(err, MU_ERR_UNSUPPORTED, "pre_tokenizer: ByteLevel without use_regex");
    }
    const char *behavior = json_string_value(json_object_get(split, "behavior"));
    const char *regex =
        json_string_value(json_object_get(json_object_get(split, "pattern"), "Regex"));
    if (!is_type(split, "Split") || !regex || !behavior || strcmp(behavior, "Isolated") != 0 ||
        flag(split, "invert", false) || use_regex) {
        return mu_fail(err, MU_ERR_UNSUPPORTED,
                       "pre_tokenizer: only Split by Regex, Isolated, then ByteLevel is read");
    }
    spec->pattern = regex;
    return MU_OK;
}

static mu_status read_model_fields(const json_t *root, mu_tokenizer_spec *spec, mu_err *err) {
    const json_t *model = json_object_get(root, "model");
    const json_t *type = json_object_get(model, "type");
    if (!json_is_object(model) || (type && !is_type(model, "BPE"))) {
        return unsupported("model", model, err);
    }
    if (flag(model, "byte_fallback", false)) {
        return mu_fail(err, MU_ERR_UNSUPPORTED, "model: byte_fallback");
    }
    spec->ignore_merges = flag(model, "ignore_merges", false);
    const json_t *normalizer = json_object_get(root, "normalizer");
    if (normalizer && !json_is_null(normalizer)) return unsupported("normalizer", normalizer, err);
    return read_pre_tokenizer(json_object_get(root, "pre_tokenizer"), spec, err);
}

static mu_status add_vocab(mu_tokenizer_builder *b, const json_t *vocab, mu_err *err) {
    const char *key;
    size_t n;
    json_t *id;
    json_object_keylen_foreach((json_t *)(uintptr_t)vocab, key, n, id) {
        if (!json_is_integer(id) || json_integer_value(id) < 0) {
            return mu_fail(err, MU_ERR_FORMAT, "vocab: an id is not a whole number");
        }
        mu_status status = mu_tokenizer_builder_add(b, (uint64_t)json_integer_value(id), key, n,
                                                    MU_TOKEN_NORMAL, true, err);
        if (status != MU_OK) return status;
    }
    return MU_OK;
}

static mu_status check_added(const json_t *added, const char *content, mu_err *err) {
    static const char *const flags[] = {"single_word", "lstrip", "rstrip"};
    if (!content || !json_is_integer(json_object_get(added, "id")) ||
        json_integer_value(json_object_get(added, "id")) < 0) {
        return mu_fail(err, MU_ERR_FORMAT, "added_tokens: an entry without content or id");
    }
    for (size_t i = 0; i < MU_COUNTOF(flags); i++) {
        if (!flag(added, flags[i], false)) continue;
        return mu_fail(err, MU_ERR_UNSUPPORTED, "added_tokens: \"%.40s\" has %s", content,
                       flags[i]);
    }
    return MU_OK;
}

static mu_status add_added(mu_tokenizer_builder *b, const json_t *list, mu_err *err) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *added = json_array_get(list, i);
        const json_t *text = json_object_get(added, "content");
        const char *content = json_string_value(text);
        mu_status status = check_added(added, content, err);
        if (status != MU_OK) return status;
        mu_token_kind kind = flag(added, "special", false) ? MU_TOKEN_SPECIAL : MU_TOKEN_ADDED;
        uint64_t id = (uint64_t)json_integer_value(json_object_get(added, "id"));
        status =
            mu_tokenizer_builder_add(b, id, content, json_string_length(text), kind, false, err);
        if (status != MU_OK) return status;
        if (strcmp(content, "<|endoftext|>") == 0 && kind == MU_TOKEN_SPECIAL) {
            b->spec.eos = b->spec.bos = (mu_token)id;
        }
    }
    return MU_OK;
}

static mu_status add_merges(mu_tokenizer_builder *b, const json_t *merges, mu_err *err) {
    for (size_t i = 0; i < json_array_size(merges); i++) {
        const json_t *merge = json_array_get(merges, i);
        mu_status status;
        if (json_is_string(merge)) {
            status = mu_tokenizer_builder_merge_line(b, json_string_value(merge),
                                                     json_string_length(merge), err);
        } else {
            const json_t *left = json_array_get(merge, 0), *right = json_array_get(merge, 1);
            if (json_array_size(merge) != 2 || !json_is_string(left) || !json_is_string(right)) {
                return mu_fail(err, MU_ERR_FORMAT, "merges: entry %zu is not a pair", i);
            }
            status = mu_tokenizer_builder_merge(b, json_string_value(left),
                                                json_string_length(left), json_string_value(right),
                                                json_string_length(right), err);
        }
        if (status != MU_OK) return status;
    }
    return MU_OK;
}

/* Ids are dense over vocab and added_tokens together, which may overlap. */
static uint64_t count_ids(const json_t *vocab, const json_t *added) {
    uint64_t n = json_object_size(vocab);
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *id = json_object_get(json_array_get(added, i), "id");
        json_int_t value = json_integer_value(id);
        if (value >= 0 && value < MU_VOCAB_MAX && (uint64_t)value >= n) n = (uint64_t)value + 1;
    }
    return n;
}

mu_status mu_hf_tokenizer_parse(const char *text, size_t n, mu_tokenizer **out, mu_err *err) {
    json_t *root = NULL;
    mu_tokenizer_builder b = {0};
    mu_status status = mu_json_parse(text, n, &root, err);
    if (status != MU_OK) return status;
    const json_t *model = json_object_get(root, "model");
    const json_t *vocab = json_object_get(model, "vocab");
    const json_t *merges = json_object_get(model, "merges");
    const json_t *added = json_object_get(root, "added_tokens");
    if (!json_is_object(vocab) || !json_is_array(merges)) {
        status = mu_fail(err, MU_ERR_FORMAT, "model: no vocab and merges");
        goto done;
    }
    status =
        mu_tokenizer_builder_init(&b, count_ids(vocab, added), json_array_size(merges), n, err);
    if (status == MU_OK) status = read_model_fields(root, &b.spec, err);
    if (status == MU_OK) status = add_vocab(&b, vocab, err);
    if (status == MU_OK) status = add_merges(&b, merges, err);
    if (status == MU_OK) status = add_added(&b, added, err);
    if (status == MU_OK) status = mu_tokenizer_builder_finish(&b, out, err);
done:
    mu_tokenizer_builder_deinit(&b);
    json_decref(root);
    return status;
}

static mu_status add_merge_lines(mu_tokenizer_builder *b, const char *text, size_t n, mu_err *err) {
    for (size_t at = 0; at < n;) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t n_line = end ? (size_t)(end - text) - at : n - at;
        const char *line = text + at;
        at += n_line + 1;
        if (n_line > 0 && line[n_line - 1] == '\r') n_line--;
        bool is_version = b->spec.n_merges == 0 && n_line >= 8 && memcmp(line, "#version", 8) == 0;
        if (n_line == 0 || is_version) continue;
        mu_status status = mu_tokenizer_builder_merge_line(b, line, n_line, err);
        if (status != MU_OK) return status;
    }
    return MU_OK;
}

static uint64_t count_lines(const char *text, size_t n) {
    uint64_t lines = 1;
    for (size_t i = 0; i < n; i++) {
        lines += text[i] == '\n';
    }
    return lines;
}

/* The end-of-text token of GPT-2's older files is an ordinary entry of the vocabulary. */
static mu_status mark_special(mu_tokenizer_builder *b, const json_t *vocab, mu_err *err) {
    static const char eos[] = "<|endoftext|>";
    const json_t *id = json_object_get(vocab, eos);
    if (!id) return MU_OK;
    b->spec.bos = b->spec.eos = (mu_token)json_integer_value(id);
    return mu_tokenizer_builder_add(b, (uint64_t)json_integer_value(id), eos, sizeof(eos) - 1,
                                    MU_TOKEN_SPECIAL, false, err);
}

mu_status mu_hf_vocab_merges_parse(const char *vocab_text, size_t n_vocab, const char *merges,
                                   size_t n_merges, mu_tokenizer **out, mu_err *err) {
    json_t *vocab = NULL;
    mu_tokenizer_builder b = {0};
    mu_err inner;
    mu_status status = mu_json_parse(vocab_text, n_vocab, &vocab, &inner);
    if (status != MU_OK) return mu_fail(err, status, "vocab.json: %s", inner.text);
    if (!json_is_object(vocab)) {
        status = mu_fail(err, MU_ERR_FORMAT, "vocab.json: not an object");
        goto done;
    }
    status = mu_tokenizer_builder_init(&b, json_object_size(vocab), count_lines(merges, n_merges),
                                       n_vocab + 64, err);
    if (status == MU_OK) status = add_vocab(&b, vocab, err);
    if (status == MU_OK) status = add_merge_lines(&b, merges, n_merges, err);
    if (status == MU_OK) status = mark_special(&b, vocab, err);
    if (status == MU_OK) status = mu_tokenizer_builder_finish(&b, out, err);
done:
    mu_tokenizer_builder_deinit(&b);
    json_decref(vocab);
    return status;
}

static mu_status open_json(const char *path, mu_tokenizer **out, mu_err *err) {
    mu_map map;
    mu_err inner;
    mu_status status = mu_map_open(path, &map, err);
    if (status != MU_OK) return status;
    status = mu_hf_tokenizer_parse((const char *)map.data, map.size, out, &inner);
    mu_map_close(&map);
    return status == MU_OK ? MU_OK : mu_fail(err, status, "%s: %s", path, inner.text);
}

mu_status mu_hf_tokenizer_open(const char *folder, mu_tokenizer **out, mu_err *err) {
    char path[4096];
    mu_map vocab = {0}, merges = {0};
    mu_err inner;
    snprintf(path, sizeof(path), "%s/tokenizer.json", folder);
    mu_status status = open_json(path, out, err);
    if (status != MU_ERR_NOT_FOUND) return status;

    snprintf(path, sizeof(path), "%s/vocab.json", folder);
    status = mu_map_open(path, &vocab, err);
    if (status == MU_ERR_NOT_FOUND) {
        return mu_fail(err, MU_ERR_NOT_FOUND, "%s: no tokenizer.json and no vocab.json", folder);
    }
    if (status != MU_OK) return status;
    snprintf(path, sizeof(path), "%s/merges.txt", folder);
    status = mu_map_open(path, &merges, err);
    if (status == MU_ERR_NOT_FOUND) status = MU_ERR_FORMAT; /* half a tokenizer is not none */
    if (status == MU_OK) {
        status = mu_hf_vocab_merges_parse((const char *)vocab.data, vocab.size,
                                          (const char *)merges.data, merges.size, out, &inner);
        if (status != MU_OK) mu_fail(err, status, "%s: %s", folder, inner.text);
    }
    mu_map_close(&vocab);
    mu_map_close(&merges);
    return status;
}
