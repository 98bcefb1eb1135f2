/* Targets: each built-in one passes on a healthy document, and a change to the document makes it
 * fail or leaves it open for the right reason. The file of targets: what is taken and what is not.
 */
#include "bench/judge/targets.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "tests/bench/sample_document.h"

#define C1 "cells.latency-128-64-c1."

/* "cells.ID.reliability" of a run with this many requests in every cell. */
static void offer(json_t *doc, int n, int n_failed) {
    json_t *cells = json_object_get(doc, "cells"), *cell;
    size_t i;
    json_array_foreach(cells, i, cell) {
        json_t *r = json_object_get(cell, "reliability");
        json_object_set_new(r, "offered", json_integer(n));
        json_object_set_new(r, "ok", json_integer(n - n_failed));
        json_object_set_new(r, "failed", json_integer(n_failed));
    }
}

static const struct {
    const char *target, *patch, *verdict, *says;
} rows[] = {
    {"ttft", "", "pass", "whole 95% interval"},
    {"ttft", C1 "metrics.ttft_service_ms.ci.p95=[290, 310]", "inconclusive", "holds the limit"},
    {"ttft", C1 "metrics.ttft_service_ms.ci.p95=[301, 310]", "fail", "above 300 ms"},
    {"ttft", C1 "metrics.ttft_service_ms.ci={}", "inconclusive", "no interval"},
    {"ttft",
     C1 "metrics.ttft_service_ms={\"unit\": \"ms\", \"n\": 50, \"gate\": {\"p95\": {\"need\": 72, "
        "\"have\": 50}}}",
     "inconclusive", "p95 needs 72"},
    {"ttft",
     C1 "metrics.ttft_service_ms={\"unit\": \"ms\", \"n\": 0, \"why\": \"it does not stream\"}",
     "inconclusive", "does not stream"},
    {"ttft",
     C1 "validity.status=\"SATURATED\"; cells.latency-128-128-c1.validity.status=\"SATURATED\"",
     "inconclusive", "SATURATED"},
    {"ttft", C1 "load.prompt_tokens=100; cells.latency-128-128-c1.load.prompt_tokens=100",
     "inconclusive", "muai bench latency"},
    {"decode", "", "pass", "measured at 128/128"},
    {"decode", "cells.latency-128-128-c1.load.output_tokens=16", "pass", "measured at 128/64"},
    {"decode", "cells.latency-128-128-c1.metrics.rate_user_tok_s.ci.p50=[10, 29]", "fail",
     "below 30 tok/s"},
    {"decode", "cells.latency-128-128-c1.metrics.rate_user_tok_s.ci.p50=[29, 31]", "inconclusive",
     "longer or with more runs"},
    {"memory", "", "pass", "210 MB is below"},
    {"memory", "memory.a.phases.latency.peak_mb=2100", "fail", "2100 MB is above"},
    {"memory", "memory=[]", "inconclusive", "was not measured"},
    {"requests", "", "pass", "shape 6/30, 16 clients"},
    {"requests", "cells.tiny-c16.throughput.requests_s={\"value\": 40, \"low\": 39, \"high\": 41}",
     "fail", "8 clients"},
    {"requests", "cells.tiny-c16.throughput.requests_s={\"value\": 50, \"low\": 45, \"high\": 55}",
     "inconclusive", "16 clients"},
    {"requests",
     "cells.tiny-c1.load.prompt_tokens=7; cells.tiny-c8.load.prompt_tokens=7; "
     "cells.tiny-c16.load.prompt_tokens=7",
     "inconclusive", "6/30 or 16/8"},
    {"leak", "", "pass", "below 10 MB/h"},
    {"leak", "memory.a.leak.detection_limit_mb_h=8", "inconclusive", "a pass needs 5 MB/h"},
    {"leak", "memory.a.leak.verdict=\"RETENTION\"", "inconclusive", "RETENTION"},
    {"leak", "memory.a.leak.verdict=\"INCONCLUSIVE\"; memory.a.leak.needs_s=600", "inconclusive",
     "600 s more"},
    {"leak",
     "memory.a.leak.verdict=\"LEAK\"; memory.a.leak.signals=[{\"name\": \"live_heap\", "
     "\"slope_mb_h\": 20, \"low\": 15, \"high\": 25}]",
     "fail", "above 10 MB/h"},
    {"leak", "memory.a.leak.verdict=\"LEAK\"", "inconclusive", "does not decide"},
    {"leak", "memory.a.leak=null", "inconclusive", "soak"},
    {"reliability", "", "pass", "0 of 3600 failed, at least 99.91% succeed"},
    {"reliability", "cells.tiny-c1.reliability.failed=1", "fail", "1 of 3600 requests failed"},
    /* Failures count although they made the cell INVALID; overload on purpose does not. */
    {"reliability", "cells.tiny-c1.reliability.failed=9; cells.tiny-c1.validity.status=\"INVALID\"",
     "fail", "9 of 3600"},
    {"reliability", "cells.rate-9.reliability.failed=9; cells.rate-9.validity.status=\"SATURATED\"",
     "pass", "0 of 3300"},
    {"reliability", "cells.rate-9.reliability.failed=9; cells.rate-9.phase=\"stress\"", "pass",
     "0 of 3300"},
};

