/* cell.h - from a finished load to a cell of muai.bench/1: window, metrics, throughput, goodput,
 * reliability, and whether any of it may be used.
 *
 *     throughput   tokens, prompts and completions whose instants lie in the window, a second; each
 *                  interval from the means of 20 equal slices (stats/series.h, batch means)
 *     in flight    sum of the requests' times inside the window / its length; Little's law compares
 *                  it with completions a second times the mean latency
 *     goodput      requests of the window that succeeded and met the objective
 *     MBU          bytes that a decode step must read / TPOT / measured memory bandwidth
 *     MFU          operations of the prefill / TTFT / measured peak rate
 *
 * Threads: any. Memory: facts are borrowed during the call; the caller owns the JSON.
 */
#ifndef MU_BENCH_SUITE_CELL_H
#define MU_BENCH_SUITE_CELL_H

#include "bench/suite/cell_plan.h"
#include "bench/suite/pooled.h"
#include "bench/suite/timeline.h"

/* What a step costs the machine, of our own engine. 0: not known. */
typedef struct mu_cell_limits {
    double decode_bytes;         /* weights read by a decode step */
    double kv_bytes_per_token;   /* of a sequence's cache, read by each decode step */
    double prefill_ops;          /* of this cell's prompt */
    double dram_gb_s, peak_gops; /* measured on this machine */
} mu_cell_limits;

typedef struct mu_cell_facts {
    const mu_cell_plan *plan;
    const char *system;  /* id, "a" */
    uint32_t run, block; /* from 1; 0: there is one */
    const mu_load_result *load;
    const char *count_source; /* of tokens */
    bool is_chat;
    mu_schedule_stats arrivals; /* open loops */
    mu_slo slo;
    mu_timeline_samples samples;
    mu_fact server_cpu_s;          /* of the process tree, over the window */
    mu_fact machine_steal;         /* share of CPU time, over the load */
    mu_fact throttled;             /* events */
    double steal_limit;            /* above it the cell is INVALID; never below 1% */
    int64_t pid_before, pid_after; /* of the server; 0: not ours */
    mu_cell_limits limits;
    mu_pooled *pooled; /* what a VALID run is added to; NULL: nothing */
    uint64_t seed;
} mu_cell_facts;

/* MU_ERR_INVALID: the load never reached its boundary (the reason is in its records). */
mu_status mu_cell_json(const mu_cell_facts *facts, json_t **out, mu_err *err) MU_MUST_USE;

/* Whether everything that is asked of a cell is known precisely enough: for stopping. Goals are
 * throughput, and p50 and p95 of TTFT and TPOT. */
bool mu_cell_is_precise(const mu_load_result *so_far, uint64_t seed);

#endif
