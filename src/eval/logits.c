#include "eval/logits.h"

#include <math.h>
#include <stdbool.h>

uint32_t mu_logits_top(const float *logits, uint32_t n) {
    uint32_t at = 0;
    for (uint32_t i = 1; i < n; i++) {
        if (logits[i] > logits[at]) at = i;
    }
    return at;
}

double mu_logits_log_sum(const float *logits, uint32_t n, uint32_t top) {
    double sum = 1.0, max = (double)logits[top]; /* its own part */
    for (uint32_t i = 0; i < n; i++) {
        if (i != top) sum += (double)expf(logits[i] - logits[top]);
    }
    return log(sum) + max;
}

double mu_logits_nll(const float *logits, uint32_t n, mu_token token) {
    bool is_finite = true;
    for (uint32_t i = 0; i < n; i++) {
        is_finite = is_finite && isfinite(logits[i]);
    }
    if (!is_finite) return NAN;
    return mu_logits_log_sum(logits, n, mu_logits_top(logits, n)) - (double)logits[token];
}
