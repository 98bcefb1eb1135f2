/* Two shapes: long (one figure a line), which is what statistics packages want, and wide (one cell
 * a line), which is what people open in a spreadsheet. Figures are exact, not rounded. */
#include <math.h>
#include <string.h>

#include "bench/report/number.h"
#include "bench/report/report.h"
#include "bench/report/tables.h"
#include "bench/result/escape.h"

static const char *const metrics[] = {
    "ttft_ms", "ttft_service_ms", "ttfb_ms",         "ttfc_ms",        "ttst_ms", "tpot_ms",
    "icl_ms",  "itl_ms",          "e2e_ms",          "e2e_service_ms", "ttlb_ms", "gap_max_ms",
    "lag_ms",  "connect_ms",      "rate_user_tok_s", "prefill_tok_s"};
static const char *const stats[] = {"mean", "min", "p50", "p90", "p95", "p99", "p999", "max"};

/* Figures of a cell that are not metrics: a path, and whether value, low and high hang under it. */
static const struct {
    const char *path, *metric, *unit;
    bool has_interval;
} figures[] = {
    {"throughput.output_tok_s", "output_tok_s", "tok/s", true},
    {"throughput.input_tok_s", "input_tok_s", "tok/s", true},
    {"throughput.requests_s", "requests_s", "req/s", true},
    {"throughput.in_flight_mean", "in_flight_mean", "requests", false},
    {"throughput.efficiency", "scaling_efficiency", "ratio", false},
    {"goodput.requests_s", "goodput", "req/s", false},
    {"goodput.attainment", "attainment", "ratio", true},
    {"reliability.offered", "offered", "requests", false},
    {"reliability.failed", "failed", "requests", false},
    {"reliability.success", "success", "ratio", true},
    {"tokens.prompt_mean", "prompt_tokens", "tokens", false},
    {"tokens.output_mean", "output_tokens", "tokens", false},
    {"stalls.rate", "stall_rate", "ratio", false},
    {"client.cpu_share", "client_cpu_share", "cores", false},
    {"client.cpu_s_per_1000_tokens", "client_cpu_s_per_1000_tokens", "s", false},
    {"server.cpu_share", "server_cpu_share", "cores", false},
    {"server.cpu_s_per_1000_tokens", "server_cpu_s_per_1000_tokens", "s", false},
    {"server.rss_peak_mb", "server_rss_peak", "MB", false},
    {"efficiency.mbu", "mbu", "ratio", false},
    {"efficiency.mfu", "mfu", "ratio", false},
};

static const struct {
    const char *path, *metric, *unit;
} memory_figures[] = {
    {"footprint.rss_mb", "rss", "MB"},
    {"footprint.pss_mb", "pss", "MB"},
    {"footprint.uss_mb", "uss", "MB"},
    {"footprint.unreclaimable_mb", "unreclaimable", "MB"},
    {"footprint.mapped_mb", "mapped", "MB"},
    {"footprint.swap_mb", "swap", "MB"},
    {"footprint.peak_mb", "peak", "MB"},
    {"kv.analytic_bytes_per_token", "kv_analytic", "B/token"},
    {"kv.measured_bytes_per_token", "kv_measured", "B/token"},
    {"inference.delta_mb", "inference_delta", "MB"},
    {"leak.detection_limit_mb_h", "leak_detection_limit", "MB/h"},
};

typedef struct row {
    const char *run, *system, *cell, *metric, *stat, *unit;
    double value, low, high, n;
} row;

static void write_row(const row *r, mu_buf *out) {
    const char *names[] = {r->run, r->system, r->cell, r->metric, r->stat};
    if (!isfinite(r->value)) return;
    for (size_t i = 0; i < MU_COUNTOF(names); i++) {
        mu_escape_csv(out, names[i]);
        mu_buf_append_str(out, ",");
    }
    mu_buf_printf(out, "%s,%s,%s,", mu_number_exact(r->value).text, mu_number_exact(r->low).text,
                  mu_number_exact(r->high).text);
    mu_escape_csv(out, r->unit);
    mu_buf_printf(out, ",%s\r\n", mu_number_exact(r->n).text);
}

static void cell_rows(const mu_view *view, const mu_view_cell *c, mu_buf *out) {
    row r = {.run = mu_document_string(c->doc, "run.id"),
             .system = mu_view_name(view, c->i_system),
             .cell = mu_document_string(c->json, "id")};
    for (size_t m = 0; m < MU_COUNTOF(metrics); m++) {
        for (size_t s = 0; s < MU_COUNTOF(stats); s++) {
            mu_stat stat = mu_cell_stat(c->json, metrics[m], stats[s]);
            r.metric = metrics[m];
            r.stat = stats[s];
            r.unit = stat.unit;
            r.value = stat.value;
            r.low = stat.low;
            r.high = stat.high;
            r.n = stat.n;
            write_row(&r, out);
        }
    }
    r.stat = "value";
    r.n = mu_document_number(c->json, "window.requests");
    for (size_t f = 0; f < MU_COUNTOF(figures); f++) {
        const json_t *at = mu_document_at(c->json, figures[f].path);
        bool deep = figures[f].has_interval;
        r.metric = figures[f].metric;
        r.unit = figures[f].unit;
        r.value = mu_document_number(at, deep ? "value" : "");
        r.low = deep ? mu_document_number(at, "low") : NAN;
        r.high = deep ? mu_document_number(at, "high") : NAN;
        write_row(&r, out);
    }
}

