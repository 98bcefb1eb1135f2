/* A model written as GGUF and read again: the same blocks, the same tokenizer, and nothing left
 * behind when writing fails.
 */
#include "model/export.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"

static char folder[] = "/tmp/muai_export_XXXXXX";

static mu_model *open_model(const char *reference) {
    mu_err err;
    mu_ref ref;
    mu_hub_env env = {0};
    mu_model *model = NULL;
    if (mu_ref_resolve(reference, &env, &ref, &err) != MU_OK ||
        mu_model_open(&ref, &env, &model, &err) != MU_OK) {
        fail_msg("%s: %s", reference, err.text);
    }
    return model;
}

static uint32_t n_files(void) {
    DIR *dir = opendir(folder);
    uint32_t n = 0;
    for (const struct dirent *e; (e = readdir(dir));) {
        n += e->d_name[0] != '.';
    }
    closedir(dir);
    return n;
}

/* Every row of a weight of both models as blocks: equal, byte for byte. */
static void assert_same_blocks(const mu_weight *a, const mu_weight *b, mu_dtype dtype) {
    assert_int_equal(a->n_out, b->n_out);
    if (a->n_in == 1) { /* f32 in both */
        float x[4096], y[4096];
        assert_true(a->n_out <= 4096);
        if (a->n_out == 0) return;
        mu_weight_read_rows(a, 0, a->n_out, x);
        mu_weight_read_rows(b, 0, b->n_out, y);
        assert_memory_equal(x, y, a->n_out * sizeof(*x));
        return;
    }
    static float panel[1024 * 32];
    static uint8_t from_a[32 * 1024 / 32 * 34], from_b[sizeof(from_a)];
    for (uint32_t row = 0; row < a->n_out; row += 32) {
        mu_weight_read_blocks(a, dtype, row, 32, panel, from_a);
        mu_weight_read_blocks(b, dtype, row, 32, panel, from_b);
        const mu_dtype_info *type = mu_dtype_get(dtype);
        assert_memory_equal(from_a, from_b, 32 * a->n_in / type->block_elems * type->block_bytes);
    }
}

static void assert_same_kind(const mu_layer_kind *x, const mu_layer_kind *y) {
    assert_int_equal(x->n_heads, y->n_heads);
    assert_int_equal(x->n_kv_heads, y->n_kv_heads);
    assert_int_equal(x->head_dim, y->head_dim);
    assert_int_equal(x->activation, y->activation);
    assert_int_equal(x->is_gated, y->is_gated);
    assert_true(x->attn_scale == y->attn_scale);
    assert_int_equal(x->attn_scale_by_layer, y->attn_scale_by_layer);
    assert_int_equal(x->rope.n_dims, y->rope.n_dims);
    assert_true(x->rope.base == y->rope.base);
}

static void assert_same_model(const mu_model *a, const mu_model *b, mu_dtype dtype) {
    const mu_decoder_spec *x = mu_model_spec(a), *y = mu_model_spec(b);
    assert_int_equal(x->n_layers, y->n_layers);
    assert_int_equal(x->vocab_size, y->vocab_size);
    assert_true(x->norm_eps == y->norm_eps);
    assert_int_equal(x->is_tied, y->is_tied);
    assert_int_equal(x->n_kinds, y->n_kinds);
    assert_same_kind(&x->kinds[0], &y->kinds[0]);
    for (uint32_t layer = 0; layer < x->n_layers; layer++) {
        for (int slot = 0; slot < MU_N_LAYER_SLOTS; slot++) {
            assert_same_blocks(mu_model_layer_weight(a, layer, (mu_layer_slot)slot),
                               mu_model_layer_weight(b, layer, (mu_layer_slot)slot), dtype);
        }
    }
    assert_same_blocks(mu_model_weight(a, MU_OUTPUT), mu_model_weight(b, MU_OUTPUT), dtype);
    assert_same_blocks(mu_model_weight(a, MU_EMBED), mu_model_weight(b, MU_EMBED), dtype);
    assert_same_blocks(mu_model_weight(a, MU_OUT_NORM_W), mu_model_weight(b, MU_OUT_NORM_W), dtype);
}

