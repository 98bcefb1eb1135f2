/* histogram.h - counts of values by fixed upper bounds, as Prometheus wants them.
 *
 * Threads: one at a time; the owner copies the struct to hand it to others.
 */
#ifndef MU_BASE_HISTOGRAM_H
#define MU_BASE_HISTOGRAM_H

#include "base/base.h"

enum { MU_HISTOGRAM_BOUNDS_MAX = 24 };

typedef struct mu_histogram {
    const double *bounds; /* [n_bounds], rising, borrowed; a static table */
    uint32_t n_bounds;
    uint64_t counts[MU_HISTOGRAM_BOUNDS_MAX + 1]; /* of each bucket alone; the last is above all */
    double sum;
} mu_histogram;

void mu_histogram_init(mu_histogram *h, const double *bounds, uint32_t n_bounds);
void mu_histogram_add(mu_histogram *h, double value, uint64_t n); /* n times */
uint64_t mu_histogram_n(const mu_histogram *h);

#endif
