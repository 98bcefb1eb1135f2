#include "model/families/common.h"

#include <stdio.h>

const mu_key_row mu_common_keys[MU_N_COMMON_KEYS] = {
#define AT(member) offsetof(mu_shape, member)
    {{"num_hidden_layers", "block_count"}, AT(n_layers), MU_LAYERS_MAX, false},
    {{"max_position_embeddings", "context_length"}, AT(n_ctx), 1 << 24, false},
    {{"hidden_size", "embedding_length"}, AT(hidden_dim), 1 << 16, false},
    {{"intermediate_size", "feed_forward_length"}, AT(ffn_dim), 1 << 18, false},
    {{"num_attention_heads", "attention.head_count"}, AT(n_heads), 1 << 16, false},
    {{"num_key_value_heads", "attention.head_count_kv"}, AT(n_kv_heads), 1 << 16, true},
    {{"head_dim", "attention.key_length"}, AT(head_dim), 1 << 16, true},
    {{"vocab_size", "vocab_size"}, AT(vocab_size), 1 << 22, true},
#undef AT
};

// clang-format off
const mu_slot_row mu_common_model_slots[MU_N_MODEL_SLOTS] = {
    [MU_EMBED] = {.names = {"embed_tokens.weight", "token_embd.weight"}, MU_SLOT_DEVIATION},
    [MU_ROPE_FACTORS] = {.names = {NULL, "rope_freqs.weight"}},
    [MU_OUT_NORM_W] = {.names = {"norm.weight", "output_norm.weight"}, .is_norm = true,
                       MU_SLOT_DEVIATION},
    [MU_OUT_NORM_B] = {.names = {"norm.bias", "output_norm.bias"}, MU_SLOT_DEVIATION},
    [MU_OUTPUT] = {.names = {"lm_head.weight", "output.weight"}, MU_SLOT_DEVIATION},
};

const mu_slot_row mu_common_layer_slots[MU_N_LAYER_SLOTS] = {
    MU_ATTENTION_ROWS,
    MU_ATTENTION_BIAS_ROWS,
    MU_QK_NORM_ROWS,
    MU_GATED_FFN_ROWS,
    [MU_ATTN_NORM_W] = MU_NORM_ROW("input_layernorm.weight", "attn_norm.weight"),
    [MU_FFN_NORM_W] = MU_NORM_ROW("post_attention_layernorm.weight", "ffn_norm.weight"),
    [MU_GATE_B] = {MU_LAYER("mlp.gate_proj.bias", "ffn_gate.bias")},
    [MU_UP_B] = {MU_LAYER("mlp.up_proj.bias", "ffn_up.bias")},
    [MU_DOWN_B] = {MU_LAYER("mlp.down_proj.bias", "ffn_down.bias")},
};
// clang-format on

void mu_common_describe(mu_config *config, const mu_shape *shape, mu_decoder_spec *spec) {
    mu_layer_kind *kind = &spec->kinds[0];
    uint32_t value_dim = shape->head_dim, n_experts = 0;
    spec->norm_eps = 1e-6f;
    mu_config_f32(config, "rms_norm_eps", "attention.layer_norm_rms_epsilon", 1e-12, 1.0,
                  &spec->norm_eps);
    mu_config_activation(config, "hidden_act", &kind->activation);
    mu_config_bool(config, "attention_bias", &kind->has_qkv_bias);
    kind->has_o_bias = kind->has_qkv_bias;
    if (mu_config_has_tensor(config, "blk.0.attn_q.bias")) kind->has_qkv_bias = true;
    if (mu_config_has_tensor(config, "blk.0.attn_output.bias")) kind->has_o_bias = true;
    mu_config_rope(config, shape, shape->head_dim, &kind->rope);
    mu_config_u32(config, NULL, "attention.value_length", 1 << 16, &value_dim);
    if (value_dim != shape->head_dim) {
        mu_config_refuse(config, "%s.attention.value_length %u: only that of keys, %u, is read",
                         config->family->name, value_dim, shape->head_dim);
    }
    mu_config_u32(config, NULL, "expert_count", 1 << 16, &n_experts);
    if (n_experts > 0) {
        mu_config_refuse(config, "%s with %u experts", config->family->name, n_experts);
    }
}

void mu_common_declare(const mu_family *family, const mu_decoder_spec *spec, mu_gguf_writer *w) {
    const mu_layer_kind *kind = &spec->kinds[0];
    char key[128];
    snprintf(key, sizeof(key), "%s.attention.layer_norm_rms_epsilon", family->name);
    mu_gguf_writer_f32(w, key, spec->norm_eps);
    snprintf(key, sizeof(key), "%s.attention.value_length", family->name);
    mu_gguf_writer_u32(w, key, kind->head_dim);
    mu_rope_declare(&kind->rope, family->name, w);
    for (uint32_t i = 0; i < spec->n_kinds; i++) {
        if (spec->kinds[i].window == 0) continue;
        snprintf(key, sizeof(key), "%s.attention.sliding_window", family->name);
        mu_gguf_writer_u32(w, key, spec->kinds[i].window);
    }
}

/* Whether a layer has a window, as the file says of each; false: it does not say. */
static bool says(const mu_config *config, uint32_t layer, bool *out) {
    char key[128];
    const mu_meta_value *types = mu_config_find(config, "layer_types", NULL, key);
    const mu_meta_value *pattern =
        mu_config_find(config, NULL, "attention.sliding_window_pattern", key);
    if (types && types->kind == MU_META_ARRAY && types->strings && layer < types->n_elems) {
        *out = mu_meta_string_is(types->strings[layer], "sliding_attention");
        return true;
    }
    if (pattern && pattern->kind == MU_META_ARRAY && pattern->ints && layer < pattern->n_elems) {
        *out = pattern->ints[layer] != 0;
        return true;
    }
    return false;
}

mu_layer_kind *mu_common_windows(mu_config *config, mu_decoder_spec *spec, uint32_t window,
                                 uint32_t period) {
    mu_config_u32(config, "sliding_window", "attention.sliding_window", 1 << 30, &window);
    if (window == 0 || config->status != MU_OK) return NULL;
    mu_config_u32(config, "sliding_window_pattern", NULL, MU_LAYERS_MAX, &period);
    char key[128];
    const mu_meta_value *pattern =
        mu_config_find(config, NULL, "attention.sliding_window_pattern", key);
    if (pattern && pattern->kind == MU_META_INT) {
        mu_config_u32(config, NULL, "attention.sliding_window_pattern", MU_LAYERS_MAX, &period);
    }
    spec->kinds[1] = spec->kinds[0];
    spec->kinds[1].window = window;
    spec->n_kinds = 2;
    for (uint32_t layer = 0; layer < spec->n_layers; layer++) {
        bool has_window = (layer + 1) % period != 0;
        says(config, layer, &has_window);
        spec->kind_of[layer] = has_window ? 1 : 0;
    }
    return &spec->kinds[1];
}
