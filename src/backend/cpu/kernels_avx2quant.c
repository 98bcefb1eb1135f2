/* AVX2 products of quantized weights, without VNNI. vpmaddubsw multiplies unsigned by signed bytes
 * and adds pairs to 16 bits, saturating. 8 bits: magnitudes of the weights times activations with
 * the weights' signs, at most 2 * 128 * 127, fit; pairs are then widened by vpmaddwd. 4 bits:
 * stored levels times activations, at most 2 * 15 * 127, and eight of them are added before they
 * are widened.
 */
#include "backend/cpu/kernels.h"

#include <immintrin.h>
#include <string.h>

#include "backend/cpu/tile_avx2.h"

typedef enum quant_bits { Q8, Q4 } quant_bits;

enum { QUANT_ROWS = 4, INPUTS = MU_QUANT_GROUP / 4 };

/* Exact sums of one group: n_rows rows by 16 outputs from column on, without the offset. */
MU_INLINE void q8_dots(const uint8_t *group, const mu_act_group *const *x, uint32_t g,
                       uint32_t column, const uint32_t n_rows, __m256i dot[QUANT_ROWS][2]) {
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

MU_INLINE void q4_dots(const uint8_t *group, const mu_act_group *const *x, uint32_t g,
                       uint32_t column, const uint32_t n_rows, __m256i dot[QUANT_ROWS][2]) {
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

MU_INLINE void quant_tile(const quant_bits bits, const mu_matmul_args *a, uint32_t row,
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
        mu_tile_store(a, row + r, column, sum[r][0]);
        mu_tile_store(a, row + r, column + 8, sum[r][1]);
    }
}

/* Tiles of n_rows from row on, over the whole panel; where the next row is. */
MU_INLINE uint32_t quant_rows(const quant_bits bits, const mu_matmul_args *a, uint32_t row,
                              const uint32_t n_rows) {
    for (; row + n_rows <= a->n_rows; row += n_rows) {
        quant_tile(bits, a, row, 0, n_rows);
        quant_tile(bits, a, row, 16, n_rows);
    }
    return row;
}

MU_INLINE void quant_run(const quant_bits bits, const mu_matmul_args *a) {
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
MU_INLINE void pack_act_group(mu_act_group *dst, const float *x, int offset) {
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

MU_INLINE void pack_quant_acts(void *dst, const float *x, size_t n_in, int offset) {
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

void mu_kernels_init_avx2quant(mu_kernels *k) {
    k->matmul[MU_FORM_Q8].run = q8_run;
    k->matmul[MU_FORM_Q8].pack_acts = q8_pack_acts;
    k->matmul[MU_FORM_Q4].run = q4_run;
    k->matmul[MU_FORM_Q4].pack_acts = q4_pack_acts;
}
