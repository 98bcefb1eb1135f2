#include "bench/result/runs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "format/json.h"

/* A run of a cell with the figures that a test is about. */
static json_t *run_of(int run, const char *status, double p50, double tok_s) {
    char id[32];
    snprintf(id, sizeof(id), "latency-8-4-c1-r%d", run);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:{s:s, s:[]}, s:{s:i, s:i}, s:{s:i},"
        " s:{s:{s:s, s:i, s:f, s:f, s:f, s:{s:[f, f]}, s:{s:{s:i, s:i}}, s:[[f, f], [f, f]]}},"
        " s:{s:{s:f, s:f, s:f}}, s:{s:i, s:i}, s:{s:[s], s:[[i]]}}",
        "id", id, "system", "a", "phase", "latency", "label", "prompt 8", "run", run, "validity",
        "status", status, "flags", "load", "clients", 1, "prompt_tokens", 8, "window", "requests",
        100, "metrics", "tpot_ms", "unit", "ms", "n", 100, "min", p50 / 2, "max", p50 * 2, "p50",
        p50, "ci", "p50", p50 - 1, p50 + 1, "gate", "p99", "need", 368, "have", 100 + run, "curve",
        0.0, p50 / 2, 1.0, p50 * 2, "throughput", "output_tok_s", "value", tok_s, "low", tok_s - 5,
        "high", tok_s + 5, "reliability", "offered", 100, "failed", run, "timeline", "columns",
        "t_s", "rows", run);
}

static json_t *merge_of(json_t **runs, size_t n) {
    const json_t *all[8];
    for (size_t i = 0; i < n; i++) {
        all[i] = runs[i];
    }
    return mu_runs_merge(all, n, NULL);
}

static void release(json_t **runs, size_t n) {
    for (size_t i = 0; i < n; i++) {
        json_decref(runs[i]);
    }
}

static double at(const json_t *cell, const char *path) {
    return mu_document_number(cell, path);
}

static void figures_are_medians_and_intervals_reach_over_all(void **state) {
    (void)state;
    json_t *runs[] = {run_of(1, "VALID", 10, 300), run_of(2, "VALID", 14, 100),
                      run_of(3, "VALID", 11, 200)};
    json_t *one = merge_of(runs, 3);
    assert_string_equal(mu_document_text(one, "id"), "latency-8-4-c1");
    assert_string_equal(mu_document_text(one, "label"), "prompt 8, 3 runs");
    assert_true(at(one, "metrics.tpot_ms.p50") == 11);
    const json_t *ci = mu_document_at(one, "metrics.tpot_ms.ci.p50");
    assert_true(mu_document_item(ci, 0) == 9 && mu_document_item(ci, 1) == 15);
    assert_true(at(one, "metrics.tpot_ms.min") == 5 && at(one, "metrics.tpot_ms.max") == 28);
    assert_true(at(one, "metrics.tpot_ms.n") == 300);
    assert_true(at(one, "metrics.tpot_ms.gate.p99.need") == 368);
    assert_true(at(one, "metrics.tpot_ms.gate.p99.have") == 101);
    assert_true(at(one, "throughput.output_tok_s.value") == 200);
    assert_true(at(one, "throughput.output_tok_s.low") == 95);
    assert_true(at(one, "throughput.output_tok_s.high") == 305);
    assert_true(at(one, "reliability.offered") == 300 && at(one, "reliability.failed") == 6);
    assert_true(at(one, "load.clients") == 1 && at(one, "window.requests") == 300);
    assert_true(at(one, "shown_run") == 3 && at(one, "n_runs") == 3);
    const json_t *rows = mu_document_at(one, "timeline.rows");
    assert_true(mu_document_item(json_array_get(rows, 0), 0) == 3); /* of the run that is shown */
    const json_t *curve = mu_document_at(one, "metrics.tpot_ms.curve");
    assert_true(mu_document_item(json_array_get(curve, 1), 1) == 22);
    assert_false(mu_cell_is_run(one));
    json_decref(one);
    release(runs, 3);
}

