/* Attention on the tensor cores, for bf16 and the usual head sizes: one form for prefill and
 * decode.
 *
 * A block takes up to sixteen neighbouring rows of a sequence and one head. Its warps take groups
 * of sixteen positions in turn (group i is warp i % WARPS's), each with a running maximum and sum
 * (Milakov and Gimelshein 2018), and are merged in order of warps. A group that is wholly after a
 * row's position changes nothing of that row, bit for bit, so it does not matter which rows share a
 * tile.
 *
 * A lane reads 16 bytes of K and 8 of V at a time. The products do not ask in which order their
 * inner dimension comes as long as both sides agree, so positions and dimensions are dealt to lanes
 * as they lie in memory: dimensions 8 t .. 8 t + 7 of a step of 32 and positions 4 t .. 4 t + 3 of
 * a group are lane t's.
 */
#include "backend/cuda/epilogue.cuh"
#include "backend/cuda/launch.cuh"

enum { WARPS = 8, ROWS = MU_CUDA_ROW_TILE };

/* exp(x) = exp2(x log2 e); the minus infinity of "no position yet" gives zero. */
__device__ static __forceinline__ float factor(float m, float m_new) {
    return m == -INFINITY ? 0.0f : exp2f(m - m_new);
}

/* Rows g and g + 8 of a lane. */
struct row_pair {
    float m[2]; /* the largest score so far, times log2 e */
    float l[2]; /* sum of exp(score - m) over the lane's positions */
};

struct tile_of_rows {
    uint32_t n_rows;
    uint32_t position[2]; /* of rows g and g + 8; of row 0 where there is none */
    uint32_t last;        /* the tile's last position */
};

