/* StarCoder2: layer norms, biases everywhere, an FFN without a gate, rotary positions. */
#include "model/families/common.h"

static void describe(mu_config *config, const mu_shape *shape, mu_decoder_spec *spec) {
    mu_layer_kind *kind = &spec->kinds[0];
    bool has_bias = true;
    uint32_t window = 0;
    mu_common_describe(config, shape, spec);
    spec->norm_eps = 1e-5f;
    mu_config_f32(config, "norm_epsilon", "attention.layer_norm_epsilon", 1e-12, 1.0,
                  &spec->norm_eps);
    mu_config_bool(config, "use_bias", &has_bias);
    kind->activation = MU_ACTIVATION_GELU_TANH;
    mu_config_activation(config, "hidden_act", &kind->activation);
    kind->norm = spec->out_norm = MU_NORM_LAYER;
    kind->is_gated = false;
    kind->has_qkv_bias = kind->has_o_bias = kind->has_ffn_bias = has_bias;
    mu_config_u32(config, "sliding_window", NULL, 1 << 30, &window);
    if (window < spec->n_ctx) kind->window = window;
}

static void declare(const mu_family *family, const mu_decoder_spec *spec, mu_gguf_writer *w) {
    mu_common_declare(family, spec, w);
    mu_gguf_writer_f32(w, "starcoder2.attention.layer_norm_epsilon", spec->norm_eps);
}

// clang-format off
static const mu_slot_row layer_slots[MU_N_LAYER_SLOTS] = {
    MU_ATTENTION_ROWS,
    MU_ATTENTION_BIAS_ROWS,
    [MU_ATTN_NORM_W] = MU_NORM_ROW("input_layernorm.weight", "attn_norm.weight"),
    [MU_ATTN_NORM_B] = {MU_LAYER("input_layernorm.bias", "attn_norm.bias")},
    [MU_FFN_NORM_W] = MU_NORM_ROW("post_attention_layernorm.weight", "ffn_norm.weight"),
    [MU_FFN_NORM_B] = {MU_LAYER("post_attention_layernorm.bias", "ffn_norm.bias")},
    [MU_UP_W] = {MU_LAYER("mlp.c_fc.weight", "ffn_up.weight")},
    [MU_UP_B] = {MU_LAYER("mlp.c_fc.bias", "ffn_up.bias")},
    [MU_DOWN_W] = {MU_LAYER("mlp.c_proj.weight", "ffn_down.weight"), .is_residual = true},
    [MU_DOWN_B] = {MU_LAYER("mlp.c_proj.bias", "ffn_down.bias")},
};
// clang-format on

const mu_family mu_family_starcoder2 = {
    .name = "starcoder2",
    .types = {"starcoder2"},
    MU_COMMON_FAMILY,
    .is_tied_by_default = true,
    .layer_slots = layer_slots,
    .describe = describe,
    .declare = declare,
};
