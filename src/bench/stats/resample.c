#include "bench/stats/resample.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/distributions.h"
#include "base/rng.h"
#include "bench/stats/percentiles.h"
#include "bench/stats/series.h"

enum { N_GROUPS_MAX = 50, N_RUNS_BCA_MIN = 10 };

double mu_statistic_mean(void *ctx, double *rows, size_t n_rows) {
    (void)ctx;
    return mu_values_mean(rows, n_rows);
}

double mu_statistic_median(void *ctx, double *rows, size_t n_rows) {
    (void)ctx;
    return mu_values_median(rows, n_rows);
}

double mu_statistic_percentile(void *ctx, double *rows, size_t n_rows) {
    double p = *(const double *)ctx;
    return mu_values_select(rows, n_rows, (size_t)mu_percentile_rank(n_rows, p) - 1);
}

double mu_statistic_ratio(void *ctx, double *rows, size_t n_rows) {
    (void)ctx;
    double above = 0.0, below = 0.0;
    for (size_t i = 0; i < n_rows; i++) {
        above += rows[2 * i];
        below += rows[2 * i + 1];
    }
    return above / below;
}

/* The value below which a share p of the sorted values lies, by linear interpolation. */
static double sorted_quantile(const double *sorted, size_t n, double p) {
    double at = p * ((double)n + 1.0) - 1.0;
    if (at <= 0.0) return sorted[0];
    if (at >= (double)(n - 1)) return sorted[n - 1];
    size_t i = (size_t)at;
    double part = at - (double)i;
    return sorted[i] + part * (sorted[i + 1] - sorted[i]);
}

static double acceleration(const double *jackknife, size_t n) {
    if (n < 3) return NAN;
    double mean = mu_values_mean(jackknife, n), squares = 0.0, cubes = 0.0;
    for (size_t i = 0; i < n; i++) {
        double d = mean - jackknife[i];
        squares += d * d;
        cubes += d * d * d;
    }
    return cubes / (6.0 * pow(squares, 1.5));
}

mu_interval mu_bca_interval(const mu_replicates *r, bool *out_is_bca) {
    MU_ASSERT(r->n > 1 && r->z > 0.0);
    double below = 0.0;
    for (size_t i = 0; i < r->n; i++) {
        below += r->replicates[i] < r->value ? 1.0 : r->replicates[i] == r->value ? 0.5 : 0.0;
    }
    mu_values_sort(r->replicates, r->n);
    double z0 = mu_normal_quantile(below / (double)r->n);
    double a = acceleration(r->jackknife, r->n_jackknife);
    double low = z0 - r->z, high = z0 + r->z;
    *out_is_bca = isfinite(z0) && isfinite(a) && 1.0 - a * low > 0.0 && 1.0 - a * high > 0.0;
    double p_low = mu_normal_cdf(-r->z), p_high = mu_normal_cdf(r->z);
    if (*out_is_bca) {
        p_low = mu_normal_cdf(z0 + low / (1.0 - a * low));
        p_high = mu_normal_cdf(z0 + high / (1.0 - a * high));
    }
    return (mu_interval){sorted_quantile(r->replicates, r->n, p_low),
                         sorted_quantile(r->replicates, r->n, p_high)};
}

/* What is drawn from, and a buffer for what is drawn. */
typedef struct source {
    const mu_rows *rows;
    size_t n_columns, n_units, n_runs;
    double *drawn; /* [cap] values */
    size_t cap, n_drawn;
    bool has_memory;
} source;

static size_t unit_end(const source *s, size_t unit) {
    return s->rows->unit_ends ? s->rows->unit_ends[unit] : unit + 1;
}

static size_t unit_start(const source *s, size_t unit) {
    return unit == 0 ? 0 : unit_end(s, unit - 1);
}

static size_t run_end(const source *s, size_t run) {
    return s->rows->run_ends ? s->rows->run_ends[run] : s->n_units;
}

