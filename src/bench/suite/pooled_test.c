#include "bench/suite/pooled.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "bench/result/path.h"
#include "format/json.h"

enum { N_VALUES = 40 };

/* A run whose TTFT is around `center`; values creep, so that few of them are independent. */
static mu_request_metrics run_around(double center, uint64_t seed) {
    mu_request_metrics m = {0};
    mu_rng rng = {seed};
    for (int i = 0; i < MU_N_REQUEST_METRICS; i++) {
        m.of[i].unit = "ms";
        m.of[i].why = "no request gave a value";
    }
    double creep = 0;
    for (int i = 0; i < N_VALUES; i++) {
        creep += 0.01 * (double)mu_rng_below(&rng, 101) - 0.5;
        mu_metric_add(&m.of[MU_METRIC_TTFT], center + creep);
        mu_metric_add(&m.of[MU_METRIC_ICL], 1);
    }
    mu_metric_end_unit(&m.of[MU_METRIC_ICL]);
    return m;
}

static json_t *pooled_of(int n_runs) {
    mu_pooled *pool;
    json_t *to = json_array();
    assert_int_equal(mu_pooled_open(&pool, NULL), MU_OK);
    for (int run = 0; run < n_runs; run++) {
        mu_request_metrics m = run_around(100 + run, (uint64_t)run + 1);
        mu_pooled_add(pool, "a", "latency-8-4-c1", &m);
        mu_request_metrics_deinit(&m);
    }
    mu_request_metrics other = run_around(500, 9);
    mu_pooled_add(pool, "b", "latency-8-4-c1", &other);
    mu_request_metrics_deinit(&other);
    assert_int_equal(mu_pooled_append(pool, to, NULL), MU_OK);
    mu_pooled_close(pool);
    return to;
}

static double number(const json_t *to, const char *path) {
    return mu_document_number(json_array_get(to, 0), path);
}

static void requests_of_all_runs_stand_together(void **state) {
    (void)state;
    json_t *to = pooled_of(5);
    assert_int_equal(json_array_size(to), 1); /* one run of "b" is not several */
    assert_string_equal(mu_document_text(json_array_get(to, 0), "id"), "latency-8-4-c1");
    assert_true(number(to, "runs") == 5);
    assert_true(number(to, "metrics.ttft_ms.n") == 5 * N_VALUES);
    double p50 = number(to, "metrics.ttft_ms.p50");
    const json_t *ci = mu_document_at(json_array_get(to, 0), "metrics.ttft_ms.ci.p50");
    assert_true(fabs(p50 - 102) < 3);
    assert_true(mu_document_item(ci, 0) < p50 && mu_document_item(ci, 1) > p50);
    assert_true(number(to, "metrics.ttft_ms.n_eff") < 5 * N_VALUES);
    assert_true(number(to, "metrics.icl_ms.n") == 0);
    assert_string_equal(mu_document_text(json_array_get(to, 0), "metrics.icl_ms.why"),
                        "gaps are those of each run");
    json_decref(to);
}

/* Two runs are too few to be drawn again: what their requests say by themselves counts. */
static void few_runs_are_gated_by_their_requests(void **state) {
    (void)state;
    json_t *two = pooled_of(2), *five = pooled_of(5);
    assert_true(isnan(number(two, "metrics.ttft_ms.p50")));
    assert_true(number(two, "metrics.ttft_ms.gate.p50.have") < 6);
    assert_true(isnan(number(five, "metrics.ttft_ms.gate.p50.need")));
    json_decref(two);
    json_decref(five);
}

static void failed_allocations_are_reported(void **state) {
    (void)state;
    mu_request_metrics m[2] = {run_around(100, 1), run_around(101, 2)};
    json_t *unused = NULL;
    assert_int_equal(mu_json_parse("{}", 2, &unused, NULL), MU_OK);
    json_decref(unused);
    int64_t alive = mu_alloc_n_alive();
    mu_status status = MU_ERR_NOMEM;
    for (int n = 0; status != MU_OK && n < 20000; n += 1 + n / 50) {
        json_t *to = json_array();
        mu_pooled *pool = NULL;
        mu_alloc_fail_after(n);
        status = mu_pooled_open(&pool, NULL);
        for (int i = 0; i < 2 && status == MU_OK; i++) {
            mu_pooled_add(pool, "a", "x", &m[i]);
        }
        if (status == MU_OK) status = mu_pooled_append(pool, to, NULL);
        mu_alloc_fail_after(-1);
        mu_pooled_close(pool);
        json_decref(to);
        assert_int_equal(mu_alloc_n_alive(), alive);
    }
    assert_int_equal(status, MU_OK);
    mu_request_metrics_deinit(&m[0]);
    mu_request_metrics_deinit(&m[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_of_all_runs_stand_together),
        cmocka_unit_test(few_runs_are_gated_by_their_requests),
        cmocka_unit_test(failed_allocations_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
