/* AVX2 + FMA + F16C. This file alone is compiled with those flags; nothing here runs unless
 * mu_kernels_get() has asked the CPU.
 *
 * With 16 registers a tile is six rows by half a panel (12 accumulators), or one row by a whole
 * panel when a single row must keep up with memory. Each lane is one output, summed over the inputs
 * in index order by FMA, so a row's result is the same in both.
 */
#include "backend/cpu/kernels.h"

#include <immintrin.h>
#include <string.h>

#include "tensor/half.h"

enum { ROWS = 6, VECTORS_MAX = 4 };

#define INLINE static inline __attribute__((always_inline))

INLINE void tile_store(const mu_matmul_args *a, uint32_t row, uint32_t column, __m256 sum) {
    float *y = a->y + row * a->y_stride + column;
    sum = _mm256_add_ps(sum, _mm256_loadu_ps(a->bias + column));
    if (a->accumulate) sum = _mm256_add_ps(_mm256_loadu_ps(y), sum);
    _mm256_storeu_ps(y, sum);
}

/* n_rows rows by n_vectors * 8 outputs from column on. */
INLINE void f32_tile(const mu_matmul_args *a, uint32_t row, uint32_t column, const uint32_t n_rows,
                     const uint32_t n_vectors) {
    const float *w = (const float *)a->panel + column;
    const float *x = (const float *)((const uint8_t *)a->acts + row * a->act_bytes);
    size_t stride = a->act_bytes / sizeof(float);
    __m256 sum[ROWS][VECTORS_MAX];
#pragma GCC unroll 6
    for (uint32_t r = 0; r < n_rows; r++) {
#pragma GCC unroll 4
        for (uint32_t v = 0; v < n_vectors; v++) {
            sum[r][v] = _mm256_setzero_ps();
        }
    }
    for (uint32_t i = 0; i < a->n_in; i++, w += MU_PANEL) {
        __m256 wv[VECTORS_MAX];
#pragma GCC unroll 4
        for (uint32_t v = 0; v < n_vectors; v++) {
            wv[v] = _mm256_load_ps(w + 8 * v);
        }
#pragma GCC unroll 6
        for (uint32_t r = 0; r < n_rows; r++) {
            __m256 xi = _mm256_broadcast_ss(x + r * stride + i);
#pragma GCC unroll 4
            for (uint32_t v = 0; v < n_vectors; v++) {
                sum[r][v] = _mm256_fmadd_ps(xi, wv[v], sum[r][v]);
            }
        }
    }
#pragma GCC unroll 6
    for (uint32_t r = 0; r < n_rows; r++) {
#pragma GCC unroll 4
        for (uint32_t v = 0; v < n_vectors; v++) {
            tile_store(a, row + r, column + 8 * v, sum[r][v]);
        }
    }
}

static void f32_run(const mu_matmul_args *a) {
    uint32_t row = 0;
    for (; row + ROWS <= a->n_rows; row += ROWS) {
        f32_tile(a, row, 0, ROWS, 2);
        f32_tile(a, row, 16, ROWS, 2);
    }
    for (; row < a->n_rows; row++) {
        f32_tile(a, row, 0, 1, 4);
    }
}

/* A bf16 is the upper half of an f32, so a vector of pairs is two vectors of f32: the even inputs
 * shifted up, the odd ones masked. */
