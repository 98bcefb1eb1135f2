/* comparison.h - is B faster than A: a verdict that can also be "equivalent" or "not known".
 *
 * Paired: blocks are measured ABBA/BAAB, each with fresh processes; a block gives one figure of A
 * and one of B (its medians, its throughput). The effect is the ratio B / A; the estimate is Hodges
 * and Lehmann's of the log-ratios, its interval is a bootstrap over blocks (resample.h), its test
 * Wilcoxon's signed rank. Unpaired: run-level figures of two result files, the shift of the logs,
 * and Mann-Whitney.
 *
 *     delta, in logs          -d        0        +d          (d = -log(1 - delta))
 *     FASTER           |---|   .        .        .           and Holm's p <= 0.05
 *     EQUIVALENT               . |---|  .        .
 *     SLOWER                   .        .        .  |---|    and Holm's p <= 0.05
 *     INCONCLUSIVE        |--------|    .        .
 *
 * for a metric where lower is better. The band is 1 - delta to 1 / (1 - delta), so that exchanging
 * A and B exchanges FASTER and SLOWER and nothing else. Fewer than MU_PAIRS_MIN pairs, or
 * MU_ARM_MIN runs of an arm, cannot reach p 0.05 whatever they are: always INCONCLUSIVE.
 *
 * Pure functions; no state, any thread. Scratch comes from base/alloc.h.
 */
#ifndef MU_BENCH_STATS_COMPARISON_H
#define MU_BENCH_STATS_COMPARISON_H

#include "base/intervals.h"
#include "base/status.h"

enum { MU_PAIRS_MIN = 6, MU_ARM_MIN = 4, MU_COMPARED_MAX = 500, MU_MORE_BLOCKS_MAX = 1000 };

typedef enum mu_verdict {
    MU_VERDICT_INCONCLUSIVE,
    MU_VERDICT_FASTER, /* B is better, also where higher is better */
    MU_VERDICT_SLOWER,
    MU_VERDICT_EQUIVALENT,
} mu_verdict;

const char *mu_verdict_name(mu_verdict verdict); /* "faster" */

typedef struct mu_comparison_options {
    double delta;       /* practical margin; 0: 0.02; below 1 */
    double noise_floor; /* of A against A; takes the place of delta when larger */
    bool higher_is_better;
    uint32_t n_replicates; /* 0: MU_REPLICATES */
    uint64_t seed;
} mu_comparison_options;

typedef struct mu_comparison {
    mu_verdict verdict;
    double ratio;    /* B / A */
    mu_interval ci;  /* 95%, of the ratio; 0 to infinity below 2 pairs */
    double p;        /* two-sided */
    double p_holm;   /* p until mu_comparison_holm() */
    double p_floor;  /* the smallest that so many could reach */
    double delta;    /* that was applied */
    size_t n_a, n_b; /* pairs: equal */
    bool is_paired, higher_is_better;
    /* More pairs (or runs an arm) that would probably decide, from the width now: it falls with the
     * root of n. 0 when decided, MU_MORE_BLOCKS_MAX when that many or more. */
    uint32_t n_more;
} mu_comparison;

/* a, b: [n], above 0 and finite, at most MU_COMPARED_MAX; else MU_ERR_INVALID or MU_ERR_LIMIT with
 * the index. n > 0. */
mu_status mu_comparison_paired(const double *a, const double *b, size_t n,
                               const mu_comparison_options *options, mu_comparison *out,
                               mu_err *err) MU_MUST_USE;

mu_status mu_comparison_unpaired(const double *a, size_t n_a, const double *b, size_t n_b,
                                 const mu_comparison_options *options, mu_comparison *out,
                                 mu_err *err) MU_MUST_USE;

/* The primary metrics of one comparison together: sets p_holm and decides again. A faster or slower
 * that was significant only alone becomes inconclusive. */
void mu_comparison_holm(mu_comparison *metrics, size_t n);

#endif
