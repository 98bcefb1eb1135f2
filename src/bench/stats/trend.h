/* trend.h - does a series rise or fall, by how much, and how sure is that.
 *
 * The slope is Theil's and Sen's (Theil 1950, Sen 1968): the median of the slopes of all pairs,
 * which up to 29% of wild values cannot move. Its interval is by moving-block bootstrap of the
 * residuals (Kuensch 1989; circular, Politis & Romano 1992): blocks as long as the residuals depend
 * on each other, max(n^(1/3), tau), keep most of that dependence. The interval is the slope +- the
 * standard deviation of the slopes of resampled residuals times a quantile of Student's t, widened
 * by what such blocks and the fit are known to lose (trend.c).
 *
 * Mann-Kendall with the variance of Hamed & Rao (1998) is a second opinion, never the verdict: on
 * tied and noisy memory figures it raises false alarms (Machida et al. 2013).
 *
 * Of more than MU_TREND_POINTS_MAX values neighbours are first merged into that many points (mean
 * time, median value): pairs grow with the square of n.
 *
 * Pure functions; no state, any thread. Scratch comes from base/alloc.h; MU_ERR_NOMEM is the only
 * failure.
 */
#ifndef MU_BENCH_STATS_TREND_H
#define MU_BENCH_STATS_TREND_H

#include "base/intervals.h"
#include "base/status.h"

enum { MU_TREND_POINTS_MAX = 128, MU_TREND_POINTS_MIN = 5, MU_TREND_REPLICATES = 1000 };

typedef struct mu_line {
    double slope, intercept; /* value = intercept + slope x */
} mu_line;

/* x: [n], rising; equal ones are skipped. All NAN when no two differ. The intercept is the median
 * of y - slope x. */
mu_status mu_theil_sen(const double *x, const double *y, size_t n, mu_line *out,
                       mu_err *err) MU_MUST_USE;

typedef struct mu_trend {
    mu_line line;
    mu_interval slope; /* 95%; minus to plus infinity below MU_TREND_POINTS_MIN points */
    double noise;      /* standard deviation of the residuals, by 1.4826 MAD */
    double n_eff;      /* independent residuals */
    size_t n;
} mu_trend;

typedef struct mu_trend_options {
    uint32_t n_replicates; /* 0: MU_TREND_REPLICATES */
    uint64_t seed;
} mu_trend_options;

mu_status mu_trend_fit(const double *x, const double *y, size_t n, const mu_trend_options *options,
                       mu_trend *out, mu_err *err) MU_MUST_USE;

typedef struct mu_drift {
    mu_trend trend;
    double relative;         /* change from the first to the last x, in parts of the median */
    mu_interval relative_ci; /* 95% */
    bool is_steady;
} mu_drift;

/* Not steady: the interval of the change excludes zero and the change itself is at least `margin`
 * of the median (0.02; 0: any proven change). Too few points for an interval: not steady. */
mu_status mu_drift_check(const double *x, const double *y, size_t n, double margin,
                         const mu_trend_options *options, mu_drift *out, mu_err *err) MU_MUST_USE;

typedef struct mu_mann_kendall {
    double s;        /* pairs that rise less pairs that fall */
    double tau_b;    /* Kendall's, corrected for ties; NAN when all are equal */
    double variance; /* of s: with ties, and Hamed & Rao's factor */
    double factor;   /* n / n*: above 1 when ranks depend on their past */
    double z, p;     /* two-sided, with continuity correction */
} mu_mann_kendall;

mu_status mu_mann_kendall_test(const double *values, size_t n, mu_mann_kendall *out,
                               mu_err *err) MU_MUST_USE;

#endif
