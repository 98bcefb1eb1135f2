/* Models that do not fit together, on a real device: whatever is loaded and unloaded meanwhile, a
 * request gets what it gets where its model is alone. What is decided is residency_test's. */
#include "router/loading.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "model/export.h"
#include "router/fleet.h"

enum { N = 3, N_OUTPUT = 24, N_SEQS_MAX = 4, N_ROUNDS = 4 };

static const char *const names[N] = {"synthetic:gpt2-test", "synthetic:llama-test",
                                     "synthetic:gpt2-test:q8"};
static const mu_token prompt[] = {1, 2, 3, 4, 5};
static const mu_hub_env env;
static mu_placement cpu;
static mu_ref refs[N];
static mu_fleet_model models[N];
static mu_buf wanted[N]; /* what each says alone */

static mu_fleet_options usual(void) {
    mu_fleet_options o = {
        .models = models,
        .n_models = N,
        .env = &env,
        .placement = &cpu,
        .types = {.device = "cpu", .dtype = "auto", .kv = "auto"},
        .engine = mu_engine_options_default(),
        .resident = {.n_seqs_max = N_SEQS_MAX, .n_waiting_max = 64, .n_waiting_tokens_max = 9999},
    };
    o.engine.n_threads = 2;
    o.engine.n_seqs_max = N_SEQS_MAX;
    return o;
}

/* With room for the largest model and not for two of them. */
static mu_fleet *open_fleet(mu_fleet_options *o) {
    mu_fleet *fleet = NULL;
    uint64_t largest = 0;
    assert_int_equal(mu_fleet_open(o, &fleet, NULL), MU_OK);
    uint64_t fixed = mu_fleet_memory(fleet)->fixed;
    for (uint32_t i = 0; i < N; i++) {
        const mu_engine *engine = mu_resident_engine(mu_fleet_resident(fleet, i));
        mu_backend_bytes bytes = mu_backend_get_bytes(mu_engine_backend(engine));
        if (bytes.weights > largest) largest = bytes.weights;
    }
    mu_fleet_close(fleet);
    o->engine.kv_cache_bytes = 1 << 19;
    o->memory_bytes_max = fixed + largest + (1 << 19) + (1 << 18);
    assert_int_equal(mu_fleet_open(o, &fleet, NULL), MU_OK);
    assert_true(mu_fleet_memory(fleet)->is_by_turns);
    return fleet;
}

typedef struct signal_box {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_told;
    int fail_after; /* from this request's end on, of the executor's allocations; -1: none fails */
} signal_box;

static void on_news(void *ctx) {
    signal_box *box = ctx;
    mu_alloc_fail_after(box->fail_after);
    pthread_mutex_lock(&box->lock);
    box->is_told = true;
    pthread_cond_signal(&box->changed);
    pthread_mutex_unlock(&box->lock);
}

typedef struct asked {
    mu_request *request;
    signal_box box;
} asked;

static mu_status ask_then_fail(mu_fleet *fleet, uint32_t i, int fail_after, asked *a) {
    *a = (asked){.box = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, fail_after}};
    const mu_request_seq seq = {.options = {.prompt = prompt,
                                            .n_prompt = MU_COUNTOF(prompt),
                                            .n_output_max = N_OUTPUT,
                                            .ignore_eos = true,
                                            .sampling = mu_sampling_default()}};
    const mu_request_options o = {.seqs = &seq, .n_seqs = 1, .notify = on_news, .ctx = &a->box};
    return mu_resident_submit(mu_fleet_resident(fleet, i), &o, &a->request, NULL);
}

static mu_status ask(mu_fleet *fleet, uint32_t i, asked *a) {
    return ask_then_fail(fleet, i, -1, a);
}

/* Frees the request. Returns its news, whose buffers are the caller's. */
static mu_request_news answer(asked *a) {
    mu_request_news news = {0};
    while (!mu_request_get_facts(a->request).is_done) {
        pthread_mutex_lock(&a->box.lock);
        while (!a->box.is_told) {
            pthread_cond_wait(&a->box.changed, &a->box.lock);
        }
        a->box.is_told = false;
        pthread_mutex_unlock(&a->box.lock);
    }
    mu_request_take(a->request, 0, &news);
    mu_request_free(a->request);
    return news;
}

