/* AVX-512 (F, BW, DQ, VL). This file alone is compiled with those flags; nothing here runs unless
 * mu_kernels_get() has asked the CPU. */
#include "backend/cpu/x86/levels.h"

#include <string.h>

#include "backend/cpu/x86/math_avx512.h"
#include "backend/cpu/x86/tile_avx512.h"
#include "tensor/half.h"

MU_INLINE void f32_tile(const mu_matmul_args *a, uint32_t row, const uint32_t n_rows) {
    const float *w = a->panel;
    const float *x[MU_TILE_ROWS];
    __m512 lo[MU_TILE_ROWS], hi[MU_TILE_ROWS];
#pragma GCC unroll 12
    for (uint32_t r = 0; r < n_rows; r++) {
        x[r] = (const float *)((const uint8_t *)a->acts + (row + r) * a->act_bytes);
        lo[r] = hi[r] = _mm512_setzero_ps();
    }
    for (uint32_t i = 0; i < a->n_in; i++) {
        __m512 w_lo = _mm512_load_ps(w), w_hi = _mm512_load_ps(w + 16);
        w += MU_PANEL;
#pragma GCC unroll 12
        for (uint32_t r = 0; r < n_rows; r++) {
            __m512 xi = _mm512_set1_ps(x[r][i]);
            lo[r] = _mm512_fmadd_ps(xi, w_lo, lo[r]);
            hi[r] = _mm512_fmadd_ps(xi, w_hi, hi[r]);
        }
    }
#pragma GCC unroll 12
    for (uint32_t r = 0; r < n_rows; r++) {
        mu_tile_store(a, row + r, lo[r], hi[r]);
    }
}

/* bf16 without vdpbf16ps: a bf16 is the upper half of an f32, so a vector of pairs is two vectors
 * of f32, one shifted and one masked. */
MU_INLINE void bf16_tile(const mu_matmul_args *a, uint32_t row, const uint32_t n_rows) {
    const uint16_t *w = a->panel;
    const __m512i upper = _mm512_set1_epi32((int)0xffff0000u);
    __m512 lo[MU_TILE_ROWS], hi[MU_TILE_ROWS];
#pragma GCC unroll 12
    for (uint32_t r = 0; r < n_rows; r++) {
        lo[r] = hi[r] = _mm512_setzero_ps();
    }
    for (uint32_t i = 0; i < (a->n_in + 1) / 2; i++) {
        __m512i pairs_lo = _mm512_load_si512(w), pairs_hi = _mm512_load_si512(w + MU_PANEL);
        w += 2 * MU_PANEL;
        __m512 even_lo = _mm512_castsi512_ps(_mm512_slli_epi32(pairs_lo, 16));
        __m512 even_hi = _mm512_castsi512_ps(_mm512_slli_epi32(pairs_hi, 16));
        __m512 odd_lo = _mm512_castsi512_ps(_mm512_and_si512(pairs_lo, upper));
        __m512 odd_hi = _mm512_castsi512_ps(_mm512_and_si512(pairs_hi, upper));
#pragma GCC unroll 12
        for (uint32_t r = 0; r < n_rows; r++) {
            const uint16_t *x =
                (const uint16_t *)((const uint8_t *)a->acts + (row + r) * a->act_bytes) + 2 * i;
            __m512 even = _mm512_set1_ps(mu_bf16_to_f32(x[0]));
            __m512 odd = _mm512_set1_ps(mu_bf16_to_f32(x[1]));
            lo[r] = _mm512_fmadd_ps(odd, odd_lo, _mm512_fmadd_ps(even, even_lo, lo[r]));
            hi[r] = _mm512_fmadd_ps(odd, odd_hi, _mm512_fmadd_ps(even, even_hi, hi[r]));
        }
    }
#pragma GCC unroll 12
    for (uint32_t r = 0; r < n_rows; r++) {
        mu_tile_store(a, row + r, lo[r], hi[r]);
    }
}

static void f32_run(const mu_matmul_args *a) {
    MU_RUN_TILES(a, f32_tile)
}

static void bf16_run(const mu_matmul_args *a){MU_RUN_TILES(a, bf16_tile)}

/* 16 elements of KV storage, f32 or f16, as f32. */
MU_INLINE __m512 kv_load(const mu_kv_form form, const void *base, size_t i) {
    if (form == MU_KV_F32) return _mm512_loadu_ps((const float *)base + i);
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)((const uint16_t *)base + i)));
}

