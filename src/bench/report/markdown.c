/* The order is that of a pull request's reader: the verdict, then the figures that led to it, then
 * what to do, then what weakens it; the machine last and folded. */
#include <math.h>
#include <string.h>

#include "bench/report/number.h"
#include "bench/report/prose.h"
#include "bench/report/report.h"
#include "bench/report/tables.h"
#include "bench/result/escape.h"

enum { COLUMNS = MU_REPORT_MARKDOWN_COLUMNS, BAR = 40, RECOMMENDATIONS = 3 };

static void section(const mu_view *view, const char *title, mu_table_builder build, mu_buf *out) {
    mu_table t;
    build(view, &t);
    if (t.n_rows > 0 && title) mu_buf_printf(out, "## %s\n\n", title);
    mu_table_write_markdown(&t, COLUMNS, out);
    mu_table_deinit(&t);
}

static void head(const mu_view *view, mu_buf *out) {
    const json_t *doc = view->docs[0];
    const char *title = mu_document_string(doc, "run.title");
    mu_tally tally = mu_tally_of(view);
    mu_prose_wrap(title && *title ? title : "Benchmark", COLUMNS, "# ", "", mu_escape_markdown,
                  out);
    mu_buf_printf(out, "\n**%s** \xc2\xb7 %s%s\n\n", mu_tally_verdict(&tally),
                  mu_tally_validity(&tally), tally.is_exploratory ? " \xc2\xb7 exploratory" : "");
    mu_buf summary = {0};
    mu_prose_summary(view, &summary);
    mu_prose_wrap(summary.data, COLUMNS, "", "", mu_escape_markdown, out);
    out->failed = out->failed || summary.failed;
    mu_buf_deinit(&summary);
    mu_buf_append_str(out, "\n");
}

/* Bars of the throughput cells, as text. */
static void bars(const mu_view *view, mu_buf *out) {
    double most = 0.0;
    size_t n = 0;
    for (size_t i = 0; i < view->n_cells; i++) {
        double value = mu_document_number(view->cells[i].json, "throughput.output_tok_s.value");
        if (!mu_cell_is_phase(view->cells[i].json, "throughput") || !(value >= 0.0)) continue;
        n++;
        most = fmax(most, value);
    }
    if (n < 2 || !(most > 0.0)) return;
    mu_buf_append_str(out, "```text\noutput tok/s by clients\n");
    for (size_t i = 0; i < view->n_cells; i++) {
        const json_t *cell = view->cells[i].json;
        double value = mu_document_number(cell, "throughput.output_tok_s.value");
        if (!mu_cell_is_phase(cell, "throughput") || !(value >= 0.0)) continue;
        mu_buf_printf(out, "%5s |", mu_number_count(mu_document_number(cell, "load.clients")).text);
        size_t n_marks = (size_t)lround(BAR * value / most);
        for (size_t k = 0; k < BAR; k++)
            mu_buf_append_str(out, k < n_marks ? "#" : " ");
        mu_buf_printf(out, " %s", mu_number_of(value).text);
        if (view->n_systems > 1) {
            mu_buf_append_str(out, "  ");
            mu_escape_plain(out, mu_view_name(view, view->cells[i].i_system), 30);
        }
        mu_buf_append_str(out, "\n");
    }
    mu_buf_append_str(out, "```\n\n");
}

static void field(const char *name, const char *text, mu_buf *out) {
    if (!text || !*text) return;
    mu_buf line = {0};
    mu_buf_printf(&line, "%s: ", name);
    mu_buf_append_str(&line, text);
    mu_prose_wrap(line.data, COLUMNS, "   - ", "     ", mu_escape_markdown, out);
    out->failed = out->failed || line.failed;
    mu_buf_deinit(&line);
}

