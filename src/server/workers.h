/* workers.h - a few threads for work that would hold up the thread of the sockets.
 *
 * Work is taken in the order it came, but no client has all the threads: the last idle one takes
 * only work of a client that has none running. So whatever one client asks for, another's work
 * starts when the piece before it ends.
 *
 * Threads: any thread adds. Memory: a piece of work is the caller's, until run() is called with it.
 */
#ifndef MU_SERVER_WORKERS_H
#define MU_SERVER_WORKERS_H

#include "base/status.h"

typedef struct mu_workers mu_workers;
typedef struct mu_work mu_work;

/* Part of what is worked on. */
struct mu_work {
    mu_work *next;
    uint64_t client;
};

mu_status mu_workers_open(uint32_t n_threads, void (*run)(mu_work *work), mu_workers **out,
                          mu_err *err) MU_MUST_USE;
/* What was added is run first. NULL is allowed. */
void mu_workers_close(mu_workers *workers);
void mu_workers_add(mu_workers *workers, mu_work *work);

#endif
