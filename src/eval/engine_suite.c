#include "eval/engine_suite.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "eval/limits.h"
#include "eval/machine_rates.h"

typedef struct suite {
    const mu_model *model;
    const mu_bench_engine_options *options;
    mu_engine *engine;
    mu_token *prompt; /* [n_ctx], from a fixed seed */
    mu_seq **seqs;    /* [n_seqs_max] */
    mu_limit_args limits;
    mu_bench_engine_result *result;
    uint32_t n_done, n_total; /* repetitions */
    mu_err *err;
} suite;

static void free_seqs(suite *s, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        mu_seq_free(s->seqs[i]);
        s->seqs[i] = NULL;
    }
}

static mu_status submit(suite *s, uint32_t n_seqs, uint32_t n_prompt, uint32_t n_output) {
    for (uint32_t i = 0; i < n_seqs; i++) {
        mu_seq_options options = {
            .prompt = s->prompt + i, /* different sequences, the same length */
            .n_prompt = n_prompt,
            .n_output_max = n_output,
            .sampling = mu_sampling_default(),
            .ignore_eos = true,
            .no_prefix_cache = true,
        };
        mu_status status = mu_engine_submit(s->engine, &options, &s->seqs[i], s->err);
        if (status != MU_OK) return status;
    }
    return MU_OK;
}

static mu_status step(suite *s, mu_step_report *report) {
    if (s->options->is_canceled && s->options->is_canceled()) {
        return mu_fail(s->err, MU_ERR_CANCELED, "interrupted");
    }
    return mu_engine_step(s->engine, report, s->err);
}

/* Step until every sequence has its first token. */
static mu_status prefill_all(suite *s, uint32_t n_seqs) {
    for (uint32_t i = 0; i < n_seqs; i++) {
        while (mu_seq_n_output(s->seqs[i]) == 0) {
            mu_step_report report;
            mu_status status = step(s, &report);
            if (status != MU_OK) return status;
        }
    }
    return MU_OK;
}

static mu_status time_prefill(suite *s, const mu_bench_cell *cell, double *out_rate) {
    mu_status status = submit(s, 1, cell->prompt_tokens, 1);
    if (status != MU_OK) return status;
    uint64_t start = mu_now_ns();
    status = prefill_all(s, 1);
    *out_rate = cell->prompt_tokens / ((double)(mu_now_ns() - start) * 1e-9);
    return status;
}

static mu_status time_decode(suite *s, const mu_bench_cell *cell, double *out_rate) {
    mu_step_report report = {0};
    mu_status status = submit(s, cell->batch, cell->prompt_tokens, s->options->n_gen + 1);
    if (status == MU_OK) status = prefill_all(s, cell->batch);
    uint64_t n_tokens = 0, start = mu_now_ns();
    while (status == MU_OK && !report.is_idle) {
        status = step(s, &report);
        n_tokens += report.n_decode_tokens;
    }
    *out_rate = (double)n_tokens / ((double)(mu_now_ns() - start) * 1e-9);
    return status;
}

static mu_status run_cell(suite *s, mu_bench_cell *cell) {
    const mu_bench_engine_options *o = s->options;
    for (uint32_t i = 0; i < o->n_warmup + o->n_repeat; i++) {
        if (o->progress) o->progress(o->progress_ctx, s->n_done++, s->n_total, cell->id);
        double rate = 0.0;
        mu_status status =
            cell->is_prefill ? time_prefill(s, cell, &rate) : time_decode(s, cell, &rate);
        free_seqs(s, cell->batch);
        if (status != MU_OK) return status;
        if (i >= o->n_warmup) cell->tokens_per_second.values[cell->tokens_per_second.n++] = rate;
    }
    cell->limit_tokens_per_second =
        cell->is_prefill
            ? mu_prefill_limit(&s->limits, cell->prompt_tokens)
            : mu_decode_limit(&s->limits, cell->batch, cell->prompt_tokens + o->n_gen / 2);
    cell->peak_memory_bytes = mu_memory_peak_bytes();
    return MU_OK;
}

