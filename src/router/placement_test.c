/* With the emulated GPU that MUAI_CUDA_LIBRARY names, and without any. */
#include "router/placement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *gpu_library; /* NULL: tests of a GPU are skipped */
static mu_model *model;
static mu_ref ref;

static int open_model(void **state) {
    (void)state;
    gpu_library = getenv("MUAI_CUDA_LIBRARY");
    mu_hub_env env = {0};
    return mu_ref_resolve("synthetic:gpt2-test", &env, &ref, NULL) == MU_OK &&
                   mu_model_open(&ref, &env, &model, NULL) == MU_OK
               ? 0
               : 1;
}

static int close_model(void **state) {
    (void)state;
    mu_model_close(model);
    return 0;
}

static void use_gpu(bool is_there) {
    if (is_there && !gpu_library) skip();
    mu_gpu_use_library(is_there ? gpu_library : "/nonexistent/libmuai-cuda.so");
}

static mu_status settle(const char *device, const char *dtype, const char *kv, mu_placement *out,
                        mu_err *err) {
    const mu_placement_options o = {device, dtype, kv, NULL};
    return mu_placement_settle(model, &ref, &o, out, err);
}

static void a_device_that_is_none_is_named(void **state) {
    (void)state;
    static const char *const wrong[] = {"",
                                        "gpu",
                                        "CUDA",
                                        "cuda:",
                                        "cuda:x",
                                        "cuda:-1",
                                        "cuda: 1",
                                        "cuda:1x",
                                        "cuda:1:2",
                                        "cuda1",
                                        "cpu:0",
                                        "auto:0",
                                        "cuda:+1",
                                        "cuda:9999",
                                        "cuda:"
                                        "99999999999999999999"};
    use_gpu(false);
    for (size_t i = 0; i < MU_COUNTOF(wrong); i++) {
        mu_placement p;
        mu_err err;
        assert_int_equal(mu_device_settle(wrong[i], NULL, &p, &err), MU_ERR_INVALID);
        assert_non_null(strstr(err.text, "--device"));
        assert_non_null(strstr(err.text, "cpu, cuda, cuda:N, auto"));
    }
}

static void without_a_gpu_auto_is_the_cpu(void **state) {
    (void)state;
    mu_placement p;
    mu_err err;
    use_gpu(false);
    assert_int_equal(settle("auto", "auto", "auto", &p, &err), MU_OK);
    assert_int_equal(p.device.kind, MU_DEVICE_CPU);
    assert_non_null(strstr(p.text, "cpu (auto: "));
    assert_non_null(strstr(p.text, "/nonexistent/libmuai-cuda.so"));
    assert_int_equal(settle("cpu", "auto", "auto", &p, &err), MU_OK);
    assert_string_equal(p.text, "cpu");
    assert_int_equal(settle("cuda", "auto", "auto", &p, &err), MU_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "--device: /nonexistent/libmuai-cuda.so"));
}

static void on_a_gpu_auto_is_bf16(void **state) {
    (void)state;
    mu_placement p;
    mu_err err;
    use_gpu(true);
    static const char *const devices[] = {"auto", "cuda", "cuda:0"};
    for (size_t i = 0; i < MU_COUNTOF(devices); i++) {
        assert_int_equal(settle(devices[i], "auto", "auto", &p, &err), MU_OK);
        assert_int_equal(p.device.kind, MU_DEVICE_CUDA);
        assert_int_equal(p.device.index, 0);
        assert_int_equal(p.weight_type, MU_BF16);
        assert_int_equal(p.kv_type, MU_BF16);
        assert_string_equal(p.gpu_label, "cuda:0");
        assert_non_null(strstr(p.text, "cuda:0, "));
    }
    assert_int_equal(settle("cuda", "f32", "f32", &p, &err), MU_OK);
    assert_int_equal(p.weight_type, MU_F32);
    assert_int_equal(p.kv_type, MU_F32);
}

static void what_a_gpu_does_not_take_is_named(void **state) {
    (void)state;
    mu_placement p;
    mu_err err;
    use_gpu(true);
    assert_int_equal(settle("cuda", "q8", "auto", &p, &err), MU_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "q8"));
    assert_non_null(strstr(err.text, "--dtype bf16"));
    assert_int_equal(settle("cuda", "bf16", "f16", &p, &err), MU_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "--kv f16"));
    assert_int_equal(settle("cuda", "f64", "auto", &p, &err), MU_ERR_INVALID);
    assert_int_equal(settle("cuda:700", "auto", "auto", &p, &err), MU_ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "--device: cuda:700"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_that_is_none_is_named),
        cmocka_unit_test(without_a_gpu_auto_is_the_cpu),
        cmocka_unit_test(on_a_gpu_auto_is_bf16),
        cmocka_unit_test(what_a_gpu_does_not_take_is_named),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
