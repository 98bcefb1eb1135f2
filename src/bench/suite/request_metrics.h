/* request_metrics.h - the metrics of requests, from the instants of their records.
 *
 *     s intended   d dispatch   h first byte   a_1 first token   a_2 second chunk   a_K last token
 *     z end        N output tokens   n_1 tokens of the first chunk   P prompt   C cached
 *
 *     ttft          a_1 - s               ttft_service  a_1 - d        ttfb         h - d
 *     ttfc          first content - s     ttst          a_2 - a_1      lag          d - s - connect
 *     e2e           a_K - s               e2e_service   a_K - d        ttlb         z - s
 *     tpot          (a_K - a_1) / (N - 1)                              rate_user    1 / tpot
 *     tpot_adjusted (a_K - a_1) / (N - n_1), only when some n_1 > 1
 *     icl           gaps between chunks; those that arrived in one receive are censored, not zero
 *     itl           gaps shared among the tokens they brought, one value a token
 *     gap_max       the longest gap of a request       prefill  (P - C) / ttft_service
 *
 * Without a stream there is no a_1 and no a_K: e2e is then z - s, and the others say why they are
 * not known. Only requests that succeeded have latencies; failures are counted apart.
 *
 * Threads: any. Memory: the caller owns the JSON.
 */
#ifndef MU_BENCH_SUITE_REQUEST_METRICS_H
#define MU_BENCH_SUITE_REQUEST_METRICS_H

#include "bench/result/figures.h"
#include "bench/suite/metric.h"
#include "bench/suite/window.h"

typedef struct mu_request_metrics {
    mu_metric of[MU_N_REQUEST_METRICS]; /* in the order of dispatch */
} mu_request_metrics;

/* Of the window's requests. Allocation failures show in each metric's `failed`. */
void mu_request_metrics_fill(const mu_records *records, const mu_window *window, uint64_t seed,
                             mu_request_metrics *out);
void mu_request_metrics_deinit(mu_request_metrics *metrics);
mu_status mu_request_metrics_json(const mu_request_metrics *metrics, json_t **out,
                                  mu_err *err) MU_MUST_USE;

#endif
