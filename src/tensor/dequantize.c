/* The layouts of ggml's blocks, written to be read. Blocks may sit at any address in a file, so
 * each is copied before it is used.
 *
 * These have caused bugs elsewhere: the nibbles of a q4 block are not neighbours (element i and
 * element i + 16 share a byte); q4_k has 8 groups of 32 whose scales and mins are 6 bits packed in
 * 12 bytes; q6_k has 16 groups of 16.
 */
#include <string.h>

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

static void f32(const void *src, float *dst) {
    memcpy(dst, src, sizeof(*dst));
}

static void f16(const void *src, float *dst) {
    uint16_t bits;
    memcpy(&bits, src, sizeof(bits));
    *dst = mu_f16_to_f32(bits);
}

static void bf16(const void *src, float *dst) {
    uint16_t bits;
    memcpy(&bits, src, sizeof(bits));
    *dst = mu_bf16_to_f32(bits);
}

static void (*const blocks[MU_N_DTYPES])(const void *src, float *dst) = {
    [MU_F32] = f32,   [MU_F16] = f16,   [MU_BF16] = bf16, [MU_Q8_0] = q8_0,
    [MU_Q4_0] = q4_0, [MU_Q4_1] = q4_1, [MU_Q4_K] = q4_k, [MU_Q6_K] = q6_k,
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
