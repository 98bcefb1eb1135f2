/* Event streams, whole, byte by byte and in every way of cutting them in two. */
#include "bench/load/sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

static bool collect(void *ctx, char *data, size_t n) {
    mu_buf_append(ctx, data, n);
    mu_buf_append(ctx, "|", 1);
    return true;
}

static const struct {
    const char *what, *bytes, *events;
    bool has_rest;
} rows[] = {
    {"LF", "data: a\n\ndata: b\n\n", "a|b|", false},
    {"CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", "a|b|", false},
    {"CR", "data: a\r\rdata: b\r\r", "a|b|", false},
    {"mixed", "data: a\r\n\ndata: b\r\r\n", "a|b|", false},
    {"one blank is taken off", "data:a\ndata:  b\n\n", "a\n b|", false},
    {"lines are joined", "data: a\ndata: b\ndata: c\n\n", "a\nb\nc|", false},
    {"no value", "data\n\ndata:\n\n", "||", false},
    {"other fields", "event: x\nid: 1\nretry: 5\ndata: a\nfoo: b\nfoo\n\n", "a|", false},
    {"no data, no event", "event: x\n\nid: 4\n\n", "", false},
    {"comments", ": ping\n\n:\n: x\ndata: a\n:y\n\n", "a|", false},
    {"not data", "datax: a\n\n data: b\n\nDATA: c\n\ndata : d\n\n", "", false},
    {"byte order mark",
     "\xef\xbb\xbf"
     "data: a\n\n",
     "a|", false},
    {"empty lines", "\n\n\r\n\r\rdata: a\n\n\n\n", "a|", false},
    {"cut in a line", "data: a\n\ndata: b", "a|", true},
    {"cut behind a line", "data: a\n\ndata: b\n", "a|", true},
    {"UTF-8", "data: \xc3\xa9\xf0\x9f\x98\x80\n\n", "\xc3\xa9\xf0\x9f\x98\x80|", false},
};

static void check_row(size_t r, size_t cut, mu_sse *sse) {
    mu_buf events = {0};
    size_t n = strlen(rows[r].bytes);
    mu_sse_init(sse);
    mu_buf_append_str(&events, "");
    if (cut == 0) {
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(mu_sse_feed(sse, rows[r].bytes + i, 1, collect, &events, NULL), MU_OK);
        }
    } else {
        assert_int_equal(mu_sse_feed(sse, rows[r].bytes, cut, collect, &events, NULL), MU_OK);
        assert_int_equal(mu_sse_feed(sse, rows[r].bytes + cut, n - cut, collect, &events, NULL),
                         MU_OK);
    }
    if (strcmp(events.data, rows[r].events) != 0 || mu_sse_has_rest(sse) != rows[r].has_rest) {
        fail_msg("%s, cut at %zu: \"%s\"", rows[r].what, cut, events.data);
    }
    mu_buf_deinit(&events);
}

static void events_do_not_depend_on_the_cut(void **state) {
    (void)state;
    mu_sse sse = {0}; /* used again and again: nothing of one stream may stay for the next */
    for (size_t r = 0; r < MU_COUNTOF(rows); r++) {
        for (size_t cut = 0; cut <= strlen(rows[r].bytes); cut++) {
            check_row(r, cut, &sse);
        }
    }
    mu_sse_deinit(&sse);
}

static void an_event_ends_with_its_empty_line(void **state) {
    (void)state;
    mu_sse sse = {0};
    mu_buf events = {0};
    mu_sse_init(&sse);
    assert_int_equal(mu_sse_feed(&sse, "data: a\r\n\r", 10, collect, &events, NULL), MU_OK);
    assert_string_equal(events.data, "a|"); /* not held back for the LF that may follow */
    assert_int_equal(mu_sse_feed(&sse, "\ndata: b\r\r", 10, collect, &events, NULL), MU_OK);
    assert_string_equal(events.data, "a|b|");
    mu_sse_deinit(&sse);
    mu_buf_deinit(&events);
}

static void events_over_the_limit_are_refused(void **state) {
    (void)state;
    static char big[MU_SSE_EVENT_MAX + 64];
    memset(big, 'x', sizeof(big));
    mu_buf events = {0};
    for (int many_lines = 0; many_lines < 2; many_lines++) {
        mu_sse sse = {0};
        mu_sse_init(&sse);
        mu_status status = MU_OK;
        if (many_lines) {
            static char line[70000];
            memset(line, 'y', sizeof(line));
            memcpy(line, "data: ", 6);
            line[sizeof(line) - 1] = '\n';
            for (int i = 0; i < 16 && status == MU_OK; i++) {
                status = mu_sse_feed(&sse, line, sizeof(line), collect, &events, NULL);
            }
        } else {
            status = mu_sse_feed(&sse, big, sizeof(big), collect, &events, NULL);
        }
        assert_int_equal(status, MU_ERR_LIMIT);
        assert_int_equal(mu_sse_feed(&sse, "\n\n", 2, collect, &events, NULL), MU_ERR_LIMIT);
        mu_sse_deinit(&sse);
    }
    assert_int_equal(events.n, 0);
    mu_buf_deinit(&events);
}

static void no_memory_is_said(void **state) {
    (void)state;
    for (int cut = 0; cut < 2; cut++) { /* in a line that is cut, in the event */
        mu_sse sse = {0};
        mu_sse_init(&sse);
        mu_alloc_fail_after(0);
        mu_status status = mu_sse_feed(&sse, "data: abc\n\n", cut ? 4 : 11, collect, NULL, NULL);
        mu_alloc_fail_after(-1);
        assert_int_equal(status, MU_ERR_NOMEM);
        mu_sse_deinit(&sse);
    }
}

static bool refuse(void *ctx, char *data, size_t n) {
    (void)data, (void)n;
    ++*(int *)ctx;
    return false;
}

static void a_reader_may_stop(void **state) {
    (void)state;
    int n_calls = 0;
    mu_sse sse = {0};
    mu_sse_init(&sse);
    assert_int_equal(mu_sse_feed(&sse, "data: a\n\ndata: b\n\n", 18, refuse, &n_calls, NULL),
                     MU_ERR_CANCELED);
    assert_int_equal(n_calls, 1);
    mu_sse_deinit(&sse);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_do_not_depend_on_the_cut),
        cmocka_unit_test(an_event_ends_with_its_empty_line),
        cmocka_unit_test(events_over_the_limit_are_refused),
        cmocka_unit_test(no_memory_is_said),
        cmocka_unit_test(a_reader_may_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
