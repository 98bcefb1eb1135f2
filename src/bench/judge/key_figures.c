#include "bench/judge/key_figures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct walk {
    const mu_view *view;
    bool (*visit)(void *ctx, const mu_key_figure *figure);
    void *ctx;
} walk;

static bool visit(const walk *w, const char *system, const char *cell, const char *metric,
                  mu_figure figure) {
    if (isnan(figure.value)) return true;
    const char *name = mu_document_text(mu_document_system(w->view->docs[0], system), "name");
    mu_key_figure f = {name, cell, metric, figure};
    return w->visit(w->ctx, &f);
}

static bool visit_metric(const walk *w, const json_t *cell, const char *id,
                         const mu_figure_row *row) {
    for (size_t s = 0; s < MU_N_FIGURE_STATS; s++) {
        char name[64];
        if (!(row->followed & mu_figure_stats[s].set)) continue;
        snprintf(name, sizeof(name), "%s.%s", row->path, mu_figure_stats[s].name);
        mu_figure figure = mu_cell_stat(cell, row->path, mu_figure_stats[s].name);
        if (!visit(w, mu_document_text(cell, "system"), id, name, figure)) return false;
    }
    return true;
}

/* Of a cell whose runs are one. */
static bool visit_cell(const walk *w, const json_t *cell) {
    char id[160];
    bool goes_on = true;
    if (!mu_cell_is_sound(cell)) return true;
    mu_cell_id_without_run(cell, id, sizeof(id));
    for (uint32_t i = 0; i < mu_n_figure_rows && goes_on; i++) {
        const mu_figure_row *row = &mu_figure_rows[i];
        if (!row->followed) continue;
        if (row->place == MU_PLACE_METRIC) goes_on = visit_metric(w, cell, id, row);
        if (row->place != MU_PLACE_CELL) continue;
        goes_on = visit(w, mu_document_text(cell, "system"), id, row->path,
                        mu_cell_figure(cell, row->path));
    }
    return goes_on;
}

/* Of each system's memory, or capacity. */
static bool visit_items(const walk *w, mu_place place, const char *array,
                        mu_figure (*figure)(const json_t *item, const char *path)) {
    const json_t *items = mu_document_at(w->view->docs[0], array);
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        for (uint32_t k = 0; k < mu_n_figure_rows; k++) {
            const mu_figure_row *row = &mu_figure_rows[k];
            if (row->place != place || !row->followed) continue;
            if (!visit(w, mu_document_text(item, "system"), array, row->key,
                       figure(item, row->path))) {
                return false;
            }
        }
    }
    return true;
}

bool mu_key_figures_visit(const mu_view *view,
                          bool (*visit_figure)(void *ctx, const mu_key_figure *figure), void *ctx) {
    walk w = {view, visit_figure, ctx};
    for (size_t i = 0; i < view->n_cells; i++) {
        if (!visit_cell(&w, view->cells[i].json)) return false;
    }
    return visit_items(&w, MU_PLACE_MEMORY, "memory", mu_memory_figure) &&
           visit_items(&w, MU_PLACE_CAPACITY, "capacity", mu_capacity_figure);
}

mu_headline mu_headline_of(const mu_view *view) {
    mu_headline h = {NAN, NAN, NAN, NAN, NAN};
    for (size_t i = 0; i < view->n_cells; i++) {
        const json_t *cell = view->cells[i].json;
        if (view->cells[i].i_system != 0 || !mu_cell_is_sound(cell)) continue;
        h.output_tok_s =
            fmax(h.output_tok_s, mu_cell_figure(cell, "throughput.output_tok_s").value);
        h.requests_s = fmax(h.requests_s, mu_cell_figure(cell, "throughput.requests_s").value);
        bool is_latency = strcmp(mu_document_text(cell, "phase"), "latency") == 0;
        if (!is_latency) continue;
        if (isnan(h.ttft_p50_ms)) h.ttft_p50_ms = mu_cell_figure(cell, "ttft_ms.p50").value;
        if (isnan(h.decode_tok_s))
            h.decode_tok_s = mu_cell_figure(cell, "rate_user_tok_s.p50").value;
    }
    if (view->n_systems > 0) h.peak_mb = mu_memory_peak(mu_view_memory(view, 0)).value;
    return h;
}
