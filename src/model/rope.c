/* Computed in double and rounded once to f32, as the reference keeps them. */
#include "model/rope.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

/* Grattafiori et al. 2024: waves longer than the training is long over low_freq_factor are
 * stretched, those shorter than it over high_freq_factor are kept. */
static double llama3(const mu_rope *rope, double f) {
    double wave = 2.0 * pi / f, n = rope->n_ctx_original;
    if (wave > n / rope->low_freq_factor) return f / rope->factor;
    if (wave < n / rope->high_freq_factor) return f;
    double t =
        (n / wave - rope->low_freq_factor) / (rope->high_freq_factor - rope->low_freq_factor);
    return (1.0 - t) * f / rope->factor + t * f;
}

/* The pair that makes `turns` turns within the original context. */
static double yarn_pair(const mu_rope *rope, double turns) {
    return rope->n_dims * log(rope->n_ctx_original / (turns * 2.0 * pi)) / (2.0 * log(rope->base));
}

static double yarn(const mu_rope *rope, uint32_t i, double f) {
    double low = yarn_pair(rope, rope->beta_fast), high = yarn_pair(rope, rope->beta_slow);
    if (rope->is_truncated) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0.0);
    high = fmin(high, rope->n_dims - 1.0);
    if (high == low) high += 0.001;
    double ramp = fmin(fmax((i - low) / (high - low), 0.0), 1.0);
    return f * (1.0 - ramp) + f / rope->factor * ramp;
}

static double plain(const mu_rope *rope, uint32_t i) {
    return pow(rope->base, -2.0 * i / rope->n_dims);
}

static double scaled(const mu_rope *rope, uint32_t i) {
    double f = plain(rope, i);
    switch (rope->scaling) {
    case MU_ROPE_PLAIN:
        break;
    case MU_ROPE_LINEAR:
        return f / rope->factor;
    case MU_ROPE_LLAMA3:
        return llama3(rope, f);
    case MU_ROPE_YARN:
        return yarn(rope, i, f);
    }
    return f;
}

void mu_rope_frequencies(const mu_rope *rope, const float *factors, float *out) {
    for (uint32_t i = 0; i < rope->n_dims / 2; i++) {
        double f = scaled(rope, i);
        out[i] = (float)(factors ? f / (double)factors[i] : f);
    }
}

void mu_rope_factors(const mu_rope *rope, float *out) {
    for (uint32_t i = 0; i < rope->n_dims / 2; i++) {
        out[i] = (float)(plain(rope, i) / scaled(rope, i));
    }
}

bool mu_rope_equal(const mu_rope *a, const mu_rope *b) {
    return a->n_dims == b->n_dims && a->scaling == b->scaling && a->base == b->base &&
           a->factor == b->factor && a->low_freq_factor == b->low_freq_factor &&
           a->high_freq_factor == b->high_freq_factor && a->beta_fast == b->beta_fast &&
           a->beta_slow == b->beta_slow && a->is_truncated == b->is_truncated &&
           a->magnitude == b->magnitude && a->n_ctx_original == b->n_ctx_original;
}
