#include "bench/stats/stopping.h"

#include "tests/sim/check.h"

static mu_goal goal_of(double goal, double width) { /* relative half-width of a value of 50 */
    return (mu_goal){
        .name = "x", .goal = goal, .value = 50.0, .ci = {50.0 - 50.0 * width, 50.0 + 50.0 * width}};
}

static void decisions(void **state) {
    (void)state;
    static const struct {
        mu_stop_rule rule;
        mu_stop_state at;
        double widths[2];
        mu_stop_reason want;
    } cases[] = {
        {{.min_s = 30}, {.elapsed_s = 40, .n = 500}, {0.019, 0.049}, MU_STOP_PRECISE},
        {{.min_s = 30}, {.elapsed_s = 20, .n = 500}, {0.019, 0.049}, MU_STOP_NOT_YET},
        {{.min_s = 30}, {.elapsed_s = 40, .n = 500}, {0.021, 0.049}, MU_STOP_NOT_YET},
        {{.min_s = 30}, {.elapsed_s = 40, .n = 500}, {0.019, 0.051}, MU_STOP_NOT_YET},
        {{.min_s = 30, .max_s = 60}, {.elapsed_s = 60, .n = 500}, {0.5, 0.5}, MU_STOP_TIME},
        {{.min_s = 30, .n_max = 500}, {.elapsed_s = 9, .n = 500}, {0.5, 0.5}, MU_STOP_REQUESTS},
        {{.is_fixed_n = true, .n_max = 501}, {.elapsed_s = 99, .n = 500}, {0, 0}, MU_STOP_NOT_YET},
        {{.is_fixed_n = true, .n_max = 500}, {.elapsed_s = 9, .n = 500}, {0, 0}, MU_STOP_REQUESTS},
        {{.min_s = 30},
         {.elapsed_s = 5, .n = 50, .is_hopeless = true},
         {0.5, 0.5},
         MU_STOP_HOPELESS},
    };
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        mu_goal goals[] = {goal_of(MU_GOAL_CENTER, cases[i].widths[0]),
                           goal_of(MU_GOAL_P95, cases[i].widths[1])};
        mu_stopping stop = mu_stopping_decide(&cases[i].rule, &cases[i].at, goals, 2);
        assert_string_equal(mu_stop_reason_name(stop.reason), mu_stop_reason_name(cases[i].want));
    }
}

static void looks_grow(void **state) {
    (void)state;
    mu_stop_rule rule = {.min_s = 30, .n_max = 1000};
    mu_goal wide = goal_of(0.02, 0.5);
    mu_stop_state at = {.elapsed_s = 1};
    uint64_t looks[16], n_looks = 0;
    while (at.n < 1000) {
        mu_stopping stop = mu_stopping_decide(&rule, &at, &wide, 1);
        assert_int_equal(stop.reason, MU_STOP_NOT_YET);
        assert_true(stop.n_next > at.n && n_looks < MU_COUNTOF(looks));
        looks[n_looks++] = at.n = stop.n_next;
    }
    assert_int_equal(looks[0], 30);
    assert_int_equal(looks[1], 45);
    assert_int_equal(looks[n_looks - 1], 1000);
    assert_int_equal(n_looks, 10);
}

static void what_is_left(void **state) {
    (void)state;
    mu_stop_rule rule = {.min_s = 30, .max_s = 600};
    mu_stop_state at = {.elapsed_s = 40, .n = 200};
    mu_goal goals[] = {goal_of(0.02, 0.03), goal_of(0.05, 0.10), goal_of(0.10, 0.01)};
    mu_stopping stop = mu_stopping_decide(&rule, &at, goals, 3);
    assert_int_equal(stop.worst, 1);
    assert_near(stop.worst_half_width, 0.10, 1e-12);
    assert_near(stop.seconds_left, 120.0, 1e-9); /* half the width: four times the time */
    goals[2].is_gated = true;
    stop = mu_stopping_decide(&rule, &at, goals, 3);
    assert_int_equal(stop.worst, 2);
    assert_near(stop.seconds_left, 560.0, 1e-9);
    rule.max_s = 0.0;
    assert_true(isinf(mu_stopping_decide(&rule, &at, goals, 3).seconds_left));
    at.elapsed_s = 10;
    goals[0] = goal_of(0.02, 0.01);
    stop = mu_stopping_decide(&rule, &at, goals, 1);
    assert_int_equal(stop.worst, 1);
    assert_near(stop.seconds_left, 20.0, 1e-9);
    assert_true(isinf(mu_relative_half_width(0.0, (mu_interval){0.0, 0.0})));
    assert_true(isinf(mu_relative_half_width(1.0, (mu_interval){-INFINITY, INFINITY})));
    assert_near(mu_relative_half_width(-10.0, (mu_interval){-12.0, -8.0}), 0.2, 1e-12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decisions),
        cmocka_unit_test(looks_grow),
        cmocka_unit_test(what_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
