/* Two passes over the metadata: the first walks every value and counts, so that the second fills
 * arrays whose size is known and bounded by the file. Strings are left where they are in the file;
 * keys and tensor names are copied, because they need a terminating NUL.
 */
#include "format/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/cursor.h"
#include "base/map.h"
#include "format/impostor.h"

struct mu_gguf {
    mu_map map; /* owned; empty for parse() */
    size_t size;
    mu_gguf **parts; /* [n_parts] the other files of a split one, owned; the first is this */
    uint32_t n_parts;
    mu_tensor *all_tensors; /* of all parts, owned; NULL for one file */
    uint32_t version;
    mu_arena arena; /* everything below */
    mu_metadata metadata;
    mu_tensor_set set;
};

enum { NAME_BYTES_MAX = 1 << 16, ALIGNMENT_DEFAULT = 32, PATH_BYTES = 4096, SPLIT_ENDING = 32 };

typedef enum value_type {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    BOOL,
    STRING,
    ARRAY,
    U64,
    I64,
    F64,
    N_VALUE_TYPES
} value_type;

/* Bytes of each metadata value type, by its number in the file. 0: has its own length. */
static const uint8_t value_bytes[N_VALUE_TYPES] = {
    [U8] = 1,  [I8] = 1,   [U16] = 2, [I16] = 2, [U32] = 4, [I32] = 4,
    [F32] = 4, [BOOL] = 1, [U64] = 8, [I64] = 8, [F64] = 8,
};

static const struct {
    uint32_t type; /* ggml_type */
    mu_dtype dtype;
} tensor_types[] = {
    {0, MU_F32},    {1, MU_F16},     {2, MU_Q4_0},     {3, MU_Q4_1},    {6, MU_Q5_0},
    {7, MU_Q5_1},   {8, MU_Q8_0},    {10, MU_Q2_K},    {11, MU_Q3_K},   {12, MU_Q4_K},
    {13, MU_Q5_K},  {14, MU_Q6_K},   {16, MU_IQ2_XXS}, {17, MU_IQ2_XS}, {18, MU_IQ3_XXS},
    {19, MU_IQ1_S}, {20, MU_IQ4_NL}, {21, MU_IQ3_S},   {22, MU_IQ2_S},  {23, MU_IQ4_XS},
    {24, MU_I8},    {25, MU_I16},    {26, MU_I32},     {27, MU_I64},    {28, MU_F64},
    {29, MU_IQ1_M}, {30, MU_BF16},   {34, MU_TQ1_0},   {35, MU_TQ2_0},  {39, MU_MXFP4},
    {40, MU_NVFP4}, {41, MU_Q1_0},
};

/* What the first pass learns. */
typedef struct layout {
    uint64_t n_tensors, n_kvs;
    uint64_t key_bytes;   /* keys and tensor names, with NULs */
    uint64_t array_bytes; /* arrays as metadata hold them */
    uint64_t alignment;
} layout;

static size_t elem_bytes_of(uint32_t type) {
    return type == STRING ? sizeof(mu_meta_string) : sizeof(int64_t);
}

/* At least this many bytes of file stand behind each element. */
static uint64_t file_bytes_of(uint32_t type) {
    return type == STRING ? 8 : type == ARRAY ? 12 : value_bytes[type];
}