static void assert_right(asked *a, uint32_t i) {
    mu_request_news news = answer(a);
    assert_int_equal(news.finish, MU_FINISH_LENGTH);
    assert_int_equal(news.text.n, wanted[i].n);
    assert_memory_equal(news.text.data, wanted[i].data, wanted[i].n);
    mu_request_news_deinit(&news);
}

static void assert_ends_with(asked *a, mu_status status, const char *text) {
    mu_request_news news = answer(a);
    assert_int_equal(news.finish, MU_FINISH_ERROR);
    assert_int_equal(news.err.status, status);
    if (!strstr(news.err.text, text)) fail_msg("%s", news.err.text);
    mu_request_news_deinit(&news);
}

static mu_residency_model state_of(mu_fleet *fleet, uint32_t i) {
    mu_resident_stats stats;
    mu_resident_get_stats(mu_fleet_resident(fleet, i), &stats);
    return stats.residency;
}

static void wait_for(mu_fleet *fleet, uint32_t i, mu_phase phase) {
    while (state_of(fleet, i).phase != phase) {
        sched_yield();
    }
}

static int find_models(void **state) {
    (void)state;
    if (mu_device_settle("cpu", NULL, &cpu, NULL) != MU_OK) return 1;
    for (uint32_t i = 0; i < N; i++) {
        if (mu_ref_resolve(names[i], &env, &refs[i], NULL) != MU_OK) return 1;
        models[i] = (mu_fleet_model){.ref = &refs[i], .weight = 1};
    }
    mu_fleet *fleet;
    mu_fleet_options o = usual();
    if (mu_fleet_open(&o, &fleet, NULL) != MU_OK) return 1;
    for (uint32_t i = 0; i < N; i++) {
        asked a;
        if (ask(fleet, i, &a) != MU_OK) return 1;
        mu_request_news news = answer(&a);
        if (news.finish != MU_FINISH_LENGTH) return 1;
        wanted[i] = news.text;
        mu_buf_deinit(&news.outputs);
    }
    mu_fleet_close(fleet);
    return 0;
}

static int forget_models(void **state) {
    (void)state;
    for (uint32_t i = 0; i < N; i++) {
        mu_buf_deinit(&wanted[i]);
    }
    return 0;
}

static void models_are_loaded_when_they_are_asked_for(void **state) {
    (void)state;
    mu_fleet_options o = usual();
    int64_t before = mu_alloc_n_alive();
    mu_fleet *fleet = open_fleet(&o);
    assert_int_equal(state_of(fleet, 0).phase, MU_READY); /* the first one fitted */
    assert_int_equal(state_of(fleet, 1).phase, MU_ABSENT);
    for (uint32_t round = 0; round < N_ROUNDS; round++) {
        for (uint32_t i = 0; i < N; i++) {
            asked a;
            assert_int_equal(ask(fleet, i, &a), MU_OK);
            assert_right(&a, i);
        }
    }
    wait_for(fleet, 0, MU_ABSENT); /* the last one has made room for itself */
    assert_int_equal(state_of(fleet, 0).n_loads, N_ROUNDS - 1);
    assert_int_equal(state_of(fleet, 0).n_evictions[MU_EVICTED_FOR_ROOM], N_ROUNDS);
    mu_fleet_close(fleet);
    assert_int_equal(mu_alloc_n_alive(), before);
}

typedef struct asker {
    pthread_t thread;
    mu_fleet *fleet;
    uint32_t model, n_wrong;
} asker;

static void *keep_asking(void *arg) {
    asker *me = arg;
    for (uint32_t round = 0; round < N_ROUNDS; round++) {
        asked a;
        if (ask(me->fleet, me->model, &a) != MU_OK) {
            me->n_wrong++;
            continue;
        }
        mu_request_news news = answer(&a);
        const mu_buf *text = &wanted[me->model];
        me->n_wrong += news.text.n != text->n || memcmp(news.text.data, text->data, text->n) != 0;
        mu_request_news_deinit(&news);
    }
    return NULL;
}

