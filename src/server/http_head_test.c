#include "server/http_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const mu_http_limits limits = {64, 200, 5};

#define GET(lines)  "GET / HTTP/1.1\r\n" lines "\r\n"
#define HOST(lines) GET("Host: a\r\n" lines)

/* The answer to a head, fed byte by byte: 0 for a good one. */
static unsigned code_of(const char *text, char *copy, mu_http_head *head) {
    mu_http_refusal refusal = {0};
    size_t n = strlen(text), n_scanned = 0, n_head = 0;
    for (size_t i = 1; i <= n && n_head == 0 && refusal.code == 0; i++) {
        n_head = mu_http_head_scan(text, i, &limits, &n_scanned, &refusal);
    }
    if (refusal.code != 0) return refusal.code;
    if (n_head != n) return 1;
    memcpy(copy, text, n);
    return mu_http_head_parse(copy, n, &limits, head).code;
}

static void heads_are_taken_or_refused(void **state) {
    static const struct {
        const char *what, *text;
        unsigned code;
    } rows[] = {
        {"plain", HOST(""), 0},
        {"old without host", "GET / HTTP/1.0\r\n\r\n", 0},
        {"an empty line before", "\r\n" HOST(""), 0},
        {"absolute path", "GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n", 0},
        {"absolute path of another host", "GET http://b/b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"options of all", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 0},
        {"star", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"two empty lines before", "\r\n\r\n" HOST(""), 400},
        {"no host", GET(""), 400},
        {"two hosts", HOST("host: a\r\n"), 400},
        {"two keys", HOST("X-Api-Key: a\r\nX-API-KEY: b\r\n"), 400},
        {"two lengths", HOST("Content-Length: 2\r\nContent-Length: 2\r\n"), 400},
        {"length and coding", HOST("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"), 400},
        {"length with a sign", HOST("Content-Length: +2\r\n"), 400},
        {"length in hex", HOST("Content-Length: 0x2\r\n"), 400},
        {"length as a list", HOST("Content-Length: 2, 2\r\n"), 400},
        {"no length", HOST("Content-Length:\r\n"), 400},
        {"coding list", HOST("Transfer-Encoding: gzip, chunked\r\n"), 400},
        {"coding of old", "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"bare LF in the line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
        {"bare LF in a field", HOST("A: b\nC: d\r\n"), 400},
        {"bare LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
        {"bare CR", HOST("A: b\rc\r\n"), 400},
        {"folded", HOST("A: b\r\n c\r\n"), 400},
        {"folded by a tab", HOST("A: b\r\n\tc\r\n"), 400},
        {"blank before the colon", HOST("A : b\r\n"), 400},
        {"no colon", HOST("A\r\n"), 400},
        {"no name", HOST(": b\r\n"), 400},
        {"name with a quote", HOST("A\": b\r\n"), 400},
        {"control character", HOST("A: b\001\r\n"), 400},
        {"delete", HOST("A: b\177\r\n"), 400},
        {"bytes beyond ASCII", HOST("A: \303\274\r\n"), 0},
        {"no version", "GET /\r\nHost: a\r\n\r\n", 400},
        {"version 2", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 400},
        {"another protocol", "GET / FOO/1.1\r\nHost: a\r\n\r\n", 400},
        {"blank in the path", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"two blanks", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"path beyond ASCII", "GET /\303\274 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"NUL in the path", "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"half an escape", "GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"no method", " / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"expects something else", HOST("Expect: 200-ok\r\n"), 400},
        {"line too long", "GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         414},
        {"too many", HOST("A:1\r\nB:2\r\nC:3\r\nD:4\r\nE:5\r\n"), 431},
        {"as many as may be", HOST("A:1\r\nB:2\r\nC:3\r\nD:4\r\n"), 0},
    };
    (void)state;
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        char copy[1024];
        mu_http_head head;
        unsigned code = code_of(rows[i].text, copy, &head);
        if (code != rows[i].code) fail_msg("%s: %u", rows[i].what, code);
    }
}

static void too_large_is_told_before_it_is_whole(void **state) {
    char text[1000], copy[1000];
    mu_http_head head;
    (void)state;
    snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nA: %0*d", 400, 1);
    assert_int_equal(code_of(text, copy, &head), 431);
}

static void what_a_head_says(void **state) {
    char copy[1000];
    mu_http_head h;
    (void)state;
    const char *text = "POST /a%20b%2Fc?d=%00 HTTP/1.1\r\nHost: x\r\nContent-Length: 012\r\n"
                       "A:  b \t\r\nConnection: foo , Close\r\n\r\n";
    assert_int_equal(code_of(text, copy, &h), 0);
    assert_string_equal(h.method, "POST");
    assert_string_equal(h.path, "/a b/c");
    assert_string_equal(mu_http_head_field(&h, "a"), "b");
    assert_null(mu_http_head_field(&h, "b"));
    assert_true(h.is_11 && h.is_last && h.has_length && !h.is_chunked && h.n_body == 12);

    assert_int_equal(code_of("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", copy, &h), 0);
    assert_true(!h.is_11 && !h.is_last);
    assert_int_equal(code_of(HOST("Content-Length: 99999999999999999999\r\n"), copy, &h), 0);
    assert_true(h.n_body == UINT64_MAX);
    assert_int_equal(
        code_of(HOST("Transfer-Encoding: Chunked\r\nExpect: 100-continue\r\n"), copy, &h), 0);
    assert_true(h.is_chunked && h.expects_continue && !h.is_last);
    assert_int_equal(code_of("GET http://A/b?c HTTP/1.1\r\nHost: a\r\n\r\n", copy, &h), 0);
    assert_string_equal(h.path, "/b");
    assert_int_equal(code_of("GET //v1///a%2F%2F/ HTTP/1.1\r\nHost: a\r\n\r\n", copy, &h), 0);
    assert_string_equal(h.path, "/v1/a//");
    assert_int_equal(code_of("GET // HTTP/1.1\r\nHost: a\r\n\r\n", copy, &h), 0);
    assert_string_equal(h.path, "/");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_taken_or_refused),
        cmocka_unit_test(too_large_is_told_before_it_is_whole),
        cmocka_unit_test(what_a_head_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
