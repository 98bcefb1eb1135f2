#include "engine/engine.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"

enum { N_PROMPT = 20, N_CTX = 128, VOCAB = 517, SEED = 3, TEXT_RUNS = 200 };

static mu_model *model;
static mu_engine *engine;
static mu_token prompt[N_CTX];

static mu_status open_synthetic(mu_model **out) {
    mu_ref ref;
    mu_hub_env env = {0};
    mu_status status = mu_ref_resolve("synthetic:gpt2-test", &env, &ref, NULL);
    return status == MU_OK ? mu_model_open(&ref, &env, out, NULL) : status;
}

static int open_model(void **state) {
    (void)state;
    mu_rng rng = {SEED};
    for (uint32_t i = 0; i < N_CTX; i++) {
        prompt[i] = (mu_token)mu_rng_below(&rng, 256);
    }
    if (open_synthetic(&model) != MU_OK) return 1;
    const mu_decoder_spec *spec = mu_model_spec(model);
    return spec->vocab_size == VOCAB && spec->n_ctx == N_CTX ? 0 : 1;
}

static int close_model(void **state) {
    (void)state;
    mu_model_close(model);
    return 0;
}

static mu_engine_options small_options(void) {
    mu_engine_options options = mu_engine_options_default();
    options.no_prompt_lookup = true; /* one token a step: what these tests count */
    options.n_threads = 1;
    options.n_seqs_max = 4;
    options.n_waiting_max = 3;
    options.step_tokens_max = 64;
    return options;
}

static int open_engine(void **state) {
    (void)state;
    mu_engine_options options = small_options();
    return mu_engine_open(model, &options, &engine, NULL) == MU_OK ? 0 : 1;
}

static int close_engine(void **state) {
    (void)state;
    mu_engine_close(engine);
    engine = NULL;
    return 0;
}

static mu_seq_options usual_seq(void) {
    return (mu_seq_options){
        .prompt = prompt,
        .n_prompt = N_PROMPT,
        .n_output_max = 16,
        .sampling = mu_sampling_default(),
        .ignore_eos = true,
    };
}

/* Random text: printable, so that stop strings can be cut out of it. */
static mu_seq_options text_seq(mu_logit_bias *biases, uint64_t seed) {
    mu_seq_options o = usual_seq();
    for (mu_token token = 0; token < VOCAB; token++) {
        biases[token] = (mu_logit_bias){token, token >= 'a' && token <= 'f' ? 0.0f : -100.0f};
    }
    o.sampling.biases = biases;
    o.sampling.n_biases = VOCAB;
    o.sampling.temperature = 2.0f;
    o.sampling.seed = seed;
    return o;
}

static mu_seq *submit(const mu_seq_options *options) {
    mu_seq *seq = NULL;
    mu_err err = {0};
    if (mu_engine_submit(engine, options, &seq, &err) != MU_OK) fail_msg("%s", err.text);
    return seq;
}

static mu_step_report step(void) {
    mu_step_report report = {0};
    assert_int_equal(mu_engine_step(engine, &report, NULL), MU_OK);
    return report;
}

static void run_all(void) {
    for (uint32_t n_steps = 0; !step().is_idle; n_steps++) {
        assert_true(n_steps < 10000);
    }
}

static void assert_all_blocks_free(void) {
    mu_engine_stats stats = mu_engine_get_stats(engine);
    assert_int_equal(stats.n_kv_blocks_free, stats.n_kv_blocks);
    assert_int_equal(stats.n_running + stats.n_waiting, 0);
}

static void sequence_ends_at_n_output_max_and_gives_all(void **state) {
    (void)state;
    mu_seq_options o = usual_seq();
    o.sampling.n_logprobs = 2;
    mu_seq *seq = submit(&o);
    assert_int_equal(mu_seq_get_state(seq), MU_SEQ_WAITING);
    step();
    assert_int_equal(mu_seq_get_state(seq), MU_SEQ_RUNNING);
    assert_int_equal(mu_seq_n_output(seq), 1);
    run_all();
    assert_int_equal(mu_seq_get_state(seq), MU_SEQ_FINISHED);
    assert_int_equal(mu_seq_finish(seq), MU_FINISH_LENGTH);
    assert_null(mu_seq_error(seq));
    mu_output outputs[16];
    mu_token tokens[16];
    assert_int_equal(mu_seq_read(seq, outputs, 5, NULL), 5);
    mu_buf text = {0}, wanted = {0};
    assert_int_equal(mu_seq_read(seq, outputs + 5, 16, &text), 11);
    assert_int_equal(mu_seq_read(seq, outputs, 16, &text), 0);
    for (int i = 0; i < 16; i++) {
        tokens[i] = outputs[i].token;
        assert_int_equal(outputs[i].n_top, 2);
        assert_int_equal(outputs[i].top[0].token, tokens[i]); /* greedy is the most likely */
        assert_true(outputs[i].top[0].logprob == outputs[i].logprob);
        assert_true(outputs[i].logprob >= outputs[i].top[1].logprob);
    }
    mu_detokenizer detok;
    mu_detokenizer_init(&detok, mu_model_tokenizer(model), false);
    for (int i = 0; i < 16; i++) {
        mu_detokenizer_push(&detok, tokens[i], &wanted);
    }
    mu_detokenizer_finish(&detok, &wanted);
    assert_int_equal(text.n, wanted.n);
    if (text.n > 0) assert_memory_equal(text.data, wanted.data, text.n);
    mu_buf_deinit(&text);
    mu_buf_deinit(&wanted);
    mu_seq_free(seq);
    assert_all_blocks_free();
}

