/* memory_suite.h - what a model costs in memory: loading it cold and warm, what it holds when idle,
 * KV cache bytes per token, what serving adds, and whether it leaks.
 *
 *     loads      a fresh process each: the file's pages dropped (cold) or read (warm) before; time
 *                until ready and until the first token; VmHWM is the peak
 *     footprint  smaps_rollup of the process tree when idle after loading
 *     arenas     the server's named regions, where the kernel has names
 *     kv         growth of the KV region (of the process, where regions have no names) over tokens
 * that the prefix cache keeps, at five prompt lengths (Theil-Sen), beside 2 layers hidden_dim bytes
 *     inference  peak under load less idle
 *     leak       leak_watch.h
 *
 * A foreign server whose pid is known gets footprint, inference and leak; without one nothing but
 * the reason.
 *
 * Threads: the caller's. Memory: the caller owns the JSON.
 */
#ifndef MU_BENCH_SUITE_MEMORY_SUITE_H
#define MU_BENCH_SUITE_MEMORY_SUITE_H

#include "bench/suite/leak_watch.h"

typedef struct mu_memory_options {
    mu_system *system; /* our own: stopped; it is running afterwards */
    bool is_quick;
    uint32_t n_ctx;  /* 0: not known */
    double budget_s; /* the leak test gets what the rest leaves of it; 0: none */
    uint64_t seed;
    mu_progress *progress;
    mu_progress_view *view;
    bool (*is_canceled)(void);
} mu_memory_options;

/* An entry of "memory". */
mu_status mu_memory_measure(const mu_memory_options *options, json_t **out,
                            mu_err *err) MU_MUST_USE;

#endif