static mu_status skip_value(mu_cursor *c, uint32_t type, int depth, layout *l, mu_err *err) {
    if (type >= N_VALUE_TYPES) {
        return mu_fail(err, MU_ERR_FORMAT, "value of unknown type %u", type);
    }
    if (type == STRING) {
        mu_cursor_take(c, mu_cursor_u64(c));
        return MU_OK;
    }
    if (type != ARRAY) {
        mu_cursor_take(c, value_bytes[type]);
        return MU_OK;
    }
    if (depth == MU_GGUF_ARRAY_DEPTH_MAX) {
        return mu_fail(err, MU_ERR_LIMIT, "arrays nested deeper than %d", depth);
    }
    uint32_t elem_type = mu_cursor_u32(c);
    uint64_t n = mu_cursor_u64(c);
    if (elem_type >= N_VALUE_TYPES) {
        return mu_fail(err, MU_ERR_FORMAT, "array of unknown type %u", elem_type);
    }
    if (n > (c->size - c->pos) / file_bytes_of(elem_type)) {
        return mu_fail(err, MU_ERR_FORMAT, "array of %llu elements is longer than the file",
                       (unsigned long long)n);
    }
    if (elem_type != STRING && elem_type != ARRAY) {
        mu_cursor_take(c, n * value_bytes[elem_type]);
    }
    /* Each pass consumes input or sets overrun, so the file size bounds this loop. */
    for (uint64_t i = 0; i < n && !c->overrun && (elem_type == STRING || elem_type == ARRAY); i++) {
        mu_status status = skip_value(c, elem_type, depth + 1, l, err);
        if (status != MU_OK) return status;
    }
    if (depth == 0 && elem_type != ARRAY) l->array_bytes += n * elem_bytes_of(elem_type) + 16;
    return MU_OK;
}

/* A key or a name: printable enough to stand in an error, and without NUL. */
static mu_status take_name(mu_cursor *c, mu_meta_string *out, const char *what, uint64_t index,
                           mu_err *err) {
    uint64_t n = mu_cursor_u64(c);
    const char *data = (const char *)mu_cursor_take(c, n);
    if (!data) {
        return mu_fail(err, MU_ERR_FORMAT, "file ends in %s %llu", what, (unsigned long long)index);
    }
    if (n == 0 || n > NAME_BYTES_MAX || memchr(data, '\0', (size_t)n)) {
        return mu_fail(err, MU_ERR_FORMAT, "%s %llu: not a name", what, (unsigned long long)index);
    }
    *out = (mu_meta_string){data, (size_t)n};
    return MU_OK;
}

static mu_status parse_header(mu_cursor *c, uint32_t *version, layout *l, mu_err *err) {
    mu_status genuine = mu_impostor_check(c->data, c->size, err);
    if (genuine != MU_OK) return genuine;
    const uint8_t *magic = mu_cursor_take(c, 4);
    if (!magic || memcmp(magic, "GGUF", 4) != 0) {
        return mu_fail(err, MU_ERR_FORMAT, "not a GGUF file");
    }
    *version = mu_cursor_u32(c);
    if (*version != 0 && (*version & 0xFFFF) == 0) { /* 2 and 3 read the other way round */
        return mu_fail(err, MU_ERR_UNSUPPORTED,
                       "a big-endian GGUF file; this version reads little-endian ones");
    }
    l->n_tensors = mu_cursor_u64(c);
    l->n_kvs = mu_cursor_u64(c);
    l->alignment = ALIGNMENT_DEFAULT;
    if (c->overrun) return mu_fail(err, MU_ERR_FORMAT, "file ends in its header");
    if (*version != 2 && *version != 3) {
        return mu_fail(err, MU_ERR_UNSUPPORTED, "GGUF version %u, this version reads 2 and 3",
                       *version);
    }
    if (l->n_tensors > MU_GGUF_TENSORS_MAX || l->n_kvs > MU_GGUF_KVS_MAX) {
        return mu_fail(err, MU_ERR_LIMIT, "%llu tensors and %llu keys",
                       (unsigned long long)l->n_tensors, (unsigned long long)l->n_kvs);
    }
    return MU_OK;
}

