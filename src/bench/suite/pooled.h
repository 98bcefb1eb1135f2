/* pooled.h - the requests of all valid runs of a cell together.
 *
 * Requests of a run depend on each other, and on the minute in which they ran; runs are fresh
 * processes and independent. So a percentile of all requests stands behind as many independent
 * values as its runs have together, and from five runs on the intervals of medians and means are
 * those of whole runs drawn again (metric.h). Gaps between chunks are not pooled.
 *
 * Threads: one. Memory: a pool owns copies of all values.
 */
#ifndef MU_BENCH_SUITE_POOLED_H
#define MU_BENCH_SUITE_POOLED_H

#include "bench/suite/request_metrics.h"

typedef struct mu_pooled mu_pooled;

mu_status mu_pooled_open(mu_pooled **out, mu_err *err) MU_MUST_USE;
void mu_pooled_close(mu_pooled *pool); /* NULL is allowed */

/* One run of the cell `id` of a system. That memory ran out is said by append(). */
void mu_pooled_add(mu_pooled *pool, const char *system, const char *id,
                   const mu_request_metrics *metrics);

/* Appends {"id", "system", "runs", "metrics"} of every cell with several runs. */
mu_status mu_pooled_append(const mu_pooled *pool, json_t *to, mu_err *err) MU_MUST_USE;

#endif
