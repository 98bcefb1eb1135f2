#include "model/config.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const mu_meta_value *mu_config_find(const mu_config *c, const char *hf, const char *gguf,
                                    char key[128]) {
    const char *name = c->naming == MU_NAMING_HF ? hf : gguf;
    if (!name) return NULL;
    if (c->naming == MU_NAMING_HF) {
        snprintf(key, 128, "%s", name);
    } else {
        snprintf(key, 128, "%s.%s", c->family->name, name);
    }
    const mu_meta_value *value = mu_metadata_find(c->metadata, key);
    return value && value->kind != MU_META_NULL ? value : NULL;
}

static void fail(mu_config *c, mu_status status, const char *key, const char *what) {
    if (c->status != MU_OK) return;
    c->status = mu_fail(c->err, status, "%s: %s", key, what);
}

void mu_config_refuse(mu_config *c, const char *format, ...) {
    char text[200];
    va_list args;
    if (c->status != MU_OK) return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    c->status = mu_fail(c->err, MU_ERR_UNSUPPORTED, "%s", text);
}

/* A number for every layer that is the same for all. */
static bool same_for_all(const mu_meta_value *value, int64_t *out) {
    if (value->kind != MU_META_ARRAY || !value->ints || value->n_elems == 0) return false;
    for (size_t i = 1; i < value->n_elems; i++) {
        if (value->ints[i] != value->ints[0]) return false;
    }
    *out = value->ints[0];
    return true;
}

void mu_config_u32(mu_config *c, const char *hf, const char *gguf, uint32_t max, uint32_t *out) {
    char key[128], what[64];
    const mu_meta_value *value = mu_config_find(c, hf, gguf, key);
    if (!value) return;
    int64_t number = value->i;
    if (value->kind == MU_META_ARRAY && !same_for_all(value, &number)) {
        mu_config_refuse(c, "%s: another number for each layer is not supported yet", key);
        return;
    }
    bool is_number = value->kind == MU_META_INT || value->kind == MU_META_ARRAY;
    if (!is_number || number < 1 || number > max) {
        snprintf(what, sizeof(what), "not a whole number in [1, %u]", max);
        fail(c, MU_ERR_FORMAT, key, what);
        return;
    }
    *out = (uint32_t)number;
}

void mu_config_f64(mu_config *c, const char *hf, const char *gguf, double min, double max,
                   double *out) {
    char key[128], what[96];
    const mu_meta_value *value = mu_config_find(c, hf, gguf, key);
    if (!value) return;
    bool is_number = value->kind == MU_META_INT || value->kind == MU_META_FLOAT;
    if (!is_number || !(value->f >= min && value->f <= max)) {
        snprintf(what, sizeof(what), "%g is not in [%g, %g]", is_number ? value->f : (double)NAN,
                 min, max);
        fail(c, MU_ERR_FORMAT, key, is_number ? what : "not a number");
        return;
    }
    *out = value->f;
}

void mu_config_f32(mu_config *c, const char *hf, const char *gguf, double min, double max,
                   float *out) {
    double number = (double)*out;
    mu_config_f64(c, hf, gguf, min, max, &number);
    *out = (float)number;
}

void mu_config_bool(mu_config *c, const char *hf, bool *out) {
    const mu_meta_value *value = mu_metadata_find(c->metadata, hf);
    if (!value || value->kind == MU_META_NULL) return;
    if (value->kind != MU_META_BOOL) {
        fail(c, MU_ERR_FORMAT, hf, "neither true nor false");
        return;
    }
    *out = value->b;
}

void mu_config_string(mu_config *c, const char *hf, const char *gguf, mu_meta_string *out) {
    char key[128];
    const mu_meta_value *value = mu_config_find(c, hf, gguf, key);
    if (!value) return;
    if (value->kind != MU_META_STRING) {
        fail(c, MU_ERR_FORMAT, key, "not a string");
        return;
    }
    *out = value->str;
}

void mu_config_activation(mu_config *c, const char *hf, mu_activation *out) {
    static const struct {
        const char *name;
        mu_activation activation;
    } rows[] = {
        {"gelu_new", MU_ACTIVATION_GELU_TANH}, {"gelu_pytorch_tanh", MU_ACTIVATION_GELU_TANH},
        {"gelu", MU_ACTIVATION_GELU_ERF},      {"relu", MU_ACTIVATION_RELU},
        {"silu", MU_ACTIVATION_SILU},          {"swish", MU_ACTIVATION_SILU},
    };
    mu_meta_string name = {0};
    const mu_meta_value *value = mu_metadata_find(c->metadata, hf);
    if (!value || value->kind == MU_META_NULL) return;
    if (value->kind == MU_META_STRING) name = value->str;
    for (size_t i = 0; i < MU_COUNTOF(rows) && name.data; i++) {
        if (!mu_meta_string_is(name, rows[i].name)) continue;
        *out = rows[i].activation;
        return;
    }
    mu_config_refuse(c, "%s \"%.*s\"", hf, (int)(name.n < 40 ? name.n : 40),
                     name.data ? name.data : "");
}

bool mu_config_has_tensor(const mu_config *c, const char *gguf) {
    return c->naming == MU_NAMING_GGUF && c->tensors && mu_tensor_set_find(c->tensors, gguf);
}
