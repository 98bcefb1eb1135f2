/* percentiles.h - percentiles that were observed, and what can be said about the true ones.
 *
 * The estimate of percentile p of n values is the nearest rank, x_(ceil(p n)): always a value that
 * occurred. Its interval is distribution-free: the number of values below the true percentile is
 * binomial(n, p), so x_(low) and x_(high) hold it with at least 95% when at most 2.5% are left out
 * at each end (David & Nagaraja 2003, Order Statistics, 7.1):
 *
 *     low  = the largest  rank with P(B <= low - 1) <= 0.025
 *     high = the smallest rank with P(B >= high)    <= 0.025
 *
 * Below mu_percentile_n_needed(p) values no such pair exists: the percentile is gated and must not
 * be shown. When values follow each other closely in time fewer of them are independent (n_eff <
 * n): the interval of n_eff values is taken, stretched to the ranks of n.
 *
 * p is a fraction, 0.99. Pure functions; no state, any thread.
 */
#ifndef MU_BENCH_STATS_PERCENTILES_H
#define MU_BENCH_STATS_PERCENTILES_H

#include "base/intervals.h"
#include "base/status.h"

typedef struct mu_ranks {
    uint64_t low, high; /* from 1 */
} mu_ranks;

typedef struct mu_percentile {
    double p;
    double value;            /* NAN when gated */
    mu_interval ci;          /* NAN when gated */
    uint64_t n_need, n_have; /* gated when have (independent values) < need */
    bool is_gated;
} mu_percentile;

void mu_values_sort(double *values, size_t n); /* rising; no NAN among them */

/* A sorted copy, freed by mu_free(). */
mu_status mu_values_sorted_copy(const double *values, size_t n, double **out,
                                mu_err *err) MU_MUST_USE;

/* The median; that of an even number is the mean of the middle two. Reorders the values. n > 0. */
double mu_values_median(double *values, size_t n);

/* The value of this rank from 0, in linear time on average (Hoare's selection). Reorders the
 * values so that none before the rank is greater and none after it is less. */
double mu_values_select(double *values, size_t n, size_t rank);

uint64_t mu_percentile_rank(uint64_t n, double p); /* ceil(p n), from 1; n > 0 */
double mu_percentile_of_sorted(const double *sorted, size_t n, double p);

/* The ranks of the 95% interval; false when n values are too few for one. */
bool mu_percentile_ranks(uint64_t n, double p, mu_ranks *out);

/* The smallest n for which they exist: 6 for the median, 368 for p99. */
uint64_t mu_percentile_n_needed(double p);

/* Of n sorted values of which n_eff are independent (more than n count as n). n may be 0: gated. */
mu_percentile mu_percentile_estimate(const double *sorted, size_t n, double n_eff, double p);

/* Gate it as well when this other count of independent values is too small. */
void mu_percentile_gate(mu_percentile *percentile, double n_eff);

#endif
