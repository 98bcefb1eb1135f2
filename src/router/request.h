/* request.h - what one client asked of one model: sequences of one or several prompts.
 *
 *     submit ──▶ queued ──fair share──▶ running ──▶ done
 *                                          │ news: text, tokens, finish of each sequence
 *                                          └──▶ notify(), then mu_request_take() on any thread
 *
 * mu_resident_submit() of executor.h makes one. The executor keeps what the sequences have
 * generated, or the embedding of their prompt, as their news until the submitter takes it.
 *
 * Threads: every function may be called from any thread. notify() runs on the executor with the
 * request's lock held: it may wake somebody, and must not call back into the request.
 * Memory: the submitter frees a request, and before its executor is closed.
 */
#ifndef MU_ROUTER_REQUEST_H
#define MU_ROUTER_REQUEST_H

#include "engine/engine.h"

typedef struct mu_request mu_request;

typedef struct mu_request_seq {
    mu_seq_options options; /* copied by submit() */
    uint32_t follows;       /* starts after the first token of this sequence (same prompt: its KV
                               blocks are shared then); its own index: at once */
} mu_request_seq;

typedef struct mu_request_options {
    const mu_request_seq *seqs; /* [n_seqs] */
    uint32_t n_seqs;
    uint64_t client;   /* who asks, for fair shares */
    bool is_streaming; /* news for every token, not only at the end */
    void (*notify)(void *ctx);
    void *ctx;
} mu_request_options;

/* What a sequence has generated since the last take. */
typedef struct mu_request_news {
    mu_buf text;
    mu_buf outputs;   /* mu_output[], when logprobs were asked for */
    mu_buf embedding; /* float[], of a model that gives embeddings, at the end */
    uint32_t n_tokens;
    mu_finish finish;    /* MU_FINISH_NONE: goes on */
    int32_t stop_string; /* index of the one that ended it; -1: none did, or it goes on */
    mu_err err;          /* why, for MU_FINISH_ERROR */
} mu_request_news;

typedef struct mu_request_facts {
    bool is_done;      /* every sequence is finished */
    uint32_t n_cached; /* prompt tokens from the prefix cache, of all sequences that lead */
    uint64_t submitted_ns, started_ns, first_ns, end_ns; /* mu_now_ns(); 0: not yet */
} mu_request_facts;

/* Swap sequence i's news with *news, whose buffers are emptied first and used again. */
void mu_request_take(mu_request *request, uint32_t i, mu_request_news *news);
void mu_request_news_deinit(mu_request_news *news);
mu_request_facts mu_request_get_facts(mu_request *request);
void mu_request_cancel(mu_request *request);
/* Cancels it if it still runs; no notify() is running or follows. NULL is allowed. */
void mu_request_free(mu_request *request);

#endif
