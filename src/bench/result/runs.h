/* runs.h - several runs of a cell, shown as one.
 *
 * Runs are cells of one system under the same load, each against a fresh server process. Metrics of
 * requests are those of all their requests where the document has them. Every other figure of the
 * one is the median of theirs, and its interval reaches over all of theirs; counts
 * are sums. A figure that one run does not know is not known. Runs that are not VALID are left out
 * while there are others. What cannot be put together (time series, single requests, gaps) is that
 * of the run whose throughput is the median: "shown_run".
 *
 * Pure; any thread.
 */
#ifndef MU_BENCH_RESULT_RUNS_H
#define MU_BENCH_RESULT_RUNS_H

#include "bench/result/document.h"

/* Both are runs of the same cell. */
bool mu_runs_are_one(const json_t *a, const json_t *b);

/* runs: [n], n > 0. pooled: the document's entry with their requests together, whose metrics then
 * stand for theirs; NULL: there is none. The result is the caller's; NULL: no memory. */
json_t *mu_runs_merge(const json_t *const *runs, size_t n, const json_t *pooled);

#endif
