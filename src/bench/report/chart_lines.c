/* Coordinates are written as "x y" pairs everywhere, so that the script can move them when an axis
 * changes its kind. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench/report/chart.h"
#include "bench/report/mark.h"
#include "bench/result/escape.h"

enum { LEFT = 58, RIGHT = 522, TOP = 38, BOTTOM = 246, LOW = 100, FOOT = 54, TICK_GAP = 50 };

typedef struct plane {
    const mu_chart *c;
    mu_axis x, y;
    int bottom;
    mu_buf *out;
} plane;

typedef struct extent {
    double x_low, x_high, y_low, y_high, y_positive;
} extent;

static void widen(double *low, double *high, double value) {
    if (!isfinite(value)) return;
    *low = fmin(*low, value);
    *high = fmax(*high, value);
}

static extent extent_of(const mu_chart *c) {
    extent e = {INFINITY, -INFINITY, INFINITY, -INFINITY, INFINITY};
    for (size_t s = 0; s < c->n_series; s++) {
        for (size_t i = 0; i < c->series[s].n; i++) {
            const mu_point *p = &c->series[s].points[i];
            widen(&e.x_low, &e.x_high, p->x);
            widen(&e.y_low, &e.y_high, p->y);
            widen(&e.y_low, &e.y_high, p->low);
            widen(&e.y_low, &e.y_high, p->high);
            e.y_positive = fmin(e.y_positive, isfinite(p->low) ? fmin(p->low, p->y) : p->y);
        }
    }
    if (isfinite(c->mark_x)) widen(&e.x_low, &e.x_high, c->mark_x);
    if (isfinite(c->limit) && c->limit <= 2.5 * e.y_high) widen(&e.y_low, &e.y_high, c->limit);
    return e;
}

static void text(const plane *p, double x, double y, const char *class, const char *anchor,
                 const char *str) {
    mu_buf_printf(p->out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", class, x,
                  y, anchor);
    mu_escape_html(p->out, str);
    mu_buf_append_str(p->out, "</text>");
}

static void y_axis(const plane *p) {
    double ticks[MU_TICKS_MAX];
    size_t n = mu_axis_ticks(&p->y, p->c->is_low ? 2 : 4, ticks);
    mu_buf_append_str(p->out, "<g class=\"yax\">");
    for (size_t i = 0; i < n; i++) {
        double y = mu_axis_at(&p->y, ticks[i]);
        mu_buf_printf(p->out, "<path class=\"grid\" d=\"M%d %.1fL%d %.1f\"/>", LEFT, y, RIGHT, y);
        text(p, LEFT - 8, y + 4.5, "t", "end", mu_number_tick(ticks[i]).text);
    }
    mu_buf_append_str(p->out, "</g>");
    text(p, 0, 15, "t name", "start", p->c->y_name);
}

/* The distinct values of x, when there are at most MU_TICKS_MAX; 0 otherwise. */
static size_t values_of_x(const mu_chart *c, double *out) {
    size_t n = 0;
    for (size_t s = 0; s < c->n_series; s++) {
        for (size_t i = 0; i < c->series[s].n; i++) {
            double x = c->series[s].points[i].x;
            size_t at = 0;
            while (at < n && out[at] < x)
                at++;
            if (at < n && out[at] == x) continue;
            if (n == MU_TICKS_MAX) return 0;
            memmove(out + at + 1, out + at, (n - at) * sizeof(*out));
            out[at] = x;
            n++;
        }
    }
    return n;
}

static void x_axis(const plane *p) {
    double ticks[MU_TICKS_MAX], last = -INFINITY;
    size_t n = p->c->ticks_at_values ? values_of_x(p->c, ticks) : 0;
    if (n == 0) n = mu_axis_ticks(&p->x, 5, ticks);
    mu_buf_printf(p->out, "<path class=\"axis\" d=\"M%d %dL%d %d\"/>", LEFT, p->bottom, RIGHT,
                  p->bottom);
    for (size_t i = 0; i < n; i++) {
        double x = mu_axis_at(&p->x, ticks[i]);
        if (x - last < TICK_GAP) continue;
        last = x;
        char label[64];
        if (p->x.kind == MU_AXIS_TAIL) {
            snprintf(label, sizeof(label), "%.6g %%", ticks[i] * 100.0);
        } else {
            snprintf(label, sizeof(label), "%s", mu_number_tick(ticks[i]).text);
        }
        mu_buf_printf(p->out, "<path class=\"axis\" d=\"M%.1f %dL%.1f %d\"/>", x, p->bottom, x,
                      p->bottom + 4);
        text(p, x, p->bottom + 22, "t", "middle", label);
    }
    text(p, RIGHT, p->bottom + FOOT - 6, "t name", "end", p->c->x_name);
}

