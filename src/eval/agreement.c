#include "eval/agreement.h"

#include <math.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "eval/logits.h"

enum { CHUNK = 32, BLOCK_TOKENS = 64 }; /* rows compared at a time */
enum { RANDOM_WINDOW = 128 };           /* tokens */

/* Sums over the positions of a window. */
typedef struct tally {
    double kl, error;
    uint32_t n;
} tally;

typedef struct comparison {
    const mu_agreement_options *options;
    mu_backend *reference, *candidate;
    mu_kv_block_id *blocks; /* the same for both: one sequence from block 0 on */
    uint32_t vocab_size;
    mu_agreement *out;
    double kl_sum, kl_squares, error_sum, error_squares; /* of window means */
    mu_err *err;
} comparison;

static void compare_row(comparison *c, const float *want, const float *got, tally *window) {
    mu_agreement *out = c->out;
    uint32_t n = c->vocab_size, top = mu_logits_top(want, n), got_top = mu_logits_top(got, n);
    double log_p = mu_logits_log_sum(want, n, top), log_q = mu_logits_log_sum(got, n, got_top);
    double kl = 0.0, error_sum = 0.0;
    for (uint32_t i = 0; i < n; i++) {
        double p = (double)want[i] - log_p, q = (double)got[i] - log_q;
        double error = fabs((double)got[i] - (double)want[i]);
        kl += exp(p) * (p - q);
        error_sum += error;
        out->error_max = fmax(out->error_max, error);
        out->largest_logit = fmax(out->largest_logit, fabs((double)want[i]));
    }
    out->kl_max = fmax(out->kl_max, kl);
    out->n_agreeing += top == got_top;
    out->n_positions++;
    window->kl += kl;
    window->error += error_sum / n;
    window->n++;
}

static mu_status compare_chunk(comparison *c, uint32_t first, uint32_t position, uint32_t n,
                               tally *window) {
    mu_segment segment = {
        .tokens = c->options->tokens + first,
        .n_tokens = n,
        .first_position = position,
        .block_table = c->blocks,
        .rows = MU_ROWS_ALL,
    };
    mu_step step = {&segment, 1};
    mu_step_result want, got;
    mu_status status = mu_backend_forward(c->reference, &step, &want, c->err);
    if (status == MU_OK) status = mu_backend_forward(c->candidate, &step, &got, c->err);
    for (uint32_t r = 0; r < n && status == MU_OK; r++) {
        size_t at = (size_t)r * c->vocab_size;
        compare_row(c, want.logits + at, got.logits + at, window);
    }
    return status;
}

static mu_status compare_window(comparison *c, uint32_t first, uint32_t n) {
    tally window = {0};
    for (uint32_t at = 0; at < n; at += CHUNK) {
        if (c->options->is_canceled && c->options->is_canceled()) {
            return mu_fail(c->err, MU_ERR_CANCELED, "interrupted");
        }
        uint32_t left = n - at;
        mu_status status = compare_chunk(c, first + at, at, left < CHUNK ? left : CHUNK, &window);
        if (status != MU_OK) return status;
    }
    double kl = window.kl / window.n, error = window.error / window.n;
    c->kl_sum += kl;
    c->kl_squares += kl * kl;
    c->error_sum += error;
    c->error_squares += error * error;
    c->out->n_windows++;
    return MU_OK;
}

static mu_status compare_all(comparison *c) {
    const mu_agreement_options *o = c->options;
    uint32_t n_windows = (o->n_tokens + o->window - 1) / o->window;
    for (uint32_t w = 0; w < n_windows; w++) {
        if (o->progress) o->progress(o->progress_ctx, w, n_windows, "windows");
        uint32_t first = w * o->window, left = o->n_tokens - first;
        mu_status status = compare_window(c, first, left < o->window ? left : o->window);
        if (status != MU_OK) return status;
    }
    mu_agreement *out = c->out;
    out->kl_mean = c->kl_sum / out->n_windows;
    out->error_mean = c->error_sum / out->n_windows;
    if (!isfinite(out->kl_mean) || !isfinite(out->error_mean)) {
        return mu_fail(c->err, MU_ERR_INVALID, "agreement: some logits are not finite");
    }
    out->kl = mu_interval_mean(c->kl_sum, c->kl_squares, out->n_windows);
    out->error = mu_interval_mean(c->error_sum, c->error_squares, out->n_windows);
    out->agreement = mu_interval_proportion(out->n_agreeing, out->n_positions);
    return MU_OK;
}

