#include "engine/pool_rows.h"

#include <math.h>
#include <string.h>

#include "engine/engine.h"

void mu_pool_rows_add(float *sum, uint32_t n_dims, const float *rows, size_t stride,
                      uint32_t n_rows) {
    for (uint32_t r = 0; r < n_rows; r++) {
        for (uint32_t i = 0; i < n_dims; i++) {
            sum[i] += rows[r * stride + i];
        }
    }
}

bool mu_pool_rows_normalise(float *x, uint32_t n_dims) {
    double squares = 0.0;
    for (uint32_t i = 0; i < n_dims; i++) {
        squares += (double)x[i] * x[i];
    }
    if (!isfinite(squares)) return false;
    double scale = squares > 0.0 ? 1.0 / sqrt(squares) : 0.0;
    for (uint32_t i = 0; i < n_dims; i++) {
        x[i] = (float)(x[i] * scale);
    }
    return true;
}

void mu_embedding_shorten(const float *embedding, uint32_t n_dims, float *out) {
    memcpy(out, embedding, n_dims * sizeof(*out));
    bool is_finite = mu_pool_rows_normalise(out, n_dims);
    MU_ASSERT(is_finite); /* as the embedding is */
}
