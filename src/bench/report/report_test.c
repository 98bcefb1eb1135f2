/* What every rendering promises, whatever the document holds. The texts themselves are compared in
 * tests/bench/report_golden_test.c. */
#include "bench/report/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "bench/report/number.h"
#include "bench/result/escape.h"
#include "bench/result/view.h"
#include "format/json.h"

static const char *const fixtures[] = {"full", "compare", "hostile", "minimal"};

static json_t *load(const char *name) {
    char path[128];
    json_t *doc = NULL;
    mu_err err = {0};
    snprintf(path, sizeof(path), "tests/bench/fixtures/%s.json", name);
    if (mu_json_load(path, &doc, &err) != MU_OK) fail_msg("%s", err.text);
    return doc;
}

static mu_status text_60(const json_t *const *docs, size_t n_docs, mu_buf *out, mu_err *err) {
    (void)n_docs;
    return mu_report_text(docs[0], 60, true, out, err);
}

static const struct {
    const char *name;
    mu_status (*render)(const json_t *const *docs, size_t n_docs, mu_buf *out, mu_err *err);
} renderings[] = {
    {"html", mu_report_html}, {"markdown", mu_report_markdown},
    {"csv", mu_report_csv},   {"csv wide", mu_report_csv_wide},
    {"text", text_60},
};

static void figures_have_three_digits(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *want;
    } rows[] = {{0, "0"},         {0.01234, "0.0123"}, {1.234, "1.23"},     {9.996, "10.0"},
                {12.34, "12.3"},  {99.96, "100"},      {123.4, "123"},      {12345.6, "12346"},
                {-0.9, "-0.900"}, {1e-9, "1.00e-09"},  {0.1 + 0.2, "0.300"}};
    for (size_t r = 0; r < MU_COUNTOF(rows); r++) {
        assert_string_equal(mu_number_of(rows[r].value).text, rows[r].want);
    }
    assert_string_equal(mu_number_tick(20.0).text, "20");
    assert_string_equal(mu_number_percent(0.9988).text, "99.88 %");
    assert_string_equal(mu_number_percent(0.99997).text, "99.997 %");
    assert_string_equal(mu_number_percent(1.0).text, "100 %");
    assert_string_equal(mu_number_percent(0.5).text, "50.0 %");
    assert_string_equal(mu_number_seconds(170.2).text, "2 min 50 s");
    assert_string_equal(mu_number_bytes(132312576).text, "132 MB");
}

static void strings_are_harmless_where_they_stand(void **state) {
    (void)state;
    static const struct {
        void (*escape)(mu_buf *out, const char *str);
        const char *str, *want;
    } rows[] = {
        {mu_escape_html, "<a b=\"c\">&'", "&lt;a b=&quot;c&quot;&gt;&amp;&#39;"},
        {mu_escape_html, "a\x1b[31m\r\nb\tc", "a [31m b c"},
        {mu_escape_html, "x\xe2\x80\xaey\xe2\x81\xa6z", "xyz"},
        {mu_escape_html, "\xf0\x9f\xa7\xaa", "\xf0\x9f\xa7\xaa"},
        {mu_escape_html,
         "a\xff\xfe"
         "b\xc2",
         "ab"},
        {mu_escape_markdown, "a|b<c>`d`", "a\\|b\\<c\\>\\`d\\`"},
        {mu_escape_markdown, "@me #1 &lt;", "&#64;me \\#1 &amp;lt;"},
        {mu_escape_csv, "a,b", "\"a,b\""},
        {mu_escape_csv, "a\"b", "\"a\"\"b\""},
        {mu_escape_csv, "=1+1", "'=1+1"},
        {mu_escape_csv, NULL, ""},
    };
    for (size_t r = 0; r < MU_COUNTOF(rows); r++) {
        mu_buf out = {0};
        rows[r].escape(&out, rows[r].str);
        assert_string_equal(out.data ? out.data : "", rows[r].want);
        mu_buf_deinit(&out);
    }
    mu_buf out = {0};
    mu_escape_plain(&out, "abcdef", 4);
    assert_string_equal(out.data, "abc\xe2\x80\xa6");
    mu_buf_deinit(&out);
    assert_int_equal(mu_text_columns("a\xf0\x9f\xa7\xaa\xe4\xb8\xad"), 5);
}

