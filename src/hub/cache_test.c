/* A cache as the hub's own tools leave it, and as nobody should. */
#include "hub/cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

static char folder[] = "/tmp/muai-cache-XXXXXX";

static void shell(const char *script) {
    char command[2048];
    snprintf(command, sizeof(command), "cd '%s' && { %s; }", folder, script);
    assert_int_equal(system(command), 0);
}

static int make_cache(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return 1;
    shell("mkdir -p models--org--two/blobs models--org--two/refs models--org--two/snapshots/abc/1 "
          "models--org--two/snapshots/old; "
          "printf %0100d 7 > models--org--two/blobs/x; printf abc > models--org--two/refs/main; "
          "ln -s ../../blobs/x models--org--two/snapshots/abc/model.safetensors; "
          "printf 12345 > models--org--two/snapshots/abc/1/part; "
          "ln -s ../../blobs/gone models--org--two/snapshots/abc/broken; "
          "ln -s .. models--org--two/snapshots/abc/loop; "
          "printf 1 > models--org--two/snapshots/old/config.json");
    shell("mkdir -p models--alone/refs models--alone/snapshots/c1; printf c1 > "
          "models--alone/refs/main; mkdir -p models--gpt2/snapshots/c2");
    shell("mkdir -p models--org--begun/blobs datasets--org--data/snapshots/a; : > version.txt; "
          "mkdir -p models---bad--/snapshots/a; : > models--org--file");
    return 0;
}

static int remove_cache(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

static void snapshots_are_found_under_names_that_work(void **state) {
    (void)state;
    char by_path[2][128];
    snprintf(by_path[0], sizeof(by_path[0]), "%s/models---bad--/snapshots/a", folder);
    snprintf(by_path[1], sizeof(by_path[1]), "%s/models--gpt2/snapshots/c2", folder);
    const struct {
        const char *reference;
        uint64_t bytes;
    } want[] = {
        {by_path[0], 0}, {by_path[1], 0}, {"alone", 0}, {"org/two", 100 + 5}, {"org/two@old", 1},
    };
    mu_hub_env env = {.hf_hub_cache = folder};
    mu_cached_model *models = NULL;
    uint32_t n = 0;
    assert_int_equal(mu_hub_cache_list(&env, &models, &n, NULL), MU_OK);
    for (uint32_t i = 0; i < n; i++) {
        mu_ref ref;
        print_message("%s: %llu bytes\n", models[i].reference, (unsigned long long)models[i].bytes);
        assert_true(i < MU_COUNTOF(want));
        assert_string_equal(models[i].reference, want[i].reference);
        assert_int_equal(models[i].bytes, want[i].bytes);
        assert_int_equal(mu_ref_resolve(models[i].reference, &env, &ref, NULL), MU_OK);
        assert_string_equal(ref.path, models[i].folder);
    }
    assert_int_equal(n, MU_COUNTOF(want));
    mu_free(models);
}

static void no_cache_is_an_empty_one(void **state) {
    (void)state;
    const mu_hub_env envs[] = {{0}, {.hf_hub_cache = "/nonexistent/hub"}};
    for (size_t i = 0; i < MU_COUNTOF(envs); i++) {
        mu_cached_model *models = NULL;
        uint32_t n = 1;
        assert_int_equal(mu_hub_cache_list(&envs[i], &models, &n, NULL), MU_OK);
        assert_int_equal(n, 0);
        mu_free(models);
    }
    mu_err err;
    mu_cached_model *models = NULL;
    uint32_t n = 0;
    char file[128];
    snprintf(file, sizeof(file), "%s/version.txt", folder);
    mu_hub_env wrong = {.hf_hub_cache = file};
    assert_int_equal(mu_hub_cache_list(&wrong, &models, &n, &err), MU_ERR_IO);
    assert_non_null(strstr(err.text, "version.txt"));
}

static void memory_running_out_leaks_nothing(void **state) {
    (void)state;
    mu_hub_env env = {.hf_hub_cache = folder};
    mu_cached_model *models = NULL;
    uint32_t n = 0;
    int64_t alive = mu_alloc_n_alive();
    mu_status status = MU_ERR_NOMEM;
    int i = 0;
    for (; status != MU_OK; i++) {
        mu_alloc_fail_after(i);
        status = mu_hub_cache_list(&env, &models, &n, NULL);
        mu_alloc_fail_after(-1);
        assert_true(status == MU_OK || status == MU_ERR_NOMEM);
        if (status != MU_OK) assert_int_equal(mu_alloc_n_alive(), alive);
    }
    print_message("%d points of failure\n", i - 1);
    assert_true(i > 1);
    mu_free(models);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshots_are_found_under_names_that_work),
        cmocka_unit_test(no_cache_is_an_empty_one),
        cmocka_unit_test(memory_running_out_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, make_cache, remove_cache);
}
