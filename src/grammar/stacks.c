#include "grammar/stacks.h"

#include "base/alloc.h"

void mu_stacks_deinit(mu_stacks *stacks) {
    mu_free(stacks->links);
    mu_free(stacks->slots);
    *stacks = (mu_stacks){0};
}

static size_t link_slot(const mu_stacks *s, uint32_t state, mu_stack below, mu_stack next) {
    uint64_t hash = ((uint64_t)below << 32 | state) * UINT64_C(0x9E3779B97F4A7C15);
    hash = (hash ^ next ^ hash >> 31) * UINT64_C(0xC2B2AE3D27D4EB4F);
    size_t slot = (size_t)(hash >> 32) & (s->slots_size - 1);
    while (s->slots[slot] != 0) {
        const mu_stack_link *link = &s->links[s->slots[slot]];
        if (link->state == state && link->below == below && link->next == next) break;
        slot = (slot + 1) & (s->slots_size - 1);
    }
    return slot;
}

static bool grow(mu_stacks *s) {
    if (!mu_grow((void **)&s->links, &s->cap, s->n + 2, sizeof(mu_stack_link))) return false;
    if (s->n == 0) s->links[s->n++] = (mu_stack_link){0}; /* no stack */
    if (s->n * 2 < s->slots_size) return true;
    size_t size = s->slots_size ? s->slots_size * 2 : 128;
    uint32_t *slots = MU_ALLOC(uint32_t, size);
    if (!slots) return false;
    mu_free(s->slots);
    s->slots = slots;
    s->slots_size = size;
    for (size_t i = 1; i < s->n; i++) {
        const mu_stack_link *link = &s->links[i];
        slots[link_slot(s, link->state, link->below, link->next)] = (uint32_t)i;
    }
    return true;
}

static mu_stack intern(mu_stacks *s, uint32_t state, mu_stack below, mu_stack next) {
    if (s->status != MU_OK) return 0;
    if (s->n == MU_STACKS_MAX) {
        s->status = MU_ERR_LIMIT;
        return 0;
    }
    if (!grow(s)) {
        s->status = MU_ERR_NOMEM;
        return 0;
    }
    size_t slot = link_slot(s, state, below, next);
    if (s->slots[slot] != 0) return s->slots[slot];
    uint16_t depth = (uint16_t)(s->links[below].depth + 1);
    if (next != 0 && s->links[next].depth > depth) depth = s->links[next].depth;
    s->links[s->n] = (mu_stack_link){state, below, next, depth};
    s->slots[slot] = (uint32_t)s->n++;
    return s->slots[slot];
}

mu_stack mu_stacks_push(mu_stacks *s, uint32_t state, mu_stack below) {
    if (below != 0 && s->links[below].depth >= MU_STACK_DEPTH_MAX) return 0;
    return intern(s, state, below, 0);
}

/* Both chains ascend by state; one state's stacks below are merged in turn, which ends because they
 * are shallower. */
mu_stack mu_stacks_merge(mu_stacks *s, mu_stack a, mu_stack b) {
    if (a == b || b == 0) return a;
    if (a == 0) return b;
    mu_stack_link x = s->links[a], y = s->links[b];
    if (x.state < y.state) return intern(s, x.state, x.below, mu_stacks_merge(s, x.next, b));
    if (x.state > y.state) return intern(s, y.state, y.below, mu_stacks_merge(s, a, y.next));
    mu_stack below = mu_stacks_merge(s, x.below, y.below);
    return intern(s, x.state, below, mu_stacks_merge(s, x.next, y.next));
}
