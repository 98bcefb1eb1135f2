/* tokenizer_builder.h - collect tokens and merges from a file, in any order, then open a tokenizer.
 * Private to format/.
 *
 * Memory: owned until deinit(); the tokenizer copies what it needs.
 */
#ifndef MU_FORMAT_TOKENIZER_BUILDER_H
#define MU_FORMAT_TOKENIZER_BUILDER_H

#include "text/tokenizer.h"

enum { MU_VOCAB_MAX = 1 << 22, MU_ENDS_MAX = 64 };

/* How the text of a token becomes what it adds to decoded text, besides bytes of byte tokens. */
typedef struct mu_piece_rule {
    bool marks_are_spaces;    /* U+2581 is a space */
    const char *continuation; /* WordPiece: dropped; what begins otherwise gets a space in front */
    bool cleans_up;           /* WordPiece: no space before signs and the like */
} mu_piece_rule;

typedef struct mu_tokenizer_builder {
    mu_tokenizer_spec spec; /* pattern, bos and so on are set by the caller */
    mu_bytes *tokens;       /* [spec.vocab_size], owned; data into text */
    uint8_t *kinds;         /* [spec.vocab_size], owned */
    uint8_t *added_flags;   /* [spec.vocab_size], owned */
    float *scores;          /* [spec.vocab_size], owned; NULL until scores() */
    mu_piece_rule piece_rule;
    mu_buf charsmap;       /* owned */
    mu_token (*merges)[2]; /* [merges_cap], owned */
    uint32_t merges_cap;
    mu_split_step steps[MU_SPLIT_STEPS_MAX];       /* [spec.n_steps]; texts borrowed to the end */
    mu_normalizer normalizers[MU_NORMALIZERS_MAX]; /* [spec.n_normalizers] */
    mu_token before[MU_TEMPLATE_MAX], after[MU_TEMPLATE_MAX];
    mu_token ends[MU_ENDS_MAX]; /* [spec.n_ends] */
    bool has_too_many;          /* steps, normalizers, template or ends: finish() says so */
    char *text;                 /* decoded bytes of all tokens, owned */
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

/* Room for a score of each token, 0 at first. */
mu_status mu_tokenizer_builder_scores(mu_tokenizer_builder *b, mu_err *err) MU_MUST_USE;

/* Another step, normalizer, token before or behind a text, or token that ends one. */
void mu_tokenizer_builder_step(mu_tokenizer_builder *b, mu_split_step step);
void mu_tokenizer_builder_normalizer(mu_tokenizer_builder *b, mu_normalizer normalizer);
void mu_tokenizer_builder_around(mu_tokenizer_builder *b, bool is_before, mu_token token);
void mu_tokenizer_builder_end(mu_tokenizer_builder *b, mu_token token);

/* The id of a token by its bytes, or MU_TOKEN_NONE. */
mu_token mu_tokenizer_builder_find(const mu_tokenizer_builder *b, const char *data, size_t n);

mu_status mu_tokenizer_builder_finish(mu_tokenizer_builder *b, mu_tokenizer **out,
                                      mu_err *err) MU_MUST_USE;

#endif
