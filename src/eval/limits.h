/* limits.h - how fast a model could run on a machine: the denominators of every speed figure.
 *
 * Work is what the forward pass really does: two operations for every weight of the matrices that
 * a row meets (decoder.h lists them), four for every dimension of a query and position that it
 * sees. The last layer computes only Q, K and V for rows without logits. Bytes of a decode step are
 * all matrices once, and K and V of every sequence.
 *
 * Pure functions; no state, any thread.
 */
#ifndef MU_EVAL_LIMITS_H
#define MU_EVAL_LIMITS_H

#include "backend/machine.h"

typedef struct mu_limit_args {
    const mu_model *model;
    mu_dtype weight_type, kv_type;
    const mu_machine_rates *rates;
} mu_limit_args;

/* The peak rate of products of a weight type, 10^9 operations a second: that of f32 where the
 * device has no instruction of the type's own. 0: unknown. */
double mu_peak_gops(const mu_machine_rates *rates, mu_dtype weight_type);

/* Operations of a prefill of n_tokens whose last row wants logits. */
double mu_prefill_ops(const mu_decoder_spec *spec, uint32_t n_tokens);

/* Tokens per second of that prefill at the peak rate of the weight type; 0 when the rate is
 * unknown. */
double mu_prefill_limit(const mu_limit_args *args, uint32_t n_tokens);

/* Texts of n_tokens a second that become embeddings, as the above; every position is computed by
 * every layer where the model pools them all. */
double mu_embedding_limit(const mu_limit_args *args, uint32_t n_tokens);

/* What a decode step moves and computes. */
typedef struct mu_decode_cost {
    double weight_bytes;          /* all matrices once */
    double kv_bytes_per_position; /* of each sequence */
    double peak_gops;             /* of the weight type's products; 0: unknown */
} mu_decode_cost;

mu_decode_cost mu_decode_cost_of(const mu_limit_args *args);

/* Tokens per second of all of n_seqs sequences that decode together, each with n_positions in its
 * cache: the smaller of what memory and arithmetic allow. */
double mu_decode_limit(const mu_limit_args *args, uint32_t n_seqs, uint32_t n_positions);

#endif
