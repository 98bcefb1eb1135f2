/* Attention on the tensor cores, for bf16 and the usual head sizes: one form for prefill and
 * decode.
 *
 * A block takes up to sixteen neighbouring rows of a sequence and one head or a few. Groups of
 * sixteen positions are dealt to eight parts in turn (group i is part i % 8's), each with a running
 * maximum and sum (Milakov and Gimelshein 2018), and the parts are merged in order. A group that is
 * wholly after a row's position changes nothing of that row, bit for bit, so it does not matter
 * which rows share a tile.
 *
 * A lane reads 16 bytes of K and 8 of V at a time. The products do not ask in which order their
 * inner dimension comes as long as both sides agree, so positions and dimensions are dealt to lanes
 * as they lie in memory: dimensions 8 t .. 8 t + 7 of a step of 32 and positions 4 t .. 4 t + 3 of
 * a group are lane t's.
 */
#include "backend/cuda/epilogue.cuh"
#include "backend/cuda/launch.cuh"

enum {
    WARPS = 8,
    N_PARTS = 8, /* of the positions; each is summed by itself */
    ROWS = MU_CUDA_ROW_TILE,
    BLOCK_HEADS_MAX = 4,
    BLOCKS_WANTED = 4, /* for each multiprocessor, before blocks get several heads */
};

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

/* HALVES of sixteen rows: where there is the first half only, what the tensor cores say of the
 * second is dropped at once. */
template <uint32_t DIM, uint32_t HALVES> struct head_tile {
    uint32_t q[DIM / 16][2 * HALVES]; /* fragments of 16 rows: [k8 of 2][HALVES] */
    uint2 v[DIM / 8];                 /* of a group: asked for early, needed after the scores */
    float acc[DIM / 8][2 * HALVES];   /* [HALVES][2] */
    row_pair rows;

    __device__ __forceinline__ void multiply_q(float (&s)[4], uint32_t step,
                                               const uint32_t (&b)[2]) const {
        const uint32_t a[4] = {q[step][0], HALVES == 2 ? q[step][1] : 0u, q[step][HALVES],
                               HALVES == 2 ? q[step][HALVES + 1] : 0u};
        mu_mma_bf16(s, a, b);
    }

    __device__ __forceinline__ void multiply_weights(uint32_t c, const uint32_t (&a)[4],
                                                     const uint32_t (&b)[2]) {
        float d[4] = {acc[c][0], acc[c][1], 0.0f, 0.0f};
        if (HALVES == 2) d[2] = acc[c][2 * HALVES - 2], d[3] = acc[c][2 * HALVES - 1];
        mu_mma_bf16(d, a, b);
        acc[c][0] = d[0], acc[c][1] = d[1];
        if (HALVES == 2) acc[c][2 * HALVES - 2] = d[2], acc[c][2 * HALVES - 1] = d[3];
    }

    __device__ __forceinline__ void load_q(const __nv_bfloat16 *q_rows, uint32_t stride,
                                           uint32_t n_rows) {
        uint32_t g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
        for (uint32_t step = 0; step < DIM / 32; step++) {
            uint4 part[HALVES];
#pragma unroll
            for (uint32_t i = 0; i < HALVES; i++) {
                const __nv_bfloat16 *row = q_rows + (size_t)(g + 8 * i) * stride;
                part[i] = g + 8 * i < n_rows ? *(const uint4 *)(row + step * 32 + t * 8)
                                             : make_uint4(0, 0, 0, 0);
            }
            uint32_t *low = q[step * 2], *high = q[step * 2 + 1];
#pragma unroll
            for (uint32_t i = 0; i < HALVES; i++) {
                low[i] = part[i].x, low[HALVES + i] = part[i].y;
                high[i] = part[i].z, high[HALVES + i] = part[i].w;
            }
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
                multiply_q(s[j], step * 2, low);
                multiply_q(s[j], step * 2 + 1, high);
            }
        }
    }

    /* Scores of a group become weights; what was summed before is scaled to the new maximum. */
    __device__ __forceinline__ void weigh(const tile_of_rows &tile, uint32_t first_position,
                                          float scale, float (&s)[2][4]) {
        uint32_t t = threadIdx.x % 4;
#pragma unroll
        for (uint32_t r = 0; r < HALVES; r++) { /* row g + 8 r: s[j][2 r], s[j][2 r + 1] */
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
        const uint32_t weights[4] = {
            mu_pack_bf16(s[0][0], s[0][1]), HALVES == 2 ? mu_pack_bf16(s[0][2], s[0][3]) : 0u,
            mu_pack_bf16(s[1][0], s[1][1]), HALVES == 2 ? mu_pack_bf16(s[1][2], s[1][3]) : 0u};
        uint32_t masks[2] = {0xffffffffu, 0xffffffffu};
#pragma unroll
        for (uint32_t j = 0; j < 2; j++) {
            uint32_t first = 4 * t + 2 * j;
            if (first + 1 >= n_positions) masks[j] = first < n_positions ? 0xffffu : 0u;
        }
#pragma unroll
        for (uint32_t c = 0; c < DIM / 8; c++) {
            const uint32_t b[2] = {v[c].x & masks[0], v[c].y & masks[1]};
            multiply_weights(c, weights, b);
        }
    }
};

