/* The specification. Written to be read, in f32, in index order; never optimized. */
#include "backend/cpu/kernels.h"

#include <math.h>
#include <string.h>

#include "tensor/half.h"

/* f32 weights */

static size_t f32_panel_bytes(size_t n_in) {
    return n_in * MU_PANEL * sizeof(float);
}

static size_t f32_act_bytes(size_t n_in) {
    return n_in * sizeof(float);
}

static void f32_pack_panel(void *dst, const float *src, size_t n_in) {
    memcpy(dst, src, f32_panel_bytes(n_in));
}

static void f32_unpack_column(float *dst, const void *panel, size_t n_in, uint32_t column) {
    const float *w = panel;
    for (size_t i = 0; i < n_in; i++) {
        dst[i] = w[i * MU_PANEL + column];
    }
}

static void f32_pack_acts(void *dst, const float *x, size_t n_in) {
    memcpy(dst, x, n_in * sizeof(float));
}

static void f32_run(const mu_matmul_args *a) {
    const float *w = a->panel;
    for (uint32_t r = 0; r < a->n_rows; r++) {
        const float *x = (const float *)((const uint8_t *)a->acts + r * a->act_bytes);
        float *y = a->y + r * a->y_stride;
        for (uint32_t j = 0; j < MU_PANEL; j++) {
            float sum = 0.0f;
            for (uint32_t i = 0; i < a->n_in; i++) {
                sum += x[i] * w[i * MU_PANEL + j];
            }
            sum += a->bias[j];
            y[j] = a->accumulate ? y[j] + sum : sum;
        }
    }
}

/* bf16 weights */

static size_t bf16_pairs(size_t n_in) {
    return (n_in + 1) / 2;
}

static size_t bf16_panel_bytes(size_t n_in) {
    return bf16_pairs(n_in) * MU_PANEL * 2 * sizeof(uint16_t);
}

static size_t bf16_act_bytes(size_t n_in) {
    return bf16_pairs(n_in) * 2 * sizeof(uint16_t);
}

static void bf16_pack_panel(void *dst, const float *src, size_t n_in) {
    uint16_t *w = dst;
    for (size_t i = 0; i < 2 * bf16_pairs(n_in); i++) {
        for (size_t j = 0; j < MU_PANEL; j++) {
            uint16_t value = i < n_in ? mu_f32_to_bf16(src[i * MU_PANEL + j]) : 0;
            w[(i / 2 * MU_PANEL + j) * 2 + i % 2] = value;
        }
    }
}

static void bf16_unpack_column(float *dst, const void *panel, size_t n_in, uint32_t column) {
    const uint16_t *w = panel;
    for (size_t i = 0; i < n_in; i++) {
        dst[i] = mu_bf16_to_f32(w[(i / 2 * MU_PANEL + column) * 2 + i % 2]);
    }
}

static void bf16_pack_acts(void *dst, const float *x, size_t n_in) {
    uint16_t *acts = dst;
    for (size_t i = 0; i < 2 * bf16_pairs(n_in); i++) {
        acts[i] = i < n_in ? mu_f32_to_bf16(x[i]) : 0;
    }
}

static void bf16_run(const mu_matmul_args *a) {
    const uint16_t *w = a->panel;
    for (uint32_t r = 0; r < a->n_rows; r++) {
        const uint16_t *x = (const uint16_t *)((const uint8_t *)a->acts + r * a->act_bytes);
        float *y = a->y + r * a->y_stride;
        for (uint32_t j = 0; j < MU_PANEL; j++) {
            float sum = 0.0f;
            for (uint32_t i = 0; i < a->n_in; i++) {
                sum += mu_bf16_to_f32(x[i]) * mu_bf16_to_f32(w[(i / 2 * MU_PANEL + j) * 2 + i % 2]);
            }
            sum += a->bias[j];
            y[j] = a->accumulate ? y[j] + sum : sum;
        }
    }
}

/* KV storage, one set of loops for the three element types */

static float kv_load(mu_kv_form form, const void *base, size_t i) {
    if (form == MU_KV_F32) return ((const float *)base)[i];
    uint16_t bits = ((const uint16_t *)base)[i];
    return form == MU_KV_BF16 ? mu_bf16_to_f32(bits) : mu_f16_to_f32(bits);
}

static void kv_store(mu_kv_form form, void *base, size_t i, float value) {
    if (form == MU_KV_F32) {
        ((float *)base)[i] = value;
    } else {
        ((uint16_t *)base)[i] = form == MU_KV_BF16 ? mu_f32_to_bf16(value) : mu_f32_to_f16(value);
    }
}

static void kv_write(mu_kv_form form, const mu_kv_write_args *a) {
    for (uint32_t d = 0; d < a->head_dim; d++) {
        kv_store(form, a->k_group, (size_t)d * MU_KV_GROUP + a->in_group, a->k[d]);
        kv_store(form, a->v_group, (size_t)a->in_group * a->head_dim + d, a->v[d]);
    }
}