/* The same for the first n < 16 elements; nothing past them is touched. */
MU_INLINE __m512 kv_load_n(const mu_kv_form form, const void *base, size_t i, uint32_t n) {
    __mmask16 mask = (__mmask16)((1u << n) - 1);
    if (form == MU_KV_F32) return _mm512_maskz_loadu_ps(mask, (const float *)base + i);
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, (const uint16_t *)base + i));
}

enum { SCORE_ROWS = 8, SCORE_GROUPS = 2, VALUE_ROWS = 4, VALUE_VECTORS = 4 };

/* n_rows queries against n_groups groups: each lane is one position, summed over head_dim. */
MU_INLINE void scores_tile(const mu_kv_form form, const mu_attention_args *a, uint32_t row,
                           uint32_t group, const uint32_t n_rows, const uint32_t n_groups) {
    __m512 sum[SCORE_ROWS][SCORE_GROUPS];
#pragma GCC unroll 8
    for (uint32_t r = 0; r < n_rows; r++) {
#pragma GCC unroll 2
        for (uint32_t g = 0; g < n_groups; g++) {
            sum[r][g] = _mm512_setzero_ps();
        }
    }
    for (uint32_t d = 0; d < a->head_dim; d++) {
        __m512 k[SCORE_GROUPS];
#pragma GCC unroll 2
        for (uint32_t g = 0; g < n_groups; g++) {
            k[g] = kv_load(form, a->groups[group + g] + a->offset, (size_t)d * MU_KV_GROUP);
        }
#pragma GCC unroll 8
        for (uint32_t r = 0; r < n_rows; r++) {
            __m512 q = _mm512_set1_ps(a->x[(row + r) * a->x_stride + d]);
#pragma GCC unroll 2
            for (uint32_t g = 0; g < n_groups; g++) {
                sum[r][g] = _mm512_fmadd_ps(q, k[g], sum[r][g]);
            }
        }
    }
    __m512 scale = _mm512_set1_ps(a->scale);
#pragma GCC unroll 8
    for (uint32_t r = 0; r < n_rows; r++) {
        float *y = a->y + (row + r) * a->y_stride + group * MU_KV_GROUP;
#pragma GCC unroll 2
        for (uint32_t g = 0; g < n_groups; g++) {
            _mm512_storeu_ps(y + g * MU_KV_GROUP, _mm512_mul_ps(sum[r][g], scale));
        }
    }
}

MU_INLINE void kv_scores(const mu_kv_form form, const mu_attention_args *a) {
    uint32_t n_groups = (a->n_positions + MU_KV_GROUP - 1) / MU_KV_GROUP;
    uint32_t row = 0;
    for (; row + SCORE_ROWS <= a->n_rows; row += SCORE_ROWS) {
        uint32_t group = 0;
        for (; group + 2 <= n_groups; group += 2) {
            scores_tile(form, a, row, group, SCORE_ROWS, 2);
        }
        if (group < n_groups) scores_tile(form, a, row, group, SCORE_ROWS, 1);
    }
    for (; row < a->n_rows; row++) {
        uint32_t group = 0;
        for (; group + 2 <= n_groups; group += 2) {
            scores_tile(form, a, row, group, 1, 2);
        }
        if (group < n_groups) scores_tile(form, a, row, group, 1, 1);
    }
}

/* n_rows rows of weights times V, for n_vectors vectors of head_dim from dim on. n_tail is the
 * number of elements in the last vector. */
MU_INLINE void values_tile(const mu_kv_form form, const mu_attention_args *a, uint32_t row,
                           uint32_t dim, const uint32_t n_rows, const uint32_t n_vectors,
                           uint32_t n_tail) {
    __m512 sum[VALUE_ROWS][VALUE_VECTORS];
#pragma GCC unroll 4
    for (uint32_t r = 0; r < n_rows; r++) {
#pragma GCC unroll 4
        for (uint32_t v = 0; v < n_vectors; v++) {
            sum[r][v] = _mm512_setzero_ps();
        }
    }
    for (uint32_t p = 0; p < a->n_positions; p++) {
        const uint8_t *base = a->groups[p / MU_KV_GROUP] + a->offset;
        size_t at = (size_t)(p % MU_KV_GROUP) * a->head_dim + dim;
        __m512 value[VALUE_VECTORS];
#pragma GCC unroll 4
        for (uint32_t v = 0; v < n_vectors; v++) {
            bool whole = v + 1 < n_vectors || n_tail == 16;
            value[v] = whole ? kv_load(form, base, at + 16 * v)
                             : kv_load_n(form, base, at + 16 * v, n_tail);
        }
#pragma GCC unroll 4
        for (uint32_t r = 0; r < n_rows; r++) {
            __m512 weight = _mm512_set1_ps(a->x[(row + r) * a->x_stride + p]);
#pragma GCC unroll 4
            for (uint32_t v = 0; v < n_vectors; v++) {
                sum[r][v] = _mm512_fmadd_ps(weight, value[v], sum[r][v]);
            }
        }
    }
#pragma GCC unroll 4
    for (uint32_t r = 0; r < n_rows; r++) {
        float *y = a->y + (row + r) * a->y_stride + dim;
#pragma GCC unroll 4
        for (uint32_t v = 0; v < n_vectors; v++) {
            uint32_t n = v + 1 < n_vectors ? 16 : n_tail;
            _mm512_mask_storeu_ps(y + 16 * v, (__mmask16)((1u << n) - 1), sum[r][v]);
        }
    }
}

