/* Attention in plain f32 arithmetic, for any head size and type: a block a row and head.
 *
 * Warps take groups of sixteen positions in turn, as the tensor cores' form does, each with a
 * running maximum and sum, and are merged in order. In a group, a lane computes half of one
 * position's score, then the weighted sum of V for its dimensions.
 */
#include "backend/cuda/epilogue.cuh"
#include "backend/cuda/launch.cuh"

enum { WARPS = 4 };

/* What a warp has found: its own part of shared memory, behind q [head_dim]. */
struct part {
    float *acc;     /* [head_dim] */
    float *weights; /* [MU_CUDA_GROUP] */
    float m, l;     /* the same in all lanes */
};

/* Half the dimensions of a position's score a lane. */
template <typename Type>
__device__ static float score(const typename Type::element *k, const float *q, uint32_t head_dim) {
    uint32_t lane = threadIdx.x % 32, middle = (head_dim + 1) / 2;
    uint32_t d = lane < 16 ? 0 : middle, end = lane < 16 ? middle : head_dim;
    float sum = 0.0f;
    for (; d < end; d++) {
        sum = fmaf(Type::to_f32(k[lane % 16 * head_dim + d]), q[d], sum);
    }
    return sum + __shfl_xor_sync(MU_WARP_ALL, sum, 16);
}

template <typename Type>
__device__ static void add_group(part *p, const typename Type::element *k,
                                 const typename Type::element *v, const float *q, uint32_t head_dim,
                                 uint32_t n_positions, float scale) {
    uint32_t lane = threadIdx.x % 32;
    float s = score<Type>(k, q, head_dim) * scale;
    if (lane % 16 >= n_positions) s = -INFINITY;
    float most = s;
    for (int lanes = 8; lanes > 0; lanes /= 2) {
        most = fmaxf(most, __shfl_xor_sync(MU_WARP_ALL, most, lanes));
    }
    float m = fmaxf(p->m, most), old = p->m == -INFINITY ? 0.0f : expf(p->m - m);
    float weight = s == -INFINITY ? 0.0f : expf(s - m), sum = weight;
    for (int lanes = 8; lanes > 0; lanes /= 2) {
        sum += __shfl_xor_sync(MU_WARP_ALL, sum, lanes);
    }
    p->m = m;
    p->l = p->l * old + sum;
    if (lane < 16) p->weights[lane] = weight;
    __syncwarp();
    for (uint32_t d = lane; d < head_dim; d += 32) {
        float total = p->acc[d] * old;
        for (uint32_t i = 0; i < n_positions; i++) {
            total = fmaf(p->weights[i], Type::to_f32(v[d * MU_CUDA_GROUP + i]), total);
        }
        p->acc[d] = total;
    }
    __syncwarp();
}

template <typename Type>
__global__ static void attend_any(mu_cuda_attention a, mu_cuda_batch batch) {
    typedef typename Type::element element;
    MU_DYNAMIC_SHARED(float, shared); /* q, then acc and weights of each warp */
    __shared__ float m[WARPS], l[WARPS];
    mu_let_next_start();
    mu_wait_for_previous();
    uint32_t head = blockIdx.y, head_dim = a.kv.head_dim, hidden = a.kv.n_heads * head_dim;
    uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    mu_cuda_row row = batch.d_rows[blockIdx.x];
    const uint32_t *table = batch.d_tables + row.table;
    const element *kv = (const element *)a.kv.d_base, *q = (const element *)a.d_q;
    float *own = shared + head_dim + warp * (head_dim + MU_CUDA_GROUP);
    part p = {own, own + head_dim, -INFINITY, 0.0f};
    for (uint32_t d = threadIdx.x; d < head_dim; d += WARPS * 32) {
        shared[d] = Type::to_f32(q[(size_t)blockIdx.x * hidden + head * head_dim + d]);
    }
    for (uint32_t d = lane; d < head_dim; d += 32) {
        p.acc[d] = 0.0f;
    }
    __syncthreads();
    uint32_t first = warp * MU_CUDA_GROUP;
    for (; first <= row.position; first += WARPS * MU_CUDA_GROUP) {
        uint32_t block = table[first / a.kv.block_tokens];
        uint32_t n = min(row.position - first + 1, (uint32_t)MU_CUDA_GROUP);
        add_group<Type>(&p, kv + mu_kv_group_at(a.kv, block, first, false, head),
                        kv + mu_kv_group_at(a.kv, block, first, true, head), shared, head_dim, n,
                        a.scale);
    }
    if (lane == 0) {
        m[warp] = p.m;
        l[warp] = p.l;
    }
    __syncthreads();
    float most = m[0], sum = 0.0f, factors[WARPS];
    for (uint32_t i = 1; i < WARPS; i++) {
        most = fmaxf(most, m[i]);
    }
    for (uint32_t i = 0; i < WARPS; i++) {
        factors[i] = m[i] == -INFINITY ? 0.0f : expf(m[i] - most);
        sum += factors[i] * l[i];
    }
    uint32_t k_padded = mu_cuda_whole(hidden, MU_CUDA_K_STEP);
    for (uint32_t d = threadIdx.x; d < head_dim; d += WARPS * 32) {
        float total = 0.0f;
        for (uint32_t i = 0; i < WARPS; i++) {
            total += factors[i] * shared[head_dim + i * (head_dim + MU_CUDA_GROUP) + d];
        }
        ((element *)a.d_acts)[Type::acts_at(blockIdx.x, head * head_dim + d, k_padded)] =
            Type::from_f32(total / sum);
    }
}

mu_status mu_cuda_launch_attention_any(mu_cuda_stream *stream, const mu_cuda_attention *a,
                                       mu_err *err) {
    size_t n_floats = a->kv.head_dim + WARPS * (a->kv.head_dim + MU_CUDA_GROUP);
    mu_launch_shape shape = {dim3(a->batch->n_rows, a->kv.n_heads), WARPS * 32,
                             n_floats * sizeof(float)};
    if (a->kv.type == MU_CUDA_F32) {
        return mu_launch(stream, "attention f32", shape, err, attend_any<mu_as_f32>, *a, *a->batch);
    }
    return mu_launch(stream, "attention bf16 of any size", shape, err, attend_any<mu_as_bf16>, *a,
                     *a->batch);
}
