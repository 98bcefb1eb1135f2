/* Collections of records, and what they are as text. */
#include "bench/load/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "format/json.h"

static const mu_gap gaps[] = {{100, 1, 0}, {0, 2, MU_GAP_COALESCED}, {300, MU_TOKENS_UNKNOWN, 0}};

static mu_record record(uint32_t index, mu_failure failure, uint32_t n_gaps) {
    return (mu_record){.index = index,
                       .failure = (uint8_t)failure,
                       .n_gaps = n_gaps,
                       .intended_ns = 1000 + index,
                       .dispatch_ns = 1100,
                       .prompt_tokens = 16,
                       .cached_tokens = MU_TOKENS_UNKNOWN,
                       .output_tokens = MU_TOKENS_UNKNOWN,
                       .first_chunk_tokens = 1,
                       .text_hash = 0xfeedfacecafebeefu,
                       .http_status = 200,
                       .is_stream = true};
}

static void fill(mu_records *r, uint32_t first) {
    mu_record a = record(first, MU_FAILURE_NONE, 3), b = record(first + 1, MU_FAILURE_TIMEOUT, 0),
              c = record(first + 2, MU_FAILURE_TIMEOUT, 1);
    assert_int_equal(mu_records_add(r, &a, gaps, "", NULL), MU_OK);
    assert_int_equal(mu_records_add(r, &b, NULL, "first", NULL), MU_OK);
    assert_int_equal(mu_records_add(r, &c, gaps, "second", NULL), MU_OK);
}

static void gaps_belong_to_their_records(void **state) {
    (void)state;
    mu_records all = {0}, more = {0};
    fill(&all, 0);
    fill(&more, 10);
    assert_int_equal(mu_records_append(&all, &more, NULL), MU_OK);
    assert_int_equal(all.n_records, 6);
    assert_int_equal(all.n_gaps, 8);
    assert_int_equal(all.records[5].gap_first, 7);
    assert_int_equal(all.gaps[all.records[3].gap_first + 2].ns, 300);
    assert_int_equal(all.n_by_failure[MU_FAILURE_TIMEOUT], 4);
    assert_int_equal(all.n_by_failure[MU_FAILURE_NONE], 2);
    assert_string_equal(all.first_message[MU_FAILURE_TIMEOUT], "first");
    mu_records_clear(&more);
    assert_int_equal(mu_records_append(&all, &more, NULL), MU_OK);
    assert_int_equal(all.n_records, 6);
    mu_records_deinit(&more);
    mu_records_deinit(&all);
}

/* The whole file as text; the caller frees it by mu_buf_deinit(). */
static mu_buf read_back(FILE *file) {
    mu_buf text = {0};
    char piece[512];
    rewind(file);
    for (size_t n; (n = fread(piece, 1, sizeof(piece), file)) > 0;) {
        mu_buf_append(&text, piece, n);
    }
    fclose(file);
    return text;
}

static void lines_are_json(void **state) {
    (void)state;
    mu_records r = {0};
    fill(&r, 0);
    FILE *file = tmpfile();
    assert_int_equal(mu_records_write_jsonl(&r, 1000, "cell \"1\"", file, NULL), MU_OK);
    mu_buf text = read_back(file);
    size_t n_lines = 0;
    for (char *line = strtok(text.data, "\n"); line; line = strtok(NULL, "\n"), n_lines++) {
        json_t *json = NULL;
        mu_err err = {0};
        if (mu_json_parse(line, strlen(line), &json, &err) != MU_OK) fail_msg("%s", err.text);
        assert_string_equal(json_string_value(json_object_get(json, "cell")), "cell \"1\"");
        assert_int_equal(json_integer_value(json_object_get(json, "intended_ns")), n_lines);
        assert_int_equal(json_integer_value(json_object_get(json, "dispatch_ns")), 100);
        assert_true(json_is_null(json_object_get(json, "first_token_ns")));
        assert_true(json_is_null(json_object_get(json, "output_tokens")));
        assert_true(json_is_true(json_object_get(json, "is_stream")));
        assert_string_equal(json_string_value(json_object_get(json, "text_hash")),
                            "feedfacecafebeef");
        assert_string_equal(json_string_value(json_object_get(json, "failure")),
                            n_lines == 0 ? "none" : "timeout");
        const json_t *pairs = json_object_get(json, "gaps");
        assert_int_equal(json_array_size(pairs), r.records[n_lines].n_gaps);
        if (n_lines == 0) {
            const json_t *last = json_array_get(pairs, 2);
            assert_int_equal(json_integer_value(json_array_get(last, 0)), 300);
            assert_true(json_is_null(json_array_get(last, 1)));
        }
        json_decref(json);
    }
    assert_int_equal(n_lines, 3);
    mu_buf_deinit(&text);
    mu_records_deinit(&r);
}

static size_t count(const char *text, char c) {
    size_t n = 0;
    for (; *text; text++) {
        n += *text == c;
    }
    return n;
}

static void csv_has_a_head_and_rows(void **state) {
    (void)state;
    mu_records r = {0};
    fill(&r, 0);
    FILE *file = tmpfile();
    assert_int_equal(mu_records_write_csv(&r, 1000, "plain", true, file, NULL), MU_OK);
    assert_int_equal(mu_records_write_csv(&r, 1000, "a,\"b\"", false, file, NULL), MU_OK);
    mu_buf text = read_back(file);
    assert_int_equal(count(text.data, '\n'), 7);
    const char *head_end = strchr(text.data, '\n');
    size_t n_commas = 0;
    for (const char *c = text.data; c < head_end; c++) {
        n_commas += *c == ',';
    }
    assert_int_equal(count(text.data, ','), 7 * n_commas + 3); /* and one in each quoted name */
    assert_non_null(strstr(text.data, "\n\"a,\"\"b\"\"\",0,none,200,"));
    mu_buf_deinit(&text);
    mu_records_deinit(&r);
}

static void a_full_disk_is_an_error(void **state) {
    (void)state;
    mu_records r = {0};
    fill(&r, 0);
    FILE *file = fopen("/dev/full", "w");
    if (!file) skip();
    mu_err err = {0};
    assert_int_equal(mu_records_write_jsonl(&r, 0, "x", file, &err), MU_ERR_IO);
    assert_true(err.text[0] != '\0');
    fclose(file);
    assert_int_equal(mu_records_write_jsonl(&r, 0, "\xff", stderr, &err), MU_ERR_INVALID);
    mu_records_deinit(&r);
}

static void without_memory_nothing_changes(void **state) {
    (void)state;
    mu_records r = {0}, more = {0};
    fill(&more, 0);
    mu_record a = record(1, MU_FAILURE_TIMEOUT, 3);
    for (int n = 0; n < 2; n++) { /* the records, the gaps */
        mu_alloc_fail_after(n);
        mu_status status =
            n == 0 ? mu_records_add(&r, &a, gaps, "x", NULL) : mu_records_append(&r, &more, NULL);
        mu_alloc_fail_after(-1);
        assert_int_equal(status, MU_ERR_NOMEM);
        assert_int_equal(r.n_records, 0);
        assert_int_equal(r.n_by_failure[MU_FAILURE_TIMEOUT], 0);
    }
    mu_records_deinit(&more);
    mu_records_deinit(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaps_belong_to_their_records),   cmocka_unit_test(lines_are_json),
        cmocka_unit_test(csv_has_a_head_and_rows),        cmocka_unit_test(a_full_disk_is_an_error),
        cmocka_unit_test(without_memory_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
