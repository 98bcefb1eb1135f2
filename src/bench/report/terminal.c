#include <math.h>

#include "bench/report/number.h"
#include "bench/report/prose.h"
#include "bench/report/report.h"
#include "bench/report/tables.h"
#include "bench/result/escape.h"

enum { WIDTH_MIN = 40, WIDTH_MAX = 200 };

typedef struct page {
    const mu_view *view;
    size_t width;
    bool has_colour;
    mu_buf *out;
} page;

static void paragraph(const page *p, const char *str, const char *first, const char *next) {
    mu_prose_wrap(str, p->width, first, next, mu_escape_line, p->out);
}

static void heading(const page *p, const char *text) {
    mu_buf_append_str(p->out, p->has_colour ? "\n\x1b[1m" : "\n");
    paragraph(p, text, "", "");
    if (p->has_colour) mu_buf_append_str(p->out, "\x1b[0m");
}

static void section(const page *p, mu_table_builder build) {
    mu_table t;
    build(p->view, &t);
    if (t.n_rows > 0) heading(p, t.caption);
    mu_table_write_text(&t, p->width, p->has_colour, p->out);
    mu_table_deinit(&t);
}

static void head(const page *p) {
    const char *title = mu_document_string(p->view->docs[0], "run.title");
    mu_tally tally = mu_tally_of(p->view);
    int sign = tally.n_fail > 0 || tally.n_invalid > 0 ? -1 : tally.n_open > 0 ? 0 : 1;
    const char *colour = sign > 0 ? "\x1b[1;32m" : sign < 0 ? "\x1b[1;31m" : "\x1b[1;33m";
    paragraph(p, title && *title ? title : "Benchmark", "", "");
    mu_buf_printf(p->out, "%s%s%s, %s%s\n", p->has_colour ? colour : "", mu_tally_verdict(&tally),
                  p->has_colour ? "\x1b[0m" : "", mu_tally_validity(&tally),
                  tally.is_exploratory ? ", exploratory" : "");
    mu_buf summary = {0};
    mu_prose_summary(p->view, &summary);
    paragraph(p, summary.data, "", "");
    p->out->failed = p->out->failed || summary.failed;
    mu_buf_deinit(&summary);
}

static void recommendations(const page *p) {
    const json_t *all = mu_document_at(p->view->docs[0], "recommendations");
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *r = json_array_get(all, i);
        if (i == 0) heading(p, "Recommendations");
        paragraph(p, mu_document_string(r, "title"), "  * ", "    ");
        paragraph(p, mu_document_string(r, "finding"), "    ", "    ");
        if (mu_document_string(r, "action"))
            paragraph(p, mu_document_string(r, "action"), "    > ", "      ");
    }
}

static void notes(const page *p) {
    const json_t *all = mu_document_at(p->view->docs[0], "notes");
    for (size_t i = 0; i < json_array_size(all); i++) {
        if (i == 0) heading(p, "Notes");
        paragraph(p, json_string_value(json_array_get(all, i)), "  * ", "    ");
    }
}

mu_status mu_report_text(const json_t *doc, uint32_t width, bool has_colour, mu_buf *out,
                         mu_err *err) {
    static const mu_table_builder sections[] = {
        mu_tables_targets,     mu_tables_phases,      mu_tables_by_input, mu_tables_concurrency,
        mu_tables_load,        mu_tables_capacity,    mu_tables_memory,   mu_tables_loads,
        mu_tables_comparisons, mu_tables_reliability, mu_tables_failures, mu_tables_invalid};
    mu_view view;
    mu_status status = mu_view_init(&view, &doc, 1, err);
    if (status != MU_OK) return status;
    page p = {.view = &view,
              .width = width < WIDTH_MIN   ? WIDTH_MIN
                       : width > WIDTH_MAX ? WIDTH_MAX
                                           : width,
              .has_colour = has_colour,
              .out = out};
    head(&p);
    for (size_t i = 0; i < MU_COUNTOF(sections); i++)
        section(&p, sections[i]);
    recommendations(&p);
    notes(&p);
    mu_view_deinit(&view);
    return out->failed ? mu_fail(err, MU_ERR_NOMEM, "report as text") : MU_OK;
}
