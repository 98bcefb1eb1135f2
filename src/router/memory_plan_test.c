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
    {"less than the least: by turns, half of the weights",
     2,
     {100, 200},
     {500, 600},
     {10, 20},
     {5, 7},
     {0},
     336,
     true,
     {50, 100},
     457},
    {"by turns, what the largest has room for",
     2,
     {100, 200},
     {500, 600},
     {10, 20},
     {5, 7},
     {0},
     237,
     true,
     {50, 30},
     387},
    {"by turns, no less than a sequence needs",
     2,
     {10, 200},
     {500, 600},
     {10, 20},
     {5, 7},
     {0},
     230,
     true,
     {10, 23},
     250},
    {"not even by turns", 2, {100, 200}, {500, 600}, {10, 20}, {5, 7}, {0}, 226, false, {0}, 0},
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
        mu_memory_part parts[N] = {{0}};
        mu_memory_plan plan = {0};
        mu_err err = {0};
        mu_status status =
            mu_memory_plan_make(needs, rows[r].n, rows[r].limit * MIB, 0, &plan, parts, &err);
        bool is_as_wanted = (status == MU_OK) == rows[r].is_ok;
        for (uint32_t i = 0; i < rows[r].n && rows[r].is_ok; i++) {
            is_as_wanted &= parts[i].kv == rows[r].wanted[i] * MIB;
            is_as_wanted &= parts[i].loaded == (rows[r].wanted[i] + rows[r].weights[i]) * MIB;
            is_as_wanted &= rows[r].limit == 0 || plan.fixed + parts[i].loaded <= plan.limit;
        }
        is_as_wanted &= plan.total == rows[r].total * MIB;
        is_as_wanted &= plan.is_by_turns == (plan.total > plan.limit && plan.limit > 0);
        if (!is_as_wanted) fail_msg("%s: %s", rows[r].what, err.text);
    }
}

static void scratch_that_is_not_shared_is_loaded_with_its_model(void **state) {
    (void)state;
    const mu_memory_need needs[] = {
        {.name = "a", .bytes = {.weights = MIB, .scratch = 3 * MIB}, .scratch_is_own = true},
        {.name = "b", .bytes = {.weights = MIB, .scratch = 4 * MIB}, .scratch_is_own = true},
    };
    mu_memory_part parts[2];
    mu_memory_plan plan;
    assert_int_equal(mu_memory_plan_make(needs, 2, 9 * MIB, 0, &plan, parts, NULL), MU_OK);
    assert_int_equal(plan.scratch, 0);
    assert_int_equal(parts[0].loaded, 4 * MIB);
    assert_int_equal(plan.total, 9 * MIB);
    assert_false(plan.is_by_turns);
    assert_int_equal(mu_memory_plan_make(needs, 2, 9 * MIB - 1, 0, &plan, parts, NULL), MU_OK);
    assert_true(plan.is_by_turns);
    assert_int_equal(mu_memory_plan_make(needs, 2, 5 * MIB - 1, 0, &plan, parts, NULL),
                     MU_ERR_LIMIT);
}

static void what_is_taken_is_not_there(void **state) {
    (void)state;
    const mu_memory_need need = {.name = "a",
                                 .bytes = {.weights = MIB, .kv = MIB, .kv_least = MIB}};
    mu_memory_part part;
    mu_memory_plan plan;
    assert_int_equal(mu_memory_plan_make(&need, 1, 3 * MIB, MIB, &plan, &part, NULL), MU_OK);
    assert_int_equal(plan.fixed, MIB);
    assert_int_equal(plan.total, 3 * MIB);
    assert_int_equal(mu_memory_plan_make(&need, 1, 3 * MIB, MIB + 1, &plan, &part, NULL),
                     MU_ERR_LIMIT);
}

static void the_sum_is_spelled_out(void **state) {
    (void)state;
    const mu_memory_need needs[] = {
        {.name = "gpt2", .bytes = {.weights = 150 * MIB, .kv = 900 * MIB, .kv_least = 36 * MIB}},
        {.name = "gpt2-xl",
         .bytes = {.weights = 1700 * MIB,
                   .kv = 99 * MIB,
                   .kv_least = 90 * MIB,
                   .scratch = MIB,
                   .accounting = 2 * MIB}},
    };
    mu_memory_part parts[2];
    mu_memory_plan plan;
    mu_err err;
    assert_int_equal(mu_memory_plan_make(needs, 2, 1000 * MIB, 0, &plan, parts, &err),
                     MU_ERR_LIMIT);
    assert_string_equal(err.text, "gpt2-xl: 1793 MiB are needed and 1000 MiB may be used: weights "
                                  "1700, KV 90, scratch 1, the rest 2");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kv_is_divided),
        cmocka_unit_test(scratch_that_is_not_shared_is_loaded_with_its_model),
        cmocka_unit_test(what_is_taken_is_not_there),
        cmocka_unit_test(the_sum_is_spelled_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
