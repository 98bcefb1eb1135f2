/* The windows by exhaustion, the figures of distributions that are known, and a model's perplexity
 * however it is cut.
 */
#include "eval/perplexity.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "eval/logits.h"

static void every_token_is_predicted_once(void **state) {
    (void)state;
    uint32_t n_cases = 0;
    for (uint32_t n_tokens = 2; n_tokens < 40; n_tokens++) {
        for (uint32_t window = 1; window < 12; window++) {
            for (uint32_t stride = 1; stride <= window; stride++, n_cases++) {
                uint32_t n_predicted[40] = {0};
                uint32_t n = mu_text_n_windows(n_tokens, window, stride);
                for (uint32_t i = 0; i < n; i++) {
                    mu_text_window w = mu_text_window_at(n_tokens, window, stride, i);
                    assert_true(w.n > w.n_context && w.n <= window);
                    assert_true(w.first + w.n < n_tokens);
                    if (i > 0) assert_true(w.n_context == window - stride);
                    for (uint32_t row = w.n_context; row < w.n; row++) {
                        n_predicted[w.first + row + 1]++;
                    }
                }
                assert_int_equal(n_predicted[0], 0);
                for (uint32_t t = 1; t < n_tokens; t++) {
                    assert_int_equal(n_predicted[t], 1);
                }
            }
        }
    }
    print_message("%u ways to cut a text\n", n_cases);
}

static void known_distributions(void **state) {
    (void)state;
    const float p[] = {0.5f, 0.25f, 0.125f, 0.125f};
    float logits[4], uniform[1000] = {0};
    for (int shift = -80; shift <= 80; shift += 40) { /* softmax does not see a constant */
        for (int i = 0; i < 4; i++) {
            logits[i] = logf(p[i]) + (float)shift;
        }
        for (int i = 0; i < 4; i++) {
            double nll = mu_logits_nll(logits, 4, i);
            assert_true(fabs(nll + log((double)p[i])) < 1e-5);
        }
    }
    assert_true(fabs(mu_logits_nll(uniform, 1000, 7) - log(1000.0)) < 1e-6);
    const float certain[] = {100.0f, 0.0f};
    assert_true(fabs(mu_logits_nll(certain, 2, 0)) < 1e-6);
    assert_true(fabs(mu_logits_nll(certain, 2, 1) - 100.0) < 1e-4);
    const float broken[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < MU_COUNTOF(broken); i++) {
        uniform[999] = broken[i];
        assert_true(isnan(mu_logits_nll(uniform, 1000, 7)));
    }
}

static mu_model *open_model(const char *reference) {
    mu_model *model = NULL;
    mu_err err;
    mu_ref ref;
    mu_hub_env env = {0};
    if (mu_ref_resolve(reference, &env, &ref, &err) != MU_OK ||
        mu_model_open(&ref, &env, &model, &err) != MU_OK) {
        fail_msg("%s: %s", reference, err.text);
    }
    return model;
}

enum { N_TOKENS = 300 };
static mu_token tokens[N_TOKENS];

static void draw_tokens(uint32_t vocab_size) {
    mu_rng rng = {3};
    for (uint32_t i = 0; i < N_TOKENS; i++) {
        tokens[i] = (mu_token)mu_rng_below(&rng, vocab_size);
    }
}

static mu_perplexity measure(const mu_model *model, mu_dtype type, uint32_t n_tokens,
                             uint32_t window, uint32_t stride, uint32_t n_threads) {
    mu_perplexity_options o = {
        .weight_type = type,
        .kv_type = MU_F32,
        .n_threads = n_threads,
        .tokens = tokens,
        .n_tokens = n_tokens,
        .window = window,
        .stride = stride,
    };
    mu_perplexity p;
    mu_err err;
    if (mu_perplexity_measure(model, &o, &p, &err) != MU_OK) fail_msg("%s", err.text);
    return p;
}

/* The same sums as one forward pass over each prefix would give, token by token. */
static void a_window_is_a_plain_forward_pass(void **state) {
    (void)state;
    mu_model *model = open_model("synthetic:gpt2-test");
    uint32_t vocab_size = mu_model_spec(model)->vocab_size;
    draw_tokens(vocab_size);
    const mu_kv_block_id blocks[] = {0, 1};
    mu_backend_options b = {.weight_type = MU_F32,
                            .kv_type = MU_F32,
                            .n_threads = 1,
                            .n_ctx = 128,
                            .block_tokens = 64,
                            .n_kv_blocks = 2,
                            .step_tokens_max = 128,
                            .step_rows_max = 128};
    mu_backend *backend = NULL;
    assert_int_equal(mu_backend_open(model, &b, &backend, NULL), MU_OK);
    mu_segment segment = {
        .tokens = tokens, .n_tokens = 128, .block_table = blocks, .rows = MU_ROWS_ALL};
    mu_step step = {&segment, 1};
    mu_step_result result;
    assert_int_equal(mu_backend_forward(backend, &step, &result, NULL), MU_OK);
    double nll = 0.0;
    for (uint32_t r = 0; r < 128; r++) {
        nll += mu_logits_nll(result.logits + (size_t)r * vocab_size, vocab_size, tokens[r + 1]);
    }
    mu_perplexity p = measure(model, MU_F32, 129, 128, 64, 2);
    assert_int_equal(p.n_windows, 1);
    assert_int_equal(p.n_tokens_all, 128);
    assert_true(p.nll[0] == nll); /* the same bits */
    assert_true(isinf(p.interval.high));
    mu_perplexity_deinit(&p);
    mu_backend_close(backend);
    mu_model_close(model);
}

