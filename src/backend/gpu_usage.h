/* gpu_usage.h - what an NVIDIA GPU does now: memory in use, utilization, power, temperature.
 * A door of backend/.
 *
 * A reader asks NVML, the management library that comes with the driver and is loaded at run time.
 * It needs neither the CUDA library nor a context on the GPU, so it can also watch the GPU that
 * another process computes on. A value that this GPU or its driver does not tell is unknown; that
 * some are is normal.
 *
 * Cost: a reading takes calls into the driver, milliseconds at worst. Never between two steps.
 * Threads: one caller at a time for a reader; readers are independent. Memory: a read may allocate
 * when more processes use the GPU than ever before.
 */
#ifndef MU_BACKEND_GPU_USAGE_H
#define MU_BACKEND_GPU_USAGE_H

#include "base/status.h"

typedef struct mu_gpu_usage_reader mu_gpu_usage_reader;

typedef struct mu_gpu_usage_options {
    const char *pci_bus_id; /* "0000:01:00.0", as CUDA gives it; borrowed during open() */
    uint32_t pid;           /* whose memory process_bytes is; 0: this process */
    const char *library;    /* path of NVML; NULL: libnvidia-ml.so.1 by the loader's search */
} mu_gpu_usage_options;

typedef struct mu_gpu_usage {
    uint64_t memory_used_bytes;  /* by everybody, with what the driver keeps for itself */
    uint64_t memory_total_bytes; /* 0: this and memory_used_bytes are unknown */
    uint64_t process_bytes;      /* 0: it has no context there or is not found; in a container the
                                    driver may number processes as they are outside */
    double utilization_percent;  /* of the last sample period (1/6 to 1 s): time in which a kernel
                                    ran; NAN: unknown */
    double power_w;              /* NAN: unknown */
    double temperature_c;        /* NAN: unknown */
} mu_gpu_usage;

/* MU_ERR_UNSUPPORTED, with the reason, when there is no such library, it is too old, it finds no
 * driver, or there is no such GPU. */
mu_status mu_gpu_usage_open(const mu_gpu_usage_options *options, mu_gpu_usage_reader **out,
                            mu_err *err) MU_MUST_USE;
/* MU_ERR_DEVICE when nothing at all is told, which is what a lost GPU looks like; out is then as it
 * was. */
mu_status mu_gpu_usage_read(mu_gpu_usage_reader *reader, mu_gpu_usage *out,
                            mu_err *err) MU_MUST_USE;
void mu_gpu_usage_close(mu_gpu_usage_reader *reader); /* NULL is allowed */

#endif
