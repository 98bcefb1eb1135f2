/* Any bytes as vocab.json, a line "----", and merges.txt. */
#include <string.h>

#include "format/hf_tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char mark[] = "\n----\n";
    const char *text = (const char *)data;
    const char *at = size > 0 ? memmem(text, size, mark, sizeof(mark) - 1) : NULL;
    size_t n_vocab = at ? (size_t)(at - text) : size;
    const char *merges = at ? at + sizeof(mark) - 1 : text + size;
    mu_tokenizer *tokenizer = NULL;
    mu_err err = {0};
    mu_status status = mu_hf_vocab_merges_parse(text, n_vocab, merges,
                                                (size_t)(text + size - merges), &tokenizer, &err);
    MU_ASSERT((status == MU_OK) == (tokenizer != NULL));
    MU_ASSERT(status == MU_OK || (err.status == status && err.text[0] != '\0'));
    mu_tokenizer_close(tokenizer);
    return 0;
}
