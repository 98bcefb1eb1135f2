/* tokenizer_builder.h - collect tokens and merges from a file, in any order, then open a tokenizer.
 * Private to format/.
 *
 * Memory: owned until deinit(); the tokenizer copies what it needs.
 */
#ifndef MU_FORMAT_TOKENIZER_BUILDER_H
#define MU_FORMAT_TOKENIZER_BUILDER_H

#include "text/tokenizer.h"

enum { MU_VOCAB_MAX = 1 << 22 };

typedef struct mu_tokenizer_builder {
    mu_tokenizer_spec spec; /* pattern, bos and so on are set by the caller */
    mu_bytes *tokens;       /* [spec.vocab_size], owned; data into text */
    uint8_t *kinds;         /* [spec.vocab_size], owned */
    mu_token (*merges)[2];  /* [merges_cap], owned */
    uint32_t merges_cap;
    char *text; /* decoded bytes of all tokens, owned */
    size_t n_text, text_cap;
    mu_token *lookup; /* [lookup_size] ids by hash of their bytes, owned */
    uint32_t lookup_size;
} mu_tokenizer_builder;

/* Room for vocab_size tokens, n_merges merges and text_bytes bytes of tokens together. */
mu_status mu_tokenizer_builder_init(mu_tokenizer_builder *b, uint64_t vocab_size, uint64_t n_merges,
                                    size_t text_bytes, mu_err *err) MU_MUST_USE;
void mu_tokenizer_builder_deinit(mu_tokenizer_builder *b); /* a zeroed builder is allowed */

/* text: in GPT-2's alphabet when is_encoded, else plain. */
mu_status mu_tokenizer_builder_add(mu_tokenizer_builder *b, uint64_t id, const char *text, size_t n,
                                   mu_token_kind kind, bool is_encoded, mu_err *err) MU_MUST_USE;

/* Both halves in GPT-2's alphabet; they must be tokens. All tokens must have been added. */
mu_status mu_tokenizer_builder_merge(mu_tokenizer_builder *b, const char *left, size_t n_left,
                                     const char *right, size_t n_right, mu_err *err) MU_MUST_USE;
/* "left right" */
mu_status mu_tokenizer_builder_merge_line(mu_tokenizer_builder *b, const char *line, size_t n,
                                          mu_err *err) MU_MUST_USE;

mu_status mu_tokenizer_builder_finish(mu_tokenizer_builder *b, mu_tokenizer **out,
                                      mu_err *err) MU_MUST_USE;

#endif
