/* To add a family: a file in families/ and its name in MU_FAMILY_MAP.
 */
#include "model/family.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "model/config.h"

enum {
    VOCAB_MAX = 1 << 22,
    HEAD_DIM_MAX = 1024,
    NAME_SHOWN_MAX = 40, /* bytes of an unknown type */
    SENTENCE_BYTES = 88, /* what the error about it takes beside the list of families */
};

static const mu_family *const families[] = {
#define X(name) &mu_family_##name,
    MU_FAMILY_MAP(X)
#undef X
};

static bool is_of(const mu_family *family, mu_naming naming, mu_meta_string name) {
    if (naming == MU_NAMING_GGUF) return mu_meta_string_is(name, family->name);
    for (size_t i = 0; i < MU_FAMILY_NAMES_MAX && family->types[i]; i++) {
        if (mu_meta_string_is(name, family->types[i])) return true;
    }
    return false;
}

/* "gpt2, llama, ..."; what does not fit is left out by whole names. n > 0. */
static void list_families(char *out, size_t n) {
    size_t end = 0;
    out[0] = '\0';
    for (size_t i = 0; i < MU_COUNTOF(families); i++) {
        const char *comma = i > 0 ? ", " : "";
        if (i > 0 && strcmp(families[i]->name, families[i - 1]->name) == 0) continue;
        if (strlen(comma) + strlen(families[i]->name) >= n - end) return;
        end += (size_t)snprintf(out + end, n - end, "%s%s", comma, families[i]->name);
    }
}

mu_status mu_family_find(const mu_metadata *metadata, mu_naming naming, const mu_family **out,
                         mu_err *err) {
    const char *key = naming == MU_NAMING_HF ? "model_type" : "general.architecture";
    mu_meta_string name;
    if (!mu_metadata_string(metadata, key, &name)) {
        return mu_fail(err, MU_ERR_FORMAT, "no %s", key);
    }
    for (size_t i = 0; i < MU_COUNTOF(families); i++) {
        if (is_of(families[i], naming, name)) {
            *out = families[i];
            return MU_OK;
        }
    }
    char known[sizeof(err->text) - SENTENCE_BYTES];
    list_families(known, sizeof(known));
    return mu_fail(err, MU_ERR_UNSUPPORTED, "%s \"%.*s\" (this version reads %s)", key,
                   (int)(name.n < NAME_SHOWN_MAX ? name.n : NAME_SHOWN_MAX), name.data, known);
}

/* Spec */

mu_decoder_spec mu_spec_of(const mu_shape *shape) {
    return (mu_decoder_spec){
        .n_layers = shape->n_layers,
        .hidden_dim = shape->hidden_dim,
        .vocab_size = shape->vocab_size,
        .n_ctx = shape->n_ctx,
        .has_output = true,
        .has_out_norm = true,
        .out_norm = MU_NORM_RMS,
        .norm_eps = 1e-5f,
        .embed_scale = 1.0f,
        .residual_scale = 1.0f,
        .logit_scale = 1.0f,
        .n_kinds = 1,
        .kinds = {{
            .norm = MU_NORM_RMS,
            .has_norms_before = true,
            .n_heads = shape->n_heads,
            .n_kv_heads = shape->n_kv_heads,
            .head_dim = shape->head_dim,
            .attn_scale = 1.0f / sqrtf((float)shape->head_dim),
            .activation = MU_ACTIVATION_SILU,
            .is_gated = true,
            .ffn_dim = shape->ffn_dim,
        }},
    };
}

/* A tensor by its base name, with any prefix the family allows. */
static const mu_tensor *find_tensor(const mu_family *family, mu_naming naming,
                                    const mu_tensor_set *tensors, const char *name) {
    if (naming == MU_NAMING_GGUF) return mu_tensor_set_find(tensors, name);
    for (size_t i = 0; i < MU_FAMILY_NAMES_MAX && family->prefixes[i]; i++) {
        char full[200];
        snprintf(full, sizeof(full), "%s%s", family->prefixes[i], name);
        const mu_tensor *tensor = mu_tensor_set_find(tensors, full);
        if (tensor) return tensor;
    }
    return NULL;
}

static void read_keys(mu_config *c, mu_shape *shape) {
    for (size_t i = 0; i < c->family->n_keys && c->status == MU_OK; i++) {
        const mu_key_row *row = &c->family->keys[i];
        uint32_t number = 0;
        char key[128];
        const mu_meta_value *value = mu_config_find(c, row->names[0], row->names[1], key);
        if (!value && !row->is_optional) c->status = mu_fail(c->err, MU_ERR_FORMAT, "no %s", key);
        if (!value) continue;
        mu_config_u32(c, row->names[0], row->names[1], row->max, &number);
        memcpy((uint8_t *)shape + row->offset, &number, sizeof(number));
    }
}

