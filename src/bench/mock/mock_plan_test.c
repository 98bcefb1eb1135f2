#include "bench/mock/mock_plan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "bench/mock/mock_answer.h"
#include "bench/mock/mock_request.h"

static void option_rows_hold_their_defaults_and_refuse_the_rest(void **state) {
    (void)state;
    mu_mock_options o = mu_mock_options_default();
    mu_err err;
    for (uint32_t i = 0; i < mu_mock_n_option_rows; i++) {
        const mu_mock_option *row = &mu_mock_option_rows[i];
        bool is_number = row->kind == MU_MOCK_U32 || row->kind == MU_MOCK_U64 ||
                         row->kind == MU_MOCK_F64 || row->kind == MU_MOCK_FLAG;
        if (row->kind != MU_MOCK_TEXT) {
            assert_int_equal(mu_mock_option_set(&o, row->name, "-1", &err), MU_ERR_INVALID);
            assert_non_null(strstr(err.text, row->name));
            assert_int_equal(mu_mock_option_set(&o, row->name, "x", &err), MU_ERR_INVALID);
        }
        char max[32];
        snprintf(max, sizeof(max), "%.17g", row->kind == MU_MOCK_FLAG ? 1.0 : row->max);
        if (is_number) assert_int_equal(mu_mock_option_set(&o, row->name, max, &err), MU_OK);
    }
    assert_int_equal(o.tokens_per_chunk, 1024);
    assert_int_equal(o.fault_every[MU_MOCK_OTHER_TEXT], 1000000000);
    assert_true(o.ping && o.late_headers);
    assert_true(o.stall_s == 3600.0);
    assert_int_equal(mu_mock_option_set(&o, "usage", "never", &err), MU_OK);
    assert_int_equal(o.usage, MU_MOCK_USAGE_NEVER);
    assert_int_equal(mu_mock_option_set(&o, "no-such", "1", &err), MU_ERR_INVALID);
    assert_int_equal(mu_mock_option_set(&o, "port", "80.5", &err), MU_ERR_INVALID);
}

static void delays_are_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool is_good;
        mu_mock_shape shape;
        double mean_ms, sigma;
    } rows[] = {
        {"50ms", true, MU_MOCK_CONSTANT, 50, 0},
        {"1.5s", true, MU_MOCK_CONSTANT, 1500, 0},
        {"200us", true, MU_MOCK_CONSTANT, 0.2, 0},
        {"0ms", true, MU_MOCK_CONSTANT, 0, 0},
        {"constant:7ms", true, MU_MOCK_CONSTANT, 7, 0},
        {"exponential:50ms", true, MU_MOCK_EXPONENTIAL, 50, 0},
        {"lognormal:50ms:0.4", true, MU_MOCK_LOGNORMAL, 50, 0.4},
        {"", false, 0, 0, 0},
        {"50", false, 0, 0, 0},
        {"50m", false, 0, 0, 0},
        {"-1ms", false, 0, 0, 0},
        {"nan", false, 0, 0, 0},
        {"50ms:1", false, 0, 0, 0},
        {"lognormal:50ms", false, 0, 0, 0},
        {"lognormal:50ms:", false, 0, 0, 0},
        {"lognormal:50ms:-1", false, 0, 0, 0},
        {"lognormal:50ms:0.4x", false, 0, 0, 0},
        {"gamma:50ms", false, 0, 0, 0},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_mock_delay d = {.mean_ms = 77};
        mu_err err;
        mu_status status = mu_mock_delay_parse(rows[i].text, &d, &err);
        if ((status == MU_OK) != rows[i].is_good) print_message("row: %s\n", rows[i].text);
        assert_int_equal(status, rows[i].is_good ? MU_OK : MU_ERR_INVALID);
        if (!rows[i].is_good) {
            assert_true(d.mean_ms == 77);
            continue;
        }
        assert_int_equal(d.shape, rows[i].shape);
        assert_true(fabs(d.mean_ms - rows[i].mean_ms) < 1e-9);
        assert_true(fabs(d.sigma - rows[i].sigma) < 1e-9);
    }
}

