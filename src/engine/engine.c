/* The engine's state is one arena (accounting, scratch) and a list of sequences. A step is: end
 * what was canceled, ask the scheduler, let the backend compute, extend each sequence.
 */
#include "engine/engine.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cpu.h"
#include "engine/pool_rows.h"
#include "engine/sampler.h"
#include "engine/scheduler.h"
#include "engine/score_head.h"
#include "engine/seq.h"

enum {
    DRAFTING_SEQS_MAX = 2, /* with more of them a step is no longer bound by memory */
    WHOLE_STEP_ROWS = 192, /* of a thread in a step of whole texts: more no longer fit its cache */
};

struct mu_engine {
    const mu_model *model; /* borrowed */
    mu_engine_options options;
    mu_backend *backend; /* NULL: not loaded, not even in part */
    bool is_loaded;
    mu_arena arena;
    mu_kv_blocks *kv;
    mu_sampler *sampler;
    uint64_t *mask;        /* [vocab_size / 64, rounded up] */
    mu_score_head *scores; /* NULL: the model has no labels */
    mu_scheduler scheduler;
    mu_sched_item *items;  /* [n_seqs_max] */
    mu_segment *segments;  /* [n_seqs_max] */
    size_t piece_bytes;    /* of the vocabulary's longest token */
    mu_seq *seqs;          /* all that are not freed */
    mu_engine_stats stats; /* counters; gauges are filled in when asked */
};

mu_engine_options mu_engine_options_default(void) {
    return (mu_engine_options){
        .weight_type = MU_F32,
        .kv_type = MU_F32,
        .n_seqs_max = 32,
        .n_waiting_max = 1024,
        .step_tokens_max = 512,
        .block_tokens = 16,
    };
}

static uint32_t blocks_of(const mu_engine_options *o, uint32_t n_tokens) {
    return (n_tokens + o->block_tokens - 1) / o->block_tokens;
}

static uint32_t blocks_for(const mu_engine *e, uint32_t n_tokens) {
    return blocks_of(&e->options, n_tokens);
}

/* The upper ends are far above what is useful, and low enough that no size computed from them
 * overflows. */
static const struct {
    const char *name;
    size_t offset; /* of a uint32_t in mu_engine_options */
    uint32_t min, max;
} ranges[] = {
#define AT(member) offsetof(mu_engine_options, member)
    {"threads", AT(n_threads), 0, 1024},
    {"sequences", AT(n_seqs_max), 1, 4096},
    {"waiting sequences", AT(n_waiting_max), 1, 1 << 20},
    {"tokens per step", AT(step_tokens_max), 1, 1 << 16},
    {"tokens per prefill chunk", AT(prefill_chunk_max), 0, 1 << 16},
    {"tokens per KV block", AT(block_tokens), 16, 1024},
#undef AT
};

static mu_status check_options(const mu_engine_options *o, mu_err *err) {
    for (size_t i = 0; i < MU_COUNTOF(ranges); i++) {
        uint32_t value;
        memcpy(&value, (const uint8_t *)o + ranges[i].offset, sizeof(value));
        if (value < ranges[i].min || value > ranges[i].max) {
            return mu_fail(err, MU_ERR_INVALID, "%s: %u is not in [%u, %u]", ranges[i].name, value,
                           ranges[i].min, ranges[i].max);
        }
    }
    if (!mu_weight_type_name(o->weight_type)) {
        return mu_fail(err, MU_ERR_INVALID, "weight type: must be f32, bf16, q8, q4, q6_k or q4_k");
    }
    if (o->kv_type != MU_F32 && o->kv_type != MU_BF16 && o->kv_type != MU_F16) {
        return mu_fail(err, MU_ERR_INVALID, "KV type: must be f32, bf16 or f16");
    }
    return MU_OK;
}

/* A text is computed whole, so a step has room for the longest, and KV is that of one step. */
static uint64_t settle_whole_texts(mu_engine_options *o) {
    uint32_t n_rows = mu_cpu_threads(o->n_threads) * WHOLE_STEP_ROWS;
    if (n_rows < o->n_seqs_max) n_rows = o->n_seqs_max;
    o->prefill_chunk_max = o->step_tokens_max < n_rows ? o->step_tokens_max : n_rows;
    if (o->step_tokens_max < o->n_ctx) o->step_tokens_max = o->n_ctx;
    return blocks_of(o, o->step_tokens_max) + o->n_seqs_max;
}

