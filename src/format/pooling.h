/* pooling.h - how the hidden states of a text become one vector, its embedding, as a model says.
 *
 * Sentence-transformers says it in modules.json and a folder that it names, GGUF files in a key.
 * Where an encoder says nothing it is the mean, as sentence-transformers has it.
 *
 * Threads: pure but for reading files.
 */
#ifndef MU_FORMAT_POOLING_H
#define MU_FORMAT_POOLING_H

#include "base/status.h"
#include "tensor/metadata.h"

typedef enum mu_pooling {
    MU_POOLING_NONE, /* the model generates */
    MU_POOLING_MEAN, /* of all positions */
    MU_POOLING_CLS,  /* the first position */
    MU_POOLING_LAST,
    MU_N_POOLINGS
} mu_pooling;

const char *mu_pooling_name(mu_pooling pooling); /* "mean" */
uint32_t mu_pooling_gguf(mu_pooling pooling);    /* its number in GGUF files */

/* *out stays as it was where nothing is said. MU_ERR_UNSUPPORTED names what this version does not
 * do: another way to pool, or layers behind it. */
mu_status mu_pooling_read_folder(const char *folder, mu_pooling *out, mu_err *err) MU_MUST_USE;
mu_status mu_pooling_read_gguf(const mu_metadata *metadata, mu_pooling *out,
                               mu_err *err) MU_MUST_USE;

#endif
