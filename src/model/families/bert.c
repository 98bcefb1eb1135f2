/* BERT and XLM-RoBERTa: MiniLM, bge, mxbai, arctic, e5, bge-m3.
 *
 * RoBERTa counts positions from 2 on; the first two rows of its table belong to no token. GGUF
 * files have left them out.
 */
#include "model/families/common.h"
#include "model/families/encoder.h"

enum { ROBERTA_FIRST_POSITION = 2 };

static bool is_roberta(mu_config *config) {
    mu_meta_string type = {0};
    if (config->naming == MU_NAMING_GGUF) return false;
    mu_config_string(config, "model_type", NULL, &type);
    return type.data && !mu_meta_string_is(type, "bert");
}

static void describe(mu_config *config, const mu_shape *shape, mu_decoder_spec *spec) {
    (void)shape;
    mu_layer_kind *kind = &spec->kinds[0];
    mu_meta_string positions = {0};
    bool is_decoder = false;
    mu_encoder_describe(config, 1e-12f, spec);
    mu_config_f32(config, "layer_norm_eps", NULL, 1e-15, 1.0, &spec->norm_eps);
    spec->has_positions = true;
    if (is_roberta(config) && spec->n_ctx > ROBERTA_FIRST_POSITION) {
        spec->n_ctx -= ROBERTA_FIRST_POSITION;
    }
    kind->has_qkv_bias = kind->has_o_bias = kind->has_ffn_bias = true;
    kind->is_gated = false;
    kind->activation = MU_ACTIVATION_GELU_ERF;
    mu_config_activation(config, "hidden_act", &kind->activation);
    mu_config_bool(config, "is_decoder", &is_decoder);
    mu_config_string(config, "position_embedding_type", NULL, &positions);
    if (is_decoder) mu_config_refuse(config, "is_decoder true");
    if (positions.data && !mu_meta_string_is(positions, "absolute")) {
        mu_config_refuse(config, "position_embedding_type %.*s", (int)positions.n, positions.data);
    }
}

// clang-format off
#define TOP(hf, gguf) .names = {"embeddings." hf, gguf}, MU_SLOT_DEVIATION
#define EACH(hf, gguf) .names = {"encoder.layer.%u." hf, "blk.%u." gguf}, MU_SLOT_DEVIATION
static const mu_slot_row model_slots[MU_N_MODEL_SLOTS] = {
    [MU_EMBED] = {TOP("word_embeddings.weight", "token_embd.weight")},
    [MU_POSITIONS] = {TOP("position_embeddings.weight", "position_embd.weight"),
                      .is_last_rows = true},
    [MU_TOKEN_TYPES] = {TOP("token_type_embeddings.weight", "token_types.weight")},
    [MU_EMBED_NORM_W] = {TOP("LayerNorm.weight", "token_embd_norm.weight"), .is_norm = true},
    [MU_EMBED_NORM_B] = {TOP("LayerNorm.bias", "token_embd_norm.bias")},
};

static const mu_slot_row layer_slots[MU_N_LAYER_SLOTS] = {
    [MU_Q_W] = {EACH("attention.self.query.weight", "attn_q.weight")},
    [MU_Q_B] = {EACH("attention.self.query.bias", "attn_q.bias")},
    [MU_K_W] = {EACH("attention.self.key.weight", "attn_k.weight")},
    [MU_K_B] = {EACH("attention.self.key.bias", "attn_k.bias")},
    [MU_V_W] = {EACH("attention.self.value.weight", "attn_v.weight")},
    [MU_V_B] = {EACH("attention.self.value.bias", "attn_v.bias")},
    [MU_O_W] = {EACH("attention.output.dense.weight", "attn_output.weight"), .is_residual = true},
    [MU_O_B] = {EACH("attention.output.dense.bias", "attn_output.bias")},
    [MU_ATTN_POST_NORM_W] = {EACH("attention.output.LayerNorm.weight", "attn_output_norm.weight"),
                             .is_norm = true},
    [MU_ATTN_POST_NORM_B] = {EACH("attention.output.LayerNorm.bias", "attn_output_norm.bias")},
    [MU_UP_W] = {EACH("intermediate.dense.weight", "ffn_up.weight")},
    [MU_UP_B] = {EACH("intermediate.dense.bias", "ffn_up.bias")},
    [MU_DOWN_W] = {EACH("output.dense.weight", "ffn_down.weight"), .is_residual = true},
    [MU_DOWN_B] = {EACH("output.dense.bias", "ffn_down.bias")},
    [MU_FFN_POST_NORM_W] = {EACH("output.LayerNorm.weight", "layer_output_norm.weight"),
                            .is_norm = true},
    [MU_FFN_POST_NORM_B] = {EACH("output.LayerNorm.bias", "layer_output_norm.bias")},
};
// clang-format on

const mu_family mu_family_bert = {
    .name = "bert",
    .types = {"bert", "xlm-roberta", "roberta", "camembert"},
    .prefixes = {"", "bert.", "roberta."},
    .ignored = {"embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias"},
    .keys = mu_common_keys,
    .n_keys = MU_N_COMMON_KEYS,
    .model_slots = model_slots,
    .layer_slots = layer_slots,
    .describe = describe,
    .declare = mu_encoder_declare,
};
