/* embedding_suite.h - `muai bench embeddings`: how many texts a second become vectors, in this
 * process, beside what the machine could do.
 *
 * A cell submits `batch` texts of so many random tokens, as many times as make about n_texts of
 * them, and times the steps until all are there. Each cell is run n_warmup times unmeasured, then
 * n_repeat times.
 *
 * Threads: the caller's. Memory: results belong to the caller.
 */
#ifndef MU_EVAL_EMBEDDING_SUITE_H
#define MU_EVAL_EMBEDDING_SUITE_H

#include <jansson.h>

#include "backend/machine.h"
#include "engine/engine.h"
#include "eval/samples.h"

enum { MU_EMBEDDING_LIST_MAX = 16, MU_EMBEDDING_CELLS_MAX = 64 };

typedef struct mu_embedding_suite_options {
    mu_engine_options engine; /* its lengths and sequences are the suite's */
    uint32_t lengths[MU_EMBEDDING_LIST_MAX], n_lengths; /* tokens of a text */
    uint32_t batches[MU_EMBEDDING_LIST_MAX], n_batches; /* texts at once */
    uint32_t n_texts, n_repeat, n_warmup;
    void (*progress)(void *ctx, uint32_t n_done, uint32_t n_total, const char *what);
    void *progress_ctx;
    bool (*is_canceled)(void);
} mu_embedding_suite_options;

typedef struct mu_embedding_cell {
    uint32_t n_tokens, batch;
    mu_samples texts_per_second;
    double limit_texts_per_second; /* of the products at the peak rate; 0: unknown */
} mu_embedding_cell;

typedef struct mu_embedding_result {
    mu_machine_rates rates;
    char isa[16];
    uint32_t n_threads, n_cells;
    mu_embedding_cell cells[MU_EMBEDDING_CELLS_MAX];
} mu_embedding_result;

/* MU_ERR_UNSUPPORTED: the model generates. MU_ERR_LIMIT: a text longer than its context. */
mu_status mu_embedding_suite_run(const mu_model *model, const mu_embedding_suite_options *options,
                                 mu_embedding_result *out, mu_err *err) MU_MUST_USE;
/* The result as muai.embeddings/1. NULL when there is no memory; the caller owns the reference. */
json_t *mu_embedding_suite_json(const mu_model *model, const mu_embedding_suite_options *options,
                                const mu_embedding_result *result);

#endif
