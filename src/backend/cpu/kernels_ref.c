/* The specification. Written to be read, in f32, in index order; never optimized. */
#include "backend/cpu/kernels.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "backend/cpu/planes.h"
#include "tensor/half.h"

/* f32 weights */

static size_t f32_panel_bytes(size_t n_in) {
    return n_in * MU_PANEL * sizeof(float);
}

static size_t f32_act_bytes(size_t n_in) {
    return n_in * sizeof(float);
}

static void f32_pack_panel(void *dst, const void *src, size_t n_in) {
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

static void bf16_pack_panel(void *dst, const void *src, size_t n_in) {
    const float *from = src;
    uint16_t *w = dst;
    for (size_t i = 0; i < 2 * bf16_pairs(n_in); i++) {
        for (size_t j = 0; j < MU_PANEL; j++) {
            uint16_t value = i < n_in ? mu_f32_to_bf16(from[i * MU_PANEL + j]) : 0;
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

/* 8-bit and 4-bit weights */

static size_t quant_groups(size_t n_in) {
    return (n_in + MU_QUANT_GROUP - 1) / MU_QUANT_GROUP;
}

static size_t q8_panel_bytes(size_t n_in) {
    return quant_groups(n_in) * sizeof(mu_q8_group);
}

static size_t q4_panel_bytes(size_t n_in) {
    return quant_groups(n_in) * sizeof(mu_q4_group);
}

static size_t quant_act_bytes(size_t n_in) {
    return quant_groups(n_in) * sizeof(mu_act_group);
}

/* A block whose scale is zero holds zeros, whatever its levels: it gets that level and a scale that
 * is a normal number, because scales have powers of two added to their exponents. */
static const uint16_t scale_of_zeros = 0x0400; /* 2^-14 */

static void q8_pack_panel(void *dst, const void *src, size_t n_in) {
    const mu_block_q8_0 *rows = src;
    mu_q8_group *groups = dst;
    size_t n_groups = quant_groups(n_in);
    for (size_t g = 0; g < n_groups; g++) {
        for (size_t j = 0; j < MU_PANEL; j++) {
            const mu_block_q8_0 *block = &rows[j * n_groups + g];
            bool is_zero = (block->scale & 0x7fff) == 0;
            for (size_t i = 0; i < MU_QUANT_GROUP; i++) {
                int value = is_zero ? 0 : block->quants[i];
                groups[g].quants[i / 4][j][i % 4] = (uint8_t)(value + MU_Q8_OFFSET);
            }
            groups[g].scales[j] = is_zero ? scale_of_zeros : block->scale;
        }
    }
}

static void q4_pack_panel(void *dst, const void *src, size_t n_in) {
    const mu_block_q4_0 *rows = src;
    mu_q4_group *groups = dst;
    size_t n_groups = quant_groups(n_in);
    for (size_t g = 0; g < n_groups; g++) {
        for (size_t j = 0; j < MU_PANEL; j++) {
            const mu_block_q4_0 *block = &rows[j * n_groups + g];
            bool is_zero = (block->scale & 0x7fff) == 0;
            for (size_t i = 0; i < MU_QUANT_GROUP / 2; i++) {
                groups[g].quants[i / 4][j][i % 4] =
                    is_zero ? MU_Q4_OFFSET * 0x11 : block->quants[i];
            }
            groups[g].scales[j] = is_zero ? scale_of_zeros : block->scale;
        }
    }
}

static int q8_stored(const void *group, size_t i, size_t j) {
    return ((const mu_q8_group *)group)->quants[i / 4][j][i % 4];
}

static int q4_stored(const void *group, size_t i, size_t j) {
    uint8_t both = ((const mu_q4_group *)group)->quants[i % 16 / 4][j][i % 4];
    return i < 16 ? both & 15 : both >> 4;
}

typedef int stored_fn(const void *group, size_t i, size_t j);

/* Where a form keeps what: all that tells q8 from q4. */
typedef struct quant_layout {
    size_t group_bytes, scales_at;
    int offset;
    stored_fn *stored;
} quant_layout;

static const quant_layout q8_layout = {sizeof(mu_q8_group), offsetof(mu_q8_group, scales),
                                       MU_Q8_OFFSET, q8_stored};
static const quant_layout q4_layout = {sizeof(mu_q4_group), offsetof(mu_q4_group, scales),
                                       MU_Q4_OFFSET, q4_stored};

static float weight_scale(const quant_layout *layout, const uint8_t *group, size_t j) {
    return mu_f16_to_f32(((const uint16_t *)(const void *)(group + layout->scales_at))[j]);
}

static void quant_unpack_column(const quant_layout *layout, float *dst, const uint8_t *group,
                                size_t n_in, uint32_t column) {
    for (size_t g = 0; g < n_in; g += MU_QUANT_GROUP, group += layout->group_bytes) {
        float scale = weight_scale(layout, group, column);
        for (size_t i = 0; i < MU_QUANT_GROUP && g + i < n_in; i++) {
            dst[g + i] = (float)(layout->stored(group, i, column) - layout->offset) * scale;
        }
    }
}

static void q8_unpack_column(float *dst, const void *panel, size_t n_in, uint32_t column) {
    quant_unpack_column(&q8_layout, dst, panel, n_in, column);
}

static void q4_unpack_column(float *dst, const void *panel, size_t n_in, uint32_t column) {
    quant_unpack_column(&q4_layout, dst, panel, n_in, column);
}

static void pack_act_group(mu_act_group *dst, const float *x, size_t n) {
    float most = 0.0f;
    for (size_t i = 0; i < n; i++) {
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    }
    mu_act_scale scale = mu_act_scale_of(most);
    int sums[2] = {0, 0};
    *dst = (mu_act_group){.exponent = scale.exponent};
    for (size_t i = 0; i < n; i++) {
        float v = x[i] * scale.inverse;
        v = v < 127.0f ? v : 127.0f; /* not-a-number too: whatever it touches is lost anyway */
        v = v > -127.0f ? v : -127.0f;
        dst->quants[i] = (int8_t)rintf(v);
        sums[i / (MU_QUANT_GROUP / 2)] += dst->quants[i];
    }
    mu_act_group_sum(dst, sums[0], sums[1]);
}

static void q8_pack_acts(void *dst, const float *x, size_t n_in) {
    mu_act_group *groups = dst;
    for (size_t i = 0; i < n_in; i += MU_QUANT_GROUP) {
        size_t n = n_in - i < MU_QUANT_GROUP ? n_in - i : MU_QUANT_GROUP;
        pack_act_group(&groups[i / MU_QUANT_GROUP], x + i, n);
    }
}

static void quant_run(const quant_layout *layout, const mu_matmul_args *a) {
    for (uint32_t r = 0; r < a->n_rows; r++) {
        const uint8_t *row = (const uint8_t *)a->acts + r * a->act_bytes;
        const mu_act_group *x = (const mu_act_group *)(const void *)row;
        for (uint32_t j = 0; j < MU_PANEL; j++) {
            float sum = 0.0f;
            for (size_t g = 0; g < quant_groups(a->n_in); g++) {
                const uint8_t *group = (const uint8_t *)a->panel + g * layout->group_bytes;
                int dot = 0;
                for (size_t i = 0; i < MU_QUANT_GROUP; i++) {
                    dot += (layout->stored(group, i, j) - layout->offset) * x[g].quants[i];
                }
                float scale = ldexpf(weight_scale(layout, group, j), x[g].exponent / (1 << 23));
                sum = fmaf((float)dot, scale, sum);
            }
            sum += a->bias[j];
            float *y = a->y + r * a->y_stride + j;
            *y = a->accumulate ? *y + sum : sum;
        }
    }
}

static void q8_run(const mu_matmul_args *a) {
    quant_run(&q8_layout, a);
}

static void q4_run(const mu_matmul_args *a) {
    quant_run(&q4_layout, a);
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

static size_t k_at(mu_kv_form form, size_t d, size_t position) {
    if (form == MU_KV_BF16) return (d / 2 * MU_KV_GROUP + position) * 2 + d % 2;
    return d * MU_KV_GROUP + position;
}

static size_t v_at(mu_kv_form form, size_t head_dim, size_t d, size_t position) {
    if (form == MU_KV_BF16) return (position / 2 * head_dim + d) * 2 + position % 2;
    return position * head_dim + d;
}

/* Queries and weights as the product takes them. */
static float as_factor(mu_kv_form form, float x) {
    return form == MU_KV_BF16 ? mu_bf16_to_f32(mu_f32_to_bf16(x)) : x;
}

static void kv_write(mu_kv_form form, const mu_kv_write_args *a) {
    for (uint32_t p = 0; p < a->n_positions; p++) {
        const float *k = a->k + p * a->stride, *v = a->v + p * a->stride;
        size_t at = a->in_group + p;
        for (uint32_t d = 0; d < a->head_dim; d++) {
            kv_store(form, a->k_group, k_at(form, d, at), k[d]);
            kv_store(form, a->v_group, v_at(form, a->head_dim, d, at), v[d]);
        }
        if (form == MU_KV_BF16 && a->head_dim % 2 != 0) { /* the last pair's other half */
            kv_store(form, a->k_group, k_at(form, a->head_dim, at), 0.0f);
        }
    }
}

static void kv_scores(mu_kv_form form, const mu_attention_args *a) {
    for (uint32_t r = 0; r < a->n_rows; r++) {
        const float *q = a->x + r * a->x_stride;
        for (uint32_t p = 0; p < a->n_positions; p++) {
            const void *k = a->groups[p / MU_KV_GROUP] + a->offset;
            float sum = 0.0f;
            for (uint32_t d = 0; d < a->head_dim; d++) {
                sum += as_factor(form, q[d]) * kv_load(form, k, k_at(form, d, p % MU_KV_GROUP));
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
                size_t at = v_at(form, a->head_dim, d, p % MU_KV_GROUP);
                sum += as_factor(form, weights[p]) * kv_load(form, v, at);
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

static void rms_norm(float *y, const float *x, const float *w, size_t n, float eps) {
    float squares = 0.0f;
    for (size_t i = 0; i < n; i++) {
        squares += x[i] * x[i];
    }
    float scale = 1.0f / sqrtf(squares / (float)n + eps);
    for (size_t i = 0; i < n; i++) {
        y[i] = x[i] * scale * w[i];
    }
}

static void rotate(float *x, const float *cos_sin, size_t n_pairs) {
    for (size_t i = 0; i < n_pairs; i++) {
        float c = cos_sin[i], s = cos_sin[n_pairs + i];
        float a = x[i], b = x[n_pairs + i];
        x[i] = a * c - b * s;
        x[n_pairs + i] = b * c + a * s;
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

static void silu(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        x[i] = x[i] / (1.0f + expf(-x[i]));
    }
}

static void multiply(float *x, const float *y, size_t n) {
    for (size_t i = 0; i < n; i++) {
        x[i] *= y[i];
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
        .matmul = {[MU_F32] = {f32_panel_bytes, MU_ACTS_F32, MU_F32, f32_pack_panel,
                               f32_unpack_column, f32_run},
                   [MU_BF16] = {bf16_panel_bytes, MU_ACTS_BF16, MU_F32, bf16_pack_panel,
                                bf16_unpack_column, bf16_run},
                   [MU_Q8_0] = {q8_panel_bytes, MU_ACTS_Q8, MU_Q8_0, q8_pack_panel,
                                q8_unpack_column, q8_run},
                   [MU_Q4_0] = {q4_panel_bytes, MU_ACTS_Q8, MU_Q4_0, q4_pack_panel,
                                q4_unpack_column, q4_run}},
        .acts = {[MU_ACTS_F32] = {f32_act_bytes, f32_pack_acts},
                 [MU_ACTS_BF16] = {bf16_act_bytes, bf16_pack_acts},
                 [MU_ACTS_Q8] = {quant_act_bytes, q8_pack_acts}},
        .kv = {[MU_KV_F32] = {f32_write, f32_scores, f32_values},
               [MU_KV_BF16] = {bf16_write, bf16_scores, bf16_values},
               [MU_KV_F16] = {f16_write, f16_scores, f16_values}},
        .layer_norm = layer_norm,
        .rms_norm = rms_norm,
        .rotate = rotate,
        .activation = {[MU_ACTIVATION_GELU_TANH] = gelu_tanh,
                       [MU_ACTIVATION_GELU_ERF] = gelu_erf,
                       [MU_ACTIVATION_RELU] = relu,
                       [MU_ACTIVATION_SILU] = silu},
        .multiply = multiply,
        .softmax = softmax,
    };
    mu_kernels_init_planes(k);
}
