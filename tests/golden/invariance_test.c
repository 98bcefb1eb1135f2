/* The same request gives the same tokens and bitwise the same logprobs whatever happens around it:
 * alone or in a batch, however its prompt is cut, with a prefix-cache hit, after a preemption, with
 * one thread or two; greedy and seeded. Compared within one device, ISA level, weight type and KV
 * type.
 *
 * With MUAI_TESTS=full all of that of every request. Else the emulated GPU, which takes a hundred
 * times as long, and the slower ISA levels get every fifth request: short and long prompts around
 * the borders, the longest, greedy and seeded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "engine/engine.h"
#include "tests/cuda/gpu.h"

enum {
    N_REQUESTS = 32,
    STRIDE_SHORT = 5,
    N_OUTPUT = 24,
    N_TOP = 3,
    N_CTX = 128,
    PROMPT_MAX = 100,
    SEED = 42
};

typedef struct request {
    mu_token prompt[PROMPT_MAX];
    mu_logit_bias bias;
    mu_seq_options options;
} request;

typedef struct answer {
    uint32_t n;
    mu_output outputs[N_OUTPUT];
} answer;

static mu_model *model;
static request requests[N_REQUESTS];
static uint32_t n_requests;
static uint64_t n_compared, n_sequences;

static bool is_full(void) {
    const char *form = getenv("MUAI_TESTS");
    return form && strcmp(form, "full") == 0;
}

/* Every stride-th of the 32. */
static void make_requests(uint32_t stride) {
    mu_rng rng = {SEED};
    uint32_t vocab_size = mu_model_spec(model)->vocab_size;
    n_requests = 0;
    for (uint32_t i = 0; i < N_REQUESTS; i += stride) {
        request *r = &requests[n_requests++];
        /* Every length around block and tile borders, and the longest. */
        uint32_t n_prompt = i < 20 ? 1 + i : i == 20 ? PROMPT_MAX : 21 + 7 * (i - 21);
        for (uint32_t j = 0; j < n_prompt; j++) {
            r->prompt[j] = (mu_token)mu_rng_below(&rng, vocab_size);
        }
        r->bias = (mu_logit_bias){(mu_token)i, 2.0f};
        r->options = (mu_seq_options){
            .prompt = r->prompt,
            .n_prompt = n_prompt,
            .n_output_max = N_OUTPUT,
            .sampling = mu_sampling_default(),
            .ignore_eos = true,
        };
        r->options.sampling.n_logprobs = N_TOP;
        if (i % 2 == 0) continue; /* greedy */
        r->options.sampling.temperature = 0.8f + 0.05f * (float)i;
        r->options.sampling.seed = i;
        r->options.sampling.top_k = i % 3 == 0 ? 40 : 0;
        r->options.sampling.top_p = i % 5 == 0 ? 0.9f : 1.0f;
        r->options.sampling.min_p = i % 7 == 0 ? 0.01f : 0.0f;
        r->options.sampling.repetition_penalty = i % 4 == 1 ? 1.2f : 1.0f;
        r->options.sampling.frequency_penalty = i % 4 == 3 ? 0.5f : 0.0f;
        r->options.sampling.biases = &r->bias;
        r->options.sampling.n_biases = 1;
    }
}

/* What a model is tried with, beside one alone. */
typedef struct subject {
    const char *model;
    bool is_best_only; /* levels below the highest are left out */
    uint32_t n_types;
    mu_dtype types[5][2]; /* [n_types] weights, KV */
} subject;

static subject gpt2 = {
    "synthetic:gpt2-test",
    false,
    5,
    {{MU_F32, MU_F32}, {MU_BF16, MU_BF16}, {MU_F32, MU_F16}, {MU_Q8_0, MU_F16}, {MU_Q4_0, MU_F32}}};

/* Heads that share K and V, rotary positions and a gate. Products and attention below are GPT-2's,
 * so that one level is enough. */
static subject llama = {"synthetic:llama-test", true, 2, {{MU_F32, MU_F32}, {MU_Q8_0, MU_F16}}};

static int open_model(void **state) {
    const subject *s = *state;
    mu_ref ref;
    mu_hub_env env = {0};
    if (mu_ref_resolve(s->model, &env, &ref, NULL) != MU_OK) return 1;
    if (mu_model_open(&ref, &env, &model, NULL) != MU_OK) return 1;
    make_requests(1);
    return 0;
}

