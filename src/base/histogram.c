#include "base/histogram.h"

void mu_histogram_init(mu_histogram *h, const double *bounds, uint32_t n_bounds) {
    MU_ASSERT(n_bounds <= MU_HISTOGRAM_BOUNDS_MAX);
    *h = (mu_histogram){.bounds = bounds, .n_bounds = n_bounds};
}

void mu_histogram_add(mu_histogram *h, double value, uint64_t n) {
    uint32_t i = 0;
    while (i < h->n_bounds && value > h->bounds[i]) {
        i++;
    }
    h->counts[i] += n;
    h->sum += value * (double)n;
}

uint64_t mu_histogram_n(const mu_histogram *h) {
    uint64_t n = 0;
    for (uint32_t i = 0; i <= h->n_bounds; i++) {
        n += h->counts[i];
    }
    return n;
}