static void a_plan_has_the_tokens_that_are_asked_for(void **state) {
    (void)state;
    static const struct {
        const char *what;
        uint32_t natural, max, min;
        bool ignores_eos;
        uint32_t short_every, n_tokens;
        bool ends_by_itself;
    } rows[] = {
        {"by itself", 128, 0, 0, false, 0, 128, true},
        {"cut", 128, 64, 0, false, 0, 64, false},
        {"cut exactly there", 128, 128, 0, false, 0, 128, false},
        {"ends before", 128, 200, 0, false, 0, 128, true},
        {"goes on", 128, 200, 0, true, 0, 200, false},
        {"at least", 128, 200, 150, false, 0, 150, true},
        {"at least and at most", 128, 200, 200, false, 0, 200, false},
        {"half", 128, 200, 0, true, 1, 100, true},
        {"half of one", 1, 0, 0, false, 1, 1, true},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_mock_options o = mu_mock_options_default();
        o.output_tokens = rows[i].natural;
        o.tokens_per_chunk = 3;
        o.fault_every[MU_MOCK_SHORT] = rows[i].short_every;
        mu_mock_wish wish = {.max_tokens = rows[i].max,
                             .min_tokens = rows[i].min,
                             .ignores_eos = rows[i].ignores_eos};
        mu_mock_plan plan;
        assert_true(mu_mock_plan_init(&plan, &o, 1, &wish));
        if (plan.n_tokens != rows[i].n_tokens) print_message("row: %s\n", rows[i].what);
        assert_int_equal(plan.n_tokens, rows[i].n_tokens);
        assert_int_equal(plan.ends_by_itself, rows[i].ends_by_itself);
        uint32_t sum = 0;
        for (uint32_t chunk = 0; chunk < plan.n_chunks; chunk++) {
            sum += mu_mock_plan_chunk_tokens(&o, &plan, chunk);
        }
        assert_int_equal(sum, plan.n_tokens);
        mu_mock_plan_deinit(&plan);
    }
}

static void constant_delays_do_not_drift(void **state) {
    (void)state;
    mu_mock_options o = mu_mock_options_default();
    o.ttft.mean_ms = 50;
    o.itl.mean_ms = 0.7;
    o.prefill_us = 3;
    o.tail_ms = 4;
    o.output_tokens = 10000;
    mu_mock_wish wish = {.n_prompt = 1000};
    mu_mock_plan plan;
    assert_true(mu_mock_plan_init(&plan, &o, 7, &wish));
    assert_int_equal(plan.offsets_ns[0], 53000000);
    assert_true(llabs((long long)plan.offsets_ns[9999] - (53000000 + 9999 * 700000ll)) <= 1);
    assert_int_equal(plan.service_ns, plan.offsets_ns[9999] + 4000000);
    mu_mock_plan_deinit(&plan);
}

