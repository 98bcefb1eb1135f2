/* decoder.h - what a network is, as switches and slots. An architecture is data: the table in
 * architectures.c says for each one how its config keys fill the spec and how its tensor names bind
 * to the slots. A backend implements the one decoder; nothing else asks which architecture it is.
 *
 * One layer, for x [n_tokens, hidden_dim]:
 *
 *     q, k, v = norm(x; ATTN_NORM) * {Q, K, V}          each [n_tokens, n_heads * head_dim]
 *     x += softmax(q k^T * attn_scale, causal) v * O
 *     x += activation(norm(x; FFN_NORM) * UP) * DOWN
 *
 * and around the layers: x = EMBED[token] + POSITIONS[position]; logits = norm(x; OUT_NORM) *
 * OUTPUT. norm is LayerNorm with weight and bias. Biases may be absent (a slot without a weight is
 * zero).
 */
#ifndef MU_MODEL_DECODER_H
#define MU_MODEL_DECODER_H

#include "base/base.h"

typedef enum mu_activation {
    MU_ACTIVATION_GELU_TANH, /* 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
    MU_ACTIVATION_GELU_ERF,  /* 0.5 x (1 + erf(x / sqrt(2))) */
    MU_ACTIVATION_RELU,
    MU_ACTIVATION_SILU, /* x / (1 + exp(-x)) */
    MU_N_ACTIVATIONS
} mu_activation;

typedef struct mu_decoder_spec {
    uint32_t n_layers;
    uint32_t n_heads;
    uint32_t head_dim;
    uint32_t hidden_dim; /* n_heads * head_dim */
    uint32_t ffn_dim;
    uint32_t vocab_size;
    uint32_t n_ctx; /* positions the model knows */
    mu_activation activation;
    float norm_eps;
    float attn_scale;         /* 1 / sqrt(head_dim), or 1 */
    bool attn_scale_by_layer; /* divide also by (layer + 1) */
} mu_decoder_spec;

/* Matrices are [n_out, n_in], vectors [n_out]. */
typedef enum mu_layer_slot {
    MU_ATTN_NORM_W,
    MU_ATTN_NORM_B,
    MU_Q_W,
    MU_Q_B,
    MU_K_W,
    MU_K_B,
    MU_V_W,
    MU_V_B,
    MU_O_W,
    MU_O_B,
    MU_FFN_NORM_W,
    MU_FFN_NORM_B,
    MU_UP_W,
    MU_UP_B,
    MU_DOWN_W,
    MU_DOWN_B,
    MU_N_LAYER_SLOTS
} mu_layer_slot;

typedef enum mu_model_slot {
    MU_EMBED,     /* [vocab_size, hidden_dim] */
    MU_POSITIONS, /* [n_ctx, hidden_dim] */
    MU_OUT_NORM_W,
    MU_OUT_NORM_B,
    MU_OUTPUT, /* [vocab_size, hidden_dim]; the same weight as MU_EMBED when tied */
    MU_N_MODEL_SLOTS
} mu_model_slot;

#endif
