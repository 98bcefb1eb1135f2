/* tokenizer.json says in four places how text becomes tokens. What is read of them is exact; what
 * is not read is refused by name, because a tokenizer that is almost right is worse than none.
 */
#include "format/hf_tokenizer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"
#include "format/hf_files.h"
#include "format/hf_pipeline.h"
#include "format/json.h"
#include "format/tokenizer_builder.h"

enum { PATH_BYTES = 4096 + 64, TOKENIZER_BYTES_MAX = 128 << 20 };

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

static mu_status add_added(mu_tokenizer_builder *b, const json_t *list, mu_err *err) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *id = json_object_get(json_array_get(list, i), "id");
        if (!json_is_integer(id) || json_integer_value(id) < 0) {
            return mu_fail(err, MU_ERR_FORMAT, "added_tokens: an entry without content or id");
        }
        mu_status status = mu_hf_added_token_read(json_array_get(list, i),
                                                  (uint64_t)json_integer_value(id), b, err);
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

/* <|endoftext|> begins and ends texts where no file says what does. */
static void settle_usual(mu_tokenizer_builder *b) {
    static const char usual[] = "<|endoftext|>";
    mu_token token = mu_tokenizer_builder_find(b, usual, sizeof(usual) - 1);
    if (token == MU_TOKEN_NONE || b->kinds[token] != MU_TOKEN_SPECIAL) return;
    if (b->spec.bos == MU_TOKEN_NONE) b->spec.bos = token;
    if (b->spec.eos == MU_TOKEN_NONE) b->spec.eos = token;
}

/* The builder borrows from root and files until it is finished. */
static mu_status read_root(const json_t *root, size_t n_text, const mu_hf_files *files,
                           mu_tokenizer_builder *b, mu_err *err) {
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
    uint64_t n_ids = count_ids(vocab, json_object_get(root, "added_tokens"));
    mu_hf_files_measure(files, &n_ids, &n_text);
    status = mu_tokenizer_builder_init(b, n_ids, is_bpe ? json_array_size(merges) : 0, n_text, err);
    b->spec.model = kind;
    if (status == MU_OK) status = read_model(model, b, err);
    if (status == MU_OK) status = read_tokens(root, b, err);
    if (status == MU_OK) status = mu_hf_files_add_tokens(files, b, err);
    if (status == MU_OK) status = read_stages(root, b, err);
    if (status == MU_OK) status = mu_hf_files_settle(files, b, err);
    if (status == MU_OK) settle_usual(b);
    return status;
}

static mu_status parse_json(const char *text, size_t n, const mu_hf_files *files,
                            mu_tokenizer **out, mu_err *err) {
    json_t *root = NULL;
    mu_tokenizer_builder b = {0};
    mu_status status = mu_json_parse(text, n, &root, err);
    if (status != MU_OK) return status;
    status = read_root(root, n, files, &b, err);
    if (status == MU_OK) status = mu_tokenizer_builder_finish(&b, out, err);
    mu_tokenizer_builder_deinit(&b);
    json_decref(root);
    return status;
}