static void builtin_targets(void **state) {
    (void)state;
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        json_t *doc = sample_document();
        sample_patch(doc, rows[i].patch);
        json_t *judged = mu_targets_judge(doc, NULL);
        const json_t *row = sample_row(judged, rows[i].target);
        const char *verdict = mu_document_text(row, "verdict"), *why = mu_document_text(row, "why");
        if (strcmp(verdict, rows[i].verdict) != 0 || !strstr(why, rows[i].says)) {
            fail_msg("%s with \"%s\": %s, \"%s\"", rows[i].target, rows[i].patch, verdict, why);
        }
        json_decref(judged);
        json_decref(doc);
    }
    print_message("%zu documents\n", MU_COUNTOF(rows));
}

static void few_requests_prove_little(void **state) {
    (void)state;
    json_t *doc = sample_document();
    offer(doc, 240, 0); /* 12 cells */
    json_t *judged = mu_targets_judge(doc, NULL);
    const json_t *row = sample_row(judged, "reliability");
    assert_string_equal(mu_document_text(row, "verdict"), "inconclusive");
    assert_string_equal(
        mu_document_text(row, "why"),
        "0 of 2880 failed, at least 99.89% succeed (95%); 99.9% takes 3000 requests");
    json_decref(judged);
    offer(doc, 250, 0);
    judged = mu_targets_judge(doc, NULL);
    row = sample_row(judged, "reliability");
    assert_string_equal(mu_document_text(row, "verdict"), "pass");
    assert_string_equal(mu_document_text(row, "why"),
                        "0 of 3000 failed, at least 99.9% succeed (95%)");
    json_decref(judged);
    json_decref(doc);
}

/* No target but memory, leak and reliability, which are of no cell, is decided on INVALID cells. */
static void invalid_cells_decide_nothing(void **state) {
    (void)state;
    static const char *const of_cells[] = {"ttft", "decode", "requests"};
    json_t *doc = sample_document();
    sample_invalidate(doc, NULL);
    json_t *judged = mu_targets_judge(doc, NULL);
    for (size_t i = 0; i < MU_COUNTOF(of_cells); i++) {
        const json_t *row = sample_row(judged, of_cells[i]);
        assert_string_equal(mu_document_text(row, "verdict"), "inconclusive");
        assert_non_null(
            strstr(mu_document_text(row, "why"), "INVALID: client_bound (0.9 of a core)"));
        assert_true(json_is_null(json_object_get(row, "value")));
    }
    assert_int_equal(mu_targets_exit_code(doc, judged), MU_JUDGED_INVALID);
    json_decref(judged);
    json_decref(doc);
}

/* Several runs of a cell: all must agree, and an INVALID one is left out. */
static void runs_are_judged_together(void **state) {
    (void)state;
    static const struct {
        const char *patch, *verdict;
    } cases[] = {
        {"", "pass"},
        {"cells.latency-128-64-c1-r2.metrics.ttft_service_ms.ci.p95=[310, 320]", "inconclusive"},
        {"cells.latency-128-64-c1-r2.metrics.ttft_service_ms.ci.p95=[310, 320]; "
         "cells.latency-128-64-c1-r2.validity.status=\"INVALID\"",
         "pass"},
        {"cells.latency-128-64-c1-r2.metrics.ttft_service_ms.ci.p95=[310, 320]; " C1
         "metrics.ttft_service_ms.ci.p95=[305, 320]",
         "fail"},
        {"cells.latency-128-64-c1-r2.metrics.ttft_service_ms.ci={}", "inconclusive"},
    };
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        json_t *doc = sample_document();
        sample_set(doc, C1 "run", "1");
        json_t *cell = json_deep_copy(mu_document_cell(doc, "latency-128-64-c1"));
        json_object_set_new(cell, "id", json_string("latency-128-64-c1-r2"));
        json_object_set_new(cell, "run", json_integer(2));
        json_array_append_new(json_object_get(doc, "cells"), cell);
        sample_patch(doc, cases[i].patch);
        json_t *judged = mu_targets_judge(doc, NULL);
        const json_t *row = sample_row(judged, "ttft");
        if (strcmp(mu_document_text(row, "verdict"), cases[i].verdict) != 0) {
            fail_msg("case %zu: %s: %s", i, mu_document_text(row, "verdict"),
                     mu_document_text(row, "why"));
        }
        json_decref(judged);
        json_decref(doc);
    }
}

