#include "server/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

enum { A = 1, B = 1 + 1024, C = 3 }; /* A and B share a bucket */

static void a_client_has_half(void **state) {
    mu_budget *b;
    mu_err err = {0};
    (void)state;
    assert_int_equal(mu_budget_open(1000, &b, &err), MU_OK);
    assert_int_equal(mu_budget_take(b, A, 0, 501, &err), MU_ERR_LIMIT);
    assert_non_null(strstr(err.text, "501 bytes"));
    assert_int_equal(mu_budget_take(b, A, 0, 400, &err), MU_OK);
    assert_int_equal(mu_budget_take(b, A, 0, 101, &err), MU_ERR_BUSY);
    assert_non_null(strstr(err.text, "400 of the 500"));
    assert_int_equal(mu_budget_take(b, A, 400, 101, &err), MU_ERR_LIMIT); /* the same request */
    assert_int_equal(mu_budget_take(b, A, 0, 100, &err), MU_OK);
    assert_int_equal(mu_budget_take(b, B, 0, 400, &err), MU_OK);
    assert_int_equal(mu_budget_take(b, C, 0, 101, &err), MU_ERR_NOMEM);
    assert_non_null(strstr(err.text, "900 of 1000"));
    assert_int_equal(mu_budget_take(b, C, 0, 100, &err), MU_OK);
    assert_int_equal(mu_budget_used(b), 1000);
    mu_budget_give(b, B, 400);
    mu_budget_give(b, A, 500);
    assert_int_equal(mu_budget_take(b, A, 0, 500, &err), MU_OK);
    mu_budget_give(b, A, 500);
    mu_budget_give(b, C, 100);
    assert_int_equal(mu_budget_used(b), 0);
    mu_budget_close(b);
}

static void without_memory_nothing_is_taken(void **state) {
    mu_budget *b = NULL;
    mu_err err = {0};
    (void)state;
    int64_t n_alive = mu_alloc_n_alive();
    mu_alloc_fail_after(0);
    assert_int_equal(mu_budget_open(1000, &b, &err), MU_ERR_NOMEM);
    mu_alloc_fail_after(1);
    assert_int_equal(mu_budget_open(1000, &b, &err), MU_OK);
    assert_int_equal(mu_budget_take(b, A, 0, 10, &err), MU_ERR_NOMEM);
    mu_alloc_fail_after(-1);
    assert_int_equal(mu_budget_used(b), 0);
    assert_int_equal(mu_budget_take(b, A, 0, 10, &err), MU_OK);
    mu_budget_give(b, A, 10);
    mu_budget_close(b);
    assert_int_equal(mu_alloc_n_alive(), n_alive);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_has_half),
        cmocka_unit_test(without_memory_nothing_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
