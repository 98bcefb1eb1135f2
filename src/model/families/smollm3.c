/* SmolLM3: Llama whose every fourth layer does not turn its queries and keys. */
#include "model/families/common.h"

static void describe(mu_config *config, const mu_shape *shape, mu_decoder_spec *spec) {
    char key[128];
    const mu_meta_value *turned = mu_config_find(config, "no_rope_layers", NULL, key);
    bool has_windows = false;
    uint32_t period = 4;
    mu_common_describe(config, shape, spec);
    mu_config_bool(config, "mlp_bias", &spec->kinds[0].has_ffn_bias);
    mu_config_bool(config, "use_sliding_window", &has_windows);
    if (has_windows) mu_config_refuse(config, "use_sliding_window true");
    mu_config_u32(config, "no_rope_layer_interval", NULL, MU_LAYERS_MAX, &period);
    spec->kinds[1] = spec->kinds[0];
    spec->kinds[1].rope.n_dims = 0;
    spec->n_kinds = 2;
    for (uint32_t layer = 0; layer < spec->n_layers; layer++) {
        bool is_turned = (layer + 1) % period != 0;
        if (turned && turned->kind == MU_META_ARRAY && turned->ints && layer < turned->n_elems) {
            is_turned = turned->ints[layer] != 0; /* 1: it has rope, whatever the key's name */
        }
        spec->kind_of[layer] = is_turned ? 0 : 1;
    }
}

const mu_family mu_family_smollm3 = {
    .name = "smollm3",
    .types = {"smollm3"},
    MU_COMMON_FAMILY,
    .is_tied_by_default = true,
    .is_interleaved = true,
    .layer_slots = mu_common_layer_slots,
    .describe = describe,
    .declare = mu_common_declare,
};
