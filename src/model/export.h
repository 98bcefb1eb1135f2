/* export.h - write a model as GGUF with its matrices in one weight type, so that this program and
 * others load it without rounding again.
 *
 * Matrices whose inputs are not whole blocks, position embeddings and vectors stay f32. Blocks that
 * the source holds already are copied bit by bit. The tokenizer goes along, and the chat template,
 * which other programs look for.
 */
#ifndef MU_MODEL_EXPORT_H
#define MU_MODEL_EXPORT_H

#include "model/model.h"

typedef struct mu_export_options {
    mu_dtype dtype; /* MU_Q8_0, MU_Q4_0, MU_Q6_K or MU_Q4_K */
    void (*progress)(void *ctx, uint32_t n_done, uint32_t n_total, const char *what);
    void *progress_ctx;
    bool (*is_canceled)(void);
} mu_export_options;

typedef struct mu_export_report {
    uint32_t n_tensors, n_quantized;
    uint64_t bytes; /* of tensor data */
} mu_export_report;

/* The file appears under path when it is whole. MU_ERR_IO names what the system said. */
mu_status mu_model_export_gguf(const mu_model *model, const char *path,
                               const mu_export_options *options, mu_export_report *out,
                               mu_err *err) MU_MUST_USE;

#endif
