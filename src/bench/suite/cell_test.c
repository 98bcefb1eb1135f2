/* Cells from records that are made up, so that every figure is known beforehand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "bench/suite/cell.h"
#include "bench/suite/request_metrics.h"
#include "bench/suite/stamp.h"

#define MS 1000000ull
enum { TOKENS = 11, START = 1000 };

/* A request of one client: TTFT 20 ms, 10 gaps of 5 ms; the client is free again at once. */
typedef struct script {
    mu_load_result load;
    mu_rng rng;
    uint64_t at_ns;
} script;

static mu_record plain(uint64_t at_ns, uint32_t index) {
    return (mu_record){.intended_ns = at_ns,
                       .dispatch_ns = at_ns + MS / 10,
                       .written_ns = at_ns + MS / 10,
                       .first_byte_ns = at_ns + 2 * MS,
                       .first_token_ns = at_ns + 20 * MS,
                       .first_content_ns = at_ns + 20 * MS,
                       .second_chunk_ns = at_ns + 25 * MS,
                       .last_token_ns = at_ns + 70 * MS,
                       .end_ns = at_ns + 71 * MS,
                       .gap_max_ns = 5 * MS,
                       .index = index,
                       .n_gaps = TOKENS - 1,
                       .n_chunks = TOKENS,
                       .prompt_tokens = 8,
                       .prompt_tokens_wanted = 8,
                       .cached_tokens = 0,
                       .output_tokens = TOKENS,
                       .output_tokens_wanted = TOKENS,
                       .first_chunk_tokens = 1,
                       .http_status = 200,
                       .is_stream = true};
}

static void add(script *s, mu_record r) {
    mu_gap gaps[TOKENS - 1];
    for (uint32_t i = 0; i < r.n_gaps; i++) {
        gaps[i] = (mu_gap){5 * MS, 1, 0};
    }
    assert_int_equal(mu_records_add(&s->load.records, &r, gaps, "why it failed", NULL), MU_OK);
}

/* n requests one after the other, 71 ms each; the window begins after n_warmup. */
static script make(uint32_t n, uint32_t n_warmup) {
    script s = {.rng = {1}, .at_ns = START * MS};
    s.load.start_ns = s.at_ns;
    for (uint32_t i = 0; i < n; i++) {
        if (i == n_warmup) s.load.boundary_ns = s.at_ns;
        mu_record r = plain(s.at_ns, i);
        r.is_warmup = i < n_warmup;
        add(&s, r);
        s.at_ns += 71 * MS;
    }
    s.load.window_end_ns = s.load.drained_ns = s.at_ns;
    s.load.n_clients = 1;
    s.load.end = MU_LOAD_END_COUNT;
    return s;
}

static const mu_cell_plan one_client = {.id = "latency-8-11-c1",
                                        .label = "one",
                                        .phase = "latency",
                                        .shape = {"", 8, TOKENS},
                                        .clients = 1};

static json_t *cell_with(script *s, const mu_load_sample *samples, uint32_t n_samples) {
    const mu_cell_facts facts = {.plan = &one_client,
                                 .system = "a",
                                 .load = &s->load,
                                 .count_source = "usage_per_chunk",
                                 .slo = {300, 33.3, 0.99},
                                 .samples = {samples, n_samples},
                                 .seed = 1};
    json_t *cell = NULL;
    mu_err err;
    mu_status status = mu_cell_json(&facts, &cell, &err);
    if (status != MU_OK) print_message("%s\n", err.text);
    assert_int_equal(status, MU_OK);
    mu_load_result_deinit(&s->load);
    return cell;
}

static json_t *cell_of(script *s) {
    return cell_with(s, NULL, 0);
}

static double at(const json_t *json, const char *a, const char *b, const char *c) {
    json = json_object_get(json, a);
    if (b) json = json_object_get(json, b);
    if (c) json = json_object_get(json, c);
    return json_is_number(json) ? json_number_value(json) : NAN;
}

