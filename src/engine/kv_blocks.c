/* Free blocks with registered content are reused oldest first, so that a freed prefix stays
 * revivable as long as possible. Those without are reused before them, the latest first: their
 * memory is already touched, so a process that caches nothing stays small. Free blocks form a
 * circular doubly linked list threaded through two arrays, because ref() takes blocks out of the
 * middle; entry n_blocks is the list head and never a block.
 *
 * Registered blocks are in a hash table of singly linked buckets. A block leaves it when it is
 * handed out again. Its children then cannot be found any more, because the serial they name is
 * gone for good; they leave the table when they are handed out themselves.
 *
 * Invariant, after every public call: a block is in the free list exactly when n_refs is zero, and
 * in the table exactly when its serial is not zero.
 */
#include "engine/kv_blocks.h"

#include <string.h>

#include "base/rng.h"

#define NONE UINT32_MAX

struct mu_kv_blocks {
    uint32_t n_blocks;
    uint32_t n_free;
    uint32_t block_tokens;
    uint32_t n_buckets; /* power of two */
    uint64_t last_serial;
    mu_kv_block_id *next;    /* [n_blocks + 1] */
    mu_kv_block_id *prev;    /* [n_blocks + 1] */
    uint32_t *n_refs;        /* [n_blocks] */
    uint64_t *serials;       /* [n_blocks] of the content; 0: not registered */
    uint64_t *parents;       /* [n_blocks] */
    mu_token *tokens;        /* [n_blocks, block_tokens] */
    mu_kv_block_id *chain;   /* [n_blocks] next of the same bucket, or NONE */
    mu_kv_block_id *buckets; /* [n_buckets] first of the bucket, or NONE */
};

static uint32_t buckets_for(uint32_t n_blocks) {
    uint32_t n = 16;
    while (n < n_blocks && n < UINT32_C(1) << 30) {
        n *= 2;
    }
    return n;
}

size_t mu_kv_blocks_bytes(uint32_t n_blocks, uint32_t block_tokens) {
    size_t per_block =
        5 * sizeof(uint32_t) + 2 * sizeof(uint64_t) + block_tokens * sizeof(mu_token);
    return sizeof(mu_kv_blocks) + (n_blocks + 1) * per_block +
           buckets_for(n_blocks) * sizeof(uint32_t) + 10 * 64;
}

static void free_list_insert_after(mu_kv_blocks *kv, mu_kv_block_id last, mu_kv_block_id id) {
    mu_kv_block_id next = kv->next[last];
    kv->next[last] = id;
    kv->prev[id] = last;
    kv->next[id] = next;
    kv->prev[next] = id;
    kv->n_free++;
}

static void free_list_remove(mu_kv_blocks *kv, mu_kv_block_id id) {
    MU_ASSERT(kv->n_free > 0);
    kv->next[kv->prev[id]] = kv->next[id];
    kv->prev[kv->next[id]] = kv->prev[id];
    kv->n_free--;
}

mu_kv_blocks *mu_kv_blocks_create(mu_arena *model_arena, uint32_t n_blocks, uint32_t block_tokens) {
    MU_ASSERT(n_blocks > 0 && n_blocks < UINT32_MAX / 2);
    MU_ASSERT(block_tokens > 0);

    mu_kv_blocks *kv = MU_NEW(model_arena, mu_kv_blocks, 1);
    if (!kv) return NULL;
    *kv = (mu_kv_blocks){
        .n_blocks = n_blocks,
        .block_tokens = block_tokens,
        .n_buckets = buckets_for(n_blocks),
        .next = MU_NEW(model_arena, mu_kv_block_id, n_blocks + 1),
        .prev = MU_NEW(model_arena, mu_kv_block_id, n_blocks + 1),
        .n_refs = MU_NEW(model_arena, uint32_t, n_blocks),
        .serials = MU_NEW(model_arena, uint64_t, n_blocks),
        .parents = MU_NEW(model_arena, uint64_t, n_blocks),
        .tokens = MU_NEW(model_arena, mu_token, (size_t)n_blocks * block_tokens),
        .chain = MU_NEW(model_arena, mu_kv_block_id, n_blocks),
    };
    kv->buckets = MU_NEW(model_arena, mu_kv_block_id, kv->n_buckets);
    if (!kv->next || !kv->prev || !kv->n_refs || !kv->serials || !kv->parents || !kv->tokens ||
        !kv->chain || !kv->buckets) {
        return NULL;
    }
    memset(kv->buckets, 0xff, kv->n_buckets * sizeof(*kv->buckets));
    kv->next[n_blocks] = kv->prev[n_blocks] = n_blocks; /* empty: the head points at itself */
    for (mu_kv_block_id id = 0; id < n_blocks; id++) {
        free_list_insert_after(kv, kv->prev[n_blocks], id);
    }
    return kv;
}

static mu_kv_block_id *bucket_of(const mu_kv_blocks *kv, uint64_t parent, const mu_token *tokens) {
    uint64_t hash = mu_mix64(parent + 1);
    for (uint32_t i = 0; i < kv->block_tokens; i++) {
        hash = mu_mix64(hash ^ (uint32_t)tokens[i]);
    }
    return &kv->buckets[hash & (kv->n_buckets - 1)];
}

static const mu_token *tokens_of(const mu_kv_blocks *kv, mu_kv_block_id id) {
    return kv->tokens + (size_t)id * kv->block_tokens;
}

