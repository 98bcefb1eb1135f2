/* tls.h - HTTPS: a certificate with its key, and the connections that use them (GnuTLS).
 *
 * Everything of a session is non-blocking: what cannot go on now says MU_ERR_BUSY and is tried
 * again when the socket is ready. TLS 1.2 and 1.3 are spoken, older ones are not.
 *
 * Threads: an identity is immutable; a session belongs to one thread at a time.
 */
#ifndef MU_SERVER_TLS_H
#define MU_SERVER_TLS_H

#include <sys/types.h>

#include "base/status.h"

typedef struct mu_tls mu_tls;
typedef struct mu_tls_session mu_tls_session;

/* key, certificate: PEM text [n]. MU_ERR_INVALID: they are no pair, or not PEM. */
mu_status mu_tls_open(const char *key, size_t n_key, const char *certificate, size_t n_certificate,
                      mu_tls **out, mu_err *err) MU_MUST_USE;
void mu_tls_close(mu_tls *tls); /* NULL is allowed; no session is left */

mu_tls_session *mu_tls_session_open(mu_tls *tls, int fd); /* NULL: no memory */
void mu_tls_session_close(mu_tls_session *session);       /* NULL is allowed */
/* MU_ERR_BUSY: go on when the socket can be read or written. */
mu_status mu_tls_handshake(mu_tls_session *session);
/* As read() and write(): -1 with EAGAIN, or with EIO for all that is wrong. */
ssize_t mu_tls_read(mu_tls_session *session, void *data, size_t n);
ssize_t mu_tls_write(mu_tls_session *session, const void *data, size_t n);

#endif
