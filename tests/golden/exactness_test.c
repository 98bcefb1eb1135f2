/* Prompt lookup changes no output: thousands of sequences with and without it, token for token and
 * logprob for logprob, greedy and sampled, with penalties, stop strings and limits, one and two at
 * a time, in every weight type.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "engine/engine.h"

enum { N_SEQS = 2, PROMPT_MAX = 60, OUTPUT_MAX = 48 };

static const struct {
    const char *name;
    uint32_t n_rounds;
} models[] = {{"synthetic:gpt2-test", 700}, {"synthetic:llama-test", 200}};

typedef struct run_result {
    mu_token tokens[N_SEQS][OUTPUT_MAX];
    float logprobs[N_SEQS][OUTPUT_MAX];
    uint32_t n[N_SEQS];
    mu_finish finish[N_SEQS];
} run_result;

static mu_model *open_model(const char *name) {
    mu_err err;
    mu_ref ref;
    mu_hub_env env = {0};
    mu_model *model = NULL;
    assert_int_equal(mu_ref_resolve(name, &env, &ref, &err), MU_OK);
    assert_int_equal(mu_model_open(&ref, &env, &model, &err), MU_OK);
    return model;
}

static mu_engine *open_engine(const mu_model *model, mu_dtype type, bool no_lookup) {
    mu_engine_options o = mu_engine_options_default();
    mu_err err;
    mu_engine *engine = NULL;
    o.weight_type = type;
    o.n_threads = 1;
    o.n_seqs_max = N_SEQS;
    o.no_prompt_lookup = no_lookup;
    if (mu_engine_open(model, &o, &engine, &err) != MU_OK) fail_msg("%s", err.text);
    return engine;
}

/* Text that repeats itself: copies of a phrase with some tokens changed. */
static uint32_t draw_prompt(mu_rng *rng, mu_token *prompt, uint32_t vocab_size) {
    uint32_t n = 3 + (uint32_t)mu_rng_below(rng, PROMPT_MAX - 3);
    uint32_t phrase = 1 + (uint32_t)mu_rng_below(rng, 12);
    for (uint32_t i = 0; i < n; i++) {
        bool is_copy = i >= phrase && mu_rng_below(rng, 10) != 0;
        prompt[i] = is_copy ? prompt[i - phrase] : (mu_token)mu_rng_below(rng, vocab_size);
    }
    return n;
}

static mu_sampling draw_sampling(mu_rng *rng) {
    mu_sampling s = mu_sampling_default();
    s.n_logprobs = 0;
    s.seed = mu_rng_u64(rng);
    uint64_t kind = mu_rng_below(rng, 4);
    if (kind == 1) s.temperature = 0.3f;
    if (kind == 2) s.temperature = 1.0f, s.top_k = 4;
    if (kind == 3) s.repetition_penalty = 1.1f, s.frequency_penalty = 0.2f;
    return s;
}

static void run(mu_engine *engine, uint64_t seed, uint32_t vocab_size, run_result *out) {
    mu_rng rng = {seed};
    mu_seq *seqs[N_SEQS];
    mu_err err;
    mu_step_report report = {0};
    uint32_t n_seqs = 1 + (uint32_t)mu_rng_below(&rng, N_SEQS);
    memset(out, 0, sizeof(*out));
    for (uint32_t i = 0; i < n_seqs; i++) {
        static const char *const stops[] = {"ab", "\xc3"};
        mu_token prompt[PROMPT_MAX], stop = (mu_token)mu_rng_below(&rng, vocab_size);
        mu_seq_options o = {.prompt = prompt,
                            .n_prompt = draw_prompt(&rng, prompt, vocab_size),
                            .n_output_max = 1 + (uint32_t)mu_rng_below(&rng, OUTPUT_MAX),
                            .sampling = draw_sampling(&rng),
                            .stop_tokens = &stop,
                            .n_stop_tokens = 1,
                            .stop_strings = stops,
                            .n_stop_strings = (uint32_t)mu_rng_below(&rng, 3)};
        assert_int_equal(mu_engine_submit(engine, &o, &seqs[i], &err), MU_OK);
    }
    while (!report.is_idle) {
        assert_int_equal(mu_engine_step(engine, &report, &err), MU_OK);
    }
    for (uint32_t i = 0; i < n_seqs; i++) {
        static mu_output outputs[OUTPUT_MAX];
        out->n[i] = mu_seq_read(seqs[i], outputs, OUTPUT_MAX, NULL);
        for (uint32_t t = 0; t < out->n[i]; t++) {
            out->tokens[i][t] = outputs[t].token;
            out->logprobs[i][t] = outputs[t].logprob;
        }
        out->finish[i] = mu_seq_finish(seqs[i]);
        mu_seq_free(seqs[i]);
    }
}

static void check_model(const char *name, uint32_t n_rounds) {
    mu_model *model = open_model(name);
    uint32_t vocab_size = mu_model_spec(model)->vocab_size;
    uint64_t n_tokens = 0, n_seqs = 0;
    for (uint32_t type = 0; type < MU_N_WEIGHT_TYPES; type++) {
        mu_engine *plain = open_engine(model, mu_weight_type_at(type), true);
        mu_engine *drafting = open_engine(model, mu_weight_type_at(type), false);
        for (uint32_t round = 0; round < n_rounds; round++) {
            run_result want, got;
            run(plain, round, vocab_size, &want);
            run(drafting, round, vocab_size, &got);
            assert_memory_equal(&want, &got, sizeof(want));
            for (uint32_t i = 0; i < N_SEQS; i++) {
                n_seqs += want.n[i] > 0;
                n_tokens += want.n[i];
            }
        }
        mu_engine_stats a = mu_engine_get_stats(plain), b = mu_engine_get_stats(drafting);
        assert_int_equal(a.n_draft_tokens, 0);
        assert_true(b.n_accepted_tokens > 0 && b.n_accepted_tokens < b.n_draft_tokens);
        assert_true(b.n_steps < a.n_steps);
        assert_int_equal(a.n_decode_tokens, b.n_decode_tokens);
        assert_int_equal(b.n_kv_blocks_free, b.n_kv_blocks);
        print_message("%s, %s: %llu steps instead of %llu, %llu of %llu draft tokens right\n", name,
                      mu_weight_type_name(mu_weight_type_at(type)), (unsigned long long)b.n_steps,
                      (unsigned long long)a.n_steps, (unsigned long long)b.n_accepted_tokens,
                      (unsigned long long)b.n_draft_tokens);
        mu_engine_close(plain);
        mu_engine_close(drafting);
    }
    print_message("%s: %llu sequences, %llu tokens\n", name, (unsigned long long)n_seqs,
                  (unsigned long long)n_tokens);
    mu_model_close(model);
}

static void drafts_change_nothing(void **state) {
    (void)state;
    for (size_t i = 0; i < MU_COUNTOF(models); i++) {
        check_model(models[i].name, models[i].n_rounds);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(drafts_change_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
