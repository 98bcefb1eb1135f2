#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench/report/tables.h"
#include "bench/result/escape.h"

static bool has_many(const mu_view *view) {
    return view->n_systems > 1;
}

static void system_column(const mu_view *view, mu_table *t) {
    if (has_many(view)) mu_table_column(t, "System", MU_COLUMN_TEXT);
}

static void system_cell(const mu_view *view, const mu_view_cell *cell, mu_table *t) {
    if (has_many(view)) mu_table_text(t, mu_view_name(view, cell->i_system));
}

/* Where all cells are valid, a column that says so is noise. */
static bool has_status(const mu_view *view) {
    for (size_t i = 0; i < view->n_cells; i++) {
        if (!mu_cell_is_stamped_valid(view->cells[i].json)) return true;
    }
    return false;
}

static void status_column(const mu_view *view, mu_table *t) {
    if (has_status(view)) mu_table_column(t, "Status", MU_COLUMN_VERDICT);
}

static void status_cell(const mu_view *view, const json_t *cell, mu_table *t) {
    if (has_status(view)) mu_table_text(t, mu_document_string(cell, "validity.status"));
}

static void number_columns(mu_table *t, const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++)
        mu_table_column(t, names[i], MU_COLUMN_NUMBER);
}

static void stat(mu_table *t, const json_t *cell, const char *metric, const char *which, bool ci) {
    mu_figure s = mu_cell_stat(cell, metric, which);
    mu_table_stat(t, &s, ci);
}

/* A row that other parts of a page may point at. */
static void row_of_cell(const mu_view *view, size_t i, mu_table *t) {
    char id[MU_HTML_ID_BYTES];
    mu_html_id(id, "cell-", mu_document_string(view->cells[i].json, "id"));
    mu_table_row(t, mu_view_is_first_of_id(view, i) ? id : NULL);
}

static void load_text(const json_t *cell, bool has_shape, mu_table *t) {
    char shape[64] = "";
    double clients = mu_document_number(cell, "load.clients"),
           rate = mu_document_number(cell, "load.rate_per_s");
    const char *kind = mu_document_string(cell, "load.kind");
    if (has_shape) {
        snprintf(shape, sizeof(shape), ", %.20s/%.20s",
                 mu_number_count(mu_document_number(cell, "load.prompt_tokens")).text,
                 mu_number_count(mu_document_number(cell, "load.output_tokens")).text);
    }
    if (isfinite(clients)) {
        mu_table_printf(t, "%.0f client%s%s", clients, clients == 1.0 ? "" : "s", shape);
    } else {
        mu_table_printf(t, "%.20s %s/s%s", kind ? kind : "open", mu_number_tick(rate).text, shape);
    }
}

static const json_t *memory_of(const mu_view_cell *cell) {
    return mu_document_member(mu_document_at(cell->doc, "memory"), "system",
                              mu_document_string(cell->json, "system"));
}

void mu_tables_summary(const mu_view *view, mu_table *t) {
    static const char *numbers[] = {"tok/s [95 %]", "TTFT p50", "TTFT p95", "peak, MB"};
    mu_table_init(t, "One client (latencies in ms)", NULL);
    mu_table_column(t, "Model", MU_COLUMN_TEXT);
    mu_table_column(t, "Size", MU_COLUMN_NUMBER);
    mu_table_column(t, "Engine", MU_COLUMN_TEXT);
    mu_table_column(t, "Test", MU_COLUMN_TEXT);
    number_columns(t, numbers, MU_COUNTOF(numbers));
    for (size_t i = 0; i < view->n_cells; i++) {
        const json_t *cell = view->cells[i].json;
        if (!mu_cell_is_phase(cell, "latency") || mu_document_number(cell, "load.clients") != 1)
            continue;
        const json_t *system = view->cells[i].i_system < view->n_systems
                                   ? view->systems[view->cells[i].i_system].json
                                   : NULL;
        const char *dtype = mu_document_string(system, "model.dtype"),
                   *id = mu_document_string(system, "model.id");
        mu_table_row(t, NULL);
        mu_table_printf(t, "%s%s%s", id ? id : "", dtype ? " " : "", dtype ? dtype : "");
        mu_table_text(t, mu_number_bytes(mu_document_number(system, "model.weight_bytes")).text);
        mu_table_text(t, mu_document_string(system, "engine"));
        mu_table_printf(t, "%s/%s",
                        mu_number_count(mu_document_number(cell, "load.prompt_tokens")).text,
                        mu_number_count(mu_document_number(cell, "load.output_tokens")).text);
        stat(t, cell, "rate_user_tok_s", "p50", true);
        stat(t, cell, mu_cell_ttft(cell), "p50", false);
        stat(t, cell, mu_cell_ttft(cell), "p95", false);
        mu_table_text(
            t,
            mu_number_of(mu_document_number(memory_of(&view->cells[i]), "footprint.peak_mb")).text);
    }
}

