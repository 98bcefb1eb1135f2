/* Gemma 3, its text: as Gemma 2 without softcaps, each head of q and k with a norm; five layers
 * with a window, which turn by a base of their own, for each without.
 */
#include "model/families/gemma.h"

static void describe(mu_config *config, const mu_shape *shape, mu_decoder_spec *spec) {
    double base = 10000.0;
    spec->kinds[0].qk_norm = MU_QK_NORM_HEAD;
    spec->kinds[0].rope.base = 1e6;
    mu_gemma_describe(config, shape, spec);
    mu_config_f64(config, "rope_local_base_freq", "rope.freq_base_swa", 1.0, 1e12, &base);
    mu_config_f64(config, "rope_parameters.sliding_attention.rope_theta", NULL, 1.0, 1e12, &base);
    mu_layer_kind *windowed = mu_common_windows(config, spec, 4096, 6);
    if (!windowed) return;
    windowed->rope.base = base;
    windowed->rope.scaling = MU_ROPE_PLAIN;
    windowed->rope.factor = 1.0;
}

static void declare(const mu_family *family, const mu_decoder_spec *spec, mu_gguf_writer *w) {
    mu_common_declare(family, spec, w);
    for (uint32_t i = 0; i < spec->n_kinds; i++) {
        if (spec->kinds[i].window == 0) continue;
        mu_gguf_writer_f32(w, "gemma3.rope.freq_base_swa", (float)spec->kinds[i].rope.base);
    }
}

const mu_family mu_family_gemma3 = {
    .name = "gemma3",
    .types = {"gemma3_text"},
    MU_COMMON_FAMILY,
    .is_tied_by_default = true,
    .has_norms_less_one = true,
    .layer_slots = mu_gemma_layer_slots,
    .describe = describe,
    .declare = declare,
};
