/* Rounding weights to blocks in ggml's layouts, so that a file holds exactly what the kernels
 * compute with.
 *
 * q8_0: the largest magnitude becomes 127. q4_0 has 16 levels, -8 to 7, so which scale is best
 * depends on the block: the usual choice (the largest magnitude becomes -8) is one of the
 * candidates, each candidate's scale is then the least-squares one for the levels it gave, and the
 * candidate with the smallest squared error is kept. The error is never above the usual choice's.
 *
 * q6_k and q4_k: the range of each group sets its step (and min), rounded to what the block has.
 */
#include <math.h>
#include <string.h>

#include "tensor/dtype.h"
#include "tensor/half.h"

enum { BLOCK = 32, Q4_CANDIDATES = 9 };

static const float f16_max = 65504.0f;

/* The element farthest from zero, with its sign. NaN counts as zero. */
static float extreme(const float *x, int n) {
    float most = 0.0f;
    for (int i = 0; i < n; i++) {
        if (fabsf(x[i]) > fabsf(most)) most = x[i];
    }
    return most;
}

static uint16_t scale_bits(float scale) {
    return mu_f32_to_f16(fmaxf(-f16_max, fminf(f16_max, scale)));
}

static void q8_0(const float *x, void *dst) {
    mu_block_q8_0 b = {.scale = scale_bits(fabsf(extreme(x, BLOCK)) / 127.0f)};
    float scale = mu_f16_to_f32(b.scale);
    float inverse = scale > 0.0f ? 1.0f / scale : 0.0f;
    for (int i = 0; i < BLOCK; i++) {
        b.quants[i] = (int8_t)rintf(fmaxf(-127.0f, fminf(127.0f, x[i] * inverse)));
    }
    memcpy(dst, &b, sizeof(b));
}

/* Levels of x for a scale, and how they fit: out_xl = sum x l, out_ll = sum l l. */
static void q4_levels(const float *x, float inverse, float *levels, float *out_xl, float *out_ll) {
    const float to_nearest = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    float xl = 0.0f, ll = 0.0f;
    for (int i = 0; i < BLOCK; i++) {
        float v = x[i] * inverse;
        v = v < 7.0f ? v : 7.0f; /* NaN too */
        v = v > -8.0f ? v : -8.0f;
        levels[i] = (v + to_nearest) - to_nearest;
    }
    for (int i = 0; i < BLOCK; i++) {
        xl += x[i] * levels[i];
        ll += levels[i] * levels[i];
    }
    *out_xl = xl;
    *out_ll = ll;
}

static float square_error(const float *x, const float *levels, float scale) {
    float sum = 0.0f;
    for (int i = 0; i < BLOCK; i++) {
        float d = x[i] - levels[i] * scale;
        sum += d * d;
    }
    return sum;
}

static void q4_0(const float *x, void *dst) {
    mu_block_q4_0 b = {0};
    float most = extreme(x, BLOCK), best_error = INFINITY, best[BLOCK] = {0}, levels[BLOCK];
    for (int c = 0; c < Q4_CANDIDATES && most != 0.0f; c++) {
        float xl, ll, inverse = (-8.0f + 0.25f * (float)c) / most; /* -8 to -6 */
        q4_levels(x, inverse, levels, &xl, &ll);
        uint16_t usual = scale_bits(1.0f / inverse), fitted = scale_bits(ll > 0 ? xl / ll : 0.0f);
        for (int fit = 0; fit < (c == 0 ? 2 : 1); fit++) { /* the usual choice, unfitted, as well */
            uint16_t scale = fit == 0 ? fitted : usual;
            float error = square_error(x, levels, mu_f16_to_f32(scale));
            if (error < best_error) {
                best_error = error;
                b.scale = scale;
                memcpy(best, levels, sizeof(best));
            }
        }
    }
    for (int i = 0; i < BLOCK / 2; i++) {
        int low = (int)best[i] + 8, high = (int)best[i + BLOCK / 2] + 8;
        b.quants[i] = (uint8_t)(low | high << 4);
    }
    memcpy(dst, &b, sizeof(b));
}

/* v as a whole number in [low, high]; not-a-number is low. */
static int whole_in(float v, int low, int high) {
    if (!(v > (float)low)) return low;
    return v < (float)high ? (int)rintf(v) : high;
}

