/* Bounds and divisors against integer arithmetic: numbers are hundredths, written in every way. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "grammar/number.h"

static mu_chunks memory;
static mu_lexicon lexicon;

/* hundredths as a decimal: 1234 is 12.34; with `trim`, without zeros at the end. */
static void write_decimal(int hundredths, bool trim, char out[32]) {
    int magnitude = hundredths < 0 ? -hundredths : hundredths;
    int n =
        snprintf(out, 32, "%s%d.%02d", hundredths < 0 ? "-" : "", magnitude / 100, magnitude % 100);
    while (trim && out[n - 1] == '0') {
        out[--n] = '\0';
    }
    if (trim && out[n - 1] == '.') out[--n] = '\0';
}

static bool is_within(mu_number_bound kind, int value, int bound) {
    switch (kind) {
    case MU_NUMBER_AT_LEAST:
        return value >= bound;
    case MU_NUMBER_ABOVE:
        return value > bound;
    case MU_NUMBER_AT_MOST:
        return value <= bound;
    case MU_NUMBER_BELOW:
        return value < bound;
    case MU_NUMBER_EQUAL:
        break;
    }
    return value == bound;
}

static void bounds_hold_for_every_number(void **state) {
    (void)state;
    static const int bounds[] = {0,    1,   -1,   5,    10,    -10,   99,   100,
                                 -100, 101, 1000, 1234, -1234, 99999, -5000};
    for (size_t b = 0; b < MU_COUNTOF(bounds); b++) {
        for (mu_number_bound kind = MU_NUMBER_AT_LEAST; kind <= MU_NUMBER_EQUAL; kind++) {
            char bound[32], text[32];
            write_decimal(bounds[b], true, bound);
            mu_lexeme lexeme = mu_number_bounded(&lexicon, kind, bound);
            for (int value = -3000; value <= 3000; value += 1) {
                int at = value > 2000 ? value * 71 : value;
                write_decimal(at, value % 2 == 0, text);
                bool is_in = mu_lexeme_matches(&lexicon, lexeme, text, strlen(text));
                if (is_in != is_within(kind, at, bounds[b])) {
                    fail_msg("%s against %s, kind %d", text, bound, kind);
                }
            }
        }
    }
    assert_int_equal(lexicon.status, MU_OK);
}

static void multiples_are_those_without_a_rest(void **state) {
    (void)state;
    static const int divisors[] = {1, 2, 25, 100, 150, 700, 333};
    for (size_t d = 0; d < MU_COUNTOF(divisors); d++) {
        char divisor[32], text[32];
        write_decimal(divisors[d], true, divisor);
        mu_lexeme lexeme = mu_number_multiple(&lexicon, divisor);
        for (int value = -3000; value <= 3000; value++) {
            write_decimal(value, value % 2 == 0, text);
            bool is_in = mu_lexeme_matches(&lexicon, lexeme, text, strlen(text));
            if (is_in != (value % divisors[d] == 0)) fail_msg("%s by %s", text, divisor);
        }
    }
    assert_int_equal(lexicon.status, MU_OK);
}

static void what_is_no_number_is_in_no_set(void **state) {
    (void)state;
    static const char *const texts[] = {"", "-", "00", "01", ".5", "1.", "+1", "1e", "--1", "0x1"};
    mu_lexeme sets[] = {mu_number_any(&lexicon), mu_number_plain(&lexicon),
                        mu_number_integer(&lexicon),
                        mu_number_bounded(&lexicon, MU_NUMBER_AT_LEAST, "-3.5"),
                        mu_number_multiple(&lexicon, "0.5")};
    for (size_t i = 0; i < MU_COUNTOF(texts); i++) {
        for (size_t s = 0; s < MU_COUNTOF(sets); s++) {
            assert_false(mu_lexeme_matches(&lexicon, sets[s], texts[i], strlen(texts[i])));
        }
    }
}

static void doubles_are_written_plainly(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0"},
                 {0.1, "0.1"},
                 {-2.50, "-2.5"},
                 {1e20, "100000000000000000000"},
                 {1e-7, "0.0000001"},
                 {123.456, "123.456"}};
    char text[MU_NUMBER_TEXT_MAX];
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        assert_true(mu_number_write(cases[i].value, text));
        assert_string_equal(text, cases[i].text);
    }
    assert_false(mu_number_write((double)INFINITY, text));
}

static int open_lexicon(void **state) {
    (void)state;
    mu_chunks_init(&memory, 1 << 26);
    mu_lexicon_init(&lexicon, &memory);
    return 0;
}

static int close_lexicon(void **state) {
    (void)state;
    mu_lexicon_deinit(&lexicon);
    mu_chunks_deinit(&memory);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_hold_for_every_number),
        cmocka_unit_test(multiples_are_those_without_a_rest),
        cmocka_unit_test(what_is_no_number_is_in_no_set),
        cmocka_unit_test(doubles_are_written_plainly),
    };
    return cmocka_run_group_tests(tests, open_lexicon, close_lexicon);
}