/* Where cells of one table are of several shapes, or numbers of clients, their rows say which. */
static bool differs(const mu_view *view, bool (*is_shown)(const json_t *cell), const char *path) {
    double first = NAN;
    bool is_any = false;
    for (size_t i = 0; i < view->n_cells; i++) {
        const json_t *cell = view->cells[i].json;
        double value = mu_document_number(cell, path);
        if (!is_shown(cell) || isnan(value)) continue;
        if (is_any && value != first) return true;
        first = value;
        is_any = true;
    }
    return false;
}

static bool is_latency(const json_t *cell) {
    return mu_cell_is_phase(cell, "latency");
}

static bool is_throughput(const json_t *cell) {
    return mu_cell_is_phase(cell, "throughput");
}

static bool has_shapes(const mu_view *view, bool (*is_shown)(const json_t *cell)) {
    return differs(view, is_shown, "load.prompt_tokens") ||
           differs(view, is_shown, "load.output_tokens");
}

void mu_tables_by_input(const mu_view *view, mu_table *t) {
    static const char *numbers[] = {"Requests", "TTFT p50", "TTFT p95", "tok/s p50",
                                    "TPOT p50", "E2E p50",  "E2E p95"};
    bool has_clients = differs(view, is_latency, "load.clients");
    mu_table_init(t, "Latency by input length (ms)", NULL);
    mu_table_column(t, "Prompt / output", MU_COLUMN_TEXT);
    system_column(view, t);
    status_column(view, t);
    number_columns(t, numbers, MU_COUNTOF(numbers));
    for (size_t i = 0; i < view->n_cells; i++) {
        const json_t *cell = view->cells[i].json;
        if (!mu_cell_is_phase(cell, "latency")) continue;
        row_of_cell(view, i, t);
        char clients[32] = "";
        if (has_clients) {
            snprintf(clients, sizeof(clients), ", %.20s at once",
                     mu_number_count(mu_document_number(cell, "load.clients")).text);
        }
        mu_table_printf(
            t, "%s / %s%s", mu_number_count(mu_document_number(cell, "load.prompt_tokens")).text,
            mu_number_count(mu_document_number(cell, "load.output_tokens")).text, clients);
        system_cell(view, &view->cells[i], t);
        status_cell(view, cell, t);
        mu_table_text(t, mu_number_count(mu_document_number(cell, "window.requests")).text);
        stat(t, cell, mu_cell_ttft(cell), "p50", false);
        stat(t, cell, mu_cell_ttft(cell), "p95", false);
        stat(t, cell, "rate_user_tok_s", "p50", false);
        stat(t, cell, "tpot_ms", "p50", false);
        stat(t, cell, mu_cell_e2e(cell), "p50", false);
        stat(t, cell, mu_cell_e2e(cell), "p95", false);
    }
}

static double offered(const json_t *cell) {
    double realised = mu_document_number(cell, "load.arrivals.offered_per_s");
    return isfinite(realised) ? realised : mu_document_number(cell, "load.rate_per_s");
}

void mu_tables_load(const mu_view *view, mu_table *t) {
    static const char *numbers[] = {"Offered/s", "Done/s", "TTFT p50", "p95",    "p99",
                                    "TPOT p50",  "p95",    "tok/s",    "Good/s", "Failed"};
    bool has_shape = has_shapes(view, mu_cell_is_load);
    mu_table_init(t, "Load (latencies in ms)", NULL);
    mu_table_column(t, "Load", MU_COLUMN_TEXT);
    system_column(view, t);
    status_column(view, t);
    number_columns(t, numbers, MU_COUNTOF(numbers));
    for (size_t i = 0; i < view->n_cells; i++) {
        const json_t *cell = view->cells[i].json;
        if (!mu_cell_is_load(cell)) continue;
        row_of_cell(view, i, t);
        load_text(cell, has_shape, t);
        system_cell(view, &view->cells[i], t);
        status_cell(view, cell, t);
        mu_table_number(t, offered(cell));
        mu_table_number(t, mu_document_number(cell, "throughput.requests_s.value"));
        stat(t, cell, mu_cell_ttft(cell), "p50", false);
        stat(t, cell, mu_cell_ttft(cell), "p95", false);
        stat(t, cell, mu_cell_ttft(cell), "p99", false);
        stat(t, cell, "tpot_ms", "p50", false);
        stat(t, cell, "tpot_ms", "p95", false);
        mu_table_number(t, mu_document_number(cell, "throughput.output_tok_s.value"));
        mu_table_number(t, mu_document_number(cell, "goodput.requests_s"));
        mu_table_text(t, mu_number_count(mu_document_number(cell, "reliability.failed")).text);
    }
}

