/* vocab.h - inside of a tokenizer: the bytes of each token, the merges, the added tokens. Private
 * to text/. Immutable once open. */
#ifndef MU_TEXT_VOCAB_H
#define MU_TEXT_VOCAB_H

#include "text/pattern.h"
#include "text/tokenizer.h"

typedef struct mu_merge {
    uint64_t pair; /* left << 32 | right; EMPTY_PAIR in an empty slot */
    uint32_t rank;
    mu_token result;
} mu_merge;

struct mu_tokenizer {
    uint32_t vocab_size;
    mu_token bos, eos;
    bool add_bos, add_prefix_space, ignore_merges;
    char *bytes;      /* of all tokens, one after the other, owned */
    uint32_t *starts; /* [vocab_size + 1] into bytes, owned */
    uint8_t *kinds;   /* [vocab_size], owned */
    mu_token byte_tokens[256];
    mu_token *lookup;     /* [lookup_size] token ids hashed by their bytes, owned */
    uint32_t lookup_size; /* power of two */
    mu_merge *merges;     /* [merges_size] hashed by pair, owned */
    uint32_t merges_size; /* power of two */
    uint32_t n_merges;    /* ranks; a pair that is there twice has the first */
    mu_token *added;      /* [n_added] added and special tokens, longest first, owned */
    uint32_t n_added;
    bool starts_added[256]; /* some added token starts with this byte */
    mu_pattern *pattern;    /* NULL: every text is one word (built-in bytes) */
};

mu_token mu_vocab_find(const mu_tokenizer *tokenizer, const char *data, size_t n); /* or NONE */
const mu_merge *mu_vocab_merge(const mu_tokenizer *tokenizer, mu_token left, mu_token right);

#endif