static void context_may_be_filled_to_the_last_position(void **state) {
    (void)state;
    static const uint32_t n_prompts[] = {1, 63, 64, 127};
    for (size_t i = 0; i < MU_COUNTOF(n_prompts); i++) {
        mu_seq_options o = usual_seq();
        o.n_prompt = n_prompts[i];
        o.n_output_max = N_CTX - n_prompts[i];
        mu_seq *seq = submit(&o);
        run_all();
        assert_int_equal(mu_seq_n_output(seq), o.n_output_max);
        mu_seq_free(seq);
    }
}

static mu_token output_of(const mu_seq_options *o, uint32_t at) {
    mu_seq *seq = submit(o);
    run_all();
    mu_output outputs[16];
    uint32_t n = mu_seq_read(seq, outputs, 16, NULL);
    mu_seq_free(seq);
    assert_true(at < n);
    return outputs[at].token;
}

static void stop_token_ends_but_not_before_n_output_min(void **state) {
    (void)state;
    static mu_logit_bias biases[VOCAB];
    mu_seq_options o = text_seq(biases, 5);
    mu_token stop = output_of(&o, 0);
    o.stop_tokens = &stop;
    o.n_stop_tokens = 1;
    for (uint32_t n_min = 0; n_min <= 4; n_min++) {
        o.n_output_min = n_min;
        mu_seq *seq = submit(&o);
        run_all();
        mu_output outputs[16];
        mu_buf text = {0};
        uint32_t n = mu_seq_read(seq, outputs, 16, &text);
        assert_true(n >= n_min && (n_min > 0 || n == 1));
        for (uint32_t i = 0; i + 1 < n; i++) {
            assert_int_not_equal(outputs[i].token, stop);
        }
        if (mu_seq_finish(seq) == MU_FINISH_STOP) {
            assert_int_equal(outputs[n - 1].token, stop);
            assert_int_equal(text.n, n - 1); /* one byte a token; the stop token is no text */
        }
        mu_buf_deinit(&text);
        mu_seq_free(seq);
    }
}

static void eos_ends_unless_ignored(void **state) {
    (void)state;
    mu_token eos = mu_model_eos(model);
    assert_int_not_equal(eos, MU_TOKEN_NONE);
    mu_logit_bias lift = {eos, 100.0f};
    mu_seq_options o = usual_seq();
    o.sampling.biases = &lift;
    o.sampling.n_biases = 1;
    for (int ignore = 0; ignore < 2; ignore++) {
        o.ignore_eos = ignore == 1;
        mu_seq *seq = submit(&o);
        run_all();
        assert_int_equal(mu_seq_finish(seq), ignore ? MU_FINISH_LENGTH : MU_FINISH_STOP);
        assert_int_equal(mu_seq_n_output(seq), ignore ? 16 : 1);
        mu_seq_free(seq);
    }
    o.ignore_eos = false;
    o.n_output_min = 3;
    mu_seq *seq = submit(&o);
    run_all();
    assert_int_equal(mu_seq_n_output(seq), 4);
    mu_seq_free(seq);
}

/* Text read after every step, at the end, and what stands before the stop string in the text of the
 * same sequence without one: all equal. */
