/* One mapped file is a shard; a model of one file is a model of one shard. parse_shard() checks one
 * header against its own bytes; what spans shards (unique names, no stray file) is checked after.
 */
#include "format/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "format/impostor.h"
#include "format/json.h"

typedef struct shard {
    mu_map map;   /* owned; empty for parse() */
    json_t *json; /* owned; tensor names are borrowed from it */
    const uint8_t *data;
    size_t size;
} shard;

enum { UNREAD = MU_N_DTYPES };

struct mu_safetensors {
    shard *shards; /* [n_shards], owned */
    size_t n_shards;
    mu_tensor_set set; /* tensors and unread owned */
    size_t cap, unread_cap;
};

static const struct {
    const char *name;
    uint8_t bits;
    mu_dtype dtype; /* UNREAD: checked, and only its name is kept */
} types[] = {
    {"F32", 32, MU_F32},
    {"F16", 16, MU_F16},
    {"BF16", 16, MU_BF16},
    {"F64", 64, MU_F64},
    {"I64", 64, MU_I64},
    {"I32", 32, MU_I32},
    {"I16", 16, MU_I16},
    {"I8", 8, MU_I8},
    {"U64", 64, (mu_dtype)UNREAD},
    {"U32", 32, (mu_dtype)UNREAD},
    {"U16", 16, (mu_dtype)UNREAD},
    {"U8", 8, (mu_dtype)UNREAD},
    {"BOOL", 8, (mu_dtype)UNREAD},
    {"F8_E4M3", 8, (mu_dtype)UNREAD},
    {"F8_E5M2", 8, (mu_dtype)UNREAD},
    {"F8_E8M0", 8, (mu_dtype)UNREAD},
};

/* What the header says of one tensor, before it is compared with the others. */
typedef struct entry {
    mu_tensor tensor;
    const char *type;
    uint64_t begin, end;
} entry;

static bool get_u64(const json_t *json, uint64_t *out) {
    if (!json_is_integer(json) || json_integer_value(json) < 0) return false;
    *out = (uint64_t)json_integer_value(json);
    return true;
}

static mu_status parse_shape(entry *e, const json_t *shape, mu_err *err) {
    const char *name = e->tensor.name;
    if (!json_is_array(shape)) return mu_fail(err, MU_ERR_FORMAT, "%.80s: no shape", name);
    size_t n_dims = json_array_size(shape);
    if (n_dims > MU_TENSOR_DIMS_MAX) {
        return mu_fail(err, MU_ERR_UNSUPPORTED, "%.80s: %zu dimensions, at most %d", name, n_dims,
                       MU_TENSOR_DIMS_MAX);
    }
    uint64_t n_elems = 1;
    for (size_t i = 0; i < n_dims; i++) {
        uint64_t dim;
        if (!get_u64(json_array_get(shape, i), &dim)) {
            return mu_fail(err, MU_ERR_FORMAT, "%.80s: dimension %zu is not a whole number", name,
                           i);
        }
        if (dim != 0 && n_elems > UINT64_MAX / 64 / dim) {
            return mu_fail(err, MU_ERR_FORMAT, "%.80s: shape overflows", name);
        }
        n_elems *= dim;
        e->tensor.dims[i] = dim;
    }
    e->tensor.n_dims = (uint32_t)n_dims;
    return MU_OK;
}