INLINE void bf16_tile(const mu_matmul_args *a, uint32_t row, uint32_t column, const uint32_t n_rows,
                      const uint32_t n_vectors) {
    const uint16_t *w = (const uint16_t *)a->panel + 2 * column;
    const uint8_t *x = (const uint8_t *)a->acts + row * a->act_bytes;
    const __m256i upper = _mm256_set1_epi32((int)0xffff0000u);
    __m256 sum[ROWS][VECTORS_MAX];
#pragma GCC unroll 6
    for (uint32_t r = 0; r < n_rows; r++) {
#pragma GCC unroll 4
        for (uint32_t v = 0; v < n_vectors; v++) {
            sum[r][v] = _mm256_setzero_ps();
        }
    }
    for (uint32_t i = 0; i < (a->n_in + 1) / 2; i++, w += 2 * MU_PANEL) {
        __m256i pairs[VECTORS_MAX];
#pragma GCC unroll 4
        for (uint32_t v = 0; v < n_vectors; v++) {
            pairs[v] = _mm256_load_si256((const __m256i *)(w + 16 * v));
        }
#pragma GCC unroll 6
        for (uint32_t r = 0; r < n_rows; r++) {
            __m256i both = _mm256_castps_si256(
                _mm256_broadcast_ss((const float *)(const void *)(x + r * a->act_bytes) + i));
            __m256 even = _mm256_castsi256_ps(_mm256_slli_epi32(both, 16));
            __m256 odd = _mm256_castsi256_ps(_mm256_and_si256(both, upper));
#pragma GCC unroll 4
            for (uint32_t v = 0; v < n_vectors; v++) {
                __m256 w_even = _mm256_castsi256_ps(_mm256_slli_epi32(pairs[v], 16));
                __m256 w_odd = _mm256_castsi256_ps(_mm256_and_si256(pairs[v], upper));
                sum[r][v] = _mm256_fmadd_ps(even, w_even, sum[r][v]);
                sum[r][v] = _mm256_fmadd_ps(odd, w_odd, sum[r][v]);
            }
        }
    }
#pragma GCC unroll 6
    for (uint32_t r = 0; r < n_rows; r++) {
#pragma GCC unroll 4
        for (uint32_t v = 0; v < n_vectors; v++) {
            tile_store(a, row + r, column + 8 * v, sum[r][v]);
        }
    }
}

static void bf16_run(const mu_matmul_args *a) {
    uint32_t row = 0;
    for (; row + 4 <= a->n_rows; row += 4) {
        bf16_tile(a, row, 0, 4, 2);
        bf16_tile(a, row, 16, 4, 2);
    }
    for (; row < a->n_rows; row++) {
        bf16_tile(a, row, 0, 1, 4);
    }
}

/* 8 elements of KV storage as f32. */
INLINE __m256 kv_load(const mu_kv_form form, const void *base, size_t i) {
    if (form == MU_KV_F32) return _mm256_loadu_ps((const float *)base + i);
    __m128i bits = _mm_loadu_si128((const __m128i *)(const void *)((const uint16_t *)base + i));
    if (form == MU_KV_F16) return _mm256_cvtph_ps(bits);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}

INLINE float kv_load_one(const mu_kv_form form, const void *base, size_t i) {
    if (form == MU_KV_F32) return ((const float *)base)[i];
    uint16_t bits = ((const uint16_t *)base)[i];
    return form == MU_KV_F16 ? _cvtsh_ss(bits) : mu_bf16_to_f32(bits);
}

enum { ATTENTION_ROWS = 4 };

INLINE void scores_tile(const mu_kv_form form, const mu_attention_args *a, uint32_t row,
                        uint32_t group, const uint32_t n_rows) {
    const uint8_t *base = a->groups[group] + a->offset;
    __m256 lo[ATTENTION_ROWS], hi[ATTENTION_ROWS];
#pragma GCC unroll 4
    for (uint32_t r = 0; r < n_rows; r++) {
        lo[r] = hi[r] = _mm256_setzero_ps();
    }
    for (uint32_t d = 0; d < a->head_dim; d++) {
        __m256 k_lo = kv_load(form, base, (size_t)d * MU_KV_GROUP);
        __m256 k_hi = kv_load(form, base, (size_t)d * MU_KV_GROUP + 8);
#pragma GCC unroll 4
        for (uint32_t r = 0; r < n_rows; r++) {
            __m256 q = _mm256_broadcast_ss(a->x + (row + r) * a->x_stride + d);
            lo[r] = _mm256_fmadd_ps(q, k_lo, lo[r]);
            hi[r] = _mm256_fmadd_ps(q, k_hi, hi[r]);
        }
    }
    __m256 scale = _mm256_set1_ps(a->scale);
#pragma GCC unroll 4
    for (uint32_t r = 0; r < n_rows; r++) {
        float *y = a->y + (row + r) * a->y_stride + group * MU_KV_GROUP;
        _mm256_storeu_ps(y, _mm256_mul_ps(lo[r], scale));
        _mm256_storeu_ps(y + 8, _mm256_mul_ps(hi[r], scale));
    }
}