static void stop_string_cuts_the_text_however_it_is_read(void **state) {
    (void)state;
    static mu_logit_bias biases[VOCAB];
    mu_rng rng = {SEED};
    uint32_t n_hits = 0;
    for (uint32_t i = 0; i < TEXT_RUNS; i++) {
        char string[4] = {0};
        const char *strings[] = {string, "zz"};
        uint32_t length = 1 + (uint32_t)mu_rng_below(&rng, 3);
        for (uint32_t j = 0; j < length; j++) {
            string[j] = (char)('a' + mu_rng_below(&rng, 3));
        }
        mu_seq_options o = text_seq(biases, i);
        mu_seq *plain = submit(&o);
        o.stop_strings = strings;
        o.n_stop_strings = 2;
        mu_seq *streamed = submit(&o), *at_once = submit(&o);
        mu_buf texts[3] = {{0}};
        while (!step().is_idle) {
            mu_seq_read(streamed, NULL, 16, &texts[1]);
        }
        mu_seq_read(plain, NULL, 16, &texts[0]);
        mu_seq_read(streamed, NULL, 16, &texts[1]);
        mu_seq_read(at_once, NULL, 16, &texts[2]);
        assert_int_equal(texts[0].n, 16);
        const char *hit = strstr(texts[0].data, string);
        size_t wanted = hit ? (size_t)(hit - texts[0].data) : 16;
        assert_int_equal(mu_seq_finish(streamed), hit ? MU_FINISH_STOP : MU_FINISH_LENGTH);
        assert_int_equal(mu_seq_n_output(streamed), hit ? wanted + length : 16);
        for (int j = 1; j < 3; j++) {
            assert_int_equal(texts[j].n, wanted);
            if (wanted > 0) assert_memory_equal(texts[j].data, texts[0].data, wanted);
        }
        n_hits += hit != NULL;
        for (int j = 0; j < 3; j++) {
            mu_buf_deinit(&texts[j]);
        }
        mu_seq_free(plain);
        mu_seq_free(streamed);
        mu_seq_free(at_once);
    }
    assert_true(n_hits > TEXT_RUNS / 4 && n_hits < TEXT_RUNS);
    printf("%d texts, %u cut at a stop string\n", TEXT_RUNS, n_hits);
}

static void unfinished_text_never_shows_what_may_be_a_stop_string(void **state) {
    (void)state;
    static mu_logit_bias biases[VOCAB];
    static const char *const strings[] = {"aaaaaaaaaaaaaaaa"}; /* all that will come */
    mu_seq_options o = text_seq(biases, 1);
    biases['a'].bias = 100.0f;
    o.sampling.temperature = 0.0f;
    o.stop_strings = strings;
    o.n_stop_strings = 1;
    mu_seq *seq = submit(&o);
    mu_buf text = {0};
    for (uint32_t i = 1; i < 16; i++) {
        step();
        assert_int_equal(mu_seq_read(seq, NULL, 1, &text), 1);
        assert_int_equal(text.n, 0);
    }
    mu_seq_cancel(seq);
    step();
    mu_seq_read(seq, NULL, 1, &text);
    assert_int_equal(text.n, 15); /* now it cannot become one any more */
    mu_buf_deinit(&text);
    mu_seq_free(seq);
}

static void canceled_sequence_ends_before_the_next_step(void **state) {
    (void)state;
    mu_seq_options o = usual_seq();
    mu_seq *waiting = submit(&o);
    mu_seq_cancel(waiting);
    step();
    assert_int_equal(mu_seq_finish(waiting), MU_FINISH_CANCELED);
    assert_int_equal(mu_seq_n_output(waiting), 0);
    mu_seq *running = submit(&o);
    step();
    mu_seq_cancel(running);
    mu_seq_cancel(running);
    step();
    assert_int_equal(mu_seq_finish(running), MU_FINISH_CANCELED);
    assert_int_equal(mu_seq_n_output(running), 1);
    assert_all_blocks_free();
    assert_int_equal(mu_engine_get_stats(engine).n_canceled, 2);
    mu_seq_cancel(running); /* too late changes nothing */
    step();
    assert_int_equal(mu_engine_get_stats(engine).n_canceled, 2);
    mu_seq_free(waiting);
    mu_seq_free(running);
    mu_seq *freed = submit(&o);
    step();
    mu_seq_free(freed);
    assert_all_blocks_free();
    mu_seq_free(NULL);
}

static void prefill_beside_decoding_is_bounded(void **state) {
    (void)state;
    mu_seq_options o = usual_seq();
    o.no_prefix_cache = true;
    mu_engine_set_prefill_beside(engine, 5);
    mu_seq *alone = submit(&o);
    assert_int_equal(step().n_prefill_tokens, N_PROMPT); /* nobody decodes yet */
    mu_seq *beside = submit(&o);
    mu_engine_set_prefill_beside(engine, 0); /* a step without */
    mu_step_report without = step();
    assert_int_equal(without.n_decode_tokens, 1);
    assert_int_equal(without.n_prefill_tokens, 0);
    mu_engine_set_prefill_beside(engine, 5);
    for (uint32_t left = N_PROMPT; left > 0;) {
        mu_step_report report = step();
        assert_int_equal(report.n_decode_tokens, 1);
        assert_int_equal(report.n_prefill_tokens, left < 5 ? left : 5);
        left -= report.n_prefill_tokens;
    }
    assert_int_equal(mu_seq_n_output(beside), 1);
    mu_seq_free(alone);
    mu_seq_free(beside);
}

