/* model.h - a model found, checked and bound: its spec, its weights where the file has them, its
 * tokenizer. Nothing is computed and nothing is copied; a backend packs from it.
 *
 *     mu_ref ──▶ files (safetensors + config.json + tokenizer.json | GGUF | none) ──▶ mu_model
 *
 * Threads: immutable once open, any thread may read. Memory: weights borrow the mapped files, or
 * the program's own pages for a built-in model.
 */
#ifndef MU_MODEL_MODEL_H
#define MU_MODEL_MODEL_H

#include "base/status.h"
#include "format/pooling.h"
#include "hub/ref.h"
#include "model/decoder.h"
#include "model/weight.h"
#include "text/tokenizer.h"

typedef struct mu_model mu_model;

mu_status mu_model_open(const mu_ref *ref, const mu_hub_env *env, mu_model **out,
                        mu_err *err) MU_MUST_USE;
void mu_model_close(mu_model *model); /* NULL is allowed */

const char *mu_model_name(const mu_model *model);         /* as in the reference */
const char *mu_model_architecture(const mu_model *model); /* of its family: "gpt2" */
const char *mu_model_source(const mu_model *model);       /* "safetensors", "built-in GGUF v3" */
const mu_decoder_spec *mu_model_spec(const mu_model *model);
/* How its hidden states become an embedding. MU_POOLING_NONE: it has an output and generates. */
mu_pooling mu_model_pooling(const mu_model *model);
const mu_weight *mu_model_weight(const mu_model *model, mu_model_slot slot);
const mu_weight *mu_model_layer_weight(const mu_model *model, uint32_t layer, mu_layer_slot slot);
/* Let go of the file pages behind all weights; they may be read again, more slowly. */
void mu_model_drop_pages(const mu_model *model);

/* The model's own tokenizer, or the built-in byte-level one (has_own_tokenizer false). */
const mu_tokenizer *mu_model_tokenizer(const mu_model *model);
bool mu_model_has_own_tokenizer(const mu_model *model);
enum { MU_END_TOKENS_MAX = 16 };
/* The tokens that end a text, the model's own first. NULL and 0 when there is none. */
const mu_token *mu_model_end_tokens(const mu_model *model, uint32_t *out_n);
mu_token mu_model_eos(const mu_model *model); /* the first of them, or MU_TOKEN_NONE */
/* The Jinja template of its chats, as the files have it: appended to out, nothing where there is
 * none. Read when asked for, not on opening. */
mu_status mu_model_chat_template(const mu_model *model, mu_buf *out, mu_err *err) MU_MUST_USE;
/* The same, of a second one for requests with tools, which few models have. */
mu_status mu_model_tool_template(const mu_model *model, mu_buf *out, mu_err *err) MU_MUST_USE;
/* The temperature that suits the model. False: nothing says so. */
bool mu_model_temperature(const mu_model *model, float *out);

uint64_t mu_model_n_parameters(const mu_model *model); /* distinct weights, tied ones once */
uint64_t mu_model_file_bytes(const mu_model *model);   /* 0 for synthetic */
/* MU_ERR_IO: a file was changed since open(), and its weights can no longer be read. */
mu_status mu_model_check_files(const mu_model *model, mu_err *err) MU_MUST_USE;
/* The weight type that suits the file: that of every matrix (dtype.h: packed_as), or MU_AS_FILE
 * where they differ. */
mu_dtype mu_model_weight_type(const mu_model *model);
/* Bytes of all matrices with the output's, as `wanted` (weight.h) says, and the type that most of
 * their values have. */
double mu_model_matrix_bytes(const mu_model *model, mu_dtype wanted);
mu_dtype mu_model_main_type(const mu_model *model, mu_dtype wanted);
/* For `show`: tensors and bytes of each type in the file. out_*: [MU_N_DTYPES]. */
void mu_model_bytes_by_type(const mu_model *model, uint64_t *out_n_tensors, uint64_t *out_bytes);

const char *mu_model_synthetic_at(uint32_t i); /* names of shapes, "gpt2"; NULL past the last */

#endif
