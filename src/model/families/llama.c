/* Llama, and what is built like it: Mistral, TinyLlama, SmolLM2, Falcon 3, most fine-tunes.
 *
 * GGUF files of this family hold the rows of each head of Q and K in another order, because their
 * rotation pairs neighbouring dimensions (weight.h).
 */
#include "model/families/common.h"

/* Mistral's first version sees 4096 positions, and its config says so by leaving the key out; later
 * ones say null. */
static void describe_mistral(mu_config *config, mu_decoder_spec *spec) {
    uint32_t window = mu_metadata_find(config->metadata, "sliding_window") ? 0 : 4096;
    mu_config_u32(config, "sliding_window", NULL, 1 << 30, &window);
    if (window < spec->n_ctx) spec->kinds[0].window = window;
}

static void describe(mu_config *config, const mu_shape *shape, mu_decoder_spec *spec) {
    mu_layer_kind *kind = &spec->kinds[0];
    mu_meta_string type = {0};
    mu_common_describe(config, shape, spec);
    mu_config_bool(config, "mlp_bias", &kind->has_ffn_bias);
    if (mu_config_has_tensor(config, "blk.0.ffn_down.bias")) kind->has_ffn_bias = true;
    if (config->naming == MU_NAMING_HF) mu_config_string(config, "model_type", NULL, &type);
    if (type.data && mu_meta_string_is(type, "mistral")) describe_mistral(config, spec);
}

const mu_family mu_family_llama = {
    .name = "llama",
    .types = {"llama", "mistral"},
    MU_COMMON_FAMILY,
    .is_interleaved = true,
    .layer_slots = mu_common_layer_slots,
    .describe = describe,
    .declare = mu_common_declare,
};
