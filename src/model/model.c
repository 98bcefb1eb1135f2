#include "model/model.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "format/gguf.h"
#include "format/hf_chat_template.h"
#include "format/hf_config.h"
#include "format/hf_tokenizer.h"
#include "format/safetensors.h"
#include "hub/builtin.h"
#include "model/architectures.h"

struct mu_model {
    char name[256];
    char source[32];
    char folder[MU_REF_TEXT_MAX]; /* of a model in HF layout; else "" */
    const mu_architecture *architecture;
    mu_decoder_spec spec;
    mu_bindings bindings;
    mu_tokenizer *tokenizer; /* owned */
    bool has_own_tokenizer;
    mu_token eos;
    mu_safetensors *safetensors; /* owned, as below: the files that weights borrow */
    mu_hf_config *config;
    mu_gguf *gguf;
    const mu_builtin *builtin; /* NULL: a file */
};

/* Shapes of the GPT-2 family (Radford et al. 2019), and a small one for tests. */
static const struct {
    const char *name;
    uint32_t n_layers, hidden_dim, n_heads, vocab_size, n_ctx;
} synthetic_shapes[] = {
    {"gpt2", 12, 768, 12, 50257, 1024},
    {"gpt2-medium", 24, 1024, 16, 50257, 1024},
    {"gpt2-large", 36, 1280, 20, 50257, 1024},
    {"gpt2-xl", 48, 1600, 25, 50257, 1024},
    {"gpt2-test", 2, 64, 4, 517, 128},
    {"gpt2-mini", 4, 256, 4, 50257, 1024}, /* steps of about a millisecond, for tests */
};

static mu_status bind(mu_model *model, mu_naming naming, const mu_metadata *metadata,
                      const mu_tensor_set *tensors, mu_err *err) {
    model->bindings.layers = mu_alloc_array(model->spec.n_layers, sizeof(*model->bindings.layers));
    if (!model->bindings.layers) return mu_fail(err, MU_ERR_NOMEM, "%s", model->name);
    return mu_architecture_bind(model->architecture, naming, metadata, tensors, &model->spec,
                                &model->bindings, err);
}

/* The spec and the weights out of what a file says. */
static mu_status understand(mu_model *model, mu_naming naming, const mu_metadata *metadata,
                            const mu_tensor_set *tensors, mu_err *err) {
    mu_status status = mu_architecture_find(metadata, naming, &model->architecture, err);
    if (status != MU_OK) return status;
    status =
        mu_architecture_spec(model->architecture, naming, metadata, tensors, &model->spec, err);
    if (status != MU_OK) return status;
    return bind(model, naming, metadata, tensors, err);
}

/* A model without a tokenizer of its own still takes text, as bytes. */
static mu_status settle_tokenizer(mu_model *model, mu_status opened, mu_err *err) {
    if (opened == MU_OK) {
        model->has_own_tokenizer = true;
        if (mu_tokenizer_vocab_size(model->tokenizer) <= model->spec.vocab_size) return MU_OK;
        return mu_fail(err, MU_ERR_FORMAT, "tokenizer has %u tokens, the model %u",
                       mu_tokenizer_vocab_size(model->tokenizer), model->spec.vocab_size);
    }
    if (opened != MU_ERR_NOT_FOUND) return opened;
    return mu_tokenizer_open_bytes(&model->tokenizer, err);
}

static void settle_eos(mu_model *model, const mu_metadata *metadata, const char *key) {
    int64_t eos = MU_TOKEN_NONE;
    if (!metadata || !mu_metadata_int(metadata, key, &eos)) {
        eos = mu_tokenizer_eos(model->tokenizer);
    }
    bool is_valid = eos >= 0 && eos < model->spec.vocab_size;
    model->eos = is_valid ? (mu_token)eos : MU_TOKEN_NONE;
}

