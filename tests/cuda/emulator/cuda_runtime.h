/* cuda_runtime.h - the part of CUDA that the kernels of backend/cuda use, emulated on the CPU, so
 * that the same .cu files can be tested where there is no GPU. It stands before the toolkit's own
 * header of this name when libmuai-cuda-emulated.so is compiled.
 *
 * A thread of a block is a fiber; blocks run one after another, so shared memory is static memory.
 * Fibers change at barriers and warp operations only. Work on a stream is done when it is queued,
 * unless it is being recorded into a graph. What real hardware refuses (launches too large, work
 * that may not be recorded, device memory beyond what there is) is refused.
 *
 * What it cannot show: races between threads and between blocks, the order in which tensor cores
 * add, speed.
 *
 * MUAI_EMULATED_DEVICES=0 leaves no GPU; MUAI_EMULATED_MIB is the device's memory (4096).
 * Threads: any, one at a time inside. Errors: a program that hangs a GPU is ended with a line.
 */
#ifndef MU_EMULATED_CUDA_RUNTIME_H
#define MU_EMULATED_CUDA_RUNTIME_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include <cmath>
#include <functional>
#include <tuple>
#include <utility>

#define MU_CUDA_EMULATED 1

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static

using std::isfinite;
using std::isnan;

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {
    }
};
struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct alignas(16) float4 {
    float x, y, z, w;
};

static inline float4 make_float4(float x, float y, float z, float w) {
    return {x, y, z, w};
}
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) {
    return {x, y, z, w};
}
static inline unsigned min(unsigned a, unsigned b) {
    return a < b ? a : b;
}
static inline unsigned __float_as_uint(float x) {
    unsigned u;
    __builtin_memcpy(&u, &x, sizeof(u));
    return u;
}
static inline float __uint_as_float(unsigned u) {
    float x;
    __builtin_memcpy(&x, &u, sizeof(x));
    return x;
}

/* Of the running thread. */
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

void __syncthreads();
void __syncwarp(unsigned mask = 0xffffffffu);
unsigned mu_emulated_shfl_xor(unsigned mask, unsigned value, int lanes);
static inline unsigned __shfl_xor_sync(unsigned mask, unsigned value, int lanes) {
    return mu_emulated_shfl_xor(mask, value, lanes);
}
static inline float __shfl_xor_sync(unsigned mask, float value, int lanes) {
    return __uint_as_float(mu_emulated_shfl_xor(mask, __float_as_uint(value), lanes));
}
static inline void __threadfence() {
}
static inline unsigned atomicAdd(unsigned *to, unsigned value) {
    unsigned before = *to;
    *to += value;
    return before;
}

/* mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32, a whole warp; fragments as in the manual of
 * PTX. */
void mu_mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2]);

/* Copies to shared memory are there at once. */
static inline void mu_copy_start(uint4 *to, const uint4 *from) {
    *to = *from;
}
static inline void mu_copy_commit() {
}
template <uint32_t N_LATER> static inline void mu_copy_wait() {
}

/* As large as the launch said, fresh for each block and not zero. */
void *mu_emulated_dynamic_shared();
#define MU_DYNAMIC_SHARED(type, name) type *name = (type *)mu_emulated_dynamic_shared()

/* The runtime. */
enum cudaError_t {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInvalidConfiguration = 9,
    cudaErrorNoDevice = 100,
    cudaErrorInvalidDevice = 101,
    cudaErrorStreamCaptureUnsupported = 900,
    cudaErrorStreamCaptureInvalidated = 901,
};
const char *cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError();

struct cudaDeviceProp {
    char name[256];
    int major, minor;
    int multiProcessorCount;
};
cudaError_t cudaDriverGetVersion(int *version);
cudaError_t cudaGetDeviceCount(int *n);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *out, int device);
cudaError_t cudaDeviceGetPCIBusId(char *out, int size, int device);
cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes);

typedef struct mu_emulated_stream *cudaStream_t;
enum { cudaStreamNonBlocking = 1 };
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);

enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2 };
cudaError_t cudaMalloc(void **out, size_t bytes);
cudaError_t cudaFree(void *memory);
cudaError_t cudaMallocHost(void **out, size_t bytes);
cudaError_t cudaFreeHost(void *memory);
cudaError_t cudaMemset(void *to, int value, size_t bytes);
cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);

typedef struct mu_emulated_event *cudaEvent_t;
cudaError_t cudaEventCreate(cudaEvent_t *out);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float *out_ms, cudaEvent_t begin, cudaEvent_t end);

typedef struct mu_emulated_graph *cudaGraph_t;
typedef struct mu_emulated_graph *cudaGraphExec_t;
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal = 1 };
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *out);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *out, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);

enum cudaLaunchAttributeID { cudaLaunchAttributeProgrammaticStreamSerialization = 6 };
struct cudaLaunchAttribute {
    cudaLaunchAttributeID id;
    struct {
        int programmaticStreamSerializationAllowed;
    } val;
};
struct cudaLaunchConfig_t {
    dim3 gridDim, blockDim;
    size_t dynamicSmemBytes;
    cudaStream_t stream;
    cudaLaunchAttribute *attrs;
    unsigned numAttrs;
};
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
cudaError_t cudaFuncSetAttribute(const void *kernel, cudaFuncAttribute attribute, int value);

cudaError_t mu_emulated_launch(const cudaLaunchConfig_t *config, const void *kernel,
                               std::function<void()> body);

template <typename... Parameters, typename... Arguments>
static cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t *config,
                                      void (*kernel)(Parameters...), Arguments &&...arguments) {
    std::tuple<Parameters...> copies(std::forward<Arguments>(arguments)...);
    return mu_emulated_launch(config, reinterpret_cast<const void *>(kernel),
                              [=] { std::apply(kernel, copies); });
}

#endif
