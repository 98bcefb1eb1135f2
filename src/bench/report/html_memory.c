#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/report/html.h"
#include "bench/result/escape.h"

static struct mu_bar *add_bar(mu_bars *b, const char *system, const char *name, bool many) {
    if (b->n_rows == MU_COUNTOF(b->rows)) return NULL;
    struct mu_bar *row = &b->rows[b->n_rows++];
    char clean[64];
    mu_escape_fixed(clean, sizeof(clean), name, 40);
    snprintf(row->name, sizeof(row->name), "%.36s%s%.40s", many ? system : "", many ? ": " : "",
             clean);
    for (size_t k = 0; k < MU_CHART_SERIES_MAX; k++)
        row->values[k] = NAN;
    return row;
}

static size_t part_of(mu_bars *b, const char *name) {
    char text[MU_CHART_NAME_BYTES];
    mu_escape_fixed(text, sizeof(text), name ? name : "unnamed", 40);
    size_t k = 0;
    while (k < b->n_parts && strncmp(b->parts[k], text, MU_CHART_NAME_BYTES - 1) != 0)
        k++;
    if (k == b->n_parts) {
        if (k == MU_CHART_SERIES_MAX) {
            k = MU_CHART_SERIES_MAX - 1;
            snprintf(b->parts[k], MU_CHART_NAME_BYTES, "others");
        } else {
            snprintf(b->parts[b->n_parts++], MU_CHART_NAME_BYTES, "%s", text);
        }
    }
    return k;
}

static void arenas(mu_page *page) {
    const mu_view *view = page->view;
    mu_bars b = {.title = "Memory by owner", .unit = "MB", .row_name = "System"};
    for (size_t s = 0; s < view->n_systems; s++) {
        const json_t *all = mu_document_at(mu_view_memory(view, s), "arenas");
        struct mu_bar *row = json_array_size(all) > 0
                                 ? add_bar(&b, view->systems[s].name, view->systems[s].name, false)
                                 : NULL;
        for (size_t i = 0; row && i < json_array_size(all); i++) {
            size_t k = part_of(&b, mu_document_string(json_array_get(all, i), "name"));
            double mb = mu_document_number(json_array_get(all, i), "mb");
            if (isfinite(mb))
                row->values[k] = (isfinite(row->values[k]) ? row->values[k] : 0.0) + mb;
        }
        const char *why = mu_document_string(mu_view_memory(view, s), "arenas_why");
        if (why && !row) {
            mu_buf_append_str(&page->absent, "<li>Memory by owner of ");
            mu_escape_html(&page->absent, view->systems[s].name);
            mu_buf_append_str(&page->absent, ": ");
            mu_escape_html(&page->absent, why);
            mu_buf_append_str(&page->absent, ".</li>");
        }
    }
    mu_bars_write(&b, &page->body);
}

static void phase_peaks(mu_page *page) {
    const mu_view *view = page->view;
    mu_bars b = {.title = "Peak of each phase", .unit = "MB", .row_name = "Phase", .n_parts = 1};
    for (size_t s = 0; s < view->n_systems; s++) {
        const json_t *all = mu_document_at(mu_view_memory(view, s), "phases");
        for (size_t i = 0; i < json_array_size(all); i++) {
            const json_t *phase = json_array_get(all, i);
            if (!isfinite(mu_document_number(phase, "peak_mb"))) continue;
            struct mu_bar *row = add_bar(&b, view->systems[s].name,
                                         mu_document_string(phase, "phase"), view->n_systems > 1);
            if (row) row->values[0] = mu_document_number(phase, "peak_mb");
        }
    }
    mu_bars_write(&b, &page->body);
}

static void loads(mu_page *page) {
    const mu_view *view = page->view;
    mu_bars b = {.title = "Loading the model", .unit = "s", .row_name = "Load", .n_parts = 3};
    static const char *parts[] = {"process start", "until ready", "until the first token"};
    for (size_t k = 0; k < MU_COUNTOF(parts); k++) {
        snprintf(b.parts[k], MU_CHART_NAME_BYTES, "%s", parts[k]);
    }
    for (size_t s = 0; s < view->n_systems; s++) {
        const json_t *all = mu_document_at(mu_view_memory(view, s), "loads");
        for (size_t i = 0; i < json_array_size(all); i++) {
            const json_t *load = json_array_get(all, i);
            double start = mu_document_number(load, "split.start_s"),
                   ready = mu_document_number(load, "split.ready_s");
            double first = mu_document_number(load, "split.first_token_s");
            if (!isfinite(ready)) ready = mu_document_number(load, "seconds");
            if (!isfinite(ready)) continue;
            struct mu_bar *row = add_bar(&b, view->systems[s].name,
                                         mu_document_string(load, "kind"), view->n_systems > 1);
            if (!row) continue;
            row->values[0] = start;
            row->values[1] = ready - (isfinite(start) ? start : 0.0);
            row->values[2] = first - ready;
        }
    }
    mu_bars_write(&b, &page->body);
}

