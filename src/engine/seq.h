/* seq.h - one sequence: what it was asked, what it has, what the caller has not read yet. Private
 * to engine/.
 *
 * Memory: init() allocates all that the sequence will need while it runs, but for text that nobody
 * reads.
 */
#ifndef MU_ENGINE_SEQ_H
#define MU_ENGINE_SEQ_H

#include "engine/engine.h"
#include "engine/scheduler.h"
#include "engine/stop.h"

struct mu_seq {
    mu_sched_seq sched;     /* first: the scheduler's view */
    mu_engine *engine;      /* borrowed */
    mu_seq *next, *prev;    /* all sequences of the engine */
    mu_seq_options options; /* pointers replaced by owned copies or NULL */
    mu_token *tokens;       /* [n_prompt + n_output_max], owned */
    mu_logit_bias *biases;  /* owned */
    mu_token *stop_tokens;  /* [n_stop_tokens], eos included, owned */
    uint32_t n_stop_tokens;
    float *logprobs;  /* [n_output_max] when asked for, owned */
    mu_logprob *tops; /* [n_output_max, n_logprobs], owned */
    mu_finish finish;
    mu_err error; /* for MU_FINISH_ERROR */
    bool is_canceled;
    uint32_t n_read; /* outputs already read */
    mu_detokenizer detokenizer;
    mu_stop stop;
    mu_buf piece; /* text of the last token */
    mu_buf text;  /* not read yet */
};

/* table_blocks: KV blocks of the longest the sequence may become. */
mu_status mu_seq_create(const mu_seq_options *options, const mu_model *model, uint32_t table_blocks,
                        mu_seq **out, mu_err *err) MU_MUST_USE;
void mu_seq_destroy(mu_seq *seq); /* half-built ones too; NULL is allowed */

/* The next token has been sampled. Sets finish when the sequence ends with it. */
void mu_seq_append(mu_seq *seq, mu_token token);
void mu_seq_end(mu_seq *seq, mu_finish finish); /* text that was held back is given out */

/* The tokens that may not come next: stop tokens while the output is shorter than n_output_min. */
uint32_t mu_seq_n_banned(const mu_seq *seq);

#endif
