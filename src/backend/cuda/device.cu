/* Devices, streams, memory and graphs, and the table that the library exports. */
#include <new>
#include <stdio.h>

#include "backend/cuda/launch.cuh"

struct mu_cuda_graph {
    cudaGraphExec_t exec;
};

/* Needed for the programmatic launches, and the oldest that has bf16 in its tensor cores. */
enum { EARLY_LAUNCH_MAJOR = 9, BF16_MAJOR = 8 };

static mu_status gpu_count(uint32_t *out, mu_err *err) {
    int n = 0;
    cudaError_t result = cudaGetDeviceCount(&n);
    if (result == cudaSuccess && n > 0) {
        *out = (uint32_t)n;
        return MU_OK;
    }
    cudaGetLastError();
    int driver = 0; /* stays 0 where none is installed; the error then speaks of its version */
    cudaDriverGetVersion(&driver);
    const char *why = result == cudaSuccess ? "no GPU"
                      : driver == 0         ? "no NVIDIA driver"
                                            : cudaGetErrorString(result);
    return mu_fail(err, MU_ERR_UNSUPPORTED, "%s", why);
}

static mu_status check_index(uint32_t index, mu_err *err) {
    uint32_t n = 0;
    mu_status status = gpu_count(&n, err);
    if (status != MU_OK || index < n) return status;
    return mu_fail(err, MU_ERR_NOT_FOUND, "cuda:%u: no such GPU, this machine has %u", index, n);
}

static mu_status gpu_read(uint32_t index, mu_gpu *out, mu_err *err) {
    cudaDeviceProp prop = {};
    mu_gpu gpu = {};
    size_t free_bytes = 0, total_bytes = 0;
    mu_status status = check_index(index, err);
    if (status != MU_OK) return status;
    int device = (int)index;
    status = mu_cuda_check(cudaGetDeviceProperties(&prop, device), "cudaGetDeviceProperties", err);
    if (status == MU_OK) {
        status = mu_cuda_check(
            cudaDeviceGetPCIBusId(gpu.pci_bus_id, (int)sizeof(gpu.pci_bus_id), device),
            "cudaDeviceGetPCIBusId", err);
    }
    if (status == MU_OK) status = mu_cuda_check(cudaSetDevice(device), "cudaSetDevice", err);
    if (status == MU_OK) {
        status = mu_cuda_check(cudaMemGetInfo(&free_bytes, &total_bytes), "cudaMemGetInfo", err);
    }
    if (status != MU_OK) return status;
    snprintf(gpu.name, sizeof(gpu.name), "%s", prop.name);
    snprintf(gpu.arch, sizeof(gpu.arch), "sm_%d%d", prop.major, prop.minor);
    gpu.memory_bytes = total_bytes;
    gpu.memory_free_bytes = free_bytes;
    gpu.n_multiprocessors = (uint32_t)prop.multiProcessorCount;
    *out = gpu;
    return MU_OK;
}

mu_status mu_cuda_stream_open(uint32_t index, mu_cuda_stream **out, mu_err *err) {
    cudaDeviceProp prop = {};
    mu_status status = check_index(index, err);
    if (status != MU_OK) return status;
    status = mu_cuda_check(cudaSetDevice((int)index), "cudaSetDevice", err);
    if (status == MU_OK) {
        status = mu_cuda_check(cudaGetDeviceProperties(&prop, (int)index),
                               "cudaGetDeviceProperties", err);
    }
    if (status != MU_OK) return status;
    if (prop.major < BF16_MAJOR) {
        return mu_fail(err, MU_ERR_UNSUPPORTED,
                       "cuda:%u: %s has compute capability %d.%d; 8.0 or later is needed", index,
                       prop.name, prop.major, prop.minor);
    }
    mu_cuda_stream *s = new (std::nothrow) mu_cuda_stream();
    if (!s) return mu_fail(err, MU_ERR_NOMEM, "CUDA stream");
    s->index = index;
    s->n_multiprocessors = (uint32_t)prop.multiProcessorCount;
    s->has_early_launch = prop.major >= EARLY_LAUNCH_MAJOR;
    status = mu_cuda_check(cudaStreamCreateWithFlags(&s->stream, cudaStreamNonBlocking),
                           "cudaStreamCreateWithFlags", err);
    if (status == MU_OK) {
        *out = s;
    } else {
        delete s;
    }
    return status;
}

void mu_cuda_stream_close(mu_cuda_stream *s) {
    if (!s) return;
    cudaStreamDestroy(s->stream);
    delete s;
}

/* The runtime's current device belongs to the thread, and any thread may be the caller. */
static mu_status use(const mu_cuda_stream *s, mu_err *err) {
    return mu_cuda_check(cudaSetDevice((int)s->index), "cudaSetDevice", err);
}

