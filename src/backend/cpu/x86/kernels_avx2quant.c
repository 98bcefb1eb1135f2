/* AVX2 products of quantized weights, without VNNI. vpmaddubsw multiplies unsigned by signed bytes
 * and adds pairs to 16 bits, saturating. 8 bits: magnitudes of the weights times activations with
 * the weights' signs, at most 2 * 128 * 127, fit; pairs are then widened by vpmaddwd. 4 bits:
 * stored levels times activations, at most 2 * 15 * 127, and eight of them are added before they
 * are widened.
 */
#include "backend/cpu/x86/levels.h"

#include <immintrin.h>
#include <string.h>

#include "backend/cpu/x86/tile_avx2.h"

typedef enum quant_bits { Q8, Q4 } quant_bits;

enum { ROWS = 4, INPUTS = MU_QUANT_GROUP / 4 };

/* Exact sums of one group, without the offset. The order of the loops, and an end that the compiler
 * must reach for every row, keep the sums in registers. */
MU_INLINE void q8_dots(const uint8_t *weights, const mu_act_group *const *x, uint32_t g,
                       const uint32_t n_rows, const uint32_t n_vectors,
                       __m256i dot[ROWS][MU_VECTORS]) {
    const __m256i flip = _mm256_set1_epi8((char)0x80), ones = _mm256_set1_epi16(1);
#pragma GCC unroll 8
    for (uint32_t k = 0; k < INPUTS; k++, weights += (size_t)4 * MU_PANEL) {
        __m256i value[MU_VECTORS], magnitude[MU_VECTORS];
#pragma GCC unroll 4
        for (uint32_t v = 0; v < n_vectors; v++) {
            value[v] = _mm256_xor_si256(_mm256_load_si256((const void *)(weights + 32 * v)), flip);
            magnitude[v] = _mm256_abs_epi8(value[v]);
        }
#pragma GCC unroll 4
        for (uint32_t r = 0; r < n_rows; r++) {
            __m256i acts = _mm256_set1_epi32(mu_act_inputs(&x[r][g], k));
#pragma GCC unroll 4
            for (uint32_t v = 0; v < n_vectors; v++) {
                __m256i signs = _mm256_sign_epi8(acts, value[v]);
                __m256i pairs = _mm256_maddubs_epi16(magnitude[v], signs);
                dot[r][v] = _mm256_add_epi32(dot[r][v], _mm256_madd_epi16(pairs, ones));
                __asm__ volatile("" : "+x"(dot[r][v]));
            }
        }
    }
}

MU_INLINE void q4_dots(const uint8_t *weights, const mu_act_group *const *x, uint32_t g,
                       const uint32_t n_rows, const uint32_t n_vectors,
                       __m256i dot[ROWS][MU_VECTORS]) {
    const __m256i low = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
    __m256i pairs[ROWS][MU_VECTORS];
#pragma GCC unroll 4
    for (uint32_t r = 0; r < n_rows; r++) {
#pragma GCC unroll 4
        for (uint32_t v = 0; v < n_vectors; v++) {
            pairs[r][v] = _mm256_setzero_si256();
        }
    }
#pragma GCC unroll 8
    for (uint32_t k = 0; k < INPUTS; k++) {
        const uint8_t *w = weights + (size_t)(k % 4) * 4 * MU_PANEL;
        __m256i level[MU_VECTORS];
#pragma GCC unroll 4
        for (uint32_t v = 0; v < n_vectors; v++) {
            __m256i both = _mm256_load_si256((const void *)(w + 32 * v));
            level[v] = _mm256_and_si256(k < 4 ? both : _mm256_srli_epi16(both, 4), low);
        }
#pragma GCC unroll 4
        for (uint32_t r = 0; r < n_rows; r++) {
            __m256i acts = _mm256_set1_epi32(mu_act_inputs(&x[r][g], k));
#pragma GCC unroll 4
            for (uint32_t v = 0; v < n_vectors; v++) {
                pairs[r][v] = _mm256_add_epi16(pairs[r][v], _mm256_maddubs_epi16(level[v], acts));
                __asm__ volatile("" : "+x"(pairs[r][v]));
            }
        }
    }
#pragma GCC unroll 4
    for (uint32_t r = 0; r < n_rows; r++) {
#pragma GCC unroll 4
        for (uint32_t v = 0; v < n_vectors; v++) {
            dot[r][v] = _mm256_add_epi32(dot[r][v], _mm256_madd_epi16(pairs[r][v], ones));
        }
    }
}

