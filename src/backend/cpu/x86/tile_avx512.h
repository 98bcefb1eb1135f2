/* tile_avx512.h - what the AVX-512 matrix kernels share: the shape of a tile and its ends.
 *
 * A tile is up to MU_TILE_ROWS rows by one panel: 24 accumulators, two panel vectors and a
 * broadcast fill the 32 registers. Each accumulator lane is one output, summed over the inputs in
 * index order, so a row's result is the same in a tile of any height.
 */
#ifndef MU_BACKEND_CPU_X86_TILE_AVX512_H
#define MU_BACKEND_CPU_X86_TILE_AVX512_H

#include <immintrin.h>

#include "backend/cpu/kernels.h"

enum { MU_TILE_ROWS = 12 };

/* Add bias, and what y held, and store one row of a tile. */
MU_INLINE void mu_tile_store(const mu_matmul_args *a, uint32_t row, __m512 lo, __m512 hi) {
    float *y = a->y + row * a->y_stride;
    lo = _mm512_add_ps(lo, _mm512_loadu_ps(a->bias));
    hi = _mm512_add_ps(hi, _mm512_loadu_ps(a->bias + 16));
    if (a->accumulate) {
        lo = _mm512_add_ps(_mm512_loadu_ps(y), lo);
        hi = _mm512_add_ps(_mm512_loadu_ps(y + 16), hi);
    }
    _mm512_storeu_ps(y, lo);
    _mm512_storeu_ps(y + 16, hi);
}

/* All rows in whole tiles, then one tile of what is left. The height is a constant in each call, so
 * that tile() is compiled for every height with its accumulators in registers. */
// clang-format off
#define MU_RUN_TILES(a, tile)                                            \
    uint32_t row = 0;                                                    \
    for (; row + MU_TILE_ROWS <= (a)->n_rows; row += MU_TILE_ROWS) {     \
        tile(a, row, MU_TILE_ROWS);                                      \
    }                                                                    \
    switch ((a)->n_rows - row) {                                         \
    case 11: tile(a, row, 11); break;                                    \
    case 10: tile(a, row, 10); break;                                    \
    case 9: tile(a, row, 9); break;                                      \
    case 8: tile(a, row, 8); break;                                      \
    case 7: tile(a, row, 7); break;                                      \
    case 6: tile(a, row, 6); break;                                      \
    case 5: tile(a, row, 5); break;                                      \
    case 4: tile(a, row, 4); break;                                      \
    case 3: tile(a, row, 3); break;                                      \
    case 2: tile(a, row, 2); break;                                      \
    case 1: tile(a, row, 1); break;                                      \
    default: break;                                                      \
    }
// clang-format on

#endif
