#include "model/families/encoder.h"

#include <stdio.h>

enum { TOKEN_TYPES_MAX = 1 << 16 };

#define EPS_MIN 1e-15 /* 1e-12, which most have, is a little less as f32 */

/* How many there are: config.json says it, in a GGUF file their tensor shows it. */
static uint32_t n_token_types(mu_config *config) {
    const char *name = config->family->model_slots[MU_TOKEN_TYPES].names[MU_NAMING_GGUF];
    uint32_t n = 2;
    mu_config_u32(config, "type_vocab_size", NULL, TOKEN_TYPES_MAX, &n);
    if (config->naming == MU_NAMING_HF) return n;
    const mu_tensor *types = config->tensors ? mu_tensor_set_find(config->tensors, name) : NULL;
    if (!types || types->n_dims == 0 || types->dims[0] > TOKEN_TYPES_MAX) return 0;
    return types->n_dims == 1 ? 1 : (uint32_t)types->dims[0];
}

void mu_encoder_describe(mu_config *config, float default_eps, mu_decoder_spec *spec) {
    mu_layer_kind *kind = &spec->kinds[0];
    spec->n_token_types = n_token_types(config);
    spec->is_bidirectional = true;
    spec->has_embed_norm = true;
    spec->has_output = spec->has_out_norm = false;
    spec->out_norm = kind->norm = MU_NORM_LAYER;
    spec->norm_eps = default_eps;
    mu_config_f32(config, NULL, "attention.layer_norm_epsilon", EPS_MIN, 1.0, &spec->norm_eps);
    kind->has_norms_before = false;
    kind->has_norms_after = kind->norms_sums = true;
}

void mu_encoder_declare(const mu_family *family, const mu_decoder_spec *spec, mu_gguf_writer *w) {
    char key[128];
    snprintf(key, sizeof(key), "%s.attention.layer_norm_epsilon", family->name);
    mu_gguf_writer_f32(w, key, spec->norm_eps);
    snprintf(key, sizeof(key), "%s.attention.causal", family->name);
    mu_gguf_writer_bool(w, key, false);
}