/* First pass: walk everything before the data, check that it is all there, and count. */
static mu_status measure(mu_cursor c, layout *l, mu_err *err) {
    mu_meta_string name;
    for (uint64_t i = 0; i < l->n_kvs; i++) {
        mu_err inner;
        mu_status status = take_name(&c, &name, "key", i, err);
        if (status != MU_OK) return status;
        status = skip_value(&c, mu_cursor_u32(&c), 0, l, &inner);
        if (status == MU_OK && c.overrun) {
            status = mu_fail(&inner, MU_ERR_FORMAT, "file ends in its value");
        }
        if (status != MU_OK) {
            return mu_fail(err, status, "%.*s: %s", (int)(name.n < 80 ? name.n : 80), name.data,
                           inner.text);
        }
        l->key_bytes += name.n + 1;
    }
    for (uint64_t i = 0; i < l->n_tensors; i++) {
        mu_status status = take_name(&c, &name, "tensor", i, err);
        if (status != MU_OK) return status;
        mu_cursor_take(&c, (uint64_t)mu_cursor_u32(&c) * 8 + 4 + 8);
        if (c.overrun) {
            return mu_fail(err, MU_ERR_FORMAT, "file ends in tensor %llu", (unsigned long long)i);
        }
        l->key_bytes += name.n + 1;
    }
    return MU_OK;
}

/* A scalar, already known to be there. */
static mu_meta_value take_scalar(mu_cursor *c, uint32_t type) {
    mu_meta_value v = {.kind = MU_META_INT};
    union {
        uint64_t u64;
        int64_t i64;
        double f64;
        float f32;
        uint8_t bytes[8];
    } raw = {0};
    const uint8_t *at = mu_cursor_take(c, value_bytes[type]);
    if (at) memcpy(raw.bytes, at, value_bytes[type]);
    switch ((value_type)type) {
    case I8:
        v.i = (int8_t)raw.bytes[0];
        break;
    case I16:
        v.i = (int16_t)raw.u64;
        break;
    case I32:
        v.i = (int32_t)raw.u64;
        break;
    case BOOL:
        v.kind = MU_META_BOOL;
        v.b = raw.bytes[0] != 0;
        v.i = v.b;
        return v;
    case F32:
    case F64:
        v.kind = MU_META_FLOAT;
        v.f = type == F32 ? (double)raw.f32 : raw.f64;
        return v;
    case U64: /* beyond int64 nothing in a model is meant */
        v.i = raw.u64 > INT64_MAX ? INT64_MAX : raw.i64;
        break;
    default:
        v.i = raw.i64;
        break;
    }
    v.f = (double)v.i;
    return v;
}

static mu_meta_string take_string(mu_cursor *c) {
    uint64_t n = mu_cursor_u64(c);
    const char *data = (const char *)mu_cursor_take(c, n);
    return (mu_meta_string){data, data ? (size_t)n : 0};
}

static mu_meta_value take_array(mu_cursor *c, mu_arena *arena) {
    mu_meta_value v = {.kind = MU_META_ARRAY};
    uint32_t type = mu_cursor_u32(c);
    size_t n = (size_t)mu_cursor_u64(c);
    if (type == ARRAY) { /* checked by the first pass; no reader wants arrays of arrays */
        layout ignored = {0};
        for (size_t i = 0; i < n; i++) {
            mu_status status = skip_value(c, ARRAY, 1, &ignored, NULL);
            MU_ASSERT(status == MU_OK);
        }
        return (mu_meta_value){.kind = MU_META_NULL};
    }
    bool is_float = type == F32 || type == F64;
    mu_meta_string *strings = type == STRING ? MU_NEW(arena, mu_meta_string, n) : NULL;
    double *floats = is_float ? MU_NEW(arena, double, n) : NULL;
    int64_t *ints = type != STRING && !is_float ? MU_NEW(arena, int64_t, n) : NULL;
    MU_ASSERT(strings || floats || ints); /* the arena was sized by the first pass */
    for (size_t i = 0; i < n; i++) {
        if (type == STRING) {
            strings[i] = take_string(c);
            continue;
        }
        mu_meta_value elem = take_scalar(c, type);
        if (is_float) {
            floats[i] = elem.f;
        } else {
            ints[i] = elem.i;
        }
    }
    v.elem_kind = type == STRING ? MU_META_STRING : is_float ? MU_META_FLOAT : MU_META_INT;
    if (type == BOOL) v.elem_kind = MU_META_BOOL;
    v.n_elems = n;
    v.strings = strings;
    v.ints = ints;
    v.floats = floats;
    return v;
}

