/* The loop: hear (wake-ups, peers that left), end what was canceled, admit, step, tell.
 *
 * Locks, in this order: executor (queue, published metrics), job (news, facts), whatever notify()
 * takes. The executor's own arrays and the sequences are touched by its thread alone.
 */
#include "router/executor.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "router/fair.h"
#include "router/pacer.h"

enum { WAIT_MAX_S = 120, EVENTS_MAX = 64, READ_MAX = 8 };

typedef struct job_seq {
    mu_seq *seq; /* freed by the executor once finished */
    uint32_t follows;
    bool is_added, is_finished, has_logprobs;
    uint32_t n_seen; /* outputs that were taken from the engine */
    uint64_t last_ns;
    mu_job_news news; /* under the job's lock */
} job_seq;

struct mu_job {
    mu_fair fair; /* first: what fair shares are counted by */
    mu_executor *ex;
    uint64_t id;
    int peer_fd;
    bool is_streaming;
    uint32_t n_prompt; /* tokens of leading sequences */
    atomic_bool is_canceled, is_peer_gone;
    atomic_int n_owners; /* executor and submitter */
    pthread_mutex_t lock;
    void (*notify)(void *ctx); /* NULL once freed by the submitter */
    void *ctx;
    mu_job_facts facts;
    uint32_t n_seqs;
    job_seq seqs[];
};

struct mu_executor {
    mu_engine *engine;
    mu_executor_options options;
    pthread_t thread;
    bool is_started;
    int epoll_fd, wake_fd;
    atomic_bool is_stopping, cancels_all;

    pthread_mutex_t lock;
    mu_fair **queued; /* [n_queued_max], jobs by arrival */
    uint32_t n_queued;
    uint64_t n_queued_tokens, n_refused, last_id;
    double end_gap_ns; /* running mean between ends of requests while busy */
    mu_executor_metrics published;

    /* the thread's own */
    mu_fair **running; /* [n_seqs_max] jobs */
    uint32_t n_running, n_active_seqs, n_decoding;
    uint64_t last_end_ns;
    mu_pacer pacer;
    mu_executor_metrics m;
};

static const double latency_bounds[] = {.001, .005, .01, .02, .04, .06, .08, .1, .25, .5,  .75,
                                        1,    2.5,  5,   7.5, 10,  20,  40,  80, 160, 640, 2560};
static const double gap_bounds[] = {.001, .0025, .005, .01, .015, .02, .025, .05, .075, .1,
                                    .15,  .2,    .3,   .4,  .5,   .75, 1,    2.5, 5,    10};
static const double token_bounds[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000};
static const double batch_bounds[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512};

static void init_metrics(mu_executor_metrics *m) {
    mu_histogram_init(&m->ttft, latency_bounds, MU_COUNTOF(latency_bounds));
    mu_histogram_init(&m->inter_token, gap_bounds, MU_COUNTOF(gap_bounds));
    mu_histogram_init(&m->end_to_end, latency_bounds, MU_COUNTOF(latency_bounds));
    mu_histogram_init(&m->queue, latency_bounds, MU_COUNTOF(latency_bounds));
    mu_histogram_init(&m->prompt_tokens, token_bounds, MU_COUNTOF(token_bounds));
    mu_histogram_init(&m->output_tokens, token_bounds, MU_COUNTOF(token_bounds));
    mu_histogram_init(&m->batch, batch_bounds, MU_COUNTOF(batch_bounds));
}

const char *mu_outcome_name(mu_outcome outcome) {
    static const char *const names[MU_N_OUTCOMES] = {"stop", "length", "canceled", "error"};
    return names[outcome];
}

static void wake(mu_executor *ex) {
    uint64_t one = 1;
    ssize_t n = write(ex->wake_fd, &one, sizeof(one));
    (void)n; /* full: it is awake already */
}

static double seconds(uint64_t from_ns, uint64_t to_ns) {
    return to_ns > from_ns ? (double)(to_ns - from_ns) * 1e-9 : 0.0;
}

/* Jobs */

static void destroy_job(mu_job *job) {
    for (uint32_t i = 0; i < job->n_seqs; i++) {
        mu_seq_free(job->seqs[i].seq);
        mu_job_news_deinit(&job->seqs[i].news);
    }
    pthread_mutex_destroy(&job->lock);
    mu_free(job);
}

