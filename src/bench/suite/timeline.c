#include "bench/suite/timeline.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "bench/result/path.h"
#include "bench/stats/percentiles.h"

enum { ROWS_MAX = 120, REQUESTS_MAX = 200, SLOWEST = 20, GAP_BOUNDS = 61 };

static const double gap_bound_ms_min = 0.01; /* to 10 s */

static json_t *fact(const mu_fact *f, double scale) {
    return f->is_known ? json_real(f->value * scale) : json_null();
}

static double in_flight(const mu_records *records, uint64_t at_ns) {
    double n = 0;
    for (size_t i = 0; i < records->n_records; i++) {
        const mu_record *r = &records->records[i];
        n += r->dispatch_ns != 0 && r->dispatch_ns <= at_ns && r->end_ns > at_ns;
    }
    return n;
}

/* The median TTFT of requests whose first token came in [from, to). scratch: [n_records]. */
static double ttft_median(const mu_records *records, uint64_t from, uint64_t to, double *scratch) {
    size_t n = 0;
    for (size_t i = 0; i < records->n_records; i++) {
        const mu_record *r = &records->records[i];
        if (r->first_token_ns < from || r->first_token_ns >= to) continue;
        scratch[n++] = (double)(r->first_token_ns - r->intended_ns) * 1e-6;
    }
    return n > 0 ? mu_values_median(scratch, n) : NAN;
}

typedef struct server_state {
    mu_fact rss, cpu, steal, gpu_memory, gpu_process, gpu_busy;
} server_state;

static server_state state_between(const mu_timeline_samples *s, uint64_t from, uint64_t to) {
    server_state state = {0};
    const mu_load_sample *first = NULL, *last = NULL;
    for (uint32_t i = 0; i < s->n; i++) {
        const mu_load_sample *at = &s->samples[i];
        if (at->at_ns < from || at->at_ns >= to) continue;
        if (at->rss.is_known) state.rss = at->rss;
        if (at->steal.is_known) state.steal = at->steal;
        if (at->gpu_memory.is_known) state.gpu_memory = at->gpu_memory;
        if (at->gpu_process.is_known) state.gpu_process = at->gpu_process;
        if (at->gpu_busy.is_known) state.gpu_busy = at->gpu_busy;
        if (!at->cpu_s.is_known) continue;
        if (!first) first = at;
        last = at;
    }
    if (first && last->at_ns > first->at_ns) {
        state.cpu = mu_fact_of((last->cpu_s.value - first->cpu_s.value) /
                               ((double)(last->at_ns - first->at_ns) * 1e-9));
    }
    return state;
}

bool mu_timeline_has_gpu(const mu_timeline_samples *s) {
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->samples[i].gpu_memory.is_known || s->samples[i].gpu_busy.is_known) return true;
    }
    return false;
}

static json_t *table(json_t *columns) {
    return json_pack("{s:o, s:[]}", "columns", columns, "rows");
}

static void append_all(json_t *to, json_t *more) {
    json_array_extend(to, more);
    json_decref(more);
}

json_t *mu_timeline_json(const mu_load_result *load, const mu_timeline_samples *samples) {
    json_t *to = table(json_pack("[s, s, s, s, s, s, s]", "t_s", "in_flight", "output_tok_s",
                                 "ttft_p50_ms", "rss_mb", "cpu_share", "steal"));
    bool has_gpu = mu_timeline_has_gpu(samples);
    if (has_gpu) {
        append_all(json_object_get(to, "columns"),
                   json_pack("[s, s, s]", "gpu_memory_mb", "gpu_process_mb", "gpu_utilization"));
    }
    double *scratch = MU_ALLOC(double, load->records.n_records + ROWS_MAX);
    if (!scratch || !to || load->window_end_ns <= load->boundary_ns) {
        mu_free(scratch);
        return to;
    }
    uint64_t from = load->boundary_ns, span = load->window_end_ns - from;
    double seconds = (double)span * 1e-9;
    uint32_t n = seconds * 4 < ROWS_MAX ? (uint32_t)(seconds * 4) + 1 : ROWS_MAX;
    double *tokens = scratch + load->records.n_records;
    mu_window_token_slices(load, from, load->window_end_ns, tokens, n);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t begin = from + span * i / n, end = from + span * (i + 1) / n;
        server_state state = state_between(samples, begin, end);
        double ttft = ttft_median(&load->records, begin, end, scratch);
        json_t *row = json_pack("[f, f, f, o, o, o, o]", (double)(begin - from) * 1e-9,
                                in_flight(&load->records, begin), tokens[i] * n / seconds,
                                mu_document_real(ttft), fact(&state.rss, 1e-6), fact(&state.cpu, 1),
                                fact(&state.steal, 1));
        if (has_gpu) {
            append_all(row, json_pack("[o, o, o]", fact(&state.gpu_memory, 1e-6),
                                      fact(&state.gpu_process, 1e-6), fact(&state.gpu_busy, 1)));
        }
        json_array_append_new(json_object_get(to, "rows"), row);
    }
    mu_free(scratch);
    return to;
}