static const char *copy_name(mu_arena *arena, mu_meta_string name) {
    char *copy = MU_NEW(arena, char, name.n + 1);
    MU_ASSERT(copy);
    return memcpy(copy, name.data, name.n);
}

static mu_status read_metadata(mu_gguf *gguf, mu_cursor *c, layout *l, mu_err *err) {
    gguf->metadata.entries = MU_NEW(&gguf->arena, mu_meta_entry, l->n_kvs);
    MU_ASSERT(gguf->metadata.entries);
    for (uint64_t i = 0; i < l->n_kvs; i++) {
        mu_meta_entry *entry = &gguf->metadata.entries[gguf->metadata.n++];
        mu_meta_string name = take_string(c);
        entry->key = copy_name(&gguf->arena, name);
        uint32_t type = mu_cursor_u32(c);
        if (type == STRING) {
            entry->value = (mu_meta_value){.kind = MU_META_STRING, .str = take_string(c)};
        } else {
            entry->value = type == ARRAY ? take_array(c, &gguf->arena) : take_scalar(c, type);
        }
    }
    MU_ASSERT(!c->overrun);
    const char *duplicate;
    if (!mu_metadata_sort(&gguf->metadata, &duplicate)) {
        return mu_fail(err, MU_ERR_FORMAT, "%.80s: given twice", duplicate);
    }
    const mu_meta_value *alignment = mu_metadata_find(&gguf->metadata, "general.alignment");
    if (!alignment) return MU_OK;
    int64_t n = alignment->kind == MU_META_INT ? alignment->i : 0;
    if (n < 1 || n > MU_GGUF_ALIGNMENT_MAX || (n & (n - 1)) != 0) {
        return mu_fail(err, MU_ERR_FORMAT, "general.alignment: not a power of two up to %d",
                       MU_GGUF_ALIGNMENT_MAX);
    }
    l->alignment = (uint64_t)n;
    return MU_OK;
}

static mu_status find_dtype(const mu_tensor *tensor, uint32_t type, mu_dtype *out, mu_err *err) {
    for (size_t i = 0; i < MU_COUNTOF(tensor_types); i++) {
        if (tensor_types[i].type != type) continue;
        *out = tensor_types[i].dtype;
        return MU_OK;
    }
    return mu_fail(err, MU_ERR_UNSUPPORTED, "%.80s: ggml type %u is not one this version reads",
                   tensor->name, type);
}

/* One entry of the tensor directory; *out_offset is within the data. */
static mu_status read_tensor(mu_gguf *gguf, mu_cursor *c, mu_tensor *tensor, uint64_t *out_offset,
                             mu_err *err) {
    tensor->name = copy_name(&gguf->arena, take_string(c));
    tensor->n_dims = mu_cursor_u32(c);
    if (tensor->n_dims > MU_TENSOR_DIMS_MAX) {
        return mu_fail(err, MU_ERR_FORMAT, "%.80s: %u dimensions, at most %d", tensor->name,
                       tensor->n_dims, MU_TENSOR_DIMS_MAX);
    }
    uint64_t n_elems = 1;
    for (uint32_t i = 0; i < tensor->n_dims; i++) { /* the file lists the innermost first */
        uint64_t dim = mu_cursor_u64(c);
        tensor->dims[tensor->n_dims - 1 - i] = dim;
        if (dim != 0 && n_elems > UINT64_MAX / dim) {
            return mu_fail(err, MU_ERR_FORMAT, "%.80s: shape overflows", tensor->name);
        }
        n_elems *= dim;
    }
    mu_status status = find_dtype(tensor, mu_cursor_u32(c), &tensor->dtype, err);
    if (status != MU_OK) return status;
    *out_offset = mu_cursor_u64(c);
    uint32_t block = mu_dtype_get(tensor->dtype)->block_elems;
    uint64_t row = tensor->n_dims > 0 ? tensor->dims[tensor->n_dims - 1] : 1;
    if (row % block != 0 || !mu_dtype_bytes(tensor->dtype, n_elems, &tensor->n_bytes)) {
        return mu_fail(err, MU_ERR_FORMAT, "%.80s: rows of %llu are not whole %s blocks",
                       tensor->name, (unsigned long long)row, mu_dtype_get(tensor->dtype)->name);
    }
    return MU_OK;
}