static size_t run_start(const source *s, size_t run) {
    return run == 0 ? 0 : run_end(s, run - 1);
}

static void draw_units(source *s, size_t unit, size_t end) { /* append them, as they are */
    if (unit == end) return;
    size_t first = unit_start(s, unit) * s->n_columns;
    size_t n = unit_end(s, end - 1) * s->n_columns - first;
    void *drawn = s->drawn;
    s->has_memory = s->has_memory && mu_grow(&drawn, &s->cap, s->n_drawn + n, sizeof(*s->drawn));
    s->drawn = drawn;
    if (!s->has_memory) return;
    memcpy(s->drawn + s->n_drawn, s->rows->values + first, n * sizeof(*s->drawn));
    s->n_drawn += n;
}

/* As many units as there are, in blocks of geometric length that wrap around the end. */
static void draw_blocks(source *s, double block, mu_rng *rng) {
    size_t left = s->n_units;
    while (left > 0) {
        size_t from = (size_t)mu_rng_below(rng, s->n_units), length = 1;
        while (length < left && mu_rng_f64(rng) * block >= 1.0) {
            length++;
        }
        left -= length;
        while (length > 0) {
            size_t part = s->n_units - from < length ? s->n_units - from : length;
            draw_units(s, from, from + part);
            length -= part;
            from = 0;
        }
    }
}

static void draw_runs(source *s, mu_rng *rng) {
    for (size_t i = 0; i < s->n_runs; i++) {
        size_t run = (size_t)mu_rng_below(rng, s->n_runs);
        draw_units(s, run_start(s, run), run_end(s, run));
    }
}

static double drawn_statistic(source *s, const mu_resample_options *o) {
    size_t n_rows = s->n_drawn / s->n_columns;
    s->n_drawn = 0;
    return n_rows > 0 ? o->statistic(o->ctx, s->drawn, n_rows) : NAN;
}

/* How units depend on each other: the longest autocorrelation time of the columns' means. */
static mu_status unit_time(const source *s, double *out, mu_err *err) {
    double *means = MU_ALLOC(double, s->n_units);
    if (!means) return mu_fail(err, MU_ERR_NOMEM, "means of %zu units", s->n_units);
    double tau = 1.0;
    for (size_t c = 0; c < s->n_columns; c++) {
        for (size_t u = 0; u < s->n_units; u++) {
            size_t first = unit_start(s, u), end = unit_end(s, u);
            double sum = 0.0;
            for (size_t row = first; row < end; row++) {
                sum += s->rows->values[row * s->n_columns + c];
            }
            means[u] = end > first ? sum / (double)(end - first) : 0.0;
        }
        tau = fmax(tau, mu_autocorrelation_time(means, s->n_units));
    }
    mu_free(means);
    *out = tau;
    return MU_OK;
}

/* The normal quantile for stationary blocks. A block of mean length L keeps a correlation rho^k as
 * (q rho)^k with q = 1 - 1 / L. Of the variance of the mean
 *
 *     kept   (1 + q rho) / (1 - q rho) / tau is kept, for rho that gives tau = (1 + rho) / (1 -
 * rho), lost   (2 L - 1) / n of what would be seen is lost to the mean being that of the same
 * values, df     n (1 - q^2) / (1 + q^2) independent squares went into it.
 *
 * With L = 1 this is the expanded percentile interval of n independent values. */
static double block_quantile(double n, double tau, double block) {
    double rho = (tau - 1.0) / (tau + 1.0), q = 1.0 - 1.0 / block;
    double kept = (1.0 + q * rho) / (1.0 - q * rho) / tau;
    double lost = fmin(0.5, (2.0 * block - 1.0) / (n * kept));
    double df = fmax(1.0, n * (1.0 - q * q) / (1.0 + q * q) - 1.0);
    return mu_student_quantile(0.975, df) / sqrt(kept * (1.0 - lost));
}

