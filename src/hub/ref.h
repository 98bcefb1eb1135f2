/* ref.h - what a model reference names.
 *
 * REF is one of, tried in this order:
 *
 *     synthetic:NAME        random weights of a known shape (gpt2, gpt2-medium, ...)
 *     NAME                  a model of the program itself (builtin.h): muai-tiny
 *     PATH                  a folder in HF layout or a .gguf file; begins with / or . or exists
 *     ORG/NAME[@REVISION]   a snapshot in the HF cache (HF_HUB_CACHE, HF_HOME/hub, ~/.cache/...)
 *     ALIAS                 gpt2 = openai-community/gpt2, ...
 *
 * and may end in :f32, :bf16, :q8 or :q4, the weight type.
 *
 * Errors: MU_ERR_INVALID (cannot be a reference), MU_ERR_NOT_FOUND (says where was looked).
 */
#ifndef MU_HUB_REF_H
#define MU_HUB_REF_H

#include "base/status.h"

enum { MU_REF_TEXT_MAX = 4096 };

typedef enum mu_ref_kind {
    MU_REF_SYNTHETIC,
    MU_REF_BUILTIN,
    MU_REF_FOLDER,
    MU_REF_GGUF
} mu_ref_kind;

typedef struct mu_ref {
    mu_ref_kind kind;
    char name[256];             /* what the user calls it, without the weight type: "gpt2" */
    char path[MU_REF_TEXT_MAX]; /* folder or file; of the first two kinds the name */
    char weight_type[16];       /* "" when not given */
} mu_ref;

/* Where the environment says the HF cache is. Values borrowed; NULL where unset. cmd/ fills it. */
typedef struct mu_hub_env {
    const char *hf_hub_cache; /* HF_HUB_CACHE */
    const char *hf_home;      /* HF_HOME */
    const char *xdg_cache;    /* XDG_CACHE_HOME */
    const char *home;         /* HOME */
} mu_hub_env;

mu_status mu_ref_resolve(const char *text, const mu_hub_env *env, mu_ref *out,
                         mu_err *err) MU_MUST_USE;

/* The cache itself. False: the environment does not say where it is, or in too many bytes. */
bool mu_hub_cache_folder(const mu_hub_env *env, char *out, size_t cap);

/* The snapshot folder of org/name in the HF cache, e.g. to take a tokenizer from it. */
mu_status mu_hub_find(const char *repo, const char *revision, const mu_hub_env *env, char *out_path,
                      size_t cap, mu_err *err) MU_MUST_USE;

#endif
