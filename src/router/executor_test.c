/* The executor with a real engine on a small synthetic model. */
#include "router/executor.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <pthread.h>

#include "base/alloc.h"

enum { N_SEQS_MAX = 4, N_QUEUED_MAX = 8, N_JOBS = 64 };

static mu_model *model;
static mu_engine *engine;
static mu_executor *ex;
static const mu_token prompt[] = {1, 2, 3, 4, 5};

typedef struct signal_box {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t n;
    atomic_bool is_freed; /* nobody may tell it any more */
} signal_box;

static void on_news(void *ctx) {
    signal_box *box = ctx;
    MU_ASSERT(!atomic_load(&box->is_freed));
    pthread_mutex_lock(&box->lock);
    box->n++;
    pthread_cond_broadcast(&box->changed);
    pthread_mutex_unlock(&box->lock);
}

static void wait_done(signal_box *box, mu_job *job) {
    pthread_mutex_lock(&box->lock);
    for (;;) {
        uint32_t n = box->n;
        pthread_mutex_unlock(&box->lock);
        if (mu_job_get_facts(job).is_done) return;
        pthread_mutex_lock(&box->lock);
        while (box->n == n) {
            pthread_cond_wait(&box->changed, &box->lock);
        }
    }
}

static int open_all(void **state) {
    (void)state;
    mu_ref ref;
    mu_hub_env env = {0};
    mu_engine_options e = mu_engine_options_default();
    e.n_threads = 1;
    e.n_seqs_max = N_SEQS_MAX;
    mu_executor_options o = {
        .n_seqs_max = N_SEQS_MAX, .n_queued_max = N_QUEUED_MAX, .n_queued_tokens_max = 1000};
    return mu_ref_resolve("synthetic:gpt2-test", &env, &ref, NULL) == MU_OK &&
                   mu_model_open(&ref, &env, &model, NULL) == MU_OK &&
                   mu_engine_open(model, &e, &engine, NULL) == MU_OK &&
                   mu_executor_open(engine, &o, &ex, NULL) == MU_OK
               ? 0
               : 1;
}

static int close_all(void **state) {
    (void)state;
    mu_executor_close(ex);
    mu_engine_stats stats = mu_engine_get_stats(engine);
    bool is_clean =
        stats.n_running + stats.n_waiting == 0 && stats.n_kv_blocks == stats.n_kv_blocks_free;
    mu_engine_close(engine);
    mu_model_close(model);
    return is_clean ? 0 : 1;
}

static mu_job_seq usual(uint32_t n_output) {
    return (mu_job_seq){.options = {.prompt = prompt,
                                    .n_prompt = MU_COUNTOF(prompt),
                                    .n_output_max = n_output,
                                    .ignore_eos = true,
                                    .sampling = mu_sampling_default()}};
}

static mu_status submit(const mu_job_seq *seqs, uint32_t n, signal_box *box, int fd, mu_job **out) {
    mu_job_options o = {.seqs = seqs,
                        .n_seqs = n,
                        .peer_fd = fd,
                        .is_streaming = true,
                        .notify = on_news,
                        .ctx = box};
    return mu_executor_submit(ex, &o, out, NULL);
}

static void job_gives_all_tokens_of_all_sequences(void **state) {
    (void)state;
    signal_box box = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false};
    mu_job_seq seqs[3] = {usual(10), usual(10), usual(7)};
    seqs[1].follows = 0;
    seqs[2].follows = 2;
    seqs[0].options.sampling.n_logprobs = 1;
    mu_job *job;
    assert_int_equal(submit(seqs, 3, &box, -1, &job), MU_OK);
    wait_done(&box, job);
    static const uint32_t wanted[] = {10, 10, 7};
    for (uint32_t i = 0; i < 3; i++) {
        mu_job_news news = {0};
        mu_job_take(job, i, &news);
        assert_int_equal(news.n_tokens, wanted[i]);
        assert_int_equal(news.finish, MU_FINISH_LENGTH);
        assert_int_equal(news.outputs.n, i == 0 ? 10 * sizeof(mu_output) : 0);
        mu_job_news_deinit(&news);
    }
    mu_job_facts facts = mu_job_get_facts(job);
    assert_true(facts.submitted_ns <= facts.started_ns && facts.started_ns < facts.first_ns &&
                facts.first_ns < facts.end_ns);
    mu_job_free(job);
}