static void band(const plane *p, const mu_series *s) {
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        n += isfinite(s->points[i].low + s->points[i].high);
    if (!s->has_band || n < 2) return;
    mu_buf_append_str(p->out, "<path class=\"band\" d=\"");
    char verb = 'M';
    for (size_t i = 0; i < s->n; i++) {
        if (!isfinite(s->points[i].low + s->points[i].high)) continue;
        mu_buf_printf(p->out, "%c%.1f %.1f", verb, mu_axis_at(&p->x, s->points[i].x),
                      mu_axis_at(&p->y, s->points[i].high));
        verb = 'L';
    }
    for (size_t i = s->n; i-- > 0;) {
        if (!isfinite(s->points[i].low + s->points[i].high)) continue;
        mu_buf_printf(p->out, "L%.1f %.1f", mu_axis_at(&p->x, s->points[i].x),
                      mu_axis_at(&p->y, s->points[i].low));
    }
    mu_buf_append_str(p->out, "Z\"/>");
}

static void line(const plane *p, const mu_series *s) {
    if (!s->has_line || s->n == 0) return;
    mu_buf_printf(p->out, "<path class=\"line%s\" d=\"",
                  s->is_dashed  ? " dashed"
                  : s->is_solid ? " solid"
                                : "");
    for (size_t i = 0; i < s->n; i++) {
        mu_buf_printf(p->out, "%c%.1f %.1f", i == 0 ? 'M' : 'L', mu_axis_at(&p->x, s->points[i].x),
                      mu_axis_at(&p->y, s->points[i].y));
    }
    mu_buf_append_str(p->out, "\"/>");
}

static void mark(const plane *p, const mu_series *s, const mu_point *point) {
    double x = mu_axis_at(&p->x, point->x), y = mu_axis_at(&p->y, point->y);
    if (isfinite(point->low) && isfinite(point->high) && !s->has_band) {
        mu_buf_printf(p->out, "<path class=\"err\" d=\"M%.1f %.1fL%.1f %.1f\"/>", x,
                      mu_axis_at(&p->y, point->low), x, mu_axis_at(&p->y, point->high));
    }
    mu_buf_printf(p->out,
                  "<path class=\"pt%s\" transform=\"translate(%.1f %.1f)\" d=\"%s\"><title>",
                  point->is_hollow ? " hollow" : "", x, y, mu_mark_shape(s->style));
    mu_escape_html(p->out, s->name);
    mu_buf_printf(p->out, ", %s: %s", mu_number_tick(point->x).text, mu_number_of(point->y).text);
    if (isfinite(point->low) && isfinite(point->high)) {
        mu_buf_printf(p->out, " [%s, %s]", mu_number_of(point->low).text,
                      mu_number_of(point->high).text);
    }
    mu_buf_append_str(p->out, "</title></path>");
    if (point->label[0]) {
        bool is_right = x > RIGHT - 40;
        text(p, is_right ? x - 8 : x + 8, y - 8, "t", is_right ? "end" : "start", point->label);
    }
}

/* Where the name of the limit is farther from the lines. */
static bool is_freer_at_right(const mu_chart *c) {
    double left = INFINITY, right = INFINITY;
    for (size_t s = 0; s < c->n_series; s++) {
        const mu_series *series = &c->series[s];
        if (series->n == 0) continue;
        left = fmin(left, fabs(series->points[0].y - c->limit));
        right = fmin(right, fabs(series->points[series->n - 1].y - c->limit));
    }
    return right > left;
}

