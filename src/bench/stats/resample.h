/* resample.h - 95% intervals of any statistic by drawing the measurements again (bootstrap).
 *
 * Rows are measurements; rows that belong together (the token gaps of one request) are a unit and
 * are drawn whole; the units of one fresh server process are a run.
 *
 *     run      |-------------- run 0 -------------|--- run 1 ---| ...
 *     unit     |--- request 0 ---|--- request 1 --|- request 2 -| ...
 *     row      | gap | gap | gap | gap | gap | gap| gap | gap   | ...
 *
 * One run: stationary block bootstrap (Politis & Romano 1994): blocks of units with geometric
 * lengths, on average max(n^(1/3), autocorrelation time), wrapped around the end. Such blocks lose
 * a part of the dependence that the autocorrelation time knows; the interval is widened by the
 * root of what is lost. Several runs: cluster bootstrap: runs are drawn, whole.
 *
 * The interval is BCa (Efron 1987): percentiles of the replicates, moved by their bias z0 and an
 * acceleration from the jackknife (over runs, or over 50 groups of neighbouring units); plain
 * percentiles where z0 or the acceleration cannot be had. The percentiles are those of Student's t
 * for the number of independent units or runs and not of the normal distribution (distributions.h,
 * mu_expanded_975), because a bootstrap of few things is too narrow. Of fewer than 10 runs it is
 * the value +- t times the standard deviation of the replicates, and is_bca is false: percentiles
 * of 5 runs end at the outermost run and held 89 to 93% (docs/decisions/0009-statistics.md).
 *
 * The same rows, options and seed give the same interval on every machine. Scratch is from
 * base/alloc.h: a copy of the rows and the replicates. Any thread.
 */
#ifndef MU_BENCH_STATS_RESAMPLE_H
#define MU_BENCH_STATS_RESAMPLE_H

#include "base/intervals.h"
#include "base/status.h"

enum { MU_REPLICATES = 2000 };

typedef struct mu_rows {
    const double *values; /* [n_rows][n_columns], in the order of time */
    size_t n_rows;
    uint32_t n_columns;      /* 0 counts as 1 */
    const size_t *unit_ends; /* [n_units]: end row of each unit, rising; NULL: each row is one */
    size_t n_units;          /* not read when unit_ends is NULL */
    const size_t *run_ends;  /* [n_runs]: end unit of each run, rising; NULL: one run */
    uint32_t n_runs;         /* not read when run_ends is NULL */
} mu_rows;

/* A statistic of n_rows > 0 rows, which are scratch: it may reorder them. */
typedef double mu_statistic(void *ctx, double *rows, size_t n_rows);

/* Of the first column (ctx NULL); the percentile's ctx is a const double *p. The ratio is that of
 * the sums of two columns: tokens / seconds. */
double mu_statistic_mean(void *ctx, double *rows, size_t n_rows);
double mu_statistic_median(void *ctx, double *rows, size_t n_rows);
double mu_statistic_percentile(void *ctx, double *rows, size_t n_rows);
double mu_statistic_ratio(void *ctx, double *rows, size_t n_rows); /* n_columns 2 */

typedef struct mu_resample_options {
    mu_statistic *statistic;
    void *ctx;
    uint32_t n_replicates; /* 0: MU_REPLICATES */
    uint64_t seed;
    double block_units; /* mean length of a block; 0: automatic; 1: units are independent */
} mu_resample_options;

typedef struct mu_estimate {
    double value;   /* of the rows as they are; NAN without rows */
    mu_interval ci; /* minus to plus infinity when there are fewer than 2 units or runs */
    double se;      /* standard deviation of the replicates */
    double n_eff;   /* independent units, or runs */
    bool is_bca;
} mu_estimate;

mu_status mu_resample(const mu_rows *rows, const mu_resample_options *options, mu_estimate *out,
                      mu_err *err) MU_MUST_USE;

/* The interval from replicates (sorted in place), the value they are of, the jackknife values (n 0:
 * none, percentiles) and z, the normal quantile to take (1.96 for 95% of many). */
typedef struct mu_replicates {
    double value;
    double *replicates; /* [n] */
    size_t n;
    const double *jackknife; /* [n_jackknife] */
    size_t n_jackknife;
    double z;
} mu_replicates;

mu_interval mu_bca_interval(const mu_replicates *r, bool *out_is_bca);

#endif
