#include "server/gpu_watch.h"

#include <pthread.h>

#include "base/alloc.h"

struct mu_gpu_watch {
    mu_gpu_usage_reader *reader; /* NULL: it did not open, and err says why */
    pthread_mutex_t lock;
    mu_status status; /* of the last reading */
    mu_gpu_usage usage;
    mu_err err;
};

mu_status mu_gpu_watch_open(const mu_gpu_usage_options *options, mu_gpu_watch **out, mu_err *err) {
    mu_gpu_watch *w = mu_alloc(sizeof(*w));
    if (!w) return mu_fail(err, MU_ERR_NOMEM, "GPU %s", options->pci_bus_id);
    w->status = mu_gpu_usage_open(options, &w->reader, &w->err);
    if (w->status == MU_ERR_NOMEM) {
        if (err) *err = w->err;
        mu_free(w);
        return MU_ERR_NOMEM;
    }
    pthread_mutex_init(&w->lock, NULL);
    mu_gpu_watch_refresh(w);
    *out = w;
    return MU_OK;
}

void mu_gpu_watch_refresh(mu_gpu_watch *w) {
    if (!w->reader) return;
    mu_gpu_usage usage = {0};
    mu_err err = {0};
    mu_status status = mu_gpu_usage_read(w->reader, &usage, &err);
    pthread_mutex_lock(&w->lock);
    w->status = status;
    w->usage = usage;
    w->err = err;
    pthread_mutex_unlock(&w->lock);
}

mu_status mu_gpu_watch_get(mu_gpu_watch *w, mu_gpu_usage *out, mu_err *err) {
    pthread_mutex_lock(&w->lock);
    mu_status status = w->status;
    if (status == MU_OK) *out = w->usage;
    if (status != MU_OK && err) *err = w->err;
    pthread_mutex_unlock(&w->lock);
    return status;
}

void mu_gpu_watch_close(mu_gpu_watch *w) {
    if (!w) return;
    mu_gpu_usage_close(w->reader);
    pthread_mutex_destroy(&w->lock);
    mu_free(w);
}
