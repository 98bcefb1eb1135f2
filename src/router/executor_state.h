/* executor_state.h - an executor and its residents as its thread sees them. Private to router/.
 *
 * Locks, in this order: executor (queues, published statistics), request (news, facts), whatever
 * notify() takes. What runs is touched by the executor's thread alone; what waits is under the
 * lock.
 */
#ifndef MU_ROUTER_EXECUTOR_STATE_H
#define MU_ROUTER_EXECUTOR_STATE_H

#include "router/executor.h"
#include "router/pacer.h"
#include "router/queue.h"
#include "router/request_state.h"

struct mu_resident {
    mu_executor *ex;
    mu_resident_options options;
    mu_queue queue;
    mu_resident_stats published; /* under the executor's lock, as are the next two */
    uint64_t n_submitted;
    uint32_t wishes; /* a bit for each mu_residency_wish */
    bool is_forced;  /* the wish to unload: what runs is ended */

    /* the thread's own */
    mu_pacer pacer;
    uint32_t n_decoding; /* sequences with a token */
    bool has_changed;    /* since stats were published */
    mu_request **givers; /* scratch of hand_out(), as many as the queue lets run; owned */
    mu_resident_stats stats;
    uint64_t load_ns; /* of the load that is on */
    uint32_t index;   /* among the executor's residents, shares and residency */
};

struct mu_executor {
    pthread_t thread;
    bool is_started;
    int wake_fd;
    atomic_bool is_stopping, cancels_all;

    pthread_mutex_t lock;
    mu_resident *residents[MU_RESIDENTS_MAX]; /* [n_residents], owned */
    atomic_uint n_residents;                  /* grows with the lock, when the entry is there */

    /* the thread's own, in the order of residents */
    mu_executor_options options;
    mu_shares shares;
    mu_residency residency;
};

/* The rest is the executor's thread's. */

static inline mu_request *mu_resident_running(const mu_resident *resident, uint32_t i) {
    return (mu_request *)resident->queue.running[i];
}

static inline mu_request *mu_resident_waiting(const mu_resident *resident, uint32_t i) {
    return (mu_request *)resident->queue.waiting[i];
}

/* End requests with an error: all that run; those that wait and came at until_ns or before. */
void mu_resident_fail_running(mu_resident *resident, const mu_err *err, uint64_t now_ns);
void mu_resident_fail_waiting(mu_resident *resident, const mu_err *err, uint64_t until_ns,
                              uint64_t now_ns);

#endif
