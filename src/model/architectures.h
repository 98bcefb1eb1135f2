/* architectures.h - the table of known architectures: how config keys fill the decoder spec and how
 * tensor names bind to its slots. Private to model/.
 *
 * Every number is bounded before anything uses it, and every tensor's shape is checked against the
 * spec; an error names the key or the tensor.
 */
#ifndef MU_MODEL_ARCHITECTURES_H
#define MU_MODEL_ARCHITECTURES_H

#include "base/status.h"
#include "model/decoder.h"
#include "model/weight.h"
#include "tensor/metadata.h"

typedef struct mu_architecture mu_architecture;

typedef enum mu_naming { MU_NAMING_HF, MU_NAMING_GGUF, MU_N_NAMINGS } mu_naming;

/* Bound weights of one model. */
typedef struct mu_bindings {
    mu_weight model[MU_N_MODEL_SLOTS];
    mu_weight (*layers)[MU_N_LAYER_SLOTS]; /* [n_layers], owned by the caller */
    bool is_tied;
} mu_bindings;

/* By config.json's model_type or GGUF's general.architecture. MU_ERR_UNSUPPORTED names the type. */
mu_status mu_architecture_find(const mu_metadata *metadata, mu_naming naming,
                               const mu_architecture **out, mu_err *err) MU_MUST_USE;
const char *mu_architecture_name(const mu_architecture *architecture);

/* vocab_size is taken from the embedding tensor when the metadata do not say it. */
mu_status mu_architecture_spec(const mu_architecture *architecture, mu_naming naming,
                               const mu_metadata *metadata, const mu_tensor_set *tensors,
                               mu_decoder_spec *out, mu_err *err) MU_MUST_USE;

/* bindings->layers must have room for spec->n_layers. tensors NULL: synthetic weights whose seeds
 * come from the names the tensors would have. */
mu_status mu_architecture_bind(const mu_architecture *architecture, mu_naming naming,
                               const mu_metadata *metadata, const mu_tensor_set *tensors,
                               const mu_decoder_spec *spec, mu_bindings *bindings,
                               mu_err *err) MU_MUST_USE;

const mu_architecture *mu_architecture_gpt2(void);

/* GGUF's name of GPT-2's tensor for a slot, for writing. */
void mu_architecture_model_name(mu_model_slot slot, char *out, size_t n);
void mu_architecture_layer_name(mu_layer_slot slot, uint32_t layer, char *out, size_t n);

#endif
