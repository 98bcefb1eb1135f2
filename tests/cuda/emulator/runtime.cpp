/* The runtime's side: one device, memory that is counted, streams, graphs, events. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <map>
#include <memory>
#include <vector>

#include "block.h"

enum {
    SHARED_BYTES_DEFAULT = 48 * 1024,
    SHARED_BYTES_MAX = 227 * 1024,
    THREADS_MAX = 1024,
    GRID_YZ_MAX = 65535,
    MIB_DEFAULT = 4096,
};

struct mu_emulated_graph {
    std::vector<std::function<void()>> work;
};
struct mu_emulated_stream {
    std::unique_ptr<mu_emulated_graph> recording;
    bool is_broken; /* something was asked for that cannot be recorded */
};
struct mu_emulated_event {
    struct timespec at;
};

static struct {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    std::map<void *, size_t> memory;
    size_t used = 0;
    std::map<const void *, size_t> shared_max; /* by kernel */
    int n_recording = 0;
} device;

static thread_local cudaError_t last_error = cudaSuccess;

static cudaError_t give(cudaError_t error) {
    if (error != cudaSuccess) last_error = error;
    return error;
}

static size_t memory_bytes() {
    const char *text = getenv("MUAI_EMULATED_MIB");
    return (size_t)(text ? strtoull(text, NULL, 10) : (unsigned long long)MIB_DEFAULT) << 20;
}

cudaError_t cudaGetLastError() {
    cudaError_t error = last_error;
    last_error = cudaSuccess;
    return error;
}

const char *cudaGetErrorString(cudaError_t error) {
    switch (error) {
    case cudaSuccess:
        return "no error";
    case cudaErrorMemoryAllocation:
        return "out of memory";
    case cudaErrorInvalidConfiguration:
        return "invalid configuration argument";
    case cudaErrorNoDevice:
        return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice:
        return "invalid device ordinal";
    case cudaErrorStreamCaptureUnsupported:
        return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated:
        return "operation failed due to a previous error during capture";
    default:
        return "invalid argument";
    }
}

cudaError_t cudaDriverGetVersion(int *version) {
    *version = 13000;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *n) {
    const char *text = getenv("MUAI_EMULATED_DEVICES");
    *n = text ? atoi(text) : 1;
    return *n > 0 ? cudaSuccess : give(cudaErrorNoDevice);
}

cudaError_t cudaSetDevice(int index) {
    return index == 0 ? cudaSuccess : give(cudaErrorInvalidDevice);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *out, int index) {
    if (index != 0) return give(cudaErrorInvalidDevice);
    *out = {};
    snprintf(out->name, sizeof(out->name), "emulated GPU");
    out->major = 9;
    out->multiProcessorCount = 4;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char *out, int size, int index) {
    if (index != 0) return give(cudaErrorInvalidDevice);
    snprintf(out, (size_t)size, "0000:00:00.0");
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes) {
    pthread_mutex_lock(&device.mutex);
    *total_bytes = memory_bytes();
    *free_bytes = *total_bytes > device.used ? *total_bytes - device.used : 0;
    pthread_mutex_unlock(&device.mutex);
    return cudaSuccess;
}

/* From the heap, so that the address sanitizer guards it; not zero. */
cudaError_t cudaMalloc(void **out, size_t bytes) {
    void *memory = NULL;
    pthread_mutex_lock(&device.mutex);
    bool is_recording = device.n_recording > 0;
    if (!is_recording && bytes <= memory_bytes() - device.used &&
        posix_memalign(&memory, 256, bytes) == 0) {
        device.memory[memory] = bytes;
        device.used += bytes;
    }
    pthread_mutex_unlock(&device.mutex);
    if (is_recording) return give(cudaErrorStreamCaptureUnsupported);
    if (!memory) return give(cudaErrorMemoryAllocation);
    memset(memory, 0xff, bytes);
    *out = memory;
    return cudaSuccess;
}

cudaError_t cudaFree(void *memory) {
    if (!memory) return cudaSuccess;
    pthread_mutex_lock(&device.mutex);
    auto found = device.memory.find(memory);
    bool is_known = found != device.memory.end();
    if (is_known) {
        device.used -= found->second;
        device.memory.erase(found);
        free(memory);
    }
    pthread_mutex_unlock(&device.mutex);
    return is_known ? cudaSuccess : give(cudaErrorInvalidValue);
}

