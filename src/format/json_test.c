#include "format/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

static void integers_of_more_than_64_bits_become_real(void **state) {
    static const struct {
        const char *text, *mended;
    } rows[] = {
        {"9223372036854775807", "9223372036854775807"},
        {"9223372036854775808", "9223372036854775e03"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"-9223372036854775809", "-9223372036854775e03"},
        {"[18446744073709551615,1]", "[18446744073709551e03,1]"},
        {"{\"a\\\"99999999999999999999\":\"99999999999999999999\"}",
         "{\"a\\\"99999999999999999999\":\"99999999999999999999\"}"},
        {"{\"a\":99999999999999999999}", "{\"a\":99999999999999999e03}"},
        {"99999999999999999999.5", "99999999999999999999.5"},
        {"1.99999999999999999999", "1.99999999999999999999"},
        {"99999999999999999999e5", "99999999999999999999e5"},
        {"1e99999999999999999999", "1e99999999999999999999"},
        {"99999999999999999999\"a\"", "99999999999999999e03\"a\""},
        {"123", "123"},
    };
    (void)state;
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        char text[100];
        size_t n = strlen(rows[i].text);
        memcpy(text, rows[i].text, n + 1);
        mu_json_mend_integers(text, n);
        assert_string_equal(text, rows[i].mended);
    }
}

/* The measure is an upper bound of what the parser takes, and not a wild one. */
static void a_measure_bounds_what_is_taken(void **state) {
    enum { REPEATS = 2000 };
    static const char *const parts[] = {
        "{}",   "[]",         "1",   "1.5",       "null",
        "\"\"", "\"abcdef\"", "[1]", "{\"a\":1}", "{\"a\":{\"b\":[]},\"c\":\"d\",\"e\":2}"};
    (void)state;
    for (size_t i = 0; i < MU_COUNTOF(parts); i++) {
        size_t n_part = strlen(parts[i]), n = 1;
        char *text = mu_alloc(REPEATS * (n_part + 1) + 2);
        assert_non_null(text);
        text[0] = '[';
        for (int r = 0; r < REPEATS; r++) {
            memcpy(text + n, parts[i], n_part);
            n += n_part;
            text[n++] = ',';
        }
        text[n - 1] = ']';
        json_t *json = NULL;
        mu_json_cost cost = mu_json_measure(text, n);
        int64_t before = mu_alloc_bytes_alive();
        assert_int_equal(mu_json_parse(text, n, &json, NULL), MU_OK);
        uint64_t taken = (uint64_t)(mu_alloc_bytes_alive() - before);
        if (taken > cost.bytes) fail_msg("%s: %llu", parts[i], (unsigned long long)taken);
        assert_true(cost.bytes < 16 * taken + 4096);
        assert_true(cost.n_values >= REPEATS);
        json_decref(json);
        mu_free(text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_of_more_than_64_bits_become_real),
        cmocka_unit_test(a_measure_bounds_what_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
