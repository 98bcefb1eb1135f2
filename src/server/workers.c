#include "server/workers.h"

#include <errno.h>
#include <pthread.h>

#include "base/alloc.h"

typedef struct worker {
    pthread_t thread;
    mu_workers *all;
    uint64_t client;
    bool is_busy;
} worker;

struct mu_workers {
    void (*run)(mu_work *work);
    pthread_mutex_t lock;
    pthread_cond_t changed; /* work came or ended */
    mu_work *first, *last;
    bool is_closing;
    uint32_t n_threads, n_busy;
    worker threads[];
};

static bool has_running(const mu_workers *w, uint64_t client) {
    for (uint32_t i = 0; i < w->n_threads; i++) {
        if (w->threads[i].is_busy && w->threads[i].client == client) return true;
    }
    return false;
}

/* The first piece that may start now; NULL: none. */
static mu_work *take(mu_workers *w) {
    bool is_last_idle = w->n_busy + 1 == w->n_threads;
    mu_work *before = NULL;
    for (mu_work *work = w->first; work; before = work, work = work->next) {
        if (is_last_idle && w->n_threads > 1 && has_running(w, work->client)) continue;
        *(before ? &before->next : &w->first) = work->next;
        if (w->last == work) w->last = before;
        work->next = NULL;
        return work;
    }
    return NULL;
}

static void *run(void *arg) {
    worker *own = arg;
    mu_workers *w = own->all;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        mu_work *work = take(w);
        if (!work && w->is_closing && !w->first) break;
        if (!work) {
            pthread_cond_wait(&w->changed, &w->lock);
            continue;
        }
        own->is_busy = true;
        own->client = work->client;
        w->n_busy++;
        pthread_mutex_unlock(&w->lock);
        w->run(work);
        pthread_mutex_lock(&w->lock);
        own->is_busy = false;
        w->n_busy--;
        if (w->first || w->is_closing) pthread_cond_broadcast(&w->changed);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

mu_status mu_workers_open(uint32_t n_threads, void (*run_work)(mu_work *work), mu_workers **out,
                          mu_err *err) {
    mu_workers *w = mu_alloc(sizeof(*w) + n_threads * sizeof(w->threads[0]));
    if (!w) return mu_fail(err, MU_ERR_NOMEM, "%u threads", n_threads);
    w->run = run_work;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    for (uint32_t i = 0; i < n_threads; i++) {
        pthread_mutex_lock(&w->lock);
        worker *own = &w->threads[i];
        own->all = w;
        errno = pthread_create(&own->thread, NULL, run, own);
        if (errno == 0) w->n_threads++;
        pthread_mutex_unlock(&w->lock);
        if (w->n_threads > i) continue;
        mu_status status = mu_fail_os(err, MU_ERR_IO, "worker thread");
        mu_workers_close(w);
        return status;
    }
    *out = w;
    return MU_OK;
}

void mu_workers_close(mu_workers *w) {
    if (!w) return;
    pthread_mutex_lock(&w->lock);
    w->is_closing = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    for (uint32_t i = 0; i < w->n_threads; i++) {
        pthread_join(w->threads[i].thread, NULL);
    }
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    mu_free(w);
}

void mu_workers_add(mu_workers *w, mu_work *work) {
    pthread_mutex_lock(&w->lock);
    work->next = NULL;
    *(w->first ? &w->last->next : &w->first) = work;
    w->last = work;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}
