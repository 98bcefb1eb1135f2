/* AVX2 + FMA + F16C: products of f32 and bf16 weights, and what is done to single rows. The AVX2
 * files alone are compiled with those flags; nothing in them runs unless mu_kernels_get() has asked
 * the CPU.
 */
#include "backend/cpu/x86/levels.h"

#include <immintrin.h>
#include <string.h>

#include "backend/cpu/x86/math_avx2.h"
#include "backend/cpu/x86/tile_avx2.h"

enum { F32_ROWS = 3, F32_INPUTS = 8, F32_GROUP = F32_INPUTS * MU_PANEL * sizeof(float) };
enum { BF16_ROWS = 4, BF16_PAIRS = 8, BF16_GROUP = BF16_PAIRS * MU_PANEL * 2 * sizeof(uint16_t) };

MU_INLINE void f32_tile(mu_tile tile, const uint32_t n_rows, const uint32_t n_vectors) {
    const mu_matmul_args *a = tile.args;
    const float *w = (const float *)a->panel + tile.column;
    const float *x = (const float *)((const uint8_t *)a->acts + tile.row * a->act_bytes);
    size_t stride = a->act_bytes / sizeof(float);
    __m256 sum[F32_ROWS][MU_VECTORS];
#pragma GCC unroll 3
    for (uint32_t r = 0; r < n_rows; r++) {
#pragma GCC unroll 4
        for (uint32_t v = 0; v < n_vectors; v++) {
            sum[r][v] = _mm256_setzero_ps();
        }
    }
    for (uint32_t i = 0; i < a->n_in; i++, w += MU_PANEL) {
        if (i % F32_INPUTS == 0) mu_tile_fetch(&tile, F32_GROUP);
        __m256 wv[MU_VECTORS];
#pragma GCC unroll 4
        for (uint32_t v = 0; v < n_vectors; v++) {
            wv[v] = _mm256_load_ps(w + 8 * v);
        }
#pragma GCC unroll 3
        for (uint32_t r = 0; r < n_rows; r++) {
            __m256 xi = _mm256_broadcast_ss(x + r * stride + i);
#pragma GCC unroll 4
            for (uint32_t v = 0; v < n_vectors; v++) {
                sum[r][v] = _mm256_fmadd_ps(xi, wv[v], sum[r][v]);
            }
        }
    }
#pragma GCC unroll 3
    for (uint32_t r = 0; r < n_rows; r++) {
        mu_tile_store(&tile, r, sum[r], n_vectors);
    }
}

static void f32_run(const mu_matmul_args *a) {
    mu_run_tiles(a, f32_tile,
                 (mu_tile_form){
                     .most = F32_ROWS, .wide = F32_ROWS, .fetching = 8, .group_bytes = F32_GROUP});
}

/* A pair is an even and an odd input. */
MU_INLINE void bf16_tile(mu_tile tile, const uint32_t n_rows, const uint32_t n_vectors) {
    const mu_matmul_args *a = tile.args;
    const uint16_t *w = (const uint16_t *)a->panel + 2 * tile.column;
    const uint8_t *x = (const uint8_t *)a->acts + tile.row * a->act_bytes;
    __m256 sum[BF16_ROWS][MU_VECTORS];
#pragma GCC unroll 4
    for (uint32_t r = 0; r < n_rows; r++) {
#pragma GCC unroll 4
        for (uint32_t v = 0; v < n_vectors; v++) {
            sum[r][v] = _mm256_setzero_ps();
        }
    }
    for (uint32_t i = 0; i < (a->n_in + 1) / 2; i++, w += 2 * MU_PANEL) {
        if (i % BF16_PAIRS == 0) mu_tile_fetch(&tile, BF16_GROUP);
        __m256 w_even[MU_VECTORS], w_odd[MU_VECTORS];
#pragma GCC unroll 4
        for (uint32_t v = 0; v < n_vectors; v++) {
            __m256i pairs = _mm256_load_si256((const __m256i *)(const void *)(w + 16 * v));
            w_even[v] = mu_bf16_even(pairs);
            w_odd[v] = mu_bf16_odd(pairs);
        }
#pragma GCC unroll 4
        for (uint32_t r = 0; r < n_rows; r++) {
            __m256i both = _mm256_castps_si256(
                _mm256_broadcast_ss((const float *)(const void *)(x + r * a->act_bytes) + i));
            __m256 even = mu_bf16_even(both), odd = mu_bf16_odd(both);
#pragma GCC unroll 4
            for (uint32_t v = 0; v < n_vectors; v++) {
                sum[r][v] = _mm256_fmadd_ps(even, w_even[v], sum[r][v]);
                sum[r][v] = _mm256_fmadd_ps(odd, w_odd[v], sum[r][v]);
            }
        }
    }
#pragma GCC unroll 4
    for (uint32_t r = 0; r < n_rows; r++) {
        mu_tile_store(&tile, r, sum[r], n_vectors);
    }
}

