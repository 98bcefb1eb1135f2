/* These have caused bugs elsewhere: the nibbles of a 32-block are not neighbours (element i and
 * element i + 16 share a byte); q4_k has 8 groups of 32 whose scales and mins are 6 bits packed in
 * 12 bytes; q6_k has 16 groups of 16.
 */
#include "tensor/block_fields.h"

#include <string.h>

static uint16_t u16_at(const uint8_t *data) {
    uint16_t bits;
    memcpy(&bits, data, sizeof(bits));
    return bits;
}

/* Blocks of 32: nibbles, and the fifth bits in a word, or none. */
static void read_32(const uint8_t *high, const uint8_t *quants, mu_block_fields *out) {
    uint32_t bits = 0;
    if (high) memcpy(&bits, high, sizeof(bits));
    for (int i = 0; i < 16; i++) {
        out->levels[i] = (uint8_t)((quants[i] & 15) | (bits >> i & 1) << 4);
        out->levels[i + 16] = (uint8_t)(quants[i] >> 4 | (bits >> (i + 16) & 1) << 4);
    }
    out->steps[0] = 1;
}

static void q4_1(const void *src, mu_block_fields *out) {
    const uint8_t *b = src;
    read_32(NULL, b + 4, out);
    out->scale = u16_at(b), out->min = u16_at(b + 2), out->mins[0] = 1;
}

static void q5_0(const void *src, mu_block_fields *out) {
    const uint8_t *b = src;
    read_32(b + 2, b + 6, out);
    out->scale = u16_at(b), out->min = 0, out->mins[0] = 0;
}

static void q5_1(const void *src, mu_block_fields *out) {
    const uint8_t *b = src;
    read_32(b + 4, b + 8, out);
    out->scale = u16_at(b), out->min = u16_at(b + 2), out->mins[0] = 1;
}

/* Six bits each of 8 steps and 8 mins: the first four have theirs in one byte each, of the others
 * the upper 2 bits are above those of the first four. */
static void read_six_bits(const uint8_t *packed, mu_block_fields *out) {
    for (int g = 0; g < 4; g++) {
        out->steps[g] = packed[g] & 63;
        out->mins[g] = packed[g + 4] & 63;
        out->steps[g + 4] = (int8_t)((packed[g + 8] & 15) | packed[g] >> 6 << 4);
        out->mins[g + 4] = (uint8_t)(packed[g + 8] >> 4 | packed[g + 4] >> 6 << 4);
    }
}

/* q4_k, q5_k: groups 2 i and 2 i + 1 are the low and high nibbles of 32 bytes; the fifth bit of
 * group g is bit g of one of 32 bytes. */
static void q4_k(const void *src, mu_block_fields *out) {
    const uint8_t *b = src;
    out->scale = u16_at(b), out->min = u16_at(b + 2);
    read_six_bits(b + 4, out);
    for (int i = 0; i < 256; i++) {
        out->levels[i] = b[16 + i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4) & 15;
    }
}

static void q5_k(const void *src, mu_block_fields *out) {
    const uint8_t *b = src;
    out->scale = u16_at(b), out->min = u16_at(b + 2);
    read_six_bits(b + 4, out);
    for (int i = 0; i < 256; i++) {
        int low = b[48 + i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4) & 15;
        out->levels[i] = (uint8_t)(low | (b[16 + i % 32] >> (i / 32) & 1) << 4);
    }
}

/* Halves of 128; in each, four runs of 32 share 32 high bytes. */
static void q6_k(const void *src, mu_block_fields *out) {
    const uint8_t *b = src;
    for (int i = 0; i < 256; i++) {
        int half = i / 128, run = i % 128 / 32, at = i % 32;
        int low = b[half * 64 + run % 2 * 32 + at] >> (run / 2 * 4) & 15;
        int high = b[128 + half * 32 + at] >> (run * 2) & 3;
        out->levels[i] = (uint8_t)(low | high << 4);
    }
    memcpy(out->steps, b + 192, 16);
    memset(out->mins, 0, sizeof(out->mins));
    out->scale = u16_at(b + 208), out->min = 0;
}

/* q2_k, q3_k: halves of 128; in each, four runs of 32 share 32 bytes, 2 bits each. */
static int two_bits(const uint8_t *quants, int i) {
    return quants[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
}

static void q2_k(const void *src, mu_block_fields *out) {
    const uint8_t *b = src;
    for (int i = 0; i < 256; i++) {
        out->levels[i] = (uint8_t)two_bits(b + 16, i);
    }
    for (int g = 0; g < 16; g++) {
        out->steps[g] = b[g] & 15;
        out->mins[g] = b[g] >> 4;
    }
    out->scale = u16_at(b + 80), out->min = u16_at(b + 82);
}

/* The 6-bit step of group g < 16: four bits in one of 8 bytes, two in one of the next 4. */
static int q3_k_step(const uint8_t *packed, int g) {
    int low = g < 8 ? packed[g] & 15 : packed[g - 8] >> 4;
    return (low | (packed[8 + g % 4] >> (g / 4 * 2) & 3) << 4) - 32;
}

static void q3_k(const void *src, mu_block_fields *out) {
    const uint8_t *b = src;
    for (int i = 0; i < 256; i++) {
        out->levels[i] = (uint8_t)(two_bits(b + 32, i) | (b[i % 32] >> (i / 32) & 1) << 2);
    }
    for (int g = 0; g < 16; g++) {
        out->steps[g] = (int8_t)q3_k_step(b + 96, g);
    }
    memset(out->mins, 0, sizeof(out->mins));
    out->scale = u16_at(b + 108), out->min = 0;
}

static const mu_block_rule rules[MU_N_DTYPES] = {
    [MU_Q4_1] = {32, 0, 1.0f, q4_1},  [MU_Q5_0] = {32, 16, 0.0f, q5_0},
    [MU_Q5_1] = {32, 0, 1.0f, q5_1},  [MU_Q2_K] = {16, 0, -1.0f, q2_k},
    [MU_Q3_K] = {16, 4, 0.0f, q3_k},  [MU_Q4_K] = {32, 0, -1.0f, q4_k},
    [MU_Q5_K] = {32, 0, -1.0f, q5_k}, [MU_Q6_K] = {16, 32, 0.0f, q6_k},
};

const mu_block_rule *mu_block_rule_of(mu_dtype dtype) {
    MU_ASSERT((size_t)dtype < MU_N_DTYPES);
    return rules[dtype].read ? &rules[dtype] : NULL;
}
