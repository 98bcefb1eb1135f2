/* tile_avx2.h - what the AVX2 kernel files share: the end of a tile, and how they are inlined. */
#ifndef MU_BACKEND_CPU_TILE_AVX2_H
#define MU_BACKEND_CPU_TILE_AVX2_H

#include <immintrin.h>

#include "backend/cpu/kernels.h"

#define MU_INLINE static inline __attribute__((always_inline))

/* Add bias, and what y held, and store 8 outputs of a row from column on. */
MU_INLINE void mu_tile_store(const mu_matmul_args *a, uint32_t row, uint32_t column, __m256 sum) {
    float *y = a->y + row * a->y_stride + column;
    sum = _mm256_add_ps(sum, _mm256_loadu_ps(a->bias + column));
    if (a->accumulate) sum = _mm256_add_ps(_mm256_loadu_ps(y), sum);
    _mm256_storeu_ps(y, sum);
}

#endif
