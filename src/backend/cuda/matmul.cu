/* Matrix products in two forms that give the same bits.
 *
 * Few rows are bound by reading the weights: a block takes eight outputs of sixteen rows, and each
 * of its eight warps one slice of K, with its next weights on their way while it multiplies. The
 * norm before the product is computed by every block for itself, while its first weights arrive.
 * f32 has only this form: its rows are on the grid's second axis.
 *
 * Many rows are bound by arithmetic: a block takes 64 rows and 64 outputs, a warp 32 by 32 of them
 * and four slices of K. Fragments come straight from the caches; they are stored as a warp reads
 * them, so shared memory would only copy them.
 *
 * Why these sums: docs/decisions/0012-cuda-products.md.
 */
#include "backend/cuda/epilogue.cuh"
#include "backend/cuda/launch.cuh"
#include "backend/cuda/norm.cuh"

enum {
    N_SLICES = 8,
    N_HALVES = 2,                  /* of the slices; a half is summed by itself */
    THREADS = 32 * N_SLICES,       /* of both forms */
    AHEAD = 4,                     /* steps of K whose weights are on their way */
    SHORT_ROWS = MU_CUDA_ROW_TILE, /* more rows than these take the long form */
    NORM_BYTES_MAX = 96 * 1024,    /* of normed rows in shared memory */
    BLOCKS_PER_MULTIPROCESSOR = 8, /* of the short form */
    LONG = 64,
    WARP = 32, /* rows and outputs of a block and a warp of the long form */
};

static_assert((int)LONG == (int)MU_CUDA_ROW_BLOCK && (int)LONG == (int)MU_CUDA_OUT_BLOCK,
              "operands are padded to whole blocks");

/* Steps of MU_CUDA_K_STEP inputs in a slice of K; the last slices may have fewer, or none. */
__host__ __device__ static __forceinline__ uint32_t slice_steps(uint32_t n_in) {
    uint32_t n_steps = (n_in + MU_CUDA_K_STEP - 1) / MU_CUDA_K_STEP;
    return (n_steps + N_SLICES - 1) / N_SLICES;
}

/* A weight matrix as the kernels see it. */
struct operand {
    const uint4 *weights;
    const float *bias;
    uint32_t n_in, n_out, n_rows;
};

/* Activations of sixteen rows, where an earlier kernel left them. Lanes whose first row does not
 * exist, or for which there is nothing left to multiply, read nothing. */
struct stored_bf16 {
    const uint4 *fragments;
    uint32_t n_rows;

    __device__ __forceinline__ uint4 fragment(uint32_t k16, bool is_there) const {
        uint32_t lane = threadIdx.x % 32;
        bool is_read = is_there && lane / 4 < n_rows;
        return is_read ? fragments[(size_t)k16 * 32 + lane] : make_uint4(0, 0, 0, 0);
    }
};

struct stored_f32 {
    const float *rows;
    uint32_t n_rows, k_padded;

    __device__ __forceinline__ float4 four(uint32_t row, uint32_t k) const {
        return *(const float4 *)(rows + (size_t)row * k_padded + k);
    }
};

/* Sums of a warp over its slice, of 16 rows and 8 outputs. STEP: inputs behind the 16 bytes of
 * weights that a lane loads at a time. Steps that are not there add zeros, without a branch, so
 * that loads of the steps after them do not wait. */
template <typename Type> struct tile_sum;

template <> struct tile_sum<mu_as_bf16> {
    enum { STEP = 32 };
    float d[4] = {0.0f, 0.0f, 0.0f, 0.0f};

    __device__ __forceinline__ void add(const uint4 &w, const stored_bf16 &acts, uint32_t step,
                                        bool is_there) {
        const uint32_t b[2][2] = {{w.x, w.y}, {w.z, w.w}};
        for (uint32_t i = 0; i < 2; i++) {
            uint4 x = acts.fragment(step * 2 + i, is_there);
            const uint32_t a[4] = {x.x, x.y, x.z, x.w};
            mu_mma_bf16(d, a, b[i]);
        }
    }

    __device__ __forceinline__ void store(float (*tile)[MU_CUDA_OUT_TILE], uint32_t n_rows) const {
        (void)n_rows;
        uint32_t g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
        tile[g][2 * t] = d[0];
        tile[g][2 * t + 1] = d[1];
        tile[g + 8][2 * t] = d[2];
        tile[g + 8][2 * t + 1] = d[3];
    }
};

