#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/report/html.h"
#include "bench/result/escape.h"

enum { REQUESTS_MAX = 200, BOUNDS_MAX = 64 };

/* The place of a column, or the number of columns. */
static size_t column_of(const json_t *frame, const char *name) {
    const json_t *columns = mu_document_at(frame, "columns");
    size_t i = 0;
    for (; i < json_array_size(columns); i++) {
        const char *other = json_string_value(json_array_get(columns, i));
        if (other && strcmp(other, name) == 0) break;
    }
    return i;
}

static double at(const json_t *frame, size_t row, size_t column) {
    return mu_document_item(json_array_get(mu_document_at(frame, "rows"), row), column);
}

static void series(mu_page *page, const json_t *line, const char *column, const char *title,
                   const char *unit, bool from_zero) {
    size_t t = column_of(line, "t_s"), y = column_of(line, column);
    mu_chart c;
    mu_chart_init(&c, title, "seconds", unit);
    c.y_from_zero = from_zero;
    c.is_low = true;
    mu_series *s = mu_chart_add(&c, title);
    if (s) s->has_marks = false;
    for (size_t i = 0; i < mu_document_n(line, "rows"); i++)
        mu_chart_xy(&c, s, at(line, i, t), at(line, i, y));
    if (mu_chart_n_points(&c) < 2) {
        page->body.failed = page->body.failed || c.failed;
        mu_chart_deinit(&c);
        return;
    }
    mu_page_chart(page, &c);
}

static void cell_heading(mu_page *page, const mu_view_cell *cell) {
    const char *label = mu_document_string(cell->json, "label");
    mu_buf_append_str(&page->body, "<h3>");
    if (page->view->n_systems > 1) {
        mu_escape_html(&page->body, mu_view_name(page->view, cell->i_system));
        mu_buf_append_str(&page->body, ": ");
    }
    mu_escape_html(&page->body, label ? label : mu_document_string(cell->json, "id"));
    double shown_run = mu_document_number(cell->json, "shown_run");
    if (cell->own && isfinite(shown_run)) {
        mu_buf_printf(&page->body, "; shown is number %s, whose throughput is the median",
                      mu_number_count(shown_run).text);
    }
    mu_buf_append_str(&page->body, "</h3>\n");
}

static bool is_busier(const json_t *a, const json_t *b) {
    double x = mu_document_number(a, "throughput.in_flight_mean");
    double y = mu_document_number(b, "throughput.in_flight_mean");
    return isfinite(x) && (!isfinite(y) || x > y);
}

/* Cells that have `path`, the busiest first. out: [n_max]; the number is returned. */
static size_t busiest(const mu_view *view, const char *path, size_t *out, size_t n_max) {
    size_t n = 0;
    for (size_t i = 0; i < view->n_cells; i++) {
        if (mu_document_n(view->cells[i].json, path) == 0) continue;
        size_t place = 0;
        while (place < n && !is_busier(view->cells[i].json, view->cells[out[place]].json))
            place++;
        if (place >= n_max) continue;
        if (n < n_max) n++;
        memmove(out + place + 1, out + place, (n - place - 1) * sizeof(*out));
        out[place] = i;
    }
    return n;
}

void mu_html_time(mu_page *page) {
    size_t cells[4];
    MU_ASSERT(page->cells_max <= MU_COUNTOF(cells));
    size_t n = busiest(page->view, "timeline.rows", cells, page->cells_max);
    if (n == 0) return;
    mu_page_element(page, "p class=\"intro\"",
                    "The steady window of the busiest cells. Warm-up and drain are not in it.",
                    "p");
    for (size_t i = 0; i < n; i++) {
        const mu_view_cell *cell = &page->view->cells[cells[i]];
        const json_t *line = mu_document_at(cell->json, "timeline");
        cell_heading(page, cell);
        mu_buf_append_str(&page->body, "<div class=\"grid\">\n");
        series(page, line, "in_flight", "Requests in flight", "requests", true);
        series(page, line, "output_tok_s", "Output tokens per second", "tok/s", true);
        series(page, line, "ttft_p50_ms", "Time to first token, median", "ms", true);
        series(page, line, "rss_mb", "Memory of the server", "MB", false);
        series(page, line, "cpu_share", "Cores used by the server", "cores", true);
        series(page, line, "steal", "Share of time stolen by other guests", "share", true);
        series(page, line, "gpu_memory_mb", "Memory in use on the GPU, by everybody", "MB", false);
        series(page, line, "gpu_utilization", "Share of time a kernel ran on the GPU", "share",
               true);
        mu_buf_append_str(&page->body, "</div>\n");
    }
}