static mu_status open_synthetic(mu_model *model, const mu_ref *ref, const mu_hub_env *env,
                                mu_err *err) {
    size_t i = 0;
    while (i < MU_COUNTOF(synthetic_shapes) && strcmp(ref->path, synthetic_shapes[i].name) != 0) {
        i++;
    }
    if (i == MU_COUNTOF(synthetic_shapes)) {
        return mu_fail(err, MU_ERR_NOT_FOUND,
                       "synthetic:%.80s: known are gpt2, gpt2-medium, gpt2-large, gpt2-xl",
                       ref->path);
    }
    uint32_t head_dim = synthetic_shapes[i].hidden_dim / synthetic_shapes[i].n_heads;
    model->architecture = mu_architecture_gpt2();
    model->spec = (mu_decoder_spec){
        .n_layers = synthetic_shapes[i].n_layers,
        .n_heads = synthetic_shapes[i].n_heads,
        .head_dim = head_dim,
        .hidden_dim = synthetic_shapes[i].hidden_dim,
        .ffn_dim = 4 * synthetic_shapes[i].hidden_dim,
        .vocab_size = synthetic_shapes[i].vocab_size,
        .n_ctx = synthetic_shapes[i].n_ctx,
        .activation = MU_ACTIVATION_GELU_TANH,
        .norm_eps = 1e-5f,
        .attn_scale = head_dim == 64 ? 0.125f : 0.25f, /* 1 / sqrt(64), 1 / sqrt(16) */
    };
    snprintf(model->source, sizeof(model->source), "synthetic");
    mu_status status = bind(model, MU_NAMING_HF, NULL, NULL, err);
    if (status != MU_OK) return status;

    char folder[MU_REF_TEXT_MAX];
    status = MU_ERR_NOT_FOUND;
    if (env && model->spec.vocab_size == 50257 &&
        (mu_hub_find("openai-community/gpt2", NULL, env, folder, sizeof(folder), NULL) == MU_OK ||
         mu_hub_find("gpt2", NULL, env, folder, sizeof(folder), NULL) == MU_OK)) {
        status = mu_hf_tokenizer_open(folder, &model->tokenizer, err);
    }
    status = settle_tokenizer(model, status, err);
    if (status == MU_OK) settle_eos(model, NULL, NULL);
    return status;
}

static mu_status open_folder(mu_model *model, const mu_ref *ref, mu_err *err) {
    static const char *const weight_files[] = {"model.safetensors", "model.safetensors.index.json"};
    char path[MU_REF_TEXT_MAX + 64];
    mu_err inner;
    memcpy(model->folder, ref->path, sizeof(model->folder));
    snprintf(path, sizeof(path), "%s/config.json", ref->path);
    mu_status status = mu_hf_config_open(path, &model->config, err);
    if (status != MU_OK) return status;
    size_t i = 0;
    while (i < MU_COUNTOF(weight_files)) {
        snprintf(path, sizeof(path), "%s/%s", ref->path, weight_files[i++]);
        if (access(path, F_OK) == 0) break;
        path[0] = '\0';
    }
    if (path[0] == '\0') {
        return mu_fail(err, MU_ERR_NOT_FOUND, "%s: no model.safetensors and no %s", ref->path,
                       weight_files[1]);
    }
    status = mu_safetensors_open(path, &model->safetensors, err);
    if (status != MU_OK) return status;
    snprintf(model->source, sizeof(model->source), "safetensors");
    const mu_metadata *metadata = mu_hf_config_metadata(model->config);
    status = understand(model, MU_NAMING_HF, metadata, mu_safetensors_tensors(model->safetensors),
                        &inner);
    if (status != MU_OK) return mu_fail(err, status, "%s: %s", ref->path, inner.text);
    status = mu_hf_tokenizer_open(ref->path, &model->tokenizer, err);
    status = settle_tokenizer(model, status, err);
    if (status == MU_OK) settle_eos(model, metadata, "eos_token_id");
    return status;
}