/* What is drawn behind the data: where it must not be trusted, and what it is held against. */
static void guides(const plane *p) {
    const mu_chart *c = p->c;
    if (isfinite(c->shade_from)) {
        double x = mu_axis_at(&p->x, c->shade_from);
        mu_buf_printf(p->out, "<path class=\"shade\" d=\"M%.1f %dL%d %dL%d %dL%.1f %dZ\"/>", x, TOP,
                      RIGHT, TOP, RIGHT, p->bottom, x, p->bottom);
    }
    if (isfinite(c->limit) && c->limit <= p->y.high && c->limit >= p->y.low) {
        double y = mu_axis_at(&p->y, c->limit);
        mu_buf_printf(p->out, "<g class=\"limit\"><path class=\"lim\" d=\"M%d %.1fL%d %.1f\"/>",
                      LEFT, y, RIGHT, y);
        bool is_right = is_freer_at_right(c);
        text(p, is_right ? RIGHT - 6 : LEFT + 6, y < TOP + 20 ? y + 18 : y - 6, "t lab",
             is_right ? "end" : "start", c->limit_name);
        mu_buf_append_str(p->out, "</g>");
    }
    if (isfinite(c->mark_x)) {
        double x = mu_axis_at(&p->x, c->mark_x);
        bool is_right = x > (LEFT + RIGHT) / 2.0;
        mu_buf_printf(p->out, "<path class=\"mark\" d=\"M%.1f %dL%.1f %d\"/>", x, TOP, x,
                      p->bottom);
        text(p, is_right ? x - 6 : x + 6, TOP + 12, "t lab", is_right ? "end" : "start",
             c->mark_name);
    }
}

/* "muai: 5 points, 17.5 at 1 to 98.7 at 16." for every series. */
static void describe(const mu_chart *c, mu_buf *alt) {
    mu_buf_printf(alt, "%s against %s. ", c->y_name, c->x_name);
    for (size_t s = 0; s < c->n_series; s++) {
        const mu_series *series = &c->series[s];
        if (series->n == 0) continue;
        const mu_point *low = &series->points[0], *high = low;
        for (size_t i = 0; i < series->n; i++) {
            if (series->points[i].y < low->y) low = &series->points[i];
            if (series->points[i].y > high->y) high = &series->points[i];
        }
        mu_buf_printf(alt, "%s: %zu points, lowest %s at %s, highest %s at %s. ", series->name,
                      series->n, mu_number_of(low->y).text, mu_number_tick(low->x).text,
                      mu_number_of(high->y).text, mu_number_tick(high->x).text);
    }
}

static bool has_repeated_x(const mu_chart *c) {
    for (size_t s = 0; s < c->n_series; s++) {
        for (size_t i = 0; i < c->series[s].n; i++) {
            const mu_point *p = &c->series[s].points[i];
            if (p->label[0] || (i > 0 && p[-1].x == p->x)) return true;
        }
    }
    return false;
}

static void value_cell(mu_table *t, const mu_point *p) {
    if (p->is_hollow) {
        mu_table_printf(t, "%s (not valid)", mu_number_of(p->y).text);
    } else {
        mu_table_interval(t, p->y, p->low, p->high);
    }
}

/* One row a point. */
static void long_table(const mu_chart *c, mu_table *t) {
    mu_table_column(t, "Series", MU_COLUMN_TEXT);
    mu_table_column(t, c->x_name, MU_COLUMN_TEXT);
    mu_table_column(t, c->y_name, MU_COLUMN_NUMBER);
    mu_table_column(t, "Label", MU_COLUMN_TEXT);
    for (size_t s = 0; s < c->n_series; s++) {
        for (size_t i = 0; i < c->series[s].n; i++) {
            const mu_point *p = &c->series[s].points[i];
            mu_table_row(t, NULL);
            mu_table_text(t, c->series[s].name);
            mu_table_text(t, mu_number_of(p->x).text);
            value_cell(t, p);
            if (p->label[0]) mu_table_text(t, p->label);
        }
    }
}

