#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "router/pacer.h"

/* A machine whose steps take 2 ms and 0.1 ms for each decode token, and 0.2 for a prefill token. */
static double step_ns(uint32_t n_decode, uint32_t n_prefill) {
    return 2e6 + n_decode * 1e5 + n_prefill * 2e5;
}

static void unmeasured_allows_a_little(void **state) {
    (void)state;
    mu_pacer p = {0};
    assert_int_equal(mu_pacer_allowance(&p, 1), MU_PACER_TOKENS_FIRST);
    assert_int_equal(mu_pacer_allowance(&p, 0), MU_PACER_TOKENS_MAX); /* nobody waits */
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
        uint32_t allowed = mu_pacer_allowance(&p, n);
        double ratio = step_ns(n, allowed) / step_ns(n, 0);
        assert_true(ratio <= MU_PACER_STRETCH + 0.01);
        assert_true(ratio > MU_PACER_STRETCH - 0.15);
    }
}

static void slower_prefill_is_followed_and_never_forbidden(void **state) {
    (void)state;
    mu_pacer p = {0};
    mu_pacer_observe(&p, 4, 0, 1e6);
    mu_pacer_observe(&p, 4, 10, 2e6);
    uint32_t before = mu_pacer_allowance(&p, 4);
    for (int i = 0; i < 100; i++) {
        mu_pacer_observe(&p, 4, 10, 1e6 + 10 * 1e6); /* a long context */
    }
    assert_true(mu_pacer_allowance(&p, 4) < before);
    assert_int_equal(mu_pacer_allowance(&p, 4), MU_PACER_TOKENS_MIN);
}

static void a_class_that_was_not_measured_borrows_its_neighbour(void **state) {
    (void)state;
    mu_pacer p = {0};
    mu_pacer_observe(&p, 2, 0, 4e6);
    mu_pacer_observe(&p, 0, 100, 100 * 1e5);
    assert_int_equal(mu_pacer_allowance(&p, 32), mu_pacer_allowance(&p, 2));
    assert_int_equal(mu_pacer_allowance(&p, 1), mu_pacer_allowance(&p, 2));
    assert_int_equal(mu_pacer_allowance(&p, 2), 30); /* 0.75 * 4 ms / 0.1 ms */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unmeasured_allows_a_little),
        cmocka_unit_test(steps_with_prefill_stay_within_the_stretch),
        cmocka_unit_test(slower_prefill_is_followed_and_never_forbidden),
        cmocka_unit_test(a_class_that_was_not_measured_borrows_its_neighbour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
