/* The loop: hear (wake-ups), end what was canceled, decide what is loaded, admit, step or load one
 * engine, tell. */
#include "router/executor_state.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "router/loading.h"

static const double batch_bounds[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512};

static void wake(mu_executor *ex) {
    uint64_t one = 1;
    ssize_t n = write(ex->wake_fd, &one, sizeof(one));
    (void)n; /* full: it is awake already */
}

/* Submitting */

static mu_status enqueue(mu_resident *resident, mu_request *request, mu_err *err) {
    mu_executor *ex = resident->ex;
    mu_status status;
    pthread_mutex_lock(&ex->lock);
    request->facts.submitted_ns = mu_now_ns();
    if (atomic_load(&ex->is_stopping)) {
        status = mu_fail(err, MU_ERR_CANCELED, "the server is stopping");
    } else {
        status = mu_queue_add(&resident->queue, &request->entry, err);
    }
    if (status == MU_OK) {
        atomic_fetch_add(&request->n_owners, 1); /* the executor */
        resident->n_submitted++;
    }
    pthread_mutex_unlock(&ex->lock);
    return status;
}

mu_status mu_resident_submit(mu_resident *resident, const mu_request_options *options,
                             mu_request **out, mu_err *err) {
    mu_executor *ex = resident->ex;
    mu_request *request = NULL;
    mu_status status = mu_request_open(resident->options.engine, options, &request, err);
    if (status != MU_OK) return status;
    request->wake_fd = ex->wake_fd;
    status = enqueue(resident, request, err);
    if (status != MU_OK) {
        mu_request_release(request);
        return status;
    }
    *out = request;
    wake(ex);
    return MU_OK;
}

uint32_t mu_resident_wait_s(mu_resident *resident) {
    pthread_mutex_lock(&resident->ex->lock);
    uint32_t s = mu_queue_wait_s(&resident->queue);
    pthread_mutex_unlock(&resident->ex->lock);
    return s;
}

mu_loaded_bytes mu_resident_loaded_bytes(mu_resident *resident) {
    mu_executor *ex = resident->ex;
    pthread_mutex_lock(&ex->lock);
    mu_loaded_bytes bytes = {.max = ex->options.loaded_bytes_max};
    for (uint32_t i = 0; i < atomic_load(&ex->n_residents); i++) {
        const mu_residency_model *m = &ex->residents[i]->published.residency;
        if (m->phase != MU_ABSENT) bytes.now += m->bytes;
    }
    pthread_mutex_unlock(&ex->lock);
    return bytes;
}

void mu_resident_get_stats(mu_resident *resident, mu_resident_stats *out) {
    pthread_mutex_lock(&resident->ex->lock);
    *out = resident->published;
    out->n_waiting = resident->queue.n_waiting;
    out->n_waiting_tokens = resident->queue.n_waiting_tokens;
    out->n_refused = resident->queue.n_refused;
    pthread_mutex_unlock(&resident->ex->lock);
}

const mu_model *mu_resident_model(const mu_resident *resident) {
    return resident->options.model;
}

const mu_engine *mu_resident_engine(const mu_resident *resident) {
    return resident->options.engine;
}

/* The thread: one resident */

/* The next waiting request that was canceled, or that runs from now on; NULL: none. */
static mu_request *next_request(mu_resident *resident, uint64_t now_ns, bool *is_canceled) {
    mu_queue *queue = &resident->queue;
    mu_request *request = NULL;
    pthread_mutex_lock(&resident->ex->lock);
    for (uint32_t i = 0; i < queue->n_waiting && !request; i++) {
        if (mu_request_is_urgent(mu_resident_waiting(resident, i))) {
            request = (mu_request *)mu_queue_leave(queue, i);
        }
    }
    *is_canceled = request != NULL;
    bool may_start = mu_residency_is_ready(&resident->ex->residency, resident->index);
    if (!request && may_start) request = (mu_request *)mu_queue_start(queue, now_ns);
    pthread_mutex_unlock(&resident->ex->lock);
    return request;
}

/* True: something has left the queue. */
static bool admit(mu_resident *resident, uint64_t now_ns) {
    bool has_changed = false;
    mu_request_stats *stats = &resident->stats.requests;
    bool is_canceled;
    for (mu_request *r; (r = next_request(resident, now_ns, &is_canceled));) {
        resident->has_changed = has_changed = true;
        if (is_canceled) {
            mu_request_cancel_seqs(r);
            mu_request_end(r, stats, now_ns);
            continue;
        }
        pthread_mutex_lock(&r->lock);
        r->facts.started_ns = now_ns;
        pthread_mutex_unlock(&r->lock);
        mu_request_stats_started(stats, r->facts.submitted_ns, now_ns);
    }
    return has_changed;
}

