#include "server/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

bool mu_listen_is_unix(const char *host) {
    static const char suffix[] = ".sock";
    size_t n = strlen(host);
    return host[0] == '/' || (n > strlen(suffix) && strcmp(host + n - strlen(suffix), suffix) == 0);
}

bool mu_listen_is_loopback(const char *host) {
    return mu_listen_is_unix(host) || strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
           strcmp(host, "localhost") == 0;
}

/* A socket file that nobody listens on is left over: it is replaced. */
static mu_status open_unix(const char *path, int *out_fd, mu_err *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path)) {
        return mu_fail(err, MU_ERR_INVALID, "%s: too long for a Unix socket", path);
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return mu_fail_os(err, MU_ERR_IO, "%s", path);
    const struct sockaddr *any = (const struct sockaddr *)(const void *)&address;
    if (connect(fd, any, sizeof(address)) == 0) {
        close(fd);
        return mu_fail(err, MU_ERR_IO, "%s: another server listens there", path);
    }
    if (errno == ECONNREFUSED) unlink(path);
    if (bind(fd, any, sizeof(address)) != 0 || listen(fd, BACKLOG) != 0) {
        mu_status status = mu_fail_os(err, MU_ERR_IO, "%s", path);
        close(fd);
        return status;
    }
    *out_fd = fd;
    return MU_OK;
}

static uint32_t port_of(int fd) {
    struct sockaddr_storage address = {0};
    socklen_t n = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &n) != 0) return 0;
    const void *any = &address;
    if (address.ss_family == AF_INET) return ntohs(((const struct sockaddr_in *)any)->sin_port);
    return ntohs(((const struct sockaddr_in6 *)any)->sin6_port);
}

mu_status mu_listen_open(const char *host, uint32_t port, int *out_fd, uint32_t *out_port,
                         mu_err *err) {
    *out_port = 0;
    if (mu_listen_is_unix(host)) return open_unix(host, out_fd, err);
    char service[16];
    snprintf(service, sizeof(service), "%u", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    int wrong = getaddrinfo(host, service, &hints, &found);
    if (wrong != 0) return mu_fail(err, MU_ERR_IO, "%s: %s", host, gai_strerror(wrong));
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
    mu_status status = MU_OK;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        status = mu_fail_os(err, MU_ERR_IO, "%s port %u", host, port);
        if (fd >= 0) close(fd);
    } else {
        *out_fd = fd;
        *out_port = port_of(fd);
    }
    freeaddrinfo(found);
    return status;
}
