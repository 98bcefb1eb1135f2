#include "base/intervals.h"

#include <math.h>

#include "base/distributions.h"

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

mu_interval mu_interval_mean(double sum, double sum_squares, uint64_t n) {
    MU_ASSERT(n > 0);
    if (n == 1) return (mu_interval){-INFINITY, INFINITY};
    double mean = sum / (double)n;
    double variance = fmax(0.0, (sum_squares - sum * mean) / (double)(n - 1));
    double half = mu_student_quantile(0.975, (double)(n - 1)) * sqrt(variance / (double)n);
    return (mu_interval){mean - half, mean + half};
}

mu_interval mu_interval_ratio(const double *x, const double *weight, uint64_t n) {
    double sum = 0.0, total = 0.0, squares = 0.0;
    for (uint64_t i = 0; i < n; i++) {
        sum += x[i];
        total += weight[i];
    }
    MU_ASSERT(n > 0 && total > 0.0);
    if (n == 1) return (mu_interval){-INFINITY, INFINITY};
    double ratio = sum / total;
    for (uint64_t i = 0; i < n; i++) {
        double residual = x[i] - ratio * weight[i];
        squares += residual * residual;
    }
    double half = mu_student_quantile(0.975, (double)(n - 1)) *
                  sqrt(squares * (double)n / (double)(n - 1)) / total;
    return (mu_interval){ratio - half, ratio + half};
}
