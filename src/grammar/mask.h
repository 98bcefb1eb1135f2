/* mask.h - inside of a grammar: which tokens may follow a front.
 *
 * Of each state is kept, once made: the tokens that stay within it and what it pushes, and the
 * nodes of the tree where it is left with bytes of a token to come. A mask is the union of the
 * first over the states of a front, and of a walk from each of the second with the states below.
 * Whole masks are kept too, for the fronts that come back.
 *
 * Threads: the grammar's lock is held. Memory: owned, bounded; what is over the bound is made anew.
 */
#ifndef MU_GRAMMAR_MASK_H
#define MU_GRAMMAR_MASK_H

#include "grammar/front.h"

enum {
    MU_MASK_BYTES_MAX = 8 << 20, /* of what is kept of states */
    MU_MASK_STEPS_MAX =
        8 << 20,        /* of one mask, beyond what is fast: the grammar is over its bounds */
    MU_MASKS_KEPT = 64, /* whole ones */
    MU_MASK_EXITS_MAX = 16384, /* of one state; with more, fronts are walked whole */
    /* Stacks deeper than this are too: one token more could meet the end of what is allowed. */
    MU_MASK_DEPTH_MAX = MU_STACK_DEPTH_MAX - MU_TRIE_DEPTH_MAX,
};

typedef struct mu_masks {
    mu_machine *machine;       /* borrowed */
    const mu_token_trie *trie; /* borrowed */
    size_t bytes;              /* of what is kept of states */
    struct mu_base_mask *list; /* owned: all that states point to */
    mu_front *fronts;          /* [MU_TRIE_DEPTH_MAX + 1] of a walk, by depth, owned */
    uint32_t *tokens, *exits;  /* being collected, owned */
    size_t n_tokens, tokens_cap, n_exits, exits_cap;
    struct mu_kept_mask *kept; /* [MU_MASKS_KEPT] by hash, owned */
} mu_masks;

mu_status mu_masks_init(mu_masks *masks, mu_machine *machine,
                        const mu_token_trie *trie) MU_MUST_USE;
void mu_masks_deinit(mu_masks *masks); /* a zeroed one is allowed */

/* out: [trie->n_words]. */
void mu_masks_make(mu_masks *masks, const mu_front *front, uint64_t *out);

#endif