cudaError_t cudaMallocHost(void **out, size_t bytes) {
    *out = malloc(bytes);
    return *out ? cudaSuccess : give(cudaErrorMemoryAllocation);
}

cudaError_t cudaFreeHost(void *memory) {
    free(memory);
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned flags) {
    (void)flags;
    *out = new mu_emulated_stream();
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    delete stream;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    if (!stream->recording) return cudaSuccess;
    stream->is_broken = true;
    return give(cudaErrorStreamCaptureUnsupported);
}

/* Now, or when the graph that is being recorded is launched. */
static cudaError_t queue(cudaStream_t stream, std::function<void()> work) {
    if (stream->recording) {
        stream->recording->work.push_back(std::move(work));
    } else {
        work();
    }
    return cudaSuccess;
}

cudaError_t cudaMemset(void *to, int value, size_t bytes) {
    memset(to, value, bytes);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream) {
    return queue(stream, [=] { memset(to, value, bytes); });
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
    (void)kind;
    return queue(stream, [=] { memcpy(to, from, bytes); });
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
    (void)mode;
    if (stream->recording) return give(cudaErrorInvalidValue);
    stream->recording = std::make_unique<mu_emulated_graph>();
    stream->is_broken = false;
    device.n_recording++;
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *out) {
    if (!stream->recording) return give(cudaErrorInvalidValue);
    device.n_recording--;
    *out = stream->recording.release();
    if (!stream->is_broken) return cudaSuccess;
    delete *out;
    *out = NULL;
    return give(cudaErrorStreamCaptureInvalidated);
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *out, cudaGraph_t graph,
                                 unsigned long long flags) {
    (void)flags;
    *out = new mu_emulated_graph(*graph);
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
    if (stream->recording) return give(cudaErrorStreamCaptureUnsupported);
    for (const std::function<void()> &work : exec->work) {
        work();
    }
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    delete graph;
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
    delete exec;
    return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t *out) {
    *out = new mu_emulated_event();
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
    delete event;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    return queue(stream, [=] { clock_gettime(CLOCK_MONOTONIC, &event->at); });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    (void)event;
    return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float *out_ms, cudaEvent_t begin, cudaEvent_t end) {
    double seconds = (double)(end->at.tv_sec - begin->at.tv_sec);
    double nanoseconds = (double)(end->at.tv_nsec - begin->at.tv_nsec);
    *out_ms = (float)(seconds * 1e3 + nanoseconds * 1e-6);
    return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void *kernel, cudaFuncAttribute attribute, int value) {
    (void)attribute;
    if (value < 0 || value > SHARED_BYTES_MAX) return give(cudaErrorInvalidValue);
    pthread_mutex_lock(&device.mutex);
    device.shared_max[kernel] = (size_t)value;
    pthread_mutex_unlock(&device.mutex);
    return cudaSuccess;
}

cudaError_t mu_emulated_launch(const cudaLaunchConfig_t *config, const void *kernel,
                               std::function<void()> body) {
    dim3 grid = config->gridDim;
    const dim3 &threads = config->blockDim;
    size_t shared_bytes = config->dynamicSmemBytes, shared_max = SHARED_BYTES_DEFAULT;
    pthread_mutex_lock(&device.mutex);
    auto found = device.shared_max.find(kernel);
    if (found != device.shared_max.end() && found->second > shared_max) shared_max = found->second;
    pthread_mutex_unlock(&device.mutex);
    if (shared_bytes > shared_max) return give(cudaErrorInvalidValue);
    bool is_possible = grid.x > 0 && grid.y > 0 && grid.z > 0 && grid.y <= GRID_YZ_MAX &&
                       grid.z <= GRID_YZ_MAX && threads.x > 0 && threads.x <= THREADS_MAX &&
                       threads.y == 1 && threads.z == 1;
    if (!is_possible) return give(cudaErrorInvalidConfiguration);
    unsigned n_threads = threads.x;
    return queue(config->stream, [=] { mu_emulated_run(grid, n_threads, shared_bytes, body); });
}
