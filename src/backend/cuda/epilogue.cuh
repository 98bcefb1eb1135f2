/* epilogue.cuh - what becomes of an element of a product, bias included. Each is a small struct
 * that is copied into the kernel. What it has to look up is asked for before the product, so that
 * it is there when the sum is: place(row) from the step alone, before earlier kernels have ended;
 * before(row, column) what they left. Then put(place, row, column, value, before). */
#ifndef MU_BACKEND_CUDA_EPILOGUE_CUH
#define MU_BACKEND_CUDA_EPILOGUE_CUH

#include "backend/cuda/cuda_api.h"
#include "backend/cuda/warp.cuh"

/* Where a head's K or V of the group of 16 positions that `position` is in begins; in elements. */
__device__ static __forceinline__ size_t mu_kv_group_at(const mu_cuda_kv &kv, uint32_t block,
                                                        uint32_t position, bool is_v,
                                                        uint32_t head) {
    size_t head_elems = (size_t)kv.block_tokens * kv.head_dim;
    size_t heads = ((size_t)block * kv.n_layers + kv.layer) * 2 * kv.n_heads;
    uint32_t group = position % kv.block_tokens / MU_CUDA_GROUP;
    return (heads + (is_v ? kv.n_heads : 0) + head) * head_elems +
           (size_t)group * MU_CUDA_GROUP * kv.head_dim;
}

/* Nothing to look up. */
struct mu_no_place {
    struct place_of_row {};
    __device__ __forceinline__ place_of_row place(uint32_t row) const {
        (void)row;
        return {};
    }
    __device__ __forceinline__ float before(uint32_t row, uint32_t column) const {
        (void)row, (void)column;
        return 0.0f;
    }
};

template <typename Type> struct mu_put_qkv {
    struct place_of_row {
        uint32_t position, block;
    };
    typename Type::element *q;
    mu_cuda_kv kv;
    const mu_cuda_row *rows;
    const uint32_t *tables;

    explicit mu_put_qkv(const mu_cuda_matmul *a)
        : q((typename Type::element *)a->d_q), kv(a->kv), rows(a->batch->d_rows),
          tables(a->batch->d_tables) {
    }

    __device__ __forceinline__ place_of_row place(uint32_t row) const {
        uint32_t position = rows[row].position;
        return {position, tables[rows[row].table + position / kv.block_tokens]};
    }

    __device__ __forceinline__ float before(uint32_t row, uint32_t column) const {
        (void)row, (void)column;
        return 0.0f;
    }

    __device__ __forceinline__ void put(const place_of_row &p, uint32_t row, uint32_t column,
                                        float value, float) const {
        uint32_t hidden = kv.n_heads * kv.head_dim;
        uint32_t part = (column >= hidden ? 1 : 0) + (column >= 2 * hidden ? 1 : 0);
        uint32_t at = column - part * hidden;
        if (part == 0) {
            q[(size_t)row * hidden + at] = Type::from_f32(value);
            return;
        }
        uint32_t head = at / kv.head_dim, d = at % kv.head_dim;
        uint32_t in_group = p.position % MU_CUDA_GROUP;
        typename Type::element *group = (typename Type::element *)kv.d_base +
                                        mu_kv_group_at(kv, p.block, p.position, part == 2, head);
        uint32_t i = part == 1 ? in_group * kv.head_dim + d : d * MU_CUDA_GROUP + in_group;
        group[i] = Type::from_f32(value);
    }
};

struct mu_put_residual : mu_no_place {
    float *y;
    uint32_t n_out;

    explicit mu_put_residual(const mu_cuda_matmul *a) : y(a->d_y), n_out(a->n_out) {
    }

    __device__ __forceinline__ float before(uint32_t row, uint32_t column) const {
        return y[(size_t)row * n_out + column];
    }

    __device__ __forceinline__ void put(const place_of_row &, uint32_t row, uint32_t column,
                                        float value, float before) const {
        y[(size_t)row * n_out + column] = before + value;
    }
};

struct mu_put_logits : mu_no_place {
    float *y;
    uint32_t n_out;

    explicit mu_put_logits(const mu_cuda_matmul *a) : y(a->d_y), n_out(a->n_out) {
    }

    __device__ __forceinline__ void put(const place_of_row &, uint32_t row, uint32_t column,
                                        float value, float) const {
        y[(size_t)row * n_out + column] = value;
    }
};

/* As in decoder.h. */
__device__ static __forceinline__ float mu_activate(mu_activation activation, float x) {
    if (activation == MU_ACTIVATION_RELU) return x > 0.0f ? x : 0.0f;
    if (activation == MU_ACTIVATION_GELU_ERF) {
        return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
    }
    if (activation == MU_ACTIVATION_SILU) return x / (1.0f + expf(-x));
    float inner = 0.79788456080286536f * (x + 0.044715f * x * x * x);
    return 0.5f * x * (1.0f + tanhf(inner));
}

template <typename Type> struct mu_put_acts : mu_no_place {
    typename Type::element *acts;
    uint32_t k_padded;
    mu_activation activation;

    explicit mu_put_acts(const mu_cuda_matmul *a)
        : acts((typename Type::element *)a->d_y_acts),
          k_padded(mu_cuda_whole(a->n_out, MU_CUDA_K_STEP)), activation(a->activation) {
    }

    __device__ __forceinline__ void put(const place_of_row &, uint32_t row, uint32_t column,
                                        float value, float) const {
        acts[Type::acts_at(row, column, k_padded)] = Type::from_f32(mu_activate(activation, value));
    }
};

#endif