void mu_tables_concurrency(const mu_view *view, mu_table *t) {
    static const char *numbers[] = {
        "Output tok/s [95 %]", "Requests/s", "Efficiency", "Offered", "Failed", "Success"};
    bool has_shape = has_shapes(view, is_throughput);
    mu_table_init(t, "Throughput by concurrency", NULL);
    mu_table_column(t, "Clients", MU_COLUMN_TEXT);
    system_column(view, t);
    status_column(view, t);
    number_columns(t, numbers, MU_COUNTOF(numbers));
    for (size_t i = 0; i < view->n_cells; i++) {
        const json_t *cell = view->cells[i].json;
        if (!mu_cell_is_phase(cell, "throughput")) continue;
        mu_table_row(t, NULL);
        load_text(cell, has_shape, t);
        system_cell(view, &view->cells[i], t);
        status_cell(view, cell, t);
        mu_table_interval(t, mu_document_number(cell, "throughput.output_tok_s.value"),
                          mu_document_number(cell, "throughput.output_tok_s.low"),
                          mu_document_number(cell, "throughput.output_tok_s.high"));
        mu_table_number(t, mu_document_number(cell, "throughput.requests_s.value"));
        mu_table_text(t, mu_number_percent(mu_document_number(cell, "throughput.efficiency")).text);
        mu_table_text(t, mu_number_count(mu_document_number(cell, "reliability.offered")).text);
        mu_table_text(t, mu_number_count(mu_document_number(cell, "reliability.failed")).text);
        mu_table_text(
            t, mu_number_percent(mu_document_number(cell, "reliability.success.value")).text);
    }
}

void mu_tables_capacity(const mu_view *view, mu_table *t) {
    mu_table_init(t, "Capacity: the highest rate that meets the limits", NULL);
    mu_table_column(t, "Prompt / output", MU_COLUMN_TEXT);
    system_column(view, t);
    mu_table_column(t, "Limits", MU_COLUMN_TEXT);
    mu_table_column(t, "Requests/s", MU_COLUMN_NUMBER);
    mu_table_column(t, "Fails at", MU_COLUMN_NUMBER);
    mu_table_column(t, "Good there [95 %]", MU_COLUMN_NUMBER);
    mu_table_column(t, "Remark", MU_COLUMN_TEXT);
    for (size_t d = 0; d < view->n_docs; d++) {
        const json_t *all = mu_document_at(view->docs[d], "capacity");
        for (size_t i = 0; i < json_array_size(all); i++) {
            const json_t *c = json_array_get(all, i);
            size_t s = mu_view_find_system(view, view->docs[d], mu_document_string(c, "system"));
            mu_table_row(t, NULL);
            mu_table_text(t, mu_document_string(c, "shape"));
            if (has_many(view)) mu_table_text(t, mu_view_name(view, s));
            mu_table_printf(t, "TTFT %s, TPOT %s ms: %s",
                            mu_number_tick(mu_document_number(c, "slo.ttft_ms")).text,
                            mu_number_tick(mu_document_number(c, "slo.tpot_ms")).text,
                            mu_number_percent(mu_document_number(c, "slo.attain")).text);
            mu_table_number(t, mu_document_number(c, "max_rate_per_s"));
            mu_table_number(t, mu_document_number(c, "failing_rate_per_s"));
            mu_table_interval(t, mu_document_number(c, "attainment.value"),
                              mu_document_number(c, "attainment.low"),
                              mu_document_number(c, "attainment.high"));
            mu_table_text(t, mu_document_string(c, "why"));
        }
    }
}

/* Runs of a cell have the same label. */
static const char *cell_name(const json_t *cell) {
    const char *label = mu_document_string(cell, "label");
    return label && !mu_cell_is_run(cell) ? label : mu_document_string(cell, "id");
}