static void sequence_may_be_opened_before_it_is_added(void **state) {
    (void)state;
    mu_seq_options o = usual_seq();
    mu_seq *added = NULL, *dropped = NULL;
    assert_int_equal(mu_seq_open(engine, &o, &added, NULL), MU_OK);
    assert_int_equal(mu_seq_open(engine, &o, &dropped, NULL), MU_OK);
    assert_int_equal(mu_engine_get_stats(engine).n_waiting, 0);
    assert_int_equal(mu_engine_add(engine, added, NULL), MU_OK);
    assert_int_equal(mu_engine_get_stats(engine).n_waiting, 1);
    run_all();
    assert_int_equal(mu_seq_n_output(added), 16);
    mu_seq_free(added);
    mu_seq_free(dropped);
    assert_int_equal(mu_engine_get_stats(engine).n_canceled, 0);
}

static void bad_requests_are_refused_and_named(void **state) {
    (void)state;
    static const mu_token outside[] = {VOCAB}, negative[] = {-1};
    static const char *const empty[] = {""};
#define REQUEST(...) \
    { .prompt = prompt, .n_prompt = 4, .n_output_max = 4, __VA_ARGS__ }
    const struct {
        const char *name; /* in the error text */
        mu_status status;
        mu_seq_options options;
    } rows[] = {
        {"prompt", MU_ERR_INVALID, {.prompt = prompt, .n_prompt = 0, .n_output_max = 4}},
        {"prompt", MU_ERR_INVALID, {.prompt = outside, .n_prompt = 1, .n_output_max = 4}},
        {"prompt", MU_ERR_INVALID, {.prompt = negative, .n_prompt = 1, .n_output_max = 4}},
        {"max_tokens", MU_ERR_INVALID, {.prompt = prompt, .n_prompt = 4, .n_output_max = 0}},
        {"128", MU_ERR_LIMIT, {.prompt = prompt, .n_prompt = 100, .n_output_max = 29}},
        {"128", MU_ERR_LIMIT, {.prompt = prompt, .n_prompt = 4, .n_output_max = UINT32_MAX}},
        {"stop_tokens", MU_ERR_INVALID, REQUEST(.stop_tokens = outside, .n_stop_tokens = 1)},
        {"stop", MU_ERR_INVALID, REQUEST(.stop_strings = empty, .n_stop_strings = 1)},
        {"temperature", MU_ERR_INVALID, REQUEST(.sampling.temperature = -1)},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_seq_options o = rows[i].options;
        float temperature = o.sampling.temperature;
        o.sampling = mu_sampling_default();
        o.sampling.temperature = temperature;
        mu_seq *seq = NULL;
        mu_err err = {0};
        assert_int_equal(mu_engine_submit(engine, &o, &seq, &err), rows[i].status);
        assert_null(seq);
        if (!strstr(err.text, rows[i].name)) fail_msg("%s: \"%s\"", rows[i].name, err.text);
    }
    assert_all_blocks_free();
}

static void queue_is_bounded(void **state) {
    (void)state;
    mu_seq_options o = usual_seq();
    mu_seq *seqs[3], *refused = NULL;
    for (int i = 0; i < 3; i++) {
        seqs[i] = submit(&o);
    }
    mu_err err = {0};
    assert_int_equal(mu_engine_submit(engine, &o, &refused, &err), MU_ERR_BUSY);
    assert_null(refused);
    step(); /* three run now, and three more may wait */
    refused = submit(&o);
    run_all();
    mu_seq_free(refused);
    for (int i = 0; i < 3; i++) {
        mu_seq_free(seqs[i]);
    }
}