static int close_model(void **state) {
    (void)state;
    mu_model_close(model);
    return 0;
}

static mu_engine *open_engine(const mu_engine_options *options) {
    mu_engine *engine = NULL;
    mu_err err = {0};
    if (mu_engine_open(model, options, &engine, &err) != MU_OK) fail_msg("%s", err.text);
    return engine;
}

static void run_all(mu_engine *engine) {
    mu_step_report report = {0};
    for (uint32_t n_steps = 0; !report.is_idle; n_steps++) {
        assert_int_equal(mu_engine_step(engine, &report, NULL), MU_OK);
        assert_true(n_steps < 100000);
    }
}

/* Requests [first, end) at once. Returns the prompt tokens that came from the prefix cache. */
static uint64_t run(mu_engine *engine, uint32_t first, uint32_t end, answer *answers) {
    mu_seq *seqs[N_REQUESTS];
    uint64_t n_cached = 0;
    for (uint32_t i = first; i < end; i++) {
        mu_err err = {0};
        mu_status status = mu_engine_submit(engine, &requests[i].options, &seqs[i], &err);
        if (status != MU_OK) fail_msg("request %u: %s", i, err.text);
    }
    run_all(engine);
    for (uint32_t i = first; i < end; i++) {
        assert_int_equal(mu_seq_finish(seqs[i]), MU_FINISH_LENGTH);
        memset(&answers[i], 0, sizeof(answers[i]));
        answers[i].n = mu_seq_read(seqs[i], answers[i].outputs, N_OUTPUT, NULL);
        assert_int_equal(answers[i].n, N_OUTPUT);
        n_cached += mu_seq_n_cached(seqs[i]);
        mu_seq_free(seqs[i]);
    }
    mu_engine_stats stats = mu_engine_get_stats(engine);
    assert_int_equal(stats.n_kv_blocks_free, stats.n_kv_blocks);
    return n_cached;
}

static void assert_same(const answer *wanted, const answer *got, const char *what) {
    for (uint32_t i = 0; i < n_requests; i++) {
        n_sequences++;
        for (uint32_t t = 0; t < N_OUTPUT; t++) {
            const mu_output *a = &wanted[i].outputs[t], *b = &got[i].outputs[t];
            bool is_same = a->token == b->token && a->n_top == N_TOP && b->n_top == N_TOP &&
                           memcmp(&a->logprob, &b->logprob, sizeof(a->logprob)) == 0 &&
                           memcmp(a->top, b->top, N_TOP * sizeof(*a->top)) == 0;
            if (!is_same) {
                fail_msg("%s: request %u (prompt of %u), output %u: token %d (%.9g) is not %d "
                         "(%.9g)",
                         what, i, requests[i].options.n_prompt, t, b->token, (double)b->logprob,
                         a->token, (double)a->logprob);
            }
            n_compared++;
        }
    }
}

static answer alone[N_REQUESTS], others[N_REQUESTS];

static void check_batches_and_chunks(mu_engine_options options, const char *where) {
    static const uint32_t chunks[] = {1, 7, 64, 0};
    uint32_t n_threads_max = options.device.kind == MU_DEVICE_CPU ? 2 : 1;
    for (size_t i = 0; i < MU_COUNTOF(chunks); i++) {
        for (uint32_t n_threads = 1; n_threads <= n_threads_max; n_threads++) {
            char what[160];
            snprintf(what, sizeof(what), "%s, batch of %u, chunks of %u, %u threads", where,
                     n_requests, chunks[i], n_threads);
            options.prefill_chunk_max = chunks[i];
            options.n_threads = n_threads;
            mu_engine *engine = open_engine(&options);
            run(engine, 0, n_requests, others);
            assert_same(alone, others, what);
            mu_engine_close(engine);
        }
    }
}

static void check_prefix_hits(mu_engine_options options, const char *where) {
    options.no_prefix_cache = false;
    mu_engine *engine = open_engine(&options);
    assert_int_equal(run(engine, 0, n_requests, others), 0);
    assert_same(alone, others, where);
    uint64_t n_cached = run(engine, 0, n_requests, others);
    assert_true(n_cached > 200);
    assert_same(alone, others, where);
    n_cached = 0;
    for (uint32_t i = 0; i < n_requests; i++) {
        n_cached += run(engine, i, i + 1, others);
    }
    assert_true(n_cached > 200);
    assert_same(alone, others, where);
    assert_true(mu_engine_get_stats(engine).n_prefix_tokens >= n_cached);
    mu_engine_close(engine);
}