static uint32_t n_in_engine(const mu_resident *resident, uint64_t client) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < resident->queue.n_running; i++) {
        const mu_request *r = mu_resident_running(resident, i);
        if (r->entry.fair.client == client) n += r->n_in_engine;
    }
    return n;
}

/* Those that have a sequence to hand out, in the order in which they came; what the others have in
 * the engine is no longer free. Mostly there are none, and this runs before every step: clients are
 * counted for those alone. */
static uint32_t find_givers(mu_resident *resident, uint32_t *n_free) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < resident->queue.n_running; i++) {
        mu_request *r = mu_resident_running(resident, i);
        *n_free -= r->n_in_engine;
        if (mu_request_is_urgent(r) || !mu_request_has_start(r)) continue;
        resident->givers[n++] = r;
    }
    for (uint32_t i = 0; i<n && * n_free> 0; i++) {
        mu_request *r = resident->givers[i];
        r->n_of_client = n_in_engine(resident, r->entry.fair.client);
    }
    return n;
}

/* Places in the engine go one by one to the client that has fewest, so that a request of thousands
 * of sequences leaves others theirs. What has none to give is not asked again in this round. */
static void hand_out(mu_resident *resident) {
    uint32_t n_free = resident->options.n_seqs_max, n = find_givers(resident, &n_free);
    mu_request **givers = resident->givers;
    while (n_free > 0 && n > 0) {
        uint32_t best = 0;
        for (uint32_t i = 1; i < n; i++) {
            if (givers[i]->n_of_client < givers[best]->n_of_client) best = i;
        }
        mu_request *r = givers[best];
        if (mu_request_start_seq(r, resident->options.engine)) {
            n_free--;
            for (uint32_t i = 0; i < n; i++) {
                givers[i]->n_of_client += givers[i]->entry.fair.client == r->entry.fair.client;
            }
            if (mu_request_has_start(r)) continue;
        }
        memmove(givers + best, givers + best + 1, (--n - best) * sizeof(*givers));
    }
}

/* Sequences into the engine and out of it. */
static void prepare(mu_resident *resident) {
    for (uint32_t i = 0; i < resident->queue.n_running; i++) {
        mu_request *r = mu_resident_running(resident, i);
        if (mu_request_is_urgent(r)) {
            mu_queue_seqs_ended(&resident->queue, mu_request_cancel_seqs(r));
        }
    }
    hand_out(resident);
}

static void collect(mu_resident *resident, uint64_t now_ns) {
    mu_request_stats *stats = &resident->stats.requests;
    resident->n_decoding = 0;
    for (uint32_t i = 0; i < resident->queue.n_running;) {
        mu_request *r = mu_resident_running(resident, i);
        mu_request_progress progress = mu_request_collect(r, stats, now_ns);
        mu_queue_seqs_ended(&resident->queue, progress.n_ended);
        resident->n_decoding += progress.n_decoding;
        if (!progress.is_done) {
            i++;
            continue;
        }
        pthread_mutex_lock(&resident->ex->lock);
        mu_queue_end(&resident->queue, i, now_ns);
        pthread_mutex_unlock(&resident->ex->lock);
        mu_request_end(r, stats, now_ns);
    }
}

/* A step that the device refused: every request of the engine ends with that error. */
static void fail_all(mu_resident *resident, const mu_err *err) {
    for (uint32_t i = 0; i < resident->queue.n_running; i++) {
        mu_queue_seqs_ended(&resident->queue,
                            mu_request_fail_seqs(mu_resident_running(resident, i), err));
    }
}

void mu_resident_fail_running(mu_resident *resident, const mu_err *err, uint64_t now_ns) {
    fail_all(resident, err);
    collect(resident, now_ns);
    resident->has_changed = true;
}

/* The next waiting request that came at until_ns or before, out of the queue; NULL: none. They are
 * in the order in which they came. */
static mu_request *leave_early(mu_resident *resident, uint64_t until_ns) {
    mu_request *r = NULL;
    pthread_mutex_lock(&resident->ex->lock);
    if (resident->queue.n_waiting > 0) r = mu_resident_waiting(resident, 0);
    if (r && r->facts.submitted_ns > until_ns) r = NULL;
    if (r) mu_queue_leave(&resident->queue, 0);
    pthread_mutex_unlock(&resident->ex->lock);
    return r;
}

void mu_resident_fail_waiting(mu_resident *resident, const mu_err *err, uint64_t until_ns,
                              uint64_t now_ns) {
    for (mu_request *r; (r = leave_early(resident, until_ns));) {
        mu_request_fail_seqs(r, err);
        mu_request_end(r, &resident->stats.requests, now_ns);
        resident->has_changed = true;
    }
}

