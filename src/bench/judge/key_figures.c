#include "bench/judge/key_figures.h"

#include <math.h>
#include <string.h>

static const char *const cell_metrics[] = {
    "ttft_ms.p50",
    "ttft_ms.p95",
    "ttft_service_ms.p50",
    "ttft_service_ms.p95",
    "tpot_ms.p50",
    "tpot_ms.p95",
    "icl_ms.p50",
    "itl_ms.p50",
    "e2e_ms.p50",
    "e2e_ms.p95",
    "gap_max_ms.p50",
    "rate_user_tok_s.p50",
    "prefill_tok_s.p50",
    "throughput.output_tok_s",
    "throughput.requests_s",
    "goodput.requests_s",
    "goodput.attainment",
    "reliability.success",
    "efficiency.mbu",
    "efficiency.mfu",
};

static const struct {
    const char *metric, *path;
} memory_metrics[] = {
    {"memory.peak_mb", "peak_mb"},
    {"memory.unreclaimable_mb", "footprint.unreclaimable_mb"},
    {"memory.kv_bytes_per_token", "kv.measured_bytes_per_token"},
    {"memory.leak_mb_h", "leak.slope_mb_h"},
    {"memory.load_cold_s", "loads.cold.seconds"},
    {"memory.load_warm_s", "loads.warm.seconds"},
};

typedef struct walk {
    const json_t *doc;
    bool (*visit)(void *ctx, const mu_key_figure *figure);
    void *ctx;
} walk;

static bool visit(const walk *w, const char *system, const char *cell, const char *metric,
                  mu_figure figure) {
    if (isnan(figure.value)) return true;
    const char *name = mu_document_text(mu_document_system(w->doc, system), "name");
    mu_key_figure f = {name, cell, metric, figure};
    return w->visit(w->ctx, &f);
}

/* Whether no cell before this one is a run of the same. */
static bool is_first_run(const json_t *cells, size_t i) {
    char key[160], other_key[160];
    const json_t *cell = json_array_get(cells, i);
    mu_cell_key(cell, key, sizeof(key));
    for (size_t k = 0; k < i; k++) {
        const json_t *other = json_array_get(cells, k);
        mu_cell_key(other, other_key, sizeof(other_key));
        if (strcmp(key, other_key) == 0 &&
            strcmp(mu_document_text(cell, "system"), mu_document_text(other, "system")) == 0) {
            return false;
        }
    }
    return true;
}

static bool visit_cells(const walk *w) {
    const json_t *cells = mu_document_at(w->doc, "cells");
    char id[160];
    for (size_t i = 0; i < json_array_size(cells); i++) {
        const json_t *cell = json_array_get(cells, i);
        if (!is_first_run(cells, i)) continue;
        mu_cell_id_without_run(cell, id, sizeof(id));
        for (size_t k = 0; k < MU_COUNTOF(cell_metrics); k++) {
            mu_figure figure = mu_cell_runs_figure(w->doc, cell, cell_metrics[k], NULL);
            if (!visit(w, mu_document_text(cell, "system"), id, cell_metrics[k], figure)) {
                return false;
            }
        }
    }
    return true;
}

bool mu_key_figures_visit(const json_t *doc,
                          bool (*visit_figure)(void *ctx, const mu_key_figure *figure), void *ctx) {
    walk w = {doc, visit_figure, ctx};
    const json_t *memory = mu_document_at(doc, "memory");
    const json_t *capacity = mu_document_at(doc, "capacity");
    if (!visit_cells(&w)) return false;
    for (size_t i = 0; i < json_array_size(memory); i++) {
        const json_t *item = json_array_get(memory, i);
        for (size_t k = 0; k < MU_COUNTOF(memory_metrics); k++) {
            mu_figure figure = mu_memory_figure(item, memory_metrics[k].path);
            if (!visit(&w, mu_document_text(item, "system"), "memory", memory_metrics[k].metric,
                       figure)) {
                return false;
            }
        }
    }
    for (size_t i = 0; i < json_array_size(capacity); i++) {
        const json_t *item = json_array_get(capacity, i);
        mu_figure figure = mu_capacity_figure(item, "max_rate_per_s");
        if (!visit(&w, mu_document_text(item, "system"), "capacity", "capacity.max_rate_per_s",
                   figure)) {
            return false;
        }
    }
    return true;
}

mu_headline mu_headline_of(const json_t *doc) {
    mu_headline h = {NAN, NAN, NAN, NAN, NAN};
    const char *system = mu_document_text(json_array_get(mu_document_at(doc, "systems"), 0), "id");
    const json_t *cells = mu_document_at(doc, "cells");
    for (size_t i = 0; i < json_array_size(cells); i++) {
        const json_t *cell = json_array_get(cells, i);
        if (strcmp(mu_document_text(cell, "system"), system) != 0) continue;
        if (!mu_cell_is_sound(cell)) continue;
        h.output_tok_s =
            fmax(h.output_tok_s, mu_cell_figure(cell, "throughput.output_tok_s").value);
        h.requests_s = fmax(h.requests_s, mu_cell_figure(cell, "throughput.requests_s").value);
        bool is_latency = strcmp(mu_document_text(cell, "phase"), "latency") == 0;
        if (!is_latency) continue;
        if (isnan(h.ttft_p50_ms)) h.ttft_p50_ms = mu_cell_figure(cell, "ttft_ms.p50").value;
        if (isnan(h.decode_tok_s))
            h.decode_tok_s = mu_cell_figure(cell, "rate_user_tok_s.p50").value;
    }
    h.peak_mb = mu_memory_peak(mu_document_memory(doc, system)).value;
    return h;
}
