/* Intervals against published values and against how often they hold. */
#include "base/intervals.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"

static void assert_near(double got, double want, double tolerance) {
    if (!(fabs(got - want) <= tolerance)) fail_msg("%.6f, not %.6f", got, want);
}

/* Wilson's 95% intervals of 81 of 263 (Newcombe 1998, table I) and of the ends. */
static void proportions(void **state) {
    (void)state;
    mu_interval i = mu_interval_proportion(81, 263);
    assert_near(i.low, 0.2553, 5e-5);
    assert_near(i.high, 0.3662, 5e-5);
    i = mu_interval_proportion(0, 20);
    assert_near(i.low, 0.0, 0.0);
    assert_near(i.high, 0.1611, 5e-5);
    i = mu_interval_proportion(20, 20);
    assert_near(i.low, 0.8389, 5e-5);
    assert_near(i.high, 1.0, 0.0);
}

/* Of normal values the interval of the mean must hold the true one in 95 of 100 cases. */
static void means_are_covered(void **state) {
    (void)state;
    static const uint32_t sizes[] = {2, 5, 13, 40};
    mu_rng rng = {5};
    for (size_t s = 0; s < MU_COUNTOF(sizes); s++) {
        enum { N_TRIALS = 20000 };
        uint32_t n_held = 0;
        for (uint32_t t = 0; t < N_TRIALS; t++) {
            double sum = 0.0, squares = 0.0;
            for (uint32_t k = 0; k < sizes[s]; k++) {
                double u = 1.0 - mu_rng_f64(&rng), v = mu_rng_f64(&rng);
                double x = 3.0 + sqrt(-2.0 * log(u)) * cos(2.0 * 3.14159265358979 * v);
                sum += x;
                squares += x * x;
            }
            mu_interval i = mu_interval_mean(sum, squares, sizes[s]);
            n_held += i.low <= 3.0 && 3.0 <= i.high;
        }
        print_message("%u values: %.2f%% held\n", sizes[s], 100.0 * n_held / N_TRIALS);
        assert_near((double)n_held / N_TRIALS, 0.95, 0.006);
    }
    assert_true(isinf(mu_interval_mean(1.0, 1.0, 1).high));
}

/* Units of unequal weight whose sums vary with it: the interval must hold the true ratio in 95 of
 * 100 cases, and with equal weights be that of the mean. */
static void ratios_are_covered(void **state) {
    (void)state;
    static const uint32_t sizes[] = {10, 40};
    mu_rng rng = {6};
    for (size_t s = 0; s < MU_COUNTOF(sizes); s++) {
        enum { N_TRIALS = 20000 };
        uint32_t n_held = 0;
        double x[40], weight[40];
        for (uint32_t t = 0; t < N_TRIALS; t++) {
            for (uint32_t k = 0; k < sizes[s]; k++) {
                double u = 1.0 - mu_rng_f64(&rng), v = mu_rng_f64(&rng);
                weight[k] = 50.0 + 100.0 * mu_rng_f64(&rng);
                x[k] = 3.0 * weight[k] + 20.0 * sqrt(-2.0 * log(u)) * cos(2.0 * 3.14159265 * v);
            }
            mu_interval i = mu_interval_ratio(x, weight, sizes[s]);
            n_held += i.low <= 3.0 && 3.0 <= i.high;
        }
        print_message("%u units: %.2f%% held\n", sizes[s], 100.0 * n_held / N_TRIALS);
        assert_near((double)n_held / N_TRIALS, 0.95, 0.01);
    }
    const double x[] = {2, 4, 9}, twos[] = {2, 2, 2};
    mu_interval ratio = mu_interval_ratio(x, twos, 3), mean = mu_interval_mean(15, 101, 3);
    assert_near(ratio.low, mean.low / 2, 1e-12);
    assert_near(ratio.high, mean.high / 2, 1e-12);
    assert_true(isinf(mu_interval_ratio(x, twos, 1).high));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proportions),
        cmocka_unit_test(means_are_covered),
        cmocka_unit_test(ratios_are_covered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