static mu_status run_cells(suite *s) {
    const mu_bench_engine_options *o = s->options;
    s->n_total = (o->n_prompts + o->n_batches) * (o->n_warmup + o->n_repeat);
    for (uint32_t i = 0; i < o->n_prompts + o->n_batches; i++) {
        mu_bench_cell *cell = &s->result->cells[s->result->n_cells];
        *cell = (mu_bench_cell){.is_prefill = i < o->n_prompts};
        if (cell->is_prefill) {
            cell->prompt_tokens = o->prompts[i];
            cell->batch = 1;
            snprintf(cell->id, sizeof(cell->id), "prefill-%u", cell->prompt_tokens);
        } else {
            cell->prompt_tokens = MU_BENCH_DECODE_PROMPT;
            cell->batch = o->batches[i - o->n_prompts];
            snprintf(cell->id, sizeof(cell->id), "decode-%u", cell->batch);
        }
        mu_status status = run_cell(s, cell);
        if (status != MU_OK) return status;
        s->result->n_cells++;
    }
    return MU_OK;
}

/* Longest sequence and largest batch of the cells decide what the engine has room for. */
static mu_engine_options engine_options(const mu_bench_engine_options *o) {
    mu_engine_options e = o->engine;
    e.no_prefix_cache = true;
    e.no_prompt_lookup = true; /* plain decode: drafts would measure the text, not the machine */
    e.n_seqs_max = 1;
    uint32_t longest = MU_BENCH_DECODE_PROMPT + o->n_gen + 1;
    for (uint32_t i = 0; i < o->n_batches; i++) {
        if (o->batches[i] > e.n_seqs_max) e.n_seqs_max = o->batches[i];
    }
    for (uint32_t i = 0; i < o->n_prompts; i++) {
        if (o->prompts[i] + 1 > longest) longest = o->prompts[i] + 1;
    }
    e.n_ctx = longest;
    return e;
}

static mu_status measure_agreement(suite *s, const mu_engine_options *e) {
    const mu_agreement_options o = {
        .reference = s->model,
        .device = e->device,
        .weight_type = e->weight_type,
        .kv_type = e->kv_type,
        .n_threads = e->n_threads,
        .isa_max = e->isa_max,
        .is_canceled = s->options->is_canceled,
    };
    if (s->options->progress) {
        s->options->progress(s->options->progress_ctx, s->n_total, s->n_total, "agreement");
    }
    return mu_agreement_measure_random(s->model, &o, s->options->n_agreement, &s->result->agreement,
                                       s->err);
}

mu_status mu_bench_engine(const mu_model *model, const mu_bench_engine_options *o,
                          mu_bench_engine_result *out, mu_err *err) {
    *out = (mu_bench_engine_result){0};
    suite s = {.model = model, .options = o, .result = out, .err = err};
    mu_engine_options e = engine_options(o);
    mu_status status = mu_machine_rates_measure(e.device, e.n_threads, e.isa_max, &out->rates, err);
    if (status != MU_OK) return status;
    s.limits = (mu_limit_args){model, e.weight_type, e.kv_type, &out->rates};

    uint64_t start = mu_now_ns();
    status = mu_engine_open(model, &e, &s.engine, err);
    if (status != MU_OK) return status;
    out->load_seconds = (double)(mu_now_ns() - start) * 1e-9;
    out->loaded_memory_bytes = mu_memory_resident_bytes();
    out->bytes = mu_backend_get_bytes(mu_engine_backend(s.engine));
    out->n_threads = mu_backend_n_threads(mu_engine_backend(s.engine));
    snprintf(out->isa, sizeof(out->isa), "%s", mu_backend_isa(mu_engine_backend(s.engine)));

    uint32_t n_prompt = e.n_ctx + e.n_seqs_max;
    s.prompt = MU_ALLOC(mu_token, n_prompt);
    s.seqs = MU_ALLOC(mu_seq *, e.n_seqs_max);
    if (s.prompt) mu_random_tokens(model, 20260101, s.prompt, n_prompt);
    status = s.prompt && s.seqs ? run_cells(&s) : mu_fail(err, MU_ERR_NOMEM, "bench");
    mu_engine_close(s.engine);
    bool is_exact = e.weight_type == MU_F32 && e.kv_type == MU_F32;
    if (status == MU_OK && o->n_agreement > 0 && !is_exact) status = measure_agreement(&s, &e);
    mu_free(s.prompt);
    mu_free(s.seqs);
    return status;
}