static const char *flag(const json_t *cell, size_t i) {
    const json_t *flags = json_object_get(json_object_get(cell, "validity"), "flags");
    const char *id = json_string_value(json_object_get(json_array_get(flags, i), "id"));
    return id ? id : "";
}

static void figures_are_those_of_the_records(void **state) {
    (void)state;
    script s = make(210, 10);
    json_t *cell = cell_of(&s);
    static const struct {
        const char *metric;
        double p50;
    } rows[] = {
        {"ttft_ms", 20},
        {"ttft_service_ms", 19.9},
        {"ttfb_ms", 1.9},
        {"ttst_ms", 5},
        {"tpot_ms", 5},
        {"icl_ms", 5},
        {"itl_ms", 5},
        {"e2e_ms", 70},
        {"e2e_service_ms", 69.9},
        {"ttlb_ms", 71},
        {"gap_max_ms", 5},
        {"lag_ms", 0.1},
        {"rate_user_tok_s", 200},
        {"prefill_tok_s", 8 / 0.0199},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        double p50 = at(cell, "metrics", rows[i].metric, "p50");
        if (!(fabs(p50 - rows[i].p50) < 1e-6)) print_message("%s: %g\n", rows[i].metric, p50);
        assert_true(fabs(p50 - rows[i].p50) < 1e-6);
    }
    assert_true(fabs(at(cell, "throughput", "requests_s", "value") - 1 / 0.071) < 0.2);
    assert_true(fabs(at(cell, "throughput", "output_tok_s", "value") - 11 / 0.071) < 3);
    assert_true(fabs(at(cell, "throughput", "in_flight_mean", NULL) - 70.0 / 71) < 0.01);
    assert_true(at(cell, "throughput", "little_error", NULL) < 0.05);
    assert_true(at(cell, "goodput", "attainment", "value") == 1);
    assert_true(at(cell, "reliability", "failed", NULL) == 0);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(cell, "validity"), "status")), "VALID");
    /* 200 requests are too few for p99. */
    const json_t *ttft = json_object_get(json_object_get(cell, "metrics"), "ttft_ms");
    assert_null(json_object_get(ttft, "p99"));
    assert_true(at(ttft, "gate", "p99", "need") == 368);
    json_decref(cell);
}

static void failures_stay_in_every_denominator(void **state) {
    (void)state;
    script s = make(200, 10);
    for (uint32_t i = 0; i < 10; i++) {
        mu_record r = plain(s.at_ns - 71 * MS, 200 + i);
        r.failure = MU_FAILURE_TRUNCATED;
        add(&s, r);
    }
    mu_record ours = plain(s.at_ns - 71 * MS, 300);
    ours.failure = MU_FAILURE_CANCELED; /* by us: in none */
    add(&s, ours);
    json_t *cell = cell_of(&s);
    assert_true(at(cell, "reliability", "failed", NULL) == 10);
    double offered = at(cell, "reliability", "offered", NULL);
    assert_true(offered == at(cell, "window", "requests", NULL));
    assert_true(fabs(at(cell, "goodput", "attainment", "value") - (offered - 10) / offered) < 1e-9);
    assert_string_equal(flag(cell, 0), "errors");
    json_decref(cell);
}

static void what_is_not_known_is_null_and_says_why(void **state) {
    (void)state;
    script s = {.rng = {1}, .at_ns = START * MS};
    s.load.start_ns = s.load.boundary_ns = s.at_ns;
    for (uint32_t i = 0; i < 50; i++) {
        mu_record r = plain(s.at_ns, i);
        r.is_stream = false;
        r.first_token_ns = r.first_content_ns = r.second_chunk_ns = r.last_token_ns = 0;
        r.n_gaps = r.n_chunks = 0;
        r.gap_max_ns = 0;
        add(&s, r);
        s.at_ns += 71 * MS;
    }
    s.load.window_end_ns = s.load.drained_ns = s.at_ns;
    json_t *cell = cell_of(&s);
    const json_t *metrics = json_object_get(cell, "metrics");
    static const char *const unknown[] = {"ttft_ms", "tpot_ms", "icl_ms", "itl_ms"};
    for (size_t i = 0; i < MU_COUNTOF(unknown); i++) {
        const json_t *metric = json_object_get(metrics, unknown[i]);
        assert_null(json_object_get(metric, "p50"));
        assert_non_null(strstr(json_string_value(json_object_get(metric, "why")), "not streamed"));
    }
    assert_true(fabs(at(cell, "metrics", "e2e_ms", "p50") - 71) < 1e-6);
    json_decref(cell);
}

