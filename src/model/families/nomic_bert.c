/* Nomic's BERT (nomic-embed-text): rotary positions, gated FFNs, no biases but those of norms. */
#include "model/families/common.h"
#include "model/families/encoder.h"

static const mu_key_row keys[] = {
#define AT(member) offsetof(mu_shape, member)
    {{"n_layer", "block_count"}, AT(n_layers), MU_LAYERS_MAX, false},
    {{"n_positions", "context_length"}, AT(n_ctx), 1 << 20, false},
    {{"n_embd", "embedding_length"}, AT(hidden_dim), 1 << 16, false},
    {{"n_inner", "feed_forward_length"}, AT(ffn_dim), 1 << 18, false},
    {{"n_head", "attention.head_count"}, AT(n_heads), 1 << 16, false},
    {{"vocab_size", "vocab_size"}, AT(vocab_size), 1 << 22, true},
#undef AT
};

/* What config.json can say that nobody's model of this family does. */
static void refuse_variants(mu_config *config) {
    static const char *const off[] = {"qkv_proj_bias", "mlp_fc1_bias",           "mlp_fc2_bias",
                                      "prenorm",       "rotary_emb_interleaved", "use_rms_norm"};
    double fraction = 1.0;
    for (size_t i = 0; i < MU_COUNTOF(off); i++) {
        bool is_on = false;
        mu_config_bool(config, off[i], &is_on);
        if (is_on) mu_config_refuse(config, "%s true", off[i]);
    }
    mu_config_f64(config, "rotary_emb_fraction", NULL, 0.0, 1.0, &fraction);
    if (fraction != 1.0) mu_config_refuse(config, "rotary_emb_fraction %g", fraction);
}

static void describe(mu_config *config, const mu_shape *shape, mu_decoder_spec *spec) {
    mu_layer_kind *kind = &spec->kinds[0];
    double base = 10000.0;
    mu_encoder_describe(config, 1e-12f, spec);
    mu_config_f32(config, "layer_norm_epsilon", NULL, 1e-15, 1.0, &spec->norm_eps);
    kind->activation = MU_ACTIVATION_SILU;
    mu_config_f64(config, "rotary_emb_base", NULL, 1.0, 1e12, &base);
    kind->rope.base = base;
    mu_config_rope(config, shape, shape->head_dim, &kind->rope);
    refuse_variants(config);
}

static void declare(const mu_family *family, const mu_decoder_spec *spec, mu_gguf_writer *w) {
    mu_encoder_declare(family, spec, w);
    mu_rope_declare(&spec->kinds[0].rope, family->name, w);
}

// clang-format off
#define TOP(hf, gguf) .names = {hf, gguf}, MU_SLOT_DEVIATION
#define EACH(hf, gguf) .names = {"encoder.layers.%u." hf, "blk.%u." gguf}, MU_SLOT_DEVIATION
static const mu_slot_row model_slots[MU_N_MODEL_SLOTS] = {
    [MU_EMBED] = {TOP("embeddings.word_embeddings.weight", "token_embd.weight")},
    [MU_TOKEN_TYPES] = {TOP("embeddings.token_type_embeddings.weight", "token_types.weight")},
    [MU_EMBED_NORM_W] = {TOP("emb_ln.weight", "token_embd_norm.weight"), .is_norm = true},
    [MU_EMBED_NORM_B] = {TOP("emb_ln.bias", "token_embd_norm.bias")},
};

#define QKV_W {EACH("attn.Wqkv.weight", "attn_qkv.weight"), .parts = {MU_Q_W, MU_K_W, MU_V_W}, \
               .n_parts = 3}
static const mu_slot_row layer_slots[MU_N_LAYER_SLOTS] = {
    [MU_Q_W] = QKV_W, [MU_K_W] = QKV_W, [MU_V_W] = QKV_W,
    [MU_O_W] = {EACH("attn.out_proj.weight", "attn_output.weight"), .is_residual = true},
    [MU_ATTN_POST_NORM_W] = {EACH("norm1.weight", "attn_output_norm.weight"), .is_norm = true},
    [MU_ATTN_POST_NORM_B] = {EACH("norm1.bias", "attn_output_norm.bias")},
    [MU_UP_W] = {EACH("mlp.fc11.weight", "ffn_up.weight")},
    [MU_GATE_W] = {EACH("mlp.fc12.weight", "ffn_gate.weight")},
    [MU_DOWN_W] = {EACH("mlp.fc2.weight", "ffn_down.weight"), .is_residual = true},
    [MU_FFN_POST_NORM_W] = {EACH("norm2.weight", "layer_output_norm.weight"), .is_norm = true},
    [MU_FFN_POST_NORM_B] = {EACH("norm2.bias", "layer_output_norm.bias")},
};
// clang-format on

const mu_family mu_family_nomic_bert = {
    .name = "nomic-bert",
    .types = {"nomic_bert"},
    .prefixes = {"", "nomic_bert.", "bert."},
    .ignored = {"rotary_emb.inv_freq"},
    .keys = keys,
    .n_keys = MU_COUNTOF(keys),
    .model_slots = model_slots,
    .layer_slots = layer_slots,
    .describe = describe,
    .declare = declare,
};
