/* bench.h - a benchmark from begin to end: systems started, phases walked, one muai.bench/1
 * document made.
 *
 *     validate ──▶ latency ──▶ memory ──▶ throughput ──▶ rate ──▶ report
 *                  (each suite walks the phases it is made of; soak and stress are suites alone)
 *
 * One system is measured over `runs` fresh processes; several are measured in turn, ABBA, over
 * `blocks`. A phase that fails is written down and the next one goes on, except validate. What was
 * measured until an interruption is kept.
 *
 * Threads: the caller's. Memory: options are borrowed; the caller owns the document.
 */
#ifndef MU_BENCH_SUITE_BENCH_H
#define MU_BENCH_SUITE_BENCH_H

#include "bench/judge/targets.h"
#include "bench/suite/cell.h"
#include "bench/suite/memory_suite.h"

enum { MU_SYSTEMS_MAX = 8 };

typedef enum mu_suite {
    MU_SUITE_LATENCY = 1 << 0,
    MU_SUITE_THROUGHPUT = 1 << 1,
    MU_SUITE_RATE = 1 << 2,
    MU_SUITE_MEMORY = 1 << 3,
    MU_SUITE_SOAK = 1 << 4,
    MU_SUITE_STRESS = 1 << 5,
    MU_SUITE_ALL = 1 << 6,
} mu_suite;

/* What the process that runs the benchmark knows of engines; the benchmark itself knows servers.
 * All three are there. */
typedef struct mu_bench_inside {
    void *ctx;
    /* The object host.rates: the peak rates of this machine. The caller owns it. */
    mu_status (*rates)(void *ctx, json_t **out, mu_err *err);
    /* What a cell of our own model costs, with the rates that were measured; zero: not known. */
    mu_cell_limits (*limits)(void *ctx, uint32_t prompt_tokens);
    /* The object systems[].fidelity: how close our own model's weights are to f32. NULL and MU_OK:
     * there is nothing to compare. */
    mu_status (*fidelity)(void *ctx, uint32_t n_positions, json_t **out, mu_err *err);
} mu_bench_inside;

typedef struct mu_bench_options {
    mu_suite suite;
    const char *suite_name;           /* "all" */
    const mu_system_options *systems; /* [n_systems] */
    uint32_t n_systems;               /* 1 to MU_SYSTEMS_MAX */
    mu_plan_options plan;
    mu_slo slo;
    uint32_t runs, blocks; /* blocks: of several systems */
    double seconds;        /* of soak; 0: its own */
    double steal_limit;    /* share of CPU time that other guests may take; at least 0.01 */
    bool no_instrument;    /* do not measure the instrument's own error */
    uint32_t n_agreement;  /* positions at which 8-bit and 4-bit weights are compared with f32 */
    double budget_s;       /* cells and the leak test are shortened to end in it; 0: none */
    uint64_t seed;
    const mu_targets *targets; /* NULL: the built-in ones */
    bool no_targets;           /* judge nothing */
    mu_bench_inside inside;
    const char *const *command; /* [n_command], as it was typed, without secrets */
    uint32_t n_command;
    FILE *raw; /* records, JSON Lines; NULL: none */
    mu_progress *progress;
    bool (*is_canceled)(void);
} mu_bench_options;

/* *out is set whenever something was measured, also when an error is returned (then run.stop_reason
 * says "failed" or "interrupted"). */
mu_status mu_bench_run(const mu_bench_options *options, json_t **out, mu_err *err) MU_MUST_USE;

#endif