/* Logits of a step: of every sequence, or of a few with drafts. */
static uint32_t step_rows_max(const mu_engine_options *o) {
    uint32_t n = o->no_prompt_lookup ? 1 : 1 + MU_DRAFT_MAX;
    return o->n_seqs_max > n ? o->n_seqs_max : n;
}

static mu_backend_options backend_options(const mu_engine_options *o, uint32_t n_blocks) {
    return (mu_backend_options){.shared = o->shared,
                                .device = o->device,
                                .weight_type = o->weight_type,
                                .kv_type = o->kv_type,
                                .n_threads = o->n_threads,
                                .isa_max = o->isa_max,
                                .n_ctx = o->n_ctx,
                                .block_tokens = o->block_tokens,
                                .n_kv_blocks = n_blocks,
                                .step_tokens_max = o->step_tokens_max,
                                .step_rows_max = step_rows_max(o)};
}

static mu_backend_bytes backend_plan(const mu_model *model, const mu_engine_options *o,
                                     uint32_t n_blocks) {
    const mu_backend_options options = backend_options(o, n_blocks);
    return mu_backend_plan(model, &options);
}

/* Check the options, fill in what they leave open, count the KV blocks. */
static mu_status settle_options(const mu_model *model, mu_engine_options *o, uint32_t *out_n_blocks,
                                mu_err *err) {
    mu_status status = check_options(o, err);
    if (status != MU_OK) return status;
    uint32_t model_ctx = mu_model_spec(model)->n_ctx;
    if (o->n_ctx == 0) o->n_ctx = model_ctx;
    if (o->n_ctx > model_ctx) {
        return mu_fail(err, MU_ERR_LIMIT, "context of %u tokens: the model has %u positions",
                       o->n_ctx, model_ctx);
    }
    if (o->step_tokens_max < o->n_seqs_max) o->step_tokens_max = o->n_seqs_max;
    if (o->prefill_chunk_max == 0) o->prefill_chunk_max = o->step_tokens_max;
    uint64_t n_blocks = (uint64_t)o->n_seqs_max * blocks_of(o, o->n_ctx);
    if (mu_model_spec(model)->is_bidirectional) n_blocks = settle_whole_texts(o);
    uint64_t block_bytes = backend_plan(model, o, 1).kv;
    if (o->kv_cache_bytes > 0) n_blocks = o->kv_cache_bytes / block_bytes;
    if (n_blocks == 0 || n_blocks > UINT32_MAX / 4) {
        return mu_fail(err, MU_ERR_LIMIT, "KV cache of %llu blocks of %llu bytes",
                       (unsigned long long)n_blocks, (unsigned long long)block_bytes);
    }
    *out_n_blocks = (uint32_t)n_blocks;
    return MU_OK;
}

static size_t mask_bytes(uint32_t vocab_size) {
    return ((size_t)vocab_size + 63) / 64 * sizeof(uint64_t) + 64;
}

static size_t accounting_bytes(const mu_model *model, const mu_engine_options *o,
                               uint32_t n_blocks) {
    uint32_t vocab_size = mu_model_spec(model)->vocab_size;
    size_t seq_bytes = sizeof(mu_sched_item) + sizeof(mu_segment);
    return mu_kv_blocks_bytes(n_blocks, o->block_tokens) + mu_sampler_bytes(vocab_size) +
           mu_score_head_bytes(mu_model_spec(model)) + mask_bytes(vocab_size) +
           o->n_seqs_max * seq_bytes + 1024;
}

