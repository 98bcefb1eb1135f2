#include "bench/stats/trend.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/distributions.h"
#include "base/rng.h"
#include "bench/stats/percentiles.h"
#include "bench/stats/series.h"

/* Slopes of all pairs with different x into slopes; their number. */
static size_t pair_slopes(const double *x, const double *y, size_t n, double *slopes) {
    size_t n_slopes = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i + 1; j < n; j++) {
            if (x[j] > x[i]) slopes[n_slopes++] = (y[j] - y[i]) / (x[j] - x[i]);
        }
    }
    return n_slopes;
}

static mu_line line_through(const double *x, const double *y, size_t n, double *slopes) {
    size_t n_slopes = pair_slopes(x, y, n, slopes);
    if (n_slopes == 0) return (mu_line){NAN, NAN};
    mu_line line = {.slope = mu_values_median(slopes, n_slopes)};
    for (size_t i = 0; i < n; i++) {
        slopes[i] = y[i] - line.slope * x[i];
    }
    line.intercept = mu_values_median(slopes, n);
    return line;
}

/* At most MU_TREND_POINTS_MAX points, and what is computed on them. */
typedef struct points {
    size_t n;
    double *x, *y;     /* [n] */
    double *residuals; /* [n] */
    double *drawn;     /* [n] */
    double *slopes;    /* [n (n + 1) / 2] */
    double *replicates;
    size_t *source; /* [n]: which residual was drawn */
} points;

static void points_deinit(points *p) {
    mu_free(p->x);
    mu_free(p->y);
    mu_free(p->residuals);
    mu_free(p->drawn);
    mu_free(p->slopes);
    mu_free(p->replicates);
    mu_free(p->source);
}

static mu_status points_init(points *p, const double *x, const double *y, size_t n,
                             size_t n_replicates, mu_err *err) {
    size_t kept = n < MU_TREND_POINTS_MAX ? n : MU_TREND_POINTS_MAX;
    *p = (points){.n = kept};
    p->x = MU_ALLOC(double, kept);
    p->y = MU_ALLOC(double, kept);
    p->residuals = MU_ALLOC(double, kept);
    p->drawn = MU_ALLOC(double, n); /* merging needs room for a group, however long */
    p->slopes = MU_ALLOC(double, kept *(kept + 1) / 2);
    p->replicates = MU_ALLOC(double, n_replicates);
    p->source = MU_ALLOC(size_t, kept);
    bool has_all =
        p->x && p->y && p->residuals && p->drawn && p->slopes && p->replicates && p->source;
    if (!has_all) {
        points_deinit(p);
        return mu_fail(err, MU_ERR_NOMEM, "trend of %zu values", n);
    }
    for (size_t k = 0; k < kept; k++) {
        size_t first = k * n / kept, end = (k + 1) * n / kept;
        memcpy(p->drawn, y + first, (end - first) * sizeof(*y));
        p->x[k] = mu_values_mean(x + first, end - first);
        p->y[k] = mu_values_median(p->drawn, end - first);
    }
    return MU_OK;
}

mu_status mu_theil_sen(const double *x, const double *y, size_t n, mu_line *out, mu_err *err) {
    points p;
    mu_status status = points_init(&p, x, y, n, 0, err);
    if (status != MU_OK) return status;
    *out = line_through(p.x, p.y, p.n, p.slopes);
    points_deinit(&p);
    return MU_OK;
}

/* Blocks wrap around the end, so that the first and last residuals are drawn as often as others. */
static void draw_blocks(points *p, size_t block, mu_rng *rng) {
    for (size_t i = 0; i < p->n;) {
        size_t from = (size_t)mu_rng_below(rng, p->n);
        for (size_t k = 0; k < block && i < p->n; k++) {
            p->source[i] = (from + k) % p->n;
            p->drawn[i] = p->residuals[p->source[i]];
            i++;
        }
    }
}

/* The slope of what was drawn. A residual that was drawn twice makes a pair with slope zero, which
 * is no news about slopes and would make their spread too small: such pairs are left out. */
static double drawn_slope(points *p) {
    size_t n_slopes = 0;
    for (size_t i = 0; i < p->n; i++) {
        for (size_t j = i + 1; j < p->n; j++) {
            if (p->source[i] == p->source[j] || !(p->x[j] > p->x[i])) continue;
            p->slopes[n_slopes++] = (p->drawn[j] - p->drawn[i]) / (p->x[j] - p->x[i]);
        }
    }
    return n_slopes > 0 ? mu_values_median(p->slopes, n_slopes) : 0.0;
}