static void recommendations(const mu_view *view, mu_buf *out) {
    size_t n = 0;
    for (size_t d = 0; d < view->n_docs; d++) {
        const json_t *all = mu_document_at(view->docs[d], "recommendations");
        for (size_t i = 0; i < json_array_size(all) && n < RECOMMENDATIONS; i++) {
            const json_t *r = json_array_get(all, i);
            const char *severity = mu_document_string(r, "severity"),
                       *id = mu_document_string(r, "id");
            if (n++ == 0) mu_buf_append_str(out, "## Recommendations\n\n");
            mu_buf line = {0};
            mu_buf_append_str(&line,
                              mu_document_string(r, "title") ? mu_document_string(r, "title") : "");
            mu_buf_printf(&line, " (%.20s, %.40s)", severity ? severity : "info",
                          id ? id : "no id");
            mu_prose_wrap(line.data, COLUMNS,
                          n == 1   ? "1. "
                          : n == 2 ? "2. "
                                   : "3. ",
                          "   ", mu_escape_markdown, out);
            out->failed = out->failed || line.failed;
            mu_buf_deinit(&line);
            field("Finding", mu_document_string(r, "finding"), out);
            field("Action", mu_document_string(r, "action"), out);
            field("Expected", mu_document_string(r, "expected"), out);
        }
    }
    if (n > 0) mu_buf_append_str(out, "\n");
}

static void caveats(const mu_view *view, mu_buf *out) {
    bool is_first = true;
    for (size_t d = 0; d < view->n_docs; d++) {
        const json_t *notes = mu_document_at(view->docs[d], "notes");
        for (size_t i = 0; i < json_array_size(notes); i++) {
            const char *note = json_string_value(json_array_get(notes, i));
            if (!note) continue;
            if (is_first) mu_buf_append_str(out, "## Caveats\n\n");
            is_first = false;
            mu_prose_wrap(note, COLUMNS, "- ", "  ", mu_escape_markdown, out);
        }
    }
    if (!is_first) mu_buf_append_str(out, "\n");
}

static void machine(const mu_view *view, mu_buf *out) {
    mu_buf_append_str(out, "<details>\n<summary>Machine, command, instrument</summary>\n\n");
    for (size_t d = 0; d < view->n_docs; d++) {
        mu_buf command = {0};
        mu_prose_command(mu_document_at(view->docs[d], "run.command"), &command);
        if (command.n > 0) {
            mu_buf_append_str(out, "```text\n");
            mu_prose_wrap(command.data, COLUMNS, "$ ", "  ", mu_escape_line, out);
            mu_buf_append_str(out, "```\n\n");
        }
        out->failed = out->failed || command.failed;
        mu_buf_deinit(&command);
    }
    section(view, NULL, mu_tables_run, out);
    section(view, NULL, mu_tables_host, out);
    section(view, NULL, mu_tables_systems, out);
    section(view, NULL, mu_tables_instrument, out);
    mu_buf_append_str(out, "</details>\n");
}

mu_status mu_report_markdown(const json_t *const *docs, size_t n_docs, mu_buf *out, mu_err *err) {
    mu_view view;
    mu_status status = mu_view_init(&view, docs, n_docs, err);
    if (status != MU_OK) return status;
    head(&view, out);
    section(&view, "Targets", mu_tables_targets, out);
    section(&view, "Phases", mu_tables_phases, out);
    section(&view, "One client (latencies in ms)", mu_tables_summary, out);
    section(&view, "Latency by input length (ms)", mu_tables_by_input, out);
    section(&view, "Load (latencies in ms)", mu_tables_load, out);
    bars(&view, out);
    section(&view, "Capacity", mu_tables_capacity, out);
    section(&view, "Memory", mu_tables_memory, out);
    section(&view, "Comparison", mu_tables_comparisons, out);
    recommendations(&view, out);
    section(&view, "Reliability", mu_tables_reliability, out);
    section(&view, NULL, mu_tables_failures, out);
    section(&view, "Cells that are not valid", mu_tables_invalid, out);
    caveats(&view, out);
    machine(&view, out);
    mu_view_deinit(&view);
    return out->failed ? mu_fail(err, MU_ERR_NOMEM, "report as Markdown") : MU_OK;
}