/* No text of a stranger becomes markup, and nothing is fetched. */
static void pages_are_closed_to_the_outside(void **state) {
    (void)state;
    static const char *const never[] = {
        "<img",         "onerror=alert(1)>", "src=\"",  "src='",       "@import",  "url(",
        "<link",        "<iframe",           "<object", "href=\"http", "style=\"", "\x1b",
        "<script>alert"};
    for (size_t f = 0; f < MU_COUNTOF(fixtures); f++) {
        json_t *doc = load(fixtures[f]);
        const json_t *docs[] = {doc, doc};
        for (size_t n_docs = 1; n_docs <= 2; n_docs++) {
            mu_buf out = {0};
            assert_int_equal(mu_report_html(docs, n_docs, &out, NULL), MU_OK);
            assert_true(out.n <= MU_REPORT_HTML_BYTES_MAX);
            assert_int_equal(strlen(out.data), out.n);
            char *data = strstr(out.data, "<script type=\"application/json\"");
            assert_non_null(data);
            for (size_t i = 0; i < MU_COUNTOF(never); i++) {
                if (strcmp(never[i], "onerror=alert(1)>") == 0) continue;
                if (strstr(out.data, never[i])) fail_msg("%s: %s", fixtures[f], never[i]);
            }
            mu_buf_deinit(&out);
        }
        json_decref(doc);
    }
}

static void a_page_holds_its_document(void **state) {
    (void)state;
    for (size_t f = 0; f < MU_COUNTOF(fixtures); f++) {
        json_t *doc = load(fixtures[f]), *read = NULL;
        const json_t *docs[] = {doc, doc};
        mu_buf out = {0}, again = {0};
        assert_int_equal(mu_report_html(docs, 1, &out, NULL), MU_OK);
        assert_int_equal(mu_report_extract_json(out.data, out.n, &read, NULL), MU_OK);
        assert_true(json_equal(json_object_get(read, "targets"), json_object_get(doc, "targets")));
        assert_true(json_equal(json_object_get(read, "run"), json_object_get(doc, "run")));
        const json_t *read_docs[] = {read};
        mu_buf first = {0};
        assert_int_equal(mu_report_markdown(docs, 1, &first, NULL), MU_OK);
        assert_int_equal(mu_report_markdown(read_docs, 1, &again, NULL), MU_OK);
        assert_string_equal(first.data, again.data);
        json_decref(read);
        mu_buf_clear(&out);
        assert_int_equal(mu_report_html(docs, 2, &out, NULL), MU_OK);
        assert_int_equal(mu_report_extract_json(out.data, out.n, &read, NULL), MU_OK);
        assert_int_equal(json_array_size(read), 2);
        json_decref(read);
        mu_buf_deinit(&first);
        mu_buf_deinit(&again);
        mu_buf_deinit(&out);
        json_decref(doc);
    }
}

static void other_files_hold_none(void **state) {
    (void)state;
    static const char *const texts[] = {
        "", "<html></html>", "<script type=\"application/json\" id=\"muai-bench\">{}",
        "<script type=\"application/json\" id=\"muai-bench\">{</script>"};
    for (size_t i = 0; i < MU_COUNTOF(texts); i++) {
        json_t *doc = NULL;
        mu_err err = {0};
        assert_int_equal(mu_report_extract_json(texts[i], strlen(texts[i]), &doc, &err),
                         MU_ERR_FORMAT);
        assert_null(doc);
        assert_true(err.text[0] != '\0');
    }
}

static void other_schemas_are_refused(void **state) {
    (void)state;
    static const char *const texts[] = {"{}", "[]", "{\"schema\": \"muai.bench/2\"}",
                                        "{\"schema\": 1}"};
    for (size_t i = 0; i < MU_COUNTOF(texts); i++) {
        json_t *doc = NULL;
        assert_int_equal(mu_json_parse(texts[i], strlen(texts[i]), &doc, NULL), MU_OK);
        for (size_t r = 0; r < MU_COUNTOF(renderings); r++) {
            const json_t *docs[] = {doc};
            mu_buf out = {0};
            mu_err err = {0};
            mu_status status = renderings[r].render(docs, 1, &out, &err);
            assert_int_equal(status, json_is_object(doc) ? MU_ERR_UNSUPPORTED : MU_ERR_FORMAT);
            assert_true(!json_is_object(doc) || strstr(err.text, "muai.bench/1"));
            assert_int_equal(out.n, 0);
            mu_buf_deinit(&out);
        }
        json_decref(doc);
    }
}

