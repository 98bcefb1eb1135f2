/* Against SciPy's theilslopes and kendalltau, and series with known slopes. */
#include "bench/stats/trend.h"

#include "tests/golden/stats/vectors.h"
#include "tests/sim/check.h"
#include "tests/sim/random_series.h"

enum { N_LONG = 1000 };

static void slopes(void **state) {
    (void)state;
    double x[MU_COUNTOF(vectors_trend)], y[MU_COUNTOF(vectors_trend)];
    for (size_t i = 0; i < MU_COUNTOF(x); i++) {
        x[i] = vectors_trend[i][0];
        y[i] = vectors_trend[i][1];
    }
    mu_line line;
    assert_int_equal(mu_theil_sen(x, y, MU_COUNTOF(x), &line, NULL), MU_OK);
    assert_near(line.slope, vectors_line[0], 1e-12);
    assert_near(line.intercept, vectors_line[1], 1e-10);
}

static void kendalls_tau(void **state) {
    (void)state;
    mu_mann_kendall k;
    size_t n = MU_COUNTOF(vectors_kendall);
    assert_int_equal(mu_mann_kendall_test(vectors_kendall, n, &k, NULL), MU_OK);
    assert_near(k.tau_b, vectors_tau[0], 1e-12);
    double same[20] = {0};
    assert_int_equal(mu_mann_kendall_test(same, 20, &k, NULL), MU_OK);
    assert_true(isnan(k.tau_b) && k.p == 1.0 && k.s == 0.0);
    /* By hand: 1 3 2 4 rises in 5 pairs and falls in 1; variance 4 * 3 * 13 / 18. */
    double four[] = {1, 3, 2, 4};
    assert_int_equal(mu_mann_kendall_test(four, 4, &k, NULL), MU_OK);
    assert_near(k.s, 4.0, 0.0);
    assert_near(k.variance / k.factor, 156.0 / 18.0, 1e-12);
}

/* Values that depend on their past make trends of nothing: the factor must know. */
static void dependence_is_corrected(void **state) {
    (void)state;
    mu_rng rng = {31};
    double values[100], factor = 0.0;
    for (int trial = 0; trial < 50; trial++) {
        mu_mann_kendall k;
        random_ar1(&rng, 0.7, values, 100);
        assert_int_equal(mu_mann_kendall_test(values, 100, &k, NULL), MU_OK);
        factor += k.factor / 50;
    }
    print_message("Hamed-Rao factor of AR(1) 0.7: %.2f\n", factor);
    assert_between(factor, 1.5, 8.0);
}

/* Outliers, many points, and a known slope: the interval holds it and is not wide. */
static void long_series(void **state) {
    (void)state;
    static double x[N_LONG], y[N_LONG];
    mu_rng rng = {32};
    for (size_t i = 0; i < N_LONG; i++) {
        x[i] = (double)i;
        y[i] = 50.0 + 0.01 * (double)i + random_normal(&rng) +
               (mu_rng_below(&rng, 10) == 0 ? 100.0 : 0.0);
    }
    mu_trend t;
    mu_trend_options o = {.seed = 1};
    assert_int_equal(mu_trend_fit(x, y, N_LONG, &o, &t, NULL), MU_OK);
    assert_between(0.01, t.slope.low, t.slope.high);
    assert_true(t.slope.high - t.slope.low < 0.0015);
    assert_near(t.line.intercept, 50.0, 0.6);
}

static void drifts(void **state) {
    (void)state;
    static double x[N_LONG], y[N_LONG];
    mu_rng rng = {33};
    mu_trend_options o = {.seed = 1, .n_replicates = 300};
    mu_drift d;
    for (size_t i = 0; i < N_LONG; i++) {
        x[i] = (double)i * 0.1;
        y[i] = 5.0 * (1.0 + 0.1 * random_normal(&rng)) * (1.0 + 0.06 * (double)i / N_LONG);
    }
    assert_int_equal(mu_drift_check(x, y, N_LONG, 0.02, &o, &d, NULL), MU_OK);
    assert_false(d.is_steady);
    assert_between(0.06, d.relative_ci.low, d.relative_ci.high);
    assert_int_equal(mu_drift_check(x, y, N_LONG, 0.5, &o, &d, NULL), MU_OK);
    assert_true(d.is_steady); /* proven, and smaller than what matters */
    for (size_t i = 0; i < N_LONG; i++) {
        y[i] = 5.0 * (1.0 + 0.1 * random_normal(&rng));
    }
    assert_int_equal(mu_drift_check(x, y, N_LONG, 0.02, &o, &d, NULL), MU_OK);
    assert_true(d.is_steady);
    assert_int_equal(mu_drift_check(x, y, 4, 0.02, &o, &d, NULL), MU_OK);
    assert_false(d.is_steady);
}

static void degenerate(void **state) {
    (void)state;
    double x[] = {1, 1, 1, 1, 1, 1}, y[] = {1, 2, 3, 4, 5, 6};
    mu_trend t;
    mu_trend_options o = {.seed = 1};
    assert_int_equal(mu_trend_fit(x, y, 6, &o, &t, NULL), MU_OK);
    assert_true(isnan(t.line.slope) && isinf(t.slope.low));
    assert_int_equal(mu_trend_fit(y, x, 6, &o, &t, NULL), MU_OK); /* a constant */
    assert_near(t.line.slope, 0.0, 0.0);
    assert_near(t.slope.high - t.slope.low, 0.0, 0.0);
    assert_int_equal(mu_trend_fit(y, x, 0, &o, &t, NULL), MU_OK);
    assert_true(isnan(t.line.slope));
}

static void no_memory(void **state) {
    (void)state;
    double x[] = {1, 2, 3, 4, 5, 6}, y[] = {1, 2, 3, 4, 5, 7};
    mu_trend_options o = {.seed = 1};
    mu_trend t;
    mu_drift d;
    mu_mann_kendall k;
    assert_survives_no_memory(mu_trend_fit(x, y, 6, &o, &t, NULL));
    assert_survives_no_memory(mu_drift_check(x, y, 6, 0.1, &o, &d, NULL));
    assert_survives_no_memory(mu_mann_kendall_test(y, 6, &k, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slopes),
        cmocka_unit_test(kendalls_tau),
        cmocka_unit_test(dependence_is_corrected),
        cmocka_unit_test(long_series),
        cmocka_unit_test(drifts),
        cmocka_unit_test(degenerate),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
