/* placement.h - where a model runs and in which types: --device, --dtype, --kv and the highest
 * level of instructions, settled together because each limits the others.
 *
 * Errors: MU_ERR_INVALID and MU_ERR_UNSUPPORTED name the option. Threads: any; no state but the
 * GPU library that the first question about a GPU loads. */
#ifndef MU_ROUTER_PLACEMENT_H
#define MU_ROUTER_PLACEMENT_H

#include "backend/machine.h"
#include "engine/engine.h"
#include "model/model.h"

typedef struct mu_placement_options {
    const char *device; /* "cpu", "cuda", "cuda:1", "auto" */
    const char *dtype;  /* "f32" and the like; "auto": what the file holds, on a GPU bf16 */
    const char *kv;     /* "auto": f32 beside f32 weights; beside narrower ones bf16 where the CPU
                           multiplies it, else f16; on a GPU as the weights */
    const mu_cpu_level *isa_max; /* of the CPU */
} mu_placement_options;

typedef struct mu_placement {
    mu_device_id device;
    const mu_cpu_level *isa_max;
    mu_dtype weight_type, kv_type;
    mu_gpu gpu;         /* where the device is one */
    char gpu_label[16]; /* "cuda:0" */
    char text[192];     /* "cuda:0, NVIDIA H200 (sm_90)", "cpu (auto: no GPU ...)"; "cpu" */
} mu_placement;

/* A device alone. MU_ERR_UNSUPPORTED names --device where a GPU is asked for and there is none.
 * out: types are not set. */
mu_status mu_device_settle(const char *device, const mu_cpu_level *isa_max, mu_placement *out,
                           mu_err *err) MU_MUST_USE;

/* The types, on a placement whose device is settled. ref tells the weight type that the reference
 * asked for, which --dtype does not change. */
mu_status mu_types_settle(const mu_model *model, const mu_ref *ref,
                          const mu_placement_options *options, mu_placement *placement,
                          mu_err *err) MU_MUST_USE;
/* Both. */
mu_status mu_placement_settle(const mu_model *model, const mu_ref *ref,
                              const mu_placement_options *options, mu_placement *out,
                              mu_err *err) MU_MUST_USE;
/* "f32" and the like; what names the option in the error. */
mu_status mu_parse_weight_type(const char *what, const char *name, mu_dtype *out,
                               mu_err *err) MU_MUST_USE;
/* A KV type alone, on the CPU: what `kv` says beside weights of a type. */
mu_status mu_settle_kv_type(mu_dtype weight_type, const mu_cpu_level *isa_max, const char *option,
                            mu_dtype *out, mu_err *err) MU_MUST_USE;

void mu_placement_apply(const mu_placement *placement, mu_engine_options *engine);

#endif
