#include "grammar/mask.h"

#include <string.h>

#include "base/alloc.h"

struct mu_base_mask {
    mu_base_mask *next;
    mu_state state;
    bool is_free;   /* inside a free string: plain tokens, and the tree of the rest */
    bool is_walked; /* too many exits: nothing is known here */
    uint64_t *bits; /* [n_words] the tokens, where they are many; owned */
    uint32_t n_tokens, n_exits;
    uint32_t list[]; /* tokens without bits, then exits: nodes of the tree */
};

typedef struct mu_kept_mask {
    mu_front front; /* n = 0: empty */
    uint64_t *bits; /* [n_words], owned */
} kept_mask;

mu_status mu_masks_init(mu_masks *masks, mu_machine *machine, const mu_token_trie *trie) {
    *masks = (mu_masks){.machine = machine, .trie = trie};
    masks->fronts = MU_ALLOC(mu_front, MU_TRIE_DEPTH_MAX + 1);
    masks->kept = MU_ALLOC(kept_mask, MU_MASKS_KEPT);
    return masks->fronts && masks->kept ? MU_OK : MU_ERR_NOMEM;
}

static void forget(mu_masks *masks) {
    for (mu_base_mask *base = masks->list, *next; base; base = next) {
        next = base->next;
        masks->machine->automaton.rows[base->state].mask = NULL;
        mu_free(base->bits);
        mu_free(base);
    }
    masks->list = NULL;
    masks->bytes = 0;
}

void mu_masks_deinit(mu_masks *masks) {
    if (masks->machine) forget(masks);
    for (size_t i = 0; masks->kept && i < MU_MASKS_KEPT; i++) {
        mu_free(masks->kept[i].bits);
    }
    mu_free(masks->fronts);
    mu_free(masks->tokens);
    mu_free(masks->exits);
    mu_free(masks->kept);
    *masks = (mu_masks){0};
}

static void set_bit(uint64_t *bits, mu_token token) {
    bits[token / 64] |= UINT64_C(1) << (token % 64);
}

static void set_tokens(const mu_token_trie *trie, uint64_t *bits, mu_token token) {
    for (; token != MU_TOKEN_NONE; token = trie->same[token]) {
        set_bit(bits, token);
    }
}

/* Walking: fronts[depth] is the front at a node; node `top` has been set by the caller. */

/* A mask that takes too long would make every other sequence wait. */
static void check_steps(mu_machine *m) {
    if (m->n_steps + m->automaton.n_work > MU_MASK_STEPS_MAX) m->is_overrun = true;
}

static void walk_bits(mu_masks *masks, const mu_trie_tree *tree, uint32_t top, uint64_t *out) {
    mu_front *fronts = masks->fronts;
    for (uint32_t i = top + 1; i < tree->nodes[top].end && !masks->machine->is_overrun;) {
        const mu_trie_node *node = &tree->nodes[i];
        mu_front *front = &fronts[node->depth];
        mu_front_step_fast(masks->machine, front - 1, node->byte, front);
        check_steps(masks->machine);
        if (front->n == 0) {
            i = node->end;
            continue;
        }
        set_tokens(masks->trie, out, node->token);
        i++;
    }
}

static bool append(uint32_t **list, size_t *n, size_t *cap, uint32_t value) {
    if (!mu_grow((void **)list, cap, *n + 1, sizeof(uint32_t))) return false;
    (*list)[(*n)++] = value;
    return true;
}

/* Collects tokens and exits; false: no memory, or too many exits. */
static bool walk_base(mu_masks *masks, const mu_trie_tree *tree) {
    mu_front *fronts = masks->fronts;
    masks->n_tokens = masks->n_exits = 0;
    for (uint32_t i = 1; i < tree->n && !masks->machine->is_overrun;) {
        const mu_trie_node *node = &tree->nodes[i];
        mu_front *front = &fronts[node->depth];
        mu_front_step_fast(masks->machine, front - 1, node->byte, front);
        check_steps(masks->machine);
        if (front->n == 0) {
            i = node->end;
            continue;
        }
        for (mu_token t = node->token; t != MU_TOKEN_NONE; t = masks->trie->same[t]) {
            if (!append(&masks->tokens, &masks->n_tokens, &masks->tokens_cap, (uint32_t)t)) {
                return false;
            }
        }
        bool is_exit = node->end > i + 1 && mu_front_has(front, MU_STATE_OUTSIDE);
        if (is_exit && (masks->n_exits == MU_MASK_EXITS_MAX ||
                        !append(&masks->exits, &masks->n_exits, &masks->exits_cap, i))) {
            return false;
        }
        i = is_exit && front->n == 1 ? node->end : i + 1;
    }
    return true;
}

