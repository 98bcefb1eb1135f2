/* The layouts of ggml's blocks, written to be read. Blocks may sit at any address in a file, so
 * each is copied before it is used. block_fields.c has those that are levels, steps and mins.
 */
#include <string.h>

#include "tensor/block_fields.h"
#include "tensor/dequantize_iq.h"
#include "tensor/dtype.h"
#include "tensor/half.h"

static void q8_0(const void *src, float *dst) {
    mu_block_q8_0 b;
    memcpy(&b, src, sizeof(b));
    float scale = mu_f16_to_f32(b.scale);
    for (int i = 0; i < 32; i++) {
        dst[i] = (float)b.quants[i] * scale;
    }
}

static void q4_0(const void *src, float *dst) {
    mu_block_q4_0 b;
    memcpy(&b, src, sizeof(b));
    float scale = mu_f16_to_f32(b.scale);
    for (int i = 0; i < 16; i++) {
        dst[i] = (float)((b.quants[i] & 15) - 8) * scale;
        dst[i + 16] = (float)((b.quants[i] >> 4) - 8) * scale;
    }
}

static float f16_at(const uint8_t *data) {
    uint16_t bits;
    memcpy(&bits, data, sizeof(bits));
    return mu_f16_to_f32(bits);
}

/* Levels times a scale, and a min or an offset. Without one, adding zero leaves no -0. */
static void put_levels(mu_dtype dtype, const void *src, float *dst) {
    const mu_block_rule *rule = mu_block_rule_of(dtype);
    mu_block_fields b;
    rule->read(src, &b);
    float d = mu_f16_to_f32(b.scale), m = rule->sign * mu_f16_to_f32(b.min);
    for (uint32_t i = 0; i < mu_dtype_get(dtype)->block_elems; i++) {
        uint32_t group = i / rule->sub;
        float scale = d * (float)b.steps[group], min = m * (float)b.mins[group];
        dst[i] = scale * (float)(b.levels[i] - rule->offset) + min;
    }
}

#define LEVELS(name, dtype)                         \
    static void name(const void *src, float *dst) { \
        put_levels(dtype, src, dst);                \
    }
LEVELS(q4_1, MU_Q4_1)
LEVELS(q5_0, MU_Q5_0)
LEVELS(q5_1, MU_Q5_1)
LEVELS(q2_k, MU_Q2_K)
LEVELS(q3_k, MU_Q3_K)
LEVELS(q4_k, MU_Q4_K)
LEVELS(q5_k, MU_Q5_K)
LEVELS(q6_k, MU_Q6_K)

static void q1_0(const void *src, float *dst) {
    const uint8_t *b = src;
    float d = f16_at(b);
    for (int i = 0; i < 128; i++) {
        dst[i] = b[2 + i / 8] >> (i % 8) & 1 ? d : -d;
    }
}

static void f32(const void *src, float *dst) {
    memcpy(dst, src, sizeof(*dst));
}

static void f16(const void *src, float *dst) {
    *dst = f16_at(src);
}

static void bf16(const void *src, float *dst) {
    uint16_t bits;
    memcpy(&bits, src, sizeof(bits));
    *dst = mu_bf16_to_f32(bits);
}

#define NUMBER(name, type)                          \
    static void name(const void *src, float *dst) { \
        type value;                                 \
        memcpy(&value, src, sizeof(value));         \
        *dst = (float)value;                        \
    }
NUMBER(f64, double)
NUMBER(i8, int8_t)
NUMBER(i16, int16_t)
NUMBER(i32, int32_t)
NUMBER(i64, int64_t)

static void (*const blocks[MU_N_DTYPES])(const void *src, float *dst) = {
    [MU_F32] = f32,
    [MU_F16] = f16,
    [MU_BF16] = bf16,
    [MU_Q8_0] = q8_0,
    [MU_Q4_0] = q4_0,
    [MU_Q4_1] = q4_1,
    [MU_Q4_K] = q4_k,
    [MU_Q6_K] = q6_k,
    [MU_Q5_0] = q5_0,
    [MU_Q5_1] = q5_1,
    [MU_Q2_K] = q2_k,
    [MU_Q3_K] = q3_k,
    [MU_Q5_K] = q5_k,
    [MU_IQ1_S] = mu_dequantize_iq1_s,
    [MU_IQ1_M] = mu_dequantize_iq1_m,
    [MU_IQ2_XXS] = mu_dequantize_iq2_xxs,
    [MU_IQ2_XS] = mu_dequantize_iq2_xs,
    [MU_IQ2_S] = mu_dequantize_iq2_s,
    [MU_IQ3_XXS] = mu_dequantize_iq3_xxs,
    [MU_IQ3_S] = mu_dequantize_iq3_s,
    [MU_IQ4_NL] = mu_dequantize_iq4_nl,
    [MU_IQ4_XS] = mu_dequantize_iq4_xs,
    [MU_TQ1_0] = mu_dequantize_tq1_0,
    [MU_TQ2_0] = mu_dequantize_tq2_0,
    [MU_MXFP4] = mu_dequantize_mxfp4,
    [MU_NVFP4] = mu_dequantize_nvfp4,
    [MU_Q1_0] = q1_0,
    [MU_F64] = f64,
    [MU_I8] = i8,
    [MU_I16] = i16,
    [MU_I32] = i32,
    [MU_I64] = i64,
};

void mu_dequantize(mu_dtype dtype, const void *src, size_t n_elems, float *dst) {
    const mu_dtype_info *info = mu_dtype_get(dtype);
    MU_ASSERT(n_elems % info->block_elems == 0);
    if (dtype == MU_F32) {
        memcpy(dst, src, n_elems * sizeof(*dst));
        return;
    }
    const uint8_t *at = src;
    for (size_t i = 0; i < n_elems; i += info->block_elems, at += info->block_bytes) {
        blocks[dtype](at, dst + i);
    }
}
