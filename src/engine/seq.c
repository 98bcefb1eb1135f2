#include "engine/seq.h"

#include <string.h>

#include "base/alloc.h"

/* A copy of n elements. NULL also when n is 0: *failed tells. */
static void *copy(const void *from, size_t n, size_t elem_size, bool *failed) {
    if (n == 0) return NULL;
    void *to = mu_alloc_array(n, elem_size);
    if (!to) {
        *failed = true;
        return NULL;
    }
    return memcpy(to, from, n * elem_size);
}

static bool copy_tokens(mu_seq *seq, const mu_seq_options *o, const mu_model *model) {
    bool failed = false;
    uint32_t n_ends;
    const mu_token *ends = mu_model_end_tokens(model, &n_ends);
    seq->tokens = MU_ALLOC(mu_token, (size_t)o->n_prompt + o->n_output_max);
    seq->stop_tokens = MU_ALLOC(mu_token, (size_t)o->n_stop_tokens + n_ends + 1);
    seq->biases = copy(o->sampling.biases, o->sampling.n_biases, sizeof(*seq->biases), &failed);
    if (failed || !seq->tokens || !seq->stop_tokens) return false;
    memcpy(seq->tokens, o->prompt, o->n_prompt * sizeof(*seq->tokens));
    if (o->n_stop_tokens > 0) {
        memcpy(seq->stop_tokens, o->stop_tokens, o->n_stop_tokens * sizeof(*seq->stop_tokens));
    }
    seq->n_stop_tokens = o->n_stop_tokens;
    for (uint32_t i = 0; i < n_ends && !o->ignore_eos; i++) {
        seq->stop_tokens[seq->n_stop_tokens++] = ends[i];
    }
    return true;
}

static bool make_room(mu_seq *seq, const mu_seq_room *room) {
    const mu_seq_options *o = &seq->options;
    seq->sched.table = MU_ALLOC(mu_kv_block_id, room->table_blocks);
    if (!seq->sched.table) return false;
    if (room->hidden_dim > 0) {
        seq->pooled = MU_ALLOC(float, room->hidden_dim);
        seq->n_pooled = room->hidden_dim;
        if (!seq->pooled) return false;
    }
    if (o->sampling.n_logprobs >= 0) {
        size_t n_top = (size_t)o->sampling.n_logprobs;
        seq->logprobs = MU_ALLOC(float, o->n_output_max);
        seq->tops = MU_ALLOC(mu_logprob, n_top * o->n_output_max);
        if (!seq->logprobs || !seq->tops) return false;
    }
    if (o->grammar) {
        seq->matcher = MU_ALLOC(mu_matcher, 1);
        if (!seq->matcher) return false;
        mu_matcher_init(seq->matcher, o->grammar);
    }
    if (o->n_stop_strings == 0) return true;
    /* A byte that is no character becomes 3, and so do those that the detokenizer held. */
    size_t n_bytes = 3 * (room->piece_bytes + sizeof(seq->watcher.held)) + 1;
    void *data = NULL;
    if (!mu_grow(&data, &seq->piece.cap, n_bytes, 1)) return false;
    seq->piece.data = data;
    return true;
}

mu_status mu_seq_create(const mu_seq_options *options, const mu_model *model,
                        const mu_seq_room *room, mu_seq **out, mu_err *err) {
    mu_seq *seq = mu_alloc(sizeof(*seq));
    if (!seq) return mu_fail(err, MU_ERR_NOMEM, "sequence");
    seq->options = *options;
    if (options->grammar) mu_grammar_ref(options->grammar);
    mu_status status =
        mu_stop_init(&seq->stop, options->stop_strings, options->n_stop_strings, err);
    if (status == MU_OK) status = mu_thinking_init(&seq->thinking, options->thinking, err);
    if (status == MU_OK && (!copy_tokens(seq, options, model) || !make_room(seq, room))) {
        status = mu_fail(err, MU_ERR_NOMEM, "sequence of %u + %u tokens", options->n_prompt,
                         options->n_output_max);
    }
    if (status != MU_OK) {
        mu_seq_destroy(seq);
        return status;
    }
    seq->options.prompt = NULL;
    seq->options.stop_tokens = NULL;
    seq->options.stop_strings = NULL;
    seq->options.thinking = NULL;
    seq->options.sampling.biases = seq->biases;
    seq->sched.tokens = seq->tokens;
    seq->sched.n_tokens = options->n_prompt;
    seq->sched.use_prefix_cache = !options->no_prefix_cache;
    mu_detokenizer_init(&seq->reader, mu_model_tokenizer(model), options->show_special);
    mu_detokenizer_init(&seq->watcher, mu_model_tokenizer(model), options->show_special);
    *out = seq;
    return MU_OK;
}