template <> struct tile_sum<mu_as_f32> {
    enum { STEP = 16 };
    float d[MU_CUDA_ROW_TILE] = {};

    __device__ __forceinline__ void add(const uint4 &w, const stored_f32 &acts, uint32_t step,
                                        bool is_there) {
        if (!is_there) return;
        uint32_t k = step * STEP + threadIdx.x % 4 * 4;
#pragma unroll
        for (uint32_t row = 0; row < MU_CUDA_ROW_TILE; row++) {
            if (row >= acts.n_rows) break;
            float4 x = acts.four(row, k);
            d[row] = fmaf(x.x, __uint_as_float(w.x), d[row]);
            d[row] = fmaf(x.y, __uint_as_float(w.y), d[row]);
            d[row] = fmaf(x.z, __uint_as_float(w.z), d[row]);
            d[row] = fmaf(x.w, __uint_as_float(w.w), d[row]);
        }
    }

    __device__ __forceinline__ void store(float (*tile)[MU_CUDA_OUT_TILE], uint32_t n_rows) const {
        uint32_t g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
        for (uint32_t row = 0; row < MU_CUDA_ROW_TILE; row++) {
            if (row >= n_rows) break;
            float sum = d[row];
            sum += __shfl_xor_sync(MU_WARP_ALL, sum, 1);
            sum += __shfl_xor_sync(MU_WARP_ALL, sum, 2);
            if (t == row % 4) tile[row][g] = sum;
        }
    }
};

/* The weights that a lane reads in its slice, some of them ahead. */
template <typename Type> struct weight_slice {
    const uint4 *next; /* of the lane, at step */
    uint32_t step, end;
    uint4 ahead[AHEAD];

    __device__ __forceinline__ weight_slice(const operand &o, uint32_t out_tile) {
        const uint32_t per_step = MU_CUDA_K_STEP / tile_sum<Type>::STEP;
        uint32_t k_padded = mu_cuda_whole(o.n_in, MU_CUDA_K_STEP);
        uint32_t n_steps = k_padded / MU_CUDA_K_STEP, n = slice_steps(o.n_in);
        uint32_t slice = threadIdx.x / 32;
        step = min(slice * n, n_steps) * per_step;
        end = min((slice + 1) * n, n_steps) * per_step;
        next = o.weights + ((size_t)out_tile * n_steps * per_step + step) * 32 + threadIdx.x % 32;
#pragma unroll
        for (uint32_t i = 0; i < AHEAD; i++) {
            ahead[i] = at(i);
        }
    }

    __device__ __forceinline__ uint4 at(uint32_t i) const {
        return step + i < end ? next[i * 32] : make_uint4(0, 0, 0, 0);
    }

    template <typename Acts>
    __device__ __forceinline__ void multiply(const Acts &acts, tile_sum<Type> *sum) {
        for (; step < end; step += AHEAD, next += AHEAD * 32) {
#pragma unroll
            for (uint32_t i = 0; i < AHEAD; i++) {
                uint4 w = ahead[i];
                ahead[i] = at(i + AHEAD);
                sum->add(w, acts, step + i, step + i < end);
            }
        }
    }
};

/* Slices 0 to 3, slices 4 to 7, and both. */
__device__ static __forceinline__ float sum_slices(
    const float (*slices)[MU_CUDA_ROW_TILE][MU_CUDA_OUT_TILE], uint32_t row, uint32_t out) {
    float halves[N_HALVES];
#pragma unroll
    for (uint32_t half = 0; half < N_HALVES; half++) {
        halves[half] = 0.0f;
#pragma unroll
        for (uint32_t i = 0; i < N_SLICES / N_HALVES; i++) {
            halves[half] += slices[half * (N_SLICES / N_HALVES) + i][row][out];
        }
    }
    return halves[0] + halves[1];
}

