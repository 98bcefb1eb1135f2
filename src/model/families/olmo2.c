/* OLMo 2: norms after attention and FFN only, and one over whole rows of q and k. */
#include "model/families/common.h"

static void describe(mu_config *config, const mu_shape *shape, mu_decoder_spec *spec) {
    mu_common_describe(config, shape, spec);
    spec->kinds[0].qk_norm = MU_QK_NORM_ROW;
    spec->kinds[0].has_norms_before = false;
    spec->kinds[0].has_norms_after = true;
}

// clang-format off
static const mu_slot_row layer_slots[MU_N_LAYER_SLOTS] = {
    [MU_Q_W] = {MU_LAYER("self_attn.q_proj.weight", "attn_q.weight"), .is_turned = true},
    [MU_K_W] = {MU_LAYER("self_attn.k_proj.weight", "attn_k.weight"), .is_turned = true},
    [MU_V_W] = {MU_LAYER("self_attn.v_proj.weight", "attn_v.weight")},
    [MU_Q_NORM_W] = MU_NORM_ROW("self_attn.q_norm.weight", "attn_q_norm.weight"),
    [MU_K_NORM_W] = MU_NORM_ROW("self_attn.k_norm.weight", "attn_k_norm.weight"),
    [MU_O_W] = {MU_LAYER("self_attn.o_proj.weight", "attn_output.weight"), .is_residual = true},
    [MU_ATTN_POST_NORM_W] =
        MU_NORM_ROW("post_attention_layernorm.weight", "post_attention_norm.weight"),
    [MU_GATE_W] = {MU_LAYER("mlp.gate_proj.weight", "ffn_gate.weight")},
    [MU_UP_W] = {MU_LAYER("mlp.up_proj.weight", "ffn_up.weight")},
    [MU_DOWN_W] = {MU_LAYER("mlp.down_proj.weight", "ffn_down.weight"), .is_residual = true},
    [MU_FFN_POST_NORM_W] =
        MU_NORM_ROW("post_feedforward_layernorm.weight", "post_ffw_norm.weight"),
};
// clang-format on

const mu_family mu_family_olmo2 = {
    .name = "olmo2",
    .types = {"olmo2"},
    MU_COMMON_FAMILY,
    .layer_slots = layer_slots,
    .describe = describe,
    .declare = mu_common_declare,
};
