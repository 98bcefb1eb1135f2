/* The best of a row of logits, exactly.
 *
 * Blocks take parts of a row; the last of a row's blocks to be done joins them, in order, and finds
 * the best.
 *
 * Logits and tokens together make 64-bit keys that are all different and whose order is "most
 * likely first, ties to the lower token". One is found on the way; of more, the n-th largest key is
 * found digit by digit from the top: count the keys of each digit among those that agree so far,
 * and go into the digit where the n-th lies. Mostly two or three digits suffice, because as soon as
 * a digit is used up whole nothing below it matters. Then the keys from there on, n of them, are
 * ranked by comparing each with all.
 */
#include "backend/cuda/launch.cuh"
#include "backend/cuda/warp.cuh"

enum {
    THREADS = 1024,
    WARPS = THREADS / 32,
    DIGIT_BITS = 8,
    N_DIGITS = 64 / DIGIT_BITS,
    N_VALUES = 1 << DIGIT_BITS,
    PART = MU_CUDA_TOP_PART,
    AT_ONCE = PART / THREADS, /* logits of a thread */
};

/* Larger logits have larger keys; of equal ones the lower token does. */
__device__ static __forceinline__ uint64_t key_of(float logit, uint32_t token) {
    uint32_t bits = __float_as_uint(logit == 0.0f ? 0.0f : logit); /* -0 is 0 */
    bits = bits >> 31 ? ~bits : bits | 0x80000000u;
    return (uint64_t)bits << 32 | (0xffffffffu - token);
}

/* exp(x - m), where what nobody has seen yet counts nothing. */
__device__ static __forceinline__ float share(float x, float m) {
    return x == -INFINITY ? 0.0f : exp2f((x - m) * 1.44269504088896341f);
}

/* Of some logits of a row: the largest, the first token that has it, the sum of exp(logit - most),
 * how many are not finite. Sums are scaled to the largest so far (Milakov and Gimelshein 2018), so
 * logits are read once. */
struct part_of_row : mu_cuda_top_part {
    /* Logits of tokens i, i + THREADS, ...; what is not there is minus infinity. */
    __device__ __forceinline__ void add(const float (&x)[AT_ONCE], uint32_t i) {
        float top = most;
#pragma unroll
        for (uint32_t j = 0; j < AT_ONCE; j++) {
            top = fmaxf(top, x[j]);
        }
        if (top > most) {
            sum *= share(most, top);
            most = top;
#pragma unroll
            for (uint32_t j = AT_ONCE; j > 0; j--) {
                if (x[j - 1] == top) first = i + (j - 1) * THREADS;
            }
        }
#pragma unroll
        for (uint32_t j = 0; j < AT_ONCE; j++) {
            sum += share(x[j], most);
        }
    }

    /* Of the thread in the block's part. */
    __device__ __forceinline__ void read(const float *logits, uint32_t n) {
        uint32_t i = blockIdx.x * PART + threadIdx.x;
        float x[AT_ONCE];
#pragma unroll
        for (uint32_t j = 0; j < AT_ONCE; j++) {
            x[j] = i + j * THREADS < n ? logits[i + j * THREADS] : -INFINITY;
            n_odd += i + j * THREADS < n && !isfinite(x[j]) ? 1 : 0;
        }
        add(x, i);
    }
};

/* Of two lanes' parts, the same in both. */
__device__ static __forceinline__ void join_lanes(part_of_row *part, int lanes) {
    float other_most = __shfl_xor_sync(MU_WARP_ALL, part->most, lanes);
    float other_sum = __shfl_xor_sync(MU_WARP_ALL, part->sum, lanes);
    uint32_t other_first = __shfl_xor_sync(MU_WARP_ALL, part->first, lanes);
    part->n_odd += __shfl_xor_sync(MU_WARP_ALL, part->n_odd, lanes);
    float most = fmaxf(part->most, other_most);
    part->sum = part->sum * share(part->most, most) + other_sum * share(other_most, most);
    part->first = part->most == other_most ? min(part->first, other_first)
                  : part->most == most     ? part->first
                                           : other_first;
    part->most = most;
}

__device__ static __forceinline__ void join_warp(part_of_row *part) {
    for (int lanes = 16; lanes > 0; lanes /= 2) {
        join_lanes(part, lanes);
    }
}

/* Of all threads of the block; in the first warp. scratch: [WARPS] */
__device__ static part_of_row join_block(part_of_row part, part_of_row *scratch) {
    join_warp(&part);
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = part;
    __syncthreads();
    if (threadIdx.x < 32) {
        part = scratch[threadIdx.x];
        join_warp(&part);
    }
    return part;
}

/* How far the search for the n-th key has come: keys agree with prefix in the bits above shift. */
struct search {
    uint64_t prefix;
    uint32_t shift;
    uint32_t n_left; /* wanted among those that agree */
    bool is_done;    /* all of them are */
};

/* The next digit: counts becomes how many keys that agree have each value. All threads. */
__device__ static void count_digit(const float *logits, uint32_t n, const search &s,
                                   uint32_t *counts) {
    for (uint32_t i = threadIdx.x; i < N_VALUES; i += THREADS) {
        counts[i] = 0;
    }
    __syncthreads();
    for (uint32_t i = threadIdx.x; i < n; i += THREADS) {
        uint64_t key = key_of(logits[i], i);
        bool agrees = s.shift == 64 || key >> s.shift == s.prefix;
        if (agrees) atomicAdd(&counts[key >> (s.shift - DIGIT_BITS) & (N_VALUES - 1)], 1u);
    }
    __syncthreads();
}

