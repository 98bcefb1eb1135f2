/* AVX-512 BF16: vdpbf16ps multiplies pairs of bf16 and adds both products to an f32 lane. Only the
 * bf16 product is replaced; the packed layout is the same on every level. */
#include "backend/cpu/kernels.h"

#include "backend/cpu/tile_avx512.h"

MU_INLINE void bf16_tile(const mu_matmul_args *a, uint32_t row, const uint32_t n_rows) {
    const uint16_t *w = a->panel;
    const uint32_t *x[MU_TILE_ROWS]; /* pairs */
    __m512 lo[MU_TILE_ROWS], hi[MU_TILE_ROWS];
#pragma GCC unroll 12
    for (uint32_t r = 0; r < n_rows; r++) {
        x[r] =
            (const uint32_t *)(const void *)((const uint8_t *)a->acts + (row + r) * a->act_bytes);
        lo[r] = hi[r] = _mm512_setzero_ps();
    }
    for (uint32_t i = 0; i < (a->n_in + 1) / 2; i++) {
        __m512bh w_lo = (__m512bh)_mm512_load_si512(w);
        __m512bh w_hi = (__m512bh)_mm512_load_si512(w + MU_PANEL);
        w += 2 * MU_PANEL;
#pragma GCC unroll 12
        for (uint32_t r = 0; r < n_rows; r++) {
            __m512bh pair = (__m512bh)_mm512_set1_epi32((int)x[r][i]);
            lo[r] = _mm512_dpbf16_ps(lo[r], pair, w_lo);
            hi[r] = _mm512_dpbf16_ps(hi[r], pair, w_hi);
        }
    }
#pragma GCC unroll 12
    for (uint32_t r = 0; r < n_rows; r++) {
        mu_tile_store(a, row + r, lo[r], hi[r]);
    }
}

static void bf16_run(const mu_matmul_args *a) {
    MU_RUN_TILES(a, bf16_tile)
}

void mu_kernels_init_avx512bf16(mu_kernels *k) {
    k->isa = "avx512bf16";
    k->matmul[MU_FORM_BF16].run = bf16_run;
}