MU_INLINE void values_rows(const mu_kv_form form, const mu_attention_args *a, uint32_t row,
                           const uint32_t n_rows) {
    uint32_t dim = 0;
    for (; dim + 64 <= a->head_dim; dim += 64) {
        values_tile(form, a, row, dim, n_rows, 4, 16);
    }
    for (; dim + 16 <= a->head_dim; dim += 16) {
        values_tile(form, a, row, dim, n_rows, 1, 16);
    }
    if (dim < a->head_dim) values_tile(form, a, row, dim, n_rows, 1, a->head_dim - dim);
}

MU_INLINE void kv_values(const mu_kv_form form, const mu_attention_args *a) {
    uint32_t row = 0;
    for (; row + VALUE_ROWS <= a->n_rows; row += VALUE_ROWS) {
        values_rows(form, a, row, VALUE_ROWS);
    }
    for (; row < a->n_rows; row++) {
        values_rows(form, a, row, 1);
    }
}

static void f32_scores(const mu_attention_args *a) {
    kv_scores(MU_KV_F32, a);
}
static void f32_values(const mu_attention_args *a) {
    kv_values(MU_KV_F32, a);
}
static void f16_scores(const mu_attention_args *a) {
    kv_scores(MU_KV_F16, a);
}
static void f16_values(const mu_attention_args *a) {
    kv_values(MU_KV_F16, a);
}

MU_INLINE void kv_store(const mu_kv_form form, void *base, size_t i, __mmask16 mask, __m512 value) {
    if (form == MU_KV_F32) {
        _mm512_mask_storeu_ps((float *)base + i, mask, value);
    } else {
        __m256i bits = _mm512_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT);
        _mm256_mask_storeu_epi16((uint16_t *)base + i, mask, bits);
    }
}

/* K of up to 16 positions and 16 dimensions from dim on, turned on the way. */
MU_INLINE void write_k(const mu_kv_form form, const mu_kv_write_args *a, uint32_t dim) {
    __m512 square[16];
    __mmask16 dims = mu_tail_mask(a->head_dim - dim);
#pragma GCC unroll 16
    for (uint32_t p = 0; p < 16; p++) {
        square[p] = p < a->n_positions ? _mm512_maskz_loadu_ps(dims, a->k + p * a->stride + dim)
                                       : _mm512_setzero_ps();
    }
    mu_turn_f32x16(square);
    uint32_t n = a->head_dim - dim < 16 ? a->head_dim - dim : 16;
    __mmask16 positions = mu_tail_mask(a->n_positions);
#pragma GCC unroll 16
    for (uint32_t d = 0; d < 16; d++) {
        if (d < n) {
            size_t at = (size_t)(dim + d) * MU_KV_GROUP + a->in_group;
            kv_store(form, a->k_group, at, positions, square[d]);
        }
    }
}

MU_INLINE void kv_write(const mu_kv_form form, const mu_kv_write_args *a) {
    for (uint32_t dim = 0; dim < a->head_dim; dim += 16) {
        write_k(form, a, dim);
        __mmask16 dims = mu_tail_mask(a->head_dim - dim);
        for (uint32_t p = 0; p < a->n_positions; p++) {
            __m512 v = _mm512_maskz_loadu_ps(dims, a->v + p * a->stride + dim);
            kv_store(form, a->v_group, (size_t)(a->in_group + p) * a->head_dim + dim, dims, v);
        }
    }
}

static void f32_write(const mu_kv_write_args *a) {
    kv_write(MU_KV_F32, a);
}
static void f16_write(const mu_kv_write_args *a) {
    kv_write(MU_KV_F16, a);
}

