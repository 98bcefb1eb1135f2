/* Any bytes as text: encoding never fails, decoding gives the bytes back, and the streaming decoder
 * gives valid UTF-8 whatever it is fed. The tokenizer is one of bytes and a few merges. */
#include "text/tokenizer.h"

#include <string.h>

#include "text/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { N_MERGES = 8, EOS = 256 + N_MERGES, VOCAB = EOS + 1 };

static mu_tokenizer *open_tokenizer(void) {
    static char bytes[256];
    static mu_bytes tokens[VOCAB];
    static uint8_t kinds[VOCAB];
    static const char *const joined[N_MERGES] = {"  ", "    ",     "ab",   "abab",
                                                 " a", "\xc3\xa9", "\n\n", "abababab"};
    static const mu_token merges[N_MERGES][2] = {{' ', ' '},   {256, 256}, {'a', 'b'},
                                                 {258, 258},   {' ', 'a'}, {0xc3, 0xa9},
                                                 {'\n', '\n'}, {259, 259}};
    for (int i = 0; i < 256; i++) {
        bytes[i] = (char)i;
        tokens[i] = (mu_bytes){&bytes[i], 1};
    }
    for (int i = 0; i < N_MERGES; i++) {
        tokens[256 + i] = (mu_bytes){joined[i], strlen(joined[i])};
    }
    tokens[EOS] = (mu_bytes){"<|e|>", 5};
    kinds[EOS] = MU_TOKEN_SPECIAL;
    mu_tokenizer_spec spec = {.vocab_size = VOCAB,
                              .tokens = tokens,
                              .kinds = kinds,
                              .n_merges = N_MERGES,
                              .merges = merges,
                              .bos = MU_TOKEN_NONE,
                              .eos = EOS};
    mu_tokenizer *tokenizer = NULL;
    mu_status status = mu_tokenizer_open(&spec, &tokenizer, NULL);
    MU_ASSERT(status == MU_OK);
    return tokenizer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static mu_tokenizer *tokenizer; /* one for all inputs: opening costs more than encoding */
    static mu_encoder *encoder;
    if (!tokenizer) {
        tokenizer = open_tokenizer();
        mu_status opened = mu_encoder_open(tokenizer, &encoder, NULL);
        MU_ASSERT(opened == MU_OK);
    }
    const mu_token *tokens;
    size_t n;
    mu_status status =
        mu_encode(encoder, (const char *)data, size, MU_ENCODE_SPECIAL, &tokens, &n, NULL);
    MU_ASSERT(status == MU_OK);
    mu_buf exact = {0}, streamed = {0};
    mu_detokenizer detok;
    mu_decode_bytes(tokenizer, tokens, n, true, &exact);
    MU_ASSERT(exact.n == size && (size == 0 || memcmp(exact.data, data, size) == 0));
    mu_detokenizer_init(&detok, tokenizer, true);
    for (size_t i = 0; i < n; i++) {
        mu_detokenizer_push(&detok, tokens[i], &streamed);
        MU_ASSERT(streamed.n == 0 || mu_utf8_valid(streamed.data, streamed.n) == streamed.n);
        if (streamed.n > 4096) mu_buf_clear(&streamed);
    }
    mu_detokenizer_finish(&detok, &streamed);
    mu_buf_deinit(&exact);
    mu_buf_deinit(&streamed);
    return 0;
}
