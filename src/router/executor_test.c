/* The executor with a real engine on a small synthetic model. */
#include "router/executor.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <pthread.h>

#include "base/alloc.h"

enum { N_SEQS_MAX = 4, N_WAITING_MAX = 8, N_REQUESTS = 64 };

static mu_model *model;
static mu_engine *engine;
static mu_executor *ex;
static mu_resident *resident;
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

static void wait_done(signal_box *box, mu_request *request) {
    pthread_mutex_lock(&box->lock);
    for (;;) {
        uint32_t n = box->n;
        pthread_mutex_unlock(&box->lock);
        if (mu_request_get_facts(request).is_done) return;
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
    if (mu_ref_resolve("synthetic:gpt2-test", &env, &ref, NULL) != MU_OK ||
        mu_model_open(&ref, &env, &model, NULL) != MU_OK ||
        mu_engine_open(model, &e, &engine, NULL) != MU_OK ||
        mu_executor_open(NULL, &ex, NULL) != MU_OK) {
        return 1;
    }
    mu_resident_options o = {.model = model,
                             .engine = engine,
                             .loaded_bytes = 1,
                             .n_seqs_max = N_SEQS_MAX,
                             .n_waiting_max = N_WAITING_MAX,
                             .n_waiting_tokens_max = 1000,
                             .weight = 1};
    return mu_executor_add(ex, &o, &resident, NULL) == MU_OK ? 0 : 1;
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

static mu_request_seq usual(uint32_t n_output) {
    return (mu_request_seq){.options = {.prompt = prompt,
                                        .n_prompt = MU_COUNTOF(prompt),
                                        .n_output_max = n_output,
                                        .ignore_eos = true,
                                        .sampling = mu_sampling_default()}};
}

static mu_status submit(const mu_request_seq *seqs, uint32_t n, signal_box *box, mu_request **out) {
    mu_request_options o = {
        .seqs = seqs, .n_seqs = n, .is_streaming = true, .notify = on_news, .ctx = box};
    return mu_resident_submit(resident, &o, out, NULL);
}

static void request_gives_all_tokens_of_all_sequences(void **state) {
    (void)state;
    signal_box box = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false};
    mu_request_seq seqs[3] = {usual(10), usual(10), usual(7)};
    seqs[1].follows = 0;
    seqs[2].follows = 2;
    seqs[0].options.sampling.n_logprobs = 1;
    mu_request *request;
    assert_int_equal(submit(seqs, 3, &box, &request), MU_OK);
    wait_done(&box, request);
    static const uint32_t wanted[] = {10, 10, 7};
    for (uint32_t i = 0; i < 3; i++) {
        mu_request_news news = {0};
        mu_request_take(request, i, &news);
        assert_int_equal(news.n_tokens, wanted[i]);
        assert_int_equal(news.finish, MU_FINISH_LENGTH);
        assert_int_equal(news.outputs.n, i == 0 ? 10 * sizeof(mu_output) : 0);
        mu_request_news_deinit(&news);
    }
    mu_request_facts facts = mu_request_get_facts(request);
    assert_true(facts.submitted_ns <= facts.started_ns && facts.started_ns < facts.first_ns &&
                facts.first_ns < facts.end_ns);
    mu_request_free(request);
}

static void queue_is_bounded_and_empties(void **state) {
    (void)state;
    signal_box box = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false};
    mu_request *requests[N_REQUESTS];
    uint32_t n = 0, n_busy = 0;
    mu_request_seq seq = usual(100);
    for (uint32_t i = 0; i < N_REQUESTS; i++) {
        mu_status status = submit(&seq, 1, &box, &requests[n]);
        assert_true(status == MU_OK || status == MU_ERR_BUSY);
        n_busy += status == MU_ERR_BUSY;
        n += status == MU_OK;
    }
    assert_true(n >= N_WAITING_MAX / 2); /* one client has half of the queue */
    uint32_t wait_s = mu_resident_wait_s(resident);
    assert_true(wait_s >= 1 && wait_s <= 120);
    for (uint32_t i = 0; i < n; i++) {
        wait_done(&box, requests[i]);
        mu_request_free(requests[i]);
    }
    mu_resident_stats stats;
    mu_resident_get_stats(resident, &stats);
    assert_int_equal(stats.n_refused, n_busy);
    assert_int_equal(stats.n_waiting, 0);
}

static void request_freed_at_any_time_is_never_told(void **state) {
    (void)state;
    static signal_box boxes[N_REQUESTS];
    mu_request_seq seq = usual(50);
    for (uint32_t i = 0; i < N_REQUESTS; i++) {
        boxes[i] = (signal_box){PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false};
        mu_request *request;
        while (submit(&seq, 1, &boxes[i], &request) == MU_ERR_BUSY) {
            sched_yield();
        }
        for (volatile uint32_t spin = 0; spin < i * 1000; spin++) {}
        mu_request_free(request);
        atomic_store(&boxes[i].is_freed, true);
    }
}

static void stopping_ends_what_runs(void **state) {
    (void)state;
    signal_box box = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false};
    mu_request *request;
    mu_request_seq seq = usual(120);
    assert_int_equal(submit(&seq, 1, &box, &request), MU_OK);
    mu_executor_cancel_all(ex);
    wait_done(&box, request);
    mu_request_free(request);
}