/* What the warps of a block have found of a tile's rows, to be merged: of each head and part of the
 * positions, [rows] and [rows][DIM]. */
template <uint32_t DIM> struct findings {
    float *m, *l, *acc;
    uint32_t n_rows, n_parts;

    __device__ __forceinline__ findings(float *shared, uint32_t n_heads, uint32_t n_rows,
                                        uint32_t n_parts)
        : m(shared), l(m + n_heads * n_parts * n_rows), acc(l + n_heads * n_parts * n_rows),
          n_rows(n_rows), n_parts(n_parts) {
    }

    /* task: head * n_parts + part */
    template <uint32_t HALVES>
    __device__ __forceinline__ void store(const head_tile<DIM, HALVES> &head, uint32_t task) {
        uint32_t g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
        for (uint32_t r = 0; r < HALVES; r++) {
            float sum = head.rows.l[r]; /* of four lanes */
            sum += __shfl_xor_sync(MU_WARP_ALL, sum, 1);
            sum += __shfl_xor_sync(MU_WARP_ALL, sum, 2);
            if (g + 8 * r >= n_rows) continue;
            uint32_t at = task * n_rows + g + 8 * r;
            m[at] = head.rows.m[r];
            l[at] = sum;
#pragma unroll
            for (uint32_t c = 0; c < DIM / 8; c++) {
                acc[at * DIM + c * 8 + 2 * t] = head.acc[c][2 * r];
                acc[at * DIM + c * 8 + 2 * t + 1] = head.acc[c][2 * r + 1];
            }
        }
    }

    __device__ __forceinline__ float merged(uint32_t head, uint32_t row, uint32_t d) const {
        uint32_t first = head * n_parts * n_rows + row;
        float most = m[first], sum = 0.0f, total = 0.0f;
        for (uint32_t part = 1; part < n_parts; part++) {
            most = fmaxf(most, m[first + part * n_rows]);
        }
        for (uint32_t part = 0; part < n_parts; part++) {
            uint32_t at = first + part * n_rows;
            float share = factor(m[at], most);
            sum += share * l[at];
            total += share * acc[at * DIM + d];
        }
        return total / sum;
    }
};

__device__ static __forceinline__ tile_of_rows rows_of(const mu_cuda_tile &tile) {
    uint32_t g = threadIdx.x % 32 / 4, first = tile.position;
    tile_of_rows of = {tile.n_rows, {first, first}, first + tile.n_rows - 1};
#pragma unroll
    for (uint32_t r = 0; r < 2; r++) {
        if (g + 8 * r < tile.n_rows) of.position[r] = first + g + 8 * r;
    }
    return of;
}

/* A warp's task: one head and one part of the positions, which is every N_PARTS-th group. */
template <uint32_t DIM, uint32_t HALVES>
__device__ static __forceinline__ void attend_part(head_tile<DIM, HALVES> *sums,
                                                   const mu_cuda_attention &a,
                                                   const tile_of_rows &of, const uint32_t *table,
                                                   uint32_t head, uint32_t first, uint32_t block,
                                                   float scale) {
    const __nv_bfloat16 *kv = (const __nv_bfloat16 *)a.kv.d_base;
    while (first <= of.last) {
        float s[2][4] = {};
        sums->load_v(kv + mu_kv_group_at(a.kv, block, first, true, head));
        sums->scores(kv + mu_kv_group_at(a.kv, block, first, false, head), s);
        uint32_t next = first + N_PARTS * MU_CUDA_GROUP;
        if (next <= of.last) block = table[next / a.kv.block_tokens];
        sums->weigh(of, first, scale, s);
        sums->add_values(of.last - first + 1, s);
        first = next;
    }
}

