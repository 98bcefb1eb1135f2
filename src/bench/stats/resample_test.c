/* Against SciPy's BCa, and what units and runs must do to a width. */
#include "bench/stats/resample.h"

#include "tests/golden/stats/vectors.h"
#include "tests/sim/check.h"
#include "tests/sim/random_series.h"

enum { N_SAMPLE = MU_COUNTOF(vectors_sample) };

/* SciPy takes normal percentiles of 40,000 replicates; the comparison is of mu_bca_interval() on
 * our replicates at the same quantile. The tolerance is that of 20,000 random replicates. */
static double sample_statistic(mu_statistic *statistic, const double *rows, size_t columns,
                               size_t left_out, mu_rng *rng) {
    double drawn[2 * N_SAMPLE];
    size_t n = 0;
    for (size_t i = 0; i < N_SAMPLE; i++) {
        size_t k = rng ? mu_rng_below(rng, N_SAMPLE) : i;
        if (!rng && i == left_out) continue;
        memcpy(drawn + columns * n++, rows + columns * k, columns * sizeof(*rows));
    }
    return statistic(NULL, drawn, n);
}

static void bca_is_scipys(void **state) {
    (void)state;
    enum { N = 20000 };
    static double replicates[N];
    static const struct {
        mu_statistic *statistic;
        const double *rows;
        size_t columns;
    } cases[] = {{mu_statistic_mean, vectors_sample, 1},
                 {mu_statistic_median, vectors_sample, 1},
                 {mu_statistic_ratio, vectors_pairs[0], 2}};
    for (size_t c = 0; c < MU_COUNTOF(cases); c++) {
        double jackknife[N_SAMPLE];
        mu_rng rng = {41};
        for (size_t r = 0; r < N; r++) {
            replicates[r] = sample_statistic(cases[c].statistic, cases[c].rows, cases[c].columns,
                                             N_SAMPLE, &rng);
        }
        for (size_t i = 0; i < N_SAMPLE; i++) {
            jackknife[i] =
                sample_statistic(cases[c].statistic, cases[c].rows, cases[c].columns, i, NULL);
        }
        const double *want = vectors_bca[c];
        mu_replicates all = {.value = sample_statistic(cases[c].statistic, cases[c].rows,
                                                       cases[c].columns, N_SAMPLE, NULL),
                             .replicates = replicates,
                             .n = N,
                             .jackknife = jackknife,
                             .n_jackknife = N_SAMPLE,
                             .z = 1.959963984540054};
        bool is_bca;
        mu_interval ci = mu_bca_interval(&all, &is_bca);
        double width = want[2] - want[1];
        print_message("BCa %.4f to %.4f, SciPy %.4f to %.4f\n", ci.low, ci.high, want[1], want[2]);
        assert_true(is_bca);
        assert_near(all.value, want[0], 1e-9);
        assert_near(ci.low, want[1], 0.04 * width);
        assert_near(ci.high, want[2], 0.04 * width);

        /* The whole function at independent units: the same, wider by Student's t of 60. */
        mu_rows rows = {
            .values = cases[c].rows, .n_rows = N_SAMPLE, .n_columns = (uint32_t)cases[c].columns};
        mu_resample_options o = {
            .statistic = cases[c].statistic, .n_replicates = 10000, .seed = 5, .block_units = 1.0};
        mu_estimate e;
        assert_int_equal(mu_resample(&rows, &o, &e, NULL), MU_OK);
        assert_near(e.value, want[0], 1e-9);
        assert_true(e.is_bca);
        assert_between((e.ci.high - e.ci.low) / width, 0.97, 1.12);
    }
}

