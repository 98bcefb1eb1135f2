/* gguf.h - read a GGUF v2 or v3 file (github.com/ggml-org/ggml docs/gguf.md): its metadata, and its
 * tensor directory, without touching the weights.
 *
 * The file is mapped read-only and tensor data is never copied. Everything in it is hostile until
 * checked: counts, lengths, element types, alignment, shape products, offsets. After open, code
 * above indexes without looking. A tensor whose ggml type this project does not read is an
 * MU_ERR_UNSUPPORTED that names the tensor and the type.
 *
 * A split file (NAME-00001-of-00003.gguf) is opened by its first part, which has the metadata; the
 * others are found beside it, and their tensors stand in one directory.
 *
 * Threads: immutable once open.
 */
#ifndef MU_FORMAT_GGUF_H
#define MU_FORMAT_GGUF_H

#include "base/status.h"
#include "tensor/metadata.h"
#include "tensor/tensor.h"

enum {
    MU_GGUF_TENSORS_MAX = 1 << 16,
    MU_GGUF_KVS_MAX = 1 << 16,
    MU_GGUF_ARRAY_DEPTH_MAX = 4,
    MU_GGUF_ALIGNMENT_MAX = 1 << 20,
    MU_GGUF_PARTS_MAX = 999,
};

typedef struct mu_gguf mu_gguf;

mu_status mu_gguf_open(const char *path, mu_gguf **out, mu_err *err) MU_MUST_USE;
void mu_gguf_close(mu_gguf *gguf); /* NULL is allowed */
uint32_t mu_gguf_version(const mu_gguf *gguf);
uint64_t mu_gguf_bytes(const mu_gguf *gguf); /* of all parts */
/* As mu_map_check(), of all parts. */
mu_status mu_gguf_check(const mu_gguf *gguf, mu_err *err) MU_MUST_USE;
const mu_metadata *mu_gguf_metadata(const mu_gguf *gguf);
const mu_tensor_set *mu_gguf_tensors(const mu_gguf *gguf);

/* The parser behind open(), on plain bytes: this is what the tests and the fuzzer call.
 * On success *out is owned by the caller and borrows data. */
mu_status mu_gguf_parse(const uint8_t *data, size_t size, mu_gguf **out, mu_err *err) MU_MUST_USE;

#endif
