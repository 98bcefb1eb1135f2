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

/* Quantized products without VNNI. vpmaddubsw multiplies unsigned by signed bytes and adds pairs to
 * 16 bits, saturating. 8 bits: magnitudes of the weights times activations with the weights' signs,
 * at most 2 * 128 * 127, fit; pairs are then widened by vpmaddwd. 4 bits: stored levels times
 * activations, at most 2 * 15 * 127, and eight of them are added before they are widened. */
typedef enum quant_bits { Q8, Q4 } quant_bits;

enum { QUANT_ROWS = 4, INPUTS = MU_QUANT_GROUP / 4 };

/* Exact sums of one group: n_rows rows by 16 outputs from column on, without the offset. */
INLINE void q8_dots(const uint8_t *group, const mu_act_group *const *x, uint32_t g, uint32_t column,
                    const uint32_t n_rows, __m256i dot[QUANT_ROWS][2]) {
    const __m256i flip = _mm256_set1_epi8((char)0x80), ones = _mm256_set1_epi16(1);
#pragma GCC unroll 1 /* more, and the sums leave the registers */
    for (uint32_t k = 0; k < INPUTS; k++) {
        const uint8_t *w = group + ((size_t)k * MU_PANEL + column) * 4;
#pragma GCC unroll 2
        for (uint32_t v = 0; v < 2; v++) {
            __m256i value = _mm256_xor_si256(_mm256_load_si256((const void *)(w + 32 * v)), flip);
            __m256i magnitude = _mm256_abs_epi8(value);
#pragma GCC unroll 4
            for (uint32_t r = 0; r < n_rows; r++) {
                __m256i acts = _mm256_set1_epi32(mu_act_inputs(&x[r][g], k));
                __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(acts, value));
                dot[r][v] = _mm256_add_epi32(dot[r][v], _mm256_madd_epi16(pairs, ones));
            }
        }
    }
}

INLINE void q4_dots(const uint8_t *group, const mu_act_group *const *x, uint32_t g, uint32_t column,
                    const uint32_t n_rows, __m256i dot[QUANT_ROWS][2]) {
    const __m256i low = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
    __m256i pairs[QUANT_ROWS][2];
#pragma GCC unroll 4
    for (uint32_t r = 0; r < n_rows; r++) {
        pairs[r][0] = pairs[r][1] = _mm256_setzero_si256();
    }
#pragma GCC unroll 8
    for (uint32_t k = 0; k < INPUTS; k++) {
        const uint8_t *w = group + ((size_t)(k % 4) * MU_PANEL + column) * 4;
#pragma GCC unroll 2
        for (uint32_t v = 0; v < 2; v++) {
            __m256i both = _mm256_load_si256((const void *)(w + 32 * v));
            __m256i level = _mm256_and_si256(k < 4 ? both : _mm256_srli_epi16(both, 4), low);
#pragma GCC unroll 4
            for (uint32_t r = 0; r < n_rows; r++) {
                __m256i acts = _mm256_set1_epi32(mu_act_inputs(&x[r][g], k));
                pairs[r][v] = _mm256_add_epi16(pairs[r][v], _mm256_maddubs_epi16(level, acts));
            }
        }
    }
#pragma GCC unroll 4
    for (uint32_t r = 0; r < n_rows; r++) {
#pragma GCC unroll 2
        for (uint32_t v = 0; v < 2; v++) {
            dot[r][v] = _mm256_add_epi32(dot[r][v], _mm256_madd_epi16(pairs[r][v], ones));
        }
    }
}

INLINE void quant_tile(const quant_bits bits, const mu_matmul_args *a, uint32_t row,
                       uint32_t column, const uint32_t n_rows) {
    const size_t group_bytes = bits == Q8 ? sizeof(mu_q8_group) : sizeof(mu_q4_group);
    const size_t scales_at = group_bytes - MU_PANEL * sizeof(uint16_t);
    const uint8_t *group = a->panel;
    const mu_act_group *x[QUANT_ROWS];
    __m256 sum[QUANT_ROWS][2];
#pragma GCC unroll 4
    for (uint32_t r = 0; r < n_rows; r++) {
        x[r] = (const void *)((const uint8_t *)a->acts + (row + r) * a->act_bytes);
        sum[r][0] = sum[r][1] = _mm256_setzero_ps();
    }
    uint32_t n_groups = (a->n_in + MU_QUANT_GROUP - 1) / MU_QUANT_GROUP;
    for (uint32_t g = 0; g < n_groups; g++, group += group_bytes) {
        __m256i dot[QUANT_ROWS][2];
#pragma GCC unroll 4
        for (uint32_t r = 0; r < n_rows; r++) { /* signed weights need no offset */
            dot[r][0] = dot[r][1] = _mm256_set1_epi32(bits == Q8 ? 0 : x[r][g].offset);
        }
        if (bits == Q8) q8_dots(group, x, g, column, n_rows, dot);
        if (bits == Q4) q4_dots(group, x, g, column, n_rows, dot);
#pragma GCC unroll 2
        for (uint32_t v = 0; v < 2; v++) {
            const void *scales = group + scales_at + (column + 8 * v) * sizeof(uint16_t);
            __m256i scale = _mm256_castps_si256(_mm256_cvtph_ps(_mm_load_si128(scales)));
#pragma GCC unroll 4
            for (uint32_t r = 0; r < n_rows; r++) {
                __m256i scaled = _mm256_add_epi32(scale, _mm256_set1_epi32(x[r][g].exponent));
                sum[r][v] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot[r][v]),
                                            _mm256_castsi256_ps(scaled), sum[r][v]);
            }
        }
    }
