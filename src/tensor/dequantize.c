/* The layouts of ggml's blocks, written to be read. Blocks may sit at any address in a file, so
 * each is copied before it is used.
 *
 * These have caused bugs elsewhere: the nibbles of a q4 block are not neighbours (element i and
 * element i + 16 share a byte); q4_k has 8 groups of 32 whose scales and mins are 6 bits packed in
 * 12 bytes; q6_k has 16 groups of 16.
 */
#include <string.h>

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

static void q4_1(const void *src, float *dst) {
    mu_block_q4_1 b;
    memcpy(&b, src, sizeof(b));
    float scale = mu_f16_to_f32(b.scale), min = mu_f16_to_f32(b.min);
    for (int i = 0; i < 16; i++) {
        dst[i] = (float)(b.quants[i] & 15) * scale + min;
        dst[i + 16] = (float)(b.quants[i] >> 4) * scale + min;
    }
}

/* Scale and min of group g < 8: the first four have their 6 bits in one byte each, of the others
 * the upper 2 bits are above those of the first four. */
static void q4_k_scale_min(const uint8_t *scales, int g, int *scale, int *min) {
    if (g < 4) {
        *scale = scales[g] & 63;
        *min = scales[g + 4] & 63;
    } else {
        *scale = (scales[g + 4] & 15) | ((scales[g - 4] >> 6) << 4);
        *min = (scales[g + 4] >> 4) | ((scales[g] >> 6) << 4);
    }
}

static void q4_k(const void *src, float *dst) {
    mu_block_q4_k b;
    memcpy(&b, src, sizeof(b));
    float scale_of_scales = mu_f16_to_f32(b.scale), scale_of_mins = mu_f16_to_f32(b.scale_min);
    for (int g = 0; g < 8;
         g++) { /* groups 2i and 2i + 1 are the low and high nibbles of 32 bytes */
        int scale, min;
        q4_k_scale_min(b.scales, g, &scale, &min);
        const uint8_t *quants = b.quants + g / 2 * 32;
        for (int i = 0; i < 32; i++) {
            int q = g % 2 == 0 ? quants[i] & 15 : quants[i] >> 4;
            dst[g * 32 + i] =
                scale_of_scales * (float)scale * (float)q - scale_of_mins * (float)min;
        }
    }
}

static void q6_k(const void *src, float *dst) {
    mu_block_q6_k b;
    memcpy(&b, src, sizeof(b));
    float scale = mu_f16_to_f32(b.scale);
    for (int i = 0; i < 256;
         i++) { /* halves of 128; in each, four runs of 32 share 32 high bytes */
        int half = i / 128, run = i % 128 / 32, at = i % 32;
        int low = b.quants_low[half * 64 + run % 2 * 32 + at] >> (run / 2 * 4) & 15;
        int high = b.quants_high[half * 32 + at] >> (run * 2) & 3;
        dst[i] = scale * (float)b.scales[i / 16] * (float)((low | high << 4) - 32);
    }
}

static float f16_at(const uint8_t *data) {
    uint16_t bits;
    memcpy(&bits, data, sizeof(bits));
    return mu_f16_to_f32(bits);
}

/* The fifth bits of 32 weights are a word; without a min the levels are -16 to 15. */
static void put_q5(const uint8_t *high, const uint8_t *quants, float scale, int offset, float min,
                   float *dst) {
    uint32_t bits;
    memcpy(&bits, high, sizeof(bits));
    for (int i = 0; i < 16; i++) {
        int low = (quants[i] & 15) | (int)(bits >> i & 1) << 4;
        int upper = quants[i] >> 4 | (int)(bits >> (i + 16) & 1) << 4;
        dst[i] = scale * (float)(low - offset) + min;
        dst[i + 16] = scale * (float)(upper - offset) + min;
    }
}

static void q5_0(const void *src, float *dst) {
    const uint8_t *b = src;
    put_q5(b + 2, b + 6, f16_at(b), 16, 0.0f, dst);
}

static void q5_1(const void *src, float *dst) {
    const uint8_t *b = src;
    put_q5(b + 4, b + 8, f16_at(b), 0, f16_at(b + 2), dst);
}

/* q2_k, q3_k: halves of 128; in each, four runs of 32 share 32 bytes, 2 bits each. */
static int two_bits(const uint8_t *quants, int i) {
    return quants[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
}

static void q2_k(const void *src, float *dst) {
    const uint8_t *b = src;
    float d = f16_at(b + 80), dmin = f16_at(b + 82);
    for (int i = 0; i < 256; i++) {
        uint8_t group = b[i / 16];
        float scale = d * (float)(group & 15), min = dmin * (float)(group >> 4);
        dst[i] = scale * (float)two_bits(b + 16, i) - min;
    }
}

/* The 6-bit scale of group g < 16: four bits in one of 8 bytes, two in one of the next 4. */
static int q3_k_scale(const uint8_t *scales, int g) {
    int low = g < 8 ? scales[g] & 15 : scales[g - 8] >> 4;
    return (low | (scales[8 + g % 4] >> (g / 4 * 2) & 3) << 4) - 32;
}

static void q3_k(const void *src, float *dst) {
    const uint8_t *b = src;
    float d = f16_at(b + 108);
    for (int i = 0; i < 256; i++) { /* the third bit, inverted, is one of 32 bytes */
        int high = b[i % 32] >> (i / 32) & 1;
        float scale = d * (float)q3_k_scale(b + 96, i / 16);
        dst[i] = scale * (float)(two_bits(b + 32, i) - (high ? 0 : 4));
    }
}

static void q5_k(const void *src, float *dst) {
    const uint8_t *b = src;
    float d = f16_at(b), dmin = f16_at(b + 2);
    for (int i = 0; i < 256; i++) {
        int g = i / 32, scale, min;
        q4_k_scale_min(b + 4, g, &scale, &min);
        int low = b[48 + g / 2 * 32 + i % 32] >> (g % 2 * 4) & 15;
        int q = low | (b[16 + i % 32] >> g & 1) << 4;
        dst[i] = d * (float)scale * (float)q - dmin * (float)min;
    }
}

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
