/* What is taken, what starts, what leaves; who of several clients starts is fair_test's. */
#include "router/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

enum { N_ENTRIES = 8 };

static mu_queue_entry entries[N_ENTRIES];
static mu_queue queue;

static void open_queue(uint32_t n_seqs_max, uint32_t n_waiting_max, uint64_t n_tokens_max) {
    const mu_queue_limits limits = {n_seqs_max, n_waiting_max, n_tokens_max};
    assert_int_equal(mu_queue_init(&queue, &limits, NULL), MU_OK);
    for (uint32_t i = 0; i < N_ENTRIES; i++) {
        entries[i] = (mu_queue_entry){.fair.client = i, .n_tokens = 10, .n_seqs = 1};
    }
}

static void takes_what_fits(void **state) {
    (void)state;
    static const struct {
        const char *what;
        uint32_t n_waiting_max;
        uint64_t n_tokens_max;
        uint32_t n_taken; /* of N_ENTRIES with 10 tokens each */
    } rows[] = {
        {"bounded in requests", 3, 1000, 3},
        {"bounded in tokens", 8, 45, 4},
        {"a request that is too long waits alone", 8, 5, 1},
        {"room for all", 8, 80, 8},
    };
    for (size_t r = 0; r < MU_COUNTOF(rows); r++) {
        open_queue(1, rows[r].n_waiting_max, rows[r].n_tokens_max);
        uint32_t n = 0;
        mu_err err;
        for (uint32_t i = 0; i < N_ENTRIES; i++) {
            mu_status status = mu_queue_add(&queue, &entries[i], &err);
            assert_true(status == MU_OK || status == MU_ERR_BUSY);
            n += status == MU_OK;
        }
        if (n != rows[r].n_taken) print_message("row: %s\n", rows[r].what);
        assert_int_equal(n, rows[r].n_taken);
        assert_int_equal(queue.n_refused, N_ENTRIES - n);
        assert_int_equal(queue.n_waiting_tokens, 10 * n);
        mu_queue_deinit(&queue);
    }
}

static void starts_while_there_is_room_for_sequences(void **state) {
    (void)state;
    open_queue(4, N_ENTRIES, 1000);
    entries[1].n_seqs = 16; /* starts when one is free: else it never would */
    for (uint32_t i = 0; i < 4; i++) {
        entries[i].fair.client = 0;
        assert_int_equal(mu_queue_add(&queue, &entries[i], NULL), MU_OK);
    }
    assert_ptr_equal(mu_queue_start(&queue, 1), &entries[0]);
    assert_ptr_equal(mu_queue_start(&queue, 1), &entries[1]);
    assert_null(mu_queue_start(&queue, 1));
    assert_int_equal(queue.n_seqs, 17);
    mu_queue_seqs_ended(&queue, 13);
    assert_null(mu_queue_start(&queue, 2));
    mu_queue_seqs_ended(&queue, 4);
    assert_ptr_equal(mu_queue_end(&queue, 0, 3), &entries[0]);
    assert_ptr_equal(mu_queue_end(&queue, 0, 3), &entries[1]);
    assert_ptr_equal(mu_queue_start(&queue, 4), &entries[2]);
    assert_ptr_equal(mu_queue_leave(&queue, 0), &entries[3]);
    assert_int_equal(queue.n_waiting + queue.n_waiting_tokens, 0);
    assert_null(mu_queue_start(&queue, 4));
    mu_queue_deinit(&queue);
}

static void a_client_has_half_of_the_queue(void **state) {
    (void)state;
    open_queue(1, 4, 1000);
    mu_err err;
    for (uint32_t i = 0; i < 5; i++) {
        entries[i].fair.client = 7;
    }
    assert_int_equal(mu_queue_add(&queue, &entries[0], &err), MU_OK);
    assert_int_equal(mu_queue_add(&queue, &entries[1], &err), MU_OK);
    assert_int_equal(mu_queue_add(&queue, &entries[2], &err), MU_ERR_BUSY);
    assert_non_null(strstr(err.text, "2 requests of this client"));
    assert_int_equal(mu_queue_add(&queue, &entries[6], &err), MU_OK);
    assert_int_equal(queue.n_refused, 1);
    mu_queue_deinit(&queue);
}

static void a_newcomer_starts_though_all_sequences_are_taken(void **state) {
    (void)state;
    open_queue(2, 8, 1000);
    entries[0].n_seqs = 100;
    entries[1].fair.client = 0;
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(mu_queue_add(&queue, &entries[i], NULL), MU_OK);
    }
    assert_ptr_equal(mu_queue_start(&queue, 1), &entries[0]);
    assert_ptr_equal(mu_queue_start(&queue, 1), &entries[2]); /* 1 is of the same client as 0 */
    assert_ptr_equal(mu_queue_start(&queue, 1), &entries[3]);
    assert_ptr_equal(mu_queue_start(&queue, 1), &entries[4]);
    assert_null(mu_queue_start(&queue, 1)); /* bounded all the same */
    mu_queue_deinit(&queue);
}

static void wait_follows_the_rate_of_ends(void **state) {
    (void)state;
    const uint64_t second_ns = 1000000000;
    open_queue(1, N_ENTRIES, 1000);
    for (uint32_t i = 0; i < N_ENTRIES; i++) {
        assert_int_equal(mu_queue_add(&queue, &entries[i], NULL), MU_OK);
    }
    assert_int_equal(mu_queue_wait_s(&queue), 1); /* nothing is known */
    uint64_t now_ns = 100 * second_ns;
    for (uint32_t i = 0; i < 3; i++) { /* one every 10 s */
        assert_non_null(mu_queue_start(&queue, now_ns));
        now_ns += 10 * second_ns;
        mu_queue_seqs_ended(&queue, 1);
        mu_queue_end(&queue, 0, now_ns);
    }
    assert_int_equal(mu_queue_wait_s(&queue), 50);
    now_ns += 1000 * second_ns; /* idle times do not count */
    assert_non_null(mu_queue_start(&queue, now_ns));
    mu_queue_seqs_ended(&queue, 1);
    mu_queue_end(&queue, 0, now_ns + 10 * second_ns);
    assert_int_equal(mu_queue_wait_s(&queue), 40);
    mu_queue_deinit(&queue);
}

static void without_memory_nothing_is_left(void **state) {
    (void)state;
    const mu_queue_limits limits = {1, 1, 1};
    int64_t before = mu_alloc_n_alive();
    for (int n = 0; n < 2; n++) {
        mu_alloc_fail_after(n);
        assert_int_equal(mu_queue_init(&queue, &limits, NULL), MU_ERR_NOMEM);
        mu_alloc_fail_after(-1);
        assert_int_equal(mu_alloc_n_alive(), before);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_fits),
        cmocka_unit_test(starts_while_there_is_room_for_sequences),
        cmocka_unit_test(a_client_has_half_of_the_queue),
        cmocka_unit_test(a_newcomer_starts_though_all_sequences_are_taken),
        cmocka_unit_test(wait_follows_the_rate_of_ends),
        cmocka_unit_test(without_memory_nothing_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