/* Outputs tile by tile, from the block's first one on, whose weights are on their way. */
template <typename Type, typename Acts, typename Put>
__device__ static __forceinline__ void multiply_tiles(const operand &o, weight_slice<Type> weights,
                                                      const Acts &acts, const Put &put) {
    __shared__ float slices[N_SLICES][MU_CUDA_ROW_TILE][MU_CUDA_OUT_TILE];
    uint32_t n_tiles = (o.n_out + MU_CUDA_OUT_TILE - 1) / MU_CUDA_OUT_TILE;
    for (uint32_t out_tile = blockIdx.x; out_tile < n_tiles; out_tile += gridDim.x) {
        tile_sum<Type> sum;
        weights.multiply(acts, &sum);
        sum.store(slices[threadIdx.x / 32], acts.n_rows);
        if (out_tile + gridDim.x < n_tiles) weights = weight_slice<Type>(o, out_tile + gridDim.x);
        __syncthreads();
        uint32_t row = threadIdx.x / MU_CUDA_OUT_TILE, out = threadIdx.x % MU_CUDA_OUT_TILE;
        uint32_t column = out_tile * MU_CUDA_OUT_TILE + out;
        if (row < acts.n_rows && column < o.n_out) {
            float value = sum_slices(slices, row, out) + o.bias[column];
            put.put(blockIdx.y * MU_CUDA_ROW_TILE + row, column, value);
        }
        __syncthreads();
    }
}

__device__ static __forceinline__ uint32_t rows_of_tile(const operand &o) {
    return min(o.n_rows - blockIdx.y * MU_CUDA_ROW_TILE, (uint32_t)MU_CUDA_ROW_TILE);
}

template <typename Put>
__global__ static void __launch_bounds__(THREADS)
    short_bf16(operand o, const __nv_bfloat16 *acts, Put put) {
    mu_let_next_start();
    weight_slice<mu_as_bf16> weights(o, blockIdx.x);
    mu_wait_for_previous();
    uint32_t k_padded = mu_cuda_whole(o.n_in, MU_CUDA_K_STEP);
    const __nv_bfloat16 *tile = acts + (size_t)blockIdx.y * MU_CUDA_ROW_TILE * k_padded;
    stored_bf16 stored = {(const uint4 *)tile, rows_of_tile(o)};
    multiply_tiles<mu_as_bf16>(o, weights, stored, put);
}

template <typename Put>
__global__ static void __launch_bounds__(THREADS) short_f32(operand o, const float *acts, Put put) {
    mu_let_next_start();
    weight_slice<mu_as_f32> weights(o, blockIdx.x);
    mu_wait_for_previous();
    uint32_t k_padded = mu_cuda_whole(o.n_in, MU_CUDA_K_STEP);
    const float *tile = acts + (size_t)blockIdx.y * MU_CUDA_ROW_TILE * k_padded;
    stored_f32 stored = {tile, rows_of_tile(o), k_padded};
    multiply_tiles<mu_as_f32>(o, weights, stored, put);
}

/* Up to sixteen rows, normed into shared memory. */
template <typename Put>
__global__ static void __launch_bounds__(THREADS)
    short_normed(operand o, mu_cuda_norm norm, Put put) {
    MU_DYNAMIC_SHARED(uint4, fragments);
    mu_let_next_start();
    weight_slice<mu_as_bf16> weights(o, blockIdx.x);
    mu_wait_for_previous();
    uint32_t k_padded = mu_cuda_whole(o.n_in, MU_CUDA_K_STEP);
    __nv_bfloat16 *acts = (__nv_bfloat16 *)fragments;
    for (uint32_t row = threadIdx.x / 32; row < o.n_rows; row += N_SLICES) {
        mu_norm_warp(norm, mu_norm_row(norm, row, o.n_in), o.n_in, [=](uint32_t i, float y) {
            acts[mu_cuda_acts_bf16_at(row, i, k_padded)] = __float2bfloat16_rn(y);
        });
        for (uint32_t i = o.n_in + threadIdx.x % 32; i < k_padded; i += 32) {
            acts[mu_cuda_acts_bf16_at(row, i, k_padded)] = __float2bfloat16_rn(0.0f);
        }
    }
    __syncthreads();
    stored_bf16 stored = {fragments, o.n_rows};
    multiply_tiles<mu_as_bf16>(o, weights, stored, put);
}

