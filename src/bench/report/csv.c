/* Two shapes: long (one figure a line), which is what statistics packages want, and wide (one cell
 * a line), which is what people open in a spreadsheet. Figures are exact, not rounded. */
#include <math.h>
#include <string.h>

#include "bench/report/number.h"
#include "bench/report/report.h"
#include "bench/report/tables.h"
#include "bench/result/escape.h"

typedef struct row {
    const char *run, *system, *cell, *metric, *stat, *unit;
    double value, low, high, n;
} row;

static void write_row(const row *r, mu_buf *out) {
    const char *names[] = {r->run, r->system, r->cell, r->metric, r->stat};
    if (!isfinite(r->value)) return;
    for (size_t i = 0; i < MU_COUNTOF(names); i++) {
        mu_escape_csv(out, names[i]);
        mu_buf_append_str(out, ",");
    }
    mu_buf_printf(out, "%s,%s,%s,", mu_number_exact(r->value).text, mu_number_exact(r->low).text,
                  mu_number_exact(r->high).text);
    mu_escape_csv(out, r->unit);
    mu_buf_printf(out, ",%s\r\n", mu_number_exact(r->n).text);
}

static void set_row(row *r, const mu_figure_row *figure, mu_figure f) {
    r->metric = mu_figure_name(figure);
    r->unit = figure->unit[0] ? figure->unit : "ratio";
    r->value = f.value;
    r->low = f.low;
    r->high = f.high;
    r->n = NAN;
}

static void metric_rows(const json_t *cell, const mu_figure_row *figure, row *r, mu_buf *out) {
    for (size_t s = 0; s < MU_N_FIGURE_STATS; s++) {
        mu_figure f = mu_cell_stat(cell, figure->path, mu_figure_stats[s].name);
        r->stat = mu_figure_stats[s].name;
        set_row(r, figure, f);
        r->n = f.n > 0 ? (double)f.n : NAN;
        write_row(r, out);
    }
}

static void cell_rows(const mu_view *view, const mu_view_cell *c, mu_buf *out) {
    row r = {.run = mu_document_string(c->doc, "run.id"),
             .system = mu_view_name(view, c->i_system),
             .cell = mu_document_string(c->json, "id")};
    for (uint32_t i = 0; i < mu_n_figure_rows; i++) {
        const mu_figure_row *figure = &mu_figure_rows[i];
        if (!(figure->shown & MU_SHOW_CSV) || figure->place > MU_PLACE_CELL) continue;
        if (figure->place == MU_PLACE_METRIC) {
            metric_rows(c->json, figure, &r, out);
            continue;
        }
        r.stat = "value";
        set_row(&r, figure, mu_cell_figure(c->json, figure->path));
        r.n = mu_document_number(c->json, "window.requests");
        write_row(&r, out);
    }
}

static void memory_rows(const mu_view *view, const json_t *doc, mu_buf *out) {
    const json_t *all = mu_document_at(doc, "memory");
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *memory = json_array_get(all, i), *loads = mu_document_at(memory, "loads");
        const json_t *signals = mu_document_at(memory, "leak.signals");
        size_t s = mu_view_find_system(view, doc, mu_document_string(memory, "system"));
        row r = {.run = mu_document_string(doc, "run.id"),
                 .system = mu_view_name(view, s),
                 .cell = "memory",
                 .stat = "value",
                 .low = NAN,
                 .high = NAN,
                 .n = NAN};
        for (uint32_t f = 0; f < mu_n_figure_rows; f++) {
            const mu_figure_row *figure = &mu_figure_rows[f];
            if (!(figure->shown & MU_SHOW_CSV) || figure->place != MU_PLACE_MEMORY) continue;
            set_row(&r, figure, mu_memory_figure(memory, figure->path));
            write_row(&r, out);
        }
        r.low = r.high = r.n = NAN;
        for (size_t k = 0; k < json_array_size(loads); k++) {
            r.metric = "load";
            r.unit = "s";
            r.stat = mu_document_string(json_array_get(loads, k), "kind");
            r.value = mu_document_number(json_array_get(loads, k), "seconds");
            write_row(&r, out);
        }
        for (size_t k = 0; k < json_array_size(signals); k++) {
            const json_t *signal = json_array_get(signals, k);
            r.metric = "growth";
            r.unit = "MB/h";
            r.stat = mu_document_string(signal, "name");
            r.value = mu_document_number(signal, "slope_mb_h");
            r.low = mu_document_number(signal, "low");
            r.high = mu_document_number(signal, "high");
            write_row(&r, out);
        }
    }
}

