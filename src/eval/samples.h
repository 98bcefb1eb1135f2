/* samples.h - a few repetitions of one measurement. Pure; the caller owns the values. */
#ifndef MU_EVAL_SAMPLES_H
#define MU_EVAL_SAMPLES_H

#include "base/base.h"

enum { MU_SAMPLES_MAX = 1000 };

typedef struct mu_samples {
    double values[MU_SAMPLES_MAX]; /* in the order they were measured */
    uint32_t n;
} mu_samples;

typedef struct mu_summary {
    double median, min, max; /* the median of an even number is the mean of the middle two */
} mu_summary;

mu_summary mu_samples_summary(const mu_samples *samples); /* n > 0 */

#endif
