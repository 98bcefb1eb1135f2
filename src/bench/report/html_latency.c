#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench/report/groups.h"
#include "bench/report/html.h"
#include "bench/result/escape.h"

enum { CURVES = 5 };

/* "muai, 128/64, 1 client", as short as it can be told apart. */
static void cell_name(const mu_view *view, const mu_view_cell *c, char *out, size_t cap) {
    bool many = view->n_systems > 1;
    double clients = mu_document_number(c->json, "load.clients");
    snprintf(out, cap, "%.50s%s%s/%s", many ? mu_view_name(view, c->i_system) : "",
             many ? ", " : "",
             mu_number_count(mu_document_number(c->json, "load.prompt_tokens")).text,
             mu_number_count(mu_document_number(c->json, "load.output_tokens")).text);
    size_t n = strlen(out);
    if (clients != 1.0 && isfinite(clients)) snprintf(out + n, cap - n, ", %.0f clients", clients);
}

static void attach_intervals(const json_t *metric, mu_series *s) {
    static const struct {
        const char *key;
        double p;
    } stats[] = {{"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"p999", 0.999}};
    for (size_t k = 0; k < MU_COUNTOF(stats); k++) {
        const json_t *ci = mu_document_at(mu_document_at(metric, "ci"), stats[k].key);
        for (size_t i = 0; s && i < s->n; i++) {
            if (fabs(s->points[i].x - stats[k].p) > 1e-6 || !isfinite(mu_document_item(ci, 0)))
                continue;
            s->points[i].low = mu_document_item(ci, 0);
            s->points[i].high = mu_document_item(ci, 1);
        }
    }
}

/* The quantile function of one metric, a line a cell. Percentiles with an interval are always among
 * the points. */
static void curve(mu_page *page, const char *title, const char *(*metric_of)(const json_t *)) {
    static const struct {
        const char *key;
        double p;
    } stats[] = {{"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"p999", 0.999}};
    mu_chart c;
    mu_chart_init(&c, title, "share of requests that were at most this slow", "ms");
    c.x_kind = MU_AXIS_TAIL;
    snprintf(c.note, sizeof(c.note),
             "Percentile curve. The band is the 95 %% interval, between the "
             "percentiles that have one.");
    for (size_t i = 0; i < page->view->n_cells && c.n_series < CURVES; i++) {
        const mu_view_cell *cell = &page->view->cells[i];
        const json_t *metric =
            mu_document_at(mu_document_at(cell->json, "metrics"), metric_of(cell->json));
        const json_t *points = mu_document_at(metric, "curve");
        if (!mu_cell_is_phase(cell->json, "latency") || json_array_size(points) < 2) continue;
        char name[MU_CHART_NAME_BYTES];
        cell_name(page->view, cell, name, sizeof(name));
        mu_series *s = mu_chart_add(&c, name);
        if (!s) break;
        s->has_marks = false;
        s->has_band = true;
        for (size_t k = 0; k < json_array_size(points); k++) {
            const json_t *point = json_array_get(points, k);
            double p = mu_document_item(point, 0);
            bool is_stat = false;
            for (size_t q = 0; q < MU_COUNTOF(stats); q++) {
                is_stat = is_stat ||
                          (fabs(p - stats[q].p) < 1e-6 && mu_document_at(metric, stats[q].key));
            }
            if (p >= 0.0 && p < 1.0 && !is_stat) mu_chart_xy(&c, s, p, mu_document_item(point, 1));
        }
        for (size_t q = 0; q < MU_COUNTOF(stats); q++) {
            mu_chart_xy(&c, s, stats[q].p, mu_document_number(metric, stats[q].key));
        }
        attach_intervals(metric, s);
    }
    mu_page_chart(page, &c);
}

static bool is_latency(const json_t *cell) {
    return mu_cell_is_phase(cell, "latency");
}

static void add_by_input(const mu_view *view, mu_chart *c, mu_series *series,
                         const mu_groups *groups, size_t g,
                         const char *(*metric_of)(const json_t *), const char *stat) {
    for (size_t i = 0; i < view->n_cells; i++) {
        const json_t *cell = view->cells[i].json;
        if (!mu_group_has(groups, g, &view->cells[i])) continue;
        mu_figure f = mu_cell_stat(cell, metric_of(cell), stat);
        mu_chart_point(c, series,
                       (mu_point){.x = mu_document_number(cell, "load.prompt_tokens"),
                                  .y = f.value,
                                  .low = f.low,
                                  .high = f.high,
                                  .is_hollow = !mu_cell_is_stamped_valid(cell)});
    }
}

/* One metric against the length of the prompt, for every system p50 and p95. */
static void by_input(mu_page *page, const char *title, const char *(*metric_of)(const json_t *)) {
    static const char *stats[] = {"p50", "p95"};
    const mu_view *view = page->view;
    mu_chart c;
    mu_chart_init(&c, title, "prompt tokens", "ms");
    c.ticks_at_values = true;
    mu_groups groups;
    mu_groups_of(view, is_latency, MU_GROUP_CLIENTS, &groups);
    size_t n_stats = 2 * groups.n <= MU_CHART_SERIES_MAX ? MU_COUNTOF(stats) : 1;
    for (size_t g = 0; g < groups.n; g++) {
        for (size_t k = 0; k < n_stats; k++) {
            char name[MU_CHART_NAME_BYTES];
            const char *own = groups.items[g].name;
            snprintf(name, sizeof(name), "%.60s%s%s", own, *own ? " " : "", stats[k]);
            mu_series *series = mu_chart_add(&c, name);
            if (series) series->is_dashed = k > 0;
            if (series && groups.n > 1) {
                series->style = (uint32_t)g;
                series->is_solid = true;
            }
            add_by_input(view, &c, series, &groups, g, metric_of, stats[k]);
        }
    }
    mu_page_chart(page, &c);
}

static const char *tpot(const json_t *cell) {
    (void)cell;
    return "tpot_ms";
}

static void cell_table(mu_page *page, const mu_view_cell *cell, bool is_folded) {
    mu_table t;
    char name[MU_CHART_NAME_BYTES];
    cell_name(page->view, cell, name, sizeof(name));
    mu_tables_cell_latency(cell->json, &t);
    char caption[MU_CHART_NAME_BYTES + 64];
    snprintf(caption, sizeof(caption), "Latency of %s, with 95 %% intervals", name);
    t.caption = caption;
    if (is_folded) {
        mu_buf_append_str(&page->body, "<details><summary>Latency of ");
        mu_escape_html(&page->body, name);
        mu_buf_append_str(&page->body, "</summary>");
    }
    mu_table_write_html(&t, &page->body);
    if (is_folded) mu_buf_append_str(&page->body, "</details>\n");
    mu_table_deinit(&t);
}

bool mu_html_latency_overview(mu_page *page) {
    size_t n = 0;
    for (size_t i = 0; i < page->view->n_cells; i++) {
        n += mu_cell_is_phase(page->view->cells[i].json, "latency");
    }
    if (n < 2) return false;
    mu_buf_append_str(&page->body, "<div class=\"grid\">\n");
    by_input(page, "First token by prompt length", mu_cell_ttft);
    mu_buf_append_str(&page->body, "</div>\n");
    return true;
}

/* The cell that a target speaks of, else the first. */
static size_t main_cell(const mu_view *view) {
    const json_t *targets = mu_document_at(view->docs[0], "targets");
    for (size_t i = 0; i < view->n_cells; i++) {
        const char *id = mu_document_string(view->cells[i].json, "id");
        for (size_t k = 0; id && k < json_array_size(targets); k++) {
            const char *cell = mu_document_string(json_array_get(targets, k), "cell");
            const char *shown = cell ? mu_view_shown_id(view, cell) : NULL;
            if (shown && strcmp(shown, id) == 0 &&
                mu_cell_is_phase(view->cells[i].json, "latency")) {
                return i;
            }
        }
    }
    for (size_t i = 0; i < view->n_cells; i++) {
        if (mu_cell_is_phase(view->cells[i].json, "latency")) return i;
    }
    return view->n_cells;
}

void mu_html_latency(mu_page *page) {
    const mu_view *view = page->view;
    size_t first = main_cell(view), n_shown = 0;
    if (first == view->n_cells) return;
    mu_page_element(page, "p class=\"intro\"",
                    "Prompt / output tokens name a cell. Percentiles are printed only when enough "
                    "requests stand behind them.",
                    "p");
    cell_table(page, &view->cells[first], false);
    for (size_t i = 0; i < view->n_cells && n_shown < 8; i++) {
        if (i == first || !mu_cell_is_phase(view->cells[i].json, "latency")) continue;
        cell_table(page, &view->cells[i], true);
        n_shown++;
    }
    mu_buf_append_str(&page->body, "<div class=\"grid\">\n");
    curve(page, "Time to first token", mu_cell_ttft);
    curve(page, "Time per output token", tpot);
    by_input(page, "Time to first token by prompt length", mu_cell_ttft);
    by_input(page, "End to end by prompt length", mu_cell_e2e);
    mu_buf_append_str(&page->body, "</div>\n");
}
