#include "engine/scheduler.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { BLOCK = 4, N_BLOCKS = 8, TOKENS_MAX = 32, N_SEQS_MAX = 3, STEP_MAX = 10, CHUNK_MAX = 6 };

typedef struct test_seq {
    mu_sched_seq sched;
    mu_token tokens[TOKENS_MAX];
    mu_kv_block_id table[TOKENS_MAX / BLOCK];
} test_seq;

static mu_arena arena;
static mu_kv_blocks *kv;
static mu_scheduler scheduler;
static mu_sched_item items[N_SEQS_MAX];
static test_seq seqs[5];

static int open_scheduler(void **state) {
    (void)state;
    if (mu_arena_init(&arena, mu_kv_blocks_bytes(N_BLOCKS, BLOCK), NULL) != MU_OK) return 1;
    kv = mu_kv_blocks_create(&arena, N_BLOCKS, BLOCK);
    if (!kv) return 1;
    mu_scheduler_options options = {N_SEQS_MAX, STEP_MAX, CHUNK_MAX, STEP_MAX, false};
    mu_scheduler_init(&scheduler, &options, kv);
    return 0;
}

static int close_scheduler(void **state) {
    (void)state;
    mu_arena_deinit(&arena);
    return 0;
}

/* Sequence i has tokens of its own, unless text says otherwise. */
static mu_sched_seq *add(uint32_t i, uint32_t n_tokens, mu_token text) {
    test_seq *seq = &seqs[i];
    *seq = (test_seq){.sched = {.n_tokens = n_tokens, .use_prefix_cache = true}};
    seq->sched.tokens = seq->tokens;
    seq->sched.table = seq->table;
    for (uint32_t t = 0; t < TOKENS_MAX; t++) {
        seq->tokens[t] = text;
    }
    mu_scheduler_add(&scheduler, &seq->sched);
    return &seq->sched;
}

static uint32_t plan(void) {
    uint32_t n = mu_scheduler_plan(&scheduler, items);
    mu_scheduler_check(&scheduler);
    return n;
}

/* Plan and compute a step; sequences whose logits were wanted get a token. */
static uint32_t step(void) {
    uint32_t n = plan();
    for (uint32_t i = 0; i < n; i++) {
        mu_scheduler_computed(&scheduler, &items[i]);
        if (items[i].wants_logits) items[i].seq->n_tokens++;
    }
    mu_scheduler_check(&scheduler);
    return n;
}

static void assert_item(uint32_t i, const mu_sched_seq *seq, uint32_t n_tokens, bool wants) {
    assert_ptr_equal(items[i].seq, seq);
    assert_int_equal(items[i].n_tokens, n_tokens);
    assert_int_equal(items[i].wants_logits, wants);
}

static void nothing_to_do_gives_an_empty_plan(void **state) {
    (void)state;
    assert_int_equal(plan(), 0);
}

static void prefill_is_cut_by_chunk_and_step(void **state) {
    (void)state;
    mu_sched_seq *first = add(0, 8, 1), *second = add(1, 7, 2);
    assert_int_equal(step(), 2);
    assert_item(0, first, CHUNK_MAX, false);
    assert_item(1, second, STEP_MAX - CHUNK_MAX, false);
    assert_int_equal(step(), 2);
    assert_item(0, first, 2, true);
    assert_item(1, second, 3, true);
}

static void decode_is_never_pushed_out_by_prefill(void **state) {
    (void)state;
    mu_sched_seq *old = add(0, 20, 1), *decoding = add(1, 1, 2);
    step();
    assert_item(1, decoding, 1, true);
    assert_int_equal(step(), 2); /* the older one would take 10, and leaves one */
    assert_item(0, old, CHUNK_MAX, false);
    assert_item(1, decoding, 1, true);
}

