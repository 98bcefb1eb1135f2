#include "format/hf_chat_template.h"

#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "format/json.h"

enum { PATH_BYTES = 4096 + 64, TEMPLATE_BYTES_MAX = 1 << 20 };

/* A template of [{"name": ..., "template": ...}, ...]; NULL: not there. A string is "default". */
static const json_t *find(const json_t *list, const char *wanted) {
    if (!json_is_array(list)) return strcmp(wanted, "default") == 0 ? list : NULL;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(entry, "name"));
        if (name && strcmp(name, wanted) == 0) return json_object_get(entry, "template");
    }
    return NULL;
}

static mu_status read_config(const char *path, const char *name, mu_buf *out, mu_err *err) {
    json_t *config = NULL;
    mu_status status = mu_json_load(path, &config, err);
    if (status == MU_ERR_NOT_FOUND) return MU_OK;
    if (status != MU_OK) return status;
    const json_t *found = find(json_object_get(config, "chat_template"), name);
    if (found && !json_is_null(found) && !json_is_string(found)) {
        status = mu_fail(err, MU_ERR_FORMAT, "%s: chat_template: not a string", path);
    } else if (json_is_string(found)) {
        mu_buf_append(out, json_string_value(found), json_string_length(found));
    }
    json_decref(config);
    return status;
}

/* *out_found: the file is there. */
static mu_status read_file(const char *path, mu_buf *out, bool *out_found, mu_err *err) {
    mu_map map;
    mu_status status = mu_map_open(path, &map, err);
    *out_found = status != MU_ERR_NOT_FOUND;
    if (status == MU_ERR_NOT_FOUND) return MU_OK;
    if (status != MU_OK) return status;
    if (out) mu_buf_append(out, map.data, map.size);
    mu_map_close(&map);
    return MU_OK;
}

/* A folder with chat_template.jinja says all in such files; its configuration may be older. */
mu_status mu_hf_chat_template_read(const char *folder, const char *name, mu_buf *out, mu_err *err) {
    char path[PATH_BYTES], other[PATH_BYTES];
    bool is_default = strcmp(name, "default") == 0, found = false, has_files = false;
    snprintf(path, sizeof(path), "%s/chat_template.jinja", folder);
    mu_status status = read_file(path, is_default ? out : NULL, &has_files, err);
    if (status == MU_OK && !is_default) {
        snprintf(other, sizeof(other), "%s/additional_chat_templates/%s.jinja", folder, name);
        status = read_file(other, out, &found, err);
    }
    if (status == MU_OK && !has_files && !found) {
        snprintf(path, sizeof(path), "%s/tokenizer_config.json", folder);
        status = read_config(path, name, out, err);
    }
    if (status == MU_OK && out->failed) status = mu_fail(err, MU_ERR_NOMEM, "%s", path);
    if (status == MU_OK && out->n > TEMPLATE_BYTES_MAX) {
        status = mu_fail(err, MU_ERR_LIMIT, "%s: a chat template of %zu bytes", path, out->n);
    }
    return status;
}
