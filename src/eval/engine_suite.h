/* engine_suite.h - `muai bench engine`: the speed of prefill and decode in this process, without
 * HTTP, beside what the machine could do.
 *
 * A prefill cell is the time from the first step of a prompt to its first token. A decode cell
 * submits `batch` sequences with prompts of MU_BENCH_DECODE_PROMPT tokens, waits until all have
 * their first token, and times the steps that give each of them n_gen more. Sampling is greedy and
 * the prefix cache and prompt lookup are off. Each cell is run n_warmup times unmeasured, then
 * n_repeat times.
 *
 * Fidelity stands beside speed: after the cells the weight and KV types are compared with f32 on
 * the same random tokens (agreement.h).
 *
 * Threads: the caller's. Memory: results belong to the caller.
 */
#ifndef MU_EVAL_ENGINE_SUITE_H
#define MU_EVAL_ENGINE_SUITE_H

#include <jansson.h>

#include "backend/machine.h"
#include "engine/engine.h"
#include "eval/agreement.h"
#include "eval/samples.h"

enum {
    MU_BENCH_LIST_MAX = 16,
    MU_BENCH_CELLS_MAX = 2 * MU_BENCH_LIST_MAX,
    MU_BENCH_DECODE_PROMPT = 16
};

typedef struct mu_bench_engine_options {
    mu_engine_options engine;
    uint32_t prompts[MU_BENCH_LIST_MAX], n_prompts; /* tokens */
    uint32_t batches[MU_BENCH_LIST_MAX], n_batches; /* sequences */
    uint32_t n_gen;
    uint32_t n_repeat, n_warmup;
    uint32_t n_agreement; /* positions to compare with f32 after the cells; 0: none */
    void (*progress)(void *ctx, uint32_t n_done, uint32_t n_total, const char *what);
    void *progress_ctx;
    bool (*is_canceled)(void);
} mu_bench_engine_options;

typedef struct mu_bench_cell {
    char id[32]; /* "prefill-512", "decode-8" */
    bool is_prefill;
    uint32_t prompt_tokens;
    uint32_t batch;
    mu_samples tokens_per_second;
    double limit_tokens_per_second;
    uint64_t peak_memory_bytes; /* of the process, when the cell ended */
} mu_bench_cell;

typedef struct mu_bench_engine_result {
    mu_machine_rates rates;
    double load_seconds;
    uint64_t loaded_memory_bytes; /* resident after loading */
    mu_backend_bytes bytes;
    char isa[16];
    uint32_t n_threads;
    mu_agreement agreement; /* n_positions 0: not measured */
    uint32_t n_cells;
    mu_bench_cell cells[MU_BENCH_CELLS_MAX];
} mu_bench_engine_result;

mu_status mu_bench_engine(const mu_model *model, const mu_bench_engine_options *options,
                          mu_bench_engine_result *out, mu_err *err) MU_MUST_USE;

/* The result as muai.engine/1. NULL when there is no memory; the caller owns the reference. */
json_t *mu_bench_engine_json(const mu_model *model, const mu_bench_engine_options *options,
                             const mu_bench_engine_result *result);

#endif
