#include "engine/kv_blocks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"

enum { N_BLOCKS = 8, BLOCK = 2, N_WALK = 100000, N_FORGET = 2000, SEED = 20260101 };

static mu_arena arena;

static int open_blocks(void **state) {
    if (mu_arena_init(&arena, mu_kv_blocks_bytes(N_BLOCKS, BLOCK), NULL) != MU_OK) return 1;
    *state = mu_kv_blocks_create(&arena, N_BLOCKS, BLOCK);
    return *state ? 0 : 1;
}

static int close_blocks(void **state) {
    (void)state;
    mu_arena_deinit(&arena);
    return 0;
}

static mu_kv_block_id acquire_one(mu_kv_blocks *kv) {
    mu_kv_block_id id = UINT32_MAX;
    assert_true(mu_kv_blocks_acquire(kv, 1, &id));
    return id;
}

static void create_fits_the_bytes_it_names(void **state) {
    (void)state;
    static const uint32_t sizes[][2] = {{1, 1}, {1, 16}, {2, 16}, {17, 16}, {1000, 16}, {4096, 64}};
    for (size_t i = 0; i < MU_COUNTOF(sizes); i++) {
        mu_arena exact;
        size_t bytes = mu_kv_blocks_bytes(sizes[i][0], sizes[i][1]);
        assert_int_equal(mu_arena_init(&exact, bytes, NULL), MU_OK);
        mu_kv_blocks *kv = mu_kv_blocks_create(&exact, sizes[i][0], sizes[i][1]);
        assert_non_null(kv);
        mu_kv_blocks_check(kv);
        mu_arena_deinit(&exact);
    }
}

static void too_small_an_arena_gives_null(void **state) {
    (void)state;
    uint32_t n_refused = 0;
    for (size_t bytes = 1; bytes < mu_kv_blocks_bytes(N_BLOCKS, BLOCK); bytes++) {
        mu_arena small;
        assert_int_equal(mu_arena_init(&small, bytes, NULL), MU_OK);
        if (!mu_kv_blocks_create(&small, N_BLOCKS, BLOCK)) n_refused++;
        mu_arena_deinit(&small);
    }
    assert_true(n_refused > 100);
}

static void acquire_takes_all_or_nothing(void **state) {
    mu_kv_blocks *kv = *state;
    mu_kv_block_id ids[N_BLOCKS + 1] = {77};
    assert_false(mu_kv_blocks_acquire(kv, N_BLOCKS + 1, ids));
    assert_int_equal(ids[0], 77);
    assert_int_equal(mu_kv_blocks_n_free(kv), N_BLOCKS);
    assert_true(mu_kv_blocks_acquire(kv, N_BLOCKS, ids));
    assert_int_equal(mu_kv_blocks_n_free(kv), 0);
    assert_false(mu_kv_blocks_acquire(kv, 1, ids));
    assert_true(mu_kv_blocks_acquire(kv, 0, ids));
}

static void shared_block_is_freed_by_its_last_user(void **state) {
    mu_kv_blocks *kv = *state;
    mu_kv_block_id id = acquire_one(kv);
    mu_kv_blocks_ref(kv, id);
    mu_kv_blocks_unref(kv, id);
    assert_int_equal(mu_kv_blocks_n_free(kv), N_BLOCKS - 1);
    mu_kv_blocks_unref(kv, id);
    assert_int_equal(mu_kv_blocks_n_free(kv), N_BLOCKS);
}

static const mu_token ab[] = {1, 2}, cd[] = {3, 4};

/* Known content stays findable for as long as there is anything else to hand out. */
static void block_with_known_content_is_reused_last_and_another_first(void **state) {
    mu_kv_blocks *kv = *state;
    mu_kv_block_id known = acquire_one(kv), unknown = acquire_one(kv), rest[N_BLOCKS];
    mu_kv_blocks_register(kv, known, MU_KV_ROOT, ab);
    mu_kv_blocks_unref(kv, known);
    mu_kv_blocks_unref(kv, unknown);
    assert_true(mu_kv_blocks_acquire(kv, N_BLOCKS, rest));
    assert_int_equal(rest[0], unknown);
    assert_int_equal(rest[N_BLOCKS - 1], known);
}

