#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b) {
    return strcmp(((const mu_tensor *)a)->name, ((const mu_tensor *)b)->name);
}

bool mu_tensor_set_sort(mu_tensor_set *set, const char **duplicate) {
    if (set->n > 0) qsort(set->tensors, set->n, sizeof(*set->tensors), by_name);
    for (size_t i = 1; i < set->n; i++) {
        if (strcmp(set->tensors[i - 1].name, set->tensors[i].name) != 0) continue;
        *duplicate = set->tensors[i].name;
        return false;
    }
    return true;
}

const mu_tensor *mu_tensor_set_find(const mu_tensor_set *set, const char *name) {
    mu_tensor key = {.name = name};
    if (set->n == 0) return NULL;
    return bsearch(&key, set->tensors, set->n, sizeof(key), by_name);
}

const char *mu_tensor_set_unread(const mu_tensor_set *set, const char *name) {
    size_t n_name = strlen(name);
    for (size_t i = 0; i < set->n_unread; i++) {
        const char *other = set->unread[i].name;
        size_t n = strlen(other);
        if (n < n_name || strcmp(other + n - n_name, name) != 0) continue;
        if (n == n_name || other[n - n_name - 1] == '.') return set->unread[i].type;
    }
    return NULL;
}

uint64_t mu_tensor_n_elems(const mu_tensor *tensor) {
    uint64_t n = 1;
    for (uint32_t i = 0; i < tensor->n_dims; i++) {
        n *= tensor->dims[i];
    }
    return n;
}