static void memory_rows(const mu_view *view, const json_t *doc, mu_buf *out) {
    const json_t *all = mu_document_at(doc, "memory");
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *memory = json_array_get(all, i), *loads = mu_document_at(memory, "loads");
        const json_t *signals = mu_document_at(memory, "leak.signals");
        size_t s = mu_view_find_system(view, doc, mu_document_string(memory, "system"));
        row r = {.run = mu_document_string(doc, "run.id"),
                 .system = mu_view_name(view, s),
                 .cell = "memory",
                 .stat = "value",
                 .low = NAN,
                 .high = NAN,
                 .n = NAN};
        for (size_t f = 0; f < MU_COUNTOF(memory_figures); f++) {
            r.metric = memory_figures[f].metric;
            r.unit = memory_figures[f].unit;
            r.value = mu_document_number(memory, memory_figures[f].path);
            write_row(&r, out);
        }
        for (size_t k = 0; k < json_array_size(loads); k++) {
            r.metric = "load";
            r.unit = "s";
            r.stat = mu_document_string(json_array_get(loads, k), "kind");
            r.value = mu_document_number(json_array_get(loads, k), "seconds");
            write_row(&r, out);
        }
        for (size_t k = 0; k < json_array_size(signals); k++) {
            const json_t *signal = json_array_get(signals, k);
            r.metric = "growth";
            r.unit = "MB/h";
            r.stat = mu_document_string(signal, "name");
            r.value = mu_document_number(signal, "slope_mb_h");
            r.low = mu_document_number(signal, "low");
            r.high = mu_document_number(signal, "high");
            write_row(&r, out);
        }
    }
}

mu_status mu_report_csv(const json_t *const *docs, size_t n_docs, mu_buf *out, mu_err *err) {
    mu_view view;
    mu_status status = mu_view_init(&view, docs, n_docs, err);
    if (status != MU_OK) return status;
    mu_buf_append_str(out, "run,system,cell,metric,stat,value,low,high,unit,n\r\n");
    for (size_t i = 0; i < view.n_runs; i++)
        cell_rows(&view, &view.runs[i], out);
    for (size_t d = 0; d < n_docs; d++)
        memory_rows(&view, docs[d], out);
    mu_view_deinit(&view);
    return out->failed ? mu_fail(err, MU_ERR_NOMEM, "report as CSV") : MU_OK;
}

static const char *const wide_stats[] = {"mean", "p50", "p90", "p95", "p99", "max"};
static const char *const wide_metrics[] = {"ttft_ms",         "ttft_service_ms", "tpot_ms",
                                           "icl_ms",          "e2e_ms",          "gap_max_ms",
                                           "rate_user_tok_s", "lag_ms"};
static const char *const load_keys[] = {"clients", "rate_per_s", "prompt_tokens", "output_tokens"};

static void wide_row(const mu_view *view, const mu_view_cell *c, mu_buf *out) {
    const char *names[] = {mu_document_string(c->doc, "run.id"),
                           mu_view_name(view, c->i_system),
                           mu_document_string(c->json, "id"),
                           mu_document_string(c->json, "phase"),
                           mu_document_string(c->json, "label"),
                           mu_document_string(c->json, "load.kind"),
                           mu_document_string(c->json, "validity.status")};
    for (size_t i = 0; i < MU_COUNTOF(names); i++) {
        if (i > 0) mu_buf_append_str(out, ",");
        mu_escape_csv(out, names[i]);
    }
    const json_t *load = mu_document_at(c->json, "load");
    for (size_t i = 0; i < MU_COUNTOF(load_keys); i++) {
        mu_buf_printf(out, ",%s", mu_number_exact(mu_document_number(load, load_keys[i])).text);
    }
    mu_buf_printf(out, ",%s", mu_number_exact(mu_document_number(c->json, "window.requests")).text);
    for (size_t m = 0; m < MU_COUNTOF(wide_metrics); m++) {
        for (size_t s = 0; s < MU_COUNTOF(wide_stats); s++) {
            double value = mu_cell_stat(c->json, wide_metrics[m], wide_stats[s]).value;
            mu_buf_printf(out, ",%s", mu_number_exact(value).text);
        }
    }
    for (size_t f = 0; f < MU_COUNTOF(figures); f++) {
        const json_t *at = mu_document_at(c->json, figures[f].path);
        double value = mu_document_number(at, figures[f].has_interval ? "value" : "");
        mu_buf_printf(out, ",%s", mu_number_exact(value).text);
    }
    mu_buf_append_str(out, "\r\n");
}

mu_status mu_report_csv_wide(const json_t *const *docs, size_t n_docs, mu_buf *out, mu_err *err) {
    mu_view view;
    mu_status status = mu_view_init(&view, docs, n_docs, err);
    if (status != MU_OK) return status;
    mu_buf_append_str(out, "run,system,cell,phase,label,load,status");
    for (size_t i = 0; i < MU_COUNTOF(load_keys); i++)
        mu_buf_printf(out, ",%s", load_keys[i]);
    mu_buf_append_str(out, ",requests");
    for (size_t m = 0; m < MU_COUNTOF(wide_metrics); m++) {
        for (size_t s = 0; s < MU_COUNTOF(wide_stats); s++) {
            mu_buf_printf(out, ",%s_%s", wide_metrics[m], wide_stats[s]);
        }
    }
    for (size_t f = 0; f < MU_COUNTOF(figures); f++)
        mu_buf_printf(out, ",%s", figures[f].metric);
    mu_buf_append_str(out, "\r\n");
    for (size_t i = 0; i < view.n_runs; i++)
        wide_row(&view, &view.runs[i], out);
    mu_view_deinit(&view);
    return out->failed ? mu_fail(err, MU_ERR_NOMEM, "report as wide CSV") : MU_OK;
}
