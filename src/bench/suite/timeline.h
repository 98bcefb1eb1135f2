/* timeline.h - a cell over time: what was in flight and came out in each slice, single requests,
 * and the distribution of gaps. JSON tables, decimated to what a page can show.
 *
 * Threads: any. Memory: the caller owns the JSON; NULL: no memory.
 */
#ifndef MU_BENCH_SUITE_TIMELINE_H
#define MU_BENCH_SUITE_TIMELINE_H

#include <jansson.h>

#include "bench/probe/load_state.h"
#include "bench/suite/window.h"

typedef struct mu_timeline_samples {
    const mu_load_sample *samples; /* [n], by time; borrowed; NULL: none */
    uint32_t n;
} mu_timeline_samples;

bool mu_timeline_has_gpu(const mu_timeline_samples *samples);

/* {"columns", "rows"}: t_s (from the boundary), in_flight, output_tok_s, ttft_p50_ms, rss_mb,
 * cpu_share (cores used by the server), steal; and when a GPU was watched gpu_memory_mb (used by
 * everybody), gpu_process_mb (by the server), gpu_utilization (0 to 1). At most 120 rows. */
json_t *mu_timeline_json(const mu_load_result *load, const mu_timeline_samples *samples);

/* {"columns", "rows"}: start_ms, wait_ms (before dispatch), ttft_ms, e2e_ms, output_tokens,
 * gap_max_ms, ok. The 20 slowest and others at equal distances, at most 200. */
json_t *mu_timeline_requests_json(const mu_records *records, const mu_window *window);

/* {"bounds_ms", "counts"}: gaps between chunks that were not censored; bounds are powers of
 * 10^(1/10). */
json_t *mu_timeline_gaps_json(const mu_records *records, const mu_window *window);

#endif