/* Thread 0: into the digit where the n-th key lies. */
__device__ static void take_digit(search *s, const uint32_t *counts) {
    uint32_t value = N_VALUES - 1;
    for (; counts[value] < s->n_left; value--) {
        s->n_left -= counts[value];
    }
    s->shift -= DIGIT_BITS;
    s->prefix = s->prefix << DIGIT_BITS | value;
    s->is_done = counts[value] == s->n_left;
}

__device__ static void write_ranked(const uint64_t *keys, const float *logits, uint32_t n,
                                    mu_candidate *out) {
    if (threadIdx.x >= n) return;
    uint64_t key = keys[threadIdx.x];
    uint32_t rank = 0, token = 0xffffffffu - (uint32_t)key;
    for (uint32_t i = 0; i < n; i++) {
        rank += keys[i] > key ? 1 : 0;
    }
    out[rank].token = (int32_t)token;
    out[rank].logit = logits[token];
}

/* What the threads of a block share. */
struct top_state {
    part_of_row parts[WARPS];
    uint32_t counts[N_VALUES];
    uint32_t n_found;
    bool is_last; /* of the row's blocks */
    uint64_t keys[MU_TOP_MAX];
    search s;
};

/* The n best into out, n > 1. */
__device__ static void find_best(top_state *state, const float *logits, uint32_t vocab_size,
                                 uint32_t n, mu_candidate *out) {
    search *s = &state->s;
    if (threadIdx.x == 0) {
        state->n_found = 0;
        *s = {0, 64, n, false};
    }
    __syncthreads();
    while (!s->is_done) {
        count_digit(logits, vocab_size, *s, state->counts);
        if (threadIdx.x == 0) take_digit(s, state->counts);
        __syncthreads();
    }
    for (uint32_t i = threadIdx.x; i < vocab_size; i += THREADS) {
        uint64_t key = key_of(logits[i], i);
        if (key >> s->shift >= s->prefix) state->keys[atomicAdd(&state->n_found, 1u)] = key;
    }
    __syncthreads();
    write_ranked(state->keys, logits, n, out);
}

/* The block's part into device memory; true in the block that is the last of its row. */
__device__ static bool leave_part(top_state *state, const mu_cuda_top_args &a,
                                  const float *logits) {
    part_of_row part = {};
    part.most = -INFINITY;
    part.first = 0xffffffffu;
    part.read(logits, a.vocab_size);
    part = join_block(part, state->parts);
    if (threadIdx.x == 0) {
        a.d_parts[blockIdx.y * gridDim.x + blockIdx.x] = part;
        __threadfence();
        uint32_t n_before = atomicAdd(&a.d_n_done[blockIdx.y], 1u);
        state->is_last = n_before + 1 == gridDim.x;
        if (state->is_last) a.d_n_done[blockIdx.y] = 0; /* for the next step */
        __threadfence();
    }
    __syncthreads();
    return state->is_last;
}

/* Parts of a row in order. */
__device__ static part_of_row join_parts(const mu_cuda_top_part *parts, uint32_t n) {
    part_of_row row = {};
    row.most = -INFINITY;
    row.first = 0xffffffffu;
    for (uint32_t i = 0; i < n; i++) {
        const volatile mu_cuda_top_part *part = parts + i; /* of other blocks: no old cache line */
        float part_most = part->most, most = fmaxf(row.most, part_most);
        row.sum = row.sum * share(row.most, most) + part->sum * share(part_most, most);
        if (part_most > row.most || i == 0) row.first = part->first;
        row.most = most;
        row.n_odd += part->n_odd;
    }
    return row;
}

/* Blocks: parts of a row, rows. */
__global__ static void __launch_bounds__(THREADS) top(mu_cuda_top_args a, mu_cuda_batch batch) {
    __shared__ top_state state;
    mu_let_next_start();
    mu_cuda_out want = batch.d_outs[blockIdx.y];
    mu_wait_for_previous();
    if (want.n_top == 0) {
        if (threadIdx.x == 0 && blockIdx.x == 0) a.tops[blockIdx.y].n = 0;
        return;
    }
    const float *logits = a.d_logits + (size_t)blockIdx.y * a.vocab_size;
    mu_candidate *out = a.candidates + want.first;
    uint32_t n = min(want.n_top, a.vocab_size);
    if (!leave_part(&state, a, logits)) return;
    if (n > 1) find_best(&state, logits, a.vocab_size, n, out);
    if (threadIdx.x != 0) return;
    part_of_row row = join_parts(a.d_parts + blockIdx.y * gridDim.x, gridDim.x);
    if (n == 1) *out = {(int32_t)row.first, row.most};
    a.tops[blockIdx.y] = {n, row.n_odd == 0 ? 1u : 0u, row.most + logf(row.sum)};
}

mu_status mu_cuda_launch_top(mu_cuda_stream *stream, const mu_cuda_top_args *a, mu_err *err) {
    mu_launch_shape shape = {dim3(mu_cuda_top_parts(a->vocab_size), a->batch->n_outs), THREADS, 0};
    return mu_launch(stream, "top", shape, err, top, *a, *a->batch);
}
