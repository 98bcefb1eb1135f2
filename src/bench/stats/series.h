/* series.h - values in the order of time: how many of them are independent, where the warm-up ends,
 * and an interval of their mean.
 *
 * Requests of one run depend on each other (batching, KV state, heat), so an interval that treats
 * them as independent is too narrow. With autocorrelations rho_k the variance of a mean is that of
 * n / tau independent values, tau = 1 + 2 sum rho_k.
 *
 * Pure functions; no state, any thread. No value may be NAN.
 */
#ifndef MU_BENCH_STATS_SERIES_H
#define MU_BENCH_STATS_SERIES_H

#include "base/intervals.h"

enum { MU_BATCHES_MIN = 20 };

double mu_values_mean(const double *values, size_t n);     /* n > 0 */
double mu_values_variance(const double *values, size_t n); /* by n - 1; 0 of one value */

/* tau, in values, at least 1: the sum over the initial positive sequence, made monotone (Geyer
 * 1992), of autocorrelations corrected for the mean being estimated from the same values. 1 when
 * all are equal. O(n) for each lag that counts. */
double mu_autocorrelation_time(const double *values, size_t n);

/* The same for what a fitted line leaves, which takes away twice as much of the dependence. */
double mu_autocorrelation_time_of_residuals(const double *residuals, size_t n);

/* n / tau: at least 1, at most n. 0 of none. */
double mu_effective_n(const double *values, size_t n);

/* n_eff for percentile p of the values, `at` being its estimate: that of the series of "is at most
 * `at`", which for tails depends less on its past than the values do. */
double mu_effective_n_below(const double *values, size_t n, double at);

typedef struct mu_truncation {
    size_t n_discarded; /* from the front; at most half */
    bool is_capped; /* the best point was at the cap: the series is too short or never settles */
} mu_truncation;

/* MSER-5 (White 1997): batches of 5; discard those before the d that minimizes the squared standard
 * error of the mean of the rest, sum (Y_i - mean)^2 / (m - d)^2. Fewer than 20 values: nothing is
 * discarded and is_capped is set. */
mu_truncation mu_mser5(const double *values, size_t n);

/* The mean and its t interval from the means of n_batches (at least MU_BATCHES_MIN) equal batches;
 * what does not fill them is left out at the front. A lag-1 correlation phi of the batch means that
 * is above its own standard error widens it by sqrt((1 + phi) / (1 - phi)) (Tafazzoli & Wilson
 * 2011, Skart). Fewer than 2 n_batches values: minus to plus infinity. */
mu_interval mu_batch_means(const double *values, size_t n, uint32_t n_batches, double *out_mean);

#endif
