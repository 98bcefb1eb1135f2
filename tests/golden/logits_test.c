/* Logits of the golden models, and hidden states of those without an output, against the reference
 * implementation's, for every file form, device, ISA level, thread count, weight type and KV type.
 * Errors are relative to the largest number of the model's.
 *
 *     logits_test            the models of tests/golden/models
 *     logits_test FOLDER...  other folders with logits.bin, such as make_models.py --full makes
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "backend/backend.h"
#include "base/alloc.h"
#include "base/cursor.h"
#include "base/map.h"
#include "tests/cuda/gpu.h"

enum { BLOCK_TOKENS = 16, N_CTX_MAX = 1024, SEQUENCES_MAX = 8 };

typedef struct golden {
    mu_map map;
    uint32_t n_sequences, n_columns; /* of a row: the vocabulary, or the width */
    struct {
        uint32_t n;
        const mu_token *tokens; /* [n] */
        const float *rows;      /* [n, n_columns] */
    } sequences[SEQUENCES_MAX];
    double largest;
} golden;

/* Folders hold a model as transformers saves it, as GGUF, or as both with the same logits. */
static const struct {
    const char *folder;
    bool is_on_gpu; /* the CUDA backend has what its family asks for */
    /* Its errors of rounded weights and KV beside GPT-2's. Norms after attention and FFN bring
     * small branches, and their errors, to full size; 0: so far that only f32 says something. */
    double rounding;
} models[] = {
    {"tests/golden/models/plain", true, 1},
    {"tests/golden/models/prefixed-odd", true, 1},
    {"tests/golden/models/untied-sharded", true, 1},
    {"tests/golden/models/one-head-relu", true, 1},
    {"tests/golden/models/wide-f16", true, 1},
    {"tests/golden/models/bf16", true, 1},
    {"tests/golden/models/gguf", true, 1},
    {"tests/golden/models/gguf-q8_0", true, 1},
    {"tests/golden/models/llama-gqa-odd", false, 1},
    {"tests/golden/models/llama-biased", false, 1},
    {"tests/golden/models/llama-linear", false, 1},
    {"tests/golden/models/llama-llama3", false, 1},
    {"tests/golden/models/llama-llama3-bf16", false, 1},
    {"tests/golden/models/llama-one-head", false, 1},
    {"tests/golden/models/llama-q8_0", false, 1},
    {"tests/golden/models/qwen2", false, 1},
    {"tests/golden/models/qwen3", false, 1},
    {"tests/golden/models/smollm3", false, 1},
    {"tests/golden/models/granite", false, 1},
    {"tests/golden/models/olmo2", false, 4},
    {"tests/golden/models/phi3", false, 1},
    {"tests/golden/models/gemma2", false, 0},
    {"tests/golden/models/gemma3", false, 0},
    {"tests/golden/models/starcoder2", false, 1},
    {"tests/golden/models/bert", false, 1},
    {"tests/golden/models/bert-relu", false, 1},
    {"tests/golden/models/xlm-roberta", false, 2},
    {"tests/golden/models/nomic-bert", false, 1},
    {"tests/golden/models/qwen3-embedding", false, 4},
};

static golden golden_open(const char *folder) {
    golden g = {0};
    char path[512];
    mu_err err;
    snprintf(path, sizeof(path), "%s/logits.bin", folder);
    if (mu_map_open(path, &g.map, &err) != MU_OK) fail_msg("%s", err.text);
    mu_cursor c = {.data = g.map.data, .size = g.map.size};
    g.n_sequences = mu_cursor_u32(&c);
    g.n_columns = mu_cursor_u32(&c);
    assert_in_range(g.n_sequences, 1, SEQUENCES_MAX);
    for (uint32_t i = 0; i < g.n_sequences; i++) {
        uint32_t n = g.sequences[i].n = mu_cursor_u32(&c);
        g.sequences[i].tokens = (const void *)mu_cursor_take(&c, n * sizeof(mu_token));
        g.sequences[i].rows = (const void *)mu_cursor_take(&c, 4ull * n * g.n_columns);
        assert_false(c.overrun);
        for (size_t j = 0; j < (size_t)n * g.n_columns; j++) {
            g.largest = fmax(g.largest, fabs((double)g.sequences[i].rows[j]));
        }
    }
    assert_int_equal(c.pos, c.size);
    return g;
}

