/* Any bytes in, a status out. What is accepted may be read in full without looking. */
#include <string.h>

#include "format/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mu_safetensors *file = NULL;
    mu_err err = {0};
    mu_status status = mu_safetensors_parse(data, size, &file, &err);
    if (status != MU_OK) {
        MU_ASSERT(!file && err.status == status && err.text[0] != '\0');
        MU_ASSERT(!strchr(err.text, '\n'));
        return 0;
    }
    const mu_tensor_set *set = mu_safetensors_tensors(file);
    for (size_t i = 0; i < set->n; i++) {
        const mu_tensor *tensor = &set->tensors[i];
        uint64_t bytes;
        const uint8_t *start = tensor->data;
        MU_ASSERT(mu_dtype_bytes(tensor->dtype, mu_tensor_n_elems(tensor), &bytes));
        MU_ASSERT(bytes == tensor->n_bytes);
        MU_ASSERT(start >= data && bytes <= (size_t)(data + size - start));
        MU_ASSERT(mu_tensor_set_find(set, tensor->name) == tensor);
    }
    mu_safetensors_close(file);
    return 0;
}
