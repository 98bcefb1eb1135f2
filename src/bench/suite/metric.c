#include "bench/suite/metric.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/result/figures.h"
#include "bench/result/path.h"
#include "bench/stats/percentiles.h"
#include "bench/stats/resample.h"
#include "bench/stats/series.h"

enum { CURVE_POINTS_MAX = 60, ROWS_DRAWN_MAX = 8000000, REPLICATES_MIN = 200 };

void mu_metric_add(mu_metric *m, double value) {
    m->failed = m->failed || !mu_grow((void **)&m->values, &m->cap, m->n + 1, sizeof(*m->values));
    if (!m->failed) m->values[m->n++] = value;
}

void mu_metric_end_unit(mu_metric *m) {
    m->has_units = true;
    size_t begin = m->n_units > 0 ? m->unit_ends[m->n_units - 1] : 0;
    if (m->failed || m->n == begin) return;
    m->failed =
        !mu_grow((void **)&m->unit_ends, &m->cap_units, m->n_units + 1, sizeof(*m->unit_ends));
    if (!m->failed) m->unit_ends[m->n_units++] = m->n;
}

void mu_metric_deinit(mu_metric *m) {
    mu_free(m->values);
    mu_free(m->unit_ends);
    *m = (mu_metric){0};
}

/* n_eff of the values "is at most at" by the correlation within units. */
static double clustered_n(const mu_metric *m, double at) {
    double total = 0, between = 0, within = 0, sizes_squared = 0;
    for (size_t i = 0; i < m->n; i++) {
        total += m->values[i] <= at;
    }
    double n = (double)m->n, k = (double)m->n_units, mean = total / n;
    for (size_t u = 0, row = 0; u < m->n_units; u++) {
        double size = (double)(m->unit_ends[u] - row), hits = 0;
        for (; row < m->unit_ends[u]; row++) {
            hits += m->values[row] <= at;
        }
        double share = hits / size;
        between += size * (share - mean) * (share - mean);
        within += hits * (1 - share) * (1 - share) + (size - hits) * share * share;
        sizes_squared += size * size;
    }
    if (k < 2 || n <= k) return k;
    double size = (n - sizes_squared / n) / (k - 1);
    double ms_between = between / (k - 1), ms_within = within / (n - k);
    double spread = ms_between + (size - 1) * ms_within;
    double icc = spread > 0 ? fmin(fmax((ms_between - ms_within) / spread, 0.0), 1.0) : 0.0;
    return n / (1 + (n / k - 1) * icc);
}

static double effective_n_of_runs(const mu_metric *m, double at) {
    double sum = 0;
    for (size_t u = 0, begin = 0; u < m->n_units; begin = m->unit_ends[u++]) {
        sum += mu_effective_n_below(m->values + begin, m->unit_ends[u] - begin, at);
    }
    return sum;
}

static double effective_n(const mu_metric *m, double at) {
    if (m->units_are_runs) return effective_n_of_runs(m, at);
    return m->has_units ? clustered_n(m, at) : mu_effective_n_below(m->values, m->n, at);
}

/* An interval that cannot be had is absent. */
static void set_interval(json_t *to, const char *key, mu_interval ci) {
    if (!isfinite(ci.low) || !isfinite(ci.high)) return;
    json_object_set_new(to, key, json_pack("[f, f]", ci.low, ci.high));
}

static void set_percentiles(const mu_metric *m, const double *sorted, json_t *to) {
    json_t *ci = json_object(), *gate = json_object();
    for (size_t i = 0; i < MU_N_FIGURE_STATS; i++) {
        const mu_figure_stat *stat = &mu_figure_stats[i];
        if (isnan(stat->share)) continue;
        double at = mu_percentile_of_sorted(sorted, m->n, stat->share);
        mu_percentile p = mu_percentile_estimate(sorted, m->n, effective_n(m, at), stat->share);
        if (p.is_gated) {
            json_object_set_new(gate, stat->name,
                                json_pack("{s:I, s:I}", "need", (json_int_t)p.n_need, "have",
                                          (json_int_t)p.n_have));
            continue;
        }
        json_object_set_new(to, stat->name, mu_document_real(p.value));
        set_interval(ci, stat->name, p.ci);
    }
    json_object_set_new(to, "ci", ci);
    json_object_set_new(to, "gate", gate);
}

