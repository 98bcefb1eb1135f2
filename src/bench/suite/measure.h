/* measure.h - run one planned cell against a started system.
 *
 * Sends the load, watches the machine and the server's process meanwhile, stops when the figures
 * are precise, and makes the cell. Raw records go to a JSON Lines file when there is one.
 *
 * Threads: the caller's; the load has its own. Memory: the caller owns the JSON.
 */
#ifndef MU_BENCH_SUITE_MEASURE_H
#define MU_BENCH_SUITE_MEASURE_H

#include <stdio.h>

#include "bench/suite/cell.h"
#include "bench/suite/progress.h"
#include "bench/suite/system.h"

typedef struct mu_measure_options {
    const mu_system *system;
    const mu_cell_plan *plan;
    uint32_t run, block;        /* 0: there is one */
    uint64_t seed, cell_number; /* prompts differ by both */
    mu_slo slo;
    double steal_limit;    /* cell.h */
    mu_cell_limits limits; /* zero: not known */
    mu_pooled *pooled;     /* cell.h; NULL: none */
    FILE *raw;             /* NULL: none */
    mu_progress *progress;
    mu_progress_view *view; /* what to show; the load's figures are filled in */
    bool (*is_canceled)(void);
} mu_measure_options;

/* MU_ERR_CANCELED; MU_ERR_INVALID when the load got nowhere. */
mu_status mu_measure_cell(const mu_measure_options *options, json_t **out, mu_err *err) MU_MUST_USE;

#endif
