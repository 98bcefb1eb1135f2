/* cache.h - which models the Hugging Face cache holds.
 *
 *     CACHE/models--ORG--NAME/refs/REVISION       the commit it stands for
 *     CACHE/models--ORG--NAME/snapshots/COMMIT/   the files, links into ../../blobs
 *
 * Nothing of a model is read: whether one can be used is for model/ to say. Threads: any.
 */
#ifndef MU_HUB_CACHE_H
#define MU_HUB_CACHE_H

#include "hub/ref.h"

typedef struct mu_cached_model {
    char reference[256]; /* names this snapshot: "org/name", "org/name@COMMIT" when not of main */
    char folder[MU_REF_TEXT_MAX];
    uint64_t bytes; /* of its files; snapshots of one model may share them */
} mu_cached_model;

/* Every snapshot, by reference. No cache: none. Memory: *out is the caller's, mu_free(). Errors:
 * MU_ERR_IO (the cache cannot be read), MU_ERR_NOMEM. */
mu_status mu_hub_cache_list(const mu_hub_env *env, mu_cached_model **out, uint32_t *out_n,
                            mu_err *err) MU_MUST_USE;

#endif
