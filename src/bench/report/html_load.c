/* Closed loops are drawn against clients, open loops against the rate that was offered. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench/report/groups.h"
#include "bench/report/html.h"
#include "bench/result/load_curve.h"

static double offered(const json_t *cell) {
    double realised = mu_document_number(cell, "load.arrivals.offered_per_s");
    return isfinite(realised) ? realised : mu_document_number(cell, "load.rate_per_s");
}

static bool is_of(const json_t *cell, bool is_open) {
    bool is_load = mu_cell_is_phase(cell, "throughput") || mu_cell_is_phase(cell, "rate") ||
                   mu_cell_is_phase(cell, "stress");
    return is_load && isfinite(mu_document_number(cell, "load.clients")) != is_open;
}

static bool is_closed(const json_t *cell) {
    return is_of(cell, false);
}

static bool is_open_loop(const json_t *cell) {
    return is_of(cell, true);
}

static void groups_of(const mu_view *view, bool is_open, mu_groups *out) {
    mu_groups_of(view, is_open ? is_open_loop : is_closed, MU_GROUP_SHAPE, out);
}

static double x_of(const json_t *cell, bool is_open) {
    return is_open ? offered(cell) : mu_document_number(cell, "load.clients");
}

static void begin(const mu_view *view, mu_chart *c, const char *title, const char *y_name,
                  bool is_open) {
    mu_chart_init(c, title, is_open ? "requests/s offered" : "clients", y_name);
    c->ticks_at_values = !is_open;
    c->x_kind = is_open ? MU_AXIS_LINEAR : MU_AXIS_LOG;
    double shade = INFINITY;
    for (size_t i = 0; i < view->n_cells; i++) {
        const char *status = mu_document_string(view->cells[i].json, "validity.status");
        if (!is_of(view->cells[i].json, is_open) || !status || strcmp(status, "SATURATED") != 0)
            continue;
        shade = fmin(shade, x_of(view->cells[i].json, is_open));
    }
    if (isfinite(shade)) {
        c->shade_from = shade;
        snprintf(c->note, sizeof(c->note),
                 "Shaded: saturated, the figures depend on the length of the test.");
    }
}

/* A line of a group; all of a group have its colour. */
static mu_series *add(mu_chart *c, const mu_groups *groups, size_t g, const char *what) {
    char name[MU_CHART_NAME_BYTES];
    const char *own = groups->items[g].name;
    snprintf(name, sizeof(name), "%.60s%s%s", own, *own && *what ? " " : "", what);
    mu_series *series = mu_chart_add(c, name);
    if (series && groups->n > 1) {
        series->style = (uint32_t)g;
        series->is_solid = true;
    }
    return series;
}

static void add_stat(const mu_view *view, mu_chart *c, const mu_groups *groups, size_t g,
                     bool is_open, bool is_ttft, const char *stat) {
    mu_series *series = add(c, groups, g, stat);
    if (series) series->is_dashed = strcmp(stat, "p50") != 0;
    for (size_t i = 0; i < view->n_cells; i++) {
        const json_t *cell = view->cells[i].json;
        if (!mu_group_has(groups, g, &view->cells[i])) continue;
        mu_figure value = mu_cell_stat(cell, is_ttft ? mu_cell_ttft(cell) : "tpot_ms", stat);
        mu_chart_point(c, series,
                       (mu_point){.x = x_of(cell, is_open),
                                  .y = value.value,
                                  .low = value.low,
                                  .high = value.high,
                                  .is_hollow = !mu_cell_is_stamped_valid(cell)});
    }
}

static mu_series *add_figure(const mu_view *view, mu_chart *c, const mu_groups *groups, size_t g,
                             bool is_open, const char *what, const char *path, double factor) {
    mu_series *series = add(c, groups, g, what);
    for (size_t i = 0; i < view->n_cells; i++) {
        const json_t *cell = view->cells[i].json;
        if (!mu_group_has(groups, g, &view->cells[i])) continue;
        mu_figure f = mu_cell_figure(cell, path);
        mu_chart_point(c, series,
                       (mu_point){.x = x_of(cell, is_open),
                                  .y = factor * f.value,
                                  .low = factor * f.low,
                                  .high = factor * f.high,
                                  .is_hollow = !mu_cell_is_stamped_valid(cell)});
    }
    return series;
}