INLINE void kv_scores(const mu_kv_form form, const mu_attention_args *a) {
    uint32_t n_groups = (a->n_positions + MU_KV_GROUP - 1) / MU_KV_GROUP;
    uint32_t row = 0;
    for (; row + ATTENTION_ROWS <= a->n_rows; row += ATTENTION_ROWS) {
        for (uint32_t group = 0; group < n_groups; group++) {
            scores_tile(form, a, row, group, ATTENTION_ROWS);
        }
    }
    for (; row < a->n_rows; row++) {
        for (uint32_t group = 0; group < n_groups; group++) {
            scores_tile(form, a, row, group, 1);
        }
    }
}

/* n_rows rows of weights times V, for n_vectors * 8 dimensions from dim on. */
INLINE void values_tile(const mu_kv_form form, const mu_attention_args *a, uint32_t row,
                        uint32_t dim, const uint32_t n_rows, const uint32_t n_vectors) {
    __m256 sum[ATTENTION_ROWS][2];
#pragma GCC unroll 4
    for (uint32_t r = 0; r < n_rows; r++) {
#pragma GCC unroll 2
        for (uint32_t v = 0; v < n_vectors; v++) {
            sum[r][v] = _mm256_setzero_ps();
        }
    }
    for (uint32_t p = 0; p < a->n_positions; p++) {
        const uint8_t *base = a->groups[p / MU_KV_GROUP] + a->offset;
        size_t at = (size_t)(p % MU_KV_GROUP) * a->head_dim + dim;
        __m256 value[2];
#pragma GCC unroll 2
        for (uint32_t v = 0; v < n_vectors; v++) {
            value[v] = kv_load(form, base, at + 8 * v);
        }
#pragma GCC unroll 4
        for (uint32_t r = 0; r < n_rows; r++) {
            __m256 weight = _mm256_broadcast_ss(a->x + (row + r) * a->x_stride + p);
#pragma GCC unroll 2
            for (uint32_t v = 0; v < n_vectors; v++) {
                sum[r][v] = _mm256_fmadd_ps(weight, value[v], sum[r][v]);
            }
        }
    }
#pragma GCC unroll 4
    for (uint32_t r = 0; r < n_rows; r++) {
#pragma GCC unroll 2
        for (uint32_t v = 0; v < n_vectors; v++) {
            _mm256_storeu_ps(a->y + (row + r) * a->y_stride + dim + 8 * v, sum[r][v]);
        }
    }
}

/* One dimension at a time, for what is left of head_dim after whole vectors. */
INLINE void values_one(const mu_kv_form form, const mu_attention_args *a, uint32_t row,
                       uint32_t dim) {
    float sum = 0.0f;
    for (uint32_t p = 0; p < a->n_positions; p++) {
        const uint8_t *base = a->groups[p / MU_KV_GROUP] + a->offset;
        float value = kv_load_one(form, base, (size_t)(p % MU_KV_GROUP) * a->head_dim + dim);
        sum = __builtin_fmaf(a->x[row * a->x_stride + p], value, sum);
    }
    a->y[row * a->y_stride + dim] = sum;
}

