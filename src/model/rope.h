/* rope.h - rotary positions as data: which dimensions of a head turn, and how fast.
 *
 * Dimension i and dimension i + n_dims / 2 of a head are a pair (i < n_dims / 2); at position p it
 * is turned by p * f_i radians, f_i = base^(-2 i / n_dims) before scaling. Dimensions from n_dims
 * on stay. Models whose files pair neighbours (2 i, 2 i + 1) have their rows of Q and K bound in
 * the other order (weight.h), which is the same function.
 *
 * Formulas: Su et al. 2021 (RoPE), Peng et al. 2023 (YaRN), the rope utilities of transformers.
 *
 * Pure functions, any thread.
 */
#ifndef MU_MODEL_ROPE_H
#define MU_MODEL_ROPE_H

#include "base/base.h"

typedef enum mu_rope_scaling {
    MU_ROPE_PLAIN,
    MU_ROPE_LINEAR, /* f / factor */
    MU_ROPE_LLAMA3, /* long waves divided by factor, short ones kept, a ramp between */
    MU_ROPE_YARN,   /* the ramp by dimension; cosines and sines times a magnitude */
} mu_rope_scaling;

typedef struct mu_rope {
    uint32_t n_dims; /* even; 0: nothing turns */
    mu_rope_scaling scaling;
    double base;
    double factor;
    double low_freq_factor, high_freq_factor; /* llama3 */
    double beta_fast, beta_slow;              /* yarn */
    bool is_truncated;                        /* yarn: the ends of the ramp are whole dimensions */
    double magnitude;                         /* of cosines and sines; 1 */
    uint32_t n_ctx_original;                  /* positions of the training that is stretched */
} mu_rope;

/* Radians of a position for each pair, out: [n_dims / 2]. factors: [n_dims / 2] divide them, or
 * NULL. */
void mu_rope_frequencies(const mu_rope *rope, const float *factors, float *out);

/* The factors by which plain frequencies are divided to become these, out: [n_dims / 2]. */
void mu_rope_factors(const mu_rope *rope, float *out);

bool mu_rope_equal(const mu_rope *a, const mu_rope *b);

#endif
