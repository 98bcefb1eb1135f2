#include "eval/embedding_suite.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "eval/agreement.h"
#include "eval/limits.h"
#include "eval/machine_rates.h"

typedef struct suite {
    const mu_model *model;
    const mu_embedding_suite_options *options;
    mu_embedding_result *result;
    mu_engine *engine;
    mu_token *tokens; /* [n_ctx + batch], random */
    mu_seq **seqs;    /* [batch] */
    uint32_t n_done, n_total;
    mu_err *err;
} suite;

/* `batch` texts, each of tokens of its own. */
static mu_status embed_batch(suite *s, const mu_embedding_cell *cell) {
    mu_step_report report = {0};
    mu_status status = MU_OK;
    uint32_t n = 0;
    for (; n < cell->batch && status == MU_OK; n++) {
        const mu_seq_options o = {.prompt = s->tokens + n,
                                  .n_prompt = cell->n_tokens,
                                  .no_prefix_cache = true,
                                  .sampling = mu_sampling_default()};
        status = mu_engine_submit(s->engine, &o, &s->seqs[n], s->err);
        if (status != MU_OK) break;
    }
    while (status == MU_OK && !report.is_idle) {
        if (s->options->is_canceled && s->options->is_canceled()) {
            status = mu_fail(s->err, MU_ERR_CANCELED, "interrupted");
        } else {
            status = mu_engine_step(s->engine, &report, s->err);
        }
    }
    while (n > 0) {
        mu_seq_free(s->seqs[--n]);
    }
    return status;
}

static mu_status run_cell(suite *s, mu_embedding_cell *cell) {
    const mu_embedding_suite_options *o = s->options;
    uint32_t n_rounds = (o->n_texts + cell->batch - 1) / cell->batch;
    char what[48];
    snprintf(what, sizeof(what), "%u tokens, batch %u", cell->n_tokens, cell->batch);
    for (uint32_t i = 0; i < o->n_warmup + o->n_repeat; i++) {
        if (o->progress) o->progress(o->progress_ctx, s->n_done++, s->n_total, what);
        mu_status status = MU_OK;
        uint64_t start = mu_now_ns();
        for (uint32_t round = 0; round < n_rounds && status == MU_OK; round++) {
            status = embed_batch(s, cell);
        }
        if (status != MU_OK) return status;
        double seconds = (double)(mu_now_ns() - start) * 1e-9;
        if (i < o->n_warmup) continue;
        cell->texts_per_second.values[cell->texts_per_second.n++] =
            (double)n_rounds * cell->batch / seconds;
    }
    return MU_OK;
}

static mu_status run_cells(suite *s, const mu_engine_options *e) {
    const mu_embedding_suite_options *o = s->options;
    const mu_limit_args limits = {s->model, e->weight_type, e->kv_type, &s->result->rates};
    s->n_total = o->n_lengths * o->n_batches * (o->n_warmup + o->n_repeat);
    for (uint32_t i = 0; i < o->n_lengths * o->n_batches; i++) {
        mu_embedding_cell *cell = &s->result->cells[i];
        *cell = (mu_embedding_cell){.n_tokens = o->lengths[i / o->n_batches],
                                    .batch = o->batches[i % o->n_batches]};
        cell->limit_texts_per_second = mu_embedding_limit(&limits, cell->n_tokens);
        mu_status status = run_cell(s, cell);
        if (status != MU_OK) return status;
        s->result->n_cells++;
    }
    return MU_OK;
}

static uint32_t greatest(const uint32_t *items, uint32_t n) {
    uint32_t greatest = 1;
    for (uint32_t i = 0; i < n; i++) {
        if (items[i] > greatest) greatest = items[i];
    }
    return greatest;
}

mu_status mu_embedding_suite_run(const mu_model *model, const mu_embedding_suite_options *o,
                                 mu_embedding_result *out, mu_err *err) {
    *out = (mu_embedding_result){0};
    suite s = {.model = model, .options = o, .result = out, .err = err};
    mu_engine_options e = o->engine;
    uint32_t batch = greatest(o->batches, o->n_batches);
    MU_ASSERT(o->n_lengths * o->n_batches <= MU_EMBEDDING_CELLS_MAX);
    if (mu_model_pooling(model) == MU_POOLING_NONE) {
        return mu_fail(err, MU_ERR_UNSUPPORTED, "%s generates text, it gives no embeddings",
                       mu_model_name(model));
    }
    e.n_ctx = greatest(o->lengths, o->n_lengths);
    e.n_waiting_max = batch;
    mu_status status = mu_machine_rates_measure(e.device, e.n_threads, e.isa_max, &out->rates, err);
    if (status == MU_OK) status = mu_engine_open(model, &e, &s.engine, err);
    if (status != MU_OK) return status;
    out->n_threads = mu_backend_n_threads(mu_engine_backend(s.engine));
    snprintf(out->isa, sizeof(out->isa), "%s", mu_backend_isa(mu_engine_backend(s.engine)));
    s.tokens = MU_ALLOC(mu_token, (size_t)e.n_ctx + batch);
    s.seqs = MU_ALLOC(mu_seq *, batch);
    if (s.tokens) mu_random_tokens(model, 20260101, s.tokens, e.n_ctx + batch);
    status = s.tokens && s.seqs ? run_cells(&s, &e) : mu_fail(err, MU_ERR_NOMEM, "bench");
    mu_engine_close(s.engine);
    mu_free(s.tokens);
    mu_free(s.seqs);
    return status;
}

static json_t *cell_json(const mu_embedding_cell *cell) {
    mu_summary summary = mu_samples_summary(&cell->texts_per_second);
    json_t *values = json_array();
    for (uint32_t i = 0; i < cell->texts_per_second.n; i++) {
        json_array_append_new(values, json_real(cell->texts_per_second.values[i]));
    }
    return json_pack("{s:i, s:i, s:{s:f, s:f, s:f, s:o}, s:f}", "tokens", (int)cell->n_tokens,
                     "batch", (int)cell->batch, "texts_per_second", "median", summary.median, "min",
                     summary.min, "max", summary.max, "samples", values, "limit_texts_per_second",
                     cell->limit_texts_per_second);
}

json_t *mu_embedding_suite_json(const mu_model *model, const mu_embedding_suite_options *o,
                                const mu_embedding_result *r) {
    json_t *cells = json_array(), *rates = json_object();
    for (uint32_t i = 0; i < r->n_cells; i++) {
        json_array_append_new(cells, cell_json(&r->cells[i]));
    }
    mu_rates_json(&r->rates, rates);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:o, s:o}", "schema", "muai.embeddings/1",
                     "version", MUAI_VERSION, "model", mu_model_name(model), "dtype",
                     mu_weight_type_name(o->engine.weight_type), "isa", r->isa, "threads",
                     (int)r->n_threads, "machine", rates, "cells", cells);
}
