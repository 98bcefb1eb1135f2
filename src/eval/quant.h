/* quant.h - one model in every weight type over one text: what each costs and what it is worth.
 *
 * Row 0 is the reference in f32, the model itself or another (such as the one that a GGUF file was
 * made from); every other row is compared with it on the same tokens: perplexity window by window
 * (perplexity.h), logits position by position (agreement.h). Speed and memory are not measured
 * here: they want a process that has loaded nothing else. The caller fills them in.
 *
 * Threads: the caller's. Memory: at most two backends at once; rows are the caller's.
 */
#ifndef MU_EVAL_QUANT_H
#define MU_EVAL_QUANT_H

#include "eval/agreement.h"
#include "eval/perplexity.h"

enum { MU_QUANT_ROWS_MAX = 5 };

typedef struct mu_quant_speed {
    uint64_t resident_bytes; /* 0: nothing of this was measured */
    double prefill_tokens_per_second, decode_tokens_per_second;
} mu_quant_speed;

typedef struct mu_quant_row {
    const mu_model *model; /* borrowed */
    mu_dtype weight_type, kv_type;
    mu_perplexity perplexity;
    mu_perplexity_change change; /* against row 0, as is the agreement */
    mu_agreement agreement;      /* n_positions 0: this is row 0 */
    mu_quant_speed speed;
} mu_quant_row;

/* The rows of a model: the reference as f32; then f32 where that is another model; bf16, q8, q4.
 * The result is how many. KV types are left to the caller. */
uint32_t mu_quant_rows(const mu_model *model, const mu_model *reference,
                       mu_quant_row out[MU_QUANT_ROWS_MAX]);

/* Fill perplexity, change and agreement of row i; rows before it must have been measured. text:
 * tokens, windows, threads; types are the row's. Errors as of the two measurements. */
mu_status mu_quant_measure(mu_quant_row *rows, uint32_t i, const mu_perplexity_options *text,
                           mu_err *err) MU_MUST_USE;
void mu_quant_deinit(mu_quant_row *rows, uint32_t n); /* zeroed rows are allowed */

/* NULL when there is no memory; the caller owns the reference. */
json_t *mu_quant_json(const mu_quant_row *rows, uint32_t n);

#endif