static void cutting_and_threads_change_what_they_should(void **state) {
    (void)state;
    mu_model *model = open_model("synthetic:gpt2-test");
    double vocab_size = mu_model_spec(model)->vocab_size;
    draw_tokens((uint32_t)vocab_size);
    mu_perplexity one = measure(model, MU_F32, N_TOKENS, 100, 30, 1);
    mu_perplexity two = measure(model, MU_F32, N_TOKENS, 100, 30, 2);
    mu_perplexity apart = measure(model, MU_F32, N_TOKENS, 100, 100, 2);
    mu_perplexity single = measure(model, MU_F32, N_TOKENS, 1, 1, 2);
    assert_int_equal(one.n_windows, 8);
    assert_memory_equal(one.nll, two.nll, one.n_windows * sizeof(*one.nll));
    assert_int_equal(apart.n_windows, 3);
    assert_true(apart.value != one.value); /* less context */
    assert_int_equal(single.n_windows, N_TOKENS - 1);
    const mu_perplexity *all[] = {&one, &apart, &single};
    for (size_t i = 0; i < MU_COUNTOF(all); i++) {
        assert_int_equal(all[i]->n_tokens_all, N_TOKENS - 1);
        assert_true(all[i]->interval.low < all[i]->value && all[i]->value < all[i]->interval.high);
        /* random weights are near a uniform distribution, and cannot guess random tokens */
        assert_true(all[i]->value > vocab_size * 0.95 && all[i]->value < vocab_size * 1.2);
    }
    mu_perplexity_deinit(&one), mu_perplexity_deinit(&two);
    mu_perplexity_deinit(&apart), mu_perplexity_deinit(&single);
    mu_model_close(model);
}

/* q4 against f32 of the same text: the paired interval is far narrower than those of the two. */
static void pairs_tell_small_differences_apart(void **state) {
    (void)state;
    mu_model *model = open_model("synthetic:gpt2-test");
    draw_tokens(mu_model_spec(model)->vocab_size);
    mu_perplexity f32 = measure(model, MU_F32, N_TOKENS, 32, 32, 2);
    mu_perplexity q4 = measure(model, MU_Q4_0, N_TOKENS, 32, 32, 2);
    mu_perplexity_change same, change;
    assert_int_equal(mu_perplexity_compare(&f32, &f32, &same, NULL), MU_OK);
    assert_true(same.ratio == 1.0 && same.interval.low == 1.0 && same.interval.high == 1.0);
    assert_int_equal(mu_perplexity_compare(&q4, &f32, &change, NULL), MU_OK);
    assert_true(fabs(change.ratio - q4.value / f32.value) < 1e-12);
    assert_true(change.interval.low < change.ratio && change.ratio < change.interval.high);
    double paired = change.interval.high - change.interval.low;
    double apart = (f32.interval.high - f32.interval.low) / f32.value;
    print_message("intervals: %.2g of pairs, %.2g apart\n", paired, apart);
    assert_true(paired < apart);
    mu_perplexity_deinit(&f32), mu_perplexity_deinit(&q4);
    mu_model_close(model);
}

static bool always(void) {
    return true;
}

static void failures_are_reported_and_leak_nothing(void **state) {
    (void)state;
    mu_model *model = open_model("synthetic:gpt2-test");
    draw_tokens(mu_model_spec(model)->vocab_size);
    mu_perplexity_options o = {.weight_type = MU_F32,
                               .kv_type = MU_F32,
                               .n_threads = 1,
                               .tokens = tokens,
                               .n_tokens = 20,
                               .window = 8,
                               .stride = 4,
                               .is_canceled = always};
    mu_perplexity p = {0};
    mu_err err;
    int64_t alive = mu_alloc_n_alive();
    assert_int_equal(mu_perplexity_measure(model, &o, &p, &err), MU_ERR_CANCELED);
    assert_int_equal(mu_alloc_n_alive(), alive);
    o.is_canceled = NULL;
    int n = 0;
    for (mu_status status = MU_ERR_NOMEM; status != MU_OK; n++) {
        mu_alloc_fail_after(n);
        status = mu_perplexity_measure(model, &o, &p, &err);
        mu_alloc_fail_after(-1);
        assert_true(status == MU_OK || status == MU_ERR_NOMEM);
        if (status != MU_OK) assert_int_equal(mu_alloc_n_alive(), alive);
    }
    print_message("%d points of failure\n", n - 1);
    assert_true(n > 5);
    mu_perplexity_deinit(&p);
    assert_int_equal(mu_alloc_n_alive(), alive);
    mu_model_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_token_is_predicted_once),
        cmocka_unit_test(known_distributions),
        cmocka_unit_test(a_window_is_a_plain_forward_pass),
        cmocka_unit_test(cutting_and_threads_change_what_they_should),
        cmocka_unit_test(pairs_tell_small_differences_apart),
        cmocka_unit_test(failures_are_reported_and_leak_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