static double mad(points *p) { /* scaled to the standard deviation of normal values */
    for (size_t i = 0; i < p->n; i++) {
        p->drawn[i] = fabs(p->residuals[i]);
    }
    return 1.4826022185056018 * mu_values_median(p->drawn, p->n);
}

static double slope_spread(points *p, size_t block, uint64_t seed, size_t n_replicates) {
    mu_rng rng = {seed};
    for (size_t r = 0; r < n_replicates; r++) {
        draw_blocks(p, block, &rng);
        p->replicates[r] = drawn_slope(p);
    }
    return sqrt(mu_values_variance(p->replicates, n_replicates));
}

/* What the spread of slopes from blocks of length l must be multiplied by for a 95% half-width, as
 * block_quantile() of resample.c. Of the variance of the slope
 *
 *     kept   1 + 2 sum_{0<k<l} (1 - k / l) rho^k, in parts of tau = (1 + rho) / (1 - rho), is kept,
 *     lost   2 l / n of what would be seen went into the fitted line,
 *     df     n / sum_{|k|<l} (1 - |k| / l)^2 = n / ((2 l^2 + 1) / (3 l)) squares are independent.
 */
static double spread_quantile(double n, double tau, size_t block) {
    double rho = (tau - 1.0) / (tau + 1.0), l = (double)block, kept = 1.0, power = 1.0;
    for (size_t k = 1; k < block; k++) {
        power *= rho;
        kept += 2.0 * (1.0 - (double)k / l) * power;
    }
    kept /= tau;
    double lost = fmin(0.5, 2.0 * l / (n * kept));
    double df = fmax(1.0, 3.0 * l * n / (2.0 * l * l + 1.0) - 2.0);
    return mu_student_quantile(0.975, df) / sqrt(kept * (1.0 - lost));
}

/* Half the width of the slope's interval, from the residuals. */
static double half_width(points *p, double tau, const mu_trend_options *o, size_t n_replicates) {
    double n = (double)p->n;
    size_t block = (size_t)fmax(1.0, fmin(round(fmax(cbrt(n), tau)), n / 4.0));
    double spread = slope_spread(p, block, o->seed, n_replicates);
    return spread * spread_quantile(n, tau, block);
}

mu_status mu_trend_fit(const double *x, const double *y, size_t n, const mu_trend_options *options,
                       mu_trend *out, mu_err *err) {
    size_t n_replicates = options->n_replicates ? options->n_replicates : MU_TREND_REPLICATES;
    points p;
    mu_status status = points_init(&p, x, y, n, n_replicates, err);
    if (status != MU_OK) return status;
    mu_trend trend = {.line = line_through(p.x, p.y, p.n, p.slopes),
                      .slope = {-INFINITY, INFINITY},
                      .noise = NAN,
                      .n = n};
    if (p.n >= MU_TREND_POINTS_MIN && !isnan(trend.line.slope)) {
        for (size_t i = 0; i < p.n; i++) {
            p.residuals[i] = p.y[i] - trend.line.intercept - trend.line.slope * p.x[i];
        }
        double tau = mu_autocorrelation_time_of_residuals(p.residuals, p.n);
        trend.n_eff = (double)p.n / tau;
        trend.noise = mad(&p);
        double half = half_width(&p, tau, options, n_replicates);
        trend.slope = (mu_interval){trend.line.slope - half, trend.line.slope + half};
    }
    points_deinit(&p);
    *out = trend;
    return MU_OK;
}

mu_status mu_drift_check(const double *x, const double *y, size_t n, double margin,
                         const mu_trend_options *options, mu_drift *out, mu_err *err) {
    mu_drift drift = {.relative = NAN, .relative_ci = {-INFINITY, INFINITY}};
    mu_status status = mu_trend_fit(x, y, n, options, &drift.trend, err);
    if (status != MU_OK) return status;
    double *copy = NULL;
    status = mu_values_sorted_copy(y, n, &copy, err);
    if (status != MU_OK) return status;
    if (n >= MU_TREND_POINTS_MIN && isfinite(drift.trend.slope.low)) {
        double median = mu_values_median(copy, n);
        double scale = (x[n - 1] - x[0]) / fabs(median);
        if (drift.trend.line.slope == 0.0) scale = isfinite(scale) ? scale : 0.0;
        drift.relative = drift.trend.line.slope * scale;
        drift.relative_ci =
            (mu_interval){drift.trend.slope.low * scale, drift.trend.slope.high * scale};
        bool has_zero = drift.trend.slope.low <= 0.0 && drift.trend.slope.high >= 0.0;
        drift.is_steady = has_zero || fabs(drift.relative) < margin;
    }
    mu_free(copy);
    *out = drift;
    return MU_OK;
}

