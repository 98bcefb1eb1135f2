/* Against processes whose autocorrelation time and settling time are known. */
#include "bench/stats/series.h"

#include "tests/sim/check.h"
#include "tests/sim/random_series.h"

static void autocorrelation_times(void **state) {
    (void)state;
    static const double rhos[] = {0.0, 0.5, 0.8};
    static double values[20000];
    for (size_t i = 0; i < MU_COUNTOF(rhos); i++) {
        mu_rng rng = {11};
        random_ar1(&rng, rhos[i], values, MU_COUNTOF(values));
        double want = (1.0 + rhos[i]) / (1.0 - rhos[i]);
        double tau = mu_autocorrelation_time(values, MU_COUNTOF(values));
        print_message("rho %.1f: tau %.3f, true %.3f\n", rhos[i], tau, want);
        assert_near(tau, want, 0.2 * want);
        assert_near(mu_effective_n(values, MU_COUNTOF(values)), 20000.0 / tau, 1e-9);
        /* Of a tail the dependence is weaker, and there is still some. */
        double tail = mu_effective_n_below(values, MU_COUNTOF(values), 1.645);
        assert_between(tail, 20000.0 / tau * 0.95, 20000.0);
        if (rhos[i] > 0.0) assert_true(tail < 19000.0);
    }
}

static void degenerate_series(void **state) {
    (void)state;
    double same[50], rising[50], alternating[50];
    for (int i = 0; i < 50; i++) {
        same[i] = 4.0;
        rising[i] = i;
        alternating[i] = i % 2;
    }
    assert_near(mu_autocorrelation_time(same, 50), 1.0, 0.0);
    assert_near(mu_effective_n(same, 0), 0.0, 0.0);
    assert_near(mu_effective_n(same, 1), 1.0, 0.0);
    assert_true(mu_effective_n(rising, 50) < 5.0); /* a trend is not 50 independent values */
    assert_near(mu_effective_n(alternating, 50), 50.0, 0.0);
    assert_near(mu_values_variance(same, 1), 0.0, 0.0);
    assert_near(mu_values_variance(rising, 50), 212.5, 1e-9);
}

/* A start-up that decays over 40 values, then noise. */
static void warm_up_is_cut(void **state) {
    (void)state;
    mu_rng rng = {3};
    int n_near = 0;
    for (int trial = 0; trial < 50; trial++) {
        double values[600], flat[600];
        for (int i = 0; i < 600; i++) {
            flat[i] = 10.0 + random_normal(&rng);
            values[i] = flat[i] + 20.0 * exp(-i / 40.0);
        }
        mu_truncation cut = mu_mser5(values, 600);
        assert_true(cut.n_discarded >= 60);
        n_near += cut.n_discarded <= 260 && !cut.is_capped;
    }
    assert_true(n_near >= 45);
    double rising[600];
    for (int i = 0; i < 600; i++) {
        rising[i] = i;
    }
    mu_truncation never = mu_mser5(rising, 600);
    assert_true(never.is_capped && never.n_discarded == 300);
    assert_true(mu_mser5(rising, 19).is_capped);
    assert_int_equal(mu_mser5(rising, 19).n_discarded, 0);
}

static void batches(void **state) {
    (void)state;
    double values[45], mean = 0.0;
    for (int i = 0; i < 45; i++) {
        values[i] = i < 5 ? 1000.0 : i % 2; /* 5 do not fill 20 batches of 2 and are left out */
    }
    mu_interval ci = mu_batch_means(values, 45, 20, &mean);
    assert_near(mean, 0.5, 1e-12);
    assert_near(ci.high - ci.low, 0.0, 1e-12);
    ci = mu_batch_means(values, 39, 20, &mean);
    assert_true(isinf(ci.low) && isinf(ci.high));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(autocorrelation_times),
        cmocka_unit_test(degenerate_series),
        cmocka_unit_test(warm_up_is_cut),
        cmocka_unit_test(batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
