#include "format/gguf_writer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "format/byte_alphabet.h"

enum { ALIGNMENT = 32, PATH_BYTES = 4096 };
enum { TYPE_U32 = 4, TYPE_I32 = 5, TYPE_F32 = 6, TYPE_BOOL = 7, TYPE_STRING = 8, TYPE_ARRAY = 9 };

/* ggml's numbers of the types that are written. */
static const struct {
    mu_dtype dtype;
    uint32_t type;
} ggml_types[] = {{MU_F32, 0}, {MU_Q4_0, 2}, {MU_Q8_0, 8}, {MU_Q4_K, 12}, {MU_Q6_K, 14}};

struct mu_gguf_writer {
    char path[PATH_BYTES], part[PATH_BYTES + 8];
    FILE *file;
    mu_buf keys, tensors; /* as they will be in the file */
    uint64_t n_keys, n_tensors;
    uint64_t *sizes; /* [sizes_cap] bytes of each tensor */
    size_t sizes_cap;
    uint64_t data_bytes;     /* declared, with padding */
    uint64_t at, in_tensor;  /* tensor being written, bytes of it written */
    bool has_header, failed; /* failed: no memory while collecting */
};

static void put(mu_buf *buf, const void *data, size_t n) {
    mu_buf_append(buf, data, n);
}

static void put_u32(mu_buf *buf, uint32_t value) {
    put(buf, &value, sizeof(value));
}

static void put_u64(mu_buf *buf, uint64_t value) {
    put(buf, &value, sizeof(value));
}

static void put_string(mu_buf *buf, const char *data, size_t n) {
    put_u64(buf, n);
    put(buf, data, n);
}

static void put_key(mu_gguf_writer *w, const char *key, uint32_t type) {
    put_string(&w->keys, key, strlen(key));
    put_u32(&w->keys, type);
    w->n_keys++;
}

void mu_gguf_writer_u32(mu_gguf_writer *w, const char *key, uint32_t value) {
    put_key(w, key, TYPE_U32);
    put_u32(&w->keys, value);
}

void mu_gguf_writer_f32(mu_gguf_writer *w, const char *key, float value) {
    put_key(w, key, TYPE_F32);
    put(&w->keys, &value, sizeof(value));
}

void mu_gguf_writer_bool(mu_gguf_writer *w, const char *key, bool value) {
    uint8_t byte = value;
    put_key(w, key, TYPE_BOOL);
    put(&w->keys, &byte, 1);
}

void mu_gguf_writer_string(mu_gguf_writer *w, const char *key, const char *value) {
    mu_gguf_writer_text(w, key, value, strlen(value));
}

void mu_gguf_writer_text(mu_gguf_writer *w, const char *key, const char *data, size_t n) {
    put_key(w, key, TYPE_STRING);
    put_string(&w->keys, data, n);
}

static void put_array(mu_gguf_writer *w, const char *key, uint32_t type, uint64_t n) {
    put_key(w, key, TYPE_ARRAY);
    put_u32(&w->keys, type);
    put_u64(&w->keys, n);
}

/* A token as GGUF spells it: in GPT-2's alphabet, but for added ones. */
static void append_piece(mu_buf *out, const mu_tokenizer *tokenizer, mu_token token) {
    mu_bytes piece = mu_tokenizer_piece(tokenizer, token);
    if (mu_tokenizer_kind(tokenizer, token) == MU_TOKEN_NORMAL) {
        mu_byte_alphabet_encode(piece.data, piece.n, out);
    } else {
        mu_buf_append(out, piece.data, piece.n);
    }
}

static void put_tokens(mu_gguf_writer *w, const mu_tokenizer *tokenizer) {
    static const int32_t types[] = {[MU_TOKEN_NORMAL] = 1,
                                    [MU_TOKEN_ADDED] = 4,
                                    [MU_TOKEN_SPECIAL] = 3,
                                    [MU_TOKEN_UNUSED] = 5,
                                    [MU_TOKEN_BYTE] = 6};
    uint32_t n = mu_tokenizer_vocab_size(tokenizer);
    mu_buf piece = {0};
    put_array(w, "tokenizer.ggml.tokens", TYPE_STRING, n);
    for (uint32_t i = 0; i < n; i++) {
        mu_buf_clear(&piece);
        append_piece(&piece, tokenizer, (mu_token)i);
        w->failed = w->failed || piece.failed;
        put_string(&w->keys, piece.data ? piece.data : "", piece.n);
    }
    put_array(w, "tokenizer.ggml.token_type", TYPE_I32, n);
    for (uint32_t i = 0; i < n; i++) {
        put_u32(&w->keys, (uint32_t)types[mu_tokenizer_kind(tokenizer, (mu_token)i)]);
    }
    mu_buf_deinit(&piece);
}

