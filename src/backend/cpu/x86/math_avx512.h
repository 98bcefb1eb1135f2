/* math_avx512.h - vector helpers shared by the AVX-512 kernel files. static inline: each file that
 * includes it compiles its own copy with its own flags. */
#ifndef MU_BACKEND_CPU_X86_MATH_AVX512_H
#define MU_BACKEND_CPU_X86_MATH_AVX512_H

#include <immintrin.h>

#include "base/base.h"

/* The lanes of the next vector when n elements are left. */
static inline __mmask16 mu_tail_mask(size_t n) {
    return (__mmask16)(n >= 16 ? 0xffffu : (1u << n) - 1u);
}

/* Round to nearest even, NaN kept: as mu_f32_to_bf16(). */
static inline __m256i mu_bf16_from_f32x16(__m512 f) {
    __m512i u = _mm512_castps_si512(f);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    __m512i quiet = _mm512_or_si512(u, _mm512_set1_epi32(0x400000));
    __mmask16 is_nan = _mm512_cmp_ps_mask(f, f, _CMP_UNORD_Q);
    rounded = _mm512_mask_mov_epi32(rounded, is_nan, quiet);
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
}

/* Turn a 16 by 16 square of f32: x[i] lane j and x[j] lane i change places. Four rounds, each of
 * which exchanges halves of pairs of rows: by 1, by 2, by 4 and by 8 lanes. */
static inline __attribute__((always_inline)) void mu_turn_f32x16(__m512 x[16]) {
    __m512 t[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
#pragma GCC unroll 2
        for (int j = 0; j < 2; j++) {
            __m512d a = _mm512_castps_pd(t[i + j]), b = _mm512_castps_pd(t[i + j + 2]);
            x[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            x[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
    }
    /* x[4 a + b] holds, in 128-bit quarter c, elements 4 c + b of rows 4 a to 4 a + 3 */
#pragma GCC unroll 4
    for (int b = 0; b < 4; b++) {
        __m512 lo01 = _mm512_shuffle_f32x4(x[b], x[4 + b], 0x88);
        __m512 hi01 = _mm512_shuffle_f32x4(x[b], x[4 + b], 0xdd);
        __m512 lo23 = _mm512_shuffle_f32x4(x[8 + b], x[12 + b], 0x88);
        __m512 hi23 = _mm512_shuffle_f32x4(x[8 + b], x[12 + b], 0xdd);
        t[b] = _mm512_shuffle_f32x4(lo01, lo23, 0x88);
        t[4 + b] = _mm512_shuffle_f32x4(hi01, hi23, 0x88);
        t[8 + b] = _mm512_shuffle_f32x4(lo01, lo23, 0xdd);
        t[12 + b] = _mm512_shuffle_f32x4(hi01, hi23, 0xdd);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        x[i] = t[i];
    }
}

/* exp(x), relative error below 2e-7. x = n ln 2 + r, |r| <= ln 2 / 2; exp(r) by a polynomial of
 * degree 6 (Taylor: the next term is below 1.2e-7 of the result at the ends), 2^n by scalef, which
 * also gives 0 and infinity outside the range. NaN stays NaN. */
static inline __m512 mu_exp_f32x16(__m512 x) {
    const __m512 inverse_ln2 = _mm512_set1_ps(1.44269504088896341f);
    /* ln 2 in two parts, so that n * high is exact (Cody and Waite) */
    const __m512 ln2_high = _mm512_set1_ps(0.693359375f);
    const __m512 ln2_low = _mm512_set1_ps(-2.12194440e-4f);
    /* Beyond these the result is 0 or infinity anyway, and n stays a small integer. */
    x = _mm512_max_ps(_mm512_set1_ps(-150.0f), _mm512_min_ps(_mm512_set1_ps(150.0f), x));
    __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, inverse_ln2), _MM_FROUND_TO_NEAREST_INT);
    __m512 r = _mm512_fnmadd_ps(n, ln2_high, x);
    r = _mm512_fnmadd_ps(n, ln2_low, r);
    __m512 p = _mm512_set1_ps(1.0f / 720.0f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 120.0f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 24.0f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 6.0f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(p, n);
}

/* erf(x) as in math_avx2.h. */
static inline __m512 mu_erf_f32x16(__m512 x) {
    const __m512 one = _mm512_set1_ps(1.0f);
    __m512 size = _mm512_abs_ps(x);
    __m512 t = _mm512_div_ps(one, _mm512_fmadd_ps(_mm512_set1_ps(0.3275911f), size, one));
    __m512 p = _mm512_set1_ps(1.061405429f);
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(-1.453152027f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(1.421413741f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(-0.284496736f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(0.254829592f));
    __m512 e = mu_exp_f32x16(_mm512_fnmadd_ps(size, size, _mm512_setzero_ps()));
    __m512 erf = _mm512_fnmadd_ps(_mm512_mul_ps(p, t), e, one);
    __mmask16 is_below = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ);
    return _mm512_mask_sub_ps(erf, is_below, _mm512_setzero_ps(), erf);
}

#endif
