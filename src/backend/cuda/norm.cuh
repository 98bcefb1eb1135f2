/* norm.cuh - LayerNorm of one row by one warp: the same sums wherever it is needed. */
#ifndef MU_BACKEND_CUDA_NORM_CUH
#define MU_BACKEND_CUDA_NORM_CUH

#include "backend/cuda/cuda_api.h"
#include "backend/cuda/warp.cuh"

/* The row of x that row `row` of a product is made from. */
__device__ static __forceinline__ const float *mu_norm_row(const mu_cuda_norm &norm, uint32_t row,
                                                           uint32_t n) {
    size_t from = norm.d_outs ? norm.d_outs[row].row : row;
    return norm.d_x + from * n;
}

enum { MU_NORM_KEPT = 1024 }; /* values of a row that a warp keeps in registers */

/* From the lanes' own sums. */
__device__ static __forceinline__ float mu_norm_scale(float squares, uint32_t n, float eps) {
    return 1.0f / sqrtf(mu_warp_sum(squares) / (float)n + eps);
}

/* A lane has values 4 l .. 4 l + 3 of each 128; those that are not there are zero. */
template <typename Pair>
__device__ static __forceinline__ void mu_norm_kept(const float *x, const float *w, const float *b,
                                                    uint32_t n, float eps, const Pair &pair) {
    enum { FOURS = MU_NORM_KEPT / 128 };
    uint32_t lane = threadIdx.x % 32;
    float4 v[FOURS];
    float sum = 0.0f, squares = 0.0f;
#pragma unroll
    for (uint32_t j = 0; j < FOURS; j++) {
        uint32_t i = j * 128 + lane * 4;
        v[j] = i < n ? *(const float4 *)(x + i) : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    }
#pragma unroll
    for (uint32_t j = 0; j < FOURS; j++) {
        sum += (v[j].x + v[j].y) + (v[j].z + v[j].w);
    }
    float mean = mu_warp_sum(sum) / (float)n;
#pragma unroll
    for (uint32_t j = 0; j < FOURS; j++) {
        v[j] = make_float4(v[j].x - mean, v[j].y - mean, v[j].z - mean, v[j].w - mean);
        float four = (v[j].x * v[j].x + v[j].y * v[j].y) + (v[j].z * v[j].z + v[j].w * v[j].w);
        squares += j * 128 + lane * 4 < n ? four : 0.0f;
    }
    float scale = mu_norm_scale(squares, n, eps);
#pragma unroll
    for (uint32_t j = 0; j < FOURS; j++) {
        uint32_t i = j * 128 + lane * 4;
        if (i >= n) break;
        float4 a = *(const float4 *)(w + i), c = *(const float4 *)(b + i);
        pair(i, v[j].x * scale * a.x + c.x, v[j].y * scale * a.y + c.y);
        pair(i + 2, v[j].z * scale * a.z + c.z, v[j].w * scale * a.w + c.w);
    }
}

/* Of any length: the row is read three times; from the second on it comes from the cache. */
template <typename Pair>
__device__ static __forceinline__ void mu_norm_read(const float *x, const float *w, const float *b,
                                                    uint32_t n, float eps, const Pair &pair) {
    uint32_t lane = threadIdx.x % 32;
    float sum = 0.0f, squares = 0.0f;
    for (uint32_t i = lane; i < n; i += 32) {
        sum += x[i];
    }
    float mean = mu_warp_sum(sum) / (float)n;
    for (uint32_t i = lane; i < n; i += 32) {
        float d = x[i] - mean;
        squares += d * d;
    }
    float scale = mu_norm_scale(squares, n, eps);
    for (uint32_t i = lane * 2; i < n; i += 64) {
        float low = (x[i] - mean) * scale * w[i] + b[i], high = 0.0f;
        if (i + 1 < n) high = (x[i + 1] - mean) * scale * w[i + 1] + b[i + 1];
        pair(i, low, high);
    }
}

/* pair(i, y[i], y[i + 1]) for each even i, y = (x - mean) / sqrt(variance + eps) * w + b; a last
 * one without a neighbour has zero beside it. w, b: in any memory, at 16 bytes as x is. The length
 * alone says which form it is. */
template <typename Pair>
__device__ static __forceinline__ void mu_norm_warp(const float *x, const float *w, const float *b,
                                                    uint32_t n, float eps, const Pair &pair) {
    if (n % 4 == 0 && n <= MU_NORM_KEPT) {
        mu_norm_kept(x, w, b, n, eps, pair);
    } else {
        mu_norm_read(x, w, b, n, eps, pair);
    }
}

#endif
