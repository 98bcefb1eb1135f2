#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "bench/suite/cell_plan.h"

static mu_plan *make(const mu_plan_options *o, bool (*fill)(const mu_plan_options *, mu_plan *)) {
    mu_plan *plan = mu_alloc(sizeof(*plan));
    assert_non_null(plan);
    assert_true(fill(o, plan));
    return plan;
}

static void quick_plans_fit_into_three_minutes(void **state) {
    (void)state;
    const mu_plan_options o = {.is_quick = true, .n_ctx = 1024};
    mu_plan *latency = make(&o, mu_plan_latency), *throughput = make(&o, mu_plan_throughput);
    assert_int_equal(latency->n, 6);
    assert_int_equal(throughput->n, 6);
    assert_true(mu_plan_seconds(latency) + mu_plan_seconds(throughput) < 105);
    mu_free(latency);
    mu_free(throughput);
}

static void ids_tell_cells_apart(void **state) {
    (void)state;
    mu_plan_options o = {.n_ctx = 1024, .n_clients = 2, .clients = {1, 8}};
    mu_plan *plan = make(&o, mu_plan_latency);
    for (uint32_t i = 0; i < plan->n; i++) {
        for (uint32_t k = 0; k < i; k++) {
            assert_string_not_equal(plan->cells[i].id, plan->cells[k].id);
        }
    }
    mu_free(plan);
}

static void shapes_beyond_the_context_are_left_out(void **state) {
    (void)state;
    const mu_plan_options o = {.n_ctx = 640};
    mu_plan *plan = make(&o, mu_plan_latency);
    assert_int_equal(plan->n, 4); /* 128 and 512 with 64 and 128 */
    assert_int_equal(plan->n_left_out, 2);
    mu_free(plan);
}

static void a_number_of_requests_replaces_precision(void **state) {
    (void)state;
    const mu_plan_options o = {.n_ctx = 1024, .n_requests = 50};
    mu_plan *plan = make(&o, mu_plan_throughput);
    for (uint32_t i = 0; i < plan->n; i++) {
        assert_int_equal(plan->cells[i].n_requests_max, 50);
        assert_false(plan->cells[i].is_precise);
    }
    mu_free(plan);
}

static void warm_up_is_of_every_client(void **state) {
    (void)state;
    const mu_plan_options o = {.n_ctx = 1024};
    mu_plan *plan = make(&o, mu_plan_throughput);
    for (uint32_t i = 0; i < plan->n; i++) {
        const mu_cell_plan *c = &plan->cells[i];
        assert_true(c->n_warmup >= 10 && c->n_warmup >= 2 * c->clients && c->warmup_s >= 5);
    }
    mu_free(plan);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quick_plans_fit_into_three_minutes),
        cmocka_unit_test(ids_tell_cells_apart),
        cmocka_unit_test(shapes_beyond_the_context_are_left_out),
        cmocka_unit_test(a_number_of_requests_replaces_precision),
        cmocka_unit_test(warm_up_is_of_every_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
