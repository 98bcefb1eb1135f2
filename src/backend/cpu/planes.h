/* planes.h - panels of the weight types whose levels are cut into planes of bits: a panel keeps the
 * bits of the file's blocks, and so its bytes within 3%, and its values exactly.
 *
 * A panel is units of 32 or 256 inputs, as the file's blocks are. A unit is, one after the other:
 *
 *     low    [groups of 32 inputs][low_bits][MU_PANEL][4] bytes
 *     high   [groups of 32 inputs][high_bits][MU_PANEL][4] bytes
 *     steps  [256 / sub][MU_PANEL] bytes, and as many mins, or both in one byte   units of 256
 *     scales [MU_PANEL] f16, and as many scales of the mins where there are mins
 *
 * In a plane of b bits, input 4 k + i of output j is in byte [k % b][j][i], b (k / b) bits up: what
 * byte products take comes out with one shift and one mask.
 *
 * Products first unfold up to 256 inputs of the panel to one byte an input and f32 scales, which
 * stay in the nearest cache while all rows meet them. All types then share one inner loop:
 *
 *     y[j] += 2^e * (scale_j * sum_i levels_ij * x_i + min_j * sum_i x_i)   for each `sub` inputs
 *
 * Threads: pure functions.
 */
#ifndef MU_BACKEND_CPU_PLANES_H
#define MU_BACKEND_CPU_PLANES_H

#include "backend/cpu/kernels.h"

enum {
    MU_UNFOLDED = 256, /* inputs at a time */
    MU_UNFOLDED_GROUPS = MU_UNFOLDED / MU_QUANT_GROUP,
    MU_UNFOLDED_SUBS = MU_UNFOLDED / 16,
};

typedef enum mu_steps {
    MU_STEPS_NONE,
    MU_STEPS_BYTES,   /* 0 to 63 */
    MU_STEPS_SIGNED,  /* -128 to 127 */
    MU_STEPS_NIBBLES, /* with their mins in the upper half */
} mu_steps;

/* A type as the kernels see it. Constants, so that each type is compiled for itself. */
typedef struct mu_plane_form {
    uint32_t low_bits, high_bits;
    uint32_t groups; /* of a unit: 1 or 8 */
    uint32_t sub;    /* inputs of one scale: 16 or 32 */
    mu_steps steps;
    float sign;     /* of mins; 0: levels have an offset instead */
    uint32_t shift; /* offset = 1 << shift, of levels without mins */
} mu_plane_form;

/*                               low high groups sub  steps             sign  shift */
#define MU_PLANE_FORMS(X)                                     \
    X(q4_k, MU_Q4_K, 4, 0, 8, 32, MU_STEPS_BYTES, -1.0f, 0)   \
    X(q5_k, MU_Q5_K, 4, 1, 8, 32, MU_STEPS_BYTES, -1.0f, 0)   \
    X(q6_k, MU_Q6_K, 4, 2, 8, 16, MU_STEPS_SIGNED, 0.0f, 5)   \
    X(q3_k, MU_Q3_K, 2, 1, 8, 16, MU_STEPS_SIGNED, 0.0f, 2)   \
    X(q2_k, MU_Q2_K, 2, 0, 8, 16, MU_STEPS_NIBBLES, -1.0f, 0) \
    X(q4_1, MU_Q4_1, 4, 0, 1, 32, MU_STEPS_NONE, 1.0f, 0)     \
    X(q5_0, MU_Q5_0, 4, 1, 1, 32, MU_STEPS_NONE, 0.0f, 4)     \
    X(q5_1, MU_Q5_1, 4, 1, 1, 32, MU_STEPS_NONE, 1.0f, 0)

#define X(name, dtype, ...) static const mu_plane_form mu_##name##_form = {__VA_ARGS__};
MU_PLANE_FORMS(X)
#undef X

/* Where in a unit what is. */
MU_INLINE size_t mu_plane_high_at(const mu_plane_form f) {
    return (size_t)f.groups * f.low_bits * MU_PANEL * 4;
}
MU_INLINE size_t mu_plane_steps_at(const mu_plane_form f) {
    return (size_t)f.groups * (f.low_bits + f.high_bits) * MU_PANEL * 4;
}
MU_INLINE size_t mu_plane_n_steps(const mu_plane_form f) { /* rows of MU_PANEL bytes */
    return f.steps == MU_STEPS_NONE ? 0 : (size_t)f.groups * MU_QUANT_GROUP / f.sub;
}
MU_INLINE size_t mu_plane_mins_at(const mu_plane_form f) {
    return mu_plane_steps_at(f) + mu_plane_n_steps(f) * MU_PANEL;
}
MU_INLINE size_t mu_plane_scales_at(const mu_plane_form f) {
    size_t n_mins = f.steps == MU_STEPS_BYTES ? mu_plane_n_steps(f) : 0;
    return mu_plane_mins_at(f) + n_mins * MU_PANEL;
}
MU_INLINE size_t mu_plane_unit_bytes(const mu_plane_form f) {
    return mu_plane_scales_at(f) + (f.sign != 0.0f ? 2u : 1u) * MU_PANEL * sizeof(uint16_t);
}
MU_INLINE size_t mu_plane_units(const mu_plane_form f, size_t n_in) {
    size_t inputs = (size_t)f.groups * MU_QUANT_GROUP;
    return (n_in + inputs - 1) / inputs;
}

/* Up to MU_UNFOLDED inputs of a panel, ready to be multiplied. */
typedef struct mu_unfolded {
    _Alignas(64) uint8_t levels[MU_UNFOLDED_GROUPS][MU_QUANT_GROUP / 4][MU_PANEL][4];
    float scales[MU_UNFOLDED_SUBS][MU_PANEL];
    float mins[MU_UNFOLDED_SUBS][MU_PANEL]; /* where there are mins */
} mu_unfolded;

void mu_kernels_init_planes(mu_kernels *k); /* the reference */

#endif