static void bad_engine_options_are_refused_and_named(void **state) {
    (void)state;
    const struct {
        const char *name;
        mu_status status;
        size_t offset;
        uint64_t value; /* for the member at offset */
        size_t size;
    } rows[] = {
#define MEMBER(m) offsetof(mu_engine_options, m)
#define SIZE(m)   sizeof(((mu_engine_options *)NULL)->m)
        {"threads", MU_ERR_INVALID, MEMBER(n_threads), 5000, SIZE(n_threads)},
        {"sequences", MU_ERR_INVALID, MEMBER(n_seqs_max), 0, SIZE(n_seqs_max)},
        {"sequences", MU_ERR_INVALID, MEMBER(n_seqs_max), UINT32_MAX, SIZE(n_seqs_max)},
        {"waiting", MU_ERR_INVALID, MEMBER(n_waiting_max), 0, SIZE(n_waiting_max)},
        {"step", MU_ERR_INVALID, MEMBER(step_tokens_max), UINT32_MAX, SIZE(step_tokens_max)},
        {"chunk", MU_ERR_INVALID, MEMBER(prefill_chunk_max), UINT32_MAX, SIZE(prefill_chunk_max)},
        {"block", MU_ERR_INVALID, MEMBER(block_tokens), 0, SIZE(block_tokens)},
        {"block", MU_ERR_INVALID, MEMBER(block_tokens), 17, SIZE(block_tokens)},
        {"block", MU_ERR_INVALID, MEMBER(block_tokens), UINT32_MAX, SIZE(block_tokens)},
        {"context", MU_ERR_LIMIT, MEMBER(n_ctx), N_CTX + 1, SIZE(n_ctx)},
        {"KV cache", MU_ERR_LIMIT, MEMBER(kv_cache_bytes), 100, SIZE(kv_cache_bytes)},
        {"weight type", MU_ERR_INVALID, MEMBER(weight_type), MU_Q5_K, SIZE(weight_type)},
        {"KV type", MU_ERR_INVALID, MEMBER(kv_type), MU_Q8_0, SIZE(kv_type)},
    };
    int64_t before = mu_alloc_n_alive();
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_engine_options o = small_options();
        memcpy((uint8_t *)&o + rows[i].offset, &rows[i].value, rows[i].size); /* little-endian */
        mu_engine *refused = NULL;
        mu_err err = {0};
        mu_status status = mu_engine_open(model, &o, &refused, &err);
        if (status != rows[i].status || !strstr(err.text, rows[i].name)) {
            fail_msg("%s: status %d, \"%s\"", rows[i].name, status, err.text);
        }
        assert_null(refused);
        assert_int_equal(mu_alloc_n_alive(), before);
    }
}

static void request_that_never_fits_the_kv_cache_is_refused(void **state) {
    (void)state;
    mu_engine_stats stats = mu_engine_get_stats(engine);
    mu_backend_bytes bytes = mu_backend_get_bytes(mu_engine_backend(engine));
    mu_engine_close(engine);
    mu_engine_options options = small_options();
    options.kv_cache_bytes = 3 * (bytes.kv / stats.n_kv_blocks);
    assert_int_equal(mu_engine_open(model, &options, &engine, NULL), MU_OK);
    assert_int_equal(mu_engine_get_stats(engine).n_kv_blocks, 3);
    assert_true(mu_backend_get_bytes(mu_engine_backend(engine)).kv <= options.kv_cache_bytes);
    mu_seq_options o = usual_seq();
    o.n_prompt = 40;
    o.n_output_max = 9;
    mu_seq *seq = NULL;
    mu_err err = {0};
    assert_int_equal(mu_engine_submit(engine, &o, &seq, &err), MU_ERR_LIMIT);
    assert_non_null(strstr(err.text, "48"));
    o.n_output_max = 8;
    seq = submit(&o);
    run_all();
    assert_int_equal(mu_seq_finish(seq), MU_FINISH_LENGTH);
    mu_seq_free(seq);
}

static void known_prompt_still_computes_its_last_token(void **state) {
    (void)state;
    static const uint32_t n_prompts[] = {1, 15, 16, 17, 31, 32, 33, 64};
    for (size_t i = 0; i < MU_COUNTOF(n_prompts); i++) {
        mu_seq_options o = usual_seq();
        o.n_prompt = n_prompts[i];
        prompt[0] = (mu_token)i; /* nothing is shared between rows */
        mu_seq *first = submit(&o);
        run_all();
        assert_int_equal(mu_seq_n_cached(first), 0);
        mu_seq *second = submit(&o);
        uint32_t n_known = (n_prompts[i] - 1) / 16 * 16;
        assert_int_equal(step().n_prefill_tokens, n_prompts[i] - n_known);
        assert_int_equal(mu_seq_n_cached(second), n_known);
        run_all();
        o.no_prefix_cache = true;
        mu_seq *third = submit(&o);
        run_all();
        assert_int_equal(mu_seq_n_cached(third), 0);
        mu_seq_free(first);
        mu_seq_free(second);
        mu_seq_free(third);
    }
}

static void sequence_without_prefix_cache_leaves_no_blocks(void **state) {
    (void)state;
    mu_seq_options o = usual_seq();
    o.n_prompt = 64;
    prompt[0] = 99;
    o.no_prefix_cache = true;
    mu_seq *first = submit(&o);
    run_all();
    o.no_prefix_cache = false;
    mu_seq *second = submit(&o);
    run_all();
    assert_int_equal(mu_seq_n_cached(second), 0);
    mu_seq_free(first);
    mu_seq_free(second);
}

