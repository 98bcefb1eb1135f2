/* decoder.h - what a network is, as data: one decoder with switches, a description of every layer,
 * and the list of matrices that a layer multiplies by. Shapes stand here and nowhere else: packing,
 * memory plans, limits, `show`, export and synthetic weights walk the same lists.
 *
 * One layer, for x [n_tokens, hidden_dim]; what its kind has not is left out:
 *
 *     h = norm(x; ATTN_NORM)
 *     q, k, v = h * {Q, K, V} + bias       q [n_heads, head_dim], k and v [n_kv_heads, head_dim]
 *     q, k = rotate(qk_norm(q, k), position)
 *     s = q k^T * attn_scale, softcap(s)   causal, over the last `window` positions
 *     a = softmax(s) v * O + bias          query heads share the K and V of their group
 *     x += residual_scale * norm(a; ATTN_POST_NORM)
 *     h = norm(x; FFN_NORM)
 *     f = (activation(h * GATE) . (h * UP)) * DOWN,   or activation(h * UP) * DOWN
 *     x += residual_scale * norm(f; FFN_POST_NORM)
 *
 * and around the layers: x = norm(EMBED[token] * embed_scale + POSITIONS[position] +
 * TOKEN_TYPES[type]; EMBED_NORM); logits = softcap(norm(x; OUT_NORM) * OUTPUT * logit_scale).
 * softcap(s) is cap * tanh(s / cap).
 *
 * An encoder is the same with three switches: is_bidirectional, attention is not causal, and its
 * windows reach to both sides; norms_sums, x = norm(x + a; ATTN_POST_NORM) and the same after the
 * FFN; has_output false, what it gives is norm(x; OUT_NORM) of each position, its hidden state. One
 * with labels scores the first: SCORE * tanh(HEAD * x + bias) + bias.
 *
 * A family (family.h) fills the spec from what a file says. The spec has room for more than the
 * backends compute: each refuses what it lacks by the feature's name.
 *
 * Pure data and pure functions, any thread. A spec is a value: it may be copied.
 */
#ifndef MU_MODEL_DECODER_H
#define MU_MODEL_DECODER_H

#include "base/status.h"
#include "model/rope.h"

typedef enum mu_activation {
    MU_ACTIVATION_GELU_TANH, /* 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
    MU_ACTIVATION_GELU_ERF,  /* 0.5 x (1 + erf(x / sqrt(2))) */
    MU_ACTIVATION_RELU,
    MU_ACTIVATION_SILU, /* x / (1 + exp(-x)) */
    MU_N_ACTIVATIONS
} mu_activation;

typedef enum mu_norm {
    MU_NORM_LAYER, /* (x - mean) / sqrt(variance + eps) * W + B */
    MU_NORM_RMS,   /* x / sqrt(mean of squares + eps) * W */
} mu_norm;

/* Of q and k before they are rotated: an RMS norm. */
typedef enum mu_qk_norm {
    MU_QK_NORM_NONE,
    MU_QK_NORM_HEAD, /* each head by itself, weights [head_dim] */
    MU_QK_NORM_ROW,  /* all heads of a row together, weights [heads * head_dim] */
} mu_qk_norm;

/* What lets a position see others. */
typedef enum mu_mixer {
    MU_MIXER_ATTENTION,
    MU_MIXER_DELTA_NET,  /* gated DeltaNet with a short convolution: a state, no KV */
    MU_MIXER_MAMBA2,     /* selective state space */
    MU_MIXER_SHORT_CONV, /* gated short convolution */
} mu_mixer;

/* How a mixture chooses among n_experts. */
typedef enum mu_routing {
    MU_ROUTING_SOFTMAX,        /* softmax over all, the best of them */
    MU_ROUTING_SOFTMAX_CHOSEN, /* the best logits, softmax over those */
    MU_ROUTING_SIGMOID,        /* sigmoid of each; chosen with a bias, weighted without */
} mu_routing;