mu_status mu_engine_plan(const mu_model *model, const mu_engine_options *options,
                         mu_engine_bytes *out, mu_err *err) {
    mu_engine_options o = *options;
    uint32_t n_blocks = 0;
    mu_status status = settle_options(model, &o, &n_blocks, err);
    if (status != MU_OK) return status;
    mu_backend_bytes bytes = backend_plan(model, &o, n_blocks);
    *out = (mu_engine_bytes){
        .weights = bytes.weights,
        .kv = bytes.kv,
        .kv_least = backend_plan(model, &o, blocks_of(&o, o.n_ctx)).kv,
        .scratch = bytes.scratch,
        .accounting = accounting_bytes(model, &o, n_blocks),
    };
    return MU_OK;
}

static mu_status open_accounting(mu_engine *e, uint32_t n_blocks, mu_err *err) {
    const mu_engine_options *o = &e->options;
    uint32_t vocab_size = mu_model_spec(e->model)->vocab_size;
    e->piece_bytes = mu_tokenizer_longest_piece(mu_model_tokenizer(e->model));
    mu_status status = mu_arena_init(&e->arena, accounting_bytes(e->model, o, n_blocks), err);
    if (status != MU_OK) return status;
    e->kv = mu_kv_blocks_create(&e->arena, n_blocks, o->block_tokens);
    e->sampler = mu_sampler_create(&e->arena, vocab_size);
    e->mask = MU_NEW(&e->arena, uint64_t, (vocab_size + 63) / 64);
    e->scores = mu_score_head_create(&e->arena, e->model);
    e->items = MU_NEW(&e->arena, mu_sched_item, o->n_seqs_max);
    e->segments = MU_NEW(&e->arena, mu_segment, o->n_seqs_max);
    MU_ASSERT(e->kv && e->sampler && e->mask && e->items &&
              e->segments); /* the arena was sized for them */
    bool is_whole = mu_model_spec(e->model)->is_bidirectional;
    const mu_scheduler_options scheduler = {
        .n_seqs_max = o->n_seqs_max,
        .step_tokens_max = is_whole ? o->prefill_chunk_max : o->step_tokens_max,
        .prefill_chunk_max = o->prefill_chunk_max,
        .prefill_beside_max = o->step_tokens_max,
        .is_whole = is_whole,
    };
    mu_scheduler_init(&e->scheduler, &scheduler, e->kv);
    return MU_OK;
}

mu_status mu_engine_prepare(const mu_model *model, const mu_engine_options *options,
                            mu_engine **out, mu_err *err) {
    mu_engine *e = mu_alloc(sizeof(*e));
    if (!e) return mu_fail(err, MU_ERR_NOMEM, "engine");
    e->model = model;
    e->options = *options;
    uint32_t n_blocks = 0;
    mu_status status = settle_options(model, &e->options, &n_blocks, err);
    if (status == MU_OK) {
        const mu_backend_options backend = backend_options(&e->options, n_blocks);
        status = mu_backend_check(model, &backend, err);
    }
    if (status == MU_OK) status = open_accounting(e, n_blocks, err);
    if (status != MU_OK) {
        mu_engine_close(e);
        return status;
    }
    *out = e;
    return MU_OK;
}

mu_status mu_engine_load(mu_engine *e, bool *out_is_loaded, mu_err *err) {
    mu_status status = MU_OK;
    if (!e->backend) {
        const mu_backend_options backend = backend_options(&e->options, mu_kv_blocks_n(e->kv));
        status = mu_model_check_files(e->model, err);
        if (status == MU_OK) status = mu_backend_start(e->model, &backend, &e->backend, err);
    } else if (!e->is_loaded) {
        e->is_loaded = !mu_backend_load(e->backend);
    }
    *out_is_loaded = e->is_loaded;
    return status;
}

bool mu_engine_is_loaded(const mu_engine *e) {
    return e->is_loaded;
}

void mu_engine_unload(mu_engine *e) {
    MU_ASSERT(e->scheduler.running.n == 0 && e->scheduler.waiting.n == 0);
    mu_kv_blocks_forget(e->kv);
    mu_backend_close(e->backend);
    e->backend = NULL;
    e->is_loaded = false;
}

