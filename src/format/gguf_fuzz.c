/* Any bytes in, a status out. What is accepted may be read in full without looking, and its
 * tokenizer opens or says why not. */
#include <string.h>

#include "format/gguf.h"
#include "format/hf_tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_tensor(const mu_tensor *tensor, const uint8_t *data, size_t size) {
    uint64_t bytes;
    const uint8_t *start = tensor->data;
    MU_ASSERT(mu_dtype_bytes(tensor->dtype, mu_tensor_n_elems(tensor), &bytes));
    MU_ASSERT(bytes == tensor->n_bytes);
    MU_ASSERT(start >= data && bytes <= (size_t)(data + size - start));
    uint32_t block = mu_dtype_get(tensor->dtype)->block_elems;
    float values[256];
    if (bytes > 0) mu_dequantize(tensor->dtype, start, block, values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mu_gguf *gguf = NULL;
    mu_tokenizer *tokenizer = NULL;
    mu_err err = {0};
    mu_status status = mu_gguf_parse(data, size, &gguf, &err);
    if (status != MU_OK) {
        MU_ASSERT(!gguf && err.status == status && err.text[0] != '\0');
        return 0;
    }
    const mu_metadata *metadata = mu_gguf_metadata(gguf);
    for (size_t i = 0; i < metadata->n; i++) {
        const mu_meta_value *value = &metadata->entries[i].value;
        MU_ASSERT(mu_metadata_find(metadata, metadata->entries[i].key) == value);
        size_t sum = 0;
        for (size_t j = 0; j < value->n_elems && value->strings; j++) {
            sum += value->strings[j].n;
        }
        MU_ASSERT(sum <= size);
    }
    const mu_tensor_set *set = mu_gguf_tensors(gguf);
    for (size_t i = 0; i < set->n; i++) {
        check_tensor(&set->tensors[i], data, size);
    }
    status = mu_gguf_tokenizer_open(metadata, &tokenizer, &err);
    MU_ASSERT((status == MU_OK) == (tokenizer != NULL));
    mu_tokenizer_close(tokenizer);
    mu_gguf_close(gguf);
    return 0;
}