/* A step for each of 16 groups so that the element farthest from zero is level -32 or near it. */
static void q6_k(const float *x, void *dst) {
    enum { GROUPS = 16, SUB = 16 };
    mu_block_q6_k b = {.scale = 0};
    float steps[GROUPS], most = 0.0f;
    for (int g = 0; g < GROUPS; g++) {
        steps[g] = extreme(x + (ptrdiff_t)g * SUB, SUB) / -32.0f;
        most = fmaxf(most, fabsf(steps[g]));
    }
    b.scale = scale_bits(most / 127.0f);
    float scale = mu_f16_to_f32(b.scale), inverse = scale > 0.0f ? 1.0f / scale : 0.0f;
    for (int g = 0; g < GROUPS; g++) {
        b.scales[g] = (int8_t)whole_in(steps[g] * inverse, -127, 127);
    }
    for (int i = 0; i < 256; i++) {
        float step = scale * (float)b.scales[i / SUB];
        int level = step != 0.0f ? whole_in(x[i] / step, -32, 31) + 32 : 32;
        int half = i / 128, run = i % 128 / 32, at = i % 32;
        b.quants_low[half * 64 + run % 2 * 32 + at] |= (uint8_t)((level & 15) << (run / 2 * 4));
        b.quants_high[half * 32 + at] |= (uint8_t)(level >> 4 << (run * 2));
    }
    memcpy(dst, &b, sizeof(b));
}

/* Least and greatest element, zero among them. */
static void range_of(const float *x, int n, float *least, float *greatest) {
    *least = *greatest = 0.0f;
    for (int i = 0; i < n; i++) {
        if (x[i] < *least) *least = x[i];
        if (x[i] > *greatest) *greatest = x[i];
    }
    *least = fmaxf(*least, -f16_max);
    *greatest = fminf(*greatest, f16_max);
}

static void put_six_bits(uint8_t *packed, const int *steps, const int *mins) {
    for (int g = 0; g < 4; g++) {
        packed[g] = (uint8_t)(steps[g] | steps[g + 4] >> 4 << 6);
        packed[g + 4] = (uint8_t)(mins[g] | mins[g + 4] >> 4 << 6);
        packed[g + 8] = (uint8_t)((steps[g + 4] & 15) | (mins[g + 4] & 15) << 4);
    }
}

/* A step and a min for each of 8 groups: 15 steps from its least to its greatest element. */
static void q4_k(const float *x, void *dst) {
    enum { GROUPS = 8, SUB = 32 };
    mu_block_q4_k b = {.scale = 0};
    float least[GROUPS], wanted[GROUPS], most_step = 0.0f, most_min = 0.0f;
    int steps[GROUPS], mins[GROUPS];
    for (int g = 0; g < GROUPS; g++) {
        float greatest;
        range_of(x + (ptrdiff_t)g * SUB, SUB, &least[g], &greatest);
        wanted[g] = (greatest - least[g]) / 15.0f;
        most_step = fmaxf(most_step, wanted[g]);
        most_min = fmaxf(most_min, -least[g]);
    }
    b.scale = scale_bits(most_step / 63.0f);
    b.scale_min = scale_bits(most_min / 63.0f);
    float scale = mu_f16_to_f32(b.scale), scale_min = mu_f16_to_f32(b.scale_min);
    for (int g = 0; g < GROUPS; g++) {
        steps[g] = scale > 0.0f ? whole_in(wanted[g] / scale, 0, 63) : 0;
        mins[g] = scale_min > 0.0f ? whole_in(-least[g] / scale_min, 0, 63) : 0;
    }
    put_six_bits(b.scales, steps, mins);
    for (int i = 0; i < 256; i++) {
        float step = scale * (float)steps[i / SUB], min = scale_min * (float)mins[i / SUB];
        int level = step > 0.0f ? whole_in((x[i] + min) / step, 0, 15) : 0;
        b.quants[i / 64 * 32 + i % 32] |= (uint8_t)(level << (i / 32 % 2 * 4));
    }
    memcpy(dst, &b, sizeof(b));
}

static void (*const blocks[MU_N_DTYPES])(const float *x, void *dst) = {
    [MU_Q8_0] = q8_0, [MU_Q4_0] = q4_0, [MU_Q6_K] = q6_k, [MU_Q4_K] = q4_k};

void mu_quantize(mu_dtype dtype, const float *src, size_t n_elems, void *dst) {
    const mu_dtype_info *info = mu_dtype_get(dtype);
    MU_ASSERT(blocks[dtype] && n_elems % info->block_elems == 0);
    uint8_t *to = dst;
    for (size_t i = 0; i < n_elems; i += info->block_elems, to += info->block_bytes) {
        blocks[dtype](src + i, to);
    }
}