static const mu_key_row *key_of(const mu_family *family, size_t offset) {
    for (size_t i = 0; i < family->n_keys; i++) {
        if (family->keys[i].offset == offset) return &family->keys[i];
    }
    return NULL;
}

/* What is left out means something. */
static void settle_heads(mu_config *c, mu_shape *shape) {
    if (c->status != MU_OK) return;
    const char *heads = key_of(c->family, offsetof(mu_shape, n_heads))->names[c->naming];
    if (shape->n_kv_heads == 0) shape->n_kv_heads = shape->n_heads;
    if (shape->head_dim == 0) {
        if (shape->hidden_dim % shape->n_heads != 0) {
            c->status = mu_fail(c->err, MU_ERR_FORMAT, "%s: %u heads do not divide a width of %u",
                                heads, shape->n_heads, shape->hidden_dim);
            return;
        }
        shape->head_dim = shape->hidden_dim / shape->n_heads;
    }
    if (shape->n_heads % shape->n_kv_heads != 0) {
        c->status = mu_fail(c->err, MU_ERR_FORMAT, "%s: %u query heads for %u heads of K and V",
                            heads, shape->n_heads, shape->n_kv_heads);
    } else if (shape->head_dim > HEAD_DIM_MAX ||
               (uint64_t)shape->n_heads * shape->head_dim > 1u << 20) {
        c->status = mu_fail(c->err, MU_ERR_LIMIT, "%u heads of %u dimensions, at most %d each",
                            shape->n_heads, shape->head_dim, HEAD_DIM_MAX);
    }
}

static void settle_vocabulary(mu_config *c, mu_shape *shape) {
    if (c->status != MU_OK || shape->vocab_size > 0) return;
    const char *name = c->family->model_slots[MU_EMBED].names[c->naming];
    const mu_tensor *embed =
        c->tensors ? find_tensor(c->family, c->naming, c->tensors, name) : NULL;
    if (!embed || embed->n_dims != 2 || embed->dims[0] == 0 || embed->dims[0] > VOCAB_MAX) {
        c->status = mu_fail(c->err, MU_ERR_FORMAT, "%s: missing or not [vocabulary, width]", name);
        return;
    }
    shape->vocab_size = (uint32_t)embed->dims[0];
}

mu_status mu_family_spec(const mu_family *family, mu_naming naming, const mu_metadata *metadata,
                         const mu_tensor_set *tensors, bool is_pooled, mu_decoder_spec *out,
                         mu_err *err) {
    mu_config c = {family, naming, metadata, tensors, MU_OK, err};
    mu_shape shape = {0};
    read_keys(&c, &shape);
    settle_heads(&c, &shape);
    settle_vocabulary(&c, &shape);
    if (c.status != MU_OK) return c.status;
    mu_decoder_spec spec = mu_spec_of(&shape);
    spec.is_tied = family->is_tied_by_default;
    if (naming == MU_NAMING_GGUF) { /* a GGUF without output.weight is tied, one with it is not */
        const char *output = family->model_slots[MU_OUTPUT].names[naming];
        spec.is_tied = !output || !mu_config_has_tensor(&c, output);
    } else {
        mu_config_bool(&c, "tie_word_embeddings", &spec.is_tied);
    }
    family->describe(&c, &shape, &spec);
    spec.has_output = spec.has_output && !is_pooled;
    spec.is_tied = spec.is_tied && spec.has_output;
    if (c.status == MU_OK) *out = spec;
    return c.status;
}

/* Binding */

typedef struct binder {
    const mu_family *family;
    mu_naming naming;
    const mu_tensor_set *tensors; /* NULL: synthetic */
    const mu_decoder_spec *spec;
    bool *is_used; /* [tensors->n] */
    mu_err *err;
} binder;

static uint64_t hash_of(const char *name) { /* FNV-1a */
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *name; name++) {
        hash = (hash ^ (uint8_t)*name) * 0x100000001b3u;
    }
    return hash;
}

