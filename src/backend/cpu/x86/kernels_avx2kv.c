/* AVX2 attention: scores of queries against K, weights times V, and K and V into their groups. */
#include "backend/cpu/x86/levels.h"

#include <immintrin.h>
#include <string.h>

#include "backend/cpu/x86/math_avx2.h"
#include "backend/cpu/x86/tile_avx2.h"
#include "tensor/half.h"

/* 8 elements of KV storage, f32 or f16, as f32. */
MU_INLINE __m256 kv_load(const mu_kv_form form, const void *base, size_t i) {
    if (form == MU_KV_F32) return _mm256_loadu_ps((const float *)base + i);
    __m128i bits = _mm_loadu_si128((const __m128i *)(const void *)((const uint16_t *)base + i));
    return _mm256_cvtph_ps(bits);
}

MU_INLINE float kv_load_one(const mu_kv_form form, const void *base, size_t i) {
    if (form == MU_KV_F32) return ((const float *)base)[i];
    return _cvtsh_ss(((const uint16_t *)base)[i]);
}

MU_INLINE void kv_store_one(const mu_kv_form form, void *base, size_t i, float value) {
    if (form == MU_KV_F32) {
        ((float *)base)[i] = value;
    } else {
        ((uint16_t *)base)[i] = _cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT);
    }
}

/* Positions inside dimensions: the stores to K are then neighbours. */
MU_INLINE void kv_write(const mu_kv_form form, const mu_kv_write_args *a) {
    for (uint32_t d = 0; d < a->head_dim; d++) {
        for (uint32_t p = 0; p < a->n_positions; p++) {
            kv_store_one(form, a->k_group, (size_t)d * MU_KV_GROUP + a->in_group + p,
                         a->k[p * a->stride + d]);
        }
    }
    for (uint32_t p = 0; p < a->n_positions; p++) {
        for (uint32_t d = 0; d < a->head_dim; d++) {
            kv_store_one(form, a->v_group, (size_t)(a->in_group + p) * a->head_dim + d,
                         a->v[p * a->stride + d]);
        }
    }
}

/* Tiles of queries, by what the registers hold: twelve sums for many queries, eight for one, whose
 * sums would otherwise wait for each other. */
enum { SCORE_ROWS = 6, SCORE_GROUPS = 4, VALUE_ROWS = 3, VALUE_VECTORS = 4, ALONE_VECTORS = 8 };

/* n_rows queries against n_groups groups from group on. */
MU_INLINE void scores_tile(const mu_kv_form form, const mu_attention_args *a, uint32_t row,
                           uint32_t group, const uint32_t n_rows, const uint32_t n_groups) {
    const uint8_t *base[SCORE_GROUPS];
    const float *x = a->x + row * a->x_stride;
    __m256 sum[SCORE_ROWS][2 * SCORE_GROUPS];
#pragma GCC unroll 4
    for (uint32_t g = 0; g < n_groups; g++) {
        base[g] = a->groups[group + g] + a->offset;
    }
#pragma GCC unroll 6
    for (uint32_t r = 0; r < n_rows; r++) {
#pragma GCC unroll 8
        for (uint32_t v = 0; v < 2 * n_groups; v++) {
            sum[r][v] = _mm256_setzero_ps();
        }
    }
    for (uint32_t d = 0; d < a->head_dim; d++) {
        __m256 k[2 * SCORE_GROUPS];
#pragma GCC unroll 8
        for (uint32_t v = 0; v < 2 * n_groups; v++) {
            k[v] = kv_load(form, base[v / 2], (size_t)d * MU_KV_GROUP + 8 * (v % 2));
        }
#pragma GCC unroll 6
        for (uint32_t r = 0; r < n_rows; r++) {
            __m256 q = _mm256_broadcast_ss(x + r * a->x_stride + d);
#pragma GCC unroll 8
            for (uint32_t v = 0; v < 2 * n_groups; v++) {
                sum[r][v] = _mm256_fmadd_ps(q, k[v], sum[r][v]);
            }
        }
    }
    __m256 scale = _mm256_set1_ps(a->scale);
#pragma GCC unroll 6
    for (uint32_t r = 0; r < n_rows; r++) {
        float *y = a->y + (row + r) * a->y_stride + (size_t)group * MU_KV_GROUP;
#pragma GCC unroll 8
        for (uint32_t v = 0; v < 2 * n_groups; v++) {
            _mm256_storeu_ps(y + 8 * v, _mm256_mul_ps(sum[r][v], scale));
        }
    }
}

MU_INLINE void kv_scores(const mu_kv_form form, const mu_attention_args *a) {
    uint32_t n_groups = (a->n_positions + MU_KV_GROUP - 1) / MU_KV_GROUP, row = 0, group;
    for (; row + SCORE_ROWS <= a->n_rows; row += SCORE_ROWS) {
        for (group = 0; group < n_groups; group++) {
            scores_tile(form, a, row, group, SCORE_ROWS, 1);
        }
    }
    for (; row + 2 <= a->n_rows; row += 2) {
        for (group = 0; group + 2 <= n_groups; group += 2) {
            scores_tile(form, a, row, group, 2, 2);
        }
        if (group < n_groups) scores_tile(form, a, row, group, 2, 1);
    }
    if (row == a->n_rows) return;
    for (group = 0; group + SCORE_GROUPS <= n_groups; group += SCORE_GROUPS) {
        scores_tile(form, a, row, group, 1, SCORE_GROUPS);
    }
    for (; group < n_groups; group++) {
        scores_tile(form, a, row, group, 1, 1);
    }
}

