#include "cmd/own_model.h"

#include <stdio.h>

#include "base/cpu.h"
#include "eval/agreement.h"
#include "eval/limits.h"
#include "eval/machine_rates.h"

static void read_facts(mu_own *own, const char *reference) {
    const mu_decoder_spec *spec = mu_model_spec(own->model);
    const mu_placement *p = &own->placement;
    const mu_backend_options plan = {.device = p->device,
                                     .weight_type = p->weight_type,
                                     .kv_type = p->kv_type,
                                     .n_threads = 1,
                                     .n_ctx = spec->n_ctx,
                                     .block_tokens = 16,
                                     .n_kv_blocks = 1,
                                     .step_tokens_max = 1,
                                     .step_rows_max = 1};
    mu_backend_bytes bytes = mu_backend_plan(own->model, &plan);
    if (p->device.kind == MU_DEVICE_CPU) {
        snprintf(own->device, sizeof(own->device), "cpu, %s kernels", mu_isa_best(NULL));
    } else {
        snprintf(own->device, sizeof(own->device), "%s", p->text);
    }
    own->facts = (mu_own_model){
        .reference = reference,
        .architecture = mu_model_architecture(own->model),
        .device = own->device,
        .weight_type = mu_weight_type_name(p->weight_type),
        .kv_type = mu_dtype_get(p->kv_type)->name,
        .n_ctx = spec->n_ctx,
        .vocab_size = spec->vocab_size,
        .n_parameters = mu_model_n_parameters(own->model),
        .weight_bytes = bytes.weights,
        .kv_bytes_per_token = bytes.kv / plan.block_tokens,
        .is_synthetic = own->ref.kind == MU_REF_SYNTHETIC,
        .path = own->ref.kind == MU_REF_GGUF ? own->ref.path : NULL,
    };
}

mu_status mu_own_open(mu_own *own, const char *reference, const mu_placement_options *where,
                      mu_err *err) {
    mu_status status = mu_open_generator(reference, &own->ref, &own->model, err);
    if (status == MU_OK) {
        status = mu_settle_placement(own->model, &own->ref, where, &own->placement, err);
    }
    if (status == MU_OK) read_facts(own, reference);
    return status;
}

void mu_own_close(mu_own *own) {
    mu_model_close(own->model);
    own->model = NULL;
}

static mu_status measure_rates(void *ctx, json_t **out, mu_err *err) {
    mu_own *own = ctx;
    mu_status status = mu_machine_rates_measure(own->placement.device, own->n_threads, own->isa_max,
                                                &own->rates, err);
    if (status != MU_OK) return status;
    *out = json_object();
    if (!*out) return mu_fail(err, MU_ERR_NOMEM, "the rates of the machine");
    mu_rates_json(&own->rates, *out);
    return MU_OK;
}

static mu_cell_limits limits(void *ctx, uint32_t prompt_tokens) {
    const mu_own *own = ctx;
    if (!own->model || own->rates.dram_gb_s <= 0) return (mu_cell_limits){0};
    const mu_limit_args args = {own->model, own->placement.weight_type, own->placement.kv_type,
                                &own->rates};
    const mu_decode_cost cost = mu_decode_cost_of(&args);
    return (mu_cell_limits){.decode_bytes = cost.weight_bytes,
                            .kv_bytes_per_token = cost.kv_bytes_per_position,
                            .prefill_ops = mu_prefill_ops(mu_model_spec(own->model), prompt_tokens),
                            .dram_gb_s = own->rates.dram_gb_s,
                            .peak_gops = cost.peak_gops};
}

/* f32 weights stand in this process beside the narrow ones while they are compared. */
static bool fits_memory(const mu_model *model) {
    mu_cpu_facts facts;
    mu_cpu_facts_read(&facts);
    double f32_bytes = 4.0 * (double)mu_model_n_parameters(model);
    return f32_bytes < (double)facts.memory_available_bytes / 2;
}

static json_t *fidelity_json(const mu_own *own, const mu_agreement *a) {
    return json_pack("{s:[f, f, f], s:f, s:i, s:s}", "greedy_agreement",
                     (double)a->n_agreeing / a->n_positions, a->agreement.low, a->agreement.high,
                     "kl_nats", a->kl_mean, "positions", (int)a->n_positions, "basis",
                     own->facts.is_synthetic
                         ? "random tokens and random weights, whose best tokens are near ties; "
                           "against f32 weights and an f32 KV cache"
                         : "random tokens, against f32 weights and an f32 KV cache");
}

/* Of 8-bit and 4-bit forms of wider weights, which alone can say what the narrow ones cost. */
static mu_status measure_fidelity(void *ctx, uint32_t n_positions, json_t **out, mu_err *err) {
    const mu_own *own = ctx;
    mu_dtype type = own->placement.weight_type;
    bool is_narrowed = type != mu_model_weight_type(own->model);
    *out = NULL;
    if (!is_narrowed || (type != MU_Q8_0 && type != MU_Q4_0)) return MU_OK;
    if (!fits_memory(own->model)) {
        return mu_fail(err, MU_ERR_LIMIT,
                       "f32 weights would take more than half of the memory that is free");
    }
    const mu_agreement_options options = {.reference = own->model,
                                          .device = own->placement.device,
                                          .weight_type = type,
                                          .kv_type = own->placement.kv_type,
                                          .n_threads = own->n_threads,
                                          .isa_max = own->isa_max,
                                          .is_canceled = own->is_canceled};
    mu_agreement agreement;
    mu_status status =
        mu_agreement_measure_random(own->model, &options, n_positions, &agreement, err);
    if (status != MU_OK) return status;
    *out = fidelity_json(own, &agreement);
    return *out ? MU_OK : mu_fail(err, MU_ERR_NOMEM, "the agreement with f32");
}

mu_bench_inside mu_own_inside(mu_own *own) {
    return (mu_bench_inside){
        .ctx = own, .rates = measure_rates, .limits = limits, .fidelity = measure_fidelity};
}
