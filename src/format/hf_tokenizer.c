/* tokenizer.json says in four places how text becomes tokens. What is read of them is exact; what
 * is not read is refused by name, because a tokenizer that is almost right is worse than none.
 */
#include "format/hf_tokenizer.h"

#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "format/hf_pipeline.h"
#include "format/json.h"
#include "format/tokenizer_builder.h"

/* A model's "type", or, in older files, what its vocab looks like. */
static const struct {
    const char *type;
    mu_token_model model;
} models[] = {
    {"BPE", MU_TOKEN_MODEL_CHAR_BPE},
    {"Unigram", MU_TOKEN_MODEL_UNIGRAM},
    {"WordPiece", MU_TOKEN_MODEL_WORDPIECE},
};

static mu_status find_model(const json_t *root, mu_token_model *out, mu_err *err) {
    const json_t *model = json_object_get(root, "model"), *type = json_object_get(model, "type");
    bool is_byte_level = mu_hf_is_byte_level(json_object_get(root, "pre_tokenizer"));
    for (size_t i = 0; i < MU_COUNTOF(models) && json_is_object(model); i++) {
        if (type && !mu_hf_is_type(model, models[i].type)) continue;
        *out = models[i].model;
        if (*out == MU_TOKEN_MODEL_CHAR_BPE && is_byte_level) *out = MU_TOKEN_MODEL_BYTE_BPE;
        return MU_OK;
    }
    return mu_fail(err, MU_ERR_UNSUPPORTED, "model: \"%.40s\" is not one this version reads",
                   json_string_value(type) ? json_string_value(type) : "?");
}

static mu_status read_bpe(const json_t *model, mu_tokenizer_builder *b, mu_err *err) {
    static const char *const unread[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    for (size_t i = 0; i < MU_COUNTOF(unread); i++) {
        const char *text = json_string_value(json_object_get(model, unread[i]));
        if (!text || text[0] == '\0') continue;
        return mu_fail(err, MU_ERR_UNSUPPORTED, "model: %s \"%.40s\"", unread[i], text);
    }
    b->spec.ignore_merges = mu_hf_flag(model, "ignore_merges", false);
    b->spec.byte_fallback = mu_hf_flag(model, "byte_fallback", false);
    b->spec.fuse_unknown = mu_hf_flag(model, "fuse_unk", false);
    return MU_OK;
}

static mu_status read_wordpiece(const json_t *model, mu_tokenizer_builder *b, mu_err *err) {
    const json_t *most = json_object_get(model, "max_input_chars_per_word");
    if (most && json_integer_value(most) != MU_WORD_CHARACTERS_MAX) {
        return mu_fail(err, MU_ERR_UNSUPPORTED, "model: max_input_chars_per_word is not %d",
                       MU_WORD_CHARACTERS_MAX);
    }
    b->spec.continuation = json_string_value(json_object_get(model, "continuing_subword_prefix"));
    b->spec.word_prefix = "";
    return MU_OK;
}

static mu_status read_model(const json_t *model, mu_tokenizer_builder *b, mu_err *err) {
    const json_t *dropout = json_object_get(model, "dropout");
    if (json_is_number(dropout) && json_number_value(dropout) != 0) {
        return mu_fail(err, MU_ERR_UNSUPPORTED, "model: dropout");
    }
    if (b->spec.model == MU_TOKEN_MODEL_WORDPIECE) return read_wordpiece(model, b, err);
    if (b->spec.model != MU_TOKEN_MODEL_UNIGRAM) return read_bpe(model, b, err);
    b->spec.byte_fallback = mu_hf_flag(model, "byte_fallback", false);
    b->spec.fuse_unknown = true;
    return MU_OK;
}

/* "<0x0A>" */
static bool is_byte_name(const char *text, size_t n) {
    return n == 6 && memcmp(text, "<0x", 3) == 0 && text[5] == '>' &&
           strspn(text + 3, "0123456789ABCDEF") == 2;
}

static mu_status add_token(mu_tokenizer_builder *b, uint64_t id, const char *text, size_t n,
                           mu_err *err) {
    bool is_byte = b->spec.byte_fallback && is_byte_name(text, n);
    return mu_tokenizer_builder_add(b, id, text, n, is_byte ? MU_TOKEN_BYTE : MU_TOKEN_NORMAL,
                                    b->spec.model == MU_TOKEN_MODEL_BYTE_BPE, err);
}

static mu_status add_vocab(mu_tokenizer_builder *b, const json_t *vocab, mu_err *err) {
    const char *key;
    size_t n;
    json_t *id;
    json_object_keylen_foreach((json_t *)(uintptr_t)vocab, key, n, id) {
        if (!json_is_integer(id) || json_integer_value(id) < 0) {
            return mu_fail(err, MU_ERR_FORMAT, "vocab: an id is not a whole number");
        }
        mu_status status = add_token(b, (uint64_t)json_integer_value(id), key, n, err);
        if (status != MU_OK) return status;
    }
    return MU_OK;
}

/* Unigram's vocab: [["text", score], ...], ids in order. */
static mu_status add_scored_vocab(mu_tokenizer_builder *b, const json_t *vocab, mu_err *err) {
    mu_status status = mu_tokenizer_builder_scores(b, err);
    for (size_t i = 0; i < json_array_size(vocab) && status == MU_OK; i++) {
        const json_t *text = json_array_get(json_array_get(vocab, i), 0);
        const json_t *score = json_array_get(json_array_get(vocab, i), 1);
        if (!json_is_string(text) || !json_is_number(score)) {
            return mu_fail(err, MU_ERR_FORMAT, "vocab: entry %zu is not a text and a score", i);
        }
        status = add_token(b, i, json_string_value(text), json_string_length(text), err);
        b->scores[i] = (float)json_number_value(score);
    }
    return status;
}

/* The unknown token is named by its text, or, by Unigram, by its id. */
static mu_status find_unknown(const json_t *model, mu_tokenizer_builder *b, mu_err *err) {
    const json_t *name = json_object_get(model, "unk_token"),
                 *id = json_object_get(model, "unk_id");
    if (b->spec.model == MU_TOKEN_MODEL_BYTE_BPE) return MU_OK;
    if (json_is_string(name)) {
        b->spec.unknown =
            mu_tokenizer_builder_find(b, json_string_value(name), json_string_length(name));
    } else if (json_is_integer(id)) {
        bool is_id = json_integer_value(id) >= 0 && json_integer_value(id) < b->spec.vocab_size;
        if (!is_id) return mu_fail(err, MU_ERR_FORMAT, "model: unk_id is no token");
        b->spec.unknown = (mu_token)json_integer_value(id);
    }
    return MU_OK;
}

static mu_status add_added_token(mu_tokenizer_builder *b, const json_t *added, uint64_t id,
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
    if (is_special && strcmp(json_string_value(text), "<|endoftext|>") == 0) {
        b->spec.eos = b->spec.bos = (mu_token)id;
    }
    return MU_OK;
}

static mu_status add_added(mu_tokenizer_builder *b, const json_t *list, mu_err *err) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *id = json_object_get(json_array_get(list, i), "id");
        if (!json_is_integer(id) || json_integer_value(id) < 0) {
            return mu_fail(err, MU_ERR_FORMAT, "added_tokens: an entry without content or id");
        }
        mu_status status =
            add_added_token(b, json_array_get(list, i), (uint64_t)json_integer_value(id), err);
        if (status != MU_OK) return status;
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

/* Ids are those of vocab and added_tokens together, which may overlap and leave holes. */
static uint64_t count_ids(const json_t *vocab, const json_t *added) {
    uint64_t n = json_is_array(vocab) ? json_array_size(vocab) : json_object_size(vocab);
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *id = json_object_get(json_array_get(added, i), "id");
        json_int_t value = json_integer_value(id);
        if (value >= 0 && value < MU_VOCAB_MAX && (uint64_t)value >= n) n = (uint64_t)value + 1;
    }
    return n;
}

