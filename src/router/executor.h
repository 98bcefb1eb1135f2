/* executor.h - the thread that owns an engine and runs it for everybody else.
 *
 * A job is one request: sequences of one or several prompts. Any thread submits jobs, takes what
 * they have generated and cancels them; the executor alone touches the engine.
 *
 *     submit ──▶ queued ──fair share──▶ running ──▶ done
 *        │                                 │ news: text, tokens, finish of each sequence
 *        └─ full: MU_ERR_BUSY              └──▶ notify(), then mu_job_take() on any thread
 *
 * The queue is bounded in requests and in prompt tokens. A socket can be watched: when its peer
 * leaves, the job is canceled within one step, whatever it was doing. Beside running streams a step
 * takes only as much prefill as pacer.h allows.
 *
 * Threads: every function may be called from any thread. notify() runs on the executor with the
 * job's lock held: it may wake somebody, and must not call back into the job.
 */
#ifndef MU_ROUTER_EXECUTOR_H
#define MU_ROUTER_EXECUTOR_H

#include "base/histogram.h"
#include "engine/engine.h"

typedef struct mu_executor mu_executor;
typedef struct mu_job mu_job;

typedef struct mu_executor_options {
    uint32_t n_seqs_max;          /* as the engine's: more are not handed to it */
    uint32_t n_queued_max;        /* requests, > 0 */
    uint64_t n_queued_tokens_max; /* prompt tokens of queued requests */
    uint32_t prefill_beside;      /* prefill tokens beside streams; 0: from measured speed */
} mu_executor_options;

typedef struct mu_job_seq {
    mu_seq_options options; /* copied by submit() */
    uint32_t follows;       /* starts after the first token of this sequence (same prompt: its KV
                               blocks are shared then); its own index: at once */
} mu_job_seq;

typedef struct mu_job_options {
    const mu_job_seq *seqs; /* [n_seqs] */
    uint32_t n_seqs;
    uint64_t client;   /* who asks, for fair shares */
    int peer_fd;       /* canceled when the peer of this socket leaves; -1: none */
    bool is_streaming; /* news for every token, not only at the end */
    void (*notify)(void *ctx);
    void *ctx;
} mu_job_options;

/* What a sequence has generated since the last take. */
typedef struct mu_job_news {
    mu_buf text;
    mu_buf outputs; /* mu_output[], when logprobs were asked for */
    uint32_t n_tokens;
    mu_finish finish; /* MU_FINISH_NONE: goes on */
    mu_err err;       /* why, for MU_FINISH_ERROR */
} mu_job_news;

typedef struct mu_job_facts {
    bool is_done; /* every sequence is finished */
    bool is_peer_gone;
    uint32_t n_cached; /* prompt tokens from the prefix cache, of all sequences that lead */
    uint64_t submitted_ns, started_ns, first_ns, end_ns; /* mu_now_ns(); 0: not yet */
} mu_job_facts;

typedef enum mu_outcome {
    MU_OUTCOME_STOP,
    MU_OUTCOME_LENGTH,
    MU_OUTCOME_CANCELED,
    MU_OUTCOME_ERROR,
    MU_N_OUTCOMES,
} mu_outcome;

const char *mu_outcome_name(mu_outcome outcome);

typedef struct mu_executor_metrics {
    mu_histogram ttft, inter_token, end_to_end, queue; /* seconds */
    mu_histogram prompt_tokens, output_tokens;         /* per request */
    mu_histogram batch;                                /* sequences per step */
    uint64_t n_prompt_tokens, n_cached_tokens, n_output_tokens;
    uint64_t n_requests[MU_N_OUTCOMES]; /* ended */
    uint64_t n_refused;                 /* because the queue was full */
    uint32_t n_queued, n_running;       /* requests */
    uint64_t n_queued_tokens;
    uint32_t prefill_beside; /* of the last step */
    mu_engine_stats engine;
} mu_executor_metrics;

/* engine is borrowed, and nobody else's until close(). */
mu_status mu_executor_open(mu_engine *engine, const mu_executor_options *options, mu_executor **out,
                           mu_err *err) MU_MUST_USE;
/* Cancels what is left, with notice. Jobs must have been freed. NULL is allowed. */
void mu_executor_close(mu_executor *ex);
/* Cancel every job, with notice. */
void mu_executor_cancel_all(mu_executor *ex);

/* MU_ERR_BUSY: the queue is full, mu_executor_wait_s() says for how long; else as mu_seq_open(). */
mu_status mu_executor_submit(mu_executor *ex, const mu_job_options *options, mu_job **out,
                             mu_err *err) MU_MUST_USE;
/* Seconds until a request that came now would start, from the measured rate; 1 to 120. */
uint32_t mu_executor_wait_s(mu_executor *ex);
void mu_executor_get_metrics(mu_executor *ex, mu_executor_metrics *out);

/* Swap sequence i's news with *news, whose buffers are emptied first and used again. */
void mu_job_take(mu_job *job, uint32_t i, mu_job_news *news);
void mu_job_news_deinit(mu_job_news *news);
mu_job_facts mu_job_get_facts(mu_job *job);
void mu_job_cancel(mu_job *job);
/* Cancels it if it still runs; no notify() is running or follows. NULL is allowed. */
void mu_job_free(mu_job *job);

#endif
