#include "backend/backend.h"

#include "backend/ops.h"

static const mu_backend_ops *ops_of(mu_device device) {
    return device.kind == MU_DEVICE_CUDA ? &mu_cuda_ops : &mu_cpu_ops;
}

mu_backend_bytes mu_backend_plan(const mu_model *model, const mu_backend_options *options) {
    return ops_of(options->device)->plan(model, options);
}

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

mu_status mu_backend_open(const mu_model *model, const mu_backend_options *options,
                          mu_backend **out, mu_err *err) {
    mu_status status = check(model, options, err);
    return status == MU_OK ? ops_of(options->device)->open(model, options, out, err) : status;
}

void mu_backend_close(mu_backend *backend) {
    if (backend) backend->ops->close(backend);
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

mu_status mu_machine_rates_measure(mu_device device, uint32_t n_threads, mu_isa isa_max,
                                   mu_machine_rates *out, mu_err *err) {
    return ops_of(device)->rates(device, n_threads, isa_max, out, err);
}
