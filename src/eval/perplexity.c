/* Rows are scored by a pool of their own: one log-sum-exp over 50,257 logits takes as long as a
 * good part of the pass that made them. Each row's figure is one number computed by one thread, and
 * they are added in order, so the result does not depend on the number of threads.
 */
#include "eval/perplexity.h"

#include <math.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/pool.h"
#include "eval/logits.h"

enum { CONTEXT_CHUNK = 512, BLOCK_TOKENS = 64 };

typedef struct scorer {
    const mu_model *model;
    const mu_perplexity_options *options;
    mu_backend *backend;
    mu_pool *pool;
    mu_kv_block_id *blocks; /* one sequence, from block 0 on */
    const float *logits;    /* of the rows being scored */
    const mu_token *targets;
    uint32_t n_rows;
    double nll[MU_PERPLEXITY_ROWS];
    mu_perplexity *out;
    mu_err *err;
} scorer;

uint32_t mu_text_n_windows(uint32_t n_tokens, uint32_t window, uint32_t stride) {
    uint32_t n = n_tokens - 1; /* predictions */
    return n <= window ? 1 : 1 + (n - window + stride - 1) / stride;
}

mu_text_window mu_text_window_at(uint32_t n_tokens, uint32_t window, uint32_t stride, uint32_t i) {
    uint32_t n = n_tokens - 1, first = i * stride;
    MU_ASSERT(n_tokens > 1 && stride > 0 && stride <= window && first < n);
    return (mu_text_window){
        .first = first,
        .n = n - first < window ? n - first : window,
        .n_context = i == 0 ? 0 : window - stride, /* what the window before it reached */
    };
}

static void score_rows(void *ctx, uint32_t thread, uint32_t n_threads) {
    scorer *s = ctx;
    uint32_t vocab_size = mu_model_spec(s->model)->vocab_size;
    for (uint32_t r = thread; r < s->n_rows; r += n_threads) {
        s->nll[r] = mu_logits_nll(s->logits + (size_t)r * vocab_size, vocab_size, s->targets[r]);
    }
}

static mu_status forward(scorer *s, uint32_t first, uint32_t position, uint32_t n,
                         mu_rows_wanted rows) {
    mu_segment segment = {
        .tokens = s->options->tokens + first + position,
        .n_tokens = n,
        .first_position = position,
        .block_table = s->blocks,
        .rows = rows,
    };
    mu_step step = {&segment, 1};
    if (s->options->is_canceled && s->options->is_canceled()) {
        return mu_fail(s->err, MU_ERR_CANCELED, "interrupted");
    }
    mu_step_result result;
    mu_status status = mu_backend_forward(s->backend, &step, &result, s->err);
    if (status == MU_OK) s->logits = result.logits;
    return status;
}

static uint32_t least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static double bytes_of(const scorer *s, mu_token token) {
    const mu_tokenizer *tokenizer = mu_model_tokenizer(s->model);
    bool is_outside = (uint32_t)token >= mu_tokenizer_vocab_size(tokenizer);
    if (is_outside || mu_tokenizer_kind(tokenizer, token) == MU_TOKEN_SPECIAL) return 0.0;
    return (double)mu_tokenizer_piece(tokenizer, token).n;
}

static mu_status score_window(scorer *s, const mu_text_window *w, uint32_t i) {
    mu_perplexity *out = s->out;
    mu_status status = MU_OK;
    uint32_t at = 0;
    for (uint32_t n; at < w->n_context && status == MU_OK; at += n) {
        n = least(w->n_context - at, CONTEXT_CHUNK);
        status = forward(s, w->first, at, n, MU_ROWS_NONE);
    }
    for (; at < w->n && status == MU_OK; at += s->n_rows) {
        s->n_rows = least(w->n - at, MU_PERPLEXITY_ROWS);
        s->targets = s->options->tokens + w->first + at + 1;
        status = forward(s, w->first, at, s->n_rows, MU_ROWS_ALL);
        if (status != MU_OK) break;
        mu_pool_run(s->pool, score_rows, s);
        for (uint32_t r = 0; r < s->n_rows; r++) {
            if (!isfinite(s->nll[r])) {
                return mu_fail(s->err, MU_ERR_INVALID,
                               "%s: the logits before token %u of the text are not finite",
                               mu_model_name(s->model), w->first + at + r + 1);
            }
            out->nll[i] += s->nll[r];
            out->n_bytes[i] += bytes_of(s, s->targets[r]);
        }
        out->n_tokens[i] += s->n_rows;
    }
    return status;
}

static mu_interval map_interval(mu_interval i, double (*f)(double)) {
    return (mu_interval){f(i.low), f(i.high)};
}

static void summarize(mu_perplexity *p) {
    double nll = 0.0, tokens = 0.0, bytes = 0.0;
    for (uint32_t i = 0; i < p->n_windows; i++) {
        nll += p->nll[i];
        tokens += p->n_tokens[i];
        bytes += p->n_bytes[i];
    }
    p->n_tokens_all = (uint64_t)tokens;
    p->n_bytes_all = (uint64_t)bytes;
    p->nats_per_token = nll / tokens;
    p->nats_interval = mu_interval_ratio(p->nll, p->n_tokens, p->n_windows);
    p->value = exp(p->nats_per_token);
    p->interval = map_interval(p->nats_interval, exp);
    p->bits_per_byte = bytes > 0.0 ? nll / bytes / log(2.0) : NAN;
    p->bits_interval = (mu_interval){NAN, NAN};
    if (bytes == 0.0) return; /* nothing but special tokens */
    p->bits_interval = mu_interval_ratio(p->nll, p->n_bytes, p->n_windows);
    p->bits_interval.low /= log(2.0);
    p->bits_interval.high /= log(2.0);
}

