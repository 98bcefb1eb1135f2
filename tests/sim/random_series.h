/* random_series.h - series with known truth, for simulations of statistics. */
#ifndef MU_TESTS_SIM_RANDOM_SERIES_H
#define MU_TESTS_SIM_RANDOM_SERIES_H

#include <math.h>

#include "base/rng.h"

static inline double random_normal(mu_rng *rng) { /* Box & Muller */
    double u = 1.0 - mu_rng_f64(rng), v = mu_rng_f64(rng);
    return sqrt(-2.0 * log(u)) * cos(2.0 * 3.14159265358979323846 * v);
}

/* AR(1) with mean 0, variance 1 and this autocorrelation, started in its stationary state. */
static inline void random_ar1(mu_rng *rng, double rho, double *out, size_t n) {
    double scale = sqrt(1.0 - rho * rho), x = random_normal(rng);
    for (size_t i = 0; i < n; i++) {
        out[i] = x;
        x = rho * x + scale * random_normal(rng);
    }
}

#endif
