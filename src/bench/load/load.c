#include "bench/load/load.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bench/load/load_loop.h"

enum {
    CLIENTS_MAX = 8192,
    IN_FLIGHT_MAX = 4096,
    OTHER_FILES = 64, /* descriptors that are not connections */
    TIMEOUT_S = 600,
    DRAIN_S = 30,
    POLL_MS = 200,
};

const char *mu_load_end_name(mu_load_end end) {
    static const char *const names[] = {
        [MU_LOAD_END_NONE] = "running",      [MU_LOAD_END_COUNT] = "count",
        [MU_LOAD_END_DURATION] = "duration", [MU_LOAD_END_SCHEDULE] = "schedule",
        [MU_LOAD_END_STOP] = "stop",         [MU_LOAD_END_CANCELED] = "canceled",
        [MU_LOAD_END_FAILING] = "failing",
    };
    return names[end];
}

static mu_status check(const mu_load_options *o, mu_err *err) {
    bool is_closed = mu_schedule_kind(o->schedule) == MU_ARRIVAL_CLOSED;
    if (is_closed && (o->n_clients == 0 || o->n_clients > CLIENTS_MAX)) {
        return mu_fail(err, MU_ERR_INVALID, "load: 1 to %d clients, not %u", CLIENTS_MAX,
                       o->n_clients);
    }
    if (o->in_flight_max > CLIENTS_MAX) {
        return mu_fail(err, MU_ERR_INVALID, "load: at most %d requests in flight", CLIENTS_MAX);
    }
    bool has_end = mu_schedule_n(o->schedule) < UINT32_MAX || o->duration_s > 0 ||
                   o->n_requests > 0 || o->stop;
    if (!has_end) return mu_fail(err, MU_ERR_INVALID, "load: nothing would end it");
    if (o->warmup_s < 0 || o->duration_s < 0 || o->timeout_s < 0 || o->drain_s < 0 ||
        o->timeout_s > 1e6) {
        return mu_fail(err, MU_ERR_INVALID, "load: a time is negative or too long");
    }
    return MU_OK;
}

/* Each stream needs a descriptor: take what the system allows. */
static mu_status check_files(uint32_t n_streams, mu_err *err) {
    struct rlimit limit;
    rlim_t need = n_streams + OTHER_FILES;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return mu_fail_os(err, MU_ERR_IO, "descriptors");
    if (limit.rlim_cur >= need) return MU_OK;
    limit.rlim_cur = need < limit.rlim_max ? need : limit.rlim_max;
    if (limit.rlim_cur >= need && setrlimit(RLIMIT_NOFILE, &limit) == 0) return MU_OK;
    return mu_fail(err, MU_ERR_LIMIT, "load: %u connections need %lu descriptors: raise ulimit -n",
                   n_streams, (unsigned long)need);
}

static void set_options(mu_load *load, const mu_load_options *options) {
    mu_load_options *o = &load->options;
    *o = *options;
    load->prompts = *options->prompts;
    const mu_target_info *info = mu_target_info_of(o->target);
    if (o->timeout_s == 0) o->timeout_s = TIMEOUT_S;
    if (o->drain_s == 0) o->drain_s = DRAIN_S;
    if (o->poll_ms == 0) o->poll_ms = POLL_MS;
    if (o->in_flight_max == 0) o->in_flight_max = IN_FLIGHT_MAX;
    load->is_closed_loop = mu_schedule_kind(o->schedule) == MU_ARRIVAL_CLOSED;
    load->n_scheduled = mu_schedule_n(o->schedule);
    load->stream = !o->no_stream && info->can.stream;
    load->answer_options = (mu_answer_options){
        .wants_stream = load->stream,
        .counts_chunks = info->token_source == MU_TOKEN_SOURCE_USAGE_CHUNK ||
                         info->token_source == MU_TOKEN_SOURCE_TIMINGS,
        .needs_done = info->can.done,
        .needs_exact = info->can.exact_output && (info->can.ignore_eos || info->can.min_tokens),
    };
    load->n_streams = load->is_closed_loop ? o->n_clients : o->in_flight_max;
    if (!load->is_closed_loop && load->n_streams > load->n_scheduled) {
        load->n_streams = load->n_scheduled;
    }
    load->result.n_clients = load->is_closed_loop ? o->n_clients : 0;
}

static mu_status open_streams(mu_load *load, mu_err *err) {
    load->streams = MU_ALLOC(mu_stream, load->n_streams);
    if (!load->streams) return mu_fail(err, MU_ERR_NOMEM, "load of %u streams", load->n_streams);
    for (uint32_t i = 0; i < load->n_streams; i++) {
        load->streams[i].load = load;
        load->streams[i].next_free = i + 1 < load->n_streams ? i + 1 : UINT32_MAX;
    }
    return MU_OK;
}

static mu_status open_loop(mu_load *load, mu_err *err) {
    load->timer_ns = UINT64_MAX;
    load->multi = curl_multi_init();
    if (!load->multi) return mu_fail(err, MU_ERR_NOMEM, "load: transfers");
    curl_multi_setopt(load->multi, CURLMOPT_MAXCONNECTS, (long)load->n_streams + 16);
    curl_multi_setopt(load->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    load->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = load->wake_fd};
    if (load->epoll_fd < 0 || load->wake_fd < 0 ||
        epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, load->wake_fd, &event) != 0) {
        return mu_fail_os(err, MU_ERR_IO, "load: epoll");
    }
    return MU_OK;
}