static mu_status parse_entry(const char *name, const json_t *json, uint64_t data_size, entry *out,
                             mu_err *err) {
    entry e = {.tensor = {.name = name}};
    const char *type = json_string_value(json_object_get(json, "dtype"));
    if (!type) return mu_fail(err, MU_ERR_FORMAT, "%.80s: no dtype", name);
    size_t t = 0;
    while (t < MU_COUNTOF(types) && strcmp(type, types[t].name) != 0) {
        t++;
    }
    if (t == MU_COUNTOF(types)) {
        return mu_fail(err, MU_ERR_UNSUPPORTED, "%.80s: dtype \"%.20s\"", name, type);
    }
    e.tensor.dtype = types[t].dtype;
    e.type = types[t].name;

    mu_status status = parse_shape(&e, json_object_get(json, "shape"), err);
    if (status != MU_OK) return status;
    const json_t *offsets = json_object_get(json, "data_offsets");
    if (json_array_size(offsets) != 2 || !get_u64(json_array_get(offsets, 0), &e.begin) ||
        !get_u64(json_array_get(offsets, 1), &e.end)) {
        return mu_fail(err, MU_ERR_FORMAT, "%.80s: data_offsets are not two offsets", name);
    }
    if (e.begin > e.end || e.end > data_size) {
        return mu_fail(err, MU_ERR_FORMAT,
                       "%.80s: data_offsets [%llu, %llu] are outside the %llu bytes of data", name,
                       (unsigned long long)e.begin, (unsigned long long)e.end,
                       (unsigned long long)data_size);
    }
    e.tensor.n_bytes = mu_tensor_n_elems(&e.tensor) * types[t].bits / 8;
    if (e.tensor.n_bytes != e.end - e.begin) {
        return mu_fail(err, MU_ERR_FORMAT, "%.80s: shape needs %llu bytes, data_offsets give %llu",
                       name, (unsigned long long)e.tensor.n_bytes,
                       (unsigned long long)(e.end - e.begin));
    }
    *out = e;
    return MU_OK;
}

