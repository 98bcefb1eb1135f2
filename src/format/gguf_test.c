#include "format/gguf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/map.h"
#include "format/gguf_writer.h"

static void put_u32(mu_buf *b, uint32_t v) {
    mu_buf_append(b, &v, sizeof(v));
}

static void put_u64(mu_buf *b, uint64_t v) {
    mu_buf_append(b, &v, sizeof(v));
}

static void put_str(mu_buf *b, const char *text) {
    put_u64(b, strlen(text));
    mu_buf_append_str(b, text);
}

/* One key and one tensor of two rows of 32, each of which a test may spoil. */
typedef struct file {
    uint32_t version;
    uint64_t n_tensors, n_kvs;
    uint32_t value_type, value;
    const char *key, *name;
    uint32_t n_dims;
    uint64_t dims[2];
    uint32_t type;
    uint64_t offset;
    size_t n_data;
} file;

static const file good = {3, 1, 1, 4, 64, "general.alignment", "x", 2, {32, 2}, 0, 0, 256};

static mu_buf build(const file *f) {
    mu_buf b = {0};
    mu_buf_append(&b, "GGUF", 4);
    put_u32(&b, f->version);
    put_u64(&b, f->n_tensors);
    put_u64(&b, f->n_kvs);
    put_str(&b, f->key);
    put_u32(&b, f->value_type);
    put_u32(&b, f->value);
    put_str(&b, f->name);
    put_u32(&b, f->n_dims);
    put_u64(&b, f->dims[0]);
    put_u64(&b, f->dims[1]);
    put_u32(&b, f->type);
    put_u64(&b, f->offset);
    static const char zeros[512];
    mu_buf_append(&b, zeros, (64 - b.n % 64) % 64);
    mu_buf_append(&b, zeros, f->n_data);
    assert_false(b.failed);
    return b;
}

static void a_good_file_is_read(void **state) {
    (void)state;
    for (uint32_t version = 2; version <= 3; version++) {
        file f = good;
        f.version = version;
        mu_buf b = build(&f);
        mu_gguf *gguf = NULL;
        mu_err err = {0};
        if (mu_gguf_parse((const uint8_t *)b.data, b.n, &gguf, &err) != MU_OK)
            fail_msg("%s", err.text);
        const mu_tensor *x = mu_tensor_set_find(mu_gguf_tensors(gguf), "x");
        assert_non_null(x);
        assert_int_equal(x->dims[0], 2); /* the file lists the innermost first */
        assert_int_equal(x->dims[1], 32);
        assert_int_equal(x->n_bytes, 256);
        assert_ptr_equal(x->data, b.data + b.n - 256);
        int64_t alignment = 0;
        assert_true(mu_metadata_int(mu_gguf_metadata(gguf), "general.alignment", &alignment));
        assert_int_equal(alignment, 64);
        mu_gguf_close(gguf);
        mu_buf_deinit(&b);
    }
}

