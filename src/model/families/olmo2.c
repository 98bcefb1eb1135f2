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
    MU_ATTENTION_ROWS,
    MU_QK_NORM_ROWS,
    MU_GATED_FFN_ROWS,
    [MU_ATTN_POST_NORM_W] =
        MU_NORM_ROW("post_attention_layernorm.weight", "post_attention_norm.weight"),
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
