/* LayerNorm into the activations of a product: a warp a row. */
#include "backend/cuda/norm.cuh"

#include "backend/cuda/launch.cuh"

enum { WARPS = 4 };

template <typename Type>
__global__ static void norm_rows(mu_cuda_norm norm, typename Type::element *acts, uint32_t n_rows,
                                 uint32_t n_in) {
    mu_let_next_start();
    mu_wait_for_previous();
    uint32_t row = blockIdx.x * WARPS + threadIdx.x / 32;
    if (row >= n_rows) return;
    uint32_t k_padded = mu_cuda_whole(n_in, MU_CUDA_K_STEP);
    mu_norm_warp(mu_norm_row(norm, row, n_in), norm.d_w, norm.d_b, n_in, norm.eps,
                 [=](uint32_t i, float low, float high) {
                     Type::put_pair(acts + Type::acts_at(row, i, k_padded), low, high);
                 });
}

mu_status mu_cuda_launch_norm(mu_cuda_stream *stream, const mu_cuda_matmul *a, mu_err *err) {
    mu_launch_shape shape = {dim3((a->n_rows + WARPS - 1) / WARPS), WARPS * 32, 0};
    if (a->type == MU_CUDA_F32) {
        return mu_launch(stream, "norm f32", shape, err, norm_rows<mu_as_f32>, *a->norm,
                         (float *)a->d_acts, a->n_rows, a->n_in);
    }
    return mu_launch(stream, "norm bf16", shape, err, norm_rows<mu_as_bf16>, *a->norm,
                     (__nv_bfloat16 *)a->d_acts, a->n_rows, a->n_in);
}