static void exit_codes(void **state) {
    (void)state;
    static const struct {
        const char *patch;
        int code;
    } cases[] = {
        {"", MU_JUDGED_PASS},
        {"memory=[]", MU_JUDGED_INCONCLUSIVE},
        {"memory.a.phases.latency.peak_mb=2100", MU_JUDGED_FAIL},
        {"memory.a.phases.latency.peak_mb=2100; " C1 "validity.status=\"INVALID\"", MU_JUDGED_FAIL},
        {"run.stop_reason=\"failed\"", MU_JUDGED_INVALID},
        {"phases.validate.status=\"failed\"; memory.a.phases.latency.peak_mb=2100",
         MU_JUDGED_INVALID},
    };
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        json_t *doc = sample_document();
        sample_patch(doc, cases[i].patch);
        json_t *judged = mu_targets_judge(doc, NULL);
        assert_int_equal(json_array_size(judged), 6);
        int code = mu_targets_exit_code(doc, judged);
        if (code != cases[i].code) fail_msg("\"%s\": %d", cases[i].patch, code);
        json_decref(judged);
        json_decref(doc);
    }
}

static void targets_of_a_file(void **state) {
    (void)state;
    static const struct {
        const char *target, *verdict, *says;
    } cases[] = {
        {"\"metric\": \"cell:throughput-c8.throughput.requests_s\", \"limit\": 14, \"better\": "
         "\"higher\"",
         "pass", "above 14 req/s"},
        {"\"metric\": \"cell:throughput-c8.throughput.requests_s\", \"limit\": 15, \"better\": "
         "\"higher\"",
         "inconclusive", "holds the limit"},
        {"\"metric\": \"cell:throughput-c8.throughput.requests_s\", \"limit\": 20, \"better\": "
         "\"higher\"",
         "fail", "below 20"},
        {"\"metric\": \"cell:none.throughput.requests_s\", \"limit\": 20, \"better\": \"higher\"",
         "inconclusive", "no such cell"},
        {"\"metric\": \"e2e_ms\", \"percentile\": 95, \"phase\": \"latency\", \"shape\": "
         "\"512/64\", "
         "\"limit\": 500, \"better\": \"lower\"",
         "pass", "below 500 ms"},
        {"\"metric\": \"e2e_ms\", \"percentile\": 99, \"phase\": \"latency\", \"limit\": 500, "
         "\"better\": \"lower\"",
         "inconclusive", "p99 needs 368"},
        {"\"metric\": \"tpot_ms.p50\", \"clients\": 16, \"limit\": 10, \"better\": \"lower\"",
         "fail", "above 10 ms"},
        {"\"metric\": \"tpot_ms.p50\", \"clients\": 64, \"limit\": 10, \"better\": \"lower\"",
         "inconclusive", "no cell"},
        {"\"metric\": \"memory:a.footprint.peak_mb\", \"limit\": 205, \"better\": \"lower\"",
         "pass", "205 MB"},
        {"\"metric\": \"memory:a.loads.cold.seconds\", \"limit\": 0.5, \"better\": \"lower\"",
         "fail", "0.84 s"},
        {"\"metric\": \"capacity:a.max_rate_per_s\", \"limit\": 8, \"better\": \"higher\"", "pass",
         "9 to 10"},
        {"\"metric\": \"capacity:a.max_rate_per_s\", \"limit\": 9.5, \"better\": \"higher\"",
         "inconclusive", "holds"},
        {"\"metric\": \"reliability.failed\", \"clients\": 8, \"limit\": 0, \"better\": \"lower\"",
         "pass", "0"},
        {"\"metric\": \"goodput.requests_s\", \"clients\": 16, \"shape\": \"128/64\", \"limit\": "
         "14.8, "
         "\"better\": \"higher\"",
         "inconclusive", "holds"},
    };
    json_t *doc = sample_document();
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        char text[512];
        mu_targets *targets = NULL;
        mu_err err;
        snprintf(text, sizeof(text), "{\"builtin\": false, \"targets\": [{\"id\": \"x\", %s}]}",
                 cases[i].target);
        if (mu_targets_parse(text, strlen(text), &targets, &err) != MU_OK) fail_msg("%s", err.text);
        json_t *judged = mu_targets_judge(doc, targets);
        assert_int_equal(json_array_size(judged), 1);
        const json_t *row = json_array_get(judged, 0);
        const char *verdict = mu_document_text(row, "verdict"), *why = mu_document_text(row, "why");
        if (strcmp(verdict, cases[i].verdict) != 0 || !strstr(why, cases[i].says)) {
            fail_msg("%s: %s, \"%s\"", cases[i].target, verdict, why);
        }
        json_decref(judged);
        mu_targets_close(targets);
    }
    json_decref(doc);
}

