/* stamp.h - the stamp of a cell: VALID, INVALID with reasons, or SATURATED.
 *
 * Each reason is decided in stats/validity.h; here the numbers for it are taken from a load.
 * Threads: any.
 */
#ifndef MU_BENCH_SUITE_STAMP_H
#define MU_BENCH_SUITE_STAMP_H

#include "bench/probe/fact.h"
#include "bench/suite/cell_plan.h"
#include "bench/suite/request_metrics.h"

/* Token counts of the window's successful requests. */
typedef struct mu_token_sums {
    uint64_t n; /* requests */
    double prompt, output;
    uint64_t n_prompt_known, n_output_known;
    uint64_t n_prompt_wrong, n_output_wrong; /* differ from what was asked; prompts by over 1% */
    uint64_t cached;
    bool has_cached;
} mu_token_sums;

mu_token_sums mu_token_sums_of(const mu_records *records, const mu_window *window);

typedef struct mu_validity_args {
    const mu_cell_plan *plan;
    const mu_load_result *load;
    const mu_window *window;
    const mu_request_metrics *metrics;
    const mu_token_sums *sums;
    double lag_p99_ms;
    mu_fact steal, throttled;
    double steal_limit; /* share of CPU time; 0: 1% */
    int64_t pid_before, pid_after;
    uint64_t seed;
} mu_validity_args;

/* {"status", "flags": [{"id", "why"}]}. NULL: no memory. */
json_t *mu_validity_json(const mu_validity_args *args);

#endif
