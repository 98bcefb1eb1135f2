/* Embeddings: the same whatever shares the steps, whole texts of an encoder, chunks of a decoder.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cursor.h"
#include "base/map.h"
#include "base/rng.h"
#include "engine/engine.h"

enum { N_TEXTS = 24, N_LONGEST = 48, N_DIMS_MAX = 64 };

typedef struct fixture {
    mu_model *model;
    mu_engine *engine;
    mu_token tokens[N_TEXTS][N_LONGEST];
    uint32_t n[N_TEXTS], n_dims;
    float alone[N_TEXTS][N_DIMS_MAX];
} fixture;

static void open_model(fixture *f, const char *reference) {
    mu_ref ref;
    mu_hub_env env = {0};
    mu_err err;
    mu_rng rng = {7};
    if (mu_ref_resolve(reference, &env, &ref, &err) != MU_OK ||
        mu_model_open(&ref, &env, &f->model, &err) != MU_OK) {
        fail_msg("%s", err.text);
    }
    f->n_dims = mu_model_spec(f->model)->hidden_dim;
    assert_in_range(f->n_dims, 1, N_DIMS_MAX);
    for (uint32_t i = 0; i < N_TEXTS; i++) {
        f->n[i] = i < 3 ? i + 1 : 1 + (uint32_t)mu_rng_below(&rng, N_LONGEST);
        for (uint32_t t = 0; t < f->n[i]; t++) {
            f->tokens[i][t] = (mu_token)mu_rng_below(&rng, 97);
        }
    }
}

static mu_engine_options options_of(uint32_t n_seqs, uint32_t n_step, uint32_t n_threads) {
    mu_engine_options o = mu_engine_options_default();
    o.n_seqs_max = n_seqs;
    o.step_tokens_max = n_step;
    o.n_threads = n_threads;
    o.n_ctx = 48;
    return o;
}

static void open_engine(fixture *f, const mu_engine_options *o) {
    mu_err err;
    if (mu_engine_open(f->model, o, &f->engine, &err) != MU_OK) fail_msg("%s", err.text);
}

static mu_seq *submit(fixture *f, uint32_t i) {
    const mu_seq_options o = {
        .prompt = f->tokens[i], .n_prompt = f->n[i], .sampling = mu_sampling_default()};
    mu_seq *seq = NULL;
    mu_err err;
    if (mu_engine_submit(f->engine, &o, &seq, &err) != MU_OK) fail_msg("%s", err.text);
    uint32_t n_dims;
    assert_null(mu_seq_embedding(seq, &n_dims));
    return seq;
}

static void run_all(fixture *f) {
    mu_step_report report = {0};
    for (uint32_t n = 0; !report.is_idle; n++) {
        assert_true(n < 1000);
        assert_int_equal(mu_engine_step(f->engine, &report, NULL), MU_OK);
        assert_int_equal(report.n_decode_tokens, 0);
    }
}

static void close_all(fixture *f) {
    mu_engine_close(f->engine);
    mu_model_close(f->model);
}

/* Each by itself, and what it is then. */
static void embed_alone(fixture *f) {
    for (uint32_t i = 0; i < N_TEXTS; i++) {
        mu_seq *seq = submit(f, i);
        run_all(f);
        assert_int_equal(mu_seq_finish(seq), MU_FINISH_STOP);
        assert_int_equal(mu_seq_n_output(seq), 0);
        uint32_t n_dims;
        const float *x = mu_seq_embedding(seq, &n_dims);
        assert_int_equal(n_dims, f->n_dims);
        double squares = 0.0;
        for (uint32_t d = 0; d < f->n_dims; d++) {
            squares += (double)x[d] * (double)x[d];
        }
        assert_true(fabs(squares - 1.0) < 1e-5);
        memcpy(f->alone[i], x, f->n_dims * sizeof(*x));
        mu_seq_free(seq);
    }
}

static void assert_same_together(fixture *f) {
    mu_seq *seqs[N_TEXTS];
    for (uint32_t i = 0; i < N_TEXTS; i++) {
        seqs[i] = submit(f, i);
    }
    run_all(f);
    for (uint32_t i = 0; i < N_TEXTS; i++) {
        uint32_t n_dims;
        const float *x = mu_seq_embedding(seqs[i], &n_dims);
        assert_memory_equal(x, f->alone[i], n_dims * sizeof(*x));
        mu_seq_free(seqs[i]);
    }
    assert_int_equal(mu_engine_get_stats(f->engine).n_kv_blocks_free,
                     mu_engine_get_stats(f->engine).n_kv_blocks);
}

