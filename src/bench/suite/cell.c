#include "bench/suite/cell.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/result/path.h"
#include "bench/stats/attainment.h"
#include "bench/stats/percentiles.h"
#include "bench/stats/series.h"
#include "bench/stats/stopping.h"
#include "bench/suite/request_metrics.h"
#include "bench/suite/stamp.h"

enum { BATCHES = MU_BATCHES_MIN, SLICES = 2 * MU_BATCHES_MIN, WORST_GAPS = 20 };

static json_t *with_interval(double value, mu_interval ci) {
    return json_pack("{s:o, s:o, s:o}", "value", mu_document_real(value), "low",
                     mu_document_real(ci.low), "high", mu_document_real(ci.high));
}

static double seconds_of(const mu_window *w) {
    return (double)(w->to_ns - w->from_ns) * 1e-9;
}

/* What happened in the window, in slices of time. */
typedef struct flow {
    double tokens[SLICES], prompts[SLICES], completions[SLICES];
    double in_flight; /* mean */
    double latency_s; /* mean, of completions */
} flow;

static void add_event(const mu_window *w, double *slices, uint64_t at_ns, double n) {
    if (at_ns < w->from_ns || at_ns >= w->to_ns) return;
    double part = (double)(at_ns - w->from_ns) / (double)(w->to_ns - w->from_ns);
    slices[(uint32_t)(part * SLICES)] += n;
}

static void measure_flow(const mu_load_result *load, const mu_window *w, flow *f) {
    double overlap_ns = 0, latency_ns = 0, n_ended = 0;
    *f = (flow){0};
    mu_window_token_slices(load, w->from_ns, w->to_ns, f->tokens, SLICES);
    for (size_t i = 0; i < load->records.n_records; i++) {
        const mu_record *r = &load->records.records[i];
        uint64_t end = r->last_token_ns ? r->last_token_ns : r->end_ns;
        uint64_t begin = r->intended_ns > w->from_ns ? r->intended_ns : w->from_ns;
        uint64_t until = end < w->to_ns ? end : w->to_ns;
        if (until > begin) overlap_ns += (double)(until - begin);
        if (r->failure != MU_FAILURE_NONE) continue;
        uint64_t read_at = r->first_token_ns ? r->first_token_ns : end;
        if (r->prompt_tokens != MU_TOKENS_UNKNOWN) {
            add_event(w, f->prompts, read_at, r->prompt_tokens);
        }
        add_event(w, f->completions, end, 1);
        if (end < w->from_ns || end >= w->to_ns) continue;
        n_ended++;
        latency_ns += (double)(end - r->intended_ns);
    }
    double window_ns = (double)(w->to_ns - w->from_ns);
    f->in_flight = window_ns > 0 ? overlap_ns / window_ns : NAN;
    f->latency_s = n_ended > 0 ? latency_ns / n_ended * 1e-9 : NAN;
}

static json_t *rate_json(const double *slices, double seconds) {
    double mean;
    mu_interval ci = mu_batch_means(slices, SLICES, BATCHES, &mean);
    double scale = SLICES / seconds;
    return with_interval(mean * scale, (mu_interval){fmax(ci.low, 0) * scale, ci.high * scale});
}

static json_t *throughput_json(const flow *f, const mu_window *w) {
    double seconds = seconds_of(w),
           per_s = mu_values_mean(f->completions, SLICES) * SLICES / seconds;
    double little = fabs(f->in_flight - per_s * f->latency_s) / f->in_flight;
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:n}", "output_tok_s",
                     rate_json(f->tokens, seconds), "input_tok_s", rate_json(f->prompts, seconds),
                     "requests_s", rate_json(f->completions, seconds), "in_flight_mean",
                     mu_document_real(f->in_flight), "little_error", mu_document_real(little),
                     "efficiency");
}

