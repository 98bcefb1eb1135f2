/* The suites as a user runs them, against our own server and against the truth server: what they
 * write, what they exit with, what Ctrl-C leaves behind.
 */
#include <jansson.h>
#include <math.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "bench/mock/mock.h"
#include "bench/probe/server_process.h"

static char muai[1024], folder[64] = "/tmp/muai-bench-suite-XXXXXX";
/* What is tested is not whether this machine is quiet. */
static const char common[] = "--quick --no-history --quiet --no-instrument --steal-limit 100";

/* Sanitizers make the load generator and the server so slow that cells are INVALID, rightly. */
#ifdef MU_DEBUG
static const bool has_valid_cells = false;
#else
static const bool has_valid_cells = true;
#endif

static int run(const char *fmt, ...) MU_PRINTF(1, 2);

static int run(const char *fmt, ...) {
    char arguments[2048], command[4096];
    va_list args;
    va_start(args, fmt);
    vsnprintf(arguments, sizeof(arguments), fmt, args);
    va_end(args);
    snprintf(command, sizeof(command), "%s bench %s %s -o %s/out >%s/stdout 2>&1", muai, arguments,
             common, folder, folder);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static json_t *document(void) {
    char path[128];
    json_error_t error;
    snprintf(path, sizeof(path), "%s/out/report.json", folder);
    json_t *doc = json_load_file(path, 0, &error);
    if (!doc) fail_msg("%s: %s", path, error.text);
    return doc;
}

static void show_output(void) {
    char command[160];
    snprintf(command, sizeof(command), "tail -20 %s/stdout %s/out/server.log", folder, folder);
    if (system(command) != 0) print_message("no output\n");
}

static const char *text(const json_t *of, const char *key) {
    const char *value = json_string_value(json_object_get(of, key));
    return value ? value : "";
}

static double number(const json_t *json, const char *a, const char *b, const char *c) {
    json = json_object_get(json, a);
    if (b) json = json_object_get(json, b);
    if (c) json = json_object_get(json, c);
    return json_is_number(json) ? json_number_value(json) : NAN;
}

static void every_suite_measures_our_own_server(void **state) {
    (void)state;
    static const struct {
        const char *arguments;
        size_t n_cells, n_memory;
    } rows[] = {
        {"latency -m synthetic:gpt2-test --shape 16/8,32/8 --seconds 1 --no-targets", 2, 0},
        {"throughput -m synthetic:gpt2-test --clients 1,4 --seconds 1 --no-targets", 2, 0},
        {"rate -m synthetic:gpt2-test --rate 50 --arrivals poisson --seconds 1 --no-targets", 1, 0},
        {"latency -m synthetic:gpt2-test -n 20 --runs 2 --shape 16/8 --no-targets", 2, 0},
        {"latency -m synthetic:gpt2-test -n 20 --shape 16/8 --no-stream --no-targets", 1, 0},
        {"soak -m synthetic:gpt2-test --seconds 4 --no-targets", 0, 1},
    };
    for (size_t r = 0; r < MU_COUNTOF(rows); r++) {
        int code = run("%s", rows[r].arguments);
        if (code != 0) show_output();
        if (code != 0) fail_msg("bench %s: code %d", rows[r].arguments, code);
        json_t *doc = document();
        assert_string_equal(text(doc, "schema"), "muai.bench/1");
        const json_t *cells = json_object_get(doc, "cells");
        assert_int_equal(json_array_size(cells), rows[r].n_cells);
        assert_int_equal(json_array_size(json_object_get(doc, "memory")), rows[r].n_memory);
        for (size_t i = 0; i < json_array_size(cells); i++) {
            const json_t *cell = json_array_get(cells, i);
            assert_true(number(cell, "reliability", "ok", NULL) > 0);
            assert_true(number(cell, "reliability", "failed", NULL) == 0);
            assert_true(number(cell, "tokens", "output_mismatch", NULL) == 0);
            assert_true(number(cell, "tokens", "cached", NULL) == 0);
        }
        json_decref(doc);
    }
}

static void renderings_are_beside_the_document(void **state) {
    (void)state;
    static const char *const names[] = {"report.json", "report.html", "report.md",
                                        "report.csv",  "cells.csv",   "requests.jsonl"};
    assert_int_equal(run("latency -m synthetic:gpt2-test --shape 16/8 -n 20 --no-targets"), 0);
    for (size_t i = 0; i < MU_COUNTOF(names); i++) {
        char path[160];
        snprintf(path, sizeof(path), "%s/out/%s", folder, names[i]);
        FILE *file = fopen(path, "re");
        if (!file) fail_msg("%s is not there", path);
        assert_int_equal(fseek(file, 0, SEEK_END), 0);
        assert_true(ftell(file) > 100);
        fclose(file);
    }
}

/* Of the values that were seen, also where too few of them are independent for a p50. */
static double observed_median(const json_t *cell, const char *metric) {
    const json_t *metrics = json_object_get(cell, "metrics");
    const json_t *curve = json_object_get(json_object_get(metrics, metric), "curve");
    for (size_t i = 0; i < json_array_size(curve); i++) {
        const json_t *point = json_array_get(curve, i);
        if (json_number_value(json_array_get(point, 0)) < 0.5) continue;
        return json_number_value(json_array_get(point, 1));
    }
    return NAN;
}

/* TTFT 30 ms, gaps of 4 ms: what is reported is what was done, within a millisecond. */
static void the_truth_is_reported(void **state) {
    (void)state;
    mu_mock_options options = mu_mock_options_default();
    options.ttft.mean_ms = 30;
    options.itl.mean_ms = 4;
    mu_mock *mock = NULL;
    mu_err err;
    if (mu_mock_open(&options, &mock, &err) != MU_OK) fail_msg("%s", err.text);
    int code = run("latency --target http://127.0.0.1:%u --shape 16/16 --clients 1,8,32 "
                   "--seconds 5 --no-targets",
                   mu_mock_port(mock));
    mu_mock_close(mock);
    if (code != 0) show_output();
    assert_int_equal(code, 0);
    json_t *doc = document();
    const json_t *cells = json_object_get(doc, "cells");
    assert_int_equal(json_array_size(cells), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *cell = json_array_get(cells, i);
        double ttft = number(cell, "metrics", "ttft_service_ms", "min");
        double tpot = observed_median(cell, "tpot_ms");
        print_message("%s: TTFT %.2f ms at least, per token %.3f ms\n", text(cell, "label"), ttft,
                      tpot);
        /* The least is what a loaded machine cannot add to; gaps are even because nothing drifts.
         */
        assert_true(ttft >= 30 && ttft < 31);
        assert_true(fabs(tpot - 4) < 1);
    }
    json_decref(doc);
}

static void two_systems_are_compared_in_turn(void **state) {
    (void)state;
    mu_mock_options options = mu_mock_options_default();
    mu_mock *mocks[2] = {NULL, NULL};
    mu_err err;
    for (int i = 0; i < 2; i++) {
        options.ttft.mean_ms = i == 0 ? 10 : 20;
        if (mu_mock_open(&options, &mocks[i], &err) != MU_OK) fail_msg("%s", err.text);
    }
    int code = run("latency --target http://127.0.0.1:%u --target http://127.0.0.1:%u "
                   "--shape 16/2 -n 100 --blocks 10 --no-targets",
                   mu_mock_port(mocks[0]), mu_mock_port(mocks[1]));
    mu_mock_close(mocks[0]);
    mu_mock_close(mocks[1]);
    if (code != 0) show_output();
    assert_int_equal(code, 0);
    json_t *doc = document();
    assert_int_equal(json_array_size(json_object_get(doc, "cells")), 20);
    const json_t *all = json_object_get(doc, "comparisons");
    bool is_found = false;
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *c = json_array_get(all, i);
        if (!strstr(text(c, "metric"), "ttft") || !strstr(text(c, "metric"), "p50")) continue;
        is_found = true;
        if (!has_valid_cells) continue;
        assert_string_equal(text(c, "verdict"), "faster");
        assert_true(json_number_value(json_object_get(c, "ratio")) < 0.7);
    }
    assert_true(is_found);
    json_decref(doc);
}