/* All ask at once, half of the first model's change their mind. */
static void everybody_is_answered_as_alone(void **state) {
    (void)state;
    enum { N_ASKERS = 2 * N, N_FICKLE = 20 };
    mu_fleet_options o = usual();
    mu_fleet *fleet = open_fleet(&o);
    asker askers[N_ASKERS];
    for (uint32_t i = 0; i < N_ASKERS; i++) {
        askers[i] = (asker){.fleet = fleet, .model = i % N};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, keep_asking, &askers[i]), 0);
    }
    for (uint32_t i = 0; i < N_FICKLE; i++) {
        asked a;
        assert_int_equal(ask(fleet, i % N, &a), MU_OK);
        mu_request_free(a.request);
    }
    for (uint32_t i = 0; i < N_ASKERS; i++) {
        pthread_join(askers[i].thread, NULL);
        assert_int_equal(askers[i].n_wrong, 0);
    }
    mu_fleet_close(fleet);
}

static void operator_may_load_unload_and_pin(void **state) {
    (void)state;
    mu_fleet_options o = usual();
    mu_fleet *fleet = open_fleet(&o);
    mu_fleet_close(fleet);
    o.is_lazy = true;
    assert_int_equal(mu_fleet_open(&o, &fleet, NULL), MU_OK);
    asked a, b;
    assert_int_equal(state_of(fleet, 0).phase, MU_ABSENT);
    mu_resident_ask(mu_fleet_resident(fleet, 1), MU_WISH_LOAD, false);
    wait_for(fleet, 1, MU_READY);
    mu_resident_ask(mu_fleet_resident(fleet, 1), MU_WISH_PIN, false);
    assert_int_equal(ask(fleet, 0, &a), MU_OK);
    assert_ends_with(&a, MU_ERR_TIMEOUT, "are pinned");
    assert_int_equal(ask(fleet, 1, &b), MU_OK);
    assert_right(&b, 1);
    mu_resident_ask(mu_fleet_resident(fleet, 1), MU_WISH_UNPIN, false);
    assert_int_equal(ask(fleet, 0, &a), MU_OK);
    assert_right(&a, 0);
    mu_resident_ask(mu_fleet_resident(fleet, 0), MU_WISH_UNLOAD, false);
    wait_for(fleet, 0, MU_ABSENT);
    assert_int_equal(state_of(fleet, 0).n_evictions[MU_EVICTED_ASKED], 1);
    mu_fleet_close(fleet);
}

/* What runs or waits when an operator does not want to wait. */
static void forced_unload_ends_requests_with_an_error(void **state) {
    (void)state;
    enum { N_ASKED = 20 };
    mu_fleet_options o = usual();
    mu_fleet *fleet = open_fleet(&o);
    asked asks[N_ASKED];
    uint32_t n_ended = 0, n_errors = 0;
    for (uint32_t i = 0; i < N_ASKED; i++) {
        assert_int_equal(ask(fleet, 0, &asks[i]), MU_OK);
    }
    mu_resident_ask(mu_fleet_resident(fleet, 0), MU_WISH_UNLOAD, true);
    for (uint32_t i = 0; i < N_ASKED; i++) {
        mu_request_news news = answer(&asks[i]);
        n_ended += news.finish == MU_FINISH_LENGTH;
        n_errors += news.finish == MU_FINISH_ERROR && news.err.status == MU_ERR_CANCELED &&
                    strstr(news.err.text, "was unloaded") != NULL;
        mu_request_news_deinit(&news);
    }
    assert_int_equal(n_ended + n_errors, N_ASKED);
    wait_for(fleet, 0, MU_ABSENT);
    mu_fleet_close(fleet);
}

static void request_does_not_wait_for_longer_than_it_may(void **state) {
    (void)state;
    mu_fleet_options o = usual();
    o.wait_ns = 1;
    mu_fleet *fleet = open_fleet(&o);
    asked a;
    assert_int_equal(ask(fleet, 0, &a), MU_OK); /* it is there: this does not count */
    assert_right(&a, 0);
    assert_int_equal(ask(fleet, 1, &a), MU_OK);
    assert_ends_with(&a, MU_ERR_TIMEOUT, "was not loaded within");
    mu_fleet_close(fleet);
}

