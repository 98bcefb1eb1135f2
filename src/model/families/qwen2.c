/* Qwen 2 and 2.5: Llama with biases on Q, K and V. */
#include "model/families/common.h"

static void describe(mu_config *config, const mu_shape *shape, mu_decoder_spec *spec) {
    bool has_windows = false;
    mu_common_describe(config, shape, spec);
    spec->kinds[0].has_qkv_bias = true;
    spec->kinds[0].has_o_bias = false;
    mu_config_bool(config, "use_sliding_window", &has_windows);
    if (has_windows) mu_config_refuse(config, "use_sliding_window true");
}

const mu_family mu_family_qwen2 = {
    .name = "qwen2",
    .types = {"qwen2"},
    MU_COMMON_FAMILY,
    .layer_slots = mu_common_layer_slots,
    .describe = describe,
    .declare = mu_common_declare,
};
