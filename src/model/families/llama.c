/* Llama, and what is built like it: TinyLlama, SmolLM2, Falcon 3, most fine-tunes.
 *
 * GGUF files of this family hold the rows of each head of Q and K in another order, because their
 * rotation pairs neighbouring dimensions (weight.h).
 */
#include "model/config.h"

static const mu_key_row keys[] = {
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

static void describe(mu_config *config, const mu_shape *shape, mu_decoder_spec *spec) {
    mu_layer_kind *kind = &spec->kinds[0];
    uint32_t value_dim = shape->head_dim, n_experts = 0;
    spec->norm_eps = 1e-6f;
    mu_config_f32(config, "rms_norm_eps", "attention.layer_norm_rms_epsilon", 1e-12, 1.0,
                  &spec->norm_eps);
    mu_config_activation(config, "hidden_act", &kind->activation);
    mu_config_bool(config, "attention_bias", &kind->has_qkv_bias);
    mu_config_bool(config, "mlp_bias", &kind->has_ffn_bias);
    kind->has_o_bias = kind->has_qkv_bias;
    if (mu_config_has_tensor(config, "blk.0.attn_q.bias")) kind->has_qkv_bias = true;
    if (mu_config_has_tensor(config, "blk.0.attn_output.bias")) kind->has_o_bias = true;
    if (mu_config_has_tensor(config, "blk.0.ffn_down.bias")) kind->has_ffn_bias = true;
    mu_config_rope(config, shape, shape->head_dim, &kind->rope);
    mu_config_u32(config, NULL, "attention.value_length", 1 << 16, &value_dim);
    if (value_dim != shape->head_dim) {
        mu_config_refuse(config, "llama.attention.value_length %u: only that of keys, %u, is read",
                         value_dim, shape->head_dim);
    }
    mu_config_u32(config, NULL, "expert_count", 1 << 16, &n_experts);
    if (n_experts > 0) mu_config_refuse(config, "llama with %u experts", n_experts);
}

static void declare(const mu_decoder_spec *spec, mu_gguf_writer *w) {
    const mu_layer_kind *kind = &spec->kinds[0];
    mu_gguf_writer_f32(w, "llama.attention.layer_norm_rms_epsilon", spec->norm_eps);
    mu_gguf_writer_u32(w, "llama.attention.value_length", kind->head_dim);
    mu_rope_declare(&kind->rope, "llama", w);
}

// clang-format off
#define SD(sd) .deviation = sd
#define TURNED .is_interleaved = true, SD(0.02f)
#define EACH(name, gguf) .names = {"layers.%u." name, "blk.%u." gguf}
static const mu_slot_row model_slots[MU_N_MODEL_SLOTS] = {
    [MU_EMBED] = {.names = {"embed_tokens.weight", "token_embd.weight"}, SD(0.02f)},
    [MU_ROPE_FACTORS] = {.names = {NULL, "rope_freqs.weight"}},
    [MU_OUT_NORM_W] = {.names = {"norm.weight", "output_norm.weight"}, .mean = 1, SD(0.02f)},
    [MU_OUTPUT] = {.names = {"lm_head.weight", "output.weight"}, SD(0.02f)},
};

static const mu_slot_row layer_slots[MU_N_LAYER_SLOTS] = {
    [MU_ATTN_NORM_W] = {EACH("input_layernorm.weight", "attn_norm.weight"), .mean = 1, SD(0.02f)},
    [MU_Q_W] = {EACH("self_attn.q_proj.weight", "attn_q.weight"), TURNED},
    [MU_K_W] = {EACH("self_attn.k_proj.weight", "attn_k.weight"), TURNED},
    [MU_V_W] = {EACH("self_attn.v_proj.weight", "attn_v.weight"), SD(0.02f)},
    [MU_Q_B] = {EACH("self_attn.q_proj.bias", "attn_q.bias"), TURNED},
    [MU_K_B] = {EACH("self_attn.k_proj.bias", "attn_k.bias"), TURNED},
    [MU_V_B] = {EACH("self_attn.v_proj.bias", "attn_v.bias"), SD(0.02f)},
    [MU_O_W] = {EACH("self_attn.o_proj.weight", "attn_output.weight"), SD(0.02f),
                .is_residual = true},
    [MU_O_B] = {EACH("self_attn.o_proj.bias", "attn_output.bias"), SD(0.02f)},
    [MU_FFN_NORM_W] = {EACH("post_attention_layernorm.weight", "ffn_norm.weight"), .mean = 1,
                       SD(0.02f)},
    [MU_GATE_W] = {EACH("mlp.gate_proj.weight", "ffn_gate.weight"), SD(0.02f)},
    [MU_GATE_B] = {EACH("mlp.gate_proj.bias", "ffn_gate.bias"), SD(0.02f)},
    [MU_UP_W] = {EACH("mlp.up_proj.weight", "ffn_up.weight"), SD(0.02f)},
    [MU_UP_B] = {EACH("mlp.up_proj.bias", "ffn_up.bias"), SD(0.02f)},
    [MU_DOWN_W] = {EACH("mlp.down_proj.weight", "ffn_down.weight"), SD(0.02f),
                   .is_residual = true},
    [MU_DOWN_B] = {EACH("mlp.down_proj.bias", "ffn_down.bias"), SD(0.02f)},
};
// clang-format on

const mu_family mu_family_llama = {
    .name = "llama",
    .types = {"llama"},
    .prefixes = {"model.", "", "model.language_model.", "language_model.model.", "language_model."},
    .ignored = {"rotary_emb.inv_freq"},
    .keys = keys,
    .n_keys = MU_COUNTOF(keys),
    .model_slots = model_slots,
    .layer_slots = layer_slots,
    .describe = describe,
    .declare = declare,
};
