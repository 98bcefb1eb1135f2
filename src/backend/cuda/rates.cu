/* What the device can do, measured: the denominators of every speed figure. Each loop is doubled
 * until it takes long enough to be timed well; the best of a few runs counts. */
#include "backend/cuda/launch.cuh"
#include "backend/cuda/warp.cuh"

enum {
    THREADS = 256,
    BLOCKS_PER_MULTIPROCESSOR = 8,
    CHAINS = 8, /* independent sums of a thread or warp: enough to fill the pipelines */
    RUNS = 5,
};
static const size_t read_bytes_max = (size_t)1 << 30; /* many times the L2 cache */
static const float enough_ms = 20.0f;

/* Read everything once. The sums are written where nobody looks, so that they are needed. */
__global__ static void read_all(const uint4 *data, size_t n, uint32_t n_passes, uint32_t *out) {
    uint32_t sum = 0;
    size_t stride = (size_t)gridDim.x * THREADS;
    for (uint32_t pass = 0; pass < n_passes; pass++) {
#pragma unroll 8
        for (size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x; i < n; i += stride) {
            uint4 x = data[i];
            sum += x.x ^ x.y ^ x.z ^ x.w;
        }
    }
    out[(size_t)blockIdx.x * THREADS + threadIdx.x] = sum;
}

__global__ static void multiply_f32(uint32_t n_passes, uint32_t *out) {
    float sums[CHAINS], factor = 1.0f + (float)threadIdx.x * 0x1p-20f;
#pragma unroll
    for (uint32_t i = 0; i < CHAINS; i++) {
        sums[i] = (float)i;
    }
    for (uint32_t pass = 0; pass < n_passes; pass++) {
#pragma unroll
        for (uint32_t i = 0; i < CHAINS; i++) {
            sums[i] = fmaf(sums[i], factor, 0.5f);
        }
    }
    float sum = 0.0f;
    for (uint32_t i = 0; i < CHAINS; i++) {
        sum += sums[i];
    }
    out[(size_t)blockIdx.x * THREADS + threadIdx.x] = __float_as_uint(sum);
}

__global__ static void multiply_bf16(uint32_t n_passes, uint32_t *out) {
    float sums[CHAINS][4] = {};
    const uint32_t a[4] = {threadIdx.x, threadIdx.x * 3, threadIdx.x * 5, threadIdx.x * 7};
    const uint32_t b[2] = {threadIdx.x * 11, threadIdx.x * 13};
    for (uint32_t pass = 0; pass < n_passes; pass++) {
#pragma unroll
        for (uint32_t i = 0; i < CHAINS; i++) {
            mu_mma_bf16(sums[i], a, b);
        }
    }
    float sum = 0.0f;
    for (uint32_t i = 0; i < CHAINS * 4; i++) {
        sum += sums[i / 4][i % 4];
    }
    out[(size_t)blockIdx.x * THREADS + threadIdx.x] = __float_as_uint(sum);
}

/* One loop to be timed. */
struct loop {
    mu_cuda_stream *stream;
    cudaEvent_t begin, end;
    const uint4 *d_data;
    size_t n_data;
    uint32_t *d_out;
    uint32_t n_blocks;
};

typedef mu_status (*loop_run)(const loop *l, uint32_t n_passes, mu_err *err);

static mu_status run_read(const loop *l, uint32_t n_passes, mu_err *err) {
    return mu_launch(l->stream, "rate of memory", {dim3(l->n_blocks), THREADS, 0}, err, read_all,
                     l->d_data, l->n_data, n_passes, l->d_out);
}

static mu_status run_f32(const loop *l, uint32_t n_passes, mu_err *err) {
    return mu_launch(l->stream, "rate of f32", {dim3(l->n_blocks), THREADS, 0}, err, multiply_f32,
                     n_passes, l->d_out);
}

static mu_status run_bf16(const loop *l, uint32_t n_passes, mu_err *err) {
    return mu_launch(l->stream, "rate of bf16", {dim3(l->n_blocks), THREADS, 0}, err, multiply_bf16,
                     n_passes, l->d_out);
}

