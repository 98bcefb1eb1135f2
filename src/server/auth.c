#include "server/auth.h"

#include <errno.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static void digest(const char *key, size_t n, uint8_t *out) {
    struct sha256_ctx sha;
    sha256_init(&sha);
    sha256_update(&sha, n, (const uint8_t *)key);
    sha256_digest(&sha, MU_KEY_DIGEST_BYTES, out);
}

static bool parse_hex(const char *text, uint8_t *out) {
    static const char digits[] = "0123456789abcdef";
    if (strlen(text) != 2 * MU_KEY_DIGEST_BYTES) return false;
    for (size_t i = 0; i < 2 * MU_KEY_DIGEST_BYTES; i++) {
        const char *at = strchr(digits, text[i] | 0x20);
        if (!at) return false;
        out[i / 2] = (uint8_t)(out[i / 2] << 4 | (at - digits));
    }
    return true;
}

mu_status mu_auth_add(mu_auth *auth, const char *key, mu_err *err) {
    static const char prefix[] = "sha256:";
    if (auth->n == MU_KEYS_MAX) return mu_fail(err, MU_ERR_LIMIT, "more than %d keys", MU_KEYS_MAX);
    if (key[0] == '\0') return mu_fail(err, MU_ERR_INVALID, "an empty API key");
    uint8_t *out = auth->digests[auth->n];
    if (strncmp(key, prefix, strlen(prefix)) == 0) {
        if (!parse_hex(key + strlen(prefix), out)) {
            return mu_fail(err, MU_ERR_INVALID, "API key: \"sha256:\" needs 64 hex digits");
        }
    } else {
        digest(key, strlen(key), out);
    }
    auth->n++;
    return MU_OK;
}

mu_status mu_auth_add_file(mu_auth *auth, const char *path, mu_err *err) {
    FILE *file = fopen(path, "re");
    if (!file) return mu_fail_os(err, MU_ERR_IO, "%s", path);
    char line[1024];
    mu_status status = MU_OK;
    uint32_t before = auth->n;
    for (uint32_t number = 1; status == MU_OK && fgets(line, sizeof(line), file); number++) {
        size_t n = strcspn(line, "\r\n");
        if (line[n] == '\0' && !feof(file)) {
            status = mu_fail(err, MU_ERR_FORMAT, "%s:%u: line too long", path, number);
            break;
        }
        line[n] = '\0';
        if (n == 0 || line[0] == '#') continue;
        mu_err inner;
        status = mu_auth_add(auth, line, &inner);
        if (status != MU_OK) mu_fail(err, status, "%s:%u: %s", path, number, inner.text);
    }
    if (status == MU_OK && ferror(file)) status = mu_fail_os(err, MU_ERR_IO, "%s", path);
    if (status == MU_OK && auth->n == before) {
        status = mu_fail(err, MU_ERR_INVALID, "%s: holds no key", path);
    }
    fclose(file);
    return status;
}

uint32_t mu_auth_check(const mu_auth *auth, const char *authorization, const char *api_key) {
    static const char scheme[] = "Bearer ";
    const char *key = api_key;
    if (authorization && strncasecmp(authorization, scheme, strlen(scheme)) == 0) {
        key = authorization + strlen(scheme);
    }
    if (!key) return 0;
    uint8_t own[MU_KEY_DIGEST_BYTES];
    digest(key, strlen(key), own);
    uint32_t found = 0; /* every key is compared: the time tells nothing */
    for (uint32_t i = 0; i < auth->n; i++) {
        if (memeql_sec(own, auth->digests[i], MU_KEY_DIGEST_BYTES)) found = i + 1;
    }
    return found;
}
