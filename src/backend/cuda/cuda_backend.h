/* cuda_backend.h - what a CUDA back end consists of, seen from the host; private to backend/cuda/.
 * Pointers named d_x are device memory. */
#ifndef MU_BACKEND_CUDA_CUDA_BACKEND_H
#define MU_BACKEND_CUDA_CUDA_BACKEND_H

#include "backend/cuda/cuda_api.h"
#include "backend/ops.h"
#include "backend/region.h"

typedef struct mu_cuda_matrix {
    void *d_weights; /* packed, as cuda_layout.h says */
    float *d_bias;   /* [n_out whole blocks]; zeros where the model has none */
    uint32_t n_in, n_out;
} mu_cuda_matrix;

typedef struct mu_cuda_layer {
    float *d_attn_norm_w, *d_attn_norm_b, *d_ffn_norm_w, *d_ffn_norm_b; /* [hidden_dim] */
    mu_cuda_matrix qkv, o, up, down; /* qkv: Q, K and V one after another */
} mu_cuda_layer;

typedef struct mu_cuda_weights {
    mu_cuda_layer *layers; /* [n_layers], owned */
    mu_cuda_matrix output;
    mu_cuda_matrix embed;               /* the same memory as output when tied */
    float *d_positions;                 /* [n_ctx, hidden_dim] */
    float *d_out_norm_w, *d_out_norm_b; /* [hidden_dim] */
} mu_cuda_weights;

/* A step as the kernels see it: laid out alike in staging and on the device, so that one transfer
 * brings it over. */
typedef struct mu_cuda_step {
    mu_cuda_row *rows;   /* [step_tokens_max] */
    mu_cuda_tile *tiles; /* [step_tokens_max] */
    mu_cuda_out *outs;   /* [step_rows_max] */
    uint32_t *tables;    /* [step_tokens_max * blocks of n_ctx], last: only what is used is sent */
} mu_cuda_step;

/* What comes back, in staging: logits by transfer, the rest written by the kernel that finds it. */
typedef struct mu_cuda_results {
    mu_cuda_top *tops;        /* [step_rows_max] */
    mu_candidate *candidates; /* [step_rows_max * MU_TOP_MAX] */
    float *logits;            /* [step_rows_max, vocab_size] */
} mu_cuda_results;

typedef struct mu_cuda_scratch {
    mu_cuda_step step;
    float *logits;                 /* [step_rows_max, vocab_size] */
    mu_cuda_top_part *top_parts;   /* [step_rows_max, parts of a row] */
    uint32_t *n_done;              /* [step_rows_max] */
    float *x;                      /* [step_tokens_max, hidden_dim] residual stream */
    void *q;                       /* [step_tokens_max, hidden_dim] */
    void *normed, *attended, *ffn; /* activations, whole blocks of rows */
} mu_cuda_scratch;

typedef struct mu_cuda_backend {
    mu_backend base;
    mu_decoder_spec spec;
    mu_backend_options options;
    const mu_cuda_api *api;
    mu_cuda_stream *stream;
    mu_cuda_type type; /* of weights, activations and KV */
    char isa[24];      /* "cuda sm_90" */
    mu_cuda_weights weights;
    mu_cuda_scratch d;       /* on the device */
    mu_cuda_kv kv;           /* of layer 0 */
    mu_cuda_step step;       /* staging */
    mu_cuda_results results; /* staging */
    mu_cuda_batch batch;     /* the step on the device */
    uint32_t n_tables;       /* block ids of the step */
    uint32_t n_candidates;   /* of the step */
    mu_row_top *tops;        /* [step_rows_max], owned */
    mu_cuda_graph **graphs;  /* [step_rows_max + 1], owned: decode steps by rows, NULL: not yet */
    bool *is_seen;           /* [step_rows_max + 1], owned: shapes that came once */
    mu_region weights_region, kv_region, scratch_region; /* of the device */
    mu_region staging_region;
} mu_cuda_backend;

/* The same code counts, with a region that has no memory, and lays out. */
void mu_cuda_weights_lay_out(mu_cuda_backend *b, mu_region *region);
/* Packs and uploads; lets go of the file pages it has read. */
mu_status mu_cuda_weights_fill(mu_cuda_backend *b, const mu_model *model, mu_err *err);

/* The step into staging and b->batch. It must fit the options; this is asserted. */
void mu_cuda_step_make(mu_cuda_backend *b, const mu_step *step);

mu_status mu_cuda_forward(mu_backend *backend, const mu_step *step, mu_step_result *out,
                          mu_err *err);

#endif
