#include "bench/result/load_curve.h"

#include <math.h>
#include <string.h>

/* A sound cell of a closed loop of the system. */
static bool is_on_a_curve(const mu_view *view, size_t i_system, size_t i_cell) {
    const mu_view_cell *cell = &view->cells[i_cell];
    return cell->i_system == i_system && mu_cell_is_sound(cell->json) &&
           strcmp(mu_document_text(cell->json, "load.kind"), "closed") == 0 &&
           mu_document_number(cell->json, "load.clients") >= 1.0;
}

static void insert(mu_load_curve *curve, const json_t *cell) {
    double clients = mu_document_number(cell, "load.clients");
    size_t at = 0;
    while (at < curve->n && curve->points[at].clients < clients) {
        at++;
    }
    bool is_there = at < curve->n && curve->points[at].clients == clients;
    if (is_there || curve->n == MU_LOAD_CURVE_MAX) return;
    mu_load_point point = {cell, clients, mu_cell_figure(cell, "throughput.output_tok_s")};
    if (isnan(point.tok_s.value)) return;
    memmove(&curve->points[at + 1], &curve->points[at], (curve->n - at) * sizeof(point));
    curve->points[at] = point;
    curve->n++;
}

static void fill(const mu_view *view, size_t i_system, const json_t *first, mu_load_curve *curve) {
    curve->prompt_tokens = mu_document_number(first, "load.prompt_tokens");
    curve->output_tokens = mu_document_number(first, "load.output_tokens");
    curve->n = curve->best = curve->knee = 0;
    for (size_t i = 0; i < view->n_cells; i++) {
        const json_t *cell = view->cells[i].json;
        bool is_of_shape = mu_document_number(cell, "load.prompt_tokens") == curve->prompt_tokens &&
                           mu_document_number(cell, "load.output_tokens") == curve->output_tokens;
        if (is_of_shape && is_on_a_curve(view, i_system, i)) insert(curve, cell);
    }
    for (size_t i = 1; i < curve->n; i++) {
        if (curve->points[i].tok_s.value > curve->points[curve->best].tok_s.value) curve->best = i;
    }
    while (curve->n > 0 && curve->points[curve->knee].tok_s.value <
                               MU_KNEE_SHARE * curve->points[curve->best].tok_s.value) {
        curve->knee++;
    }
}

void mu_load_curve_of(const mu_view *view, size_t i_system, mu_load_curve *out) {
    mu_load_curve curve;
    *out = (mu_load_curve){.prompt_tokens = NAN, .output_tokens = NAN};
    for (size_t i = 0; i < view->n_cells; i++) {
        if (!is_on_a_curve(view, i_system, i)) continue;
        fill(view, i_system, view->cells[i].json, &curve);
        bool is_longer =
            !(curve.prompt_tokens + curve.output_tokens <= out->prompt_tokens + out->output_tokens);
        if (curve.n > out->n || (curve.n == out->n && is_longer)) *out = curve;
    }
}