static void what_was_written_is_what_was_there(void **state) {
    (void)state;
    static const char *const models[] = {"synthetic:gpt2-test",
                                         "synthetic:llama-test",
                                         "tests/golden/models/wide-f16",
                                         "tests/golden/models/plain",
                                         "tests/golden/models/gguf-q8_0/model.gguf",
                                         "synthetic:gpt2-mini"};
    uint32_t n = 0;
    static const mu_dtype types[2][2] = {{MU_Q8_0, MU_Q4_0}, {MU_Q6_K, MU_Q4_K}};
    for (size_t i = 0; i < MU_COUNTOF(models); i++) {
        bool is_wide = strcmp(models[i], "synthetic:gpt2-mini") == 0; /* rows of whole K blocks */
        for (int bits = 0; bits < 2; bits++, n++) {
            mu_export_options o = {.dtype = types[is_wide][bits]};
            mu_model *from = open_model(models[i]);
            mu_export_report report;
            mu_err err;
            char path[64], again[64];
            snprintf(path, sizeof(path), "%s/m.gguf", folder);
            snprintf(again, sizeof(again), "%s/again.gguf", folder);
            assert_int_equal(mu_model_export_gguf(from, path, &o, &report, &err), MU_OK);
            assert_true(report.n_quantized > 0 && report.n_quantized < report.n_tensors);
            mu_model *to = open_model(path);
            assert_same_model(from, to, o.dtype);
            assert_int_equal(mu_model_has_own_tokenizer(from), mu_model_has_own_tokenizer(to));
            /* Written once more: nothing is rounded twice. */
            assert_int_equal(mu_model_export_gguf(to, again, &o, &report, &err), MU_OK);
            mu_model *twice = open_model(again);
            assert_same_model(to, twice, o.dtype);
            mu_model_close(from), mu_model_close(to), mu_model_close(twice);
            unlink(path), unlink(again);
        }
    }
    print_message("%u files\n", n);
}

static void a_disk_that_is_full_leaves_nothing(void **state) {
    (void)state;
    mu_model *model = open_model("synthetic:gpt2-test");
    mu_export_options o = {.dtype = MU_Q8_0};
    mu_export_report report;
    mu_err err;
    char path[64];
    snprintf(path, sizeof(path), "%s/m.gguf", folder);
    struct rlimit before, limit;
    getrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_IGN);
    uint32_t n = 0;
    for (rlim_t bytes = 0; bytes < 120000; bytes += 4096, n++) {
        limit = before;
        limit.rlim_cur = bytes;
        setrlimit(RLIMIT_FSIZE, &limit);
        mu_status status = mu_model_export_gguf(model, path, &o, &report, &err);
        setrlimit(RLIMIT_FSIZE, &before);
        assert_int_equal(status, MU_ERR_IO);
        assert_non_null(strstr(err.text, "m.gguf"));
        assert_int_equal(n_files(), 0);
    }
    print_message("%u sizes of disk\n", n);
    assert_int_equal(mu_model_export_gguf(model, "/nowhere/m.gguf", &o, &report, &err), MU_ERR_IO);
    mu_model_close(model);
}

static void assert_template(const mu_model *model, const char *want) {
    mu_buf text = {0};
    mu_err err;
    if (mu_model_chat_template(model, &text, &err) != MU_OK) fail_msg("%s", err.text);
    assert_string_equal(text.data ? text.data : "", want);
    mu_buf_clear(&text);
    if (mu_model_tool_template(model, &text, &err) != MU_OK) fail_msg("%s", err.text);
    assert_string_equal(text.data ? text.data : "", strcmp(want, "2") == 0 ? "3" : "");
    mu_buf_deinit(&text);
}

