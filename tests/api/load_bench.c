/* load - closed-loop clients against a server: one connection each, the next request when the
 * answer is whole. Prints requests/s, output tokens/s and latencies; counts what is not a 200.
 *
 *     load_bench PORT CLIENTS REQUESTS [JSON BODY]
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/base.h"
#include "base/clock.h"

enum { ANSWER_MAX = 1 << 18 };

typedef struct client {
    int fd;
    size_t n; /* bytes of the answer so far */
    uint64_t start_ns;
    char answer[ANSWER_MAX];
} client;

typedef struct load {
    const char *request;
    size_t n_request;
    uint32_t n_left, n_done, n_failed;
    double *ms; /* [n_requests] */
} load;

static int connect_to(uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) != 0) {
        perror("connect");
        exit(1);
    }
    return fd;
}

static void ask(load *l, client *c) {
    if (l->n_left == 0) return;
    l->n_left--;
    c->n = 0;
    c->start_ns = mu_now_ns();
    if (write(c->fd, l->request, l->n_request) != (ssize_t)l->n_request) exit(1);
}

static bool is_whole(const client *c) {
    const char *end = strstr(c->answer, "\r\n\r\n"),
               *length = strstr(c->answer, "Content-Length: ");
    if (!end) return false;
    if (!length || length > end) return c->n >= 5 && strstr(end, "\r\n0\r\n\r\n") != NULL;
    return c->n >= (size_t)(end + 4 - c->answer) + strtoul(length + 16, NULL, 10);
}

static void hear(load *l, client *c) {
    ssize_t n = read(c->fd, c->answer + c->n, ANSWER_MAX - 1 - c->n);
    if (n <= 0) {
        fputs("the server closed a connection\n", stderr);
        exit(1);
    }
    c->n += (size_t)n;
    c->answer[c->n] = '\0';
    if (!is_whole(c)) return;
    l->ms[l->n_done++] = (double)(mu_now_ns() - c->start_ns) * 1e-6;
    if (strncmp(c->answer, "HTTP/1.1 200", 12) != 0 || strstr(c->answer, "\"error\"")) {
        if (l->n_failed++ == 0) fprintf(stderr, "%.300s\n", c->answer);
    }
    ask(l, c);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fputs("usage: load_bench PORT CLIENTS REQUESTS [JSON]\n", stderr);
        return 2;
    }
    const char *body = argc > 4 ? argv[4]
                                : "{\"prompt\": [464, 3797, 3332, 319, 262, 2603], "
                                  "\"max_tokens\": 30, \"ignore_eos\": true, "
                                  "\"temperature\": 0, \"cache_prompt\": false}";
    static char request[1 << 16];
    snprintf(
        request, sizeof(request),
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: %zu\r\n\r\n%s",
        strlen(body), body);
    uint32_t n_clients = (uint32_t)strtoul(argv[2], NULL, 10);
    uint32_t n_requests = (uint32_t)strtoul(argv[3], NULL, 10);
    load l = {.request = request, .n_request = strlen(request), .n_left = n_requests};
    client *clients = MU_ALLOC(client, n_clients);
    l.ms = MU_ALLOC(double, n_requests);
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!clients || !l.ms || epoll_fd < 0 || n_requests == 0) return 1;
    uint64_t start_ns = mu_now_ns();
    for (uint32_t i = 0; i < n_clients; i++) {
        clients[i].fd = connect_to((uint16_t)strtoul(argv[1], NULL, 10));
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, clients[i].fd, &event);
        ask(&l, &clients[i]);
    }
    while (l.n_done < n_requests) {
        struct epoll_event events[64];
        int n = epoll_wait(epoll_fd, events, 64, 60000);
        if (n <= 0) return 1;
        for (int i = 0; i < n; i++) {
            hear(&l, events[i].data.ptr);
        }
    }
    double s = (double)(mu_now_ns() - start_ns) * 1e-9;
    qsort(l.ms, l.n_done, sizeof(*l.ms), by_value);
    printf("%u clients, %u requests, %u failed: %.1f requests/s, median %.1f ms, p99 %.1f ms\n",
           n_clients, l.n_done, l.n_failed, l.n_done / s, l.ms[l.n_done / 2],
           l.ms[(size_t)l.n_done * 99 / 100]);
    return l.n_failed > 0;
}
