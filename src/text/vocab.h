/* vocab.h - inside of a tokenizer: the text of each token, the merges or scores, the added tokens,
 * and the steps before. Private to text/. Immutable once open.
 *
 * A token has a text, which is what the model finds in normalized text ("\u2581the"), and a piece,
 * which is what it adds to decoded text (" the"). Of byte-level vocabularies the two are one.
 */
#ifndef MU_TEXT_VOCAB_H
#define MU_TEXT_VOCAB_H

#include "text/added.h"
#include "text/normalizer.h"
#include "text/pattern.h"
#include "text/tokenizer.h"

typedef struct mu_merge {
    uint64_t pair; /* left << 32 | right; EMPTY_PAIR in an empty slot */
    uint32_t rank;
    mu_token result;
} mu_merge;

enum { MU_PREFIX_BYTES = 8 };

/* Byte strings one after the other. */
typedef struct mu_strings {
    char *bytes;      /* owned */
    uint32_t *starts; /* [n + 1] into bytes, owned */
} mu_strings;

struct mu_tokenizer {
    mu_token_model model;
    uint32_t vocab_size;
    mu_token bos, eos, unknown;
    mu_token before[MU_TEMPLATE_MAX], after[MU_TEMPLATE_MAX];
    uint32_t n_before, n_after;
    mu_token *ends; /* [n_ends], owned */
    uint32_t n_ends;
    bool takes_whole_words, has_byte_fallback, fuses_unknown;
    mu_strings texts;
    mu_strings pieces;    /* empty: the texts */
    uint8_t *kinds;       /* [vocab_size], owned */
    uint8_t *added_flags; /* [vocab_size], owned */
    size_t longest_text;  /* bytes, of tokens that the model finds */
    mu_token byte_tokens[256];
    mu_token *lookup;     /* [lookup_size] token ids hashed by their texts, owned */
    uint32_t lookup_size; /* power of two */
    mu_merge *merges;     /* [merges_size] hashed by pair, owned */
    uint32_t merges_size; /* power of two */
    uint32_t n_merges;    /* ranks; a pair that is there twice has the first */
    float *scores;        /* [vocab_size], owned; NULL where merges have ranks */
    uint32_t *ranks;      /* [vocab_size] of scores: equal ones share one, 0 is the best; owned */
    mu_prefix_index prefixes; /* of Unigram and WordPiece: tokens by how they begin */
    double unknown_score;     /* of Unigram */
    char word_prefix[MU_PREFIX_BYTES], continuation[MU_PREFIX_BYTES]; /* of WordPiece */
    bool strips_first_space;
    bool cuts_at_spaces; /* no token goes on over the start of a word: words merge apart */
    mu_added added;
    mu_normalizers normalizers;
    mu_split_step *steps;  /* [n_steps], owned */
    mu_pattern **patterns; /* [n_steps], owned; NULL for steps without one */
    uint32_t n_steps;
};

mu_token mu_vocab_find(const mu_tokenizer *tokenizer, const char *data, size_t n); /* or NONE */
const mu_merge *mu_vocab_merge(const mu_tokenizer *tokenizer, mu_token left, mu_token right);
mu_bytes mu_vocab_text(const mu_tokenizer *tokenizer, mu_token token);

#endif
