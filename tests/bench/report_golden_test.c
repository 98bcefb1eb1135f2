/* Every rendering of the fixtures against the text that a person has read and found good.
 *
 *     build/release/report_golden_test                      compare with tests/bench/golden/
 *     build/release/report_golden_test --write [FOLDER]     write the renderings there instead
 *
 * A change of a golden file is read as a diff before it is committed. Run from the source folder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "bench/report/report.h"
#include "format/json.h"

typedef mu_status (*render)(const json_t *const *docs, size_t n_docs, mu_buf *out, mu_err *err);

static mu_status text_80(const json_t *const *docs, size_t n_docs, mu_buf *out, mu_err *err) {
    (void)n_docs;
    return mu_report_text(docs[0], 80, false, out, err);
}

static mu_status text_120_colour(const json_t *const *docs, size_t n_docs, mu_buf *out,
                                 mu_err *err) {
    (void)n_docs;
    return mu_report_text(docs[0], 120, true, out, err);
}

static const struct {
    const char *fixture, *golden;
    render render;
} rows[] = {
    {"full", "full.md", mu_report_markdown},          {"full", "full.csv", mu_report_csv},
    {"full", "full_wide.csv", mu_report_csv_wide},    {"full", "full_80.txt", text_80},
    {"full", "full_120_colour.txt", text_120_colour}, {"full", "full.html", mu_report_html},
    {"compare", "compare.md", mu_report_markdown},    {"compare", "compare_80.txt", text_80},
    {"compare", "compare.html", mu_report_html},      {"hostile", "hostile.md", mu_report_markdown},
    {"hostile", "hostile.csv", mu_report_csv},        {"hostile", "hostile_80.txt", text_80},
    {"hostile", "hostile.html", mu_report_html},      {"minimal", "minimal.md", mu_report_markdown},
    {"minimal", "minimal_80.txt", text_80},           {"minimal", "minimal.html", mu_report_html},
};

static json_t *load(const char *fixture) {
    char path[128];
    json_t *doc = NULL;
    mu_err err = {0};
    snprintf(path, sizeof(path), "tests/bench/fixtures/%s.json", fixture);
    if (mu_json_load(path, &doc, &err) != MU_OK) {
        fprintf(stderr, "%s\n", err.text);
        return NULL;
    }
    return doc;
}

static bool render_row(size_t r, mu_buf *out) {
    mu_err err = {0};
    json_t *doc = load(rows[r].fixture);
    if (!doc) return false;
    const json_t *docs[] = {doc};
    mu_status status = rows[r].render(docs, 1, out, &err);
    json_decref(doc);
    if (status != MU_OK) fprintf(stderr, "%s: %s\n", rows[r].golden, err.text);
    return status == MU_OK;
}

/* HTML is too long to be read in a diff and is tested for what it must be in report_test.c and in a
 * browser: it is written by --write only. */
static bool is_golden(size_t r) {
    return rows[r].render != mu_report_html;
}

static int write_all(const char *folder, bool is_all) {
    for (size_t r = 0; r < MU_COUNTOF(rows); r++) {
        char path[512];
        mu_buf out = {0};
        if (!is_all && !is_golden(r)) continue;
        if (!render_row(r, &out)) return 1;
        snprintf(path, sizeof(path), "%s/%s", folder, rows[r].golden);
        FILE *file = fopen(path, "wb");
        bool ok = file && fwrite(out.data, 1, out.n, file) == out.n;
        if (file && fclose(file) != 0) ok = false;
        mu_buf_deinit(&out);
        if (!ok) {
            perror(path);
            return 1;
        }
    }
    return 0;
}

static void show_difference(const char *path, const char *want, size_t n_want, const mu_buf *got) {
    size_t at = 0, line = 1, line_start = 0;
    while (at < n_want && at < got->n && want[at] == got->data[at]) {
        if (want[at++] == '\n') {
            line++;
            line_start = at;
        }
    }
    size_t n_old = strcspn(want + line_start, "\n"), n_new = strcspn(got->data + line_start, "\n");
    fail_msg(
        "%s:%zu differs\n-%.*s\n+%.*s\n%s", path, line, (int)n_old, want + line_start, (int)n_new,
        got->data + line_start,
        "if the new text is right: build/release/report_golden_test --write, then read git diff");
}

static void renderings_are_the_golden_ones(void **state) {
    (void)state;
    for (size_t r = 0; r < MU_COUNTOF(rows); r++) {
        if (!is_golden(r)) continue;
        char path[128];
        static char want[1 << 20];
        snprintf(path, sizeof(path), "tests/bench/golden/%s", rows[r].golden);
        FILE *file = fopen(path, "rb");
        if (!file) fail_msg("%s is missing: report_golden_test --write", path);
        size_t n = fread(want, 1, sizeof(want) - 1, file);
        want[n] = '\0';
        fclose(file);
        mu_buf got = {0};
        assert_true(render_row(r, &got));
        if (n != got.n || memcmp(want, got.data, n) != 0) show_difference(path, want, n, &got);
        mu_buf_deinit(&got);
    }
}

int main(int argc, char **argv) {
    if (argc >= 2 && strcmp(argv[1], "--write") == 0) {
        return write_all(argc >= 3 ? argv[2] : "tests/bench/golden", argc >= 3);
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(renderings_are_the_golden_ones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