void mu_tables_efficiency(const mu_view *view, mu_table *t) {
    static const char *numbers[] = {"MBU", "MFU", "Server CPU-s per 1000 tokens",
                                    "Tokens per CPU-second", "Client CPU-s per 1000 tokens"};
    mu_table_init(t, "Efficiency", NULL);
    mu_table_column(t, "Cell", MU_COLUMN_TEXT);
    system_column(view, t);
    number_columns(t, numbers, MU_COUNTOF(numbers));
    for (size_t i = 0; i < view->n_cells; i++) {
        const json_t *cell = view->cells[i].json;
        double mbu = mu_document_number(cell, "efficiency.mbu"),
               mfu = mu_document_number(cell, "efficiency.mfu");
        double cpu = mu_document_number(cell, "server.cpu_s_per_1000_tokens");
        if (!isfinite(mbu) && !isfinite(mfu) && !isfinite(cpu)) continue;
        mu_table_row(t, NULL);
        mu_table_text(t, cell_name(cell));
        system_cell(view, &view->cells[i], t);
        mu_table_text(t, mu_number_percent(mbu).text);
        mu_table_text(t, mu_number_percent(mfu).text);
        mu_table_number(t, cpu);
        mu_table_number(t, cpu > 0.0 ? 1000.0 / cpu : NAN);
        mu_table_number(t, mu_document_number(cell, "client.cpu_s_per_1000_tokens"));
    }
}

void mu_tables_reliability(const mu_view *view, mu_table *t) {
    static const char *numbers[] = {"Offered", "Failed", "Success", "95 % interval"};
    mu_table_init(t, "Reliability", NULL);
    mu_table_column(t, "System", MU_COLUMN_TEXT);
    number_columns(t, numbers, MU_COUNTOF(numbers));
    mu_table_column(t, "What that shows", MU_COLUMN_TEXT);
    for (size_t s = 0; s < view->n_systems; s++) {
        double n_offered = 0.0, n_failed = 0.0;
        for (size_t i = 0; i < view->n_runs; i++) {
            double offered_here = mu_document_number(view->runs[i].json, "reliability.offered");
            double failed_here = mu_document_number(view->runs[i].json, "reliability.failed");
            if (view->runs[i].i_system != s || !isfinite(offered_here + failed_here)) continue;
            n_offered += offered_here;
            n_failed += failed_here;
        }
        if (!(n_offered > 0.0) || n_failed < 0.0 || n_failed > n_offered) continue;
        double n = n_offered, p = 1.0 - n_failed / n, z2 = 1.959964 * 1.959964;
        double half = sqrt(z2 * p * (1.0 - p) / n + z2 * z2 / (4.0 * n * n)) / (1.0 + z2 / n);
        double center = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
        mu_table_row(t, NULL);
        mu_table_text(t, view->systems[s].name);
        mu_table_text(t, mu_number_count(n_offered).text);
        mu_table_text(t, mu_number_count(n_failed).text);
        mu_table_text(t, mu_number_percent(p).text);
        mu_table_printf(t, "%s to %s", mu_number_percent(center - half).text,
                        mu_number_percent(fmin(1.0, center + half)).text);
        if (n_failed == 0.0) {
            mu_table_printf(t, "0 of %.0f failed: at least %s succeed (95 %%, rule of three)", n,
                            mu_number_percent(fmax(0.0, 1.0 - 3.0 / n)).text);
        } else {
            mu_table_printf(t, "%.0f of %.0f failed", n_failed, n);
        }
    }
}

/* One fact about several runs: said once, with how many say it. */
typedef struct told {
    const char *word, *text; /* "connect", "Failed to connect ..." */
    const char *status;
    const mu_view_cell *first;
    size_t n_cells;
    double n_requests;
} told;

enum { TOLD_MAX = 128 };

/* The entry of this fact, made where there is none; NULL: there are too many. */
static told *tell(told *all, size_t *n, const told *fact, bool is_same_text) {
    for (size_t i = 0; i < *n; i++) {
        told *t = &all[i];
        if (t->first->i_system != fact->first->i_system) continue;
        if (strcmp(t->word, fact->word) != 0 || strcmp(t->status, fact->status) != 0) continue;
        if (!is_same_text || strcmp(t->text, fact->text) == 0) return t;
    }
    if (*n == TOLD_MAX) return NULL;
    all[*n] = *fact;
    return &all[(*n)++];
}

static void told_cells(const told *t, mu_table *table) {
    if (t->n_cells == 1) {
        mu_table_text(table, cell_name(t->first->json));
    } else {
        mu_table_printf(table, "%zu cells, first %.300s", t->n_cells, cell_name(t->first->json));
    }
}

static const char *text_of(const json_t *json, const char *path, const char *otherwise) {
    const char *text = mu_document_string(json, path);
    return text ? text : otherwise;
}