template <uint32_t DIM> struct head_tile {
    uint32_t q[DIM / 16][4]; /* fragments of 16 rows */
    uint2 v[DIM / 8];        /* of a group: asked for before the scores, needed after them */
    float acc[DIM / 8][4];
    row_pair rows;

    __device__ __forceinline__ void load_q(const __nv_bfloat16 *q_rows, uint32_t stride,
                                           uint32_t n_rows) {
        uint32_t g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
        for (uint32_t step = 0; step < DIM / 32; step++) {
            uint4 part[2];
#pragma unroll
            for (uint32_t i = 0; i < 2; i++) {
                const __nv_bfloat16 *row = q_rows + (size_t)(g + 8 * i) * stride;
                part[i] = g + 8 * i < n_rows ? *(const uint4 *)(row + step * 32 + t * 8)
                                             : make_uint4(0, 0, 0, 0);
            }
            uint32_t *low = q[step * 2], *high = q[step * 2 + 1];
            low[0] = part[0].x, low[1] = part[1].x, low[2] = part[0].y, low[3] = part[1].y;
            high[0] = part[0].z, high[1] = part[1].z, high[2] = part[0].w, high[3] = part[1].w;
        }
    }

    /* s[j][i]: columns 2 t, 2 t + 1 of n-tile j are positions 4 t + 2 j, 4 t + 2 j + 1. */
    __device__ __forceinline__ void scores(const __nv_bfloat16 *k, float (&s)[2][4]) const {
        uint32_t g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
        for (uint32_t j = 0; j < 2; j++) {
            const __nv_bfloat16 *row = k + (g / 2 * 4 + g % 2 + 2 * j) * DIM + t * 8;
#pragma unroll
            for (uint32_t step = 0; step < DIM / 32; step++) {
                uint4 part = *(const uint4 *)(row + step * 32);
                const uint32_t low[2] = {part.x, part.y}, high[2] = {part.z, part.w};
                mu_mma_bf16(s[j], q[step * 2], low);
                mu_mma_bf16(s[j], q[step * 2 + 1], high);
            }
        }
    }

    /* Scores of a group become weights; what was summed before is scaled to the new maximum. */
    __device__ __forceinline__ void weigh(const tile_of_rows &tile, uint32_t first_position,
                                          float scale, float (&s)[2][4]) {
        uint32_t t = threadIdx.x % 4;
#pragma unroll
        for (uint32_t r = 0; r < 2; r++) { /* row g + 8 r: s[j][2 r], s[j][2 r + 1] */
            float most = -INFINITY;
#pragma unroll
            for (uint32_t i = 0; i < 4; i++) {
                float *score = &s[i / 2][2 * r + i % 2];
                uint32_t position = first_position + 4 * t + i;
                *score = position <= tile.position[r] ? *score * scale : -INFINITY;
                most = fmaxf(most, *score);
            }
            most = fmaxf(most, __shfl_xor_sync(MU_WARP_ALL, most, 1));
            most = fmaxf(most, __shfl_xor_sync(MU_WARP_ALL, most, 2));
            float m = fmaxf(rows.m[r], most), old = factor(rows.m[r], m), sum = 0.0f;
#pragma unroll
            for (uint32_t i = 0; i < 4; i++) {
                float *score = &s[i / 2][2 * r + i % 2];
                *score = factor(*score, m);
                sum += *score;
            }
            rows.m[r] = m;
            rows.l[r] = rows.l[r] * old + sum;
#pragma unroll
            for (uint32_t c = 0; c < DIM / 8; c++) {
                acc[c][2 * r] *= old;
                acc[c][2 * r + 1] *= old;
            }
        }
    }

    __device__ __forceinline__ void load_v(const __nv_bfloat16 *values) {
        uint32_t g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
        for (uint32_t c = 0; c < DIM / 8; c++) {
            v[c] = *(const uint2 *)(values + (c * 8 + g) * MU_CUDA_GROUP + t * 4);
        }
    }

    /* Positions after the tile's last one hold what an earlier sequence left: not even a NaN of it
     * may count. */
    __device__ __forceinline__ void add_values(uint32_t n_positions, const float (&s)[2][4]) {
        uint32_t t = threadIdx.x % 4;
        const uint32_t weights[4] = {mu_pack_bf16(s[0][0], s[0][1]), mu_pack_bf16(s[0][2], s[0][3]),
                                     mu_pack_bf16(s[1][0], s[1][1]),
                                     mu_pack_bf16(s[1][2], s[1][3])};
        uint32_t masks[2] = {0xffffffffu, 0xffffffffu};
#pragma unroll
        for (uint32_t j = 0; j < 2; j++) {
            uint32_t first = 4 * t + 2 * j;
            if (first + 1 >= n_positions) masks[j] = first < n_positions ? 0xffffu : 0u;
        }
#pragma unroll
        for (uint32_t c = 0; c < DIM / 8; c++) {
            const uint32_t b[2] = {v[c].x & masks[0], v[c].y & masks[1]};
            mu_mma_bf16(acc[c], weights, b);
        }
    }
};

/* What the warps of a block have found, to be merged: [warp][row] and [warp][row][dimension]. */
template <uint32_t DIM> struct findings {
    float m[WARPS][ROWS], l[WARPS][ROWS];
    float acc[WARPS][ROWS][DIM];

    __device__ __forceinline__ void store(const head_tile<DIM> &head, uint32_t n_rows) {
        uint32_t warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
        for (uint32_t r = 0; r < 2; r++) {
            float sum = head.rows.l[r]; /* of four lanes */
            sum += __shfl_xor_sync(MU_WARP_ALL, sum, 1);
            sum += __shfl_xor_sync(MU_WARP_ALL, sum, 2);
            uint32_t row = g + 8 * r;
            if (row >= n_rows) continue;
            m[warp][row] = head.rows.m[r];
            l[warp][row] = sum;
#pragma unroll
            for (uint32_t c = 0; c < DIM / 8; c++) {
                acc[warp][row][c * 8 + 2 * t] = head.acc[c][2 * r];
                acc[warp][row][c * 8 + 2 * t + 1] = head.acc[c][2 * r + 1];
            }
        }
    }

    __device__ __forceinline__ float merged(uint32_t row, uint32_t d) const {
        float most = m[0][row], sum = 0.0f, total = 0.0f;
#pragma unroll
        for (uint32_t warp = 1; warp < WARPS; warp++) {
            most = fmaxf(most, m[warp][row]);
        }
#pragma unroll
        for (uint32_t warp = 0; warp < WARPS; warp++) {
            float part = factor(m[warp][row], most);
            sum += part * l[warp][row];
            total += part * acc[warp][row][d];
        }
        return total / sum;
    }
};

