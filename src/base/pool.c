/* All waiting goes through one kind of gate: a generation counter that waiters watch, first
 * spinning, then sleeping on it as a futex. The opener bumps the generation and makes the system
 * call only when somebody sleeps. Sequentially consistent order between "n_sleeping++, read
 * generation" and "generation++, read n_sleeping" is what makes a lost wake-up impossible.
 *
 * A run ends with a barrier, so fn and ctx are never read after run() has returned.
 */
#include "base/pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"

enum {
    SPINS = 2000, /* about 20 us: longer than a stage boundary, shorter than a scheduler slice */
    CACHE_LINE = 64,
};

typedef struct gate {
    _Alignas(CACHE_LINE) atomic_uint generation;
    atomic_uint n_sleeping;
} gate;

typedef struct share {
    _Alignas(CACHE_LINE) atomic_uint n_taken;
} share;

struct mu_pool {
    gate job;     /* opened by run() */
    gate barrier; /* opened by the last thread to arrive */
    _Alignas(CACHE_LINE) atomic_uint n_arrived;
    _Alignas(CACHE_LINE) uint32_t n_threads;
    uint32_t n_started; /* threads created, for close after a failed open */
    bool closing;       /* written before the job gate opens */
    mu_pool_fn fn;
    void *ctx;
    pthread_t *threads; /* [n_threads - 1] */
    share *shares;      /* [n_threads], of mu_pool_next() */
};

typedef struct worker_args {
    mu_pool *pool;
    uint32_t thread;
} worker_args;

static void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void gate_open(gate *g) {
    atomic_fetch_add(&g->generation, 1);
    if (atomic_load(&g->n_sleeping) == 0) return;
    syscall(SYS_futex, &g->generation, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static void gate_wait(gate *g, uint32_t seen) {
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&g->generation, memory_order_acquire) != seen) return;
        relax();
    }
    atomic_fetch_add(&g->n_sleeping, 1);
    while (atomic_load(&g->generation) == seen) {
        syscall(SYS_futex, &g->generation, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    }
    atomic_fetch_sub(&g->n_sleeping, 1);
}

/* Nothing of the next stage is taken yet. */
static void give_back(mu_pool *pool) {
    for (uint32_t i = 0; i < pool->n_threads; i++) {
        atomic_store_explicit(&pool->shares[i].n_taken, 0, memory_order_relaxed);
    }
}

void mu_pool_barrier(mu_pool *pool) {
    uint32_t seen = atomic_load(&pool->barrier.generation);
    if (atomic_fetch_add(&pool->n_arrived, 1) + 1 < pool->n_threads) {
        gate_wait(&pool->barrier, seen);
        return;
    }
    atomic_store_explicit(&pool->n_arrived, 0, memory_order_relaxed);
    give_back(pool);
    gate_open(&pool->barrier);
}

bool mu_pool_next(mu_pool *pool, uint32_t thread, uint32_t n, uint32_t chunk, uint32_t *first,
                  uint32_t *end) {
    MU_ASSERT(chunk > 0 && thread < pool->n_threads);
    /* n_taken + n_threads * chunk must not wrap: a thread may add once after the end
     * was reached. */
    MU_ASSERT(n < UINT32_MAX / 2 && chunk <= UINT32_MAX / 4 / pool->n_threads);
    for (uint32_t i = 0; i < pool->n_threads; i++) {
        uint32_t owner = (thread + i) % pool->n_threads;
        uint32_t begin = (uint32_t)((uint64_t)n * owner / pool->n_threads);
        uint32_t size = (uint32_t)((uint64_t)n * (owner + 1) / pool->n_threads) - begin;
        atomic_uint *n_taken = &pool->shares[owner].n_taken;
        if (atomic_load_explicit(n_taken, memory_order_relaxed) >= size) continue;
        uint32_t at = atomic_fetch_add_explicit(n_taken, chunk, memory_order_relaxed);
        if (at >= size) continue;
        *first = begin + at;
        *end = begin + (size - at < chunk ? size : at + chunk);
        return true;
    }
    return false;
}

static void *worker(void *arg) {
    worker_args args = *(worker_args *)arg;
    mu_free(arg);
    mu_pool *pool = args.pool;
    for (uint32_t seen = 0;; seen++) { /* one generation of the job gate is one run */
        gate_wait(&pool->job, seen);
        if (pool->closing) return NULL;
        pool->fn(pool->ctx, args.thread, pool->n_threads);
        mu_pool_barrier(pool);
    }
}

static mu_status start_worker(mu_pool *pool, uint32_t thread, mu_err *err) {
    worker_args *args = mu_alloc(sizeof(*args));
    if (!args) return mu_fail(err, MU_ERR_NOMEM, "thread pool");
    *args = (worker_args){.pool = pool, .thread = thread};
    int failed = pthread_create(&pool->threads[thread - 1], NULL, worker, args);
    if (failed) {
        mu_free(args);
        return mu_fail(err, MU_ERR_LIMIT, "thread pool: cannot start thread %u of %u", thread,
                       pool->n_threads);
    }
    pool->n_started++;
    return MU_OK;
}

mu_status mu_pool_open(uint32_t n_threads, mu_pool **out, mu_err *err) {
    MU_ASSERT(n_threads > 0);
    mu_pool *pool = mu_alloc_aligned(sizeof(*pool), CACHE_LINE);
    if (!pool) return mu_fail(err, MU_ERR_NOMEM, "thread pool");
    pool->n_threads = n_threads;
    mu_status status = MU_OK;
    pool->threads = MU_ALLOC(pthread_t, n_threads);
    pool->shares = mu_alloc_aligned(n_threads * sizeof(share), CACHE_LINE);
    if (!pool->threads || !pool->shares) status = mu_fail(err, MU_ERR_NOMEM, "thread pool");
    for (uint32_t i = 1; i < n_threads && status == MU_OK; i++) {
        status = start_worker(pool, i, err);
    }
    if (status != MU_OK) {
        mu_pool_close(pool);
        return status;
    }
    *out = pool;
    return MU_OK;
}

void mu_pool_close(mu_pool *pool) {
    if (!pool) return;
    pool->closing = true;
    gate_open(&pool->job);
    for (uint32_t i = 0; i < pool->n_started; i++) {
        pthread_join(pool->threads[i], NULL);
    }
    mu_free(pool->shares);
    mu_free(pool->threads);
    mu_free(pool);
}

uint32_t mu_pool_n_threads(const mu_pool *pool) {
    return pool->n_threads;
}

void mu_pool_run(mu_pool *pool, mu_pool_fn fn, void *ctx) {
    pool->fn = fn;
    pool->ctx = ctx;
    give_back(pool);
    gate_open(&pool->job);
    fn(ctx, 0, pool->n_threads);
    mu_pool_barrier(pool);
}
