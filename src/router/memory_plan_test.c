#include "router/memory_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { N = 3 };

static const uint64_t MIB = 1 << 20;

/* Numbers are MiB. */
static const struct {
    const char *what;
    uint32_t n;
    uint64_t weights[N], kv[N], kv_least[N], scratch[N];
    bool is_fixed[N];
    uint64_t limit;
    bool is_ok;
    uint64_t wanted[N], total;
} rows[] = {
    {"no limit", 2, {100, 200}, {500, 600}, {10, 20}, {5, 7}, {0}, 0, true, {500, 600}, 1407},
    {"all fits", 2, {100, 200}, {500, 600}, {10, 20}, {5, 7}, {0}, 1407, true, {500, 600}, 1407},
    {"half of what is beyond the least",
     2,
     {100, 200},
     {110, 220},
     {10, 20},
     {5, 7},
     {0},
     487,
     true,
     {60, 120},
     487},
    {"the least of each",
     2,
     {100, 200},
     {500, 600},
     {10, 20},
     {5, 7},
     {0},
     337,
     true,
     {10, 20},
     337},
    {"less than the least", 2, {100, 200}, {500, 600}, {10, 20}, {5, 7}, {0}, 336, false, {0}, 0},
    {"a fixed one stays",
     2,
     {100, 200},
     {50, 600},
     {10, 20},
     {0, 0},
     {true},
     400,
     true,
     {50, 50},
     400},
    {"a fixed one that does not fit", 1, {100}, {500}, {10}, {1}, {true}, 600, false, {0}, 0},
    {"scratch is shared",
     3,
     {1, 1, 1},
     {9, 9, 9},
     {9, 9, 9},
     {8, 10, 9},
     {0},
     40,
     true,
     {9, 9, 9},
     40},
    {"less asked for than a sequence needs", 1, {100}, {5}, {10}, {1}, {0}, 106, true, {5}, 106},
};

static void kv_is_divided(void **state) {
    (void)state;
    for (size_t r = 0; r < MU_COUNTOF(rows); r++) {
        mu_memory_need needs[N];
        for (uint32_t i = 0; i < N; i++) {
            needs[i] = (mu_memory_need){.name = "m",
                                        .bytes = {.weights = rows[r].weights[i] * MIB,
                                                  .kv = rows[r].kv[i] * MIB,
                                                  .kv_least = rows[r].kv_least[i] * MIB,
                                                  .scratch = rows[r].scratch[i] * MIB},
                                        .kv_is_fixed = rows[r].is_fixed[i]};
        }
        uint64_t kv[N] = {0};
        mu_memory_plan plan = {0};
        mu_err err = {0};
        mu_status status =
            mu_memory_plan_make(needs, rows[r].n, rows[r].limit * MIB, &plan, kv, &err);
        bool is_as_wanted = (status == MU_OK) == rows[r].is_ok;
        for (uint32_t i = 0; i < rows[r].n; i++) {
            is_as_wanted &= kv[i] == rows[r].wanted[i] * MIB;
        }
        is_as_wanted &= plan.total == rows[r].total * MIB;
        if (!is_as_wanted) fail_msg("%s: %s", rows[r].what, err.text);
    }
}

static void scratch_that_is_not_shared_adds_up(void **state) {
    (void)state;
    const mu_memory_need needs[] = {
        {.name = "a", .bytes = {.weights = MIB, .scratch = 3 * MIB}, .scratch_is_own = true},
        {.name = "b", .bytes = {.weights = MIB, .scratch = 4 * MIB}, .scratch_is_own = true},
    };
    uint64_t kv[2];
    mu_memory_plan plan;
    assert_int_equal(mu_memory_plan_make(needs, 2, 9 * MIB, &plan, kv, NULL), MU_OK);
    assert_int_equal(plan.scratch, 7 * MIB);
    assert_int_equal(plan.total, 9 * MIB);
    assert_int_equal(mu_memory_plan_make(needs, 2, 9 * MIB - 1, &plan, kv, NULL), MU_ERR_LIMIT);
}

static void the_sum_is_spelled_out(void **state) {
    (void)state;
    const mu_memory_need needs[] = {
        {.name = "gpt2", .bytes = {.weights = 150 * MIB, .kv = 900 * MIB, .kv_least = 36 * MIB}},
        {.name = "gpt2-xl",
         .bytes = {.weights = 1700 * MIB, .kv = 99 * MIB, .kv_least = 90 * MIB, .scratch = MIB}},
    };
    uint64_t kv[2];
    mu_memory_plan plan;
    mu_err err;
    assert_int_equal(mu_memory_plan_make(needs, 2, 1000 * MIB, &plan, kv, &err), MU_ERR_LIMIT);
    assert_string_equal(err.text,
                        "1977 MiB are needed and 1000 MiB may be used: gpt2: weights 150, "
                        "KV 36; gpt2-xl: weights 1700, KV 90; scratch 1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kv_is_divided),
        cmocka_unit_test(scratch_that_is_not_shared_adds_up),
        cmocka_unit_test(the_sum_is_spelled_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
