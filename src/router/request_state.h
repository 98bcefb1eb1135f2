/* request_state.h - a request as its executor sees it. Private to router/.
 *
 * Once queued it has two owners, the submitter and the executor; the last to let go destroys it.
 * News and facts are under its lock; sequences are touched by the executor's thread alone.
 */
#ifndef MU_ROUTER_REQUEST_STATE_H
#define MU_ROUTER_REQUEST_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "router/queue.h"
#include "router/request.h"
#include "router/request_stats.h"

typedef struct mu_request_seq_state {
    mu_seq *seq; /* freed by the executor once finished */
    uint32_t follows;
    bool is_added, is_finished, has_logprobs;
    uint32_t n_seen; /* outputs that were taken from the engine */
    uint64_t last_ns;
    mu_request_news news; /* under the request's lock */
} mu_request_seq_state;

struct mu_request {
    mu_queue_entry entry; /* first: a queue's pointers are ours */
    int wake_fd;          /* the executor's */
    bool is_streaming;
    atomic_bool is_canceled;
    atomic_int n_owners;
    pthread_mutex_t lock;
    void (*notify)(void *ctx); /* NULL once freed by the submitter */
    void *ctx;
    mu_request_facts facts;
    uint32_t n_seqs;
    uint32_t n_in_engine; /* sequences handed to it and not finished */
    uint32_t n_of_client; /* as many of all its client's requests, while places are handed out */
    mu_request_seq_state seqs[];
};

/* Checks and allocates every sequence; nobody else knows the request yet. */
mu_status mu_request_open(mu_engine *engine, const mu_request_options *options, mu_request **out,
                          mu_err *err) MU_MUST_USE;
/* One owner less. */
void mu_request_release(mu_request *request);

/* The rest is the executor's thread's. */

bool mu_request_is_urgent(const mu_request *request); /* it was canceled */
/* It has a sequence that may be handed to the engine now. */
bool mu_request_has_start(const mu_request *request);
/* Hand one more sequence to the engine: a follower when the first token of its leader is there.
 * False: there is none, or the engine does not take it now. */
bool mu_request_start_seq(mu_request *request, mu_engine *engine);
/* End what runs before the next step, and at once what did not start. Returns how many ended. */
uint32_t mu_request_cancel_seqs(mu_request *request);
/* End every sequence with an error. Returns how many ended. */
uint32_t mu_request_fail_seqs(mu_request *request, const mu_err *err);

typedef struct mu_request_progress {
    uint32_t n_ended;    /* sequences, now */
    uint32_t n_decoding; /* sequences with a token, that go on */
    bool is_done;
} mu_request_progress;

/* What the last step gave to its sequences, into their news; tells the submitter. */
mu_request_progress mu_request_collect(mu_request *request, mu_request_stats *stats,
                                       uint64_t now_ns);
/* All sequences have ended: count the request, tell the submitter, let go of it. */
void mu_request_end(mu_request *request, mu_request_stats *stats, uint64_t now_ns);

#endif
