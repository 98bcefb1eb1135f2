/* listen.h - the socket that a server listens on: host and port, or a path for a Unix socket. */
#ifndef MU_SERVER_LISTEN_H
#define MU_SERVER_LISTEN_H

#include "base/status.h"

bool mu_listen_is_unix(const char *host); /* ends in ".sock" or begins with '/' */
bool mu_listen_is_loopback(const char *host);
/* MU_ERR_IO names host and port. *out_port is the real one when port is 0. */
mu_status mu_listen_open(const char *host, uint32_t port, int *out_fd, uint32_t *out_port,
                         mu_err *err) MU_MUST_USE;

#endif