static uint32_t prefill_beside(const mu_resident *resident) {
    if (resident->options.prefill_beside > 0) return resident->options.prefill_beside;
    uint32_t n_reading = resident->queue.n_seqs - resident->n_decoding;
    return mu_pacer_allowance(&resident->pacer, resident->n_decoding, n_reading);
}

/* Returns what the step took. */
static uint64_t step(mu_resident *resident) {
    mu_engine *engine = resident->options.engine;
    mu_resident_stats *stats = &resident->stats;
    mu_step_report report = {0};
    mu_err err;
    resident->has_changed = true;
    stats->prefill_beside = prefill_beside(resident);
    mu_engine_set_prefill_beside(engine, stats->prefill_beside);
    uint64_t start_ns = mu_now_ns();
    if (mu_engine_step(engine, &report, &err) != MU_OK) fail_all(resident, &err);
    uint64_t now_ns = mu_now_ns(), took_ns = now_ns - start_ns;
    if (report.n_prefill_tokens + report.n_decode_tokens > 0) {
        mu_pacer_observe(&resident->pacer, resident->n_decoding, report.n_prefill_tokens,
                         (double)took_ns);
        mu_histogram_add(&stats->batch, mu_engine_get_stats(engine).n_running, 1);
    }
    stats->step_s += (double)took_ns * 1e-9;
    collect(resident, now_ns);
    return took_ns;
}

/* The thread: all of them */

/* Sleeps until somebody wakes it, for timeout_ms at most; -1: for ever. */
static void hear(mu_executor *ex, int timeout_ms) {
    struct pollfd wakeups = {.fd = ex->wake_fd, .events = POLLIN};
    uint64_t count;
    if (timeout_ms == 0 || poll(&wakeups, 1, timeout_ms) != 1) return;
    ssize_t n_read = read(ex->wake_fd, &count, sizeof(count));
    (void)n_read;
}

static void cancel_everything(mu_executor *ex, uint32_t n) {
    pthread_mutex_lock(&ex->lock);
    for (uint32_t at = 0; at < n; at++) {
        mu_resident *resident = ex->residents[at];
        for (uint32_t i = 0; i < resident->queue.n_running; i++) {
            atomic_store(&mu_resident_running(resident, i)->is_canceled, true);
        }
        for (uint32_t i = 0; i < resident->queue.n_waiting; i++) {
            atomic_store(&mu_resident_waiting(resident, i)->is_canceled, true);
        }
    }
    pthread_mutex_unlock(&ex->lock);
}

/* True: nothing runs or waits anywhere. */
static bool publish(mu_executor *ex, uint32_t n) {
    bool is_idle = true;
    pthread_mutex_lock(&ex->lock);
    for (uint32_t i = 0; i < n; i++) {
        mu_resident *resident = ex->residents[i];
        is_idle &= resident->queue.n_running == 0 && resident->queue.n_waiting == 0;
        if (!resident->has_changed) continue;
        resident->stats.residency = ex->residency.models[i];
        resident->has_changed = false;
        resident->stats.engine = mu_engine_get_stats(resident->options.engine);
        resident->stats.n_running = resident->queue.n_running;
        resident->published = resident->stats;
    }
    pthread_mutex_unlock(&ex->lock);
    return is_idle;
}

static void meet(mu_executor *ex, uint32_t n) {
    while (ex->shares.n < n) {
        mu_resident *resident = ex->residents[ex->shares.n];
        mu_shares_add(&ex->shares, resident->options.weight);
        mu_loading_add(resident);
    }
}

/* True: something was done, and there may be more. */
static bool step_next(mu_executor *ex, uint32_t n) {
    uint64_t now_ns = mu_now_ns();
    bool has_changed = mu_loading_decide(ex, n, now_ns);
    for (uint32_t i = 0; i < n; i++) {
        mu_resident *resident = ex->residents[i];
        has_changed |= admit(resident, now_ns);
        prepare(resident);
        bool has_work = resident->queue.n_running > 0 || mu_loading_is_on(resident);
        mu_shares_set_work(&ex->shares, i, has_work);
    }
    uint32_t next = mu_shares_next(&ex->shares);
    if (next == MU_SHARES_NONE) return has_changed;
    mu_resident *resident = ex->residents[next];
    uint64_t took_ns = mu_loading_is_on(resident) ? mu_loading_piece(resident) : step(resident);
    mu_shares_charge(&ex->shares, next, took_ns);
    return true;
}

static void *run(void *arg) {
    mu_executor *ex = arg;
    int timeout_ms = -1;
    for (;;) {
        hear(ex, timeout_ms);
        uint32_t n = atomic_load(&ex->n_residents);
        bool is_stopping = atomic_load(&ex->is_stopping);
        meet(ex, n);
        if (is_stopping || atomic_exchange(&ex->cancels_all, false)) cancel_everything(ex, n);
        bool has_changed = step_next(ex, n);
        bool is_idle = publish(ex, n);
        if (is_stopping && is_idle) return NULL;
        timeout_ms = has_changed ? 0 : mu_loading_sleep_ms(ex, n);
    }
}

