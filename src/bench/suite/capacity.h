/* capacity.h - the highest rate of arrivals at which requests still meet their objective (SLO).
 *
 * Up: from a part of what a closed loop reached, in steps, until a rate fails; then bisection
 * between the highest rate that met it and the lowest that did not, for a given number of cells.
 *
 * A rate meets the objective when the lower end of the interval of the share of good requests
 * reaches the wanted share. A cell whose requests are so few that not even all of them good would
 * show that can only look like it: the search goes on from it as from one that met it, and its
 * result says that it was not shown.
 *
 * The search itself is pure: feed it one result after the other.
 */
#ifndef MU_BENCH_SUITE_CAPACITY_H
#define MU_BENCH_SUITE_CAPACITY_H

#include <jansson.h>

#include "base/base.h"

typedef enum mu_capacity_outcome {
    MU_CAPACITY_MISSED,
    MU_CAPACITY_LIKELY, /* the share is reached, by too few requests to show it */
    MU_CAPACITY_MET,
} mu_capacity_outcome;

typedef struct mu_capacity_search {
    double met, failed; /* rates; 0: none yet */
    double next;        /* to try */
    uint32_t n_left;    /* cells */
} mu_capacity_search;

/* reference: requests a second of a closed loop, > 0. */
void mu_capacity_begin(mu_capacity_search *search, double reference, uint32_t n_cells);
/* What the rate `next` gave. False: the search is over. */
bool mu_capacity_feed(mu_capacity_search *search, bool is_met);

/* What a cell of muai.bench/1 says about its rate; one that is saturated missed it. */
mu_capacity_outcome mu_capacity_judge(const json_t *cell);

#endif
