/* Matrix products in two forms that give the same bits.
 *
 * Few rows are bound by reading the weights: a block takes eight outputs of sixteen rows, and each
 * of its eight warps one slice of K, with its next weights on their way while it multiplies. The
 * norm before the product is computed by every block for itself, while its first weights arrive.
 * f32 has only this form: its rows are on the grid's second axis.
 *
 * Many rows are bound by how fast operands come from the caches: a block takes 64 rows and 64
 * outputs, a warp 32 by 32 of them and four slices of K, with the next steps of K on their way to
 * shared memory, the first weights before earlier kernels have ended. Operands are stored as a warp
 * reads them, there as in global memory.
 *
 * Why these sums: docs/decisions/0012-cuda-products.md.
 */
#include "backend/cuda/epilogue.cuh"
#include "backend/cuda/launch.cuh"
#include "backend/cuda/norm.cuh"

enum {
    N_SLICES = 8,
    N_HALVES = 2,                      /* of the slices; a half is summed by itself */
    THREADS = 32 * N_SLICES,           /* of both forms */
    SHORT_ROWS = 2 * MU_CUDA_ROW_TILE, /* more rows than these take the long form */
    NORM_BYTES_MAX = 64 * 1024,        /* of normed rows in shared memory */
    BLOCKS_PER_MULTIPROCESSOR = 3,     /* of the short form: all run at once */
    AHEAD_FEW = 3,
    AHEAD_MANY = 6, /* steps of K whose weights are on their way, short form */
    LONG = 64,
    WARP = 32,  /* rows and outputs of a block and a warp of the long form */
    STAGES = 6, /* steps of K in shared memory, long form */
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

/* The weights that a lane reads in its slice, some of them ahead; STEPS: of MU_CUDA_K_STEP. */
template <typename Type, uint32_t STEPS> struct weight_slice {
    enum { AHEAD = STEPS * MU_CUDA_K_STEP / tile_sum<Type>::STEP };
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

/* An output that a thread puts, and what goes with it. */
template <typename Put> struct short_output {
    uint32_t row, column;
    bool is_there;
    float bias, before;

    __device__ __forceinline__ short_output(const operand &o, uint32_t out_tile) {
        row = blockIdx.y * MU_CUDA_ROW_TILE + threadIdx.x / MU_CUDA_OUT_TILE;
        column = out_tile * MU_CUDA_OUT_TILE + threadIdx.x % MU_CUDA_OUT_TILE;
        is_there =
            threadIdx.x < MU_CUDA_ROW_TILE * MU_CUDA_OUT_TILE && row < o.n_rows && column < o.n_out;
        bias = is_there ? o.bias[column] : 0.0f;
        before = 0.0f;
    }
    __device__ __forceinline__ void look(const Put &put) {
        if (is_there) before = put.before(row, column);
    }
};

/* What a block of the short form knows before earlier kernels have ended. */
template <typename Type, uint32_t STEPS, typename Put> struct short_start {
    weight_slice<Type, STEPS> weights;
    short_output<Put> output;
    typename Put::place_of_row place;

    __device__ __forceinline__ short_start(const operand &o, const Put &put)
        : weights(o, blockIdx.x), output(o, blockIdx.x),
          place(put.place(output.is_there ? output.row : 0)) {
    }
};

/* Outputs tile by tile, from the block's first one on, whose weights are on their way. */
template <typename Type, uint32_t STEPS, typename Acts, typename Put>
__device__ static __forceinline__ void multiply_tiles(const operand &o,
                                                      short_start<Type, STEPS, Put> &start,
                                                      const Acts &acts, const Put &put) {
    __shared__ float slices[N_SLICES][MU_CUDA_ROW_TILE][MU_CUDA_OUT_TILE];
    uint32_t n_tiles = (o.n_out + MU_CUDA_OUT_TILE - 1) / MU_CUDA_OUT_TILE;
    short_output<Put> output = start.output;
    for (uint32_t out_tile = blockIdx.x; out_tile < n_tiles; out_tile += gridDim.x) {
        tile_sum<Type> sum;
        output.look(put);
        start.weights.multiply(acts, &sum);
        sum.store(slices[threadIdx.x / 32], acts.n_rows);
        bool is_last = out_tile + gridDim.x >= n_tiles;
        if (!is_last) start.weights = weight_slice<Type, STEPS>(o, out_tile + gridDim.x);
        __syncthreads();
        if (output.is_there) {
            float sum_of =
                sum_slices(slices, threadIdx.x / MU_CUDA_OUT_TILE, threadIdx.x % MU_CUDA_OUT_TILE);
            put.put(start.place, output.row, output.column, sum_of + output.bias, output.before);
        }
        if (is_last) return;
        output = short_output<Put>(o, out_tile + gridDim.x);
        __syncthreads();
    }
}

__device__ static __forceinline__ uint32_t rows_of_tile(const operand &o) {
    return min(o.n_rows - blockIdx.y * MU_CUDA_ROW_TILE, (uint32_t)MU_CUDA_ROW_TILE);
}

template <uint32_t STEPS, typename Put>
__global__ static void __launch_bounds__(THREADS, BLOCKS_PER_MULTIPROCESSOR)
    short_bf16(operand o, const __nv_bfloat16 *acts, Put put) {
    mu_let_next_start();
    short_start<mu_as_bf16, STEPS, Put> start(o, put);
    mu_wait_for_previous();
    uint32_t k_padded = mu_cuda_whole(o.n_in, MU_CUDA_K_STEP);
    const __nv_bfloat16 *tile = acts + (size_t)blockIdx.y * MU_CUDA_ROW_TILE * k_padded;
    stored_bf16 stored = {(const uint4 *)tile, rows_of_tile(o)};
    multiply_tiles(o, start, stored, put);
}

template <uint32_t STEPS, typename Put>
__global__ static void __launch_bounds__(THREADS) short_f32(operand o, const float *acts, Put put) {
    mu_let_next_start();
    short_start<mu_as_f32, STEPS, Put> start(o, put);
    mu_wait_for_previous();
    uint32_t k_padded = mu_cuda_whole(o.n_in, MU_CUDA_K_STEP);
    const float *tile = acts + (size_t)blockIdx.y * MU_CUDA_ROW_TILE * k_padded;
    stored_f32 stored = {tile, rows_of_tile(o), k_padded};
    multiply_tiles(o, start, stored, put);
}

/* Rows of a norm's weights come before anything else is known. */
__device__ static __forceinline__ void copy_norm(const mu_cuda_norm &norm, uint32_t n, float *w,
                                                 float *b) {
    for (uint32_t i = threadIdx.x; i < n; i += THREADS) {
        w[i] = norm.d_w[i];
        b[i] = norm.d_b[i];
    }
}

/* Up to sixteen rows, normed into shared memory: fragments of the activations, then the norm's
 * weights. */
template <uint32_t STEPS, typename Put>
__global__ static void __launch_bounds__(THREADS, BLOCKS_PER_MULTIPROCESSOR)
    short_normed(operand o, mu_cuda_norm norm, Put put) {
    MU_DYNAMIC_SHARED(uint4, fragments);
    mu_let_next_start();
    uint32_t k_padded = mu_cuda_whole(o.n_in, MU_CUDA_K_STEP);
    __nv_bfloat16 *acts = (__nv_bfloat16 *)fragments;
    float *w = (float *)(acts + (size_t)MU_CUDA_ROW_TILE * k_padded), *b = w + k_padded;
    short_start<mu_as_bf16, STEPS, Put> start(o, put);
    copy_norm(norm, o.n_in, w, b);
    __syncthreads();
    mu_wait_for_previous();
    for (uint32_t row = threadIdx.x / 32; row < o.n_rows; row += N_SLICES) {
        const float *x = mu_norm_row(norm, row, o.n_in);
        mu_norm_warp(x, w, b, o.n_in, norm.eps, [=](uint32_t i, float low, float high) {
            mu_as_bf16::put_pair(acts + mu_cuda_acts_bf16_at(row, i, k_padded), low, high);
        });
        for (uint32_t i = mu_cuda_whole(o.n_in, 2) + threadIdx.x % 32; i < k_padded; i += 32) {
            acts[mu_cuda_acts_bf16_at(row, i, k_padded)] = __float2bfloat16_rn(0.0f);
        }
    }
    __syncthreads();
    stored_bf16 stored = {fragments, o.n_rows};
    multiply_tiles(o, start, stored, put);
}

/* A step of K of both halves of the slices, as it lies in shared memory. */
struct long_stage {
    uint4 acts[N_HALVES][LONG / MU_CUDA_ROW_TILE][2][32];
    uint4 weights[N_HALVES][LONG / MU_CUDA_OUT_TILE][32];
};

/* Where a thread of the long form takes its piece of each step from; pieces lie in a stage as
 * threads are numbered. */
struct long_source {
    const uint4 *acts[N_HALVES], *weights[N_HALVES]; /* of the half's first step */
    uint32_t n_steps[N_HALVES];                      /* the first half has no fewer */
    uint32_t slice;                                  /* steps of a slice */

    __device__ __forceinline__ long_source(const operand &o, const uint4 *all_acts) {
        uint32_t n = mu_cuda_whole(o.n_in, MU_CUDA_K_STEP) / MU_CUDA_K_STEP;
        uint32_t row_tile = blockIdx.x * (LONG / MU_CUDA_ROW_TILE) + threadIdx.x / 64;
        uint32_t out_tile = blockIdx.y * (LONG / MU_CUDA_OUT_TILE) + threadIdx.x / 32;
        slice = slice_steps(o.n_in);
        uint32_t n_half = slice * (N_SLICES / N_HALVES);
#pragma unroll
        for (uint32_t half = 0; half < N_HALVES; half++) {
            uint32_t first = min(half * n_half, n);
            acts[half] = all_acts + ((size_t)row_tile * n + first) * 64 + threadIdx.x % 64;
            weights[half] = o.weights + ((size_t)out_tile * n + first) * 32 + threadIdx.x % 32;
            n_steps[half] = min(n - first, n_half);
        }
    }
    __device__ __forceinline__ void copy_weights(long_stage *to, uint32_t i) const {
#pragma unroll
        for (uint32_t half = 0; half < N_HALVES; half++) {
            if (i >= n_steps[half]) break;
            mu_copy_start(&to->weights[half][0][0] + threadIdx.x, weights[half] + i * 32);
        }
    }
    __device__ __forceinline__ void copy_acts(long_stage *to, uint32_t i) const {
#pragma unroll
        for (uint32_t half = 0; half < N_HALVES; half++) {
            if (i >= n_steps[half]) break;
            mu_copy_start(&to->acts[half][0][0][0] + threadIdx.x, acts[half] + i * 64);
        }
    }
};

static_assert(THREADS == LONG / MU_CUDA_OUT_TILE * 32 && THREADS == LONG / MU_CUDA_ROW_TILE * 64,
              "a thread copies one piece of each operand");

/* 32 rows and 32 outputs of a warp, over half the slices. */
struct block_sum {
    float total[2][4][4]; /* [16 rows][8 outputs][fragment] */
    float slice[2][4][4]; /* of the slice that is being summed */

    __device__ __forceinline__ void add_step(const long_stage &stage, uint32_t half,
                                             uint32_t quarter) {
        uint32_t lane = threadIdx.x % 32;
        uint4 w[4];
#pragma unroll
        for (uint32_t c = 0; c < 4; c++) {
            w[c] = stage.weights[half][quarter % 2 * 4 + c][lane];
        }
#pragma unroll
        for (uint32_t i = 0; i < 2; i++) {
#pragma unroll
            for (uint32_t r = 0; r < 2; r++) {
                uint4 x = stage.acts[half][quarter / 2 * 2 + r][i][lane];
                const uint32_t a[4] = {x.x, x.y, x.z, x.w};
#pragma unroll
                for (uint32_t c = 0; c < 4; c++) {
                    const uint32_t low[2] = {w[c].x, w[c].y}, high[2] = {w[c].z, w[c].w};
                    mu_mma_bf16(slice[r][c], a, i == 0 ? low : high);
                }
            }
        }
    }

    __device__ __forceinline__ void end_slice() {
#pragma unroll
        for (uint32_t i = 0; i < 32; i++) {
            (&total[0][0][0])[i] += (&slice[0][0][0])[i];
            (&slice[0][0][0])[i] = 0.0f;
        }
    }
};

/* Steps are copied STAGES - 1 ahead of the one that is multiplied. */
__device__ static __forceinline__ void multiply_long(const long_source &from, long_stage *stages,
                                                     uint32_t half, uint32_t quarter,
                                                     block_sum *sum) {
    uint32_t at = 0, free = STAGES - 1, left = from.slice;
    uint32_t n_steps = half == 0 ? from.n_steps[0] : from.n_steps[1];
    for (uint32_t i = 0; i < from.n_steps[0]; i++) {
        mu_copy_wait<STAGES - 2>();
        __syncthreads();
        if (i + STAGES - 1 < from.n_steps[0]) {
            from.copy_weights(&stages[free], i + STAGES - 1);
            from.copy_acts(&stages[free], i + STAGES - 1);
        }
        mu_copy_commit();
        if (i < n_steps) sum->add_step(stages[at], half, quarter);
        if (--left == 0) {
            sum->end_slice();
            left = from.slice;
        }
        free = at;
        at = at + 1 == STAGES ? 0 : at + 1;
    }
    sum->end_slice();
}

/* A half of the slices puts the upper 16 of a warp's rows, the other the lower. */
template <typename Put>
__device__ static __forceinline__ void put_long(const operand &o, const Put &put,
                                                const block_sum &sum, float *shared, uint32_t half,
                                                uint32_t quarter) {
    uint32_t lane = threadIdx.x % 32;
    float(*others)[4][16][32] = (float(*)[4][16][32])shared; /* [half that puts] */
    float mine[16], before[16];
    uint32_t first_row = blockIdx.x * LONG + quarter / 2 * WARP + half * MU_CUDA_ROW_TILE;
    uint32_t first_out = blockIdx.y * LONG + quarter % 2 * WARP;
#pragma unroll
    for (uint32_t i = 0; i < 16; i++) {
        float low = (&sum.total[0][0][0])[i], high = (&sum.total[1][0][0])[i];
        mine[i] = half == 0 ? low : high;
        others[1 - half][quarter][i][lane] = half == 0 ? high : low;
        uint32_t row = first_row + lane / 4 + i % 4 / 2 * 8;
        uint32_t column = first_out + i / 4 * MU_CUDA_OUT_TILE + lane % 4 * 2 + i % 2;
        before[i] = row < o.n_rows && column < o.n_out ? put.before(row, column) : 0.0f;
    }
    __syncthreads();
#pragma unroll
    for (uint32_t r = 0; r < 2; r++) {
        uint32_t row = first_row + lane / 4 + r * 8;
        if (row >= o.n_rows) break;
        typename Put::place_of_row place = put.place(row);
#pragma unroll
        for (uint32_t j = 0; j < 8; j++) {
            uint32_t i = j / 2 * 4 + r * 2 + j % 2;
            uint32_t column = first_out + j / 2 * MU_CUDA_OUT_TILE + lane % 4 * 2 + j % 2;
            if (column >= o.n_out) continue;
            float value = mine[i] + others[half][quarter][i][lane] + o.bias[column];
            put.put(place, row, column, value, before[i]);
        }
    }
}

template <typename Put>
__global__ static void __launch_bounds__(THREADS, 2)
    long_bf16(operand o, const uint4 *acts, Put put) {
    MU_DYNAMIC_SHARED(uint4, shared);
    long_stage *stages = (long_stage *)shared;
    mu_let_next_start();
    long_source from(o, acts);
    for (uint32_t i = 0; i < STAGES - 1 && i < from.n_steps[0]; i++) {
        from.copy_weights(&stages[i], i);
    }
    mu_wait_for_previous();
    for (uint32_t i = 0; i < STAGES - 1; i++) {
        if (i < from.n_steps[0]) from.copy_acts(&stages[i], i);
        mu_copy_commit();
    }
    uint32_t warp = threadIdx.x / 32, half = warp / 4, quarter = warp % 4;
    block_sum sum = {};
    multiply_long(from, stages, half, quarter, &sum);
    __syncthreads();
    put_long(o, put, sum, (float *)shared, half, quarter);
}

static size_t normed_bytes(uint32_t n_in) {
    return (MU_CUDA_ROW_TILE * sizeof(__nv_bfloat16) + 2 * sizeof(float)) *
           mu_cuda_whole(n_in, MU_CUDA_K_STEP);
}

static bool norms_in_place(const mu_cuda_matmul *a) {
    return a->norm && a->type == MU_CUDA_BF16 && a->n_rows <= MU_CUDA_ROW_TILE &&
           normed_bytes(a->n_in) <= NORM_BYTES_MAX;
}

static mu_launch_shape short_shape(const mu_cuda_stream *stream, const mu_cuda_matmul *a) {
    uint32_t n_tiles = (a->n_out + MU_CUDA_OUT_TILE - 1) / MU_CUDA_OUT_TILE;
    uint32_t most = stream->n_multiprocessors * BLOCKS_PER_MULTIPROCESSOR;
    uint32_t n_row_tiles = (a->n_rows + MU_CUDA_ROW_TILE - 1) / MU_CUDA_ROW_TILE;
    return {dim3(n_tiles < most ? n_tiles : most, n_row_tiles), THREADS, 0};
}

template <uint32_t STEPS, typename Put>
static mu_status launch_short(mu_cuda_stream *stream, const mu_cuda_matmul *a, const operand &o,
                              const Put &put, mu_err *err) {
    mu_launch_shape shape = short_shape(stream, a);
    if (norms_in_place(a)) {
        shape.shared_bytes = normed_bytes(a->n_in);
        return mu_launch(stream, "norm and product bf16", shape, err, short_normed<STEPS, Put>, o,
                         *a->norm, put);
    }
    return mu_launch(stream, "short product bf16", shape, err, short_bf16<STEPS, Put>, o,
                     (const __nv_bfloat16 *)a->d_acts, put);
}

template <typename Put>
static mu_status launch_bf16(mu_cuda_stream *stream, const mu_cuda_matmul *a, const operand &o,
                             const Put &put, mu_err *err) {
    if (a->n_rows <= SHORT_ROWS) {
        return slice_steps(a->n_in) <= AHEAD_FEW ? launch_short<AHEAD_FEW>(stream, a, o, put, err)
                                                 : launch_short<AHEAD_MANY>(stream, a, o, put, err);
    }
    /* Rows first: blocks that share weights run at the same time. */
    mu_launch_shape shape = {dim3((a->n_rows + LONG - 1) / LONG, (a->n_out + LONG - 1) / LONG),
                             THREADS, STAGES * sizeof(long_stage)};
    return mu_launch(stream, "long product bf16", shape, err, long_bf16<Put>, o,
                     (const uint4 *)a->d_acts, put);
}

template <typename Put>
static mu_status launch_f32(mu_cuda_stream *stream, const mu_cuda_matmul *a, const operand &o,
                            const Put &put, mu_err *err) {
    return mu_launch(stream, "product f32", short_shape(stream, a), err, short_f32<AHEAD_FEW, Put>,
                     o, (const float *)a->d_acts, put);
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