mu_status mu_engine_open(const mu_model *model, const mu_engine_options *options, mu_engine **out,
                         mu_err *err) {
    mu_engine *e = NULL;
    bool is_loaded = false;
    mu_status status = mu_engine_prepare(model, options, &e, err);
    while (status == MU_OK && !is_loaded) {
        status = mu_engine_load(e, &is_loaded, err);
    }
    if (status != MU_OK) {
        mu_engine_close(e);
        return status;
    }
    *out = e;
    return MU_OK;
}

void mu_engine_close(mu_engine *e) {
    if (!e) return;
    while (e->seqs) {
        mu_seq_free(e->seqs);
    }
    mu_backend_close(e->backend);
    mu_arena_deinit(&e->arena);
    mu_free(e);
}

static bool is_pooled(const mu_engine *e) {
    return mu_model_pooling(e->model) != MU_POOLING_NONE;
}

static mu_status check_token(const char *what, mu_token token, uint32_t vocab_size, mu_err *err) {
    if (token >= 0 && (uint32_t)token < vocab_size) return MU_OK;
    return mu_fail(err, MU_ERR_INVALID, "%s: token %d is not in [0, %u]", what, token,
                   vocab_size - 1);
}

static mu_status check_seq(const mu_engine *e, const mu_seq_options *o, mu_err *err) {
    uint32_t vocab_size = mu_model_spec(e->model)->vocab_size;
    if (o->n_prompt == 0) return mu_fail(err, MU_ERR_INVALID, "prompt: empty");
    if (is_pooled(e) && o->n_output_max > 0) {
        return mu_fail(err, MU_ERR_INVALID, "%s gives embeddings, not text",
                       mu_model_name(e->model));
    }
    if (!is_pooled(e) && o->n_output_max == 0) {
        return mu_fail(err, MU_ERR_INVALID, "max_tokens: 0 is not in [1, n_ctx]");
    }
    uint64_t total = (uint64_t)o->n_prompt + o->n_output_max;
    if (total > e->options.n_ctx) {
        return mu_fail(err, MU_ERR_LIMIT,
                       "%u prompt tokens and %u output tokens do not fit the context of %u",
                       o->n_prompt, o->n_output_max, e->options.n_ctx);
    }
    if (blocks_for(e, (uint32_t)total) > mu_kv_blocks_n(e->kv)) {
        return mu_fail(err, MU_ERR_LIMIT, "%llu tokens do not fit the KV cache of %u",
                       (unsigned long long)total, mu_kv_blocks_n(e->kv) * e->options.block_tokens);
    }
    MU_ASSERT(!o->grammar || mu_grammar_vocab_size(o->grammar) == vocab_size);
    mu_status status = mu_sampling_check(&o->sampling, vocab_size, err);
    for (uint32_t i = 0; i < o->n_prompt && status == MU_OK; i++) {
        status = check_token("prompt", o->prompt[i], vocab_size, err);
    }
    for (uint32_t i = 0; i < o->n_stop_tokens && status == MU_OK; i++) {
        status = check_token("stop_tokens", o->stop_tokens[i], vocab_size, err);
    }
    return status;
}

/* Blocks hold what the last position needs of those before; nothing of their hidden states. */
static bool may_reuse_prefix(const mu_engine *e) {
    mu_pooling pooling = mu_model_pooling(e->model);
    bool needs_last_only = pooling == MU_POOLING_NONE || pooling == MU_POOLING_LAST;
    return needs_last_only && !mu_model_spec(e->model)->is_bidirectional;
}

mu_status mu_seq_open(mu_engine *e, const mu_seq_options *options, mu_seq **out, mu_err *err) {
    mu_status status = check_seq(e, options, err);
    if (status != MU_OK) return status;
    mu_seq_options o = *options;
    o.no_prefix_cache |= e->options.no_prefix_cache || !may_reuse_prefix(e);
    int32_t vocab_size = (int32_t)mu_model_spec(e->model)->vocab_size;
    if (o.sampling.n_logprobs > vocab_size) o.sampling.n_logprobs = vocab_size;
    mu_seq_room room = {
        .table_blocks = blocks_for(e, o.n_prompt + o.n_output_max),
        .piece_bytes = e->piece_bytes,
        .hidden_dim = is_pooled(e) ? mu_model_spec(e->model)->hidden_dim : 0,
    };
    status = mu_seq_create(&o, e->model, &room, out, err);
    if (status == MU_OK) (*out)->engine = e;
    return status;
}