static mu_status score_all(scorer *s) {
    const mu_perplexity_options *o = s->options;
    uint64_t start = mu_now_ns();
    for (uint32_t i = 0; i < s->out->n_windows; i++) {
        if (o->progress) o->progress(o->progress_ctx, i, s->out->n_windows, "windows");
        mu_text_window w = mu_text_window_at(o->n_tokens, o->window, o->stride, i);
        mu_status status = score_window(s, &w, i);
        if (status != MU_OK) return status;
    }
    s->out->seconds = (double)(mu_now_ns() - start) * 1e-9;
    summarize(s->out);
    return MU_OK;
}

static mu_status open_all(scorer *s) {
    const mu_perplexity_options *o = s->options;
    mu_perplexity *out = s->out;
    uint32_t n_blocks = (o->window + BLOCK_TOKENS - 1) / BLOCK_TOKENS;
    mu_backend_options b = {
        .device = o->device,
        .weight_type = o->weight_type,
        .kv_type = o->kv_type,
        .n_threads = o->n_threads,
        .isa_max = o->isa_max,
        .n_ctx = o->window,
        .block_tokens = BLOCK_TOKENS,
        .n_kv_blocks = n_blocks,
        .step_tokens_max = least(o->window, CONTEXT_CHUNK),
        .step_rows_max = MU_PERPLEXITY_ROWS,
    };
    out->n_windows = mu_text_n_windows(o->n_tokens, o->window, o->stride);
    out->nll = MU_ALLOC(double, out->n_windows);
    out->n_tokens = MU_ALLOC(double, out->n_windows);
    out->n_bytes = MU_ALLOC(double, out->n_windows);
    s->blocks = MU_ALLOC(mu_kv_block_id, n_blocks);
    if (!out->nll || !out->n_tokens || !out->n_bytes || !s->blocks) {
        return mu_fail(s->err, MU_ERR_NOMEM, "perplexity");
    }
    for (uint32_t i = 0; i < n_blocks; i++) {
        s->blocks[i] = i;
    }
    mu_status status = mu_backend_open(s->model, &b, &s->backend, s->err);
    if (status != MU_OK) return status;
    out->weight_bytes = mu_backend_get_bytes(s->backend).weights;
    return mu_pool_open(mu_backend_n_threads(s->backend), &s->pool, s->err);
}

mu_status mu_perplexity_measure(const mu_model *model, const mu_perplexity_options *o,
                                mu_perplexity *out, mu_err *err) {
    MU_ASSERT(o->n_tokens > 1 && o->stride > 0 && o->stride <= o->window);
    MU_ASSERT(o->window <= mu_model_spec(model)->n_ctx);
    mu_perplexity p = {0};
    scorer s = {.model = model, .options = o, .out = &p, .err = err};
    mu_status status = open_all(&s);
    if (status == MU_OK) status = score_all(&s);
    mu_pool_close(s.pool);
    mu_backend_close(s.backend);
    mu_free(s.blocks);
    if (status != MU_OK) {
        mu_perplexity_deinit(&p);
        return status;
    }
    *out = p;
    return MU_OK;
}

void mu_perplexity_deinit(mu_perplexity *p) {
    mu_free(p->nll);
    mu_free(p->n_tokens);
    mu_free(p->n_bytes);
    *p = (mu_perplexity){0};
}

mu_status mu_perplexity_compare(const mu_perplexity *p, const mu_perplexity *reference,
                                mu_perplexity_change *out, mu_err *err) {
    MU_ASSERT(p->n_windows == reference->n_windows && p->n_tokens_all == reference->n_tokens_all);
    double *difference = MU_ALLOC(double, p->n_windows);
    if (!difference) return mu_fail(err, MU_ERR_NOMEM, "%u windows", p->n_windows);
    for (uint32_t i = 0; i < p->n_windows; i++) {
        difference[i] = p->nll[i] - reference->nll[i];
    }
    mu_interval nats = mu_interval_ratio(difference, p->n_tokens, p->n_windows);
    out->ratio = exp(p->nats_per_token - reference->nats_per_token);
    out->interval = map_interval(nats, exp);
    mu_free(difference);
    return MU_OK;
}

static json_t *value_json(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *interval_json(mu_interval i) {
    if (!isfinite(i.low) || !isfinite(i.high)) return json_null();
    return json_pack("[f, f]", i.low, i.high);
}

json_t *mu_perplexity_json(const mu_perplexity *p) {
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:i, s:f, s:f}", "perplexity",
                     value_json(p->value), "interval_95", interval_json(p->interval),
                     "bits_per_byte", value_json(p->bits_per_byte), "bits_per_byte_interval_95",
                     interval_json(p->bits_interval), "nats_per_token",
                     value_json(p->nats_per_token), "nats_per_token_interval_95",
                     interval_json(p->nats_interval), "tokens", (json_int_t)p->n_tokens_all,
                     "bytes", (json_int_t)p->n_bytes_all, "windows", (int)p->n_windows, "seconds",
                     p->seconds, "tokens_per_second", (double)p->n_tokens_all / p->seconds);
}
