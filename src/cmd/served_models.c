#include "cmd/served_models.h"

#include <stdio.h>
#include <string.h>

#include "cmd/common.h"

static mu_status add_name(mu_server_model *to, const char *name, mu_err *err) {
    if (to->n_names == MU_SERVER_LIST_MAX) {
        return mu_fail(err, MU_ERR_INVALID, "--alias: more than %d names of one model",
                       MU_SERVER_LIST_MAX);
    }
    to->names[to->n_names++] = name;
    return MU_OK;
}

/* "NAME=MODEL": NAME into name, and which model it is for; NULL: something else. */
static mu_server_model *split_alias(mu_served_models *m, const char *alias, char *name,
                                    size_t cap) {
    size_t n = strlen(alias);
    for (uint32_t i = 0; i < m->n; i++) {
        size_t n_reference = strlen(m->references[i]);
        if (n < n_reference + 2 || n - n_reference - 1 >= cap) continue;
        size_t n_name = n - n_reference - 1;
        if (alias[n_name] != '=' || strcmp(alias + n_name + 1, m->references[i]) != 0) continue;
        memcpy(name, alias, n_name);
        name[n_name] = '\0';
        return &m->names[i];
    }
    return NULL;
}

static mu_status read_aliases(mu_served_models *m, const mu_texts *aliases, mu_err *err) {
    mu_status status = MU_OK;
    for (uint32_t i = 0; i < aliases->n && status == MU_OK; i++) {
        const char *alias = aliases->items[i];
        mu_server_model *to = split_alias(m, alias, m->aliases[i], sizeof(m->aliases[i]));
        if (to) {
            status = add_name(to, m->aliases[i], err);
        } else if (m->n == 1) {
            status = add_name(&m->names[0], alias, err);
        } else {
            status = mu_fail(err, MU_ERR_INVALID,
                             "--alias: \"%.60s\" is not NAME=MODEL with one of the served models",
                             alias);
        }
    }
    return status;
}

static bool is_path(const mu_ref *ref) {
    bool is_file = ref->kind == MU_REF_FOLDER || ref->kind == MU_REF_GGUF;
    return is_file && strncmp(ref->name, ref->path, strlen(ref->path)) == 0;
}

/* What the model is called: of a path its last part, without ".gguf". */
static void make_short_name(const mu_ref *ref, char *out, size_t cap) {
    const char *end = ref->name + strlen(ref->name), *start;
    while (is_path(ref) && end > ref->name + 1 && end[-1] == '/') {
        end--;
    }
    for (start = end; is_path(ref) && start > ref->name && start[-1] != '/';) {
        start--;
    }
    if (!is_path(ref)) start = ref->name;
    size_t n = (size_t)(end - start);
    if (ref->kind == MU_REF_GGUF && n > 5 && strncmp(end - 5, ".gguf", 5) == 0) n -= 5;
    if (n == 0) { /* "/" */
        start = ref->name;
        n = strlen(start);
    }
    snprintf(out, cap, "%.*s", (int)n, start);
}

static bool short_name_is_unique(const mu_served_models *m, uint32_t i) {
    uint32_t n = 0;
    for (uint32_t j = 0; j < m->n; j++) {
        n += strcmp(m->short_names[i], m->short_names[j]) == 0;
    }
    return n == 1;
}

/* The short name and the reference as it was given; a path is this machine's business, and not
 * shown where there is another name. */
static mu_status add_own_names(mu_served_models *m, uint32_t i, mu_err *err) {
    mu_server_model *to = &m->names[i];
    bool is_short = short_name_is_unique(m, i);
    mu_status status = is_short ? add_name(to, m->short_names[i], err) : MU_OK;
    to->n_listed = to->n_names;
    if (status != MU_OK || (is_short && strcmp(m->short_names[i], m->references[i]) == 0)) {
        return status;
    }
    status = add_name(to, m->references[i], err);
    if (!is_path(&m->refs[i]) || to->n_listed == 0) to->n_listed = to->n_names;
    return status;
}

static mu_status check_names(const mu_served_models *m, mu_err *err) {
    for (uint32_t i = 0; i < m->n; i++) {
        for (uint32_t a = 0; a < m->names[i].n_names; a++) {
            for (uint32_t j = 0; j < i; j++) {
                for (uint32_t b = 0; b < m->names[j].n_names; b++) {
                    if (strcmp(m->names[i].names[a], m->names[j].names[b]) != 0) continue;
                    return mu_fail(err, MU_ERR_INVALID, "\"%.80s\" would name two models",
                                   m->names[i].names[a]);
                }
            }
        }
    }
    return MU_OK;
}

static mu_status read_shares(mu_served_models *m, const mu_list *shares, mu_err *err) {
    if (shares->n > m->n) {
        return mu_fail(err, MU_ERR_INVALID, "--shares: %u shares for %u models", shares->n, m->n);
    }
    for (uint32_t i = 0; i < m->n; i++) {
        uint32_t weight = i < shares->n ? shares->items[i] : 1;
        m->loads[i] = (mu_fleet_model){.ref = &m->refs[i], .weight = weight};
    }
    return MU_OK;
}

static uint32_t find(const mu_served_models *m, const char *name) {
    for (uint32_t i = 0; i < m->n; i++) {
        for (uint32_t j = 0; j < m->names[i].n_names; j++) {
            if (strcmp(m->names[i].names[j], name) == 0) return i;
        }
    }
    return m->n;
}

static mu_status read_pins(mu_served_models *m, const mu_texts *pinned, mu_err *err) {
    for (uint32_t i = 0; i < pinned->n; i++) {
        uint32_t at = find(m, pinned->items[i]);
        if (at == m->n) {
            return mu_fail(err, MU_ERR_INVALID, "--pin: \"%.60s\" is not one of the served models",
                           pinned->items[i]);
        }
        m->loads[at].is_pinned = true;
    }
    return MU_OK;
}

mu_status mu_served_models_read(mu_served_models *m, const mu_served_models_options *o,
                                mu_err *err) {
    mu_hub_env env = mu_hub_env_read();
    mu_status status = read_shares(m, o->shares, err);
    for (uint32_t i = 0; i < m->n && status == MU_OK; i++) {
        status = mu_ref_resolve(m->references[i], &env, &m->refs[i], err);
        m->names[i] = (mu_server_model){0};
        if (status != MU_OK) continue;
        make_short_name(&m->refs[i], m->short_names[i], sizeof(m->short_names[i]));
    }
    if (status == MU_OK) status = read_aliases(m, o->aliases, err);
    for (uint32_t i = 0; i < m->n && status == MU_OK; i++) {
        status = add_own_names(m, i, err);
    }
    for (uint32_t i = 0; i < m->n && status == MU_OK; i++) {
        m->loads[i].name = m->names[i].names[0];
    }
    if (status == MU_OK) status = check_names(m, err);
    return status == MU_OK ? read_pins(m, o->pinned, err) : status;
}

void mu_served_models_list(const mu_served_models *m, char *out, size_t cap) {
    size_t n = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < m->n && n < cap; i++) {
        int wrote = snprintf(out + n, cap - n, "%s%s", i > 0 ? ", " : "",
                             m->n == 1 ? m->short_names[i] : m->names[i].names[0]);
        n += wrote > 0 ? (size_t)wrote : 0;
    }
}