mu_status mu_engine_add(mu_engine *e, mu_seq *seq, mu_err *err) {
    MU_ASSERT(seq->engine == e && !seq->is_added && e->is_loaded);
    if (e->scheduler.waiting.n >= e->options.n_waiting_max) {
        return mu_fail(err, MU_ERR_BUSY, "%u sequences are waiting", e->scheduler.waiting.n);
    }
    seq->is_added = true;
    seq->next = e->seqs;
    if (e->seqs) e->seqs->prev = seq;
    e->seqs = seq;
    mu_scheduler_add(&e->scheduler, &seq->sched);
    return MU_OK;
}

mu_status mu_engine_submit(mu_engine *e, const mu_seq_options *options, mu_seq **out, mu_err *err) {
    mu_seq *seq = NULL;
    mu_status status = mu_seq_open(e, options, &seq, err);
    if (status != MU_OK) return status;
    status = mu_engine_add(e, seq, err);
    if (status == MU_OK) {
        *out = seq;
    } else {
        mu_seq_free(seq);
    }
    return status;
}

void mu_engine_set_prefill_beside(mu_engine *e, uint32_t n_tokens_max) {
    e->scheduler.options.prefill_beside_max = n_tokens_max;
}

void mu_seq_free(mu_seq *seq) {
    if (!seq) return;
    if (!seq->is_added) {
        mu_seq_destroy(seq);
        return;
    }
    mu_engine *e = seq->engine;
    if (seq->finish == MU_FINISH_NONE) {
        mu_scheduler_remove(&e->scheduler, &seq->sched);
        e->stats.n_canceled++;
    }
    *(seq->prev ? &seq->prev->next : &e->seqs) = seq->next;
    if (seq->next) seq->next->prev = seq->prev;
    mu_seq_destroy(seq);
}

static void end_seq(mu_engine *e, mu_seq *seq, mu_finish finish) {
    mu_scheduler_remove(&e->scheduler, &seq->sched);
    if (seq->finish == MU_FINISH_NONE) mu_seq_end(seq, finish);
    *(seq->finish == MU_FINISH_CANCELED ? &e->stats.n_canceled : &e->stats.n_finished) += 1;
}

static void end_canceled(mu_engine *e) {
    for (mu_seq *seq = e->seqs; seq; seq = seq->next) {
        if (seq->is_canceled && seq->finish == MU_FINISH_NONE) end_seq(e, seq, MU_FINISH_CANCELED);
    }
}

static void fail_token(mu_seq *seq) {
    if (seq->matcher && mu_matcher_status(seq->matcher) != MU_OK) {
        mu_fail(&seq->error, MU_ERR_LIMIT, "the grammar needs more states than it may have");
    } else {
        mu_fail(&seq->error, MU_ERR_DEVICE,
                "no token: logits are not finite numbers, or all tokens are banned%s",
                seq->matcher ? " or not in the grammar" : "");
    }
}

/* Sample from a row of the step's result and extend the sequence. */
static void extend(mu_engine *e, mu_seq *seq, const mu_step_result *result, uint32_t row) {
    uint32_t vocab_size = mu_model_spec(e->model)->vocab_size;
    uint32_t n_output = mu_seq_n_output(seq);
    int32_t n_top = seq->options.sampling.n_logprobs;
    float logprob;
    bool has_top = result->tops && result->tops[row].n > 0;
    mu_sample_args args = {
        .logits = result->logits + (size_t)row * vocab_size,
        .top = has_top ? &result->tops[row] : NULL,
        .sampling = &seq->options.sampling,
        .tokens = seq->tokens,
        .n_prompt = seq->options.n_prompt,
        .n_tokens = seq->sched.n_tokens,
        .banned = seq->stop_tokens,
        .n_banned = mu_seq_n_banned(seq),
    };
    if (mu_seq_is_bound(seq)) {
        mu_seq_mask(seq, vocab_size, e->mask);
        args.allowed = e->mask;
        if (seq->matcher && mu_matcher_status(seq->matcher) != MU_OK) {
            fail_token(seq);
            end_seq(e, seq, MU_FINISH_ERROR);
            return;
        }
    }
    mu_logprob *top = n_top > 0 ? seq->tops + (size_t)n_output * (uint32_t)n_top : seq->tops;
    mu_token token = mu_sampler_run(e->sampler, &args, &logprob, top);
    if (token == MU_TOKEN_NONE) { /* broken weights: this sequence ends, the program goes on */
        fail_token(seq);
        end_seq(e, seq, MU_FINISH_ERROR);
        return;
    }
    if (n_top >= 0) seq->logprobs[n_output] = logprob;
    mu_seq_append(seq, token);
    if (seq->finish != MU_FINISH_NONE) end_seq(e, seq, seq->finish);
}

