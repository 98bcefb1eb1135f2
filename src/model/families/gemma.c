#include "model/families/gemma.h"

#include <math.h>

// clang-format off
const mu_slot_row mu_gemma_layer_slots[MU_N_LAYER_SLOTS] = {
    MU_ATTENTION_ROWS,
    MU_QK_NORM_ROWS,
    MU_GATED_FFN_ROWS,
    [MU_ATTN_NORM_W] = MU_NORM_ROW("input_layernorm.weight", "attn_norm.weight"),
    [MU_ATTN_POST_NORM_W] =
        MU_NORM_ROW("post_attention_layernorm.weight", "post_attention_norm.weight"),
    [MU_FFN_NORM_W] = MU_NORM_ROW("pre_feedforward_layernorm.weight", "ffn_norm.weight"),
    [MU_FFN_POST_NORM_W] =
        MU_NORM_ROW("post_feedforward_layernorm.weight", "post_ffw_norm.weight"),
};
// clang-format on

void mu_gemma_describe(mu_config *config, const mu_shape *shape, mu_decoder_spec *spec) {
    mu_layer_kind *kind = &spec->kinds[0];
    double scalar = shape->head_dim;
    kind->activation = MU_ACTIVATION_GELU_TANH;
    mu_common_describe(config, shape, spec);
    kind->activation =
        MU_ACTIVATION_GELU_TANH; /* hidden_act may be wrong: hidden_activation wins */
    mu_config_activation(config, "hidden_activation", &kind->activation);
    mu_config_f64(config, "query_pre_attn_scalar", NULL, 1.0, 1e6, &scalar);
    if (config->naming == MU_NAMING_GGUF && (spec->n_layers == 46 || spec->n_layers == 62)) {
        scalar = (double)shape->hidden_dim / shape->n_heads; /* the 27B models; no key says it */
    }
    kind->attn_scale = (float)(1.0 / sqrt(scalar));
    kind->has_norms_after = true;
    spec->embed_scale = sqrtf((float)spec->hidden_dim);
}
