#include "bench/intervals.h"

#include <math.h>

static const double normal_975 = 1.959963984540054; /* the 97.5% quantile */

mu_interval mu_interval_proportion(uint64_t n_hits, uint64_t n) {
    MU_ASSERT(n > 0 && n_hits <= n);
    double z = normal_975, trials = (double)n, p = (double)n_hits / trials;
    double center = (p + z * z / (2 * trials)) / (1 + z * z / trials);
    double half =
        z / (1 + z * z / trials) * sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials));
    return (mu_interval){
        .low = n_hits == 0 ? 0.0 : fmax(0.0, center - half),
        .high = n_hits == n ? 1.0 : fmin(1.0, center + half),
    };
}

/* The 97.5% quantile of Student's t: tables for few degrees of freedom, then the first terms of its
 * expansion in 1 / df, which are right to 1e-3 from there on. */
static double t_975(uint64_t df) {
    static const double table[] = {0,     12.706, 4.303, 3.182, 2.776, 2.571, 2.447,
                                   2.365, 2.306,  2.262, 2.228, 2.201, 2.179};
    if (df < MU_COUNTOF(table)) return table[df];
    double z = normal_975, n = (double)df;
    return z + (pow(z, 3) + z) / (4 * n) + (5 * pow(z, 5) + 16 * pow(z, 3) + 3 * z) / (96 * n * n);
}

mu_interval mu_interval_mean(double sum, double sum_squares, uint64_t n) {
    MU_ASSERT(n > 0);
    if (n == 1) return (mu_interval){-INFINITY, INFINITY};
    double mean = sum / (double)n;
    double variance = fmax(0.0, (sum_squares - sum * mean) / (double)(n - 1));
    double half = t_975(n - 1) * sqrt(variance / (double)n);
    return (mu_interval){mean - half, mean + half};
}
