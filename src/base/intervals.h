/* intervals.h - how far a figure from a sample can be trusted: 95% confidence intervals.
 *
 * Pure functions; no state, any thread.
 */
#ifndef MU_BASE_INTERVALS_H
#define MU_BASE_INTERVALS_H

#include "base/base.h"

typedef struct mu_interval {
    double low, high;
} mu_interval;

/* Of a proportion: n_hits of n independent trials (Wilson, 1927). n > 0. Never outside [0, 1], and
 * not a point when all or none hit. */
mu_interval mu_interval_proportion(uint64_t n_hits, uint64_t n);

/* Of a mean: n independent values with this sum and sum of squares (Student's t, n - 1 degrees of
 * freedom). n > 0; of one value nothing is known: minus to plus infinity. */
mu_interval mu_interval_mean(double sum, double sum_squares, uint64_t n);

/* Of sum(x) / sum(weight) over n independent units of unequal weight (the ratio estimator: Cochran,
 * Sampling Techniques, 3rd ed., 6.4), Student's t. x, weight: [n]; n > 0, sum(weight) > 0. With
 * equal weights this is mu_interval_mean(). */
mu_interval mu_interval_ratio(const double *x, const double *weight, uint64_t n);

#endif