static void jackknife(source *s, const mu_resample_options *o, double *out, size_t n_groups) {
    for (size_t g = 0; g < n_groups; g++) {
        size_t first = s->n_runs > 1 ? run_start(s, g) : g * s->n_units / n_groups;
        size_t end = s->n_runs > 1 ? run_end(s, g) : (g + 1) * s->n_units / n_groups;
        draw_units(s, 0, first);
        draw_units(s, end, s->n_units);
        out[g] = drawn_statistic(s, o);
    }
}

static mu_status resample(source *s, const mu_resample_options *o, mu_estimate *out, mu_err *err) {
    size_t n_replicates = o->n_replicates ? o->n_replicates : MU_REPLICATES;
    bool in_runs = s->n_runs > 1;
    double block = fmax(1.0, o->block_units), tau = 1.0;
    if (!in_runs && o->block_units != 1.0) {
        mu_status status = unit_time(s, &tau, err);
        if (status != MU_OK) return status;
        if (o->block_units == 0.0) block = fmax(cbrt((double)s->n_units), tau);
    }
    size_t n_groups = in_runs ? s->n_runs : s->n_units < N_GROUPS_MAX ? s->n_units : N_GROUPS_MAX;
    double *values = MU_ALLOC(double, n_replicates + n_groups);
    if (!values) return mu_fail(err, MU_ERR_NOMEM, "%zu replicates", n_replicates);

    mu_rng rng = {o->seed};
    for (size_t r = 0; r < n_replicates && s->has_memory; r++) {
        if (in_runs) {
            draw_runs(s, &rng);
        } else {
            draw_blocks(s, block, &rng);
        }
        values[r] = drawn_statistic(s, o);
    }
    jackknife(s, o, values + n_replicates, n_groups);
    if (s->has_memory) {
        out->n_eff = in_runs ? (double)s->n_runs : fmax((double)s->n_units / tau, 2.0);
        mu_replicates all = {.value = out->value,
                             .replicates = values,
                             .n = n_replicates,
                             .jackknife = values + n_replicates,
                             .n_jackknife = n_groups,
                             .z = in_runs ? mu_expanded_975((double)s->n_runs)
                                          : block_quantile((double)s->n_units, tau, block)};
        out->se = sqrt(mu_values_variance(values, n_replicates));
        if (in_runs && s->n_runs < N_RUNS_BCA_MIN) {
            double half = all.z * out->se;
            out->ci = (mu_interval){out->value - half, out->value + half};
        } else {
            out->ci = mu_bca_interval(&all, &out->is_bca);
        }
    }
    mu_free(values);
    return s->has_memory ? MU_OK : mu_fail(err, MU_ERR_NOMEM, "resampled rows");
}

mu_status mu_resample(const mu_rows *rows, const mu_resample_options *options, mu_estimate *out,
                      mu_err *err) {
    source s = {.rows = rows,
                .n_columns = rows->n_columns ? rows->n_columns : 1,
                .n_units = rows->unit_ends ? rows->n_units : rows->n_rows,
                .n_runs = rows->run_ends ? rows->n_runs : 1,
                .has_memory = true};
    MU_ASSERT(!rows->unit_ends || s.n_units == 0 || unit_end(&s, s.n_units - 1) == rows->n_rows);
    MU_ASSERT(!rows->run_ends || s.n_runs == 0 || run_end(&s, s.n_runs - 1) == s.n_units);
    mu_estimate estimate = {.value = NAN, .ci = {-INFINITY, INFINITY}, .se = NAN};
    mu_status status = MU_OK;
    draw_units(&s, 0, s.n_units);
    if (!s.has_memory) {
        status = mu_fail(err, MU_ERR_NOMEM, "copy of %zu rows", rows->n_rows);
    } else {
        estimate.value = drawn_statistic(&s, options);
        estimate.n_eff = (double)(s.n_runs > 1 ? s.n_runs : s.n_units);
        if (s.n_units > 1) status = resample(&s, options, &estimate, err);
    }
    mu_free(s.drawn);
    if (status == MU_OK) *out = estimate;
    return status;
}
