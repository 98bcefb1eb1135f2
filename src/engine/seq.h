/* seq.h - one sequence: what it was asked, what it has, what the caller has not read yet. Private
 * to engine/.
 *
 * Tokens are what a sequence keeps; its text is made from them when the caller reads, into the
 * caller's memory. Only stop strings need text while the sequence runs, one token's at a time.
 *
 * Memory: create() allocates all that the sequence will ever need.
 */
#ifndef MU_ENGINE_SEQ_H
#define MU_ENGINE_SEQ_H

#include "engine/engine.h"
#include "engine/lookup.h"
#include "engine/scheduler.h"
#include "engine/stop.h"
#include "engine/thinking.h"

struct mu_seq {
    mu_sched_seq sched;     /* first: the scheduler's view */
    mu_engine *engine;      /* borrowed */
    mu_seq *next, *prev;    /* all sequences of the engine */
    mu_seq_options options; /* pointers replaced by owned copies or NULL */
    mu_token *tokens;       /* [n_prompt + n_output_max], owned */
    mu_logit_bias *biases;  /* owned */
    mu_token *stop_tokens;  /* [n_stop_tokens], the model's own included, owned */
    uint32_t n_stop_tokens;
    float *logprobs;   /* [n_output_max] when asked for, owned */
    mu_logprob *tops;  /* [n_output_max, n_logprobs], owned */
    float *pooled;     /* [n_pooled] of what is computed, at the end the embedding; owned */
    uint32_t n_pooled; /* 0: the model generates */
    mu_lookup lookup;
    bool is_draft_forced; /* the draft is the grammar's, not lookup's */
    mu_matcher *matcher;  /* where the output stands in options.grammar; NULL: none, owned */
    mu_thinking thinking;
    mu_finish finish;
    mu_err error;  /* for MU_FINISH_ERROR */
    bool is_added; /* the engine and its scheduler know it */
    bool is_canceled;
    bool ended_by_token; /* the last output is a stop token */
    uint32_t n_read;     /* outputs already read */

    /* Text as the caller reads it. */
    mu_detokenizer reader;
    uint32_t n_texted;     /* outputs that became text */
    uint64_t n_text_bytes; /* of them */
    bool is_text_ended;

    /* Text as stop strings see it; unused when there are none. */
    mu_detokenizer watcher;
    mu_stop stop;
    mu_buf piece; /* text of one token, reserved */
};

typedef struct mu_seq_room {
    uint32_t table_blocks; /* KV blocks of the longest the sequence may become */
    size_t piece_bytes;    /* of the longest token of the vocabulary */
    uint32_t hidden_dim;   /* of an embedding; 0: none */
} mu_seq_room;

mu_status mu_seq_create(const mu_seq_options *options, const mu_model *model,
                        const mu_seq_room *room, mu_seq **out, mu_err *err) MU_MUST_USE;
void mu_seq_destroy(mu_seq *seq); /* half-built ones too; NULL is allowed */

/* Not every token may come next. */
bool mu_seq_is_bound(const mu_seq *seq);
/* The next token has been sampled. Sets finish when the sequence ends with it. */
void mu_seq_append(mu_seq *seq, mu_token token);
void mu_seq_end(mu_seq *seq, mu_finish finish); /* text that was held back may be read */

/* Bits of the tokens that may come next, end and stop tokens where the text is whole; there is a
 * matcher, or one is forced. out: as mu_matcher_mask(). */
void mu_seq_mask(const mu_seq *seq, uint32_t vocab_size, uint64_t *out);
/* The tokens that may not come next: stop tokens while the output is shorter than n_output_min. */
uint32_t mu_seq_n_banned(const mu_seq *seq);

#endif