static void free_block_can_be_revived(void **state) {
    mu_kv_blocks *kv = *state;
    mu_kv_block_id ids[3], rest[N_BLOCKS];
    assert_true(mu_kv_blocks_acquire(kv, 3, ids));
    for (int i = 0; i < 3; i++) {
        mu_kv_blocks_unref(kv, ids[i]);
    }
    mu_kv_blocks_ref(kv, ids[1]); /* out of the middle of the free list */
    assert_true(mu_kv_blocks_acquire(kv, N_BLOCKS - 1, rest));
    for (int i = 0; i < N_BLOCKS - 1; i++) {
        assert_int_not_equal(rest[i], ids[1]);
    }
}

static bool finds(const mu_kv_blocks *kv, uint64_t parent, const mu_token *tokens,
                  mu_kv_block_id want) {
    mu_kv_block_id id = UINT32_MAX;
    uint64_t serial = 0;
    return mu_kv_blocks_find(kv, parent, tokens, &id, &serial) && id == want && serial != 0;
}

static bool finds_nothing(const mu_kv_blocks *kv, uint64_t parent, const mu_token *tokens) {
    mu_kv_block_id id = 77;
    uint64_t serial = 77;
    bool found = mu_kv_blocks_find(kv, parent, tokens, &id, &serial);
    return !found && id == 77 && serial == 77;
}

static void same_tokens_after_another_parent_are_another_content(void **state) {
    mu_kv_blocks *kv = *state;
    mu_kv_block_id ids[3];
    assert_true(mu_kv_blocks_acquire(kv, 3, ids));
    uint64_t first = mu_kv_blocks_register(kv, ids[0], MU_KV_ROOT, ab);
    uint64_t second = mu_kv_blocks_register(kv, ids[1], first, ab);
    uint64_t third = mu_kv_blocks_register(kv, ids[2], second, ab);
    assert_true(finds(kv, MU_KV_ROOT, ab, ids[0]));
    assert_true(finds(kv, first, ab, ids[1]));
    assert_true(finds(kv, second, ab, ids[2]));
    assert_true(finds_nothing(kv, third, ab));
    assert_true(finds_nothing(kv, first, cd));
    mu_kv_blocks_check(kv);
}

static void second_block_with_the_same_content_names_the_first(void **state) {
    mu_kv_blocks *kv = *state;
    mu_kv_block_id ids[2];
    assert_true(mu_kv_blocks_acquire(kv, 2, ids));
    uint64_t serial = mu_kv_blocks_register(kv, ids[0], MU_KV_ROOT, ab);
    assert_int_equal(mu_kv_blocks_register(kv, ids[1], MU_KV_ROOT, ab), serial);
    assert_true(finds(kv, MU_KV_ROOT, ab, ids[0]));
}

static void content_is_found_after_its_last_user_left_until_handed_out(void **state) {
    mu_kv_blocks *kv = *state;
    mu_kv_block_id id = acquire_one(kv), others[N_BLOCKS];
    mu_kv_blocks_register(kv, id, MU_KV_ROOT, ab);
    mu_kv_blocks_unref(kv, id);
    assert_true(mu_kv_blocks_acquire(kv, N_BLOCKS - 1, others));
    assert_true(finds(kv, MU_KV_ROOT, ab, id));
    assert_int_equal(acquire_one(kv), id);
    assert_true(finds_nothing(kv, MU_KV_ROOT, ab));
}

/* The parent's block gets other contents: old children must not be found below it, not even when
 * the old contents come back. */
static void child_is_not_found_after_its_parent_was_overwritten(void **state) {
    mu_kv_blocks *kv = *state;
    mu_kv_block_id ids[N_BLOCKS];
    assert_true(mu_kv_blocks_acquire(kv, N_BLOCKS, ids));
    uint64_t old = mu_kv_blocks_register(kv, ids[0], MU_KV_ROOT, ab);
    mu_kv_blocks_register(kv, ids[1], old, cd);
    mu_kv_blocks_unref(kv, ids[0]);
    assert_int_equal(acquire_one(kv), ids[0]);
    uint64_t again = mu_kv_blocks_register(kv, ids[0], MU_KV_ROOT, ab);
    assert_int_not_equal(again, old);
    assert_true(finds_nothing(kv, again, cd));
    mu_kv_blocks_check(kv);
}

/* Against the simplest possible model: counts, and for each block what it was registered with.
 * Tokens from a tiny alphabet make equal contents frequent. */
