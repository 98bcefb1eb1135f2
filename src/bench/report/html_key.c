/* The first screen: six figures that are always there, each as it was observed, with how sure it is
 * in small letters, and one chart. A figure that was not measured gives its place to the next one
 * that was.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/intervals.h"
#include "bench/report/html.h"
#include "bench/report/prose.h"
#include "bench/result/escape.h"

enum { CARDS = 6, SUB_BYTES = 240 };

typedef struct card {
    const char *name;
    char value[64];      /* "": not measured */
    char sub[SUB_BYTES]; /* of which cell, and how sure */
} card;

/* Of a system, the cell with the highest figure, or with the lowest distance; valid ones first. */
typedef double (*score_fn)(const json_t *cell);

static double near_typical(const json_t *cell) {
    double tokens = mu_document_number(cell, "load.prompt_tokens");
    double clients = mu_document_number(cell, "load.clients");
    bool is_latency = mu_cell_is_phase(cell, "latency");
    return -fabs((isfinite(tokens) ? tokens : 1e6) - 128.0) - (clients == 1.0 ? 0.0 : 1e4) -
           (is_latency ? 0.0 : 1e5);
}

static double output_tok_s(const json_t *cell) {
    return mu_cell_figure(cell, "throughput.output_tok_s").value;
}

static double requests_s(const json_t *cell) {
    return mu_cell_figure(cell, "throughput.requests_s").value;
}

static double rss(const json_t *cell) {
    return mu_cell_figure(cell, "server.rss_peak_mb").value;
}

/* NULL: no cell of the system has a score, or a known figure. */
static const json_t *best_of(const mu_view *view, size_t s, score_fn score,
                             mu_figure (*figure)(const json_t *cell)) {
    const json_t *best = NULL;
    double most = -INFINITY;
    for (size_t i = 0; i < view->n_cells; i++) {
        const json_t *cell = view->cells[i].json;
        if (view->cells[i].i_system != s || isnan(figure(cell).observed)) continue;
        double at = score(cell) - (mu_cell_is_sound(cell) ? 0.0 : 1e9);
        if (!(at > most)) continue;
        most = at;
        best = cell;
    }
    return best;
}

static mu_figure ttft(const json_t *cell) {
    return mu_cell_stat(cell, mu_cell_ttft(cell), "p50");
}

static mu_figure speed(const json_t *cell) {
    return mu_cell_stat(cell, "rate_user_tok_s", "p50");
}

static mu_figure tokens(const json_t *cell) {
    return mu_cell_figure(cell, "throughput.output_tok_s");
}

static mu_figure requests(const json_t *cell) {
    return mu_cell_figure(cell, "throughput.requests_s");
}

static mu_figure memory(const json_t *cell) {
    return mu_cell_figure(cell, "server.rss_peak_mb");
}

static mu_figure whole(const json_t *cell) {
    return mu_cell_stat(cell, mu_cell_e2e(cell), "p50");
}

static mu_figure tail(const json_t *cell) {
    return mu_cell_stat(cell, mu_cell_ttft(cell), "p95");
}

static void add(char *sub, const char *fmt, ...) MU_PRINTF(2, 3);

static void add(char *sub, const char *fmt, ...) {
    size_t n = strlen(sub);
    va_list args;
    va_start(args, fmt);
    if (n > 0) n += (size_t)snprintf(sub + n, SUB_BYTES - n, "; ");
    if (n < SUB_BYTES) vsnprintf(sub + n, SUB_BYTES - n, fmt, args);
    va_end(args);
}

static void say_cell(char *sub, const json_t *cell) {
    double clients = mu_document_number(cell, "load.clients");
    char load[64];
    if (isfinite(clients)) {
        snprintf(load, sizeof(load), "%.0f client%s", clients, clients == 1.0 ? "" : "s");
    } else {
        snprintf(load, sizeof(load), "%.20s requests/s",
                 mu_number_tick(mu_document_number(cell, "load.rate_per_s")).text);
    }
    add(sub, "%.20s/%.20s tokens, %s",
        mu_number_count(mu_document_number(cell, "load.prompt_tokens")).text,
        mu_number_count(mu_document_number(cell, "load.output_tokens")).text, load);
}

static void say_sure(char *sub, const json_t *cell, const mu_figure *f) {
    const json_t *flag = json_array_get(mu_document_at(cell, "validity.flags"), 0);
    double n_runs = mu_document_number(cell, "n_runs");
    if (!isnan(f->low) && !f->is_exact) {
        add(sub, "95 %%: %s", mu_number_range(f->low, f->high).text);
    } else if (!isnan(f->need)) {
        add(sub, "%.0f requests; an interval takes %.0f", f->have, f->need);
    } else if (!f->is_exact) {
        add(sub, "no interval");
    }
    if (n_runs > 1) add(sub, "%.0f runs", n_runs);
    if (!mu_cell_is_stamped_valid(cell)) {
        add(sub, "not valid: %.40s", flag ? mu_document_text(flag, "id") : "no stamp");
    }
}

/* What the other systems have. */
static void say_others(const mu_view *view, score_fn score, mu_figure (*figure)(const json_t *cell),
                       char *sub) {
    for (size_t s = 1; s < view->n_systems && s < 3; s++) {
        const json_t *cell = best_of(view, s, score, figure);
        if (!cell) continue;
        add(sub, "%.40s: %s", view->systems[s].name, mu_number_of(figure(cell).observed).text);
    }
}