static const char *const references[] = {
    "synthetic:bert-test",
    "tests/golden/models/xlm-roberta",
    "tests/golden/models/nomic-bert/model.gguf",
    "tests/golden/models/qwen3-embedding",
};

/* Steps of every size, more texts than a step takes, one thread and two. */
static void company_changes_no_embedding(void **state) {
    (void)state;
    static const uint32_t steps[] = {1, 5, 33, 64, 512}, seqs[] = {1, 3, 500};
    for (size_t r = 0; r < MU_COUNTOF(references); r++) {
        fixture f = {0};
        open_model(&f, references[r]);
        mu_engine_options alone = options_of(4, 512, 1);
        open_engine(&f, &alone);
        embed_alone(&f);
        for (size_t s = 0; s < MU_COUNTOF(steps); s++) {
            mu_engine_options o = options_of(seqs[s % MU_COUNTOF(seqs)], steps[s], 1 + s % 2);
            mu_engine_close(f.engine);
            open_engine(&f, &o);
            assert_same_together(&f);
        }
        close_all(&f);
    }
}

/* Many short texts share a step; one that does not fit what is left of it waits, others do not. */
static void short_texts_fill_a_step(void **state) {
    (void)state;
    static fixture f;
    memset(&f, 0, sizeof(f));
    open_model(&f, "synthetic:bert-test");
    for (uint32_t i = 0; i < N_TEXTS; i++) {
        f.n[i] = i == 1 ? 48 : 5;
    }
    mu_engine_options o = options_of(32, 48, 1);
    open_engine(&f, &o);
    mu_seq *seqs[N_TEXTS];
    for (uint32_t i = 0; i < N_TEXTS; i++) {
        seqs[i] = submit(&f, i);
    }
    mu_step_report report;
    assert_int_equal(mu_engine_step(f.engine, &report, NULL), MU_OK);
    assert_int_equal(report.n_finished, 9);
    assert_int_equal(report.n_prefill_tokens, 45);
    assert_int_equal(mu_seq_get_state(seqs[1]), MU_SEQ_RUNNING);
    assert_int_equal(mu_engine_step(f.engine, &report, NULL), MU_OK);
    assert_int_equal(mu_seq_get_state(seqs[1]), MU_SEQ_FINISHED);
    mu_seq_cancel(seqs[23]);
    run_all(&f);
    assert_int_equal(mu_seq_finish(seqs[23]), MU_FINISH_CANCELED);
    uint32_t n_dims;
    assert_null(mu_seq_embedding(seqs[23], &n_dims));
    for (uint32_t i = 0; i < N_TEXTS; i++) {
        mu_seq_free(seqs[i]);
    }
    close_all(&f);
}

static void text_is_refused(void **state) {
    (void)state;
    static fixture f;
    memset(&f, 0, sizeof(f));
    open_model(&f, "synthetic:bert-test");
    mu_engine_options o = options_of(2, 64, 1);
    open_engine(&f, &o);
    mu_seq_options s = {.prompt = f.tokens[0], .n_prompt = 1, .sampling = mu_sampling_default()};
    mu_seq *seq = NULL;
    mu_err err;
    s.n_output_max = 1;
    assert_int_equal(mu_engine_submit(f.engine, &s, &seq, &err), MU_ERR_INVALID);
    assert_non_null(strstr(err.text, "embeddings"));
    s.n_output_max = 0;
    s.n_prompt = 49;
    assert_int_equal(mu_engine_submit(f.engine, &s, &seq, &err), MU_ERR_LIMIT);
    close_all(&f);
}

/* Each pair of scores.bin (make_encoders.py) has the reference's labels, whatever shares its step.
 */
