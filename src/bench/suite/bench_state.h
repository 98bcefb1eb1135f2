/* bench_state.h - what the phases of a benchmark share; private to bench*.c.
 *
 * A phase measures, adds to the document and leaves a summary of one line. It returns the first
 * error it met, after what could be measured all the same.
 */
#ifndef MU_BENCH_SUITE_BENCH_STATE_H
#define MU_BENCH_SUITE_BENCH_STATE_H

#include "bench/suite/bench.h"
#include "bench/suite/pooled.h"

enum { MU_BENCH_SUMMARY_MAX = 200 };

typedef struct mu_bench {
    const mu_bench_options *o;
    mu_system *systems[MU_SYSTEMS_MAX];
    json_t *doc;
    mu_progress_view view;
    uint64_t start_ns, cell_number;
    double planned_s;                   /* of the whole run, roughly */
    double phase_budget_s;              /* of the phase that runs; 0: none */
    mu_pooled *pooled;                  /* of the plan that is measured; NULL: one run */
    uint32_t n_ctx;                     /* the smallest that a system says; 0: not known */
    bool is_lost;                       /* a server that answered no longer does */
    char summary[MU_BENCH_SUMMARY_MAX]; /* of the phase that runs */
} mu_bench;

/* Of a plan of cells: blocks of a comparison, runs of one system. */
static inline uint32_t mu_bench_n_rounds(const mu_bench_options *o) {
    return o->n_systems > 1 ? o->blocks : o->runs;
}

double mu_bench_elapsed_s(const mu_bench *b);
bool mu_bench_is_canceled(const mu_bench *b);

/* On the live screen: part i of n of the phase; n = 0: it has no parts. what is borrowed until the
 * next call. */
void mu_bench_show(mu_bench *b, const char *what, uint32_t i, uint32_t n);

/* A fresh process, where the system is our own. */
mu_status mu_bench_restart(mu_bench *b, mu_system *system, mu_err *err) MU_MUST_USE;

mu_status mu_bench_run_validate(mu_bench *b, mu_err *err) MU_MUST_USE;
mu_status mu_bench_run_latency(mu_bench *b, mu_err *err) MU_MUST_USE;
mu_status mu_bench_run_throughput(mu_bench *b, mu_err *err) MU_MUST_USE;
mu_status mu_bench_run_rate(mu_bench *b, mu_err *err) MU_MUST_USE;
mu_status mu_bench_run_memory(mu_bench *b, mu_err *err) MU_MUST_USE;
mu_status mu_bench_run_soak(mu_bench *b, mu_err *err) MU_MUST_USE;
mu_status mu_bench_run_stress(mu_bench *b, mu_err *err) MU_MUST_USE;

#endif