static void coalesced_chunks_share_their_gap(void **state) {
    (void)state;
    script s = {.rng = {1}, .at_ns = START * MS};
    s.load.start_ns = s.load.boundary_ns = s.at_ns;
    for (uint32_t i = 0; i < 50; i++) {
        mu_record r = plain(s.at_ns, i);
        r.n_gaps = 2;
        r.n_chunks = 3;
        r.output_tokens = r.output_tokens_wanted = 3;
        r.last_token_ns = r.first_token_ns + 10 * MS;
        const mu_gap gaps[] = {{10 * MS, 1, 0}, {0, 1, MU_GAP_COALESCED}};
        assert_int_equal(mu_records_add(&s.load.records, &r, gaps, NULL, NULL), MU_OK);
        s.at_ns += 71 * MS;
    }
    s.load.window_end_ns = s.load.drained_ns = s.at_ns;
    json_t *cell = cell_of(&s);
    assert_true(fabs(at(cell, "metrics", "icl_ms", "min") - 10) < 1e-6); /* never 0 */
    assert_true(fabs(at(cell, "metrics", "itl_ms", "p50") - 5) < 1e-6);
    assert_true(at(cell, "metrics", "itl_ms", "n") == 100);
    json_decref(cell);
}

static void stamps_have_reasons(void **state) {
    (void)state;
    static const struct {
        const char *flag;
        uint32_t cached, output;
        double cpu_share;
        uint64_t lag_ns;
    } rows[] = {
        {"cache_contaminated", 4, TOKENS, 0, 0},
        {"osl_mismatch", 0, TOKENS - 1, 0, 0},
        {"client_bound", 0, TOKENS, 0.95, 0},
        {"lag", 0, TOKENS, 0, 3 * MS},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        script s = make(100, 10);
        s.load.cpu_share = rows[i].cpu_share;
        for (size_t r = 0; r < s.load.records.n_records; r++) {
            mu_record *record = &s.load.records.records[r];
            record->cached_tokens = rows[i].cached;
            record->output_tokens = rows[i].output;
            record->intended_ns -= rows[i].lag_ns;
        }
        json_t *cell = cell_of(&s);
        assert_string_equal(flag(cell, 0), rows[i].flag);
        json_decref(cell);
    }
}

/* A sample each 100 ms; every tenth is a slow one, which knows the GPU. */
static void a_gpu_that_was_watched_is_in_the_cell(void **state) {
    (void)state;
    enum { N = 142 };
    static mu_load_sample samples[N];
    for (int has_gpu = 0; has_gpu < 2; has_gpu++) {
        script s = make(210, 10);
        for (uint32_t i = 0; i < N; i++) {
            samples[i] = (mu_load_sample){.at_ns = s.load.boundary_ns + i * 100 * MS,
                                          .rss = mu_fact_of(1e6)};
            if (!has_gpu || i % 10 != 0) continue;
            samples[i].gpu_memory = mu_fact_of(5e9 + i * 1e6);
            samples[i].gpu_process = i == 10 ? mu_fact_of(4e9) : mu_fact_unknown("not told");
            samples[i].gpu_busy = mu_fact_of(i < 75 ? 0.25 : 0.75);
        }
        json_t *cell = cell_with(&s, samples, N);
        const json_t *line = json_object_get(cell, "timeline"), *row;
        size_t n = json_array_size(json_object_get(line, "columns")), n_known = 0, i;
        assert_int_equal(n, has_gpu ? 10 : 7);
        json_array_foreach(json_object_get(line, "rows"), i, row) {
            assert_int_equal(json_array_size(row), n);
            n_known += has_gpu && json_is_number(json_array_get(row, 7));
            if (has_gpu && i == 0) assert_true(json_number_value(json_array_get(row, 7)) == 5000);
        }
        assert_int_equal(n_known, has_gpu ? 15 : 0);
        json_t *server = json_object_get(cell, "server");
        assert_int_equal(json_object_size(server), has_gpu ? 6 : 3);
        assert_true(at(cell, "server", "rss_peak_mb", NULL) == 1);
        if (has_gpu) {
            assert_true(at(cell, "server", "gpu_memory_peak_mb", NULL) == 5140);
            assert_true(at(cell, "server", "gpu_process_peak_mb", NULL) == 4000);
            double mean = (8 * 0.25 + 7 * 0.75) / 15;
            assert_true(fabs(at(cell, "server", "gpu_utilization", NULL) - mean) < 1e-9);
        }
        json_decref(cell);
    }
}

