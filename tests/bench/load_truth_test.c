/* The load against the truth server: what it reports is what happened.
 *
 * Errors are differences to the instants at which the server handed bytes to its socket; they hold
 * the way through the kernel and the waking of the client. The machine that runs this may be busy
 * with other things, so medians have limits and tails are printed; and a machine that wakes the
 * server's threads late, which the server knows, may wake ours as late.
 */
#include "tests/bench/bench_mock.h"

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct errors {
    double *us;
    size_t n, cap;
} errors;

static void errors_add(errors *e, double us) {
    void *grown = e->us;
    assert_true(mu_grow(&grown, &e->cap, e->n + 1, sizeof(*e->us)));
    e->us = grown;
    e->us[e->n++] = us;
}

/* Prints the distribution; the median must be within the limit. */
static void errors_check(errors *e, const char *what, uint32_t n_streams, mu_mock *mock) {
    double limit_us = 1000 + 10 * mu_mock_get_counters(mock).late_us_mean;
    assert_true(e->n > 0);
    qsort(e->us, e->n, sizeof(*e->us), by_value);
    double median = e->us[e->n / 2];
    printf("%2u streams, %s: error p1 %.0f, p50 %.0f, p90 %.0f, p99 %.0f us (n %zu)\n", n_streams,
           what, e->us[e->n / 100], median, e->us[e->n * 9 / 10], e->us[e->n * 99 / 100], e->n);
#ifdef MU_DEBUG
    (void)limit_us; /* sanitizers are slower than what is measured: the counts are checked */
#else
    assert_true(median < limit_us && median > -limit_us);
#endif
    mu_free(e->us);
}

static void compare(bench *b, errors *ttft, errors *gaps) {
    static mu_mock_send sends[1024];
    for (size_t i = 0; i < b->result.records.n_records; i++) {
        const mu_record *r = &b->result.records.records[i];
        mu_mock_request truth = {0};
        assert_true(bench_truth(b, r, &truth));
        uint32_t n = mu_mock_copy_sends(b->mock, truth.index, sends, 1024);
        assert_int_equal(r->failure, MU_FAILURE_NONE);
        assert_int_equal(r->n_chunks, n);
        assert_int_equal(r->output_tokens, truth.n_sent);
        assert_true(r->first_token_ns >= sends[0].sent_ns); /* never early */
        assert_true(r->dispatch_ns <= truth.received_ns);
        double true_ttft = (double)(sends[0].sent_ns - r->dispatch_ns);
        errors_add(ttft, ((double)(r->first_token_ns - r->dispatch_ns) - true_ttft) * 1e-3);
        for (uint32_t k = 1; k < n; k++) {
            double gap = (double)b->result.records.gaps[r->gap_first + k - 1].ns;
            errors_add(gaps, (gap - (double)(sends[k].sent_ns - sends[k - 1].sent_ns)) * 1e-3);
        }
    }
}

static void times_are_true_at(uint32_t n_streams, bool split) {
    mu_mock_options mock = mu_mock_options_default();
    mock.ttft.mean_ms = 30;
    mock.itl.mean_ms = 10;
    mock.split_us = split ? 300 : 0;
    bench b;
    bench_open(&b, &mock, false);
    bench_schedule(&b, n_streams < 8 ? 8 : 2 * n_streams, 24, 0);
    b.options.in_flight_max = n_streams;
    bench_run(&b);
    errors ttft = {0}, gaps = {0};
    compare(&b, &ttft, &gaps);
    assert_int_equal(b.result.in_flight_peak, n_streams);
    errors_check(&ttft, "TTFT", n_streams, b.mock);
    errors_check(&gaps, "gap", n_streams, b.mock);
    printf("   client: %.4f of a core\n", b.result.cpu_share);
    bench_close(&b);
}

static void times_are_true(void **state) {
    (void)state;
    times_are_true_at(1, false);
    times_are_true_at(8, false);
    times_are_true_at(32, false);
}

static void events_in_two_writes_arrive_with_the_second(void **state) {
    (void)state;
    times_are_true_at(4, true);
}

/* One request at a time, 20 a second, 10 ms each; in the middle the server stands still for two
 * seconds. Those who came meanwhile waited, and it is seen although each was served at once when
 * its turn came: p99 from the intended instant is over a second; of service only one is slow. */
static void a_stall_is_not_omitted(void **state) {
    (void)state;
    mu_mock_options mock = mu_mock_options_default();
    mock.ttft.mean_ms = 5;
    mock.itl.mean_ms = 1;
    mock.stall_s = 2;
    mock.stall_at_request = 20;
    bench b;
    bench_open(&b, &mock, false);
    b.options.in_flight_max = 1;
    bench_schedule(&b, 60, 4, 20);
    bench_run(&b);
    uint32_t n_user = 0, n_service = 0;
    for (size_t i = 0; i < 60; i++) {
        const mu_record *r = &b.result.records.records[i];
        assert_int_equal(r->failure, MU_FAILURE_NONE);
        n_user += r->first_token_ns - r->intended_ns > 1000000000u;
        n_service += r->first_token_ns - r->dispatch_ns > 1000000000u ||
                     r->last_token_ns - r->dispatch_ns > 1000000000u;
    }
    /* About 20 came in the first second of the stall; those before it, 19, did not wait. */
    assert_in_range(n_user, 10, 41);
    assert_int_equal(n_service, 1);
    assert_true(b.result.n_held >= 10);
    bench_close(&b);
}

/* With enough connections all who came in the stall are in flight, and wait there. */
static void a_stall_is_seen_by_all_in_flight(void **state) {
    (void)state;
    mu_mock_options mock = mu_mock_options_default();
    mock.ttft.mean_ms = 5;
    mock.itl.mean_ms = 1;
    mock.stall_s = 0.6;
    mock.stall_at_request = 20;
    bench b;
    bench_open(&b, &mock, false);
    bench_schedule(&b, 40, 4, 40);
    bench_run(&b);
    uint32_t n_slow = 0;
    for (size_t i = 0; i < 40; i++) {
        const mu_record *r = &b.result.records.records[i];
        assert_true(r->dispatch_ns - r->intended_ns < 500000000u); /* sent on time all the same */
        n_slow += r->last_token_ns - r->dispatch_ns > 100000000u;
    }
    assert_in_range(n_slow, 10, 40); /* 20 came in time to wait as long */
    bench_close(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_true),
        cmocka_unit_test(events_in_two_writes_arrive_with_the_second),
        cmocka_unit_test(a_stall_is_not_omitted),
        cmocka_unit_test(a_stall_is_seen_by_all_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
