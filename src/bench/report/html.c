/* The head can only be written when the sections are known, so these go to a buffer of their own. A
 * page that is too long is built again with fewer points and, at last, without details. */
#include "bench/report/html.h"

#include <nettle/base64.h>
#include <nettle/sha2.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/report/assets.h"
#include "bench/report/report.h"
#include "bench/result/escape.h"
#include "format/json.h"

static const char data_open[] = "<script type=\"application/json\" id=\"muai-bench\">";
static const char data_close[] = "</script>";

void mu_page_element(mu_page *page, const char *open, const char *str, const char *close) {
    mu_buf_printf(&page->body, "<%s>", open);
    mu_escape_html(&page->body, str);
    mu_buf_printf(&page->body, "</%s>\n", close);
}

void mu_page_table(mu_page *page, mu_table_builder build) {
    mu_table t;
    build(page->view, &t);
    mu_table_write_html(&t, &page->body);
    mu_table_deinit(&t);
}

void mu_page_chart(mu_page *page, mu_chart *chart) {
    mu_chart_decimate(chart, page->points_max);
    mu_chart_write(chart, &page->body);
    mu_chart_deinit(chart);
}

/* "sha256-..." of an inline element, which allows this one and no other. */
static void source_hash(const char *data, size_t n, mu_buf *out) {
    struct sha256_ctx sha;
    uint8_t digest[SHA256_DIGEST_SIZE];
    char text[BASE64_ENCODE_RAW_LENGTH(SHA256_DIGEST_SIZE)];
    sha256_init(&sha);
    sha256_update(&sha, n, (const uint8_t *)data);
    sha256_digest(&sha, sizeof(digest), digest);
    base64_encode_raw(text, sizeof(digest), digest);
    mu_buf_append_str(out, "'sha256-");
    mu_buf_append(out, text, sizeof(text));
    mu_buf_append_str(out, "'");
}

static int append_json(const char *data, size_t n, void *ctx) {
    mu_buf *buf = ctx;
    mu_buf_append(buf, data, n);
    return buf->failed ? -1 : 0;
}

/* What makes a document long, the least needed first. */
static const char *const long_parts[] = {"requests", "timeline", "gaps",       "stalls", "curve",
                                         "client",   "tokens",   "efficiency", "ci",     "cells"};

static void leave_out(json_t *cell, const char *part) {
    json_t *metrics = json_object_get(cell, "metrics"), *metric;
    const char *name;
    json_object_del(cell, part);
    json_object_foreach(metrics, name, metric) {
        json_object_del(metric, part);
    }
}

/* A copy without the first n_parts of long_parts; NULL when there is no memory. */
static json_t *shortened(const json_t *doc, size_t n_parts) {
    json_t *copy = json_deep_copy(doc), *names = json_array();
    json_t *cells = json_object_get(copy, "cells"), *pooled = json_object_get(copy, "pooled");
    /* json_deep_copy() passes over what it has no memory for. */
    bool ok = copy && names && json_equal(copy, (json_t *)doc);
    for (size_t k = 0; ok && k < n_parts; k++) {
        for (size_t i = 0; i < json_array_size(cells); i++) {
            leave_out(json_array_get(cells, i), long_parts[k]);
        }
        for (size_t i = 0; i < json_array_size(pooled); i++) {
            leave_out(json_array_get(pooled, i), long_parts[k]);
        }
        if (strcmp(long_parts[k], "cells") == 0) {
            json_array_clear(cells);
            json_array_clear(pooled);
        }
        ok = json_array_append_new(names, json_string(long_parts[k])) == 0;
    }
    if (ok && n_parts > 0) ok = json_object_set(copy, "left_out", names) == 0;
    json_decref(names);
    if (ok) return copy;
    json_decref(copy);
    return NULL;
}

/* 12 digits are more than any clock gives. */
static void write_json(const mu_view *view, size_t n_parts, mu_buf *out) {
    if (view->n_docs > 1) mu_buf_append_str(out, "[");
    for (size_t d = 0; d < view->n_docs; d++) {
        json_t *doc = shortened(view->docs[d], n_parts);
        if (d > 0) mu_buf_append_str(out, ",");
        if (!doc || json_dump_callback(doc, append_json, out,
                                       JSON_COMPACT | JSON_REAL_PRECISION(12)) != 0) {
            out->failed = true;
        }
        json_decref(doc);
    }
    if (view->n_docs > 1) mu_buf_append_str(out, "]");
}