static void admission_is_first_come_first_served(void **state) {
    (void)state;
    mu_sched_seq *a = add(0, 20, 1), *big = add(1, 16, 2), *small = add(2, 1, 3);
    for (int i = 0; i < 3; i++) {
        step();
    }
    assert_true(a->is_running);
    assert_false(big->is_running);   /* 5 of 8 blocks are taken, it needs 5 */
    assert_false(small->is_running); /* would fit, and waits for its turn */
    mu_scheduler_remove(&scheduler, a);
    step();
    assert_true(big->is_running);
    assert_true(small->is_running);
}

static void no_more_than_n_seqs_max_run(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 5; i++) {
        add(i, 1, (mu_token)i);
    }
    assert_int_equal(step(), N_SEQS_MAX);
    assert_int_equal(scheduler.running.n, N_SEQS_MAX);
    assert_int_equal(scheduler.waiting.n, 5 - N_SEQS_MAX);
    mu_scheduler_remove(&scheduler, &seqs[1].sched);
    assert_int_equal(step(), N_SEQS_MAX);
    assert_true(seqs[3].sched.is_running);
    assert_false(seqs[4].sched.is_running);
}

static void newest_is_preempted_keeps_its_tokens_and_its_place(void **state) {
    (void)state;
    mu_sched_seq *old = add(0, 10, 1), *new = add(1, 10, 2);
    while (scheduler.n_preemptions == 0) { /* both grow until 8 blocks are too few */
        assert_true(old->n_tokens < TOKENS_MAX);
        step();
    }
    mu_sched_seq *newest = add(2, 1, 3);
    assert_true(old->is_running);
    assert_false(new->is_running);
    assert_true(new->n_tokens > 10);
    assert_int_equal(new->n_computed, 0);
    assert_int_equal(new->n_blocks, 0);
    assert_ptr_equal(scheduler.waiting.first, new); /* before who came after it */
    uint32_t n_cached = new->n_cached;
    mu_scheduler_remove(&scheduler, old);
    step();
    assert_true(new->is_running && newest->is_running);
    assert_true(new->n_computed >= 8);         /* what is left of its blocks was found again */
    assert_int_equal(new->n_cached, n_cached); /* counts the first admission only */
}

static void known_prefix_is_shared_and_the_rest_computed(void **state) {
    (void)state;
    mu_sched_seq *first = add(0, 9, 1);
    while (first->n_computed < 9) {
        step();
    }
    mu_sched_seq *second = add(1, 9, 1), *whole = add(2, 8, 1);
    plan();
    assert_int_equal(second->n_cached, 8);
    assert_int_equal(whole->n_cached, 4); /* its last token must be computed */
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(second->table[i], first->table[i]);
    }
    assert_int_equal(mu_kv_blocks_n_refs(kv, first->table[0]), 3);
    assert_int_equal(mu_kv_blocks_n_refs(kv, first->table[1]), 2);
    assert_int_not_equal(whole->table[1], first->table[1]);
}

static void finished_prefix_is_revived(void **state) {
    (void)state;
    mu_sched_seq *first = add(0, 9, 1);
    while (first->n_computed < 9) {
        step();
    }
    mu_scheduler_remove(&scheduler, first);
    assert_int_equal(mu_kv_blocks_n_free(kv), N_BLOCKS);
    mu_sched_seq *second = add(1, 9, 1);
    assert_int_equal(plan(), 1);
    assert_item(0, second, 1, true);
}

int main(void) {
#define WITH_SCHEDULER(test) cmocka_unit_test_setup_teardown(test, open_scheduler, close_scheduler)
    const struct CMUnitTest tests[] = {
        WITH_SCHEDULER(nothing_to_do_gives_an_empty_plan),
        WITH_SCHEDULER(prefill_is_cut_by_chunk_and_step),
        WITH_SCHEDULER(decode_is_never_pushed_out_by_prefill),
        WITH_SCHEDULER(admission_is_first_come_first_served),
        WITH_SCHEDULER(no_more_than_n_seqs_max_run),
        WITH_SCHEDULER(newest_is_preempted_keeps_its_tokens_and_its_place),
        WITH_SCHEDULER(known_prefix_is_shared_and_the_rest_computed),
        WITH_SCHEDULER(finished_prefix_is_revived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
