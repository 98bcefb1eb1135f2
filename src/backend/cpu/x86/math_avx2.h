/* math_avx2.h - vector helpers of the AVX2 kernel files. */
#ifndef MU_BACKEND_CPU_X86_MATH_AVX2_H
#define MU_BACKEND_CPU_X86_MATH_AVX2_H

#include <immintrin.h>

#include "base/base.h"

/* Lanes below n. */
static inline __m256i mu_lanes_below(size_t n) {
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n < 8 ? (int)n : 8), lanes);
}

/* The next 8 elements when n are left; lanes past them are 0. */
static inline __m256 mu_load_f32x8(const float *x, size_t n) {
    return n >= 8 ? _mm256_loadu_ps(x) : _mm256_maskload_ps(x, mu_lanes_below(n));
}

static inline void mu_store_f32x8(float *x, size_t n, __m256 v) {
    if (n >= 8) {
        _mm256_storeu_ps(x, v);
    } else {
        _mm256_maskstore_ps(x, mu_lanes_below(n), v);
    }
}

/* v with what is past the n elements that are left replaced. */
static inline __m256 mu_keep_f32x8(__m256 v, size_t n, __m256 rest) {
    if (n >= 8) return v;
    return _mm256_blendv_ps(rest, v, _mm256_castsi256_ps(mu_lanes_below(n)));
}

/* A bf16 is the upper half of an f32, so a vector of pairs is two vectors of f32: the first of each
 * pair shifted up, the second masked. */
static inline __m256 mu_bf16_even(__m256i pairs) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
}

static inline __m256 mu_bf16_odd(__m256i pairs) {
    return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32((int)0xffff0000u)));
}

static inline float mu_sum_f32x8(__m256 v) {
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    four = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}

static inline float mu_max_f32x8(__m256 v) {
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    four = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
}

/* exp(x) as in math_avx512.h; 2^n through the exponent bits, in two halves so that results near the
 * ends of the range do not overflow on the way. */
static inline __m256 mu_exp_f32x8(__m256 x) {
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

/* erf(x), absolute error below 2e-7: Abramowitz and Stegun, Handbook of Mathematical Functions,
 * 7.1.26, for the magnitude; the sign is put back. */
static inline __m256 mu_erf_f32x8(__m256 x) {
    const __m256 sign = _mm256_set1_ps(-0.0f), one = _mm256_set1_ps(1.0f);
    __m256 size = _mm256_andnot_ps(sign, x);
    __m256 t = _mm256_div_ps(one, _mm256_fmadd_ps(_mm256_set1_ps(0.3275911f), size, one));
    __m256 p = _mm256_set1_ps(1.061405429f);
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(-1.453152027f));
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(1.421413741f));
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(-0.284496736f));
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(0.254829592f));
    __m256 e = mu_exp_f32x8(_mm256_xor_ps(_mm256_mul_ps(size, size), sign));
    __m256 erf = _mm256_fnmadd_ps(_mm256_mul_ps(p, t), e, one);
    return _mm256_or_ps(erf, _mm256_and_ps(x, sign));
}

#endif