static mu_status check_shape(const binder *b, const mu_tensor *tensor, uint64_t out, uint64_t in,
                             bool is_transposed) {
    uint64_t rows = is_transposed ? in : out, columns = is_transposed ? out : in;
    uint32_t n_dims = in == 1 ? 1 : 2;
    if (tensor->n_dims == n_dims && tensor->dims[0] == rows &&
        (n_dims == 1 || tensor->dims[1] == columns)) {
        return MU_OK;
    }
    char want[48], have[100] = "";
    snprintf(want, sizeof(want), n_dims == 1 ? "[%llu]" : "[%llu, %llu]", (unsigned long long)rows,
             (unsigned long long)columns);
    size_t n = 0;
    for (uint32_t i = 0; i < tensor->n_dims; i++) {
        n += (size_t)snprintf(have + n, sizeof(have) - n, i > 0 ? ", %llu" : "%llu",
                              (unsigned long long)tensor->dims[i]);
    }
    return mu_fail(b->err, MU_ERR_FORMAT, "%.80s: shape [%s], the config needs %s", tensor->name,
                   have, want);
}

static void print_name(char *out, size_t n, const mu_slot_row *row, mu_naming naming,
                       uint32_t layer) {
    out[0] = '\0';
    if (!row->names[naming]) return;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the formats are the families' tables */
    snprintf(out, n, row->names[naming], layer);
#pragma GCC diagnostic pop
}

/* Where the slot begins among the outputs of its tensor, which of its parts it is, and how many
 * outputs they have together. */
static void place(const binder *b, const mu_slot_row *row, uint32_t layer, int slot, mu_weight *w,
                  uint32_t *part, uint64_t *out_n_out) {
    uint64_t n = 0;
    *part = 0;
    for (uint32_t i = 0; i < row->n_parts; i++) {
        if ((int)row->parts[i] == slot) {
            w->first_out = (uint32_t)n;
            *part = i;
        }
        n += mu_layer_slot_shape(b->spec, layer, row->parts[i]).n_out;
    }
    *out_n_out = row->n_parts > 0 ? n : w->n_out;
}

/* is_optional: nothing where the file has no such tensor. slot: of a layer; else -1. */
static mu_status bind_slot(const binder *b, const mu_slot_row *row, mu_slot_shape shape,
                           uint32_t layer, int slot, bool is_optional, mu_weight *out) {
    char name[120];
    uint32_t part;
    uint64_t n_out;
    mu_weight w = {.n_out = shape.n_out, .n_in = shape.n_in};
    *out = (mu_weight){0};
    if (shape.n_out == 0) return MU_OK;
    print_name(name, sizeof(name), row, b->naming, layer);
    place(b, row, layer, slot, &w, &part, &n_out);
    if (!b->tensors) {
        if (is_optional) return MU_OK;
        w.seed = hash_of(name) + part;
        w.first_out = 0;
        w.mean = row->is_norm ? 1.0f : 0.0f;
        w.deviation = row->deviation;
        if (row->is_residual) w.deviation /= sqrtf(2.0f * (float)b->spec->n_layers);
        *out = w;
        return MU_OK;
    }
    w.tensor = name[0] ? find_tensor(b->family, b->naming, b->tensors, name) : NULL;
    if (!w.tensor && is_optional) return MU_OK;
    if (!w.tensor) {
        const char *type = mu_tensor_set_unread(b->tensors, name);
        if (!type) return mu_fail(b->err, MU_ERR_FORMAT, "no tensor %s", name);
        return mu_fail(b->err, MU_ERR_UNSUPPORTED, "%s: type %s is not one this version reads",
                       name, type);
    }
    b->is_used[w.tensor - b->tensors->tensors] = true;
    w.is_transposed = row->is_conv1d && b->naming == MU_NAMING_HF;
    if (row->is_last_rows && w.tensor->n_dims == 2 && w.tensor->dims[0] > n_out &&
        w.tensor->dims[0] <= UINT32_MAX) {
        w.first_out = (uint32_t)(w.tensor->dims[0] - n_out);
        n_out = w.tensor->dims[0];
    }
    if (row->is_norm && b->family->has_norms_less_one && b->naming == MU_NAMING_HF) w.added = 1.0f;
    if (row->is_turned && b->family->is_interleaved && b->naming == MU_NAMING_GGUF) {
        w.interleaved_dim = mu_layer_kind_of(b->spec, layer)->head_dim;
    }
    mu_status status = check_shape(b, w.tensor, n_out, shape.n_in, w.is_transposed);
    if (status == MU_OK) *out = w;
    return status;
}

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

/* The output of a model of which hidden states are wanted. */
static bool is_spare_output(const binder *b, const char *name) {
    const char *output = b->family->model_slots[MU_OUTPUT].names[b->naming];
    return !b->spec->has_output && output && ends_with(name, output);
}

