/* token_trie.h - the tokens of a vocabulary as a tree of bytes, for making masks.
 *
 * Nodes stand in the order of a walk from the root; each knows where its subtree ends, so that a
 * byte that cannot follow skips all tokens that start so. Two trees: all tokens, and those that are
 * left when "plain" ones are taken out: tokens of at most MU_TRIE_PLAIN_CHARS whole characters that
 * a JSON string holds as they are. Inside a string that is free these are most of the vocabulary
 * and need no walk.
 *
 * Threads: immutable once open, counted by mu_token_trie_ref(). Memory: owned.
 */
#ifndef MU_GRAMMAR_TOKEN_TRIE_H
#define MU_GRAMMAR_TOKEN_TRIE_H

#include "base/status.h"
#include "base/token.h"

enum {
    MU_TRIE_PLAIN_CHARS = 64,
    MU_TRIE_DEPTH_MAX = 255,
    MU_CONTROL_BYTE = 0xFF, /* before the text of a control token: no text has it */
};

typedef struct mu_trie_node {
    uint32_t end;   /* one past the last node of its subtree */
    mu_token token; /* a token that ends here, or MU_TOKEN_NONE */
    mu_token same;  /* another with the same bytes, and so on by mu_token_trie.same */
    uint8_t byte;   /* that leads here */
    uint8_t depth;  /* bytes from the root, whose depth is 0 */
} mu_trie_node;

typedef struct mu_trie_tree {
    mu_trie_node *nodes; /* [n], the root first */
    uint32_t n;
} mu_trie_tree;

typedef struct mu_token_trie {
    mu_trie_tree all, rest; /* rest: without the plain ones */
    uint64_t *plain;        /* [n_words] bits */
    char *bytes;            /* of all tokens, one after the other, owned */
    uint32_t *starts;       /* [vocab_size + 1] into bytes, owned */
    mu_token *same;         /* [vocab_size] the next token with the same bytes, or MU_TOKEN_NONE */
    uint32_t vocab_size, n_words;
    _Atomic uint32_t n_refs;
} mu_token_trie;

/* The bytes of a token; n = 0: it is never offered (an end, a hole). Longer ones than
 * MU_TRIE_DEPTH_MAX are not offered either. */
typedef struct mu_token_bytes {
    const char *data; /* borrowed, [n] */
    size_t n;
} mu_token_bytes;

mu_status mu_token_trie_open(const mu_token_bytes *tokens, uint32_t vocab_size, mu_token_trie **out,
                             mu_err *err) MU_MUST_USE;
mu_token_trie *mu_token_trie_ref(mu_token_trie *trie);
void mu_token_trie_unref(mu_token_trie *trie); /* NULL is allowed */

/* n = 0 for a token that is never offered, or outside the vocabulary. */
mu_token_bytes mu_token_trie_bytes(const mu_token_trie *trie, mu_token token);
/* The longest token that text starts with, or MU_TOKEN_NONE. text: [n]. */
mu_token mu_token_trie_longest(const mu_token_trie *trie, const char *text, size_t n);

#endif
