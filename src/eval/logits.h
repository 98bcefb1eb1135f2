/* logits.h - what one row of logits [n], n > 0, says as probabilities. Sums are double over f32
 * exponentials. Pure; any thread. */
#ifndef MU_EVAL_LOGITS_H
#define MU_EVAL_LOGITS_H

#include "base/token.h"

uint32_t mu_logits_top(const float *logits,
                       uint32_t n); /* index of the largest, the first of ties */

/* log sum_i exp(logits[i]), so that log p(i) is logits[i] minus it. top: as above. */
double mu_logits_log_sum(const float *logits, uint32_t n, uint32_t top);

/* -log p(token) in nats; NaN when a logit is not finite. */
double mu_logits_nll(const float *logits, uint32_t n, mu_token token);

#endif
