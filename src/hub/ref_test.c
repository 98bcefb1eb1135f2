#include "hub/ref.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64]; /* a temporary cache with one model in it */

static void make_folder(const char *path) {
    char full[512];
    snprintf(full, sizeof(full), "%s/%s", folder, path);
    assert_int_equal(mkdir(full, 0700), 0);
}

static void make_file(const char *path, const char *text) {
    char full[512];
    snprintf(full, sizeof(full), "%s/%s", folder, path);
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int make_cache(void **state) {
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/muai-ref-XXXXXX");
    assert_non_null(mkdtemp(folder));
    make_folder("hub");
    make_folder("hub/models--openai-community--gpt2");
    make_folder("hub/models--openai-community--gpt2/refs");
    make_folder("hub/models--openai-community--gpt2/snapshots");
    make_folder("hub/models--openai-community--gpt2/snapshots/abc123");
    make_file("hub/models--openai-community--gpt2/refs/main", "abc123\n");
    make_file("hub/models--openai-community--gpt2/refs/evil", "../../..\n");
    make_file("model.gguf", "GGUF");
    make_file("notes.txt", "x");
    make_file("sha256-1234", "GGUF");
    make_folder("parts");
    make_file("parts/m-00001-of-00002.gguf", "GGUF");
    make_file("parts/m-00002-of-00002.gguf", "GGUF");
    make_folder("several");
    make_file("several/a.gguf", "GGUF");
    make_file("several/b.gguf", "GGUF");
    return 0;
}

static int remove_cache(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

static void references_resolve(void **state) {
    (void)state;
    char gguf[128], notes[128], missing[128];
    snprintf(gguf, sizeof(gguf), "%s/model.gguf:bf16", folder);
    snprintf(notes, sizeof(notes), "%s/notes.txt", folder);
    snprintf(missing, sizeof(missing), "%s/none", folder);
    char blob[128], parts[128], several[128], hub[128];
    snprintf(blob, sizeof(blob), "%s/sha256-1234", folder);
    snprintf(parts, sizeof(parts), "%s/parts", folder);
    snprintf(several, sizeof(several), "%s/several", folder);
    snprintf(hub, sizeof(hub), "%s/hub", folder);
    const struct {
        const char *text;
        mu_status status;
        mu_ref_kind kind;
        const char *path_ends, *weight_type;
    } rows[] = {
        {"synthetic:gpt2", MU_OK, MU_REF_SYNTHETIC, "gpt2", ""},
        {"synthetic:gpt2-xl:bf16", MU_OK, MU_REF_SYNTHETIC, "gpt2-xl", "bf16"},
        {"muai-tiny", MU_OK, MU_REF_BUILTIN, "muai-tiny", ""},
        {"muai-tiny:q4", MU_OK, MU_REF_BUILTIN, "muai-tiny", "q4"},
        {"muai-tiny:q3", MU_ERR_INVALID, 0, NULL, NULL},
        {"muai/muai-tiny", MU_ERR_NOT_FOUND, 0, NULL, NULL},
        {"gpt2", MU_OK, MU_REF_FOLDER, "snapshots/abc123", ""},
        {"gpt2:f32", MU_OK, MU_REF_FOLDER, "snapshots/abc123", "f32"},
        {"openai-community/gpt2", MU_OK, MU_REF_FOLDER, "snapshots/abc123", ""},
        {"openai-community/gpt2@main", MU_OK, MU_REF_FOLDER, "snapshots/abc123", ""},
        {"openai-community/gpt2@abc123", MU_OK, MU_REF_FOLDER, "snapshots/abc123", ""},
        {gguf, MU_OK, MU_REF_GGUF, "model.gguf", "bf16"},
        {folder, MU_OK, MU_REF_GGUF, "model.gguf", ""}, /* the only one in it */
        {blob, MU_OK, MU_REF_GGUF, "sha256-1234", ""},
        {parts, MU_OK, MU_REF_GGUF, "m-00001-of-00002.gguf", ""},
        {several, MU_ERR_INVALID, 0, NULL, NULL},
        {hub, MU_OK, MU_REF_FOLDER, "hub", ""},
        {"", MU_ERR_INVALID, 0, NULL, NULL},
        {"gpt2:q9", MU_ERR_INVALID, 0, NULL, NULL},
        {notes, MU_ERR_INVALID, 0, NULL, NULL},
        {missing, MU_ERR_NOT_FOUND, 0, NULL, NULL},
        {"nobody/nothing", MU_ERR_NOT_FOUND, 0, NULL, NULL},
        {"openai-community/gpt2@evil", MU_ERR_NOT_FOUND, 0, NULL, NULL},
        {"openai-community/..", MU_ERR_INVALID, 0, NULL, NULL},
        {"a/b/c", MU_ERR_INVALID, 0, NULL, NULL},
        {"openai-community/gpt2@../x", MU_ERR_INVALID, 0, NULL, NULL},
    };
    char home[128];
    snprintf(home, sizeof(home), "%s", folder);
    mu_hub_env env = {.hf_home = home};
    for (size_t r = 0; r < MU_COUNTOF(rows); r++) {
        mu_ref ref = {.path = "untouched"};
        mu_err err = {0};
        mu_status status = mu_ref_resolve(rows[r].text, &env, &ref, &err);
        if (status != rows[r].status) {
            fail_msg("%s: %s, \"%s\"", rows[r].text, mu_status_text(status), err.text);
        }
        if (status != MU_OK) {
            assert_string_equal(ref.path, "untouched");
            assert_true(err.text[0] != '\0');
            continue;
        }
        assert_int_equal(ref.kind, rows[r].kind);
        assert_string_equal(ref.weight_type, rows[r].weight_type);
        size_t n = strlen(ref.path), n_end = strlen(rows[r].path_ends);
        assert_true(n >= n_end && strcmp(ref.path + n - n_end, rows[r].path_ends) == 0);
    }
}

static void the_cache_folder_follows_the_environment(void **state) {
    (void)state;
    char hub[128], path[512];
    snprintf(hub, sizeof(hub), "%s/hub", folder);
    const mu_hub_env found[] = {
        {.hf_hub_cache = hub, .hf_home = "/nonexistent"}, /* HF_HUB_CACHE wins */
        {.hf_home = folder, .home = "/nonexistent"},
    };
    for (size_t i = 0; i < MU_COUNTOF(found); i++) {
        assert_int_equal(
            mu_hub_find("openai-community/gpt2", NULL, &found[i], path, sizeof(path), NULL), MU_OK);
    }
    mu_hub_env none = {0};
    mu_err err;
    assert_int_equal(mu_hub_find("gpt2", NULL, &none, path, sizeof(path), &err), MU_ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "HF_HUB_CACHE"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_resolve),
        cmocka_unit_test(the_cache_folder_follows_the_environment),
    };
    return cmocka_run_group_tests(tests, make_cache, remove_cache);
}