static void spoiled_files_are_refused(void **state) {
    (void)state;
    const struct {
        const char *what;
        file f;
        mu_status status;
        const char *word;
    } rows[] = {
        {"version",
         {1, 1, 1, 4, 64, "k", "x", 2, {32, 2}, 0, 0, 256},
         MU_ERR_UNSUPPORTED,
         "version 1"},
        {"tensor count",
         {3, 1ull << 60, 1, 4, 64, "k", "x", 2, {32, 2}, 0, 0, 256},
         MU_ERR_LIMIT,
         "tensors"},
        {"key count",
         {3, 1, 1ull << 60, 4, 64, "k", "x", 2, {32, 2}, 0, 0, 256},
         MU_ERR_LIMIT,
         "keys"},
        {"value type",
         {3, 1, 1, 99, 64, "k", "x", 2, {32, 2}, 0, 0, 256},
         MU_ERR_FORMAT,
         "type 99"},
        {"alignment",
         {3, 1, 1, 4, 48, "general.alignment", "x", 2, {32, 2}, 0, 0, 256},
         MU_ERR_FORMAT,
         "alignment"},
        {"huge alignment",
         {3, 1, 1, 4, 1u << 31, "general.alignment", "x", 2, {32, 2}, 0, 0, 256},
         MU_ERR_FORMAT,
         "alignment"},
        {"empty name", {3, 1, 1, 4, 64, "k", "", 2, {32, 2}, 0, 0, 256}, MU_ERR_FORMAT, "tensor 0"},
        {"tensor type",
         {3, 1, 1, 4, 64, "k", "x", 2, {32, 2}, 77, 0, 256},
         MU_ERR_UNSUPPORTED,
         "type 77"},
        {"shape overflow",
         {3, 1, 1, 4, 64, "k", "x", 2, {1ull << 40, 1ull << 40}, 0, 0, 256},
         MU_ERR_FORMAT,
         "overflow"},
        {"half a block",
         {3, 1, 1, 4, 64, "k", "x", 2, {16, 4}, 8, 0, 256},
         MU_ERR_FORMAT,
         "blocks"},
        {"past the end",
         {3, 1, 1, 4, 64, "general.alignment", "x", 2, {32, 3}, 0, 0, 256},
         MU_ERR_FORMAT,
         "not inside"},
        {"offset past the end",
         {3, 1, 1, 4, 64, "general.alignment", "x", 2, {32, 2}, 0, 1ull << 40, 256},
         MU_ERR_FORMAT,
         "not inside"},
        {"crooked offset",
         {3, 1, 1, 4, 64, "general.alignment", "x", 2, {32, 1}, 0, 4, 256},
         MU_ERR_FORMAT,
         "not inside"},
    };
    for (size_t r = 0; r < MU_COUNTOF(rows); r++) {
        mu_buf b = build(&rows[r].f);
        mu_gguf *gguf = NULL;
        mu_err err = {0};
        mu_status status = mu_gguf_parse((const uint8_t *)b.data, b.n, &gguf, &err);
        if (status != rows[r].status || !strstr(err.text, rows[r].word)) {
            fail_msg("%s: %s, \"%s\"", rows[r].what, mu_status_text(status), err.text);
        }
        assert_null(gguf);
        mu_buf_deinit(&b);
    }
}

static void overlapping_tensors_are_refused(void **state) {
    (void)state;
    mu_map map;
    mu_gguf *gguf = NULL;
    mu_err err = {0};
    assert_int_equal(mu_map_open("tests/corpus/gguf/overlap", &map, &err), MU_OK);
    assert_int_equal(mu_gguf_parse(map.data, map.size, &gguf, &err), MU_ERR_FORMAT);
    assert_string_equal(err.text, "y: overlaps x");
    mu_map_close(&map);
}

/* Every shorter file is refused, and none reads past its end (the sanitizer watches). */
static void truncated_files_are_refused(void **state) {
    (void)state;
    mu_buf b = build(&good);
    for (size_t n = 0; n < b.n; n++) {
        uint8_t *copy = mu_alloc(n + 1);
        mu_gguf *gguf = NULL;
        memcpy(copy, b.data, n);
        assert_int_equal(mu_gguf_parse(copy, n, &gguf, NULL), MU_ERR_FORMAT);
        mu_free(copy);
    }
    mu_buf_deinit(&b);
}

