#include "bench/suite/pooled.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

typedef struct pooled_cell {
    char system[8], id[128];
    uint32_t n_runs;
    mu_request_metrics metrics;
} pooled_cell;

struct mu_pooled {
    pooled_cell *cells; /* [n] */
    size_t n, cap;
    bool failed; /* no memory */
};

mu_status mu_pooled_open(mu_pooled **out, mu_err *err) {
    *out = mu_alloc(sizeof(**out));
    return *out ? MU_OK : mu_fail(err, MU_ERR_NOMEM, "runs of cells");
}

void mu_pooled_close(mu_pooled *pool) {
    if (!pool) return;
    for (size_t i = 0; i < pool->n; i++) {
        mu_request_metrics_deinit(&pool->cells[i].metrics);
    }
    mu_free(pool->cells);
    mu_free(pool);
}

/* The cell of that name, made where there is none, until the next call; NULL: no memory. */
static pooled_cell *cell_of(mu_pooled *pool, const char *system, const char *id) {
    for (size_t i = 0; i < pool->n; i++) {
        pooled_cell *cell = &pool->cells[i];
        if (strcmp(cell->system, system) == 0 && strcmp(cell->id, id) == 0) return cell;
    }
    if (!mu_grow((void **)&pool->cells, &pool->cap, pool->n + 1, sizeof(pooled_cell))) return NULL;
    pooled_cell *cell = &pool->cells[pool->n++];
    *cell = (pooled_cell){0};
    snprintf(cell->system, sizeof(cell->system), "%s", system);
    snprintf(cell->id, sizeof(cell->id), "%s", id);
    return cell;
}

/* A run is a unit; it may have no value of a metric. */
static void add_values(mu_metric *to, const mu_metric *from) {
    to->unit = from->unit;
    to->why = from->has_units ? "gaps are those of each run" : from->why;
    to->seed = from->seed;
    if (from->has_units) return;
    to->units_are_runs = true;
    to->failed = to->failed || from->failed;
    for (size_t i = 0; i < from->n; i++) {
        mu_metric_add(to, from->values[i]);
    }
    mu_metric_end_unit(to);
}

void mu_pooled_add(mu_pooled *pool, const char *system, const char *id,
                   const mu_request_metrics *metrics) {
    pooled_cell *cell = cell_of(pool, system, id);
    if (!cell) {
        pool->failed = true;
        return;
    }
    cell->n_runs++;
    for (int i = 0; i < MU_N_REQUEST_METRICS; i++) {
        add_values(&cell->metrics.of[i], &metrics->of[i]);
    }
}

static mu_status append_cell(const pooled_cell *cell, json_t *to, mu_err *err) {
    json_t *metrics = NULL;
    mu_status status = mu_request_metrics_json(&cell->metrics, &metrics, err);
    if (status != MU_OK) return status;
    json_t *item = json_pack("{s:s, s:s, s:i, s:o}", "id", cell->id, "system", cell->system, "runs",
                             (int)cell->n_runs, "metrics", metrics);
    if (json_array_append_new(to, item) == 0) return MU_OK;
    return mu_fail(err, MU_ERR_NOMEM, "runs of a cell");
}

mu_status mu_pooled_append(const mu_pooled *pool, json_t *to, mu_err *err) {
    if (pool->failed) return mu_fail(err, MU_ERR_NOMEM, "runs of cells");
    for (size_t i = 0; i < pool->n; i++) {
        if (pool->cells[i].n_runs < 2) continue;
        mu_status status = append_cell(&pool->cells[i], to, err);
        if (status != MU_OK) return status;
    }
    return MU_OK;
}
