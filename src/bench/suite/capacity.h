/* capacity.h - the highest rate of arrivals at which requests still meet their objective (SLO).
 *
 * Up: from half of what a closed loop reached, in steps, until a rate fails; then bisection between
 * the highest rate that met it and the lowest that did not, for a given number of cells. A rate
 * meets it when its cell is not saturated and the share of good requests reaches the wanted one:
 * the lower end of its interval in a full run, the share itself in a quick one, whose samples are
 * too few for more (and which says so).
 *
 * The search itself is pure: feed it one result after the other.
 */
#ifndef MU_BENCH_SUITE_CAPACITY_H
#define MU_BENCH_SUITE_CAPACITY_H

#include <jansson.h>

#include "base/base.h"

typedef struct mu_capacity_search {
    double met, failed; /* rates; 0: none yet */
    double next;        /* to try */
    uint32_t n_left;    /* cells */
} mu_capacity_search;

/* reference: requests a second of a closed loop, > 0. */
void mu_capacity_begin(mu_capacity_search *search, double reference, uint32_t n_cells);
/* What the rate `next` gave. False: the search is over. */
bool mu_capacity_feed(mu_capacity_search *search, bool is_met);

/* Whether a cell of muai.bench/1 met its objective. */
bool mu_capacity_is_met(const json_t *cell, bool is_quick);

#endif
