#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "router/pacer.h"

/* A machine whose steps take 2 ms and 0.1 ms for each decode token, and 0.2 for a prefill token. */
static double step_ns(uint32_t n_decode, uint32_t n_prefill) {
    return 2e6 + n_decode * 1e5 + n_prefill * 2e5;
}

static void what_is_not_measured_is_measured_first(void **state) {
    (void)state;
    mu_pacer p = {0};
    assert_int_equal(mu_pacer_allowance(&p, 0, 1), MU_PACER_TOKENS_MAX); /* nobody waits */
    assert_int_equal(mu_pacer_allowance(&p, 1, 1), 0);
    mu_pacer_observe(&p, 1, 0, 1e6);
    assert_int_equal(mu_pacer_allowance(&p, 1, 1), MU_PACER_TOKENS_FIRST);
    mu_pacer_observe(&p, 0, 100, 100 * 1e5);
    assert_int_equal(mu_pacer_allowance(&p, 1, 1), 7); /* 0.75 * 1 ms / 0.1 ms */
    assert_int_equal(mu_pacer_allowance(&p, 2, 1), 0); /* of another class */
}

/* Prefill in every step would hide that more decode tokens take longer. */
static void under_constant_load_one_step_in_a_while_goes_without_prefill(void **state) {
    (void)state;
    mu_pacer p = {0};
    uint32_t n_without = 0, n_steps = 10 * (MU_PACER_AGE_MAX + 1);
    for (uint32_t i = 0; i < n_steps; i++) {
        uint32_t n = mu_pacer_allowance(&p, 5, 2);
        n_without += n == 0;
        mu_pacer_observe(&p, 5, n, step_ns(5, n));
    }
    assert_int_equal(n_without, 10);
    mu_pacer_observe(&p, 5, 0, step_ns(5, 0));
    double share = step_ns(5, mu_pacer_allowance(&p, 5, 2)) / step_ns(5, 0) - 1;
    assert_true(share > 2 * MU_PACER_SHARE - 0.1 && share <= 2 * MU_PACER_SHARE + 0.01);
}

static void steps_with_prefill_stay_within_the_stretch(void **state) {
    (void)state;
    mu_pacer p = {0};
    for (int i = 0; i < 50; i++) {
        for (uint32_t n = 1; n <= 32; n *= 2) {
            mu_pacer_observe(&p, n, 0, step_ns(n, 0));
            mu_pacer_observe(&p, n, 16, step_ns(n, 16));
        }
    }
    for (uint32_t n = 1; n <= 32; n *= 2) {
        uint32_t allowed = mu_pacer_allowance(&p, n, 1);
        double ratio = step_ns(n, allowed) / step_ns(n, 0);
        assert_true(ratio <= 1 + MU_PACER_SHARE + 0.01);
        assert_true(ratio > 1 + MU_PACER_SHARE - 0.15);
    }
}

static void prompts_that_wait_get_more_to_a_limit(void **state) {
    (void)state;
    mu_pacer p = {0};
    mu_pacer_observe(&p, 2, 0, 4e6);
    mu_pacer_observe(&p, 0, 100, 100 * 1e5); /* a share is 30 tokens */
    static const uint32_t rows[][2] = {{0, 30}, {1, 30}, {2, 60}, {3, 90}, {4, 120}, {9, 120}};
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        assert_int_equal(mu_pacer_allowance(&p, 2, rows[i][0]), rows[i][1]);
    }
}

static void slower_prefill_is_followed_and_never_forbidden(void **state) {
    (void)state;
    mu_pacer p = {0};
    mu_pacer_observe(&p, 4, 0, 1e6);
    mu_pacer_observe(&p, 4, 10, 2e6);
    uint32_t before = mu_pacer_allowance(&p, 4, 1);
    for (int i = 0; i < 100; i++) {
        mu_pacer_observe(&p, 4, 10, 1e6 + 10 * 1e6); /* a long context */
    }
    mu_pacer_observe(&p, 4, 0, 1e6);
    assert_true(mu_pacer_allowance(&p, 4, 1) < before);
    assert_int_equal(mu_pacer_allowance(&p, 4, 1), MU_PACER_TOKENS_MIN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_measured_is_measured_first),
        cmocka_unit_test(under_constant_load_one_step_in_a_while_goes_without_prefill),
        cmocka_unit_test(steps_with_prefill_stay_within_the_stretch),
        cmocka_unit_test(prompts_that_wait_get_more_to_a_limit),
        cmocka_unit_test(slower_prefill_is_followed_and_never_forbidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
