/* Gemma 2: norms before and after attention and FFN, whose weights files hold as what is added to
 * 1; softcaps; a window in every other layer, beginning with the first.
 */
#include <math.h>

#include "model/families/gemma.h"

static void describe(mu_config *config, const mu_shape *shape, mu_decoder_spec *spec) {
    mu_layer_kind *kind = &spec->kinds[0];
    kind->attn_softcap = 50.0f;
    spec->logit_softcap = 30.0f;
    mu_config_f32(config, "attn_logit_softcapping", "attn_logit_softcapping", 1e-3, 1e6,
                  &kind->attn_softcap);
    mu_config_f32(config, "final_logit_softcapping", "final_logit_softcapping", 1e-3, 1e6,
                  &spec->logit_softcap);
    mu_gemma_describe(config, shape, spec);
    mu_common_windows(config, spec, 4096, 2);
}

static void declare(const mu_family *family, const mu_decoder_spec *spec, mu_gguf_writer *w) {
    mu_common_declare(family, spec, w);
    mu_gguf_writer_f32(w, "gemma2.attn_logit_softcapping", spec->kinds[0].attn_softcap);
    mu_gguf_writer_f32(w, "gemma2.final_logit_softcapping", spec->logit_softcap);
}

const mu_family mu_family_gemma2 = {
    .name = "gemma2",
    .types = {"gemma2"},
    MU_COMMON_FAMILY,
    .is_tied_by_default = true,
    .has_norms_less_one = true,
    .layer_slots = mu_gemma_layer_slots,
    .describe = describe,
    .declare = declare,
};
