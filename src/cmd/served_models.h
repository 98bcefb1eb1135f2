/* served_models.h - the models that a command line of `serve` names: what each is, under which
 * names it is asked for, and its share of the device's time.
 *
 * A model's names are its aliases, its short name (of a path the last part, without ".gguf") where
 * it is the only one of that name, and the reference as it was given. All are answered; a path is
 * not listed where there is another name. No name stands for two models.
 *
 * Memory: texts are borrowed from the command line and the environment.
 */
#ifndef MU_CMD_SERVED_MODELS_H
#define MU_CMD_SERVED_MODELS_H

#include "cmd/options.h"
#include "router/fleet.h"
#include "server/server.h"

typedef struct mu_served_models {
    const char *references[MU_RESIDENTS_MAX]; /* [n] */
    mu_ref refs[MU_RESIDENTS_MAX];
    char short_names[MU_RESIDENTS_MAX][sizeof(((mu_ref *)0)->name)];
    mu_server_model names[MU_RESIDENTS_MAX]; /* residents are not set here */
    mu_fleet_model loads[MU_RESIDENTS_MAX];
    uint32_t n;
    char aliases[MU_TEXTS_MAX][256]; /* NAME of NAME=MODEL */
} mu_served_models;

typedef struct mu_served_models_options {
    const mu_texts *aliases; /* --alias: NAME of the only model, or NAME=MODEL */
    const mu_texts *pinned;  /* --pin: names of models */
    const mu_list *shares;   /* --shares: [n] or fewer, in the order of the models; else 1 */
} mu_served_models_options;

/* references and n of *models are set; fills the rest. MU_ERR_INVALID names the option or the
 * model. */
mu_status mu_served_models_read(mu_served_models *models, const mu_served_models_options *options,
                                mu_err *err) MU_MUST_USE;
/* "gpt2, gpt2-medium" */
void mu_served_models_list(const mu_served_models *models, char *out, size_t cap);

#endif
