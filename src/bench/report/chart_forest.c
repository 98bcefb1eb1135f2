#include <math.h>
#include <string.h>

#include "bench/report/chart.h"
#include "bench/result/escape.h"

enum { LEFT = 12, RIGHT = 528, ROW = 54, TOP = 10, FOOT = 52 };

static double edge_of(const mu_forest *f) {
    double widest = log(1.1);
    for (size_t r = 0; r < f->n_rows; r++) {
        const double ends[] = {f->rows[r].ratio, f->rows[r].low, f->rows[r].high};
        for (size_t i = 0; i < MU_COUNTOF(ends); i++) {
            if (isfinite(ends[i]) && ends[i] > 0.0) widest = fmax(widest, fabs(log(ends[i])));
        }
    }
    return exp(fmin(widest * 1.08, log(100.0)));
}

static void row(const mu_forest *f, size_t r, const mu_axis *x, mu_buf *out) {
    const struct mu_forest_row *w = &f->rows[r];
    double y = TOP + (double)r * ROW;
    int sign = mu_verdict_sign(w->verdict);
    mu_buf_printf(out, "<text class=\"t\" x=\"%d\" y=\"%.0f\">", LEFT, y + 15);
    mu_escape_html(out, w->name);
    mu_buf_printf(out, "</text><text class=\"t lab %s\" x=\"%d\" y=\"%.0f\" text-anchor=\"end\">",
                  sign > 0   ? "good"
                  : sign < 0 ? "bad"
                             : "open",
                  RIGHT, y + 15);
    mu_buf_printf(out, "%s\xc3\x97 ", mu_number_of(w->ratio).text);
    mu_escape_html(out, w->verdict);
    mu_buf_append_str(out, "</text>");
    double at = mu_axis_at(x, w->ratio), line = y + 34;
    if (isfinite(w->low) && isfinite(w->high) && w->low > 0.0) {
        double from = mu_axis_at(x, w->low), to = mu_axis_at(x, w->high);
        mu_buf_printf(out,
                      "<path class=\"err wide\" d=\"M%.1f %.0fL%.1f %.0fM%.1f %.0fL%.1f %.0fM%.1f "
                      "%.0fL%.1f %.0f\"/>",
                      from, line, to, line, from, line - 5, from, line + 5, to, line - 5, to,
                      line + 5);
    }
    mu_buf_printf(out,
                  "<path class=\"pt\" transform=\"translate(%.1f %.0f)\" "
                  "d=\"M-5 -5h10v10h-10z\"><title>",
                  at, line);
    mu_escape_html(out, w->name);
    mu_buf_printf(out, ": %s [%s, %s]</title></path>", mu_number_of(w->ratio).text,
                  mu_number_of(w->low).text, mu_number_of(w->high).text);
}

static void axis(const mu_forest *f, const mu_axis *x, double bottom, mu_buf *out) {
    static const double ticks[] = {0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 1,
                                   1.25, 2,    5,    10,  20,  50,  100};
    double delta = f->rows[0].delta;
    if (isfinite(delta) && delta > 0.0 && delta < 1.0) {
        double from = mu_axis_at(x, 1.0 - delta), to = mu_axis_at(x, 1.0 + delta);
        mu_buf_printf(out, "<path class=\"equal\" d=\"M%.1f %dL%.1f %dL%.1f %.0fL%.1f %.0fZ\"/>",
                      from, TOP, to, TOP, to, bottom, from, bottom);
    }
    double one = mu_axis_at(x, 1.0);
    mu_buf_printf(out, "<path class=\"axis\" d=\"M%.1f %dL%.1f %.0f\"/>", one, TOP, one, bottom);
    for (size_t i = 0; i < MU_COUNTOF(ticks); i++) {
        if (ticks[i] < x->low || ticks[i] > x->high) continue;
        double at = mu_axis_at(x, ticks[i]);
        mu_buf_printf(out,
                      "<path class=\"axis\" d=\"M%.1f %.0fL%.1f %.0f\"/>"
                      "<text class=\"t\" x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%s</text>",
                      at, bottom, at, bottom + 4, at, bottom + 22, mu_number_tick(ticks[i]).text);
    }
    mu_buf_printf(out, "<path class=\"axis\" d=\"M%d %.0fL%d %.0f\"/>", LEFT, bottom, RIGHT,
                  bottom);
    mu_buf_printf(out, "<text class=\"t name\" x=\"%d\" y=\"%.0f\">A / B, logarithmic</text>", LEFT,
                  bottom + 46);
}

void mu_forest_write(const mu_forest *f, mu_buf *out) {
    if (out->failed || f->n_rows == 0) return;
    double edge = edge_of(f), bottom = TOP + (double)f->n_rows * ROW;
    mu_axis x = {MU_AXIS_LOG, 1.0 / edge, edge, LEFT + 8, RIGHT - 8};
    mu_buf alt = {0};
    mu_table t;
    mu_table_init(&t, f->title, NULL);
    mu_table_column(&t, "Metric", MU_COLUMN_TEXT);
    mu_table_column(&t, "A / B [95 %]", MU_COLUMN_NUMBER);
    mu_table_column(&t, "A is", MU_COLUMN_VERDICT);
    for (size_t r = 0; r < f->n_rows; r++) {
        const struct mu_forest_row *w = &f->rows[r];
        mu_buf_printf(&alt, "%s: %s times, %s. ", w->name, mu_number_of(w->ratio).text, w->verdict);
        mu_table_row(&t, NULL);
        mu_table_text(&t, w->name);
        mu_table_interval(&t, w->ratio, w->low, w->high);
        mu_table_text(&t, w->verdict);
    }
    if (alt.failed) out->failed = true;
    mu_figure_head head = {
        .title = f->title, .note = f->note, .alt = alt.data, .height = bottom + FOOT};
    mu_chart_open(&head, NULL, 0, out);
    axis(f, &x, bottom, out);
    mu_buf_append_str(out, "<g class=\"s0\">");
    for (size_t r = 0; r < f->n_rows; r++)
        row(f, r, &x, out);
    mu_buf_append_str(out, "</g>");
    mu_chart_close(&t, out);
    mu_table_deinit(&t);
    mu_buf_deinit(&alt);
}
