/* hf_config.h - read a Hugging Face config.json (or generation_config.json) as metadata: scalars
 * and flat arrays, nested objects flattened with dots. Threads: immutable once open. */
#ifndef MU_FORMAT_HF_CONFIG_H
#define MU_FORMAT_HF_CONFIG_H

#include "base/status.h"
#include "tensor/metadata.h"

typedef struct mu_hf_config mu_hf_config;

mu_status mu_hf_config_open(const char *path, mu_hf_config **out, mu_err *err) MU_MUST_USE;
void mu_hf_config_close(mu_hf_config *config); /* NULL is allowed */
const mu_metadata *mu_hf_config_metadata(const mu_hf_config *config);

mu_status mu_hf_config_parse(const char *json, size_t n, mu_hf_config **out,
                             mu_err *err) MU_MUST_USE;

#endif