typedef struct block_model {
    uint32_t n_refs;
    uint64_t serial, parent;
    mu_token tokens[BLOCK];
} block_model;

static const block_model *model_find(const block_model *model, uint64_t parent,
                                     const mu_token *tokens) {
    for (uint32_t i = 0; i < N_BLOCKS; i++) {
        const block_model *b = &model[i];
        if (b->serial != 0 && b->parent == parent && b->tokens[0] == tokens[0] &&
            b->tokens[1] == tokens[1]) {
            return b;
        }
    }
    return NULL;
}

static void walk_content(mu_kv_blocks *kv, block_model *model, mu_rng *rng, mu_kv_block_id id,
                         uint32_t *n_found) {
    uint64_t parent = model[mu_rng_below(rng, N_BLOCKS)].serial; /* 0, the root, included */
    mu_token tokens[BLOCK] = {(mu_token)mu_rng_below(rng, 2), (mu_token)mu_rng_below(rng, 2)};
    const block_model *known = model_find(model, parent, tokens);
    if (known) {
        assert_true(finds(kv, parent, tokens, (mu_kv_block_id)(known - model)));
        ++*n_found;
    } else {
        assert_true(finds_nothing(kv, parent, tokens));
    }
    if (model[id].n_refs == 0 || model[id].serial != 0) return;
    uint64_t serial = mu_kv_blocks_register(kv, id, parent, tokens);
    if (known) {
        assert_int_equal(serial, known->serial);
    } else {
        for (uint32_t i = 0; i < N_BLOCKS; i++) {
            assert_int_not_equal(model[i].serial, serial);
        }
        model[id] = (block_model){model[id].n_refs, serial, parent, {tokens[0], tokens[1]}};
    }
}

static void random_walk_matches_the_model(void **state) {
    mu_kv_blocks *kv = *state;
    block_model model[N_BLOCKS] = {0};
    uint32_t n_live = 0, n_found = 0;
    mu_rng rng = {SEED};
    for (int step = 0; step < N_WALK; step++) {
        mu_kv_block_id id = (mu_kv_block_id)mu_rng_below(&rng, N_BLOCKS);
        uint64_t dice = mu_rng_below(&rng, 6);
        if (model[id].n_refs == 0 && dice < 3) {
            id = acquire_one(kv);
            assert_int_equal(model[id].n_refs, 0);
            model[id] = (block_model){.n_refs = 1};
            n_live++;
        } else if (model[id].n_refs == 0 || (dice < 2 && model[id].n_refs < 5)) {
            mu_kv_blocks_ref(kv, id);
            if (model[id].n_refs++ == 0) n_live++;
        } else {
            mu_kv_blocks_unref(kv, id);
            if (--model[id].n_refs == 0) n_live--;
        }
        if (mu_rng_below(&rng, N_FORGET) == 0) {
            mu_kv_blocks_forget(kv);
            for (uint32_t i = 0; i < N_BLOCKS; i++) {
                model[i].serial = 0;
            }
        }
        walk_content(kv, model, &rng, id, &n_found);
        assert_int_equal(mu_kv_blocks_n_free(kv), N_BLOCKS - n_live);
        assert_int_equal(mu_kv_blocks_n_refs(kv, id), model[id].n_refs);
        mu_kv_blocks_check(kv);
    }
    assert_true(n_found > N_WALK / 20 && n_found < N_WALK / 20 * 19);
    printf("%d operations against the model, %u lookups found, seed %d\n", N_WALK, n_found, SEED);
}

int main(void) {
#define WITH_BLOCKS(test) cmocka_unit_test_setup_teardown(test, open_blocks, close_blocks)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create_fits_the_bytes_it_names),
        cmocka_unit_test(too_small_an_arena_gives_null),
        WITH_BLOCKS(acquire_takes_all_or_nothing),
        WITH_BLOCKS(shared_block_is_freed_by_its_last_user),
        WITH_BLOCKS(block_with_known_content_is_reused_last_and_another_first),
        WITH_BLOCKS(free_block_can_be_revived),
        WITH_BLOCKS(same_tokens_after_another_parent_are_another_content),
        WITH_BLOCKS(second_block_with_the_same_content_names_the_first),
        WITH_BLOCKS(content_is_found_after_its_last_user_left_until_handed_out),
        WITH_BLOCKS(child_is_not_found_after_its_parent_was_overwritten),
        WITH_BLOCKS(random_walk_matches_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
