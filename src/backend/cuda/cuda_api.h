/* cuda_api.h - what libmuai-cuda.so can do, as one table of C functions; private to backend/cuda/.
 *
 * The library holds kernels and the thinnest layer over the CUDA runtime; the host side of the back
 * end decides what runs. Pointers named d_x are device memory. All work is queued on a stream and
 * nothing waits but synchronize(), memory_open() and rates(). A download is there after
 * synchronize(); an upload reads its source until then.
 *
 * Every row of every result depends on that row alone, whatever the number of rows: sums run in one
 * fixed order. A product of K inputs is cut into eight slices of K, each summed in order; slices 0
 * to 3 and 4 to 7 are added in order, then the two halves. Attention takes positions in groups of
 * sixteen; group i belongs to part i % n of the sum, in order, and the parts are added in order.
 *
 * Errors: MU_ERR_DEVICE with the CUDA function and what it said, MU_ERR_NOMEM for device memory,
 * with the numbers. Threads: one caller at a time for each stream.
 */
#ifndef MU_BACKEND_CUDA_CUDA_API_H
#define MU_BACKEND_CUDA_CUDA_API_H

#include "backend/machine.h"
#include "base/status.h"

enum { MU_CUDA_API_VERSION = 2 };

typedef struct mu_cuda_stream mu_cuda_stream; /* a device and a queue of work on it */
typedef struct mu_cuda_graph mu_cuda_graph;   /* recorded work, to be launched as one */

typedef enum mu_cuda_type { MU_CUDA_F32, MU_CUDA_BF16 } mu_cuda_type;

static inline size_t mu_cuda_elem_bytes(mu_cuda_type type) {
    return type == MU_CUDA_F32 ? 4 : 2;
}

/* One token of a step. */
typedef struct mu_cuda_row {
    int32_t token;
    uint32_t position;
    uint32_t table; /* where the block table of its sequence begins */
} mu_cuda_row;

/* Neighbouring rows of one segment: they attend together. */
typedef struct mu_cuda_tile {
    uint32_t first_row;
    uint32_t n_rows;          /* 1 to MU_CUDA_ROW_TILE */
    uint32_t position, table; /* of the first row */
} mu_cuda_tile;

/* A row that has logits. */
typedef struct mu_cuda_out {
    uint32_t row;
    uint32_t n_top; /* candidates wanted; 0: none */
    uint32_t first; /* where they go */
} mu_cuda_out;

typedef struct mu_cuda_top {
    uint32_t n;
    uint32_t is_finite;
    float log_total;
} mu_cuda_top;

/* A step in device memory. */
typedef struct mu_cuda_batch {
    const mu_cuda_row *d_rows;
    const mu_cuda_tile *d_tiles; /* those of one row first: [n_singles], then the others */
    const mu_cuda_out *d_outs;
    const uint32_t *d_tables; /* KV block ids of all sequences */
    uint32_t n_rows, n_tiles, n_singles, n_outs;
} mu_cuda_batch;

typedef struct mu_cuda_kv {
    void *d_base;
    mu_cuda_type type;
    uint32_t layer, n_layers, n_heads, head_dim, block_tokens;
} mu_cuda_kv;

/* x[row] = embed[token] + positions[position].   d_x: [n_rows, hidden_dim] f32 */
typedef struct mu_cuda_embed {
    mu_cuda_type type;
    const void *d_embed;      /* packed weights [vocab_size, hidden_dim] */
    const float *d_positions; /* [n_ctx, hidden_dim] */
    uint32_t hidden_dim;
    float *d_x;
} mu_cuda_embed;

/* LayerNorm of rows of x, into the activations of a product. */
typedef struct mu_cuda_norm {
    const float *d_x;          /* [rows, n_in] */
    const float *d_w, *d_b;    /* [n_in] */
    const mu_cuda_out *d_outs; /* row i of the product is row d_outs[i].row of x; NULL: row i */
    float eps;
} mu_cuda_norm;

typedef enum mu_cuda_output {
    MU_CUDA_TO_QKV,      /* Q into rows, K and V into their blocks */
    MU_CUDA_TO_RESIDUAL, /* added to d_y */
    MU_CUDA_TO_ACTS,     /* through the activation into d_y_acts */
    MU_CUDA_TO_LOGITS,   /* into d_y */
} mu_cuda_output;

