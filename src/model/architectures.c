/* To add an architecture: add a row to architectures[] and, where it has one, its switches.
 *
 * GPT-2's two habits that have caused bugs elsewhere: its Conv1D weights are stored [in, out], the
 * transpose of everybody else's; and checkpoints come with and without the "transformer." prefix,
 * with causal masks ("attn.bias") stored beside the weights.
 */
#include "model/architectures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"

typedef enum size_of { ONE, HIDDEN, FFN, VOCAB, CTX } size_of;

/* How a slot is named and shaped. part of n_parts: the tensor holds several slots side by side. */
typedef struct slot_row {
    const char *names[MU_N_NAMINGS]; /* %u is the layer */
    size_of out, in;
    uint8_t part, n_parts;
    bool is_conv1d;        /* stored [in, out] in HF files */
    bool is_optional;      /* may be absent: zero */
    float mean, deviation; /* synthetic; residual projections are divided by sqrt(2 n_layers) */
    bool is_residual;
} slot_row;

typedef struct key_row {
    const char *names[MU_N_NAMINGS];
    size_t offset; /* of the uint32_t in mu_decoder_spec */
    uint32_t max;
    bool is_optional;
} key_row;

struct mu_architecture {
    const char *name;
    const char *prefixes[2]; /* HF tensor names may have one of these in front */
    const key_row *keys;
    size_t n_keys;
    mu_status (*switches)(const mu_metadata *metadata, mu_naming naming, mu_decoder_spec *spec,
                          mu_err *err);
    const slot_row *model_slots; /* [MU_N_MODEL_SLOTS] */
    const slot_row *layer_slots; /* [MU_N_LAYER_SLOTS] */
    bool is_tied_by_default;
};

enum {
    N_LAYERS_MAX = 1024,
    HIDDEN_MAX = 1 << 16,
    FFN_MAX = 1 << 18,
    VOCAB_MAX = 1 << 22,
    N_CTX_MAX = 1 << 20,
    HEAD_DIM_MAX = 1024,
};

/* GPT-2 */

static const key_row gpt2_keys[] = {
#define AT(member) offsetof(mu_decoder_spec, member)
    {{"n_layer", "gpt2.block_count"}, AT(n_layers), N_LAYERS_MAX, false},
    {{"n_embd", "gpt2.embedding_length"}, AT(hidden_dim), HIDDEN_MAX, false},
    {{"n_head", "gpt2.attention.head_count"}, AT(n_heads), HIDDEN_MAX, false},
    {{"n_positions", "gpt2.context_length"}, AT(n_ctx), N_CTX_MAX, false},
    {{"n_inner", "gpt2.feed_forward_length"}, AT(ffn_dim), FFN_MAX, true},
    {{"vocab_size", "gpt2.vocab_size"}, AT(vocab_size), VOCAB_MAX, true},
#undef AT
};

static const struct {
    const char *name;
    mu_activation activation;
} activations[] = {
    {"gelu_new", MU_ACTIVATION_GELU_TANH},
    {"gelu_pytorch_tanh", MU_ACTIVATION_GELU_TANH},
    {"gelu", MU_ACTIVATION_GELU_ERF},
    {"relu", MU_ACTIVATION_RELU},
};

static mu_status read_activation(const mu_metadata *metadata, mu_decoder_spec *spec, mu_err *err) {
    mu_meta_string name;
    spec->activation = MU_ACTIVATION_GELU_TANH;
    if (!mu_metadata_string(metadata, "activation_function", &name)) return MU_OK;
    for (size_t i = 0; i < MU_COUNTOF(activations); i++) {
        if (!mu_meta_string_is(name, activations[i].name)) continue;
        spec->activation = activations[i].activation;
        return MU_OK;
    }
    return mu_fail(err, MU_ERR_UNSUPPORTED, "activation_function \"%.*s\"",
                   (int)(name.n < 40 ? name.n : 40), name.data);
}

