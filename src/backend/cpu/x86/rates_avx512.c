/* AVX-512, with BF16 and VNNI: sixteen independent accumulators. */
#include "backend/cpu/x86/levels.h"

#include <immintrin.h>

enum { N_SUMS = 16 };

static float read_all(const float *data, size_t n) {
    __m512 sum[8];
    for (int j = 0; j < 8; j++) {
        sum[j] = _mm512_setzero_ps();
    }
    for (size_t i = 0; i < n; i += 128) {
        for (int j = 0; j < 8; j++) {
            sum[j] = _mm512_add_ps(sum[j], _mm512_loadu_ps(data + i + 16 * j));
        }
    }
    for (int j = 1; j < 8; j++) {
        sum[0] = _mm512_add_ps(sum[0], sum[j]);
    }
    return _mm512_cvtss_f32(sum[0]);
}

static float f32_loop(uint32_t n_passes) {
    __m512 sum[N_SUMS], a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(0.001f);
    for (int j = 0; j < N_SUMS; j++) {
        sum[j] = _mm512_set1_ps((float)j);
    }
    for (uint32_t i = 0; i < n_passes; i++) {
#pragma GCC unroll 16
        for (int j = 0; j < N_SUMS; j++) {
            sum[j] = _mm512_fmadd_ps(sum[j], a, b);
        }
    }
    for (int j = 1; j < N_SUMS; j++) {
        sum[0] = _mm512_add_ps(sum[0], sum[j]);
    }
    return _mm512_cvtss_f32(sum[0]);
}

static float bf16_loop(uint32_t n_passes) {
    __m512 sum[N_SUMS];
    __m512bh a = (__m512bh)_mm512_set1_epi32(0x3c003c00), b = a; /* pairs of 2^-7 */
    for (int j = 0; j < N_SUMS; j++) {
        sum[j] = _mm512_set1_ps((float)j);
    }
    for (uint32_t i = 0; i < n_passes; i++) {
#pragma GCC unroll 16
        for (int j = 0; j < N_SUMS; j++) {
            sum[j] = _mm512_dpbf16_ps(sum[j], a, b);
        }
    }
    for (int j = 1; j < N_SUMS; j++) {
        sum[0] = _mm512_add_ps(sum[0], sum[j]);
    }
    return _mm512_cvtss_f32(sum[0]);
}

static float int8_loop(uint32_t n_passes) {
    __m512i sum[N_SUMS], a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(-2);
    for (int j = 0; j < N_SUMS; j++) {
        sum[j] = _mm512_set1_epi32(j);
    }
    for (uint32_t i = 0; i < n_passes; i++) {
#pragma GCC unroll 16
        for (int j = 0; j < N_SUMS; j++) {
            sum[j] = _mm512_dpbusd_epi32(sum[j], a, b);
        }
    }
    for (int j = 1; j < N_SUMS; j++) {
        sum[0] = _mm512_add_epi32(sum[0], sum[j]);
    }
    return (float)_mm_cvtsi128_si32(
        _mm512_castsi512_si128(sum[0])); /* vectors wrap, ints may not */
}

void mu_rate_loops_avx512(mu_rate_loops *loops) {
    loops->read = read_all;
    loops->f32 = (mu_rate_loop){N_SUMS * 16 * 2, f32_loop};
}

void mu_rate_loops_avx512bf16(mu_rate_loops *loops) {
    loops->bf16 = (mu_rate_loop){N_SUMS * 32 * 2, bf16_loop};
    loops->int8 = loops->int4 = (mu_rate_loop){N_SUMS * 64 * 2, int8_loop};
}
