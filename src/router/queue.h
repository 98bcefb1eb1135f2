/* queue.h - the requests of one model: those that wait, by arrival, and those that run.
 *
 *     add() ──▶ waiting ──start(): fair share──▶ running ──▶ end()
 *       │          │
 *       └─ full    └──▶ leave(): canceled before it ran
 *
 * Waiting is bounded in requests and in prompt tokens, of which one client may have half; running
 * in sequences. Which request starts is decided by fair.h. A client that has nothing running starts
 * one request also when all sequences are taken: it gets the next that ends. The queue learns how
 * often a request ends while it is busy, and so how long a newcomer would wait.
 *
 * Pure: no clock, no lock. Threads: one at a time; running requests change in start() and end()
 * only. Memory: init() allocates; entries are the caller's.
 */
#ifndef MU_ROUTER_QUEUE_H
#define MU_ROUTER_QUEUE_H

#include "base/status.h"
#include "router/fair.h"

/* The first member of what is queued, and its first the one that the arrays point to. */
typedef struct mu_queue_entry {
    mu_fair fair;
    uint32_t n_tokens; /* of its prompts */
    uint32_t n_seqs;   /* > 0 */
} mu_queue_entry;

typedef struct mu_queue_limits {
    uint32_t n_seqs_max;           /* running; a request starts while there are fewer, > 0 */
    uint32_t n_waiting_max;        /* requests, > 0 */
    uint64_t n_waiting_tokens_max; /* prompt tokens; one request is always taken */
} mu_queue_limits;

typedef struct mu_queue {
    mu_queue_limits limits;
    mu_fair **waiting; /* [n_waiting_max] of entries, by arrival */
    mu_fair **running; /* [mu_queue_n_running_max()] of entries */
    uint32_t n_waiting, n_running;
    uint32_t n_seqs; /* running and not ended */
    uint64_t n_waiting_tokens, n_refused;
    uint64_t last_end_ns;
    double end_gap_ns; /* running mean between ends of requests while busy */
} mu_queue;

/* Requests that may run at once. */
static inline size_t mu_queue_n_running_max(const mu_queue_limits *limits) {
    return 2 * (size_t)limits->n_seqs_max;
}

mu_status mu_queue_init(mu_queue *queue, const mu_queue_limits *limits, mu_err *err) MU_MUST_USE;
void mu_queue_deinit(mu_queue *queue);

/* MU_ERR_BUSY: full. */
mu_status mu_queue_add(mu_queue *queue, mu_queue_entry *entry, mu_err *err) MU_MUST_USE;
/* The next request that runs from now on; NULL: none may. */
mu_queue_entry *mu_queue_start(mu_queue *queue, uint64_t now_ns);
/* Take waiting[i] out. */
mu_queue_entry *mu_queue_leave(mu_queue *queue, uint32_t i);
/* n sequences of running requests have ended. */
void mu_queue_seqs_ended(mu_queue *queue, uint32_t n);
/* Take running[i] out; the last one takes its place. */
mu_queue_entry *mu_queue_end(mu_queue *queue, uint32_t i, uint64_t now_ns);
/* Seconds until a request that came now would start, from the measured rate; 1 to
 * MU_QUEUE_WAIT_MAX_S. */
enum { MU_QUEUE_WAIT_MAX_S = 120 };
uint32_t mu_queue_wait_s(const mu_queue *queue);

#endif
