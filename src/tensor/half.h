/* half.h - conversions between f32 and the 16-bit floats, by bits.
 *
 * static inline, so that each ISA file compiles its own copy with its own -m flags: of a shared
 * inline function the linker keeps one copy, perhaps with instructions this CPU lacks. */
#ifndef MU_TENSOR_HALF_H
#define MU_TENSOR_HALF_H

#include <string.h>

#include "base/base.h"

static inline uint32_t mu_f32_bits(float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof(u));
    return u;
}

static inline float mu_f32_from_bits(uint32_t u) {
    float f;
    memcpy(&f, &u, sizeof(f));
    return f;
}

static inline float mu_bf16_to_f32(uint16_t h) {
    return mu_f32_from_bits((uint32_t)h << 16);
}

/* Round to nearest, ties to even; NaN stays NaN (quiet). */
static inline uint16_t mu_f32_to_bf16(float f) {
    uint32_t u = mu_f32_bits(f);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)((u >> 16) | 0x40u);
    return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

static inline float mu_f16_to_f32(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t exponent = (h >> 10) & 0x1fu, mantissa = h & 0x3ffu;
    if (exponent == 0x1fu) return mu_f32_from_bits(sign | 0x7f800000u | (mantissa << 13));
    if (exponent != 0) return mu_f32_from_bits(sign | ((exponent + 112u) << 23) | (mantissa << 13));
    float subnormal = (float)mantissa * 0x1p-24f; /* exact: mantissa has 10 bits */
    return mu_f32_from_bits(sign | mu_f32_bits(subnormal));
}

/* Round to nearest, ties to even; overflow gives infinity; NaN stays NaN. */
static inline uint16_t mu_f32_to_f16(float f) {
    uint32_t u = mu_f32_bits(f);
    uint16_t sign = (uint16_t)((u >> 16) & 0x8000u);
    u &= 0x7fffffffu;
    if (u > 0x7f800000u) return (uint16_t)(sign | 0x7e00u);
    if (u >= 0x47800000u) return (uint16_t)(sign | 0x7c00u); /* 65536 and above */
    if (u < 0x38800000u) { /* below 2^-14: adding 0.5 rounds at the last subnormal bit, 2^-24 */
        return (uint16_t)(sign | (mu_f32_bits(mu_f32_from_bits(u) + 0.5f) - 0x3f000000u));
    }
    u += 0xfffu + ((u >> 13) & 1u);
    return (uint16_t)(sign | ((u - 0x38000000u) >> 13));
}

#endif