static void what_one_run_does_not_know_is_not_known(void **state) {
    (void)state;
    json_t *runs[] = {run_of(1, "VALID", 10, 300), run_of(2, "VALID", 14, 100)};
    json_t *tpot = json_object_get(json_object_get(runs[1], "metrics"), "tpot_ms");
    json_object_del(tpot, "p50");
    json_object_del(json_object_get(tpot, "ci"), "p50");
    json_object_set_new(json_object_get(tpot, "gate"), "p50",
                        json_pack("{s:i, s:i}", "need", 6, "have", 2));
    json_t *one = merge_of(runs, 2);
    assert_true(isnan(at(one, "metrics.tpot_ms.p50")));
    assert_null(mu_document_at(one, "metrics.tpot_ms.ci.p50"));
    assert_true(at(one, "metrics.tpot_ms.gate.p50.have") == 2);
    json_decref(one);
    release(runs, 2);
}

static void runs_that_are_not_valid_are_left_out_while_there_are_others(void **state) {
    (void)state;
    json_t *runs[] = {run_of(1, "INVALID", 90, 300), run_of(2, "VALID", 14, 100),
                      run_of(3, "SATURATED", 50, 200)};
    json_t *one = merge_of(runs, 3);
    assert_true(at(one, "metrics.tpot_ms.p50") == 14);
    assert_string_equal(mu_document_text(one, "label"), "prompt 8, 1 of 3 runs");
    assert_string_equal(mu_document_text(one, "validity.status"), "VALID");
    json_decref(one);
    json_t *bad[] = {runs[0], runs[0]};
    one = merge_of(bad, 2);
    assert_true(at(one, "metrics.tpot_ms.p50") == 90);
    assert_string_equal(mu_document_text(one, "validity.status"), "INVALID");
    json_decref(one);
    release(runs, 3);
}

static void pooled_metrics_stand_for_those_of_the_runs(void **state) {
    (void)state;
    json_t *runs[] = {run_of(1, "VALID", 10, 300), run_of(2, "VALID", 14, 100)};
    const json_t *all[] = {runs[0], runs[1]};
    json_t *pooled = json_pack("{s:{s:{s:i, s:f}, s:{s:i, s:s}}}", "metrics", "tpot_ms", "n", 200,
                               "p50", 11.5, "icl_ms", "n", 0, "why", "not pooled");
    for (int i = 0; i < 2; i++) {
        json_object_set_new(json_object_get(runs[i], "metrics"), "icl_ms",
                            json_pack("{s:f}", "p50", 1.0 + 2 * i));
    }
    json_t *one = mu_runs_merge(all, 2, pooled);
    assert_true(at(one, "metrics.tpot_ms.p50") == 11.5);
    assert_true(at(one, "metrics.icl_ms.p50") == 2);
    assert_true(at(one, "throughput.output_tok_s.value") == 200);
    json_decref(one);
    json_decref(pooled);
    release(runs, 2);
}

static void runs_are_told_from_other_cells(void **state) {
    (void)state;
    json_t *first = run_of(1, "VALID", 1, 1), *second = run_of(2, "VALID", 1, 1);
    assert_true(mu_runs_are_one(first, second));
    json_object_set_new(second, "system", json_string("b"));
    assert_false(mu_runs_are_one(first, second));
    json_object_set_new(second, "system", json_string("a"));
    json_object_del(second, "run");
    assert_false(mu_runs_are_one(first, second));
    json_decref(first);
    json_decref(second);
}

static void failed_allocations_are_reported(void **state) {
    (void)state;
    json_t *unused = NULL; /* from now on jansson allocates as everybody else */
    assert_int_equal(mu_json_parse("{}", 2, &unused, NULL), MU_OK);
    json_decref(unused);
    json_t *runs[] = {run_of(1, "VALID", 10, 300), run_of(2, "VALID", 14, 100),
                      run_of(3, "VALID", 11, 200)};
    json_t *whole = merge_of(runs, 3);
    int64_t alive = mu_alloc_n_alive();
    int n_failed = 0;
    for (int n = 0;; n++) {
        mu_alloc_fail_after(n);
        json_t *one = merge_of(runs, 3);
        mu_alloc_fail_after(-1);
        if (one) assert_true(json_equal(one, whole));
        json_decref(one);
        assert_int_equal(mu_alloc_n_alive(), alive);
        if (one) break;
        n_failed++;
    }
    assert_true(n_failed > 30);
    json_decref(whole);
    release(runs, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_medians_and_intervals_reach_over_all),
        cmocka_unit_test(what_one_run_does_not_know_is_not_known),
        cmocka_unit_test(runs_that_are_not_valid_are_left_out_while_there_are_others),
        cmocka_unit_test(pooled_metrics_stand_for_those_of_the_runs),
        cmocka_unit_test(runs_are_told_from_other_cells),
        cmocka_unit_test(failed_allocations_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
