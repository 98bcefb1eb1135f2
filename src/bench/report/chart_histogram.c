#include <math.h>
#include <stdio.h>

#include "bench/report/chart.h"

/* Counts span many powers of ten, so their axis is log(1 + n): the few long gaps are what a reader
 * looks for. */
enum { LEFT = 58, RIGHT = 522, TOP = 38, BOTTOM = 246, HEIGHT = 300 };

static double height_at(double count, double most) {
    return log1p(count) / log1p(most) * (BOTTOM - TOP);
}

static void axes(const double *bounds, size_t first, size_t last, double width, double most,
                 const char *unit, mu_buf *out) {
    for (double tick = 1.0; tick <= most; tick *= 10.0) {
        double y = BOTTOM - height_at(tick, most);
        mu_buf_printf(out, "<path class=\"grid\" d=\"M%d %.1fL%d %.1f\"/>", LEFT, y, RIGHT, y);
        if (tick * 10.0 > most || BOTTOM - y > 24.0) {
            mu_buf_printf(out,
                          "<text class=\"t\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>",
                          LEFT - 8, y + 4.5, mu_number_tick(tick).text);
        }
    }
    mu_buf_printf(out, "<path class=\"axis\" d=\"M%d %dL%d %d\"/>", LEFT, BOTTOM, RIGHT, BOTTOM);
    size_t every = (size_t)ceil(62.0 / width);
    for (size_t i = first; i < last; i += every) {
        mu_buf_printf(out, "<text class=\"t\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>",
                      LEFT + width * (double)(i - first + 1), BOTTOM + 22,
                      mu_number_tick(bounds[i]).text);
    }
    mu_buf_printf(out,
                  "<text class=\"t name\" x=\"0\" y=\"15\">gaps (log)</text>"
                  "<text class=\"t name\" x=\"%d\" y=\"%d\" text-anchor=\"end\">up to, %s</text>",
                  RIGHT, HEIGHT - 6, unit);
}

void mu_histogram_write(const char *title, const char *unit, const double *bounds,
                        const double *counts, size_t n, mu_buf *out) {
    size_t first = n + 1, last = 0;
    double most = 0.0, sum = 0.0;
    for (size_t i = 0; i <= n; i++) {
        if (!(counts[i] > 0.0)) continue;
        if (first > i) first = i;
        last = i;
        most = fmax(most, counts[i]);
        sum += counts[i];
    }
    if (out->failed || first > n) return;
    double width = (double)(RIGHT - LEFT) / (double)(last - first + 1);
    char alt[160];
    snprintf(alt, sizeof(alt), "%s gaps in %zu classes; the fullest has %s.",
             mu_number_count(sum).text, last - first + 1, mu_number_count(most).text);
    mu_figure_head head = {.title = title, .alt = alt, .height = HEIGHT};
    mu_chart_open(&head, NULL, 0, out);
    axes(bounds, first, last, width, most, unit, out);
    mu_table t;
    mu_table_init(&t, title, NULL);
    mu_table_column(&t, "Up to", MU_COLUMN_TEXT);
    mu_table_column(&t, "Gaps", MU_COLUMN_NUMBER);
    for (size_t i = first; i <= last; i++) {
        double height = height_at(counts[i], most);
        char name[64];
        if (i < n) {
            snprintf(name, sizeof(name), "%.40s %.10s", mu_number_tick(bounds[i]).text, unit);
        } else {
            snprintf(name, sizeof(name), "more");
        }
        mu_buf_printf(out,
                      "<rect class=\"bar s0\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">"
                      "<title>%s: %s</title></rect>",
                      LEFT + width * (double)(i - first) + 1.0, BOTTOM - height,
                      fmax(width - 2.0, 1.0), height, name, mu_number_count(counts[i]).text);
        mu_table_row(&t, NULL);
        mu_table_text(&t, name);
        mu_table_text(&t, mu_number_count(counts[i]).text);
    }
    mu_chart_close(&t, out);
    mu_table_deinit(&t);
}
