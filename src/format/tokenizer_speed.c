/* How fast text becomes tokens, and back, on one core.
 *
 *     tokenizer_speed FOLDER [TEXT_FILE]
 *
 * FOLDER holds tokenizer.json or vocab.json and merges.txt. Without a file the text is made up:
 * words of the vocabulary, drawn as words are in English (rank-frequency, Zipf), in sentences.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/rng.h"
#include "format/hf_tokenizer.h"

enum { TEXT_BYTES = 16 << 20, N_RUNS = 5 };

/* " word" of lower-case letters: what most tokens of English are. */
static bool is_word(mu_bytes piece) {
    if (piece.n < 3 || piece.data[0] != ' ') return false;
    for (size_t i = 1; i < piece.n; i++) {
        if (piece.data[i] < 'a' || piece.data[i] > 'z') return false;
    }
    return true;
}

static void make_text(const mu_tokenizer *tokenizer, mu_buf *text) {
    uint32_t n_words = 0, vocab_size = mu_tokenizer_vocab_size(tokenizer);
    mu_token *words = MU_ALLOC(mu_token, vocab_size);
    if (!words) return;
    for (uint32_t id = 0; id < vocab_size; id++) {
        if (is_word(mu_tokenizer_piece(tokenizer, (mu_token)id))) words[n_words++] = (mu_token)id;
    }
    mu_rng rng = {1};
    mu_buf_append_str(text, "It");
    while (n_words > 0 && text->n < TEXT_BYTES && !text->failed) {
        /* u^-1 - 1 has the tail of Zipf's law; the cut keeps it inside the vocabulary. */
        double rank = 8.0 / (mu_rng_f64(&rng) + 8.0 / n_words) - 8.0;
        uint32_t i = rank < 0 ? 0 : rank >= n_words ? n_words - 1 : (uint32_t)rank;
        mu_bytes piece = mu_tokenizer_piece(tokenizer, words[i]);
        mu_buf_append(text, piece.data, piece.n);
        uint64_t mark = mu_rng_below(&rng, 64);
        if (mark < 4) mu_buf_append_str(text, mark < 1 ? ".\n\n" : mark < 2 ? "'s" : ",");
        if (mark == 4) mu_buf_append_str(text, ". The");
        if (mark == 5) mu_buf_printf(text, " %u", (unsigned)mu_rng_below(&rng, 2000));
        if (mark == 6) { /* a word that is no token */
            mu_bytes tail = mu_tokenizer_piece(tokenizer, words[mu_rng_below(&rng, n_words)]);
            mu_buf_append(text, tail.data + 1, tail.n - 1);
        }
    }
    mu_free(words);
}

static int run(const mu_tokenizer *tokenizer, mu_encoder *encoder, const char *text, size_t n) {
    double best_encode = 0, best_decode = 0;
    size_t n_tokens = 0;
    mu_buf decoded = {0};
    for (int i = 0; i < N_RUNS; i++) {
        const mu_token *tokens = NULL;
        mu_err err = {0};
        uint64_t start = mu_now_ns();
        if (mu_encode(encoder, text, n, 0, &tokens, &n_tokens, &err) != MU_OK) {
            fprintf(stderr, "%s\n", err.text);
            return 1;
        }
        uint64_t encoded = mu_now_ns();
        mu_buf_clear(&decoded);
        mu_decode_bytes(tokenizer, tokens, n_tokens, true, &decoded);
        uint64_t end = mu_now_ns();
        double encode = (double)n * 1e3 / (double)(encoded - start);
        double decode = (double)n * 1e3 / (double)(end - encoded);
        if (encode > best_encode) best_encode = encode;
        if (decode > best_decode) best_decode = decode;
    }
    bool same = decoded.n == n && memcmp(decoded.data, text, n) == 0;
    printf("%.1f MB, %.2f bytes a token: encode %.1f MB/s, decode %.1f MB/s (best of %d)%s\n",
           (double)n / 1e6, (double)n / (double)n_tokens, best_encode, best_decode, N_RUNS,
           same ? "" : " - DECODES TO OTHER BYTES");
    mu_buf_deinit(&decoded);
    return same ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: tokenizer_speed FOLDER [TEXT_FILE]\n");
        return 2;
    }
    mu_tokenizer *tokenizer = NULL;
    mu_encoder *encoder = NULL;
    mu_map map = {0};
    mu_buf made = {0};
    mu_err err = {0};
    int rc = 1;
    mu_status status = mu_hf_tokenizer_open(argv[1], &tokenizer, &err);
    if (status == MU_OK) status = mu_encoder_open(tokenizer, &encoder, &err);
    if (status == MU_OK && argc == 3) status = mu_map_open(argv[2], &map, &err);
    if (status != MU_OK) {
        fprintf(stderr, "%s\n", err.text);
    } else {
        if (argc < 3) make_text(tokenizer, &made);
        const char *text = argc == 3 ? (const char *)map.data : made.data;
        size_t n = argc == 3 ? map.size : made.n;
        if (n > 0 && !made.failed) rc = run(tokenizer, encoder, text, n);
    }
    mu_buf_deinit(&made);
    mu_map_close(&map);
    mu_encoder_close(encoder);
    mu_tokenizer_close(tokenizer);
    return rc;
}
