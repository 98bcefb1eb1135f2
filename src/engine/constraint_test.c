/* Sequences that are bound to a grammar: what they say, when they end, and that drafts, neighbours
 * and preemption change nothing of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "engine/engine.h"

enum { N_OUTPUT = 90, N_PROMPT = 6 };

static mu_model *model;
static const mu_token prompt[N_PROMPT] = {'{', '"', 'k', 'e', 'y', ':'};

static int open_model(void **state) {
    (void)state;
    mu_ref ref;
    mu_hub_env env = {0};
    json_set_alloc_funcs(mu_alloc, mu_free);
    if (mu_ref_resolve("synthetic:gpt2-test", &env, &ref, NULL) != MU_OK) return 1;
    return mu_model_open(&ref, &env, &model, NULL) == MU_OK ? 0 : 1;
}

static int close_model(void **state) {
    (void)state;
    mu_model_close(model);
    return 0;
}

static mu_engine *open_engine(bool has_drafts, uint64_t kv_cache_bytes) {
    mu_engine_options options = mu_engine_options_default();
    options.no_prompt_lookup = !has_drafts;
    options.n_threads = 1;
    options.n_seqs_max = 4;
    options.kv_cache_bytes = kv_cache_bytes;
    mu_engine *engine = NULL;
    assert_int_equal(mu_engine_open(model, &options, &engine, NULL), MU_OK);
    return engine;
}

/* Without blanks, which a model of random weights writes for ever. */
static mu_grammar *compile_record(const mu_engine *engine) {
    static const char text[] =
        "root ::= \"{\\\"name\\\":\\\"\" [a-z]{0,4} \"\\\",\\\"kind\\\":\\\"\" kind\n"
        "kind ::= (\"first\" | \"second\") \"\\\",\\\"ok\\\":\" (\"true\" | \"false\") \"}\"";
    mu_token_trie *trie = NULL;
    mu_grammar *grammar = NULL;
    mu_grammar_spec spec = {.kind = MU_GRAMMAR_GBNF, .text = text, .n_text = sizeof(text) - 1};
    assert_int_equal(mu_engine_open_trie(engine, &trie, NULL), MU_OK);
    assert_int_equal(mu_grammar_compile(&spec, trie, &grammar, NULL), MU_OK);
    mu_token_trie_unref(trie);
    return grammar;
}

static mu_seq *submit(mu_engine *engine, mu_grammar *grammar, uint64_t seed) {
    mu_seq_options options = {.prompt = prompt,
                              .n_prompt = N_PROMPT,
                              .n_output_max = N_OUTPUT,
                              .sampling = mu_sampling_default(),
                              .grammar = grammar};
    options.sampling.temperature = seed % 3 == 0 ? 0.0f : 1.5f;
    options.sampling.frequency_penalty = seed % 2 ? 0.7f : 0.0f;
    options.sampling.top_p = seed % 5 ? 0.9f : 1.0f;
    options.sampling.seed = seed;
    options.sampling.n_logprobs = (int32_t)(seed % 4) - 1;
    mu_seq *seq = NULL;
    assert_int_equal(mu_engine_submit(engine, &options, &seq, NULL), MU_OK);
    return seq;
}

static void run(mu_engine *engine) {
    mu_step_report report = {0};
    for (int n = 0; !report.is_idle; n++) {
        assert_int_equal(mu_engine_step(engine, &report, NULL), MU_OK);
        assert_true(n < 10000);
    }
}

/* The text of one sequence alone, freed by the caller. */
static void generate(mu_engine *engine, uint64_t seed, mu_buf *text) {
    mu_grammar *grammar = compile_record(engine);
    mu_seq *seq = submit(engine, grammar, seed);
    mu_grammar_unref(grammar); /* the sequence has its own reference */
    run(engine);
    mu_buf_clear(text);
    mu_seq_read(seq, NULL, 0, text);
    assert_int_equal(mu_seq_finish(seq), MU_FINISH_STOP);
    mu_seq_free(seq);
}

static void output_is_in_the_grammar_and_ends_with_it(void **state) {
    (void)state;
    mu_engine *engine = open_engine(false, 0);
    mu_buf text = {0};
    for (uint64_t seed = 0; seed < 10; seed++) {
        generate(engine, seed, &text);
        json_t *json = json_loadb(text.data, text.n, 0, NULL);
        if (!json) fail_msg("seed %d: %s", (int)seed, text.data);
        assert_int_equal(json_object_size(json), 3);
        assert_true(json_is_boolean(json_object_get(json, "ok")));
        const char *kind = json_string_value(json_object_get(json, "kind"));
        assert_true(kind && (strcmp(kind, "first") == 0 || strcmp(kind, "second") == 0));
        json_decref(json);
    }
    mu_buf_deinit(&text);
    mu_engine_close(engine);
}

static void drafts_change_nothing_and_forced_text_is_accepted(void **state) {
    (void)state;
    mu_engine *plain = open_engine(false, 0), *drafting = open_engine(true, 0);
    mu_buf a = {0}, b = {0};
    for (uint64_t seed = 0; seed < 10; seed++) {
        generate(plain, seed, &a);
        generate(drafting, seed, &b);
        assert_string_equal(a.data, b.data);
    }
    mu_engine_stats with = mu_engine_get_stats(drafting), without = mu_engine_get_stats(plain);
    assert_true(with.n_accepted_tokens > 0);
    assert_true(with.n_steps < without.n_steps);
    mu_buf_deinit(&a);
    mu_buf_deinit(&b);
    mu_engine_close(plain);
    mu_engine_close(drafting);
}

/* Several at once, one without a grammar, in a KV cache too small for all: each as alone. */
static void neighbours_and_preemption_change_nothing(void **state) {
    (void)state;
    mu_engine *wide = open_engine(false, 0);
    uint64_t block_bytes = 0;
    mu_engine_stats stats = mu_engine_get_stats(wide);
    mu_engine_options options = mu_engine_options_default();
    options.n_seqs_max = 4;
    mu_engine_bytes bytes;
    assert_int_equal(mu_engine_plan(model, &options, &bytes, NULL), MU_OK);
    block_bytes = bytes.kv / stats.n_kv_blocks;
    mu_engine *narrow = open_engine(false, 9 * block_bytes);
    mu_buf alone = {0}, text = {0};
    mu_grammar *grammar = compile_record(narrow);
    mu_seq *seqs[4];
    for (uint64_t i = 0; i < 4; i++) {
        seqs[i] = submit(narrow, i == 3 ? NULL : grammar, i);
    }
    run(narrow);
    for (uint64_t i = 0; i < 3; i++) {
        generate(wide, i, &alone);
        mu_buf_clear(&text);
        mu_seq_read(seqs[i], NULL, 0, &text);
        assert_string_equal(text.data, alone.data);
    }
    assert_true(mu_engine_get_stats(narrow).n_preemptions > 0);
    for (int i = 0; i < 4; i++) {
        mu_seq_free(seqs[i]);
    }
    mu_grammar_unref(grammar);
    mu_buf_deinit(&alone);
    mu_buf_deinit(&text);
    mu_engine_close(narrow);
    mu_engine_close(wide);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_is_in_the_grammar_and_ends_with_it),
        cmocka_unit_test(drafts_change_nothing_and_forced_text_is_accepted),
        cmocka_unit_test(neighbours_and_preemption_change_nothing),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
