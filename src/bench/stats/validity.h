/* validity.h - may a cell's figures be used at all: reasons against, as flags with names.
 *
 * Each reason is decided from plain numbers by one function; NAN or 0 of a source that does not
 * exist decides nothing. A cell with any reason but MU_FLAG_SATURATED is INVALID; a saturated one
 * is a true measurement of a system that does not keep up, whose latency depends on how long one
 * looks.
 *
 *     mu_flags flags = mu_check_errors(n_failed, n) | mu_check_lag(lag_p99_s, ttft_p50_s) | ...;
 *
 * Pure functions; no state, any thread.
 */
#ifndef MU_BENCH_STATS_VALIDITY_H
#define MU_BENCH_STATS_VALIDITY_H

#include "base/intervals.h"

#define MU_FLAG_MAP(X)                                                                            \
    X(MU_FLAG_CLIENT_BOUND, "client_bound", "the load generator was the bottleneck")              \
    X(MU_FLAG_LAG, "lag", "requests were sent later than intended")                               \
    X(MU_FLAG_RATE_NOT_ACHIEVED, "rate_not_achieved",                                             \
      "less than 98% of the intended rate was sent")                                              \
    X(MU_FLAG_CACHE_CONTAMINATED, "cache_contaminated",                                           \
      "prompts of a cold cell hit the prefix cache")                                              \
    X(MU_FLAG_NOT_STEADY, "not_steady", "the figures drift over the measured window")             \
    X(MU_FLAG_OSL_MISMATCH, "osl_mismatch", "outputs do not have the length asked for")           \
    X(MU_FLAG_ISL_MISMATCH, "isl_mismatch", "prompts do not have the length asked for")           \
    X(MU_FLAG_ERRORS, "errors", "more than 1% of requests failed")                                \
    X(MU_FLAG_STEAL, "steal", "more than 1% of CPU time went to other guests")                    \
    X(MU_FLAG_THROTTLED, "throttled", "the CPU or its cgroup was throttled")                      \
    X(MU_FLAG_TOO_FEW_SAMPLES, "too_few_samples",                                                 \
      "too few independent values for the figures asked")                                         \
    X(MU_FLAG_SERVER_RESTARTED, "server_restarted", "the server process changed during the cell") \
    X(MU_FLAG_SATURATED, "saturated", "requests in flight keep growing")

enum {
#define X(name, key, text) name##_BIT,
    MU_FLAG_MAP(X)
#undef X
        MU_N_FLAGS
};

typedef uint32_t mu_flags; /* a set: MU_FLAG_LAG | MU_FLAG_ERRORS */
enum {
#define X(name, key, text) name = 1 << name##_BIT,
    MU_FLAG_MAP(X)
#undef X
};

bool mu_flags_are_valid(mu_flags flags);    /* none, or only saturated */
const char *mu_flag_name(uint32_t bit);     /* "client_bound"; bit < MU_N_FLAGS */
const char *mu_flag_text(uint32_t bit);     /* why, for people */
const char *mu_flags_stamp(mu_flags flags); /* "VALID", "INVALID" or "SATURATED" */

/* The client used more than 80% of the one core its event loop has, or its own part of a latency
 * (time from the kernel's receive stamp to the reading of it, p99) is above 5% of the metric. */
mu_flags mu_check_client(double client_cores_used, double own_delay_p99_s, double ttft_p50_s);

/* p99 of dispatch - intended must be below max(1 ms, 1% of the median TTFT). */
mu_flags mu_check_lag(double lag_p99_s, double ttft_p50_s);

mu_flags mu_check_rate(double achieved_per_s, double intended_per_s); /* intended 0: closed loop */
mu_flags mu_check_cache(uint64_t n_cached_tokens, uint64_t n_prompt_tokens, bool is_cold);
mu_flags mu_check_steady(bool ttft_is_steady, bool rate_is_steady);

/* Shares of requests whose length differs, above 1%: compared with what was asked for. */
mu_flags mu_check_osl(uint64_t n_different, uint64_t n);
mu_flags mu_check_isl(uint64_t n_different, uint64_t n);

mu_flags mu_check_errors(uint64_t n_failed, uint64_t n_offered);
mu_flags mu_check_steal(double steal_s, double cpu_s); /* of all cores together */
mu_flags mu_check_throttled(uint64_t n_throttled, double ghz_min, double ghz_start);
mu_flags mu_check_samples(double n_eff, uint64_t n_needed);
mu_flags mu_check_restarted(int64_t pid_before, int64_t pid_after);

/* The interval of the slope of requests in flight (trend.h), and whether it matters: the growth
 * over the window must be at least one request and 10% of the mean. */
mu_flags mu_check_saturated(mu_interval slope_per_s, double window_s, double mean_inflight);

#endif
