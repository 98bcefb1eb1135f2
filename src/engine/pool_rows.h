/* pool_rows.h - hidden states into one vector. Private to engine/. Pure, any thread. */
#ifndef MU_ENGINE_POOL_ROWS_H
#define MU_ENGINE_POOL_ROWS_H

#include "base/base.h"

/* sum[i] += rows[r][i] for each row in order, so that how a text is cut changes nothing.
 * rows: [n_rows] of `stride` floats, n_dims of which are a row. */
void mu_pool_rows_add(float *sum, uint32_t n_dims, const float *rows, size_t stride,
                      uint32_t n_rows);
/* To length 1; how many rows it is the sum of does not matter then. A zero stays zero. False: a
 * number is not finite. */
bool mu_pool_rows_normalise(float *x, uint32_t n_dims);

#endif
