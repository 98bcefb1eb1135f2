/* Do 95% intervals hold the truth in 95 of 100 cases? On AR(1) series with autocorrelation 0.5, on
 * runs that differ, on slopes, and where measuring stops when the interval is narrow. Each way has
 * a canary: the interval that ignores the dependence must be seen to fail. */
#include "base/distributions.h"
#include "bench/stats/percentiles.h"
#include "bench/stats/resample.h"
#include "bench/stats/series.h"
#include "bench/stats/stopping.h"
#include "bench/stats/trend.h"
#include "tests/sim/random_series.h"
#include "tests/sim/trials.h"

enum { N_MAX = 3000, N_REPLICATES = 500 };

static const double rho = 0.5;

static bool holds(mu_interval ci, double truth) {
    return ci.low <= truth && truth <= ci.high;
}

static mu_interval bootstrap(const double *values, size_t n, mu_statistic *statistic, double block,
                             uint64_t seed) {
    mu_rows rows = {.values = values, .n_rows = n};
    mu_resample_options o = {
        .statistic = statistic, .n_replicates = N_REPLICATES, .seed = seed, .block_units = block};
    mu_estimate e;
    assert_int_equal(mu_resample(&rows, &o, &e, NULL), MU_OK);
    return e.ci;
}

/* Of n values: block bootstrap of mean and median, batch means, and the canary. */
static void means_and_medians_of(size_t n, int n_trials) {
    static double values[N_MAX];
    int n_mean = 0, n_median = 0, n_batch = 0, n_canary = 0;
    mu_rng rng = {1000 + n};
    for (int t = 0; t < n_trials; t++) {
        double mean;
        random_ar1(&rng, rho, values, n);
        n_mean += holds(bootstrap(values, n, mu_statistic_mean, 0.0, (uint64_t)t), 0.0);
        n_median += holds(bootstrap(values, n, mu_statistic_median, 0.0, (uint64_t)t), 0.0);
        n_batch += holds(mu_batch_means(values, n, MU_BATCHES_MIN, &mean), 0.0);
        n_canary += holds(bootstrap(values, n, mu_statistic_mean, 1.0, (uint64_t)t), 0.0);
    }
    print_message("AR(1) %.1f, %zu values:\n", rho, n);
    assert_share("  mean by blocks", n_mean, n_trials, 0.93, 0.97);
    assert_share("  median by blocks", n_median, n_trials, 0.93, 0.97);
    assert_share("  batch means", n_batch, n_trials, 0.93, 0.97);
    assert_share("  mean as if independent (must fail)", n_canary, n_trials, 0.60, 0.85);
}

static void means_and_medians(void **state) {
    (void)state;
    means_and_medians_of(200, trials_of(200, 2000));
    if (!trials_are_full()) return;
    means_and_medians_of(100, 2000);
    means_and_medians_of(1000, 2000);
}

/* On their own n_eff; the canary takes all values as independent. */
static void percentiles(void **state) {
    (void)state;
    static const double ps[] = {0.5, 0.9, 0.95, 0.99};
    static double values[N_MAX];
    int n_trials = trials_of(300, 4000), n_held[4] = {0}, n_canary = 0;
    mu_rng rng = {2000};
    for (int t = 0; t < n_trials; t++) {
        random_ar1(&rng, rho, values, N_MAX);
        double *sorted = NULL;
        assert_int_equal(mu_values_sorted_copy(values, N_MAX, &sorted, NULL), MU_OK);
        for (size_t i = 0; i < MU_COUNTOF(ps); i++) {
            double truth = mu_normal_quantile(ps[i]);
            double at = mu_percentile_of_sorted(sorted, N_MAX, ps[i]);
            double n_eff = mu_effective_n_below(values, N_MAX, at);
            n_held[i] += holds(mu_percentile_estimate(sorted, N_MAX, n_eff, ps[i]).ci, truth);
            if (i > 0) continue;
            n_canary += holds(mu_percentile_estimate(sorted, N_MAX, N_MAX, ps[i]).ci, truth);
        }
        mu_free(sorted);
    }
    assert_share("p50 on n_eff", n_held[0], n_trials, 0.94, 0.985);
    assert_share("p90 on n_eff", n_held[1], n_trials, 0.94, 0.985);
    assert_share("p95 on n_eff", n_held[2], n_trials, 0.94, 0.985);
    assert_share("p99 on n_eff", n_held[3], n_trials, 0.94, 0.985);
    assert_share("p50 on n (must fail)", n_canary, n_trials, 0.60, 0.90);
}