/* Everything a step can be asked for at once, in a KV cache that is too small for all. */
static void steps_allocate_nothing(void **state) {
    (void)state;
    static const char *const strings[] = {"never", "ever"};
    static const mu_logit_bias biases[] = {{5, 1.0f}};
    mu_engine_stats stats = mu_engine_get_stats(engine);
    uint64_t kv_bytes = mu_backend_get_bytes(mu_engine_backend(engine)).kv;
    mu_engine_close(engine);
    mu_engine_options options = small_options();
    options.n_threads = 2;
    options.kv_cache_bytes = 9 * (kv_bytes / stats.n_kv_blocks);
    assert_int_equal(mu_engine_open(model, &options, &engine, NULL), MU_OK);
    mu_seq *seqs[3];
    for (uint32_t i = 0; i < 3; i++) {
        mu_seq_options o = usual_seq();
        o.n_prompt = 30;
        o.n_output_max = 90;
        o.stop_strings = strings;
        o.n_stop_strings = 2;
        o.n_output_min = 3;
        o.sampling = (mu_sampling){
            .temperature = 1.5f,
            .top_k = i == 0 ? 0 : 300,
            .top_p = i == 1 ? 1.0f : 0.99f,
            .min_p = 1e-4f,
            .repetition_penalty = 1.1f,
            .frequency_penalty = 0.1f,
            .presence_penalty = 0.1f,
            .seed = i,
            .biases = biases,
            .n_biases = 1,
            .n_logprobs = MU_TOP_LOGPROBS_MAX,
        };
        seqs[i] = submit(&o);
    }
    int64_t before = mu_alloc_n_alive();
    mu_alloc_fail_after(0);
    run_all();
    void *refused = mu_alloc(1); /* the failure was still waiting: no step had asked for memory */
    mu_alloc_fail_after(-1);
    assert_null(refused);
    assert_int_equal(mu_alloc_n_alive(), before);
    stats = mu_engine_get_stats(engine);
    assert_true(stats.n_preemptions > 0);
    printf("%llu steps without an allocation, %llu preemptions\n",
           (unsigned long long)stats.n_steps, (unsigned long long)stats.n_preemptions);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(mu_seq_n_output(seqs[i]), 90);
        mu_seq_free(seqs[i]);
    }
}

static void text_is_read_whole_after_memory_ran_out(void **state) {
    (void)state;
    static mu_logit_bias biases[VOCAB];
    mu_seq_options o = text_seq(biases, 9);
    mu_seq *seq = submit(&o);
    run_all();
    mu_buf text = {0};
    mu_alloc_fail_after(0);
    mu_seq_read(seq, NULL, 16, &text);
    mu_alloc_fail_after(-1);
    assert_true(text.failed && text.n == 0);
    mu_buf_clear(&text);
    mu_seq_read(seq, NULL, 16, &text);
    assert_int_equal(text.n, 16);
    mu_buf_deinit(&text);
    mu_seq_free(seq);
}

static void a_plan_is_what_open_takes(void **state) {
    (void)state;
    int64_t before = mu_alloc_n_alive();
    static const uint64_t kv_bytes[] = {0, 1 << 20};
    for (size_t i = 0; i < MU_COUNTOF(kv_bytes); i++) {
        mu_engine_options options = small_options();
        options.kv_cache_bytes = kv_bytes[i];
        mu_engine_bytes plan;
        assert_int_equal(mu_engine_plan(model, &options, &plan, NULL), MU_OK);
        assert_int_equal(mu_alloc_n_alive(), before);
        assert_int_equal(mu_engine_open(model, &options, &engine, NULL), MU_OK);
        mu_backend_bytes bytes = mu_backend_get_bytes(mu_engine_backend(engine));
        assert_int_equal(plan.weights, bytes.weights);
        assert_int_equal(plan.kv, bytes.kv);
        assert_int_equal(plan.scratch, bytes.scratch);
        assert_true(plan.accounting > 0);
        options.kv_cache_bytes = plan.kv_least; /* enough for one sequence of the whole context */
        mu_engine_bytes least;
        assert_int_equal(mu_engine_plan(model, &options, &least, NULL), MU_OK);
        assert_int_equal(least.kv, plan.kv_least);
        mu_engine_close(engine);
        engine = NULL;
    }
}

enum { N_OUTPUTS = 16 };

