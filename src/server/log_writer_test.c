#include "server/log_writer.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void lines_come_out_in_order(void **state) {
    int ends[2];
    mu_log_writer *log;
    mu_err err;
    char text[64] = "";
    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(mu_log_writer_open(ends[1], &log, &err), MU_OK);
    mu_log_writer_append(log, "one\n", 4);
    mu_log_writer_append(log, "two\n", 4);
    mu_log_writer_close(log);
    assert_int_equal(read(ends[0], text, sizeof(text)), 8);
    assert_string_equal(text, "one\ntwo\n");
    close(ends[0]);
    close(ends[1]);
}

/* 4 MiB into a pipe that nobody reads: neither append nor close waits for a reader. */
static void who_does_not_read_loses_lines(void **state) {
    int ends[2];
    mu_log_writer *log;
    mu_err err;
    char line[1024];
    (void)state;
    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(mu_log_writer_open(ends[1], &log, &err), MU_OK);
    for (int i = 0; i < 4096; i++) {
        mu_log_writer_append(log, line, sizeof(line));
    }
    assert_true(mu_log_writer_n_lost(log) >= 2048);
    mu_log_writer_close(log);
    close(ends[0]);
    close(ends[1]);
}

static void a_full_disk_is_counted(void **state) {
    mu_log_writer *log;
    mu_err err;
    (void)state;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(mu_log_writer_open(fd, &log, &err), MU_OK);
    mu_log_writer_append(log, "a\nb\n", 4);
    while (mu_log_writer_n_lost(log) < 2) {
        poll(NULL, 0, 1);
    }
    mu_log_writer_close(log);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_out_in_order),
        cmocka_unit_test(who_does_not_read_loses_lines),
        cmocka_unit_test(a_full_disk_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