mu_status mu_agreement_measure(const mu_model *model, const mu_agreement_options *o,
                               mu_agreement *out, mu_err *err) {
    MU_ASSERT(o->n_tokens > 0 && o->window > 0 && o->window <= mu_model_spec(model)->n_ctx);
    MU_ASSERT(o->window <= mu_model_spec(o->reference)->n_ctx);
    *out = (mu_agreement){0};
    comparison c = {.options = o, .out = out, .err = err};
    c.vocab_size = mu_model_spec(model)->vocab_size;
    if (mu_model_spec(o->reference)->vocab_size != c.vocab_size) {
        return mu_fail(err, MU_ERR_INVALID, "reference: a vocabulary of %u, the model has %u",
                       mu_model_spec(o->reference)->vocab_size, c.vocab_size);
    }
    uint32_t n_blocks = (o->window + BLOCK_TOKENS - 1) / BLOCK_TOKENS;
    mu_backend_options b = {
        .weight_type = MU_F32,
        .kv_type = MU_F32,
        .n_threads = o->n_threads,
        .isa_max = o->isa_max,
        .n_ctx = o->window,
        .block_tokens = BLOCK_TOKENS,
        .n_kv_blocks = n_blocks,
        .step_tokens_max = CHUNK,
        .step_rows_max = CHUNK,
    };
    c.blocks = MU_ALLOC(mu_kv_block_id, n_blocks);
    mu_status status = c.blocks ? MU_OK : mu_fail(err, MU_ERR_NOMEM, "agreement");
    for (uint32_t i = 0; i < n_blocks && c.blocks; i++) {
        c.blocks[i] = i;
    }
    if (status == MU_OK) status = mu_backend_open(o->reference, &b, &c.reference, err);
    b.device = o->device;
    b.weight_type = o->weight_type;
    b.kv_type = o->kv_type;
    if (status == MU_OK) status = mu_backend_open(model, &b, &c.candidate, err);
    if (status == MU_OK) status = compare_all(&c);
    mu_backend_close(c.candidate);
    mu_backend_close(c.reference);
    mu_free(c.blocks);
    return status;
}

void mu_random_tokens(const mu_model *model, uint64_t seed, mu_token *out, uint32_t n) {
    mu_rng rng = {seed};
    for (uint32_t i = 0; i < n; i++) {
        out[i] = (mu_token)mu_rng_below(&rng, mu_model_spec(model)->vocab_size);
    }
}

mu_status mu_agreement_measure_random(const mu_model *model, const mu_agreement_options *options,
                                      uint32_t n_tokens, mu_agreement *out, mu_err *err) {
    mu_agreement_options o = *options;
    uint32_t n_ctx = mu_model_spec(model)->n_ctx;
    mu_token *tokens = MU_ALLOC(mu_token, n_tokens);
    if (!tokens) return mu_fail(err, MU_ERR_NOMEM, "agreement");
    mu_random_tokens(model, 1, tokens, n_tokens);
    o.tokens = tokens;
    o.n_tokens = n_tokens;
    o.window = RANDOM_WINDOW < n_ctx ? RANDOM_WINDOW : n_ctx;
    mu_status status = mu_agreement_measure(model, &o, out, err);
    mu_free(tokens);
    return status;
}

static json_t *interval_json(mu_interval i) {
    if (!isfinite(i.low) || !isfinite(i.high)) return json_null();
    return json_pack("[f, f]", i.low, i.high);
}

json_t *mu_agreement_json(const mu_agreement *a) {
    return json_pack("{s:i, s:i, s:{s:f, s:o}, s:{s:f, s:o, s:f}, s:{s:f, s:o, s:f, s:f}}",
                     "positions", (int)a->n_positions, "windows", (int)a->n_windows,
                     "greedy_agreement", "value", (double)a->n_agreeing / a->n_positions,
                     "interval_95", interval_json(a->agreement), "kl_nats", "mean", a->kl_mean,
                     "interval_95", interval_json(a->kl), "max", a->kl_max, "logit_error", "mean",
                     a->error_mean, "interval_95", interval_json(a->error), "max", a->error_max,
                     "largest_logit", a->largest_logit);
}