static void make_file(const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* Where a folder may say its chat template; it must be in the file, and in one made of that. */
static void chat_templates_go_along(void **state) {
    (void)state;
    static const struct {
        const char *file, *text, *want; /* want NULL: an error */
    } rows[] = {
        {"tokenizer_config.json", "{}", ""},
        {"tokenizer_config.json", "{\"chat_template\": null}", ""},
        {"tokenizer_config.json", "{\"chat_template\": \"{{ a }}\\n\\u00e9\"}",
         "{{ a }}\n\xc3\xa9"},
        {"tokenizer_config.json",
         "{\"chat_template\": [{\"name\": \"x\", \"template\": \"1\"}, {\"name\": \"default\", "
         "\"template\": \"2\"}, {\"name\": \"tool_use\", \"template\": \"3\"}]}",
         "2"},
        {"tokenizer_config.json", "{\"chat_template\": [{\"name\": \"x\"}, 3]}", ""},
        {"tokenizer_config.json", "{\"chat_template\": 5}", NULL},
        {"chat_template.jinja", "{% wins %}",
         "{% wins %}"}, /* the last: the config is still there */
    };
    char command[512], path[128], again[128];
    snprintf(command, sizeof(command), "cp tests/golden/models/wide-f16/* %s", folder);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof(path), "%s/m.gguf", folder);
    snprintf(again, sizeof(again), "%s/again.gguf", folder);
    make_file("vocab.json", "{\"a\": 0, \"<|endoftext|>\": 1}");
    make_file("merges.txt", "");
    for (size_t r = 0; r < MU_COUNTOF(rows); r++) {
        mu_export_options o = {.dtype = MU_Q8_0};
        mu_export_report report;
        mu_err err;
        make_file(rows[r].file, rows[r].text);
        mu_model *from = open_model(folder); /* a broken template does not keep it from opening */
        mu_status status = mu_model_export_gguf(from, path, &o, &report, &err);
        if ((status == MU_OK) != (rows[r].want != NULL)) fail_msg("%s: %s", rows[r].text, err.text);
        if (status != MU_OK) assert_non_null(strstr(err.text, rows[r].file));
        mu_model_close(from);
        if (status != MU_OK) continue;
        mu_model *to = open_model(path);
        assert_template(to, rows[r].want);
        assert_int_equal(mu_model_export_gguf(to, again, &o, &report, &err), MU_OK);
        mu_model *twice = open_model(again);
        assert_template(twice, rows[r].want);
        mu_model_close(to), mu_model_close(twice);
    }
    print_message("%zu folders\n", MU_COUNTOF(rows));
    snprintf(command, sizeof(command), "rm -f %s/*", folder);
    assert_int_equal(system(command), 0);
}

static bool always(void) {
    return true;
}

static void canceling_and_memory_running_out_leave_nothing(void **state) {
    (void)state;
    mu_model *model = open_model("synthetic:gpt2-test");
    mu_export_options o = {.dtype = MU_Q4_0, .is_canceled = always};
    mu_export_report report;
    mu_err err;
    char path[64];
    snprintf(path, sizeof(path), "%s/m.gguf", folder);
    assert_int_equal(mu_model_export_gguf(model, path, &o, &report, &err), MU_ERR_CANCELED);
    assert_int_equal(n_files(), 0);
    o.is_canceled = NULL;
    int64_t alive = mu_alloc_n_alive();
    uint32_t n = 0;
    for (mu_status status = MU_ERR_NOMEM; status != MU_OK; n++) {
        mu_alloc_fail_after((int)n);
        status = mu_model_export_gguf(model, path, &o, &report, &err);
        mu_alloc_fail_after(-1);
        assert_true(status == MU_OK || status == MU_ERR_NOMEM);
        assert_int_equal(mu_alloc_n_alive(), alive);
        assert_int_equal(n_files(), status == MU_OK);
    }
    print_message("%u allocations\n", n - 1);
    unlink(path);
    mu_model_close(model);
}

int main(void) {
    if (!mkdtemp(folder)) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_what_was_there),
        cmocka_unit_test(chat_templates_go_along),
        cmocka_unit_test(a_disk_that_is_full_leaves_nothing),
        cmocka_unit_test(canceling_and_memory_running_out_leave_nothing),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