/* A GGUF file, or the same bytes in the program. */
static mu_status open_gguf(mu_model *model, const mu_ref *ref, mu_err *err) {
    mu_err inner;
    mu_status status;
    model->builtin = ref->kind == MU_REF_BUILTIN ? mu_builtin_find(ref->path) : NULL;
    if (model->builtin) {
        size_t size = (size_t)(model->builtin->end - model->builtin->data);
        status = mu_gguf_parse(model->builtin->data, size, &model->gguf, err);
    } else {
        status = mu_gguf_open(ref->path, &model->gguf, err);
    }
    if (status != MU_OK) return status;
    snprintf(model->source, sizeof(model->source), "%sGGUF v%u", model->builtin ? "built-in " : "",
             mu_gguf_version(model->gguf));
    const mu_metadata *metadata = mu_gguf_metadata(model->gguf);
    status = understand(model, MU_NAMING_GGUF, metadata, mu_gguf_tensors(model->gguf), &inner);
    if (status == MU_OK) {
        status = settle_tokenizer(
            model, mu_gguf_tokenizer_open(metadata, &model->tokenizer, &inner), &inner);
    }
    if (status != MU_OK) return mu_fail(err, status, "%s: %s", ref->path, inner.text);
    settle_eos(model, metadata, "tokenizer.ggml.eos_token_id");
    return MU_OK;
}

mu_status mu_model_open(const mu_ref *ref, const mu_hub_env *env, mu_model **out, mu_err *err) {
    mu_model *model = mu_alloc(sizeof(*model));
    if (!model) return mu_fail(err, MU_ERR_NOMEM, "%s", ref->name);
    memcpy(model->name, ref->name, sizeof(model->name));
    mu_status status;
    if (ref->kind == MU_REF_SYNTHETIC) {
        status = open_synthetic(model, ref, env, err);
    } else if (ref->kind == MU_REF_GGUF || ref->kind == MU_REF_BUILTIN) {
        status = open_gguf(model, ref, err);
    } else {
        status = open_folder(model, ref, err);
    }
    if (status != MU_OK) {
        mu_model_close(model);
        return status;
    }
    *out = model;
    return MU_OK;
}

void mu_model_close(mu_model *model) {
    if (!model) return;
    mu_tokenizer_close(model->tokenizer);
    mu_free(model->bindings.layers);
    mu_safetensors_close(model->safetensors);
    mu_hf_config_close(model->config);
    mu_gguf_close(model->gguf);
    mu_free(model);
}

const char *mu_model_name(const mu_model *model) {
    return model->name;
}

const char *mu_model_architecture(const mu_model *model) {
    return mu_architecture_name(model->architecture);
}

const char *mu_model_source(const mu_model *model) {
    return model->source;
}

const mu_decoder_spec *mu_model_spec(const mu_model *model) {
    return &model->spec;
}

const mu_weight *mu_model_weight(const mu_model *model, mu_model_slot slot) {
    return &model->bindings.model[slot];
}

const mu_weight *mu_model_layer_weight(const mu_model *model, uint32_t layer, mu_layer_slot slot) {
    MU_ASSERT(layer < model->spec.n_layers);
    return &model->bindings.layers[layer][slot];
}

bool mu_model_is_tied(const mu_model *model) {
    return model->bindings.is_tied;
}

/* A fault maps neighbouring pages as well, so tensors that were let go come back in part when those
 * beside them are read: a backend lets go of everything once more at the end. */
void mu_model_drop_pages(const mu_model *model) {
    for (uint32_t layer = 0; layer < model->spec.n_layers; layer++) {
        for (int slot = 0; slot < MU_N_LAYER_SLOTS; slot++) {
            const mu_weight *w = mu_model_layer_weight(model, layer, (mu_layer_slot)slot);
            mu_weight_drop(w, 0, w->n_out);
        }
    }
    for (int slot = 0; slot < MU_N_MODEL_SLOTS; slot++) {
        const mu_weight *w = mu_model_weight(model, (mu_model_slot)slot);
        mu_weight_drop(w, 0, w->n_out);
    }
}

const mu_tokenizer *mu_model_tokenizer(const mu_model *model) {
    return model->tokenizer;
}

bool mu_model_has_own_tokenizer(const mu_model *model) {
    return model->has_own_tokenizer;
}