__device__ static __forceinline__ tile_of_rows rows_of(const mu_cuda_tile &tile,
                                                       const mu_cuda_row *rows) {
    uint32_t g = threadIdx.x % 32 / 4, first = rows[0].position;
    tile_of_rows of = {tile.n_rows, {first, first}, first + tile.n_rows - 1};
#pragma unroll
    for (uint32_t r = 0; r < 2; r++) {
        if (g + 8 * r < tile.n_rows) of.position[r] = first + g + 8 * r;
    }
    return of;
}

template <uint32_t DIM>
__global__ static void __launch_bounds__(WARPS * 32)
    attend(mu_cuda_attention a, mu_cuda_batch batch, float scale) {
    MU_DYNAMIC_SHARED(float, shared);
    findings<DIM> *found = (findings<DIM> *)shared;
    mu_let_next_start();
    mu_wait_for_previous();
    mu_cuda_tile tile = batch.d_tiles[blockIdx.x];
    const mu_cuda_row *rows = batch.d_rows + tile.first_row;
    const uint32_t *table = batch.d_tables + rows[0].table;
    uint32_t head = blockIdx.y, hidden = a.kv.n_heads * DIM;
    tile_of_rows of = rows_of(tile, rows);
    head_tile<DIM> sums = {};
    sums.rows.m[0] = sums.rows.m[1] = -INFINITY;
    const __nv_bfloat16 *q = (const __nv_bfloat16 *)a.d_q, *kv = (const __nv_bfloat16 *)a.kv.d_base;
    sums.load_q(q + (size_t)tile.first_row * hidden + head * DIM, hidden, tile.n_rows);
    uint32_t first = threadIdx.x / 32 * MU_CUDA_GROUP;
    for (; first <= of.last; first += WARPS * MU_CUDA_GROUP) {
        uint32_t block = table[first / a.kv.block_tokens];
        float s[2][4] = {};
        sums.load_v(kv + mu_kv_group_at(a.kv, block, first, true, head));
        sums.scores(kv + mu_kv_group_at(a.kv, block, first, false, head), s);
        sums.weigh(of, first, scale, s);
        sums.add_values(of.last - first + 1, s);
    }
    found->store(sums, tile.n_rows);
    __syncthreads();
    uint32_t k_padded = mu_cuda_whole(hidden, MU_CUDA_K_STEP);
    __nv_bfloat16 *acts = (__nv_bfloat16 *)a.d_acts;
    for (uint32_t i = threadIdx.x; i < tile.n_rows * DIM; i += WARPS * 32) {
        uint32_t row = i / DIM, d = i % DIM;
        acts[mu_cuda_acts_bf16_at(tile.first_row + row, head * DIM + d, k_padded)] =
            __float2bfloat16_rn(found->merged(row, d));
    }
}

template <uint32_t DIM>
static mu_status launch(mu_cuda_stream *stream, const mu_cuda_attention *a, mu_err *err) {
    mu_launch_shape shape = {dim3(a->batch->n_tiles, a->kv.n_heads), WARPS * 32,
                             sizeof(findings<DIM>)};
    float scale = a->scale * 1.44269504088896341f; /* log2 e */
    return mu_launch(stream, "attention bf16", shape, err, attend<DIM>, *a, *a->batch, scale);
}

mu_status mu_cuda_launch_attention(mu_cuda_stream *stream, const mu_cuda_attention *a,
                                   mu_err *err) {
    if (a->kv.type == MU_CUDA_BF16 && a->kv.head_dim == 32) return launch<32>(stream, a, err);
    if (a->kv.type == MU_CUDA_BF16 && a->kv.head_dim == 64) return launch<64>(stream, a, err);
    if (a->kv.type == MU_CUDA_BF16 && a->kv.head_dim == 128) return launch<128>(stream, a, err);
    return mu_cuda_launch_attention_any(stream, a, err);
}
