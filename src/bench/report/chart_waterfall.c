#include <math.h>
#include <stdio.h>

#include "bench/report/chart.h"

enum { LEFT = 6, RIGHT = 528, TOP = 8, FOOT = 50, HEIGHT_MAX = 420 };

static const mu_key keys[] = {
    {"waiting", 7, true, false, false, false, false},
    {"prefill, until the first token", 0, true, false, false, false, false},
    {"decode", 2, true, false, false, false, false},
    {"failed", 1, true, false, false, false, false}};

static void span(double from, double to, double y, double height, const char *style,
                 const mu_axis *x, mu_buf *out) {
    double a = mu_axis_at(x, from), b = mu_axis_at(x, to);
    mu_buf_printf(out, "<path class=\"%s\" d=\"M%.1f %.1fh%.1fv%.1fh%.1fz\"/>", style, a, y,
                  fmax(b - a, 0.3), height, -fmax(b - a, 0.3));
}

static void request(const mu_request_row *r, size_t i, double y, double height, const mu_axis *x,
                    mu_buf *out) {
    mu_buf_append_str(out, "<g class=\"req\">");
    double first = fmin(r->ttft, r->e2e);
    double wait = isfinite(r->wait) ? fmax(0.0, fmin(r->wait, r->ttft)) : 0.0;
    if (wait > 0.02 * r->e2e) span(0.0, wait, y, height, "bar s7", x, out);
    if (r->ok) {
        span(wait, first, y, height, "bar s0", x, out);
        span(first, r->e2e, y, height, "bar s2", x, out);
    } else {
        span(wait, r->e2e, y, height, "bar s1", x, out);
    }
    mu_buf_printf(out, "<title>request %zu, at %s: first token %s ms, end %s ms%s</title></g>",
                  i + 1, mu_number_seconds(r->start / 1e3).text, mu_number_of(r->ttft).text,
                  mu_number_of(r->e2e).text, r->ok ? "" : ", failed");
}

static void table(const char *title, const mu_request_row *rows, size_t n, mu_table *t) {
    static const char *columns[] = {"Start, s",      "Waited, ms", "First token, ms",
                                    "Worst gap, ms", "Tokens",     "Outcome"};
    mu_table_init(t, title, NULL);
    mu_table_column(t, "Request", MU_COLUMN_TEXT);
    mu_table_column(t, "E2E, ms", MU_COLUMN_NUMBER);
    for (size_t c = 0; c < MU_COUNTOF(columns); c++)
        mu_table_column(t, columns[c], MU_COLUMN_TEXT);
    for (size_t i = 0; i < n; i++) {
        mu_table_row(t, NULL);
        mu_table_printf(t, "%zu", i + 1);
        mu_table_number(t, rows[i].e2e);
        mu_table_text(t, mu_number_of(rows[i].start / 1e3).text);
        mu_table_text(t, mu_number_of(rows[i].wait).text);
        mu_table_text(t, mu_number_of(rows[i].ttft).text);
        mu_table_text(t, mu_number_of(rows[i].gap_max).text);
        mu_table_text(t, mu_number_count(rows[i].tokens).text);
        mu_table_text(t, rows[i].ok ? "ok" : "failed");
    }
}

void mu_waterfall_write(const char *title, const mu_request_row *rows, size_t n, mu_buf *out) {
    if (out->failed || n == 0) return;
    double step = fmin(12.0, (HEIGHT_MAX - TOP - FOOT) / (double)n),
           bottom = TOP + step * (double)n;
    double high = 0.0;
    for (size_t i = 0; i < n; i++)
        high = fmax(high, rows[i].e2e);
    mu_axis x = {MU_AXIS_LINEAR, 0.0, high > 0.0 ? high : 1.0, LEFT, RIGHT};
    char alt[160];
    snprintf(alt, sizeof(alt), "%zu requests in order of their start; the slowest one takes %s ms.",
             n, mu_number_of(high).text);
    mu_figure_head head = {.title = title, .alt = alt, .height = bottom + FOOT};
    mu_chart_open(&head, keys, MU_COUNTOF(keys), out);
    for (size_t i = 0; i < n; i++) {
        request(&rows[i], i, TOP + step * (double)i, fmax(step - 0.6, 0.8), &x, out);
    }
    double ticks[MU_TICKS_MAX];
    size_t n_ticks = mu_axis_ticks(&x, 5, ticks);
    mu_buf_printf(out, "<path class=\"axis\" d=\"M%d %.1fL%d %.1f\"/>", LEFT, bottom, RIGHT,
                  bottom);
    for (size_t i = 0; i < n_ticks; i++) {
        double at = mu_axis_at(&x, ticks[i]);
        mu_buf_printf(out, "<text class=\"t\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>",
                      at, bottom + 20,
                      at < 24           ? "start"
                      : at > RIGHT - 24 ? "end"
                                        : "middle",
                      mu_number_tick(ticks[i]).text);
    }
    mu_buf_printf(out,
                  "<text class=\"t name\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">ms since it "
                  "should have been sent</text>",
                  RIGHT, bottom + 44);
    mu_table t;
    table(title, rows, n, &t);
    mu_chart_close(&t, out);
    mu_table_deinit(&t);
}
