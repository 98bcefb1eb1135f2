#include "bench/suite/request_metrics.h"

static double ms(uint64_t from_ns, uint64_t to_ns) {
    return to_ns >= from_ns ? (double)(to_ns - from_ns) * 1e-6 : -(double)(from_ns - to_ns) * 1e-6;
}

/* Add the time from one instant to another, when both happened. */
static void add_span(mu_metric *m, uint64_t from_ns, uint64_t to_ns) {
    if (from_ns != 0 && to_ns != 0) mu_metric_add(m, ms(from_ns, to_ns));
}

static bool is_known(uint32_t n_tokens) {
    return n_tokens != MU_TOKENS_UNKNOWN;
}

static void add_decode(mu_metric *of, const mu_record *r) {
    bool has_rate = r->first_token_ns && is_known(r->output_tokens) && r->output_tokens > 1;
    if (!has_rate || r->last_token_ns <= r->first_token_ns) return;
    double decode_ms = ms(r->first_token_ns, r->last_token_ns);
    mu_metric_add(&of[MU_METRIC_TPOT], decode_ms / (r->output_tokens - 1));
    mu_metric_add(&of[MU_METRIC_RATE_USER], (r->output_tokens - 1) * 1e3 / decode_ms);
    if (is_known(r->first_chunk_tokens) && r->first_chunk_tokens < r->output_tokens) {
        mu_metric_add(&of[MU_METRIC_TPOT_ADJUSTED],
                      decode_ms / (r->output_tokens - r->first_chunk_tokens));
    }
}

/* Chunks that came in the receive of the chunk before share its gap. */
static void add_gaps(mu_metric *of, const mu_records *records, const mu_record *r) {
    const mu_gap *gaps = &records->gaps[r->gap_first];
    for (uint32_t i = 0; i < r->n_gaps;) {
        uint32_t tokens = gaps[i].tokens, next = i + 1;
        for (; next < r->n_gaps && (gaps[next].flags & MU_GAP_COALESCED); next++) {
            bool both = is_known(tokens) && is_known(gaps[next].tokens);
            tokens = both ? tokens + gaps[next].tokens : MU_TOKENS_UNKNOWN;
        }
        if (!(gaps[i].flags & MU_GAP_COALESCED)) {
            double gap_ms = (double)gaps[i].ns * 1e-6;
            mu_metric_add(&of[MU_METRIC_ICL], gap_ms);
            for (uint32_t t = 0; is_known(tokens) && t < tokens; t++) {
                mu_metric_add(&of[MU_METRIC_ITL], gap_ms / tokens);
            }
        }
        i = next;
    }
    mu_metric_end_unit(&of[MU_METRIC_ICL]);
    mu_metric_end_unit(&of[MU_METRIC_ITL]);
}

static void add_prefill(mu_metric *of, const mu_record *r) {
    if (!r->first_token_ns || !is_known(r->prompt_tokens)) return;
    uint32_t cached = is_known(r->cached_tokens) ? r->cached_tokens : 0;
    if (cached >= r->prompt_tokens || r->first_token_ns <= r->dispatch_ns) return;
    mu_metric_add(&of[MU_METRIC_PREFILL],
                  (r->prompt_tokens - cached) * 1e3 / ms(r->dispatch_ns, r->first_token_ns));
}

static void add_record(mu_metric *of, const mu_records *records, const mu_record *r) {
    uint64_t last = r->is_stream ? r->last_token_ns : r->end_ns;
    add_span(&of[MU_METRIC_TTFT], r->intended_ns, r->first_token_ns);
    add_span(&of[MU_METRIC_TTFT_SERVICE], r->dispatch_ns, r->first_token_ns);
    add_span(&of[MU_METRIC_TTFB], r->dispatch_ns, r->first_byte_ns);
    add_span(&of[MU_METRIC_TTFC], r->intended_ns, r->first_content_ns);
    add_span(&of[MU_METRIC_TTST], r->first_token_ns, r->second_chunk_ns);
    add_span(&of[MU_METRIC_E2E], r->intended_ns, last);
    add_span(&of[MU_METRIC_E2E_SERVICE], r->dispatch_ns, last);
    add_span(&of[MU_METRIC_TTLB], r->intended_ns, r->end_ns);
    /* Opening a connection is the network's time and the server's, not the client's. */
    add_span(&of[MU_METRIC_LAG], r->intended_ns + r->connect_ns, r->dispatch_ns);
    if (r->gap_max_ns) mu_metric_add(&of[MU_METRIC_GAP_MAX], (double)r->gap_max_ns * 1e-6);
    if (r->connect_ns) mu_metric_add(&of[MU_METRIC_CONNECT], (double)r->connect_ns * 1e-6);
    add_decode(of, r);
    add_prefill(of, r);
    add_gaps(of, records, r);
}

static void say_why(mu_request_metrics *m, bool has_stream, bool has_first_chunks) {
    for (int i = 0; i < MU_N_REQUEST_METRICS; i++) {
        m->of[i].why = has_stream ? "no request gave a value" : "the answers were not streamed";
    }
    mu_metric *of = m->of;
    of[MU_METRIC_CONNECT].why = "every request used an open connection";
    if (has_stream) {
        of[MU_METRIC_ITL].why = "the server does not tell the tokens of each chunk";
        of[MU_METRIC_TPOT].why = of[MU_METRIC_RATE_USER].why =
            "the server does not tell the tokens of a request";
    }
    if (!has_first_chunks) {
        mu_metric_deinit(&of[MU_METRIC_TPOT_ADJUSTED]);
        of[MU_METRIC_TPOT_ADJUSTED].unit = "ms";
        of[MU_METRIC_TPOT_ADJUSTED].why = "first chunks bring one token: the same as tpot_ms";
    }
}

void mu_request_metrics_fill(const mu_records *records, const mu_window *window, uint64_t seed,
                             mu_request_metrics *out) {
    *out = (mu_request_metrics){0};
    for (int i = 0; i < MU_N_REQUEST_METRICS; i++) {
        out->of[i].unit = mu_figure_rows[i].unit;
        out->of[i].seed = seed + (uint64_t)i;
    }
    bool has_stream = false, has_first_chunks = false;
    for (uint32_t i = 0; i < window->n; i++) {
        const mu_record *r = &records->records[window->order[i]];
        if (r->failure != MU_FAILURE_NONE) continue;
        has_stream = has_stream || r->is_stream;
        has_first_chunks =
            has_first_chunks || (is_known(r->first_chunk_tokens) && r->first_chunk_tokens > 1);
        add_record(out->of, records, r);
    }
    say_why(out, has_stream, has_first_chunks);
}

void mu_request_metrics_deinit(mu_request_metrics *metrics) {
    for (int i = 0; i < MU_N_REQUEST_METRICS; i++) {
        mu_metric_deinit(&metrics->of[i]);
    }
}

mu_status mu_request_metrics_json(const mu_request_metrics *metrics, json_t **out, mu_err *err) {
    json_t *all = json_object();
    mu_status status = MU_OK;
    for (int i = 0; i < MU_N_REQUEST_METRICS && status == MU_OK; i++) {
        json_t *one = NULL;
        status = mu_metric_json(&metrics->of[i], &one, err);
        if (status == MU_OK) json_object_set_new(all, mu_figure_rows[i].path, one);
    }
    if (status == MU_OK && all) {
        *out = all;
        return MU_OK;
    }
    json_decref(all);
    return status != MU_OK ? status : mu_fail(err, MU_ERR_NOMEM, "metrics");
}
