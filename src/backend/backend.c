#include "backend/backend.h"

#include "backend/ops.h"

static const mu_backend_ops *ops_of(mu_device device) {
    return device.kind == MU_DEVICE_CUDA ? &mu_cuda_ops : &mu_cpu_ops;
}

mu_backend_bytes mu_backend_plan(const mu_decoder_spec *spec, bool is_tied,
                                 const mu_backend_options *options) {
    return ops_of(options->device)->plan(spec, is_tied, options);
}

mu_status mu_backend_open(const mu_model *model, const mu_backend_options *options,
                          mu_backend **out, mu_err *err) {
    return ops_of(options->device)->open(model, options, out, err);
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
