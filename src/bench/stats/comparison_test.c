/* Verdicts of arms whose relation is known. */
#include "bench/stats/comparison.h"

#include "tests/sim/check.h"
#include "tests/sim/random_series.h"

enum { N = 12 };

static void arms(uint64_t seed, double ratio, double noise, double *a, double *b, size_t n) {
    mu_rng rng = {seed};
    for (size_t i = 0; i < n; i++) {
        double block = exp(0.3 * random_normal(&rng)); /* both arms of a block share the machine */
        a[i] = 100.0 * block * exp(noise * random_normal(&rng));
        b[i] = 100.0 * ratio * block * exp(noise * random_normal(&rng));
    }
}

static mu_comparison compare(const double *a, const double *b, size_t n,
                             const mu_comparison_options *o) {
    mu_comparison c;
    assert_int_equal(mu_comparison_paired(a, b, n, o, &c, NULL), MU_OK);
    return c;
}

static void verdicts(void **state) {
    (void)state;
    static const struct {
        double ratio, noise;
        bool higher_is_better;
        mu_verdict want;
    } cases[] = {
        {0.80, 0.02, false, MU_VERDICT_FASTER},       {1.25, 0.02, false, MU_VERDICT_SLOWER},
        {0.80, 0.02, true, MU_VERDICT_SLOWER},        {1.25, 0.02, true, MU_VERDICT_FASTER},
        {1.00, 0.002, false, MU_VERDICT_EQUIVALENT},  {1.00, 0.002, true, MU_VERDICT_EQUIVALENT},
        {1.00, 0.05, false, MU_VERDICT_INCONCLUSIVE}, {0.99, 0.001, false, MU_VERDICT_EQUIVALENT},
        {0.96, 0.2, false, MU_VERDICT_INCONCLUSIVE},
    };
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        double a[N], b[N];
        arms(50 + i, cases[i].ratio, cases[i].noise, a, b, N);
        mu_comparison_options o = {.seed = 1, .higher_is_better = cases[i].higher_is_better};
        mu_comparison c = compare(a, b, N, &o);
        print_message("%.2f +- %.3f: %s, ratio %.4f, %.4f to %.4f, p %.4f, %u more\n",
                      cases[i].ratio, cases[i].noise, mu_verdict_name(c.verdict), c.ratio, c.ci.low,
                      c.ci.high, c.p, c.n_more);
        assert_string_equal(mu_verdict_name(c.verdict), mu_verdict_name(cases[i].want));
        assert_int_equal(c.n_more == 0, c.verdict != MU_VERDICT_INCONCLUSIVE);
        assert_near(c.delta, 0.02, 0.0);
    }
}

static void exchanging_arms_exchanges_verdicts(void **state) {
    (void)state;
    static const mu_verdict mirror[] = {MU_VERDICT_INCONCLUSIVE, MU_VERDICT_SLOWER,
                                        MU_VERDICT_FASTER, MU_VERDICT_EQUIVALENT};
    for (uint64_t seed = 0; seed < 60; seed++) {
        double a[N], b[N];
        arms(seed, 0.9 + 0.2 * (double)(seed % 11) / 10.0, 0.01, a, b, N);
        mu_comparison_options o = {.seed = 1, .n_replicates = 1000};
        mu_comparison ab = compare(a, b, N, &o), ba = compare(b, a, N, &o);
        assert_near(ab.ratio * ba.ratio, 1.0, 1e-12);
        assert_near(ab.p, ba.p, 1e-12);
        if (ab.ci.high < 0.975 || ab.ci.low > 1.025) { /* not on an edge that chance decides */
            assert_int_equal(mirror[ab.verdict], ba.verdict);
        }
    }
}

