/* cpu_backend.h - what a CPU backend consists of; private to backend/cpu/. */
#ifndef MU_BACKEND_CPU_CPU_BACKEND_H
#define MU_BACKEND_CPU_CPU_BACKEND_H

#include "backend/cpu/packed.h"
#include "backend/ops.h"

enum {
    MU_ROW_BLOCK = 192, /* rows of one matrix task: a multiple of every tile height */
};

typedef struct mu_cpu_layer {
    float *attn_norm_w, *attn_norm_b, *ffn_norm_w, *ffn_norm_b; /* [hidden_dim] */
    mu_packed qkv;                                              /* three parts: Q, K, V */
    mu_packed o, up, down;
} mu_cpu_layer;

typedef struct mu_cpu_weights {
    mu_cpu_layer *layers; /* [n_layers], owned */
    mu_packed embed;      /* the same panels as output when tied */
    mu_packed output;
    float *positions;               /* [n_ctx, hidden_dim] */
    float *out_norm_w, *out_norm_b; /* [hidden_dim] */
} mu_cpu_weights;

/* Where K and V are. A group is MU_KV_GROUP positions of all layers and heads, contiguous, so that
 * a sequence touches as little memory as it has tokens: group: [n_layers][K, V][n_heads][head_dim *
 * MU_KV_GROUP] */
typedef struct mu_kv_store {
    uint8_t *base;
    size_t group_bytes; /* multiple of 64 */
    size_t layer_bytes; /* K and V of all heads */
    size_t head_bytes;  /* K of one head */
    uint32_t groups_per_block;
} mu_kv_store;

/* One token of the step. */
typedef struct mu_step_row {
    mu_token token;
    uint32_t position;
    uint32_t segment;
} mu_step_row;

/* One segment of the step, as the layers see it. */
typedef struct mu_step_segment {
    uint32_t first_wanted; /* row; the n_wanted rows from here on have logits ... */
    uint32_t n_wanted;
    uint32_t first_out;     /* ... and this is where they go in the last layer */
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
    mu_query_tile *last_tiles; /* [step_tokens_max]: of the last layer: rows with logits only */
    uint32_t n_rows, n_segments, n_tiles, n_last_tiles;
    uint32_t n_out; /* rows with logits */
    bool is_decode; /* every segment is one row with logits */
} mu_step_plan;

enum { MU_OWN_ROWS = 2 }; /* so few rows are normalised by every thread for itself: no barrier */

typedef struct mu_thread_scratch {
    float *scores; /* [MU_KV_GROUP, n_ctx whole groups] */
    float *tile;   /* [MU_ROW_BLOCK, MU_PANEL] outputs of a panel on their way elsewhere */
    uint8_t *own;  /* [MU_OWN_ROWS] normalised rows, packed */
} mu_thread_scratch;

/* Packed activations: what a matrix product takes. */
typedef struct mu_acts {
    uint8_t *rows;    /* [step_tokens_max, row_bytes] */
    size_t row_bytes; /* an odd number of cache lines: rows do not meet in one cache set */
} mu_acts;

typedef struct mu_scratch {
    size_t x_stride, qkv_stride; /* floats, whole panels */
    float *x;                    /* [step_tokens_max, x_stride] residual stream */
    float *qkv;                  /* [step_tokens_max, qkv_stride] */
    float *attended;             /* [step_tokens_max, x_stride] */
    mu_acts normed, heads, ffn;  /* into QKV, UP and the output; into O; into DOWN */
    float *logits;               /* [step_rows_max, vocab_size] */
    float **rows;                /* [n_threads], the widest row; also scratch of packing weights */
    mu_thread_scratch *threads;  /* [n_threads] */
} mu_scratch;

typedef struct mu_cpu_backend {
    mu_backend base;
    mu_decoder_spec spec;
    mu_backend_options options;
    mu_kernels kernels;
    mu_pool *pool;
    mu_weight_form form;
    mu_kv_form kv_form;
    mu_cpu_weights weights;
    mu_kv_store kv;
    mu_step_plan plan;
    mu_scratch scratch;
    mu_region weights_region, kv_region, scratch_region; /* owned pages */
} mu_cpu_backend;

/* As in mu_backend_ops. */
mu_status mu_cpu_forward(mu_backend *backend, const mu_step *step, mu_step_result *out,
                         mu_err *err);
mu_status mu_cpu_rates_measure(mu_device device, uint32_t n_threads, mu_isa isa_max,
                               mu_machine_rates *out, mu_err *err);

#endif
