/* Values that metadata cannot hold (arrays of arrays or of objects, mixed arrays) are left out: no
 * spec needs one, and a key that is looked for and missing is reported by its reader.
 */
#include "format/hf_config.h"

#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/map.h"
#include "format/json.h"

struct mu_hf_config {
    json_t *json; /* owned; values borrow its strings */
    mu_arena arena;
    mu_metadata metadata;
};

/* Every value becomes at most one entry with a key of at most KEY_MAX; arrays also
 * their elements. */
enum { KEY_MAX = 256, CONFIG_BYTES_MAX = 16 << 20 };

typedef struct flattener {
    mu_hf_config *config;
    char key[KEY_MAX];
    mu_err *err;
} flattener;

static mu_meta_kind kind_of(const json_t *json) {
    if (json_is_boolean(json)) return MU_META_BOOL;
    if (json_is_integer(json)) return MU_META_INT;
    if (json_is_real(json)) return MU_META_FLOAT;
    return json_is_string(json) ? MU_META_STRING : MU_META_NULL;
}

static mu_meta_value scalar_of(const json_t *json) {
    mu_meta_value value = {.kind = kind_of(json)};
    value.b = json_is_true(json);
    value.i = json_integer_value(json);
    value.f = json_number_value(json);
    value.str = (mu_meta_string){json_string_value(json), json_string_length(json)};
    return value;
}

/* False: no memory. A mixed or nested array becomes MU_META_NULL. */
static bool array_of(mu_arena *arena, const json_t *json, mu_meta_value *out) {
    size_t n = json_array_size(json);
    *out = (mu_meta_value){.kind = MU_META_NULL};
    mu_meta_kind kind = n > 0 ? kind_of(json_array_get(json, 0)) : MU_META_INT;
    for (size_t i = 0; i < n; i++) {
        if (kind_of(json_array_get(json, i)) != kind || kind == MU_META_NULL) return true;
    }
    mu_meta_string *strings = MU_NEW(arena, mu_meta_string, kind == MU_META_STRING ? n : 0);
    int64_t *ints = MU_NEW(arena, int64_t, kind == MU_META_INT || kind == MU_META_BOOL ? n : 0);
    double *floats = MU_NEW(arena, double, kind == MU_META_FLOAT ? n : 0);
    if (!strings || !ints || !floats) return false;
    for (size_t i = 0; i < n; i++) {
        mu_meta_value elem = scalar_of(json_array_get(json, i));
        if (kind == MU_META_STRING) strings[i] = elem.str;
        if (kind == MU_META_INT) ints[i] = elem.i;
        if (kind == MU_META_BOOL) ints[i] = elem.b;
        if (kind == MU_META_FLOAT) floats[i] = elem.f;
    }
    out->kind = MU_META_ARRAY;
    out->elem_kind = kind;
    out->n_elems = n;
    out->strings = kind == MU_META_STRING ? strings : NULL;
    out->ints = kind == MU_META_INT || kind == MU_META_BOOL ? ints : NULL;
    out->floats = kind == MU_META_FLOAT ? floats : NULL;
    return true;
}

static mu_status add(flattener *f, mu_meta_value value) {
    mu_hf_config *config = f->config;
    size_t n = strlen(f->key) + 1;
    char *key = mu_arena_alloc(&config->arena, n, 1, 1);
    if (!key) return mu_fail(f->err, MU_ERR_NOMEM, "config");
    memcpy(key, f->key, n);
    config->metadata.entries[config->metadata.n++] = (mu_meta_entry){key, value};
    return MU_OK;
}

/* Depth is bounded by mu_json_parse(). */
static mu_status flatten(flattener *f, json_t *object, size_t prefix) {
    const char *name;
    json_t *json;
    json_object_foreach(object, name, json) {
        size_t n = strlen(name);
        if (prefix + n + 2 > KEY_MAX) {
            return mu_fail(f->err, MU_ERR_LIMIT, "key longer than %d bytes", KEY_MAX - 1);
        }
        memcpy(f->key + prefix, name, n + 1);
        mu_status status;
        if (json_is_object(json)) {
            f->key[prefix + n] = '.';
            f->key[prefix + n + 1] = '\0';
            status = flatten(f, json, prefix + n + 1);
        } else {
            mu_meta_value value = scalar_of(json);
            if (json_is_array(json) && !array_of(&f->config->arena, json, &value)) {
                return mu_fail(f->err, MU_ERR_NOMEM, "config");
            }
            status = add(f, value);
        }
        if (status != MU_OK) return status;
    }
    return MU_OK;
}

typedef struct sizes {
    size_t n_entries, n_elems;
} sizes;

static void count(const json_t *json, sizes *s) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)json, name, value) {
        if (json_is_object(value)) {
            count(value, s);
        } else {
            s->n_entries++;
            s->n_elems += json_array_size(value);
        }
    }
}

mu_status mu_hf_config_parse(const char *text, size_t n, mu_hf_config **out, mu_err *err) {
    if (n > CONFIG_BYTES_MAX) return mu_fail(err, MU_ERR_LIMIT, "%zu bytes of config", n);
    mu_hf_config *config = mu_alloc(sizeof(*config));
    if (!config) return mu_fail(err, MU_ERR_NOMEM, "config");
    mu_status status = mu_json_parse(text, n, &config->json, err);
    if (status == MU_OK && !json_is_object(config->json)) {
        status = mu_fail(err, MU_ERR_FORMAT, "not a JSON object");
    }
    if (status != MU_OK) goto fail;

    sizes s = {0};
    count(config->json, &s);
    size_t elem = sizeof(mu_meta_string) + sizeof(int64_t) + sizeof(double);
    size_t cap = s.n_entries * (sizeof(mu_meta_entry) + KEY_MAX + 64) + s.n_elems * elem + 4096;
    status = mu_arena_init(&config->arena, cap, err);
    if (status != MU_OK) goto fail;
    config->metadata.entries = MU_NEW(&config->arena, mu_meta_entry, s.n_entries);
    MU_ASSERT(config->metadata.entries);
    flattener f = {.config = config, .err = err};
    status = flatten(&f, config->json, 0);
    const char *duplicate;
    if (status == MU_OK && !mu_metadata_sort(&config->metadata, &duplicate)) {
        status = mu_fail(err, MU_ERR_FORMAT, "%s: given twice", duplicate);
    }
    if (status != MU_OK) goto fail;
    *out = config;
    return MU_OK;

fail:
    mu_hf_config_close(config);
    return status;
}

mu_status mu_hf_config_open(const char *path, mu_hf_config **out, mu_err *err) {
    mu_map map;
    mu_err inner;
    mu_status status = mu_map_open(path, &map, err);
    if (status != MU_OK) return status;
    status = mu_hf_config_parse((const char *)map.data, map.size, out, &inner);
    mu_map_close(&map);
    return status == MU_OK ? MU_OK : mu_fail(err, status, "%s: %s", path, inner.text);
}

void mu_hf_config_close(mu_hf_config *config) {
    if (!config) return;
    json_decref(config->json);
    mu_arena_deinit(&config->arena);
    mu_free(config);
}

const mu_metadata *mu_hf_config_metadata(const mu_hf_config *config) {
    return &config->metadata;
}