static mu_status read_tokens(const json_t *root, mu_tokenizer_builder *b, mu_err *err) {
    const json_t *model = json_object_get(root, "model");
    const json_t *vocab = json_object_get(model, "vocab");
    mu_status status = b->spec.model == MU_TOKEN_MODEL_UNIGRAM ? add_scored_vocab(b, vocab, err)
                                                               : add_vocab(b, vocab, err);
    if (status == MU_OK) status = add_merges(b, json_object_get(model, "merges"), err);
    if (status == MU_OK) status = find_unknown(model, b, err);
    if (status == MU_OK) status = add_added(b, json_object_get(root, "added_tokens"), err);
    return status;
}

static mu_status read_stages(const json_t *root, mu_tokenizer_builder *b, mu_err *err) {
    mu_status status = mu_hf_normalizer_read(json_object_get(root, "normalizer"), b, err);
    if (status == MU_OK) {
        status = mu_hf_pre_tokenizer_read(json_object_get(root, "pre_tokenizer"), b, err);
    }
    if (status == MU_OK) {
        status = mu_hf_post_processor_read(json_object_get(root, "post_processor"), b, err);
    }
    if (status == MU_OK && b->spec.model != MU_TOKEN_MODEL_BYTE_BPE) {
        status = mu_hf_decoder_read(json_object_get(root, "decoder"), b, err);
    }
    return status;
}

/* The builder borrows from root until it is finished. */
static mu_status read_root(const json_t *root, size_t n_text, mu_tokenizer_builder *b,
                           mu_err *err) {
    const json_t *model = json_object_get(root, "model");
    const json_t *vocab = json_object_get(model, "vocab");
    const json_t *merges = json_object_get(model, "merges");
    mu_token_model kind = MU_TOKEN_MODEL_BYTE_BPE;
    mu_status status = find_model(root, &kind, err);
    if (status != MU_OK) return status;
    bool is_bpe = kind == MU_TOKEN_MODEL_BYTE_BPE || kind == MU_TOKEN_MODEL_CHAR_BPE;
    if (kind == MU_TOKEN_MODEL_UNIGRAM ? !json_is_array(vocab) : !json_is_object(vocab)) {
        return mu_fail(err, MU_ERR_FORMAT, "model: no vocab");
    }
    if (is_bpe && !json_is_array(merges)) return mu_fail(err, MU_ERR_FORMAT, "model: no merges");
    status = mu_tokenizer_builder_init(b, count_ids(vocab, json_object_get(root, "added_tokens")),
                                       is_bpe ? json_array_size(merges) : 0, n_text, err);
    b->spec.model = kind;
    if (status == MU_OK) status = read_model(model, b, err);
    if (status == MU_OK) status = read_tokens(root, b, err);
    if (status == MU_OK) status = read_stages(root, b, err);
    return status;
}

mu_status mu_hf_tokenizer_parse(const char *text, size_t n, mu_tokenizer **out, mu_err *err) {
    json_t *root = NULL;
    mu_tokenizer_builder b = {0};
    mu_status status = mu_json_parse(text, n, &root, err);
    if (status != MU_OK) return status;
    status = read_root(root, n, &b, err);
    if (status == MU_OK) status = mu_tokenizer_builder_finish(&b, out, err);
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