/* n_rows rows of weights times V, for n_vectors * 8 dimensions from dim on. */
MU_INLINE void values_tile(const mu_kv_form form, const mu_attention_args *a, uint32_t row,
                           uint32_t dim, const uint32_t n_rows, const uint32_t n_vectors) {
    const float *x = a->x + row * a->x_stride;
    __m256 sum[VALUE_ROWS][ALONE_VECTORS];
#pragma GCC unroll 3
    for (uint32_t r = 0; r < n_rows; r++) {
#pragma GCC unroll 8
        for (uint32_t v = 0; v < n_vectors; v++) {
            sum[r][v] = _mm256_setzero_ps();
        }
    }
    for (uint32_t first = 0; first < a->n_positions; first += MU_KV_GROUP) {
        const uint8_t *base = a->groups[first / MU_KV_GROUP] + a->offset;
        uint32_t left = a->n_positions - first, n = left < MU_KV_GROUP ? left : MU_KV_GROUP;
        for (uint32_t p = 0; p < n; p++) {
            __m256 weight[VALUE_ROWS];
#pragma GCC unroll 3
            for (uint32_t r = 0; r < n_rows; r++) {
                weight[r] = _mm256_broadcast_ss(x + r * a->x_stride + first + p);
            }
#pragma GCC unroll 8
            for (uint32_t v = 0; v < n_vectors; v++) {
                __m256 value = kv_load(form, base, (size_t)p * a->head_dim + dim + 8 * v);
#pragma GCC unroll 3
                for (uint32_t r = 0; r < n_rows; r++) {
                    sum[r][v] = _mm256_fmadd_ps(weight[r], value, sum[r][v]);
                }
            }
        }
    }
#pragma GCC unroll 3
    for (uint32_t r = 0; r < n_rows; r++) {
#pragma GCC unroll 8
        for (uint32_t v = 0; v < n_vectors; v++) {
            _mm256_storeu_ps(a->y + (row + r) * a->y_stride + dim + 8 * v, sum[r][v]);
        }
    }
}

/* One dimension at a time, for what is left of head_dim after whole vectors. */
MU_INLINE void values_one(const mu_kv_form form, const mu_attention_args *a, uint32_t row,
                          uint32_t dim) {
    float sum = 0.0f;
    for (uint32_t p = 0; p < a->n_positions; p++) {
        const uint8_t *base = a->groups[p / MU_KV_GROUP] + a->offset;
        float value = kv_load_one(form, base, (size_t)(p % MU_KV_GROUP) * a->head_dim + dim);
        sum = __builtin_fmaf(a->x[row * a->x_stride + p], value, sum);
    }
    a->y[row * a->y_stride + dim] = sum;
}

