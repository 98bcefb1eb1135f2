#include "bench/result/view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/result/escape.h"
#include "bench/result/runs.h"

static void name_system(mu_view *view, size_t i) {
    mu_view_system *s = &view->systems[i];
    const char *name = mu_document_string(s->json, "name");
    mu_escape_fixed(s->name, sizeof(s->name) - 8, name, 40);
    if (!s->name[0]) snprintf(s->name, sizeof(s->name), "unnamed");
    size_t n_same = 1;
    for (size_t k = 0; k < i; k++) {
        const char *other = mu_document_string(view->systems[k].json, "name");
        n_same += name && other && strcmp(name, other) == 0;
    }
    size_t n = strlen(s->name);
    if (n_same > 1) snprintf(s->name + n, sizeof(s->name) - n, " #%zu", n_same);
}

static bool is_before(const mu_view *view, size_t i_run) {
    if (!mu_cell_is_run(view->runs[i_run].json)) return false;
    for (size_t k = 0; k < i_run; k++) {
        bool is_same_doc = view->runs[k].doc == view->runs[i_run].doc;
        if (is_same_doc && mu_runs_are_one(view->runs[k].json, view->runs[i_run].json)) return true;
    }
    return false;
}

/* The cell that a run and those after it are shown as. Several runs, that is; one is itself. */
static mu_status add_cell(mu_view *view, size_t i_run, const json_t **all, mu_err *err) {
    mu_view_cell cell = view->runs[i_run];
    size_t n = 0;
    all[n++] = cell.json;
    for (size_t k = i_run + 1; k < view->n_runs && mu_cell_is_run(cell.json); k++) {
        const mu_view_cell *other = &view->runs[k];
        if (other->doc == cell.doc && mu_runs_are_one(cell.json, other->json)) {
            all[n++] = other->json;
        }
    }
    if (n > 1) {
        cell.json = cell.own = mu_runs_merge(all, n, mu_document_pooled(cell.doc, cell.json));
        if (!cell.own) return mu_fail(err, MU_ERR_NOMEM, "runs of a cell");
        cell.n_runs = (size_t)mu_document_number(cell.json, "n_runs");
        cell.n_left_out = n - cell.n_runs;
    }
    view->cells[view->n_cells++] = cell;
    return MU_OK;
}

/* Two rates of one open loop, the lower one behind the higher one. */
static bool is_out_of_order(const mu_view_cell *first, const mu_view_cell *second) {
    static const char *const same[] = {"phase", "load.kind", "load.prompt_tokens",
                                       "load.output_tokens"};
    const json_t *a = first->json, *b = second->json;
    if (first->doc != second->doc || first->i_system != second->i_system) return false;
    for (size_t i = 0; i < MU_COUNTOF(same); i++) {
        if (!json_equal(mu_document_at(a, same[i]), mu_document_at(b, same[i]))) return false;
    }
    return mu_document_number(a, "load.rate_per_s") > mu_document_number(b, "load.rate_per_s");
}

/* A search for the highest rate goes up and down; readers go up. */
static void order_rates(mu_view *view) {
    for (size_t i = 1; i < view->n_cells; i++) {
        for (size_t k = i; k > 0 && is_out_of_order(&view->cells[k - 1], &view->cells[k]); k--) {
            mu_view_cell lower = view->cells[k];
            view->cells[k] = view->cells[k - 1];
            view->cells[k - 1] = lower;
        }
    }
}

static mu_status put_runs_together(mu_view *view, mu_err *err) {
    const json_t **all = MU_ALLOC(const json_t *, view->n_runs);
    if (!all) return mu_fail(err, MU_ERR_NOMEM, "report of %zu cells", view->n_runs);
    mu_status status = MU_OK;
    for (size_t i = 0; i < view->n_runs && status == MU_OK; i++) {
        if (!is_before(view, i)) status = add_cell(view, i, all, err);
    }
    mu_free(all);
    if (status == MU_OK) order_rates(view);
    return status;
}

mu_status mu_view_init(mu_view *view, const json_t *const *docs, size_t n_docs, mu_err *err) {
    MU_ASSERT(n_docs > 0);
    size_t n_systems = 0, n_cells = 0;
    for (size_t d = 0; d < n_docs; d++) {
        mu_status status = mu_document_check(docs[d], err);
        if (status != MU_OK) return status;
        n_systems += mu_document_n(docs[d], "systems");
        n_cells += mu_document_n(docs[d], "cells");
    }
    *view = (mu_view){.docs = docs, .n_docs = n_docs};
    view->systems = MU_ALLOC(mu_view_system, n_systems);
    view->cells = MU_ALLOC(mu_view_cell, n_cells);
    view->runs = MU_ALLOC(mu_view_cell, n_cells);
    if (!view->systems || !view->cells || !view->runs) {
        mu_view_deinit(view);
        return mu_fail(err, MU_ERR_NOMEM, "report of %zu cells", n_cells);
    }
    for (size_t d = 0; d < n_docs; d++) {
        const json_t *systems = mu_document_at(docs[d], "systems"),
                     *cells = mu_document_at(docs[d], "cells");
        for (size_t i = 0; i < json_array_size(systems); i++) {
            view->systems[view->n_systems] =
                (mu_view_system){.doc = docs[d], .json = json_array_get(systems, i)};
            name_system(view, view->n_systems++);
        }
        for (size_t i = 0; i < json_array_size(cells); i++) {
            const json_t *cell = json_array_get(cells, i);
            size_t s = mu_view_find_system(view, docs[d], mu_document_string(cell, "system"));
            view->runs[view->n_runs++] =
                (mu_view_cell){.doc = docs[d], .json = cell, .i_system = s, .n_runs = 1};
        }
    }
    mu_status status = put_runs_together(view, err);
    if (status != MU_OK) mu_view_deinit(view);
    return status;
}

