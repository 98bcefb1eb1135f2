/* muai bench mock as a program: its address, Ctrl-C beside a running stream, wrong options. */
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "bench/probe/server_process.h"

static char muai[4096], output_path[64] = "/tmp/muai-bench-mock-XXXXXX";

static mu_server_process *start(const char *const *more) {
    const char *argv[16] = {muai, "bench", "mock"};
    for (size_t i = 0; more[i] && i < 12; i++) {
        argv[3 + i] = more[i];
    }
    mu_server_process_options options = {.argv = argv, .output_path = output_path};
    mu_server_process *process = NULL;
    mu_err err = {0};
    if (mu_server_process_open(&options, &process, &err) != MU_OK) fail_msg("%s", err.text);
    return process;
}

static void ctrl_c_ends_it_beside_a_running_stream(void **state) {
    (void)state;
    char port[16], url[64], command[512], text[1024];
    snprintf(port, sizeof(port), "%u", mu_free_port());
    snprintf(url, sizeof(url), "http://127.0.0.1:%s", port);
    const char *more[] = {"--port", port, "--ttft", "1ms", "--itl", "1s", NULL};
    mu_server_process *process = start(more);
    mu_err err = {0};
    if (mu_server_process_wait_ready(process, url, 30, NULL, &err) != MU_OK)
        fail_msg("%s", err.text);
    do { /* it says so after it listens */
        mu_server_process_tail(process, text, sizeof(text));
    } while (!strchr(text, '\n'));
    assert_non_null(strstr(text, url));

    const char *argv[] = {"curl", "-sN", command, "-d", "{\"prompt\": \"a\", \"stream\": true}",
                          NULL};
    char client_path[] = "/tmp/muai-bench-mock-XXXXXX";
    close(mkstemp(client_path));
    snprintf(command, sizeof(command), "%s/v1/completions", url);
    mu_server_process_options options = {.argv = argv, .output_path = client_path};
    mu_server_process *client = NULL;
    mu_status status = mu_server_process_open(&options, &client, &err);
    if (status == MU_OK) { /* there is a curl */
        do {
            mu_server_process_tail(client, text, sizeof(text));
        } while (!strstr(text, "data: ") && mu_server_process_get_facts(client).is_running);
        assert_non_null(strstr(text, "data: "));
    }
    kill(mu_server_process_get_facts(process).pid, SIGINT);
    while (mu_server_process_get_facts(process).is_running) {
        sched_yield();
    }
    assert_int_equal(mu_server_process_get_facts(process).exit_code, 0);
    mu_server_process_tail(process, text, sizeof(text));
    if (status == MU_OK) assert_non_null(strstr(text, "1 requests, 0 done"));
    mu_server_process_close(client);
    mu_server_process_close(process);
    unlink(client_path);
}

static void wrong_options_are_named(void **state) {
    (void)state;
    static const struct {
        const char *option, *value, *says;
        int exit_code;
    } rows[] = {
        {"--ttft", "50", "--ttft: \"50\" is not a time", 2},
        {"--stall-s", "-1", "--stall-s: -1 is not in", 2},
        {"--usage", "often", "--usage: \"often\" is not one of", 2},
        {"--coalesce", "0", "--coalesce: 0 is not in", 2},
        {"--host", "nowhere", "host: \"nowhere\" is not an address", 2},
        {"--no-such", "1", "--no-such: unknown option", 2},
        {"--help", NULL, "examples:", 0},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        const char *more[] = {rows[i].option, rows[i].value, NULL};
        mu_server_process *process = start(more);
        while (mu_server_process_get_facts(process).is_running) {
            sched_yield();
        }
        char text[8192];
        mu_server_process_tail(process, text, sizeof(text));
        if (!strstr(text, rows[i].says)) print_message("row: %s: %s\n", rows[i].option, text);
        assert_non_null(strstr(text, rows[i].says));
        assert_int_equal(mu_server_process_get_facts(process).exit_code, rows[i].exit_code);
        mu_server_process_close(process);
    }
}

int main(void) {
    ssize_t n = readlink("/proc/self/exe", muai, sizeof(muai) - 8);
    if (n <= 0) return 1;
    muai[n] = '\0';
    memcpy(strrchr(muai, '/'), "/muai", sizeof("/muai"));
    close(mkstemp(output_path));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ctrl_c_ends_it_beside_a_running_stream),
        cmocka_unit_test(wrong_options_are_named),
    };
    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(output_path);
    return n_failed;
}