static mu_status synchronize(mu_cuda_stream *s, mu_err *err) {
    return mu_cuda_check(cudaStreamSynchronize(s->stream), "cudaStreamSynchronize", err);
}

static mu_status memory_open(mu_cuda_stream *s, size_t bytes, void **out, mu_err *err) {
    void *d_memory = NULL;
    mu_status status = use(s, err);
    if (status != MU_OK) return status;
    cudaError_t result = cudaMalloc(&d_memory, bytes);
    if (result == cudaErrorMemoryAllocation) {
        size_t free_bytes = 0, total_bytes = 0;
        cudaGetLastError();
        cudaMemGetInfo(&free_bytes, &total_bytes);
        return mu_fail(err, MU_ERR_NOMEM, "cuda:%u: %zu MiB asked for, %zu of %zu MiB are free",
                       s->index, bytes >> 20, free_bytes >> 20, total_bytes >> 20);
    }
    status = mu_cuda_check(result, "cudaMalloc", err);
    if (status == MU_OK) {
        status =
            mu_cuda_check(cudaMemsetAsync(d_memory, 0, bytes, s->stream), "cudaMemsetAsync", err);
        if (status == MU_OK) status = synchronize(s, err);
    }
    if (status == MU_OK) {
        *out = d_memory;
    } else {
        cudaFree(d_memory);
    }
    return status;
}

static void memory_close(mu_cuda_stream *s, void *d_memory) {
    if (use(s, NULL) == MU_OK) cudaFree(d_memory);
}

static mu_status staging_open(mu_cuda_stream *s, size_t bytes, void **out, mu_err *err) {
    mu_status status = use(s, err);
    if (status != MU_OK) return status;
    return mu_cuda_check(cudaMallocHost(out, bytes), "cudaMallocHost", err);
}

static void staging_close(mu_cuda_stream *s, void *staging) {
    if (use(s, NULL) == MU_OK) cudaFreeHost(staging);
}

static mu_status upload(mu_cuda_stream *s, void *d_to, const void *from, size_t bytes,
                        mu_err *err) {
    return mu_cuda_check(cudaMemcpyAsync(d_to, from, bytes, cudaMemcpyHostToDevice, s->stream),
                         "cudaMemcpyAsync to the device", err);
}

static mu_status download(mu_cuda_stream *s, void *to, const void *d_from, size_t bytes,
                          mu_err *err) {
    return mu_cuda_check(cudaMemcpyAsync(to, d_from, bytes, cudaMemcpyDeviceToHost, s->stream),
                         "cudaMemcpyAsync from the device", err);
}

static mu_status graph_begin(mu_cuda_stream *s, mu_err *err) {
    return mu_cuda_check(cudaStreamBeginCapture(s->stream, cudaStreamCaptureModeThreadLocal),
                         "cudaStreamBeginCapture", err);
}

static mu_status graph_end(mu_cuda_stream *s, mu_cuda_graph **out, mu_err *err) {
    cudaGraph_t graph = NULL;
    mu_status status =
        mu_cuda_check(cudaStreamEndCapture(s->stream, &graph), "cudaStreamEndCapture", err);
    if (status != MU_OK) return status;
    mu_cuda_graph *g = new (std::nothrow) mu_cuda_graph();
    status =
        g ? mu_cuda_check(cudaGraphInstantiate(&g->exec, graph, 0), "cudaGraphInstantiate", err)
          : mu_fail(err, MU_ERR_NOMEM, "CUDA graph");
    cudaGraphDestroy(graph);
    if (status == MU_OK) {
        *out = g;
    } else {
        delete g;
    }
    return status;
}

static mu_status graph_launch(mu_cuda_stream *s, mu_cuda_graph *graph, mu_err *err) {
    return mu_cuda_check(cudaGraphLaunch(graph->exec, s->stream), "cudaGraphLaunch", err);
}

static void graph_close(mu_cuda_graph *graph) {
    if (!graph) return;
    cudaGraphExecDestroy(graph->exec);
    delete graph;
}

static const mu_cuda_api api = {
    MU_CUDA_API_VERSION,
    gpu_count,
    gpu_read,
    mu_cuda_measure_rates,
    mu_cuda_stream_open,
    mu_cuda_stream_close,
    use,
    synchronize,
    memory_open,
    memory_close,
    staging_open,
    staging_close,
    upload,
    download,
    graph_begin,
    graph_end,
    graph_launch,
    graph_close,
    mu_cuda_launch_embed,
    mu_cuda_launch_matmul,
    mu_cuda_launch_attention,
    mu_cuda_launch_top,
};

extern "C" __attribute__((visibility("default"))) const mu_cuda_api *mu_cuda_api_get(void) {
    return &api;
}