INLINE void values_rows(const mu_kv_form form, const mu_attention_args *a, uint32_t row,
                        const uint32_t n_rows) {
    uint32_t dim = 0;
    for (; dim + 16 <= a->head_dim; dim += 16) {
        values_tile(form, a, row, dim, n_rows, 2);
    }
    for (; dim + 8 <= a->head_dim; dim += 8) {
        values_tile(form, a, row, dim, n_rows, 1);
    }
    for (; dim < a->head_dim; dim++) {
        for (uint32_t r = 0; r < n_rows; r++) {
            values_one(form, a, row + r, dim);
        }
    }
}

INLINE void kv_values(const mu_kv_form form, const mu_attention_args *a) {
    uint32_t row = 0;
    for (; row + ATTENTION_ROWS <= a->n_rows; row += ATTENTION_ROWS) {
        values_rows(form, a, row, ATTENTION_ROWS);
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
static void bf16_scores(const mu_attention_args *a) {
    kv_scores(MU_KV_BF16, a);
}
static void bf16_values(const mu_attention_args *a) {
    kv_values(MU_KV_BF16, a);
}
static void f16_scores(const mu_attention_args *a) {
    kv_scores(MU_KV_F16, a);
}
static void f16_values(const mu_attention_args *a) {
    kv_values(MU_KV_F16, a);
}

/* exp(x) as in math_avx512.h; 2^n through the exponent bits, in two halves so that results near the
 * ends of the range do not overflow on the way. */
INLINE __m256 exp_f32x8(__m256 x) {
    const __m256 inverse_ln2 = _mm256_set1_ps(1.44269504088896341f);
    x = _mm256_max_ps(_mm256_set1_ps(-150.0f), _mm256_min_ps(_mm256_set1_ps(150.0f), x));
    __m256 n = _mm256_round_ps(_mm256_mul_ps(x, inverse_ln2),
                               _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), r);
    __m256 p = _mm256_set1_ps(1.0f / 720.0f);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 120.0f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 24.0f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 6.0f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
    __m256i whole = _mm256_cvtps_epi32(n);
    __m256i half = _mm256_srai_epi32(whole, 1), rest = _mm256_sub_epi32(whole, half);
    const __m256i bias = _mm256_set1_epi32(127);
    __m256 scale_a = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    __m256 scale_b = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
    return _mm256_mul_ps(_mm256_mul_ps(p, scale_a), scale_b);
}

static void gelu_tanh(float *x, size_t n) {
    const __m256 c = _mm256_set1_ps(-2.0f * 0.7978845608028654f);
    const __m256 one = _mm256_set1_ps(1.0f), cubic = _mm256_set1_ps(0.044715f);
    for (size_t i = 0; i < n; i += 8) {
        float last[8] = {0};
        float *at = n - i >= 8 ? x + i : memcpy(last, x + i, (n - i) * sizeof(float));
        __m256 v = _mm256_loadu_ps(at);
        __m256 inner = _mm256_fmadd_ps(_mm256_mul_ps(_mm256_mul_ps(v, v), v), cubic, v);
        __m256 e = exp_f32x8(_mm256_mul_ps(c, inner));
        _mm256_storeu_ps(at, _mm256_div_ps(v, _mm256_add_ps(one, e)));
        if (at == last) memcpy(x + i, last, (n - i) * sizeof(float));
    }
}

void mu_kernels_init_avx2(mu_kernels *k) {
    k->isa = "avx2";
    k->matmul[MU_FORM_F32].run = f32_run;
    k->matmul[MU_FORM_BF16].run = bf16_run;
    k->kv[MU_KV_F32].scores = f32_scores;
    k->kv[MU_KV_F32].values = f32_values;
    k->kv[MU_KV_BF16].scores = bf16_scores;
    k->kv[MU_KV_BF16].values = bf16_values;
    k->kv[MU_KV_F16].scores = f16_scores;
    k->kv[MU_KV_F16].values = f16_values;
    k->activation[MU_ACTIVATION_GELU_TANH] = gelu_tanh;
    /* layer_norm and softmax keep the reference until a profile asks for more. */
}