void mu_seq_destroy(mu_seq *seq) {
    if (!seq) return;
    mu_free(seq->sched.table);
    mu_free(seq->tokens);
    mu_free(seq->biases);
    mu_free(seq->stop_tokens);
    mu_free(seq->logprobs);
    mu_free(seq->tops);
    mu_free(seq->pooled);
    mu_free(seq->matcher);
    mu_grammar_unref(seq->options.grammar);
    mu_stop_deinit(&seq->stop);
    mu_thinking_deinit(&seq->thinking);
    mu_buf_deinit(&seq->piece);
    mu_free(seq);
}

static bool is_stop_token(const mu_seq *seq, mu_token token) {
    for (uint32_t i = 0; i < seq->n_stop_tokens; i++) {
        if (seq->stop_tokens[i] == token) return true;
    }
    return false;
}

void mu_seq_end(mu_seq *seq, mu_finish finish) {
    MU_ASSERT(seq->finish == MU_FINISH_NONE && finish != MU_FINISH_NONE);
    seq->finish = finish;
    mu_stop_end(&seq->stop);
}

/* True when the token's text completes a stop string. Those that do so before n_output_min do not
 * count, as stop tokens do not. */
static bool watch_text(mu_seq *seq, mu_token token, uint32_t n_output) {
    if (seq->stop.n_strings == 0) return false;
    size_t cap = seq->piece.cap;
    mu_buf_clear(&seq->piece);
    mu_detokenizer_push(&seq->watcher, token, &seq->piece);
    MU_ASSERT(seq->piece.cap == cap && !seq->piece.failed); /* no step allocates */
    return mu_stop_push(&seq->stop, seq->piece.data, seq->piece.n,
                        n_output >= seq->options.n_output_min);
}

/* The token goes on in the grammar. False when it cannot, which a mask has let through only if the
 * grammar has outgrown its bounds since. */
static bool take_token(mu_seq *seq, mu_token token) {
    if (!seq->matcher || mu_matcher_take_token(seq->matcher, token)) return true;
    mu_fail(&seq->error, MU_ERR_LIMIT, "the grammar needs more states than it may have");
    return false;
}

void mu_seq_append(mu_seq *seq, mu_token token) {
    MU_ASSERT(seq->sched.n_tokens < seq->options.n_prompt + seq->options.n_output_max);
    seq->tokens[seq->sched.n_tokens++] = token;
    uint32_t n_output = seq->sched.n_tokens - seq->options.n_prompt;
    mu_thinking_push(&seq->thinking, mu_tokenizer_piece(seq->reader.tokenizer, token));
    if (is_stop_token(seq, token)) {
        seq->ended_by_token = true;
        mu_seq_end(seq, MU_FINISH_STOP);
    } else if (!take_token(seq, token)) {
        mu_seq_end(seq, MU_FINISH_ERROR);
    } else if (watch_text(seq, token, n_output) ||
               (seq->matcher && mu_matcher_must_end(seq->matcher))) {
        mu_seq_end(seq, MU_FINISH_STOP);
    } else if (n_output == seq->options.n_output_max) {
        mu_seq_end(seq, MU_FINISH_LENGTH);
    }
}

/* MU_TOKEN_NONE: none, or the grammar does not let it come. */
static mu_token forced_token(const mu_seq *seq) {
    mu_token token = mu_thinking_forced(&seq->thinking);
    bool is_let = !seq->matcher || mu_matcher_n_accepted(seq->matcher, &token, 1) == 1;
    return is_let ? token : MU_TOKEN_NONE;
}

bool mu_seq_is_bound(const mu_seq *seq) {
    return seq->matcher || forced_token(seq) != MU_TOKEN_NONE;
}

void mu_seq_mask(const mu_seq *seq, uint32_t vocab_size, uint64_t *out) {
    mu_token forced = forced_token(seq);
    if (forced != MU_TOKEN_NONE) {
        memset(out, 0, (vocab_size + 63) / 64 * sizeof(*out));
        out[forced / 64] = UINT64_C(1) << (forced % 64);
        return;
    }
    mu_matcher_mask(seq->matcher, out);
    if (!mu_matcher_may_end(seq->matcher)) return;
    for (uint32_t i = 0; i < seq->n_stop_tokens; i++) {
        out[seq->stop_tokens[i] / 64] |= UINT64_C(1) << (seq->stop_tokens[i] % 64);
    }
}

