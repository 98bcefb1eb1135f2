/* Schedules: the arrivals have the statistics of their name, counts are exact, seeds decide. */
#include "bench/load/schedule.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"

static const mu_shape shapes[] = {{"tiny", 16, 8}, {"chat", 128, 64}};

static mu_schedule *open_ok(const char *arrivals, mu_schedule_options o) {
    mu_schedule *schedule = NULL;
    mu_err err = {0};
    if (mu_arrivals_parse(arrivals, &o.arrivals, &err) != MU_OK ||
        mu_schedule_open(&o, &schedule, &err) != MU_OK) {
        fail_msg("%s: %s", arrivals, err.text);
    }
    return schedule;
}

static void assert_near(const char *what, double got, double want, double tolerance) {
    if (!(fabs(got - want) <= tolerance)) fail_msg("%s: %.4f, not %.4f", what, got, want);
}

/* 20,000 arrivals at 100 a second. Tolerances are over four standard errors: of the mean gap
 * cv / sqrt(n), of the dispersion sqrt(2 / windows) with 2000 windows. */
static void arrivals_have_their_statistics(void **state) {
    (void)state;
    static const struct {
        const char *arrivals;
        double cv, cv_tolerance, dispersion, dispersion_tolerance;
    } rows[] = {
        {"constant", 0, 1e-6, 0, 0.02},
        {"poisson", 1, 0.04, 1, 0.13},
        {"gamma:1", 1, 0.04, 1, 0.13},
        {"gamma:0.5", 0.5, 0.02, 0.25, 0.1}, /* counts of few gaps: above cv^2 */
        {"gamma:2.5", 2.5, 0.25, 5, 1.5},    /* and below it */
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_schedule *s = open_ok(rows[i].arrivals, (mu_schedule_options){.rate_per_s = 100,
                                                                         .n_requests = 20000,
                                                                         .seed = 7 + i,
                                                                         .shapes = shapes,
                                                                         .n_shapes = 2});
        mu_schedule_stats stats = mu_schedule_measure(s);
        assert_int_equal(mu_schedule_n(s), 20000);
        assert_near(rows[i].arrivals, stats.gap_cv, rows[i].cv, rows[i].cv_tolerance);
        assert_near(rows[i].arrivals, stats.offered_per_s, 100, 0.5 + 4 * rows[i].cv);
        assert_near(rows[i].arrivals, stats.dispersion, rows[i].dispersion,
                    rows[i].dispersion_tolerance);
        mu_schedule_close(s);
    }
}

static void a_duration_is_not_filled_by_force(void **state) {
    (void)state;
    uint32_t counts[20], low = UINT32_MAX, high = 0;
    for (uint32_t seed = 0; seed < 20; seed++) {
        mu_schedule *s = open_ok(
            "poisson",
            (mu_schedule_options){
                .rate_per_s = 50, .duration_s = 10, .seed = seed, .shapes = shapes, .n_shapes = 1});
        counts[seed] = mu_schedule_n(s);
        mu_scheduled last = mu_schedule_at(s, counts[seed] - 1);
        assert_true(last.intended_ns < 10000000000u);
        if (counts[seed] < low) low = counts[seed];
        if (counts[seed] > high) high = counts[seed];
        mu_schedule_close(s);
    }
    assert_true(low < high && low > 400 && high < 600); /* 500, standard deviation 22 */
}

static void ramps_rise(void **state) {
    (void)state;
    mu_schedule *s = open_ok(
        "ramp:10:90",
        (mu_schedule_options){.duration_s = 100, .seed = 3, .shapes = shapes, .n_shapes = 1});
    uint32_t n = mu_schedule_n(s), n_early = 0;
    for (uint32_t i = 0; i < n; i++) {
        n_early += mu_schedule_at(s, i).intended_ns < 50000000000u;
        assert_true(i == 0 ||
                    mu_schedule_at(s, i).intended_ns >= mu_schedule_at(s, i - 1).intended_ns);
    }
    assert_near("all", n, 5000, 300);
    assert_near("first half", n_early, 1500, 160);
    mu_schedule_close(s);
    s = open_ok("ramp:90:0", (mu_schedule_options){
                                 .duration_s = 100, .seed = 3, .shapes = shapes, .n_shapes = 1});
    assert_near("falling", mu_schedule_n(s), 4500, 280);
    mu_schedule_close(s);
}

