/* Token and position embeddings: a block a row. The table is the packed matrix of the output layer
 * where the model ties them. */
#include "backend/cuda/launch.cuh"
#include "backend/cuda/warp.cuh"

enum { THREADS = 128 };

template <typename Type>
__global__ static void embed_rows(mu_cuda_embed a, const mu_cuda_row *rows) {
    mu_let_next_start();
    mu_wait_for_previous();
    mu_cuda_row row = rows[blockIdx.x];
    const typename Type::element *embed = (const typename Type::element *)a.d_embed;
    const float *position = a.d_positions + (size_t)row.position * a.hidden_dim;
    float *x = a.d_x + (size_t)blockIdx.x * a.hidden_dim;
    uint32_t k_padded = mu_cuda_whole(a.hidden_dim, MU_CUDA_K_STEP);
    for (uint32_t i = threadIdx.x; i < a.hidden_dim; i += THREADS) {
        x[i] = Type::to_f32(embed[Type::weight_at((uint32_t)row.token, i, k_padded)]) + position[i];
    }
}

mu_status mu_cuda_launch_embed(mu_cuda_stream *stream, const mu_cuda_embed *a,
                               const mu_cuda_batch *batch, mu_err *err) {
    mu_launch_shape shape = {dim3(batch->n_rows), THREADS, 0};
    if (a->type == MU_CUDA_F32) {
        return mu_launch(stream, "embed f32", shape, err, embed_rows<mu_as_f32>, *a, batch->d_rows);
    }
    return mu_launch(stream, "embed bf16", shape, err, embed_rows<mu_as_bf16>, *a, batch->d_rows);
}