/* 32 rows and 32 outputs of a warp, over half the slices. */
struct block_sum {
    float total[2][4][4]; /* [16 rows][8 outputs][fragment] */

    __device__ __forceinline__ void add_step(const uint4 (&x)[2][2], const uint4 (&w)[4],
                                             float (&d)[2][4][4]) {
#pragma unroll
        for (uint32_t i = 0; i < 2; i++) {
#pragma unroll
            for (uint32_t r = 0; r < 2; r++) {
                const uint32_t a[4] = {x[r][i].x, x[r][i].y, x[r][i].z, x[r][i].w};
#pragma unroll
                for (uint32_t c = 0; c < 4; c++) {
                    const uint32_t low[2] = {w[c].x, w[c].y}, high[2] = {w[c].z, w[c].w};
                    mu_mma_bf16(d[r][c], a, i == 0 ? low : high);
                }
            }
        }
    }

    /* acts and weights: of the lane, at the warp's first row and output. */
    __device__ __forceinline__ void multiply(const operand &o, const uint4 *acts,
                                             const uint4 *weights, uint32_t half) {
        uint32_t n_steps = mu_cuda_whole(o.n_in, MU_CUDA_K_STEP) / MU_CUDA_K_STEP;
        uint32_t n = slice_steps(o.n_in);
        for (uint32_t slice = half * (N_SLICES / 2); slice < (half + 1) * (N_SLICES / 2); slice++) {
            float d[2][4][4] = {};
            uint32_t end = min((slice + 1) * n, n_steps);
#pragma unroll 2
            for (uint32_t step = slice * n; step < end; step++) {
                uint4 x[2][2], w[4];
#pragma unroll
                for (uint32_t r = 0; r < 2; r++) {
                    x[r][0] = acts[((size_t)r * n_steps * 2 + step * 2) * 32];
                    x[r][1] = acts[((size_t)r * n_steps * 2 + step * 2 + 1) * 32];
                }
#pragma unroll
                for (uint32_t c = 0; c < 4; c++) {
                    w[c] = weights[((size_t)c * n_steps + step) * 32];
                }
                add_step(x, w, d);
            }
#pragma unroll
            for (uint32_t i = 0; i < 32; i++) {
                (&total[0][0][0])[i] += (&d[0][0][0])[i];
            }
        }
    }
};

template <typename Put>
__global__ static void __launch_bounds__(THREADS) long_bf16(operand o, const uint4 *acts, Put put) {
    __shared__ float other[4][32][32]; /* [warp of a half][lane of 32 sums][lane]: no bank meets */
    mu_let_next_start();
    mu_wait_for_previous();
    uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32, half = warp / 4, quarter = warp % 4;
    uint32_t first_row = blockIdx.y * LONG + quarter / 2 * WARP;
    uint32_t first_out = blockIdx.x * LONG + quarter % 2 * WARP;
    size_t n_steps = mu_cuda_whole(o.n_in, MU_CUDA_K_STEP) / MU_CUDA_K_STEP;
    block_sum sum = {};
    sum.multiply(o, acts + first_row / MU_CUDA_ROW_TILE * n_steps * 2 * 32 + lane,
                 o.weights + first_out / MU_CUDA_OUT_TILE * n_steps * 32 + lane, half);
    if (half == 1) {
#pragma unroll
        for (uint32_t i = 0; i < 32; i++) {
            other[quarter][i][lane] = (&sum.total[0][0][0])[i];
        }
    }
    __syncthreads();
    if (half == 1) return;
#pragma unroll
    for (uint32_t i = 0; i < 32; i++) {
        uint32_t r = i / 16, c = i / 4 % 4; /* and i % 4 of the fragment */
        uint32_t row = first_row + r * MU_CUDA_ROW_TILE + lane / 4 + i % 4 / 2 * 8;
        uint32_t column = first_out + c * MU_CUDA_OUT_TILE + lane % 4 * 2 + i % 2;
        float value = (&sum.total[0][0][0])[i] + other[quarter][i][lane];
        if (row < o.n_rows && column < o.n_out) put.put(row, column, value + o.bias[column]);
    }
}