MU_INLINE void quant_tile(const quant_bits bits, mu_tile tile, const uint32_t n_rows,
                          const uint32_t n_vectors) {
    const size_t group_bytes = bits == Q8 ? sizeof(mu_q8_group) : sizeof(mu_q4_group);
    const size_t scales_at = group_bytes - MU_PANEL * sizeof(uint16_t);
    const mu_matmul_args *a = tile.args;
    const uint8_t *group = a->panel;
    const mu_act_group *x[ROWS];
    __m256 sum[ROWS][MU_VECTORS];
#pragma GCC unroll 4
    for (uint32_t r = 0; r < n_rows; r++) {
        x[r] = (const void *)((const uint8_t *)a->acts + (tile.row + r) * a->act_bytes);
#pragma GCC unroll 4
        for (uint32_t v = 0; v < n_vectors; v++) {
            sum[r][v] = _mm256_setzero_ps();
        }
    }
    uint32_t n_groups = (a->n_in + MU_QUANT_GROUP - 1) / MU_QUANT_GROUP;
    for (uint32_t g = 0; g < n_groups; g++, group += group_bytes) {
        mu_tile_fetch(&tile, group_bytes);
        __m256i dot[ROWS][MU_VECTORS];
#pragma GCC unroll 4
        for (uint32_t r = 0; r < n_rows; r++) {
#pragma GCC unroll 4
            for (uint32_t v = 0; v < n_vectors; v++) { /* signed weights need no offset */
                dot[r][v] = _mm256_set1_epi32(bits == Q8 ? 0 : x[r][g].offset_q4);
            }
        }
        const uint8_t *weights = group + (size_t)tile.column * 4;
        if (bits == Q8) q8_dots(weights, x, g, n_rows, n_vectors, dot);
        if (bits == Q4) q4_dots(weights, x, g, n_rows, n_vectors, dot);
#pragma GCC unroll 4
        for (uint32_t v = 0; v < n_vectors; v++) {
            const void *scales = group + scales_at + (tile.column + 8 * v) * sizeof(uint16_t);
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
        mu_tile_store(&tile, r, sum[r], n_vectors);
    }
}

MU_INLINE void q8_tile(mu_tile tile, const uint32_t n_rows, const uint32_t n_vectors) {
    quant_tile(Q8, tile, n_rows, n_vectors);
}

MU_INLINE void q4_tile(mu_tile tile, const uint32_t n_rows, const uint32_t n_vectors) {
    quant_tile(Q4, tile, n_rows, n_vectors);
}

static void q8_run(const mu_matmul_args *a) {
    mu_run_tiles(a, q8_tile,
                 (mu_tile_form){.most = ROWS,
                                .wide = ROWS / 2,
                                .fetching = 2,
                                .ahead = 1024,
                                .group_bytes = sizeof(mu_q8_group)});
}

static void q4_run(const mu_matmul_args *a) {
    mu_run_tiles(a, q4_tile,
                 (mu_tile_form){.most = ROWS,
                                .wide = ROWS / 2,
                                .fetching = 2,
                                .ahead = 2048,
                                .group_bytes = sizeof(mu_q4_group)});
}

/* The reference's rounding, 32 inputs at a time. */
MU_INLINE void pack_act_group(mu_act_group *dst, const float *x) {
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
    __m256i whole[4];
    for (int i = 0; i < 4; i++) {
        __m256 scaled = _mm256_min_ps(_mm256_mul_ps(v[i], inverse), limit);
        scaled = _mm256_max_ps(scaled, _mm256_xor_ps(limit, sign));
        whole[i] = _mm256_cvtps_epi32(scaled);
    }
    __m256i low = _mm256_packs_epi32(whole[0], whole[1]);
    __m256i high = _mm256_packs_epi32(whole[2], whole[3]);
    __m256i bytes = _mm256_packs_epi16(low, high); /* by 128-bit halves: put in order */
    bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    _mm256_storeu_si256((__m256i *)(void *)dst->quants, bytes);
    __m256i sums = _mm256_hadd_epi32(_mm256_add_epi32(whole[0], whole[1]),
                                     _mm256_add_epi32(whole[2], whole[3]));
    __m128i four_sums = /* a first, a first, a last, a last */
        _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    four_sums = _mm_hadd_epi32(four_sums, four_sums);
    dst->exponent = scale.exponent;
    mu_act_group_sum(dst, _mm_cvtsi128_si32(four_sums), _mm_extract_epi32(four_sums, 1));
}

static void q8_pack_acts(void *dst, const float *x, size_t n_in) {
    mu_act_group *groups = dst;
    size_t i = 0;
    for (; i + MU_QUANT_GROUP <= n_in; i += MU_QUANT_GROUP) {
        pack_act_group(groups++, x + i);
    }
    if (i == n_in) return;
    float rest[MU_QUANT_GROUP] = {0};
    memcpy(rest, x + i, (n_in - i) * sizeof(*x));
    pack_act_group(groups, rest);
}

void mu_kernels_init_avx2quant(mu_kernels *k) {
    k->matmul[MU_Q8_0].run = q8_run;
    k->acts[MU_ACTS_Q8].pack = q8_pack_acts;
    k->matmul[MU_Q4_0].run = q4_run;
}
