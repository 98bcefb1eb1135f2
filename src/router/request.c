/* A request's lock guards its news and facts, and orders them with notify(): what was told is there
 * to be taken. It is taken after the executor's, never before.
 */
#include "router/request_state.h"

#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

enum { READ_MAX = 8 };

static void destroy(mu_request *r) {
    for (uint32_t i = 0; i < r->n_seqs; i++) {
        mu_seq_free(r->seqs[i].seq);
        mu_request_news_deinit(&r->seqs[i].news);
    }
    pthread_mutex_destroy(&r->lock);
    mu_free(r);
}

void mu_request_release(mu_request *r) {
    if (atomic_fetch_sub(&r->n_owners, 1) == 1) destroy(r);
}

void mu_request_news_deinit(mu_request_news *news) {
    mu_buf_deinit(&news->text);
    mu_buf_deinit(&news->outputs);
    mu_buf_deinit(&news->embedding);
}

void mu_request_take(mu_request *r, uint32_t i, mu_request_news *news) {
    MU_ASSERT(i < r->n_seqs);
    mu_buf_clear(&news->text);
    mu_buf_clear(&news->outputs);
    mu_buf_clear(&news->embedding);
    pthread_mutex_lock(&r->lock);
    mu_request_news *own = &r->seqs[i].news;
    mu_request_news taken = *own;
    *own = (mu_request_news){.text = news->text,
                             .outputs = news->outputs,
                             .embedding = news->embedding,
                             .finish = taken.finish,
                             .stop_string = taken.stop_string};
    pthread_mutex_unlock(&r->lock);
    *news = taken;
}

mu_request_facts mu_request_get_facts(mu_request *r) {
    pthread_mutex_lock(&r->lock);
    mu_request_facts facts = r->facts;
    pthread_mutex_unlock(&r->lock);
    return facts;
}

void mu_request_cancel(mu_request *r) {
    uint64_t one = 1;
    atomic_store(&r->is_canceled, true);
    ssize_t n = write(r->wake_fd, &one, sizeof(one));
    (void)n; /* full: the executor is awake already */
}

void mu_request_free(mu_request *r) {
    if (!r) return;
    pthread_mutex_lock(&r->lock);
    r->notify = NULL;
    bool is_done = r->facts.is_done;
    pthread_mutex_unlock(&r->lock);
    if (!is_done) mu_request_cancel(r);
    mu_request_release(r);
}

mu_status mu_request_open(mu_engine *engine, const mu_request_options *o, mu_request **out,
                          mu_err *err) {
    mu_request *r = mu_alloc(sizeof(*r) + o->n_seqs * sizeof(r->seqs[0]));
    if (!r) return mu_fail(err, MU_ERR_NOMEM, "request of %u sequences", o->n_seqs);
    r->entry = (mu_queue_entry){.fair.client = o->client, .n_seqs = o->n_seqs};
    r->is_streaming = o->is_streaming;
    r->notify = o->notify;
    r->ctx = o->ctx;
    r->n_seqs = o->n_seqs;
    atomic_init(&r->n_owners, 1);
    pthread_mutex_init(&r->lock, NULL);
    for (uint32_t i = 0; i < o->n_seqs; i++) {
        const mu_request_seq *from = &o->seqs[i];
        mu_status status = mu_seq_open(engine, &from->options, &r->seqs[i].seq, err);
        if (status != MU_OK) {
            destroy(r);
            return status;
        }
        r->seqs[i].follows = from->follows;
        r->seqs[i].has_logprobs = from->options.sampling.n_logprobs >= 0;
        if (from->follows == i) r->entry.n_tokens += from->options.n_prompt;
    }
    *out = r;
    return MU_OK;
}

bool mu_request_is_urgent(const mu_request *r) {
    return atomic_load(&r->is_canceled);
}

/* The first sequence that may start; n_seqs: none. */
static uint32_t next_start(const mu_request *r) {
    if (r->n_in_engine == r->n_seqs) return r->n_seqs;
    for (uint32_t i = 0; i < r->n_seqs; i++) {
        const mu_request_seq_state *s = &r->seqs[i], *leader = &r->seqs[s->follows];
        bool may_start = leader == s || leader->n_seen > 0 || leader->is_finished;
        if (!s->is_added && !s->is_finished && may_start) return i;
    }
    return r->n_seqs;
}

bool mu_request_has_start(const mu_request *r) {
    return next_start(r) < r->n_seqs;
}

bool mu_request_start_seq(mu_request *r, mu_engine *engine) {
    uint32_t i = next_start(r);
    mu_err err;
    if (i == r->n_seqs || mu_engine_add(engine, r->seqs[i].seq, &err) != MU_OK) return false;
    r->seqs[i].is_added = true;
    r->n_in_engine++;
    return true;
}

uint32_t mu_request_cancel_seqs(mu_request *r) {
    uint32_t n_ended = 0;
    for (uint32_t i = 0; i < r->n_seqs; i++) {
        mu_request_seq_state *s = &r->seqs[i];
        if (s->is_finished) continue;
        if (s->is_added) {
            mu_seq_cancel(s->seq);
            continue;
        }
        pthread_mutex_lock(&r->lock);
        s->news.finish = MU_FINISH_CANCELED;
        pthread_mutex_unlock(&r->lock);
        s->is_finished = true;
        n_ended++;
    }
    return n_ended;
}