static void random_delays_have_their_mean_and_repeat_by_seed(void **state) {
    (void)state;
    enum { N = 100000 };
    static const mu_mock_delay delays[] = {{MU_MOCK_EXPONENTIAL, 10, 0},
                                           {MU_MOCK_LOGNORMAL, 10, 0.5}};
    static const double spreads[] = {10.0, 5.329}; /* standard deviation; 10 sqrt(e^0.25 - 1) */
    for (size_t d = 0; d < MU_COUNTOF(delays); d++) {
        mu_mock_options o = mu_mock_options_default();
        o.itl = delays[d];
        o.output_tokens = N;
        mu_mock_wish wish = {0};
        mu_mock_plan plan, again, other;
        assert_true(mu_mock_plan_init(&plan, &o, 1, &wish));
        assert_true(mu_mock_plan_init(&again, &o, 1, &wish));
        assert_true(mu_mock_plan_init(&other, &o, 2, &wish));
        double sum = 0, squares = 0;
        for (uint32_t i = 1; i < N; i++) {
            assert_true(plan.offsets_ns[i] >= plan.offsets_ns[i - 1]);
            double ms = (double)(plan.offsets_ns[i] - plan.offsets_ns[i - 1]) / 1e6;
            sum += ms;
            squares += ms * ms;
        }
        double mean = sum / (N - 1), spread = sqrt(squares / (N - 1) - mean * mean);
        assert_true(fabs(mean - 10.0) < 5.0 * spreads[d] / sqrt(N));
        assert_true(fabs(spread / spreads[d] - 1.0) < 0.03);
        assert_memory_equal(plan.offsets_ns, again.offsets_ns, N * sizeof(uint64_t));
        assert_memory_not_equal(plan.offsets_ns, other.offsets_ns, N * sizeof(uint64_t));
        mu_mock_plan_deinit(&plan);
        mu_mock_plan_deinit(&again);
        mu_mock_plan_deinit(&other);
    }
}

static void faults_come_every_nth_request_and_in_order(void **state) {
    (void)state;
    mu_mock_options o = mu_mock_options_default();
    o.fault_every[MU_MOCK_TRUNCATED] = 3;
    o.fault_every[MU_MOCK_NO_DONE] = 2;
    o.output_tokens = 10;
    static const mu_mock_fault want[] = {MU_MOCK_FINE,    MU_MOCK_NO_DONE, MU_MOCK_TRUNCATED,
                                         MU_MOCK_NO_DONE, MU_MOCK_FINE,    MU_MOCK_TRUNCATED};
    mu_mock_wish wish = {0};
    for (uint32_t i = 0; i < MU_COUNTOF(want); i++) {
        mu_mock_plan plan;
        o.fault_at = i == 0 ? UINT32_MAX : i == 1 ? 3 : 99;
        assert_true(mu_mock_plan_init(&plan, &o, i + 1, &wish));
        assert_int_equal(plan.fault, want[i]);
        assert_int_equal(plan.fault_chunk, i == 0 ? 5 : i == 1 ? 3 : 9);
        mu_mock_plan_deinit(&plan);
    }
}

static void slots_are_given_first_come_first_served(void **state) {
    (void)state;
    uint64_t slots[2] = {0};
    assert_int_equal(mu_mock_slot_take(slots, 0, 5, 100), 5);
    assert_int_equal(mu_mock_slot_take(slots, 2, 10, 100), 10);
    assert_int_equal(mu_mock_slot_take(slots, 2, 20, 50), 20);
    assert_int_equal(mu_mock_slot_take(slots, 2, 30, 10), 70);
    assert_int_equal(mu_mock_slot_take(slots, 2, 31, 100), 80);
    assert_int_equal(mu_mock_slot_take(slots, 2, 500, 1), 500);
}

static void the_clock_stands_still_in_a_stall(void **state) {
    (void)state;
    mu_mock_clock clock = {.stall_ns = 1000, .stall_begin_ns = 500};
    static const uint64_t rows[][2] = {{0, 0}, {499, 499}, {500, 1500}, {600, 1600}};
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        assert_int_equal(mu_mock_to_wall(&clock, rows[i][0]), rows[i][1]);
        assert_int_equal(mu_mock_to_server(&clock, rows[i][1]), rows[i][0]);
    }
    assert_int_equal(mu_mock_to_server(&clock, 500), 500);
    assert_int_equal(mu_mock_to_server(&clock, 1499), 500);
    clock.stall_begin_ns = UINT64_MAX;
    assert_int_equal(mu_mock_to_wall(&clock, 12345), 12345);
    assert_int_equal(mu_mock_to_server(&clock, 12345), 12345);
}