/* A page of the largest document that the contract allows is still short. */
static void long_documents_make_short_pages(void **state) {
    (void)state;
    json_t *doc = load("full"), *cells = json_object_get(doc, "cells");
    size_t n = json_array_size(cells);
    for (size_t copy = 0; copy < 12; copy++) {
        for (size_t i = 0; i < n; i++) {
            json_t *cell = json_deep_copy(json_array_get(cells, i));
            char id[64];
            snprintf(id, sizeof(id), "copy-%zu-%zu", copy, i);
            json_object_set_new(cell, "id", json_string(id));
            json_array_append_new(cells, cell);
        }
    }
    const json_t *docs[] = {doc};
    mu_buf out = {0};
    assert_int_equal(mu_report_html(docs, 1, &out, NULL), MU_OK);
    print_message("%zu cells: %zu bytes\n", json_array_size(cells), out.n);
    assert_true(out.n <= MU_REPORT_HTML_BYTES_MAX);
    mu_buf_deinit(&out);
    json_decref(doc);
}

/* Charts of a GPU stand where the timeline has its columns, and only there. */
static void a_gpu_is_shown_where_one_was_watched(void **state) {
    (void)state;
    static const char *const titles[] = {"Memory in use on the GPU", "a kernel ran on the GPU"};
    json_t *doc = load("full"), *cell;
    const json_t *docs[] = {doc};
    mu_buf out = {0};
    size_t i;
    assert_int_equal(mu_report_html(docs, 1, &out, NULL), MU_OK);
    for (size_t t = 0; t < MU_COUNTOF(titles); t++) {
        assert_null(strstr(out.data, titles[t]));
    }
    json_array_foreach(json_object_get(doc, "cells"), i, cell) {
        json_t *line = json_object_get(cell, "timeline"), *row;
        size_t k;
        json_t *columns = json_object_get(line, "columns");
        json_array_append_new(columns, json_string("gpu_memory_mb"));
        json_array_append_new(columns, json_string("gpu_process_mb"));
        json_array_append_new(columns, json_string("gpu_utilization"));
        json_array_foreach(json_object_get(line, "rows"), k, row) {
            json_array_append_new(row, json_real(5000.0 + (double)k));
            json_array_append_new(row, json_null());
            json_array_append_new(row, json_real(0.5));
        }
    }
    mu_buf_clear(&out);
    assert_int_equal(mu_report_html(docs, 1, &out, NULL), MU_OK);
    for (size_t t = 0; t < MU_COUNTOF(titles); t++) {
        assert_non_null(strstr(out.data, titles[t]));
    }
    mu_buf_deinit(&out);
    json_decref(doc);
}

/* The runs of a cell are one row, and rates go up whatever the order of the search was. */
static void cells_are_shown_once_and_in_order(void **state) {
    (void)state;
    json_t *doc = load("full"), *cells = json_object_get(doc, "cells");
    json_t *first = json_array_get(cells, 0);
    for (int run = 1; run <= 3; run++) {
        json_t *cell = json_deep_copy(first);
        char id[64];
        snprintf(id, sizeof(id), "latency-17-64-c1-r%d", run);
        json_object_set_new(cell, "id", json_string(id));
        json_object_set_new(cell, "run", json_integer(run));
        json_object_set_new(json_object_get(cell, "load"), "prompt_tokens", json_integer(17));
        json_array_append_new(cells, cell);
    }
    for (size_t i = json_array_size(cells); i-- > 0;) {
        json_t *cell = json_array_get(cells, i);
        if (!mu_cell_is_phase(cell, "rate")) continue;
        json_array_append(cells, cell); /* the highest rate is the last one found: now the first */
        json_array_remove(cells, i);
    }
    const json_t *docs[] = {doc};
    mu_buf out = {0};
    assert_int_equal(mu_report_markdown(docs, 1, &out, NULL), MU_OK);
    const char *row = strstr(out.data, "| 17 / ");
    const char *low = strstr(out.data, "| poisson 14"), *high = strstr(out.data, "| poisson 18");
    assert_true(row && !strstr(row + 1, "| 17 / "));
    assert_true(low && high && low < high);
    mu_buf_deinit(&out);
    json_decref(doc);
}

/* Put something else in the place of the i-th value below json, counted in order. */
static bool spoil(json_t *json, size_t *i, json_t *other) {
    if (json_is_object(json)) {
        const char *key;
        json_t *value;
        json_object_foreach(json, key, value) {
            if (strcmp(key, "schema") == 0) continue;
            if ((*i)-- == 0) return json_object_set(json, key, other) == 0;
            if (spoil(value, i, other)) return true;
        }
    }
    for (size_t k = 0; json_is_array(json) && k < json_array_size(json); k++) {
        if ((*i)-- == 0) return json_array_set(json, k, other) == 0;
        if (spoil(json_array_get(json, k), i, other)) return true;
    }
    return false;
}

