/* Qwen 3: each head of q and k has a norm, and heads have a width of their own. */
#include "model/families/common.h"

static void describe(mu_config *config, const mu_shape *shape, mu_decoder_spec *spec) {
    bool has_windows = false;
    mu_common_describe(config, shape, spec);
    spec->kinds[0].qk_norm = MU_QK_NORM_HEAD;
    mu_config_bool(config, "use_sliding_window", &has_windows);
    if (has_windows) mu_config_refuse(config, "use_sliding_window true");
}

const mu_family mu_family_qwen3 = {
    .name = "qwen3",
    .types = {"qwen3"},
    MU_COMMON_FAMILY,
    .layer_slots = mu_common_layer_slots,
    .describe = describe,
    .declare = mu_common_declare,
};