/* Two inputs of 16 outputs as pairs. */
MU_INLINE __m512i bf16_pairs_of(const float *even, const float *odd) {
    __m512i low = _mm512_cvtepu16_epi32(mu_bf16_from_f32x16(_mm512_loadu_ps(even)));
    __m512i high = _mm512_setzero_si512();
    if (odd) high = _mm512_cvtepu16_epi32(mu_bf16_from_f32x16(_mm512_loadu_ps(odd)));
    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

static void bf16_pack_panel(void *dst, const void *src, size_t n_in) {
    const float *from = src;
    uint16_t *w = dst;
    for (size_t i = 0; i < n_in; i += 2, w += 2 * MU_PANEL) {
        const float *even = from + i * MU_PANEL, *odd = i + 1 < n_in ? even + MU_PANEL : NULL;
        _mm512_storeu_si512(w, bf16_pairs_of(even, odd));
        _mm512_storeu_si512(w + MU_PANEL, bf16_pairs_of(even + 16, odd ? odd + 16 : NULL));
    }
}

static void bf16_pack_acts(void *dst, const float *x, size_t n_in) {
    uint16_t *acts = dst;
    size_t i = 0;
    for (; i + 16 <= n_in; i += 16) {
        _mm256_storeu_si256((__m256i *)(acts + i), mu_bf16_from_f32x16(_mm512_loadu_ps(x + i)));
    }
    for (; i < n_in; i++) {
        acts[i] = mu_f32_to_bf16(x[i]);
    }
    if (n_in % 2 != 0) acts[n_in] = 0;
}

/* The reference's rounding, 32 inputs at a time. min and max take their second operand for
 * not-a-number. */
MU_INLINE void pack_act_group(mu_act_group *dst, __m512 lo, __m512 hi) {
    const __m512 limit = _mm512_set1_ps(127.0f), zero = _mm512_setzero_ps();
    __m512 most = _mm512_max_ps(_mm512_abs_ps(hi), _mm512_max_ps(_mm512_abs_ps(lo), zero));
    mu_act_scale scale = mu_act_scale_of(_mm512_reduce_max_ps(most));
    __m512 inverse = _mm512_set1_ps(scale.inverse), low = _mm512_set1_ps(-127.0f);
    lo = _mm512_max_ps(_mm512_min_ps(_mm512_mul_ps(lo, inverse), limit), low);
    hi = _mm512_max_ps(_mm512_min_ps(_mm512_mul_ps(hi, inverse), limit), low);
    __m512i q_lo = _mm512_cvtps_epi32(lo), q_hi = _mm512_cvtps_epi32(hi);
    _mm_storeu_si128((__m128i *)(void *)dst->quants, _mm512_cvtepi32_epi8(q_lo));
    _mm_storeu_si128((__m128i *)(void *)(dst->quants + 16), _mm512_cvtepi32_epi8(q_hi));
    dst->exponent = scale.exponent;
    mu_act_group_sum(dst, _mm512_reduce_add_epi32(q_lo), _mm512_reduce_add_epi32(q_hi));
}

static void q8_pack_acts(void *dst, const float *x, size_t n_in) {
    mu_act_group *groups = dst;
    size_t i = 0;
    for (; i + MU_QUANT_GROUP <= n_in; i += MU_QUANT_GROUP) {
        pack_act_group(groups++, _mm512_loadu_ps(x + i), _mm512_loadu_ps(x + i + 16));
    }
    if (i == n_in) return;
    size_t left = n_in - i;
    __m512 hi = _mm512_setzero_ps();
    if (left > 16) hi = _mm512_maskz_loadu_ps(mu_tail_mask(left - 16), x + i + 16);
    pack_act_group(groups, _mm512_maskz_loadu_ps(mu_tail_mask(left), x + i), hi);
}

/* Sums go through 16 lanes whatever n is, so they depend on the row alone. */
static void layer_norm(float *y, const float *x, const float *w, const float *b, size_t n,
                       float eps) {
    __m512 sum = _mm512_setzero_ps(), squares = _mm512_setzero_ps();
    for (size_t i = 0; i < n; i += 16) {
        sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mu_tail_mask(n - i), x + i));
    }
    __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / (float)n);
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = mu_tail_mask(n - i);
        __m512 d = _mm512_maskz_sub_ps(mask, _mm512_maskz_loadu_ps(mask, x + i), mean);
        squares = _mm512_fmadd_ps(d, d, squares);
    }
    float variance = _mm512_reduce_add_ps(squares) / (float)n;
    __m512 scale =
        _mm512_div_ps(_mm512_set1_ps(1.0f), _mm512_sqrt_ps(_mm512_set1_ps(variance + eps)));
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = mu_tail_mask(n - i);
        __m512 d = _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + i), mean);
        __m512 v = _mm512_fmadd_ps(_mm512_mul_ps(d, scale), _mm512_maskz_loadu_ps(mask, w + i),
                                   _mm512_maskz_loadu_ps(mask, b + i));
        _mm512_mask_storeu_ps(y + i, mask, v);
    }
}