mu_token mu_model_eos(const mu_model *model) {
    return model->eos;
}

bool mu_model_temperature(const mu_model *model, float *out) {
    if (model->builtin) *out = model->builtin->temperature;
    return model->builtin != NULL;
}

mu_status mu_model_chat_template(const mu_model *model, mu_buf *out, mu_err *err) {
    mu_meta_string text;
    if (model->folder[0]) return mu_hf_chat_template_read(model->folder, out, err);
    if (!model->gguf ||
        !mu_metadata_string(mu_gguf_metadata(model->gguf), "tokenizer.chat_template", &text)) {
        return MU_OK;
    }
    mu_buf_append(out, text.data, text.n);
    return out->failed ? mu_fail(err, MU_ERR_NOMEM, "%s: chat template", model->name) : MU_OK;
}

const char *mu_model_synthetic_at(uint32_t i) {
    return i < MU_COUNTOF(synthetic_shapes) ? synthetic_shapes[i].name : NULL;
}

static uint64_t n_values(const mu_weight *w) {
    return (uint64_t)w->n_out * w->n_in;
}

uint64_t mu_model_n_parameters(const mu_model *model) {
    uint64_t n = 0;
    for (int slot = 0; slot < MU_N_MODEL_SLOTS; slot++) {
        bool is_counted = slot != MU_OUTPUT || !model->bindings.is_tied;
        if (is_counted) n += n_values(&model->bindings.model[slot]);
    }
    for (uint32_t layer = 0; layer < model->spec.n_layers; layer++) {
        for (int slot = 0; slot < MU_N_LAYER_SLOTS; slot++) {
            n += n_values(&model->bindings.layers[layer][slot]);
        }
    }
    return n;
}

typedef struct held_types {
    uint32_t n, n_q4_0, n_quantized, n_bf16; /* matrices */
} held_types;

static void count_type(held_types *held, const mu_weight *w) {
    mu_dtype dtype = w->tensor ? w->tensor->dtype : MU_F32;
    bool has_blocks = mu_dtype_get(dtype)->block_elems > 1;
    held->n++;
    held->n_q4_0 += dtype == MU_Q4_0;
    held->n_quantized += has_blocks;
    held->n_bf16 += dtype == MU_BF16;
}

mu_dtype mu_model_weight_type(const mu_model *model) {
    static const mu_layer_slot matrices[] = {MU_Q_W, MU_K_W, MU_V_W, MU_O_W, MU_UP_W, MU_DOWN_W};
    held_types held = {0};
    count_type(&held, &model->bindings.model[MU_EMBED]);
    count_type(&held, &model->bindings.model[MU_OUTPUT]);
    for (uint32_t layer = 0; layer < model->spec.n_layers; layer++) {
        for (size_t i = 0; i < MU_COUNTOF(matrices); i++) {
            count_type(&held, &model->bindings.layers[layer][matrices[i]]);
        }
    }
    if (held.n_q4_0 == held.n) return MU_Q4_0;
    if (held.n_quantized == held.n) return MU_Q8_0;
    return held.n_bf16 == held.n ? MU_BF16 : MU_F32;
}

uint64_t mu_model_file_bytes(const mu_model *model) {
    if (model->gguf) return mu_gguf_bytes(model->gguf);
    return model->safetensors ? mu_safetensors_bytes(model->safetensors) : 0;
}

void mu_model_bytes_by_type(const mu_model *model, uint64_t *out_n_tensors, uint64_t *out_bytes) {
    const mu_tensor_set *set = NULL;
    if (model->gguf) set = mu_gguf_tensors(model->gguf);
    if (model->safetensors) set = mu_safetensors_tensors(model->safetensors);
    for (int i = 0; i < MU_N_DTYPES; i++) {
        out_n_tensors[i] = out_bytes[i] = 0;
    }
    for (size_t i = 0; set && i < set->n; i++) {
        out_n_tensors[set->tensors[i].dtype]++;
        out_bytes[set->tensors[i].dtype] += set->tensors[i].n_bytes;
    }
}
