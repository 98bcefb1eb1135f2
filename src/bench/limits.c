#include "bench/limits.h"

static double layer_values(const mu_decoder_spec *spec) { /* of one layer's matrices */
    double h = spec->hidden_dim, f = spec->ffn_dim;
    return 4 * h * h + 2 * h * f;
}

static double output_values(const mu_decoder_spec *spec) {
    return (double)spec->vocab_size * spec->hidden_dim;
}

double mu_prefill_ops(const mu_decoder_spec *spec, uint32_t n_tokens) {
    double n = n_tokens, h = spec->hidden_dim, full_layers = spec->n_layers - 1;
    double mean_positions = (n + 1) / 2;
    double ops = full_layers * n * (2 * layer_values(spec) + 4 * h * mean_positions);
    ops += n * 2 * 3 * h * h;                                /* Q, K, V of the last layer */
    ops += 2 * (layer_values(spec) - 3 * h * h) + 4 * h * n; /* the rest of it, one row */
    return ops + 2 * output_values(spec);
}

double mu_peak_gops(const mu_machine_rates *rates, mu_dtype weight_type) {
    double gops = weight_type == MU_Q8_0   ? rates->int8_gop_s
                  : weight_type == MU_Q4_0 ? rates->int4_gop_s
                  : weight_type == MU_BF16 ? rates->bf16_gflop_s
                                           : rates->f32_gflop_s;
    return gops > 0.0 ? gops : rates->f32_gflop_s;
}

static double bytes_of(mu_dtype dtype) { /* of one value */
    const mu_dtype_info *info = mu_dtype_get(dtype);
    return (double)info->block_bytes / info->block_elems;
}

double mu_prefill_limit(const mu_limit_args *args, uint32_t n_tokens) {
    return n_tokens * mu_peak_gops(args->rates, args->weight_type) * 1e9 /
           mu_prefill_ops(args->spec, n_tokens);
}

static double matrix_values(const mu_decoder_spec *spec) {
    return spec->n_layers * layer_values(spec) + output_values(spec);
}

static double kv_values(const mu_decoder_spec *spec) { /* of a position */
    return 2.0 * spec->n_layers * spec->hidden_dim;
}

mu_decode_cost mu_decode_cost_of(const mu_limit_args *args) {
    return (mu_decode_cost){
        .weight_bytes = matrix_values(args->spec) * bytes_of(args->weight_type),
        .kv_bytes_per_position = kv_values(args->spec) * bytes_of(args->kv_type),
        .peak_gops = mu_peak_gops(args->rates, args->weight_type),
    };
}

double mu_decode_limit(const mu_limit_args *args, uint32_t n_seqs, uint32_t n_positions) {
    mu_decode_cost cost = mu_decode_cost_of(args);
    double positions = (double)n_positions * n_seqs;
    double bytes = cost.weight_bytes + positions * cost.kv_bytes_per_position;
    double ops = n_seqs * 2 * matrix_values(args->spec) + 2 * positions * kv_values(args->spec);
    double memory_seconds = bytes / (args->rates->dram_gb_s * 1e9);
    double compute_seconds = cost.peak_gops > 0.0 ? ops / (cost.peak_gops * 1e9) : 0.0;
    return n_seqs / (memory_seconds > compute_seconds ? memory_seconds : compute_seconds);
}
