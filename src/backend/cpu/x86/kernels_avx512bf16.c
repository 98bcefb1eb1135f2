/* AVX-512 BF16: vdpbf16ps multiplies pairs of bf16 and adds both products to an f32 lane. Only the
 * bf16 product is replaced; the packed layout is the same on every level. */
#include "backend/cpu/x86/levels.h"

#include "backend/cpu/x86/math_avx512.h"
#include "backend/cpu/x86/tile_avx512.h"

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

/* Attention over KV in bf16. Queries and weights are rounded once, into pairs. */

enum { SCORE_ROWS = 8, VALUE_ROWS = 4, VALUE_VECTORS = 4, KV_PAIRS = MU_KV_GROUP / 2 };

/* Pairs of 16 f32: lo becomes the first of each pair. */
MU_INLINE __m512i pairs_of(__m512 first, __m512 second) {
    __m512i low = _mm512_cvtepu16_epi32(mu_bf16_from_f32x16(first));
    __m512i high = _mm512_cvtepu16_epi32(mu_bf16_from_f32x16(second));
    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

/* n f32 as neighbouring pairs, the rest of the last vector zero. */
MU_INLINE void round_pairs(uint32_t *to, const float *x, uint32_t n) {
    for (uint32_t i = 0; i < n; i += 16) {
        __m512 v = _mm512_maskz_loadu_ps(mu_tail_mask(n - i), x + i);
        _mm256_storeu_si256((__m256i *)(void *)(to + i / 2), mu_bf16_from_f32x16(v));
    }
}

static void bf16_write(const mu_kv_write_args *a) {
    uint16_t *v_group = a->v_group;
    uint32_t *k_group = a->k_group; /* pairs */
    __mmask16 positions = mu_tail_mask(a->n_positions);
    for (uint32_t dim = 0; dim < a->head_dim; dim += 16) {
        __mmask16 dims = mu_tail_mask(a->head_dim - dim);
        __m512 square[16];
        for (uint32_t p = 0; p < 16; p++) {
            bool is_there = p < a->n_positions;
            square[p] = is_there ? _mm512_maskz_loadu_ps(dims, a->k + p * a->stride + dim)
                                 : _mm512_setzero_ps();
        }
        mu_turn_f32x16(square);
#pragma GCC unroll 8
        for (uint32_t d = 0; d < 16; d += 2) {
            if (dim + d >= a->head_dim) continue;
            uint32_t *to = k_group + (size_t)(dim + d) / 2 * MU_KV_GROUP + a->in_group;
            _mm512_mask_storeu_epi32(to, positions, pairs_of(square[d], square[d + 1]));
        }
        for (uint32_t p = 0; p < a->n_positions; p++) {
            uint32_t at = a->in_group + p, half = at % 2;
            __m512 v = _mm512_maskz_loadu_ps(dims, a->v + p * a->stride + dim);
            __m512i bits =
                _mm512_slli_epi32(_mm512_cvtepu16_epi32(mu_bf16_from_f32x16(v)), 16 * half);
            uint32_t n = a->head_dim - dim < 16 ? a->head_dim - dim : 16;
            __mmask32 mask =
                (half == 0 ? 0x55555555u : 0xaaaaaaaau) & (uint32_t)((1ull << 2 * n) - 1);
            _mm512_mask_storeu_epi16(v_group + ((size_t)(at / 2) * a->head_dim + dim) * 2, mask,
                                     bits);
        }
    }
}

MU_INLINE void scores_tile(const mu_attention_args *a, const uint32_t (*q)[MU_HEAD_DIM_MAX / 2],
                           uint32_t row, uint32_t group, const uint32_t n_rows,
                           const uint32_t n_groups) {
    __m512 sum[SCORE_ROWS][2];
#pragma GCC unroll 8
    for (uint32_t r = 0; r < n_rows; r++) {
        sum[r][0] = sum[r][1] = _mm512_setzero_ps();
    }
    const uint8_t *first = a->groups[group] + a->offset;
    const uint8_t *second = n_groups > 1 ? a->groups[group + 1] + a->offset : first;
    for (uint32_t i = 0; i < (a->head_dim + 1) / 2; i++) {
        __m512bh k0 = (__m512bh)_mm512_loadu_si512(first + (size_t)i * 64), k1 = k0;
        if (n_groups > 1) k1 = (__m512bh)_mm512_loadu_si512(second + (size_t)i * 64);
#pragma GCC unroll 8
        for (uint32_t r = 0; r < n_rows; r++) {
            __m512bh x = (__m512bh)_mm512_set1_epi32((int)q[r][i]);
            sum[r][0] = _mm512_dpbf16_ps(sum[r][0], x, k0);
            if (n_groups > 1) sum[r][1] = _mm512_dpbf16_ps(sum[r][1], x, k1);
        }
    }
    __m512 scale = _mm512_set1_ps(a->scale);
#pragma GCC unroll 8
    for (uint32_t r = 0; r < n_rows; r++) {
        float *y = a->y + (row + r) * a->y_stride + group * MU_KV_GROUP;
        _mm512_storeu_ps(y, _mm512_mul_ps(sum[r][0], scale));
        if (n_groups > 1) _mm512_storeu_ps(y + 16, _mm512_mul_ps(sum[r][1], scale));
    }
}

MU_INLINE void scores_rows(const mu_attention_args *a, uint32_t row, const uint32_t n_rows) {
    uint32_t q[SCORE_ROWS][MU_HEAD_DIM_MAX / 2];
    uint32_t n_groups = (a->n_positions + MU_KV_GROUP - 1) / MU_KV_GROUP, group = 0;
    for (uint32_t r = 0; r < n_rows; r++) {
        round_pairs(q[r], a->x + (row + r) * a->x_stride, a->head_dim);
    }
    for (; group + 2 <= n_groups; group += 2) {
        scores_tile(a, (const uint32_t(*)[MU_HEAD_DIM_MAX / 2]) q, row, group, n_rows, 2);
    }
    if (group < n_groups) {
        scores_tile(a, (const uint32_t(*)[MU_HEAD_DIM_MAX / 2]) q, row, group, n_rows, 1);
    }
}

static void bf16_scores(const mu_attention_args *a) {
    uint32_t row = 0;
    for (; row + SCORE_ROWS <= a->n_rows; row += SCORE_ROWS) {
        scores_rows(a, row, SCORE_ROWS);
    }
    for (; row < a->n_rows; row++) {
        scores_rows(a, row, 1);
    }
}

/* n_vectors vectors of 16 dimensions from dim on, the last of them n_tail wide. */
MU_INLINE void values_tile(const mu_attention_args *a, uint32_t row, uint32_t dim,
                           const uint32_t n_rows, const uint32_t n_vectors, uint32_t n_tail) {
    __m512 sum[VALUE_ROWS][VALUE_VECTORS];
    __mmask16 tail = mu_tail_mask(n_tail);
#pragma GCC unroll 4
    for (uint32_t r = 0; r < n_rows; r++) {
#pragma GCC unroll 4
        for (uint32_t v = 0; v < n_vectors; v++) {
            sum[r][v] = _mm512_setzero_ps();
        }
    }
    for (uint32_t p = 0; p < a->n_positions; p += MU_KV_GROUP) {
        uint32_t left = a->n_positions - p, n = left < MU_KV_GROUP ? left : MU_KV_GROUP;
        const uint8_t *base = a->groups[p / MU_KV_GROUP] + a->offset;
        uint32_t weights[VALUE_ROWS][KV_PAIRS];
        for (uint32_t r = 0; r < n_rows; r++) {
            round_pairs(weights[r], a->x + (row + r) * a->x_stride + p, n);
        }
        for (uint32_t i = 0; i < (n + 1) / 2; i++) {
            /* of the last pair of an odd number the other half was never written */
            __m512i there = _mm512_set1_epi32(2 * i + 1 < n ? -1 : 0xffff);
            __m512bh value[VALUE_VECTORS];
#pragma GCC unroll 4
            for (uint32_t v = 0; v < n_vectors; v++) {
                const uint8_t *at = base + ((size_t)i * a->head_dim + dim + 16 * v) * 4;
                __m512i pairs =
                    v + 1 < n_vectors ? _mm512_loadu_si512(at) : _mm512_maskz_loadu_epi32(tail, at);
                value[v] = (__m512bh)_mm512_and_si512(pairs, there);
            }
#pragma GCC unroll 4
            for (uint32_t r = 0; r < n_rows; r++) {
                __m512bh weight = (__m512bh)_mm512_set1_epi32((int)weights[r][i]);
#pragma GCC unroll 4
                for (uint32_t v = 0; v < n_vectors; v++) {
                    sum[r][v] = _mm512_dpbf16_ps(sum[r][v], weight, value[v]);
                }
            }
        }
    }
#pragma GCC unroll 4
    for (uint32_t r = 0; r < n_rows; r++) {
        float *y = a->y + (row + r) * a->y_stride + dim;
#pragma GCC unroll 4
        for (uint32_t v = 0; v < n_vectors; v++) {
            __mmask16 mask = v + 1 < n_vectors ? 0xffff : tail;
            _mm512_mask_storeu_ps(y + 16 * v, mask, sum[r][v]);
        }
    }
}

MU_INLINE void values_rows(const mu_attention_args *a, uint32_t row, const uint32_t n_rows) {
    uint32_t dim = 0;
    for (; dim + 64 <= a->head_dim; dim += 64) {
        values_tile(a, row, dim, n_rows, 4, 16);
    }
    for (; dim < a->head_dim; dim += 16) {
        values_tile(a, row, dim, n_rows, 1, a->head_dim - dim);
    }
}

static void bf16_values(const mu_attention_args *a) {
    uint32_t row = 0;
    for (; row + VALUE_ROWS <= a->n_rows; row += VALUE_ROWS) {
        values_rows(a, row, VALUE_ROWS);
    }
    for (; row < a->n_rows; row++) {
        values_rows(a, row, 1);
    }
}

void mu_kernels_init_avx512bf16(mu_kernels *k) {
    k->isa = "avx512bf16";
    k->matmul[MU_BF16].run = bf16_run;
    k->kv[MU_KV_BF16] = (mu_kv_kernels){bf16_write, bf16_scores, bf16_values};
}