static size_t normed_bytes(uint32_t n_in) {
    return (size_t)MU_CUDA_ROW_TILE * mu_cuda_whole(n_in, MU_CUDA_K_STEP) * sizeof(__nv_bfloat16);
}

static bool norms_in_place(const mu_cuda_matmul *a) {
    return a->norm && a->type == MU_CUDA_BF16 && a->n_rows <= SHORT_ROWS &&
           normed_bytes(a->n_in) <= NORM_BYTES_MAX;
}

static mu_launch_shape short_shape(const mu_cuda_stream *stream, const mu_cuda_matmul *a) {
    uint32_t n_tiles = (a->n_out + MU_CUDA_OUT_TILE - 1) / MU_CUDA_OUT_TILE;
    uint32_t most = stream->n_multiprocessors * BLOCKS_PER_MULTIPROCESSOR;
    uint32_t n_row_tiles = (a->n_rows + MU_CUDA_ROW_TILE - 1) / MU_CUDA_ROW_TILE;
    return {dim3(n_tiles < most ? n_tiles : most, n_row_tiles), THREADS, 0};
}

template <typename Put>
static mu_status launch_bf16(mu_cuda_stream *stream, const mu_cuda_matmul *a, const operand &o,
                             const Put &put, mu_err *err) {
    mu_launch_shape shape = short_shape(stream, a);
    if (norms_in_place(a)) {
        shape.shared_bytes = normed_bytes(a->n_in);
        return mu_launch(stream, "norm and product bf16", shape, err, short_normed<Put>, o,
                         *a->norm, put);
    }
    if (a->n_rows <= SHORT_ROWS) {
        return mu_launch(stream, "short product bf16", shape, err, short_bf16<Put>, o,
                         (const __nv_bfloat16 *)a->d_acts, put);
    }
    shape.grid = dim3((a->n_out + LONG - 1) / LONG, (a->n_rows + LONG - 1) / LONG);
    return mu_launch(stream, "long product bf16", shape, err, long_bf16<Put>, o,
                     (const uint4 *)a->d_acts, put);
}

template <typename Put>
static mu_status launch_f32(mu_cuda_stream *stream, const mu_cuda_matmul *a, const operand &o,
                            const Put &put, mu_err *err) {
    return mu_launch(stream, "product f32", short_shape(stream, a), err, short_f32<Put>, o,
                     (const float *)a->d_acts, put);
}

mu_status mu_cuda_launch_matmul(mu_cuda_stream *stream, const mu_cuda_matmul *a, mu_err *err) {
    operand o = {(const uint4 *)a->d_weights, a->d_bias, a->n_in, a->n_out, a->n_rows};
    if (a->norm && !norms_in_place(a)) {
        mu_status status = mu_cuda_launch_norm(stream, a, err);
        if (status != MU_OK) return status;
    }
    bool is_f32 = a->type == MU_CUDA_F32;
    switch (a->output) {
    case MU_CUDA_TO_QKV:
        return is_f32 ? launch_f32(stream, a, o, mu_put_qkv<mu_as_f32>(a), err)
                      : launch_bf16(stream, a, o, mu_put_qkv<mu_as_bf16>(a), err);
    case MU_CUDA_TO_ACTS:
        return is_f32 ? launch_f32(stream, a, o, mu_put_acts<mu_as_f32>(a), err)
                      : launch_bf16(stream, a, o, mu_put_acts<mu_as_bf16>(a), err);
    case MU_CUDA_TO_RESIDUAL:
        return is_f32 ? launch_f32(stream, a, o, mu_put_residual(a), err)
                      : launch_bf16(stream, a, o, mu_put_residual(a), err);
    default:
        return is_f32 ? launch_f32(stream, a, o, mu_put_logits(a), err)
                      : launch_bf16(stream, a, o, mu_put_logits(a), err);
    }
}