static void put_merges(mu_gguf_writer *w, const mu_tokenizer *tokenizer,
                       const mu_token (*merges)[2], uint32_t n) {
    mu_buf line = {0};
    put_array(w, "tokenizer.ggml.merges", TYPE_STRING, n);
    for (uint32_t i = 0; i < n; i++) {
        mu_buf_clear(&line);
        append_piece(&line, tokenizer, merges[i][0]);
        mu_buf_append_str(&line, " ");
        append_piece(&line, tokenizer, merges[i][1]);
        w->failed = w->failed || line.failed;
        put_string(&w->keys, line.data ? line.data : "", line.n);
    }
    mu_buf_deinit(&line);
}

mu_status mu_gguf_writer_tokenizer(mu_gguf_writer *w, const mu_tokenizer *tokenizer, mu_err *err) {
    if (!mu_tokenizer_has_gpt2_pattern(tokenizer)) {
        return mu_fail(err, MU_ERR_UNSUPPORTED,
                       "%s: the tokenizer's pattern is not GPT-2's, and GGUF has no name for it",
                       w->path);
    }
    uint32_t n_merges = mu_tokenizer_n_merges(tokenizer);
    mu_token(*merges)[2] = mu_alloc_array(n_merges > 0 ? n_merges : 1, sizeof(*merges));
    if (!merges) return mu_fail(err, MU_ERR_NOMEM, "%s: %u merges", w->path, n_merges);
    n_merges = mu_tokenizer_merges(tokenizer, merges);
    mu_gguf_writer_string(w, "tokenizer.ggml.model", "gpt2");
    mu_gguf_writer_string(w, "tokenizer.ggml.pre", "gpt-2");
    put_tokens(w, tokenizer);
    put_merges(w, tokenizer, (const mu_token(*)[2])merges, n_merges);
    mu_token bos = mu_tokenizer_bos(tokenizer), eos = mu_tokenizer_eos(tokenizer);
    if (bos >= 0) mu_gguf_writer_u32(w, "tokenizer.ggml.bos_token_id", (uint32_t)bos);
    if (eos >= 0) mu_gguf_writer_u32(w, "tokenizer.ggml.eos_token_id", (uint32_t)eos);
    if (mu_tokenizer_adds_bos(tokenizer)) {
        mu_gguf_writer_bool(w, "tokenizer.ggml.add_bos_token", true);
    }
    mu_free(merges);
    return MU_OK;
}

