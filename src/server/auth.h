/* auth.h - who may ask. Keys are kept as SHA-256 and compared in constant time; a key file holds
 * one key per line, plain or as "sha256:" and 64 hex digits, '#' starts a comment.
 * Threads: immutable once filled. */
#ifndef MU_SERVER_AUTH_H
#define MU_SERVER_AUTH_H

#include "base/status.h"

enum { MU_KEYS_MAX = 256, MU_KEY_DIGEST_BYTES = 32 };

typedef struct mu_auth {
    uint8_t digests[MU_KEYS_MAX][MU_KEY_DIGEST_BYTES];
    uint32_t n; /* 0: nobody is asked for a key */
} mu_auth;

mu_status mu_auth_add(mu_auth *auth, const char *key, mu_err *err) MU_MUST_USE;
mu_status mu_auth_add_file(mu_auth *auth, const char *path, mu_err *err) MU_MUST_USE;

/* The key of an Authorization (Bearer) or x-api-key header's value. Returns its number from 1, 0:
 * not a key. Either header may be NULL. */
uint32_t mu_auth_check(const mu_auth *auth, const char *authorization, const char *api_key);

#endif
