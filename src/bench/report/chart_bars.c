#include <math.h>
#include <stdio.h>

#include "bench/report/chart.h"
#include "bench/result/escape.h"

/* A row is its name and, under it, its bar: so names may be long. */
enum { LEFT = 2, RIGHT = 440, ROW = 50, BAR = 18, TOP = 6 };

static double whole_of(const mu_bars *b, size_t row) {
    double sum = 0.0;
    for (size_t k = 0; k < b->n_parts; k++) {
        if (isfinite(b->rows[row].values[k])) sum += fmax(0.0, b->rows[row].values[k]);
    }
    return sum;
}

static void bar(const mu_bars *b, size_t row, const mu_axis *x, mu_buf *out) {
    double y = TOP + (double)row * ROW, start = 0.0;
    mu_buf_printf(out, "<text class=\"t\" x=\"%d\" y=\"%.0f\">", LEFT, y + 17);
    mu_escape_html(out, b->rows[row].name);
    mu_buf_append_str(out, "</text>");
    for (size_t k = 0; k < b->n_parts; k++) {
        double value = b->rows[row].values[k];
        if (!isfinite(value)) continue;
        double from = mu_axis_at(x, start), to = mu_axis_at(x, start + fmax(0.0, value));
        mu_buf_printf(out,
                      "<rect class=\"bar s%zu\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\">"
                      "<title>",
                      k, from, y + 24, fmax(to - from - (b->n_parts > 1 ? 1.0 : 0.0), 0.8), BAR);
        mu_escape_html(out, b->n_parts > 1 ? b->parts[k] : b->rows[row].name);
        mu_buf_printf(out, ": %s %s</title></rect>", mu_number_of(value).text, b->unit);
        start += fmax(0.0, value);
    }
    mu_buf_printf(out, "<text class=\"t lab\" x=\"%.1f\" y=\"%.1f\">%s %s</text>",
                  mu_axis_at(x, start) + 8, y + 38, mu_number_of(start).text, b->unit);
}

static void table(const mu_bars *b, mu_table *t) {
    mu_table_init(t, b->title, NULL);
    mu_table_column(t, b->row_name, MU_COLUMN_TEXT);
    for (size_t k = 0; k < b->n_parts; k++) {
        char name[MU_CHART_NAME_BYTES + 16];
        snprintf(name, sizeof(name), "%.60s%s%.12s", b->parts[k], b->parts[k][0] ? ", " : "",
                 b->unit);
        mu_table_column(t, name, MU_COLUMN_NUMBER);
    }
    for (size_t r = 0; r < b->n_rows; r++) {
        mu_table_row(t, NULL);
        mu_table_text(t, b->rows[r].name);
        for (size_t k = 0; k < b->n_parts; k++)
            mu_table_number(t, b->rows[r].values[k]);
    }
}

void mu_bars_write(const mu_bars *b, mu_buf *out) {
    if (out->failed || b->n_rows == 0 || b->n_parts == 0) return;
    double most = 0.0;
    mu_buf alt = {0};
    for (size_t r = 0; r < b->n_rows; r++) {
        most = fmax(most, whole_of(b, r));
        mu_buf_printf(&alt, "%s: %s %s. ", b->rows[r].name, mu_number_of(whole_of(b, r)).text,
                      b->unit);
    }
    if (!(most > 0.0)) most = 1.0;
    if (alt.failed) out->failed = true;
    mu_axis x = {MU_AXIS_LINEAR, 0.0, most, LEFT, RIGHT};
    mu_figure_head head = {
        .title = b->title, .alt = alt.data, .height = TOP + (double)b->n_rows * ROW};
    mu_key keys[MU_CHART_SERIES_MAX];
    for (size_t k = 0; k < b->n_parts; k++) {
        keys[k] = (mu_key){.name = b->parts[k], .style = (uint32_t)k, .is_area = true};
    }
    mu_chart_open(&head, keys, b->n_parts > 1 ? b->n_parts : 0, out);
    for (size_t r = 0; r < b->n_rows; r++)
        bar(b, r, &x, out);
    mu_table t;
    table(b, &t);
    mu_chart_close(&t, out);
    mu_table_deinit(&t);
    mu_buf_deinit(&alt);
}
