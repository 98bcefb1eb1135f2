/* leak.h - does a server leak memory: a verdict with a limit below which it cannot see.
 *
 * Checkpoints are taken while nothing runs: after every cycle of requests, drained. Each has the
 * live heap (bytes that were allocated and not freed; absent for foreign engines) and the process's
 * unreclaimable memory (anonymous and dirty pages). The first 20% are discarded, at least 10 must
 * be left. Of each signal the slope over time is fitted (trend.h) and compared with a threshold T:
 *
 *     FLAT     upper bound < T; or settled (a pool that filled): the upper bound of the slope of
 * the last half is < T and below the lower bound of the whole GROWS    else, lower bound > T, and
 * the lower bound of the slope of the last half > 0 UNKNOWN  neither
 *
 *                        unreclaimable  FLAT          GROWS         UNKNOWN
 *     live heap GROWS                   LEAK          LEAK          LEAK
 *     live heap FLAT                    NO_LEAK       RETENTION     INCONCLUSIVE
 *     live heap UNKNOWN                 INCONCLUSIVE  INCONCLUSIVE  INCONCLUSIVE
 *     live heap absent                  NO_LEAK       LEAK          INCONCLUSIVE
 *
 * One jump is not a slope: where two levels with one slope fit much better than a line (the change
 * point of least squares, as CUSUM, Page 1954, of what a line leaves), and most of the jump is
 * between two checkpoints, it is taken out, reported as a step, and the slope is that of the rest.
 *
 * MB are 10^6 bytes. Pure functions; no state, any thread. Scratch comes from base/alloc.h.
 */
#ifndef MU_BENCH_STATS_LEAK_H
#define MU_BENCH_STATS_LEAK_H

#include "base/status.h"
#include "bench/stats/trend.h"

enum { MU_LEAK_CHECKPOINTS_MIN = 10 };

typedef struct mu_checkpoint {
    double time_s;          /* rising */
    double n_requests;      /* served until now */
    double live_heap_bytes; /* NAN: absent; then absent in all */
    double unreclaimable_bytes;
} mu_checkpoint;

typedef enum mu_leak_verdict {
    MU_LEAK_INCONCLUSIVE,
    MU_LEAK_FOUND,     /* "leak" */
    MU_LEAK_RETENTION, /* the process keeps what its heap has freed: try malloc_trim() */
    MU_LEAK_NONE,      /* no leak of T or more */
} mu_leak_verdict;

typedef enum mu_growth { MU_GROWTH_UNKNOWN, MU_GROWTH_FLAT, MU_GROWTH_GROWS } mu_growth;

const char *mu_leak_verdict_name(mu_leak_verdict verdict); /* "no leak" */

typedef struct mu_level_step {
    bool is_step;
    size_t at; /* index, from the first kept checkpoint, of the first after the jump */
    double time_s;
    double bytes;
} mu_level_step;

typedef struct mu_leak_signal {
    bool is_present;
    mu_growth growth;
    bool is_settled;    /* grew, and in the last half less than before and than T */
    double mb_per_hour; /* without a step */
    mu_interval mb_per_hour_ci;
    double half_mb_per_hour; /* slope of the last half */
    mu_interval half_mb_per_hour_ci;
    double bytes_per_request; /* NAN when no requests were counted */
    mu_interval bytes_per_request_ci;
    double intercept_bytes; /* of the line, at time 0 */
    double noise_bytes;
    double limit_mb_per_hour; /* detection limit: half the width of the interval */
    mu_level_step step;
    mu_mann_kendall kendall; /* second opinion */
} mu_leak_signal;

typedef struct mu_leak {
    mu_leak_verdict verdict;
    double threshold_mb_per_hour;
    mu_leak_signal live_heap, unreclaimable;
    size_t n_checkpoints, n_discarded;
    double hours;       /* of what was kept */
    double extra_hours; /* of a test like this that would probably decide; 0 when decided, infinite
                           when the slope is too near the threshold */
} mu_leak;

typedef struct mu_leak_options {
    double threshold_mb_per_hour; /* 0: 10 */
    uint32_t n_replicates;        /* 0: MU_TREND_REPLICATES */
    uint64_t seed;
} mu_leak_options;

/* Fewer than MU_LEAK_CHECKPOINTS_MIN after discarding: inconclusive, and signals are not filled. */
mu_status mu_leak_judge(const mu_checkpoint *checkpoints, size_t n, const mu_leak_options *options,
                        mu_leak *out, mu_err *err) MU_MUST_USE;

/* For planning: half the width of the slope's interval, in MB/h, of n checkpoints over some hours
 * whose noise is sigma: 1.96 sigma sqrt(12 / n) / hours. */
double mu_leak_limit(double sigma_mb, double n, double hours);

#endif
