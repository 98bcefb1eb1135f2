/* ranks.h - tests and estimates from ranks, which no outlier and no shape of a distribution breaks.
 *
 * Exact p values count the ways in which signs, or arms, could have been dealt to the midranks that
 * were observed, so ties are exact too. Above MU_RANKS_EXACT_MAX values the normal approximation
 * with tie and continuity correction is taken. All p are two-sided.
 *
 * Pure functions; no state, any thread. Scratch comes from base/alloc.h; MU_ERR_NOMEM is the only
 * failure.
 */
#ifndef MU_BENCH_STATS_RANKS_H
#define MU_BENCH_STATS_RANKS_H

#include "base/status.h"

enum { MU_RANKS_EXACT_MAX = 60 };

typedef struct mu_rank_test {
    double statistic; /* signed rank: W+, sum of ranks of positive values; Mann-Whitney: U of a */
    double p;         /* 1 when there is nothing to rank */
    size_t n;         /* values that are ranked */
    bool is_exact;
} mu_rank_test;

/* Are the values symmetric around 0? (Wilcoxon 1945.) Zeros are left out. */
mu_status mu_signed_rank(const double *values, size_t n, mu_rank_test *out,
                         mu_err *err) MU_MUST_USE;

/* Is a value of a as often above one of b as below? (Mann & Whitney 1947.) */
mu_status mu_mann_whitney(const double *a, size_t n_a, const double *b, size_t n_b,
                          mu_rank_test *out, mu_err *err) MU_MUST_USE;

/* The smallest p that so many values can reach: 2^(1 - n), and 2 / C(n_a + n_b, n_a). */
double mu_signed_rank_floor(size_t n);
double mu_mann_whitney_floor(size_t n_a, size_t n_b);

/* Hodges & Lehmann (1963): the median of the means of all pairs, each value with itself included;
 * and the median of all differences b - a. n > 0. scratch: [n (n + 1) / 2] and [n_a n_b]. */
double mu_hodges_lehmann(const double *values, size_t n, double *scratch);
double mu_hodges_lehmann_shift(const double *a, size_t n_a, const double *b, size_t n_b,
                               double *scratch);

/* Holm (1979): adjusted so that of all that are at most alpha, any is wrong with at most alpha. In
 * place, [n]; at most 1 and in the order of the raw ones. */
void mu_holm(double *p, size_t n);

#endif
