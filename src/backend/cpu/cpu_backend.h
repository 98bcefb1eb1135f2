/* cpu_backend.h - what a CPU backend consists of; private to backend/cpu/. */
#ifndef MU_BACKEND_CPU_CPU_BACKEND_H
#define MU_BACKEND_CPU_CPU_BACKEND_H

#include "backend/cpu/cpu_device.h"
#include "backend/cpu/packed.h"

enum {
    MU_ROW_BLOCK = 192, /* rows of one matrix task: a multiple of every tile height */
};

/* What a layer's list of matrices and its vectors became. */
typedef struct mu_cpu_layer {
    const mu_layer_kind *kind;          /* of the backend's own spec */
    mu_packed matrix[MU_N_LAYER_SLOTS]; /* by weight slot; matmul NULL where there is none */
    float *vector[MU_N_LAYER_SLOTS];    /* norms; NULL where there is none */
    uint32_t forms[MU_N_FEEDS];         /* 1 << mu_act_form of every matrix that is fed, or-ed */
    uint32_t rope;                      /* of mu_cpu_weights.ropes, when the kind's turns */
    size_t kv_at, kv_head_bytes;        /* where in a KV group; K of one head */
} mu_cpu_layer;

/* Rotary positions that some layers share. */
typedef struct mu_cpu_rope {
    mu_rope rope;
    float *frequencies; /* [n_dims / 2] */
    size_t at;          /* floats: where in a row of mu_scratch.rotations */
} mu_cpu_rope;

typedef struct mu_cpu_weights {
    mu_cpu_layer *layers;               /* [n_layers], owned */
    mu_packed embed;                    /* the same panels as output when tied */
    mu_packed output;                   /* matmul NULL: none */
    float *positions;                   /* [n_ctx, hidden_dim], or NULL */
    float *token_types;                 /* [n_token_types, hidden_dim], or NULL */
    float *embed_norm_w, *embed_norm_b; /* [hidden_dim]; NULL: none */
    float *out_norm_w, *out_norm_b;
    mu_cpu_rope ropes[MU_LAYER_KINDS_MAX];
    uint32_t n_ropes;
} mu_cpu_weights;

/* Where K and V are. A group is MU_KV_GROUP positions of all layers and heads, contiguous, so that
 * a sequence touches as little memory as it has tokens: group: of each layer [K, V][n_kv_heads]
 * [head_dim * MU_KV_GROUP] */
typedef struct mu_kv_store {
    uint8_t *base;
    size_t group_bytes; /* multiple of 64 */
    uint32_t groups_per_block;
} mu_kv_store;

/* One token of the step. */
typedef struct mu_step_row {
    mu_token token;
    uint32_t position;
    uint32_t segment;
    uint32_t type; /* of the token */
} mu_step_row;

/* One segment of the step, as the layers see it. */
typedef struct mu_step_segment {
    uint32_t first_wanted; /* row; the n_wanted rows from here on have results ... */
    uint32_t n_wanted;
    uint32_t first_out;     /* ... and this is where they go in the last layer */
    uint32_t n_positions;   /* of the sequence, with those before */
    const uint8_t **groups; /* addresses of its KV groups, by position / MU_KV_GROUP */
} mu_step_segment;

/* Queries of one segment whose positions are in one KV group: they share a pass over K and V, and
 * their own K and V go into one group. */
typedef struct mu_query_tile {
    uint32_t segment;
    uint32_t first_row; /* of the step */
    uint32_t n_rows;
    uint32_t out_row; /* where the result of first_row goes */
} mu_query_tile;

typedef struct mu_step_plan {
    mu_step_row *rows;         /* [step_tokens_max] */
    mu_step_segment *segments; /* [step_tokens_max] */
    const uint8_t **groups;    /* [step_tokens_max * groups of n_ctx] */
    mu_query_tile *tiles;      /* [step_tokens_max]: of every layer but the last */
    mu_query_tile *last_tiles; /* [step_tokens_max]: of the last layer: rows with results only */
    uint32_t n_rows, n_segments, n_tiles, n_last_tiles;
    uint32_t n_out; /* rows with results */
    bool is_decode; /* every segment is one row with a result */
} mu_step_plan;

