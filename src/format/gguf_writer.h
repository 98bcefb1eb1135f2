/* gguf_writer.h - write a GGUF v3 file: metadata, then the tensor directory, then the data in the
 * same order.
 *
 *     open ──▶ keys and declarations, in any order ──▶ data() for each tensor in turn ──▶ finish
 *
 * The file appears under its name when finish() succeeds, whole and synced; until then it is
 * PATH.part, which close() removes. The first failure is kept: keys and declarations return
 * nothing, data() and finish() report it, naming the file.
 *
 * Threads: one at a time. Memory: metadata is collected in memory; data is written through.
 */
#ifndef MU_FORMAT_GGUF_WRITER_H
#define MU_FORMAT_GGUF_WRITER_H

#include "base/status.h"
#include "tensor/dtype.h"
#include "text/tokenizer.h"

typedef struct mu_gguf_writer mu_gguf_writer;

mu_status mu_gguf_writer_open(const char *path, mu_gguf_writer **out, mu_err *err) MU_MUST_USE;
void mu_gguf_writer_close(mu_gguf_writer *writer); /* NULL is allowed */

void mu_gguf_writer_u32(mu_gguf_writer *writer, const char *key, uint32_t value);
void mu_gguf_writer_f32(mu_gguf_writer *writer, const char *key, float value);
void mu_gguf_writer_bool(mu_gguf_writer *writer, const char *key, bool value);
void mu_gguf_writer_string(mu_gguf_writer *writer, const char *key, const char *value);
void mu_gguf_writer_text(mu_gguf_writer *writer, const char *key, const char *data, size_t n);

/* Declare a tensor; n_in 1: a vector. Its bytes are those of n_out * n_in elements. */
void mu_gguf_writer_tensor(mu_gguf_writer *writer, const char *name, mu_dtype dtype, uint64_t n_out,
                           uint64_t n_in);

/* tokenizer.ggml.*, in GPT-2's alphabet. MU_ERR_UNSUPPORTED: its pattern has no name in GGUF. */
mu_status mu_gguf_writer_tokenizer(mu_gguf_writer *writer, const mu_tokenizer *tokenizer,
                                   mu_err *err) MU_MUST_USE;

/* The next n bytes of tensor data. A tensor ends when its bytes are there. */
mu_status mu_gguf_writer_data(mu_gguf_writer *writer, const void *data, size_t n,
                              mu_err *err) MU_MUST_USE;
/* All declared data must have been written. */
mu_status mu_gguf_writer_finish(mu_gguf_writer *writer, mu_err *err) MU_MUST_USE;

#endif