static void check_scores(const char *reference, const char *scores) {
    fixture f = {0};
    mu_map map;
    mu_seq *seqs[8];
    const float *want[8];
    open_model(&f, reference);
    const mu_engine_options options = options_of(8, 512, 2);
    open_engine(&f, &options);
    assert_int_equal(mu_map_open(scores, &map, NULL), MU_OK);
    mu_cursor c = {.data = map.data, .size = map.size};
    uint32_t n_pairs = mu_cursor_u32(&c), n_labels = mu_cursor_u32(&c);
    assert_in_range(n_pairs, 1, MU_COUNTOF(seqs));
    assert_int_equal(n_labels, mu_model_spec(f.model)->n_labels);
    for (uint32_t i = 0; i < n_pairs; i++) {
        mu_err err;
        mu_seq_options o = {.sampling = mu_sampling_default()};
        o.n_prompt = mu_cursor_u32(&c);
        o.n_first = mu_cursor_u32(&c);
        o.prompt = (const void *)mu_cursor_take(&c, o.n_prompt * sizeof(mu_token));
        want[i] = (const void *)mu_cursor_take(&c, n_labels * sizeof(float));
        if (mu_engine_submit(f.engine, &o, &seqs[i], &err) != MU_OK) fail_msg("%s", err.text);
    }
    assert_false(c.overrun);
    run_all(&f);
    for (uint32_t i = 0; i < n_pairs; i++) {
        uint32_t n;
        const float *have = mu_seq_embedding(seqs[i], &n);
        assert_int_equal(n, n_labels);
        for (uint32_t label = 0; label < n; label++) {
            assert_true(fabs((double)have[label] - (double)want[i][label]) < 1e-4);
        }
        mu_seq_free(seqs[i]);
    }
    mu_map_close(&map);
    close_all(&f);
}

static void pairs_have_the_reference_s_scores(void **state) {
    (void)state;
    check_scores("tests/golden/models/bert-score", "tests/golden/models/bert-score/scores.bin");
    check_scores("tests/golden/models/xlm-roberta-score",
                 "tests/golden/models/xlm-roberta-score/scores.bin");
    check_scores("tests/golden/models/xlm-roberta-score/model.gguf",
                 "tests/golden/models/xlm-roberta-score/scores.bin");
}

/* A folder with its pooling, an engine, a text: as far as the memory goes. */
static mu_status embed_once(void) {
    mu_ref ref;
    mu_hub_env env = {0};
    mu_model *model = NULL;
    mu_engine *engine = NULL;
    mu_seq *seq = NULL;
    mu_step_report report = {0};
    const mu_token tokens[] = {3, 4, 5};
    const mu_seq_options text = {
        .prompt = tokens, .n_prompt = MU_COUNTOF(tokens), .sampling = mu_sampling_default()};
    const mu_engine_options options = options_of(2, 64, 1);
    mu_status status = mu_ref_resolve("tests/golden/models/xlm-roberta", &env, &ref, NULL);
    if (status == MU_OK) status = mu_model_open(&ref, &env, &model, NULL);
    if (status == MU_OK) status = mu_engine_open(model, &options, &engine, NULL);
    if (status == MU_OK) status = mu_engine_submit(engine, &text, &seq, NULL);
    while (status == MU_OK && !report.is_idle) {
        status = mu_engine_step(engine, &report, NULL);
    }
    mu_engine_close(engine);
    mu_model_close(model);
    return status;
}

static void failed_allocations_leak_nothing(void **state) {
    (void)state;
    int64_t before = mu_alloc_n_alive();
    mu_status status = MU_ERR_NOMEM;
    for (int n = 0; status != MU_OK; n++) {
        assert_true(n < 10000);
        mu_alloc_fail_after(n);
        status = embed_once();
        mu_alloc_fail_after(-1);
        assert_true(status == MU_OK ? n > 50 : status == MU_ERR_NOMEM);
        assert_int_equal(mu_alloc_n_alive(), before);
    }
}

static void shorter_vectors_are_of_length_one(void **state) {
    (void)state;
    const float x[] = {0.6f, 0.0f, 0.8f};
    float out[3];
    mu_embedding_shorten(x, 2, out);
    assert_true(out[0] == 1.0f && out[1] == 0.0f);
    mu_embedding_shorten(&x[1], 1, out); /* nothing is left of it */
    assert_true(out[0] == 0.0f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(company_changes_no_embedding),
        cmocka_unit_test(short_texts_fill_a_step),
        cmocka_unit_test(text_is_refused),
        cmocka_unit_test(pairs_have_the_reference_s_scores),
        cmocka_unit_test(failed_allocations_leak_nothing),
        cmocka_unit_test(shorter_vectors_are_of_length_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