/* acts [n_rows, n_in] * weights [n_out, n_in] + bias. */
typedef struct mu_cuda_matmul {
    mu_cuda_type type;
    const void *d_weights;
    const float *d_bias; /* [n_out padded] */
    uint32_t n_in, n_out, n_rows;
    void *d_acts;             /* with a norm: scratch, where it may go */
    const mu_cuda_norm *norm; /* NULL: d_acts is filled */
    mu_cuda_output output;
    float *d_y; /* [n_rows, n_out] f32 */
    void *d_y_acts;
    mu_activation activation;
    void *d_q; /* [n_rows, n_out / 3] of type */
    mu_cuda_kv kv;
    const mu_cuda_batch *batch;
} mu_cuda_matmul;

/* softmax(q k^T * scale, causal) v, into the activations of the next product. */
typedef struct mu_cuda_attention {
    const void *d_q;
    mu_cuda_kv kv;
    const mu_cuda_batch *batch;
    float scale;
    void *d_acts;
} mu_cuda_attention;

/* Scratch of the kernel that finds the best: some logits of a row. */
typedef struct mu_cuda_top_part {
    float most, sum; /* the largest; sum of exp(logit - most) */
    uint32_t first;  /* token that has it */
    uint32_t n_odd;  /* not finite */
} mu_cuda_top_part;

/* The best of each row of logits [n_outs, vocab_size] that wants some. */
typedef struct mu_cuda_top_args {
    const float *d_logits;
    uint32_t vocab_size;
    const mu_cuda_batch *batch;
    mu_cuda_top *tops;         /* [n_outs], in device memory or in staging */
    mu_candidate *candidates;  /* [sum of n_top], likewise */
    mu_cuda_top_part *d_parts; /* [n_outs, mu_cuda_top_parts(vocab_size)], scratch */
    uint32_t *d_n_done;        /* [n_outs], zero before and after */
} mu_cuda_top_args;

typedef struct mu_cuda_api {
    uint32_t version; /* MU_CUDA_API_VERSION; checked before anything else is used */
    mu_status (*gpu_count)(uint32_t *out, mu_err *err);
    mu_status (*gpu_read)(uint32_t index, mu_gpu *out, mu_err *err);
    mu_status (*rates)(uint32_t index, mu_machine_rates *out, mu_err *err); /* about a second */

    mu_status (*stream_open)(uint32_t index, mu_cuda_stream **out, mu_err *err);
    void (*stream_close)(mu_cuda_stream *stream); /* NULL is allowed */
    /* Once before a step: the stream's device becomes the calling thread's. */
    mu_status (*use)(const mu_cuda_stream *stream, mu_err *err);
    mu_status (*synchronize)(mu_cuda_stream *stream, mu_err *err);
    /* Device memory, zeroed. */
    mu_status (*memory_open)(mu_cuda_stream *stream, size_t bytes, void **out, mu_err *err);
    void (*memory_close)(mu_cuda_stream *stream, void *d_memory);
    /* Host memory that transfers run from at full speed and kernels can write to. */
    mu_status (*staging_open)(mu_cuda_stream *stream, size_t bytes, void **out, mu_err *err);
    void (*staging_close)(mu_cuda_stream *stream, void *staging);
    mu_status (*upload)(mu_cuda_stream *stream, void *d_to, const void *from, size_t bytes,
                        mu_err *err);
    mu_status (*download)(mu_cuda_stream *stream, void *to, const void *d_from, size_t bytes,
                          mu_err *err);
    /* Between begin and end, work is recorded instead of queued. */
    mu_status (*graph_begin)(mu_cuda_stream *stream, mu_err *err);
    mu_status (*graph_end)(mu_cuda_stream *stream, mu_cuda_graph **out, mu_err *err);
    mu_status (*graph_launch)(mu_cuda_stream *stream, mu_cuda_graph *graph, mu_err *err);
    void (*graph_close)(mu_cuda_graph *graph);

    mu_status (*embed)(mu_cuda_stream *stream, const mu_cuda_embed *args,
                       const mu_cuda_batch *batch, mu_err *err);
    mu_status (*matmul)(mu_cuda_stream *stream, const mu_cuda_matmul *args, mu_err *err);
    mu_status (*attention)(mu_cuda_stream *stream, const mu_cuda_attention *args, mu_err *err);
    mu_status (*top)(mu_cuda_stream *stream, const mu_cuda_top_args *args, mu_err *err);
} mu_cuda_api;

/* The library's only symbol. */
#define MU_CUDA_API_SYMBOL "mu_cuda_api_get"
typedef const mu_cuda_api *(*mu_cuda_api_getter)(void);

#endif