static void kv(mu_page *page) {
    const mu_view *view = page->view;
    mu_chart c;
    mu_chart_init(&c, "KV cache against tokens", "tokens held", "MB");
    snprintf(c.note, sizeof(c.note), "Dashed: by arithmetic from the shape of the model.");
    for (size_t s = 0; s < view->n_systems; s++) {
        const json_t *json = mu_document_at(mu_view_memory(view, s), "kv"),
                     *points = mu_document_at(json, "points");
        double each = mu_document_number(json, "analytic_bytes_per_token");
        if (json_array_size(points) == 0) continue;
        char name[MU_CHART_NAME_BYTES];
        snprintf(name, sizeof(name), "%.50s measured", view->systems[s].name);
        mu_series *measured = mu_chart_add(&c, name);
        if (measured) measured->has_line = false;
        for (size_t i = 0; i < json_array_size(points); i++) {
            const json_t *point = json_array_get(points, i);
            mu_chart_xy(&c, measured, mu_document_item(point, 0), mu_document_item(point, 1) / 1e6);
        }
        snprintf(name, sizeof(name), "%.50s by arithmetic", view->systems[s].name);
        mu_series *analytic = isfinite(each) ? mu_chart_add(&c, name) : NULL;
        if (!analytic || !measured || measured->n == 0) continue;
        analytic->style = measured->style;
        analytic->is_dashed = true;
        analytic->has_marks = false;
        double first = measured->points[0].x, last = measured->points[measured->n - 1].x;
        mu_chart_xy(&c, analytic, first, each * first / 1e6);
        mu_chart_xy(&c, analytic, last, each * last / 1e6);
    }
    mu_page_chart(page, &c);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Where a line of that slope has as many points above it as below. */
static double intercept(mu_chart *c, const mu_series *s, double slope_per_s) {
    double *rests = MU_ALLOC(double, s->n), result = NAN;
    if (!rests) {
        c->failed = true;
        return NAN;
    }
    for (size_t i = 0; i < s->n; i++)
        rests[i] = s->points[i].y - slope_per_s * s->points[i].x;
    qsort(rests, s->n, sizeof(*rests), compare);
    if (s->n > 0) result = 0.5 * (rests[(s->n - 1) / 2] + rests[s->n / 2]);
    mu_free(rests);
    return result;
}

static mu_series *line(mu_chart *c, const char *name, double y_at_0, double slope_mb_h, double x0,
                       double x1) {
    if (!isfinite(y_at_0 + slope_mb_h)) return NULL;
    mu_series *s = mu_chart_add(c, name);
    if (!s) return NULL;
    s->is_dashed = true;
    s->has_marks = false;
    mu_chart_xy(c, s, x0, y_at_0 + slope_mb_h * x0 / 3600.0);
    mu_chart_xy(c, s, x1, y_at_0 + slope_mb_h * x1 / 3600.0);
    return s;
}

static double slope_of(const json_t *leak, const char *name) {
    const json_t *signal = mu_document_member(mu_document_at(leak, "signals"), "name", name);
    return mu_document_number(signal, "slope_mb_h");
}

/* Growth since the first checkpoint: the sizes themselves are far apart, their changes are not. */
static void leak_chart(mu_page *page, const json_t *leak) {
    static const struct {
        const char *column, *signal, *name;
    } rows[] = {{"live_heap_mb", "live_heap", "live heap"},
                {"unreclaimable_mb", "unreclaimable", "unreclaimable"}};
    const json_t *table = mu_document_at(leak, "checkpoints.rows"),
                 *columns = mu_document_at(leak, "checkpoints.columns");
    mu_chart c;
    mu_chart_init(&c, "Growth since the first checkpoint", "seconds", "MB");
    snprintf(c.note, sizeof(c.note),
             "Dashed: Theil-Sen slopes, and the slope that would be a leak.");
    c.y_from_zero = false;
    double x0 = INFINITY, x1 = -INFINITY;
    for (size_t r = 0; r < MU_COUNTOF(rows); r++) {
        size_t at = 0;
        while (at < json_array_size(columns)) {
            const char *name = json_string_value(json_array_get(columns, at));
            if (name && strcmp(name, rows[r].column) == 0) break;
            at++;
        }
        mu_series *s = mu_chart_add(&c, rows[r].name);
        double first = NAN;
        for (size_t i = 0; i < json_array_size(table); i++) {
            double value = mu_document_item(json_array_get(table, i), at);
            if (!isfinite(first)) first = value;
            mu_chart_xy(&c, s, mu_document_item(json_array_get(table, i), 0), value - first);
        }
        if (!s || s->n < 2) continue;
        s->has_line = false;
        x0 = fmin(x0, s->points[0].x);
        x1 = fmax(x1, s->points[s->n - 1].x);
        double slope = slope_of(leak, rows[r].signal);
        char name[MU_CHART_NAME_BYTES];
        snprintf(name, sizeof(name), "%s, %s MB/h", rows[r].name, mu_number_of(slope).text);
        mu_series *fit = line(&c, name, intercept(&c, s, slope / 3600.0), slope, x0, x1);
        if (fit) fit->style = s->style;
    }
    double threshold = mu_document_number(leak, "threshold_mb_h");
    char name[MU_CHART_NAME_BYTES];
    snprintf(name, sizeof(name), "threshold, %s MB/h", mu_number_tick(threshold).text);
    mu_series *most = x1 > x0 ? line(&c, name, -threshold * x0 / 3600.0, threshold, x0, x1) : NULL;
    if (most) most->style = MU_CHART_SERIES_MAX - 2;
    mu_page_chart(page, &c);
}

static void leak_words(mu_page *page, const json_t *leak) {
    const char *verdict = mu_document_string(leak, "verdict");
    int sign = mu_verdict_sign(verdict);
    mu_buf *b = &page->body;
    mu_buf_printf(b, "<div class=\"aside\"><p><span class=\"v %s\">",
                  sign > 0   ? "good"
                  : sign < 0 ? "bad"
                             : "open");
    mu_escape_html(b, verdict ? verdict : "no verdict");
    mu_buf_append_str(b, "</span></p><p>");
    mu_escape_html(b, mu_document_string(leak, "why"));
    mu_buf_append_str(b, "</p><p>");
    mu_buf_printf(b, "Watched for %s and %s requests. ",
                  mu_number_seconds(mu_document_number(leak, "duration_s")).text,
                  mu_number_count(mu_document_number(leak, "requests")).text);
    if (isfinite(mu_document_number(leak, "detection_limit_mb_h"))) {
        mu_buf_printf(b, "Growth above %s MB/h would have been seen. ",
                      mu_number_of(mu_document_number(leak, "detection_limit_mb_h")).text);
    }
    if (isfinite(mu_document_number(leak, "step_mb"))) {
        mu_buf_printf(b, "There was one step of %s MB. ",
                      mu_number_of(mu_document_number(leak, "step_mb")).text);
    }
    if (isfinite(mu_document_number(leak, "needs_s"))) {
        mu_buf_printf(b, "%s more would decide. ",
                      mu_number_seconds(mu_document_number(leak, "needs_s")).text);
    }
    mu_buf_append_str(b, "</p></div>\n");
}

void mu_html_memory(mu_page *page) {
    const mu_view *view = page->view;
    size_t n = 0;
    for (size_t s = 0; s < view->n_systems; s++)
        n += mu_view_memory(view, s) != NULL;
    if (n == 0) return;
    mu_buf_append_str(&page->body, "<div class=\"grid\">\n");
    arenas(page);
    loads(page);
    phase_peaks(page);
    kv(page);
    mu_buf_append_str(&page->body, "</div>\n");
    for (size_t s = 0; s < view->n_systems; s++) {
        const json_t *leak = mu_document_at(mu_view_memory(view, s), "leak");
        if (!leak) continue;
        mu_buf_append_str(&page->body, "<h3>Does it grow?");
        if (view->n_systems > 1) {
            mu_buf_append_str(&page->body, " ");
            mu_escape_html(&page->body, view->systems[s].name);
        }
        mu_buf_append_str(&page->body, "</h3>\n<div class=\"grid\">\n");
        leak_chart(page, leak);
        leak_words(page, leak);
        mu_buf_append_str(&page->body, "</div>\n");
    }
}
