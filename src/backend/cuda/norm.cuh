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

/* set(i, y[i]) for each element, y = (x - mean) / sqrt(variance + eps) * w + b. The row is read
 * three times; from the second on it comes from the cache. */
template <typename Set>
__device__ static __forceinline__ void mu_norm_warp(const mu_cuda_norm &norm, const float *x,
                                                    uint32_t n, Set set) {
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
    float scale = 1.0f / sqrtf(mu_warp_sum(squares) / (float)n + norm.eps);
    for (uint32_t i = lane; i < n; i += 32) {
        set(i, (x[i] - mean) * scale * norm.d_w[i] + norm.d_b[i]);
    }
}

#endif