static void release_job(mu_job *job) {
    if (atomic_fetch_sub(&job->n_owners, 1) == 1) destroy_job(job);
}

void mu_job_news_deinit(mu_job_news *news) {
    mu_buf_deinit(&news->text);
    mu_buf_deinit(&news->outputs);
}

void mu_job_take(mu_job *job, uint32_t i, mu_job_news *news) {
    MU_ASSERT(i < job->n_seqs);
    mu_buf_clear(&news->text);
    mu_buf_clear(&news->outputs);
    pthread_mutex_lock(&job->lock);
    mu_job_news *own = &job->seqs[i].news;
    mu_job_news taken = *own;
    *own = (mu_job_news){.text = news->text, .outputs = news->outputs, .finish = taken.finish};
    pthread_mutex_unlock(&job->lock);
    *news = taken;
}

mu_job_facts mu_job_get_facts(mu_job *job) {
    pthread_mutex_lock(&job->lock);
    mu_job_facts facts = job->facts;
    pthread_mutex_unlock(&job->lock);
    facts.is_peer_gone = atomic_load(&job->is_peer_gone);
    return facts;
}

void mu_job_cancel(mu_job *job) {
    atomic_store(&job->is_canceled, true);
    wake(job->ex);
}

void mu_job_free(mu_job *job) {
    if (!job) return;
    if (job->peer_fd >= 0) epoll_ctl(job->ex->epoll_fd, EPOLL_CTL_DEL, job->peer_fd, NULL);
    pthread_mutex_lock(&job->lock);
    job->notify = NULL;
    bool is_done = job->facts.is_done;
    pthread_mutex_unlock(&job->lock);
    if (!is_done) mu_job_cancel(job);
    release_job(job);
}

static mu_status open_job(mu_executor *ex, const mu_job_options *o, mu_job **out, mu_err *err) {
    mu_job *job = mu_alloc(sizeof(*job) + o->n_seqs * sizeof(job->seqs[0]));
    if (!job) return mu_fail(err, MU_ERR_NOMEM, "request of %u sequences", o->n_seqs);
    job->fair.client = o->client;
    job->ex = ex;
    job->peer_fd = o->peer_fd;
    job->is_streaming = o->is_streaming;
    job->notify = o->notify;
    job->ctx = o->ctx;
    job->n_seqs = o->n_seqs;
    atomic_init(&job->n_owners, 2);
    pthread_mutex_init(&job->lock, NULL);
    for (uint32_t i = 0; i < o->n_seqs; i++) {
        const mu_job_seq *from = &o->seqs[i];
        mu_status status = mu_seq_open(ex->engine, &from->options, &job->seqs[i].seq, err);
        if (status != MU_OK) {
            destroy_job(job);
            return status;
        }
        job->seqs[i].follows = from->follows;
        job->seqs[i].has_logprobs = from->options.sampling.n_logprobs >= 0;
        if (from->follows == i) job->n_prompt += from->options.n_prompt;
    }
    *out = job;
    return MU_OK;
}

static mu_status enqueue(mu_executor *ex, mu_job *job, mu_err *err) {
    mu_status status = MU_OK;
    pthread_mutex_lock(&ex->lock);
    if (atomic_load(&ex->is_stopping)) {
        status = mu_fail(err, MU_ERR_CANCELED, "the server is stopping");
    } else if (ex->n_queued >= ex->options.n_queued_max) {
        status = mu_fail(err, MU_ERR_BUSY, "%u requests are queued already", ex->n_queued);
    } else if (ex->n_queued_tokens + job->n_prompt > ex->options.n_queued_tokens_max &&
               ex->n_queued > 0) {
        status = mu_fail(err, MU_ERR_BUSY, "%llu prompt tokens are queued already",
                         (unsigned long long)ex->n_queued_tokens);
    } else {
        job->id = ++ex->last_id;
        job->facts.submitted_ns = mu_now_ns();
        ex->queued[ex->n_queued++] = &job->fair;
        ex->n_queued_tokens += job->n_prompt;
    }
    ex->n_refused += status == MU_ERR_BUSY;
    pthread_mutex_unlock(&ex->lock);
    return status;
}