static bool meets(const mu_slo *slo, const mu_record *r) {
    if (r->failure != MU_FAILURE_NONE) return false;
    if (!isnan(slo->ttft_ms)) {
        if (!r->first_token_ns) return false;
        if ((double)(r->first_token_ns - r->intended_ns) * 1e-6 > slo->ttft_ms) return false;
    }
    if (isnan(slo->tpot_ms) || r->output_tokens < 2) return true;
    if (!r->first_token_ns || r->output_tokens == MU_TOKENS_UNKNOWN) return false;
    double decode_ms = (double)(r->last_token_ns - r->first_token_ns) * 1e-6;
    return decode_ms / (r->output_tokens - 1) <= slo->tpot_ms;
}

/* Whole answers have no instants, so whether they met the objective cannot be told. */
static bool can_be_judged(const mu_cell_facts *f, const mu_window *w) {
    uint64_t n_good = 0, n_timed = 0;
    for (uint32_t i = 0; i < w->n; i++) {
        const mu_record *r = &f->load->records.records[w->order[i]];
        n_good += r->failure == MU_FAILURE_NONE;
        n_timed += r->failure == MU_FAILURE_NONE && r->first_token_ns > 0;
    }
    bool has_limit = !isnan(f->slo.ttft_ms) || !isnan(f->slo.tpot_ms);
    return n_timed > 0 || n_good == 0 || !has_limit;
}

static json_t *goodput_json(const mu_cell_facts *f, const mu_window *w) {
    uint64_t n_good = 0;
    for (uint32_t i = 0; i < w->n; i++) {
        n_good += meets(&f->slo, &f->load->records.records[w->order[i]]);
    }
    /* Intended in the window and never sent: offered, and not good. */
    mu_attainment a = mu_attainment_of(n_good, w->n + f->load->n_unsent, seconds_of(w));
    bool is_judged = can_be_judged(f, w);
    if (!is_judged) a.share = a.ci.low = a.ci.high = a.goodput_per_s = NAN;
    json_t *attainment = with_interval(a.share, a.ci);
    if (!is_judged) {
        json_object_set_new(attainment, "why",
                            json_string("answers came whole: TTFT and TPOT are not known"));
    }
    return json_pack("{s:{s:o, s:o, s:f}, s:I, s:o, s:o}", "slo", "ttft_ms",
                     mu_document_real(f->slo.ttft_ms), "tpot_ms", mu_document_real(f->slo.tpot_ms),
                     "attain", f->slo.attain, "offered", (json_int_t)a.n_offered, "requests_s",
                     mu_document_real(a.goodput_per_s), "attainment", attainment);
}

static json_t *reliability_json(const mu_load_result *load, const mu_window *w) {
    uint64_t by_class[MU_N_FAILURES] = {0}, n_ok = 0;
    for (uint32_t i = 0; i < w->n; i++) {
        by_class[load->records.records[w->order[i]].failure]++;
    }
    n_ok = by_class[MU_FAILURE_NONE];
    json_t *classes = json_array();
    for (int c = MU_FAILURE_NONE + 1; c < MU_N_FAILURES; c++) {
        if (by_class[c] == 0) continue;
        json_t *first = json_string(load->records.first_message[c]);
        json_array_append_new(classes,
                              json_pack("{s:s, s:I, s:o}", "class", mu_failure_name((mu_failure)c),
                                        "n", (json_int_t)by_class[c], "first",
                                        first ? first : json_string("(not UTF-8)")));
    }
    mu_attainment a = mu_attainment_of(n_ok, w->n, NAN);
    return json_pack("{s:I, s:I, s:I, s:o, s:o}", "offered", (json_int_t)w->n, "ok",
                     (json_int_t)n_ok, "failed", (json_int_t)(w->n - n_ok), "success",
                     with_interval(a.share, a.ci), "classes", classes);
}

