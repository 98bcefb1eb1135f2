/* Ranks against SciPy's binomial, selection against sorting. */
#include "bench/stats/percentiles.h"

#include "base/rng.h"
#include "tests/golden/stats/vectors.h"
#include "tests/sim/check.h"

static void ranks_are_binomial(void **state) {
    (void)state;
    for (size_t i = 0; i < MU_COUNTOF(vectors_ranks); i++) {
        const double *v = vectors_ranks[i];
        mu_ranks ranks = {0};
        bool exist = mu_percentile_ranks((uint64_t)v[0], v[1], &ranks);
        assert_int_equal(exist, v[2] > 0.0);
        assert_int_equal(ranks.low, (uint64_t)v[2]);
        assert_int_equal(ranks.high, (uint64_t)v[3]);
    }
}

static void gates(void **state) {
    (void)state;
    static const struct {
        double p;
        uint64_t n;
    } known[] = {{0.5, 6}, {0.9, 36}, {0.95, 72}, {0.99, 368}, {0.999, 3688}};
    for (size_t i = 0; i < MU_COUNTOF(known); i++) {
        mu_ranks ranks;
        assert_int_equal(mu_percentile_n_needed(known[i].p), known[i].n);
        assert_true(mu_percentile_ranks(known[i].n, known[i].p, &ranks));
        assert_false(mu_percentile_ranks(known[i].n - 1, known[i].p, &ranks));
    }
}

static void nearest_ranks(void **state) {
    (void)state;
    static const double sorted[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    static const double ps[] = {0.01, 0.1, 0.11, 0.5, 0.9, 0.91, 0.99};
    static const double want[] = {1, 1, 2, 5, 9, 10, 10};
    for (size_t i = 0; i < MU_COUNTOF(ps); i++) {
        assert_near(mu_percentile_of_sorted(sorted, 10, ps[i]), want[i], 0.0);
    }
}

static void selection_is_sorting(void **state) {
    (void)state;
    mu_rng rng = {1};
    for (int trial = 0; trial < 2000; trial++) {
        double values[40], copy[40], *sorted = NULL;
        size_t n = 1 + mu_rng_below(&rng, 40), range = 1 + mu_rng_below(&rng, 60);
        for (size_t i = 0; i < n; i++) {
            values[i] = (double)mu_rng_below(&rng, range);
        }
        assert_int_equal(mu_values_sorted_copy(values, n, &sorted, NULL), MU_OK);
        size_t rank = mu_rng_below(&rng, n);
        memcpy(copy, values, sizeof(copy));
        assert_near(mu_values_select(copy, n, rank), sorted[rank], 0.0);
        double median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0;
        assert_near(mu_values_median(values, n), median, 0.0);
        mu_free(sorted);
    }
}

static void estimates(void **state) {
    (void)state;
    double sorted[1000];
    for (int i = 0; i < 1000; i++) {
        sorted[i] = i + 1;
    }
    mu_percentile all = mu_percentile_estimate(sorted, 1000, 5000.0, 0.99);
    assert_false(all.is_gated);
    assert_near(all.value, 990, 0.0);
    assert_near(all.ci.low, 983, 0.0);
    assert_near(all.ci.high, 997, 0.0);
    mu_percentile half = mu_percentile_estimate(sorted, 1000, 500.0, 0.99);
    assert_true(half.ci.low < all.ci.low && half.ci.high >= all.ci.high);
    mu_percentile few = mu_percentile_estimate(sorted, 1000, 367.9, 0.99);
    assert_true(few.is_gated && isnan(few.value) && isnan(few.ci.low) && isnan(few.ci.high));
    assert_int_equal(few.n_have, 367);
    assert_int_equal(few.n_need, 368);
    mu_percentile_gate(&all, 367.0);
    assert_true(all.is_gated && isnan(all.value));
    mu_percentile_gate(&half, 400.0);
    assert_true(!half.is_gated && half.n_have == 400);
    assert_true(mu_percentile_estimate(NULL, 0, 0.0, 0.5).is_gated);
}

static void no_memory(void **state) {
    (void)state;
    double values[] = {3, 1, 2}, *sorted = NULL;
    assert_survives_no_memory(mu_values_sorted_copy(values, 3, &sorted, NULL) == MU_OK
                                  ? (mu_free(sorted), MU_OK)
                                  : MU_ERR_NOMEM);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_are_binomial), cmocka_unit_test(gates),
        cmocka_unit_test(nearest_ranks),      cmocka_unit_test(selection_is_sorting),
        cmocka_unit_test(estimates),          cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