typedef struct mu_layer_kind {
    mu_mixer mixer;
    mu_norm norm; /* of every norm of the layer */
    bool has_norms_before, has_norms_after;
    bool norms_sums; /* the norms after are of x and the branch together, and become x */
    uint32_t n_heads, n_kv_heads, head_dim; /* n_kv_heads divides n_heads */
    bool has_qkv_bias, has_o_bias, has_ffn_bias;
    mu_qk_norm qk_norm;
    mu_rope rope;             /* n_dims 0: not rotated */
    uint32_t window;          /* positions seen, the own one included; 0: all; when bidirectional
                                 of either side */
    float attn_scale;         /* 1 / sqrt(head_dim) where nothing else is said */
    bool attn_scale_by_layer; /* divided also by (layer + 1) */
    float attn_softcap;       /* 0: none */
    bool has_sinks;           /* one more logit in each head's softmax, without a value */
    bool shares_kv;           /* reads K and V of the last layer before that has its own */
    mu_activation activation;
    bool is_gated;
    uint32_t ffn_dim;
    uint32_t n_experts, n_experts_active; /* 0: a dense FFN */
    mu_routing routing;
} mu_layer_kind;

enum { MU_LAYER_KINDS_MAX = 8, MU_LAYERS_MAX = 1024 };

typedef struct mu_decoder_spec {
    uint32_t n_layers;
    uint32_t hidden_dim;
    uint32_t vocab_size;
    uint32_t n_ctx;         /* positions the model knows */
    bool has_positions;     /* learned ones, added to the embedding */
    uint32_t n_token_types; /* of which the embedding gets one added; 0: none */
    bool has_embed_norm;
    bool is_bidirectional; /* a position sees those behind it, too: a text is computed at once */
    bool has_output;       /* false: hidden states are what it gives */
    uint32_t n_labels;     /* scores of a text from its pooled state; 0: none */
    bool is_tied;          /* OUTPUT is EMBED */
    bool has_out_norm;
    mu_norm out_norm; /* of EMBED_NORM, too */
    float norm_eps;
    float embed_scale, residual_scale, logit_scale; /* 1: as they are */
    float logit_softcap;                            /* 0: none */
    uint32_t n_kinds;
    mu_layer_kind kinds[MU_LAYER_KINDS_MAX]; /* [n_kinds] */
    uint8_t kind_of[MU_LAYERS_MAX];          /* [n_layers] */
} mu_decoder_spec;

static inline const mu_layer_kind *mu_layer_kind_of(const mu_decoder_spec *spec, uint32_t layer) {
    MU_DASSERT(layer < spec->n_layers);
    return &spec->kinds[spec->kind_of[layer]];
}

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
    MU_Q_NORM_W,
    MU_K_NORM_W,
    MU_O_W,
    MU_O_B,
    MU_ATTN_POST_NORM_W,
    MU_ATTN_POST_NORM_B,
    MU_FFN_NORM_W,
    MU_FFN_NORM_B,
    MU_GATE_W,
    MU_GATE_B,
    MU_UP_W,
    MU_UP_B,
    MU_DOWN_W,
    MU_DOWN_B,
    MU_FFN_POST_NORM_W,
    MU_FFN_POST_NORM_B,
    MU_N_LAYER_SLOTS
} mu_layer_slot;

typedef enum mu_model_slot {
    MU_EMBED,       /* [vocab_size, hidden_dim] */
    MU_POSITIONS,   /* [n_ctx, hidden_dim] */
    MU_TOKEN_TYPES, /* [n_token_types, hidden_dim] */
    MU_EMBED_NORM_W,
    MU_EMBED_NORM_B,
    MU_ROPE_FACTORS, /* rotary frequencies are divided by these; a file may have them or not */
    MU_OUT_NORM_W,
    MU_OUT_NORM_B,
    MU_HEAD_W, /* [hidden_dim, hidden_dim] */
    MU_HEAD_B,
    MU_SCORE_W, /* [n_labels, hidden_dim] */
    MU_SCORE_B,
    MU_OUTPUT, /* [vocab_size, hidden_dim]; the same weight as MU_EMBED when tied */
    MU_N_MODEL_SLOTS
} mu_model_slot;

/* n_out 0: the spec has nothing in that slot. n_in 1: a vector. */
typedef struct mu_slot_shape {
    uint32_t n_out, n_in;
} mu_slot_shape;