static int by_offset(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* Sorted by offset, tensors must fill the data exactly: no overlap, no hole, no tail. */
static mu_status check_coverage(entry *entries, size_t n, uint64_t data_size, mu_err *err) {
    uint64_t at = 0;
    if (n > 0) qsort(entries, n, sizeof(*entries), by_offset);
    for (size_t i = 0; i < n; i++) {
        if (entries[i].begin != at) {
            return mu_fail(err, MU_ERR_FORMAT, "%.80s: data %s that of the tensor before it",
                           entries[i].tensor.name,
                           entries[i].begin < at ? "overlaps" : "leaves a hole after");
        }
        at = entries[i].end;
    }
    if (at != data_size) {
        return mu_fail(err, MU_ERR_FORMAT, "%llu bytes of data belong to no tensor",
                       (unsigned long long)(data_size - at));
    }
    return MU_OK;
}

static mu_status add_tensors(mu_safetensors *file, const entry *entries, size_t n,
                             const uint8_t *data, mu_err *err) {
    void *tensors = file->set.tensors;
    if (!mu_grow(&tensors, &file->cap, file->set.n + n, sizeof(mu_tensor))) {
        return mu_fail(err, MU_ERR_NOMEM, "%zu tensors", file->set.n + n);
    }
    file->set.tensors = tensors;
    void *unread = file->set.unread;
    if (!mu_grow(&unread, &file->unread_cap, file->set.n_unread + n, sizeof(mu_unread_tensor))) {
        return mu_fail(err, MU_ERR_NOMEM, "%zu tensors", file->set.n + n);
    }
    file->set.unread = unread;
    for (size_t i = 0; i < n; i++) {
        if ((int)entries[i].tensor.dtype == UNREAD) {
            file->set.unread[file->set.n_unread++] =
                (mu_unread_tensor){entries[i].tensor.name, entries[i].type};
            continue;
        }
        mu_tensor *tensor = &file->set.tensors[file->set.n++];
        *tensor = entries[i].tensor;
        tensor->data = data + entries[i].begin;
    }
    return MU_OK;
}

/* Find where the JSON header ends. */
static mu_status find_header(const shard *s, uint64_t *out_bytes, mu_err *err) {
    uint64_t n = 0;
    if (s->size < sizeof(n)) {
        return mu_fail(err, MU_ERR_FORMAT, "%zu bytes, too short for safetensors", s->size);
    }
    memcpy(&n, s->data, sizeof(n));
    if (n > MU_SAFETENSORS_HEADER_BYTES_MAX) {
        return mu_fail(err, MU_ERR_LIMIT, "header of %llu bytes, at most %d", (unsigned long long)n,
                       MU_SAFETENSORS_HEADER_BYTES_MAX);
    }
    if (n > s->size - sizeof(n)) {
        return mu_fail(err, MU_ERR_FORMAT, "header of %llu bytes in a file of %zu",
                       (unsigned long long)n, s->size);
    }
    *out_bytes = n;
    return MU_OK;
}

static mu_status parse_shard(mu_safetensors *file, shard *s, mu_err *err) {
    entry *entries = NULL;
    uint64_t header_bytes = 0;
    mu_status status = mu_impostor_check(s->data, s->size, err);
    if (status == MU_OK) status = find_header(s, &header_bytes, err);
    if (status != MU_OK) return status;
    const uint8_t *data = s->data + 8 + header_bytes;
    uint64_t data_size = s->size - 8 - header_bytes;

    mu_err inner;
    status = mu_json_parse((const char *)s->data + 8, (size_t)header_bytes, &s->json, &inner);
    if (status != MU_OK) return mu_fail(err, status, "header: %s", inner.text);
    if (!json_is_object(s->json)) return mu_fail(err, MU_ERR_FORMAT, "header is not an object");
    entries = MU_ALLOC(entry, json_object_size(s->json));
    if (!entries) return mu_fail(err, MU_ERR_NOMEM, "safetensors header");

    size_t n = 0;
    const char *name;
    json_t *json;
    json_object_foreach(s->json, name, json) {
        if (strcmp(name, "__metadata__") == 0) continue;
        status = parse_entry(name, json, data_size, &entries[n++], err);
        if (status != MU_OK) goto done;
    }
    status = check_coverage(entries, n, data_size, err);
    if (status == MU_OK) status = add_tensors(file, entries, n, data, err);
done:
    mu_free(entries);
    return status;
}

static mu_status create(size_t n_shards, mu_safetensors **out, mu_err *err) {
    mu_safetensors *file = mu_alloc(sizeof(*file));
    if (file) file->shards = MU_ALLOC(shard, n_shards);
    if (!file || !file->shards) {
        mu_free(file);
        return mu_fail(err, MU_ERR_NOMEM, "safetensors");
    }
    *out = file;
    return MU_OK;
}

static mu_status finish(mu_safetensors *file, mu_err *err) {
    const char *duplicate;
    if (mu_tensor_set_sort(&file->set, &duplicate)) return MU_OK;
    return mu_fail(err, MU_ERR_FORMAT, "%.80s: in two shards", duplicate);
}

mu_status mu_safetensors_parse(const uint8_t *data, size_t size, mu_safetensors **out,
                               mu_err *err) {
    mu_safetensors *file;
    mu_status status = create(1, &file, err);
    if (status != MU_OK) return status;
    file->shards[file->n_shards++] = (shard){.data = data, .size = size};
    status = parse_shard(file, &file->shards[0], err);
    if (status == MU_OK) status = finish(file, err);
    if (status != MU_OK) {
        mu_safetensors_close(file);
        return status;
    }
    *out = file;
    return MU_OK;
}

static mu_status add_file(mu_safetensors *file, const char *path, mu_err *err) {
    shard *s = &file->shards[file->n_shards];
    mu_status status = mu_map_open(path, &s->map, err);
    if (status != MU_OK) return status;
    file->n_shards++;
    s->data = s->map.data;
    s->size = s->map.size;
    mu_err inner;
    status = parse_shard(file, s, &inner);
    return status == MU_OK ? MU_OK : mu_fail(err, status, "%s: %s", path, inner.text);
}

/* Shards are files of the index's own folder: a name with a slash could point anywhere. */
static bool is_plain_name(const char *name) {
    return name[0] != '\0' && name[0] != '.' && !strchr(name, '/') && strlen(name) < 256;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The distinct file names of an index, sorted. names: [json_object_size(map)]. */
static mu_status list_shards(const json_t *map, const char **names, size_t *out_n, mu_err *err) {
    size_t n = 0, n_distinct = 0;
    const char *tensor;
    json_t *json;
    json_object_foreach((json_t *)(uintptr_t)map, tensor, json) {
        const char *name = json_string_value(json);
        if (!name || !is_plain_name(name)) {
            return mu_fail(err, MU_ERR_FORMAT, "weight_map of %.80s: not a plain file name",
                           tensor);
        }
        names[n++] = name;
    }
    if (n == 0) return mu_fail(err, MU_ERR_FORMAT, "weight_map is empty");
    qsort(names, n, sizeof(*names), by_text);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(names[i], names[n_distinct - 1]) != 0) names[n_distinct++] = names[i];
    }
    if (n_distinct > MU_SAFETENSORS_SHARDS_MAX) {
        return mu_fail(err, MU_ERR_LIMIT, "%zu shards, at most %d", n_distinct,
                       MU_SAFETENSORS_SHARDS_MAX);
    }
    *out_n = n_distinct;
    return MU_OK;
}

