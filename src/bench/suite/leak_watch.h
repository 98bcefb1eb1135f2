/* leak_watch.h - does a server leak: cycles of requests, a quiet checkpoint after each, a verdict.
 *
 *     requests ── drained ── 250 ms of quiet ── checkpoint ── requests ── ...
 *
 * A checkpoint reads the live heap (the server's own gauge, where it has one) and the process
 * tree's unreclaimable memory. The verdict is stats/leak.h's. Used by the memory phase (short) and
 * by soak (long).
 *
 * Threads: the caller's. Memory: the caller owns the JSON.
 */
#ifndef MU_BENCH_SUITE_LEAK_WATCH_H
#define MU_BENCH_SUITE_LEAK_WATCH_H

#include "bench/suite/measure.h"

typedef struct mu_leak_watch_options {
    const mu_system *system; /* started; its pid is known */
    mu_shape shape;
    uint32_t clients;
    double seconds;        /* in all */
    double cycle_seconds;  /* of requests before each checkpoint */
    double threshold_mb_h; /* 0: 10 */
    uint64_t seed;
    mu_progress *progress;
    mu_progress_view *view;
    bool (*is_canceled)(void);
} mu_leak_watch_options;

/* The "leak" of an entry of "memory". MU_ERR_UNSUPPORTED: the process's memory cannot be read. */
mu_status mu_leak_watch(const mu_leak_watch_options *options, json_t **out,
                        mu_err *err) MU_MUST_USE;

#endif