static void any_value_may_be_of_any_type(void **state) {
    (void)state;
    json_t *others[] = {
        json_null(),     json_true(),       json_string("\x1b<x>"),   json_real(-1e308),
        json_integer(0), json_pack("[[]]"), json_pack("{s:{}}", "a"), json_real(1e300)};
    mu_rng rng = {7};
    json_t *doc = load("full");
    size_t n_tried = 0;
    /* Long lists of numbers are all alike: fewer cells leave more of the rest to be spoiled. */
    json_t *cells = json_object_get(doc, "cells");
    while (json_array_size(cells) > 8)
        json_array_remove(cells, json_array_size(cells) - 1);
    for (size_t i = 0; i < json_array_size(cells); i++) {
        json_object_del(json_array_get(cells, i), "requests");
    }
    for (size_t t = 0; t < 250; t++) {
        json_t *copy = json_deep_copy(doc);
        for (size_t k = 0; k < 1 + t / 50; k++) {
            size_t i = (size_t)mu_rng_below(&rng, 5000);
            n_tried += spoil(copy, &i, others[mu_rng_below(&rng, MU_COUNTOF(others))]);
        }
        const json_t *docs[] = {copy};
        for (size_t r = 0; r < MU_COUNTOF(renderings); r++) {
            mu_buf out = {0};
            mu_err err = {0};
            if (renderings[r].render(docs, 1, &out, &err) != mu_document_check(copy, NULL)) {
                fail_msg("%s, document %zu: %s", renderings[r].name, t, err.text);
            }
            if (out.n == 0) continue; /* refused */
            if (strstr(out.data, "<x>") && r == 0) fail_msg("document %zu: not escaped", t);
            if (strstr(out.data, "nan") && r != 0 && strstr(out.data, "-nan"))
                fail_msg("document %zu: nan", t);
            mu_buf_deinit(&out);
        }
        json_decref(copy);
    }
    print_message("%zu values spoiled\n", n_tried);
    assert_true(n_tried > 250);
    for (size_t i = 0; i < MU_COUNTOF(others); i++)
        json_decref(others[i]);
    json_decref(doc);
}

/* Any allocation may fail; then nothing is lost and the status says it. A rendering that swallowed
 * a failure would be found by the runs behind the first one that succeeds. */
static void failed_allocations_are_reported(void **state) {
    (void)state;
    json_t *doc = load("hostile");
    const json_t *docs[] = {doc};
    for (size_t r = 0; r < MU_COUNTOF(renderings); r++) {
        int64_t alive = mu_alloc_n_alive();
        mu_buf whole = {0};
        assert_int_equal(renderings[r].render(docs, 1, &whole, NULL), MU_OK);
        int n_first_ok = -1;
        for (int n = 0; n_first_ok < 0 || n < 2 * n_first_ok + 100; n += n < 100 ? 1 : 1 + n / 15) {
            mu_buf out = {0};
            mu_err err = {0};
            mu_alloc_fail_after(n);
            mu_status status = renderings[r].render(docs, 1, &out, &err);
            mu_alloc_fail_after(-1);
            if (status == MU_OK) {
                if (n_first_ok < 0) n_first_ok = n;
                assert_int_equal(out.n, whole.n);
                assert_memory_equal(out.data, whole.data, whole.n);
            } else {
                assert_int_equal(status, MU_ERR_NOMEM);
                if (n_first_ok >= 0)
                    fail_msg("%s: failure %d was swallowed", renderings[r].name, n_first_ok);
            }
            mu_buf_deinit(&out);
        }
        print_message("%s: %d allocations\n", renderings[r].name, n_first_ok);
        mu_buf_deinit(&whole);
        assert_int_equal(mu_alloc_n_alive(), alive);
    }
    json_decref(doc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_have_three_digits),
        cmocka_unit_test(strings_are_harmless_where_they_stand),
        cmocka_unit_test(pages_are_closed_to_the_outside),
        cmocka_unit_test(a_page_holds_its_document),
        cmocka_unit_test(other_files_hold_none),
        cmocka_unit_test(other_schemas_are_refused),
        cmocka_unit_test(long_documents_make_short_pages),
        cmocka_unit_test(a_gpu_is_shown_where_one_was_watched),
        cmocka_unit_test(cells_are_shown_once_and_in_order),
        cmocka_unit_test(any_value_may_be_of_any_type),
        cmocka_unit_test(failed_allocations_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
