#include "bench/stats/series.h"

#include <math.h>

#include "base/distributions.h"

enum { MSER_BATCH = 5, MSER_VALUES_MIN = 20 };

double mu_values_mean(const double *values, size_t n) {
    MU_ASSERT(n > 0);
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += values[i];
    }
    return sum / (double)n;
}

double mu_values_variance(const double *values, size_t n) {
    if (n < 2) return 0.0;
    double mean = mu_values_mean(values, n), sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += (values[i] - mean) * (values[i] - mean);
    }
    return sum / (double)(n - 1);
}

/* What the sums below are taken over: the values, or which of them are at most a bound. */
typedef struct view {
    const double *values;
    size_t n;
    double bound, mean;
    bool is_indicator;
} view;

static inline double view_at(const view *v, size_t i) {
    double x = v->is_indicator ? (v->values[i] <= v->bound ? 1.0 : 0.0) : v->values[i];
    return x - v->mean;
}

static double autocovariance(const view *v, size_t lag) {
    double sum = 0.0;
    for (size_t i = lag; i < v->n; i++) {
        sum += view_at(v, i) * view_at(v, i - lag);
    }
    return sum / (double)v->n;
}

/* Geyer: sums of neighbouring pairs (lags 0+1, 2+3, ...) are positive and fall. Fitting n_fitted
 * parameters to the same values lowers each autocorrelation: r = (rho - b) / (1 - b) on average,
 * with b = n_fitted tau / n, which tau itself decides; a few rounds settle it. */
static double time_of(const double *r, size_t n_lags, double n, double n_fitted) {
    enum { N_ROUNDS = 5 };
    double tau = 1.0;
    for (int round = 0; round < N_ROUNDS; round++) {
        double pair_last = INFINITY, total = 0.0, bias = fmin(0.5, n_fitted * tau / n);
        for (size_t lag = 0; lag + 1 < n_lags; lag += 2) {
            double even = lag == 0 ? 1.0 : r[lag] * (1.0 - bias) + bias;
            double pair = fmin(even + r[lag + 1] * (1.0 - bias) + bias, pair_last);
            if (pair <= 0.0) break;
            total += pair;
            pair_last = pair;
        }
        tau = fmin(fmax(1.0, 2.0 * total - 1.0), n);
    }
    return tau;
}

/* Lags are taken until their pairs are clearly past the end of the positive sequence. */
static double view_time(view v, double n_fitted) {
    enum { N_LAGS_MAX = 1024, N_BELOW_ENOUGH = 4 };
    if (v.n < 4) return 1.0;
    v.mean = 0.0;
    double sum = 0.0;
    for (size_t i = 0; i < v.n; i++) {
        sum += view_at(&v, i);
    }
    v.mean = sum / (double)v.n;
    double variance = autocovariance(&v, 0);
    if (variance <= 0.0) return 1.0;
    double r[N_LAGS_MAX] = {1.0};
    size_t n_lags = 1, n_below = 0, n_max = v.n / 2 < N_LAGS_MAX ? v.n / 2 : N_LAGS_MAX;
    while (n_lags < n_max && n_below < N_BELOW_ENOUGH) {
        r[n_lags] = autocovariance(&v, n_lags) / variance;
        n_below = r[n_lags] <= 0.0 ? n_below + 1 : 0;
        n_lags++;
    }
    return time_of(r, n_lags, (double)v.n, n_fitted);
}

double mu_autocorrelation_time(const double *values, size_t n) {
    return view_time((view){.values = values, .n = n}, 1.0);
}

double mu_autocorrelation_time_of_residuals(const double *residuals, size_t n) {
    return view_time((view){.values = residuals, .n = n}, 2.0);
}

double mu_effective_n(const double *values, size_t n) {
    return n == 0 ? 0.0 : fmax(1.0, (double)n / mu_autocorrelation_time(values, n));
}

double mu_effective_n_below(const double *values, size_t n, double at) {
    if (n == 0) return 0.0;
    view v = {.values = values, .n = n, .bound = at, .is_indicator = true};
    return fmax(1.0, (double)n / view_time(v, 1.0));
}

mu_truncation mu_mser5(const double *values, size_t n) {
    if (n < MSER_VALUES_MIN) return (mu_truncation){.is_capped = true};
    size_t m = n / MSER_BATCH, best = 0, cap = m / 2;
    double best_score = INFINITY, sum = 0.0, squares = 0.0, shift = mu_values_mean(values, n);
    for (size_t d = m; d-- > 0;) { /* from the end, so that the sums of the rest are at hand */
        double batch = mu_values_mean(values + d * MSER_BATCH, MSER_BATCH) - shift;
        sum += batch;
        squares += batch * batch;
        double rest = (double)(m - d);
        double score = fmax(0.0, squares - sum * sum / rest) / (rest * rest);
        if (d > cap) continue;
        if (score <= best_score) {
            best_score = score;
            best = d;
        }
    }
    return (mu_truncation){.n_discarded = best * MSER_BATCH, .is_capped = best == cap};
}

mu_interval mu_batch_means(const double *values, size_t n, uint32_t n_batches, double *out_mean) {
    enum { N_BATCHES_MAX = 1024 };
    MU_ASSERT(n_batches >= MU_BATCHES_MIN && n_batches <= N_BATCHES_MAX);
    size_t each = n / n_batches;
    if (n > 0) *out_mean = mu_values_mean(values, n);
    if (each < 2) return (mu_interval){-INFINITY, INFINITY};
    double means[N_BATCHES_MAX];
    const double *first = values + (n - each * n_batches);
    for (uint32_t b = 0; b < n_batches; b++) {
        means[b] = mu_values_mean(first + b * each, each);
    }
    double mean = mu_values_mean(means, n_batches), variance = mu_values_variance(means, n_batches);
    double lagged = 0.0;
    for (uint32_t b = 1; b < n_batches; b++) {
        lagged += (means[b] - mean) * (means[b - 1] - mean);
    }
    double phi = variance > 0.0 ? lagged / (variance * (n_batches - 1)) : 0.0;
    phi = phi < 1.0 / sqrt(n_batches) ? 0.0 : fmin(phi, 0.9);
    double half = mu_student_quantile(0.975, n_batches - 1) *
                  sqrt(variance / n_batches * (1.0 + phi) / (1.0 - phi));
    *out_mean = mean;
    return (mu_interval){mean - half, mean + half};
}
