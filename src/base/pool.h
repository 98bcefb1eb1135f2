/* pool.h - a few threads that run one function together, with barriers inside it.
 *
 * A forward pass is one run(): every thread executes the same function and meets the others at
 * mu_pool_barrier() between stages, so there is no fork and join per operation. Waiting spins for a
 * few microseconds and then sleeps in the kernel.
 *
 * Threads: run() is called by one thread at a time, which takes part as thread 0.
 */
#ifndef MU_BASE_POOL_H
#define MU_BASE_POOL_H

#include "base/status.h"

typedef struct mu_pool mu_pool;
typedef void (*mu_pool_fn)(void *ctx, uint32_t thread, uint32_t n_threads);

mu_status mu_pool_open(uint32_t n_threads, mu_pool **out, mu_err *err) MU_MUST_USE;
void mu_pool_close(mu_pool *pool); /* NULL is allowed */
uint32_t mu_pool_n_threads(const mu_pool *pool);
void mu_pool_run(mu_pool *pool, mu_pool_fn fn, void *ctx);

/* Only inside fn: returns when all threads have arrived; what they wrote before is seen after. */
void mu_pool_barrier(mu_pool *pool);

/* Only inside fn, between two barriers. The next piece of n items, at most chunk of them, for a
 * thread: from its own share, the
 * thread-th of n_threads equal parts, and when that is used up from the others'. The same thread so
 * meets the same items every time, as far as all keep the same pace, and finds them in its cache.
 * False: nothing is left. Starts afresh behind every barrier. */
bool mu_pool_next(mu_pool *pool, uint32_t thread, uint32_t n, uint32_t chunk, uint32_t *first,
                  uint32_t *end);

#endif