static uint64_t padded(uint64_t n) {
    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void grow_sizes(mu_gguf_writer *w) {
    size_t cap = w->sizes_cap > 0 ? 2 * w->sizes_cap : 64;
    uint64_t *sizes = MU_ALLOC(uint64_t, cap);
    if (!sizes) {
        w->failed = true;
        return;
    }
    if (w->n_tensors > 0) memcpy(sizes, w->sizes, w->n_tensors * sizeof(*sizes));
    mu_free(w->sizes);
    w->sizes = sizes;
    w->sizes_cap = cap;
}

void mu_gguf_writer_tensor(mu_gguf_writer *w, const char *name, mu_dtype dtype, uint64_t n_out,
                           uint64_t n_in) {
    uint64_t bytes;
    bool is_known = mu_dtype_bytes(dtype, n_out * n_in, &bytes);
    MU_ASSERT(is_known && !w->has_header);
    if (w->n_tensors == w->sizes_cap) grow_sizes(w);
    if (w->failed) return;
    put_string(&w->tensors, name, strlen(name));
    put_u32(&w->tensors, n_in == 1 ? 1 : 2);
    if (n_in != 1) put_u64(&w->tensors, n_in); /* ggml's order: the contiguous one first */
    put_u64(&w->tensors, n_out);
    for (size_t i = 0; i < MU_COUNTOF(ggml_types); i++) {
        if (ggml_types[i].dtype == dtype) put_u32(&w->tensors, ggml_types[i].type);
    }
    put_u64(&w->tensors, w->data_bytes);
    w->sizes[w->n_tensors++] = bytes;
    w->data_bytes += padded(bytes);
}

mu_status mu_gguf_writer_open(const char *path, mu_gguf_writer **out, mu_err *err) {
    mu_gguf_writer *w = mu_alloc(sizeof(*w));
    if (!w) return mu_fail(err, MU_ERR_NOMEM, "%s", path);
    if (strlen(path) >= sizeof(w->path)) {
        mu_free(w);
        return mu_fail(err, MU_ERR_INVALID, "%.60s...: the path is too long", path);
    }
    snprintf(w->path, sizeof(w->path), "%s", path);
    snprintf(w->part, sizeof(w->part), "%s.part", path);
    w->file = fopen(w->part, "wbe");
    if (!w->file) {
        mu_status status = mu_fail_os(err, MU_ERR_IO, "%s", w->part);
        mu_free(w);
        return status;
    }
    *out = w;
    return MU_OK;
}

void mu_gguf_writer_close(mu_gguf_writer *w) {
    if (!w) return;
    if (w->file) {
        fclose(w->file);
        unlink(w->part);
    }
    mu_buf_deinit(&w->keys);
    mu_buf_deinit(&w->tensors);
    mu_free(w->sizes);
    mu_free(w);
}

static mu_status write_bytes(mu_gguf_writer *w, const void *data, size_t n, mu_err *err) {
    if (n == 0 || fwrite(data, 1, n, w->file) == n) return MU_OK;
    return mu_fail_os(err, MU_ERR_IO, "%s", w->part);
}

static mu_status pad(mu_gguf_writer *w, uint64_t written, mu_err *err) {
    static const char zeros[ALIGNMENT];
    return write_bytes(w, zeros, (size_t)(padded(written) - written), err);
}

static mu_status write_header(mu_gguf_writer *w, mu_err *err) {
    mu_buf head = {0};
    mu_buf_append(&head, "GGUF", 4);
    put_u32(&head, 3);
    put_u64(&head, w->n_tensors);
    put_u64(&head, w->n_keys);
    mu_status status = MU_OK;
    if (w->failed || head.failed || w->keys.failed || w->tensors.failed) {
        status = mu_fail(err, MU_ERR_NOMEM, "%s: header", w->path);
    }
    uint64_t n = head.n + w->keys.n + w->tensors.n;
    if (status == MU_OK) status = write_bytes(w, head.data, head.n, err);
    if (status == MU_OK) status = write_bytes(w, w->keys.data, w->keys.n, err);
    if (status == MU_OK) status = write_bytes(w, w->tensors.data, w->tensors.n, err);
    if (status == MU_OK) status = pad(w, n, err);
    mu_buf_deinit(&head);
    w->has_header = true;
    return status;
}

mu_status mu_gguf_writer_data(mu_gguf_writer *w, const void *data, size_t n, mu_err *err) {
    mu_status status = w->has_header ? MU_OK : write_header(w, err);
    if (status != MU_OK) return status;
    MU_ASSERT(w->at < w->n_tensors && n <= w->sizes[w->at] - w->in_tensor);
    status = write_bytes(w, data, n, err);
    w->in_tensor += n;
    if (status != MU_OK || w->in_tensor < w->sizes[w->at]) return status;
    status = pad(w, w->in_tensor, err);
    w->at++;
    w->in_tensor = 0;
    return status;
}

mu_status mu_gguf_writer_finish(mu_gguf_writer *w, mu_err *err) {
    mu_status status = w->has_header ? MU_OK : write_header(w, err);
    MU_ASSERT(status != MU_OK || w->at == w->n_tensors);
    if (status == MU_OK && (fflush(w->file) != 0 || fsync(fileno(w->file)) != 0)) {
        status = mu_fail_os(err, MU_ERR_IO, "%s", w->part);
    }
    if (status == MU_OK && rename(w->part, w->path) != 0) {
        status = mu_fail_os(err, MU_ERR_IO, "%s", w->path);
    }
    if (status != MU_OK) return status;
    fclose(w->file); /* synced: nothing is left to fail */
    w->file = NULL;
    return MU_OK;
}
