#include "format/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

/* Header and size of the data behind it; the error's status and a word it must contain. */
static const struct {
    const char *what, *header;
    size_t n_data;
    mu_status status;
    const char *word;
} rows[] = {
    {"one tensor", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, MU_OK,
     ""},
    {"none at all", "{}", 0, MU_OK, ""},
    {"double precision", "{\"a\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,16]}}", 16,
     MU_OK, ""},
    {"not JSON", "{]", 0, MU_ERR_FORMAT, "header"},
    {"not an object", "[]", 0, MU_ERR_FORMAT, "object"},
    {"no dtype", "{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, MU_ERR_FORMAT, "a: no dtype"},
    {"unknown dtype", "{\"a\":{\"dtype\":\"Q\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8,
     MU_ERR_UNSUPPORTED, "\"Q\""},
    {"no shape", "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, MU_ERR_FORMAT, "shape"},
    {"negative dimension", "{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8,
     MU_ERR_FORMAT, "dimension 0"},
    {"shape overflows",
     "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,8],\"data_offsets\":[0,8]}}", 8,
     MU_ERR_FORMAT, "overflow"},
    {"five dimensions", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1],\"data_offsets\":[0,4]}}",
     4, MU_ERR_UNSUPPORTED, "5 dimensions"},
    {"size lies", "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8,
     MU_ERR_FORMAT, "needs 12"},
    {"past the end", "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", 8,
     MU_ERR_FORMAT, "outside"},
    {"ends before it begins", "{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[8,0]}}", 8,
     MU_ERR_FORMAT, "outside"},
    {"overlap",
     "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
     "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
     12, MU_ERR_FORMAT, "overlaps"},
    {"hole",
     "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
     "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}",
     12, MU_ERR_FORMAT, "hole"},
    {"bytes of nobody", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8,
     MU_ERR_FORMAT, "belong to no tensor"},
    {"the same name twice",
     "{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
     "\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}",
     4, MU_ERR_FORMAT, "header"},
};

static size_t build(uint8_t *out, const char *header, size_t n_data) {
    uint64_t n = strlen(header);
    memcpy(out, &n, sizeof(n));
    memcpy(out + 8, header, n);
    memset(out + 8 + n, 1, n_data);
    return 8 + n + n_data;
}

static void headers_are_checked(void **state) {
    (void)state;
    for (size_t r = 0; r < MU_COUNTOF(rows); r++) {
        uint8_t data[512];
        size_t size = build(data, rows[r].header, rows[r].n_data);
        mu_safetensors *file = NULL;
        mu_err err = {0};
        mu_status status = mu_safetensors_parse(data, size, &file, &err);
        if (status != rows[r].status || !strstr(err.text, rows[r].word)) {
            fail_msg("%s: %s, \"%s\"", rows[r].what, mu_status_text(status), err.text);
        }
        assert_true((file != NULL) == (status == MU_OK));
        mu_safetensors_close(file);
    }
}

/* Every shorter file is refused, and none reads past its end (the sanitizer watches). */
static void truncated_files_are_refused(void **state) {
    (void)state;
    uint8_t data[512];
    size_t size = build(data, rows[0].header, rows[0].n_data);
    for (size_t n = 0; n < size; n++) {
        uint8_t *copy = mu_alloc(n + 1);
        mu_safetensors *file = NULL;
        memcpy(copy, data, n);
        assert_int_equal(mu_safetensors_parse(copy, n, &file, NULL), MU_ERR_FORMAT);
        mu_free(copy);
    }
}

static void header_length_is_limited(void **state) {
    (void)state;
    static const uint64_t lengths[] = {MU_SAFETENSORS_HEADER_BYTES_MAX + 1ull, UINT64_MAX, 1 << 20};
    for (size_t i = 0; i < MU_COUNTOF(lengths); i++) {
        uint8_t data[64] = {0};
        mu_safetensors *file = NULL;
        memcpy(data, &lengths[i], 8);
        assert_int_not_equal(mu_safetensors_parse(data, sizeof(data), &file, NULL), MU_OK);
    }
}

static mu_safetensors *parse_text(const char *header, size_t n_data) {
    static uint8_t data[512];
    uint64_t n = strlen(header);
    mu_safetensors *file = NULL;
    mu_err err;
    memcpy(data, &n, sizeof(n));
    memcpy(data + 8, header, n);
    if (mu_safetensors_parse(data, 8 + (size_t)n + n_data, &file, &err) != MU_OK) {
        fail_msg("%s", err.text);
    }
    return file;
}

static void types_that_are_not_read_are_known_by_name(void **state) {
    (void)state;
    mu_safetensors *file =
        parse_text("{\"h.0.mask\":{\"dtype\":\"BOOL\",\"shape\":[8],\"data_offsets\":[0,8]},"
                   "\"w\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[8,16]}}",
                   16);
    const mu_tensor_set *set = mu_safetensors_tensors(file);
    assert_int_equal(set->n, 1);
    assert_int_equal(mu_tensor_set_find(set, "w")->dtype, MU_F64);
    assert_string_equal(mu_tensor_set_unread(set, "h.0.mask"), "BOOL");
    assert_string_equal(mu_tensor_set_unread(set, "mask"), "BOOL");
    assert_null(mu_tensor_set_unread(set, "ask"));
    assert_null(mu_tensor_set_unread(set, "w"));
    mu_safetensors_close(file);
}

static void impostors_are_named(void **state) {
    (void)state;
    static const struct {
        const char *text, *word;
    } files[] = {
        {"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "git lfs pull"},
        {"<!DOCTYPE html>\n<html></html>\n", "web page"},
        {"\n <HTML><body>denied</body>", "web page"},
    };
    for (size_t i = 0; i < MU_COUNTOF(files); i++) {
        mu_safetensors *file = NULL;
        mu_err err = {0};
        assert_int_equal(mu_safetensors_parse((const uint8_t *)files[i].text, strlen(files[i].text),
                                              &file, &err),
                         MU_ERR_FORMAT);
        assert_non_null(strstr(err.text, files[i].word));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_checked),
        cmocka_unit_test(truncated_files_are_refused),
        cmocka_unit_test(header_length_is_limited),
        cmocka_unit_test(types_that_are_not_read_are_known_by_name),
        cmocka_unit_test(impostors_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