static uint32_t n_top_of(const mu_seq *seq) {
    /* The best may not be allowed: the whole row is needed. */
    if (seq->matcher || seq->thinking.phase != MU_THINKING_OVER) return 0;
    return mu_sampler_n_top(&seq->options.sampling, mu_seq_n_banned(seq));
}

static mu_rows_wanted rows_of(const mu_engine *e, const mu_sched_item *item) {
    switch (mu_model_pooling(e->model)) {
    case MU_POOLING_MEAN:
        return MU_ROWS_ALL;
    case MU_POOLING_CLS:
        return item->seq->n_computed == 0 ? MU_ROWS_FIRST : MU_ROWS_NONE;
    default:
        if (item->n_draft > 0) return MU_ROWS_ALL;
        return item->wants_logits ? MU_ROWS_LAST : MU_ROWS_NONE;
    }
}

static void make_segments(mu_engine *e, uint32_t n_items, mu_step_report *report) {
    for (uint32_t i = 0; i < n_items; i++) {
        const mu_sched_item *item = &e->items[i];
        const mu_sched_seq *seq = item->seq;
        e->segments[i] = (mu_segment){
            .tokens = seq->tokens + seq->n_computed,
            .n_tokens = item->n_tokens + item->n_draft,
            .first_position = seq->n_computed,
            .block_table = seq->table,
            .n_first = ((const mu_seq *)seq)->options.n_first,
            .rows = rows_of(e, item),
            .n_top = n_top_of((const mu_seq *)seq),
        };
        bool is_decode = item->wants_logits && mu_seq_n_output((const mu_seq *)seq) > 0;
        uint32_t n_decode = is_decode ? 1 : 0; /* a redone prefill ends with a decode token */
        report->n_decode_tokens += n_decode;
        report->n_prefill_tokens += item->n_tokens - n_decode;
    }
}

/* What lookup drafts is cut where the grammar ends it; where nothing is left, what the grammar
 * forces is the draft: text that has one way on only, which the model may yet cut into other
 * tokens. */
static void draft_in_grammar(mu_seq *seq, uint32_t n_max, mu_token *out) {
    seq->sched.n_draft = mu_matcher_n_accepted(seq->matcher, out, seq->sched.n_draft);
    seq->is_draft_forced = seq->sched.n_draft == 0;
    if (seq->is_draft_forced) {
        seq->sched.n_draft = mu_matcher_forced_tokens(seq->matcher, out, n_max);
    }
}

/* Draft while few sequences decode: a step is then bound by memory, and more rows cost little. */
static void draft(mu_engine *e) {
    uint32_t n_running = e->scheduler.running.n;
    bool is_few = !is_pooled(e) && n_running > 0 && n_running <= DRAFTING_SEQS_MAX &&
                  !e->scheduler.waiting.first;
    uint32_t n_max = is_few ? (1 + MU_DRAFT_MAX) / n_running - 1 : 0;
    for (mu_sched_seq *s = e->scheduler.running.first; s; s = s->next) {
        mu_seq *seq = (mu_seq *)s;
        s->n_draft = 0;
        if (n_max == 0 || e->options.no_prompt_lookup || s->n_tokens - s->n_computed != 1) continue;
        uint32_t left = seq->options.n_output_max - mu_seq_n_output(seq) - 1;
        mu_token *out = seq->tokens + s->n_tokens;
        if (left > n_max) left = n_max;
        s->n_draft = mu_lookup_draft(&seq->lookup, seq->tokens, s->n_tokens, left, out);
        if (seq->matcher) draft_in_grammar(seq, left, out);
    }
}

