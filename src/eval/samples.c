#include "eval/samples.h"

#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

mu_summary mu_samples_summary(const mu_samples *samples) {
    double sorted[MU_SAMPLES_MAX];
    uint32_t n = samples->n;
    MU_ASSERT(n > 0 && n <= MU_SAMPLES_MAX);
    memcpy(sorted, samples->values, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), by_value);
    return (mu_summary){
        .median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2,
        .min = sorted[0],
        .max = sorted[n - 1],
    };
}