static mu_model *open_model(const char *path) {
    mu_ref ref;
    mu_hub_env env = {0};
    mu_err err;
    mu_model *model = NULL;
    if (mu_ref_resolve(path, &env, &ref, &err) != MU_OK ||
        mu_model_open(&ref, &env, &model, &err) != MU_OK) {
        fail_msg("%s", err.text);
    }
    return model;
}

static mu_backend *open_backend(const mu_model *model, mu_backend_options o) {
    mu_backend *backend = NULL;
    mu_err err;
    o.n_ctx = mu_model_spec(model)->n_ctx;
    o.block_tokens = BLOCK_TOKENS;
    o.n_kv_blocks = o.n_ctx / BLOCK_TOKENS + 1;
    o.step_tokens_max = o.step_rows_max = o.n_ctx;
    if (mu_backend_open(model, &o, &backend, &err) != MU_OK) fail_msg("%s", err.text);
    return backend;
}

/* Of n rows, all. */
static double largest_error(const mu_step_result *result, const float *want, uint32_t n,
                            uint32_t n_columns) {
    const float *have = result->logits ? result->logits : result->hidden;
    size_t stride = result->logits ? n_columns : result->hidden_stride;
    double worst = 0.0;
    for (size_t r = 0; r < n; r++) {
        for (size_t i = 0; i < n_columns; i++) {
            double error = fabs((double)have[r * stride + i] - (double)want[r * n_columns + i]);
            if (!(error <= worst)) worst = error; /* NaN too */
        }
    }
    return worst;
}

/* Largest error over all rows of all sequences, relative to the largest number. */
static double worst_error(mu_backend *backend, const golden *g, size_t *n_compared) {
    mu_kv_block_id table[N_CTX_MAX / BLOCK_TOKENS + 1];
    for (uint32_t i = 0; i < MU_COUNTOF(table); i++) {
        table[i] = (uint32_t)MU_COUNTOF(table) > i ? i : 0;
    }
    double worst = 0.0;
    for (uint32_t i = 0; i < g->n_sequences; i++) {
        mu_step_result result;
        uint32_t n = g->sequences[i].n;
        mu_segment segment = {.tokens = g->sequences[i].tokens,
                              .n_tokens = n,
                              .block_table = table,
                              .rows = MU_ROWS_ALL};
        mu_err err;
        if (mu_backend_forward(backend, &(mu_step){&segment, 1}, &result, &err) != MU_OK) {
            fail_msg("%s", err.text);
        }
        double error = largest_error(&result, g->sequences[i].rows, n, g->n_columns);
        if (!(error <= worst)) worst = error;
        *n_compared += (size_t)n * g->n_columns;
    }
    return worst / g->largest;
}

static const struct {
    mu_dtype weight_type, kv_type;
    double tolerance;
} types[] = {
    {MU_F32, MU_F32, 1e-4},  {MU_F32, MU_F16, 5e-3},   {MU_F32, MU_BF16, 2e-2},
    {MU_BF16, MU_F32, 2e-2}, {MU_BF16, MU_BF16, 3e-2}, {MU_Q8_0, MU_F16, 2e-2},
    {MU_Q4_0, MU_F16, 2e-1},
};

static void report(const char *folder, const char *device, mu_dtype weight_type, mu_dtype kv_type,
                   size_t n, double worst, double tolerance) {
    print_message("%s on %s: %s weights, %s KV: %zu logits, worst %.1e of the largest\n", folder,
                  device, mu_dtype_get(weight_type)->name, mu_dtype_get(kv_type)->name, n, worst);
    if (!(worst <= tolerance)) fail_msg("more than %g", tolerance);
}

static double error_with(const mu_model *model, const golden *g, mu_backend_options o, size_t *n) {
    mu_backend *backend = open_backend(model, o);
    double error = worst_error(backend, g, n);
    mu_backend_close(backend);
    return error;
}