static mu_status gpt2_switches(const mu_metadata *metadata, mu_naming naming, mu_decoder_spec *spec,
                               mu_err *err) {
    static const char *const eps_keys[] = {"layer_norm_epsilon",
                                           "gpt2.attention.layer_norm_epsilon"};
    bool is_scaled = true;
    double eps = 1e-5;
    mu_metadata_float(metadata, eps_keys[naming], &eps);
    if (!(eps > 0.0 && eps < 1.0)) {
        return mu_fail(err, MU_ERR_FORMAT, "%s: %g is not in (0, 1)", eps_keys[naming], eps);
    }
    spec->norm_eps = (float)eps;
    mu_metadata_bool(metadata, "scale_attn_weights", &is_scaled);
    mu_metadata_bool(metadata, "scale_attn_by_inverse_layer_idx", &spec->attn_scale_by_layer);
    spec->attn_scale = is_scaled ? 1.0f / sqrtf((float)spec->head_dim) : 1.0f;
    if (spec->ffn_dim == 0) spec->ffn_dim = 4 * spec->hidden_dim;
    return read_activation(metadata, spec, err);
}

// clang-format off
#define SD(sd) .deviation = sd
#define TOP(name, gguf, out, in) {{name, gguf}, out, in
#define EACH(name, gguf, out, in) {{"h.%u." name, "blk.%u." gguf}, out, in
static const slot_row gpt2_model_slots[MU_N_MODEL_SLOTS] = {
    [MU_EMBED] = TOP("wte.weight", "token_embd.weight", VOCAB, HIDDEN), SD(0.02f)},
    [MU_POSITIONS] = TOP("wpe.weight", "position_embd.weight", CTX, HIDDEN), SD(0.01f)},
    [MU_OUT_NORM_W] = TOP("ln_f.weight", "output_norm.weight", HIDDEN, ONE), .mean = 1, SD(0.02f)},
    [MU_OUT_NORM_B] = TOP("ln_f.bias", "output_norm.bias", HIDDEN, ONE), SD(0.02f)},
    [MU_OUTPUT] = TOP("lm_head.weight", "output.weight", VOCAB, HIDDEN), .is_optional = true},
};

#define QKV_W(i) \
    EACH("attn.c_attn.weight", "attn_qkv.weight", HIDDEN, HIDDEN), i, 3, true, SD(0.02f)}
#define QKV_B(i) EACH("attn.c_attn.bias", "attn_qkv.bias", HIDDEN, ONE), i, 3, SD(0.02f)}
#define CONV1D 0, 1, true, SD(0.02f)
static const slot_row gpt2_layer_slots[MU_N_LAYER_SLOTS] = {
    [MU_ATTN_NORM_W] = EACH("ln_1.weight", "attn_norm.weight", HIDDEN, ONE), .mean = 1, SD(0.02f)},
    [MU_ATTN_NORM_B] = EACH("ln_1.bias", "attn_norm.bias", HIDDEN, ONE), SD(0.02f)},
    [MU_Q_W] = QKV_W(0), [MU_K_W] = QKV_W(1), [MU_V_W] = QKV_W(2),
    [MU_Q_B] = QKV_B(0), [MU_K_B] = QKV_B(1), [MU_V_B] = QKV_B(2),
    [MU_O_W] = EACH("attn.c_proj.weight", "attn_output.weight", HIDDEN, HIDDEN), CONV1D,
                    .is_residual = true},
    [MU_O_B] = EACH("attn.c_proj.bias", "attn_output.bias", HIDDEN, ONE), SD(0.02f)},
    [MU_FFN_NORM_W] = EACH("ln_2.weight", "ffn_norm.weight", HIDDEN, ONE), .mean = 1, SD(0.02f)},
    [MU_FFN_NORM_B] = EACH("ln_2.bias", "ffn_norm.bias", HIDDEN, ONE), SD(0.02f)},
    [MU_UP_W] = EACH("mlp.c_fc.weight", "ffn_up.weight", FFN, HIDDEN), CONV1D},
    [MU_UP_B] = EACH("mlp.c_fc.bias", "ffn_up.bias", FFN, ONE), SD(0.02f)},
    [MU_DOWN_W] = EACH("mlp.c_proj.weight", "ffn_down.weight", HIDDEN, FFN), CONV1D,
                       .is_residual = true},
    [MU_DOWN_B] = EACH("mlp.c_proj.bias", "ffn_down.bias", HIDDEN, ONE), SD(0.02f)},
};
// clang-format on
#undef SD
#undef TOP
#undef EACH
#undef QKV_W
#undef QKV_B
#undef CONV1D

static const mu_architecture architectures[] = {
    {
        .name = "gpt2",
        .prefixes = {"", "transformer."},
        .keys = gpt2_keys,
        .n_keys = MU_COUNTOF(gpt2_keys),
        .switches = gpt2_switches,
        .model_slots = gpt2_model_slots,
        .layer_slots = gpt2_layer_slots,
        .is_tied_by_default = true,
    },
};