uint32_t mu_seq_n_banned(const mu_seq *seq) {
    uint32_t n_output = seq->sched.n_tokens - seq->options.n_prompt;
    return n_output < seq->options.n_output_min ? seq->n_stop_tokens : 0;
}

/* The caller's side */

/* Append the next token's text. False when it has to wait, or there is no memory: as before. */
static bool read_token_text(mu_seq *seq, mu_buf *text) {
    mu_detokenizer before = seq->reader;
    size_t n_before = text->n;
    mu_detokenizer_push(&seq->reader, seq->tokens[seq->options.n_prompt + seq->n_texted], text);
    uint64_t n_after = seq->n_text_bytes + (text->n - n_before);
    bool is_hidden = seq->stop.n_strings > 0 && n_after > seq->stop.n_visible;
    if (is_hidden && seq->finish != MU_FINISH_NONE) { /* the stop string starts in this token */
        text->n = n_before + (size_t)(seq->stop.n_visible - seq->n_text_bytes);
        text->data[text->n] = '\0';
        seq->n_text_bytes = seq->stop.n_visible;
        seq->is_text_ended = true;
        return false;
    }
    if (is_hidden || text->failed) { /* it may become one; asked again next time */
        text->n = n_before;
        if (text->data) text->data[n_before] = '\0';
        seq->reader = before;
        return false;
    }
    seq->n_text_bytes = n_after;
    seq->n_texted++;
    return true;
}

static void read_text(mu_seq *seq, mu_buf *text) {
    if (seq->is_text_ended || text->failed) return;
    uint32_t n_tokens = mu_seq_n_output(seq);
    if (seq->ended_by_token && !seq->options.show_end) n_tokens--;
    while (seq->n_texted < n_tokens) {
        if (!read_token_text(seq, text)) return;
    }
    if (seq->finish == MU_FINISH_NONE) return;
    mu_detokenizer_finish(&seq->reader, text);
    seq->is_text_ended = true;
}

uint32_t mu_seq_read(mu_seq *seq, mu_output *out, uint32_t cap, mu_buf *text) {
    uint32_t n_output = mu_seq_n_output(seq), n = n_output - seq->n_read;
    if (out && n > cap) n = cap;
    int32_t n_top = seq->options.sampling.n_logprobs;
    for (uint32_t i = 0; i < n && out; i++) {
        uint32_t at = seq->n_read + i;
        out[i] = (mu_output){.token = seq->tokens[seq->options.n_prompt + at]};
        if (n_top < 0) continue;
        out[i].logprob = seq->logprobs[at];
        out[i].n_top = (uint32_t)n_top;
        memcpy(out[i].top, seq->tops + (size_t)at * (uint32_t)n_top,
               (uint32_t)n_top * sizeof(*out[i].top));
    }
    seq->n_read += n;
    if (text) read_text(seq, text);
    return n;
}

mu_seq_state mu_seq_get_state(const mu_seq *seq) {
    if (seq->finish != MU_FINISH_NONE) return MU_SEQ_FINISHED;
    return seq->sched.is_running ? MU_SEQ_RUNNING : MU_SEQ_WAITING;
}

mu_finish mu_seq_finish(const mu_seq *seq) {
    return seq->finish;
}

int32_t mu_seq_stop_string(const mu_seq *seq) {
    bool is_hit = seq->finish == MU_FINISH_STOP && seq->stop.is_hit;
    return is_hit ? (int32_t)seq->stop.hit : -1;
}

const mu_err *mu_seq_error(const mu_seq *seq) {
    return seq->finish == MU_FINISH_ERROR ? &seq->error : NULL;
}

const float *mu_seq_embedding(const mu_seq *seq, uint32_t *out_n) {
    *out_n = seq->n_pooled;
    return seq->finish == MU_FINISH_STOP ? seq->pooled : NULL;
}

uint32_t mu_seq_n_prompt(const mu_seq *seq) {
    return seq->options.n_prompt;
}

uint32_t mu_seq_n_cached(const mu_seq *seq) {
    return seq->sched.n_cached;
}

uint32_t mu_seq_n_output(const mu_seq *seq) {
    return seq->sched.n_tokens - seq->options.n_prompt;
}

void mu_seq_cancel(mu_seq *seq) {
    seq->is_canceled = true;
}