mu_status mu_executor_submit(mu_executor *ex, const mu_job_options *options, mu_job **out,
                             mu_err *err) {
    mu_job *job = NULL;
    mu_status status = open_job(ex, options, &job, err);
    if (status != MU_OK) return status;
    status = enqueue(ex, job, err);
    if (status != MU_OK) {
        destroy_job(job);
        return status;
    }
    if (job->peer_fd >= 0) {
        struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data.u64 = job->id};
        if (epoll_ctl(ex->epoll_fd, EPOLL_CTL_ADD, job->peer_fd, &event) != 0) job->peer_fd = -1;
    }
    *out = job;
    wake(ex);
    return MU_OK;
}

/* The thread */

static void tell(mu_job *job) {
    if (job->notify) job->notify(job->ctx);
}

static bool is_urgent(const mu_job *job) {
    return atomic_load(&job->is_canceled) || atomic_load(&job->is_peer_gone);
}

/* Append what the engine has for sequence i to its news; the job's lock is held. */
static void read_news(job_seq *s) {
    mu_output outputs[READ_MAX], *wanted = s->has_logprobs ? outputs : NULL;
    uint32_t n;
    mu_job_news *news = &s->news;
    while ((n = mu_seq_read(s->seq, wanted, READ_MAX, &news->text)) > 0) {
        if (s->has_logprobs) mu_buf_append(&news->outputs, outputs, n * sizeof(*outputs));
        news->n_tokens += n;
    }
    news->finish = mu_seq_finish(s->seq);
    const mu_err *error = mu_seq_error(s->seq);
    if (error) news->err = *error;
    if (news->text.failed || news->outputs.failed) {
        news->finish = MU_FINISH_ERROR;
        mu_fail(&news->err, MU_ERR_NOMEM, "text of the output");
    }
}

/* Times of new tokens. */
static void observe(mu_executor *ex, mu_job *job, job_seq *s, uint32_t n_new, uint64_t now_ns) {
    if (s->n_seen == 0) {
        if (job->facts.first_ns == 0) {
            job->facts.first_ns = now_ns;
            mu_histogram_add(&ex->m.ttft, seconds(job->facts.submitted_ns, now_ns), 1);
        }
        s->last_ns = now_ns;
        s->n_seen = 1;
        n_new--;
    }
    if (n_new > 0) {
        mu_histogram_add(&ex->m.inter_token, seconds(s->last_ns, now_ns) / n_new, n_new);
        s->last_ns = now_ns;
        s->n_seen += n_new;
    }
}

/* What a step gave to one sequence. True when there is something to tell; job's lock held. */
static bool collect_seq(mu_executor *ex, mu_job *job, job_seq *s, uint64_t now_ns) {
    uint32_t n_output = mu_seq_n_output(s->seq);
    bool has_new = n_output > s->n_seen;
    if (has_new) observe(ex, job, s, n_output - s->n_seen, now_ns);
    bool is_end = mu_seq_get_state(s->seq) == MU_SEQ_FINISHED;
    if (!has_new && !is_end) return false;
    if (job->is_streaming || is_end) read_news(s);
    if (s->news.finish == MU_FINISH_ERROR) is_end = true;
    if (!is_end) return job->is_streaming;
    if (s->follows == (uint32_t)(s - job->seqs)) job->facts.n_cached += mu_seq_n_cached(s->seq);
    s->is_finished = true;
    mu_seq_free(s->seq);
    s->seq = NULL;
    ex->n_active_seqs--;
    return true;
}

static mu_outcome outcome_of(const mu_job *job) {
    mu_outcome outcome = MU_OUTCOME_STOP;
    for (uint32_t i = 0; i < job->n_seqs; i++) {
        mu_finish finish = job->seqs[i].news.finish;
        if (finish == MU_FINISH_ERROR) return MU_OUTCOME_ERROR;
        if (finish == MU_FINISH_CANCELED) outcome = MU_OUTCOME_CANCELED;
        if (finish == MU_FINISH_LENGTH && outcome == MU_OUTCOME_STOP) outcome = MU_OUTCOME_LENGTH;
    }
    return outcome;
}

