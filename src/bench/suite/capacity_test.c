#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "bench/suite/capacity.h"

/* The search against a server that meets its objective up to a known rate. */
static mu_capacity_search search(double reference, double capacity, uint32_t n_cells,
                                 uint32_t *n_used) {
    mu_capacity_search s;
    mu_capacity_begin(&s, reference, n_cells);
    *n_used = 0;
    bool goes_on = true;
    while (goes_on) {
        (*n_used)++;
        assert_true(*n_used <= n_cells);
        goes_on = mu_capacity_feed(&s, s.next <= capacity);
    }
    return s;
}

static void capacity_is_enclosed(void **state) {
    (void)state;
    static const struct {
        const char *what;
        double reference, capacity;
    } rows[] = {
        {"near the reference", 10, 9},
        {"far above", 1, 40},
        {"far below", 100, 3},
        {"exactly the first step", 10, 7},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        uint32_t n;
        mu_capacity_search s = search(rows[i].reference, rows[i].capacity, 60, &n);
        if (!(s.met <= rows[i].capacity)) print_message("row: %s\n", rows[i].what);
        assert_true(s.met > 0 && s.met <= rows[i].capacity);
        assert_true(s.failed > rows[i].capacity);
        assert_true(s.failed / s.met < 1.05);
    }
}

static void few_cells_leave_a_bracket(void **state) {
    (void)state;
    uint32_t n;
    mu_capacity_search s = search(10, 9, 3, &n);
    assert_int_equal(n, 3);
    assert_true(s.met <= 9 && s.failed > 9);
}

static void nothing_meets_it(void **state) {
    (void)state;
    uint32_t n;
    mu_capacity_search s = search(10, 0, 5, &n);
    assert_int_equal(n, 5);
    assert_true(s.met == 0 && s.failed > 0);
}

static json_t *cell(const char *status, double share, double low, int n) {
    return json_pack("{s:{s:s}, s:{s:{s:f}, s:i, s:{s:f, s:f}}}", "validity", "status", status,
                     "goodput", "slo", "attain", 0.99, "offered", n, "attainment", "value", share,
                     "low", low);
}

static void an_objective_is_met_by_the_interval(void **state) {
    (void)state;
    static const struct {
        const char *what, *status;
        double share, low;
        int n;
        mu_capacity_outcome outcome;
    } rows[] = {
        {"all good, enough of them", "VALID", 1, 0.995, 800, MU_CAPACITY_MET},
        {"all good, too few to show it", "VALID", 1, 0.963, 100, MU_CAPACITY_LIKELY},
        {"one fewer than could show it", "VALID", 1, 0.98999, 380, MU_CAPACITY_LIKELY},
        {"enough to show it, and not shown", "VALID", 0.992, 0.984, 1000, MU_CAPACITY_MISSED},
        {"saturated", "SATURATED", 1, 0.995, 800, MU_CAPACITY_MISSED},
        {"too many bad", "VALID", 0.98, 0.93, 100, MU_CAPACITY_MISSED},
        {"nothing offered", "VALID", 1, 0, 0, MU_CAPACITY_MISSED},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        json_t *c = cell(rows[i].status, rows[i].share, rows[i].low, rows[i].n);
        mu_capacity_outcome outcome = mu_capacity_judge(c);
        if (outcome != rows[i].outcome) print_message("row: %s\n", rows[i].what);
        assert_int_equal(outcome, rows[i].outcome);
        json_decref(c);
    }
    assert_int_equal(mu_capacity_judge(NULL), MU_CAPACITY_MISSED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(capacity_is_enclosed),
        cmocka_unit_test(few_cells_leave_a_bracket),
        cmocka_unit_test(nothing_meets_it),
        cmocka_unit_test(an_objective_is_met_by_the_interval),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