static void bursts_come_at_once(void **state) {
    (void)state;
    mu_schedule *s = open_ok(
        "burst:8:2", (mu_schedule_options){.duration_s = 7, .shapes = shapes, .n_shapes = 1});
    assert_int_equal(mu_schedule_n(s), 32);
    assert_int_equal(mu_schedule_at(s, 7).intended_ns, 0);
    assert_int_equal(mu_schedule_at(s, 8).intended_ns, 2000000000);
    assert_int_equal(mu_schedule_at(s, 31).intended_ns, 6000000000);
    mu_schedule_close(s);
}

static void a_seed_is_a_schedule(void **state) {
    (void)state;
    uint64_t hashes[3];
    uint32_t n_tiny = 0;
    for (uint64_t i = 0; i < 3; i++) {
        mu_schedule *s = open_ok("poisson", (mu_schedule_options){.rate_per_s = 10,
                                                                  .n_requests = 1000,
                                                                  .seed = i / 2,
                                                                  .shapes = shapes,
                                                                  .n_shapes = 2});
        hashes[i] = mu_schedule_hash(s);
        for (uint32_t k = 0; i == 0 && k < 1000; k++) {
            n_tiny += mu_schedule_at(s, k).prompt_tokens == 16;
        }
        mu_schedule_close(s);
    }
    assert_true(hashes[0] == hashes[1]);
    assert_true(hashes[0] != hashes[2]);
    assert_in_range(n_tiny, 420, 580);
}

static void closed_loops_need_no_end(void **state) {
    (void)state;
    mu_schedule *s =
        open_ok("closed", (mu_schedule_options){.seed = 1, .shapes = shapes, .n_shapes = 2});
    mu_schedule *poisson = open_ok(
        "poisson",
        (mu_schedule_options){
            .rate_per_s = 10, .n_requests = 100, .seed = 1, .shapes = shapes, .n_shapes = 2});
    assert_int_equal(mu_schedule_n(s), UINT32_MAX);
    assert_int_equal(mu_schedule_at(s, 4000000000u).index, 4000000000u);
    for (uint32_t i = 0; i < 100; i++) { /* the same requests whatever the arrivals */
        assert_int_equal(mu_schedule_at(s, i).prompt_tokens,
                         mu_schedule_at(poisson, i).prompt_tokens);
    }
    assert_true(isnan(mu_schedule_measure(s).gap_cv));
    mu_schedule_close(poisson);
    mu_schedule_close(s);
}

static void texts(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",          "poisso", "poisson:1", "gamma",     "gamma:0",   "gamma:x",
        "gamma:1:2", "ramp:1", "ramp:0:0",  "ramp:-1:2", "burst:0:1", "burst:1.5:1",
        "burst:8:0", "trace",  "trace:",    "gamma:nan", "closed:1"};
    mu_arrivals arrivals;
    for (size_t i = 0; i < MU_COUNTOF(bad); i++) {
        if (mu_arrivals_parse(bad[i], &arrivals, NULL) != MU_ERR_INVALID) fail_msg("%s", bad[i]);
    }
    assert_int_equal(mu_arrivals_parse("trace:a:b", &arrivals, NULL), MU_OK);
    assert_string_equal(arrivals.trace_path, "a:b");
    assert_string_equal(mu_arrival_name(arrivals.kind), "trace");
}

static void what_cannot_end_is_refused(void **state) {
    (void)state;
    static const struct {
        mu_arrival_kind kind;
        mu_schedule_options o;
        mu_status status;
    } rows[] = {
        {MU_ARRIVAL_POISSON, {.rate_per_s = 1, .n_shapes = 1}, MU_ERR_INVALID},
        {MU_ARRIVAL_POISSON, {.rate_per_s = 0, .duration_s = 1, .n_shapes = 1}, MU_ERR_INVALID},
        {MU_ARRIVAL_POISSON, {.rate_per_s = NAN, .duration_s = 1, .n_shapes = 1}, MU_ERR_INVALID},
        {MU_ARRIVAL_POISSON, {.rate_per_s = 1, .duration_s = 1, .n_shapes = 0}, MU_ERR_INVALID},
        {MU_ARRIVAL_CONSTANT, {.rate_per_s = 1e6, .duration_s = 1e6, .n_shapes = 1}, MU_ERR_LIMIT},
        {MU_ARRIVAL_POISSON, {.rate_per_s = 1e-9, .duration_s = 1, .n_shapes = 1}, MU_ERR_INVALID},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_schedule_options o = rows[i].o;
        o.arrivals.kind = rows[i].kind;
        o.shapes = shapes;
        mu_schedule *s = NULL;
        assert_int_equal(mu_schedule_open(&o, &s, NULL), rows[i].status);
        assert_null(s);
    }
}