static void targets_decide_the_exit_code(void **state) {
    (void)state;
    static const struct {
        const char *targets;
        int code;
    } rows[] = {
        {"{\"builtin\": false, \"targets\": [{\"id\": \"fast\", \"phase\": \"latency\", \"shape\": "
         "\"16/8\", \"clients\": 1, \"metric\": \"ttft_ms\", \"percentile\": 50, \"limit\": 5000, "
         "\"better\": \"lower\"}]}",
         0},
        {"{\"builtin\": false, \"targets\": [{\"id\": \"never\", \"phase\": \"latency\", "
         "\"shape\": "
         "\"16/8\", \"clients\": 1, \"metric\": \"ttft_ms\", \"percentile\": 50, \"limit\": "
         "0.000001, \"better\": \"lower\"}]}",
         1},
        {"{\"targets\": 3}", 4},
    };
    for (size_t r = 0; r < MU_COUNTOF(rows); r++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/targets.json", folder);
        FILE *file = fopen(path, "we");
        assert_non_null(file);
        fputs(rows[r].targets, file);
        fclose(file);
        int code = 2; /* an invalid run: this machine had other things to do */
        for (int i = 0; i < 5 && code == 2; i++) {
            code = run("latency -m synthetic:gpt2-test --shape 16/8 -n 400 --targets %s", path);
        }
        if (code != rows[r].code) show_output();
        if (has_valid_cells || code != 2) assert_int_equal(code, rows[r].code);
    }
}