void mu_tables_failures(const mu_view *view, mu_table *t) {
    told all[TOLD_MAX];
    size_t n = 0;
    mu_table_init(t, "Failures by class", NULL);
    mu_table_column(t, "Cell", MU_COLUMN_TEXT);
    system_column(view, t);
    mu_table_column(t, "Class", MU_COLUMN_TEXT);
    mu_table_column(t, "Requests", MU_COLUMN_NUMBER);
    mu_table_column(t, "First message", MU_COLUMN_TEXT);
    for (size_t i = 0; i < view->n_runs; i++) {
        const json_t *classes = mu_document_at(view->runs[i].json, "reliability.classes");
        for (size_t k = 0; k < json_array_size(classes); k++) {
            const json_t *c = json_array_get(classes, k);
            const told fact = {
                text_of(c, "class", ""), text_of(c, "first", ""), "", &view->runs[i], 0, 0};
            if (!(mu_document_number(c, "n") > 0)) continue;
            told *at = tell(all, &n, &fact, true);
            if (!at) continue;
            at->n_cells++;
            at->n_requests += mu_document_number(c, "n");
        }
    }
    for (size_t i = 0; i < n; i++) {
        mu_table_row(t, NULL);
        told_cells(&all[i], t);
        system_cell(view, all[i].first, t);
        mu_table_text(t, all[i].word);
        mu_table_text(t, mu_number_count(all[i].n_requests).text);
        mu_table_text(t, all[i].text);
    }
}

void mu_tables_invalid(const mu_view *view, mu_table *t) {
    told all[TOLD_MAX];
    size_t n = 0;
    mu_table_init(t, "Cells that are not valid", NULL);
    mu_table_column(t, "Cell", MU_COLUMN_TEXT);
    system_column(view, t);
    mu_table_column(t, "Status", MU_COLUMN_VERDICT);
    mu_table_column(t, "Flag", MU_COLUMN_TEXT);
    mu_table_column(t, "Why", MU_COLUMN_TEXT);
    for (size_t i = 0; i < view->n_runs; i++) {
        const json_t *cell = view->runs[i].json, *flags = mu_document_at(cell, "validity.flags");
        if (mu_cell_is_stamped_valid(cell)) continue;
        size_t n_flags = json_array_size(flags);
        for (size_t k = 0; k < (n_flags > 0 ? n_flags : 1); k++) {
            const json_t *flag = json_array_get(flags, k);
            const told fact = {text_of(flag, "id", ""),
                               text_of(flag, "why", ""),
                               text_of(cell, "validity.status", "not valid"),
                               &view->runs[i],
                               0,
                               0};
            told *at = tell(all, &n, &fact, false);
            if (at) at->n_cells++;
        }
    }
    for (size_t i = 0; i < n; i++) {
        mu_table_row(t, NULL);
        told_cells(&all[i], t);
        system_cell(view, all[i].first, t);
        mu_table_text(t, all[i].status);
        mu_table_text(t, all[i].word);
        mu_table_printf(t, "%.400s%s", all[i].text, all[i].n_cells > 1 ? " (the first)" : "");
    }
}

static void latency_row(const json_t *cell, const mu_figure_row *row, mu_table *t) {
    const json_t *metric = mu_document_at(mu_document_at(cell, "metrics"), row->path);
    if (!metric) return;
    mu_table_row(t, NULL);
    mu_table_text(t, row->label);
    const char *why = mu_document_string(metric, "why");
    if (!(mu_document_number(metric, "n") > 0)) {
        mu_table_printf(t, "not known: %s", why ? why : "no sample");
        return;
    }
    mu_table_text(t, mu_document_string(metric, "unit"));
    for (size_t s = 0; s < MU_N_FIGURE_STATS; s++) {
        if (mu_figure_stats[s].set & MU_STATS_TABLE) {
            stat(t, cell, row->path, mu_figure_stats[s].name, true);
        }
    }
    mu_table_text(t, mu_number_count(mu_document_number(metric, "n")).text);
}

void mu_tables_cell_latency(const json_t *cell, mu_table *t) {
    mu_table_init(t, "Latency with 95 % intervals", NULL);
    mu_table_column(t, "Metric", MU_COLUMN_TEXT);
    mu_table_column(t, "Unit", MU_COLUMN_TEXT);
    for (size_t s = 0; s < MU_N_FIGURE_STATS; s++) {
        if (!(mu_figure_stats[s].set & MU_STATS_TABLE)) continue;
        mu_table_column(t, mu_figure_stats[s].name, MU_COLUMN_NUMBER);
    }
    mu_table_column(t, "n", MU_COLUMN_NUMBER);
    for (uint32_t r = 0; r < MU_N_REQUEST_METRICS; r++) {
        if (mu_figure_rows[r].shown & MU_SHOW_LATENCY) latency_row(cell, &mu_figure_rows[r], t);
    }
}