mu_slot_shape mu_model_slot_shape(const mu_decoder_spec *spec, mu_model_slot slot);
mu_slot_shape mu_layer_slot_shape(const mu_decoder_spec *spec, uint32_t layer, mu_layer_slot slot);

/* What a matrix multiplies. */
typedef enum mu_feed {
    MU_FEED_ATTN_NORM, /* the row, normed */
    MU_FEED_ATTENDED,  /* what attention gave */
    MU_FEED_FFN_NORM,
    MU_FEED_ACTIVATED, /* the inside of the FFN */
    MU_N_FEEDS
} mu_feed;

typedef struct mu_matrix {
    mu_layer_slot weight, bias;
    uint32_t n_out, n_in;
    uint32_t count; /* experts, each a matrix of this shape; 1 */
    mu_feed feed;
} mu_matrix;

enum { MU_LAYER_MATRICES_MAX = 7 };

/* The matrices of a layer in the order of use: Q, K, V, O, GATE, UP, DOWN, those that it has.
 * Returns how many. */
uint32_t mu_layer_matrices(const mu_decoder_spec *spec, uint32_t layer,
                           mu_matrix out[MU_LAYER_MATRICES_MAX]);

/* Numbers that K and V of one position take in a layer, and in all. The layers of a bidirectional
 * one use the same memory one after the other. */
uint64_t mu_layer_kv_values(const mu_decoder_spec *spec, uint32_t layer);
uint64_t mu_decoder_kv_values(const mu_decoder_spec *spec);

/* Weights that a token of a layer is multiplied by, and of the whole model with its output. */
uint64_t mu_layer_matrix_values(const mu_decoder_spec *spec, uint32_t layer);
uint64_t mu_decoder_matrix_values(const mu_decoder_spec *spec);

/* The widest row that any product of the decoder takes or gives, its output apart. */
uint32_t mu_decoder_row_max(const mu_decoder_spec *spec);

/* What a spec asks of a backend beyond GPT-2, a bit each. The text completes "no ... yet". */
#define MU_FEATURE_MAP(X)                                                 \
    X(MU_FEATURE_RMS_NORM, "RMS norms")                                   \
    X(MU_FEATURE_ROTARY, "rotary positions")                              \
    X(MU_FEATURE_GROUPED_HEADS, "grouped query heads")                    \
    X(MU_FEATURE_HEAD_DIM, "heads that are not width / n_heads wide")     \
    X(MU_FEATURE_GATED, "gated FFNs")                                     \
    X(MU_FEATURE_MIXED_LAYERS, "layers of several kinds")                 \
    X(MU_FEATURE_QK_NORM, "norms of q and k")                             \
    X(MU_FEATURE_QK_ROW_NORM, "norms of whole rows of q and k")           \
    X(MU_FEATURE_POST_NORM, "norms after attention and FFN")              \
    X(MU_FEATURE_NO_PRE_NORM, "layers without norms before")              \
    X(MU_FEATURE_WINDOW, "sliding windows")                               \
    X(MU_FEATURE_SOFTCAP, "softcaps")                                     \
    X(MU_FEATURE_SCALES, "multipliers of embedding, residual and logits") \
    X(MU_FEATURE_ENCODER, "encoders")                                     \
    X(MU_FEATURE_SINKS, "attention sinks")                                \
    X(MU_FEATURE_SHARED_KV, "layers that share K and V")                  \
    X(MU_FEATURE_EXPERTS, "mixtures of experts")                          \
    X(MU_FEATURE_RECURRENT, "recurrent layers")

typedef enum mu_feature {
#define X(name, text) name,
    MU_FEATURE_MAP(X)
#undef X
        MU_N_FEATURES
} mu_feature;

typedef uint32_t mu_features; /* 1 << mu_feature, or-ed */

mu_features mu_decoder_features(const mu_decoder_spec *spec);
/* MU_ERR_UNSUPPORTED names the first feature of the spec that is not among has. who: "the CPU". */
mu_status mu_decoder_check(const mu_decoder_spec *spec, mu_features has, const char *who,
                           mu_err *err) MU_MUST_USE;

#endif
