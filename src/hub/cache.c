#include "hub/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

enum { DEPTH_MAX = 8 }; /* of folders in a snapshot; models have one or two */

typedef struct listing {
    const mu_hub_env *env;
    mu_cached_model *models; /* [n], cap allocated */
    size_t n, cap;
    mu_err *err;
} listing;

/* Bytes of the regular files below a folder; what cannot be read counts nothing. Takes fd. */
static uint64_t bytes_below(int fd, int depth) {
    uint64_t bytes = 0;
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0) close(fd);
        return 0;
    }
    for (const struct dirent *e; (e = readdir(dir));) {
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (fstatat(dirfd(dir), e->d_name, &st, 0) != 0) continue; /* a link to nothing */
        if (S_ISREG(st.st_mode)) bytes += (uint64_t)st.st_size;
        if (!S_ISDIR(st.st_mode) || depth == DEPTH_MAX) continue;
        int below = openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        bytes += bytes_below(below, depth + 1);
    }
    closedir(dir);
    return bytes;
}

/* "models--org--name" to "org/name". False: not a folder of a model. */
static bool repo_of(const char *folder, char *out, size_t cap) {
    static const char prefix[] = "models--";
    size_t n_prefix = sizeof(prefix) - 1;
    if (strncmp(folder, prefix, n_prefix) != 0) return false;
    const char *rest = folder + n_prefix, *dashes = strstr(rest, "--");
    int n = dashes ? snprintf(out, cap, "%.*s/%s", (int)(dashes - rest), rest, dashes + 2)
                   : snprintf(out, cap, "%s", rest);
    return n > 0 && (size_t)n < cap;
}

static bool names_folder(const listing *l, const char *reference, const char *folder) {
    mu_ref ref;
    return mu_ref_resolve(reference, l->env, &ref, NULL) == MU_OK && strcmp(ref.path, folder) == 0;
}

/* The shortest reference that leads to the snapshot. False: none does, nobody can use it. */
static bool find_reference(const listing *l, const char *repo, const char *commit,
                           mu_cached_model *model) {
    snprintf(model->reference, sizeof(model->reference), "%s", repo);
    if (names_folder(l, model->reference, model->folder)) return true;
    snprintf(model->reference, sizeof(model->reference), "%s@%s", repo, commit);
    if (names_folder(l, model->reference, model->folder)) return true;
    snprintf(model->reference, sizeof(model->reference), "%.255s", model->folder);
    return names_folder(l, model->reference, model->folder);
}

static mu_status add_snapshots(listing *l, const char *cache, const char *name, const char *repo) {
    char path[MU_REF_TEXT_MAX];
    int n = snprintf(path, sizeof(path), "%s/%s/snapshots", cache, name);
    DIR *dir = n < (int)sizeof(path) ? opendir(path) : NULL;
    if (!dir) return MU_OK; /* a download that was begun */
    mu_status status = MU_OK;
    for (const struct dirent *e; status == MU_OK && (e = readdir(dir));) {
        if (e->d_name[0] == '.') continue;
        if (!mu_grow((void **)&l->models, &l->cap, l->n + 1, sizeof(*l->models))) {
            status = mu_fail(l->err, MU_ERR_NOMEM, "%s", path);
            break;
        }
        mu_cached_model *model = &l->models[l->n];
        n = snprintf(model->folder, sizeof(model->folder), "%s/%s", path, e->d_name);
        if (n >= (int)sizeof(model->folder) || !find_reference(l, repo, e->d_name, model)) continue;
        model->bytes = bytes_below(open(model->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), 0);
        l->n++;
    }
    closedir(dir);
    return status;
}

static int by_reference(const void *a, const void *b) {
    const mu_cached_model *x = a, *y = b;
    return strcmp(x->reference, y->reference);
}

mu_status mu_hub_cache_list(const mu_hub_env *env, mu_cached_model **out, uint32_t *out_n,
                            mu_err *err) {
    char cache[MU_REF_TEXT_MAX], repo[256];
    listing l = {.env = env, .err = err};
    mu_status status = MU_OK;
    DIR *dir = NULL;
    if (mu_hub_cache_folder(env, cache, sizeof(cache))) {
        dir = opendir(cache);
        if (!dir && errno != ENOENT) return mu_fail_os(err, MU_ERR_IO, "%s", cache);
    }
    for (const struct dirent *e; dir && status == MU_OK && (e = readdir(dir));) {
        if (!repo_of(e->d_name, repo, sizeof(repo))) continue;
        status = add_snapshots(&l, cache, e->d_name, repo);
    }
    if (dir) closedir(dir);
    if (status != MU_OK) {
        mu_free(l.models);
        return status;
    }
    if (l.n > 0) qsort(l.models, l.n, sizeof(*l.models), by_reference);
    *out = l.models;
    *out_n = (uint32_t)l.n;
    return MU_OK;
}