#pragma GCC unroll 4
    for (uint32_t r = 0; r < n_rows; r++) {
        tile_store(a, row + r, column, sum[r][0]);
        tile_store(a, row + r, column + 8, sum[r][1]);
    }
}

/* Tiles of n_rows from row on, over the whole panel; where the next row is. */
INLINE uint32_t quant_rows(const quant_bits bits, const mu_matmul_args *a, uint32_t row,
                           const uint32_t n_rows) {
    for (; row + n_rows <= a->n_rows; row += n_rows) {
        quant_tile(bits, a, row, 0, n_rows);
        quant_tile(bits, a, row, 16, n_rows);
    }
    return row;
}

INLINE void quant_run(const quant_bits bits, const mu_matmul_args *a) {
    uint32_t row = quant_rows(bits, a, 0, QUANT_ROWS);
    row = quant_rows(bits, a, row, 2);
    quant_rows(bits, a, row, 1);
}

static void q8_run(const mu_matmul_args *a) {
    quant_run(Q8, a);
}

static void q4_run(const mu_matmul_args *a) {
    quant_run(Q4, a);
}

/* The reference's rounding, 32 inputs at a time. */
INLINE void pack_act_group(mu_act_group *dst, const float *x, int offset) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 v[4], most = _mm256_setzero_ps();
    for (int i = 0; i < 4; i++) {
        v[i] = _mm256_loadu_ps(x + 8 * i);
        most = _mm256_max_ps(_mm256_andnot_ps(sign, v[i]), most); /* not-a-number: the second */
    }
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(most), _mm256_extractf128_ps(most, 1));
    four = _mm_max_ps(four, _mm_movehl_ps(four, four));
    four = _mm_max_ss(four, _mm_movehdup_ps(four));
    mu_act_scale scale = mu_act_scale_of(_mm_cvtss_f32(four));
    __m256 inverse = _mm256_set1_ps(scale.inverse), limit = _mm256_set1_ps(127.0f);
    __m256i whole[4], sum = _mm256_setzero_si256();
    for (int i = 0; i < 4; i++) {
        __m256 scaled = _mm256_min_ps(_mm256_mul_ps(v[i], inverse), limit);
        scaled = _mm256_max_ps(scaled, _mm256_xor_ps(limit, sign));
        whole[i] = _mm256_cvtps_epi32(scaled);
        sum = _mm256_add_epi32(sum, whole[i]);
    }
    __m256i low = _mm256_packs_epi32(whole[0], whole[1]);
    __m256i high = _mm256_packs_epi32(whole[2], whole[3]);
    __m256i bytes = _mm256_packs_epi16(low, high); /* by 128-bit halves: put in order */
    bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    _mm256_storeu_si256((__m256i *)(void *)dst->quants, bytes);
    __m128i halves = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    halves = _mm_add_epi32(halves, _mm_shuffle_epi32(halves, 0x4e));
    halves = _mm_add_epi32(halves, _mm_shuffle_epi32(halves, 0xb1));
    dst->exponent = scale.exponent;
    dst->offset = -offset * _mm_cvtsi128_si32(halves);
}

INLINE void pack_quant_acts(void *dst, const float *x, size_t n_in, int offset) {
    mu_act_group *groups = dst;
    size_t i = 0;
    for (; i + MU_QUANT_GROUP <= n_in; i += MU_QUANT_GROUP) {
        pack_act_group(groups++, x + i, offset);
    }
    if (i == n_in) return;
    float rest[MU_QUANT_GROUP] = {0};
    memcpy(rest, x + i, (n_in - i) * sizeof(*x));
    pack_act_group(groups, rest, offset);
}

static void q8_pack_acts(void *dst, const float *x, size_t n_in) {
    pack_quant_acts(dst, x, n_in, MU_Q8_OFFSET);
}

static void q4_pack_acts(void *dst, const float *x, size_t n_in) {
    pack_quant_acts(dst, x, n_in, MU_Q4_OFFSET);
}