static void kv_scores(mu_kv_form form, const mu_attention_args *a) {
    for (uint32_t r = 0; r < a->n_rows; r++) {
        const float *q = a->x + r * a->x_stride;
        for (uint32_t p = 0; p < a->n_positions; p++) {
            const void *k = a->groups[p / MU_KV_GROUP] + a->offset;
            float sum = 0.0f;
            for (uint32_t d = 0; d < a->head_dim; d++) {
                sum += q[d] * kv_load(form, k, (size_t)d * MU_KV_GROUP + p % MU_KV_GROUP);
            }
            a->y[r * a->y_stride + p] = sum * a->scale;
        }
    }
}

static void kv_values(mu_kv_form form, const mu_attention_args *a) {
    for (uint32_t r = 0; r < a->n_rows; r++) {
        const float *weights = a->x + r * a->x_stride;
        for (uint32_t d = 0; d < a->head_dim; d++) {
            float sum = 0.0f;
            for (uint32_t p = 0; p < a->n_positions; p++) {
                const void *v = a->groups[p / MU_KV_GROUP] + a->offset;
                sum += weights[p] * kv_load(form, v, (size_t)(p % MU_KV_GROUP) * a->head_dim + d);
            }
            a->y[r * a->y_stride + d] = sum;
        }
    }
}

static void f32_write(const mu_kv_write_args *a) {
    kv_write(MU_KV_F32, a);
}
static void f32_scores(const mu_attention_args *a) {
    kv_scores(MU_KV_F32, a);
}
static void f32_values(const mu_attention_args *a) {
    kv_values(MU_KV_F32, a);
}
static void bf16_write(const mu_kv_write_args *a) {
    kv_write(MU_KV_BF16, a);
}
static void bf16_scores(const mu_attention_args *a) {
    kv_scores(MU_KV_BF16, a);
}
static void bf16_values(const mu_attention_args *a) {
    kv_values(MU_KV_BF16, a);
}
static void f16_write(const mu_kv_write_args *a) {
    kv_write(MU_KV_F16, a);
}
static void f16_scores(const mu_attention_args *a) {
    kv_scores(MU_KV_F16, a);
}
static void f16_values(const mu_attention_args *a) {
    kv_values(MU_KV_F16, a);
}

/* element-wise */

static void layer_norm(float *y, const float *x, const float *w, const float *b, size_t n,
                       float eps) {
    float sum = 0.0f, squares = 0.0f;
    for (size_t i = 0; i < n; i++) {
        sum += x[i];
    }
    float mean = sum / (float)n;
    for (size_t i = 0; i < n; i++) {
        squares += (x[i] - mean) * (x[i] - mean);
    }
    float scale = 1.0f / sqrtf(squares / (float)n + eps);
    for (size_t i = 0; i < n; i++) {
        y[i] = (x[i] - mean) * scale * w[i] + b[i];
    }
}

static void gelu_tanh(float *x, size_t n) {
    const float c = 0.7978845608028654f; /* sqrt(2 / pi) */
    for (size_t i = 0; i < n; i++) {
        float v = x[i];
        x[i] = 0.5f * v * (1.0f + tanhf(c * (v + 0.044715f * v * v * v)));
    }
}

static void gelu_erf(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        x[i] = 0.5f * x[i] * (1.0f + erff(x[i] * 0.7071067811865476f));
    }
}

static void relu(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        x[i] = x[i] > 0.0f ? x[i] : 0.0f;
    }
}

static void softmax(float *x, size_t n, size_t n_padded) {
    float max = x[0], sum = 0.0f;
    for (size_t i = 1; i < n; i++) {
        max = x[i] > max ? x[i] : max;
    }
    for (size_t i = 0; i < n; i++) {
        x[i] = expf(x[i] - max);
        sum += x[i];
    }
    for (size_t i = 0; i < n_padded; i++) {
        x[i] = i < n ? x[i] / sum : 0.0f;
    }
}

void mu_kernels_init_ref(mu_kernels *k) {
    *k = (mu_kernels){
        .isa = "ref",
        .matmul = {[MU_FORM_F32] = {f32_panel_bytes, f32_act_bytes, f32_pack_panel,
                                    f32_unpack_column, f32_pack_acts, f32_run},
                   [MU_FORM_BF16] = {bf16_panel_bytes, bf16_act_bytes, bf16_pack_panel,
                                     bf16_unpack_column, bf16_pack_acts, bf16_run}},
        .kv = {[MU_KV_F32] = {f32_write, f32_scores, f32_values},
               [MU_KV_BF16] = {bf16_write, bf16_scores, bf16_values},
               [MU_KV_F16] = {f16_write, f16_scores, f16_values}},
        .layer_norm = layer_norm,
        .activation = {[MU_ACTIVATION_GELU_TANH] = gelu_tanh,
                       [MU_ACTIVATION_GELU_ERF] = gelu_erf,
                       [MU_ACTIVATION_RELU] = relu},
        .softmax = softmax,
    };
}
