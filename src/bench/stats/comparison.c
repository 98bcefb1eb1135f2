#include "bench/stats/comparison.h"

#include <math.h>

#include "base/alloc.h"
#include "base/distributions.h"
#include "base/rng.h"
#include "bench/stats/percentiles.h"
#include "bench/stats/ranks.h"
#include "bench/stats/resample.h"

static const double alpha = 0.05, delta_default = 0.02;

const char *mu_verdict_name(mu_verdict verdict) {
    static const char *const names[] = {"inconclusive", "faster", "slower", "equivalent"};
    return names[verdict];
}

static bool has_enough(const mu_comparison *c) {
    return c->is_paired ? c->n_a >= MU_PAIRS_MIN : c->n_a >= MU_ARM_MIN && c->n_b >= MU_ARM_MIN;
}

static mu_verdict decide(const mu_comparison *c) {
    double band = -log1p(-c->delta), low = log(c->ci.low), high = log(c->ci.high);
    bool is_significant = c->p_holm <= alpha;
    if (!has_enough(c)) return MU_VERDICT_INCONCLUSIVE;
    if (low >= -band && high <= band) return MU_VERDICT_EQUIVALENT;
    if (high < -band && is_significant) {
        return c->higher_is_better ? MU_VERDICT_SLOWER : MU_VERDICT_FASTER;
    }
    if (low > band && is_significant) {
        return c->higher_is_better ? MU_VERDICT_FASTER : MU_VERDICT_SLOWER;
    }
    return MU_VERDICT_INCONCLUSIVE;
}

/* The interval decides when its half-width is less than the way from the estimate to the nearer
 * edge of the band. */
static uint32_t more_needed(const mu_comparison *c) {
    if (c->verdict != MU_VERDICT_INCONCLUSIVE) return 0;
    double n = (double)(c->n_a < c->n_b ? c->n_a : c->n_b);
    double n_min = c->is_paired ? MU_PAIRS_MIN : MU_ARM_MIN;
    double band = -log1p(-c->delta), half = (log(c->ci.high) - log(c->ci.low)) / 2.0;
    double way = fabs(fabs(log(c->ratio)) - band), need = n_min;
    if (isfinite(half)) {
        need = fmax(n_min, fmax(n + 1.0, ceil(n * (half / way) * (half / way))));
    }
    double more = need - n; /* infinite when the estimate is on the edge */
    return more < MU_MORE_BLOCKS_MAX ? (uint32_t)more : MU_MORE_BLOCKS_MAX;
}

static void conclude(mu_comparison *c) {
    c->verdict = decide(c);
    c->n_more = more_needed(c);
}

static mu_comparison begin(size_t n_a, size_t n_b, const mu_comparison_options *o) {
    double delta = fmax(o->delta > 0.0 ? o->delta : delta_default, o->noise_floor);
    MU_ASSERT(delta < 1.0);
    return (mu_comparison){
        .n_a = n_a, .n_b = n_b, .delta = delta, .higher_is_better = o->higher_is_better};
}

static mu_status take_logs(const double *values, size_t n, const char *arm, double *out,
                           mu_err *err) {
    for (size_t i = 0; i < n; i++) {
        if (!(values[i] > 0.0) || !isfinite(values[i])) {
            return mu_fail(err, MU_ERR_INVALID, "value %zu of %s is %g, not above 0", i, arm,
                           values[i]);
        }
        out[i] = log(values[i]);
    }
    return MU_OK;
}

/* Logs of both arms in one array, with room for what the estimates need. */
static mu_status logs_open(const double *a, size_t n_a, const double *b, size_t n_b,
                           size_t n_scratch, double **out, mu_err *err) {
    MU_ASSERT(n_a > 0 && n_b > 0);
    if (n_a > MU_COMPARED_MAX || n_b > MU_COMPARED_MAX) {
        return mu_fail(err, MU_ERR_LIMIT, "%zu and %zu values to compare, at most %d", n_a, n_b,
                       MU_COMPARED_MAX);
    }
    double *logs = MU_ALLOC(double, n_a + n_b + n_scratch);
    if (!logs) return mu_fail(err, MU_ERR_NOMEM, "comparison of %zu values", n_a + n_b);
    mu_status status = take_logs(a, n_a, "A", logs, err);
    if (status == MU_OK) status = take_logs(b, n_b, "B", logs + n_a, err);
    if (status != MU_OK) {
        mu_free(logs);
        return status;
    }
    *out = logs;
    return MU_OK;
}

static double center(void *ctx, double *rows, size_t n_rows) {
    return mu_hodges_lehmann(rows, n_rows, ctx);
}