static void traces(void **state) {
    (void)state;
    char path[] = "/tmp/muai-trace-XXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "# a trace\n2 128 64\n0.5 16 8\n{\"seconds\": 0.25, "
                               "\"prompt_tokens\": 3, \"output_tokens\": 4}\n0.5 17 9\n";
    assert_int_equal(write(fd, text, sizeof(text) - 1), (ssize_t)(sizeof(text) - 1));
    close(fd);
    char arrivals[64];
    snprintf(arrivals, sizeof(arrivals), "trace:%s", path);
    mu_schedule *s = open_ok(arrivals, (mu_schedule_options){0});
    assert_int_equal(mu_schedule_n(s), 4);
    static const uint32_t prompts[] = {3, 16, 17, 128};
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(mu_schedule_at(s, i).prompt_tokens, prompts[i]);
        assert_int_equal(mu_schedule_at(s, i).index, i);
    }
    assert_int_equal(mu_schedule_at(s, 3).intended_ns, 2000000000);
    mu_schedule_close(s);
    s = open_ok(arrivals, (mu_schedule_options){.duration_s = 1});
    assert_int_equal(mu_schedule_n(s), 3);
    mu_schedule_close(s);
    unlink(path);

    mu_schedule_options o = {0};
    mu_err err = {0};
    assert_int_equal(mu_arrivals_parse("trace:/nonexistent", &o.arrivals, NULL), MU_OK);
    assert_int_equal(mu_schedule_open(&o, &s, &err), MU_ERR_NOT_FOUND);
}

static void a_bad_line_is_named(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } rows[] = {{"0 1 1\n0 1\n", "line 2"},         {"0 0 1\n", "tokens are whole"},
                {"0 1.5 1\n", "tokens are whole"},  {"-1 1 1\n", "seconds are 0"},
                {"nan 1 1\n", "seconds are 0"},     {"0 1 1 1\n", "needs seconds"},
                {"{\"seconds\":1}\n", "line 1"},    {"", "no requests"},
                {"0 1 1\n0 1 1\n0 1 1\n", "over 2"}};
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_scheduled out[2];
        uint32_t n = 77;
        mu_err err = {0};
        assert_true(mu_trace_parse(rows[i].text, strlen(rows[i].text), out, 2, &n, &err) != MU_OK);
        if (!strstr(err.text, rows[i].says)) fail_msg("%s: %s", rows[i].text, err.text);
        assert_int_equal(n, 77);
    }
}

static void failed_open_leaks_nothing(void **state) {
    (void)state;
    int64_t before = mu_alloc_n_alive();
    mu_status status = MU_ERR_NOMEM;
    mu_schedule *s = NULL;
    mu_schedule_options o = {.arrivals.kind = MU_ARRIVAL_POISSON,
                             .rate_per_s = 10,
                             .n_requests = 1000,
                             .shapes = shapes,
                             .n_shapes = 1};
    int n_failures = 0;
    for (int i = 0; status == MU_ERR_NOMEM; i++, n_failures++) {
        mu_alloc_fail_after(i);
        status = mu_schedule_open(&o, &s, NULL);
        mu_alloc_fail_after(-1);
        if (status == MU_ERR_NOMEM) assert_int_equal(mu_alloc_n_alive(), before);
    }
    assert_int_equal(status, MU_OK);
    assert_true(n_failures > 2);
    mu_schedule_close(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrivals_have_their_statistics),
        cmocka_unit_test(a_duration_is_not_filled_by_force),
        cmocka_unit_test(ramps_rise),
        cmocka_unit_test(bursts_come_at_once),
        cmocka_unit_test(a_seed_is_a_schedule),
        cmocka_unit_test(closed_loops_need_no_end),
        cmocka_unit_test(texts),
        cmocka_unit_test(what_cannot_end_is_refused),
        cmocka_unit_test(traces),
        cmocka_unit_test(a_bad_line_is_named),
        cmocka_unit_test(failed_open_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