static void forget(mu_kv_blocks *kv, mu_kv_block_id id) {
    if (kv->serials[id] == 0) return;
    mu_kv_block_id *at = bucket_of(kv, kv->parents[id], tokens_of(kv, id));
    while (*at != id) {
        MU_ASSERT(*at != NONE);
        at = &kv->chain[*at];
    }
    *at = kv->chain[id];
    kv->serials[id] = 0;
}

bool mu_kv_blocks_acquire(mu_kv_blocks *kv, uint32_t n, mu_kv_block_id *out_ids) {
    if (n > kv->n_free) return false;

    for (uint32_t i = 0; i < n; i++) {
        mu_kv_block_id id = kv->next[kv->n_blocks];
        MU_ASSERT(kv->n_refs[id] == 0);
        free_list_remove(kv, id);
        forget(kv, id);
        kv->n_refs[id] = 1;
        out_ids[i] = id;
    }
    return true;
}

void mu_kv_blocks_ref(mu_kv_blocks *kv, mu_kv_block_id id) {
    MU_ASSERT(id < kv->n_blocks);
    MU_ASSERT(kv->n_refs[id] < UINT32_MAX);
    if (kv->n_refs[id] == 0) free_list_remove(kv, id);
    kv->n_refs[id]++;
}

void mu_kv_blocks_unref(mu_kv_blocks *kv, mu_kv_block_id id) {
    MU_ASSERT(id < kv->n_blocks);
    MU_ASSERT(kv->n_refs[id] > 0); /* zero here is a double free in the scheduler */
    kv->n_refs[id]--;
    if (kv->n_refs[id] > 0) return;
    mu_kv_block_id head = kv->n_blocks;
    free_list_insert_after(kv, kv->serials[id] == 0 ? head : kv->prev[head], id);
}

uint32_t mu_kv_blocks_n_free(const mu_kv_blocks *kv) {
    return kv->n_free;
}

uint32_t mu_kv_blocks_n(const mu_kv_blocks *kv) {
    return kv->n_blocks;
}

uint32_t mu_kv_blocks_block_tokens(const mu_kv_blocks *kv) {
    return kv->block_tokens;
}

uint32_t mu_kv_blocks_n_refs(const mu_kv_blocks *kv, mu_kv_block_id id) {
    MU_ASSERT(id < kv->n_blocks);
    return kv->n_refs[id];
}

void mu_kv_blocks_forget(mu_kv_blocks *kv) {
    for (mu_kv_block_id id = 0; id < kv->n_blocks; id++) {
        forget(kv, id);
    }
}

bool mu_kv_blocks_find(const mu_kv_blocks *kv, uint64_t parent_serial, const mu_token *tokens,
                       mu_kv_block_id *out_id, uint64_t *out_serial) {
    mu_kv_block_id id = *bucket_of(kv, parent_serial, tokens);
    for (; id != NONE; id = kv->chain[id]) {
        if (kv->parents[id] != parent_serial) continue;
        if (memcmp(tokens_of(kv, id), tokens, kv->block_tokens * sizeof(*tokens)) != 0) continue;
        *out_id = id;
        *out_serial = kv->serials[id];
        return true;
    }
    return false;
}

uint64_t mu_kv_blocks_register(mu_kv_blocks *kv, mu_kv_block_id id, uint64_t parent_serial,
                               const mu_token *tokens) {
    MU_ASSERT(id < kv->n_blocks);
    MU_ASSERT(kv->n_refs[id] > 0);
    mu_kv_block_id first;
    uint64_t serial;
    if (mu_kv_blocks_find(kv, parent_serial, tokens, &first, &serial)) return serial;
    MU_ASSERT(kv->serials[id] == 0); /* a block's content is written once per acquire */

    mu_kv_block_id *bucket = bucket_of(kv, parent_serial, tokens);
    memcpy(kv->tokens + (size_t)id * kv->block_tokens, tokens, kv->block_tokens * sizeof(*tokens));
    kv->parents[id] = parent_serial;
    kv->serials[id] = ++kv->last_serial;
    kv->chain[id] = *bucket;
    *bucket = id;
    return kv->serials[id];
}

void mu_kv_blocks_check(const mu_kv_blocks *kv) {
    uint32_t n_free = 0, n_without_user = 0, n_in_table = 0, n_registered = 0;
    for (mu_kv_block_id id = kv->next[kv->n_blocks]; id != kv->n_blocks; id = kv->next[id]) {
        MU_ASSERT(id < kv->n_blocks);
        MU_ASSERT(kv->n_refs[id] == 0);
        MU_ASSERT(kv->prev[kv->next[id]] == id);
        MU_ASSERT(++n_free <= kv->n_blocks); /* the list is not a loop */
    }
    for (uint32_t i = 0; i < kv->n_buckets; i++) {
        for (mu_kv_block_id id = kv->buckets[i]; id != NONE; id = kv->chain[id]) {
            MU_ASSERT(id < kv->n_blocks);
            MU_ASSERT(kv->serials[id] != 0);
            MU_ASSERT(&kv->buckets[i] == bucket_of(kv, kv->parents[id], tokens_of(kv, id)));
            MU_ASSERT(++n_in_table <= kv->n_blocks);
        }
    }
    for (mu_kv_block_id id = 0; id < kv->n_blocks; id++) {
        n_without_user += kv->n_refs[id] == 0;
        n_registered += kv->serials[id] != 0;
    }
    MU_ASSERT(n_free == kv->n_free);
    MU_ASSERT(n_free == n_without_user);
    MU_ASSERT(n_in_table == n_registered);
}
