/* Any bytes as tokenizer.json. What opens must encode any text to tokens of its vocabulary, or say
 * why not, and decode them. */
#include <string.h>

#include "format/hf_tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a text becomes depends on the file, which may drop or replace all of it. */
static void check_tokens(const mu_tokenizer *tokenizer) {
    static const char text[] = "ab a  b\n<|endoftext|>\xc3\xa9\xff ";
    mu_encoder *encoder = NULL;
    const mu_token *tokens = NULL;
    size_t n = 0;
    mu_buf decoded = {0};
    mu_err err = {0};
    mu_status status = mu_encoder_open(tokenizer, &encoder, &err);
    MU_ASSERT(status == MU_OK);
    status = mu_encode(encoder, text, sizeof(text) - 1, MU_ENCODE_SPECIAL, &tokens, &n, &err);
    if (status == MU_OK) {
        for (size_t i = 0; i < n; i++) {
            MU_ASSERT((uint32_t)tokens[i] < mu_tokenizer_vocab_size(tokenizer));
        }
        mu_decode_bytes(tokenizer, tokens, n, true, &decoded);
        MU_ASSERT(!decoded.failed);
    }
    mu_buf_deinit(&decoded);
    mu_encoder_close(encoder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mu_tokenizer *tokenizer = NULL;
    mu_err err = {0};
    mu_status status = mu_hf_tokenizer_parse((const char *)data, size, &tokenizer, &err);
    if (status != MU_OK) {
        MU_ASSERT(!tokenizer && err.status == status && err.text[0] != '\0');
        return 0;
    }
    check_tokens(tokenizer);
    mu_tokenizer_close(tokenizer);
    return 0;
}
