/* admin_client.h - ask a running server what an operator may: its /admin paths.
 * Threads: one. Errors: MU_ERR_IO: nobody answers at the URL; else what the server said.
 */
#ifndef MU_CMD_ADMIN_CLIENT_H
#define MU_CMD_ADMIN_CLIENT_H

#include <jansson.h>

#include "base/status.h"

typedef struct mu_admin_target {
    const char *url; /* "http://127.0.0.1:8686" */
    const char *key; /* NULL: none */
} mu_admin_target;

/* body NULL: GET, else POST; taken over. *out: the answer, the caller's. */
mu_status mu_admin_ask(const mu_admin_target *target, const char *path, json_t *body, json_t **out,
                       mu_err *err) MU_MUST_USE;

#endif
