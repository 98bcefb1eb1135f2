/* Phi 3 and 4: Q, K and V in one tensor, gate and up in another. */
#include "model/families/common.h"

static void describe(mu_config *config, const mu_shape *shape, mu_decoder_spec *spec) {
    uint32_t window = 0;
    mu_common_describe(config, shape, spec);
    mu_config_u32(config, "sliding_window", NULL, 1 << 30, &window);
    if (window < spec->n_ctx) spec->kinds[0].window = window;
}

// clang-format off
#define QKV {MU_LAYER("self_attn.qkv_proj.weight", "attn_qkv.weight"), \
             .parts = {MU_Q_W, MU_K_W, MU_V_W}, .n_parts = 3}
#define GATE_UP {MU_LAYER("mlp.gate_up_proj.weight", "ffn_up.weight"), \
                 .parts = {MU_GATE_W, MU_UP_W}, .n_parts = 2}
static const mu_slot_row layer_slots[MU_N_LAYER_SLOTS] = {
    [MU_ATTN_NORM_W] = MU_NORM_ROW("input_layernorm.weight", "attn_norm.weight"),
    [MU_Q_W] = QKV, [MU_K_W] = QKV, [MU_V_W] = QKV,
    [MU_O_W] = {MU_LAYER("self_attn.o_proj.weight", "attn_output.weight"), .is_residual = true},
    [MU_FFN_NORM_W] = MU_NORM_ROW("post_attention_layernorm.weight", "ffn_norm.weight"),
    [MU_GATE_W] = GATE_UP, [MU_UP_W] = GATE_UP,
    [MU_DOWN_W] = {MU_LAYER("mlp.down_proj.weight", "ffn_down.weight"), .is_residual = true},
};
// clang-format on

const mu_family mu_family_phi3 = {
    .name = "phi3",
    .types = {"phi3"},
    MU_COMMON_FAMILY,
    .layer_slots = layer_slots,
    .describe = describe,
    .declare = mu_common_declare,
};