static void other_byte_orders_and_impostors_are_named(void **state) {
    (void)state;
    static const struct {
        const char *data;
        size_t n;
        mu_status status;
        const char *word;
    } rows[] = {
        {"GGUF\0\0\0\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24, MU_ERR_UNSUPPORTED, "big-endian"},
        {"version https://git-lfs.github.com/spec/v1\n", 43, MU_ERR_FORMAT, "git lfs pull"},
        {"<!doctype html><p>no</p>", 24, MU_ERR_FORMAT, "web page"},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_gguf *gguf = NULL;
        mu_err err = {0};
        assert_int_equal(mu_gguf_parse((const uint8_t *)rows[i].data, rows[i].n, &gguf, &err),
                         rows[i].status);
        assert_non_null(strstr(err.text, rows[i].word));
    }
}

static char folder[] = "/tmp/gguf_test.XXXXXX";

/* One part of a split file, with one tensor; its first element is the number of the part. */
static void write_part(const char *name, uint32_t no, uint32_t count, const char *tensor) {
    char path[128];
    float data[32] = {(float)no + 1};
    mu_gguf_writer *w = NULL;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(mu_gguf_writer_open(path, &w, NULL), MU_OK);
    mu_gguf_writer_u32(w, "split.no", no);
    mu_gguf_writer_u32(w, "split.count", count);
    mu_gguf_writer_u32(w, "split.tensors.count", 3);
    mu_gguf_writer_tensor(w, tensor, MU_F32, 1, 32);
    assert_int_equal(mu_gguf_writer_data(w, data, sizeof(data), NULL), MU_OK);
    assert_int_equal(mu_gguf_writer_finish(w, NULL), MU_OK);
    mu_gguf_writer_close(w);
}

static void expect_open(const char *name, mu_status status, const char *word) {
    char path[128];
    mu_gguf *gguf = NULL;
    mu_err err = {0};
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int64_t alive = mu_alloc_n_alive();
    mu_status got = mu_gguf_open(path, &gguf, &err);
    if (got != status || (status != MU_OK && !strstr(err.text, word))) {
        fail_msg("%s: %s (%s)", name, mu_status_text(got), err.text);
    }
    if (status == MU_OK) {
        const mu_tensor_set *set = mu_gguf_tensors(gguf);
        assert_int_equal(set->n, 3);
        for (int i = 0; i < 3; i++) {
            const char tensor[2] = {(char)('a' + i), '\0'};
            float first;
            memcpy(&first, mu_tensor_set_find(set, tensor)->data, sizeof(first));
            assert_true(first == (float)i + 1);
        }
    }
    mu_gguf_close(gguf);
    assert_int_equal(mu_alloc_n_alive(), alive);
}

static void parts_of_a_split_file_are_one(void **state) {
    (void)state;
    assert_non_null(mkdtemp(folder));
    write_part("m-00001-of-00003.gguf", 0, 3, "a");
    expect_open("m-00001-of-00003.gguf", MU_ERR_NOT_FOUND, "m-00002-of-00003.gguf");
    write_part("m-00002-of-00003.gguf", 1, 3, "b");
    write_part("m-00003-of-00003.gguf", 2, 3, "c");
    expect_open("m-00001-of-00003.gguf", MU_OK, NULL);
    expect_open("m-00002-of-00003.gguf", MU_ERR_INVALID, "m-00001-of-00003.gguf");
    write_part("m-00003-of-00003.gguf", 2, 3, "a");
    expect_open("m-00001-of-00003.gguf", MU_ERR_FORMAT, "a: in two parts");
    write_part("m-00003-of-00003.gguf", 1, 3, "c");
    expect_open("m-00001-of-00003.gguf", MU_ERR_FORMAT, "part 2 of 3");
    write_part("x.gguf", 0, 3, "a");
    expect_open("x.gguf", MU_ERR_FORMAT, "-00001-of-00003.gguf");
    write_part("x.gguf", 7, 3, "a");
    expect_open("x.gguf", MU_ERR_FORMAT, "split.no 7");
    write_part("y-00001-of-00002.gguf", 0, 2, "a");
    write_part("y-00002-of-00002.gguf", 1, 2, "b");
    expect_open("y-00001-of-00002.gguf", MU_ERR_FORMAT, "split.tensors.count");
    char command[128];
    snprintf(command, sizeof(command), "rm -r '%s'", folder);
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file_is_read),
        cmocka_unit_test(spoiled_files_are_refused),
        cmocka_unit_test(overlapping_tensors_are_refused),
        cmocka_unit_test(truncated_files_are_refused),
        cmocka_unit_test(other_byte_orders_and_impostors_are_named),
        cmocka_unit_test(parts_of_a_split_file_are_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
