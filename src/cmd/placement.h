/* placement.h - where a model runs and in which types: --device, --dtype, --kv and MUAI_ISA,
 * settled together because each limits the others. */
#ifndef MU_CMD_PLACEMENT_H
#define MU_CMD_PLACEMENT_H

#include "cmd/options.h"
#include "engine/engine.h"
#include "model/model.h"

typedef struct mu_placement_options {
    const char *device; /* "cpu", "cuda", "cuda:1", "auto" */
    const char *dtype;  /* "f32" and the like; "auto": what the file holds, on a GPU bf16 */
    const char *kv;     /* "auto": f32 beside f32 weights; beside narrower ones bf16 where the CPU
                           multiplies it, else f16; on a GPU as the weights */
} mu_placement_options;

/* One of a command's options; target: the member `device`. */
#define MU_DEVICE_OPTION(target)                                      \
    {                                                                 \
        "device", 0, MU_OPTION_TEXT, (target), 0, 0, "DEVICE",        \
            "cpu, cuda, cuda:N, or auto: the first GPU, else the CPU" \
    }

typedef struct mu_placement {
    mu_device device;
    mu_isa isa_max;
    mu_dtype weight_type, kv_type;
    mu_gpu gpu;         /* where the device is one */
    char gpu_label[16]; /* "cuda:0" */
    char text[192];     /* "cuda:0, NVIDIA H200 (sm_90)", "cpu (auto: no GPU ...)"; "cpu" */
} mu_placement;

/* A device alone. MU_ERR_UNSUPPORTED names --device where a GPU is asked for and there is none.
 * out: types are not set. */
mu_status mu_device_settle(const char *device, mu_placement *out, mu_err *err) MU_MUST_USE;

/* The types, on a placement whose device is settled. ref tells the weight type that the reference
 * asked for, which --dtype does not change. */
mu_status mu_types_settle(const mu_model *model, const mu_ref *ref,
                          const mu_placement_options *options, mu_placement *placement,
                          mu_err *err) MU_MUST_USE;
/* Both. */
mu_status mu_placement_settle(const mu_model *model, const mu_ref *ref,
                              const mu_placement_options *options, mu_placement *out,
                              mu_err *err) MU_MUST_USE;
void mu_placement_apply(const mu_placement *placement, mu_engine_options *engine);

#endif