typedef struct kind {
    const char *name;
    score_fn score;
    mu_figure (*figure)(const json_t *cell);
} kind;

static bool of_cells(const mu_view *view, const kind *k, card *out) {
    const json_t *cell = best_of(view, 0, k->score, k->figure);
    if (!cell) return false;
    mu_figure f = k->figure(cell);
    *out = (card){.name = k->name};
    snprintf(out->value, sizeof(out->value), "%.30s %.20s", mu_number_of(f.observed).text, f.unit);
    say_cell(out->sub, cell);
    say_sure(out->sub, cell, &f);
    say_others(view, k->score, k->figure, out->sub);
    return true;
}

static bool of_capacity(const mu_view *view, card *out) {
    const json_t *system = view->n_systems > 0 ? view->systems[0].json : NULL;
    const json_t *c = mu_document_capacity(view->docs[0], mu_document_text(system, "id"));
    mu_figure f = mu_capacity_figure(c, "max_rate_per_s");
    if (!(f.value > 0.0)) return false;
    *out = (card){.name = "Requests per second within the limits"};
    snprintf(out->value, sizeof(out->value), "%.30s req/s", mu_number_of(f.value).text);
    add(out->sub, "%.40s tokens", mu_document_text(c, "shape"));
    if (!isnan(f.high)) add(out->sub, "%s fails", mu_number_of(f.high).text);
    if (!mu_document_is_true(c, "is_shown")) add(out->sub, "not shown with 95 %% confidence");
    return true;
}

static bool of_memory(const mu_view *view, card *out) {
    mu_figure f = view->n_systems > 0 ? mu_memory_figure(mu_view_memory(view, 0), "peak_mb")
                                      : (mu_figure){.value = NAN};
    if (isnan(f.value)) return false;
    *out = (card){.name = "Memory at most"};
    snprintf(out->value, sizeof(out->value), "%.30s", mu_number_bytes(f.value * 1e6).text);
    add(out->sub, "the process tree over all phases");
    for (size_t s = 1; s < view->n_systems && s < 3; s++) {
        mu_figure other = mu_memory_figure(mu_view_memory(view, s), "peak_mb");
        if (isnan(other.value)) continue;
        add(out->sub, "%.40s: %s", view->systems[s].name, mu_number_bytes(other.value * 1e6).text);
    }
    return true;
}

static bool of_failures(const mu_view *view, card *out) {
    mu_tally y = mu_tally_of(view);
    if (!(y.n_offered > 0.0) || y.n_failed > y.n_offered || y.n_failed < 0.0) return false;
    *out = (card){.name = "Failed requests"};
    snprintf(out->value, sizeof(out->value), "%.0f of %.0f", y.n_failed, y.n_offered);
    mu_interval i =
        mu_interval_proportion((uint64_t)(y.n_offered - y.n_failed), (uint64_t)y.n_offered);
    double least = y.n_failed == 0.0 ? fmax(0.0, 1.0 - 3.0 / y.n_offered) : i.low;
    add(out->sub, "at least %s succeed, with 95 %% confidence", mu_number_percent(least).text);
    return true;
}

/* The six, and what fills the place of one that was not measured. */
static size_t fill(const mu_view *view, card out[CARDS]) {
    static const kind kinds[] = {{"Time to first token, median", near_typical, ttft},
                                 {"Speed for one user, median", near_typical, speed},
                                 {"Most output tokens a second", output_tok_s, tokens}};
    static const kind spare[] = {{"Most requests a second", requests_s, requests},
                                 {"Memory of the server at most", rss, memory},
                                 {"Whole request, median", near_typical, whole},
                                 {"Time to first token, p95", near_typical, tail}};
    size_t n = 0;
    bool has_capacity = false, has_memory = false;
    for (size_t i = 0; i < MU_COUNTOF(kinds); i++) {
        n += of_cells(view, &kinds[i], &out[n]);
    }
    n += has_capacity = of_capacity(view, &out[n]);
    n += has_memory = of_memory(view, &out[n]);
    for (size_t i = 0; i < MU_COUNTOF(spare) && n < CARDS - 1; i++) {
        if ((i == 0 && has_capacity) || (i == 1 && has_memory)) continue;
        n += of_cells(view, &spare[i], &out[n]);
    }
    return n + of_failures(view, &out[n]);
}

void mu_html_key_figures(mu_page *page) {
    card cards[CARDS];
    size_t n = fill(page->view, cards);
    if (n == 0) return;
    mu_buf_append_str(&page->body, "<ul class=\"cards keys\">\n");
    for (size_t i = 0; i < n; i++) {
        mu_buf_append_str(&page->body, "<li class=\"card\">");
        mu_page_element(page, "h3", cards[i].name, "h3");
        mu_page_element(page, "p class=\"value\"", cards[i].value, "p");
        mu_page_element(page, "p class=\"sub\"", cards[i].sub, "p");
        mu_buf_append_str(&page->body, "</li>\n");
    }
    mu_buf_append_str(&page->body, "</ul>\n");
    if (!mu_html_load_overview(page)) (void)mu_html_latency_overview(page);
}
