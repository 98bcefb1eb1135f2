/* Against SciPy's figures. */
#include "base/distributions.h"

#include "tests/golden/stats/vectors.h"
#include "tests/sim/check.h"

static void normal_quantiles(void **state) {
    (void)state;
    for (size_t i = 0; i < MU_COUNTOF(vectors_normal); i++) {
        const double *v = vectors_normal[i];
        assert_near(mu_normal_quantile(v[0]), v[1], 1e-11 * (1.0 + fabs(v[1])));
        assert_near(mu_normal_cdf(v[1]), v[0], 1e-14);
    }
    assert_true(isinf(mu_normal_quantile(0.0)) && isinf(mu_normal_quantile(1.0)));
}

static void student_quantiles(void **state) {
    (void)state;
    for (size_t i = 0; i < MU_COUNTOF(vectors_student); i++) {
        const double *v = vectors_student[i];
        assert_near(mu_student_quantile(v[0], v[1]), v[2], 1e-9 * (1.0 + fabs(v[2])));
        assert_near(mu_student_cdf(v[2], v[1]), v[0], 1e-12);
    }
    assert_near(mu_expanded_975(5.0), 2.7764451052 * sqrt(1.25), 1e-9);
}

static void binomial_sums(void **state) {
    (void)state;
    for (size_t i = 0; i < MU_COUNTOF(vectors_binomial); i++) {
        const double *v = vectors_binomial[i];
        assert_near(mu_binomial_cdf((uint64_t)v[0], (uint64_t)v[1], v[2]), v[3], 1e-10);
    }
    for (uint64_t n = 1; n < 200; n += 7) {
        uint64_t k = mu_binomial_quantile(0.3, n, 0.9);
        assert_true(mu_binomial_cdf(k, n, 0.9) >= 0.3);
        assert_true(k == 0 || mu_binomial_cdf(k - 1, n, 0.9) < 0.3);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normal_quantiles),
        cmocka_unit_test(student_quantiles),
        cmocka_unit_test(binomial_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