static void what_cannot_be_is_said_in_a_line(void **state) {
    (void)state;
    static const struct {
        const char *arguments, *says;
    } rows[] = {
        {"latency -m synthetic:nothing", "synthetic:nothing"},
        {"latency --target http://127.0.0.1:1", "127.0.0.1:1"},
        {"latency -m synthetic:gpt2-test --shape 0/1", "shape"},
        {"latency -m synthetic:gpt2-test --slo ttft=soon", "--slo"},
        {"rate -m synthetic:gpt2-test --rate fast", "--rate"},
        {"latency -m synthetic:gpt2-test --shape 4000/4000", "context"},
        {"latency -m synthetic:gpt2-test --targets /nonexistent", "/nonexistent"},
    };
    for (size_t r = 0; r < MU_COUNTOF(rows); r++) {
        int code = run("%s", rows[r].arguments);
        char command[256];
        snprintf(command, sizeof(command), "grep -q -e '%s' %s/stdout", rows[r].says, folder);
        bool is_said = system(command) == 0;
        if (code == 0 || code > 4 || !is_said) show_output();
        if (code == 0 || code > 4 || !is_said) fail_msg("%s: code %d", rows[r].arguments, code);
    }
}

static void ctrl_c_keeps_what_was_measured(void **state) {
    (void)state;
    char out[128], log[128];
    snprintf(out, sizeof(out), "%s/out", folder);
    snprintf(log, sizeof(log), "%s/stdout", folder);
    const char *argv[] = {muai,
                          "bench",
                          "latency",
                          "-m",
                          "synthetic:gpt2-test",
                          "--shape",
                          "16/8,17/8",
                          "--seconds",
                          "20",
                          "-n",
                          "100000",
                          "--no-history",
                          "--quiet",
                          "--no-instrument",
                          "-o",
                          out,
                          NULL};
    const mu_server_process_options options = {.argv = argv, .output_path = log};
    mu_server_process *process = NULL;
    mu_err err;
    if (mu_server_process_open(&options, &process, &err) != MU_OK) fail_msg("%s", err.text);
    pid_t pid = mu_server_process_get_facts(process).pid;
    char command[256];
    /* The server is there: the load runs or is about to. */
    snprintf(command, sizeof(command),
             "i=0; until pgrep -P %d >/dev/null || [ $i -gt 600 ]; do i=$((i+1)); sleep 0.1; done",
             (int)pid);
    assert_int_equal(system(command), 0);
    kill(pid, SIGINT);
    while (mu_server_process_get_facts(process).is_running) { /* CTest bounds this */
        poll(NULL, 0, 20);
    }
    assert_int_equal(mu_server_process_get_facts(process).exit_code, 130);
    mu_server_process_close(process);
    json_t *doc = document();
    assert_string_equal(text(json_object_get(doc, "run"), "stop_reason"), "interrupted");
    json_decref(doc);
}

static int set_up(void **state) {
    (void)state;
    ssize_t n = readlink("/proc/self/exe", muai, sizeof(muai) - 6);
    if (n <= 0 || !mkdtemp(folder)) return -1;
    muai[n] = '\0';
    char *slash = strrchr(muai, '/');
    memcpy(slash + 1, "muai", 5);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    char command[96];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_suite_measures_our_own_server),
        cmocka_unit_test(renderings_are_beside_the_document),
        cmocka_unit_test(the_truth_is_reported),
        cmocka_unit_test(two_systems_are_compared_in_turn),
        cmocka_unit_test(targets_decide_the_exit_code),
        cmocka_unit_test(what_cannot_be_is_said_in_a_line),
        cmocka_unit_test(ctrl_c_keeps_what_was_measured),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
