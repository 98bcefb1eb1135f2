/* device.h - what computes, opened once for all the models that run on it: the CPU or a GPU.
 *
 * A device owns what its back ends need only one of: the compute pool, the kernel table and the
 * scratch of a step, which is as large as the largest of them needs. Ten models so have the threads
 * of one, and no more scratch than the largest.
 *
 *     device ──▶ pool, kernels, scratch
 *        ▲
 *        ├── backend: weights and KV of a model
 *        └── backend ...
 *
 * On a GPU scratch is still each back end's own, and so are streams.
 *
 * Threads: one caller at a time, for a device and all its back ends together: opening, steps,
 * closing. Memory: open() takes what there is one of; scratch grows with reserve(), which moves it.
 */
#ifndef MU_BACKEND_DEVICE_H
#define MU_BACKEND_DEVICE_H

#include "backend/backend.h"

typedef struct mu_device_options {
    mu_device_id id;
    uint32_t n_threads;          /* 0: as many as the process may use */
    const mu_cpu_level *isa_max; /* NULL: the best the CPU has */
} mu_device_options;

mu_status mu_device_open(const mu_device_options *options, mu_device **out,
                         mu_err *err) MU_MUST_USE;
/* No back end is open on it any more. NULL is allowed. */
void mu_device_close(mu_device *device);
/* Room for steps that take so many bytes of scratch; a back end that opens asks for its own. */
mu_status mu_device_reserve_scratch(mu_device *device, uint64_t bytes, mu_err *err) MU_MUST_USE;

uint64_t mu_device_scratch_bytes(const mu_device *device);
uint32_t mu_device_n_threads(const mu_device *device);
bool mu_device_shares_scratch(mu_device_id id);

#endif
