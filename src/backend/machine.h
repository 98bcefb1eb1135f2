/* machine.h - what this machine has and can do: the level of its CPU, its GPUs, measured rates.
 *
 * A door of backend/ for those who choose a device or judge a speed; who only computes needs
 * backend.h.
 *
 * Threads: any; mu_gpu_use_library() before the others. Errors: MU_ERR_UNSUPPORTED says what is
 * missing.
 */
#ifndef MU_BACKEND_MACHINE_H
#define MU_BACKEND_MACHINE_H

#include "backend/backend.h"

/* Levels of the CPU's kernels that were compiled, from portable C upwards. A level stands for
 * itself and all below it; asked for one that it lacks, a CPU runs the best it has. */
uint32_t mu_cpu_n_levels(void); /* > 0 */
const mu_cpu_level *mu_cpu_level_at(uint32_t i);
const char *mu_cpu_level_name(const mu_cpu_level *level); /* static: "ref", "avx2", "avx512" */
/* What runs on this CPU, not above max (NULL: the best): "ref", "avx2", "avx512", "avx512bf16". */
const char *mu_isa_best(const mu_cpu_level *max);

typedef struct mu_gpu {
    char name[96];       /* "NVIDIA H200" */
    char arch[16];       /* "sm_90" */
    char pci_bus_id[32]; /* "0000:01:00.0" */
    uint64_t memory_bytes, memory_free_bytes;
    uint32_t n_multiprocessors;
} mu_gpu;

/* Where libmuai-cuda.so is, before anything else is asked of a GPU; NULL: search for it. */
void mu_gpu_use_library(const char *path);
/* MU_ERR_UNSUPPORTED, with the reason, where there is no such library, no driver or no GPU. */
mu_status mu_gpu_count(uint32_t *out, mu_err *err) MU_MUST_USE; /* >= 1 on success */
mu_status mu_gpu_read(uint32_t index, mu_gpu *out, mu_err *err) MU_MUST_USE;

/* What a device can do, measured now (about a second): the denominators of every speed figure. 0
 * where it has no such instruction, or none is measured. */
typedef struct mu_machine_rates {
    double dram_gb_s;    /* reading memory far larger than the caches */
    double f32_gflop_s;  /* fused multiply-add */
    double bf16_gflop_s; /* vdpbf16ps; tensor cores */
    double int8_gop_s;   /* products of bytes; vpdpbusd */
    double int4_gop_s;   /* the same where one factor has 4 bits and several products fit 16 */
} mu_machine_rates;

mu_status mu_machine_rates_measure(mu_device_id device, uint32_t n_threads,
                                   const mu_cpu_level *isa_max, mu_machine_rates *out,
                                   mu_err *err) MU_MUST_USE;

/* One kernel at one shape, alone on one thread, its data in cache where it fits. */
typedef struct mu_kernel_rate {
    char kernel[24]; /* "matmul q8", "scores f16", "layer_norm" */
    const char *isa; /* the level asked for and present: static */
    uint32_t n_rows; /* activations, queries */
    uint32_t n_in;   /* inputs of an output; positions for attention */
    uint32_t n_out;  /* outputs; 0 where the kernel maps rows to rows */
    double seconds;  /* of the fastest call */
    double ops;      /* arithmetic of a call; 0 where it is not what bounds it */
    double bytes;    /* that a call must read and write */
    mu_dtype peak; /* whose peak rate bounds ops: MU_F32, MU_BF16, MU_Q8_0 (int8), MU_Q4_0 (int4) */
} mu_kernel_rate;

/* Measure every kernel of a level over the shapes of a decoder, n_rows rows at a time, one call of
 * each() for each. MU_ERR_CANCELED when each() returns false. */
mu_status mu_kernel_rates_measure(const mu_decoder_spec *spec, const mu_cpu_level *level,
                                  uint32_t n_rows,
                                  bool (*each)(void *ctx, const mu_kernel_rate *rate), void *ctx,
                                  mu_err *err) MU_MUST_USE;

#endif