/* Points even in log(1 / (1 - p)), which is how the curve is drawn; none beyond the data. */
static json_t *curve(const double *sorted, size_t n) {
    json_t *points = json_array();
    double end = log10((double)n), step = end / (CURVE_POINTS_MAX - 1);
    double last = -1;
    for (int i = 0; i < CURVE_POINTS_MAX; i++) {
        double p = 1 - pow(10, -step * i);
        double rank = fmax(ceil(p * (double)n), 1);
        if (rank == last) continue;
        last = rank;
        json_array_append_new(
            points, json_pack("[f, f]", (rank - 0.5) / (double)n, sorted[(size_t)rank - 1]));
    }
    return points;
}

static mu_status resample(const mu_metric *m, mu_statistic *statistic, mu_estimate *out,
                          mu_err *err) {
    size_t fits = ROWS_DRAWN_MAX / m->n;
    uint32_t n_replicates = fits > MU_REPLICATES    ? MU_REPLICATES
                            : fits > REPLICATES_MIN ? (uint32_t)fits
                                                    : REPLICATES_MIN;
    mu_rows rows = {.values = m->values,
                    .n_rows = m->n,
                    .unit_ends = m->has_units && !m->units_are_runs ? m->unit_ends : NULL,
                    .n_units = m->n_units,
                    .run_ends = m->units_are_runs ? m->unit_ends : NULL,
                    .n_runs = (uint32_t)m->n_units};
    mu_resample_options options = {
        .statistic = statistic, .n_replicates = n_replicates, .seed = m->seed};
    return mu_resample(&rows, &options, out, err);
}

static mu_status set_mean(const mu_metric *m, json_t *to, mu_err *err) {
    mu_estimate mean;
    mu_status status = resample(m, mu_statistic_mean, &mean, err);
    if (status != MU_OK) return status;
    json_object_set_new(to, "mean", mu_document_real(mean.value));
    json_object_set_new(to, "n_eff",
                        mu_document_real(m->has_units ? effective_n(m, mean.value) : mean.n_eff));
    set_interval(json_object_get(to, "ci"), "mean", mean.ci);
    return MU_OK;
}

/* In the place of what the effective number of values says about it. */
static mu_status set_median_of_runs(const mu_metric *m, json_t *to, mu_err *err) {
    mu_estimate median;
    if (!m->units_are_runs || m->n_units < MU_METRIC_RUNS_MIN) return MU_OK;
    mu_status status = resample(m, mu_statistic_median, &median, err);
    if (status != MU_OK) return status;
    json_object_set_new(to, "p50", mu_document_real(median.value));
    set_interval(json_object_get(to, "ci"), "p50", median.ci);
    json_object_del(json_object_get(to, "gate"), "p50");
    return MU_OK;
}

mu_status mu_metric_json(const mu_metric *m, json_t **out, mu_err *err) {
    if (m->failed) return mu_fail(err, MU_ERR_NOMEM, "a metric's values");
    if (m->n == 0) {
        *out = json_pack("{s:s, s:i, s:s}", "unit", m->unit, "n", 0, "why",
                         m->why ? m->why : "no request gave a value");
        return *out ? MU_OK : mu_fail(err, MU_ERR_NOMEM, "a metric");
    }
    double *sorted = NULL;
    mu_status status = mu_values_sorted_copy(m->values, m->n, &sorted, err);
    if (status != MU_OK) return status;
    json_t *to = json_pack("{s:s, s:I, s:f, s:f}", "unit", m->unit, "n", (json_int_t)m->n, "min",
                           sorted[0], "max", sorted[m->n - 1]);
    set_percentiles(m, sorted, to);
    status = set_mean(m, to, err);
    if (status == MU_OK) status = set_median_of_runs(m, to, err);
    json_object_set_new(to, "curve", curve(sorted, m->n));
    mu_free(sorted);
    if (status != MU_OK) {
        json_decref(to);
        return status;
    }
    *out = to;
    return to ? MU_OK : mu_fail(err, MU_ERR_NOMEM, "a metric");
}
