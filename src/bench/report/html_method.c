#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench/report/groups.h"
#include "bench/report/html.h"
#include "bench/report/prose.h"
#include "bench/result/escape.h"

static bool has_rows(mu_page *page, mu_table_builder build) {
    mu_table t;
    build(page->view, &t);
    bool has = t.n_rows > 0;
    page->body.failed = page->body.failed || t.text.failed;
    mu_table_deinit(&t);
    return has;
}

static bool is_throughput(const json_t *cell) {
    return mu_cell_is_phase(cell, "throughput");
}

/* A share of a group's cells in percent; no line where none of them has it. */
static void add_by_clients(const mu_view *view, mu_chart *c, const mu_groups *groups, size_t g,
                           const char *what, const char *path, bool is_dashed) {
    char name[MU_CHART_NAME_BYTES];
    const char *own = groups->items[g].name;
    snprintf(name, sizeof(name), "%.60s%s%s", own, *own ? " " : "", what);
    mu_series *series = NULL;
    for (size_t i = 0; i < view->n_cells; i++) {
        const json_t *cell = view->cells[i].json;
        double value = mu_document_number(cell, path);
        if (!mu_group_has(groups, g, &view->cells[i]) || !isfinite(value)) continue;
        if (!series) series = mu_chart_add(c, name);
        if (series && groups->n > 1) series->style = (uint32_t)g;
        if (series) series->is_solid = groups->n > 1;
        if (series) series->is_dashed = is_dashed;
        mu_chart_xy(c, series, mu_document_number(cell, "load.clients"), 100.0 * value);
    }
}

static void utilisation(mu_page *page) {
    static const struct {
        const char *name, *path;
    } rows[] = {{"MBU", "efficiency.mbu"}, {"MFU", "efficiency.mfu"}};
    const mu_view *view = page->view;
    mu_chart c;
    mu_chart_init(&c, "Of what the machine can do", "clients", "%");
    snprintf(c.note, sizeof(c.note),
             "MBU: memory bandwidth in decode. MFU: arithmetic in prefill.");
    c.x_kind = MU_AXIS_LOG;
    c.ticks_at_values = true;
    c.limit = 100.0;
    snprintf(c.limit_name, sizeof(c.limit_name), "measured limit of the machine");
    mu_groups groups;
    mu_groups_of(view, is_throughput, MU_GROUP_SHAPE, &groups);
    for (size_t g = 0; g < groups.n; g++) {
        for (size_t k = 0; k < MU_COUNTOF(rows); k++) {
            add_by_clients(view, &c, &groups, g, rows[k].name, rows[k].path, k > 0);
        }
    }
    mu_page_chart(page, &c);
}

static void cost(mu_page *page) {
    const mu_view *view = page->view;
    mu_chart c;
    mu_groups groups;
    mu_chart_init(&c, "Tokens per CPU-second of the server", "clients", "tokens");
    c.x_kind = MU_AXIS_LOG;
    c.ticks_at_values = true;
    mu_groups_of(view, is_throughput, MU_GROUP_SHAPE, &groups);
    for (size_t g = 0; g < groups.n; g++) {
        const char *own = groups.items[g].name;
        mu_series *series = mu_chart_add(&c, *own ? own : mu_view_name(view, 0));
        for (size_t i = 0; i < view->n_cells; i++) {
            const json_t *cell = view->cells[i].json;
            double cpu = mu_document_number(cell, "server.cpu_s_per_1000_tokens");
            if (!mu_group_has(&groups, g, &view->cells[i]) || !(cpu > 0.0)) continue;
            mu_chart_xy(&c, series, mu_document_number(cell, "load.clients"), 1000.0 / cpu);
        }
    }
    mu_page_chart(page, &c);
}

void mu_html_efficiency(mu_page *page) {
    if (!has_rows(page, mu_tables_efficiency)) return;
    mu_buf_append_str(&page->body, "<div class=\"grid\">\n");
    utilisation(page);
    cost(page);
    mu_buf_append_str(&page->body, "</div>\n");
    mu_page_table(page, mu_tables_efficiency);
}

static void forest(mu_page *page, const json_t *doc) {
    const json_t *all = mu_document_at(doc, "comparisons");
    mu_forest f = {.title = "Ratios with 95 % intervals"};
    for (size_t i = 0; i < json_array_size(all) && f.n_rows < MU_COUNTOF(f.rows); i++) {
        const json_t *c = json_array_get(all, i);
        double ratio = mu_document_number(c, "ratio");
        if (!(ratio > 0.0)) continue;
        struct mu_forest_row *row = &f.rows[f.n_rows++];
        const char *metric = mu_document_string(c, "metric"),
                   *better = mu_document_string(c, "better");
        const char *verdict = mu_document_string(c, "verdict");
        char name[40], cell[40];
        mu_escape_fixed(name, sizeof(name), metric, 24);
        mu_escape_fixed(cell, sizeof(cell), mu_document_string(c, "cell"), 26);
        snprintf(row->name, sizeof(row->name), "%.39s %.26s%s", cell, name,
                 !better                         ? ""
                 : strcmp(better, "higher") == 0 ? " (more is better)"
                                                 : " (less is better)");
        mu_escape_fixed(row->verdict, sizeof(row->verdict), verdict, 16);
        row->ratio = ratio;
        row->low = mu_document_number(c, "low");
        row->high = mu_document_number(c, "high");
        row->delta = mu_document_number(c, "delta");
    }
    if (f.n_rows > 0 && isfinite(f.rows[0].delta)) {
        snprintf(f.note, sizeof(f.note),
                 "The grey strip is what counts as equal: %s to either side.",
                 mu_number_percent(f.rows[0].delta).text);
    }
    mu_forest_write(&f, &page->body);
}

