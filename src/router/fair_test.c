#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "router/fair.h"

enum { A = 1, B, C, CAP = 200 };

static mu_fair queued_of[CAP], running_of[CAP];
static mu_fair *queued[CAP], *running[CAP];

static void set(const uint64_t *waiting, uint32_t n, const uint64_t *runs, uint32_t n_runs) {
    for (uint32_t i = 0; i < n; i++) {
        queued_of[i] = (mu_fair){.client = waiting[i]};
        queued[i] = &queued_of[i];
    }
    for (uint32_t i = 0; i < n_runs; i++) {
        running_of[i] = (mu_fair){.client = runs[i]};
        running[i] = &running_of[i];
    }
}

static void picks(void **state) {
    (void)state;
    static const struct {
        const char *what;
        uint64_t queued[4], running[4];
        uint32_t n_queued, n_running, picked;
    } rows[] = {
        {"one client is served in order", {A, A, A}, {A, A}, 3, 2, 0},
        {"nothing runs: the earliest", {A, B, C}, {0}, 3, 0, 0},
        {"who has least", {A, A, B}, {A, A, B}, 3, 3, 2},
        {"the earliest of equals", {A, B, C}, {A, B, C}, 3, 3, 0},
        {"who has nothing", {A, B, C}, {A, B}, 3, 2, 2},
    };
    for (size_t r = 0; r < MU_COUNTOF(rows); r++) {
        set(rows[r].queued, rows[r].n_queued, rows[r].running, rows[r].n_running);
        uint32_t i = mu_fair_pick(queued, rows[r].n_queued, running, rows[r].n_running);
        if (i != rows[r].picked) print_message("row: %s\n", rows[r].what);
        assert_int_equal(i, rows[r].picked);
    }
}

/* New clients keep coming; the one that already has a running request still gets its second. */
static void nobody_starves(void **state) {
    (void)state;
    set((const uint64_t[]){A, B}, 2, (const uint64_t[]){A}, 1);
    uint32_t n_passed = 0;
    while (mu_fair_pick(queued, 2, running, 1) == 1) {
        queued_of[1] = (mu_fair){.client = 100 + n_passed++};
        assert_true(n_passed <= MU_FAIR_PASSES_MAX);
    }
    assert_int_equal(n_passed, MU_FAIR_PASSES_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(picks), cmocka_unit_test(nobody_starves)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
