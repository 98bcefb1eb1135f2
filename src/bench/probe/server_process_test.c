/* Started with arguments this program is the server that it tests with. */
#include "bench/probe/server_process.h"

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

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "bench/mock/mock.h"
#include "bench/probe/process.h"

static char output_path[64] = "/tmp/muai-server-process-XXXXXX";

static mu_server_process_options shell(const char *const *argv) {
    return (mu_server_process_options){.argv = argv, .output_path = output_path};
}

static mu_server_process *start(const char *const *argv) {
    mu_server_process_options options = shell(argv);
    mu_server_process *process = NULL;
    mu_err err = {0};
    if (mu_server_process_open(&options, &process, &err) != MU_OK) fail_msg("%s", err.text);
    return process;
}

static bool is_alive(pid_t pid) {
    static mu_process_tree tree;
    return mu_process_tree_read(pid, &tree, NULL) == MU_OK;
}

static bool ends_soon(pid_t pid) {
    uint64_t begin_ns = mu_now_ns();
    while (is_alive(pid)) {
        if (mu_now_ns() - begin_ns > 10000000000) return false;
        poll(NULL, 0, 5);
    }
    return true;
}

static char *wait_for_output(mu_server_process *process) {
    static char tail[256];
    do {
        poll(NULL, 0, 2);
        mu_server_process_tail(process, tail, sizeof(tail));
    } while (!strchr(tail, '\n'));
    return tail;
}

static void a_server_is_waited_for_and_stopped(void **state) {
    (void)state;
    char port[16], url[64];
    snprintf(port, sizeof(port), "%u", mu_free_port());
    assert_string_not_equal(port, "0");
    snprintf(url, sizeof(url), "http://127.0.0.1:%s", port);
    const char *argv[] = {"/proc/self/exe", "serve", port, NULL};
    mu_server_process *process = start(argv);
    mu_err err = {0};
    if (mu_server_process_wait_ready(process, url, 30.0, NULL, &err) != MU_OK) {
        fail_msg("%s", err.text);
    }
    mu_server_process_facts f = mu_server_process_get_facts(process);
    assert_true(f.is_running && f.ready_s > 0.0 && f.ready_s < 30.0);
    assert_string_equal(f.ready_path, "/readyz");
    assert_int_equal(getpgid(f.pid), f.pid);

    mu_buf body = {0};
    long code = 0;
    char path[128];
    snprintf(path, sizeof(path), "%s/v1/models", url);
    assert_int_equal(mu_http_get(path, 5.0, &code, &body, &err), MU_OK);
    assert_int_equal(code, 200);
    assert_non_null(strstr(body.data, "\"mock\""));
    snprintf(path, sizeof(path), "%s/nothing", url);
    assert_int_equal(mu_http_get(path, 5.0, &code, NULL, &err), MU_OK);
    assert_int_equal(code, 404);
    mu_buf_deinit(&body);

    mu_server_process_stop(process, 10.0);
    f = mu_server_process_get_facts(process);
    assert_false(f.is_running || f.was_killed);
    assert_int_equal(f.exit_code, 0);
    assert_true(f.stop_s >= 0.0 && f.resident_bytes_max > 0);
    assert_false(is_alive(f.pid));
    assert_int_equal(mu_http_get(path, 1.0, &code, NULL, &err), MU_ERR_IO);
    assert_non_null(strstr(err.text, path));
    mu_server_process_close(process);
}