/* The job has ended: count it, tell it, let go of it. */
static void end_job(mu_executor *ex, mu_job *job, uint64_t now_ns) {
    mu_executor_metrics *m = &ex->m;
    pthread_mutex_lock(&job->lock);
    uint64_t n_output = 0;
    for (uint32_t i = 0; i < job->n_seqs; i++) {
        n_output += job->seqs[i].n_seen;
    }
    job->facts.is_done = true;
    job->facts.end_ns = now_ns;
    m->n_requests[outcome_of(job)]++;
    m->n_output_tokens += n_output;
    if (job->facts.started_ns > 0) {
        m->n_prompt_tokens += job->n_prompt;
        m->n_cached_tokens += job->facts.n_cached;
        mu_histogram_add(&m->prompt_tokens, job->n_prompt, 1);
        mu_histogram_add(&m->output_tokens, (double)n_output, 1);
    }
    mu_histogram_add(&m->end_to_end, seconds(job->facts.submitted_ns, now_ns), 1);
    tell(job);
    pthread_mutex_unlock(&job->lock);
    release_job(job);
}

/* A follower starts when the first token of its leader is there. False: memory or queue. */
static void add_seqs(mu_executor *ex, mu_job *job) {
    for (uint32_t i = 0; i < job->n_seqs; i++) {
        job_seq *s = &job->seqs[i], *leader = &job->seqs[s->follows];
        bool may_start = leader == s || leader->n_seen > 0 || leader->is_finished;
        if (s->is_added || s->is_finished || !may_start) continue;
        mu_err err;
        if (mu_engine_add(ex->engine, s->seq, &err) != MU_OK) return; /* the next step tries */
        s->is_added = true;
    }
}

static void cancel_seqs(mu_executor *ex, mu_job *job) {
    for (uint32_t i = 0; i < job->n_seqs; i++) {
        job_seq *s = &job->seqs[i];
        if (s->is_finished) continue;
        if (s->is_added) {
            mu_seq_cancel(s->seq);
            continue;
        }
        pthread_mutex_lock(&job->lock);
        s->news.finish = MU_FINISH_CANCELED;
        pthread_mutex_unlock(&job->lock);
        s->is_finished = true;
        ex->n_active_seqs--;
    }
}

static void collect(mu_executor *ex, uint64_t now_ns) {
    ex->n_decoding = 0;
    for (uint32_t i = 0; i < ex->n_running;) {
        mu_job *job = (mu_job *)ex->running[i];
        bool has_news = false, is_done = true;
        pthread_mutex_lock(&job->lock);
        for (uint32_t j = 0; j < job->n_seqs; j++) {
            job_seq *s = &job->seqs[j];
            if (s->is_added && !s->is_finished) has_news |= collect_seq(ex, job, s, now_ns);
            is_done &= s->is_finished;
            ex->n_decoding += s->is_added && !s->is_finished && s->n_seen > 0;
        }
        if (has_news && !is_done && job->is_streaming) tell(job);
        pthread_mutex_unlock(&job->lock);
        if (!is_done) {
            i++;
            continue;
        }
        ex->running[i] = ex->running[--ex->n_running];
        double gap = (double)(now_ns - ex->last_end_ns);
        ex->last_end_ns = now_ns;
        pthread_mutex_lock(&ex->lock);
        ex->end_gap_ns = ex->end_gap_ns == 0.0 ? gap : ex->end_gap_ns + (gap - ex->end_gap_ns) / 16;
        pthread_mutex_unlock(&ex->lock);
        end_job(ex, job, now_ns);
    }
}

static mu_job *take_queued(mu_executor *ex, uint32_t i) {
    mu_job *job = (mu_job *)ex->queued[i];
    memmove(&ex->queued[i], &ex->queued[i + 1], (--ex->n_queued - i) * sizeof(*ex->queued));
    ex->n_queued_tokens -= job->n_prompt;
    return job;
}

/* The next queued job that was canceled, or that may start; NULL: none. */
static mu_job *next_job(mu_executor *ex, bool *is_canceled) {
    mu_job *job = NULL;
    *is_canceled = false;
    pthread_mutex_lock(&ex->lock);
    for (uint32_t i = 0; i < ex->n_queued && !job; i++) {
        if (is_urgent((mu_job *)ex->queued[i])) job = take_queued(ex, i);
    }
    if (job) {
        *is_canceled = true;
    } else if (ex->n_queued > 0 && ex->n_active_seqs < ex->options.n_seqs_max &&
               ex->n_running < ex->options.n_seqs_max) {
        job = take_queued(ex, mu_fair_pick(ex->queued, ex->n_queued, ex->running, ex->n_running));
    }
    pthread_mutex_unlock(&ex->lock);
    return job;
}