static void idle_models_are_unloaded(void **state) {
    (void)state;
    mu_fleet_options o = usual();
    o.idle_ns = 1000000;
    mu_fleet *fleet = open_fleet(&o);
    asked a;
    assert_int_equal(ask(fleet, 1, &a), MU_OK);
    assert_right(&a, 1);
    for (uint32_t i = 0; i < N; i++) {
        wait_for(fleet, i, MU_ABSENT);
    }
    assert_int_equal(state_of(fleet, 1).n_evictions[MU_EVICTED_IDLE], 1);
    mu_fleet_close(fleet);
}

/* Every allocation of a load fails in turn. Whoever waits is told why, and the next one may be
 * lucky. */
static void failed_load_is_told_and_tried_again(void **state) {
    (void)state;
    mu_fleet_options o = usual();
    int64_t before = mu_alloc_n_alive();
    mu_fleet *fleet = open_fleet(&o);
    uint32_t n_told = 0;
    for (int n = 0;; n++) {
        asked first, second;
        assert_int_equal(ask_then_fail(fleet, 0, n, &first), MU_OK);
        assert_right(&first, 0);
        assert_int_equal(ask(fleet, 1, &second), MU_OK);
        mu_request_news news = answer(&second);
        bool is_over = news.finish == MU_FINISH_LENGTH;
        if (!is_over) assert_int_equal(news.err.status, MU_ERR_NOMEM);
        n_told += strstr(news.err.text, "synthetic:llama-test could not be loaded: ") != NULL;
        mu_request_news_deinit(&news);
        if (is_over) break;
        assert_true(n < 100);
    }
    assert_int_equal(state_of(fleet, 1).n_failures, n_told);
    assert_true(n_told >= 3); /* a backend, its weights, its KV cache */
    printf("%u loads failed\n", n_told);
    mu_fleet_close(fleet);
    assert_int_equal(mu_alloc_n_alive(), before);
}

/* Of a model whose file was cut while it was not loaded nothing can be read: that is an answer, not
 * the end of the process. */
static void changed_file_is_told(void **state) {
    (void)state;
    char path[] = "/tmp/muai-loading-XXXXXX.gguf";
    int fd = mkstemps(path, 5);
    mu_ref from = refs[0];
    mu_model *model;
    assert_true(fd >= 0);
    assert_int_equal(mu_model_open(&from, &env, &model, NULL), MU_OK);
    const mu_export_options as = {.dtype = MU_Q8_0};
    mu_export_report report;
    assert_int_equal(mu_model_export_gguf(model, path, &as, &report, NULL), MU_OK);
    mu_model_close(model);
    close(fd);
    assert_int_equal(mu_ref_resolve(path, &env, &from, NULL), MU_OK);
    const mu_fleet_model cut = {.ref = &from, .weight = 1};
    mu_fleet_options o = usual();
    o.models = &cut;
    o.n_models = 1;
    o.is_lazy = true;
    mu_fleet *fleet;
    asked a;
    assert_int_equal(mu_fleet_open(&o, &fleet, NULL), MU_OK);
    assert_int_equal(truncate(path, 1000), 0);
    assert_int_equal(ask(fleet, 0, &a), MU_OK);
    assert_ends_with(&a, MU_ERR_DEVICE, "was changed since it was opened");
    mu_fleet_close(fleet);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_are_loaded_when_they_are_asked_for),
        cmocka_unit_test(everybody_is_answered_as_alone),
        cmocka_unit_test(operator_may_load_unload_and_pin),
        cmocka_unit_test(forced_unload_ends_requests_with_an_error),
        cmocka_unit_test(request_does_not_wait_for_longer_than_it_may),
        cmocka_unit_test(idle_models_are_unloaded),
        cmocka_unit_test(failed_load_is_told_and_tried_again),
        cmocka_unit_test(changed_file_is_told),
    };
    return cmocka_run_group_tests(tests, find_models, forget_models);
}
