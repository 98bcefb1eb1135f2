/* A grid type stores, for 8 or 4 weights together, the number of a row in a table, and their signs
 * apart: in bytes of their own, or as 7 bits whose eighth makes the number of ones even. */
#include "tensor/dequantize_iq.h"

#include <math.h>
#include <string.h>

#include "tensor/half.h"
#include "tensor/iq_grids.h"

static uint16_t u16_at(const uint8_t *data) {
    uint16_t u;
    memcpy(&u, data, sizeof(u));
    return u;
}

static uint32_t u32_at(const uint8_t *data) {
    uint32_t u;
    memcpy(&u, data, sizeof(u));
    return u;
}

static float f16_at(const uint8_t *data) {
    return mu_f16_to_f32(u16_at(data));
}

static uint32_t even_signs(uint32_t seven) {
    return seven | ((uint32_t)__builtin_popcount(seven) & 1) << 7;
}

/* n values of a grid row by kinds of `bits` each, times scale, negated where signs say. */
static void put_row(uint32_t row, const float *kinds, int bits, int n, float scale, uint32_t signs,
                    float *dst) {
    for (int i = 0; i < n; i++) {
        float value = scale * kinds[row >> (i * bits) & ((1u << bits) - 1)];
        dst[i] = signs >> i & 1 ? -value : value;
    }
}

static const float iq2_kinds[3] = {0x08, 0x19, 0x2b};
static const float iq3_xxs_kinds[8] = {0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3e};
static const float iq3_s_kinds[8] = {0x01, 0x03, 0x05, 0x07, 0x09, 0x0b, 0x0d, 0x0f};

void mu_dequantize_iq2_xxs(const void *src, float *dst) {
    const uint8_t *b = src;
    float d = f16_at(b);
    for (int g = 0; g < 8;
         g++) { /* 32 weights: four row numbers, then four times 7 signs, a scale */
        const uint8_t *rows = b + 2 + 8 * g;
        uint32_t more = u32_at(rows + 4);
        float scale = d * (0.5f + (float)(more >> 28)) * 0.25f;
        for (int i = 0; i < 4; i++) {
            put_row(mu_iq2_xxs_grid[rows[i]], iq2_kinds, 2, 8, scale,
                    even_signs(more >> (7 * i) & 127), dst + 32 * g + 8 * i);
        }
    }
}

void mu_dequantize_iq2_xs(const void *src, float *dst) {
    const uint8_t *b = src, *scales = b + 66;
    float d = f16_at(b);
    for (int i = 0; i < 32; i++) { /* 8 weights: 9 bits of row number, 7 signs */
        uint32_t word = u16_at(b + 2 + 2 * i);
        int nibble = scales[i / 4] >> (i / 2 % 2 * 4) & 15;
        float scale = d * (0.5f + (float)nibble) * 0.25f;
        put_row(mu_iq2_xs_grid[word & 511], iq2_kinds, 2, 8, scale, even_signs(word >> 9),
                dst + 8 * i);
    }
}

void mu_dequantize_iq2_s(const void *src, float *dst) {
    const uint8_t *b = src, *signs = b + 34, *high = b + 66, *scales = b + 74;
    float d = f16_at(b);
    for (int i = 0; i < 32; i++) {
        uint32_t row = b[2 + i] | (uint32_t)(high[i / 4] >> (i % 4 * 2) & 3) << 8;
        int nibble = scales[i / 4] >> (i / 2 % 2 * 4) & 15;
        float scale = d * (0.5f + (float)nibble) * 0.25f;
        put_row(mu_iq2_s_grid[row], iq2_kinds, 2, 8, scale, signs[i], dst + 8 * i);
    }
}

void mu_dequantize_iq3_xxs(const void *src, float *dst) {
    const uint8_t *b = src;
    float d = f16_at(b);
    for (int i = 0; i < 64; i++) { /* 4 weights; of 32, four times 7 signs and a scale together */
        uint32_t more = u32_at(b + 66 + i / 8 * 4);
        float scale = d * (0.5f + (float)(more >> 28)) * 0.5f;
        uint32_t signs = even_signs(more >> (i / 2 % 4 * 7) & 127) >> (i % 2 * 4);
        put_row(mu_iq3_xxs_grid[b[2 + i]], iq3_xxs_kinds, 3, 4, scale, signs, dst + 4 * i);
    }
}

void mu_dequantize_iq3_s(const void *src, float *dst) {
    const uint8_t *b = src, *high = b + 66, *signs = b + 74, *scales = b + 106;
    float d = f16_at(b);
    for (int i = 0; i < 64; i++) {
        uint32_t row = b[2 + i] | (uint32_t)(high[i / 8] >> (i % 8) & 1) << 8;
        int nibble = scales[i / 16] >> (i / 8 % 2 * 4) & 15;
        float scale = d * (float)(1 + 2 * nibble);
        put_row(mu_iq3_s_grid[row], iq3_s_kinds, 3, 4, scale, (uint32_t)signs[i / 2] >> (i % 2 * 4),
                dst + 4 * i);
    }
}

