/* tokenizer.h - text to tokens and back: byte-level BPE, exact.
 *
 * A token is a run of bytes. Encoding: special tokens are cut out first, the rest is split into
 * words by the pattern that the model names (PCRE2, Unicode classes), each word is merged by rank.
 * Decoding concatenates bytes; mu_detokenizer does so without ever splitting a UTF-8 character.
 *
 * Threads: a tokenizer is immutable once open and may be used by any thread; encode() takes its
 * scratch from the caller's mu_encoder, one per thread. A detokenizer belongs to one sequence.
 */
#ifndef MU_TEXT_TOKENIZER_H
#define MU_TEXT_TOKENIZER_H

#include "base/buf.h"
#include "base/status.h"
#include "base/token.h"

typedef struct mu_tokenizer mu_tokenizer;
typedef struct mu_encoder mu_encoder;

typedef struct mu_bytes {
    const char *data; /* borrowed, [n] */
    size_t n;
} mu_bytes;

typedef enum mu_token_kind {
    MU_TOKEN_NORMAL,
    MU_TOKEN_ADDED,   /* matched in text before the pattern is applied */
    MU_TOKEN_SPECIAL, /* the same, and shown only on request: <|endoftext|> */
    MU_TOKEN_UNUSED,  /* a hole in the vocabulary; never produced */
} mu_token_kind;

/* What a tokenizer is made of, as a format reader finds it. All borrowed during open() only. */
typedef struct mu_tokenizer_spec {
    uint32_t vocab_size;
    const mu_bytes *tokens; /* [vocab_size], raw bytes (byte-level alphabet already undone) */
    const uint8_t *kinds;   /* [vocab_size], mu_token_kind */
    uint32_t n_merges;
    const mu_token (
        *merges)[2];     /* [n_merges], by rank: left, right; their concatenation is a token */
    const char *pattern; /* PCRE2, NULL: GPT-2's */
    bool add_prefix_space;
    mu_token bos, eos;  /* MU_TOKEN_NONE when absent */
    bool add_bos;       /* encode() puts bos in front */
    bool ignore_merges; /* a word that is a token is not merged (Llama 3) */
} mu_tokenizer_spec;

/* GPT-2's split pattern (github.com/openai/gpt-2 src/encoder.py). */
extern const char mu_gpt2_pattern[];

mu_status mu_tokenizer_open(const mu_tokenizer_spec *spec, mu_tokenizer **out,
                            mu_err *err) MU_MUST_USE;
/* The built-in one: token b is byte b for b < 256, token 256 is <|endoftext|> (bos and eos). Used
 * where a model brings no tokenizer. Ids above vocab_size decode to nothing. */
mu_status mu_tokenizer_open_bytes(mu_tokenizer **out, mu_err *err) MU_MUST_USE;
void mu_tokenizer_close(mu_tokenizer *tokenizer); /* NULL is allowed */

uint32_t mu_tokenizer_vocab_size(const mu_tokenizer *tokenizer);
mu_token mu_tokenizer_bos(const mu_tokenizer *tokenizer);
mu_token mu_tokenizer_eos(const mu_tokenizer *tokenizer);
/* Bytes of a token; empty for ids outside the vocabulary. */
mu_bytes mu_tokenizer_piece(const mu_tokenizer *tokenizer, mu_token token);
size_t mu_tokenizer_longest_piece(const mu_tokenizer *tokenizer); /* bytes */
/* What it was opened with, for writing it to a file. */
bool mu_tokenizer_has_gpt2_pattern(const mu_tokenizer *tokenizer);
uint32_t mu_tokenizer_n_merges(const mu_tokenizer *tokenizer);
/* out: [n_merges], by rank; the result is how many there are when each pair is counted once. */
uint32_t mu_tokenizer_merges(const mu_tokenizer *tokenizer, mu_token (*out)[2]);
bool mu_tokenizer_adds_bos(const mu_tokenizer *tokenizer);
mu_token_kind mu_tokenizer_kind(const mu_tokenizer *tokenizer, mu_token token);

mu_status mu_encoder_open(const mu_tokenizer *tokenizer, mu_encoder **out, mu_err *err) MU_MUST_USE;
void mu_encoder_close(mu_encoder *encoder); /* NULL is allowed */

enum {
    MU_ENCODE_SPECIAL = 1 << 0, /* special tokens in the text become their ids, not plain text */
    MU_ENCODE_BOS = 1 << 1,     /* put bos in front when the tokenizer says so (add_bos) */
};

/* text: [n], UTF-8; invalid bytes are read as U+FFFD for splitting and kept as bytes in the tokens.
 * On success *out_tokens is [*out_n], owned by the encoder until its next call. */
mu_status mu_encode(mu_encoder *encoder, const char *text, size_t n, uint32_t flags,
                    const mu_token **out_tokens, size_t *out_n, mu_err *err) MU_MUST_USE;

/* Streaming decoder. Bytes that may be the start of an unfinished UTF-8 character are held back
 * until it is whole; bytes that cannot become valid are given as U+FFFD. */
typedef struct mu_detokenizer {
    const mu_tokenizer *tokenizer; /* borrowed */
    bool show_special;
    uint8_t held[4];
    uint32_t n_held;
} mu_detokenizer;

void mu_detokenizer_init(mu_detokenizer *detok, const mu_tokenizer *tokenizer, bool show_special);
void mu_detokenizer_push(mu_detokenizer *detok, mu_token token, mu_buf *out);
void mu_detokenizer_finish(mu_detokenizer *detok, mu_buf *out); /* what is held becomes U+FFFD */

/* The exact bytes of tokens, nothing replaced. */
void mu_decode_bytes(const mu_tokenizer *tokenizer, const mu_token *tokens, size_t n,
                     bool show_special, mu_buf *out);

#endif
