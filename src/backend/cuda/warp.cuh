/* warp.cuh - what a warp does together: sums, maxima, the tensor cores' product; and
 * element types. */
#ifndef MU_BACKEND_CUDA_WARP_CUH
#define MU_BACKEND_CUDA_WARP_CUH

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "backend/cuda/cuda_layout.h"

#define MU_WARP_ALL 0xffffffffu

#ifndef MU_CUDA_EMULATED
/* The shared memory whose size a launch gives; the CUDA emulator of the tests has its own. */
#define MU_DYNAMIC_SHARED(type, name) extern __shared__ __align__(16) type name[]

/* d [16 rows, 8 columns] += a [16, 16] * b [16, 8], in the fragments that cuda_layout.h stores. */
__device__ static __forceinline__ void mu_mma_bf16(float d[4], const uint32_t a[4],
                                                   const uint32_t b[2]) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/* Sixteen bytes from global to shared memory, without waiting. Copies between two commits are a
 * group; at most N_LATER groups, the last ones, are on their way after a wait. */
__device__ static __forceinline__ void mu_copy_start(uint4 *to, const uint4 *from) {
    uint32_t at = (uint32_t)__cvta_generic_to_shared(to);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(at), "l"(from) : "memory");
}
__device__ static __forceinline__ void mu_copy_commit() {
    asm volatile("cp.async.commit_group;" ::: "memory");
}
template <uint32_t N_LATER> __device__ static __forceinline__ void mu_copy_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(N_LATER) : "memory");
}
#endif

/* With programmatic launches a kernel may start while the one before it ends: nothing that another
 * kernel writes may be touched before this. */
__device__ static __forceinline__ void mu_wait_for_previous() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    cudaGridDependencySynchronize();
#endif
}

/* The next kernel may start as soon as every block of this one has said so. */
__device__ static __forceinline__ void mu_let_next_start() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    cudaTriggerProgrammaticLaunchCompletion();
#endif
}

__device__ static __forceinline__ float mu_warp_sum(float x) {
    for (int lanes = 16; lanes > 0; lanes /= 2) {
        x += __shfl_xor_sync(MU_WARP_ALL, x, lanes);
    }
    return x;
}

/* Two neighbouring elements as a register of a fragment, the first in the low half. */
__device__ static __forceinline__ uint32_t mu_pack_bf16(float low, float high) {
    return (uint32_t)__bfloat16_as_ushort(__float2bfloat16_rn(low)) |
           (uint32_t)__bfloat16_as_ushort(__float2bfloat16_rn(high)) << 16;
}

/* One type of weights, activations and KV: element, conversions and where things are. Elements of
 * an even index and the one after it lie beside each other in activations: put_pair(). */
struct mu_as_f32 {
    typedef float element;
    __device__ static __forceinline__ float to_f32(float x) {
        return x;
    }
    __device__ static __forceinline__ float from_f32(float x) {
        return x;
    }
    __device__ static __forceinline__ void put_pair(float *at, float low, float high) {
        at[0] = low;
        at[1] = high;
    }
    __device__ static __forceinline__ size_t acts_at(uint32_t row, uint32_t k, uint32_t k_padded) {
        return mu_cuda_acts_f32_at(row, k, k_padded);
    }
    __device__ static __forceinline__ size_t weight_at(uint32_t out, uint32_t k,
                                                       uint32_t k_padded) {
        return mu_cuda_weight_f32_at(out, k, k_padded);
    }
};

struct mu_as_bf16 {
    typedef __nv_bfloat16 element;
    __device__ static __forceinline__ float to_f32(element x) {
        return __bfloat162float(x);
    }
    __device__ static __forceinline__ element from_f32(float x) {
        return __float2bfloat16_rn(x);
    }
    __device__ static __forceinline__ void put_pair(element *at, float low, float high) {
        *(uint32_t *)at = mu_pack_bf16(low, high);
    }
    __device__ static __forceinline__ size_t acts_at(uint32_t row, uint32_t k, uint32_t k_padded) {
        return mu_cuda_acts_bf16_at(row, k, k_padded);
    }
    __device__ static __forceinline__ size_t weight_at(uint32_t out, uint32_t k,
                                                       uint32_t k_padded) {
        return mu_cuda_weight_bf16_at(out, k, k_padded);
    }
};

#endif