mu_status mu_hf_tokenizer_parse(const char *text, size_t n, mu_tokenizer **out, mu_err *err) {
    return parse_json(text, n, &(mu_hf_files){0}, out, err);
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

static mu_status read_vocab_merges(const json_t *vocab, size_t n_vocab, const char *merges,
                                   size_t n_merges, const mu_hf_files *files,
                                   mu_tokenizer_builder *b, mu_err *err) {
    uint64_t n_ids = json_object_size(vocab);
    size_t n_bytes = n_vocab + 64;
    mu_hf_files_measure(files, &n_ids, &n_bytes);
    mu_status status =
        mu_tokenizer_builder_init(b, n_ids, count_lines(merges, n_merges), n_bytes, err);
    if (status == MU_OK) status = add_vocab(b, vocab, err);
    if (status == MU_OK) status = add_merge_lines(b, merges, n_merges, err);
    if (status == MU_OK) status = mark_special(b, vocab, err);
    if (status == MU_OK) status = mu_hf_files_add_tokens(files, b, err);
    if (status == MU_OK) status = mu_hf_files_settle(files, b, err);
    return status;
}

static mu_status parse_vocab_merges(mu_bytes vocab_text, mu_bytes merges, const mu_hf_files *files,
                                    mu_tokenizer **out, mu_err *err) {
    json_t *vocab = NULL;
    mu_tokenizer_builder b = {0};
    mu_err inner;
    mu_status status = mu_json_parse(vocab_text.data, vocab_text.n, &vocab, &inner);
    if (status != MU_OK) return mu_fail(err, status, "vocab.json: %s", inner.text);
    if (json_is_object(vocab)) {
        status = read_vocab_merges(vocab, vocab_text.n, merges.data, merges.n, files, &b, err);
        if (status == MU_OK) status = mu_tokenizer_builder_finish(&b, out, err);
    } else {
        status = mu_fail(err, MU_ERR_FORMAT, "vocab.json: not an object");
    }
    mu_tokenizer_builder_deinit(&b);
    json_decref(vocab);
    return status;
}

mu_status mu_hf_vocab_merges_parse(const char *vocab, size_t n_vocab, const char *merges,
                                   size_t n_merges, mu_tokenizer **out, mu_err *err) {
    return parse_vocab_merges((mu_bytes){vocab, n_vocab}, (mu_bytes){merges, n_merges},
                              &(mu_hf_files){0}, out, err);
}

/* A file of a tokenizer, mapped; more than the largest known ones by far is refused unread. */
static mu_status map_file(const char *folder, const char *name, mu_map *out, mu_err *err) {
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    mu_status status = mu_map_open(path, out, err);
    if (status != MU_OK || out->size <= TOKENIZER_BYTES_MAX) return status;
    status = mu_fail(err, MU_ERR_LIMIT, "%s: %zu bytes, at most %d are read", path, out->size,
                     TOKENIZER_BYTES_MAX);
    mu_map_close(out);
    return status;
}

static mu_status open_json(const char *folder, const mu_hf_files *files, mu_tokenizer **out,
                           mu_err *err) {
    mu_map map;
    mu_err inner;
    mu_status status = map_file(folder, "tokenizer.json", &map, err);
    if (status != MU_OK) return status;
    status = parse_json((const char *)map.data, map.size, files, out, &inner);
    mu_map_close(&map);
    if (status == MU_OK) return MU_OK;
    return mu_fail(err, status, "%s/tokenizer.json: %s", folder, inner.text);
}

static mu_status open_vocab_merges(const char *folder, const mu_hf_files *files, mu_tokenizer **out,
                                   mu_err *err) {
    mu_map vocab = {0}, merges = {0};
    mu_err inner;
    mu_status status = map_file(folder, "vocab.json", &vocab, err);
    if (status == MU_ERR_NOT_FOUND) {
        return mu_fail(err, MU_ERR_NOT_FOUND, "%s: no tokenizer.json and no vocab.json", folder);
    }
    if (status != MU_OK) return status;
    status = map_file(folder, "merges.txt", &merges, err);
    if (status == MU_ERR_NOT_FOUND) status = MU_ERR_FORMAT; /* half a tokenizer is not none */
    if (status == MU_OK) {
        status = parse_vocab_merges((mu_bytes){(const char *)vocab.data, vocab.size},
                                    (mu_bytes){(const char *)merges.data, merges.size}, files, out,
                                    &inner);
        if (status != MU_OK) mu_fail(err, status, "%s: %s", folder, inner.text);
    }
    mu_map_close(&vocab);
    mu_map_close(&merges);
    return status;
}

/* What other programs write, and this one does not read alone. */
static mu_status name_other_files(const char *folder, mu_err *err) {
    static const char *const others[] = {"tokenizer.model", "tekken.json", "spiece.model",
                                         "sentencepiece.bpe.model", "vocab.txt"};
    for (size_t i = 0; i < MU_COUNTOF(others); i++) {
        char path[PATH_BYTES];
        snprintf(path, sizeof(path), "%s/%s", folder, others[i]);
        if (access(path, F_OK) != 0) continue;
        return mu_fail(err, MU_ERR_UNSUPPORTED,
                       "%s: a tokenizer of this form is not read; save tokenizer.json beside it",
                       path);
    }
    return MU_ERR_NOT_FOUND;
}

mu_status mu_hf_tokenizer_open(const char *folder, mu_tokenizer **out, mu_err *err) {
    mu_hf_files files;
    mu_status status = mu_hf_files_open(folder, &files, err);
    if (status != MU_OK) return status;
    status = open_json(folder, &files, out, err);
    if (status == MU_ERR_NOT_FOUND) status = open_vocab_merges(folder, &files, out, err);
    mu_hf_files_close(&files);
    if (status != MU_ERR_NOT_FOUND) return status;
    return name_other_files(folder, err);
}