static json_t *tokens_json(const mu_cell_facts *f, const mu_token_sums *sums) {
    double n = (double)sums->n;
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:s}", "prompt_mean",
        mu_document_real(sums->n_prompt_known > 0 ? sums->prompt / (double)sums->n_prompt_known
                                                  : NAN),
        "output_mean",
        mu_document_real(sums->n_output_known > 0 ? sums->output / (double)sums->n_output_known
                                                  : NAN),
        "output_mismatch", mu_document_real(n > 0 ? (double)sums->n_output_wrong / n : NAN),
        "cached", sums->has_cached ? json_integer((json_int_t)sums->cached) : json_null(),
        "count_source", f->count_source);
}

static json_t *stalls_json(const mu_cell_facts *f, const mu_window *w,
                           const mu_request_metrics *m) {
    const mu_metric *icl = &m->of[MU_METRIC_ICL];
    if (icl->n == 0) return json_pack("{s:n, s:[], s:s}", "rate", "worst_ms", "why", icl->why);
    double *sorted = NULL;
    if (mu_values_sorted_copy(icl->values, icl->n, &sorted, NULL) != MU_OK) return NULL;
    double limit = 5 * mu_percentile_of_sorted(sorted, icl->n, 0.5);
    if (!isnan(f->slo.tpot_ms)) limit = fmax(limit, f->slo.tpot_ms);
    json_t *worst = json_array();
    for (size_t i = 0; i < WORST_GAPS && i < icl->n; i++) {
        json_array_append_new(worst, json_real(sorted[icl->n - 1 - i]));
    }
    mu_free(sorted);
    uint64_t n_stalled = 0, n = 0;
    for (uint32_t i = 0; i < w->n; i++) {
        const mu_record *r = &f->load->records.records[w->order[i]];
        if (r->failure != MU_FAILURE_NONE) continue;
        n++;
        n_stalled += (double)r->gap_max_ns * 1e-6 > limit;
    }
    return json_pack("{s:f, s:f, s:o}", "rate", n > 0 ? (double)n_stalled / (double)n : 0.0,
                     "longer_than_ms", limit, "worst_ms", worst);
}

static double p99_of(const mu_metric *m) {
    double *sorted = NULL;
    if (m->n == 0 || mu_values_sorted_copy(m->values, m->n, &sorted, NULL) != MU_OK) return NAN;
    double at = mu_percentile_of_sorted(sorted, m->n, 0.99);
    mu_free(sorted);
    return at;
}

static json_t *client_json(const mu_load_result *load, const mu_request_metrics *m,
                           double n_tokens) {
    return json_pack("{s:f, s:o, s:o, s:I, s:I, s:I}", "cpu_share", load->cpu_share,
                     "cpu_s_per_1000_tokens", mu_document_real(1000 * load->cpu_s / n_tokens),
                     "lag_p99_ms", mu_document_real(p99_of(&m->of[MU_METRIC_LAG])),
                     "chunks_coalesced", (json_int_t)load->n_coalesced, "chunks",
                     (json_int_t)load->n_chunks, "connections", (json_int_t)load->n_connections);
}

static void keep_peak_mb(double *peak, const mu_fact *bytes) {
    if (bytes->is_known && !(bytes->value * 1e-6 <= *peak)) *peak = bytes->value * 1e-6;
}

/* Members of "server" that are there when a GPU was watched. */
static void set_gpu(json_t *server, const mu_timeline_samples *s) {
    double memory = NAN, process = NAN, busy = 0, n_busy = 0;
    if (!mu_timeline_has_gpu(s)) return;
    for (uint32_t i = 0; i < s->n; i++) {
        const mu_load_sample *at = &s->samples[i];
        keep_peak_mb(&memory, &at->gpu_memory);
        keep_peak_mb(&process, &at->gpu_process);
        if (!at->gpu_busy.is_known) continue;
        busy += at->gpu_busy.value;
        n_busy++;
    }
    json_object_set_new(server, "gpu_memory_peak_mb", mu_document_real(memory));
    json_object_set_new(server, "gpu_process_peak_mb", mu_document_real(process));
    json_object_set_new(server, "gpu_utilization", mu_document_real(busy / n_busy));
}

