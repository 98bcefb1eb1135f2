#include "model/model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "format/hf_config.h"
#include "model/family.h"

#define GPT2 "{\"model_type\":\"gpt2\","
#define N(layers, width, heads) \
    "\"n_layer\":" #layers ",\"n_embd\":" #width ",\"n_head\":" #heads ",\"n_positions\":32"
#define V99 ",\"vocab_size\":99"

static const struct {
    const char *what, *json;
    mu_status status;
    const char *word;
} configs[] = {
    {"good", GPT2 N(2, 64, 4) V99 "}", MU_OK, ""},
    {"no type", "{\"n_layer\":2}", MU_ERR_FORMAT, "model_type"},
    {"other type", "{\"model_type\":\"bloom\"}", MU_ERR_UNSUPPORTED, "bloom"},
    {"no layers", GPT2 "\"n_embd\":64}", MU_ERR_FORMAT, "n_layer"},
    {"zero layers", GPT2 N(0, 64, 4) V99 "}", MU_ERR_FORMAT, "n_layer"},
    {"too many layers", GPT2 N(1025, 64, 4) V99 "}", MU_ERR_FORMAT, "n_layer"},
    {"width is text", GPT2 N(2, "64", 4) V99 "}", MU_ERR_FORMAT, "n_embd"},
    {"heads do not divide", GPT2 N(2, 64, 5) V99 "}", MU_ERR_FORMAT, "n_head"},
    {"huge heads", GPT2 N(2, 4096, 1) V99 "}", MU_ERR_LIMIT, "4096"},
    {"huge vocabulary", GPT2 N(2, 64, 4) ",\"vocab_size\":99999999}", MU_ERR_FORMAT, "vocab_size"},
    {"activation", GPT2 N(2, 64, 4) V99 ",\"activation_function\":\"silu\"}", MU_ERR_UNSUPPORTED,
     "silu"},
    {"null is nothing said", GPT2 N(2, 64, 4) V99 ",\"activation_function\":null}", MU_OK, ""},
    {"epsilon", GPT2 N(2, 64, 4) V99 ",\"layer_norm_epsilon\":-1}", MU_ERR_FORMAT,
     "layer_norm_epsilon"},
};

static void configs_are_checked(void **state) {
    (void)state;
    for (size_t r = 0; r < MU_COUNTOF(configs); r++) {
        mu_hf_config *config = NULL;
        mu_err err = {0};
        assert_int_equal(
            mu_hf_config_parse(configs[r].json, strlen(configs[r].json), &config, &err), MU_OK);
        const mu_metadata *metadata = mu_hf_config_metadata(config);
        const mu_family *family;
        mu_tensor_set none = {0};
        mu_decoder_spec spec = {.n_layers = 77};
        mu_status status = mu_family_find(metadata, MU_NAMING_HF, &family, &err);
        if (status == MU_OK) {
            status = mu_family_spec(family, MU_NAMING_HF, metadata, &none, false, &spec, &err);
        }
        if (status != configs[r].status || !strstr(err.text, configs[r].word)) {
            fail_msg("%s: %s, \"%s\"", configs[r].what, mu_status_text(status), err.text);
        }
        if (status != MU_OK) assert_int_equal(spec.n_layers, 77); /* untouched on failure */
        mu_hf_config_close(config);
    }
}