static void relu(float *x, size_t n) {
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = mu_tail_mask(n - i);
        __m512 v = _mm512_maskz_loadu_ps(mask, x + i); /* the second operand: not-a-number is 0 */
        _mm512_mask_storeu_ps(x + i, mask, _mm512_max_ps(v, _mm512_setzero_ps()));
    }
}

/* 0.5 (1 + tanh u) = 1 / (1 + exp(-2u)): one exponential and one division. */
static void gelu_tanh(float *x, size_t n) {
    const __m512 c = _mm512_set1_ps(-2.0f * 0.7978845608028654f);
    const __m512 one = _mm512_set1_ps(1.0f), cubic = _mm512_set1_ps(0.044715f);
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = mu_tail_mask(n - i);
        __m512 v = _mm512_maskz_loadu_ps(mask, x + i);
        __m512 inner = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_mul_ps(v, v), v), cubic, v);
        __m512 e = mu_exp_f32x16(_mm512_mul_ps(c, inner));
        _mm512_mask_storeu_ps(x + i, mask, _mm512_div_ps(v, _mm512_add_ps(one, e)));
    }
}

static void gelu_erf(float *x, size_t n) {
    const __m512 root = _mm512_set1_ps(0.7071067811865476f);
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = mu_tail_mask(n - i);
        __m512 v = _mm512_maskz_loadu_ps(mask, x + i);
        __m512 half = _mm512_mul_ps(v, _mm512_set1_ps(0.5f));
        __m512 erf = mu_erf_f32x16(_mm512_mul_ps(v, root));
        _mm512_mask_storeu_ps(x + i, mask, _mm512_fmadd_ps(half, erf, half));
    }
}

static void silu(float *x, size_t n) {
    const __m512 one = _mm512_set1_ps(1.0f);
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = mu_tail_mask(n - i);
        __m512 v = _mm512_maskz_loadu_ps(mask, x + i);
        __m512 e = mu_exp_f32x16(_mm512_sub_ps(_mm512_setzero_ps(), v));
        _mm512_mask_storeu_ps(x + i, mask, _mm512_div_ps(v, _mm512_add_ps(one, e)));
    }
}

static void softmax(float *x, size_t n, size_t n_padded) {
    const __m512 lowest = _mm512_set1_ps(-3.4e38f);
    __m512 max = lowest, sum = _mm512_setzero_ps();
    for (size_t i = 0; i < n; i += 16) {
        max = _mm512_max_ps(max, _mm512_mask_loadu_ps(lowest, mu_tail_mask(n - i), x + i));
    }
    max = _mm512_set1_ps(_mm512_reduce_max_ps(max));
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = mu_tail_mask(n - i);
        __m512 e = mu_exp_f32x16(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + i), max));
        sum = _mm512_mask_add_ps(sum, mask, sum, e);
        _mm512_mask_storeu_ps(x + i, mask, e);
    }
    __m512 scale = _mm512_set1_ps(1.0f / _mm512_reduce_add_ps(sum));
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = mu_tail_mask(n - i);
        _mm512_mask_storeu_ps(x + i, mask,
                              _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), scale));
    }
    if (n_padded > n) memset(x + n, 0, (n_padded - n) * sizeof(float));
}

void mu_kernels_init_avx512(mu_kernels *k) {
    k->isa = "avx512";
    k->matmul[MU_F32].run = f32_run;
    k->matmul[MU_BF16].run = bf16_run;
    k->matmul[MU_BF16].pack_panel = bf16_pack_panel;
    k->acts[MU_ACTS_BF16].pack = bf16_pack_acts;
    k->acts[MU_ACTS_Q8].pack = q8_pack_acts;
    k->kv[MU_KV_F32].write = f32_write;
    k->kv[MU_KV_F32].scores = f32_scores;
    k->kv[MU_KV_F32].values = f32_values;
    k->kv[MU_KV_F16].write = f16_write;
    k->kv[MU_KV_F16].scores = f16_scores;
    k->kv[MU_KV_F16].values = f16_values;
    k->layer_norm = layer_norm;
    k->activation[MU_ACTIVATION_GELU_TANH] = gelu_tanh;
    k->activation[MU_ACTIVATION_GELU_ERF] = gelu_erf;
    k->activation[MU_ACTIVATION_RELU] = relu;
    k->activation[MU_ACTIVATION_SILU] = silu;
    k->softmax = softmax;
}
