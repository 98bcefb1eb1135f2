/* The library is looked for beside the program (a build folder), then where `install` puts it, then
 * where the system's loader looks. What is found first is taken; a library that does not fit is an
 * error, not a reason to look further.
 */
#include "backend/cuda/cuda_library.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY_NAME "libmuai-cuda.so"

/* One for the process: the CUDA runtime inside has one state for the process, too. */
static struct {
    pthread_mutex_t mutex;
    char path[PATH_MAX]; /* "": search */
    const mu_cuda_api *api;
} library = {.mutex = PTHREAD_MUTEX_INITIALIZER};

void mu_gpu_use_library(const char *path) {
    pthread_mutex_lock(&library.mutex);
    snprintf(library.path, sizeof(library.path), "%s", path ? path : "");
    library.api = NULL;
    pthread_mutex_unlock(&library.mutex);
}

/* LIBRARY_NAME in a folder relative to the program's. */
static void *open_beside(const char *folder) {
    char program[PATH_MAX], path[PATH_MAX + 64];
    ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
    if (n <= 0) return NULL;
    program[n] = '\0';
    char *slash = strrchr(program, '/');
    if (!slash) return NULL;
    *slash = '\0';
    snprintf(path, sizeof(path), "%s/%s" LIBRARY_NAME, program, folder);
    return access(path, F_OK) == 0 ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
}

static void *open_library(void) {
    if (library.path[0]) return dlopen(library.path, RTLD_NOW | RTLD_LOCAL);
    void *handle = open_beside("");
    if (!handle) handle = open_beside("../lib/muai/");
    return handle ? handle : dlopen(LIBRARY_NAME, RTLD_NOW | RTLD_LOCAL);
}

static mu_status load(mu_err *err) {
    const char *name = library.path[0] ? library.path : LIBRARY_NAME;
    dlerror();
    void *handle = open_library();
    if (!handle) {
        const char *why = dlerror();
        return mu_fail(err, MU_ERR_UNSUPPORTED, "%s", why ? why : name);
    }
    mu_cuda_api_getter getter;
    *(void **)&getter = dlsym(handle, MU_CUDA_API_SYMBOL); /* as POSIX shows it */
    const mu_cuda_api *api = getter ? getter() : NULL;
    if (!api || api->version != MU_CUDA_API_VERSION) {
        dlclose(handle);
        return mu_fail(err, MU_ERR_UNSUPPORTED, "%s: not of this version of muai", name);
    }
    library.api = api;
    return MU_OK;
}

mu_status mu_cuda_library_get(const mu_cuda_api **out, mu_err *err) {
    pthread_mutex_lock(&library.mutex);
    mu_status status = library.api ? MU_OK : load(err);
    if (status == MU_OK) *out = library.api;
    pthread_mutex_unlock(&library.mutex);
    return status;
}

mu_status mu_gpu_count(uint32_t *out, mu_err *err) {
    const mu_cuda_api *api;
    mu_status status = mu_cuda_library_get(&api, err);
    return status == MU_OK ? api->gpu_count(out, err) : status;
}

mu_status mu_gpu_read(uint32_t index, mu_gpu *out, mu_err *err) {
    const mu_cuda_api *api;
    mu_status status = mu_cuda_library_get(&api, err);
    return status == MU_OK ? api->gpu_read(index, out, err) : status;
}
