/* attainment.h - the share of requests that met their objective (SLO), and when to stop asking.
 *
 * The denominator is what was offered: errors, time-outs and dropped requests count as not good.
 * Intervals are Wilson's (1927). Without a failure in n the true share of failures is below 3 / n
 * with 95% (rule of three: 1 - 0.05^(1/n), Hanley & Lippman-Hand 1983), and no report may say 100%
 * alone.
 *
 * Pure functions; no state, any thread.
 */
#ifndef MU_BENCH_STATS_ATTAINMENT_H
#define MU_BENCH_STATS_ATTAINMENT_H

#include "base/intervals.h"

typedef struct mu_attainment {
    uint64_t n_good, n_offered;
    double share;    /* NAN of none offered, as ci */
    mu_interval ci;  /* Wilson, 95% */
    double at_least; /* 95% one-sided when all were good: 1 - 3 / n, not below 0; else ci.low */
    double goodput_per_s; /* good requests a second; NAN without a window */
} mu_attainment;

mu_attainment mu_attainment_of(uint64_t n_good, uint64_t n_offered, double window_s);

typedef enum mu_slo_state { MU_SLO_UNDECIDED, MU_SLO_MET, MU_SLO_MISSED } mu_slo_state;

/* MLPerf's early stopping: is a share of at least `target` shown, or ruled out, at this confidence
 * (0.99)? MET: so few misses in n would come with at most 1 - confidence if the share were below
 * the target. MISSED: so many would come that rarely if it were met. */
mu_slo_state mu_attainment_decide(uint64_t n_misses, uint64_t n, double target, double confidence);

/* The smallest n with which n_misses are still MET: for p99 at 0.99: 459 for none, 662 for one. */
uint64_t mu_attainment_n_needed(uint64_t n_misses, double target, double confidence);

#endif