/* All dimensions of n_rows rows: as wide as may be, then vector by vector, then one by one. */
MU_INLINE void values_rows(const mu_kv_form form, const mu_attention_args *a, uint32_t row,
                           const uint32_t n_rows, const uint32_t n_vectors) {
    uint32_t dim = 0;
    for (; dim + 8 * n_vectors <= a->head_dim; dim += 8 * n_vectors) {
        values_tile(form, a, row, dim, n_rows, n_vectors);
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

MU_INLINE void kv_values(const mu_kv_form form, const mu_attention_args *a) {
    uint32_t row = 0;
    for (; row + VALUE_ROWS <= a->n_rows; row += VALUE_ROWS) {
        values_rows(form, a, row, VALUE_ROWS, VALUE_VECTORS);
    }
    for (; row < a->n_rows; row++) {
        values_rows(form, a, row, 1, ALONE_VECTORS);
    }
}

static void f32_write(const mu_kv_write_args *a) {
    kv_write(MU_KV_F32, a);
}
static void f32_scores(const mu_attention_args *a) {
    kv_scores(MU_KV_F32, a);
}
static void f32_values(const mu_attention_args *a) {
    kv_values(MU_KV_F32, a);
}

/* bf16: pairs of dimensions in K, pairs of positions in V. */

static void bf16_write(const mu_kv_write_args *a) {
    uint16_t *k_group = a->k_group, *v_group = a->v_group;
    for (uint32_t p = 0; p < a->n_positions; p++) {
        const float *k = a->k + p * a->stride, *v = a->v + p * a->stride;
        size_t at = a->in_group + p;
        uint16_t *v_row = v_group + at / 2 * a->head_dim * 2 + at % 2;
        for (size_t d = 0; d < a->head_dim; d++) {
            k_group[(d / 2 * MU_KV_GROUP + at) * 2 + d % 2] = mu_f32_to_bf16(k[d]);
            v_row[2 * d] = mu_f32_to_bf16(v[d]);
        }
        if (a->head_dim % 2 != 0) k_group[(a->head_dim / 2 * MU_KV_GROUP + at) * 2 + 1] = 0;
    }
}

MU_INLINE float bf16_rounded(float x) {
    return mu_bf16_to_f32(mu_f32_to_bf16(x));
}

/* One query against one group. */
MU_INLINE void bf16_scores_group(const mu_attention_args *a, const float *q, const uint8_t *base,
                                 float *y) {
    __m256 lo = _mm256_setzero_ps(), hi = lo;
    for (uint32_t d = 0; d < a->head_dim; d += 2, base += 4 * MU_KV_GROUP) {
        __m256i k_lo = _mm256_loadu_si256((const void *)base);
        __m256i k_hi = _mm256_loadu_si256((const void *)(base + 32));
        __m256 even = _mm256_set1_ps(q[d]), odd = _mm256_set1_ps(q[d + 1]);
        lo = _mm256_fmadd_ps(odd, mu_bf16_odd(k_lo), _mm256_fmadd_ps(even, mu_bf16_even(k_lo), lo));
        hi = _mm256_fmadd_ps(odd, mu_bf16_odd(k_hi), _mm256_fmadd_ps(even, mu_bf16_even(k_hi), hi));
    }
    __m256 scale = _mm256_set1_ps(a->scale);
    _mm256_storeu_ps(y, _mm256_mul_ps(lo, scale));
    _mm256_storeu_ps(y + 8, _mm256_mul_ps(hi, scale));
}

static void bf16_scores(const mu_attention_args *a) {
    float q[MU_HEAD_DIM_MAX + 1];
    for (uint32_t r = 0; r < a->n_rows; r++) {
        for (uint32_t d = 0; d < a->head_dim; d++) {
            q[d] = bf16_rounded(a->x[r * a->x_stride + d]);
        }
        q[a->head_dim] = 0.0f;
        for (uint32_t g = 0; g * MU_KV_GROUP < a->n_positions; g++) {
            bf16_scores_group(a, q, a->groups[g] + a->offset,
                              a->y + r * a->y_stride + g * MU_KV_GROUP);
        }
    }
}

/* y += weights of up to 16 positions times V, for 8 dimensions or n < 8 of them. */
MU_INLINE void bf16_values_group(const mu_attention_args *a, const float *weights,
                                 uint32_t n_positions, const uint8_t *base, uint32_t dim,
                                 __m256 *sum) {
    uint32_t n = a->head_dim - dim < 8 ? a->head_dim - dim : 8;
    for (uint32_t p = 0; p < n_positions; p += 2) {
        const uint8_t *at = base + ((size_t)(p / 2) * a->head_dim + dim) * 4;
        uint32_t rest[8] = {0};
        if (n < 8) memcpy(rest, at, n * sizeof(*rest));
        __m256i pairs = _mm256_loadu_si256((const void *)(n < 8 ? (const uint8_t *)rest : at));
        *sum = _mm256_fmadd_ps(_mm256_set1_ps(weights[p]), mu_bf16_even(pairs), *sum);
        if (p + 1 == n_positions) break; /* the other half was never written */
        *sum = _mm256_fmadd_ps(_mm256_set1_ps(weights[p + 1]), mu_bf16_odd(pairs), *sum);
    }
}

static void bf16_values(const mu_attention_args *a) {
    for (uint32_t r = 0; r < a->n_rows; r++) {
        __m256 sums[MU_HEAD_DIM_MAX / 8] = {{0}};
        for (uint32_t p = 0; p < a->n_positions; p += MU_KV_GROUP) {
            uint32_t n = a->n_positions - p < MU_KV_GROUP ? a->n_positions - p : MU_KV_GROUP;
            float weights[MU_KV_GROUP];
            for (uint32_t i = 0; i < n; i++) {
                weights[i] = bf16_rounded(a->x[r * a->x_stride + p + i]);
            }
            const uint8_t *base = a->groups[p / MU_KV_GROUP] + a->offset;
            for (uint32_t dim = 0; dim < a->head_dim; dim += 8) {
                bf16_values_group(a, weights, n, base, dim, &sums[dim / 8]);
            }
        }
        memcpy(a->y + r * a->y_stride, sums, a->head_dim * sizeof(float));
    }
}

static void f16_write(const mu_kv_write_args *a) {
    kv_write(MU_KV_F16, a);
}
static void f16_scores(const mu_attention_args *a) {
    kv_scores(MU_KV_F16, a);
}
static void f16_values(const mu_attention_args *a) {
    kv_values(MU_KV_F16, a);
}

void mu_kernels_init_avx2kv(mu_kernels *k) {
    k->kv[MU_KV_F32].write = f32_write;
    k->kv[MU_KV_F32].scores = f32_scores;
    k->kv[MU_KV_F32].values = f32_values;
    k->kv[MU_KV_BF16].write = bf16_write;
    k->kv[MU_KV_BF16].scores = bf16_scores;
    k->kv[MU_KV_BF16].values = bf16_values;
    k->kv[MU_KV_F16].write = f16_write;
    k->kv[MU_KV_F16].scores = f16_scores;
    k->kv[MU_KV_F16].values = f16_values;
}
