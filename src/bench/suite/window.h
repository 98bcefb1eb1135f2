/* window.h - which part of a load is measured: past warm-up, and before the drain.
 *
 *     boundary ── truncated ──┬──────────── window ────────────┬── drain
 *                           from                              to
 *
 * Truncation is MSER-5 over the time to first token of requests in the order of dispatch, and over
 * output tokens in slices of time; the later of the two, at most half of the window. The kept part
 * is steady unless TPOT (or without a stream the whole latency) drifts (stats/trend.h).
 *
 * Threads: any. Memory: the order is owned, mu_window_deinit().
 */
#ifndef MU_BENCH_SUITE_WINDOW_H
#define MU_BENCH_SUITE_WINDOW_H

#include "bench/load/load.h"
#include "bench/stats/trend.h"

typedef struct mu_window {
    uint64_t from_ns, to_ns;
    uint32_t *order; /* [n]: records of the window that we did not cancel, by dispatch */
    uint32_t n;
    uint32_t n_warmup, n_truncated; /* requests before from_ns */
    bool is_capped;                 /* half was not enough */
    bool has_drift;
    mu_drift drift;
} mu_window;

/* Of a load that reached its boundary. */
mu_status mu_window_choose(const mu_load_result *load, uint64_t seed, mu_window *out,
                           mu_err *err) MU_MUST_USE;
void mu_window_deinit(mu_window *window);

/* Events with their weights: every chunk with its tokens (or an equal share of the request's where
 * only the sum is known) at its instant. Calls add for each; failed requests give what they gave.
 */
typedef void mu_token_event(void *ctx, uint64_t at_ns, double n_tokens);
void mu_record_tokens(const mu_records *records, const mu_record *r, mu_token_event *add,
                      void *ctx);

/* Sums of events in equal slices of [from, to). out: [n_slices]. */
void mu_window_token_slices(const mu_load_result *load, uint64_t from_ns, uint64_t to_ns,
                            double *out, uint32_t n_slices);

#endif