enum { MU_OWN_ROWS = 2 }; /* so few rows are normalised by every thread for itself: no barrier */

/* Packed activations: what a matrix product takes, in each form that some matrix wants. */
typedef struct mu_acts {
    uint8_t *rows[MU_N_ACT_FORMS];    /* [step_tokens_max, row_bytes]; NULL: nobody wants it */
    size_t row_bytes[MU_N_ACT_FORMS]; /* odd numbers of cache lines: rows do not meet in one set */
} mu_acts;

/* Queries that go through K and V together: rows of a tile times query heads of a KV head. */
enum { MU_QUERIES_MAX = MU_KV_GROUP };

typedef struct mu_thread_scratch {
    float *scores;           /* [MU_QUERIES_MAX, n_ctx whole groups] */
    float *queries, *values; /* [MU_QUERIES_MAX, head_dim] of several rows and heads */
    float *tile, *gate; /* [MU_ROW_BLOCK, MU_PANEL] outputs of a panel on their way elsewhere */
    float *row;         /* the widest row; also scratch of packing weights */
    mu_acts own;        /* [MU_OWN_ROWS] normalised rows */
} mu_thread_scratch;

typedef struct mu_scratch {
    size_t x_stride, qkv_stride, attended_stride; /* floats, whole panels */
    size_t rotations_stride;
    float *x;                   /* [step_tokens_max, x_stride] residual stream */
    float *branch;              /* [step_tokens_max, x_stride] on its way to a norm; or NULL */
    float *qkv;                 /* [step_tokens_max, qkv_stride]: Q, K, V of whole panels each */
    float *attended;            /* [step_tokens_max, attended_stride] */
    float *rotations;           /* [step_tokens_max]: of each rope, cosines then sines */
    mu_acts normed, heads, ffn; /* into Q to V, GATE, UP and the output; into O; into DOWN */
    float *logits;              /* [step_rows_max, vocab_size] */
    float **packing;            /* [n_threads]: each thread's row */
    mu_thread_scratch *threads; /* [n_threads] */
} mu_scratch;

typedef struct mu_cpu_backend {
    mu_backend base;
    mu_decoder_spec spec;
    mu_backend_options options;
    mu_cpu_device *device; /* its own or shared */
    mu_kernels kernels;    /* the device's, as is the pool */
    mu_pool *pool;
    mu_kv_form kv_form;
    uint32_t forms[MU_N_FEEDS]; /* of all layers, or-ed; those of the output are in ATTN_NORM's */
    mu_cpu_weights weights;
    mu_kv_store kv;
    mu_step_plan plan;
    mu_scratch scratch;
    mu_region weights_region, kv_region; /* owned pages */
    size_t scratch_bytes;                /* that its layout takes of the device's */
    const mu_model *source;              /* borrowed while it is packed; NULL: all is there */
    uint32_t next_layer, next_matrix;    /* to be packed */
} mu_cpu_backend;

/* What attention and FFN give is not simply added to the residual stream. */
static inline bool mu_cpu_has_branch(const mu_decoder_spec *spec) {
    const mu_layer_kind *kind = &spec->kinds[0];
    return (kind->has_norms_after && !kind->norms_sums) || spec->residual_scale != 1.0f;
}

/* Before the scratch is used: another back end may have had it, or it has moved. */
void mu_cpu_scratch_enter(mu_cpu_backend *b);

/* As in mu_backend_ops. */
mu_status mu_cpu_forward(mu_backend *backend, const mu_step *step, mu_step_result *out,
                         mu_err *err);
mu_status mu_cpu_rates_measure(mu_device_id device, uint32_t n_threads, const mu_cpu_level *isa_max,
                               mu_machine_rates *out, mu_err *err);

#endif