static size_t read_requests(const json_t *frame, mu_request_row *rows) {
    size_t start = column_of(frame, "start_ms"), wait = column_of(frame, "wait_ms");
    size_t ttft = column_of(frame, "ttft_ms"), e2e = column_of(frame, "e2e_ms");
    size_t tokens = column_of(frame, "output_tokens"), gap = column_of(frame, "gap_max_ms");
    size_t ok = column_of(frame, "ok"), n = 0;
    for (size_t i = 0; i < mu_document_n(frame, "rows") && n < REQUESTS_MAX; i++) {
        const json_t *success =
            json_array_get(json_array_get(mu_document_at(frame, "rows"), i), ok);
        mu_request_row r = {.start = at(frame, i, start),
                            .wait = at(frame, i, wait),
                            .ttft = at(frame, i, ttft),
                            .e2e = at(frame, i, e2e),
                            .tokens = at(frame, i, tokens),
                            .gap_max = at(frame, i, gap),
                            .ok = json_is_true(success) || json_number_value(success) != 0.0};
        if (!isfinite(r.start) || !isfinite(r.e2e) || r.e2e < 0.0) continue;
        if (!isfinite(r.ttft)) r.ttft = r.e2e;
        size_t place = n++;
        for (; place > 0 && rows[place - 1].start > r.start; place--)
            rows[place] = rows[place - 1];
        rows[place] = r;
    }
    return n;
}

void mu_html_requests(mu_page *page) {
    size_t cells[1];
    size_t n = page->cells_max > 0 ? busiest(page->view, "requests.rows", cells, 1) : 0;
    mu_request_row *rows = n > 0 ? MU_ALLOC(mu_request_row, REQUESTS_MAX) : NULL;
    if (n > 0 && !rows) page->body.failed = true;
    size_t n_rows =
        rows ? read_requests(mu_document_at(page->view->cells[cells[0]].json, "requests"), rows)
             : 0;
    if (n_rows > 0) {
        mu_page_element(
            page, "p class=\"intro\"",
            "A sample of the busiest cell that has them, with its 20 slowest among them.", "p");
        cell_heading(page, &page->view->cells[cells[0]]);
        mu_buf_append_str(&page->body, "<div class=\"grid\">\n");
        mu_waterfall_write("Requests, each from its own start", rows, n_rows, &page->body);
        mu_page_element(
            page, "p class=\"aside\"",
            "One line is one request; the first to start is at the top. A request waits "
            "for the engine, its prompt is read until the first token, then it is decoded. "
            "Lines that reach farther to the right than their neighbours are what the "
            "tail of the percentile curves is made of.",
            "p");
        mu_buf_append_str(&page->body, "</div>\n");
    }
    mu_free(rows);
}

static void worst_gaps(mu_page *page, const json_t *cell) {
    const json_t *worst = mu_document_at(cell, "stalls.worst_ms");
    if (json_array_size(worst) == 0) return;
    double rate = mu_document_number(cell, "stalls.rate");
    double median = mu_cell_stat(cell, "icl_ms", "p50").value;
    mu_table t;
    mu_table_init(&t, "Worst gaps between chunks", NULL);
    mu_table_column(&t, "Rank", MU_COLUMN_TEXT);
    mu_table_column(&t, "Gap, ms", MU_COLUMN_NUMBER);
    mu_table_column(&t, "Times the median", MU_COLUMN_NUMBER);
    for (size_t i = 0; i < json_array_size(worst) && i < 20; i++) {
        mu_table_row(&t, NULL);
        mu_table_printf(&t, "%zu", i + 1);
        mu_table_number(&t, mu_document_item(worst, i));
        mu_table_number(&t, mu_document_item(worst, i) / median);
    }
    mu_buf_append_str(&page->body, "<div class=\"short\">");
    if (isfinite(rate)) {
        mu_buf_printf(&page->body,
                      "<p>%s of the requests stalled: they had a gap above five medians.</p>\n",
                      mu_number_percent(rate).text);
    }
    mu_table_write_html(&t, &page->body);
    mu_buf_append_str(&page->body, "</div>\n");
    mu_table_deinit(&t);
}

void mu_html_stalls(mu_page *page) {
    size_t cells[1], n = busiest(page->view, "gaps.counts", cells, 1);
    const json_t *cell = n > 0 ? page->view->cells[cells[0]].json : NULL;
    const json_t *bounds = mu_document_at(cell, "gaps.bounds_ms"),
                 *counts = mu_document_at(cell, "gaps.counts");
    size_t n_bounds = json_array_size(bounds);
    if (n_bounds == 0 || n_bounds > BOUNDS_MAX || json_array_size(counts) != n_bounds + 1) return;
    double edges[BOUNDS_MAX], numbers[BOUNDS_MAX + 1];
    for (size_t i = 0; i < n_bounds; i++)
        edges[i] = mu_document_item(bounds, i);
    for (size_t i = 0; i <= n_bounds; i++)
        numbers[i] = mu_document_item(counts, i);
    cell_heading(page, &page->view->cells[cells[0]]);
    mu_buf_append_str(&page->body, "<div class=\"grid\">\n");
    mu_histogram_write("Gaps between chunks", "ms", edges, numbers, n_bounds, &page->body);
    worst_gaps(page, cell);
    mu_buf_append_str(&page->body, "</div>\n");
}