static void admit(mu_executor *ex, uint64_t now_ns) {
    bool is_canceled;
    for (mu_job *job; (job = next_job(ex, &is_canceled));) {
        ex->n_active_seqs += job->n_seqs;
        if (is_canceled) {
            cancel_seqs(ex, job);
            end_job(ex, job, now_ns);
            continue;
        }
        pthread_mutex_lock(&job->lock);
        job->facts.started_ns = now_ns;
        pthread_mutex_unlock(&job->lock);
        mu_histogram_add(&ex->m.queue, seconds(job->facts.submitted_ns, now_ns), 1);
        if (ex->n_running == 0) ex->last_end_ns = now_ns; /* gaps are of busy times */
        ex->running[ex->n_running++] = &job->fair;
    }
}

static void cancel_job_of_peer(mu_executor *ex, uint64_t id) {
    for (uint32_t i = 0; i < ex->n_running; i++) {
        mu_job *job = (mu_job *)ex->running[i];
        if (job->id == id) atomic_store(&job->is_peer_gone, true);
    }
    pthread_mutex_lock(&ex->lock);
    for (uint32_t i = 0; i < ex->n_queued; i++) {
        mu_job *job = (mu_job *)ex->queued[i];
        if (job->id == id) atomic_store(&job->is_peer_gone, true);
    }
    pthread_mutex_unlock(&ex->lock);
}

static void hear(mu_executor *ex, bool may_sleep) {
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(ex->epoll_fd, events, EVENTS_MAX, may_sleep ? -1 : 0);
    for (int i = 0; i < n; i++) {
        uint64_t id = events[i].data.u64, count;
        if (id != 0) {
            cancel_job_of_peer(ex, id);
        } else {
            ssize_t n_read = read(ex->wake_fd, &count, sizeof(count));
            (void)n_read;
        }
    }
}

/* A step that the device refused: every request ends with that error. */
static void fail_all(mu_executor *ex, const mu_err *err) {
    for (uint32_t i = 0; i < ex->n_running; i++) {
        mu_job *job = (mu_job *)ex->running[i];
        cancel_seqs(ex, job);
        pthread_mutex_lock(&job->lock);
        for (uint32_t j = 0; j < job->n_seqs; j++) {
            if (job->seqs[j].is_finished && job->seqs[j].seq == NULL) continue;
            job_seq *s = &job->seqs[j];
            s->news.finish = MU_FINISH_ERROR;
            s->news.err = *err;
            if (!s->is_finished) ex->n_active_seqs--;
            s->is_finished = true;
            mu_seq_free(s->seq);
            s->seq = NULL;
        }
        pthread_mutex_unlock(&job->lock);
    }
}

static void step(mu_executor *ex) {
    uint32_t n_prefill = ex->options.prefill_beside;
    if (n_prefill == 0) {
        uint32_t n_waiting = ex->n_active_seqs - ex->n_decoding;
        n_prefill = mu_pacer_allowance(&ex->pacer, ex->n_decoding, n_waiting);
    }
    mu_engine_set_prefill_beside(ex->engine, n_prefill);
    mu_step_report report;
    mu_err err;
    uint64_t start_ns = mu_now_ns();
    if (mu_engine_step(ex->engine, &report, &err) != MU_OK) {
        fail_all(ex, &err);
        collect(ex, mu_now_ns());
        return;
    }
    uint64_t now_ns = mu_now_ns();
    if (report.n_prefill_tokens + report.n_decode_tokens > 0) {
        mu_pacer_observe(&ex->pacer, ex->n_decoding, report.n_prefill_tokens,
                         (double)(now_ns - start_ns));
        mu_histogram_add(&ex->m.batch, mu_engine_get_stats(ex->engine).n_running, 1);
    }
    ex->m.prefill_beside = n_prefill;
    collect(ex, now_ns);
}

