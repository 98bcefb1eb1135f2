/* Opening models together: what is refused and named, what is left when it fails. How two of them
 * answer is executor_test's and tests/api/models_test.py's. */
#include "router/fleet.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

enum { N = 2 };

static const mu_hub_env env;
static mu_placement cpu;
static mu_ref refs[N];
static const mu_fleet_model models[N] = {{&refs[0], NULL, 1, false}, {&refs[1], NULL, 2, false}};

static int find_models(void **state) {
    (void)state;
    return mu_ref_resolve("synthetic:gpt2-test", &env, &refs[0], NULL) == MU_OK &&
                   mu_ref_resolve("synthetic:gpt2-test:q8", &env, &refs[1], NULL) == MU_OK &&
                   mu_device_settle("cpu", NULL, &cpu, NULL) == MU_OK
               ? 0
               : 1;
}

static mu_fleet_options usual(void) {
    mu_fleet_options o = {
        .models = models,
        .n_models = N,
        .env = &env,
        .placement = &cpu,
        .types = {.device = "cpu", .dtype = "auto", .kv = "auto"},
        .engine = mu_engine_options_default(),
        .resident = {.n_seqs_max = 4, .n_waiting_max = 4, .n_waiting_tokens_max = 100},
    };
    o.engine.n_threads = 2;
    o.engine.n_seqs_max = 4;
    return o;
}

static void each_model_has_its_engine(void **state) {
    (void)state;
    mu_fleet_options o = usual();
    mu_fleet *fleet;
    assert_int_equal(mu_fleet_open(&o, &fleet, NULL), MU_OK);
    uint64_t total = mu_fleet_memory(fleet)->scratch;
    for (uint32_t i = 0; i < N; i++) {
        const mu_engine *engine = mu_resident_engine(mu_fleet_resident(fleet, i));
        mu_backend_bytes bytes = mu_backend_get_bytes(mu_engine_backend(engine));
        mu_fleet_kv kv = mu_fleet_get_kv(fleet, i);
        assert_int_equal(kv.bytes, kv.wanted_bytes);
        assert_int_equal(kv.bytes, bytes.kv);
        total += bytes.weights + bytes.kv;
    }
    assert_true(mu_fleet_memory(fleet)->total > total); /* accounting too */
    mu_fleet_close(fleet);
}

static int n_threads_now(void) {
    int n = 0;
    DIR *folder = opendir("/proc/self/task");
    assert_non_null(folder);
    while (readdir(folder)) {
        n++;
    }
    closedir(folder);
    return n;
}

/* A fleet of one model beside a fleet of two: both come with as many threads. None is closed in
 * between, because a thread that has been joined may still be listed. */
static void threads_do_not_grow_with_models(void **state) {
    (void)state;
    mu_fleet *fleets[N];
    for (uint32_t n = 1; n <= N; n++) {
        mu_fleet_options o = usual();
        o.n_models = n;
        int before = n_threads_now();
        assert_int_equal(mu_fleet_open(&o, &fleets[n - 1], NULL), MU_OK);
        assert_int_equal(n_threads_now(), before + 2); /* the pool's second and the executor */
    }
    for (uint32_t i = 0; i < N; i++) {
        mu_fleet_close(fleets[i]);
    }
}

static void kv_becomes_smaller_where_memory_is_short(void **state) {
    (void)state;
    mu_fleet_options o = usual();
    mu_fleet *fleet;
    assert_int_equal(mu_fleet_open(&o, &fleet, NULL), MU_OK);
    o.memory_bytes_max = mu_fleet_memory(fleet)->total - mu_fleet_get_kv(fleet, 0).bytes / 2;
    mu_fleet_close(fleet);

    assert_int_equal(mu_fleet_open(&o, &fleet, NULL), MU_OK);
    assert_true(mu_fleet_memory(fleet)->total <= o.memory_bytes_max);
    for (uint32_t i = 0; i < N; i++) {
        const mu_engine *engine = mu_resident_engine(mu_fleet_resident(fleet, i));
        mu_fleet_kv kv = mu_fleet_get_kv(fleet, i);
        assert_true(kv.bytes < kv.wanted_bytes);
        assert_true(mu_backend_get_bytes(mu_engine_backend(engine)).kv <= kv.bytes);
    }
    mu_fleet_close(fleet);
}

static void what_does_not_fit_is_refused_and_named(void **state) {
    (void)state;
    int64_t before = mu_alloc_n_alive();
    mu_fleet *fleet = NULL;
    mu_err err;
    mu_fleet_options o = usual();
    o.memory_bytes_max = 1000;
    assert_int_equal(mu_fleet_open(&o, &fleet, &err), MU_ERR_LIMIT);
    assert_ptr_equal(strstr(err.text, "synthetic:gpt2-test: "), err.text);
    assert_non_null(strstr(err.text, "MiB are needed and 0 MiB may be used"));
    o = usual();
    o.engine.n_ctx = 1000000;
    assert_int_equal(mu_fleet_open(&o, &fleet, &err), MU_ERR_LIMIT);
    assert_non_null(strstr(err.text, "synthetic:gpt2-test: context of 1000000 tokens"));
    o.n_models = 1; /* there is no doubt which */
    assert_int_equal(mu_fleet_open(&o, &fleet, &err), MU_ERR_LIMIT);
    assert_ptr_equal(strstr(err.text, "context of 1000000 tokens"), err.text);
    assert_null(fleet);
    assert_int_equal(mu_alloc_n_alive(), before);
}

static void failed_open_leaks_nothing(void **state) {
    (void)state;
    mu_fleet_options o = usual();
    int64_t before = mu_alloc_n_alive();
    for (int n = 0;; n++) {
        mu_fleet *fleet = NULL;
        mu_err err = {0};
        mu_alloc_fail_after(n);
        mu_status status = mu_fleet_open(&o, &fleet, &err);
        mu_alloc_fail_after(-1);
        if (status == MU_OK) {
            assert_true(n > 20);
            mu_fleet_close(fleet);
            break;
        }
        assert_int_equal(status, MU_ERR_NOMEM);
        assert_null(fleet);
        assert_int_equal(mu_alloc_n_alive(), before);
    }
    assert_int_equal(mu_alloc_n_alive(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_model_has_its_engine),
        cmocka_unit_test(threads_do_not_grow_with_models),
        cmocka_unit_test(kv_becomes_smaller_where_memory_is_short),
        cmocka_unit_test(what_does_not_fit_is_refused_and_named),
        cmocka_unit_test(failed_open_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, find_models, NULL);
}
