/* agreement.h - how close a weight type stays to f32: the same tokens through both, every
 * position's logits compared.
 *
 *     KL divergence of a position    sum_v p(v) (log p(v) - log q(v))    p: f32, q: the other
 *     agreement                      the largest logit is the same token's
 *     logit error                    |logit - f32 logit|, also as a part of the largest |f32 logit|
 *
 * Tokens are cut into windows that start afresh; windows are the independent units of the intervals
 * of means, positions those of the agreement. The reference is f32 weights with an f32 KV cache on
 * the same kernels.
 *
 * Threads: the caller's. Memory: two backends at once; nothing outlives the call.
 */
#ifndef MU_EVAL_AGREEMENT_H
#define MU_EVAL_AGREEMENT_H

#include <jansson.h>

#include "backend/backend.h"
#include "base/intervals.h"

typedef struct mu_agreement_options {
    const mu_model *reference; /* run as f32; same vocabulary as the model */
    mu_device_id device;       /* of the model; the reference runs on the CPU */
    mu_dtype weight_type, kv_type;
    uint32_t n_threads;
    const mu_cpu_level *isa_max;
    const mu_token *tokens; /* [n_tokens], each in [0, vocab_size); borrowed */
    uint32_t n_tokens;      /* > 0 */
    uint32_t window;        /* tokens; in [1, the context of both models] */
    void (*progress)(void *ctx, uint32_t n_done, uint32_t n_total, const char *what);
    void *progress_ctx;
    bool (*is_canceled)(void);
} mu_agreement_options;

typedef struct mu_agreement {
    uint32_t n_positions, n_windows;
    uint32_t n_agreeing;
    mu_interval agreement;        /* of n_agreeing / n_positions */
    double kl_mean, kl_max;       /* nats */
    mu_interval kl;               /* of kl_mean */
    double error_mean, error_max; /* of a logit */
    mu_interval error;            /* of error_mean */
    double largest_logit;         /* |f32 logit| */
} mu_agreement;

/* MU_ERR_INVALID: other vocabularies, or logits that are not finite. */
mu_status mu_agreement_measure(const mu_model *model, const mu_agreement_options *options,
                               mu_agreement *out, mu_err *err) MU_MUST_USE;

/* Random tokens of a model's vocabulary, n of them: what a model of random weights has for text. */
void mu_random_tokens(const mu_model *model, uint64_t seed, mu_token *out, uint32_t n);

/* The same comparison on n_tokens random tokens, in windows of at most 128. Of the options tokens,
 * n_tokens and window are not read. */
mu_status mu_agreement_measure_random(const mu_model *model, const mu_agreement_options *options,
                                      uint32_t n_tokens, mu_agreement *out,
                                      mu_err *err) MU_MUST_USE;

/* NULL when there is no memory; the caller owns the reference. */
json_t *mu_agreement_json(const mu_agreement *agreement);

#endif
