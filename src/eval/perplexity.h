/* perplexity.h - how well a model predicts a text.
 *
 * Every token but the first is predicted once, from what stands before it in a window that slides
 * over the text by its stride: the first window predicts all of its tokens, each later one only
 * those that no window before it reached, so that they have at least window - stride tokens of
 * context.
 *
 *     tokens     s a b c d e f g h            s: the start, given and not predicted
 *     window 0   s a b c ──▶ a b c d          window 4, stride 2
 *     window 1       b c d e ──▶ e f          c and d were predicted by window 0
 *     window 2           d e f g ──▶ g h
 *
 *     perplexity      exp(mean over predicted tokens of -log p)
 *     bits per byte   sum of -log2 p / bytes of the predicted text
 *
 * The caller puts the token that begins a text in training in front (bos, else eos, as GPT-2 does),
 * so that the text's own first token is predicted too. Windows after the first begin in the middle
 * of the text without it, as training data does. Special tokens in the text are predicted and
 * counted as tokens; as bytes they are nothing.
 *
 * The intervals are Student's t over windows, for the ratio of their sums (intervals.h). Tokens are
 * not independent: a hard sentence is hard for long. Windows are hundreds of tokens and nearly are;
 * a bootstrap over the same windows would say the same, and documents are not marked in every text.
 * Two runs over the same text are compared window by window, which takes out what is hard in the
 * text: far smaller differences can be told apart than the intervals of the two suggest.
 *
 * Threads: the caller's, and as many more as asked for. Memory: one backend; logits of
 * MU_PERPLEXITY_ROWS rows at a time. What outlives the call is 24 bytes a window, of the caller.
 */
#ifndef MU_EVAL_PERPLEXITY_H
#define MU_EVAL_PERPLEXITY_H

#include <jansson.h>

#include "backend/backend.h"
#include "base/intervals.h"

enum { MU_PERPLEXITY_ROWS = 64 };

typedef struct mu_perplexity_options {
    mu_device_id device;
    mu_dtype weight_type, kv_type;
    uint32_t n_threads; /* 0: as many as the process may use */
    const mu_cpu_level *isa_max;
    const mu_token *tokens; /* [n_tokens], each in [0, vocab_size), the first is given; borrowed */
    uint32_t n_tokens;      /* > 1 */
    uint32_t window;        /* tokens; in [1, the model's context] */
    uint32_t stride;        /* tokens; in [1, window] */
    void (*progress)(void *ctx, uint32_t n_done, uint32_t n_total, const char *what);
    void *progress_ctx;
    bool (*is_canceled)(void);
} mu_perplexity_options;

typedef struct mu_perplexity {
    uint32_t n_windows;
    double *nll;                /* [n_windows] nats over the tokens a window predicts; owned */
    double *n_tokens, *n_bytes; /* [n_windows] of them; owned */
    double nats_per_token, value, bits_per_byte;
    mu_interval nats_interval, interval, bits_interval;
    uint64_t n_tokens_all, n_bytes_all;
    uint64_t weight_bytes; /* packed */
    double seconds;        /* of the passes over all windows, without loading */
} mu_perplexity;

/* A window: tokens[first, first + n) go in, and of what comes out all but the first n_context rows
 * are predictions that count. */
typedef struct mu_text_window {
    uint32_t first, n, n_context;
} mu_text_window;

/* Pure. n_tokens > 1, stride in [1, window]. */
uint32_t mu_text_n_windows(uint32_t n_tokens, uint32_t window, uint32_t stride);
mu_text_window mu_text_window_at(uint32_t n_tokens, uint32_t window, uint32_t stride, uint32_t i);

/* MU_ERR_INVALID names the position of logits that are not finite. */
mu_status mu_perplexity_measure(const mu_model *model, const mu_perplexity_options *options,
                                mu_perplexity *out, mu_err *err) MU_MUST_USE;
void mu_perplexity_deinit(mu_perplexity *p); /* a zeroed one is allowed */

/* p against a reference over the same windows. */
typedef struct mu_perplexity_change {
    double ratio; /* of the perplexities: 1.01 is one per cent worse */
    mu_interval interval;
} mu_perplexity_change;

mu_status mu_perplexity_compare(const mu_perplexity *p, const mu_perplexity *reference,
                                mu_perplexity_change *out, mu_err *err) MU_MUST_USE;

/* NULL when there is no memory; the caller owns the reference. */
json_t *mu_perplexity_json(const mu_perplexity *p);

#endif