static uint32_t load(void) {
    bool is_loaded = false;
    uint32_t n_pieces = 0;
    for (; !is_loaded; n_pieces++) {
        assert_int_equal(mu_engine_load(engine, &is_loaded, NULL), MU_OK);
    }
    return n_pieces;
}

/* What the prompt becomes; the prefix cache had n_cached tokens of it. */
static void run_prompt(mu_seq *seq, uint32_t n_cached, mu_output *out) {
    assert_int_equal(mu_engine_add(engine, seq, NULL), MU_OK);
    run_all();
    assert_int_equal(mu_seq_n_cached(seq), n_cached);
    assert_int_equal(mu_seq_read(seq, out, N_OUTPUTS, NULL), N_OUTPUTS);
    mu_seq_free(seq);
}

static mu_seq *open_usual(void) {
    mu_seq_options o = usual_seq();
    mu_seq *seq = NULL;
    assert_int_equal(mu_seq_open(engine, &o, &seq, NULL), MU_OK);
    return seq;
}

static void engine_is_loaded_in_pieces_and_again_after_an_unload(void **state) {
    (void)state;
    mu_output expected[N_OUTPUTS], got[N_OUTPUTS];
    mu_engine_options options = small_options();
    assert_int_equal(mu_engine_open(model, &options, &engine, NULL), MU_OK);
    run_prompt(open_usual(), 0, expected);
    mu_engine_close(engine);

    int64_t before = mu_alloc_n_alive();
    assert_int_equal(mu_engine_prepare(model, &options, &engine, NULL), MU_OK);
    int64_t prepared = mu_alloc_n_alive();
    assert_null(mu_engine_backend(engine));
    mu_seq *early = open_usual(); /* before anything is there */
    assert_true(load() > mu_model_spec(model)->n_layers);
    run_prompt(early, 0, got);
    assert_memory_equal(got, expected, sizeof(got));
    run_prompt(open_usual(), 16, got);
    for (int i = 0; i < 2; i++) { /* whole, then half-way */
        mu_engine_unload(engine);
        assert_null(mu_engine_backend(engine));
        assert_int_equal(mu_alloc_n_alive(), prepared);
        bool is_loaded;
        assert_int_equal(mu_engine_load(engine, &is_loaded, NULL), MU_OK);
        assert_false(is_loaded);
    }
    load();
    run_prompt(open_usual(), 0, got); /* the cache was let go of with the rest */
    assert_memory_equal(got, expected, sizeof(got));
    mu_engine_close(engine);
    engine = NULL;
    assert_int_equal(mu_alloc_n_alive(), before);
}

static void failed_open_and_submit_leak_nothing(void **state) {
    (void)state;
    static const char *const strings[] = {"stop"};
    static const mu_logit_bias biases[] = {{5, 1.0f}};
    static const mu_token stops[] = {7};
    mu_engine_options options = small_options();
    options.n_threads = 2;
    int64_t before = mu_alloc_n_alive();
    int n_open = 0, n_submit = 0;
    for (;; n_open++) {
        mu_err err = {0};
        mu_alloc_fail_after(n_open);
        mu_status status = mu_engine_open(model, &options, &engine, &err);
        mu_alloc_fail_after(-1);
        if (status == MU_OK) break;
        assert_int_equal(status, MU_ERR_NOMEM);
        assert_int_equal(err.status, MU_ERR_NOMEM);
        assert_int_equal(mu_alloc_n_alive(), before);
        assert_true(n_open < 100);
    }
    mu_seq_options o = usual_seq();
    o.stop_strings = strings;
    o.n_stop_strings = 1;
    o.stop_tokens = stops;
    o.n_stop_tokens = 1;
    o.sampling.biases = biases;
    o.sampling.n_biases = 1;
    o.sampling.n_logprobs = 5;
    int64_t opened = mu_alloc_n_alive();
    for (;; n_submit++) {
        mu_seq *seq = NULL;
        mu_alloc_fail_after(n_submit);
        mu_status status = mu_engine_submit(engine, &o, &seq, NULL);
        mu_alloc_fail_after(-1);
        if (status == MU_OK) break;
        assert_int_equal(status, MU_ERR_NOMEM);
        assert_null(seq);
        assert_int_equal(mu_alloc_n_alive(), opened);
        assert_true(n_submit < 100);
    }
    assert_int_equal(mu_engine_get_stats(engine).n_waiting, 1);
    step();
    mu_engine_close(engine); /* with a sequence still running */
    engine = NULL;
    assert_int_equal(mu_alloc_n_alive(), before);
    printf("%d allocations of open and %d of submit failed in turn\n", n_open, n_submit);
    assert_true(n_open > 5 && n_submit > 5);
}