const mu_architecture *mu_architecture_gpt2(void) {
    return &architectures[0];
}

const char *mu_architecture_name(const mu_architecture *architecture) {
    return architecture->name;
}

mu_status mu_architecture_find(const mu_metadata *metadata, mu_naming naming,
                               const mu_architecture **out, mu_err *err) {
    const char *key = naming == MU_NAMING_HF ? "model_type" : "general.architecture";
    mu_meta_string name;
    if (!mu_metadata_string(metadata, key, &name)) {
        return mu_fail(err, MU_ERR_FORMAT, "no %s", key);
    }
    for (size_t i = 0; i < MU_COUNTOF(architectures); i++) {
        if (!mu_meta_string_is(name, architectures[i].name)) continue;
        *out = &architectures[i];
        return MU_OK;
    }
    return mu_fail(err, MU_ERR_UNSUPPORTED, "%s \"%.*s\" (this version reads gpt2)", key,
                   (int)(name.n < 40 ? name.n : 40), name.data);
}

/* A tensor by its base name, with any prefix the architecture allows. */
static const mu_tensor *find_tensor(const mu_architecture *a, mu_naming naming,
                                    const mu_tensor_set *tensors, const char *name) {
    for (size_t i = 0; i < MU_COUNTOF(a->prefixes); i++) {
        char full[160];
        snprintf(full, sizeof(full), "%s%s", naming == MU_NAMING_HF ? a->prefixes[i] : "", name);
        const mu_tensor *tensor = mu_tensor_set_find(tensors, full);
        if (tensor) return tensor;
    }
    return NULL;
}

static mu_status read_keys(const mu_architecture *a, mu_naming naming, const mu_metadata *metadata,
                           mu_decoder_spec *spec, mu_err *err) {
    for (size_t i = 0; i < a->n_keys; i++) {
        const key_row *row = &a->keys[i];
        const char *key = row->names[naming];
        const mu_meta_value *value = mu_metadata_find(metadata, key);
        if (!value || value->kind == MU_META_NULL) {
            if (row->is_optional) continue;
            return mu_fail(err, MU_ERR_FORMAT, "no %s", key);
        }
        if (value->kind != MU_META_INT || value->i < 1 || value->i > row->max) {
            return mu_fail(err, MU_ERR_FORMAT, "%s: not a whole number in [1, %u]", key, row->max);
        }
        uint32_t number = (uint32_t)value->i;
        memcpy((uint8_t *)spec + row->offset, &number, sizeof(number));
    }
    return MU_OK;
}

mu_status mu_architecture_spec(const mu_architecture *a, mu_naming naming,
                               const mu_metadata *metadata, const mu_tensor_set *tensors,
                               mu_decoder_spec *out, mu_err *err) {
    mu_decoder_spec spec = {0};
    mu_status status = read_keys(a, naming, metadata, &spec, err);
    if (status != MU_OK) return status;
    if (spec.hidden_dim % spec.n_heads != 0) {
        return mu_fail(err, MU_ERR_FORMAT, "%s: %u heads do not divide a width of %u",
                       a->keys[2].names[naming], spec.n_heads, spec.hidden_dim);
    }
    spec.head_dim = spec.hidden_dim / spec.n_heads;
    if (spec.head_dim > HEAD_DIM_MAX) {
        return mu_fail(err, MU_ERR_LIMIT, "heads of %u dimensions, at most %d", spec.head_dim,
                       HEAD_DIM_MAX);
    }
    if (spec.vocab_size == 0) {
        const mu_tensor *embed =
            find_tensor(a, naming, tensors, a->model_slots[MU_EMBED].names[naming]);
        if (!embed || embed->n_dims != 2 || embed->dims[0] == 0 || embed->dims[0] > VOCAB_MAX) {
            return mu_fail(err, MU_ERR_FORMAT, "%s: missing or not [vocabulary, width]",
                           a->model_slots[MU_EMBED].names[naming]);
        }
        spec.vocab_size = (uint32_t)embed->dims[0];
    }
    status = a->switches(metadata, naming, &spec, err);
    if (status != MU_OK) return status;
    *out = spec;
    return MU_OK;
}

/* Binding */

