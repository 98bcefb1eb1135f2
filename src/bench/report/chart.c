#include "bench/report/chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

void mu_chart_init(mu_chart *c, const char *title, const char *x_name, const char *y_name) {
    *c = (mu_chart){.title = title,
                    .x_name = x_name,
                    .y_name = y_name,
                    .y_from_zero = true,
                    .limit = NAN,
                    .mark_x = NAN,
                    .shade_from = NAN};
}

void mu_chart_deinit(mu_chart *c) {
    for (size_t s = 0; s < c->n_series; s++)
        mu_free(c->series[s].points);
    c->n_series = 0;
}

mu_series *mu_chart_add(mu_chart *c, const char *name) {
    if (c->n_series == MU_CHART_SERIES_MAX) return NULL;
    mu_series *s = &c->series[c->n_series];
    *s = (mu_series){.style = (uint32_t)c->n_series, .has_line = true, .has_marks = true};
    snprintf(s->name, sizeof(s->name), "%s", name);
    c->n_series++;
    return s;
}

void mu_chart_point(mu_chart *c, mu_series *s, mu_point p) {
    if (!s || !isfinite(p.x) || !isfinite(p.y)) return;
    void *points = s->points;
    if (c->failed || !mu_grow(&points, &s->cap, s->n + 1, sizeof(*s->points))) {
        c->failed = true;
        return;
    }
    s->points = points;
    size_t at = s->n++;
    for (; at > 0 && s->points[at - 1].x > p.x; at--)
        s->points[at] = s->points[at - 1];
    s->points[at] = p;
}

void mu_chart_xy(mu_chart *c, mu_series *s, double x, double y) {
    mu_chart_point(c, s, (mu_point){.x = x, .y = y, .low = NAN, .high = NAN});
}

static double area(const mu_point *a, const mu_point *b, double x, double y) {
    return fabs((a->x - x) * (b->y - a->y) - (a->x - b->x) * (y - a->y));
}

/* Of each bucket stays the point that spans the largest triangle with the point kept before it and
 * the mean of the next bucket. */
static void decimate(mu_series *s, size_t n) {
    if (s->n <= n || n < 3) return;
    double width = (double)(s->n - 2) / (double)(n - 2);
    mu_point kept = s->points[0];
    for (size_t b = 0; b + 2 < n; b++) {
        size_t first = 1 + (size_t)((double)b * width),
               last = 1 + (size_t)((double)(b + 1) * width);
        size_t end = 1 + (size_t)((double)(b + 2) * width);
        if (end > s->n) end = s->n;
        double x = 0.0, y = 0.0;
        for (size_t i = last; i < end; i++) {
            x += s->points[i].x / (double)(end - last);
            y += s->points[i].y / (double)(end - last);
        }
        size_t best = first;
        for (size_t i = first; i < last; i++) {
            if (area(&kept, &s->points[i], x, y) > area(&kept, &s->points[best], x, y)) best = i;
        }
        kept = s->points[best];
        s->points[b + 1] = kept;
    }
    s->points[n - 1] = s->points[s->n - 1];
    s->n = n;
}

void mu_chart_decimate(mu_chart *c, size_t n) {
    for (size_t s = 0; s < c->n_series; s++)
        decimate(&c->series[s], n);
}

size_t mu_chart_n_points(const mu_chart *c) {
    size_t n = 0;
    for (size_t s = 0; s < c->n_series; s++)
        n += c->series[s].n;
    return n;
}