static double latency_ms(const mu_record *r) {
    uint64_t end = r->last_token_ns ? r->last_token_ns : r->end_ns;
    return end > r->intended_ns ? (double)(end - r->intended_ns) * 1e-6 : 0;
}

static json_t *request_row(const mu_record *r, uint64_t from_ns) {
    double start = ((double)r->intended_ns - (double)from_ns) * 1e-6;
    double ttft = r->first_token_ns ? (double)(r->first_token_ns - r->intended_ns) * 1e-6 : NAN;
    double wait = r->dispatch_ns ? (double)(r->dispatch_ns - r->intended_ns) * 1e-6 : NAN;
    double gap = r->gap_max_ns ? (double)r->gap_max_ns * 1e-6 : NAN;
    json_t *tokens =
        r->output_tokens != MU_TOKENS_UNKNOWN ? json_integer(r->output_tokens) : json_null();
    return json_pack("[f, o, o, f, o, o, b]", start, mu_document_real(wait), mu_document_real(ttft),
                     latency_ms(r), tokens, mu_document_real(gap), r->failure == MU_FAILURE_NONE);
}

json_t *mu_timeline_requests_json(const mu_records *records, const mu_window *window) {
    json_t *to = table(json_pack("[s, s, s, s, s, s, s]", "start_ms", "wait_ms", "ttft_ms",
                                 "e2e_ms", "output_tokens", "gap_max_ms", "ok"));
    double *sorted = MU_ALLOC(double, window->n + 1u);
    if (!to || !sorted) {
        mu_free(sorted);
        return to;
    }
    for (uint32_t i = 0; i < window->n; i++) {
        sorted[i] = latency_ms(&records->records[window->order[i]]);
    }
    mu_values_sort(sorted, window->n);
    double slow = window->n > SLOWEST ? sorted[window->n - SLOWEST] : 0;
    mu_free(sorted);
    uint32_t step = window->n / (REQUESTS_MAX - SLOWEST) + 1, n_slow = 0;
    for (uint32_t i = 0; i < window->n; i++) {
        const mu_record *r = &records->records[window->order[i]];
        bool is_slow = latency_ms(r) >= slow && n_slow < SLOWEST;
        n_slow += is_slow;
        if (!is_slow && i % step != 0) continue;
        json_array_append_new(json_object_get(to, "rows"), request_row(r, window->from_ns));
    }
    return to;
}

json_t *mu_timeline_gaps_json(const mu_records *records, const mu_window *window) {
    uint64_t counts[GAP_BOUNDS + 1] = {0};
    for (uint32_t i = 0; i < window->n; i++) {
        const mu_record *r = &records->records[window->order[i]];
        for (uint32_t g = 0; g < r->n_gaps; g++) {
            const mu_gap *gap = &records->gaps[r->gap_first + g];
            if (gap->flags & MU_GAP_COALESCED) continue;
            double at = ceil(10 * log10(fmax((double)gap->ns * 1e-6 / gap_bound_ms_min, 1e-9)));
            counts[(int)fmin(fmax(at, 0), GAP_BOUNDS)]++;
        }
    }
    json_t *bounds = json_array(), *numbers = json_array();
    for (int i = 0; i < GAP_BOUNDS; i++) {
        json_array_append_new(bounds, json_real(gap_bound_ms_min * pow(10, i / 10.0)));
    }
    for (int i = 0; i <= GAP_BOUNDS; i++) {
        json_array_append_new(numbers, json_integer((json_int_t)counts[i]));
    }
    return json_pack("{s:o, s:o}", "bounds_ms", bounds, "counts", numbers);
}