/* Token gaps of one request are alike: 40 requests of 25 gaps are 40 values and not 1000. */
static void units_are_drawn_whole(void **state) {
    (void)state;
    static double gaps[1000];
    size_t ends[40];
    mu_rng rng = {42};
    for (size_t u = 0; u < 40; u++) {
        double level = random_normal(&rng);
        for (size_t i = 0; i < 25; i++) {
            gaps[25 * u + i] = level + 0.1 * random_normal(&rng);
        }
        ends[u] = 25 * (u + 1);
    }
    mu_rows rows = {.values = gaps, .n_rows = 1000};
    mu_resample_options o = {.statistic = mu_statistic_mean, .seed = 1, .block_units = 1.0};
    mu_estimate naive, whole;
    assert_int_equal(mu_resample(&rows, &o, &naive, NULL), MU_OK);
    rows.unit_ends = ends;
    rows.n_units = 40;
    assert_int_equal(mu_resample(&rows, &o, &whole, NULL), MU_OK);
    assert_near(whole.value, naive.value, 1e-12);
    assert_near(whole.n_eff, 40.0, 0.0);
    double ratio = (whole.ci.high - whole.ci.low) / (naive.ci.high - naive.ci.low);
    print_message("interval of whole requests is %.1f times that of gaps\n", ratio);
    assert_between(ratio, 4.0, 6.0); /* the root of 25 */
}

/* Runs that differ: more requests in each do not help. */
static void runs_are_drawn(void **state) {
    (void)state;
    static double values[2000];
    size_t ends[5];
    mu_rng rng = {43};
    for (size_t r = 0; r < 5; r++) {
        for (size_t i = 0; i < 400; i++) {
            values[400 * r + i] = (double)r + 0.5 * random_normal(&rng);
        }
        ends[r] = 400 * (r + 1);
    }
    mu_rows rows = {.values = values, .n_rows = 2000, .run_ends = ends, .n_runs = 5};
    mu_resample_options o = {.statistic = mu_statistic_mean, .seed = 1};
    mu_estimate e;
    assert_int_equal(mu_resample(&rows, &o, &e, NULL), MU_OK);
    assert_near(e.n_eff, 5.0, 0.0);
    /* t interval of the run means 0 ... 4: 2 +- 2.776 sqrt(2.5 / 5). */
    assert_near(e.ci.high - e.ci.low, 2.0 * 2.776 * sqrt(0.5), 0.2);
    mu_estimate again;
    assert_int_equal(mu_resample(&rows, &o, &again, NULL), MU_OK);
    assert_memory_equal(&e, &again, sizeof(e));
}

static void degenerate(void **state) {
    (void)state;
    double same[] = {7, 7, 7, 7, 7, 7, 7, 7};
    mu_rows rows = {.values = same, .n_rows = 8};
    mu_resample_options o = {.statistic = mu_statistic_median, .seed = 1, .n_replicates = 100};
    mu_estimate e;
    assert_int_equal(mu_resample(&rows, &o, &e, NULL), MU_OK);
    assert_near(e.ci.low, 7.0, 0.0);
    assert_near(e.ci.high, 7.0, 0.0);
    assert_false(e.is_bca);
    rows.n_rows = 1;
    assert_int_equal(mu_resample(&rows, &o, &e, NULL), MU_OK);
    assert_true(e.value == 7.0 && isinf(e.ci.low) && isinf(e.ci.high));
    rows.n_rows = 0;
    assert_int_equal(mu_resample(&rows, &o, &e, NULL), MU_OK);
    assert_true(isnan(e.value) && isinf(e.ci.high));
    double p = 0.9;
    double ten[] = {10, 9, 8, 7, 6, 5, 4, 3, 2, 1};
    assert_near(mu_statistic_percentile(&p, ten, 10), 9.0, 0.0);
}

static void no_memory(void **state) {
    (void)state;
    double values[] = {1, 4, 2, 8, 5, 7};
    size_t unit_ends[] = {2, 3, 6}, run_ends[] = {2, 3};
    mu_rows rows = {.values = values, .n_rows = 6, .unit_ends = unit_ends, .n_units = 3};
    mu_resample_options o = {.statistic = mu_statistic_mean, .seed = 1, .n_replicates = 50};
    mu_estimate e;
    assert_survives_no_memory(mu_resample(&rows, &o, &e, NULL));
    rows.run_ends = run_ends;
    rows.n_runs = 2;
    assert_survives_no_memory(mu_resample(&rows, &o, &e, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bca_is_scipys),  cmocka_unit_test(units_are_drawn_whole),
        cmocka_unit_test(runs_are_drawn), cmocka_unit_test(degenerate),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
