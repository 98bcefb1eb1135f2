/* config.h - typed reading of a model's metadata by a family. Private to model/.
 *
 * A value of another kind than its key should have, or out of its range, is an error that names the
 * key; an absent one leaves *out as it was. The first error is kept and later reads do nothing, so
 * that a family's switches are a straight line.
 *
 * Names: of config.json and of GGUF, the latter without the family's name in front; NULL where the
 * format has no such key.
 */
#ifndef MU_MODEL_CONFIG_H
#define MU_MODEL_CONFIG_H

#include "model/family.h"

struct mu_config {
    const mu_family *family;
    mu_naming naming;
    const mu_metadata *metadata;
    const mu_tensor_set *tensors; /* NULL: synthetic */
    mu_status status;             /* the first error */
    mu_err *err;
};

/* The value, NULL when it is absent or null; key: what it is called, for errors. */
const mu_meta_value *mu_config_find(const mu_config *config, const char *hf, const char *gguf,
                                    char key[128]);

/* A whole number in [1, max]; of an array all of whose elements are the same, that. */
void mu_config_u32(mu_config *config, const char *hf, const char *gguf, uint32_t max,
                   uint32_t *out);
/* A finite number in [min, max]. */
void mu_config_f64(mu_config *config, const char *hf, const char *gguf, double min, double max,
                   double *out);
void mu_config_f32(mu_config *config, const char *hf, const char *gguf, double min, double max,
                   float *out);
void mu_config_bool(mu_config *config, const char *hf, bool *out);
/* *out.data stays NULL when there is none. */
void mu_config_string(mu_config *config, const char *hf, const char *gguf, mu_meta_string *out);
/* The activation of one of the names that config.json files use. */
void mu_config_activation(mu_config *config, const char *hf, mu_activation *out);
/* Whether the file has the tensor, by its GGUF name. False in other formats. */
bool mu_config_has_tensor(const mu_config *config, const char *gguf);

/* MU_ERR_UNSUPPORTED, as printf; the first error stays. */
void mu_config_refuse(mu_config *config, const char *format, ...) MU_PRINTF(2, 3);

/* Rotary positions in all spellings; head_dim: of the heads that turn. out->base is the base where
 * nothing says one; 0: 10000. */
void mu_config_rope(mu_config *config, const mu_shape *shape, uint32_t head_dim, mu_rope *out);
/* The same as GGUF keys of a family. Scaling as llama3 does it is a tensor
 * there, MU_ROPE_FACTORS. */
void mu_rope_declare(const mu_rope *rope, const char *family, mu_gguf_writer *writer);

#endif