/* True: there is nothing to do. */
static bool publish(mu_executor *ex) {
    ex->m.engine = mu_engine_get_stats(ex->engine);
    ex->m.n_running = ex->n_running;
    pthread_mutex_lock(&ex->lock);
    ex->published = ex->m;
    bool is_idle = ex->n_running == 0 && ex->n_queued == 0; /* all may end in one step */
    pthread_mutex_unlock(&ex->lock);
    return is_idle;
}

static void cancel_everything(mu_executor *ex) {
    for (uint32_t i = 0; i < ex->n_running; i++) {
        atomic_store(&((mu_job *)ex->running[i])->is_canceled, true);
    }
    pthread_mutex_lock(&ex->lock);
    for (uint32_t i = 0; i < ex->n_queued; i++) {
        atomic_store(&((mu_job *)ex->queued[i])->is_canceled, true);
    }
    pthread_mutex_unlock(&ex->lock);
}

static void *run(void *arg) {
    mu_executor *ex = arg;
    bool may_sleep = true;
    for (;;) {
        hear(ex, may_sleep);
        bool is_stopping = atomic_load(&ex->is_stopping);
        if (is_stopping || atomic_exchange(&ex->cancels_all, false)) cancel_everything(ex);
        admit(ex, mu_now_ns());
        for (uint32_t i = 0; i < ex->n_running; i++) {
            mu_job *job = (mu_job *)ex->running[i];
            if (is_urgent(job)) {
                cancel_seqs(ex, job);
            } else {
                add_seqs(ex, job);
            }
        }
        if (ex->n_running > 0) step(ex);
        may_sleep = publish(ex);
        if (is_stopping && may_sleep) return NULL;
    }
}

mu_status mu_executor_open(mu_engine *engine, const mu_executor_options *options, mu_executor **out,
                           mu_err *err) {
    mu_executor *ex = mu_alloc(sizeof(*ex));
    if (!ex) return mu_fail(err, MU_ERR_NOMEM, "executor");
    ex->engine = engine;
    ex->options = *options;
    init_metrics(&ex->m);
    ex->published = ex->m;
    pthread_mutex_init(&ex->lock, NULL);
    ex->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    ex->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ex->queued = MU_ALLOC(mu_fair *, options->n_queued_max);
    ex->running = MU_ALLOC(mu_fair *, options->n_seqs_max);
    mu_status status = MU_OK;
    struct epoll_event event = {.events = EPOLLIN};
    if (!ex->queued || !ex->running) {
        status = mu_fail(err, MU_ERR_NOMEM, "queue of %u requests", options->n_queued_max);
    } else if (ex->epoll_fd < 0 || ex->wake_fd < 0 ||
               epoll_ctl(ex->epoll_fd, EPOLL_CTL_ADD, ex->wake_fd, &event) != 0) {
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

void mu_executor_close(mu_executor *ex) {
    if (!ex) return;
    if (ex->is_started) {
        pthread_mutex_lock(&ex->lock);
        atomic_store(&ex->is_stopping, true); /* with the lock: nothing is queued after it */
        pthread_mutex_unlock(&ex->lock);
        wake(ex);
        pthread_join(ex->thread, NULL);
    }
    if (ex->epoll_fd >= 0) close(ex->epoll_fd);
    if (ex->wake_fd >= 0) close(ex->wake_fd);
    pthread_mutex_destroy(&ex->lock);
    mu_free(ex->queued);
    mu_free(ex->running);
    mu_free(ex);
}

void mu_executor_cancel_all(mu_executor *ex) {
    atomic_store(&ex->cancels_all, true);
    wake(ex);
}

uint32_t mu_executor_wait_s(mu_executor *ex) {
    pthread_mutex_lock(&ex->lock);
    double s = ceil(ex->n_queued * ex->end_gap_ns * 1e-9);
    pthread_mutex_unlock(&ex->lock);
    return s < 1.0 ? 1 : s > WAIT_MAX_S ? WAIT_MAX_S : (uint32_t)s;
}

void mu_executor_get_metrics(mu_executor *ex, mu_executor_metrics *out) {
    pthread_mutex_lock(&ex->lock);
    *out = ex->published;
    out->n_queued = ex->n_queued;
    out->n_queued_tokens = ex->n_queued_tokens;
    out->n_refused = ex->n_refused;
    pthread_mutex_unlock(&ex->lock);
}
