#include "backend/backend.h"

#include "backend/ops.h"
#include "base/cpu.h"

static const mu_backend_ops *ops_of(mu_device_id device) {
    return device.kind == MU_DEVICE_CUDA ? &mu_cuda_ops : &mu_cpu_ops;
}

mu_backend_bytes mu_backend_plan(const mu_model *model, const mu_backend_options *options) {
    return ops_of(options->device)->plan(model, options);
}

/* Devices */

mu_status mu_device_open(const mu_device_options *options, mu_device **out, mu_err *err) {
    mu_device_options o = *options;
    o.n_threads = mu_cpu_threads(o.n_threads);
    return ops_of(o.id)->device_open(&o, out, err);
}

void mu_device_close(mu_device *device) {
    if (device) device->ops->device_close(device);
}

mu_status mu_device_reserve_scratch(mu_device *device, uint64_t bytes, mu_err *err) {
    if (bytes <= device->scratch_bytes) return MU_OK;
    return device->ops->reserve_scratch(device, bytes, err);
}

uint64_t mu_device_scratch_bytes(const mu_device *device) {
    return device->scratch_bytes;
}

uint32_t mu_device_n_threads(const mu_device *device) {
    return device->options.n_threads;
}

bool mu_device_shares_scratch(mu_device_id id) {
    return id.kind == MU_DEVICE_CPU;
}

/* Back ends */

static mu_status check(const mu_model *model, const mu_backend_options *o, mu_err *err) {
    const mu_decoder_spec *spec = mu_model_spec(model);
    const mu_backend_ops *ops = ops_of(o->device);
    mu_err why;
    MU_ASSERT(o->n_kv_blocks > 0 && o->step_tokens_max > 0 && o->step_rows_max > 0);
    if (o->block_tokens == 0 || o->block_tokens % MU_KV_GROUP != 0) {
        return mu_fail(err, MU_ERR_INVALID, "KV blocks of %u tokens: must be a multiple of %d",
                       o->block_tokens, MU_KV_GROUP);
    }
    if (o->n_ctx == 0 || o->n_ctx > spec->n_ctx) {
        return mu_fail(err, MU_ERR_LIMIT, "context of %u tokens: the model has %u positions",
                       o->n_ctx, spec->n_ctx);
    }
    mu_status status = mu_decoder_check(spec, ops->features, ops->name, &why);
    if (status != MU_OK) {
        return mu_fail(err, status, "%s models: %s%s", mu_model_architecture(model), why.text,
                       o->device.kind == MU_DEVICE_CPU ? "" : "; --device cpu may run it");
    }
    return MU_OK;
}

/* What the device has settled holds for the back end too. */
static void adopt(mu_backend_options *o, mu_device *device) {
    o->shared = device;
    o->device = device->options.id;
    o->n_threads = device->options.n_threads;
    o->isa_max = device->options.isa_max;
}

mu_status mu_backend_check(const mu_model *model, const mu_backend_options *options, mu_err *err) {
    mu_backend_options o = *options;
    if (o.shared) adopt(&o, o.shared);
    return check(model, &o, err);
}

mu_status mu_backend_start(const mu_model *model, const mu_backend_options *options,
                           mu_backend **out, mu_err *err) {
    mu_backend_options o = *options;
    mu_device *own = NULL;
    if (o.shared) adopt(&o, o.shared);
    mu_status status = check(model, &o, err);
    if (status == MU_OK && !o.shared) {
        const mu_device_options device = {o.device, o.n_threads, o.isa_max};
        status = mu_device_open(&device, &own, err);
        if (status == MU_OK) adopt(&o, own);
    }
    if (status == MU_OK) status = ops_of(o.device)->open(model, &o, out, err);
    if (status == MU_OK) {
        (*out)->own = own;
    } else {
        mu_device_close(own);
    }
    return status;
}

bool mu_backend_load(mu_backend *backend) {
    return backend->ops->load && backend->ops->load(backend);
}

mu_status mu_backend_open(const mu_model *model, const mu_backend_options *options,
                          mu_backend **out, mu_err *err) {
    mu_status status = mu_backend_start(model, options, out, err);
    if (status == MU_OK) {
        while (mu_backend_load(*out)) {}
    }
    return status;
}

void mu_backend_close(mu_backend *backend) {
    if (!backend) return;
    mu_device *own = backend->own;
    backend->ops->close(backend);
    mu_device_close(own);
}

mu_status mu_backend_forward(mu_backend *backend, const mu_step *step, mu_step_result *out,
                             mu_err *err) {
    return backend->ops->forward(backend, step, out, err);
}

const char *mu_backend_isa(const mu_backend *backend) {
    return backend->ops->isa(backend);
}

uint32_t mu_backend_n_threads(const mu_backend *backend) {
    return backend->ops->n_threads(backend);
}

mu_backend_bytes mu_backend_get_bytes(const mu_backend *backend) {
    return backend->ops->get_bytes(backend);
}

mu_status mu_machine_rates_measure(mu_device_id device, uint32_t n_threads,
                                   const mu_cpu_level *isa_max, mu_machine_rates *out,
                                   mu_err *err) {
    return ops_of(device)->rates(device, n_threads, isa_max, out, err);
}
