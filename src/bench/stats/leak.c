#include "bench/stats/leak.h"

#include <math.h>

#include "base/alloc.h"
#include "base/distributions.h"

static const double threshold_default = 10.0, discarded_share = 0.2, hour_s = 3600.0, mb = 1e6;

const char *mu_leak_verdict_name(mu_leak_verdict verdict) {
    static const char *const names[] = {"inconclusive", "leak", "retention", "no leak"};
    return names[verdict];
}

double mu_leak_limit(double sigma_mb, double n, double hours) {
    return mu_normal_quantile(0.975) * sigma_mb * sqrt(12.0 / n) / hours;
}

/* The kept checkpoints as arrays, and room to work. */
typedef struct kept {
    size_t n;
    double *hours, *requests, *mb; /* [n] */
} kept;

/* Sums from which the least-squares line through some checkpoints follows. */
typedef struct sums {
    double n, x, y, xx, xy, yy;
} sums;

static void sums_add(sums *s, double x, double y, double sign) {
    s->n += sign;
    s->x += sign * x;
    s->y += sign * y;
    s->xx += sign * x * x;
    s->xy += sign * x * y;
    s->yy += sign * y * y;
}

/* Two levels with one slope, of checkpoints before and after. An empty side is a line alone. */
typedef struct levels {
    double slope, jump, squares; /* sum of squared residuals */
} levels;

static levels fit_levels(const sums *before, const sums *after) {
    double xx = 0.0, xy = 0.0, yy = 0.0;
    for (int side = 0; side < 2; side++) {
        const sums *s = side == 0 ? before : after;
        if (s->n <= 0.0) continue;
        xx += s->xx - s->x * s->x / s->n;
        xy += s->xy - s->x * s->y / s->n;
        yy += s->yy - s->y * s->y / s->n;
    }
    levels fit = {.slope = xx > 0.0 ? xy / xx : 0.0};
    fit.squares = fmax(0.0, yy - fit.slope * xy);
    if (before->n > 0.0 && after->n > 0.0) {
        fit.jump = after->y / after->n - before->y / before->n -
                   fit.slope * (after->x / after->n - before->x / before->n);
    }
    return fit;
}

/* Finds one jump, and takes it out of k->mb. A pool that fills also leaves a line behind, but
 * slowly: a jump happens between two checkpoints. */
static mu_level_step remove_step(kept *k) {
    enum { SIDE_MIN = 3 };
    sums before = {0}, after = {0};
    for (size_t i = 0; i < k->n; i++) { /* from the first, so that squares stay small */
        sums_add(&after, k->hours[i] - k->hours[0], k->mb[i] - k->mb[0], 1.0);
    }
    levels line = fit_levels(&before, &after), best = line;
    size_t at = 0;
    for (size_t i = 0; i + SIDE_MIN < k->n; i++) {
        sums_add(&before, k->hours[i] - k->hours[0], k->mb[i] - k->mb[0], 1.0);
        sums_add(&after, k->hours[i] - k->hours[0], k->mb[i] - k->mb[0], -1.0);
        if (i + 1 < SIDE_MIN) continue;
        levels fit = fit_levels(&before, &after);
        if (fit.squares >= best.squares) continue;
        best = fit;
        at = i + 1;
    }
    if (at == 0) return (mu_level_step){0};
    double noise = sqrt(best.squares / (double)(k->n - 3));
    double seen =
        (k->mb[at] - k->mb[at - 1]) / best.jump; /* of the jump, between two checkpoints */
    bool is_step = best.squares < 0.5 * line.squares && fabs(best.jump) > 5.0 * noise && seen > 0.6;
    if (!is_step) return (mu_level_step){0};
    for (size_t i = at; i < k->n; i++) {
        k->mb[i] -= best.jump;
    }
    return (mu_level_step){.is_step = true, .at = at, .bytes = best.jump * mb};
}

static mu_growth growth_of(mu_leak_signal *s, double threshold) {
    if (s->mb_per_hour_ci.high < threshold) return MU_GROWTH_FLAT;
    s->is_settled = s->half_mb_per_hour_ci.high < fmin(threshold, s->mb_per_hour_ci.low);
    if (s->is_settled) return MU_GROWTH_FLAT;
    bool grows = s->mb_per_hour_ci.low > threshold && s->half_mb_per_hour_ci.low > 0.0;
    return grows ? MU_GROWTH_GROWS : MU_GROWTH_UNKNOWN;
}