static void bf16_run(const mu_matmul_args *a) {
    mu_run_tiles(
        a, bf16_tile,
        (mu_tile_form){
            .most = BF16_ROWS, .wide = 1, .fetching = 2, .ahead = 1024, .group_bytes = BF16_GROUP});
}

static void layer_norm(float *y, const float *x, const float *w, const float *b, size_t n,
                       float eps) {
    __m256 sum = _mm256_setzero_ps(), squares = _mm256_setzero_ps();
    for (size_t i = 0; i < n; i += 8) {
        sum = _mm256_add_ps(sum, mu_load_f32x8(x + i, n - i));
    }
    __m256 mean = _mm256_set1_ps(mu_sum_f32x8(sum) / (float)n);
    for (size_t i = 0; i < n; i += 8) {
        __m256 d = _mm256_sub_ps(mu_load_f32x8(x + i, n - i), mean);
        d = mu_keep_f32x8(d, n - i, _mm256_setzero_ps());
        squares = _mm256_fmadd_ps(d, d, squares);
    }
    __m256 variance = _mm256_set1_ps(mu_sum_f32x8(squares) / (float)n + eps);
    __m256 scale = _mm256_div_ps(_mm256_set1_ps(1.0f), _mm256_sqrt_ps(variance));
    for (size_t i = 0; i < n; i += 8) {
        __m256 d = _mm256_sub_ps(mu_load_f32x8(x + i, n - i), mean);
        __m256 v = _mm256_fmadd_ps(_mm256_mul_ps(d, scale), mu_load_f32x8(w + i, n - i),
                                   mu_load_f32x8(b + i, n - i));
        mu_store_f32x8(y + i, n - i, v);
    }
}

/* As in layer_norm, the lanes' sums are added in an order that n alone decides. */
static void rms_norm(float *y, const float *x, const float *w, size_t n, float eps) {
    __m256 squares = _mm256_setzero_ps();
    for (size_t i = 0; i < n; i += 8) {
        __m256 v = mu_load_f32x8(x + i, n - i);
        squares = _mm256_fmadd_ps(v, v, squares);
    }
    __m256 mean = _mm256_set1_ps(mu_sum_f32x8(squares) / (float)n + eps);
    __m256 scale = _mm256_div_ps(_mm256_set1_ps(1.0f), _mm256_sqrt_ps(mean));
    for (size_t i = 0; i < n; i += 8) {
        __m256 v = _mm256_mul_ps(mu_load_f32x8(x + i, n - i), scale);
        mu_store_f32x8(y + i, n - i, _mm256_mul_ps(v, mu_load_f32x8(w + i, n - i)));
    }
}

static void rotate(float *x, const float *cos_sin, size_t n_pairs) {
    for (size_t i = 0; i < n_pairs; i += 8) {
        size_t left = n_pairs - i;
        __m256 c = mu_load_f32x8(cos_sin + i, left);
        __m256 s = mu_load_f32x8(cos_sin + n_pairs + i, left);
        __m256 a = mu_load_f32x8(x + i, left);
        __m256 b = mu_load_f32x8(x + n_pairs + i, left);
        mu_store_f32x8(x + i, left, _mm256_fmsub_ps(a, c, _mm256_mul_ps(b, s)));
        mu_store_f32x8(x + n_pairs + i, left, _mm256_fmadd_ps(b, c, _mm256_mul_ps(a, s)));
    }
}