/* One row, then those of the draft while its tokens are accepted. Returns the rows used. */
static uint32_t extend_all(mu_engine *e, const mu_sched_item *item, const mu_step_result *result,
                           uint32_t first_row) {
    mu_seq *seq = (mu_seq *)item->seq;
    uint32_t n_accepted = 0;
    mu_sched_item one = {.seq = item->seq, .n_tokens = 1};
    for (;; n_accepted++) {
        bool has_draft = n_accepted < item->n_draft;
        mu_token drafted = has_draft ? seq->tokens[seq->sched.n_tokens] : MU_TOKEN_NONE;
        extend(e, seq, result, first_row + n_accepted);
        if (seq->finish != MU_FINISH_NONE) break;
        if (seq->tokens[seq->sched.n_tokens - 1] != drafted) break;
        mu_scheduler_computed(&e->scheduler, &one);
    }
    if (item->n_draft > 0) {
        if (!seq->is_draft_forced) mu_lookup_learn(&seq->lookup, item->n_draft, n_accepted);
        e->stats.n_draft_tokens += item->n_draft;
        e->stats.n_accepted_tokens += n_accepted;
    }
    return n_accepted + 1;
}

/* The hidden states of a segment into the sequence's; it ends where they are all. */
static void pool(mu_engine *e, const mu_segment *segment, mu_seq *seq, const float *hidden,
                 size_t stride) {
    uint32_t n_dims = mu_model_spec(e->model)->hidden_dim;
    if (segment->first_position == 0) memset(seq->pooled, 0, n_dims * sizeof(*seq->pooled));
    mu_pool_rows_add(seq->pooled, n_dims, hidden, stride, mu_segment_n_rows(segment));
    if (seq->sched.n_computed < seq->sched.n_tokens) return;
    bool is_finite = e->scores ? mu_score_head_run(e->scores, seq->pooled)
                               : mu_pool_rows_normalise(seq->pooled, n_dims);
    if (e->scores) seq->n_pooled = mu_model_spec(e->model)->n_labels;
    if (!is_finite) mu_fail(&seq->error, MU_ERR_DEVICE, "hidden states are not finite numbers");
    end_seq(e, seq, is_finite ? MU_FINISH_STOP : MU_FINISH_ERROR);
}

/* What a step computed for an item, whose results begin at `row`. Returns how many they are. */
static uint32_t take_results(mu_engine *e, uint32_t i, const mu_step_result *result, uint32_t row,
                             mu_step_report *report) {
    const mu_sched_item *item = &e->items[i];
    const mu_segment *segment = &e->segments[i];
    uint32_t n_rows = mu_segment_n_rows(segment);
    if (is_pooled(e)) {
        pool(e, segment, (mu_seq *)item->seq, result->hidden + row * result->hidden_stride,
             result->hidden_stride);
    } else if (n_rows > 0) {
        report->n_decode_tokens += extend_all(e, item, result, row) - 1;
    }
    return n_rows;
}

mu_status mu_engine_step(mu_engine *e, mu_step_report *out, mu_err *err) {
    mu_step_report report = {0};
    uint64_t n_finished = e->stats.n_finished + e->stats.n_canceled;
    end_canceled(e);
    draft(e);
    uint32_t n_items = mu_scheduler_plan(&e->scheduler, e->items);
    make_segments(e, n_items, &report);
    if (n_items > 0) {
        mu_step_result result;
        mu_step step = {.segments = e->segments, .n_segments = n_items};
        mu_status status = mu_backend_forward(e->backend, &step, &result, err);
        if (status != MU_OK) return status;
        uint32_t row = 0;
        for (uint32_t i = 0; i < n_items; i++) {
            mu_seq *seq = (mu_seq *)e->items[i].seq;
            if (seq->sched.n_admissions == 1 && seq->sched.n_computed == seq->sched.n_cached) {
                e->stats.n_prefix_tokens += seq->sched.n_cached;
            }
            mu_scheduler_computed(&e->scheduler, &e->items[i]);
            row += take_results(e, i, &result, row, &report);
        }
        e->stats.n_steps++;
    }
    e->stats.n_prefill_tokens += report.n_prefill_tokens;
    e->stats.n_decode_tokens += report.n_decode_tokens;
    report.n_finished = (uint32_t)(e->stats.n_finished + e->stats.n_canceled - n_finished);
    report.is_idle = e->scheduler.running.n == 0 && e->scheduler.waiting.n == 0;
    *out = report;
    return MU_OK;
}

