#include "server/http_chunks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Read text in pieces of n bytes; the body is put in out. */
static mu_http_chunks_state read_in(const char *text, size_t piece, char *out, size_t *n_used) {
    mu_http_chunks c = {0};
    size_t n = strlen(text), n_out = 0;
    for (*n_used = 0; *n_used < n && c.state < MU_CHUNKS_DONE;) {
        size_t n_fed = n - *n_used < piece ? n - *n_used : piece, n_run;
        const char *run;
        *n_used += mu_http_chunks_read(&c, text + *n_used, n_fed, &run, &n_run);
        if (n_run > 0) memcpy(out + n_out, run, n_run);
        n_out += n_run;
    }
    out[n_out] = '\0';
    return c.state;
}

static void bodies_are_read_or_refused(void **state) {
    static const struct {
        const char *text, *body; /* body NULL: refused */
    } rows[] = {
        {"0\r\n\r\n", ""},
        {"5\r\nhello\r\n0\r\n\r\n", "hello"},
        {"3\r\nhel\r\n02\r\nlo\r\n000\r\n\r\n", "hello"},
        {"A;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\nB: \"\r\n\r\n", "0123456789"},
        {"0x5\r\nhello\r\n0\r\n\r\n", NULL},
        {"+5\r\nhello\r\n0\r\n\r\n", NULL},
        {"5 \r\nhello\r\n0\r\n\r\n", NULL},
        {"\r\nhello\r\n0\r\n\r\n", NULL},
        {"5\nhello\r\n0\r\n\r\n", NULL},
        {"5\r\nhelloXX0\r\n\r\n", NULL},
        {"5\r\nhello\n0\r\n\r\n", NULL},
        {"5;a\nb\r\nhello\r\n0\r\n\r\n", NULL},
        {"0\r\n\n", NULL},
        {"0\r\nA: b\n\r\n", NULL},
        {"0\r\n\001\r\n\r\n", NULL},
        {"0000000000000005\r\nhello\r\n0\r\n\r\n", NULL},
    };
    (void)state;
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        for (size_t piece = 1; piece < 40; piece++) {
            char out[100];
            size_t n_used;
            mu_http_chunks_state end = read_in(rows[i].text, piece, out, &n_used);
            if (end != (rows[i].body ? MU_CHUNKS_DONE : MU_CHUNKS_BROKEN)) {
                fail_msg("row %zu in pieces of %zu: state %d", i, piece, (int)end);
            }
            if (!rows[i].body) continue;
            assert_string_equal(out, rows[i].body);
            assert_int_equal(n_used, strlen(rows[i].text));
        }
    }
}

static void extensions_and_trailers_are_bounded(void **state) {
    mu_http_chunks c = {0};
    const char *run;
    size_t n_run;
    (void)state;
    assert_int_equal(mu_http_chunks_read(&c, "0\r\n", 3, &run, &n_run), 3);
    for (int i = 0; i <= MU_HTTP_CHUNK_EXTRA_MAX && c.state != MU_CHUNKS_BROKEN; i += 2) {
        assert_int_not_equal(c.state, MU_CHUNKS_DONE);
        mu_http_chunks_read(&c, "ab\r\n", 4, &run, &n_run);
    }
    assert_int_equal(c.state, MU_CHUNKS_BROKEN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_read_or_refused),
        cmocka_unit_test(extensions_and_trailers_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
