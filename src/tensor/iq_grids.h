/* iq_grids.h - the tables that ggml's IQ types look their values up in. Private to tensor/.
 *
 * An entry is a row of values of a few kinds, as indexes of the kinds, the first lowest: 8 of 2
 * bits (iq1, iq2) or 4 of 3 bits (iq3). */
#ifndef MU_TENSOR_IQ_GRIDS_H
#define MU_TENSOR_IQ_GRIDS_H

#include "base/base.h"

extern const uint16_t mu_iq2_xxs_grid[256], mu_iq2_xs_grid[512], mu_iq2_s_grid[1024];
extern const uint16_t mu_iq3_xxs_grid[256], mu_iq3_s_grid[512];
extern const uint16_t mu_iq1_grid[2048];

#endif
