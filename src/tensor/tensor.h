/* tensor.h - a named array in a model file: type, shape, and where its bytes are.
 *
 * Shapes are row-major, dims[0] outermost (GGUF lists them the other way round; its reader turns
 * them). A tensor set is the directory of one model: all tensors of all its files, sorted by name.
 *
 * Threads: immutable once built. Memory: names and data are borrowed from the file they are in.
 */
#ifndef MU_TENSOR_TENSOR_H
#define MU_TENSOR_TENSOR_H

#include "tensor/dtype.h"

enum { MU_TENSOR_DIMS_MAX = 4 };

typedef struct mu_tensor {
    const char *name; /* borrowed */
    mu_dtype dtype;
    uint32_t n_dims;                   /* 0: a scalar */
    uint64_t dims[MU_TENSOR_DIMS_MAX]; /* row-major; no element past n_dims is read */
    const void *data;                  /* borrowed, [n_bytes], any alignment */
    uint64_t n_bytes;
} mu_tensor;

/* A tensor that the file has in a type which is not read. */
typedef struct mu_unread_tensor {
    const char *name; /* borrowed */
    const char *type; /* as the file says it */
} mu_unread_tensor;

typedef struct mu_tensor_set {
    mu_tensor *tensors; /* [n], sorted by name, names unique */
    size_t n;
    mu_unread_tensor *unread; /* [n_unread], masks and the like that models rarely need */
    size_t n_unread;
} mu_tensor_set;

/* Sort by name. False when two tensors have the same name (*duplicate names it). */
bool mu_tensor_set_sort(mu_tensor_set *set, const char **duplicate) MU_MUST_USE;
const mu_tensor *mu_tensor_set_find(const mu_tensor_set *set, const char *name); /* or NULL */
/* The type of an unread tensor of this name, or of one that ends in "." and it; NULL: there is
 * none. For the message that a tensor is missing. */
const char *mu_tensor_set_unread(const mu_tensor_set *set, const char *name);
uint64_t mu_tensor_n_elems(const mu_tensor *tensor);

#endif