/* One row a value of x, one column a series. */
static void wide_table(const mu_chart *c, mu_table *t) {
    size_t at[MU_CHART_SERIES_MAX] = {0};
    mu_table_column(t, c->x_name, MU_COLUMN_TEXT);
    for (size_t s = 0; s < c->n_series; s++)
        mu_table_column(t, c->series[s].name, MU_COLUMN_NUMBER);
    for (;;) {
        double x = INFINITY;
        for (size_t s = 0; s < c->n_series; s++) {
            if (at[s] < c->series[s].n) x = fmin(x, c->series[s].points[at[s]].x);
        }
        if (isinf(x)) return;
        mu_table_row(t, NULL);
        if (c->x_kind == MU_AXIS_TAIL) {
            mu_table_printf(t, "%.6g %%", x * 100.0);
        } else {
            mu_table_text(t, mu_number_tick(x).text);
        }
        for (size_t s = 0; s < c->n_series; s++) {
            bool is_here = at[s] < c->series[s].n && c->series[s].points[at[s]].x == x;
            if (is_here) {
                value_cell(t, &c->series[s].points[at[s]++]);
            } else {
                mu_table_number(t, NAN);
            }
        }
    }
}

static const char *axis_words(const mu_axis *a) {
    return a->kind == MU_AXIS_LOG ? "log" : a->kind == MU_AXIS_TAIL ? "tail" : "lin";
}

static void draw(const plane *p) {
    const mu_chart *c = p->c;
    y_axis(p);
    x_axis(p);
    guides(p);
    for (size_t s = 0; s < c->n_series; s++) {
        const mu_series *series = &c->series[s];
        mu_buf_printf(p->out, "<g class=\"s%u\" data-k=\"%zu\" data-name=\"", series->style, s);
        mu_escape_html(p->out, series->name);
        mu_buf_append_str(p->out, "\">");
        band(p, series);
        line(p, series);
        for (size_t i = 0; series->has_marks && i < series->n; i++)
            mark(p, series, &series->points[i]);
        mu_buf_append_str(p->out, "</g>\n");
    }
}

void mu_chart_write(const mu_chart *c, mu_buf *out) {
    if (c->failed) out->failed = true;
    if (out->failed || mu_chart_n_points(c) == 0) return;
    extent e = extent_of(c);
    int bottom = c->is_low ? BOTTOM - LOW : BOTTOM;
    plane p = {.c = c,
               .x = mu_axis_of(c->x_kind, e.x_low, e.x_high, false, LEFT + 10, RIGHT - 10),
               .y = mu_axis_of(c->y_kind, e.y_low, e.y_high, c->y_from_zero, bottom, TOP),
               .bottom = bottom,
               .out = out};
    if (p.x.kind == MU_AXIS_LINEAR) { /* the data's own ends: empty margins say nothing */
        p.x.low = e.x_high > e.x_low ? e.x_low : p.x.low;
        p.x.high = e.x_high > e.x_low ? e.x_high : p.x.high;
    }
    char attributes[256];
    snprintf(
        attributes, sizeof(attributes),
        "data-x=\"%s %.6g %.6g %.0f %.0f\" data-y=\"%s %.6g %.6g %.0f %.0f\" data-low=\"%.4g\"",
        axis_words(&p.x), p.x.low, p.x.high, p.x.from, p.x.to, axis_words(&p.y), p.y.low, p.y.high,
        p.y.from, p.y.to, e.y_positive);
    mu_buf alt = {0};
    describe(c, &alt);
    if (alt.failed) out->failed = true;
    mu_figure_head head = {.title = c->title,
                           .note = c->note,
                           .alt = alt.data,
                           .attributes = attributes,
                           .height = p.bottom + FOOT};
    mu_key keys[MU_CHART_SERIES_MAX];
    for (size_t s = 0; s < c->n_series; s++) {
        const mu_series *series = &c->series[s];
        keys[s] = (mu_key){.name = series->name,
                           .style = series->style,
                           .has_line = series->has_line,
                           .has_marks = series->has_marks,
                           .is_dashed = series->is_dashed,
                           .is_solid = series->is_solid};
    }
    mu_chart_open(&head, keys, c->n_series > 1 ? c->n_series : 0, out);
    draw(&p);
    mu_table t;
    mu_table_init(&t, c->title, NULL);
    if (has_repeated_x(c)) {
        long_table(c, &t);
    } else {
        wide_table(c, &t);
    }
    mu_chart_close(&t, out);
    mu_table_deinit(&t);
    mu_buf_deinit(&alt);
}
