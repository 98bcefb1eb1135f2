#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench/report/html.h"
#include "bench/report/prose.h"
#include "bench/result/escape.h"

static void fact(mu_page *page, const char *name, const char *text) {
    if (!text || !*text) return;
    mu_buf_printf(&page->body, "<div><dt>%s</dt><dd>", name);
    mu_escape_html(&page->body, text);
    mu_buf_append_str(&page->body, "</dd></div>");
}

static void badge(mu_page *page, const char *class, const char *icon, const char *text) {
    mu_buf_printf(&page->body,
                  "<span class=\"badge %s\"><span aria-hidden=\"true\">%s</span> %s</span>", class,
                  icon, text);
}

static void badges(mu_page *page) {
    mu_tally y = mu_tally_of(page->view);
    const char *verdict = mu_tally_verdict(&y), *validity = mu_tally_validity(&y);
    mu_buf_append_str(&page->body, "<p class=\"badges\">");
    if (y.n_pass + y.n_fail + y.n_open > 0) {
        bool pass = strcmp(verdict, "PASS") == 0, fail = strcmp(verdict, "FAIL") == 0;
        badge(page,
              pass   ? "good"
              : fail ? "bad"
                     : "open",
              pass   ? "\xe2\x9c\x93"
              : fail ? "\xe2\x9c\x97"
                     : "?",
              pass   ? "all targets met"
              : fail ? "a target is not met"
                     : "targets undecided");
    }
    bool valid = strcmp(validity, "VALID") == 0;
    if (y.n_valid + y.n_invalid + y.n_saturated > 0) {
        badge(page, valid ? "good" : "bad", valid ? "\xe2\x9c\x93" : "!", validity);
    }
    if (y.is_exploratory) badge(page, "open", "~", "exploratory: fewer than 5 runs");
    mu_buf_append_str(&page->body, "</p>\n");
}

void mu_html_facts(mu_page *page) {
    const mu_view *view = page->view;
    const json_t *doc = view->docs[0], *system = view->n_systems > 0 ? view->systems[0].json : NULL;
    mu_buf engines = {0}, machine = {0};
    for (size_t s = 0; s < view->n_systems; s++) {
        const char *engine = mu_document_string(view->systems[s].json, "engine");
        mu_buf_printf(&engines, "%s%s", s > 0 ? ", " : "", engine ? engine : view->systems[s].name);
    }
    mu_buf_append_str(
        &machine, mu_document_string(doc, "host.cpu") ? mu_document_string(doc, "host.cpu") : "");
    double cores = mu_document_number(doc, "host.cores_usable");
    double memory = mu_document_number(doc, "host.memory_total_bytes");
    if (isfinite(cores)) mu_buf_printf(&machine, ", %.0f cores", cores);
    if (memory > 0.0) mu_buf_printf(&machine, ", %s", mu_number_bytes(memory).text);
    mu_buf_append_str(&page->body, "<dl class=\"facts\">");
    fact(page, "Model", mu_document_string(system, "model.id"));
    fact(page, "Weights", mu_document_string(system, "model.dtype"));
    fact(page, view->n_systems > 1 ? "Engines" : "Engine", engines.data);
    fact(page, "Machine", machine.data);
    char day[32];
    const char *start = mu_document_string(doc, "run.start");
    if (start && strlen(start) == 20 && start[10] == 'T') { /* ISO 8601 to the minute */
        snprintf(day, sizeof(day), "%.10s %.5s UTC", start, start + 11);
        start = day;
    }
    fact(page, "Measured", start);
    fact(page, "Took", mu_number_seconds(mu_document_number(doc, "run.duration_s")).text);
    fact(page, "Commit", mu_document_string(doc, "tool.git"));
    mu_buf_append_str(&page->body, "</dl>\n");
    page->body.failed = page->body.failed || engines.failed || machine.failed;
    mu_buf_deinit(&engines);
    mu_buf_deinit(&machine);
}