uint32_t mu_request_fail_seqs(mu_request *r, const mu_err *err) {
    uint32_t n_ended = mu_request_cancel_seqs(r);
    pthread_mutex_lock(&r->lock);
    for (uint32_t i = 0; i < r->n_seqs; i++) {
        mu_request_seq_state *s = &r->seqs[i];
        if (s->is_finished && !s->seq) continue;
        s->news.finish = MU_FINISH_ERROR;
        s->news.err = *err;
        n_ended += !s->is_finished;
        s->is_finished = true;
        mu_seq_free(s->seq);
        s->seq = NULL;
    }
    r->n_in_engine = 0;
    pthread_mutex_unlock(&r->lock);
    return n_ended;
}

static void tell(mu_request *r) {
    if (r->notify) r->notify(r->ctx);
}

/* Append what the engine has for a sequence to its news. */
static void read_news(mu_request_seq_state *s) {
    mu_output outputs[READ_MAX], *wanted = s->has_logprobs ? outputs : NULL;
    uint32_t n;
    mu_request_news *news = &s->news;
    while ((n = mu_seq_read(s->seq, wanted, READ_MAX, &news->text)) > 0) {
        if (s->has_logprobs) mu_buf_append(&news->outputs, outputs, n * sizeof(*outputs));
        news->n_tokens += n;
    }
    uint32_t n_dims;
    const float *embedding = mu_seq_embedding(s->seq, &n_dims);
    if (embedding) mu_buf_append(&news->embedding, embedding, n_dims * sizeof(*embedding));
    news->finish = mu_seq_finish(s->seq);
    news->stop_string = mu_seq_stop_string(s->seq);
    const mu_err *error = mu_seq_error(s->seq);
    if (error) news->err = *error;
    if (news->text.failed || news->outputs.failed || news->embedding.failed) {
        news->finish = MU_FINISH_ERROR;
        mu_fail(&news->err, MU_ERR_NOMEM, "text of the output");
    }
}

/* Times of new tokens. */
static void observe(mu_request *r, mu_request_seq_state *s, uint32_t n_new, mu_request_stats *stats,
                    uint64_t now_ns) {
    if (s->n_seen == 0) {
        if (r->facts.first_ns == 0) {
            r->facts.first_ns = now_ns;
            mu_request_stats_first_token(stats, r->facts.submitted_ns, now_ns);
        }
        s->last_ns = now_ns;
        s->n_seen = 1;
        n_new--;
    }
    if (n_new > 0) {
        mu_request_stats_tokens(stats, n_new, s->last_ns, now_ns);
        s->last_ns = now_ns;
        s->n_seen += n_new;
    }
}

/* What a step gave to one sequence. True when there is something to tell. */
static bool collect_seq(mu_request *r, mu_request_seq_state *s, mu_request_stats *stats,
                        uint64_t now_ns) {
    uint32_t n_output = mu_seq_n_output(s->seq);
    bool has_new = n_output > s->n_seen;
    if (has_new) observe(r, s, n_output - s->n_seen, stats, now_ns);
    bool is_end = mu_seq_get_state(s->seq) == MU_SEQ_FINISHED;
    if (!has_new && !is_end) return false;
    if (r->is_streaming || is_end) read_news(s);
    if (s->news.finish == MU_FINISH_ERROR) is_end = true;
    if (!is_end) return r->is_streaming;
    if (s->follows == (uint32_t)(s - r->seqs)) r->facts.n_cached += mu_seq_n_cached(s->seq);
    s->is_finished = true;
    mu_seq_free(s->seq);
    s->seq = NULL;
    return true;
}

mu_request_progress mu_request_collect(mu_request *r, mu_request_stats *stats, uint64_t now_ns) {
    mu_request_progress progress = {.is_done = true};
    bool has_news = false;
    pthread_mutex_lock(&r->lock);
    for (uint32_t i = 0; i < r->n_seqs; i++) {
        mu_request_seq_state *s = &r->seqs[i];
        if (s->is_added && !s->is_finished) {
            has_news |= collect_seq(r, s, stats, now_ns);
            progress.n_ended += s->is_finished;
            r->n_in_engine -= s->is_finished;
        }
        progress.is_done &= s->is_finished;
        progress.n_decoding += s->is_added && !s->is_finished && s->n_seen > 0;
    }
    if (has_news && !progress.is_done && r->is_streaming) tell(r);
    pthread_mutex_unlock(&r->lock);
    return progress;
}

static mu_outcome outcome_of(const mu_request *r) {
    mu_outcome outcome = MU_OUTCOME_STOP;
    for (uint32_t i = 0; i < r->n_seqs; i++) {
        mu_finish finish = r->seqs[i].news.finish;
        if (finish == MU_FINISH_ERROR) return MU_OUTCOME_ERROR;
        if (finish == MU_FINISH_CANCELED) outcome = MU_OUTCOME_CANCELED;
        if (finish == MU_FINISH_LENGTH && outcome == MU_OUTCOME_STOP) outcome = MU_OUTCOME_LENGTH;
    }
    return outcome;
}

void mu_request_end(mu_request *r, mu_request_stats *stats, uint64_t now_ns) {
    pthread_mutex_lock(&r->lock);
    r->facts.is_done = true;
    r->facts.end_ns = now_ns;
    mu_request_end_facts end = {
        .outcome = outcome_of(r),
        .has_started = r->facts.started_ns > 0,
        .n_prompt = r->entry.n_tokens,
        .n_cached = r->facts.n_cached,
        .submitted_ns = r->facts.submitted_ns,
        .end_ns = now_ns,
    };
    for (uint32_t i = 0; i < r->n_seqs; i++) {
        end.n_output += r->seqs[i].n_seen;
    }
    mu_request_stats_ended(stats, &end);
    tell(r);
    pthread_mutex_unlock(&r->lock);
    mu_request_release(r);
}
