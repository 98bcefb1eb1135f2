/* Shapes by name, by number and in lists. */
#include "bench/load/shape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void names_and_numbers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint32_t prompt_tokens, output_tokens;
    } rows[] = {{"tiny", 16, 8},   {"chat", 128, 64},        {"code", 512, 64},
                {"rag", 768, 128}, {"long", 896, 128},       {"512/128", 512, 128},
                {"1/1", 1, 1},     {"1048576/1", 1 << 20, 1}};
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_shape shape;
        assert_int_equal(mu_shape_parse(rows[i].text, &shape, NULL), MU_OK);
        assert_string_equal(shape.name, rows[i].text);
        assert_int_equal(shape.prompt_tokens, rows[i].prompt_tokens);
        assert_int_equal(shape.output_tokens, rows[i].output_tokens);
    }
}

static void what_is_no_shape_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",    "tin",   "tiny ", "1",    "1/",   "/1",        "0/1",
        "1/0", "1/2/3", "-1/2",  "1/1 ", "+1/1", "1048577/1", "99999999999999999999/1"};
    for (size_t i = 0; i < MU_COUNTOF(bad); i++) {
        mu_shape shape;
        mu_err err = {0};
        assert_int_equal(mu_shape_parse(bad[i], &shape, &err), MU_ERR_INVALID);
        assert_non_null(strstr(err.text, "tiny, chat"));
    }
}

static void lists(void **state) {
    (void)state;
    mu_shape shapes[MU_SHAPES_MAX];
    uint32_t n = 77;
    assert_int_equal(mu_shape_parse_list("tiny,3/4,long", shapes, &n, NULL), MU_OK);
    assert_int_equal(n, 3);
    assert_int_equal(shapes[1].output_tokens, 4);
    n = 77;
    assert_int_equal(mu_shape_parse_list("tiny,,long", shapes, &n, NULL), MU_ERR_INVALID);
    assert_int_equal(mu_shape_parse_list("tiny,", shapes, &n, NULL), MU_ERR_INVALID);
    assert_int_equal(mu_shape_parse_list("1/1,1/1,1/1,1/1,1/1,1/1,1/1,1/1,1/1,1/1,1/1,1/1,1/1,1/1,"
                                         "1/1,1/1,1/1",
                                         shapes, &n, NULL),
                     MU_ERR_INVALID);
    assert_int_equal(n, 77);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_numbers),
        cmocka_unit_test(what_is_no_shape_is_refused),
        cmocka_unit_test(lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
