/* launch.cuh - a stream, and how a kernel is put on it. */
#ifndef MU_BACKEND_CUDA_LAUNCH_CUH
#define MU_BACKEND_CUDA_LAUNCH_CUH

#include <cuda_runtime.h>

#include "backend/cuda/cuda_api.h"

struct mu_cuda_stream {
    cudaStream_t stream;
    uint32_t index; /* of the device */
    uint32_t n_multiprocessors;
    bool has_early_launch; /* a kernel may start before the one before it has ended */
};

/* MU_OK, or an error that says what was called. */
static inline mu_status mu_cuda_check(cudaError_t result, const char *what, mu_err *err) {
    if (result == cudaSuccess) return MU_OK;
    cudaGetLastError(); /* it is told once */
    mu_status status = result == cudaErrorMemoryAllocation ? MU_ERR_NOMEM : MU_ERR_DEVICE;
    return mu_fail(err, status, "%s: %s", what, cudaGetErrorString(result));
}

/* Threads, dynamic shared memory and blocks of a launch. */
struct mu_launch_shape {
    dim3 grid;
    uint32_t n_threads;
    size_t shared_bytes;
};

template <typename... Parameters, typename... Arguments>
static mu_status mu_launch(const mu_cuda_stream *s, const char *what, const mu_launch_shape &shape,
                           mu_err *err, void (*kernel)(Parameters...), Arguments... arguments) {
    if (shape.shared_bytes > 48 * 1024) {
        cudaError_t result = cudaFuncSetAttribute(reinterpret_cast<const void *>(kernel),
                                                  cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                  (int)shape.shared_bytes);
        if (result != cudaSuccess) return mu_cuda_check(result, what, err);
    }
    cudaLaunchAttribute early = {};
    early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    early.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config = {};
    config.gridDim = shape.grid;
    config.blockDim = dim3(shape.n_threads, 1, 1);
    config.dynamicSmemBytes = shape.shared_bytes;
    config.stream = s->stream;
    config.attrs = &early;
    config.numAttrs = s->has_early_launch ? 1 : 0;
    return mu_cuda_check(cudaLaunchKernelEx(&config, kernel, arguments...), what, err);
}

/* The launchers, one for each kernel family, as in mu_cuda_api. */
mu_status mu_cuda_launch_embed(mu_cuda_stream *stream, const mu_cuda_embed *args,
                               const mu_cuda_batch *batch, mu_err *err);
mu_status mu_cuda_launch_norm(mu_cuda_stream *stream, const mu_cuda_matmul *args, mu_err *err);
mu_status mu_cuda_launch_matmul(mu_cuda_stream *stream, const mu_cuda_matmul *args, mu_err *err);
mu_status mu_cuda_launch_attention(mu_cuda_stream *stream, const mu_cuda_attention *args,
                                   mu_err *err);
/* Any head size and type; the tensor cores' form takes bf16 and some sizes. */
mu_status mu_cuda_launch_attention_any(mu_cuda_stream *stream, const mu_cuda_attention *args,
                                       mu_err *err);
mu_status mu_cuda_launch_top(mu_cuda_stream *stream, const mu_cuda_top_args *args, mu_err *err);
mu_status mu_cuda_measure_rates(uint32_t index, mu_machine_rates *out, mu_err *err);
mu_status mu_cuda_stream_open(uint32_t index, mu_cuda_stream **out, mu_err *err);
void mu_cuda_stream_close(mu_cuda_stream *stream);

#endif
