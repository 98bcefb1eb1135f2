/* Several back ends on one device: each computes, bit for bit, what it computes on its own. */
#include "backend/device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"

enum { N_MODELS = 2, N_TOKENS = 40, N_DECODED = 8, N_THREADS = 3, N_CTX = 64 };

static const char *const names[N_MODELS] = {"synthetic:gpt2-test", "synthetic:gpt2-mini:q8"};
static mu_model *models[N_MODELS];
static mu_token tokens[N_TOKENS + N_DECODED];

static int open_models(void **state) {
    (void)state;
    mu_hub_env env = {0};
    for (int i = 0; i < N_MODELS; i++) {
        mu_ref ref;
        if (mu_ref_resolve(names[i], &env, &ref, NULL) != MU_OK ||
            mu_model_open(&ref, &env, &models[i], NULL) != MU_OK) {
            return 1;
        }
    }
    for (int i = 0; i < N_TOKENS + N_DECODED; i++) {
        tokens[i] = (mu_token)(i * 7 % 100);
    }
    return 0;
}

static int close_models(void **state) {
    (void)state;
    for (int i = 0; i < N_MODELS; i++) {
        mu_model_close(models[i]);
    }
    return 0;
}

static mu_backend *open_backend(int model, mu_device *shared) {
    const mu_backend_options options = {
        .shared = shared,
        .weight_type = model == 0 ? MU_F32 : MU_Q8_0,
        .kv_type = MU_F32,
        .n_threads = N_THREADS,
        .n_ctx = N_CTX,
        .block_tokens = 16,
        .n_kv_blocks = N_CTX / 16,
        .step_tokens_max = N_TOKENS,
        .step_rows_max = N_TOKENS,
    };
    mu_backend *backend;
    mu_err err;
    if (mu_backend_open(models[model], &options, &backend, &err) != MU_OK) {
        fail_msg("%s", err.text);
    }
    return backend;
}

/* Step s of a text: its prompt with all logits, then a token at a time. Logits are appended. */
static void run(mu_backend *backend, int model, uint32_t s, mu_buf *out) {
    static const mu_kv_block_id table[N_CTX / 16] = {2, 0, 3, 1};
    uint32_t first = s == 0 ? 0 : N_TOKENS + s - 1, n = s == 0 ? N_TOKENS : 1;
    const mu_segment segment = {.tokens = &tokens[first],
                                .n_tokens = n,
                                .first_position = first,
                                .block_table = table,
                                .rows = MU_ROWS_ALL};
    const mu_step step = {.segments = &segment, .n_segments = 1};
    mu_step_result result;
    assert_int_equal(mu_backend_forward(backend, &step, &result, NULL), MU_OK);
    size_t vocab_size = mu_model_spec(models[model])->vocab_size;
    mu_buf_append(out, result.logits, n * vocab_size * sizeof(*result.logits));
}

static mu_device *open_device(void) {
    const mu_device_options options = {.n_threads = N_THREADS};
    mu_device *device;
    assert_int_equal(mu_device_open(&options, &device, NULL), MU_OK);
    return device;
}

static void back_ends_take_turns(void **state) {
    (void)state;
    mu_buf alone[N_MODELS] = {{0}}, shared[N_MODELS] = {{0}};
    for (int i = 0; i < N_MODELS; i++) {
        mu_backend *backend = open_backend(i, NULL);
        for (uint32_t s = 0; s <= N_DECODED; s++) {
            run(backend, i, s, &alone[i]);
        }
        mu_backend_close(backend);
    }
    mu_device *device = open_device();
    mu_backend *backends[N_MODELS] = {open_backend(0, device)};
    uint64_t small_bytes = mu_device_scratch_bytes(device);
    run(backends[0], 0, 0, &shared[0]); /* before the scratch moves */
    backends[1] = open_backend(1, device);
    assert_true(mu_device_scratch_bytes(device) > small_bytes);
    run(backends[1], 1, 0, &shared[1]);
    for (uint32_t s = 1; s <= N_DECODED; s++) {
        for (int i = 0; i < N_MODELS; i++) {
            run(backends[i], i, s, &shared[i]);
        }
    }
    for (int i = 0; i < N_MODELS; i++) {
        assert_int_equal(shared[i].n, alone[i].n);
        assert_memory_equal(shared[i].data, alone[i].data, alone[i].n);
        mu_buf_deinit(&shared[i]);
        mu_buf_deinit(&alone[i]);
        mu_backend_close(backends[i]);
    }
    mu_device_close(device);
}

static void scratch_is_the_largest_not_the_sum(void **state) {
    (void)state;
    mu_device *device = open_device();
    uint64_t largest = 0;
    mu_backend *backends[2 * N_MODELS];
    for (int i = 0; i < 2 * N_MODELS; i++) {
        backends[i] = open_backend(i % N_MODELS, device);
        uint64_t bytes = mu_backend_get_bytes(backends[i]).scratch;
        if (bytes > largest) largest = bytes;
        assert_int_equal(mu_backend_n_threads(backends[i]), N_THREADS);
    }
    assert_int_equal(mu_device_scratch_bytes(device), largest);
    assert_int_equal(mu_device_n_threads(device), N_THREADS);
    for (int i = 0; i < 2 * N_MODELS; i++) {
        mu_backend_close(backends[i]);
    }
    mu_device_close(device);
}

static void failed_open_leaves_the_device_as_it_was(void **state) {
    (void)state;
    mu_device *device = open_device();
    mu_backend *first = open_backend(0, device);
    mu_buf before = {0}, after = {0};
    run(first, 0, 0, &before);
    int64_t n_alive = mu_alloc_n_alive();
    for (int n = 0; n < 4; n++) { /* layers, weights, KV, scratch */
        const mu_backend_options options = {
            .shared = device,
            .weight_type = MU_F32,
            .kv_type = MU_F32,
            .n_ctx = N_CTX,
            .block_tokens = 16,
            .n_kv_blocks = 4,
            .step_tokens_max = 2 * N_TOKENS,
            .step_rows_max = 1,
        };
        mu_backend *refused = NULL;
        mu_err err;
        mu_alloc_fail_after(n);
        mu_status status = mu_backend_open(models[1], &options, &refused, &err);
        mu_alloc_fail_after(-1);
        assert_int_equal(status, MU_ERR_NOMEM);
        assert_null(refused);
        assert_int_equal(mu_alloc_n_alive(), n_alive);
    }
    run(first, 0, 0, &after);
    assert_int_equal(after.n, before.n);
    assert_memory_equal(after.data, before.data, before.n);
    mu_buf_deinit(&before);
    mu_buf_deinit(&after);
    mu_backend_close(first);
    mu_device_close(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(back_ends_take_turns),
        cmocka_unit_test(scratch_is_the_largest_not_the_sum),
        cmocka_unit_test(failed_open_leaves_the_device_as_it_was),
    };
    return cmocka_run_group_tests(tests, open_models, close_models);
}