static json_t *server_json(const mu_cell_facts *f, double n_tokens) {
    double rss = NAN, seconds = (double)(f->load->window_end_ns - f->load->boundary_ns) * 1e-9;
    for (uint32_t i = 0; i < f->samples.n; i++) {
        keep_peak_mb(&rss, &f->samples.samples[i].rss);
    }
    const mu_fact *cpu = &f->server_cpu_s;
    json_t *to = json_pack("{s:o, s:o, s:o}", "cpu_share",
                           mu_document_real(cpu->is_known ? cpu->value / seconds : NAN),
                           "cpu_s_per_1000_tokens",
                           mu_document_real(cpu->is_known ? 1000 * cpu->value / n_tokens : NAN),
                           "rss_peak_mb", mu_document_real(rss));
    set_gpu(to, &f->samples);
    return to;
}

/* Only one client tells: with more, a step's cost is shared and a TTFT contains waiting. */
static json_t *efficiency_json(const mu_cell_facts *f, const mu_request_metrics *m) {
    double mbu = NAN, mfu = NAN;
    const mu_cell_limits *l = &f->limits;
    const mu_cell_plan *p = f->plan;
    if (p->arrivals.kind == MU_ARRIVAL_CLOSED && p->clients == 1) {
        double tpot = NAN, ttft = NAN;
        double *sorted = NULL;
        const mu_metric *of = &m->of[MU_METRIC_TPOT];
        if (of->n > 0 && mu_values_sorted_copy(of->values, of->n, &sorted, NULL) == MU_OK) {
            tpot = mu_percentile_of_sorted(sorted, of->n, 0.5);
            mu_free(sorted);
        }
        of = &m->of[MU_METRIC_TTFT_SERVICE];
        if (of->n > 0 && mu_values_sorted_copy(of->values, of->n, &sorted, NULL) == MU_OK) {
            ttft = mu_percentile_of_sorted(sorted, of->n, 0.5);
            mu_free(sorted);
        }
        double positions = p->shape.prompt_tokens + p->shape.output_tokens / 2.0;
        double bytes = l->decode_bytes + positions * l->kv_bytes_per_token;
        if (l->decode_bytes > 0) mbu = bytes / (tpot * 1e-3) / (l->dram_gb_s * 1e9);
        if (l->prefill_ops > 0) mfu = l->prefill_ops / (ttft * 1e-3) / (l->peak_gops * 1e9);
    }
    return json_pack("{s:o, s:o}", "mbu", mu_document_real(mbu), "mfu", mu_document_real(mfu));
}

static json_t *load_json(const mu_cell_facts *f) {
    const mu_cell_plan *p = f->plan;
    bool is_closed = p->arrivals.kind == MU_ARRIVAL_CLOSED;
    json_t *arrivals = is_closed ? json_null()
                                 : json_pack("{s:o, s:o, s:o}", "offered_per_s",
                                             mu_document_real(f->arrivals.offered_per_s), "gap_cv",
                                             mu_document_real(f->arrivals.gap_cv), "dispersion",
                                             mu_document_real(f->arrivals.dispersion));
    return json_pack("{s:s, s:o, s:o, s:i, s:i, s:s, s:b, s:I, s:b, s:o}", "kind",
                     mu_arrival_name(p->arrivals.kind), "clients",
                     is_closed ? json_integer(p->clients) : json_null(), "rate_per_s",
                     is_closed ? json_null() : json_real(p->rate_per_s), "prompt_tokens",
                     (int)p->shape.prompt_tokens, "output_tokens", (int)p->shape.output_tokens,
                     "endpoint", f->is_chat ? "chat" : "completions", "stream", !p->no_stream,
                     "seed", (json_int_t)(f->seed & INT64_MAX), "prefix_cache", p->keep_cache,
                     "arrivals", arrivals);
}