/* The thread takes no signals: they are the program's. */
static mu_status open_thread(mu_load *load, mu_err *err) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int code = pthread_create(&load->thread, NULL, mu_load_loop, load);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code == 0) return MU_OK;
    load->joined = true;
    errno = code;
    return mu_fail_os(err, MU_ERR_IO, "load: thread");
}

static void release(mu_load *load) {
    for (uint32_t i = 0; load->streams && i < load->n_streams; i++) {
        mu_stream *s = &load->streams[i];
        if (s->easy) curl_easy_cleanup(s->easy);
        mu_answer_deinit(&s->answer);
        mu_buf_deinit(&s->body);
    }
    if (load->multi) curl_multi_cleanup(load->multi);
    for (size_t i = 0; i < MU_LOAD_PREPARED; i++) {
        mu_buf_deinit(&load->prepared[i].body);
    }
    if (load->epoll_fd >= 0) close(load->epoll_fd);
    if (load->wake_fd >= 0) close(load->wake_fd);
    mu_free(load->streams);
    mu_records_deinit(&load->fresh);
    mu_records_deinit(&load->spare);
    mu_records_deinit(&load->all);
    pthread_cond_destroy(&load->ended_cond);
    pthread_mutex_destroy(&load->lock);
    mu_free(load);
}

mu_status mu_load_start(const mu_load_options *options, mu_load **out, mu_err *err) {
    mu_status status = check(options, err);
    if (status != MU_OK) return status;
    mu_load *load = MU_ALLOC(mu_load, 1);
    if (!load) return mu_fail(err, MU_ERR_NOMEM, "load");
    load->epoll_fd = load->wake_fd = -1;
    pthread_mutex_init(&load->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&load->ended_cond, &attr);
    pthread_condattr_destroy(&attr);
    set_options(load, options);
    status = check_files(load->n_streams, err);
    if (status == MU_OK) status = open_streams(load, err);
    if (status == MU_OK) status = open_loop(load, err);
    if (status == MU_OK) status = open_thread(load, err);
    if (status != MU_OK) {
        release(load);
        return status;
    }
    *out = load;
    return MU_OK;
}

static void wake(mu_load *load) {
    uint64_t one = 1;
    if (write(load->wake_fd, &one, sizeof(one)) < 0) return; /* full: it is awake already */
}

/* Everything that has ended goes to the owner's collection; the lock is held for a swap only. */
static mu_status collect(mu_load *load, mu_err *err) {
    pthread_mutex_lock(&load->lock);
    mu_records fresh = load->fresh;
    load->fresh = load->spare;
    pthread_mutex_unlock(&load->lock);
    load->spare = fresh;
    mu_status status = mu_records_append(&load->all, &load->spare, err);
    mu_records_clear(&load->spare);
    return status;
}

/* True when the thread has ended. */
static bool wait_a_while(mu_load *load) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + (uint64_t)load->options.poll_ms * 1000000;
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    pthread_mutex_lock(&load->lock);
    int code = 0;
    while (!load->ended && code == 0) {
        code = pthread_cond_timedwait(&load->ended_cond, &load->lock, &until);
    }
    bool ended = load->ended;
    pthread_mutex_unlock(&load->lock);
    return ended;
}

static void join(mu_load *load) {
    if (!load->joined) pthread_join(load->thread, NULL);
    load->joined = true;
}

mu_status mu_load_wait(mu_load *load, mu_load_result *out, mu_err *err) {
    mu_status status = MU_OK;
    while (!wait_a_while(load)) {
        status = collect(load, err);
        if (status != MU_OK) {
            mu_load_cancel(load);
            break;
        }
        mu_load_snapshot snapshot;
        mu_load_snapshot_read(load, &snapshot);
        if (load->options.stop &&
            load->options.stop(load->options.stop_ctx, &snapshot, &load->all)) {
            load->wants_stop = true;
            wake(load);
        }
    }
    join(load);
    if (status == MU_OK) status = collect(load, err);
    if (status == MU_OK && load->status != MU_OK) {
        status = mu_fail(err, load->status, "load: out of memory after %u requests", load->n_sent);
    }
    if (status != MU_OK) return status;
    *out = load->result;
    out->records = load->all;
    load->all = (mu_records){0};
    return MU_OK;
}

void mu_load_snapshot_read(mu_load *load, mu_load_snapshot *out) {
    mu_live_read(&load->live, mu_now_ns(), out);
}

void mu_load_cancel(mu_load *load) {
    load->wants_cancel = true;
    wake(load);
}

void mu_load_close(mu_load *load) {
    if (!load) return;
    if (!load->joined) mu_load_cancel(load);
    join(load);
    release(load);
}

void mu_load_result_deinit(mu_load_result *result) {
    mu_records_deinit(&result->records);
}

mu_status mu_load_run(const mu_load_options *options, mu_load_result *out, mu_err *err) {
    mu_load *load = NULL;
    mu_status status = mu_load_start(options, &load, err);
    if (status != MU_OK) return status;
    status = mu_load_wait(load, out, err);
    mu_load_close(load);
    return status;
}