static void one_that_dies_at_once_says_why(void **state) {
    (void)state;
    const char *argv[] = {"sh", "-c", "echo first; echo no such model >&2; exit 3", NULL};
    mu_server_process *process = start(argv);
    mu_err err;
    assert_int_equal(mu_server_process_wait_ready(process, "http://127.0.0.1:1", 30, NULL, &err),
                     MU_ERR_IO);
    assert_non_null(strstr(err.text, "code 3"));
    assert_non_null(strstr(err.text, "first|no such model"));
    assert_null(strchr(err.text, '\n'));
    mu_server_process_facts f = mu_server_process_get_facts(process);
    assert_int_equal(f.exit_code, 3);
    assert_false(f.is_running);
    mu_server_process_close(process);

    const char *silent[] = {"sh", "-c", "kill -9 $$", NULL};
    process = start(silent);
    assert_int_equal(mu_server_process_wait_ready(process, "http://127.0.0.1:1", 30, NULL, &err),
                     MU_ERR_IO);
    assert_non_null(strstr(err.text, "code 137: it printed nothing"));
    mu_server_process_close(process);
}

static bool always(void) {
    return true;
}

static void one_that_never_gets_ready_times_out(void **state) {
    (void)state;
    const char *argv[] = {"sh", "-c", "exec tail -f /dev/null", NULL};
    mu_server_process *process = start(argv);
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", mu_free_port());
    mu_err err;
    uint64_t begin_ns = mu_now_ns();
    assert_int_equal(mu_server_process_wait_ready(process, url, 0.2, NULL, &err), MU_ERR_TIMEOUT);
    assert_true(mu_now_ns() - begin_ns >= 200000000);
    assert_non_null(strstr(err.text, url));
    assert_int_equal(mu_server_process_wait_ready(process, url, 9.0, always, &err),
                     MU_ERR_CANCELED);
    mu_server_process_facts f = mu_server_process_get_facts(process);
    assert_true(f.is_running && f.ready_s == 0.0);
    mu_server_process_close(process);
    assert_false(is_alive(f.pid));
}

static void one_that_ignores_sigterm_is_killed(void **state) {
    (void)state;
    const char *argv[] = {"sh", "-c", "trap '' TERM; echo here; exec tail -f /dev/null", NULL};
    mu_server_process *process = start(argv);
    wait_for_output(process);
    mu_server_process_stop(process, 0.1);
    mu_server_process_facts f = mu_server_process_get_facts(process);
    assert_true(f.was_killed);
    assert_int_equal(f.exit_code, 128 + SIGKILL);
    assert_true(f.stop_s >= 0.1);
    assert_false(is_alive(f.pid));
    mu_server_process_close(process);
}

/* Of the same group, and one that has left it. */
static void descendants_do_not_survive(void **state) {
    (void)state;
    static const char *const scripts[] = {
        "tail -f /dev/null & echo $!; wait",
        "setsid tail -f /dev/null & echo $!; wait",
        "tail -f /dev/null & echo $!; exit 0",
    };
    for (size_t i = 0; i < MU_COUNTOF(scripts); i++) {
        const char *argv[] = {"sh", "-c", scripts[i], NULL};
        mu_server_process *process = start(argv);
        pid_t grandchild = (pid_t)strtol(wait_for_output(process), NULL, 10);
        assert_true(grandchild > 1);
        mu_server_process_close(process);
        assert_true(ends_soon(grandchild));
    }
}

/* A process opens a server and is killed: the server goes with it. */
static void a_server_dies_with_its_parent(void **state) {
    (void)state;
    const char *argv[] = {"/proc/self/exe", "parent", NULL};
    mu_server_process *process = start(argv);
    pid_t server = (pid_t)strtol(wait_for_output(process), NULL, 10);
    assert_true(server > 1 && is_alive(server));
    pid_t parent = mu_server_process_get_facts(process).pid;
    kill(parent, SIGKILL); /* it alone; the server leads a group of its own */
    assert_true(ends_soon(server));
    mu_server_process_close(process);
}

