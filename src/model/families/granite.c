/* Granite 3 and 4, dense: Llama with four multipliers. */
#include "model/families/common.h"

static void describe(mu_config *config, const mu_shape *shape, mu_decoder_spec *spec) {
    float divisor = 1.0f;
    mu_common_describe(config, shape, spec);
    mu_config_bool(config, "mlp_bias", &spec->kinds[0].has_ffn_bias);
    mu_config_f32(config, "embedding_multiplier", "embedding_scale", 1e-6, 1e6, &spec->embed_scale);
    mu_config_f32(config, "residual_multiplier", "residual_scale", 1e-6, 1e6,
                  &spec->residual_scale);
    mu_config_f32(config, "attention_multiplier", "attention.scale", 1e-6, 1e6,
                  &spec->kinds[0].attn_scale);
    mu_config_f32(config, "logits_scaling", "logit_scale", 1e-6, 1e6, &divisor);
    spec->logit_scale = 1.0f / divisor;
}

static void declare(const mu_family *family, const mu_decoder_spec *spec, mu_gguf_writer *w) {
    mu_common_declare(family, spec, w);
    mu_gguf_writer_f32(w, "granite.embedding_scale", spec->embed_scale);
    mu_gguf_writer_f32(w, "granite.residual_scale", spec->residual_scale);
    mu_gguf_writer_f32(w, "granite.attention.scale", spec->kinds[0].attn_scale);
    mu_gguf_writer_f32(w, "granite.logit_scale", 1.0f / spec->logit_scale);
}

const mu_family mu_family_granite = {
    .name = "granite",
    .types = {"granite"},
    MU_COMMON_FAMILY,
    .is_interleaved = true,
    .layer_slots = mu_common_layer_slots,
    .describe = describe,
    .declare = declare,
};