/* Every row is of blocks that both systems have. */
static bool is_paired(const mu_view *view) {
    bool is_any = false;
    for (size_t d = 0; d < view->n_docs; d++) {
        const json_t *all = mu_document_at(view->docs[d], "comparisons");
        for (size_t i = 0; i < json_array_size(all); i++) {
            const json_t *c = json_array_get(all, i);
            if (isnan(mu_document_number(c, "ratio"))) continue;
            if (!mu_document_is_true(c, "paired")) return false;
            is_any = true;
        }
    }
    return is_any;
}

void mu_html_comparison(mu_page *page) {
    const mu_view *view = page->view;
    if (!has_rows(page, mu_tables_comparisons)) return;
    if (view->n_systems >= 2) {
        mu_buf_append_str(&page->body, "<p class=\"intro\">A is ");
        mu_escape_html(&page->body, view->systems[0].name);
        mu_buf_append_str(&page->body, ", B is ");
        mu_escape_html(&page->body, view->systems[1].name);
        mu_buf_printf(&page->body, ". %s; p-values are corrected for the number of metrics.</p>\n",
                      is_paired(view) ? "Blocks of both alternate, each with a fresh process"
                                      : "They were not measured in turn: what changed on the "
                                        "machine in between is in the ratios too");
    }
    mu_buf_append_str(&page->body, "<div class=\"wide\">");
    for (size_t d = 0; d < view->n_docs; d++)
        forest(page, view->docs[d]);
    mu_buf_append_str(&page->body, "</div>\n");
    mu_page_table(page, mu_tables_comparisons);
    mu_page_table(page, mu_tables_systems);
}

void mu_html_reliability(mu_page *page) {
    if (!has_rows(page, mu_tables_reliability)) return;
    mu_page_table(page, mu_tables_reliability);
    mu_page_table(page, mu_tables_failures);
    mu_page_table(page, mu_tables_invalid);
}

void mu_html_tables(mu_page *page) {
    static const mu_table_builder builders[] = {mu_tables_phases,      mu_tables_by_input,
                                                mu_tables_concurrency, mu_tables_loads,
                                                mu_tables_memory,      mu_tables_leak};
    bool has = false;
    for (size_t i = 0; i < MU_COUNTOF(builders); i++)
        has = has || has_rows(page, builders[i]);
    if (!has) return;
    for (size_t i = 0; i < MU_COUNTOF(builders); i++)
        mu_page_table(page, builders[i]);
}

static void commands(mu_page *page) {
    for (size_t d = 0; d < page->view->n_docs; d++) {
        mu_buf command = {0};
        mu_prose_command(mu_document_at(page->view->docs[d], "run.command"), &command);
        if (command.n > 0) {
            mu_page_element(page, "h3", d == 0 ? "Run it again" : "And", "h3");
            mu_buf_append_str(&page->body, "<pre tabindex=\"0\"><code>");
            mu_escape_html(&page->body, command.data);
            mu_buf_append_str(&page->body, "</code></pre>\n");
        }
        page->body.failed = page->body.failed || command.failed;
        mu_buf_deinit(&command);
    }
}

static void notes(mu_page *page) {
    bool is_open = false;
    for (size_t d = 0; d < page->view->n_docs; d++) {
        const json_t *all = mu_document_at(page->view->docs[d], "notes");
        for (size_t i = 0; i < json_array_size(all); i++) {
            const char *note = json_string_value(json_array_get(all, i));
            if (!note) continue;
            if (!is_open) mu_buf_append_str(&page->body, "<h3>Caveats</h3>\n<ul class=\"notes\">");
            is_open = true;
            mu_page_element(page, "li", note, "li");
        }
    }
    if (is_open) mu_buf_append_str(&page->body, "</ul>\n");
}

static void instrument(mu_page *page) {
    mu_page_element(page, "h3", "The instrument", "h3");
    const char *why = mu_document_string(page->view->docs[0], "instrument.why");
    if (!has_rows(page, mu_tables_instrument)) {
        mu_buf_append_str(&page->body, "<p>Its error is not known: ");
        mu_escape_html(&page->body, why ? why : "it was not measured");
        mu_buf_append_str(&page->body, ".</p>\n");
    }
    mu_page_table(page, mu_tables_instrument);
}

void mu_html_method(mu_page *page) {
    notes(page);
    commands(page);
    instrument(page);
    mu_page_element(page, "h3", "Definitions", "h3");
    mu_page_table(page, mu_tables_definitions);
    mu_page_element(page, "h3", "Where and what", "h3");
    mu_page_table(page, mu_tables_run);
    mu_page_table(page, mu_tables_host);
    if (!has_rows(page, mu_tables_comparisons)) mu_page_table(page, mu_tables_systems);
    if (page->absent.n > 0) {
        mu_buf_printf(&page->body, "<h3>Not in this report</h3>\n<ul class=\"notes\">%s</ul>\n",
                      page->absent.data);
    }
}