static mu_status time_once(const loop *l, loop_run run, uint32_t n_passes, float *out_ms,
                           mu_err *err) {
    mu_status status = mu_cuda_check(cudaEventRecord(l->begin, l->stream->stream), "event", err);
    if (status == MU_OK) status = run(l, n_passes, err);
    if (status != MU_OK) return status;
    status = mu_cuda_check(cudaEventRecord(l->end, l->stream->stream), "event", err);
    if (status == MU_OK) status = mu_cuda_check(cudaEventSynchronize(l->end), "event", err);
    if (status == MU_OK) {
        status = mu_cuda_check(cudaEventElapsedTime(out_ms, l->begin, l->end), "event", err);
    }
    return status;
}

/* Passes a second. */
static mu_status time_loop(const loop *l, loop_run run, double *out, mu_err *err) {
    uint32_t n_passes = 1;
    float ms = 0.0f, best = INFINITY;
    for (; n_passes < 1u << 24; n_passes *= 2) {
        mu_status status = time_once(l, run, n_passes, &ms, err);
        if (status != MU_OK) return status;
        if (ms >= enough_ms) break;
    }
    for (uint32_t i = 0; i < RUNS; i++) {
        mu_status status = time_once(l, run, n_passes, &ms, err);
        if (status != MU_OK) return status;
        best = ms < best ? ms : best;
    }
    *out = n_passes / ((double)best * 1e-3);
    return MU_OK;
}

static mu_status measure(loop *l, mu_machine_rates *out, mu_err *err) {
    double reads = 0.0, f32 = 0.0, bf16 = 0.0;
    mu_status status = time_loop(l, run_read, &reads, err);
    if (status == MU_OK) status = time_loop(l, run_f32, &f32, err);
    if (status == MU_OK) status = time_loop(l, run_bf16, &bf16, err);
    if (status != MU_OK) return status;
    double n_threads = (double)l->n_blocks * THREADS;
    *out = {};
    out->dram_gb_s = reads * (double)(l->n_data * sizeof(uint4)) * 1e-9;
    out->f32_gflop_s = f32 * n_threads * CHAINS * 2.0 * 1e-9;
    out->bf16_gflop_s = bf16 * (n_threads / 32.0) * CHAINS * (2.0 * 16 * 8 * 16) * 1e-9;
    return MU_OK;
}

mu_status mu_cuda_measure_rates(uint32_t index, mu_machine_rates *out, mu_err *err) {
    loop l = {};
    void *d_data = NULL, *d_out = NULL;
    mu_status status = mu_cuda_stream_open(index, &l.stream, err);
    if (status != MU_OK) return status;
    l.n_blocks = l.stream->n_multiprocessors * BLOCKS_PER_MULTIPROCESSOR;
    size_t free_bytes = 0, total_bytes = 0;
    status = mu_cuda_check(cudaMemGetInfo(&free_bytes, &total_bytes), "cudaMemGetInfo", err);
    size_t bytes = free_bytes / 4 < read_bytes_max ? free_bytes / 4 : read_bytes_max;
    l.n_data = bytes / sizeof(uint4);
    if (status == MU_OK) status = mu_cuda_check(cudaMalloc(&d_data, bytes), "cudaMalloc", err);
    if (status == MU_OK) {
        status =
            mu_cuda_check(cudaMalloc(&d_out, (size_t)l.n_blocks * THREADS * 4), "cudaMalloc", err);
    }
    if (status == MU_OK) {
        status = mu_cuda_check(cudaMemset(d_data, 0, bytes), "cudaMemset", err);
    }
    l.d_data = (const uint4 *)d_data;
    l.d_out = (uint32_t *)d_out;
    if (status == MU_OK) status = mu_cuda_check(cudaEventCreate(&l.begin), "cudaEventCreate", err);
    if (status == MU_OK) status = mu_cuda_check(cudaEventCreate(&l.end), "cudaEventCreate", err);
    if (status == MU_OK) status = measure(&l, out, err);
    if (l.end) cudaEventDestroy(l.end);
    if (l.begin) cudaEventDestroy(l.begin);
    cudaFree(d_out);
    cudaFree(d_data);
    mu_cuda_stream_close(l.stream);
    return status;
}