static const char *const stop_reasons[] = {
    [MU_LOAD_END_NONE] = "interrupted", [MU_LOAD_END_COUNT] = "count",
    [MU_LOAD_END_DURATION] = "budget",  [MU_LOAD_END_SCHEDULE] = "count",
    [MU_LOAD_END_STOP] = "precise",     [MU_LOAD_END_CANCELED] = "interrupted",
    [MU_LOAD_END_FAILING] = "failing",
};

static json_t *window_json(const mu_cell_facts *f, const mu_window *w) {
    return json_pack("{s:f, s:I, s:I, s:I, s:s}", "duration_s", seconds_of(w), "requests",
                     (json_int_t)w->n, "warmup_requests", (json_int_t)w->n_warmup,
                     "truncated_requests", (json_int_t)w->n_truncated, "stop_reason",
                     stop_reasons[f->load->end]);
}

static void set_sections(const mu_cell_facts *f, const mu_window *w, const mu_request_metrics *m,
                         json_t *to) {
    flow moved;
    measure_flow(f->load, w, &moved);
    mu_token_sums sums = mu_token_sums_of(&f->load->records, w);
    /* CPU seconds and tokens both from the boundary on, so that they belong together. */
    double n_tokens = 0, all[SLICES];
    mu_window_token_slices(f->load, f->load->boundary_ns, f->load->window_end_ns, all, SLICES);
    for (int i = 0; i < SLICES; i++) {
        n_tokens += all[i];
    }
    mu_validity_args validity = {.plan = f->plan,
                                 .load = f->load,
                                 .window = w,
                                 .metrics = m,
                                 .sums = &sums,
                                 .lag_p99_ms = p99_of(&m->of[MU_METRIC_LAG]),
                                 .steal = f->machine_steal,
                                 .steal_limit = f->steal_limit,
                                 .throttled = f->throttled,
                                 .pid_before = f->pid_before,
                                 .pid_after = f->pid_after,
                                 .seed = f->seed};
    json_object_set_new(to, "load", load_json(f));
    json_object_set_new(to, "validity", mu_validity_json(&validity));
    json_object_set_new(to, "window", window_json(f, w));
    json_object_set_new(to, "throughput", throughput_json(&moved, w));
    json_object_set_new(to, "goodput", goodput_json(f, w));
    json_object_set_new(to, "reliability", reliability_json(f->load, w));
    json_object_set_new(to, "tokens", tokens_json(f, &sums));
    json_object_set_new(to, "stalls", stalls_json(f, w, m));
    json_object_set_new(to, "client", client_json(f->load, m, n_tokens));
    json_object_set_new(to, "server", server_json(f, n_tokens));
    json_object_set_new(to, "efficiency", efficiency_json(f, m));
    json_object_set_new(to, "timeline", mu_timeline_json(f->load, &f->samples));
    json_object_set_new(to, "requests", mu_timeline_requests_json(&f->load->records, w));
    json_object_set_new(to, "gaps", mu_timeline_gaps_json(&f->load->records, w));
}

/* The same for all runs. out: [n]. */
static void name_cell(const mu_cell_facts *f, char *out, size_t n) {
    bool is_first = strcmp(f->system, "a") == 0;
    snprintf(out, n, "%s%s%s", f->plan->id, is_first ? "" : "-", is_first ? "" : f->system);
}

static void pool_run(const mu_cell_facts *f, const json_t *cell,
                     const mu_request_metrics *metrics) {
    char id[128];
    bool is_valid = strcmp(mu_document_text(cell, "validity.status"), "VALID") == 0;
    name_cell(f, id, sizeof(id));
    if (f->pooled && is_valid) mu_pooled_add(f->pooled, f->system, id, metrics);
}

static json_t *head_json(const mu_cell_facts *f) {
    char id[128];
    name_cell(f, id, sizeof(id));
    json_t *to = json_pack("{s:s, s:s, s:s, s:s}", "id", id, "system", f->system, "phase",
                           f->plan->phase, "label", f->plan->label);
    const char *suffix = f->run > 0 ? "r" : "b";
    uint32_t number = f->run > 0 ? f->run : f->block;
    if (number == 0) return to;
    size_t n = strlen(id);
    snprintf(id + n, sizeof(id) - n, "-%s%u", suffix, number);
    json_object_set_new(to, "id", json_string(id));
    json_object_set_new(to, f->run > 0 ? "run" : "block", json_integer(number));
    return to;
}