typedef struct binder {
    const mu_architecture *a;
    mu_naming naming;
    const mu_tensor_set *tensors; /* NULL: synthetic */
    const mu_decoder_spec *spec;
    mu_err *err;
} binder;

static uint32_t size_in(const mu_decoder_spec *spec, size_of size) {
    const uint32_t sizes[] = {[ONE] = 1,
                              [HIDDEN] = spec->hidden_dim,
                              [FFN] = spec->ffn_dim,
                              [VOCAB] = spec->vocab_size,
                              [CTX] = spec->n_ctx};
    return sizes[size];
}

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

static void print_name(char *out, size_t n, const slot_row *row, mu_naming naming, uint32_t layer) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the formats are the table above */
    snprintf(out, n, row->names[naming], layer);
#pragma GCC diagnostic pop
}

void mu_architecture_model_name(mu_model_slot slot, char *out, size_t n) {
    print_name(out, n, &gpt2_model_slots[slot], MU_NAMING_GGUF, 0);
}

void mu_architecture_layer_name(mu_layer_slot slot, uint32_t layer, char *out, size_t n) {
    print_name(out, n, &gpt2_layer_slots[slot], MU_NAMING_GGUF, layer);
}

static mu_status bind_slot(const binder *b, const slot_row *row, uint32_t layer, mu_weight *out) {
    char name[120];
    uint32_t n_out = size_in(b->spec, row->out), n_in = size_in(b->spec, row->in);
    uint32_t n_parts = row->n_parts > 1 ? row->n_parts : 1;
    print_name(name, sizeof(name), row, b->naming, layer);
    mu_weight w = {.n_out = n_out, .n_in = n_in};
    if (!b->tensors) {
        w.seed = hash_of(name) + row->part;
        w.mean = row->mean;
        w.deviation = row->deviation;
        if (row->is_residual) w.deviation /= sqrtf(2.0f * (float)b->spec->n_layers);
        *out = w;
        return MU_OK;
    }
    w.tensor = find_tensor(b->a, b->naming, b->tensors, name);
    if (!w.tensor && row->is_optional) {
        *out = (mu_weight){0};
        return MU_OK;
    }
    if (!w.tensor) return mu_fail(b->err, MU_ERR_FORMAT, "no tensor %s", name);
    w.is_transposed = row->is_conv1d && b->naming == MU_NAMING_HF;
    w.first_out = row->part * n_out;
    mu_status status = check_shape(b, w.tensor, (uint64_t)n_out * n_parts, n_in, w.is_transposed);
    if (status == MU_OK) *out = w;
    return status;
}

mu_status mu_architecture_bind(const mu_architecture *a, mu_naming naming,
                               const mu_metadata *metadata, const mu_tensor_set *tensors,
                               const mu_decoder_spec *spec, mu_bindings *bindings, mu_err *err) {
    binder b = {a, naming, tensors, spec, err};
    for (int slot = 0; slot < MU_N_MODEL_SLOTS; slot++) {
        if (!tensors && a->model_slots[slot].is_optional) {
            bindings->model[slot] = (mu_weight){0};
            continue;
        }
        mu_status status = bind_slot(&b, &a->model_slots[slot], 0, &bindings->model[slot]);
        if (status != MU_OK) return status;
    }
    for (uint32_t layer = 0; layer < spec->n_layers; layer++) {
        for (int slot = 0; slot < MU_N_LAYER_SLOTS; slot++) {
            mu_status status =
                bind_slot(&b, &a->layer_slots[slot], layer, &bindings->layers[layer][slot]);
            if (status != MU_OK) return status;
        }
    }
    bool is_tied = a->is_tied_by_default;
    if (naming == MU_NAMING_GGUF) { /* a GGUF without output.weight is tied, one with it is not */
        is_tied = bindings->model[MU_OUTPUT].n_out == 0;
    } else if (metadata) {
        mu_metadata_bool(metadata, "tie_word_embeddings", &is_tied);
    }
    if (bindings->model[MU_OUTPUT].n_out == 0 && !is_tied) {
        return mu_fail(err, MU_ERR_FORMAT, "no tensor %s, and tie_word_embeddings is false",
                       a->model_slots[MU_OUTPUT].names[naming]);
    }
    if (is_tied) bindings->model[MU_OUTPUT] = bindings->model[MU_EMBED];
    bindings->is_tied = is_tied;
    return MU_OK;
}