static mu_status fit_signal(kept *k, const mu_leak_options *o, double threshold,
                            mu_leak_signal *out, mu_err *err) {
    mu_leak_signal s = {.is_present = true, .bytes_per_request = NAN};
    s.bytes_per_request_ci = (mu_interval){-INFINITY, INFINITY};
    s.step = remove_step(k);
    s.step.time_s = s.step.is_step ? k->hours[s.step.at] * hour_s : 0.0;
    mu_trend_options how = {.n_replicates = o->n_replicates, .seed = o->seed};
    mu_trend whole, half, by_request;
    mu_status status = mu_trend_fit(k->hours, k->mb, k->n, &how, &whole, err);
    if (status != MU_OK) return status;
    size_t middle = k->n / 2;
    status = mu_trend_fit(k->hours + middle, k->mb + middle, k->n - middle, &how, &half, err);
    if (status != MU_OK) return status;
    status = mu_trend_fit(k->requests, k->mb, k->n, &how, &by_request, err);
    if (status != MU_OK) return status;
    status = mu_mann_kendall_test(k->mb, k->n, &s.kendall, err);
    if (status != MU_OK) return status;

    s.mb_per_hour = whole.line.slope;
    s.mb_per_hour_ci = whole.slope;
    s.half_mb_per_hour = half.line.slope;
    s.half_mb_per_hour_ci = half.slope;
    if (k->requests[k->n - 1] > k->requests[0]) {
        s.bytes_per_request = by_request.line.slope * mb;
        s.bytes_per_request_ci =
            (mu_interval){by_request.slope.low * mb, by_request.slope.high * mb};
    }
    s.intercept_bytes = whole.line.intercept * mb;
    s.noise_bytes = whole.noise * mb;
    s.limit_mb_per_hour = (whole.slope.high - whole.slope.low) / 2.0;
    s.growth = growth_of(&s, threshold);
    *out = s;
    return MU_OK;
}

static mu_leak_verdict verdict_of(const mu_leak *l) {
    mu_growth live = l->live_heap.growth, process = l->unreclaimable.growth;
    if (!l->live_heap.is_present) live = process; /* one signal speaks for both */
    if (live == MU_GROWTH_GROWS) return MU_LEAK_FOUND;
    if (live == MU_GROWTH_UNKNOWN || process == MU_GROWTH_UNKNOWN) return MU_LEAK_INCONCLUSIVE;
    return process == MU_GROWTH_GROWS ? MU_LEAK_RETENTION : MU_LEAK_NONE;
}

/* Longer by this, with checkpoints at the same rate, the half-width shrinks to the distance between
 * slope and threshold: it falls with the time to the power 3/2. */
static double extra_hours(const mu_leak_signal *s, double threshold, double hours) {
    if (!s->is_present || s->growth != MU_GROWTH_UNKNOWN) return 0.0;
    double factor = pow(s->limit_mb_per_hour / fabs(s->mb_per_hour - threshold), 2.0 / 3.0);
    if (s->mb_per_hour > threshold && s->half_mb_per_hour > 0.0) {
        double half = (s->half_mb_per_hour_ci.high - s->half_mb_per_hour_ci.low) / 2.0;
        factor = fmax(factor, pow(half / s->half_mb_per_hour, 2.0 / 3.0));
    }
    double extra = hours * fmax(factor - 1.0, 0.1); /* it did not suffice: some more at least */
    return extra < 1000.0 ? extra : INFINITY;
}

static mu_status judge(const mu_checkpoint *c, kept *k, const mu_leak_options *o, mu_leak *l,
                       mu_err *err) {
    for (size_t i = 0; i < k->n; i++) {
        k->hours[i] = c[i].time_s / hour_s;
        k->requests[i] = c[i].n_requests;
        k->mb[i] = c[i].unreclaimable_bytes / mb;
    }
    mu_status status = fit_signal(k, o, l->threshold_mb_per_hour, &l->unreclaimable, err);
    if (status != MU_OK) return status;
    if (!isnan(c[0].live_heap_bytes)) {
        for (size_t i = 0; i < k->n; i++) {
            k->mb[i] = c[i].live_heap_bytes / mb;
        }
        status = fit_signal(k, o, l->threshold_mb_per_hour, &l->live_heap, err);
        if (status != MU_OK) return status;
    }
    l->verdict = verdict_of(l);
    if (l->verdict == MU_LEAK_INCONCLUSIVE) {
        l->extra_hours = fmax(extra_hours(&l->live_heap, l->threshold_mb_per_hour, l->hours),
                              extra_hours(&l->unreclaimable, l->threshold_mb_per_hour, l->hours));
    }
    return MU_OK;
}

mu_status mu_leak_judge(const mu_checkpoint *checkpoints, size_t n, const mu_leak_options *options,
                        mu_leak *out, mu_err *err) {
    double threshold = options->threshold_mb_per_hour;
    mu_leak leak = {.threshold_mb_per_hour = threshold > 0.0 ? threshold : threshold_default,
                    .n_checkpoints = n,
                    .n_discarded = (size_t)ceil(discarded_share * (double)n)};
    const mu_checkpoint *first = checkpoints + leak.n_discarded;
    size_t left = n - leak.n_discarded;
    leak.hours = left > 1 ? (first[left - 1].time_s - first[0].time_s) / hour_s : 0.0;
    if (left < MU_LEAK_CHECKPOINTS_MIN) {
        leak.extra_hours = INFINITY;
        if (left > 1) { /* until there are enough */
            double more = ceil(MU_LEAK_CHECKPOINTS_MIN / (1.0 - discarded_share)) - (double)n;
            leak.extra_hours = more * leak.hours / (double)(left - 1);
        }
        *out = leak;
        return MU_OK;
    }
    kept k = {.n = left, .hours = MU_ALLOC(double, 3 * left)};
    if (!k.hours) return mu_fail(err, MU_ERR_NOMEM, "leak test of %zu checkpoints", n);
    k.requests = k.hours + left;
    k.mb = k.requests + left;
    mu_status status = judge(first, &k, options, &leak, err);
    mu_free(k.hours);
    if (status == MU_OK) *out = leak;
    return status;
}
