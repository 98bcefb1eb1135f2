#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "text/utf8.h"

/* Every row is the start of a text; what it holds is from table 3-7 and section 3.9 of Unicode. */
static void text_is_cut_into_characters_and_broken_runs(void **state) {
    (void)state;
    static const struct {
        const char *what, *text;
        mu_utf8 step;
        size_t n_bytes;
    } rows[] = {
        {"ASCII", "a\x80", MU_UTF8_WHOLE, 1},
        {"two bytes", "\xC2\x80", MU_UTF8_WHOLE, 2},
        {"three bytes", "\xE0\xA0\x80", MU_UTF8_WHOLE, 3},
        {"the last before the surrogates", "\xED\x9F\xBF", MU_UTF8_WHOLE, 3},
        {"four bytes", "\xF0\x90\x80\x80", MU_UTF8_WHOLE, 4},
        {"the last of all", "\xF4\x8F\xBF\xBF", MU_UTF8_WHOLE, 4},
        {"a byte that only goes on", "\x80", MU_UTF8_BROKEN, 1},
        {"overlong in two bytes", "\xC1\xBF", MU_UTF8_BROKEN, 1},
        {"overlong in three bytes", "\xE0\x9F\xBF", MU_UTF8_BROKEN, 1},
        {"overlong in four bytes", "\xF0\x8F\xBF\xBF", MU_UTF8_BROKEN, 1},
        {"a surrogate", "\xED\xA0\x80", MU_UTF8_BROKEN, 1},
        {"above U+10FFFF", "\xF4\x90\x80\x80", MU_UTF8_BROKEN, 1},
        {"no such first byte", "\xF5\x80\x80\x80", MU_UTF8_BROKEN, 1},
        {"broken after one", "\xC3x", MU_UTF8_BROKEN, 1},
        {"broken after two", "\xE2\x82x", MU_UTF8_BROKEN, 2},
        {"broken after three", "\xF0\x9F\x98\xC3", MU_UTF8_BROKEN, 3},
        {"ends after one", "\xC3", MU_UTF8_CUT, 1},
        {"ends after two", "\xE2\x82", MU_UTF8_CUT, 2},
        {"ends after three", "\xF0\x9F\x98", MU_UTF8_CUT, 3},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        size_t n_bytes = 99;
        mu_utf8 step = mu_utf8_step(rows[i].text, strlen(rows[i].text), &n_bytes);
        if (step != rows[i].step || n_bytes != rows[i].n_bytes) {
            fail_msg("%s: %d of %zu bytes", rows[i].what, step, n_bytes);
        }
    }
}

/* The number that a character of n bytes stands for. */
static uint32_t code_of(const char *text, size_t n) {
    static const uint8_t first_bits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t code = (uint8_t)text[0] & first_bits[n];
    for (size_t i = 1; i < n; i++) {
        code = code << 6 | ((uint8_t)text[i] & 0x3F);
    }
    return code;
}

/* All strings of four bytes whose bytes are at the edges of the ranges of table 3-7. */
static void whole_characters_are_the_shortest_form_of_a_scalar_value(void **state) {
    (void)state;
    static const uint8_t edges[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0,
                                    0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF,
                                    0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF7, 0xF8, 0xFF};
    enum { N = MU_COUNTOF(edges) };
    size_t n_whole = 0;
    for (uint32_t i = 0; i < N * N * N * N; i++) {
        char text[4] = {(char)edges[i % N], (char)edges[i / N % N], (char)edges[i / N / N % N],
                        (char)edges[i / N / N / N]};
        size_t n_bytes;
        mu_utf8 step = mu_utf8_step(text, sizeof(text), &n_bytes);
        assert_int_not_equal(step, MU_UTF8_CUT);
        assert_in_range(n_bytes, 1, step == MU_UTF8_WHOLE ? 4 : 3);
        if (step == MU_UTF8_BROKEN) continue;
        uint32_t code = code_of(text, n_bytes);
        size_t shortest = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        assert_int_equal(n_bytes, shortest);
        assert_true(code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF));
        n_whole++;
    }
    assert_true(n_whole > N * N * N);
    print_message("%d strings, %zu begin with a character\n", N * N * N * N, n_whole);
}

static void valid_part_ends_at_the_first_broken_byte(void **state) {
    (void)state;
    char text[40];
    for (size_t n = 0; n <= sizeof(text); n++) { /* across the eight-byte steps */
        memset(text, 'a', sizeof(text));
        assert_int_equal(mu_utf8_valid(text, n), n);
        if (n == 0) continue;
        text[n - 1] = '\xFF';
        assert_int_equal(mu_utf8_valid(text, n), n - 1);
        text[n - 1] = '\xC3';
        assert_int_equal(mu_utf8_valid(text, n), n - 1);
        if (n == sizeof(text)) continue;
        text[n] = '\xA9';
        assert_int_equal(mu_utf8_valid(text, n + 1), n + 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_cut_into_characters_and_broken_runs),
        cmocka_unit_test(whole_characters_are_the_shortest_form_of_a_scalar_value),
        cmocka_unit_test(valid_part_ends_at_the_first_broken_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
