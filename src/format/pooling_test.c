/* What folders and GGUF keys say of pooling, and what is not understood. */
#include "format/pooling.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MODULE(path, type) \
    "{\"path\":\"" path "\",\"type\":\"sentence_transformers.models." type "\"}"
#define MODULES "[" MODULE("", "Transformer") "," MODULE("1_Pooling", "Pooling") "]"

static char folder[64];

static void write_file(const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    unlink(path);
    if (!text) return;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int open_folder(void **state) {
    (void)state;
    char path[128];
    snprintf(folder, sizeof(folder), "/tmp/pooling_test.XXXXXX");
    if (!mkdtemp(folder)) return 1;
    snprintf(path, sizeof(path), "%s/1_Pooling", folder);
    return mkdir(path, 0700);
}

static int close_folder(void **state) {
    (void)state;
    char path[128];
    write_file("modules.json", NULL);
    write_file("1_Pooling/config.json", NULL);
    snprintf(path, sizeof(path), "%s/1_Pooling", folder);
    rmdir(path);
    return rmdir(folder);
}

/* modules.json and the configuration of the pooling; NULL: no such file. */
static const struct {
    const char *modules, *config;
    mu_status status;
    mu_pooling pooling;
    const char *word; /* of the error */
} folders[] = {
    {NULL, NULL, MU_OK, MU_POOLING_NONE, ""},
    {"[]", NULL, MU_OK, MU_POOLING_NONE, ""},
    {MODULES, "{\"pooling_mode_mean_tokens\":true,\"pooling_mode_cls_token\":false}", MU_OK,
     MU_POOLING_MEAN, ""},
    {MODULES, "{\"pooling_mode_cls_token\":true}", MU_OK, MU_POOLING_CLS, ""},
    {MODULES, "{\"pooling_mode_lasttoken\":true}", MU_OK, MU_POOLING_LAST, ""},
    {MODULES, "{\"pooling_mode\":\"lasttoken\"}", MU_OK, MU_POOLING_LAST, ""},
    {MODULES, "{\"pooling_mode\":\"mean\"}", MU_OK, MU_POOLING_MEAN, ""},
    {"[" MODULE("", "Transformer") "," MODULE("2", "Normalize") "]", NULL, MU_OK, MU_POOLING_NONE,
     ""},
    {MODULES, "{\"pooling_mode_max_tokens\":true}", MU_ERR_UNSUPPORTED, 0, "pooling_mode"},
    {MODULES, "{\"pooling_mode_mean_tokens\":true,\"pooling_mode_max_tokens\":true}",
     MU_ERR_UNSUPPORTED, 0, "pooling_mode"},
    {MODULES, "{\"pooling_mode_mean_tokens\":true,\"pooling_mode_cls_token\":true}",
     MU_ERR_UNSUPPORTED, 0, "pooling_mode"},
    {MODULES, "{\"pooling_mode\":\"max\"}", MU_ERR_UNSUPPORTED, 0, "pooling_mode"},
    {MODULES, "[]", MU_ERR_UNSUPPORTED, 0, "pooling_mode"},
    {MODULES, "{", MU_ERR_FORMAT, 0, "1_Pooling/config.json"},
    {MODULES, NULL, MU_ERR_NOT_FOUND, 0, "1_Pooling/config.json"},
    {"[" MODULE("2_Dense", "Dense") "]", NULL, MU_ERR_UNSUPPORTED, 0, "no Dense modules yet"},
    {"[" MODULE("../x", "Pooling") "]", NULL, MU_ERR_FORMAT, 0, "must be a name"},
    {"[" MODULE("a/b", "Pooling") "]", NULL, MU_ERR_FORMAT, 0, "must be a name"},
    {"[" MODULE("", "Pooling") "]", NULL, MU_ERR_FORMAT, 0, "must be a name"},
    {"[{}]", NULL, MU_ERR_FORMAT, 0, "no type"},
    {"[3]", NULL, MU_ERR_FORMAT, 0, "no type"},
    {"{}", NULL, MU_ERR_FORMAT, 0, "not a list"},
    {"[", NULL, MU_ERR_FORMAT, 0, "modules.json"},
};

static void folders_say_how_they_pool(void **state) {
    (void)state;
    for (size_t i = 0; i < MU_COUNTOF(folders); i++) {
        mu_pooling pooling = MU_POOLING_NONE;
        mu_err err = {0};
        write_file("modules.json", folders[i].modules);
        write_file("1_Pooling/config.json", folders[i].config);
        mu_status status = mu_pooling_read_folder(folder, &pooling, &err);
        if (status != folders[i].status || (status == MU_OK && pooling != folders[i].pooling) ||
            !strstr(err.text, folders[i].word)) {
            fail_msg("%zu: %d, %s, \"%s\"", i, status, mu_pooling_name(pooling), err.text);
        }
    }
}

static mu_status read_gguf(const char *key, int64_t number, mu_pooling *out, mu_err *err) {
    mu_meta_entry entries[] = {
        {key, {.kind = MU_META_INT, .i = number, .f = (double)number}},
        {"general.architecture", {.kind = MU_META_STRING, .str = {"bert", 4}}},
    };
    mu_metadata metadata = {entries, MU_COUNTOF(entries)};
    const char *twice;
    assert_true(mu_metadata_sort(&metadata, &twice));
    return mu_pooling_read_gguf(&metadata, out, err);
}

static void keys_say_how_they_pool(void **state) {
    (void)state;
    mu_err err;
    for (int i = 0; i < MU_N_POOLINGS; i++) {
        mu_pooling pooling = MU_POOLING_LAST;
        uint32_t number = mu_pooling_gguf((mu_pooling)i);
        assert_int_equal(read_gguf("bert.pooling_type", number, &pooling, &err), MU_OK);
        assert_int_equal(pooling, i);
    }
    mu_pooling pooling = MU_POOLING_CLS;
    assert_int_equal(read_gguf("other.pooling_type", 1, &pooling, &err), MU_OK);
    assert_int_equal(pooling, MU_POOLING_CLS); /* nothing was said */
    pooling = MU_POOLING_NONE;
    assert_int_equal(read_gguf("bert.pooling_type", 4, &pooling, &err), MU_OK);
    assert_int_equal(pooling, MU_POOLING_CLS);
    assert_int_equal(read_gguf("bert.pooling_type", 5, &pooling, &err), MU_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "bert.pooling_type 5"));
    assert_int_equal(read_gguf("bert.pooling_type", -1, &pooling, &err), MU_ERR_UNSUPPORTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_say_how_they_pool),
        cmocka_unit_test(keys_say_how_they_pool),
    };
    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
