/* Each reason on both sides of its limit. */
#include "bench/stats/validity.h"

#include "tests/sim/check.h"

static void limits(void **state) {
    (void)state;
    const mu_interval grows = {0.01, 0.03}, level = {-0.01, 0.03};
    const struct {
        mu_flags got, want;
    } cases[] = {
        {mu_check_client(0.5, 0.001, 0.1), 0},
        {mu_check_client(0.9, 0.001, 0.1), MU_FLAG_CLIENT_BOUND},
        {mu_check_client(0.5, 0.006, 0.1), MU_FLAG_CLIENT_BOUND},
        {mu_check_client(0.5, NAN, 0.1), 0},
        {mu_check_lag(0.0009, 0.02), 0},
        {mu_check_lag(0.001, 0.02), MU_FLAG_LAG},
        {mu_check_lag(0.004, 0.5), 0},
        {mu_check_lag(0.005, 0.5), MU_FLAG_LAG},
        {mu_check_lag(0.002, NAN), MU_FLAG_LAG},
        {mu_check_rate(9.81, 10.0), 0},
        {mu_check_rate(9.79, 10.0), MU_FLAG_RATE_NOT_ACHIEVED},
        {mu_check_rate(9.79, 0.0), 0},
        {mu_check_cache(10, 1000, true), 0},
        {mu_check_cache(11, 1000, true), MU_FLAG_CACHE_CONTAMINATED},
        {mu_check_cache(1000, 1000, false), 0},
        {mu_check_steady(true, true), 0},
        {mu_check_steady(true, false), MU_FLAG_NOT_STEADY},
        {mu_check_steady(false, true), MU_FLAG_NOT_STEADY},
        {mu_check_osl(1, 100), 0},
        {mu_check_osl(2, 100), MU_FLAG_OSL_MISMATCH},
        {mu_check_isl(1, 100), 0},
        {mu_check_isl(2, 100), MU_FLAG_ISL_MISMATCH},
        {mu_check_errors(1, 100), 0},
        {mu_check_errors(2, 100), MU_FLAG_ERRORS},
        {mu_check_errors(0, 0), 0},
        {mu_check_steal(0.6, 60.0), 0},
        {mu_check_steal(0.61, 60.0), MU_FLAG_STEAL},
        {mu_check_steal(NAN, 60.0), 0},
        {mu_check_throttled(0, NAN, NAN), 0},
        {mu_check_throttled(1, NAN, NAN), MU_FLAG_THROTTLED},
        {mu_check_throttled(0, 2.6, 3.0), MU_FLAG_THROTTLED},
        {mu_check_throttled(0, 2.8, 3.0), 0},
        {mu_check_samples(6.0, 6), 0},
        {mu_check_samples(5.9, 6), MU_FLAG_TOO_FEW_SAMPLES},
        {mu_check_restarted(12, 12), 0},
        {mu_check_restarted(12, 13), MU_FLAG_SERVER_RESTARTED},
        {mu_check_saturated(grows, 100.0, 8.0), MU_FLAG_SATURATED},
        {mu_check_saturated(level, 100.0, 8.0), 0},
        {mu_check_saturated(grows, 10.0, 8.0), 0},   /* a fifth of a request */
        {mu_check_saturated(grows, 100.0, 80.0), 0}, /* 2 of 80 */
    };
    mu_flags seen = 0;
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        if (cases[i].got != cases[i].want) fail_msg("case %zu: %#x", i, cases[i].got);
        seen |= cases[i].want;
    }
    assert_int_equal(seen, (1u << MU_N_FLAGS) - 1); /* every flag has a case */
}

static void stamps(void **state) {
    (void)state;
    assert_string_equal(mu_flags_stamp(0), "VALID");
    assert_string_equal(mu_flags_stamp(MU_FLAG_SATURATED), "SATURATED");
    assert_string_equal(mu_flags_stamp(MU_FLAG_SATURATED | MU_FLAG_LAG), "INVALID");
    assert_true(mu_flags_are_valid(MU_FLAG_SATURATED));
    assert_false(mu_flags_are_valid(MU_FLAG_STEAL));
    assert_int_equal(MU_N_FLAGS, 13);
    assert_string_equal(mu_flag_name(MU_FLAG_CLIENT_BOUND_BIT), "client_bound");
    assert_string_equal(mu_flag_name(MU_FLAG_SATURATED_BIT), "saturated");
    for (uint32_t i = 0; i < MU_N_FLAGS; i++) {
        assert_true(strlen(mu_flag_text(i)) > 10);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits),
        cmocka_unit_test(stamps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