static void settings_reach_the_child(void **state) {
    (void)state;
    const char *argv[] = {"sh", "-c",
                          "grep Cpus_allowed_list /proc/self/status; pwd; echo $MUAI_A.$MUAI_B; "
                          "readlink /proc/self/fd/0",
                          NULL};
    const char *env[] = {"MUAI_A=one=1", "MUAI_B=two", NULL};
    setenv("MUAI_A", "theirs", 1);
    mu_server_process_options options = shell(argv);
    options.env = env;
    options.directory = "/";
    options.cpus = "0";
    mu_server_process *process = NULL;
    mu_err err;
    assert_int_equal(mu_server_process_open(&options, &process, &err), MU_OK);
    while (mu_server_process_get_facts(process).is_running) {
        poll(NULL, 0, 2);
    }
    char tail[256];
    mu_server_process_tail(process, tail, sizeof(tail));
    assert_string_equal(tail, "Cpus_allowed_list:\t0\n/\none=1.two\n/dev/null\n");
    char few[5];
    mu_server_process_tail(process, few, sizeof(few));
    assert_string_equal(few, "ull\n");
    mu_server_process_close(process);
    unsetenv("MUAI_A");
}

static void what_cannot_start_is_an_error(void **state) {
    (void)state;
    const char *argv[] = {"/no/such/program", NULL}, *good[] = {"true", NULL};
    static const char *const bad_cpus[] = {"", "x", "1-", "2-1", "0,", "0 1", "99999"};
    mu_server_process_options options = shell(argv);
    mu_server_process *process = NULL;
    mu_err err;
    int64_t n_alive = mu_alloc_n_alive();
    assert_int_equal(mu_server_process_open(&options, &process, &err), MU_ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "/no/such/program"));
    options = shell(good);
    for (size_t i = 0; i < MU_COUNTOF(bad_cpus); i++) {
        options.cpus = bad_cpus[i];
        assert_int_equal(mu_server_process_open(&options, &process, &err), MU_ERR_INVALID);
        assert_non_null(strstr(err.text, "cpus"));
    }
    options = shell(good);
    options.output_path = "/no/such/folder/file";
    assert_int_equal(mu_server_process_open(&options, &process, &err), MU_ERR_IO);
    options = shell(good);
    for (int n = 0; n < 3; n++) {
        mu_alloc_fail_after(n);
        assert_int_equal(mu_server_process_open(&options, &process, &err), MU_ERR_NOMEM);
    }
    assert_null(process);
    assert_int_equal(mu_alloc_n_alive(), n_alive);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
}

static int serve(const char *port) {
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    mu_mock_options o = mu_mock_options_default();
    mu_mock *mock = NULL;
    if (mu_mock_option_set(&o, "port", port, NULL) != MU_OK) return 1;
    if (mu_mock_open(&o, &mock, NULL) != MU_OK) return 2;
    int signal_number;
    sigwait(&ends, &signal_number);
    mu_mock_close(mock);
    return 0;
}

static int be_parent(void) {
    char path[] = "/tmp/muai-server-process-XXXXXX";
    close(mkstemp(path));
    const char *argv[] = {"tail", "-f", "/dev/null", NULL};
    mu_server_process_options options = {.argv = argv, .output_path = path};
    mu_server_process *process = NULL;
    if (mu_server_process_open(&options, &process, NULL) != MU_OK) return 1;
    unlink(path);
    printf("%d\n", (int)mu_server_process_get_facts(process).pid);
    fflush(stdout);
    for (;;) {
        poll(NULL, 0, -1);
    }
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "serve") == 0) return serve(argv[2]);
    if (argc == 2 && strcmp(argv[1], "parent") == 0) return be_parent();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_is_waited_for_and_stopped),
        cmocka_unit_test(one_that_dies_at_once_says_why),
        cmocka_unit_test(one_that_never_gets_ready_times_out),
        cmocka_unit_test(one_that_ignores_sigterm_is_killed),
        cmocka_unit_test(descendants_do_not_survive),
        cmocka_unit_test(a_server_dies_with_its_parent),
        cmocka_unit_test(settings_reach_the_child),
        cmocka_unit_test(what_cannot_start_is_an_error),
    };
    close(mkstemp(output_path));
    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(output_path);
    return n_failed;
}
