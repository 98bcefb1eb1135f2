/* live.h - counters of a running load that any thread may look at.
 *
 * Written by the load thread alone, without a lock: each number is whole, together they may be a
 * few microseconds apart. Distributions are counted in buckets of 1/32 octave (2 %).
 *
 * Threads: add and tick by the load thread, read by any.
 */
#ifndef MU_BENCH_LOAD_LIVE_H
#define MU_BENCH_LOAD_LIVE_H

#include <stdatomic.h>

#include "bench/load/load.h"

enum { MU_LIVE_BUCKETS = 64 * 32 };

typedef struct mu_live_times {
    _Atomic uint64_t n;
    _Atomic uint32_t counts[MU_LIVE_BUCKETS];
} mu_live_times;

typedef struct mu_live {
    _Atomic uint64_t start_ns, boundary_ns;
    _Atomic uint64_t n_sent, n_done, n_failed, n_tokens, n_done_at_boundary;
    _Atomic uint32_t n_in_flight;
    _Atomic bool is_ended;
    _Atomic uint64_t tokens_per_1000_s, requests_per_1000_s; /* of the last whole second */
    uint64_t second_ns, second_tokens, second_done;          /* where it began; load thread only */
    mu_live_times ttft, gaps;
} mu_live;

void mu_live_time_add(mu_live_times *times, uint64_t ns);
double mu_live_time_ms(const mu_live_times *times, double quantile); /* NAN when empty */
void mu_live_tick(mu_live *live, uint64_t now_ns);
void mu_live_read(const mu_live *live, uint64_t now_ns, mu_load_snapshot *out);

#endif