static void floors(void **state) {
    (void)state;
    double a[N], b[N];
    arms(61, 0.5, 0.01, a, b, N);
    mu_comparison_options o = {.seed = 1};
    mu_comparison c = compare(a, b, 5, &o);
    assert_int_equal(c.verdict, MU_VERDICT_INCONCLUSIVE);
    assert_true(c.p_floor > 0.05 && c.n_more == 1);
    assert_int_equal(compare(a, b, 6, &o).verdict, MU_VERDICT_FASTER);
    c = compare(a, b, 1, &o);
    assert_true(c.ci.low == 0.0 && isinf(c.ci.high) && c.n_more == 5);

    assert_int_equal(mu_comparison_unpaired(a, 3, b, 8, &o, &c, NULL), MU_OK);
    assert_int_equal(c.verdict, MU_VERDICT_INCONCLUSIVE);
    assert_int_equal(c.n_more, 1);
    for (int i = 0; i < 8; i++) {
        a[i] = 100.0 + i;
        b[i] = 50.0 + i;
    }
    assert_int_equal(mu_comparison_unpaired(a, 4, b, 4, &o, &c, NULL), MU_OK);
    assert_int_equal(c.verdict, MU_VERDICT_FASTER);
    assert_near(c.p, c.p_floor, 1e-12);
    assert_false(c.is_paired);
    assert_int_equal(mu_comparison_unpaired(a, 1, b, 1, &o, &c, NULL), MU_OK);
    assert_true(isinf(c.ci.high));
}

static void noise_floor_replaces_delta(void **state) {
    (void)state;
    double a[N], b[N];
    arms(62, 0.92, 0.005, a, b, N);
    mu_comparison_options o = {.seed = 1};
    assert_int_equal(compare(a, b, N, &o).verdict, MU_VERDICT_FASTER);
    o.noise_floor = 0.15;
    mu_comparison c = compare(a, b, N, &o);
    assert_int_equal(c.verdict, MU_VERDICT_EQUIVALENT);
    assert_near(c.delta, 0.15, 0.0);
    o = (mu_comparison_options){.seed = 1, .delta = 0.15};
    assert_int_equal(compare(a, b, N, &o).verdict, MU_VERDICT_EQUIVALENT);
}

/* Six pairs reach 0.031 alone, and 0.19 as one of six metrics. */
static void metrics_together(void **state) {
    (void)state;
    mu_comparison all[6];
    double a[N], b[N];
    mu_comparison_options o = {.seed = 1};
    for (uint64_t i = 0; i < 6; i++) {
        arms(70 + i, i == 0 ? 0.5 : 1.0, 0.01, a, b, 6);
        all[i] = compare(a, b, 6, &o);
    }
    assert_int_equal(all[0].verdict, MU_VERDICT_FASTER);
    mu_comparison_holm(all, 6);
    assert_near(all[0].p_holm, 6.0 * 0.03125, 1e-12);
    assert_int_equal(all[0].verdict, MU_VERDICT_INCONCLUSIVE);
    arms(70, 0.5, 0.01, a, b, N);
    all[0] = compare(a, b, N, &o);
    mu_comparison_holm(all, 6);
    assert_int_equal(all[0].verdict, MU_VERDICT_FASTER);
}

static void bad_values(void **state) {
    (void)state;
    double a[] = {1, 2, 3, 4, 5, 6}, b[] = {1, 2, NAN, 4, 5, 6};
    static double many[MU_COMPARED_MAX + 1];
    mu_comparison c;
    mu_err err;
    mu_comparison_options o = {.seed = 1};
    assert_int_equal(mu_comparison_paired(a, b, 6, &o, &c, &err), MU_ERR_INVALID);
    assert_non_null(strstr(err.text, "value 2 of B"));
    b[2] = 0.0;
    assert_int_equal(mu_comparison_unpaired(b, 6, a, 6, &o, &c, &err), MU_ERR_INVALID);
    assert_non_null(strstr(err.text, "value 2 of A"));
    assert_int_equal(mu_comparison_paired(many, many, MU_COMPARED_MAX + 1, &o, &c, &err),
                     MU_ERR_LIMIT);
    assert_survives_no_memory(mu_comparison_paired(a, a, 6, &o, &c, NULL));
    assert_survives_no_memory(mu_comparison_unpaired(a, 6, a, 5, &o, &c, NULL));
    /* All equal: nothing to rank, and no width. */
    assert_int_equal(compare(a, a, 6, &o).verdict, MU_VERDICT_EQUIVALENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),         cmocka_unit_test(exchanging_arms_exchanges_verdicts),
        cmocka_unit_test(floors),           cmocka_unit_test(noise_floor_replaces_delta),
        cmocka_unit_test(metrics_together), cmocka_unit_test(bad_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
