#include "format/pooling.h"

#include <stdio.h>
#include <string.h>

#include "format/json.h"

enum { PATH_BYTES = 4096 + 64, NAME_SHOWN_MAX = 60, GGUF_RANK = 4 };

/* How each is spelt: in words, by a switch of its own in older folders, and as a number in GGUF. */
static const struct {
    const char *name, *mode_key;
    uint32_t gguf;
} rows[MU_N_POOLINGS] = {
    [MU_POOLING_NONE] = {"none", NULL, 0},
    [MU_POOLING_MEAN] = {"mean", "pooling_mode_mean_tokens", 1},
    [MU_POOLING_CLS] = {"cls", "pooling_mode_cls_token", 2},
    [MU_POOLING_LAST] = {"last", "pooling_mode_lasttoken", 3},
};

const char *mu_pooling_name(mu_pooling pooling) {
    return rows[pooling].name;
}

uint32_t mu_pooling_gguf(mu_pooling pooling) {
    return rows[pooling].gguf;
}

mu_status mu_pooling_read_gguf(const mu_metadata *metadata, mu_pooling *out, mu_err *err) {
    mu_meta_string architecture;
    int64_t number;
    char key[128];
    if (!mu_metadata_string(metadata, "general.architecture", &architecture)) return MU_OK;
    snprintf(key, sizeof(key), "%.*s.pooling_type",
             (int)(architecture.n < NAME_SHOWN_MAX ? architecture.n : NAME_SHOWN_MAX),
             architecture.data);
    if (!mu_metadata_int(metadata, key, &number)) return MU_OK;
    if (number == GGUF_RANK) { /* what is scored is the first position */
        *out = MU_POOLING_CLS;
        return MU_OK;
    }
    for (int i = 0; i < MU_N_POOLINGS; i++) {
        if ((int64_t)rows[i].gguf != number) continue;
        *out = (mu_pooling)i;
        return MU_OK;
    }
    return mu_fail(err, MU_ERR_UNSUPPORTED, "%s %lld: mean (1), cls (2) and last (3) are read", key,
                   (long long)number);
}

/* The newer folders say it in a word, the older ones switch one of many on. */
static mu_status read_modes(const char *path, const json_t *config, mu_pooling *out, mu_err *err) {
    const char *mode = json_string_value(json_object_get(config, "pooling_mode")), *key;
    json_t *value;
    uint32_t n_on = 0;
    if (mode && strcmp(mode, "lasttoken") == 0) mode = "last";
    for (int i = 1; i < MU_N_POOLINGS; i++) {
        bool is_it = mode && strcmp(mode, rows[i].name) == 0;
        if (!mode) is_it = json_is_true(json_object_get(config, rows[i].mode_key));
        if (is_it) *out = (mu_pooling)i;
        n_on += is_it;
    }
    json_object_foreach((json_t *)(uintptr_t)config, key, value) {
        bool is_mode = strncmp(key, "pooling_mode_", strlen("pooling_mode_")) == 0;
        if (!mode && is_mode && json_is_true(value) && n_on == 1) {
            n_on += strcmp(key, rows[*out].mode_key) != 0;
        }
    }
    if (n_on == 1) return MU_OK;
    return mu_fail(err, MU_ERR_UNSUPPORTED,
                   "%s: pooling_mode must be one of mean, cls and lasttoken", path);
}

static mu_status read_pooling(const char *folder, const char *module, mu_pooling *out,
                              mu_err *err) {
    char path[PATH_BYTES];
    json_t *config = NULL;
    snprintf(path, sizeof(path), "%s/%s/config.json", folder, module);
    mu_status status = mu_json_load(path, &config, err);
    if (status == MU_OK) status = read_modes(path, config, out, err);
    json_decref(config);
    return status;
}

/* A name inside the folder: "1_Pooling". */
static bool is_plain(const char *name) {
    return name && *name && name[0] != '.' && !strchr(name, '/') && strlen(name) < 64;
}

static mu_status read_module(const char *folder, const json_t *module, mu_pooling *out,
                             mu_err *err) {
    const char *type = json_string_value(json_object_get(module, "type"));
    const char *path = json_string_value(json_object_get(module, "path"));
    const char *dot = type ? strrchr(type, '.') : NULL, *name = dot ? dot + 1 : type;
    if (!name) return mu_fail(err, MU_ERR_FORMAT, "%s/modules.json: a module has no type", folder);
    if (strcmp(name, "Transformer") == 0 || strcmp(name, "Normalize") == 0) return MU_OK;
    if (strcmp(name, "Pooling") != 0) {
        return mu_fail(err, MU_ERR_UNSUPPORTED, "%s/modules.json: no %.*s modules yet", folder,
                       NAME_SHOWN_MAX, name);
    }
    if (!is_plain(path)) {
        return mu_fail(err, MU_ERR_FORMAT, "%s/modules.json: path of the pooling: must be a name",
                       folder);
    }
    return read_pooling(folder, path, out, err);
}

mu_status mu_pooling_read_folder(const char *folder, mu_pooling *out, mu_err *err) {
    char path[PATH_BYTES];
    json_t *modules = NULL;
    snprintf(path, sizeof(path), "%s/modules.json", folder);
    mu_status status = mu_json_load(path, &modules, err);
    if (status == MU_ERR_NOT_FOUND) return MU_OK;
    if (status == MU_OK && !json_is_array(modules)) {
        status = mu_fail(err, MU_ERR_FORMAT, "%s: not a list", path);
    }
    for (size_t i = 0; status == MU_OK && i < json_array_size(modules); i++) {
        status = read_module(folder, json_array_get(modules, i), out, err);
    }
    json_decref(modules);
    return status;
}
