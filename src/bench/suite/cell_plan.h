/* cell_plan.h - what a suite will measure, decided before anything is sent.
 *
 * A plan is a list of cells: a load (shape, arrivals, clients) and how long it may take. quick
 * plans fit into three minutes for all phases; full ones go on until figures are precise.
 *
 * Pure; any thread.
 */
#ifndef MU_BENCH_SUITE_CELL_PLAN_H
#define MU_BENCH_SUITE_CELL_PLAN_H

#include "bench/load/schedule.h"

enum { MU_PLAN_CELLS_MAX = 128, MU_PLAN_LIST_MAX = 16 };

typedef struct mu_slo {
    double ttft_ms, tpot_ms; /* of each request; NAN: not asked */
    double attain;           /* share of requests that must meet both, 0.99 */
} mu_slo;

typedef struct mu_cell_plan {
    char id[80], label[120];
    const char *phase; /* "latency" */
    mu_shape shape;
    mu_arrivals arrivals;
    double rate_per_s; /* open loops */
    uint32_t clients;  /* closed loop */
    double warmup_s;
    uint32_t n_warmup;  /* requests; both must be reached */
    double seconds_min; /* no look for precision before */
    double seconds_max;
    uint32_t n_requests_min; /* as seconds_min */
    uint32_t n_requests_max; /* 0: no limit */
    bool is_precise;         /* stop when figures are precise */
    bool no_stream, keep_cache;
} mu_cell_plan;

typedef struct mu_plan_options {
    bool is_quick;
    mu_shape shapes[MU_PLAN_LIST_MAX]; /* n_shapes 0: the suite's own */
    uint32_t n_shapes;
    uint32_t clients[MU_PLAN_LIST_MAX], n_clients; /* n_clients 0: the suite's own */
    double rates[MU_PLAN_LIST_MAX];                /* of `rate`, requests a second */
    uint32_t n_rates;
    mu_arrivals arrivals; /* of `rate` */
    double seconds;       /* of a cell at most; 0: the suite's own */
    uint32_t n_requests;  /* of a cell exactly; 0: by time */
    uint32_t n_ctx;       /* shapes that do not fit are left out; 0: not known */
    bool no_stream, keep_cache;
} mu_plan_options;

typedef struct mu_plan {
    mu_cell_plan cells[MU_PLAN_CELLS_MAX];
    uint32_t n;
    uint32_t n_left_out; /* shapes that do not fit n_ctx */
} mu_plan;

/* Short prompts and answers as in the throughput figures of docs/performance.md: 6/30. */
extern const mu_shape mu_shape_short;

/* Append cells. False: more than MU_PLAN_CELLS_MAX. */
bool mu_plan_latency(const mu_plan_options *options, mu_plan *plan);
bool mu_plan_throughput(const mu_plan_options *options, mu_plan *plan);
bool mu_plan_rate(const mu_plan_options *options, mu_plan *plan);

/* One open-loop cell of the search for the highest rate. */
mu_cell_plan mu_plan_capacity_cell(const mu_plan_options *options, const mu_shape *shape,
                                   double rate_per_s);
/* Seconds that the cells take at most, warm-up included. */
double mu_plan_seconds(const mu_plan *plan);

#endif
