#include "eval/quant.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"

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

static void rows_begin_with_the_reference(void **state) {
    (void)state;
    mu_model *a = open_model("synthetic:gpt2-test"), *b = open_model("synthetic:gpt2-test");
    static const mu_dtype types[] = {MU_F32, MU_F32, MU_BF16, MU_Q8_0, MU_Q4_0};
    mu_quant_row rows[MU_QUANT_ROWS_MAX];
    assert_int_equal(mu_quant_rows(a, b, rows), 5);
    for (int i = 0; i < 5; i++) {
        assert_ptr_equal(rows[i].model, i == 0 ? b : a);
        assert_int_equal(rows[i].weight_type, types[i]);
    }
    assert_int_equal(mu_quant_rows(a, a, rows), 4);
    for (int i = 0; i < 4; i++) {
        assert_ptr_equal(rows[i].model, a);
        assert_int_equal(rows[i].weight_type, types[i + 1]);
    }
    mu_model_close(a), mu_model_close(b);
}

/* The model against itself opened twice: f32 changes nothing, and fewer bits cost more. */
static void fewer_bits_cost_more(void **state) {
    (void)state;
    enum { N = 257 };
    mu_model *model = open_model("synthetic:gpt2-test");
    mu_model *reference = open_model("synthetic:gpt2-test");
    mu_token tokens[N];
    mu_rng rng = {9};
    for (int i = 0; i < N; i++) {
        tokens[i] = (mu_token)mu_rng_below(&rng, mu_model_spec(model)->vocab_size);
    }
    mu_perplexity_options text = {
        .n_threads = 2, .tokens = tokens, .n_tokens = N, .window = 64, .stride = 32};
    mu_quant_row rows[MU_QUANT_ROWS_MAX];
    uint32_t n = mu_quant_rows(model, reference, rows);
    for (uint32_t i = 0; i < n; i++) {
        mu_err err;
        rows[i].kv_type = rows[i].weight_type == MU_F32 ? MU_F32 : MU_F16;
        if (mu_quant_measure(rows, i, &text, &err) != MU_OK) fail_msg("%s", err.text);
        assert_int_equal(rows[i].perplexity.n_tokens_all, N - 1);
    }
    assert_int_equal(rows[0].agreement.n_positions, 0);
    assert_int_equal(rows[1].agreement.n_agreeing, N);
    assert_true(rows[1].change.ratio == 1.0 && rows[1].agreement.kl_max < 1e-9);
    for (uint32_t i = 2; i < n; i++) { /* bf16, q8, q4 */
        assert_true(rows[i].perplexity.weight_bytes < rows[i - 1].perplexity.weight_bytes);
        assert_true(rows[i].agreement.kl_mean > rows[i - 1].agreement.kl_mean);
        assert_true(rows[i].agreement.n_agreeing <= rows[i - 1].agreement.n_agreeing);
        assert_true(fabs(rows[i].change.ratio - 1.0) < 0.05);
    }
    json_t *json = mu_quant_json(rows, n);
    assert_int_equal(json_array_size(json), n);
    assert_true(json_is_null(json_object_get(json_array_get(json, 0), "agreement")));
    assert_true(json_is_null(json_object_get(json_array_get(json, 4), "speed")));
    assert_true(json_is_object(json_object_get(json_array_get(json, 4), "perplexity_change")));
    json_decref(json);
    mu_quant_deinit(rows, n);
    mu_model_close(model), mu_model_close(reference);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_begin_with_the_reference),
        cmocka_unit_test(fewer_bits_cost_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