/* The limit of the first cell that has one. */
static double slo(const mu_view *view, const char *path) {
    for (size_t i = 0; i < view->n_cells; i++) {
        double limit = mu_document_number(view->cells[i].json, path);
        if (isfinite(limit)) return limit;
    }
    return NAN;
}

static void set_limit(mu_chart *c, double limit, const char *unit) {
    c->limit = limit;
    snprintf(c->limit_name, sizeof(c->limit_name), "limit %.20s %.10s", mu_number_tick(limit).text,
             unit);
}

static void latency_chart(mu_page *page, bool is_open, bool is_ttft) {
    const mu_view *view = page->view;
    mu_chart c;
    begin(view, &c, is_ttft ? "Time to first token" : "Time per output token", "ms", is_open);
    mu_groups groups;
    groups_of(view, is_open, &groups);
    for (size_t g = 0; g < groups.n; g++) {
        add_stat(view, &c, &groups, g, is_open, is_ttft, "p50");
        if (2 * groups.n <= MU_CHART_SERIES_MAX) {
            add_stat(view, &c, &groups, g, is_open, is_ttft, "p95");
        }
    }
    set_limit(&c, slo(view, is_ttft ? "goodput.slo.ttft_ms" : "goodput.slo.tpot_ms"), "ms");
    mu_page_chart(page, &c);
}

static double capacity(const mu_view *view) {
    const json_t *all = mu_document_at(view->docs[0], "capacity");
    return view->n_systems == 1 ? mu_document_number(json_array_get(all, 0), "max_rate_per_s")
                                : NAN;
}

/* The knee that the advice names, where the chart has one system. */
static void mark_knee(const mu_view *view, const mu_groups *groups, mu_chart *c) {
    mu_load_curve curve;
    mu_load_curve_of(view, 0, &curve);
    if (view->n_systems != 1 || curve.n < 3 || curve.knee + 1 == curve.n) return;
    c->mark_x = curve.points[curve.knee].clients;
    snprintf(c->mark_name, sizeof(c->mark_name), "knee: %.0f %% of the most", 100 * MU_KNEE_SHARE);
    if (groups->n == 1) return;
    snprintf(c->mark_name, sizeof(c->mark_name), "knee of %.0f/%.0f", curve.prompt_tokens,
             curve.output_tokens);
}

static void throughput_chart(mu_page *page, bool is_open) {
    const mu_view *view = page->view;
    mu_chart c;
    mu_groups groups;
    begin(view, &c, "Output tokens per second", "tok/s", is_open);
    groups_of(view, is_open, &groups);
    for (size_t g = 0; g < groups.n; g++) {
        add_figure(view, &c, &groups, g, is_open, groups.n == 1 ? "output tok/s" : "",
                   "throughput.output_tok_s", 1.0);
    }
    if (!is_open) mark_knee(view, &groups, &c);
    mu_page_chart(page, &c);
}

static void requests_chart(mu_page *page, bool is_open) {
    const mu_view *view = page->view;
    mu_chart c;
    mu_groups groups;
    begin(view, &c, is_open ? "Achieved against offered" : "Requests per second", "requests/s",
          is_open);
    groups_of(view, is_open, &groups);
    for (size_t g = 0; g < groups.n; g++) {
        add_figure(view, &c, &groups, g, is_open, "completed", "throughput.requests_s", 1.0);
        if (2 * groups.n >= MU_CHART_SERIES_MAX) continue;
        mu_series *good =
            add_figure(view, &c, &groups, g, is_open, "within limits", "goodput.requests_s", 1.0);
        if (good) good->is_dashed = groups.n > 1;
    }
    mu_series *ideal = is_open ? mu_chart_add(&c, "offered") : NULL;
    for (size_t i = 0; ideal && i < view->n_cells; i++) {
        if (!is_of(view->cells[i].json, true) || view->cells[i].i_system != 0) continue;
        mu_chart_xy(&c, ideal, offered(view->cells[i].json), offered(view->cells[i].json));
    }
    if (ideal) ideal->is_dashed = true;
    if (is_open && isfinite(capacity(view))) {
        c.mark_x = capacity(view);
        snprintf(c.mark_name, sizeof(c.mark_name), "capacity %.20s/s",
                 mu_number_tick(c.mark_x).text);
    }
    mu_page_chart(page, &c);
}