/* Whatever a file says it is, the error names it and every family, and is a whole sentence. */
static void an_unknown_type_is_told_what_is_known(void **state) {
    (void)state;
    static const char *const types[] = {
        "{\"model_type\":\"bloom\"}",
        "{\"model_type\":\"a_type_whose_name_is_longer_than_the_forty_bytes_that_are_shown\"}"};
    for (size_t i = 0; i < MU_COUNTOF(types); i++) {
        mu_hf_config *config = NULL;
        const mu_family *family = NULL;
        mu_err err = {0};
        assert_int_equal(mu_hf_config_parse(types[i], strlen(types[i]), &config, &err), MU_OK);
        assert_int_equal(mu_family_find(mu_hf_config_metadata(config), MU_NAMING_HF, &family, &err),
                         MU_ERR_UNSUPPORTED);
        assert_null(family);
#define X(id) \
    if (!strstr(err.text, mu_family_##id.name)) fail_msg("no %s in: %s", #id, err.text);
        MU_FAMILY_MAP(X)
#undef X
        assert_true(err.text[strlen(err.text) - 1] == ')');
        mu_hf_config_close(config);
    }
}

static mu_status open_model(const char *reference, mu_model **out, mu_err *err) {
    mu_ref ref;
    mu_hub_env env = {0};
    mu_status status = mu_ref_resolve(reference, &env, &ref, err);
    return status == MU_OK ? mu_model_open(&ref, &env, out, err) : status;
}

/* Every allocation of opening a model fails in turn: one clean error each time, nothing leaks. */
static void failed_allocations_leak_nothing(void **state) {
    (void)state;
    static const char *const models[] = {
        "tests/golden/models/untied-sharded", "tests/golden/models/gguf-q8_0/model.gguf",
        "synthetic:gpt2-test", "synthetic:llama-test", "muai-tiny"};
    for (size_t i = 0; i < MU_COUNTOF(models); i++) {
        int64_t before = mu_alloc_n_alive();
        mu_status status = MU_ERR_NOMEM;
        int n = 0;
        for (; status != MU_OK; n++) {
            mu_model *model = NULL;
            mu_err err = {0};
            mu_alloc_fail_after(n);
            status = open_model(models[i], &model, &err);
            mu_alloc_fail_after(-1);
            mu_model_close(model);
            assert_int_equal(mu_alloc_n_alive(), before);
            if (status != MU_OK && status != MU_ERR_NOMEM) fail_msg("%d: %s", n, err.text);
        }
        print_message("%s: %d points of failure\n", models[i], n - 1);
        assert_true(n > 5);
    }
}

/* A synthetic weight is the same whichever way it is read, and has the moments it says. */
static void synthetic_weights_are_deterministic_and_normal(void **state) {
    (void)state;
    mu_model *model = NULL;
    assert_int_equal(open_model("synthetic:gpt2-test", &model, NULL), MU_OK);
    const mu_weight *w = mu_model_weight(model, MU_EMBED);
    enum { WIDTH = 32 };
    float *rows = MU_ALLOC(float, (size_t)w->n_out * w->n_in);
    float *panel = MU_ALLOC(float, (size_t)w->n_in *WIDTH);
    mu_weight_read_rows(w, 0, w->n_out, rows);
    double sum = 0.0, squares = 0.0, n = (double)w->n_out * w->n_in;
    for (uint32_t first = 0; first < w->n_out; first += WIDTH) {
        mu_weight_read_panel(w, first, WIDTH, panel);
        for (uint32_t i = 0; i < w->n_in; i++) {
            for (uint32_t j = 0; j < WIDTH; j++) {
                float want = first + j < w->n_out ? rows[(size_t)(first + j) * w->n_in + i] : 0.0f;
                assert_true(panel[i * WIDTH + j] == want);
                sum += (double)want;
                squares += (double)want * (double)want;
            }
        }
    }
    assert_true(fabs(sum / n) < 5e-4);
    assert_true(fabs(sqrt(squares / n) - 0.02) < 2e-4);
    mu_free(rows);
    mu_free(panel);
    mu_model_close(model);
}

/* Parts of a transposed tensor and of a quantized one, against reading element by element. */
static void panels_equal_rows_in_files(void **state) {
    (void)state;
    static const char *const models[] = {"tests/golden/models/prefixed-odd",
                                         "tests/golden/models/bf16",
                                         "tests/golden/models/gguf-q8_0/model.gguf"};
    enum { WIDTH = 32 };
    for (size_t m = 0; m < MU_COUNTOF(models); m++) {
        mu_model *model = NULL;
        assert_int_equal(open_model(models[m], &model, NULL), MU_OK);
        for (int slot = 0; slot < MU_N_LAYER_SLOTS; slot++) {
            const mu_weight *w = mu_model_layer_weight(model, 1, (mu_layer_slot)slot);
            float *rows = MU_ALLOC(float, (size_t)w->n_out * w->n_in);
            float *panel = MU_ALLOC(float, (size_t)w->n_in *WIDTH);
            mu_weight_read_rows(w, 0, w->n_out, rows);
            for (uint32_t first = 0; first < w->n_out; first += WIDTH) {
                mu_weight_read_panel(w, first, WIDTH, panel);
                for (uint32_t k = 0; k < w->n_in * WIDTH; k++) {
                    uint32_t i = k / WIDTH, out = first + k % WIDTH;
                    float want = out < w->n_out ? rows[(size_t)out * w->n_in + i] : 0.0f;
                    assert_true(panel[k] == want);
                }
            }
            mu_free(rows);
            mu_free(panel);
        }
        mu_model_close(model);
    }
}

/* The built-in model is the file, opened where it lies in the program. */
static void the_built_in_model_is_its_file(void **state) {
    (void)state;
    mu_model *builtin = NULL, *file = NULL;
    float temperature = -1.0f;
    assert_int_equal(open_model("muai-tiny", &builtin, NULL), MU_OK);
    assert_int_equal(open_model("models/muai-tiny/muai-tiny.gguf", &file, NULL), MU_OK);
    assert_true(mu_model_has_own_tokenizer(builtin));
    assert_true(mu_model_eos(builtin) != MU_TOKEN_NONE);
    assert_true(mu_model_temperature(builtin, &temperature) && temperature > 0.0f);
    assert_false(mu_model_temperature(file, &temperature));
    assert_int_equal(mu_model_weight_type(builtin), MU_Q8_0);
    assert_int_equal(mu_model_file_bytes(builtin), mu_model_file_bytes(file));
    const mu_weight *a = mu_model_weight(builtin, MU_EMBED), *b = mu_model_weight(file, MU_EMBED);
    float *x = MU_ALLOC(float, a->n_in), *y = MU_ALLOC(float, a->n_in);
    for (uint32_t row = 0; row < a->n_out; row++) {
        if (row == a->n_out / 2) mu_weight_drop(a, 0, a->n_out); /* its pages come back */
        mu_weight_read_rows(a, row, 1, x);
        mu_weight_read_rows(b, row, 1, y);
        assert_memory_equal(x, y, a->n_in * sizeof(*x));
    }
    mu_free(x), mu_free(y);
    mu_model_close(builtin), mu_model_close(file);
}

static void shapes_of_the_families_are_right(void **state) {
    (void)state;
    static const struct {
        const char *reference;
        uint64_t n_parameters;
    } rows[] = {
        /* as transformers counts them */
        {"synthetic:gpt2", 124439808},
        {"synthetic:gpt2-medium", 354823168},
        {"synthetic:gpt2-large", 774030080},
        {"synthetic:gpt2-xl", 1557611200},
        {"synthetic:smollm2-135m", 134515008},
        {"synthetic:smollm2-360m", 361821120},
        {"synthetic:tinyllama-1.1b", 1100048384},
        {"synthetic:llama-3.2-1b", 1235814400},
        {"synthetic:llama-3.1-8b", 8030261248},
        {"synthetic:mistral-7b-v0.3", 7248023552},
        {"synthetic:qwen2.5-0.5b", 494032768},
        {"synthetic:qwen3-0.6b", 596049920},
        {"synthetic:qwen3-1.7b", 1720574976},
        {"synthetic:gemma-2-2b", 2614341888},
        {"synthetic:gemma-3-270m", 268098176},
        {"synthetic:gemma-3-1b", 999885952},
        {"synthetic:smollm3-3b", 3075098624},
        {"synthetic:olmo2-1b", 1484916736},
        {"synthetic:phi-3-mini-4k", 3821079552},
        {"synthetic:starcoder2-3b", 3030371328},
    };
    for (size_t r = 0; r < MU_COUNTOF(rows); r++) {
        mu_model *model = NULL;
        assert_int_equal(open_model(rows[r].reference, &model, NULL), MU_OK);
        assert_int_equal(mu_model_n_parameters(model), rows[r].n_parameters);
        mu_model_close(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configs_are_checked),
        cmocka_unit_test(an_unknown_type_is_told_what_is_known),
        cmocka_unit_test(failed_allocations_leak_nothing),
        cmocka_unit_test(synthetic_weights_are_deterministic_and_normal),
        cmocka_unit_test(panels_equal_rows_in_files),
        cmocka_unit_test(the_built_in_model_is_its_file),
        cmocka_unit_test(shapes_of_the_families_are_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