/* What has been collected. Tokens become bits where those take less room. */
static mu_base_mask *keep_base(mu_masks *masks, mu_state state) {
    size_t bits_bytes = masks->trie->n_words * sizeof(uint64_t);
    bool is_dense = masks->n_tokens * sizeof(uint32_t) > bits_bytes;
    size_t n_tokens = is_dense ? 0 : masks->n_tokens, n = n_tokens + masks->n_exits;
    size_t bytes = sizeof(mu_base_mask) + n * sizeof(uint32_t) + (is_dense ? bits_bytes : 0);
    if (masks->bytes + bytes > MU_MASK_BYTES_MAX) forget(masks);
    mu_base_mask *base = mu_alloc(sizeof(*base) + n * sizeof(uint32_t));
    if (!base) return NULL;
    *base = (mu_base_mask){.next = masks->list,
                           .state = state,
                           .n_tokens = (uint32_t)n_tokens,
                           .n_exits = (uint32_t)masks->n_exits};
    if (is_dense) base->bits = MU_ALLOC(uint64_t, masks->trie->n_words);
    if (is_dense && !base->bits) {
        mu_free(base);
        return NULL;
    }
    for (size_t i = 0; is_dense && i < masks->n_tokens; i++) {
        set_bit(base->bits, (mu_token)masks->tokens[i]);
    }
    if (n_tokens) memcpy(base->list, masks->tokens, n_tokens * sizeof(uint32_t));
    if (base->n_exits) {
        memcpy(base->list + n_tokens, masks->exits, base->n_exits * sizeof(uint32_t));
    }
    masks->list = base;
    masks->bytes += bytes;
    masks->machine->automaton.rows[state].mask = base;
    return base;
}

static const mu_base_mask *make_base(mu_masks *masks, mu_state state) {
    mu_machine *machine = masks->machine;
    const mu_key *key = machine->automaton.rows[state].key;
    bool is_free =
        mu_string_n_free(&machine->automaton, key, MU_TRIE_PLAIN_CHARS) == MU_TRIE_PLAIN_CHARS;
    mu_front *start = &masks->fronts[0];
    start->n = 0;
    mu_stack outside = mu_stacks_push(&machine->stacks, MU_STATE_OUTSIDE, 0);
    if (outside == 0) return NULL;
    start->items[start->n++] = (mu_matcher_item){state, outside};
    bool ok = walk_base(masks, is_free ? &masks->trie->rest : &masks->trie->all);
    if (!ok) masks->n_tokens = masks->n_exits = 0;

    mu_base_mask *base = keep_base(masks, state);
    if (!base) return NULL;
    base->is_free = is_free;
    base->is_walked = !ok;
    return base;
}

static void walk_whole(mu_masks *masks, const mu_matcher_item *item, uint64_t *out) {
    masks->fronts[0].n = 1;
    masks->fronts[0].items[0] = *item;
    walk_bits(masks, &masks->trie->all, 0, out);
}

static void add_item(mu_masks *masks, const mu_matcher_item *item, uint64_t *out) {
    bool is_deep = masks->machine->stacks.links[item->stack].depth > MU_MASK_DEPTH_MAX;
    const mu_base_mask *base = masks->machine->automaton.rows[item->state].mask;
    if (!base && !is_deep) base = make_base(masks, item->state);
    if (!base || base->is_walked || is_deep) {
        walk_whole(masks, item, out);
        return;
    }
    for (uint32_t i = 0; i < base->n_tokens; i++) {
        set_bit(out, (mu_token)base->list[i]);
    }
    for (uint32_t i = 0; base->bits && i < masks->trie->n_words; i++) {
        out[i] |= base->bits[i];
    }
    const mu_trie_tree *tree = base->is_free ? &masks->trie->rest : &masks->trie->all;
    for (uint32_t i = 0; base->is_free && i < masks->trie->n_words; i++) {
        out[i] |= masks->trie->plain[i];
    }
    if (base->n_exits == 0) return;
    mu_front tops = {0};
    mu_front_add_tops(masks->machine, &tops, item->stack);
    for (uint32_t i = 0; i < base->n_exits; i++) {
        uint32_t node = base->list[base->n_tokens + i];
        masks->fronts[tree->nodes[node].depth] = tops;
        walk_bits(masks, tree, node, out);
    }
}

static size_t kept_slot(const mu_front *front) {
    uint64_t hash = front->n;
    for (uint32_t i = 0; i < front->n; i++) {
        hash ^= (uint64_t)front->items[i].state << 32 | front->items[i].stack;
        hash *= UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 32;
    }
    return (size_t)hash % MU_MASKS_KEPT;
}

static void keep(mu_masks *masks, const mu_front *front, const uint64_t *bits) {
    kept_mask *kept = &masks->kept[kept_slot(front)];
    if (!kept->bits) kept->bits = MU_ALLOC(uint64_t, (size_t)masks->trie->n_words + 1);
    if (!kept->bits) return;
    memcpy(kept->bits, bits, masks->trie->n_words * sizeof(*bits));
    kept->front.n = front->n;
    memcpy(kept->front.items, front->items, front->n * sizeof(front->items[0]));
}

void mu_masks_make(mu_masks *masks, const mu_front *front, uint64_t *out) {
    const kept_mask *kept = &masks->kept[kept_slot(front)];
    if (front->n > 0 && kept->front.n == front->n &&
        memcmp(kept->front.items, front->items, front->n * sizeof(front->items[0])) == 0) {
        memcpy(out, kept->bits, masks->trie->n_words * sizeof(*out));
        return;
    }
    memset(out, 0, masks->trie->n_words * sizeof(*out));
    masks->machine->n_steps = masks->machine->automaton.n_work = 0;
    for (uint32_t i = 0; i < front->n; i++) {
        if (front->items[i].state != MU_STATE_ACCEPT) add_item(masks, &front->items[i], out);
    }
    keep(masks, front, out);
}