static void embed(const mu_view *view, size_t bytes_max, mu_buf *out) {
    mu_buf text = {0};
    for (size_t n_parts = 0; n_parts <= MU_COUNTOF(long_parts); n_parts++) {
        mu_buf_clear(&text);
        write_json(view, n_parts, &text);
        if (text.failed || text.n <= bytes_max) break;
    }
    mu_buf_append_str(out, data_open);
    if (!text.failed) mu_escape_script(out, text.data, text.n);
    mu_buf_append_str(out, data_close);
    out->failed = out->failed || text.failed;
    mu_buf_deinit(&text);
}

static void document_head(const mu_view *view, mu_buf *out) {
    size_t n_css, n_js;
    const char *css = mu_report_css(&n_css), *js = mu_report_js(&n_js);
    const char *title = mu_document_string(view->docs[0], "run.title");
    mu_buf_append_str(out,
                      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                      "<meta name=\"color-scheme\" content=\"light dark\">\n"
                      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                      "style-src ");
    source_hash(css, n_css, out);
    mu_buf_append_str(out, "; script-src ");
    source_hash(js, n_js, out);
    mu_buf_append_str(out, "; base-uri 'none'; form-action 'none'\">\n<title>");
    mu_escape_html(out, title && *title ? title : "Benchmark");
    mu_buf_append_str(out, "</title>\n<style>");
    mu_buf_append(out, css, n_css);
    mu_buf_append_str(out, "</style>\n</head>\n");
}

/* A section that writes nothing is told among those that are not there. */
typedef struct section {
    const char *id, *title, *why_absent;
    void (*write)(mu_page *page);
    enum { OPEN, FOLDED, DETAIL } kind; /* detail: folded, and not in a page that is too long */
} section;

static const section sections[] = {
    {"figures", "Key figures", "nothing was measured", mu_html_key_figures, OPEN},
    {"recommendations", "Recommendations", "no rule found anything to say", mu_html_recommendations,
     OPEN},
    {"verdict", "Targets", "the run had no targets", mu_html_verdict, FOLDED},
    {"comparison", "Comparison", "only one system was measured", mu_html_comparison, FOLDED},
    {"latency", "Latency at a glance", "no latency was measured", mu_html_latency, FOLDED},
    {"load", "Under load", "no load but that of one client was measured", mu_html_load, FOLDED},
    {"tradeoff", "One user against all", "fewer than two concurrencies were measured",
     mu_html_pareto, FOLDED},
    {"time", "Over time", "no cell has a timeline", mu_html_time, DETAIL},
    {"requests", "Single requests", "no cell has single requests", mu_html_requests, DETAIL},
    {"stalls", "Gaps and stalls", "no cell has its gaps counted", mu_html_stalls, FOLDED},
    {"memory", "Memory", "it was not measured", mu_html_memory, FOLDED},
    {"efficiency", "Efficiency", "neither the engine nor its process could be watched",
     mu_html_efficiency, FOLDED},
    {"reliability", "Errors and reliability", "no request was counted", mu_html_reliability,
     FOLDED},
    {"tables", "Results in tables", "nothing was measured", mu_html_tables, FOLDED},
    {"method", "Method and reproducibility", "", mu_html_method, FOLDED},
};

static void write_section(mu_page *page, const section *row) {
    mu_buf *b = &page->body;
    size_t start = b->n;
    mu_buf_printf(b, "<section aria-labelledby=\"%s-title\">\n%s", row->id,
                  row->kind == OPEN ? "" : "<details class=\"fold\"><summary>");
    mu_buf_printf(b, "<h2 id=\"%s-title\">%s</h2>%s\n<div id=\"%s\">\n", row->id, row->title,
                  row->kind == OPEN ? "" : "</summary>", row->id);
    size_t n_head = b->n;
    row->write(page);
    if (b->n == n_head) {
        bool is_left_out = row->kind == DETAIL && page->cells_max == 0;
        if (!b->failed) b->n = start;
        mu_buf_printf(&page->absent, "<li>%s: %s.</li>", row->title,
                      is_left_out ? "left out to keep the page short" : row->why_absent);
        return;
    }
    mu_buf_printf(b, "</div>%s\n</section>\n", row->kind == OPEN ? "" : "</details>");
    if (row->kind == OPEN) return;
    mu_buf_printf(&page->contents, "<li><a href=\"#%s\">%s</a></li>", row->id, row->title);
}

