/* cpu_device.h - the CPU as a device: threads, kernels, scratch. Private to backend/cpu/. */
#ifndef MU_BACKEND_CPU_CPU_DEVICE_H
#define MU_BACKEND_CPU_CPU_DEVICE_H

#include "backend/cpu/kernels.h"
#include "backend/ops.h"
#include "base/pool.h"

typedef struct mu_cpu_device {
    mu_device base;
    mu_pool *pool;
    mu_kernels kernels;
    uint8_t *scratch;         /* [base.scratch_bytes], owned pages */
    const void *scratch_user; /* the back end that laid it out last; another does so anew */
} mu_cpu_device;

/* As in mu_backend_ops. */
mu_status mu_cpu_device_open(const mu_device_options *options, mu_device **out, mu_err *err);
void mu_cpu_device_close(mu_device *device);
mu_status mu_cpu_device_reserve_scratch(mu_device *device, uint64_t bytes, mu_err *err);

#endif
