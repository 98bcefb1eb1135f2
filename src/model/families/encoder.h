/* encoder.h - what the encoders that descend from BERT have in common. Private to families/. */
#ifndef MU_MODEL_FAMILIES_ENCODER_H
#define MU_MODEL_FAMILIES_ENCODER_H

#include "model/config.h"

/* Layer norms of the embedding and of the sums after attention and FFN, token types, attention to
 * both sides, no output. default_eps: of the norms where the file is silent. */
void mu_encoder_describe(mu_config *config, float default_eps, mu_decoder_spec *spec);
void mu_encoder_declare(const mu_family *family, const mu_decoder_spec *spec,
                        mu_gguf_writer *writer);

#endif
