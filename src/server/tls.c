#include "server/tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>

#include "base/alloc.h"

/* The system's choice of ciphers, and no version that RFC 8996 has retired. */
static const char priorities[] = "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1:-VERS-DTLS-ALL";

struct mu_tls {
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priority;
};

struct mu_tls_session {
    gnutls_session_t gnutls;
};

mu_status mu_tls_open(const char *key, size_t n_key, const char *certificate, size_t n_certificate,
                      mu_tls **out, mu_err *err) {
    mu_tls *tls = mu_alloc(sizeof(*tls));
    if (!tls) return mu_fail(err, MU_ERR_NOMEM, "TLS");
    const gnutls_datum_t key_text = {(unsigned char *)(uintptr_t)key, (unsigned)n_key};
    const gnutls_datum_t certificate_text = {(unsigned char *)(uintptr_t)certificate,
                                             (unsigned)n_certificate};
    int wrong = gnutls_certificate_allocate_credentials(&tls->credentials);
    if (wrong == 0) {
        wrong = gnutls_certificate_set_x509_key_mem(tls->credentials, &certificate_text, &key_text,
                                                    GNUTLS_X509_FMT_PEM);
    }
    if (wrong == 0) wrong = gnutls_priority_init(&tls->priority, priorities, NULL);
    if (wrong != 0) {
        mu_tls_close(tls);
        return mu_fail(err, MU_ERR_INVALID, "key and certificate: %s: are they a pair, in PEM?",
                       gnutls_strerror(wrong));
    }
    *out = tls;
    return MU_OK;
}

void mu_tls_close(mu_tls *tls) {
    if (!tls) return;
    if (tls->priority) gnutls_priority_deinit(tls->priority);
    if (tls->credentials) gnutls_certificate_free_credentials(tls->credentials);
    mu_free(tls);
}

mu_tls_session *mu_tls_session_open(mu_tls *tls, int fd) {
    mu_tls_session *session = mu_alloc(sizeof(*session));
    if (!session) return NULL;
    int wrong = gnutls_init(&session->gnutls, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
    if (wrong != 0) {
        mu_free(session);
        return NULL;
    }
    wrong = gnutls_priority_set(session->gnutls, tls->priority);
    if (wrong == 0) {
        wrong = gnutls_credentials_set(session->gnutls, GNUTLS_CRD_CERTIFICATE, tls->credentials);
    }
    if (wrong != 0) {
        mu_tls_session_close(session);
        return NULL;
    }
    gnutls_transport_set_int(session->gnutls, fd);
    return session;
}

void mu_tls_session_close(mu_tls_session *session) {
    if (!session) return;
    gnutls_bye(session->gnutls, GNUTLS_SHUT_WR); /* as far as it goes without waiting */
    gnutls_deinit(session->gnutls);
    mu_free(session);
}

mu_status mu_tls_handshake(mu_tls_session *session) {
    int wrong;
    do {
        wrong = gnutls_handshake(session->gnutls);
    } while (wrong == GNUTLS_E_INTERRUPTED);
    if (wrong == 0) return MU_OK;
    return wrong == GNUTLS_E_AGAIN || !gnutls_error_is_fatal(wrong) ? MU_ERR_BUSY : MU_ERR_IO;
}

static ssize_t result(ssize_t n) {
    if (n >= 0) return n;
    errno = n == GNUTLS_E_AGAIN ? EAGAIN : EIO;
    return -1;
}

ssize_t mu_tls_read(mu_tls_session *session, void *data, size_t n) {
    ssize_t n_read;
    do {
        n_read = gnutls_record_recv(session->gnutls, data, n);
    } while (n_read == GNUTLS_E_INTERRUPTED);
    return n_read == GNUTLS_E_PREMATURE_TERMINATION ? 0 : result(n_read);
}

ssize_t mu_tls_write(mu_tls_session *session, const void *data, size_t n) {
    ssize_t n_written;
    do {
        n_written = gnutls_record_send(session->gnutls, data, n);
    } while (n_written == GNUTLS_E_INTERRUPTED);
    return result(n_written);
}
