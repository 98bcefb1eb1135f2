/* Memory whose course is known; how often verdicts are right is in tests/sim/. */
#include "bench/stats/leak.h"

#include "tests/sim/check.h"
#include "tests/sim/random_series.h"

enum { N = 60 }; /* half an hour, one checkpoint in 30 s */

static void flat(mu_checkpoint *c, size_t n, double sigma_bytes, uint64_t seed) {
    mu_rng rng = {seed};
    for (size_t i = 0; i < n; i++) {
        c[i] = (mu_checkpoint){.time_s = 30.0 * (double)i,
                               .n_requests = 100.0 * (double)i,
                               .live_heap_bytes = 2e8 + 0.25 * sigma_bytes * random_normal(&rng),
                               .unreclaimable_bytes = 6e8 + sigma_bytes * random_normal(&rng)};
    }
}

static mu_leak judge(const mu_checkpoint *c, size_t n) {
    mu_leak leak;
    mu_leak_options o = {.seed = 1, .n_replicates = 300};
    assert_int_equal(mu_leak_judge(c, n, &o, &leak, NULL), MU_OK);
    return leak;
}

/* Bytes an hour into one or both signals. */
static void grow(mu_checkpoint *c, size_t n, double live_mb, double process_mb) {
    for (size_t i = 0; i < n; i++) {
        c[i].live_heap_bytes += live_mb * 1e6 * c[i].time_s / 3600.0;
        c[i].unreclaimable_bytes += process_mb * 1e6 * c[i].time_s / 3600.0;
    }
}

static void verdicts(void **state) {
    (void)state;
    static const struct {
        double live_mb, process_mb;
        const char *want;
    } cases[] = {{40, 40, "leak"},        {0, 40, "retention"},    {0, 0, "no leak"},
                 {40, 0, "leak"},         {5, 5, "no leak"},       {-40, -40, "no leak"},
                 {0, 10, "inconclusive"}, {10, 40, "inconclusive"}};
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        mu_checkpoint c[N];
        flat(c, N, 1e6, 80 + i);
        grow(c, N, cases[i].live_mb, cases[i].process_mb);
        mu_leak leak = judge(c, N);
        const mu_leak_signal *s = &leak.unreclaimable;
        print_message("%g, %g MB/h: %s, %.1f (%.1f to %.1f) MB/h, %.0f bytes a request\n",
                      cases[i].live_mb, cases[i].process_mb, mu_leak_verdict_name(leak.verdict),
                      s->mb_per_hour, s->mb_per_hour_ci.low, s->mb_per_hour_ci.high,
                      s->bytes_per_request);
        assert_string_equal(mu_leak_verdict_name(leak.verdict), cases[i].want);
        assert_int_equal(leak.n_discarded, 12);
        assert_int_equal(leak.extra_hours > 0.0, leak.verdict == MU_LEAK_INCONCLUSIVE);
        /* 12,000 requests an hour. */
        assert_near(s->bytes_per_request, s->mb_per_hour * 1e6 / 12000.0, 1e-3);
        assert_near(s->limit_mb_per_hour, (s->mb_per_hour_ci.high - s->mb_per_hour_ci.low) / 2.0,
                    1e-9);
    }
}

static void foreign_engines_have_no_live_heap(void **state) {
    (void)state;
    mu_checkpoint c[N];
    flat(c, N, 1e6, 90);
    grow(c, N, NAN, 40.0);
    mu_leak leak = judge(c, N);
    assert_false(leak.live_heap.is_present);
    assert_int_equal(leak.verdict, MU_LEAK_FOUND);
    flat(c, N, 1e6, 91);
    grow(c, N, NAN, 0.0);
    assert_int_equal(judge(c, N).verdict, MU_LEAK_NONE);
}

static void one_jump_is_a_step(void **state) {
    (void)state;
    mu_checkpoint c[N];
    flat(c, N, 1e6, 92);
    for (size_t i = 35; i < N; i++) {
        c[i].unreclaimable_bytes += 64e6;
        c[i].live_heap_bytes += 64e6;
    }
    mu_leak leak = judge(c, N);
    assert_true(leak.unreclaimable.step.is_step && leak.live_heap.step.is_step);
    assert_int_equal(leak.unreclaimable.step.at, 35 - 12);
    assert_near(leak.unreclaimable.step.bytes, 64e6, 2e6);
    assert_near(leak.unreclaimable.step.time_s, 35 * 30.0, 1e-9);
    assert_int_equal(leak.verdict, MU_LEAK_NONE);
    grow(c, N, 60.0, 60.0); /* a step does not hide a leak */
    leak = judge(c, N);
    assert_int_equal(leak.verdict, MU_LEAK_FOUND);
}

static void too_few_checkpoints(void **state) {
    (void)state;
    mu_checkpoint c[N];
    flat(c, N, 1e6, 93);
    mu_leak leak = judge(c, 12);
    assert_int_equal(leak.verdict, MU_LEAK_INCONCLUSIVE);
    assert_near(leak.extra_hours, 1.0 / 120.0, 1e-9); /* the thirteenth */
    assert_false(leak.unreclaimable.is_present);
    assert_true(judge(c, 13).unreclaimable.is_present);
    assert_true(isinf(judge(c, 0).extra_hours));
}

/* The table of the specification: half-widths in MB/h. */
static void planning(void **state) {
    (void)state;
    static const struct {
        double sigma, hours, want;
    } table[] = {{0.25, 0.25, 1.2}, {0.25, 0.5, 0.4}, {0.25, 1, 0.15}, {1, 0.25, 5.0},
                 {1, 0.5, 1.8},     {1, 1, 0.6},      {5, 0.25, 24.8}, {5, 4, 0.4}};
    for (size_t i = 0; i < MU_COUNTOF(table); i++) {
        double n = table[i].hours * 120.0;
        assert_near(mu_leak_limit(table[i].sigma, n, table[i].hours), table[i].want, 0.051);
    }
}

static void no_memory(void **state) {
    (void)state;
    mu_checkpoint c[N];
    flat(c, N, 1e6, 94);
    mu_leak leak;
    mu_leak_options o = {.seed = 1, .n_replicates = 20};
    assert_survives_no_memory(mu_leak_judge(c, N, &o, &leak, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),           cmocka_unit_test(foreign_engines_have_no_live_heap),
        cmocka_unit_test(one_jump_is_a_step), cmocka_unit_test(too_few_checkpoints),
        cmocka_unit_test(planning),           cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