static void attainment_chart(mu_page *page, bool is_open) {
    const mu_view *view = page->view;
    mu_chart c;
    mu_groups groups;
    begin(view, &c, "Requests within the limits", "%", is_open);
    groups_of(view, is_open, &groups);
    for (size_t g = 0; g < groups.n; g++) {
        add_figure(view, &c, &groups, g, is_open, groups.n == 1 ? "attainment" : "",
                   "goodput.attainment", 100.0);
    }
    mu_page_chart(page, &c);
}

static size_t n_of(const mu_view *view, bool is_open) {
    size_t n = 0;
    for (size_t i = 0; i < view->n_cells; i++)
        n += is_of(view->cells[i].json, is_open);
    return n;
}

static void charts(mu_page *page, bool is_open) {
    if (n_of(page->view, is_open) < 2) return;
    mu_page_element(page, "h3", is_open ? "By rate (open loop)" : "By clients (closed loop)", "h3");
    mu_buf_append_str(&page->body, "<div class=\"grid\">\n");
    if (is_open) latency_chart(page, is_open, true); /* of clients it stands at the top */
    latency_chart(page, is_open, false);
    requests_chart(page, is_open);
    if (is_open) attainment_chart(page, is_open);
    mu_buf_append_str(&page->body, "</div>\n");
}

bool mu_html_load_overview(mu_page *page) {
    if (n_of(page->view, false) < 2) return false;
    mu_buf_append_str(&page->body, "<div class=\"grid\">\n");
    throughput_chart(page, false);
    latency_chart(page, false, true);
    mu_buf_append_str(&page->body, "</div>\n");
    return true;
}

void mu_html_load(mu_page *page) {
    if (n_of(page->view, false) + n_of(page->view, true) == 0) return;
    charts(page, false);
    charts(page, true);
    mu_page_table(page, mu_tables_load);
    mu_page_table(page, mu_tables_capacity);
}

void mu_html_pareto(mu_page *page) {
    const mu_view *view = page->view;
    mu_chart c;
    mu_chart_init(&c, "Speed for one user against speed in total", "tok/s for one user (median)",
                  "tok/s in total");
    snprintf(c.note, sizeof(c.note),
             "Numbers beside the marks are clients. Up and to the right is better.");
    mu_groups groups;
    groups_of(view, false, &groups);
    for (size_t g = 0; g < groups.n; g++) {
        mu_series *series = add(&c, &groups, g, groups.n == 1 ? mu_view_name(view, 0) : "");
        for (size_t i = 0; i < view->n_cells; i++) {
            const json_t *cell = view->cells[i].json;
            if (!mu_group_has(&groups, g, &view->cells[i])) continue;
            mu_point p = {.x = mu_cell_stat(cell, "rate_user_tok_s", "p50").value,
                          .y = mu_document_number(cell, "throughput.output_tok_s.value"),
                          .low = NAN,
                          .high = NAN,
                          .is_hollow = !mu_cell_is_stamped_valid(cell)};
            snprintf(p.label, sizeof(p.label), "%.20s", mu_number_count(x_of(cell, false)).text);
            mu_chart_point(&c, series, p);
        }
    }
    if (mu_chart_n_points(&c) < 2) {
        page->body.failed = page->body.failed || c.failed;
        mu_chart_deinit(&c);
        return;
    }
    mu_buf_append_str(&page->body, "<div class=\"grid\">\n");
    mu_page_chart(page, &c);
    mu_page_element(
        page, "p class=\"aside\"",
        "Each mark is one concurrency. More clients share the same steps of the engine: the "
        "total grows while each of them waits longer for a token. A line that lies above "
        "and to the right of another serves more people at the same speed; points of "
        "different lines with the same number of clients need not lie side by side.",
        "p");
    mu_buf_append_str(&page->body, "</div>\n");
}