mu_status mu_comparison_paired(const double *a, const double *b, size_t n,
                               const mu_comparison_options *options, mu_comparison *out,
                               mu_err *err) {
    mu_comparison c = begin(n, n, options);
    c.is_paired = true;
    double *logs = NULL;
    mu_status status = logs_open(a, n, b, n, n * (n + 1) / 2, &logs, err);
    if (status != MU_OK) return status;
    for (size_t i = 0; i < n; i++) {
        logs[i] = logs[n + i] - logs[i];
    }
    mu_rank_test test = {.p = 1.0};
    status = mu_signed_rank(logs, n, &test, err);
    if (status == MU_OK) {
        mu_rows rows = {.values = logs, .n_rows = n};
        mu_resample_options how = {.statistic = center,
                                   .ctx = logs + 2 * n,
                                   .n_replicates = options->n_replicates,
                                   .seed = options->seed,
                                   .block_units = 1.0};
        mu_estimate estimate;
        status = mu_resample(&rows, &how, &estimate, err);
        if (status == MU_OK) {
            c.ratio = exp(estimate.value);
            c.ci = (mu_interval){exp(estimate.ci.low), exp(estimate.ci.high)};
            c.p = c.p_holm = test.p;
            c.p_floor = mu_signed_rank_floor(n);
            conclude(&c);
            *out = c;
        }
    }
    mu_free(logs);
    return status;
}

static void draw_arm(const double *from, size_t n, double *to, mu_rng *rng) {
    for (size_t i = 0; i < n; i++) {
        to[i] = from[mu_rng_below(rng, n)];
    }
}

/* Each arm is drawn by itself. logs: [n_a + n_b], then room for as many and for all differences. */
static mu_status shift_interval(double *logs, mu_comparison *c, const mu_comparison_options *o,
                                double shift, mu_err *err) {
    size_t n_a = c->n_a, n_b = c->n_b, n = n_a + n_b;
    double *drawn = logs + n, *scratch = drawn + n;
    size_t n_replicates = o->n_replicates ? o->n_replicates : MU_REPLICATES;
    double *values = MU_ALLOC(double, n_replicates + n);
    if (!values) return mu_fail(err, MU_ERR_NOMEM, "%zu replicates", n_replicates);
    mu_rng rng = {o->seed};
    for (size_t r = 0; r < n_replicates; r++) {
        draw_arm(logs, n_a, drawn, &rng);
        draw_arm(logs + n_a, n_b, drawn + n_a, &rng);
        values[r] = mu_hodges_lehmann_shift(drawn, n_a, drawn + n_a, n_b, scratch);
    }
    /* As mu_expanded_975(), for the smaller arm. */
    double smaller = (double)(n_a < n_b ? n_a : n_b), df = (double)n - 2.0;
    mu_replicates all = {.value = shift,
                         .replicates = values,
                         .n = n_replicates,
                         .z = sqrt(smaller / (smaller - 1.0)) * mu_student_quantile(0.975, df)};
    bool is_bca;
    mu_interval i = mu_bca_interval(&all, &is_bca);
    c->ci = (mu_interval){exp(i.low), exp(i.high)};
    mu_free(values);
    return MU_OK;
}

mu_status mu_comparison_unpaired(const double *a, size_t n_a, const double *b, size_t n_b,
                                 const mu_comparison_options *options, mu_comparison *out,
                                 mu_err *err) {
    mu_comparison c = begin(n_a, n_b, options);
    size_t n = n_a + n_b;
    double *logs = NULL;
    mu_status status = logs_open(a, n_a, b, n_b, n + n_a * n_b, &logs, err);
    if (status != MU_OK) return status;
    mu_rank_test test;
    status = mu_mann_whitney(logs, n_a, logs + n_a, n_b, &test, err);
    if (status == MU_OK) {
        double shift = mu_hodges_lehmann_shift(logs, n_a, logs + n_a, n_b, logs + 2 * n);
        c.ratio = exp(shift);
        c.ci = (mu_interval){0.0, INFINITY};
        c.p = c.p_holm = test.p;
        c.p_floor = mu_mann_whitney_floor(n_a, n_b);
        if (n_a > 1 && n_b > 1) status = shift_interval(logs, &c, options, shift, err);
    }
    if (status == MU_OK) {
        conclude(&c);
        *out = c;
    }
    mu_free(logs);
    return status;
}

/* Holm's adjusted p of one of few: worked out here for each, so that nothing is allocated. */
static double holm_p(const mu_comparison *metrics, size_t n, size_t which) {
    double adjusted = 0.0;
    for (size_t i = 0; i < n; i++) {
        if (metrics[i].p > metrics[which].p) continue;
        size_t n_smaller = 0;
        for (size_t j = 0; j < n; j++) {
            n_smaller += metrics[j].p < metrics[i].p || (j < i && metrics[j].p == metrics[i].p);
        }
        adjusted = fmax(adjusted, metrics[i].p * (double)(n - n_smaller));
    }
    return fmin(1.0, adjusted);
}

void mu_comparison_holm(mu_comparison *metrics, size_t n) {
    for (size_t i = 0; i < n; i++) {
        metrics[i].p_holm = holm_p(metrics, n, i);
    }
    for (size_t i = 0; i < n; i++) {
        conclude(&metrics[i]);
    }
}
