#include "bench/suite/stamp.h"

#include <math.h>

#include "base/alloc.h"
#include "bench/stats/percentiles.h"
#include "bench/stats/validity.h"

enum { IN_FLIGHT_POINTS = 60 };

mu_token_sums mu_token_sums_of(const mu_records *records, const mu_window *window) {
    mu_token_sums s = {0};
    for (uint32_t i = 0; i < window->n; i++) {
        const mu_record *r = &records->records[window->order[i]];
        bool is_other_length = r->failure == MU_FAILURE_WRONG_LENGTH;
        if (r->failure != MU_FAILURE_NONE && !is_other_length) continue;
        s.n++;
        if (r->prompt_tokens != MU_TOKENS_UNKNOWN) {
            double off = fabs((double)r->prompt_tokens - r->prompt_tokens_wanted);
            s.n_prompt_known++;
            s.prompt += r->prompt_tokens;
            s.n_prompt_wrong += off > 1 && off > 0.01 * r->prompt_tokens_wanted;
        }
        if (r->output_tokens != MU_TOKENS_UNKNOWN) {
            s.n_output_known++;
            s.output += r->output_tokens;
            s.n_output_wrong += r->output_tokens != r->output_tokens_wanted;
        }
        if (r->cached_tokens != MU_TOKENS_UNKNOWN) {
            s.has_cached = true;
            s.cached += r->cached_tokens;
        }
    }
    return s;
}

/* The slope of requests in flight, of an open loop: growing without end is saturation. */
static mu_flags check_saturated(const mu_validity_args *a) {
    const mu_window *w = a->window;
    double x[IN_FLIGHT_POINTS], y[IN_FLIGHT_POINTS], mean = 0;
    if (a->plan->arrivals.kind == MU_ARRIVAL_CLOSED || w->to_ns <= w->from_ns) return 0;
    for (int i = 0; i < IN_FLIGHT_POINTS; i++) {
        uint64_t at = w->from_ns + (w->to_ns - w->from_ns) * (uint64_t)i / IN_FLIGHT_POINTS;
        x[i] = (double)(at - w->from_ns) * 1e-9;
        y[i] = 0;
        for (size_t r = 0; r < a->load->records.n_records; r++) {
            const mu_record *of = &a->load->records.records[r];
            y[i] += of->intended_ns <= at && of->end_ns > at;
        }
        mean += y[i] / IN_FLIGHT_POINTS;
    }
    mu_trend trend;
    mu_trend_options options = {.seed = a->seed};
    if (mu_trend_fit(x, y, IN_FLIGHT_POINTS, &options, &trend, NULL) != MU_OK) return 0;
    double seconds = (double)(w->to_ns - w->from_ns) * 1e-9;
    return mu_check_saturated(trend.slope, seconds, mean);
}

static double median_s(const mu_metric *m) {
    double *sorted = NULL;
    if (m->n == 0 || mu_values_sorted_copy(m->values, m->n, &sorted, NULL) != MU_OK) return NAN;
    double at = mu_percentile_of_sorted(sorted, m->n, 0.5);
    mu_free(sorted);
    return at * 1e-3;
}

static mu_flags check(const mu_validity_args *a) {
    const mu_window *w = a->window;
    const mu_metric *latency = &a->metrics->of[MU_METRIC_TTFT_SERVICE];
    if (latency->n == 0) latency = &a->metrics->of[MU_METRIC_E2E_SERVICE];
    double ttft_s = median_s(latency);
    uint64_t n_failed = 0;
    for (uint32_t i = 0; i < w->n; i++) {
        n_failed += a->load->records.records[w->order[i]].failure != MU_FAILURE_NONE;
    }
    bool is_open = a->plan->arrivals.kind != MU_ARRIVAL_CLOSED;
    double n_intended = (double)w->n + (double)a->load->n_unsent;
    const mu_token_sums *s = a->sums;
    mu_flags flags = mu_check_client(a->load->cpu_share, NAN, ttft_s);
    flags |= mu_check_lag(a->lag_p99_ms * 1e-3, ttft_s);
    flags |= is_open ? mu_check_rate((double)w->n, n_intended) : 0;
    flags |= mu_check_cache(s->cached, (uint64_t)s->prompt, !a->plan->keep_cache);
    flags |= mu_check_steady(true, !w->has_drift || w->drift.is_steady);
    flags |= mu_check_osl(s->n_output_wrong, s->n);
    flags |= mu_check_isl(s->n_prompt_wrong, s->n);
    flags |= mu_check_errors(n_failed + a->load->n_unsent, (uint64_t)n_intended);
    bool is_stolen = a->steal.is_known && a->steal.value > a->steal_limit;
    flags |= is_stolen ? mu_check_steal(a->steal.value, 1) : 0;
    flags |= a->throttled.is_known ? mu_check_throttled((uint64_t)a->throttled.value, NAN, NAN) : 0;
    flags |= mu_check_samples((double)latency->n, mu_percentile_n_needed(0.5));
    flags |= mu_check_restarted(a->pid_before, a->pid_after);
    return flags | check_saturated(a);
}

/* The figures behind a flag, where they help. */
static void explain(const mu_validity_args *a, uint32_t bit, char *out, size_t cap) {
    const char *text = mu_flag_text(bit);
    switch (1u << bit) {
    case MU_FLAG_LAG:
        snprintf(out, cap, "%s: p99 %.2f ms", text, a->lag_p99_ms);
        break;
    case MU_FLAG_CLIENT_BOUND:
        snprintf(out, cap, "%s: it used %.0f%% of its core", text, 100 * a->load->cpu_share);
        break;
    case MU_FLAG_STEAL:
        snprintf(out, cap, "%s: %.1f%%", text, 100 * a->steal.value);
        break;
    case MU_FLAG_NOT_STEADY:
        snprintf(out, cap, "%s: by %+.1f%% from begin to end", text,
                 100 * a->window->drift.relative);
        break;
    case MU_FLAG_TOO_FEW_SAMPLES:
        snprintf(out, cap, "%s: %u requests", text, a->window->n);
        break;
    default:
        snprintf(out, cap, "%s", text);
    }
}

json_t *mu_validity_json(const mu_validity_args *args) {
    mu_flags flags = check(args);
    json_t *list = json_array();
    for (uint32_t bit = 0; bit < MU_N_FLAGS; bit++) {
        if (!(flags & (1u << bit))) continue;
        char why[160];
        explain(args, bit, why, sizeof(why));
        json_array_append_new(list, json_pack("{s:s, s:s}", "id", mu_flag_name(bit), "why", why));
    }
    return json_pack("{s:s, s:o, s:o, s:f}", "status", mu_flags_stamp(flags), "flags", list,
                     "steal", args->steal.is_known ? json_real(args->steal.value) : json_null(),
                     "steal_limit", args->steal_limit);
}