void mu_html_head(mu_page *page) {
    const json_t *doc = page->view->docs[0];
    const char *title = mu_document_string(doc, "run.title");
    mu_buf_append_str(&page->body, "<header>\n<p class=\"eyebrow\">muai bench");
    if (mu_document_string(doc, "run.suite")) {
        mu_buf_append_str(&page->body, " \xc2\xb7 ");
        mu_escape_html(&page->body, mu_document_string(doc, "run.suite"));
    }
    if (mu_document_is_true(doc, "run.quick")) mu_buf_append_str(&page->body, " \xc2\xb7 quick");
    mu_buf_append_str(&page->body, "</p>\n");
    mu_page_element(page, "h1", title && *title ? title : "Benchmark", "h1");
    badges(page);
    mu_buf summary = {0};
    mu_prose_summary(page->view, &summary);
    mu_page_element(page, "p class=\"lead\"", summary.data, "p");
    page->body.failed = page->body.failed || summary.failed;
    mu_buf_deinit(&summary);
    const char *stop = mu_document_string(doc, "run.stop_reason");
    if (stop && strcmp(stop, "done") != 0) {
        mu_buf_append_str(&page->body, "<p class=\"note\">The run did not finish: ");
        mu_escape_html(&page->body, stop);
        if (mu_document_string(doc, "run.why")) {
            mu_buf_append_str(&page->body, ", ");
            mu_escape_html(&page->body, mu_document_string(doc, "run.why"));
        }
        mu_buf_append_str(&page->body, "</p>\n");
    }
    mu_buf_append_str(&page->body, "</header>\n");
}

static void card(mu_page *page, const json_t *target, bool has_id) {
    const char *verdict = mu_document_string(target, "verdict");
    int sign = mu_verdict_sign(verdict);
    const char *class = sign > 0 ? "good" : sign < 0 ? "bad" : "open";
    const char *icon = sign > 0 ? "\xe2\x9c\x93" : sign < 0 ? "\xe2\x9c\x97" : "?";
    mu_target_text text = mu_target_text_of(target);
    mu_buf *b = &page->body;
    mu_buf_printf(b, "<li class=\"card %s\"", class);
    if (has_id) {
        char id[MU_HTML_ID_BYTES];
        mu_html_id(id, "target-", mu_document_string(target, "id"));
        mu_buf_printf(b, " id=\"%s\"", id);
    }
    mu_buf_append_str(b, ">");
    mu_page_element(page, "h3", mu_document_string(target, "name"), "h3");
    mu_page_element(page, "p class=\"value\"", text.value, "p");
    mu_buf_printf(b,
                  "<p class=\"outcome\"><span class=\"v %s\"><span aria-hidden=\"true\">%s</span> ",
                  class, icon);
    mu_escape_html(b, verdict ? verdict : "inconclusive");
    mu_buf_append_str(b, "</span> <span class=\"limit\">limit ");
    mu_escape_html(b, text.limit);
    mu_buf_append_str(b, "</span></p>");
    if (text.interval[0]) {
        mu_buf_append_str(b, "<p class=\"sub\">95 % interval ");
        mu_escape_html(b, text.interval);
        mu_buf_append_str(b, "</p>");
    }
    mu_page_element(page, "p class=\"sub\"", mu_document_string(target, "statement"), "p");
    if (mu_document_string(target, "why")) {
        mu_page_element(page, "p class=\"sub why\"", mu_document_string(target, "why"), "p");
    }
    mu_buf_append_str(b, "</li>\n");
}

void mu_html_verdict(mu_page *page) {
    size_t n = 0;
    for (size_t d = 0; d < page->view->n_docs; d++)
        n += mu_document_n(page->view->docs[d], "targets");
    if (n == 0) return;
    mu_buf_append_str(&page->body, "<ul class=\"cards\">\n");
    for (size_t d = 0; d < page->view->n_docs; d++) {
        const json_t *all = mu_document_at(page->view->docs[d], "targets");
        for (size_t i = 0; i < json_array_size(all); i++) {
            bool is_new = d == 0;
            for (size_t k = 0; k < i; k++) {
                const char *a = mu_document_string(json_array_get(all, k), "id");
                const char *b = mu_document_string(json_array_get(all, i), "id");
                is_new = is_new && a && b && strcmp(a, b) != 0;
            }
            card(page, json_array_get(all, i), is_new);
        }
    }
    mu_buf_append_str(&page->body, "</ul>\n");
}

static bool has_target(const json_t *doc, const char *id) {
    return mu_document_member(mu_document_at(doc, "targets"), "id", id) != NULL;
}

