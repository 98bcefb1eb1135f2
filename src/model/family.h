/* family.h - the families of models: how config keys fill the decoder spec and how tensor names
 * bind to its slots. Private to model/. A family is one file in families/: tables that are used for
 * reading and for writing, and a function for its switches.
 *
 * Every number is bounded before anything uses it, every tensor's shape is checked against the
 * spec, and a tensor that nothing uses is an error; each error names the key or the tensor.
 *
 * Threads: immutable tables and pure functions.
 */
#ifndef MU_MODEL_FAMILY_H
#define MU_MODEL_FAMILY_H

#include "format/gguf_writer.h"
#include "model/decoder.h"
#include "model/model.h"
#include "model/weight.h"
#include "tensor/metadata.h"

typedef enum mu_naming { MU_NAMING_HF, MU_NAMING_GGUF, MU_N_NAMINGS } mu_naming;

/* The numbers that nearly every family's config says. 0: not said. */
typedef struct mu_shape {
    uint32_t n_layers, hidden_dim, n_heads, n_kv_heads, head_dim, ffn_dim, n_ctx, vocab_size;
} mu_shape;

/* Where one of them is. GGUF's keys stand without the family's name in front. */
typedef struct mu_key_row {
    const char *names[MU_N_NAMINGS];
    size_t offset; /* of the uint32_t in mu_shape */
    uint32_t max;
    bool is_optional;
} mu_key_row;

enum { MU_SLOT_PARTS_MAX = 3 };

/* How a slot is named; its shape is mu_layer_slot_shape()'s. */
typedef struct mu_slot_row {
    const char *names[MU_N_NAMINGS]; /* %u is the layer; NULL: the family has no such slot */
    /* The layer slots that lie side by side in one tensor, in order; n_parts 0: this one alone. */
    mu_layer_slot parts[MU_SLOT_PARTS_MAX];
    uint8_t n_parts;
    bool is_conv1d;    /* HF files hold [n_in, n_out] */
    bool is_turned;    /* by rotary positions: rows of the heads of q and k */
    bool is_norm;      /* weights of a norm */
    bool is_last_rows; /* a file may hold other rows in front */
    float deviation;   /* synthetic; residual projections are divided by sqrt(2 n_layers) */
    bool is_residual;
} mu_slot_row;

typedef struct mu_family mu_family;
typedef struct mu_config mu_config;

enum { MU_FAMILY_NAMES_MAX = 6 };

struct mu_family {
    const char *name;                          /* GGUF's general.architecture */
    const char *types[MU_FAMILY_NAMES_MAX];    /* config.json's model_type; NULL ends */
    const char *prefixes[MU_FAMILY_NAMES_MAX]; /* HF tensor names may have one in front */
    const char *ignored[MU_FAMILY_NAMES_MAX];  /* ends of names of tensors that are no weights */
    const mu_key_row *keys;                    /* [n_keys] */
    size_t n_keys;
    bool is_tied_by_default;
    bool is_interleaved;            /* GGUF files hold turned rows in the order of weight.h */
    bool has_norms_less_one;        /* HF files hold the weights of norms as what is added to 1 */
    const mu_slot_row *model_slots; /* [MU_N_MODEL_SLOTS] */
    const mu_slot_row *layer_slots; /* [MU_N_LAYER_SLOTS] */
    /* spec comes as mu_spec_of() makes it. */
    void (*describe)(mu_config *config, const mu_shape *shape, mu_decoder_spec *spec);
    /* The keys of the spec's switches that a GGUF file needs beside those of the table. */
    void (*declare)(const mu_family *family, const mu_decoder_spec *spec, mu_gguf_writer *writer);
};

#define MU_FAMILY_MAP(X) \
    X(gpt2)              \
    X(llama)             \
    X(qwen2)             \
    X(qwen3)             \
    X(gemma2)            \
    X(gemma3)            \
    X(granite)           \
    X(smollm3)           \
    X(olmo2)             \
    X(starcoder2)        \
    X(phi3)              \
    X(bert)              \
    X(roberta)           \
    X(nomic_bert)

#define X(name) extern const mu_family mu_family_##name;
MU_FAMILY_MAP(X)
#undef X

const mu_family *mu_model_family(const mu_model *model); /* of model.h */

/* By model_type or general.architecture. MU_ERR_UNSUPPORTED names the type and what is known. */
mu_status mu_family_find(const mu_metadata *metadata, mu_naming naming, const mu_family **out,
                         mu_err *err) MU_MUST_USE;

/* vocab_size is taken from the embedding tensor when the metadata do not say it. tensors NULL:
 * synthetic. is_pooled: hidden states are wanted, the spec has no output. */
mu_status mu_family_spec(const mu_family *family, mu_naming naming, const mu_metadata *metadata,
                         const mu_tensor_set *tensors, bool is_pooled, mu_decoder_spec *out,
                         mu_err *err) MU_MUST_USE;

/* Bound weights of one model. */
typedef struct mu_bindings {
    mu_weight model[MU_N_MODEL_SLOTS];
    mu_weight (*layers)[MU_N_LAYER_SLOTS]; /* [n_layers], owned by the caller */
} mu_bindings;

/* bindings->layers must have room for spec->n_layers. tensors NULL: synthetic weights whose seeds
 * come from the names the tensors would have. */
mu_status mu_family_bind(const mu_family *family, mu_naming naming, const mu_tensor_set *tensors,
                         const mu_decoder_spec *spec, mu_bindings *bindings,
                         mu_err *err) MU_MUST_USE;

/* Names in a GGUF file, for writing; "" where the family has no such slot. */
void mu_family_model_name(const mu_family *family, mu_model_slot slot, char *out, size_t n);
void mu_family_layer_name(const mu_family *family, mu_layer_slot slot, uint32_t layer, char *out,
                          size_t n);
/* general.architecture and all keys of the spec. */
void mu_family_declare(const mu_family *family, const mu_decoder_spec *spec,
                       mu_gguf_writer *writer);

/* A decoder of one kind of layer with nothing switched on: RMS norms before attention and FFN, no
 * biases, no rope. */
mu_decoder_spec mu_spec_of(const mu_shape *shape);

#endif
