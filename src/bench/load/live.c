#include "bench/load/live.h"

#include <math.h>

enum { SUB_BITS = 5, SECOND_NS = 1000000000 };

static uint32_t bucket_of(uint64_t ns) {
    if (ns < 1u << SUB_BITS) return (uint32_t)ns;
    uint32_t exponent = 63u - (uint32_t)__builtin_clzll(ns);
    uint32_t sub = (uint32_t)(ns >> (exponent - SUB_BITS)) & ((1u << SUB_BITS) - 1);
    return ((exponent - SUB_BITS + 1) << SUB_BITS) + sub;
}

/* The middle of a bucket. */
static double bucket_ns(uint32_t bucket) {
    if (bucket < 1u << SUB_BITS) return bucket;
    uint32_t shift = (bucket >> SUB_BITS) - 1;
    double low = (double)((1u << SUB_BITS) + (bucket & ((1u << SUB_BITS) - 1)));
    return ldexp(low + 0.5, (int)shift);
}

/* One thread writes, so a load and a store are enough. */
#define ADD(counter, n)                                                                 \
    atomic_store_explicit(&(counter),                                                   \
                          atomic_load_explicit(&(counter), memory_order_relaxed) + (n), \
                          memory_order_relaxed)

void mu_live_time_add(mu_live_times *times, uint64_t ns) {
    ADD(times->counts[bucket_of(ns)], 1u);
    ADD(times->n, 1u);
}

double mu_live_time_ms(const mu_live_times *times, double quantile) {
    uint64_t n = 0;
    for (uint32_t b = 0; b < MU_LIVE_BUCKETS; b++) {
        n += atomic_load_explicit(&times->counts[b], memory_order_relaxed);
    }
    double rank = ceil(quantile * (double)n);
    double seen = 0;
    for (uint32_t b = 0; b < MU_LIVE_BUCKETS; b++) {
        seen += atomic_load_explicit(&times->counts[b], memory_order_relaxed);
        if (seen >= rank && seen > 0) return bucket_ns(b) * 1e-6;
    }
    return NAN;
}

void mu_live_tick(mu_live *live, uint64_t now_ns) {
    uint64_t passed = now_ns - live->second_ns;
    if (passed < SECOND_NS) return;
    uint64_t tokens = live->n_tokens, done = live->n_done;
    double per = 1e12 / (double)passed;
    live->tokens_per_1000_s = (uint64_t)((double)(tokens - live->second_tokens) * per);
    live->requests_per_1000_s = (uint64_t)((double)(done - live->second_done) * per);
    live->second_ns = now_ns;
    live->second_tokens = tokens;
    live->second_done = done;
}

void mu_live_read(const mu_live *live, uint64_t now_ns, mu_load_snapshot *out) {
    uint64_t start = live->start_ns, boundary = live->boundary_ns;
    *out = (mu_load_snapshot){
        .elapsed_ns = start > 0 && now_ns > start ? now_ns - start : 0,
        .measured_ns = boundary > 0 && now_ns > boundary ? now_ns - boundary : 0,
        .n_in_flight = live->n_in_flight,
        .n_sent = live->n_sent,
        .n_done = live->n_done,
        .n_failed = live->n_failed,
        .n_tokens = live->n_tokens,
        .tokens_per_s = (double)live->tokens_per_1000_s * 1e-3,
        .requests_per_s = (double)live->requests_per_1000_s * 1e-3,
        .ttft_p50_ms = mu_live_time_ms(&live->ttft, 0.5),
        .ttft_p95_ms = mu_live_time_ms(&live->ttft, 0.95),
        .gap_p50_ms = mu_live_time_ms(&live->gaps, 0.5),
        .gap_p95_ms = mu_live_time_ms(&live->gaps, 0.95),
        .is_ended = live->is_ended,
    };
    if (boundary > 0) out->n_done_measured = out->n_done - live->n_done_at_boundary;
}