MU_INLINE __m256 gelu_tanh_of(__m256 v) { /* v / (1 + exp(-2 inner)) is v (1 + tanh(inner)) / 2 */
    const __m256 c = _mm256_set1_ps(-2.0f * 0.7978845608028654f);
    __m256 cubic = _mm256_mul_ps(_mm256_mul_ps(v, v), v);
    __m256 inner = _mm256_fmadd_ps(cubic, _mm256_set1_ps(0.044715f), v);
    __m256 e = mu_exp_f32x8(_mm256_mul_ps(c, inner));
    return _mm256_div_ps(v, _mm256_add_ps(_mm256_set1_ps(1.0f), e));
}

MU_INLINE __m256 gelu_erf_of(__m256 v) {
    __m256 erf = mu_erf_f32x8(_mm256_mul_ps(v, _mm256_set1_ps(0.7071067811865476f)));
    __m256 half = _mm256_mul_ps(v, _mm256_set1_ps(0.5f));
    return _mm256_fmadd_ps(half, erf, half);
}

MU_INLINE __m256 relu_of(__m256 v) { /* the second operand: not-a-number is 0 */
    return _mm256_max_ps(v, _mm256_setzero_ps());
}

MU_INLINE __m256 silu_of(__m256 v) {
    __m256 e = mu_exp_f32x8(_mm256_xor_ps(v, _mm256_set1_ps(-0.0f)));
    return _mm256_div_ps(v, _mm256_add_ps(_mm256_set1_ps(1.0f), e));
}

MU_INLINE void each(float *x, size_t n, __m256 (*f)(__m256)) {
    for (size_t i = 0; i < n; i += 8) {
        mu_store_f32x8(x + i, n - i, f(mu_load_f32x8(x + i, n - i)));
    }
}

static void gelu_tanh(float *x, size_t n) {
    each(x, n, gelu_tanh_of);
}
static void gelu_erf(float *x, size_t n) {
    each(x, n, gelu_erf_of);
}
static void relu(float *x, size_t n) {
    each(x, n, relu_of);
}
static void silu(float *x, size_t n) {
    each(x, n, silu_of);
}

static void multiply(float *x, const float *y, size_t n) {
    for (size_t i = 0; i < n; i += 8) {
        __m256 v = mu_load_f32x8(x + i, n - i);
        mu_store_f32x8(x + i, n - i, _mm256_mul_ps(v, mu_load_f32x8(y + i, n - i)));
    }
}

static void softmax(float *x, size_t n, size_t n_padded) {
    const __m256 lowest = _mm256_set1_ps(-3.4e38f);
    __m256 max = lowest, sum = _mm256_setzero_ps();
    for (size_t i = 0; i < n; i += 8) {
        __m256 v = mu_load_f32x8(x + i, n - i);
        max = _mm256_max_ps(max, mu_keep_f32x8(v, n - i, lowest));
    }
    max = _mm256_set1_ps(mu_max_f32x8(max));
    for (size_t i = 0; i < n; i += 8) {
        __m256 e = mu_exp_f32x8(_mm256_sub_ps(mu_load_f32x8(x + i, n - i), max));
        sum = _mm256_add_ps(sum, mu_keep_f32x8(e, n - i, _mm256_setzero_ps()));
        mu_store_f32x8(x + i, n - i, e);
    }
    __m256 scale = _mm256_set1_ps(1.0f / mu_sum_f32x8(sum));
    for (size_t i = 0; i < n; i += 8) {
        mu_store_f32x8(x + i, n - i, _mm256_mul_ps(mu_load_f32x8(x + i, n - i), scale));
    }
    if (n_padded > n) memset(x + n, 0, (n_padded - n) * sizeof(float));
}

void mu_kernels_init_avx2(mu_kernels *k) {
    k->isa = "avx2";
    k->matmul[MU_F32].run = f32_run;
    k->matmul[MU_BF16].run = bf16_run;
    k->layer_norm = layer_norm;
    k->rms_norm = rms_norm;
    k->rotate = rotate;
    k->activation[MU_ACTIVATION_GELU_TANH] = gelu_tanh;
    k->activation[MU_ACTIVATION_GELU_ERF] = gelu_erf;
    k->activation[MU_ACTIVATION_RELU] = relu;
    k->activation[MU_ACTIVATION_SILU] = silu;
    k->multiply = multiply;
    k->softmax = softmax;
}
