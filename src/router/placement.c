#include "router/placement.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GPUS_MAX = 1024 };

/* "cuda:3": the number. False: something else. */
static bool parse_index(const char *text, uint32_t *out) {
    static const char prefix[] = "cuda:";
    if (strncmp(text, prefix, sizeof(prefix) - 1) != 0) return false;
    const char *digits = text + sizeof(prefix) - 1;
    char *end = NULL;
    if (*digits < '0' || *digits > '9') return false;
    errno = 0;
    unsigned long value = strtoul(digits, &end, 10);
    if (*end != '\0' || errno != 0 || value >= GPUS_MAX) return false;
    *out = (uint32_t)value;
    return true;
}

static mu_status settle_gpu(uint32_t index, mu_placement *out, mu_err *err) {
    mu_status status = mu_gpu_read(index, &out->gpu, err);
    if (status != MU_OK) return status;
    out->device = (mu_device_id){MU_DEVICE_CUDA, index};
    snprintf(out->gpu_label, sizeof(out->gpu_label), "cuda:%u", index);
    snprintf(out->text, sizeof(out->text), "%s, %s (%s)", out->gpu_label, out->gpu.name,
             out->gpu.arch);
    return MU_OK;
}

mu_status mu_device_settle(const char *option, const mu_cpu_level *isa_max, mu_placement *out,
                           mu_err *err) {
    *out = (mu_placement){.isa_max = isa_max, .text = "cpu"};
    uint32_t index = 0;
    mu_err why;
    if (strcmp(option, "cpu") == 0) return MU_OK;
    bool is_auto = strcmp(option, "auto") == 0;
    if (!is_auto && strcmp(option, "cuda") != 0 && !parse_index(option, &index)) {
        return mu_fail(err, MU_ERR_INVALID,
                       "--device: \"%.40s\" is not one of cpu, cuda, cuda:N, "
                       "auto",
                       option);
    }
    mu_status status = settle_gpu(index, out, &why);
    if (status == MU_OK) return MU_OK;
    if (!is_auto) return mu_fail(err, status, "--device: %s", why.text);
    snprintf(out->text, sizeof(out->text), "cpu (auto: %s)", why.text);
    return MU_OK;
}

mu_status mu_parse_weight_type(const char *what, const char *name, mu_dtype *out, mu_err *err) {
    if (mu_weight_type_parse(name, out)) return MU_OK;
    return mu_fail(err, MU_ERR_INVALID, "%s: \"%.40s\" is not one of f32, bf16, q8, q4, q6_k, q4_k",
                   what, name);
}

static mu_status settle_named_type(const mu_model *model, const mu_ref *ref, const char *option,
                                   mu_dtype *out, mu_err *err) {
    if (ref->weight_type[0] != '\0') {
        return mu_parse_weight_type("model", ref->weight_type, out, err);
    }
    if (strcmp(option, "auto") != 0) return mu_parse_weight_type("--dtype", option, out, err);
    *out = mu_model_weight_type(model);
    return MU_OK;
}

mu_status mu_settle_kv_type(mu_dtype weight_type, const mu_cpu_level *isa_max, const char *option,
                            mu_dtype *out, mu_err *err) {
    static const mu_dtype known[] = {MU_F32, MU_BF16, MU_F16};
    if (strcmp(option, "auto") == 0) {
        bool has_bf16 = strcmp(mu_isa_best(isa_max), "avx512bf16") == 0;
        *out = weight_type == MU_F32 ? MU_F32 : has_bf16 ? MU_BF16 : MU_F16;
        return MU_OK;
    }
    for (size_t i = 0; i < MU_COUNTOF(known); i++) {
        if (strcmp(option, mu_dtype_get(known[i])->name) != 0) continue;
        *out = known[i];
        return MU_OK;
    }
    return mu_fail(err, MU_ERR_INVALID, "--kv: \"%.40s\" is not one of auto, f32, bf16, f16",
                   option);
}

static mu_status settle_weight_type(const mu_model *model, const mu_ref *ref, const char *option,
                                    mu_placement *out, mu_err *err) {
    if (ref->weight_type[0] == '\0' && strcmp(option, "auto") == 0) {
        bool is_cpu = out->device.kind == MU_DEVICE_CPU;
        out->weight_type = is_cpu ? mu_model_weight_type(model) : MU_BF16;
        return MU_OK;
    }
    return settle_named_type(model, ref, option, &out->weight_type, err);
}

/* Types that a GPU takes. */
static mu_status check_gpu_types(const char *kv, mu_placement *out, mu_err *err) {
    const char *name = mu_weight_type_name(out->weight_type);
    if (out->weight_type != MU_F32 && out->weight_type != MU_BF16) {
        return mu_fail(err, MU_ERR_UNSUPPORTED,
                       "weight type %s: a GPU takes bf16 and f32; --dtype bf16 runs this model",
                       name);
    }
    out->kv_type = out->weight_type;
    if (strcmp(kv, "auto") == 0 || strcmp(kv, mu_dtype_get(out->kv_type)->name) == 0) return MU_OK;
    return mu_fail(err, MU_ERR_UNSUPPORTED, "--kv %.40s: on a GPU it is the weight type, %s", kv,
                   name);
}

mu_status mu_types_settle(const mu_model *model, const mu_ref *ref, const mu_placement_options *o,
                          mu_placement *p, mu_err *err) {
    mu_status status = settle_weight_type(model, ref, o->dtype, p, err);
    if (status != MU_OK) return status;
    return p->device.kind == MU_DEVICE_CPU
               ? mu_settle_kv_type(p->weight_type, p->isa_max, o->kv, &p->kv_type, err)
               : check_gpu_types(o->kv, p, err);
}

mu_status mu_placement_settle(const mu_model *model, const mu_ref *ref,
                              const mu_placement_options *o, mu_placement *out, mu_err *err) {
    mu_status status = mu_device_settle(o->device, o->isa_max, out, err);
    return status == MU_OK ? mu_types_settle(model, ref, o, out, err) : status;
}

void mu_placement_apply(const mu_placement *p, mu_engine_options *engine) {
    engine->device = p->device;
    engine->isa_max = p->isa_max;
    engine->weight_type = p->weight_type;
    engine->kv_type = p->kv_type;
}
