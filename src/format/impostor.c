#include "format/impostor.h"

#include <string.h>
#include <strings.h>

static bool begins(const char *text, size_t n, const char *with) {
    size_t n_with = strlen(with);
    return n >= n_with && strncasecmp(text, with, n_with) == 0;
}

mu_status mu_impostor_check(const void *data, size_t size, mu_err *err) {
    const char *text = data;
    if (begins(text, size, "version https://git-lfs.github.com/")) {
        return mu_fail(err, MU_ERR_FORMAT,
                       "a git-lfs pointer, not the file itself; fetch it with: git lfs pull");
    }
    size_t at = 0;
    while (at < size && at < 64 && strchr(" \t\r\n", text[at]) && text[at] != '\0') {
        at++;
    }
    if (begins(text + at, size - at, "<!doctype html") || begins(text + at, size - at, "<html")) {
        return mu_fail(err, MU_ERR_FORMAT,
                       "a web page, not a model file; the download has failed, repeat it");
    }
    return MU_OK;
}