typedef struct extent {
    uint64_t begin, end; /* of a tensor's bytes in the data */
    const char *name;
} extent;

static int by_begin(const void *a, const void *b) {
    const extent *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* No two tensors share bytes. Holes are alignment, and harmless. */
static mu_status check_overlap(extent *extents, size_t n, mu_err *err) {
    if (n > 0) qsort(extents, n, sizeof(*extents), by_begin);
    for (size_t i = 1; i < n; i++) {
        if (extents[i].begin < extents[i - 1].end) {
            return mu_fail(err, MU_ERR_FORMAT, "%.80s: overlaps %.80s", extents[i].name,
                           extents[i - 1].name);
        }
    }
    return MU_OK;
}

static mu_status read_tensors(mu_gguf *gguf, mu_cursor *c, const layout *l, mu_err *err) {
    gguf->set.tensors = MU_NEW(&gguf->arena, mu_tensor, l->n_tensors);
    uint64_t *offsets = MU_NEW(&gguf->arena, uint64_t, l->n_tensors);
    extent *extents = MU_NEW(&gguf->arena, extent, l->n_tensors);
    MU_ASSERT(gguf->set.tensors && offsets && extents);
    for (uint64_t i = 0; i < l->n_tensors; i++) {
        mu_status read = read_tensor(gguf, c, &gguf->set.tensors[i], &offsets[i], err);
        if (read != MU_OK) return read;
    }
    MU_ASSERT(!c->overrun);
    uint64_t data_at = (c->pos + l->alignment - 1) / l->alignment * l->alignment;
    uint64_t data_size = data_at < c->size ? c->size - data_at : 0;
    for (uint64_t i = 0; i < l->n_tensors; i++) {
        mu_tensor *tensor = &gguf->set.tensors[i];
        if (offsets[i] % l->alignment != 0 || offsets[i] > data_size ||
            tensor->n_bytes > data_size - offsets[i]) {
            return mu_fail(err, MU_ERR_FORMAT,
                           "%.80s: %llu bytes at offset %llu are not inside the %llu of data",
                           tensor->name, (unsigned long long)tensor->n_bytes,
                           (unsigned long long)offsets[i], (unsigned long long)data_size);
        }
        tensor->data = tensor->n_bytes > 0 ? c->data + data_at + offsets[i] : c->data;
        extents[i] = (extent){offsets[i], offsets[i] + tensor->n_bytes, tensor->name};
    }
    mu_status status = check_overlap(extents, (size_t)l->n_tensors, err);
    if (status != MU_OK) return status;
    gguf->set.n = (size_t)l->n_tensors;
    const char *duplicate;
    if (mu_tensor_set_sort(&gguf->set, &duplicate)) return MU_OK;
    return mu_fail(err, MU_ERR_FORMAT, "%.80s: given twice", duplicate);
}

static mu_status parse(mu_gguf *gguf, const uint8_t *data, size_t size, mu_err *err) {
    mu_cursor c = {.data = data, .size = size};
    layout l = {0};
    mu_status status = parse_header(&c, &gguf->version, &l, err);
    if (status == MU_OK) status = measure(c, &l, err);
    if (status != MU_OK) return status;
    /* Every count was found in the file, so this is bounded by a small multiple of its size. */
    uint64_t bytes = l.key_bytes + l.array_bytes + l.n_kvs * (sizeof(mu_meta_entry) + 16) +
                     l.n_tensors * (sizeof(mu_tensor) + sizeof(uint64_t) + sizeof(extent) + 16) +
                     256;
    status = mu_arena_init(&gguf->arena, (size_t)bytes, err);
    if (status == MU_OK) status = read_metadata(gguf, &c, &l, err);
    if (status == MU_OK) status = read_tensors(gguf, &c, &l, err);
    return status;
}

mu_status mu_gguf_parse(const uint8_t *data, size_t size, mu_gguf **out, mu_err *err) {
    mu_gguf *gguf = mu_alloc(sizeof(*gguf));
    if (!gguf) return mu_fail(err, MU_ERR_NOMEM, "GGUF");
    gguf->size = size;
    mu_status status = parse(gguf, data, size, err);
    if (status != MU_OK) {
        mu_gguf_close(gguf);
        return status;
    }
    *out = gguf;
    return MU_OK;
}

static mu_status open_file(const char *path, mu_gguf **out, mu_err *err) {
    mu_map map;
    mu_err inner;
    mu_gguf *gguf = NULL;
    mu_status status = mu_map_open(path, &map, err);
    if (status != MU_OK) return status;
    status = mu_gguf_parse(map.data, map.size, &gguf, &inner);
    if (status != MU_OK) {
        mu_map_close(&map);
        return mu_fail(err, status, "%s: %s", path, inner.text);
    }
    gguf->map = map;
    *out = gguf;
    return MU_OK;
}

/* Which part of how many a file says that it is; 0 of 1 for a whole one. */
static void read_split(const mu_gguf *gguf, int64_t *no, int64_t *count) {
    *no = 0;
    *count = 1;
    (void)mu_metadata_int(&gguf->metadata, "split.no", no);
    (void)mu_metadata_int(&gguf->metadata, "split.count", count);
}

/* "-00001-of-00003.gguf", as llama-gguf-split names parts. */
static void print_ending(char ending[SPLIT_ENDING], int64_t no, int64_t count) {
    snprintf(ending, SPLIT_ENDING, "-%05d-of-%05d.gguf", (int)no + 1, (int)count);
}

/* Length of a part's path without its ending. MU_ERR_FORMAT: it is not called what it should be. */
static mu_status find_stem(const char *path, int64_t no, int64_t count, size_t *out_n,
                           mu_err *err) {
    char ending[SPLIT_ENDING];
    print_ending(ending, no, count);
    size_t n = strlen(path), n_ending = strlen(ending);
    if (n < n_ending || strcmp(path + n - n_ending, ending) != 0) {
        return mu_fail(err, MU_ERR_FORMAT,
                       "%s: part %d of %d of a split file, whose name should end in %s", path,
                       (int)no + 1, (int)count, ending);
    }
    *out_n = n - n_ending;
    return MU_OK;
}

static mu_status open_part(mu_gguf *first, const char *stem, size_t n_stem, int64_t no,
                           int64_t count, mu_err *err) {
    char path[PATH_BYTES], ending[SPLIT_ENDING];
    mu_err inner;
    print_ending(ending, no, count);
    if (snprintf(path, sizeof(path), "%.*s%s", (int)n_stem, stem, ending) >= (int)sizeof(path)) {
        return mu_fail(err, MU_ERR_LIMIT, "%.80s: path too long", stem);
    }
    mu_gguf *part = NULL;
    mu_status status = open_file(path, &part, &inner);
    if (status != MU_OK) {
        return mu_fail(err, status, "part %d of %d: %s", (int)no + 1, (int)count, inner.text);
    }
    first->parts[first->n_parts++] = part;
    int64_t its_no, its_count;
    read_split(part, &its_no, &its_count);
    if (its_no == no && its_count == count) return MU_OK;
    return mu_fail(err, MU_ERR_FORMAT, "%s: says that it is part %lld of %lld", path,
                   (long long)its_no + 1, (long long)its_count);
}

/* One directory of the tensors of all parts. */
static mu_status join_parts(mu_gguf *first, mu_err *err) {
    size_t n = first->set.n;
    for (uint32_t i = 0; i < first->n_parts; i++) {
        n += first->parts[i]->set.n;
    }
    int64_t n_said = (int64_t)n;
    (void)mu_metadata_int(&first->metadata, "split.tensors.count", &n_said);
    if (n_said != (int64_t)n) {
        return mu_fail(err, MU_ERR_FORMAT, "%zu tensors in all parts, split.tensors.count is %lld",
                       n, (long long)n_said);
    }
    first->all_tensors = MU_ALLOC(mu_tensor, n);
    if (!first->all_tensors) return mu_fail(err, MU_ERR_NOMEM, "%zu tensors", n);
    n = 0;
    for (uint32_t i = 0; i <= first->n_parts; i++) {
        const mu_tensor_set *set = i == 0 ? &first->set : &first->parts[i - 1]->set;
        if (set->n > 0) memcpy(first->all_tensors + n, set->tensors, set->n * sizeof(mu_tensor));
        n += set->n;
    }
    first->set = (mu_tensor_set){.tensors = first->all_tensors, .n = n};
    const char *duplicate;
    if (mu_tensor_set_sort(&first->set, &duplicate)) return MU_OK;
    return mu_fail(err, MU_ERR_FORMAT, "%.80s: in two parts", duplicate);
}

static mu_status open_parts(mu_gguf *first, const char *path, mu_err *err) {
    int64_t no, count;
    size_t n_stem = 0;
    mu_err inner;
    read_split(first, &no, &count);
    if (count == 1) return MU_OK;
    if (count < 1 || count > MU_GGUF_PARTS_MAX || no < 0 || no >= count) {
        return mu_fail(err, MU_ERR_FORMAT, "%s: split.no %lld of split.count %lld", path,
                       (long long)no, (long long)count);
    }
    mu_status status = find_stem(path, no, count, &n_stem, err);
    if (status != MU_OK) return status;
    if (no != 0) {
        char ending[SPLIT_ENDING];
        print_ending(ending, 0, count);
        return mu_fail(err, MU_ERR_INVALID, "%s: part %d of %d; open the first, %.*s%s", path,
                       (int)no + 1, (int)count, (int)n_stem, path, ending);
    }
    first->parts = MU_ALLOC(mu_gguf *, (size_t)count - 1);
    if (!first->parts) return mu_fail(err, MU_ERR_NOMEM, "%s", path);
    for (int64_t i = 1; i < count && status == MU_OK; i++) {
        status = open_part(first, path, n_stem, i, count, err);
    }
    if (status == MU_OK && (status = join_parts(first, &inner)) != MU_OK) {
        mu_fail(err, status, "%s: %s", path, inner.text);
    }
    return status;
}

mu_status mu_gguf_open(const char *path, mu_gguf **out, mu_err *err) {
    mu_gguf *gguf = NULL;
    mu_status status = open_file(path, &gguf, err);
    if (status == MU_OK) status = open_parts(gguf, path, err);
    if (status != MU_OK) {
        mu_gguf_close(gguf);
        return status;
    }
    *out = gguf;
    return MU_OK;
}

void mu_gguf_close(mu_gguf *gguf) {
    if (!gguf) return;
    for (uint32_t i = 0; i < gguf->n_parts; i++) {
        mu_gguf_close(gguf->parts[i]);
    }
    mu_free(gguf->parts);
    mu_free(gguf->all_tensors);
    mu_map_close(&gguf->map);
    mu_arena_deinit(&gguf->arena);
    mu_free(gguf);
}

mu_status mu_gguf_check(const mu_gguf *gguf, mu_err *err) {
    mu_status status = mu_map_check(&gguf->map, err);
    for (uint32_t i = 0; i < gguf->n_parts && status == MU_OK; i++) {
        status = mu_map_check(&gguf->parts[i]->map, err);
    }
    return status;
}

uint32_t mu_gguf_version(const mu_gguf *gguf) {
    return gguf->version;
}

uint64_t mu_gguf_bytes(const mu_gguf *gguf) {
    uint64_t bytes = gguf->size;
    for (uint32_t i = 0; i < gguf->n_parts; i++) {
        bytes += gguf->parts[i]->size;
    }
    return bytes;
}

const mu_metadata *mu_gguf_metadata(const mu_gguf *gguf) {
    return &gguf->metadata;
}

const mu_tensor_set *mu_gguf_tensors(const mu_gguf *gguf) {
    return &gguf->set;
}
