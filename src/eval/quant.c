#include "eval/quant.h"

#include <math.h>

uint32_t mu_quant_rows(const mu_model *model, const mu_model *reference,
                       mu_quant_row out[MU_QUANT_ROWS_MAX]) {
    uint32_t n = 0;
    if (reference != model) out[n++] = (mu_quant_row){.model = reference, .weight_type = MU_F32};
    for (uint32_t i = 0; i < MU_N_WEIGHT_TYPES; i++) {
        MU_ASSERT(n < MU_QUANT_ROWS_MAX);
        out[n++] = (mu_quant_row){.model = model, .weight_type = mu_weight_type_at(i)};
    }
    MU_ASSERT(out[0].weight_type == MU_F32);
    return n;
}

mu_status mu_quant_measure(mu_quant_row *rows, uint32_t i, const mu_perplexity_options *text,
                           mu_err *err) {
    mu_quant_row *row = &rows[i];
    mu_perplexity_options p = *text;
    p.weight_type = row->weight_type;
    p.kv_type = row->kv_type;
    mu_status status = mu_perplexity_measure(row->model, &p, &row->perplexity, err);
    if (status != MU_OK) return status;
    status = mu_perplexity_compare(&row->perplexity, &rows[0].perplexity, &row->change, err);
    if (status != MU_OK || i == 0) return status;
    mu_agreement_options a = {
        .reference = rows[0].model,
        .weight_type = row->weight_type,
        .kv_type = row->kv_type,
        .n_threads = text->n_threads,
        .isa_max = text->isa_max,
        .tokens = text->tokens,
        .n_tokens = text->n_tokens,
        .window = text->window,
        .progress = text->progress,
        .progress_ctx = text->progress_ctx,
        .is_canceled = text->is_canceled,
    };
    return mu_agreement_measure(row->model, &a, &row->agreement, err);
}

void mu_quant_deinit(mu_quant_row *rows, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        mu_perplexity_deinit(&rows[i].perplexity);
    }
}

static json_t *change_json(const mu_perplexity_change *c) {
    bool is_known = isfinite(c->interval.low) && isfinite(c->interval.high);
    json_t *interval =
        is_known ? json_pack("[f, f]", c->interval.low, c->interval.high) : json_null();
    return json_pack("{s:f, s:o}", "ratio", c->ratio, "interval_95", interval);
}

static json_t *speed_json(const mu_quant_speed *s) {
    if (s->resident_bytes == 0) return json_null();
    return json_pack("{s:I, s:f, s:f}", "resident_bytes", (json_int_t)s->resident_bytes,
                     "prefill_tokens_per_second", s->prefill_tokens_per_second,
                     "decode_tokens_per_second", s->decode_tokens_per_second);
}

json_t *mu_quant_json(const mu_quant_row *rows, uint32_t n) {
    json_t *array = json_array();
    for (uint32_t i = 0; i < n; i++) {
        const mu_quant_row *row = &rows[i];
        json_array_append_new(
            array,
            json_pack("{s:s, s:s, s:s, s:b, s:I, s:o, s:o, s:o, s:o}", "model",
                      mu_model_name(row->model), "dtype", mu_weight_type_name(row->weight_type),
                      "kv_dtype", mu_dtype_get(row->kv_type)->name, "is_reference", (int)(i == 0),
                      "weight_bytes", (json_int_t)row->perplexity.weight_bytes, "speed",
                      speed_json(&row->speed), "perplexity", mu_perplexity_json(&row->perplexity),
                      "perplexity_change", i == 0 ? json_null() : change_json(&row->change),
                      "agreement", i == 0 ? json_null() : mu_agreement_json(&row->agreement)));
    }
    return array;
}