static void check_on_cpu(const char *folder, const mu_model *model, const golden *g,
                         double rounding) {
    for (size_t t = 0; t < MU_COUNTOF(types); t++) {
        bool is_rounded = types[t].weight_type != MU_F32 || types[t].kv_type != MU_F32;
        if (is_rounded && rounding <= 0.0) continue;
        double worst = 0.0;
        size_t n = 0;
        for (uint32_t level = 0; level < mu_cpu_n_levels(); level++) {
            for (uint32_t threads = 1; threads <= 2; threads++) {
                mu_backend_options o = {.weight_type = types[t].weight_type,
                                        .kv_type = types[t].kv_type,
                                        .isa_max = mu_cpu_level_at(level),
                                        .n_threads = threads};
                double error = error_with(model, g, o, &n);
                if (!(error <= worst)) worst = error;
            }
        }
        report(folder, "cpu", types[t].weight_type, types[t].kv_type, n, worst,
               types[t].tolerance * (is_rounded ? rounding : 1.0));
    }
}

static void check_on_gpu(const char *folder, const mu_model *model, const golden *g) {
    static const struct {
        mu_dtype type;
        double tolerance;
    } gpu_types[] = {{MU_F32, 1e-4}, {MU_BF16, 2e-2}};
    for (size_t t = 0; t < MU_COUNTOF(gpu_types); t++) {
        mu_backend_options o = {.device = {MU_DEVICE_CUDA, 0},
                                .weight_type = gpu_types[t].type,
                                .kv_type = gpu_types[t].type};
        size_t n = 0;
        double worst = error_with(model, g, o, &n);
        report(folder, "cuda", o.weight_type, o.kv_type, n, worst, gpu_types[t].tolerance);
    }
}

static bool has_gpu;

static void check_file(const char *path, const golden *g, bool is_on_gpu, double rounding) {
    mu_model *model = open_model(path);
    const mu_decoder_spec *spec = mu_model_spec(model);
    assert_int_equal(spec->has_output ? spec->vocab_size : spec->hidden_dim, g->n_columns);
    if (has_gpu && is_on_gpu) check_on_gpu(path, model, g);
    check_on_cpu(path, model, g, rounding);
    mu_model_close(model);
}

static void check_model(const char *folder, bool is_on_gpu, double rounding) {
    static const char *const forms[][2] = {{"config.json", ""}, {"model.gguf", "/model.gguf"}};
    golden g = golden_open(folder);
    uint32_t n_files = 0;
    for (size_t i = 0; i < MU_COUNTOF(forms); i++) {
        char path[512];
        struct stat st;
        snprintf(path, sizeof(path), "%s/%s", folder, forms[i][0]);
        if (stat(path, &st) != 0) continue;
        snprintf(path, sizeof(path), "%s%s", folder, forms[i][1]);
        check_file(path, &g, is_on_gpu, rounding);
        n_files++;
    }
    assert_true(n_files > 0);
    mu_map_close(&g.map);
}

static void logits_equal_the_reference(void **state) {
    (void)state;
    for (size_t i = 0; i < MU_COUNTOF(models); i++) {
        check_model(models[i].folder, models[i].is_on_gpu, models[i].rounding);
    }
}

/* The harness itself: with another model's weights of the same shape the comparison must fail. */
static void other_weights_are_noticed(void **state) {
    (void)state;
    golden g = golden_open("tests/golden/models/plain");
    mu_model *model = open_model("tests/golden/models/gguf/model.gguf"); /* the same shape */
    size_t n = 0;
    g.n_columns = 160; /* of the other model: rows are then misread, which must show as well */
    g.n_sequences = 1;
    mu_token first = 7;
    g.sequences[0].tokens = &first;
    mu_backend *backend = open_backend(
        model, (mu_backend_options){.weight_type = MU_F32, .kv_type = MU_F32, .n_threads = 1});
    assert_true(worst_error(backend, &g, &n) > 1e-2);
    mu_backend_close(backend);
    mu_model_close(model);
    mu_map_close(&g.map);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_equal_the_reference),
        cmocka_unit_test(other_weights_are_noticed),
    };
    has_gpu = test_has_gpu();
    for (int i = 1; i < argc; i++) {
        check_model(argv[i], true, 1);
    }
    return argc > 1 ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
