/* view.h - the systems and cells of one or several muai.bench/1 documents, as a report shows them.
 *
 * A view lists the systems and cells of all documents in order; it borrows the documents. Several
 * runs of a cell are one cell of it (runs.h); each as it was measured is among its runs.
 *
 * Threads: any. Memory: a view owns its arrays and the cells it made of runs; everything else is
 * borrowed from the documents.
 */
#ifndef MU_BENCH_RESULT_VIEW_H
#define MU_BENCH_RESULT_VIEW_H

#include "bench/result/document.h"

typedef struct mu_view_system {
    const json_t *doc, *json;
    char name[96]; /* cleaned; told apart where two systems have the same */
} mu_view_system;

typedef struct mu_view_cell {
    const json_t *doc, *json;
    size_t i_system; /* of the view; n_systems when the cell names one that is not there */
    json_t *own;     /* json, when it was made of several runs; else NULL */
    size_t n_runs, n_left_out; /* that it was made of, and that are not as valid as those */
} mu_view_cell;

typedef struct mu_view {
    const json_t *const *docs; /* borrowed, [n_docs] */
    size_t n_docs;
    mu_view_system *systems; /* [n_systems] */
    size_t n_systems;
    mu_view_cell *cells; /* [n_cells] */
    size_t n_cells;
    mu_view_cell *runs; /* [n_runs], as measured */
    size_t n_runs;
} mu_view;

/* Errors: those of mu_document_check(), MU_ERR_NOMEM. */
mu_status mu_view_init(mu_view *view, const json_t *const *docs, size_t n_docs,
                       mu_err *err) MU_MUST_USE;
void mu_view_deinit(mu_view *view);

/* "muai", or "unknown system". */
const char *mu_view_name(const mu_view *view, size_t i_system);

/* The system of that id in that document; n_systems when there is none. */
size_t mu_view_find_system(const mu_view *view, const json_t *doc, const char *id);

/* What was measured of its memory; NULL: nothing. */
const json_t *mu_view_memory(const mu_view *view, size_t i_system);

/* The cell of that id, or of which a run has it; of "ID.PATH" by path, which then stands behind the
 * id. NULL: none. */
const mu_view_cell *mu_view_cell_of(const mu_view *view, const char **path);

/* No earlier cell that a table shows has an id that reads the same in a page. */
bool mu_view_is_first_of_id(const mu_view *view, size_t i_cell);

/* The id of the row that shows a cell, which may be one of its runs; NULL: no table shows it. */
const char *mu_view_shown_id(const mu_view *view, const char *cell_id);

/* The phases of cells under load: throughput, rate, stress, soak. */
bool mu_cell_is_load(const json_t *cell);
bool mu_cell_is_phase(const json_t *cell, const char *phase);
bool mu_cell_is_stamped_valid(const json_t *cell); /* status VALID; a cell without one is not */

/* The metric that is the headline of a cell: from the intended start in an open loop, service time
 * in a closed one. */
const char *mu_cell_ttft(const json_t *cell);
const char *mu_cell_e2e(const json_t *cell);

#endif
