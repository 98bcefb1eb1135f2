/* BERT and XLM-RoBERTa: MiniLM, bge, mxbai, arctic, e5, bge-m3.
 *
 * RoBERTa counts positions from 2 on; the first two rows of its table belong to no token. GGUF
 * files have left them out.
 */
#include "model/families/common.h"
#include "model/families/encoder.h"

enum { ROBERTA_FIRST_POSITION = 2, LABELS_MAX = 1 << 12 };

/* A model that was trained to score has the tensor, of a row for each label. */
static uint32_t n_labels(const mu_config *config) {
    const char *name = config->family->model_slots[MU_SCORE_W].names[config->naming];
    const mu_tensor *score = config->tensors ? mu_tensor_set_find(config->tensors, name) : NULL;
    if (!score || score->n_dims == 0 || score->dims[0] > LABELS_MAX) return 0;
    return score->n_dims == 1 ? 1 : (uint32_t)score->dims[0];
}

static void describe(mu_config *config, const mu_shape *shape, mu_decoder_spec *spec) {
    (void)shape;
    mu_layer_kind *kind = &spec->kinds[0];
    mu_meta_string positions = {0};
    bool is_decoder = false;
    mu_encoder_describe(config, 1e-12f, spec);
    mu_config_f32(config, "layer_norm_eps", NULL, 1e-15, 1.0, &spec->norm_eps);
    spec->has_positions = true;
    spec->n_labels = n_labels(config);
    if (spec->n_labels > spec->hidden_dim) {
        mu_config_refuse(config, "%u labels of a width of %u", spec->n_labels, spec->hidden_dim);
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

static void describe_roberta(mu_config *config, const mu_shape *shape, mu_decoder_spec *spec) {
    describe(config, shape, spec);
    if (spec->n_ctx > ROBERTA_FIRST_POSITION) spec->n_ctx -= ROBERTA_FIRST_POSITION;
}

// clang-format off
#define TOP(hf, gguf) .names = {"embeddings." hf, gguf}, MU_SLOT_DEVIATION
#define EACH(hf, gguf) .names = {"encoder.layer.%u." hf, "blk.%u." gguf}, MU_SLOT_DEVIATION
#define EMBEDDING_ROWS                                                                             \
    [MU_EMBED] = {TOP("word_embeddings.weight", "token_embd.weight")},                             \
    [MU_POSITIONS] = {TOP("position_embeddings.weight", "position_embd.weight"),                   \
                      .is_last_rows = true},                                                       \
    [MU_TOKEN_TYPES] = {TOP("token_type_embeddings.weight", "token_types.weight")},                \
    [MU_EMBED_NORM_W] = {TOP("LayerNorm.weight", "token_embd_norm.weight"), .is_norm = true},      \
    [MU_EMBED_NORM_B] = {TOP("LayerNorm.bias", "token_embd_norm.bias")}
#define SCORING_ROWS(head, score)                                                                  \
    [MU_HEAD_W] = {.names = {head ".weight", "cls.weight"}, MU_SLOT_DEVIATION},                    \
    [MU_HEAD_B] = {.names = {head ".bias", "cls.bias"}, MU_SLOT_DEVIATION},                        \
    [MU_SCORE_W] = {.names = {score ".weight", "cls.output.weight"}, MU_SLOT_DEVIATION},           \
    [MU_SCORE_B] = {.names = {score ".bias", "cls.output.bias"}, MU_SLOT_DEVIATION}
static const mu_slot_row model_slots[MU_N_MODEL_SLOTS] = {
    EMBEDDING_ROWS, SCORING_ROWS("pooler.dense", "classifier")};
static const mu_slot_row roberta_model_slots[MU_N_MODEL_SLOTS] = {
    EMBEDDING_ROWS, SCORING_ROWS("classifier.dense", "classifier.out_proj")};

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

#define BERT_FAMILY                                                                     \
    .name = "bert", .prefixes = {"", "bert.", "roberta."}, .keys = mu_common_keys,      \
    .ignored = {"embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias"}, \
    .n_keys = MU_N_COMMON_KEYS, .layer_slots = layer_slots, .declare = mu_encoder_declare

const mu_family mu_family_bert = {
    BERT_FAMILY,
    .types = {"bert"},
    .model_slots = model_slots,
    .describe = describe,
};

const mu_family mu_family_roberta = {
    BERT_FAMILY,
    .types = {"xlm-roberta", "roberta", "camembert"},
    .model_slots = roberta_model_slots,
    .describe = describe_roberta,
};