static void queue_is_bounded_and_empties(void **state) {
    (void)state;
    signal_box box = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false};
    mu_job *jobs[N_JOBS];
    uint32_t n = 0, n_busy = 0;
    mu_job_seq seq = usual(100);
    for (uint32_t i = 0; i < N_JOBS; i++) {
        mu_status status = submit(&seq, 1, &box, -1, &jobs[n]);
        assert_true(status == MU_OK || status == MU_ERR_BUSY);
        n_busy += status == MU_ERR_BUSY;
        n += status == MU_OK;
    }
    assert_true(n >= N_QUEUED_MAX);
    uint32_t wait_s = mu_executor_wait_s(ex);
    assert_true(wait_s >= 1 && wait_s <= 120);
    for (uint32_t i = 0; i < n; i++) {
        wait_done(&box, jobs[i]);
        mu_job_free(jobs[i]);
    }
    mu_executor_metrics m;
    mu_executor_get_metrics(ex, &m);
    assert_int_equal(m.n_refused, n_busy);
    assert_int_equal(m.n_queued, 0);
}

static void peer_that_leaves_cancels(void **state) {
    (void)state;
    for (int half = 0; half < 2; half++) {
        signal_box box = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false};
        int ends[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        if (half) shutdown(ends[1], SHUT_WR); /* it left before it was watched */
        mu_job *job;
        mu_job_seq seqs[40];
        for (uint32_t i = 0; i < MU_COUNTOF(seqs); i++) {
            seqs[i] = usual(120);
            seqs[i].follows = i;
        }
        assert_int_equal(submit(seqs, MU_COUNTOF(seqs), &box, ends[0], &job), MU_OK);
        close(ends[1]);
        wait_done(&box, job);
        mu_job_news news = {0};
        mu_job_take(job, MU_COUNTOF(seqs) - 1, &news);
        assert_true(mu_job_get_facts(job).is_peer_gone);
        assert_int_equal(news.finish, MU_FINISH_CANCELED);
        mu_job_news_deinit(&news);
        mu_job_free(job);
        close(ends[0]);
    }
}

static void job_freed_at_any_time_is_never_told(void **state) {
    (void)state;
    static signal_box boxes[N_JOBS];
    mu_job_seq seq = usual(50);
    for (uint32_t i = 0; i < N_JOBS; i++) {
        boxes[i] = (signal_box){PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false};
        mu_job *job;
        while (submit(&seq, 1, &boxes[i], -1, &job) == MU_ERR_BUSY) {
            sched_yield();
        }
        for (volatile uint32_t spin = 0; spin < i * 1000; spin++) {}
        mu_job_free(job);
        atomic_store(&boxes[i].is_freed, true);
    }
}

static void stopping_ends_what_runs(void **state) {
    (void)state;
    signal_box box = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false};
    mu_job *job;
    mu_job_seq seq = usual(120);
    assert_int_equal(submit(&seq, 1, &box, -1, &job), MU_OK);
    mu_executor_cancel_all(ex);
    wait_done(&box, job);
    mu_job_free(job);
}

static void failed_submit_leaks_nothing(void **state) {
    (void)state;
    signal_box box = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false};
    mu_job_seq seq = usual(5);
    seq.options.sampling.n_logprobs = 3;
    int64_t before = mu_alloc_n_alive();
    for (int n = 0;; n++) {
        mu_job *job = NULL;
        mu_alloc_fail_after(n);
        mu_status status = submit(&seq, 1, &box, -1, &job);
        mu_alloc_fail_after(-1);
        if (status == MU_OK) {
            wait_done(&box, job);
            mu_job_free(job);
            assert_true(n > 3);
            break;
        }
        assert_int_equal(status, MU_ERR_NOMEM);
        assert_int_equal(mu_alloc_n_alive(), before);
    }
}

int main(void) {
#define WITH(test) cmocka_unit_test_setup_teardown(test, open_all, close_all)
    const struct CMUnitTest tests[] = {
        WITH(job_gives_all_tokens_of_all_sequences),
        WITH(queue_is_bounded_and_empties),
        WITH(peer_that_leaves_cancels),
        WITH(job_freed_at_any_time_is_never_told),
        WITH(stopping_ends_what_runs),
        WITH(failed_submit_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