mu_status mu_cell_json(const mu_cell_facts *f, json_t **out, mu_err *err) {
    if (f->load->boundary_ns == 0) {
        const char *why = "no request succeeded in the warm-up";
        for (int c = MU_FAILURE_NONE + 1; c < MU_N_FAILURES; c++) {
            if (f->load->records.n_by_failure[c] > 0) why = f->load->records.first_message[c];
        }
        return mu_fail(err, MU_ERR_INVALID, "%s: the load ended before its warm-up did: %.120s",
                       f->plan->id, why);
    }
    mu_window window;
    mu_status status = mu_window_choose(f->load, f->seed, &window, err);
    if (status != MU_OK) return status;
    mu_request_metrics metrics;
    mu_request_metrics_fill(&f->load->records, &window, f->seed, &metrics);
    json_t *to = head_json(f), *of = NULL;
    status = mu_request_metrics_json(&metrics, &of, err);
    if (status == MU_OK && to) {
        json_object_set_new(to, "metrics", of);
        set_sections(f, &window, &metrics, to);
        pool_run(f, to, &metrics);
    }
    mu_request_metrics_deinit(&metrics);
    mu_window_deinit(&window);
    if (status == MU_OK && to) {
        *out = to;
        return MU_OK;
    }
    json_decref(to);
    return status != MU_OK ? status : mu_fail(err, MU_ERR_NOMEM, "a cell");
}

static mu_goal goal_of(const mu_metric *m, double p, double goal) {
    mu_goal g = {.name = "", .goal = goal, .is_gated = true};
    double *sorted = NULL;
    if (m->n == 0 || mu_values_sorted_copy(m->values, m->n, &sorted, NULL) != MU_OK) return g;
    mu_percentile at = mu_percentile_estimate(
        sorted, m->n,
        mu_effective_n_below(m->values, m->n, mu_percentile_of_sorted(sorted, m->n, p)), p);
    mu_free(sorted);
    g.value = at.value;
    g.ci = at.ci;
    g.is_gated = at.is_gated;
    return g;
}

bool mu_cell_is_precise(const mu_load_result *so_far, uint64_t seed) {
    mu_window window;
    if (mu_window_choose(so_far, seed, &window, NULL) != MU_OK) return false;
    mu_request_metrics m;
    mu_request_metrics_fill(&so_far->records, &window, seed, &m);
    flow f;
    measure_flow(so_far, &window, &f);
    double mean;
    mu_goal rate = {.name = "output_tok_s", .goal = MU_GOAL_CENTER};
    rate.ci = mu_batch_means(f.tokens, SLICES, BATCHES, &mean);
    rate.value = mean;
    mu_goal goals[] = {rate, goal_of(&m.of[MU_METRIC_TTFT_SERVICE], 0.5, MU_GOAL_CENTER),
                       goal_of(&m.of[MU_METRIC_TTFT_SERVICE], 0.95, MU_GOAL_P95),
                       goal_of(&m.of[MU_METRIC_TPOT], 0.5, MU_GOAL_CENTER),
                       goal_of(&m.of[MU_METRIC_TPOT], 0.95, MU_GOAL_P95)};
    bool has_no_stream = m.of[MU_METRIC_TTFT_SERVICE].n == 0;
    bool is_precise = true;
    for (size_t i = 0; i < (has_no_stream ? 1 : MU_COUNTOF(goals)); i++) {
        const mu_goal *g = &goals[i];
        bool is_met = !g->is_gated && mu_relative_half_width(g->value, g->ci) <= g->goal;
        is_precise = is_precise && is_met;
    }
    mu_request_metrics_deinit(&m);
    mu_window_deinit(&window);
    return is_precise;
}