static void wishes_are_read(void **state) {
    (void)state;
    static const struct {
        bool is_chat;
        const char *body;
        mu_status status;
        uint32_t n_prompt, max_tokens;
    } rows[] = {
        {false, "{\"prompt\": \" a bb  ccc \", \"max_tokens\": 7}", MU_OK, 3, 7},
        {false, "{\"prompt\": [1, 2, 3, 4]}", MU_OK, 4, 0},
        {false, "{\"prompt\": [[1, 2], [3]], \"max_completion_tokens\": 5}", MU_OK, 3, 5},
        {false, "{\"prompt\": [\"a b\", \"c\"], \"max_tokens\": null}", MU_OK, 3, 0},
        {false, "{\"prompt\": \"\\ud83d\"}", MU_OK, 1, 0},
        {true, "{\"messages\": [{\"content\": \"a b\"}, {\"content\": [{\"text\": \"c\"}]}]}",
         MU_OK, 3, 0},
        {false, "{\"prompt\": 1}", MU_ERR_INVALID, 0, 0},
        {true, "{\"messages\": \"a\"}", MU_ERR_INVALID, 0, 0},
        {true, "{\"prompt\": \"a\"}", MU_ERR_INVALID, 0, 0},
        {false, "{\"prompt\": \"a\", \"max_tokens\": 0}", MU_ERR_INVALID, 0, 0},
        {false, "{\"prompt\": \"a\", \"max_tokens\": 1e9}", MU_ERR_INVALID, 0, 0},
        {false, "{\"prompt\": \"a\", \"max_tokens\": 9999999}", MU_ERR_INVALID, 0, 0},
        {false, "{\"prompt\": \"a\", \"stream\": 1}", MU_ERR_INVALID, 0, 0},
        {false, "[]", MU_ERR_INVALID, 0, 0},
        {false, "", MU_ERR_FORMAT, 0, 0},
        {false, "{\"prompt\": \"a\"", MU_ERR_FORMAT, 0, 0},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        char body[256], model[MU_MOCK_MODEL_BYTES];
        snprintf(body, sizeof(body), "%s", rows[i].body);
        mu_mock_wish wish = {0};
        mu_err err;
        mu_status status =
            mu_mock_wish_parse(body, strlen(body), rows[i].is_chat, &wish, model, &err);
        if (status != rows[i].status) print_message("row: %s\n", rows[i].body);
        assert_int_equal(status, rows[i].status);
        assert_int_equal(wish.n_prompt, rows[i].n_prompt);
        assert_int_equal(wish.max_tokens, rows[i].max_tokens);
    }
}

static void events_are_cut_inside_a_character(void **state) {
    (void)state;
    static const char text[] = "data: \xc3\xa9!";
    assert_int_equal(mu_mock_cut(text, sizeof(text) - 1), 7);
    assert_int_equal(mu_mock_cut("abcdef", 6), 3);
    assert_int_equal(mu_mock_cut("ab", 2), 1);
}

static void plan_without_memory_is_false(void **state) {
    (void)state;
    mu_mock_options o = mu_mock_options_default();
    mu_mock_wish wish = {0};
    mu_mock_plan plan;
    mu_alloc_fail_after(0);
    assert_false(mu_mock_plan_init(&plan, &o, 1, &wish));
    mu_mock_plan_deinit(&plan);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(option_rows_hold_their_defaults_and_refuse_the_rest),
        cmocka_unit_test(delays_are_read),
        cmocka_unit_test(a_plan_has_the_tokens_that_are_asked_for),
        cmocka_unit_test(constant_delays_do_not_drift),
        cmocka_unit_test(random_delays_have_their_mean_and_repeat_by_seed),
        cmocka_unit_test(faults_come_every_nth_request_and_in_order),
        cmocka_unit_test(slots_are_given_first_come_first_served),
        cmocka_unit_test(the_clock_stands_still_in_a_stall),
        cmocka_unit_test(wishes_are_read),
        cmocka_unit_test(events_are_cut_inside_a_character),
        cmocka_unit_test(plan_without_memory_is_false),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