template <uint32_t DIM, uint32_t HALVES>
__global__ static void __launch_bounds__(WARPS * 32, HALVES == 1 && DIM <= 64 ? 3 : 1)
    attend(mu_cuda_attention a, mu_cuda_batch batch, const mu_cuda_tile *tiles,
           uint32_t n_block_heads, float scale) {
    MU_DYNAMIC_SHARED(float, shared);
    mu_let_next_start();
    /* The step's own description is there before the kernels before this one are done. */
    mu_cuda_tile tile = tiles[blockIdx.x];
    const uint32_t *table = batch.d_tables + tile.table;
    tile_of_rows of = rows_of(tile);
    uint32_t hidden = a.kv.n_heads * DIM, first_head = blockIdx.y * n_block_heads;
    uint32_t n_heads = min(n_block_heads, a.kv.n_heads - first_head);
    uint32_t n_parts = min(of.last / MU_CUDA_GROUP + 1, (uint32_t)N_PARTS);
    findings<DIM> found(shared, n_block_heads, tile.n_rows, n_parts);
    uint32_t task = threadIdx.x / 32, first = task % n_parts * MU_CUDA_GROUP;
    uint32_t block = table[first / a.kv.block_tokens];
    mu_wait_for_previous();
    const __nv_bfloat16 *q = (const __nv_bfloat16 *)a.d_q + (size_t)tile.first_row * hidden;
    while (task < n_heads * n_parts) {
        uint32_t head = first_head + task / n_parts;
        head_tile<DIM, HALVES> sums = {};
        sums.rows.m[0] = sums.rows.m[1] = -INFINITY;
        sums.load_q(q + head * DIM, hidden, tile.n_rows);
        attend_part(&sums, a, of, table, head, first, block, scale);
        found.store(sums, task);
        task += WARPS;
        first = task % n_parts * MU_CUDA_GROUP;
        block = table[first / a.kv.block_tokens];
    }
    __syncthreads();
    uint32_t k_padded = mu_cuda_whole(hidden, MU_CUDA_K_STEP);
    __nv_bfloat16 *acts = (__nv_bfloat16 *)a.d_acts;
    for (uint32_t i = threadIdx.x; i < n_heads * tile.n_rows * DIM; i += WARPS * 32) {
        uint32_t head = i / DIM / tile.n_rows, row = i / DIM % tile.n_rows, d = i % DIM;
        acts[mu_cuda_acts_bf16_at(tile.first_row + row, (first_head + head) * DIM + d, k_padded)] =
            __float2bfloat16_rn(found.merged(head, row, d));
    }
}

/* A block has one head where that gives every multiprocessor something to do, else several: short
 * sequences have fewer parts than a block has warps. */
static uint32_t block_heads(const mu_cuda_stream *stream, uint32_t n_blocks) {
    uint32_t n = n_blocks / (stream->n_multiprocessors * BLOCKS_WANTED);
    return n < 1 ? 1 : n < BLOCK_HEADS_MAX ? n : (uint32_t)BLOCK_HEADS_MAX;
}

template <uint32_t DIM, uint32_t HALVES>
static mu_status launch_tiles(mu_cuda_stream *stream, const mu_cuda_attention *a,
                              const mu_cuda_tile *d_tiles, uint32_t n_tiles, mu_err *err) {
    uint32_t n_rows = HALVES == 1 ? 1u : (uint32_t)ROWS;
    uint32_t n_heads = HALVES == 1 ? block_heads(stream, n_tiles * a->kv.n_heads) : 1;
    mu_launch_shape shape = {dim3(n_tiles, (a->kv.n_heads + n_heads - 1) / n_heads), WARPS * 32,
                             (size_t)n_heads * N_PARTS * n_rows * (2 + DIM) * sizeof(float)};
    float scale = a->scale * 1.44269504088896341f; /* log2 e */
    if (n_tiles == 0) return MU_OK;
    return mu_launch(stream, "attention bf16", shape, err, attend<DIM, HALVES>, *a, *a->batch,
                     d_tiles, n_heads, scale);
}

template <uint32_t DIM>
static mu_status launch(mu_cuda_stream *stream, const mu_cuda_attention *a, mu_err *err) {
    const mu_cuda_batch *batch = a->batch;
    mu_status status = launch_tiles<DIM, 1>(stream, a, batch->d_tiles, batch->n_singles, err);
    if (status != MU_OK) return status;
    return launch_tiles<DIM, 2>(stream, a, batch->d_tiles + batch->n_singles,
                                batch->n_tiles - batch->n_singles, err);
}

mu_status mu_cuda_launch_attention(mu_cuda_stream *stream, const mu_cuda_attention *a,
                                   mu_err *err) {
    if (a->kv.type == MU_CUDA_BF16 && a->kv.head_dim == 32) return launch<32>(stream, a, err);
    if (a->kv.type == MU_CUDA_BF16 && a->kv.head_dim == 64) return launch<64>(stream, a, err);
    if (a->kv.type == MU_CUDA_BF16 && a->kv.head_dim == 128) return launch<128>(stream, a, err);
    return mu_cuda_launch_attention_any(stream, a, err);
}