/* A file that holds more than is read is another model than the one that would be run. */
static mu_status check_all_used(const binder *b) {
    for (size_t i = 0; b->tensors && i < b->tensors->n; i++) {
        const char *name = b->tensors->tensors[i].name;
        bool is_known = b->is_used[i] || is_spare_output(b, name);
        for (size_t k = 0; k < MU_FAMILY_NAMES_MAX && b->family->ignored[k]; k++) {
            is_known |= ends_with(name, b->family->ignored[k]);
        }
        if (!is_known) {
            return mu_fail(b->err, MU_ERR_UNSUPPORTED,
                           "tensor %.100s: no %s model with this config has it", name,
                           b->family->name);
        }
    }
    return MU_OK;
}

static mu_status bind_output(const binder *b, mu_bindings *bindings) {
    mu_weight *output = &bindings->model[MU_OUTPUT];
    const mu_slot_row *row = &b->family->model_slots[MU_OUTPUT];
    mu_slot_shape shape = mu_model_slot_shape(b->spec, MU_OUTPUT);
    *output = (mu_weight){0};
    if (shape.n_out == 0) return MU_OK;
    mu_status status = bind_slot(b, row, shape, 0, -1, b->spec->is_tied, output);
    if (status == MU_ERR_FORMAT && output->n_out == 0 && b->naming == MU_NAMING_HF &&
        !find_tensor(b->family, b->naming, b->tensors, row->names[b->naming])) {
        return mu_fail(b->err, MU_ERR_FORMAT, "no tensor %s, and tie_word_embeddings is false",
                       row->names[b->naming]);
    }
    if (status == MU_OK && b->spec->is_tied) *output = bindings->model[MU_EMBED];
    return status;
}

static mu_status bind_all(const binder *b, mu_bindings *bindings) {
    mu_status status = MU_OK;
    for (int slot = 0; slot < MU_N_MODEL_SLOTS && status == MU_OK; slot++) {
        if (slot == MU_OUTPUT) continue;
        status = bind_slot(b, &b->family->model_slots[slot],
                           mu_model_slot_shape(b->spec, (mu_model_slot)slot), 0, -1,
                           slot == MU_ROPE_FACTORS, &bindings->model[slot]);
    }
    if (status == MU_OK) status = bind_output(b, bindings);
    for (uint32_t layer = 0; layer < b->spec->n_layers; layer++) {
        for (int slot = 0; slot < MU_N_LAYER_SLOTS && status == MU_OK; slot++) {
            status = bind_slot(b, &b->family->layer_slots[slot],
                               mu_layer_slot_shape(b->spec, layer, (mu_layer_slot)slot), layer,
                               slot, false, &bindings->layers[layer][slot]);
        }
    }
    return status == MU_OK ? check_all_used(b) : status;
}

mu_status mu_family_bind(const mu_family *family, mu_naming naming, const mu_tensor_set *tensors,
                         const mu_decoder_spec *spec, mu_bindings *bindings, mu_err *err) {
    binder b = {family, naming, tensors, spec, NULL, err};
    if (tensors) {
        b.is_used = MU_ALLOC(bool, tensors->n + 1);
        if (!b.is_used) return mu_fail(err, MU_ERR_NOMEM, "%zu tensors", tensors->n);
    }
    mu_status status = bind_all(&b, bindings);
    mu_free(b.is_used);
    return status;
}

/* Writing */

void mu_family_model_name(const mu_family *family, mu_model_slot slot, char *out, size_t n) {
    print_name(out, n, &family->model_slots[slot], MU_NAMING_GGUF, 0);
}

void mu_family_layer_name(const mu_family *family, mu_layer_slot slot, uint32_t layer, char *out,
                          size_t n) {
    print_name(out, n, &family->layer_slots[slot], MU_NAMING_GGUF, layer);
}

void mu_family_declare(const mu_family *family, const mu_decoder_spec *spec,
                       mu_gguf_writer *writer) {
    const mu_layer_kind *kind = &spec->kinds[0];
    const mu_shape shape = {
        .n_layers = spec->n_layers,
        .hidden_dim = spec->hidden_dim,
        .n_heads = kind->n_heads,
        .n_kv_heads = kind->n_kv_heads,
        .head_dim = kind->head_dim,
        .ffn_dim = kind->ffn_dim,
        .n_ctx = spec->n_ctx,
        .vocab_size = spec->vocab_size,
    };
    mu_gguf_writer_string(writer, "general.architecture", family->name);
    for (size_t i = 0; i < family->n_keys; i++) {
        const mu_key_row *row = &family->keys[i];
        uint32_t number;
        char key[128];
        if (!row->names[MU_NAMING_GGUF]) continue;
        memcpy(&number, (const uint8_t *)&shape + row->offset, sizeof(number));
        snprintf(key, sizeof(key), "%s.%s", family->name, row->names[MU_NAMING_GGUF]);
        mu_gguf_writer_u32(writer, key, number);
    }
    family->declare(family, spec, writer);
}
