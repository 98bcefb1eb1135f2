/* Rounding weights to blocks. Both types keep ggml's layouts, so a file holds exactly what the
 * kernels compute with.
 *
 * q8_0: the largest magnitude becomes 127. q4_0 has 16 levels, -8 to 7, so which scale is best
 * depends on the block: the usual choice (the largest magnitude becomes -8) is one of the
 * candidates, each candidate's scale is then the least-squares one for the levels it gave, and the
 * candidate with the smallest squared error is kept. The error is never above the usual choice's.
 */
#include <math.h>
#include <string.h>

#include "tensor/dtype.h"
#include "tensor/half.h"

enum { BLOCK = 32, Q4_CANDIDATES = 9 };

static const float f16_max = 65504.0f;

/* The element farthest from zero, with its sign. NaN counts as zero. */
static float extreme(const float *x) {
    float most = 0.0f;
    for (int i = 0; i < BLOCK; i++) {
        if (fabsf(x[i]) > fabsf(most)) most = x[i];
    }
    return most;
}

static uint16_t scale_bits(float scale) {
    return mu_f32_to_f16(fmaxf(-f16_max, fminf(f16_max, scale)));
}

static void q8_0(const float *x, void *dst) {
    mu_block_q8_0 b = {.scale = scale_bits(fabsf(extreme(x)) / 127.0f)};
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
    float most = extreme(x), best_error = INFINITY, best[BLOCK] = {0}, levels[BLOCK];
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

void mu_quantize(mu_dtype dtype, const float *src, size_t n_elems, void *dst) {
    MU_ASSERT(dtype == MU_Q8_0 || dtype == MU_Q4_0);
    MU_ASSERT(n_elems % BLOCK == 0);
    uint8_t *to = dst;
    for (size_t i = 0; i < n_elems; i += BLOCK, to += mu_dtype_get(dtype)->block_bytes) {
        if (dtype == MU_Q8_0) {
            q8_0(src + i, to);
        } else {
            q4_0(src + i, to);
        }
    }
}
