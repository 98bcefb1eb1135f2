#include "format/hf_chat_template.h"

#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "format/json.h"

enum { PATH_BYTES = 4096 + 64, TEMPLATE_BYTES_MAX = 1 << 20 };

/* "default" of [{"name": ..., "template": ...}, ...]; NULL: not there. */
static const json_t *find_default(const json_t *list) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(entry, "name"));
        if (name && strcmp(name, "default") == 0) return json_object_get(entry, "template");
    }
    return NULL;
}

static mu_status read_config(const char *path, mu_buf *out, mu_err *err) {
    json_t *config = NULL;
    mu_status status = mu_json_load(path, &config, err);
    if (status == MU_ERR_NOT_FOUND) return MU_OK;
    if (status != MU_OK) return status;
    const json_t *found = json_object_get(config, "chat_template");
    if (json_is_array(found)) found = find_default(found);
    if (found && !json_is_null(found) && !json_is_string(found)) {
        status = mu_fail(err, MU_ERR_FORMAT, "%s: chat_template: not a string", path);
    } else if (json_is_string(found)) {
        mu_buf_append(out, json_string_value(found), json_string_length(found));
    }
    json_decref(config);
    return status;
}

mu_status mu_hf_chat_template_read(const char *folder, mu_buf *out, mu_err *err) {
    char path[PATH_BYTES];
    mu_map map;
    snprintf(path, sizeof(path), "%s/chat_template.jinja", folder);
    mu_status status = mu_map_open(path, &map, err);
    if (status == MU_ERR_NOT_FOUND) {
        snprintf(path, sizeof(path), "%s/tokenizer_config.json", folder);
        status = read_config(path, out, err);
    } else if (status == MU_OK) {
        mu_buf_append(out, map.data, map.size);
        mu_map_close(&map);
    }
    if (status == MU_OK && out->failed) status = mu_fail(err, MU_ERR_NOMEM, "%s", path);
    if (status == MU_OK && out->n > TEMPLATE_BYTES_MAX) {
        status = mu_fail(err, MU_ERR_LIMIT, "%s: a chat template of %zu bytes", path, out->n);
    }
    return status;
}