static void assemble(mu_page *page, size_t json_bytes_max, mu_buf *out) {
    size_t n_js;
    const char *js = mu_report_js(&n_js);
    mu_page head = {.view = page->view}, facts = {.view = page->view};
    mu_html_head(&head);
    mu_html_facts(&facts);
    size_t n_first = 0; /* bytes of the first screen, behind which the contents stand */
    for (size_t i = 0; i < MU_COUNTOF(sections); i++) {
        write_section(page, &sections[i]);
        if (sections[i].kind == OPEN) n_first = page->body.n;
    }
    document_head(page->view, out);
    mu_buf_append_str(out, "<body>\n<a class=\"skip\" href=\"#main\">Skip to the results</a>\n");
    if (head.body.data) mu_buf_append(out, head.body.data, head.body.n);
    mu_buf_append_str(out, "<main id=\"main\">\n");
    if (page->body.data) mu_buf_append(out, page->body.data, n_first);
    if (facts.body.data) mu_buf_append(out, facts.body.data, facts.body.n);
    mu_buf_printf(out, "<nav aria-label=\"Contents\"><ul>%s</ul></nav>\n",
                  page->contents.data ? page->contents.data : "");
    if (page->body.data) mu_buf_append(out, page->body.data + n_first, page->body.n - n_first);
    mu_buf_append_str(out,
                      "</main>\n<footer>One file, made by muai bench report. It loads nothing and "
                      "holds its own data.</footer>\n");
    embed(page->view, json_bytes_max, out);
    mu_buf_append_str(out, "\n<script>");
    mu_buf_append(out, js, n_js);
    mu_buf_append_str(out, "</script>\n</body>\n</html>\n");
    out->failed = out->failed || page->body.failed || page->contents.failed ||
                  page->absent.failed || head.body.failed || facts.body.failed;
    mu_buf_deinit(&head.body);
    mu_buf_deinit(&facts.body);
    mu_buf_deinit(&page->body);
    mu_buf_deinit(&page->contents);
    mu_buf_deinit(&page->absent);
}

mu_status mu_report_html(const json_t *const *docs, size_t n_docs, mu_buf *out, mu_err *err) {
    static const struct {
        size_t points_max, cells_max, json_bytes_max;
    } levels[] = {{120, 2, 200000}, {60, 1, 120000}, {30, 1, 80000}, {12, 0, 60000}};
    mu_view view;
    mu_status status = mu_view_init(&view, docs, n_docs, err);
    if (status != MU_OK) return status;
    mu_buf text = {0};
    for (size_t i = 0; i < MU_COUNTOF(levels); i++) {
        mu_page page = {
            .view = &view, .points_max = levels[i].points_max, .cells_max = levels[i].cells_max};
        mu_buf_clear(&text);
        assemble(&page, levels[i].json_bytes_max, &text);
        if (text.failed || text.n <= MU_REPORT_HTML_BYTES_MAX) break;
    }
    if (!text.failed) mu_buf_append(out, text.data, text.n);
    bool failed = text.failed || out->failed;
    mu_buf_deinit(&text);
    mu_view_deinit(&view);
    return failed ? mu_fail(err, MU_ERR_NOMEM, "report as HTML") : MU_OK;
}

static const char *find(const char *text, size_t n, const char *what) {
    size_t n_what = strlen(what);
    for (size_t i = 0; i + n_what <= n; i++) {
        if (memcmp(text + i, what, n_what) == 0) return text + i;
    }
    return NULL;
}

mu_status mu_report_extract_json(const char *html, size_t n, json_t **out, mu_err *err) {
    const char *start = find(html, n, data_open);
    if (!start) return mu_fail(err, MU_ERR_FORMAT, "page: not a report of muai bench");
    start += sizeof(data_open) - 1;
    const char *end = find(start, n - (size_t)(start - html), data_close);
    if (!end) return mu_fail(err, MU_ERR_FORMAT, "page: its data are cut off");
    return mu_json_parse(start, (size_t)(end - start), out, err);
}