static void a_load_without_a_window_is_an_error(void **state) {
    (void)state;
    script s = make(5, 10);
    s.load.boundary_ns = 0;
    const mu_cell_facts facts = {
        .plan = &one_client, .system = "a", .load = &s.load, .count_source = "usage"};
    json_t *cell = NULL;
    mu_err err;
    assert_int_equal(mu_cell_json(&facts, &cell, &err), MU_ERR_INVALID);
    assert_non_null(strstr(err.text, "latency-8-11-c1"));
    mu_load_result_deinit(&s.load);
}

/* The start is twice as slow: it must be cut off, and what is left is steady. */
static void warm_up_that_was_too_short_is_cut_off(void **state) {
    (void)state;
    script s = make(300, 10);
    for (size_t i = 0; i < 60; i++) {
        s.load.records.records[i].first_token_ns += 18 * MS;
    }
    mu_window w;
    assert_int_equal(mu_window_choose(&s.load, 1, &w, NULL), MU_OK);
    assert_true(w.n_truncated >= 50 && w.n_truncated < 75);
    assert_int_equal(w.n_warmup, 10);
    assert_false(w.is_capped);
    mu_window_deinit(&w);
    mu_load_result_deinit(&s.load);
}

static void drift_is_seen(void **state) {
    (void)state;
    script s = make(300, 10);
    for (size_t i = 0; i < 300; i++) {
        s.load.records.records[i].last_token_ns += i * MS / 10;
    }
    json_t *cell = cell_of(&s);
    assert_string_equal(flag(cell, 0), "not_steady");
    json_decref(cell);
}

static void memory_running_out_is_an_error(void **state) {
    (void)state;
    bool has_failed = false;
    for (int n = 0; n < 40; n++) {
        script s = make(60, 10);
        const mu_cell_facts facts = {.plan = &one_client,
                                     .system = "a",
                                     .load = &s.load,
                                     .count_source = "usage",
                                     .slo = {300, 33.3, 0.99}};
        json_t *cell = NULL;
        mu_err err;
        mu_alloc_fail_after(n);
        mu_status status = mu_cell_json(&facts, &cell, &err);
        mu_alloc_fail_after(-1);
        has_failed = has_failed || status == MU_ERR_NOMEM;
        assert_true(status == MU_OK || status == MU_ERR_NOMEM);
        json_decref(cell);
        mu_load_result_deinit(&s.load);
    }
    assert_true(has_failed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_those_of_the_records),
        cmocka_unit_test(failures_stay_in_every_denominator),
        cmocka_unit_test(what_is_not_known_is_null_and_says_why),
        cmocka_unit_test(coalesced_chunks_share_their_gap),
        cmocka_unit_test(stamps_have_reasons),
        cmocka_unit_test(a_gpu_that_was_watched_is_in_the_cell),
        cmocka_unit_test(a_load_without_a_window_is_an_error),
        cmocka_unit_test(warm_up_that_was_too_short_is_cut_off),
        cmocka_unit_test(drift_is_seen),
        cmocka_unit_test(memory_running_out_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
