#include "bench/suite/instrument.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "bench/load/load.h"
#include "bench/mock/mock.h"
#include "bench/result/path.h"
#include "bench/stats/percentiles.h"

enum { PROMPT_TOKENS = 16, OUTPUT_TOKENS = 16, RECORDS_MAX = 4096 };

static const double ttft_ms = 20, gap_ms = 5, drain_s = 2;

typedef struct errors {
    double *ttft_us, *gap_us; /* [RECORDS_MAX], [RECORDS_MAX * OUTPUT_TOKENS] */
    size_t n_ttft, n_gap;
} errors;

static double us(uint64_t later, uint64_t earlier) {
    return ((double)later - (double)earlier) * 1e-3;
}

/* The record whose first token is the nearest after this first write, of those not matched yet. */
static const mu_record *match(const mu_load_result *load, uint64_t first_sent_ns, uint8_t *used) {
    const mu_record *best = NULL;
    size_t best_i = 0;
    for (size_t i = 0; i < load->records.n_records; i++) {
        const mu_record *r = &load->records.records[i];
        if (used[i] || r->failure != MU_FAILURE_NONE || r->first_token_ns < first_sent_ns) continue;
        if (best && r->first_token_ns >= best->first_token_ns) continue;
        best = r;
        best_i = i;
    }
    if (best) used[best_i] = 1;
    return best;
}

static void compare(const mu_load_result *load, const mu_record *r, const mu_mock_send *sends,
                    uint32_t n_sends, errors *e) {
    if (n_sends != r->n_gaps + 1 || e->n_ttft == RECORDS_MAX) return;
    double before = us(r->first_token_ns, sends[0].sent_ns);
    e->ttft_us[e->n_ttft++] = before;
    uint64_t at = r->first_token_ns;
    for (uint32_t g = 0; g < r->n_gaps; g++) {
        at += load->records.gaps[r->gap_first + g].ns;
        double error = us(at, sends[g + 1].sent_ns);
        if (e->n_gap < (size_t)RECORDS_MAX * OUTPUT_TOKENS) e->gap_us[e->n_gap++] = error - before;
        before = error;
    }
}

static int by_first_send(const void *a, const void *b) {
    const uint64_t *x = a, *y = b;
    return x[0] < y[0] ? -1 : x[0] > y[0];
}

/* Truth in the order of first writes, so that matching takes the nearest record each time. */
static mu_status compare_all(mu_mock *mock, const mu_load_result *load, errors *e, mu_err *err) {
    mu_mock_request *truth = MU_ALLOC(mu_mock_request, RECORDS_MAX);
    uint64_t(*order)[2] = mu_alloc_array(RECORDS_MAX, sizeof(*order));
    uint8_t *used = MU_ALLOC(uint8_t, load->records.n_records + 1);
    mu_status status = MU_OK;
    if (!truth || !order || !used) {
        status = mu_fail(err, MU_ERR_NOMEM, "instrument");
    } else {
        uint32_t n = mu_mock_copy_requests(mock, 1, truth, RECORDS_MAX), n_order = 0;
        mu_mock_send sends[OUTPUT_TOKENS];
        for (uint32_t i = 0; i < n; i++) {
            if (truth[i].state != MU_MOCK_DONE || truth[i].n_planned != OUTPUT_TOKENS) continue;
            if (mu_mock_copy_sends(mock, truth[i].index, sends, OUTPUT_TOKENS) == 0) continue;
            order[n_order][0] = sends[0].sent_ns;
            order[n_order++][1] = truth[i].index;
        }
        qsort(order, n_order, sizeof(*order), by_first_send);
        for (uint32_t i = 0; i < n_order; i++) {
            uint32_t n_sends = mu_mock_copy_sends(mock, order[i][1], sends, OUTPUT_TOKENS);
            const mu_record *r = match(load, sends[0].sent_ns, used);
            if (r) compare(load, r, sends, n_sends, e);
        }
    }
    mu_free(truth);
    mu_free(order);
    mu_free(used);
    return status;
}

