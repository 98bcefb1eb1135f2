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
#include "model/family.h"
#include "model/synthetic.h"

struct mu_model {
    char name[256];
    char source[32];
    char folder[MU_REF_TEXT_MAX]; /* of a model in HF layout; else "" */
    const mu_family *family;
    mu_decoder_spec spec;
    mu_pooling pooling;
    mu_bindings bindings;
    mu_tokenizer *tokenizer; /* owned */
    bool has_own_tokenizer;
    mu_token end_tokens[MU_END_TOKENS_MAX];
    uint32_t n_end_tokens;
    mu_safetensors *safetensors; /* owned, as below: the files that weights borrow */
    mu_hf_config *config;
    mu_gguf *gguf;
    const mu_builtin *builtin; /* NULL: a file */
};

/* The spec and the weights out of what a file says; its pooling is known. */
static mu_status understand(mu_model *model, mu_naming naming, const mu_metadata *metadata,
                            const mu_tensor_set *tensors, mu_err *err) {
    mu_status status = mu_family_find(metadata, naming, &model->family, err);
    if (status == MU_OK) {
        status = mu_family_spec(model->family, naming, metadata, tensors,
                                model->pooling != MU_POOLING_NONE, &model->spec, err);
    }
    if (status != MU_OK) return status;
    if (!model->spec.has_output && model->pooling == MU_POOLING_NONE) {
        model->pooling = model->spec.n_labels > 0 ? MU_POOLING_CLS : MU_POOLING_MEAN;
    }
    model->bindings.layers = mu_alloc_array(model->spec.n_layers, sizeof(*model->bindings.layers));
    if (!model->bindings.layers) return mu_fail(err, MU_ERR_NOMEM, "%s", model->name);
    return mu_family_bind(model->family, naming, tensors, &model->spec, &model->bindings, err);
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

static void add_end_token(mu_model *model, int64_t token) {
    if (token < 0 || token >= model->spec.vocab_size) return;
    for (uint32_t i = 0; i < model->n_end_tokens; i++) {
        if (model->end_tokens[i] == token) return;
    }
    if (model->n_end_tokens == MU_END_TOKENS_MAX) return;
    model->end_tokens[model->n_end_tokens++] = (mu_token)token;
}

/* One token or a list of them. */
static void add_end_tokens(mu_model *model, const mu_metadata *metadata, const char *key) {
    const mu_meta_value *value = metadata ? mu_metadata_find(metadata, key) : NULL;
    if (!value) return;
    if (value->kind == MU_META_INT) add_end_token(model, value->i);
    for (size_t i = 0; value->kind == MU_META_ARRAY && value->ints && i < value->n_elems; i++) {
        add_end_token(model, value->ints[i]);
    }
}

/* metadata: what the model's own file says; then what the tokenizer knows: ends of turns and of
 * messages, by their keys or names. */
static void settle_end_tokens(mu_model *model, const mu_metadata *metadata, const char *const *keys,
                              size_t n_keys) {
    for (size_t i = 0; i < n_keys; i++) {
        add_end_tokens(model, metadata, keys[i]);
    }
    uint32_t n_ends;
    const mu_token *ends = mu_tokenizer_ends(model->tokenizer, &n_ends);
    for (uint32_t i = 0; i < n_ends; i++) {
        add_end_token(model, ends[i]);
    }
}

static mu_status open_synthetic(mu_model *model, const mu_ref *ref, const mu_hub_env *env,
                                mu_err *err) {
    const char *config = mu_synthetic_config(ref->path);
    if (!config) {
        return mu_fail(err, MU_ERR_NOT_FOUND, "synthetic:%.80s: `muai list` names those there are",
                       ref->path);
    }
    mu_status status = mu_hf_config_parse(config, strlen(config), &model->config, err);
    if (status != MU_OK) return status;
    status = understand(model, MU_NAMING_HF, mu_hf_config_metadata(model->config), NULL, err);
    if (status != MU_OK) return status;
    snprintf(model->source, sizeof(model->source), "synthetic");

    char folder[MU_REF_TEXT_MAX];
    status = MU_ERR_NOT_FOUND;
    if (env && model->spec.vocab_size == 50257 &&
        (mu_hub_find("openai-community/gpt2", NULL, env, folder, sizeof(folder), NULL) == MU_OK ||
         mu_hub_find("gpt2", NULL, env, folder, sizeof(folder), NULL) == MU_OK)) {
        status = mu_hf_tokenizer_open(folder, &model->tokenizer, err);
    }
    status = settle_tokenizer(model, status, err);
    if (status == MU_OK) settle_end_tokens(model, NULL, NULL, 0);
    return status;
}

/* generation_config.json may name more tokens that end a text, such as those that end a turn. */
static mu_status add_generation_config(mu_model *model, mu_err *err) {
    char path[MU_REF_TEXT_MAX + 64];
    mu_hf_config *config = NULL;
    snprintf(path, sizeof(path), "%s/generation_config.json", model->folder);
    if (access(path, F_OK) != 0) return MU_OK;
    mu_status status = mu_hf_config_open(path, &config, err);
    if (status != MU_OK) return status;
    add_end_tokens(model, mu_hf_config_metadata(config), "eos_token_id");
    mu_hf_config_close(config);
    return MU_OK;
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
    status = mu_pooling_read_folder(ref->path, &model->pooling, err);
    if (status != MU_OK) return status;
    status = understand(model, MU_NAMING_HF, metadata, mu_safetensors_tensors(model->safetensors),
                        &inner);
    if (status != MU_OK) return mu_fail(err, status, "%s: %s", ref->path, inner.text);
    status = mu_hf_tokenizer_open(ref->path, &model->tokenizer, err);
    status = settle_tokenizer(model, status, err);
    if (status != MU_OK) return status;
    static const char *const end_keys[] = {"eos_token_id"};
    settle_end_tokens(model, metadata, end_keys, MU_COUNTOF(end_keys));
    return add_generation_config(model, err);
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
    status = mu_pooling_read_gguf(metadata, &model->pooling, &inner);
    if (status == MU_OK) {
        status = understand(model, MU_NAMING_GGUF, metadata, mu_gguf_tensors(model->gguf), &inner);
    }
    if (status == MU_OK) {
        status = settle_tokenizer(
            model, mu_gguf_tokenizer_open(metadata, &model->tokenizer, &inner), &inner);
    }
    if (status != MU_OK) return mu_fail(err, status, "%s: %s", ref->path, inner.text);
    static const char *const end_keys[] = {"tokenizer.ggml.eos_token_id",
                                           "tokenizer.ggml.eot_token_id",
                                           "tokenizer.ggml.eom_token_id"};
    settle_end_tokens(model, metadata, end_keys, MU_COUNTOF(end_keys));
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
    return model->family->name;
}

const char *mu_model_source(const mu_model *model) {
    return model->source;
}

const mu_decoder_spec *mu_model_spec(const mu_model *model) {
    return &model->spec;
}

mu_pooling mu_model_pooling(const mu_model *model) {
    return model->pooling;
}

const mu_weight *mu_model_weight(const mu_model *model, mu_model_slot slot) {
    return &model->bindings.model[slot];
}

const mu_weight *mu_model_layer_weight(const mu_model *model, uint32_t layer, mu_layer_slot slot) {
    MU_ASSERT(layer < model->spec.n_layers);
    return &model->bindings.layers[layer][slot];
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

const mu_token *mu_model_end_tokens(const mu_model *model, uint32_t *out_n) {
    *out_n = model->n_end_tokens;
    return model->n_end_tokens > 0 ? model->end_tokens : NULL;
}

mu_token mu_model_eos(const mu_model *model) {
    return model->n_end_tokens > 0 ? model->end_tokens[0] : MU_TOKEN_NONE;
}

bool mu_model_temperature(const mu_model *model, float *out) {
    if (model->builtin) *out = model->builtin->temperature;
    return model->builtin != NULL;
}

static mu_status read_template(const mu_model *model, const char *hf_name, const char *gguf_key,
                               mu_buf *out, mu_err *err) {
    mu_meta_string text;
    if (model->folder[0]) return mu_hf_chat_template_read(model->folder, hf_name, out, err);
    if (!model->gguf || !mu_metadata_string(mu_gguf_metadata(model->gguf), gguf_key, &text)) {
        return MU_OK;
    }
    mu_buf_append(out, text.data, text.n);
    return out->failed ? mu_fail(err, MU_ERR_NOMEM, "%s: chat template", model->name) : MU_OK;
}

mu_status mu_model_chat_template(const mu_model *model, mu_buf *out, mu_err *err) {
    return read_template(model, "default", "tokenizer.chat_template", out, err);
}

mu_status mu_model_tool_template(const mu_model *model, mu_buf *out, mu_err *err) {
    return read_template(model, "tool_use", "tokenizer.chat_template.tool_use", out, err);
}

static uint64_t n_values(const mu_weight *w) {
    return (uint64_t)w->n_out * w->n_in;
}

uint64_t mu_model_n_parameters(const mu_model *model) {
    uint64_t n = 0;
    for (int slot = 0; slot < MU_N_MODEL_SLOTS; slot++) {
        bool is_counted = slot != MU_ROPE_FACTORS && (slot != MU_OUTPUT || !model->spec.is_tied);
        if (is_counted) n += n_values(&model->bindings.model[slot]);
    }
    for (uint32_t layer = 0; layer < model->spec.n_layers; layer++) {
        for (int slot = 0; slot < MU_N_LAYER_SLOTS; slot++) {
            n += n_values(&model->bindings.layers[layer][slot]);
        }
    }
    return n;
}

/* Values of the matrices by the type they are packed as. */
typedef struct type_values {
    uint64_t n[MU_N_DTYPES];
} type_values;

static void count_type(type_values *values, const mu_weight *w, mu_dtype wanted) {
    values->n[mu_weight_type_of(w, wanted)] += n_values(w);
}

static type_values count_types(const mu_model *model, mu_dtype wanted) {
    type_values values = {{0}};
    count_type(&values, &model->bindings.model[MU_OUTPUT], wanted);
    for (uint32_t layer = 0; layer < model->spec.n_layers; layer++) {
        mu_matrix matrices[MU_LAYER_MATRICES_MAX];
        uint32_t n = mu_layer_matrices(&model->spec, layer, matrices);
        for (uint32_t i = 0; i < n; i++) {
            count_type(&values, &model->bindings.layers[layer][matrices[i].weight], wanted);
        }
    }
    return values;
}

mu_dtype mu_model_weight_type(const mu_model *model) {
    type_values values = count_types(model, MU_AS_FILE);
    count_type(&values, &model->bindings.model[MU_EMBED], MU_AS_FILE);
    mu_dtype type = mu_model_main_type(model, MU_AS_FILE);
    for (int i = 0; i < MU_N_DTYPES; i++) {
        if (values.n[i] > 0 && i != (int)type) return MU_AS_FILE;
    }
    return mu_weight_type_name(type) ? type : MU_AS_FILE;
}

double mu_model_matrix_bytes(const mu_model *model, mu_dtype wanted) {
    type_values values = count_types(model, wanted);
    double bytes = 0.0;
    for (int i = 0; i < MU_N_DTYPES; i++) {
        const mu_dtype_info *info = mu_dtype_get((mu_dtype)i);
        bytes += (double)values.n[i] * info->block_bytes / info->block_elems;
    }
    return bytes;
}

mu_dtype mu_model_main_type(const mu_model *model, mu_dtype wanted) {
    type_values values = count_types(model, wanted);
    mu_dtype most = MU_F32;
    for (int i = 0; i < MU_N_DTYPES; i++) {
        if (values.n[i] > values.n[most]) most = (mu_dtype)i;
    }
    return most;
}

mu_status mu_model_check_files(const mu_model *model, mu_err *err) {
    if (model->gguf) return mu_gguf_check(model->gguf, err);
    return model->safetensors ? mu_safetensors_check(model->safetensors, err) : MU_OK;
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

const mu_family *mu_model_family(const mu_model *model) {
    return model->family;
}