void mu_view_deinit(mu_view *view) {
    for (size_t i = 0; i < view->n_cells; i++) {
        json_decref(view->cells[i].own);
    }
    mu_free(view->systems);
    mu_free(view->cells);
    mu_free(view->runs);
    *view = (mu_view){0};
}

const char *mu_view_name(const mu_view *view, size_t i_system) {
    return i_system < view->n_systems ? view->systems[i_system].name : "unknown system";
}

size_t mu_view_find_system(const mu_view *view, const json_t *doc, const char *id) {
    for (size_t s = 0; id && s < view->n_systems; s++) {
        const char *other = mu_document_string(view->systems[s].json, "id");
        if (view->systems[s].doc == doc && other && strcmp(other, id) == 0) return s;
    }
    return view->n_systems;
}

const json_t *mu_view_memory(const mu_view *view, size_t i_system) {
    const mu_view_system *s = &view->systems[i_system];
    return mu_document_member(mu_document_at(s->doc, "memory"), "system",
                              mu_document_string(s->json, "id"));
}

/* How much of "ID.PATH" an id is; 0: it does not start with it. */
static size_t prefix_of(const json_t *cell, const char *path) {
    const char *id = mu_document_text(cell, "id");
    size_t n = strlen(id);
    return strncmp(path, id, n) == 0 && path[n] == '.' ? n : 0;
}

static bool is_run_of(const mu_view_cell *run, const mu_view_cell *cell) {
    char key[MU_CELL_KEY], other_key[MU_CELL_KEY];
    if (run->json == cell->json) return true;
    if (!cell->own || run->doc != cell->doc || run->i_system != cell->i_system) return false;
    mu_cell_key(run->json, key, sizeof(key));
    mu_cell_key(cell->json, other_key, sizeof(other_key));
    return mu_cell_is_run(run->json) && strcmp(key, other_key) == 0;
}

const mu_view_cell *mu_view_cell_of(const mu_view *view, const char **path) {
    const mu_view_cell *best = NULL;
    size_t best_n = 0;
    for (size_t i = 0; i < view->n_cells; i++) {
        const mu_view_cell *cell = &view->cells[i];
        size_t n = prefix_of(cell->json, *path);
        for (size_t k = 0; k < view->n_runs; k++) {
            size_t n_run = prefix_of(view->runs[k].json, *path);
            if (n_run > n && is_run_of(&view->runs[k], cell)) n = n_run;
        }
        if (n <= best_n) continue;
        best_n = n;
        best = cell;
    }
    if (best) *path += best_n + 1;
    return best;
}

static bool is_shown(const json_t *cell) {
    return mu_cell_is_phase(cell, "latency") || mu_cell_is_load(cell);
}

static bool reads_the_same(const char *a, const char *b) {
    char x[MU_HTML_ID_BYTES], y[MU_HTML_ID_BYTES];
    mu_html_id(x, "", a);
    mu_html_id(y, "", b);
    return strcmp(x, y) == 0;
}

bool mu_view_is_first_of_id(const mu_view *view, size_t i_cell) {
    const char *id = mu_document_string(view->cells[i_cell].json, "id");
    for (size_t i = 0; id && i < i_cell; i++) {
        const char *other = mu_document_string(view->cells[i].json, "id");
        if (other && is_shown(view->cells[i].json) && reads_the_same(other, id)) return false;
    }
    return id != NULL;
}

static const char *shown(const mu_view *view, const char *cell_id) {
    for (size_t i = 0; i < view->n_cells; i++) {
        const char *id = mu_document_string(view->cells[i].json, "id");
        if (id && strcmp(id, cell_id) == 0 && is_shown(view->cells[i].json)) return id;
    }
    return NULL;
}

const char *mu_view_shown_id(const mu_view *view, const char *cell_id) {
    const char *id = shown(view, cell_id);
    for (size_t i = 0; i < view->n_runs && !id; i++) {
        char whole[160];
        const char *own = mu_document_string(view->runs[i].json, "id");
        if (!own || strcmp(own, cell_id) != 0) continue;
        mu_cell_id_without_run(view->runs[i].json, whole, sizeof(whole));
        id = shown(view, whole);
    }
    return id;
}

bool mu_cell_is_load(const json_t *cell) {
    return mu_cell_is_phase(cell, "throughput") || mu_cell_is_phase(cell, "rate") ||
           mu_cell_is_phase(cell, "stress") || mu_cell_is_phase(cell, "soak");
}

bool mu_cell_is_phase(const json_t *cell, const char *phase) {
    const char *own = mu_document_string(cell, "phase");
    return own && strcmp(own, phase) == 0;
}

bool mu_cell_is_stamped_valid(const json_t *cell) {
    const char *status = mu_document_string(cell, "validity.status");
    return status && strcmp(status, "VALID") == 0;
}

static bool is_closed(const json_t *cell) {
    const char *kind = mu_document_string(cell, "load.kind");
    return kind && strcmp(kind, "closed") == 0;
}

/* Where the service time is missing, the user's says more than nothing. */
const char *mu_cell_ttft(const json_t *cell) {
    bool has_service = mu_document_number(cell, "metrics.ttft_service_ms.n") > 0;
    return is_closed(cell) && has_service ? "ttft_service_ms" : "ttft_ms";
}

const char *mu_cell_e2e(const json_t *cell) {
    bool has_service = mu_document_number(cell, "metrics.e2e_service_ms.n") > 0;
    return is_closed(cell) && has_service ? "e2e_service_ms" : "e2e_ms";
}
