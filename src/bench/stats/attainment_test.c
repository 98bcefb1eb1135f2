/* Wilson against SciPy, early stopping against MLPerf's published numbers. */
#include "bench/stats/attainment.h"

#include "base/rng.h"
#include "tests/golden/stats/vectors.h"
#include "tests/sim/check.h"

static void wilson(void **state) {
    (void)state;
    for (size_t i = 0; i < MU_COUNTOF(vectors_wilson); i++) {
        const double *v = vectors_wilson[i];
        mu_attainment a = mu_attainment_of((uint64_t)v[0], (uint64_t)v[1], 10.0);
        assert_near(a.ci.low, v[2], 1e-12);
        assert_near(a.ci.high, v[3], 1e-12);
        assert_near(a.share, v[0] / v[1], 1e-15);
        assert_near(a.goodput_per_s, v[0] / 10.0, 1e-12);
    }
}

static void rule_of_three(void **state) {
    (void)state;
    assert_near(mu_attainment_of(1000, 1000, 1.0).at_least, 0.997, 1e-12);
    assert_near(mu_attainment_of(3000, 3000, 1.0).at_least, 0.999, 1e-12);
    assert_near(mu_attainment_of(2, 2, 1.0).at_least, 0.0, 0.0);
    mu_attainment one = mu_attainment_of(999, 1000, 0.0);
    assert_near(one.at_least, one.ci.low, 0.0);
    assert_true(isnan(one.goodput_per_s));
    assert_true(isnan(mu_attainment_of(0, 0, 1.0).share));
}

static void mlperf_numbers(void **state) {
    (void)state;
    static const struct {
        double target;
        uint64_t none, one;
    } known[] = {{0.9, 44, 64}, {0.95, 90, 130}, {0.99, 459, 662}, {0.999, 4603, 6636}};
    for (size_t i = 0; i < MU_COUNTOF(known); i++) {
        assert_int_equal(mu_attainment_n_needed(0, known[i].target, 0.99), known[i].none);
        assert_int_equal(mu_attainment_n_needed(1, known[i].target, 0.99), known[i].one);
    }
}

static void hopeless(void **state) {
    (void)state;
    assert_int_equal(mu_attainment_decide(0, 0, 0.99, 0.99), MU_SLO_UNDECIDED);
    assert_int_equal(mu_attainment_decide(1, 100, 0.99, 0.99), MU_SLO_UNDECIDED);
    assert_int_equal(mu_attainment_decide(6, 100, 0.99, 0.99), MU_SLO_MISSED);
    assert_int_equal(mu_attainment_decide(0, 458, 0.99, 0.99), MU_SLO_UNDECIDED);
    assert_int_equal(mu_attainment_decide(0, 459, 0.99, 0.99), MU_SLO_MET);
    assert_int_equal(mu_attainment_decide(10, 10, 0.5, 0.99), MU_SLO_MISSED);
    /* Of a system exactly at the target either verdict is wrong, and rare at one look. */
    mu_rng rng = {7};
    int n_wrong = 0;
    for (int trial = 0; trial < 2000; trial++) {
        uint64_t n_misses = 0;
        for (int i = 0; i < 500; i++) {
            n_misses += mu_rng_f64(&rng) < 0.05;
        }
        n_wrong += mu_attainment_decide(n_misses, 500, 0.95, 0.99) != MU_SLO_UNDECIDED;
    }
    assert_between(n_wrong, 2, 45);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wilson),
        cmocka_unit_test(rule_of_three),
        cmocka_unit_test(mlperf_numbers),
        cmocka_unit_test(hopeless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