static double sign(double x) {
    return (double)((x > 0.0) - (x < 0.0));
}

/* Sum of t (t - 1) (2 t + 5) and of t (t - 1) / 2 over groups of t equal sorted values. */
static void tie_sums(const double *sorted, size_t n, double *out_variance, double *out_pairs) {
    *out_variance = *out_pairs = 0.0;
    for (size_t i = 0, end; i < n; i = end) {
        end = i + 1;
        while (end < n && sorted[end] == sorted[i]) {
            end++;
        }
        double t = (double)(end - i);
        *out_variance += t * (t - 1.0) * (2.0 * t + 5.0);
        *out_pairs += t * (t - 1.0) / 2.0;
    }
}

/* Midranks of the values, from 1; sorted is the same values in order. */
static void midranks(const double *values, const double *sorted, size_t n, double *ranks) {
    for (size_t i = 0; i < n; i++) {
        size_t below = 0, high = n;
        while (below < high) {
            size_t middle = below + (high - below) / 2;
            if (sorted[middle] < values[i]) {
                below = middle + 1;
            } else {
                high = middle;
            }
        }
        size_t end = below;
        while (end < n && sorted[end] == values[i]) {
            end++;
        }
        ranks[i] = ((double)below + 1.0 + (double)end) / 2.0;
    }
}

/* Hamed & Rao: 1 + 2 / (n (n-1) (n-2)) sum over significant lags of (n-k)(n-k-1)(n-k-2) rho_k, with
 * the autocorrelations of the ranks of the detrended series. */
static double hamed_rao(const double *ranks, size_t n) {
    double mean = ((double)n + 1.0) / 2.0, variance = 0.0, sum = 0.0, count = (double)n;
    for (size_t i = 0; i < n; i++) {
        variance += (ranks[i] - mean) * (ranks[i] - mean);
    }
    if (variance <= 0.0 || n < 3) return 1.0;
    for (size_t lag = 1; lag + 2 < n; lag++) {
        double rho = 0.0, k = (double)lag;
        for (size_t i = lag; i < n; i++) {
            rho += (ranks[i] - mean) * (ranks[i - lag] - mean);
        }
        rho /= variance;
        if (fabs(rho) < 1.959963984540054 / sqrt(count)) continue;
        sum += (count - k) * (count - k - 1.0) * (count - k - 2.0) * rho;
    }
    double factor = 1.0 + 2.0 / (count * (count - 1.0) * (count - 2.0)) * sum;
    return factor > 0.0 ? factor : 1.0;
}

static mu_mann_kendall kendall(points *p) {
    double count = (double)p->n, s = 0.0, ties, tied_pairs;
    for (size_t i = 0; i < p->n; i++) {
        for (size_t j = i + 1; j < p->n; j++) {
            s += sign(p->y[j] - p->y[i]);
        }
    }
    memcpy(p->drawn, p->y, p->n * sizeof(*p->y));
    mu_values_sort(p->drawn, p->n);
    tie_sums(p->drawn, p->n, &ties, &tied_pairs);
    double pairs = count * (count - 1.0) / 2.0;
    mu_mann_kendall out = {.s = s, .tau_b = NAN, .factor = 1.0, .p = 1.0};
    out.variance = (count * (count - 1.0) * (2.0 * count + 5.0) - ties) / 18.0;
    if (out.variance <= 0.0) return out;
    out.tau_b = s / sqrt(pairs * (pairs - tied_pairs));

    mu_line line = line_through(p->x, p->y, p->n, p->slopes);
    for (size_t i = 0; i < p->n; i++) {
        p->drawn[i] = p->y[i] - line.slope * p->x[i];
    }
    memcpy(p->residuals, p->drawn, p->n * sizeof(*p->drawn));
    mu_values_sort(p->residuals, p->n);
    midranks(p->drawn, p->residuals, p->n, p->slopes);
    out.factor = hamed_rao(p->slopes, p->n);
    out.variance *= out.factor;
    out.z = (s - sign(s)) / sqrt(out.variance);
    out.p = 2.0 * mu_normal_cdf(-fabs(out.z));
    return out;
}

mu_status mu_mann_kendall_test(const double *values, size_t n, mu_mann_kendall *out, mu_err *err) {
    double *x = MU_ALLOC(double, n);
    if (!x) return mu_fail(err, MU_ERR_NOMEM, "Mann-Kendall test of %zu values", n);
    for (size_t i = 0; i < n; i++) {
        x[i] = (double)i;
    }
    points p;
    mu_status status = points_init(&p, x, values, n, 0, err);
    mu_free(x);
    if (status != MU_OK) return status;
    *out = kendall(&p);
    points_deinit(&p);
    return MU_OK;
}