static void failed_submit_leaks_nothing(void **state) {
    (void)state;
    signal_box box = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false};
    mu_request_seq seq = usual(5);
    seq.options.sampling.n_logprobs = 3;
    int64_t before = mu_alloc_n_alive();
    for (int n = 0;; n++) {
        mu_request *request = NULL;
        mu_alloc_fail_after(n);
        mu_status status = submit(&seq, 1, &box, &request);
        mu_alloc_fail_after(-1);
        if (status == MU_OK) {
            wait_done(&box, request);
            mu_request_free(request);
            assert_true(n > 3);
            break;
        }
        assert_int_equal(status, MU_ERR_NOMEM);
        assert_int_equal(mu_alloc_n_alive(), before);
    }
}

/* Greedy tokens of one request, by text: what the engine says whatever else runs. */
static void text_of(mu_resident *of, uint32_t n_output, mu_buf *out) {
    signal_box box = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false};
    mu_request_seq seq = usual(n_output);
    seq.options.sampling.n_logprobs = 0;
    mu_request_options o = {.seqs = &seq, .n_seqs = 1, .notify = on_news, .ctx = &box};
    o.client = (uint64_t)(uintptr_t)&box; /* each its own, so that all may wait */
    mu_request *request;
    assert_int_equal(mu_resident_submit(of, &o, &request, NULL), MU_OK);
    wait_done(&box, request);
    mu_request_news news = {0};
    mu_request_take(request, 0, &news);
    assert_int_equal(news.finish, MU_FINISH_LENGTH);
    mu_buf_append(out, news.outputs.data, news.outputs.n);
    mu_request_news_deinit(&news);
    mu_request_free(request);
}

enum { N_ROUNDS = 4, N_OUTPUT = 20 };

typedef struct asker {
    pthread_t thread;
    mu_resident *of;
    const mu_buf *wanted;
    atomic_bool *is_over; /* NULL: asks N_ROUNDS times */
    uint32_t n_wrong, n_asked;
} asker;

static void *ask(void *arg) {
    asker *a = arg;
    do { /* once at least, however late the thread starts */
        mu_buf got = {0};
        text_of(a->of, N_OUTPUT, &got);
        bool is_same = got.n == a->wanted->n && memcmp(got.data, a->wanted->data, got.n) == 0;
        a->n_wrong += !is_same;
        a->n_asked++;
        mu_buf_deinit(&got);
    } while (a->is_over ? !atomic_load(a->is_over) : a->n_asked < N_ROUNDS);
    return NULL;
}

/* Two engines on one executor, the second added while the first runs: each says what it says
 * alone, and both get on. */
static void two_engines_answer_as_each_alone(void **state) {
    (void)state;
    enum { N_ASKERS = 4 };
    mu_ref ref;
    mu_hub_env env = {0};
    mu_model *other_model;
    mu_engine *other_engine;
    mu_resident *other;
    mu_buf wanted[2] = {{0}, {0}};
    mu_engine_options e = mu_engine_options_default();
    e.n_threads = 1;
    e.n_seqs_max = N_SEQS_MAX;
    assert_int_equal(mu_ref_resolve("synthetic:llama-test", &env, &ref, NULL), MU_OK);
    assert_int_equal(mu_model_open(&ref, &env, &other_model, NULL), MU_OK);
    assert_int_equal(mu_engine_open(other_model, &e, &other_engine, NULL), MU_OK);
    text_of(resident, N_OUTPUT, &wanted[0]);

    atomic_bool is_over = false;
    asker askers[N_ASKERS];
    for (uint32_t i = 0; i < N_ASKERS; i += 2) { /* the first model's ask until the others' end */
        askers[i] = (asker){.of = resident, .wanted = &wanted[0], .is_over = &is_over};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
    mu_resident_options o = {.model = other_model,
                             .engine = other_engine,
                             .loaded_bytes = 1,
                             .n_seqs_max = N_SEQS_MAX,
                             .n_waiting_max = N_WAITING_MAX,
                             .n_waiting_tokens_max = 1000,
                             .weight = 2};
    assert_int_equal(mu_executor_add(ex, &o, &other, NULL), MU_OK);
    text_of(other, N_OUTPUT, &wanted[1]); /* alone in its engine */
    for (uint32_t i = 1; i < N_ASKERS; i += 2) {
        askers[i] = (asker){.of = other, .wanted = &wanted[1]};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
    for (uint32_t i = 1; i < N_ASKERS; i += 2) {
        pthread_join(askers[i].thread, NULL);
    }
    atomic_store(&is_over, true);
    for (uint32_t i = 0; i < N_ASKERS; i += 2) {
        pthread_join(askers[i].thread, NULL);
    }
    for (uint32_t i = 0; i < N_ASKERS; i++) {
        assert_int_equal(askers[i].n_wrong, 0);
        assert_true(askers[i].n_asked > 0);
    }
    mu_resident_stats stats;
    mu_resident_get_stats(other, &stats);
    assert_int_equal(stats.requests.n_requests[MU_OUTCOME_LENGTH], 1 + 2 * N_ROUNDS);
    assert_true(stats.step_s > 0.0);

    mu_executor_close(ex); /* before the engines, which close_all() closes */
    ex = NULL;
    mu_engine_close(other_engine);
    mu_model_close(other_model);
    mu_buf_deinit(&wanted[0]);
    mu_buf_deinit(&wanted[1]);
}

int main(void) {
#define WITH(test) cmocka_unit_test_setup_teardown(test, open_all, close_all)
    const struct CMUnitTest tests[] = {
        WITH(request_gives_all_tokens_of_all_sequences),
        WITH(queue_is_bounded_and_empties),
        WITH(request_freed_at_any_time_is_never_told),
        WITH(stopping_ends_what_runs),
        WITH(failed_submit_leaks_nothing),
        WITH(two_engines_answer_as_each_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