/* 8 elements of KV storage, f32 or f16, as f32. */
INLINE __m256 kv_load(const mu_kv_form form, const void *base, size_t i) {
    if (form == MU_KV_F32) return _mm256_loadu_ps((const float *)base + i);
    __m128i bits = _mm_loadu_si128((const __m128i *)(const void *)((const uint16_t *)base + i));
    return _mm256_cvtph_ps(bits);
}

INLINE float kv_load_one(const mu_kv_form form, const void *base, size_t i) {
    if (form == MU_KV_F32) return ((const float *)base)[i];
    return _cvtsh_ss(((const uint16_t *)base)[i]);
}

INLINE void kv_store_one(const mu_kv_form form, void *base, size_t i, float value) {
    if (form == MU_KV_F32) {
        ((float *)base)[i] = value;
    } else {
        ((uint16_t *)base)[i] = _cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT);
    }
}

/* Positions inside dimensions: the stores to K are then neighbours. */
INLINE void kv_write(const mu_kv_form form, const mu_kv_write_args *a) {
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

static void f32_write(const mu_kv_write_args *a) {
    kv_write(MU_KV_F32, a);
}
static void f32_scores(const mu_attention_args *a) {
    kv_scores(MU_KV_F32, a);
}
static void f32_values(const mu_attention_args *a) {
    kv_values(MU_KV_F32, a);
}
/* bf16: pairs of dimensions in K, pairs of positions in V; the halves of a vector of pairs are two
 * vectors of f32. */

INLINE __m256 bf16_even(__m256i pairs) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
}

INLINE __m256 bf16_odd(__m256i pairs) {
    return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32((int)0xffff0000u)));
}

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

INLINE float bf16_rounded(float x) {
    return mu_bf16_to_f32(mu_f32_to_bf16(x));
}

/* One query against one group. */
INLINE void bf16_scores_group(const mu_attention_args *a, const float *q, const uint8_t *base,
                              float *y) {
    __m256 lo = _mm256_setzero_ps(), hi = lo;
    for (uint32_t d = 0; d < a->head_dim; d += 2, base += 4 * MU_KV_GROUP) {
        __m256i k_lo = _mm256_loadu_si256((const void *)base);
        __m256i k_hi = _mm256_loadu_si256((const void *)(base + 32));
        __m256 even = _mm256_set1_ps(q[d]), odd = _mm256_set1_ps(q[d + 1]);
        lo = _mm256_fmadd_ps(odd, bf16_odd(k_lo), _mm256_fmadd_ps(even, bf16_even(k_lo), lo));
        hi = _mm256_fmadd_ps(odd, bf16_odd(k_hi), _mm256_fmadd_ps(even, bf16_even(k_hi), hi));
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
INLINE void bf16_values_group(const mu_attention_args *a, const float *weights,
                              uint32_t n_positions, const uint8_t *base, uint32_t dim,
                              __m256 *sum) {
    uint32_t n = a->head_dim - dim < 8 ? a->head_dim - dim : 8;
    for (uint32_t p = 0; p < n_positions; p += 2) {
        const uint8_t *at = base + ((size_t)(p / 2) * a->head_dim + dim) * 4;
        uint32_t rest[8] = {0};
        if (n < 8) memcpy(rest, at, n * sizeof(*rest));
        __m256i pairs = _mm256_loadu_si256((const void *)(n < 8 ? (const uint8_t *)rest : at));
        *sum = _mm256_fmadd_ps(_mm256_set1_ps(weights[p]), bf16_even(pairs), *sum);
        if (p + 1 == n_positions) break; /* the other half was never written */
        *sum = _mm256_fmadd_ps(_mm256_set1_ps(weights[p + 1]), bf16_odd(pairs), *sum);
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
    k->matmul[MU_FORM_Q8].run = q8_run;
    k->matmul[MU_FORM_Q8].pack_acts = q8_pack_acts;
    k->matmul[MU_FORM_Q4].run = q4_run;
    k->matmul[MU_FORM_Q4].pack_acts = q4_pack_acts;
    k->matmul[MU_FORM_F32].run = f32_run;
    k->matmul[MU_FORM_BF16].run = bf16_run;
    k->kv[MU_KV_F32].write = f32_write;
    k->kv[MU_KV_F32].scores = f32_scores;
    k->kv[MU_KV_F32].values = f32_values;
    k->kv[MU_KV_BF16].write = bf16_write;
    k->kv[MU_KV_BF16].scores = bf16_scores;
    k->kv[MU_KV_BF16].values = bf16_values;
    k->kv[MU_KV_F16].write = f16_write;
    k->kv[MU_KV_F16].scores = f16_scores;
    k->kv[MU_KV_F16].values = f16_values;
    k->activation[MU_ACTIVATION_GELU_TANH] = gelu_tanh;
    /* layer_norm and softmax keep the reference until a profile asks for more. */
}
