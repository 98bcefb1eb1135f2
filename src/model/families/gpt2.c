/* GPT-2's two habits that have caused bugs elsewhere: its Conv1D weights are stored [in, out], the
 * transpose of everybody else's; and checkpoints come with and without the "transformer." prefix,
 * with causal masks ("attn.bias") stored beside the weights.
 */
#include <math.h>

#include "model/config.h"

static const mu_key_row keys[] = {
#define AT(member) offsetof(mu_shape, member)
    {{"n_layer", "block_count"}, AT(n_layers), MU_LAYERS_MAX, false},
    {{"n_positions", "context_length"}, AT(n_ctx), 1 << 20, false},
    {{"n_embd", "embedding_length"}, AT(hidden_dim), 1 << 16, false},
    {{"n_inner", "feed_forward_length"}, AT(ffn_dim), 1 << 18, true},
    {{"n_head", "attention.head_count"}, AT(n_heads), 1 << 16, false},
    {{"vocab_size", "vocab_size"}, AT(vocab_size), 1 << 22, true},
#undef AT
};

static void describe(mu_config *config, const mu_shape *shape, mu_decoder_spec *spec) {
    mu_layer_kind *kind = &spec->kinds[0];
    bool is_scaled = true;
    spec->has_positions = true;
    spec->out_norm = MU_NORM_LAYER;
    mu_config_f32(config, "layer_norm_epsilon", "attention.layer_norm_epsilon", 1e-12, 1.0,
                  &spec->norm_eps);
    kind->norm = MU_NORM_LAYER;
    kind->has_qkv_bias = kind->has_o_bias = kind->has_ffn_bias = true;
    kind->is_gated = false;
    kind->activation = MU_ACTIVATION_GELU_TANH;
    if (shape->ffn_dim == 0) kind->ffn_dim = 4 * shape->hidden_dim;
    /* GGUF has no keys for these: files of this program use config.json's, plain GPT-2 none */
    mu_config_activation(config, "activation_function", &kind->activation);
    mu_config_bool(config, "scale_attn_weights", &is_scaled);
    mu_config_bool(config, "scale_attn_by_inverse_layer_idx", &kind->attn_scale_by_layer);
    if (!is_scaled) kind->attn_scale = 1.0f;
    if (kind->activation == MU_ACTIVATION_SILU) {
        mu_config_refuse(config, "activation_function \"silu\"");
    }
}

static void declare(const mu_family *family, const mu_decoder_spec *spec, mu_gguf_writer *w) {
    (void)family;
    const mu_layer_kind *kind = &spec->kinds[0];
    mu_gguf_writer_f32(w, "gpt2.attention.layer_norm_epsilon", spec->norm_eps);
    /* What plain GPT-2 files leave out, because it is always so in GPT-2. */
    if (kind->activation == MU_ACTIVATION_GELU_ERF) {
        mu_gguf_writer_string(w, "activation_function", "gelu");
    } else if (kind->activation == MU_ACTIVATION_RELU) {
        mu_gguf_writer_string(w, "activation_function", "relu");
    }
    if (kind->attn_scale == 1.0f) mu_gguf_writer_bool(w, "scale_attn_weights", false);
    if (kind->attn_scale_by_layer) mu_gguf_writer_bool(w, "scale_attn_by_inverse_layer_idx", true);
}

// clang-format off
#define SD(sd) .deviation = sd
#define TOP(name, gguf) .names = {name, gguf}
#define EACH(name, gguf) .names = {"h.%u." name, "blk.%u." gguf}
static const mu_slot_row model_slots[MU_N_MODEL_SLOTS] = {
    [MU_EMBED] = {TOP("wte.weight", "token_embd.weight"), SD(0.02f)},
    [MU_POSITIONS] = {TOP("wpe.weight", "position_embd.weight"), SD(0.01f)},
    [MU_OUT_NORM_W] = {TOP("ln_f.weight", "output_norm.weight"), .is_norm = true, SD(0.02f)},
    [MU_OUT_NORM_B] = {TOP("ln_f.bias", "output_norm.bias"), SD(0.02f)},
    [MU_OUTPUT] = {TOP("lm_head.weight", "output.weight"), SD(0.02f)},
};

#define QKV_W {EACH("attn.c_attn.weight", "attn_qkv.weight"), {MU_Q_W, MU_K_W, MU_V_W}, 3, \
               .is_conv1d = true, SD(0.02f)}
#define QKV_B {EACH("attn.c_attn.bias", "attn_qkv.bias"), {MU_Q_B, MU_K_B, MU_V_B}, 3, SD(0.02f)}
static const mu_slot_row layer_slots[MU_N_LAYER_SLOTS] = {
    [MU_ATTN_NORM_W] = {EACH("ln_1.weight", "attn_norm.weight"), .is_norm = true, SD(0.02f)},
    [MU_ATTN_NORM_B] = {EACH("ln_1.bias", "attn_norm.bias"), SD(0.02f)},
    [MU_Q_W] = QKV_W, [MU_K_W] = QKV_W, [MU_V_W] = QKV_W,
    [MU_Q_B] = QKV_B, [MU_K_B] = QKV_B, [MU_V_B] = QKV_B,
    [MU_O_W] = {EACH("attn.c_proj.weight", "attn_output.weight"), .is_conv1d = true, SD(0.02f),
                .is_residual = true},
    [MU_O_B] = {EACH("attn.c_proj.bias", "attn_output.bias"), SD(0.02f)},
    [MU_FFN_NORM_W] = {EACH("ln_2.weight", "ffn_norm.weight"), .is_norm = true, SD(0.02f)},
    [MU_FFN_NORM_B] = {EACH("ln_2.bias", "ffn_norm.bias"), SD(0.02f)},
    [MU_UP_W] = {EACH("mlp.c_fc.weight", "ffn_up.weight"), .is_conv1d = true, SD(0.02f)},
    [MU_UP_B] = {EACH("mlp.c_fc.bias", "ffn_up.bias"), SD(0.02f)},
    [MU_DOWN_W] = {EACH("mlp.c_proj.weight", "ffn_down.weight"), .is_conv1d = true, SD(0.02f),
                   .is_residual = true},
    [MU_DOWN_B] = {EACH("mlp.c_proj.bias", "ffn_down.bias"), SD(0.02f)},
};
// clang-format on

const mu_family mu_family_gpt2 = {
    .name = "gpt2",
    .types = {"gpt2"},
    .prefixes = {"", "transformer."},
    .ignored = {"attn.bias", "attn.masked_bias"},
    .keys = keys,
    .n_keys = MU_COUNTOF(keys),
    .is_tied_by_default = true,
    .model_slots = model_slots,
    .layer_slots = layer_slots,
    .describe = describe,
    .declare = declare,
};
