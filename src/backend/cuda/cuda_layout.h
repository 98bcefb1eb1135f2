/* cuda_layout.h - how matrices, activations and KV lie in device memory; shared by the host, which
 * packs, and by the kernels.
 *
 * Matrix products are made of the tensor cores' own tiles, so weights and activations are stored as
 * the lanes of a warp take them: one 16-byte load a lane gives a fragment, with no shuffling and no
 * shared memory. With lane = 4 g + t (g < 8, t < 4), after the PTX manual's mma.m16n8k16:
 *
 *     bf16 weights      [out / 8][k / 32][lane g = out, t][k16 of 2][k8 of 2][2]
 *     bf16 activations  [row / 16][k / 16][lane g = row, t][k8 of 2][row8 of 2][2]
 *     f32 weights       [out / 8][k / 16][lane g = out, t][4]
 *     f32 activations   [row][k]
 *
 * k is padded with zeros to whole steps of MU_CUDA_K_STEP, outputs to MU_CUDA_OUT_BLOCK, rows (with
 * whatever there is) to MU_CUDA_ROW_BLOCK.
 *
 * KV of a block: [layer][K, V][head][group of MU_CUDA_GROUP positions], where K of a group is
 * [position][head_dim] and V is [head_dim][position].
 */
#ifndef MU_BACKEND_CUDA_CUDA_LAYOUT_H
#define MU_BACKEND_CUDA_CUDA_LAYOUT_H

#include "base/base.h"

#ifdef __CUDACC__
#define MU_ON_BOTH static inline __host__ __device__
#else
#define MU_ON_BOTH static inline
#endif

enum {
    MU_CUDA_OUT_TILE = 8,
    MU_CUDA_OUT_BLOCK = 64,
    MU_CUDA_ROW_TILE = 16,
    MU_CUDA_ROW_BLOCK = 64,
    MU_CUDA_K_STEP = 32,
    MU_CUDA_GROUP = 16,
    MU_CUDA_TOP_PART = 16384, /* logits that are examined together */
};

MU_ON_BOTH uint32_t mu_cuda_whole(uint32_t n, uint32_t unit) {
    return (n + unit - 1) / unit * unit;
}

/* Parts of a row of logits. */
MU_ON_BOTH uint32_t mu_cuda_top_parts(uint32_t vocab_size) {
    return (vocab_size + MU_CUDA_TOP_PART - 1) / MU_CUDA_TOP_PART;
}

/* Indices in elements; k_padded is a multiple of MU_CUDA_K_STEP. */
MU_ON_BOTH size_t mu_cuda_weight_bf16_at(uint32_t out, uint32_t k, uint32_t k_padded) {
    size_t fragment = (size_t)(out / 8) * (k_padded / 32) + k / 32;
    uint32_t lane = out % 8 * 4 + k % 8 / 2;
    return (fragment * 32 + lane) * 8 + k % 32 / 16 * 4 + k % 16 / 8 * 2 + k % 2;
}

MU_ON_BOTH size_t mu_cuda_acts_bf16_at(uint32_t row, uint32_t k, uint32_t k_padded) {
    size_t fragment = (size_t)(row / 16) * (k_padded / 16) + k / 16;
    uint32_t lane = row % 8 * 4 + k % 8 / 2;
    return (fragment * 32 + lane) * 8 + k % 16 / 8 * 4 + row % 16 / 8 * 2 + k % 2;
}

MU_ON_BOTH size_t mu_cuda_weight_f32_at(uint32_t out, uint32_t k, uint32_t k_padded) {
    size_t fragment = (size_t)(out / 8) * (k_padded / 16) + k / 16;
    uint32_t lane = out % 8 * 4 + k % 16 / 4;
    return (fragment * 32 + lane) * 4 + k % 4;
}

MU_ON_BOTH size_t mu_cuda_acts_f32_at(uint32_t row, uint32_t k, uint32_t k_padded) {
    return (size_t)row * k_padded + k;
}

#endif