/* Opening, growing, closing */

mu_status mu_executor_open(const mu_executor_options *options, mu_executor **out, mu_err *err) {
    mu_executor *ex = mu_alloc(sizeof(*ex));
    if (!ex) return mu_fail(err, MU_ERR_NOMEM, "executor");
    if (options) ex->options = *options;
    mu_loading_init(ex);
    pthread_mutex_init(&ex->lock, NULL);
    ex->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    mu_status status = MU_OK;
    if (ex->wake_fd < 0) {
        status = mu_fail_os(err, MU_ERR_IO, "executor");
    } else if ((errno = pthread_create(&ex->thread, NULL, run, ex)) != 0) {
        status = mu_fail_os(err, MU_ERR_IO, "executor thread");
    } else {
        ex->is_started = true;
        pthread_setname_np(ex->thread, "muai-executor");
        *out = ex;
        return MU_OK;
    }
    mu_executor_close(ex);
    return status;
}

static void close_resident(mu_resident *resident) {
    mu_queue_deinit(&resident->queue);
    mu_free(resident->givers);
    mu_free(resident);
}

void mu_executor_close(mu_executor *ex) {
    if (!ex) return;
    if (ex->is_started) {
        pthread_mutex_lock(&ex->lock);
        atomic_store(&ex->is_stopping, true); /* with the lock: nothing is queued after it */
        pthread_mutex_unlock(&ex->lock);
        wake(ex);
        pthread_join(ex->thread, NULL);
    }
    for (uint32_t i = 0; i < atomic_load(&ex->n_residents); i++) {
        close_resident(ex->residents[i]);
    }
    if (ex->wake_fd >= 0) close(ex->wake_fd);
    pthread_mutex_destroy(&ex->lock);
    mu_free(ex);
}

void mu_resident_ask(mu_resident *resident, mu_residency_wish wish, bool is_forced) {
    pthread_mutex_lock(&resident->ex->lock);
    resident->wishes &= ~(1u << (wish ^ 1)); /* the opposite one */
    resident->wishes |= 1u << wish;
    resident->is_forced |= is_forced;
    pthread_mutex_unlock(&resident->ex->lock);
    wake(resident->ex);
}

void mu_executor_cancel_all(mu_executor *ex) {
    atomic_store(&ex->cancels_all, true);
    wake(ex);
}

static void init_stats(mu_resident *resident) {
    mu_request_stats_init(&resident->stats.requests);
    mu_histogram_init(&resident->stats.batch, batch_bounds, MU_COUNTOF(batch_bounds));
    resident->stats.engine = mu_engine_get_stats(resident->options.engine);
    resident->stats.residency = (mu_residency_model){
        .bytes = resident->options.loaded_bytes,
        .phase = mu_engine_is_loaded(resident->options.engine) ? MU_READY : MU_ABSENT,
        .is_pinned = resident->options.is_pinned,
    };
    resident->published = resident->stats;
}

mu_status mu_executor_add(mu_executor *ex, const mu_resident_options *options, mu_resident **out,
                          mu_err *err) {
    MU_ASSERT(options->weight > 0 && options->weight <= MU_SHARE_WEIGHT_MAX);
    MU_ASSERT(options->loaded_bytes > 0);
    mu_resident *resident = mu_alloc(sizeof(*resident));
    if (!resident) return mu_fail(err, MU_ERR_NOMEM, "executor");
    resident->ex = ex;
    resident->options = *options;
    const mu_queue_limits limits = {.n_seqs_max = options->n_seqs_max,
                                    .n_waiting_max = options->n_waiting_max,
                                    .n_waiting_tokens_max = options->n_waiting_tokens_max};
    mu_status status = mu_queue_init(&resident->queue, &limits, err);
    if (status == MU_OK) {
        resident->givers = MU_ALLOC(mu_request *, mu_queue_n_running_max(&limits));
        if (!resident->givers) status = mu_fail(err, MU_ERR_NOMEM, "executor");
    }
    if (status == MU_OK) {
        init_stats(resident);
        pthread_mutex_lock(&ex->lock);
        uint32_t n = atomic_load(&ex->n_residents);
        if (n == MU_RESIDENTS_MAX) {
            status =
                mu_fail(err, MU_ERR_LIMIT, "more than %d models on a device", MU_RESIDENTS_MAX);
        } else {
            resident->index = n;
            ex->residents[n] = resident;
            atomic_store(&ex->n_residents, n + 1);
        }
        pthread_mutex_unlock(&ex->lock);
    }
    if (status != MU_OK) {
        close_resident(resident);
        return status;
    }
    *out = resident;
    wake(ex);
    return MU_OK;
}