/* A KV cache that holds the longest request and little more. */
static void check_preemptions(mu_engine_options options, const char *where) {
    mu_engine *engine = open_engine(&options);
    uint64_t block_bytes = mu_backend_get_bytes(mu_engine_backend(engine)).kv /
                           mu_engine_get_stats(engine).n_kv_blocks;
    mu_engine_close(engine);
    options.kv_cache_bytes = 9 * block_bytes;
    for (int with_cache = 0; with_cache < 2; with_cache++) {
        options.no_prefix_cache = with_cache == 0;
        engine = open_engine(&options);
        run(engine, 0, n_requests, others);
        assert_true(mu_engine_get_stats(engine).n_preemptions >= 1);
        assert_same(alone, others, where);
        mu_engine_close(engine);
    }
}

static void check_all(const char *name, mu_engine_options options) {
    char where[120];
    options.n_threads = 1;
    options.n_ctx = N_CTX;
    options.no_prefix_cache = true;
    mu_engine *engine = open_engine(&options);
    snprintf(where, sizeof(where), "%s, %s, weights %s, KV %s", name,
             mu_backend_isa(mu_engine_backend(engine)), mu_dtype_get(options.weight_type)->name,
             mu_dtype_get(options.kv_type)->name);
    uint64_t before = n_compared;
    for (uint32_t i = 0; i < n_requests; i++) {
        run(engine, i, i + 1, alone);
    }
    mu_engine_close(engine);
    check_batches_and_chunks(options, where);
    check_prefix_hits(options, where);
    check_preemptions(options, where);
    printf("%s: %llu outputs compared\n", where, (unsigned long long)(n_compared - before));
}

static void same_request_gives_the_same_answer(void **state) {
    const subject *s = *state;
    uint32_t best = mu_cpu_n_levels() - 1;
    for (uint32_t level = s->is_best_only ? best : 0; level <= best; level++) {
        make_requests(level == best || is_full() ? 1 : STRIDE_SHORT);
        for (size_t i = 0; i < s->n_types; i++) {
            mu_engine_options options = mu_engine_options_default();
            options.isa_max = mu_cpu_level_at(level);
            options.weight_type = s->types[i][0];
            options.kv_type = s->types[i][1];
            check_all(s->model, options);
        }
    }
    printf("%llu outputs of %llu sequences, tokens and logprobs bitwise, seed %d\n",
           (unsigned long long)n_compared, (unsigned long long)n_sequences, SEED);
}

/* Few rows and many take different kernels there, and repeated decode steps are graphs. */
static void same_on_a_gpu(void **state) {
    const subject *s = *state;
    static const mu_dtype types[] = {MU_F32, MU_BF16};
    if (!test_has_gpu()) skip();
    make_requests(is_full() ? 1 : STRIDE_SHORT);
    for (size_t i = 0; i < MU_COUNTOF(types); i++) {
        mu_engine_options options = mu_engine_options_default();
        options.device.kind = MU_DEVICE_CUDA;
        options.weight_type = options.kv_type = types[i];
        check_all(s->model, options);
    }
}

/* The comparison itself can fail: another seed and another token of the prompt are noticed. */
static void another_request_gives_another_answer(void **state) {
    (void)state;
    make_requests(1);
    mu_engine_options options = mu_engine_options_default();
    options.n_threads = 1;
    mu_engine *engine = open_engine(&options);
    run(engine, 0, n_requests, alone);
    for (uint32_t i = 0; i < n_requests; i++) {
        requests[i].options.sampling.seed += 1000;
        if (i % 2 == 0) requests[i].prompt[0] ^= 1;
    }
    run(engine, 0, n_requests, others);
    uint32_t n_differ = 0;
    for (uint32_t i = 0; i < n_requests; i++) {
        if (memcmp(&alone[i], &others[i], sizeof(alone[i])) != 0) n_differ++;
    }
    assert_int_equal(n_differ, n_requests);
    mu_engine_close(engine);
    make_requests(1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define WITH(test, s) cmocka_unit_test_prestate_setup_teardown(test, open_model, close_model, s)
        WITH(same_request_gives_the_same_answer, &gpt2),
        WITH(same_request_gives_the_same_answer, &llama),
        WITH(same_on_a_gpu, &gpt2),
        WITH(another_request_gives_another_answer, &gpt2),
        WITH(another_request_gives_another_answer, &llama),
#undef WITH
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
