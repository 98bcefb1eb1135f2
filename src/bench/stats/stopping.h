/* stopping.h - when a cell has been measured for long enough.
 *
 * After every look the next one is at 1.5 times the number of requests: looking seldom keeps the
 * bias small that comes from stopping when the figures happen to agree. A run stops when every goal
 * is met, after the minimum time, or when its budget is spent; the reason goes into the report.
 *
 * Pure functions; no state, any thread.
 */
#ifndef MU_BENCH_STATS_STOPPING_H
#define MU_BENCH_STATS_STOPPING_H

#include "base/intervals.h"

/* Goals of the relative half-width (high - low) / 2 / value. */
#define MU_GOAL_CENTER 0.02 /* throughput, p50 */
#define MU_GOAL_P95    0.05
#define MU_GOAL_P99    0.10

typedef struct mu_goal {
    const char *name; /* "ttft_ms.p50", borrowed */
    double goal;      /* relative half-width */
    double value;
    mu_interval ci;
    bool is_gated; /* too few values for a figure: not met */
} mu_goal;

double mu_relative_half_width(double value, mu_interval ci); /* infinite when it cannot be had */

typedef enum mu_stop_reason {
    MU_STOP_NOT_YET,
    MU_STOP_PRECISE,  /* every goal is met */
    MU_STOP_TIME,     /* budget of time spent */
    MU_STOP_REQUESTS, /* budget of requests spent, or the fixed number reached */
    MU_STOP_HOPELESS, /* the SLO cannot be met any more (attainment.h) */
} mu_stop_reason;

const char *mu_stop_reason_name(mu_stop_reason reason); /* "precise" */

typedef struct mu_stop_rule {
    double min_s;     /* measured at least so long; the specification says 30 */
    double max_s;     /* budget; 0: none */
    uint64_t n_first; /* requests at the first look; 0: 30 */
    uint64_t n_max;   /* budget; 0: none */
    bool is_fixed_n;  /* stop at n_max and at nothing else */
} mu_stop_rule;

typedef struct mu_stop_state {
    double elapsed_s; /* measured, without warm-up */
    uint64_t n;       /* requests that ended in it */
    bool is_hopeless;
} mu_stop_state;

typedef struct mu_stopping {
    mu_stop_reason reason;
    uint64_t n_next;     /* when not yet: look again at so many requests */
    double seconds_left; /* estimate until all goals are met, at most to the end of the budget;
                            infinite when it cannot be had */
    size_t worst;        /* index of the goal that is farthest; n_goals when all are met */
    double worst_half_width;
} mu_stopping;

/* goals: [n_goals], may be none: then only budgets stop. */
mu_stopping mu_stopping_decide(const mu_stop_rule *rule, const mu_stop_state *state,
                               const mu_goal *goals, size_t n_goals);

#endif