/* Five runs of 80 requests whose levels differ by half of what requests do; the canary pools. */
static void runs_of(double spread, int n_trials, double high) {
    enum { N_RUNS = 5, N_EACH = 80 };
    double values[N_RUNS * N_EACH];
    size_t ends[N_RUNS];
    int n_mean = 0, n_canary = 0;
    mu_rng rng = {3000};
    for (int t = 0; t < n_trials; t++) {
        for (size_t r = 0; r < N_RUNS; r++) {
            double level = spread * random_normal(&rng);
            random_ar1(&rng, rho, values + N_EACH * r, N_EACH);
            for (size_t i = 0; i < N_EACH; i++) {
                values[N_EACH * r + i] += level;
            }
            ends[r] = N_EACH * (r + 1);
        }
        mu_rows rows = {.values = values, .n_rows = N_RUNS * N_EACH};
        mu_resample_options o = {
            .statistic = mu_statistic_mean, .n_replicates = N_REPLICATES, .seed = (uint64_t)t};
        mu_estimate e;
        o.block_units = 1.0;
        assert_int_equal(mu_resample(&rows, &o, &e, NULL), MU_OK);
        n_canary += holds(e.ci, 0.0);
        rows.run_ends = ends;
        rows.n_runs = N_RUNS;
        o.block_units = 0.0;
        assert_int_equal(mu_resample(&rows, &o, &e, NULL), MU_OK);
        n_mean += holds(e.ci, 0.0);
    }
    print_message("runs that differ by %.1f:\n", spread);
    assert_share("  mean over runs", n_mean, n_trials, 0.93, high);
    assert_share("  mean of pooled requests (must fail)", n_canary, n_trials, 0.05, 0.85);
}

static void runs(void **state) {
    (void)state;
    runs_of(0.5, trials_of(200, 2000), 0.98);
    runs_of(0.0, trials_of(200, 2000), 0.98);
}

static void slopes_of(double correlation, size_t n, int n_trials, double high) {
    double x[200], y[200];
    int n_held = 0, n_alarms = 0;
    mu_rng rng = {4000 + n};
    for (int t = 0; t < n_trials; t++) {
        random_ar1(&rng, correlation, y, n);
        for (size_t i = 0; i < n; i++) {
            x[i] = (double)i;
        }
        mu_trend trend;
        mu_mann_kendall kendall;
        mu_trend_options o = {.n_replicates = 300, .seed = (uint64_t)t};
        assert_int_equal(mu_trend_fit(x, y, n, &o, &trend, NULL), MU_OK);
        assert_int_equal(mu_mann_kendall_test(y, n, &kendall, NULL), MU_OK);
        n_held += holds(trend.slope, 0.0);
        n_alarms += kendall.p <= 0.05;
    }
    print_message("slope of %zu values, AR(1) %.1f; Mann-Kendall sees a trend in %.1f%%:\n", n,
                  correlation, 100.0 * n_alarms / n_trials);
    assert_share("  Theil-Sen by blocks", n_held, n_trials, 0.93, high);
}

static void slopes(void **state) {
    (void)state;
    slopes_of(0.0, 48, trials_of(200, 2000), 0.98);
    slopes_of(rho, 48, trials_of(200, 2000), 0.98);
    if (!trials_are_full()) return;
    slopes_of(0.0, 12, 2000, 0.999); /* wide where there is little: it says so and is not wrong */
    slopes_of(rho, 12, 2000, 0.999);
    slopes_of(0.0, 96, 1000, 0.98);
    slopes_of(rho, 96, 1000, 0.98);
}

/* Looks at growing n until the mean of about 10 is known to 2%: what the interval then holds. */
static void sequential_stopping(void **state) {
    (void)state;
    static double values[N_MAX];
    int n_trials = trials_of(200, 2000), n_held = 0;
    double n_sum = 0.0;
    mu_rng rng = {5000};
    for (int t = 0; t < n_trials; t++) {
        random_ar1(&rng, rho, values, N_MAX);
        for (size_t i = 0; i < N_MAX; i++) {
            values[i] = 10.0 + 2.0 * values[i];
        }
        mu_stop_rule rule = {.n_first = 100, .n_max = N_MAX};
        mu_stop_state at = {.n = 100, .elapsed_s = 100};
        mu_goal goal = {.goal = MU_GOAL_CENTER, .value = 10.0};
        for (;;) {
            goal.ci = bootstrap(values, at.n, mu_statistic_mean, 0.0, (uint64_t)t);
            mu_stopping stop = mu_stopping_decide(&rule, &at, &goal, 1);
            if (stop.reason != MU_STOP_NOT_YET) break;
            at.n = stop.n_next;
        }
        n_held += holds(goal.ci, 10.0);
        n_sum += (double)at.n / n_trials;
    }
    print_message("stopped at %.0f values on average\n", n_sum);
    assert_share("mean where it stopped", n_held, n_trials, 0.92, 0.98);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(means_and_medians),
        cmocka_unit_test(percentiles),
        cmocka_unit_test(runs),
        cmocka_unit_test(slopes),
        cmocka_unit_test(sequential_stopping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
