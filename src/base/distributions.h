/* distributions.h - the probability distributions that intervals and tests are made of.
 *
 * To about 12 digits, from the regularized incomplete beta function (Lentz's continued fraction,
 * Numerical Recipes 6.4) and the complementary error function. Pure functions; no state, any
 * thread.
 */
#ifndef MU_BASE_DISTRIBUTIONS_H
#define MU_BASE_DISTRIBUTIONS_H

#include "base/base.h"

double mu_normal_cdf(double z);
double mu_normal_quantile(double p); /* 0 <= p <= 1; the ends are infinite */

double mu_student_cdf(double t, double df); /* df > 0, need not be whole */
double mu_student_quantile(double p, double df);

double mu_binomial_cdf(uint64_t k, uint64_t n, double p); /* P(B <= k) of n trials */

/* The smallest k with P(B <= k) >= q; 0 < q < 1. */
uint64_t mu_binomial_quantile(double q, uint64_t n, double p);

/* The 97.5% quantile of the spread of a mean of n independent values, in units of the spread that
 * divides by n: sqrt(n / (n - 1)) t(0.975, n - 1). A bootstrap whose percentiles are taken at the
 * normal probabilities of plus and minus this covers as a t interval does ("expanded percentile
 * interval", Hesterberg 2015, What Teachers Should Know About the Bootstrap). n > 1. */
double mu_expanded_975(double n);

#endif