static void summarize(double *values, size_t n, double *bias, double *p99) {
    *bias = *p99 = NAN;
    if (n == 0) return;
    *bias = mu_values_median(values, n);
    for (size_t i = 0; i < n; i++) {
        values[i] = fabs(values[i]);
    }
    mu_values_sort(values, n);
    *p99 = mu_percentile_of_sorted(values, n, 0.99);
}

static mu_status run_load(const mu_target *target, uint32_t n_streams, double seconds,
                          mu_load_result *out, mu_err *err) {
    static const mu_shape shape = {"", PROMPT_TOKENS, OUTPUT_TOKENS};
    const mu_schedule_options schedule_options = {
        .arrivals = {.kind = MU_ARRIVAL_CLOSED}, .seed = 1, .shapes = &shape, .n_shapes = 1};
    mu_schedule *schedule = NULL;
    mu_status status = mu_schedule_open(&schedule_options, &schedule, err);
    if (status != MU_OK) return status;
    mu_prompts prompts = mu_target_prompts(target, 1, n_streams);
    const mu_load_options options = {.target = target,
                                     .schedule = schedule,
                                     .prompts = &prompts,
                                     .n_clients = n_streams,
                                     .n_warmup = n_streams,
                                     .duration_s = seconds,
                                     .drain_s = drain_s};
    status = mu_load_run(&options, out, err);
    mu_schedule_close(schedule);
    return status;
}

static mu_status measure(mu_mock *mock, uint32_t n_streams, double seconds, errors *e,
                         mu_err *err) {
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", mu_mock_port(mock));
    const mu_target_options options = {.url = url, .vocab_size = 1000};
    mu_target *target = NULL;
    mu_load_result load = {0};
    mu_status status = mu_target_open(&options, &target, err);
    if (status == MU_OK) status = mu_target_probe(target, err);
    if (status == MU_OK) {
        mu_mock_reset(mock);
        status = run_load(target, n_streams, seconds, &load, err);
    }
    if (status == MU_OK) status = compare_all(mock, &load, e, err);
    mu_load_result_deinit(&load);
    mu_target_close(target);
    return status;
}

mu_status mu_instrument_measure(uint32_t n_streams, double seconds, mu_instrument_error *out,
                                mu_err *err) {
    mu_mock_options options = mu_mock_options_default();
    options.ttft.mean_ms = ttft_ms;
    options.itl.mean_ms = gap_ms;
    options.n_records = RECORDS_MAX;
    errors e = {.ttft_us = MU_ALLOC(double, RECORDS_MAX),
                .gap_us = MU_ALLOC(double, (size_t)RECORDS_MAX *OUTPUT_TOKENS)};
    mu_mock *mock = NULL;
    mu_status status = e.ttft_us && e.gap_us ? mu_mock_open(&options, &mock, err)
                                             : mu_fail(err, MU_ERR_NOMEM, "instrument");
    if (status == MU_OK) status = measure(mock, n_streams, seconds, &e, err);
    mu_mock_close(mock);
    if (status == MU_OK) {
        mu_instrument_error error = {
            .n_streams = n_streams, .n_requests = e.n_ttft, .n_gaps = e.n_gap};
        summarize(e.ttft_us, e.n_ttft, &error.ttft_bias_us, &error.ttft_p99_us);
        summarize(e.gap_us, e.n_gap, &error.gap_bias_us, &error.gap_p99_us);
        *out = error;
    }
    mu_free(e.ttft_us);
    mu_free(e.gap_us);
    return status;
}

json_t *mu_instrument_json(const mu_instrument_error *e) {
    return json_pack("{s:i, s:I, s:o, s:o, s:o, s:o}", "streams", (int)e->n_streams, "n",
                     (json_int_t)e->n_requests, "ttft_bias_us", mu_document_real(e->ttft_bias_us),
                     "ttft_error_p99_us", mu_document_real(e->ttft_p99_us), "gap_bias_us",
                     mu_document_real(e->gap_bias_us), "gap_error_p99_us",
                     mu_document_real(e->gap_p99_us));
}