mu_status mu_report_csv(const json_t *const *docs, size_t n_docs, mu_buf *out, mu_err *err) {
    mu_view view;
    mu_status status = mu_view_init(&view, docs, n_docs, err);
    if (status != MU_OK) return status;
    mu_buf_append_str(out, "run,system,cell,metric,stat,value,low,high,unit,n\r\n");
    for (size_t i = 0; i < view.n_runs; i++)
        cell_rows(&view, &view.runs[i], out);
    for (size_t d = 0; d < n_docs; d++)
        memory_rows(&view, docs[d], out);
    mu_view_deinit(&view);
    return out->failed ? mu_fail(err, MU_ERR_NOMEM, "report as CSV") : MU_OK;
}

static const char *const load_keys[] = {"clients", "rate_per_s", "prompt_tokens", "output_tokens"};

/* The columns of a figure: their names where there is no cell. */
static void wide_columns(const mu_figure_row *figure, const json_t *cell, mu_buf *out) {
    bool is_single = figure->place == MU_PLACE_CELL && (figure->shown & MU_SHOW_CSV);
    for (size_t s = 0; s < MU_N_FIGURE_STATS && (figure->shown & MU_SHOW_WIDE); s++) {
        const mu_figure_stat *stat = &mu_figure_stats[s];
        if (!(stat->set & MU_STATS_WIDE)) continue;
        double value = cell ? mu_cell_stat(cell, figure->path, stat->name).value : NAN;
        mu_buf_append_str(out, ",");
        if (!cell) mu_buf_printf(out, "%s_%s", mu_figure_name(figure), stat->name);
        mu_buf_append_str(out, mu_number_exact(value).text);
    }
    if (!is_single) return;
    mu_buf_append_str(out, ",");
    if (!cell) mu_buf_append_str(out, mu_figure_name(figure));
    if (cell)
        mu_buf_append_str(out, mu_number_exact(mu_cell_figure(cell, figure->path).value).text);
}

static void wide_row(const mu_view *view, const mu_view_cell *c, mu_buf *out) {
    const char *names[] = {mu_document_string(c->doc, "run.id"),
                           mu_view_name(view, c->i_system),
                           mu_document_string(c->json, "id"),
                           mu_document_string(c->json, "phase"),
                           mu_document_string(c->json, "label"),
                           mu_document_string(c->json, "load.kind"),
                           mu_document_string(c->json, "validity.status")};
    for (size_t i = 0; i < MU_COUNTOF(names); i++) {
        if (i > 0) mu_buf_append_str(out, ",");
        mu_escape_csv(out, names[i]);
    }
    const json_t *load = mu_document_at(c->json, "load");
    for (size_t i = 0; i < MU_COUNTOF(load_keys); i++) {
        mu_buf_printf(out, ",%s", mu_number_exact(mu_document_number(load, load_keys[i])).text);
    }
    mu_buf_printf(out, ",%s", mu_number_exact(mu_document_number(c->json, "window.requests")).text);
    for (uint32_t i = 0; i < mu_n_figure_rows; i++) {
        wide_columns(&mu_figure_rows[i], c->json, out);
    }
    mu_buf_append_str(out, "\r\n");
}

mu_status mu_report_csv_wide(const json_t *const *docs, size_t n_docs, mu_buf *out, mu_err *err) {
    mu_view view;
    mu_status status = mu_view_init(&view, docs, n_docs, err);
    if (status != MU_OK) return status;
    mu_buf_append_str(out, "run,system,cell,phase,label,load,status");
    for (size_t i = 0; i < MU_COUNTOF(load_keys); i++)
        mu_buf_printf(out, ",%s", load_keys[i]);
    mu_buf_append_str(out, ",requests");
    for (uint32_t i = 0; i < mu_n_figure_rows; i++) {
        wide_columns(&mu_figure_rows[i], NULL, out);
    }
    mu_buf_append_str(out, "\r\n");
    for (size_t i = 0; i < view.n_runs; i++)
        wide_row(&view, &view.runs[i], out);
    mu_view_deinit(&view);
    return out->failed ? mu_fail(err, MU_ERR_NOMEM, "report as wide CSV") : MU_OK;
}