/* 8 weights of -1, 0 or 1, moved a little to one side. */
static void put_iq1_row(uint32_t row, float scale, bool down, float *dst) {
    float delta = down ? -0.125f : 0.125f;
    for (int i = 0; i < 8; i++) {
        int trit = (int)(mu_iq1_grid[row] >> (2 * i) & 3) - 1;
        dst[i] = scale * ((float)trit + delta);
    }
}

void mu_dequantize_iq1_s(const void *src, float *dst) {
    const uint8_t *b = src;
    float d = f16_at(b);
    for (int i = 0; i < 32; i++) {
        uint32_t high = u16_at(b + 34 + i / 4 * 2);
        uint32_t row = b[2 + i] | (high >> (i % 4 * 3) & 7) << 8;
        float scale = d * (float)(2 * (high >> 12 & 7) + 1);
        put_iq1_row(row, scale, (high & 0x8000) != 0, dst + 8 * i);
    }
}

/* The f16 scale is the top nibbles of four words, whose other bits are the groups' scales. */
void mu_dequantize_iq1_m(const void *src, float *dst) {
    const uint8_t *b = src, *high = b + 32, *words = b + 48;
    uint32_t bits = 0;
    for (int i = 0; i < 4; i++) {
        bits |= (uint32_t)(u16_at(words + 2 * i) >> 12) << (4 * i);
    }
    float d = mu_f16_to_f32((uint16_t)bits);
    for (int i = 0; i < 32; i++) {
        uint32_t more = (uint32_t)high[i / 2] >> (i % 2 * 4);
        uint32_t group = u16_at(words + i / 8 * 2) >> (i / 2 % 4 * 3) & 7;
        put_iq1_row(b[i] | (more & 7) << 8, d * (float)(2 * group + 1), (more & 8) != 0,
                    dst + 8 * i);
    }
}

static const float iq4_kinds[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                    1,    13,   25,  38,  53,  69,  89,  113};

/* Doubled values of the 4-bit float e2m1. */
static const float e2m1_kinds[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* 2n weights from n bytes: element i is the low nibble of byte i, element n + i the high one. */
static void put_nibbles(const uint8_t *quants, int n, const float *kinds, float scale, float *dst) {
    for (int i = 0; i < n; i++) {
        dst[i] = scale * kinds[quants[i] & 15];
        dst[i + n] = scale * kinds[quants[i] >> 4];
    }
}

void mu_dequantize_iq4_nl(const void *src, float *dst) {
    const uint8_t *b = src;
    put_nibbles(b + 2, 16, iq4_kinds, f16_at(b), dst);
}

void mu_dequantize_iq4_xs(const void *src, float *dst) {
    const uint8_t *b = src;
    float d = f16_at(b);
    uint32_t high = u16_at(b + 2);
    for (int g = 0; g < 8; g++) {
        int low = b[4 + g / 2] >> (g % 2 * 4) & 15;
        int scale = (low | (int)(high >> (2 * g) & 3) << 4) - 32;
        put_nibbles(b + 8 + 16 * g, 16, iq4_kinds, d * (float)scale, dst + 32 * g);
    }
}

/* Five trits are a byte: times 3 and times 256 / 243, the digit is what passes 256. */
static void put_trits(const uint8_t *bytes, int n_bytes, int n_trits, float scale, float *dst) {
    static const uint8_t powers[5] = {1, 3, 9, 27, 81};
    for (int k = 0; k < n_trits; k++) {
        for (int i = 0; i < n_bytes; i++) {
            uint8_t shifted = (uint8_t)(bytes[i] * powers[k]);
            int trit = (shifted * 3) >> 8;
            dst[k * n_bytes + i] = scale * (float)(trit - 1);
        }
    }
}

void mu_dequantize_tq1_0(const void *src, float *dst) {
    const uint8_t *b = src;
    float d = f16_at(b + 52);
    put_trits(b, 32, 5, d, dst);
    put_trits(b + 32, 16, 5, d, dst + 160);
    put_trits(b + 48, 4, 4, d, dst + 240);
}

void mu_dequantize_tq2_0(const void *src, float *dst) {
    const uint8_t *b = src;
    float d = f16_at(b + 64);
    for (int i = 0; i < 256; i++) { /* halves of 128; in each, four runs of 32 share 32 bytes */
        int q = b[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
        dst[i] = d * (float)(q - 1);
    }
}

/* The scale is a power of two, by its exponent alone; the kinds are doubled, so it is halved. */
void mu_dequantize_mxfp4(const void *src, float *dst) {
    const uint8_t *b = src;
    put_nibbles(b + 1, 16, e2m1_kinds, ldexpf(1.0f, (int)b[0] - 128), dst);
}

/* An unsigned 8-bit float of 4 exponent and 3 mantissa bits, halved. */
static float half_e4m3(uint8_t x) {
    int exponent = x >> 3 & 15, mantissa = x & 7;
    if (x == 0 || x == 0x7F) return 0.0f;
    float value = exponent == 0 ? (float)mantissa * 0x1p-9f
                                : ldexpf(1.0f + (float)mantissa / 8.0f, exponent - 7);
    return 0.5f * value;
}

void mu_dequantize_nvfp4(const void *src, float *dst) {
    const uint8_t *b = src;
    for (int g = 0; g < 4; g++) {
        put_nibbles(b + 4 + 8 * g, 8, e2m1_kinds, half_e4m3(b[g]), dst + 16 * g);
    }
}