static json_t *samples_json(const mu_samples *samples) {
    mu_summary summary = mu_samples_summary(samples);
    json_t *values = json_array();
    for (uint32_t i = 0; i < samples->n; i++) {
        json_array_append_new(values, json_real(samples->values[i]));
    }
    return json_pack("{s:f, s:f, s:f, s:o}", "median", summary.median, "min", summary.min, "max",
                     summary.max, "samples", values);
}

static json_t *cell_json(const mu_bench_cell *cell) {
    double median = mu_samples_summary(&cell->tokens_per_second).median;
    double limit = cell->limit_tokens_per_second;
    return json_pack("{s:s, s:s, s:i, s:i, s:o, s:f, s:f, s:I}", "id", cell->id, "kind",
                     cell->is_prefill ? "prefill" : "decode", "prompt_tokens",
                     (int)cell->prompt_tokens, "batch", (int)cell->batch, "tokens_per_second",
                     samples_json(&cell->tokens_per_second), "limit_tokens_per_second", limit,
                     "of_limit", limit > 0.0 ? median / limit : 0.0, "peak_memory_bytes",
                     (json_int_t)cell->peak_memory_bytes);
}

static json_t *host_json(const mu_bench_engine_result *r) {
    mu_cpu_facts facts;
    mu_cpu_facts_read(&facts);
    json_t *host =
        json_pack("{s:s, s:i, s:s, s:i, s:s, s:I}", "cpu", facts.name, "cores_usable",
                  (int)facts.n_usable, "limited_by", facts.limited_by, "threads", (int)r->n_threads,
                  "isa", r->isa, "memory_bytes", (json_int_t)facts.memory_bytes);
    mu_rates_json(&r->rates, host);
    return host;
}

json_t *mu_bench_engine_json(const mu_model *model, const mu_bench_engine_options *o,
                             const mu_bench_engine_result *r) {
    json_t *cells = json_array();
    for (uint32_t i = 0; i < r->n_cells; i++) {
        json_array_append_new(cells, cell_json(&r->cells[i]));
    }
    json_t *about = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:I, s:f, s:I, s:I, s:I}", "name", mu_model_name(model),
        "architecture", mu_model_architecture(model), "source", mu_model_source(model), "dtype",
        mu_weight_type_name(o->engine.weight_type), "kv_dtype",
        mu_dtype_get(o->engine.kv_type)->name, "parameters",
        (json_int_t)mu_model_n_parameters(model), "load_seconds", r->load_seconds, "weight_bytes",
        (json_int_t)r->bytes.weights, "scratch_bytes", (json_int_t)r->bytes.scratch,
        "loaded_memory_bytes", (json_int_t)r->loaded_memory_bytes);
    json_t *agreement =
        r->agreement.n_positions > 0 ? mu_agreement_json(&r->agreement) : json_null();
    return json_pack("{s:s, s:s, s:o, s:o, s:{s:i, s:i, s:i}, s:o, s:o}", "schema", "muai.engine/1",
                     "version", MUAI_VERSION, "host", host_json(r), "model", about, "options",
                     "generated_tokens", (int)o->n_gen, "repeat", (int)o->n_repeat, "warmup",
                     (int)o->n_warmup, "agreement", agreement, "cells", cells);
}
