/* stacks.h - sets of stacks of states, shared.
 *
 * A set is a number. It is a chain of (state on top, set of what may lie below), ascending, each
 * written once whatever asks for it, so that equal sets have equal numbers, copying one is copying
 * a number, and a thousand stacks that differ in one place take two chains.
 *
 * Memory: one table, bounded; failures are sticky in status. The sets live as long as the table.
 */
#ifndef MU_GRAMMAR_STACKS_H
#define MU_GRAMMAR_STACKS_H

#include "base/status.h"

typedef uint32_t mu_stack; /* 0: no stack */

enum {
    MU_STACKS_MAX = 1 << 16,
    MU_STACK_DEPTH_MAX = 512, /* values inside values; one deeper is not offered */
};

typedef struct mu_stack_link {
    uint32_t state;
    mu_stack below, next; /* next: of the chain, 0 at its end */
    uint16_t depth;       /* of the deepest stack in the chain from here on */
} mu_stack_link;

typedef struct mu_stacks {
    mu_stack_link *links; /* [n], 0 is not used, owned */
    size_t n, cap;
    uint32_t *slots; /* [slots_size] link by hash, owned */
    size_t slots_size;
    mu_status status;
} mu_stacks;

void mu_stacks_deinit(mu_stacks *stacks); /* a zeroed one is allowed */

/* state on top of each stack of below; 0 when that is too deep, or on failure. */
mu_stack mu_stacks_push(mu_stacks *stacks, uint32_t state, mu_stack below);
mu_stack mu_stacks_merge(mu_stacks *stacks, mu_stack a, mu_stack b);

#endif
