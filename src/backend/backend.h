/* backend.h - a device that computes the decoder. A door of backend/.
 *
 * A backend holds one model's packed weights and its KV storage, and has one compute entry: run
 * this step. A step is a ragged batch of segments; each segment is one sequence's next tokens: 1
 * for decode, a chunk for prefill, several for checking a draft. There is no second path.
 *
 *     step = { segments[n]: { tokens[m], first position, block table, rows: none | last | all } }
 *     forward(step) ──▶ logits [rows, vocab_size], or hidden states [rows, hidden_dim]
 *
 * K and V of every token are written to its KV block by the forward itself: position p of a
 * sequence is entry p % block_tokens of block block_table[p / block_tokens]. A row's result does
 * not depend on what else is in the batch, nor on how its prompt was cut into chunks: reductions
 * run in a fixed order.
 *
 * A device is the CPU, or a GPU through libmuai-cuda.so, which is loaded when one is asked for.
 * Several back ends may run on one (device.h), one at a time.
 *
 * Threads: one caller at a time. Memory: open() allocates everything; forward() allocates nothing.
 */
#ifndef MU_BACKEND_BACKEND_H
#define MU_BACKEND_BACKEND_H

#include "base/status.h"
#include "base/token.h"
#include "model/model.h"

typedef struct mu_backend mu_backend;
typedef uint32_t mu_kv_block_id;

typedef struct mu_cpu_level mu_cpu_level; /* of kernels: machine.h */

typedef enum mu_device_kind { MU_DEVICE_CPU, MU_DEVICE_CUDA } mu_device_kind;

typedef struct mu_device_id {
    mu_device_kind kind;
    uint32_t index; /* of the GPU */
} mu_device_id;     /* {0}: the CPU */

typedef struct mu_device mu_device;

typedef struct mu_backend_options {
    mu_device *shared; /* open, with other back ends on it, borrowed; then device, n_threads and
                          isa_max are its own. NULL: a device of its own */
    mu_device_id device;
    mu_dtype weight_type; /* one that mu_weight_type_name() knows; CUDA: MU_F32 or MU_BF16; CPU
                              also MU_AS_FILE, each matrix by itself */
    mu_dtype kv_type;     /* MU_F32, MU_BF16 or MU_F16; CUDA: as the weights */
    uint32_t n_threads;   /* 0: as many as the process may use; CUDA: for packing only */
    const mu_cpu_level *isa_max; /* NULL: the best the CPU has */
    uint32_t n_ctx;              /* tokens of the longest sequence */
    uint32_t block_tokens;       /* positions of a KV block */
    uint32_t n_kv_blocks;
    uint32_t step_tokens_max; /* tokens of all segments of a step together */
    uint32_t step_rows_max;   /* logits rows of a step; hidden states may be those of all tokens */
} mu_backend_options;

/* Rows of a segment whose results are wanted: neighbours. */
typedef enum mu_rows_wanted {
    MU_ROWS_NONE,
    MU_ROWS_FIRST,
    MU_ROWS_LAST,
    MU_ROWS_ALL
} mu_rows_wanted;

typedef struct mu_segment {
    const mu_token *tokens; /* [n_tokens], each in [0, vocab_size) */
    uint32_t n_tokens;      /* > 0; of a bidirectional model the whole text */
    uint32_t first_position;
    const mu_kv_block_id *block_table; /* [ceil((first_position + n_tokens) / block_tokens)] */
    uint32_t
        n_first; /* tokens of the first of two texts, the rest is of token type 1; 0: one text */
    mu_rows_wanted rows;
    uint32_t n_top; /* 0: whole rows; else the n_top best of each will do, at most MU_TOP_MAX */
} mu_segment;

/* How many of its rows are wanted. */
static inline uint32_t mu_segment_n_rows(const mu_segment *segment) {
    if (segment->rows == MU_ROWS_NONE) return 0;
    return segment->rows == MU_ROWS_ALL ? segment->n_tokens : 1;
}

typedef struct mu_step {
    const mu_segment *segments; /* [n_segments] */
    uint32_t n_segments;        /* > 0 */
} mu_step;

enum { MU_TOP_MAX = 64 };

typedef struct mu_candidate {
    mu_token token;
    float logit;
} mu_candidate;

/* The best of a row of logits that stayed on the device. */
typedef struct mu_row_top {
    const mu_candidate *best; /* [n], most likely first, ties to the lower token */
    uint32_t n;               /* 0: the row is among the logits instead */
    bool is_finite;           /* every logit of the row is a finite number */
    float log_total;          /* log of the sum of exp(logit) over the vocabulary */
} mu_row_top;

/* Owned by the backend until the next call of one on its device. */
typedef struct mu_step_result {
    const float *logits;    /* [rows, vocab_size] f32, rows in the order of segments and positions;
                               those with a top are not written. NULL: no segment wants logits */
    const float *hidden;    /* [rows, hidden_stride] f32, of a model without output; else NULL */
    size_t hidden_stride;   /* floats, at least hidden_dim */
    const mu_row_top *tops; /* [rows]; NULL: all rows are logits, as on a CPU */
} mu_step_result;

/* Bytes by purpose, for the memory ledger and for people. */
typedef struct mu_backend_bytes {
    uint64_t weights;
    uint64_t kv;
    uint64_t scratch; /* that its steps need of the device's */
} mu_backend_bytes;

/* What open() would allocate, computed from what the files say of themselves. */
mu_backend_bytes mu_backend_plan(const mu_model *model, const mu_backend_options *options);

/* What open() would refuse before it allocates: a decoder or options that the device cannot run. */
mu_status mu_backend_check(const mu_model *model, const mu_backend_options *options,
                           mu_err *err) MU_MUST_USE;

/* Packs the weights and lets go of the file pages behind them; model may be closed afterwards. */
mu_status mu_backend_open(const mu_model *model, const mu_backend_options *options,
                          mu_backend **out, mu_err *err) MU_MUST_USE;
/* open() in pieces, between which other back ends of the device may compute: start() allocates, and
 * each load() packs what takes some milliseconds, a matrix mostly. False: it has packed the last
 * one; before, no step may run, and model must live. A GPU does all of it in start(). */
mu_status mu_backend_start(const mu_model *model, const mu_backend_options *options,
                           mu_backend **out, mu_err *err) MU_MUST_USE;
bool mu_backend_load(mu_backend *backend);
void mu_backend_close(mu_backend *backend); /* loaded or not; NULL is allowed */

/* Run one step. */
mu_status mu_backend_forward(mu_backend *backend, const mu_step *step, mu_step_result *out,
                             mu_err *err) MU_MUST_USE;

/* "ref", "avx2", "avx512", "avx512bf16", "cuda sm_90" */
const char *mu_backend_isa(const mu_backend *backend);
uint32_t mu_backend_n_threads(const mu_backend *backend);
mu_backend_bytes mu_backend_get_bytes(const mu_backend *backend);

#endif
