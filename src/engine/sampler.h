/* sampler.h - logits to a token.
 *
 * In this order: what the grammar does not allow, logit bias, banned tokens, repetition penalty
 * (prompt and output), frequency and presence penalty (output); then greedy at temperature 0, or:
 * temperature, top-k, top-p among what top-k left (renormalised), min-p (relative to the most
 * likely), and one draw, which walks what is left in order of tokens.
 *
 * The draw depends on the seed and on the position in the output only, so the same seed gives the
 * same text whatever else is running and however often the sequence was preempted. Ties go to the
 * lower token. Log-probabilities are of the model's own distribution, before all of the above.
 *
 * Threads: belongs to the engine's thread. Memory: scratch from the arena at create(), none after.
 */
#ifndef MU_ENGINE_SAMPLER_H
#define MU_ENGINE_SAMPLER_H

#include "base/arena.h"
#include "engine/engine.h"

typedef struct mu_sampler mu_sampler;

typedef struct mu_sample_args {
    const float *logits;   /* [vocab_size]; not read where there is a top */
    const mu_row_top *top; /* NULL: logits; else at least what mu_sampler_n_top() said, or all */
    const mu_sampling *sampling;
    const mu_token *tokens; /* [n_tokens]: prompt, then output */
    uint32_t n_prompt;
    uint32_t n_tokens;
    const mu_token *banned; /* [n_banned] */
    uint32_t n_banned;
    const uint64_t *allowed; /* [vocab_size / 64, rounded up] bits; NULL: all */
} mu_sample_args;

size_t mu_sampler_bytes(uint32_t vocab_size); /* create() takes at most */
mu_sampler *mu_sampler_create(mu_arena *model_arena, uint32_t vocab_size);

/* How many of the best of a row give the same token and logprobs as the whole row, bit for bit; 0:
 * the whole row is needed. n_banned: as in mu_sample_args. */
uint32_t mu_sampler_n_top(const mu_sampling *sampling, uint32_t n_banned);

/* The next token; MU_TOKEN_NONE when a logit is not a finite number, or no token is left.
 * out_top: [max(n_logprobs, 0)], most likely first, n_logprobs <= vocab_size; out_logprob is
 * written when n_logprobs >= 0. */
mu_token mu_sampler_run(mu_sampler *sampler, const mu_sample_args *args, float *out_logprob,
                        mu_logprob *out_top);

/* Ranges of every parameter, in one table. MU_ERR_INVALID names the parameter and the range. */
mu_status mu_sampling_check(const mu_sampling *sampling, uint32_t vocab_size,
                            mu_err *err) MU_MUST_USE;

#endif
