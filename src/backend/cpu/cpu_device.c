#include "backend/cpu/cpu_device.h"

#include "base/alloc.h"

static const char SCRATCH_PAGES[] = "muai-scratch";

void mu_cpu_device_close(mu_device *device) {
    mu_cpu_device *d = (mu_cpu_device *)device;
    mu_pool_close(d->pool);
    mu_pages_close(d->scratch, d->base.scratch_bytes, SCRATCH_PAGES);
    mu_free(d);
}

mu_status mu_cpu_device_open(const mu_device_options *options, mu_device **out, mu_err *err) {
    mu_cpu_device *d = mu_alloc(sizeof(*d));
    if (!d) return mu_fail(err, MU_ERR_NOMEM, "device");
    d->base = (mu_device){.ops = &mu_cpu_ops, .options = *options};
    d->kernels = mu_kernels_get(options->isa_max);
    mu_status status = mu_pool_open(options->n_threads, &d->pool, err);
    if (status == MU_OK) {
        *out = &d->base;
    } else {
        mu_cpu_device_close(&d->base);
    }
    return status;
}

mu_status mu_cpu_device_reserve_scratch(mu_device *device, uint64_t bytes, mu_err *err) {
    mu_cpu_device *d = (mu_cpu_device *)device;
    void *scratch = mu_pages_open(bytes, SCRATCH_PAGES);
    if (!scratch) {
        return mu_fail(err, MU_ERR_NOMEM, "%llu MiB for %s", (unsigned long long)(bytes >> 20),
                       SCRATCH_PAGES);
    }
    mu_pages_close(d->scratch, d->base.scratch_bytes, SCRATCH_PAGES);
    d->scratch = scratch;
    d->base.scratch_bytes = bytes;
    d->scratch_user = NULL;
    return MU_OK;
}