mu_engine_stats mu_engine_get_stats(const mu_engine *e) {
    mu_engine_stats stats = e->stats;
    stats.n_waiting = e->scheduler.waiting.n;
    stats.n_running = e->scheduler.running.n;
    stats.n_kv_blocks = mu_kv_blocks_n(e->kv);
    stats.n_kv_blocks_free = mu_kv_blocks_n_free(e->kv);
    stats.n_preemptions = e->scheduler.n_preemptions;
    return stats;
}

static bool is_end(const mu_engine *e, mu_token token) {
    uint32_t n;
    const mu_token *ends = mu_model_end_tokens(e->model, &n);
    while (n > 0 && ends[n - 1] != token) {
        n--;
    }
    return n > 0;
}

/* What a grammar sees of a token: text as it is; a control token as its text after MU_CONTROL_BYTE,
 * so that a grammar must name it to offer it; of an end nothing. Marked ones are put at *marks. */
static mu_token_bytes grammar_bytes(const mu_engine *e, mu_token token, char **marks) {
    const mu_tokenizer *tokenizer = mu_model_tokenizer(e->model);
    mu_bytes piece = mu_tokenizer_piece(tokenizer, token);
    mu_token_kind kind = mu_tokenizer_kind(tokenizer, token);
    bool is_text = kind == MU_TOKEN_NORMAL || kind == MU_TOKEN_ADDED || kind == MU_TOKEN_BYTE;
    bool is_mark = piece.n > 0 && (uint8_t)piece.data[0] == MU_CONTROL_BYTE;
    if (is_text && !is_mark) return (mu_token_bytes){piece.data, piece.n};
    if (kind != MU_TOKEN_SPECIAL || piece.n == 0 || is_end(e, token))
        return (mu_token_bytes){NULL, 0};
    char *marked = *marks;
    marked[0] = (char)MU_CONTROL_BYTE;
    memcpy(marked + 1, piece.data, piece.n);
    *marks += piece.n + 1;
    return (mu_token_bytes){marked, piece.n + 1};
}

mu_status mu_engine_open_trie(const mu_engine *e, mu_token_trie **out, mu_err *err) {
    uint32_t vocab_size = mu_model_spec(e->model)->vocab_size;
    const mu_tokenizer *tokenizer = mu_model_tokenizer(e->model);
    size_t n_marks = 1;
    for (uint32_t t = 0; t < vocab_size; t++) {
        bool is_special = mu_tokenizer_kind(tokenizer, (mu_token)t) == MU_TOKEN_SPECIAL;
        if (is_special) n_marks += mu_tokenizer_piece(tokenizer, (mu_token)t).n + 1;
    }
    mu_token_bytes *tokens = MU_ALLOC(mu_token_bytes, vocab_size);
    char *marks = MU_ALLOC(char, n_marks), *end = marks;
    mu_status status = MU_OK;
    if (!tokens || !marks) status = mu_fail(err, MU_ERR_NOMEM, "tree of %u tokens", vocab_size);
    for (uint32_t t = 0; t < vocab_size && status == MU_OK; t++) {
        tokens[t] = grammar_bytes(e, (mu_token)t, &end);
    }
    if (status == MU_OK) status = mu_token_trie_open(tokens, vocab_size, out, err);
    mu_free(tokens);
    mu_free(marks);
    return status;
}

uint32_t mu_engine_n_ctx(const mu_engine *e) {
    return e->options.n_ctx;
}

const mu_backend *mu_engine_backend(const mu_engine *e) {
    return e->backend;
}
