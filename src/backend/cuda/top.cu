/* The best of a row of logits, exactly: a block a row.
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
};

/* Larger logits have larger keys; of equal ones the lower token does. */
__device__ static __forceinline__ uint64_t key_of(float logit, uint32_t token) {
    uint32_t bits = __float_as_uint(logit == 0.0f ? 0.0f : logit); /* -0 is 0 */
    bits = bits >> 31 ? ~bits : bits | 0x80000000u;
    return (uint64_t)bits << 32 | (0xffffffffu - token);
}

struct row_facts {
    float most;
    bool is_finite;
};

/* The same answer in all threads. scratch: [WARPS]. */
__device__ static row_facts examine(const float *logits, uint32_t n, float *scratch,
                                    uint32_t *n_odd) {
    float most = -INFINITY;
    uint32_t odd = 0;
    for (uint32_t i = threadIdx.x; i < n; i += THREADS) {
        float x = logits[i];
        odd += isfinite(x) ? 0 : 1;
        most = fmaxf(most, x);
    }
    for (int lanes = 16; lanes > 0; lanes /= 2) {
        most = fmaxf(most, __shfl_xor_sync(MU_WARP_ALL, most, lanes));
    }
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = most;
    if (odd > 0) atomicAdd(n_odd, odd);
    __syncthreads();
    for (uint32_t i = 0; i < WARPS; i++) {
        most = fmaxf(most, scratch[i]);
    }
    row_facts facts = {most, *n_odd == 0};
    __syncthreads();
    return facts;
}

/* log of the sum of exp(logit), and the first token that has the largest. */
struct row_total {
    float log_total;
    uint32_t first;
};

/* scratch, first_of: [WARPS] */
__device__ static row_total sum_up(const float *logits, uint32_t n, float most, float *scratch,
                                   uint32_t *first_of) {
    float sum = 0.0f;
    uint32_t first = 0xffffffffu;
    for (uint32_t i = threadIdx.x; i < n; i += THREADS) {
        float x = logits[i];
        sum += expf(x - most);
        if (x == most) first = min(first, i);
    }
    sum = mu_warp_sum(sum);
    for (int lanes = 16; lanes > 0; lanes /= 2) {
        first = min(first, __shfl_xor_sync(MU_WARP_ALL, first, lanes));
    }
    if (threadIdx.x % 32 == 0) {
        scratch[threadIdx.x / 32] = sum;
        first_of[threadIdx.x / 32] = first;
    }
    __syncthreads();
    sum = 0.0f;
    for (uint32_t i = 0; i < WARPS; i++) {
        sum += scratch[i];
        first = min(first, first_of[i]);
    }
    __syncthreads();
    return {most + logf(sum), first};
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
    float scratch[WARPS];
    uint32_t first_of[WARPS];
    uint32_t counts[N_VALUES];
    uint32_t n_odd, n_found;
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

__global__ static void __launch_bounds__(THREADS) top(mu_cuda_top_args a, mu_cuda_batch batch) {
    __shared__ top_state state;
    mu_let_next_start();
    mu_wait_for_previous();
    mu_cuda_out want = batch.d_outs[blockIdx.x];
    if (want.n_top == 0) {
        if (threadIdx.x == 0) a.d_tops[blockIdx.x].n = 0;
        return;
    }
    const float *logits = a.d_logits + (size_t)blockIdx.x * a.vocab_size;
    mu_candidate *out = a.d_candidates + want.first;
    uint32_t n = min(want.n_top, a.vocab_size);
    if (threadIdx.x == 0) state.n_odd = 0;
    __syncthreads();
    row_facts facts = examine(logits, a.vocab_size, state.scratch, &state.n_odd);
    row_total total = sum_up(logits, a.vocab_size, facts.most, state.scratch, state.first_of);
    if (n > 1) find_best(&state, logits, a.vocab_size, n, out);
    if (threadIdx.x != 0) return;
    if (n == 1) *out = {(int32_t)total.first, facts.most};
    a.d_tops[blockIdx.x] = {n, facts.is_finite ? 1u : 0u, total.log_total};
}

mu_status mu_cuda_launch_top(mu_cuda_stream *stream, const mu_cuda_top_args *a, mu_err *err) {
    mu_launch_shape shape = {dim3(a->batch->n_outs), THREADS, 0};
    return mu_launch(stream, "top", shape, err, top, *a, *a->batch);
}