static void files_that_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"[]", "not a JSON object"},
        {"{}", "targets: must be an array"},
        {"{\"targets\": [], \"x\": 1}", "known fields"},
        {"{\"targets\": [], \"builtin\": 1}", "builtin: must be true or false"},
        {"{\"targets\": [1]}", "targets[0]: not an object"},
        {"{\"targets\": [{}]}", "targets[0].id: is missing"},
        {"{\"targets\": [{\"id\": 1}]}", "targets[0].id: must be a text"},
        {"{\"targets\": [{\"id\": \"a\", \"limt\": 3}]}", "targets[0].limt: is not a field"},
        {"{\"targets\": [{\"id\": \"a\", \"metric\": \"cell:c.e2e_ms.p50\", \"limit\": \"3\", "
         "\"better\": \"lower\"}]}",
         "targets[0].limit: must be a number"},
        {"{\"targets\": [{\"id\": \"a\", \"metric\": \"cell:c.e2e_ms.p50\", \"limit\": 3, "
         "\"better\": \"less\"}]}",
         "targets[0].better: must be"},
        {"{\"targets\": [{\"id\": \"a\", \"metric\": \"cell:c\", \"limit\": 3, \"better\": "
         "\"lower\"}]}",
         "targets[0].metric: must be cell:ID.PATH"},
        {"{\"targets\": [{\"id\": \"a\", \"metric\": \"e2e_ms\", \"limit\": 3, \"better\": "
         "\"lower\"}]}",
         "targets[0].metric: needs"},
        {"{\"targets\": [{\"id\": \"a\", \"metric\": \"x:c.e2e\", \"limit\": 3, \"better\": "
         "\"lower\"}]}",
         "starts with none of"},
        {"{\"targets\": [{\"id\": \"a\", \"metric\": \"e2e_ms\", \"shape\": \"128x64\", \"limit\": "
         "3, "
         "\"better\": \"lower\"}]}",
         "targets[0].shape: must be"},
        {"{\"targets\": [{\"id\": \"a\", \"metric\": \"e2e_ms\", \"percentile\": 97, \"limit\": 3, "
         "\"phase\": \"rate\", \"better\": \"lower\"}]}",
         "targets[0].percentile: must be one of"},
        {"{\"targets\": [{\"id\": \"a\", \"metric\": \"cell:c.e2e_ms.p50\", \"phase\": \"rate\", "
         "\"limit\": 3, \"better\": \"lower\"}]}",
         "names its cell itself"},
        {"{\"targets\": [{\"id\": \"a\", \"metric\": \"cell:c.e2e_ms.p50\", \"limit\": 3, "
         "\"better\": "
         "\"lower\"}, {\"id\": \"a\", \"metric\": \"cell:c.e2e_ms.p50\", \"limit\": 3, \"better\": "
         "\"lower\"}]}",
         "targets[1].id: is used twice"},
        {"{\"targets\": [{\"id\": "
         "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}]}",
         "targets[0].id: is too long"},
        {"{\"targets\": [", "line 1"},
    };
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        mu_targets *targets = NULL;
        mu_err err = {0};
        mu_status status = mu_targets_parse(cases[i].text, strlen(cases[i].text), &targets, &err);
        if (status == MU_OK || !strstr(err.text, cases[i].says)) {
            fail_msg("%s: %s", cases[i].text, err.text);
        }
        assert_null(targets);
    }
    mu_targets *targets = NULL;
    mu_err err;
    assert_int_equal(mu_targets_load("/nonexistent.json", &targets, &err), MU_ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "/nonexistent.json"));
}

/* Whatever allocation fails, the answer is NULL and nothing is leaked or half done. */
static void memory_runs_out(void **state) {
    (void)state;
    json_t *doc = sample_document();
    int64_t before = mu_alloc_n_alive();
    int n = 0;
    for (json_t *judged = NULL; !judged; n++) {
        mu_alloc_fail_after(n);
        judged = mu_targets_judge(doc, NULL);
        mu_alloc_fail_after(-1);
        if (judged) assert_int_equal(json_array_size(judged), 6);
        json_decref(judged);
        assert_true(mu_alloc_n_alive() == before);
        if (judged) break;
    }
    print_message("%d points of failure\n", n);
    assert_true(n > 50);
    json_decref(doc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builtin_targets),
        cmocka_unit_test(few_requests_prove_little),
        cmocka_unit_test(invalid_cells_decide_nothing),
        cmocka_unit_test(runs_are_judged_together),
        cmocka_unit_test(exit_codes),
        cmocka_unit_test(targets_of_a_file),
        cmocka_unit_test(files_that_are_refused),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
