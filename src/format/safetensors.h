/* safetensors.h - read one .safetensors file, or a folder's model.safetensors.index.json with its
 * shards, without touching the weights.
 *
 * Files are mapped read-only and tensor data is never copied. Everything in the header is hostile
 * until checked (huggingface.co/docs/safetensors: 8 bytes of header length, a JSON header, data):
 * header length, duplicate keys, dtype, shape product, offsets in range, contiguous, no overlap, no
 * holes; shards must be plain file names of the same folder. After open, code above indexes without
 * looking. Of tensors of types that are not read (BOOL, U8, F8_E4M3, ...), which are checked as
 * well, the set has names and types.
 *
 * Threads: immutable once open.
 */
#ifndef MU_FORMAT_SAFETENSORS_H
#define MU_FORMAT_SAFETENSORS_H

#include "tensor/tensor.h"

#include "base/status.h"

enum {
    MU_SAFETENSORS_HEADER_BYTES_MAX = 100 << 20, /* what the format's own library accepts */
    MU_SAFETENSORS_SHARDS_MAX = 1024,
};

typedef struct mu_safetensors mu_safetensors;

/* path: a .safetensors file or a .safetensors.index.json file. */
mu_status mu_safetensors_open(const char *path, mu_safetensors **out, mu_err *err) MU_MUST_USE;
void mu_safetensors_close(mu_safetensors *file); /* NULL is allowed */
const mu_tensor_set *mu_safetensors_tensors(const mu_safetensors *file);
uint64_t mu_safetensors_bytes(const mu_safetensors *file); /* of all mapped files */
/* As mu_map_check(), of all of them. */
mu_status mu_safetensors_check(const mu_safetensors *file, mu_err *err) MU_MUST_USE;

/* The parser behind open(), on the plain bytes of one file: this is what the fuzzer calls.
 * On success *out is owned by the caller and borrows data. */
mu_status mu_safetensors_parse(const uint8_t *data, size_t size, mu_safetensors **out,
                               mu_err *err) MU_MUST_USE;

#endif