/* A model file may hold anything: its sequences end with an error, the engine goes on. */
static void weights_that_are_no_numbers_end_sequences_only(void **state) {
    (void)state;
    mu_model *broken = NULL;
    assert_int_equal(open_synthetic(&broken), MU_OK);
    const mu_weight *norm = mu_model_weight(broken, MU_OUT_NORM_W);
    ((mu_weight *)(uintptr_t)norm)->mean = NAN; /* synthetic weights are numbers around it */
    mu_engine_options options = small_options();
    assert_int_equal(mu_engine_open(broken, &options, &engine, NULL), MU_OK);
    mu_seq_options o = usual_seq();
    mu_seq *greedy = submit(&o);
    o.sampling.temperature = 1.0f;
    o.sampling.top_p = 0.9f;
    mu_seq *drawn = submit(&o);
    run_all();
    assert_int_equal(mu_seq_finish(greedy), MU_FINISH_ERROR);
    assert_int_equal(mu_seq_finish(drawn), MU_FINISH_ERROR);
    assert_int_equal(mu_seq_error(drawn)->status, MU_ERR_DEVICE);
    assert_true(strlen(mu_seq_error(drawn)->text) > 0);
    assert_int_equal(mu_seq_n_output(greedy), 0);
    assert_all_blocks_free();
    mu_engine_close(engine);
    engine = NULL;
    mu_model_close(broken);
}

static void idle_engine_steps_and_says_so(void **state) {
    (void)state;
    mu_step_report report = step();
    assert_true(report.is_idle);
    assert_int_equal(report.n_prefill_tokens + report.n_decode_tokens + report.n_finished, 0);
    assert_int_equal(mu_engine_get_stats(engine).n_steps, 0);
}

static void reports_add_up_to_the_stats(void **state) {
    (void)state;
    mu_seq_options o = usual_seq();
    prompt[0] = 101;
    mu_seq *a = submit(&o), *b = submit(&o);
    uint64_t n_prefill = 0, n_decode = 0, n_finished = 0;
    for (bool is_idle = false; !is_idle;) {
        mu_step_report report = step();
        n_prefill += report.n_prefill_tokens;
        n_decode += report.n_decode_tokens;
        n_finished += report.n_finished;
        is_idle = report.is_idle;
    }
    mu_engine_stats stats = mu_engine_get_stats(engine);
    assert_int_equal(n_prefill, 2 * N_PROMPT);
    assert_int_equal(n_decode, 2 * 15); /* the first output comes out of the prefill */
    assert_int_equal(n_finished, 2);
    assert_int_equal(stats.n_prefill_tokens, n_prefill);
    assert_int_equal(stats.n_decode_tokens, n_decode);
    assert_int_equal(stats.n_finished, 2);
    mu_seq_free(a);
    mu_seq_free(b);
}

int main(void) {
#define WITH_ENGINE(test) cmocka_unit_test_setup_teardown(test, open_engine, close_engine)
    const struct CMUnitTest tests[] = {
        WITH_ENGINE(sequence_ends_at_n_output_max_and_gives_all),
        WITH_ENGINE(context_may_be_filled_to_the_last_position),
        WITH_ENGINE(stop_token_ends_but_not_before_n_output_min),
        WITH_ENGINE(eos_ends_unless_ignored),
        WITH_ENGINE(stop_string_cuts_the_text_however_it_is_read),
        WITH_ENGINE(unfinished_text_never_shows_what_may_be_a_stop_string),
        WITH_ENGINE(canceled_sequence_ends_before_the_next_step),
        WITH_ENGINE(prefill_beside_decoding_is_bounded),
        WITH_ENGINE(sequence_may_be_opened_before_it_is_added),
        WITH_ENGINE(bad_requests_are_refused_and_named),
        WITH_ENGINE(queue_is_bounded),
        cmocka_unit_test(bad_engine_options_are_refused_and_named),
        WITH_ENGINE(request_that_never_fits_the_kv_cache_is_refused),
        WITH_ENGINE(known_prompt_still_computes_its_last_token),
        WITH_ENGINE(sequence_without_prefix_cache_leaves_no_blocks),
        WITH_ENGINE(steps_allocate_nothing),
        WITH_ENGINE(text_is_read_whole_after_memory_ran_out),
        cmocka_unit_test(a_plan_is_what_open_takes),
        cmocka_unit_test(engine_is_loaded_in_pieces_and_again_after_an_unload),
        cmocka_unit_test(failed_open_and_submit_leak_nothing),
        cmocka_unit_test(weights_that_are_no_numbers_end_sequences_only),
        WITH_ENGINE(idle_engine_steps_and_says_so),
        WITH_ENGINE(reports_add_up_to_the_stats),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
