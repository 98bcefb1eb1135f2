#include "eval/limits.h"

static double output_values(const mu_decoder_spec *spec) {
    return (double)spec->vocab_size * spec->hidden_dim;
}

/* Products of a layer that take every row: those before attention. The rest of the last layer is
 * for rows with logits only. */
static double first_values(const mu_decoder_spec *spec, uint32_t layer) {
    mu_matrix matrices[MU_LAYER_MATRICES_MAX];
    uint32_t n = mu_layer_matrices(spec, layer, matrices);
    double values = 0.0;
    for (uint32_t i = 0; i < n; i++) {
        if (matrices[i].feed != MU_FEED_ATTN_NORM) continue;
        values += (double)matrices[i].n_out * matrices[i].n_in;
    }
    return values;
}

/* Scores and values of a row that sees so many positions. */
static double attention_ops(const mu_decoder_spec *spec, uint32_t layer, double n_positions) {
    const mu_layer_kind *kind = mu_layer_kind_of(spec, layer);
    if (kind->window > 0 && n_positions > kind->window) n_positions = kind->window;
    return 4.0 * kind->n_heads * kind->head_dim * n_positions;
}

double mu_prefill_ops(const mu_decoder_spec *spec, uint32_t n_tokens) {
    double n = n_tokens, mean_positions = (n + 1) / 2, ops = 0.0;
    for (uint32_t layer = 0; layer < spec->n_layers; layer++) {
        double all = (double)mu_layer_matrix_values(spec, layer), first = first_values(spec, layer);
        bool is_last = layer + 1 == spec->n_layers;
        ops += 2 * n * first + 2 * (is_last ? 1 : n) * (all - first);
        ops += is_last ? attention_ops(spec, layer, n)
                       : n * attention_ops(spec, layer, mean_positions);
    }
    return ops + 2 * output_values(spec);
}

double mu_peak_gops(const mu_machine_rates *rates, mu_dtype weight_type) {
    double gops = weight_type == MU_Q4_0   ? rates->int4_gop_s
                  : weight_type == MU_BF16 ? rates->bf16_gflop_s
                  : weight_type == MU_F32  ? rates->f32_gflop_s
                                           : rates->int8_gop_s;
    return gops > 0.0 ? gops : rates->f32_gflop_s;
}

static double bytes_of(mu_dtype dtype) { /* of one value */
    const mu_dtype_info *info = mu_dtype_get(dtype);
    return (double)info->block_bytes / info->block_elems;
}

double mu_prefill_limit(const mu_limit_args *args, uint32_t n_tokens) {
    mu_dtype type = mu_model_main_type(args->model, args->weight_type);
    return n_tokens * mu_peak_gops(args->rates, type) * 1e9 /
           mu_prefill_ops(mu_model_spec(args->model), n_tokens);
}

double mu_embedding_limit(const mu_limit_args *args, uint32_t n_tokens) {
    const mu_decoder_spec *spec = mu_model_spec(args->model);
    double peak = mu_peak_gops(args->rates, mu_model_main_type(args->model, args->weight_type));
    double n = n_tokens, n_seen = spec->is_bidirectional ? n : (n + 1) / 2, ops = 0.0;
    for (uint32_t layer = 0; layer < spec->n_layers; layer++) {
        bool is_last = layer + 1 == spec->n_layers;
        double n_rows = is_last && mu_model_pooling(args->model) != MU_POOLING_MEAN ? 1 : n;
        double all = (double)mu_layer_matrix_values(spec, layer), first = first_values(spec, layer);
        ops += 2 * n * first + 2 * n_rows * (all - first);
        ops += n_rows * attention_ops(spec, layer, n_rows < n ? n : n_seen);
    }
    return peak * 1e9 / ops;
}

mu_decode_cost mu_decode_cost_of(const mu_limit_args *args) {
    return (mu_decode_cost){
        .weight_bytes = mu_model_matrix_bytes(args->model, args->weight_type),
        .kv_bytes_per_position =
            (double)mu_decoder_kv_values(mu_model_spec(args->model)) * bytes_of(args->kv_type),
        .peak_gops = mu_peak_gops(args->rates, mu_model_main_type(args->model, args->weight_type)),
    };
}

double mu_decode_limit(const mu_limit_args *args, uint32_t n_seqs, uint32_t n_positions) {
    const mu_decoder_spec *spec = mu_model_spec(args->model);
    mu_decode_cost cost = mu_decode_cost_of(args);
    double positions = (double)n_positions * n_seqs;
    double bytes = cost.weight_bytes + positions * cost.kv_bytes_per_position;
    double ops = n_seqs * 2 * (double)mu_decoder_matrix_values(spec);
    for (uint32_t layer = 0; layer < spec->n_layers; layer++) {
        ops += n_seqs * attention_ops(spec, layer, n_positions);
    }
    double memory_seconds = bytes / (args->rates->dram_gb_s * 1e9);
    double compute_seconds = cost.peak_gops > 0.0 ? ops / (cost.peak_gops * 1e9) : 0.0;
    return n_seqs / (memory_seconds > compute_seconds ? memory_seconds : compute_seconds);
}
