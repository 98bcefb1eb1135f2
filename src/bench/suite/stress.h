/* stress.h - what a server does when it is asked too much: it must refuse politely, stay alive, and
 * be as before afterwards.
 *
 *     many      more clients than it can run at once
 *     flood     an open loop far above what it can carry: errors must be refusals (429, 503)
 *     leave     clients that go away in mid-stream
 *     long      prompts as long as the context allows, beside short ones
 *     after     a small request answered as fast as before; memory back near the idle figure
 *
 * Each step has counts by class of failure and passes or fails by a rule that is written beside it.
 *
 * Threads: the caller's. Memory: the caller owns the JSON.
 */
#ifndef MU_BENCH_SUITE_STRESS_H
#define MU_BENCH_SUITE_STRESS_H

#include "bench/suite/measure.h"

typedef struct mu_stress_options {
    const mu_system *system; /* started */
    bool is_quick;
    uint32_t n_ctx; /* 0: not known */
    uint64_t seed;
    mu_progress *progress;
    mu_progress_view *view;
    bool (*is_canceled)(void);
} mu_stress_options;

/* {"system", "summary", "verdict", "steps": [{"id", "rule", "verdict", "offered", "ok", "refused",
 * "failed", "classes", "rss_mb"}]}. */
mu_status mu_stress_run(const mu_stress_options *options, json_t **out, mu_err *err) MU_MUST_USE;

#endif
