/* Who goes next, in tables; long and random histories are tests/sim/shares_sim_test.c's. */
#include "router/shares.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { MS = 1000000 };

/* Steps of each of two engines with work all the time: the order, as letters. */
static void order(uint32_t weight_a, uint32_t weight_b, uint32_t ms_a, uint32_t ms_b, char *out,
                  uint32_t n) {
    mu_shares shares = {0};
    mu_shares_add(&shares, weight_a);
    mu_shares_add(&shares, weight_b);
    mu_shares_set_work(&shares, 0, true);
    mu_shares_set_work(&shares, 1, true);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t next = mu_shares_next(&shares);
        mu_shares_charge(&shares, next, (uint64_t)(next == 0 ? ms_a : ms_b) * MS);
        out[i] = next == 0 ? 'a' : 'b';
    }
    out[n] = '\0';
}

static void busy_engines_share_the_time(void **state) {
    (void)state;
    static const struct {
        const char *what;
        uint32_t weight_a, weight_b, ms_a, ms_b;
        const char *order;
    } rows[] = {
        {"equal steps take turns", 1, 1, 5, 5, "abababab"},
        {"one long step, three short ones", 1, 1, 3, 1, "abbbabbb"},
        {"a weight is a multiple of the time", 3, 1, 1, 1, "abaaabaaab"},
        {"of the time, not of the steps", 2, 1, 4, 1, "abbabbabb"},
    };
    for (size_t r = 0; r < MU_COUNTOF(rows); r++) {
        char got[32];
        order(rows[r].weight_a, rows[r].weight_b, rows[r].ms_a, rows[r].ms_b, got,
              (uint32_t)strlen(rows[r].order));
        if (strcmp(got, rows[r].order) != 0) print_message("row: %s\n", rows[r].what);
        assert_string_equal(got, rows[r].order);
    }
}

static void idle_time_gains_no_credit(void **state) {
    (void)state;
    mu_shares shares = {0};
    assert_int_equal(mu_shares_add(&shares, 1), 0);
    assert_int_equal(mu_shares_add(&shares, 1), 1);
    assert_int_equal(mu_shares_next(&shares), MU_SHARES_NONE);
    mu_shares_set_work(&shares, 0, true);
    for (int i = 0; i < 1000; i++) { /* b has nothing to do for long */
        assert_int_equal(mu_shares_next(&shares), 0);
        mu_shares_charge(&shares, 0, 10 * MS);
    }
    mu_shares_set_work(&shares, 1, true);
    uint32_t n[2] = {0};
    for (int i = 0; i < 10; i++) {
        uint32_t next = mu_shares_next(&shares);
        mu_shares_charge(&shares, next, 10 * MS);
        n[next]++;
    }
    assert_true(n[0] >= 4 && n[1] >= 5);
}

static void a_newcomer_starts_beside_the_others(void **state) {
    (void)state;
    mu_shares shares = {0};
    mu_shares_add(&shares, 1);
    mu_shares_set_work(&shares, 0, true);
    for (int i = 0; i < 100; i++) {
        mu_shares_charge(&shares, mu_shares_next(&shares), 10 * MS);
    }
    uint32_t newcomer = mu_shares_add(&shares, 1);
    mu_shares_set_work(&shares, newcomer, true);
    uint32_t n_first = 0;
    while (mu_shares_next(&shares) == newcomer) {
        mu_shares_charge(&shares, newcomer, 10 * MS);
        n_first++;
    }
    assert_true(n_first >= 1 && n_first <= 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(busy_engines_share_the_time),
        cmocka_unit_test(idle_time_gains_no_credit),
        cmocka_unit_test(a_newcomer_starts_beside_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