/* Where the page shows what is meant: how ids of that kind begin, and the name of this one ("":
 * there is one for all). NULL: nowhere. */
static const char *place_of(const mu_page *page, const char *what, const char **name) {
    const json_t *doc = page->view->docs[0];
    const char *colon = strchr(what, ':');
    *name = colon ? colon + 1 : what;
    if (strncmp(what, "target:", 7) == 0 && has_target(doc, *name)) return "target-";
    if (strncmp(what, "cell:", 5) == 0) {
        *name = mu_view_shown_id(page->view, *name);
        return *name ? "cell-" : NULL;
    }
    *name = "";
    bool is_memory = strncmp(what, "memory", 6) == 0 && mu_document_n(doc, "memory") > 0;
    return is_memory ? "memory" : NULL;
}

/* A link where the page shows what is meant, the plain words elsewhere. */
static void evidence(mu_page *page, const char *what) {
    mu_buf *b = &page->body;
    const char *name, *place = place_of(page, what, &name);
    if (place) {
        char id[MU_HTML_ID_BYTES];
        mu_html_id(id, place, name);
        mu_buf_printf(b, "<a href=\"#%s\">", id);
    }
    mu_escape_html(b, place && *name ? name : what);
    if (place) mu_buf_append_str(b, "</a>");
}

static void part(mu_page *page, const char *name, const char *text) {
    if (!text || !*text) return;
    mu_buf_printf(&page->body, "<div><dt>%s</dt><dd>", name);
    mu_escape_html(&page->body, text);
    mu_buf_append_str(&page->body, "</dd></div>");
}

static void recommendation(mu_page *page, const json_t *r) {
    const char *severity = mu_document_string(r, "severity");
    bool is_warning = severity && strcmp(severity, "warning") == 0;
    bool is_advice = severity && strcmp(severity, "advice") == 0;
    mu_buf *b = &page->body;
    mu_buf_printf(b, "<li class=\"rec %s\"><h3>",
                  is_warning  ? "bad"
                  : is_advice ? "advice"
                              : "info");
    mu_escape_html(b, mu_document_string(r, "title"));
    mu_buf_printf(b, "</h3><p class=\"sub\"><span class=\"v %s\">%s</span> <code>",
                  is_warning ? "bad" : "open",
                  is_warning  ? "warning"
                  : is_advice ? "advice"
                              : "info");
    mu_escape_html(b, mu_document_string(r, "id"));
    mu_buf_append_str(b, "</code></p><dl>");
    part(page, "Finding", mu_document_string(r, "finding"));
    part(page, "Action", mu_document_string(r, "action"));
    part(page, "Expected", mu_document_string(r, "expected"));
    part(page, "Confidence", mu_document_string(r, "confidence"));
    const json_t *all = mu_document_at(r, "evidence");
    for (size_t i = 0; i < json_array_size(all); i++) {
        const char *what = json_string_value(json_array_get(all, i));
        mu_buf_append_str(b, i == 0 ? "<div><dt>Evidence</dt><dd>" : ", ");
        if (what) evidence(page, what);
    }
    mu_buf_append_str(b, json_array_size(all) > 0 ? "</dd></div></dl></li>\n" : "</dl></li>\n");
}

enum { RECOMMENDATIONS_SHOWN = 3 };

void mu_html_recommendations(mu_page *page) {
    size_t n = 0;
    for (size_t d = 0; d < page->view->n_docs; d++) {
        const json_t *all = mu_document_at(page->view->docs[d], "recommendations");
        for (size_t i = 0; i < json_array_size(all); i++, n++) {
            if (n == 0) mu_buf_append_str(&page->body, "<ol class=\"recs\">\n");
            if (n == RECOMMENDATIONS_SHOWN) {
                mu_buf_append_str(&page->body, "</ol>\n<details><summary>All recommendations"
                                               "</summary><ol class=\"recs\" start=\"4\">\n");
            }
            recommendation(page, json_array_get(all, i));
        }
    }
    if (n > 0) mu_buf_append_str(&page->body, "</ol>\n");
    if (n > RECOMMENDATIONS_SHOWN) mu_buf_append_str(&page->body, "</details>\n");
}
