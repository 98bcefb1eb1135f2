/* AVX2 + FMA: twelve independent accumulators hide the latency of two units. The int8 rate is that
 * of vpmaddubsw + vpmaddwd + vpaddd, which is how 8-bit products are added without VNNI; the int4
 * rate is that of vpmaddubsw + vpaddw, because eight products by 4 bits fit before they are
 * widened. With more than eight sums gcc keeps some of them in memory. */
#include "backend/cpu/x86/levels.h"

#include <immintrin.h>

enum { N_SUMS = 12, N_INT8_SUMS = 8 };

static float read_all(const float *data, size_t n) {
    __m256 sum[8];
    for (int j = 0; j < 8; j++) {
        sum[j] = _mm256_setzero_ps();
    }
    for (size_t i = 0; i < n; i += 64) {
        for (int j = 0; j < 8; j++) {
            sum[j] = _mm256_add_ps(sum[j], _mm256_loadu_ps(data + i + 8 * j));
        }
    }
    for (int j = 1; j < 8; j++) {
        sum[0] = _mm256_add_ps(sum[0], sum[j]);
    }
    return _mm256_cvtss_f32(sum[0]);
}

static float f32_loop(uint32_t n_passes) {
    __m256 sum[N_SUMS], a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(0.001f);
    for (int j = 0; j < N_SUMS; j++) {
        sum[j] = _mm256_set1_ps((float)j);
    }
    for (uint32_t i = 0; i < n_passes; i++) {
#pragma GCC unroll 12
        for (int j = 0; j < N_SUMS; j++) {
            sum[j] = _mm256_fmadd_ps(sum[j], a, b);
        }
    }
    for (int j = 1; j < N_SUMS; j++) {
        sum[0] = _mm256_add_ps(sum[0], sum[j]);
    }
    return _mm256_cvtss_f32(sum[0]);
}

static float int8_loop(uint32_t n_passes) {
    __m256i sum[N_INT8_SUMS], a = _mm256_set1_epi8(3), ones = _mm256_set1_epi16(1);
    for (int j = 0; j < N_INT8_SUMS; j++) {
        sum[j] = _mm256_set1_epi32(j);
    }
    for (uint32_t i = 0; i < n_passes; i++) {
#pragma GCC unroll 8
        for (int j = 0; j < N_INT8_SUMS; j++) {
            __m256i products = _mm256_madd_epi16(_mm256_maddubs_epi16(a, sum[j]), ones);
            sum[j] = _mm256_add_epi32(sum[j], products);
        }
    }
    for (int j = 1; j < N_INT8_SUMS; j++) {
        sum[0] = _mm256_add_epi32(sum[0], sum[j]);
    }
    return (float)_mm256_extract_epi32(sum[0], 0);
}

static float int4_loop(uint32_t n_passes) {
    __m256i sum[N_INT8_SUMS], a = _mm256_set1_epi8(3);
    for (int j = 0; j < N_INT8_SUMS; j++) {
        sum[j] = _mm256_set1_epi16((int16_t)j);
    }
    for (uint32_t i = 0; i < n_passes; i++) {
#pragma GCC unroll 8
        for (int j = 0; j < N_INT8_SUMS; j++) {
            sum[j] = _mm256_add_epi16(sum[j], _mm256_maddubs_epi16(a, sum[j]));
        }
    }
    for (int j = 1; j < N_INT8_SUMS; j++) {
        sum[0] = _mm256_add_epi16(sum[0], sum[j]);
    }
    return (float)_mm256_extract_epi32(sum[0], 0);
}

void mu_rate_loops_avx2(mu_rate_loops *loops) {
    loops->read = read_all;
    loops->f32 = (mu_rate_loop){N_SUMS * 8 * 2, f32_loop};
    loops->int8 = (mu_rate_loop){N_INT8_SUMS * 32 * 2, int8_loop};
    loops->int4 = (mu_rate_loop){N_INT8_SUMS * 32 * 2, int4_loop};
}