static mu_status open_shards(const char *path, const char *const *names, size_t n,
                             mu_safetensors **out, mu_err *err) {
    mu_safetensors *file;
    mu_status status = create(n, &file, err);
    if (status != MU_OK) return status;
    const char *slash = strrchr(path, '/');
    int n_folder = slash ? (int)(slash - path) + 1 : 0;
    for (size_t i = 0; i < n && status == MU_OK; i++) {
        char shard_path[4096];
        int len = snprintf(shard_path, sizeof(shard_path), "%.*s%s", n_folder, path, names[i]);
        status = len < (int)sizeof(shard_path)
                     ? add_file(file, shard_path, err)
                     : mu_fail(err, MU_ERR_LIMIT, "%.80s: path too long", path);
    }
    mu_err inner;
    if (status == MU_OK && (status = finish(file, &inner)) != MU_OK) {
        mu_fail(err, status, "%s: %s", path, inner.text);
    }
    if (status != MU_OK) {
        mu_safetensors_close(file);
        return status;
    }
    *out = file;
    return MU_OK;
}

static mu_status open_index(const char *path, mu_safetensors **out, mu_err *err) {
    const char **names = NULL;
    json_t *json;
    mu_status status = mu_json_load(path, &json, err);
    if (status != MU_OK) return status;
    const json_t *map = json_object_get(json, "weight_map");
    if (!json_is_object(map)) {
        status = mu_fail(err, MU_ERR_FORMAT, "%s: no weight_map", path);
        goto done;
    }
    names = MU_ALLOC(const char *, json_object_size(map));
    if (!names) {
        status = mu_fail(err, MU_ERR_NOMEM, "%s", path);
        goto done;
    }
    size_t n = 0;
    mu_err inner;
    status = list_shards(map, names, &n, &inner);
    if (status != MU_OK) {
        mu_fail(err, status, "%s: %s", path, inner.text);
        goto done;
    }
    status = open_shards(path, names, n, out, err);
done:
    mu_free(names);
    json_decref(json);
    return status;
}

mu_status mu_safetensors_open(const char *path, mu_safetensors **out, mu_err *err) {
    size_t n = strlen(path), n_suffix = strlen(".index.json");
    if (n > n_suffix && strcmp(path + n - n_suffix, ".index.json") == 0) {
        return open_index(path, out, err);
    }
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    return open_shards(path, &name, 1, out, err);
}

void mu_safetensors_close(mu_safetensors *file) {
    if (!file) return;
    for (size_t i = 0; i < file->n_shards; i++) {
        json_decref(file->shards[i].json);
        mu_map_close(&file->shards[i].map);
    }
    mu_free(file->shards);
    mu_free(file->set.tensors);
    mu_free(file->set.unread);
    mu_free(file);
}

const mu_tensor_set *mu_safetensors_tensors(const mu_safetensors *file) {
    return &file->set;
}

uint64_t mu_safetensors_bytes(const mu_safetensors *file) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < file->n_shards; i++) {
        bytes += file->shards[i].size;
    }
    return bytes;
}

mu_status mu_safetensors_check(const mu_safetensors *file, mu_err *err) {
    mu_status status = MU_OK;
    for (size_t i = 0; i < file->n_shards && status == MU_OK; i++) {
        status = mu_map_check(&file->shards[i].map, err);
    }
    return status;
}
