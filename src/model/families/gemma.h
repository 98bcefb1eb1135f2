/* gemma.h - what Gemma 2 and 3 have in common. Private to families/. */
#ifndef MU_MODEL_FAMILIES_GEMMA_H
#define MU_MODEL_FAMILIES_GEMMA_H

#include "model/families/common.h"

extern const mu_slot_row mu_gemma_layer_slots[MU_N_LAYER_SLOTS];

/* As mu_common_describe(), with the switches that all Gemmas share. */
void mu_gemma_describe(mu_config *config, const mu_shape *shape, mu_decoder_spec *spec);

#endif
