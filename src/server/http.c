/* One thread, one epoll set with edges. What a connection can do now it does in a turn; a turn is
 * bounded by what it reads, and goes on in the next round when there is more ("hungry").
 *
 * Connections that end during a round are freed at its end: events of the round may still name
 * them.
 */
#include "server/http.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "server/http_state.h"

enum { EVENTS_MAX = 256, ACCEPTS_MAX = 64, SWEEP_MS = 500, N_WORKERS = 3 };

/* Accepting */

/* One that waits for a request or for the rest of one, of the peer with the most connections, and
 * the longest silent of those. NULL: nobody has more than the newcomer. */
static mu_connection *find_replaceable(mu_http *http, const mu_peer *newcomer) {
    mu_connection *found = NULL;
    for (mu_connection *c = http->connections; c; c = c->next) {
        if (c->phase == MU_PHASE_ANSWER || c->peer->is_unix || c->peer == newcomer) continue;
        if (c->peer->n_connections <= newcomer->n_connections) continue;
        bool is_better = !found || c->peer->n_connections > found->peer->n_connections ||
                         (c->peer == found->peer && c->moved_ns < found->moved_ns);
        if (is_better) found = c;
    }
    return found;
}

static bool may_stay(mu_http *http, mu_connection *c) {
    const mu_http_options *o = &http->options;
    uint32_t per_ip_max = o->n_connections_per_ip_max;
    if (per_ip_max == 0) per_ip_max = (o->n_connections_max + 1) / 2;
    if (!c->peer->is_unix && c->peer->n_connections > per_ip_max) return false;
    if (http->n_connections <= o->n_connections_max) return true;
    mu_connection *other = find_replaceable(http, c->peer);
    if (!other) return false;
    http->n_replaced++;
    mu_connection_break(other);
    return true;
}

static void add_connection(mu_http *http, int fd, const struct sockaddr_storage *address) {
    mu_connection *c = mu_connection_open(http, fd, address);
    if (!c) {
        close(fd);
        return;
    }
    int one = 1;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    if (!c->peer->is_unix) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (!may_stay(http, c)) {
        http->n_refused++;
        mu_connection_break(c);
    } else if (epoll_ctl(http->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        mu_connection_break(c);
    }
}

/* While it does not listen newcomers wait in the system's queue: better than to be woken for each
 * of them without a descriptor to take them. */
static void listen_for(mu_http *http, bool listens) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (listens == http->is_listening) return;
    int op = listens ? EPOLL_CTL_ADD : EPOLL_CTL_DEL;
    if (epoll_ctl(http->epoll_fd, op, http->options.listen_fd, &event) == 0) {
        http->is_listening = listens;
    }
}

static void accept_some(mu_http *http) {
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        struct sockaddr_storage address = {0};
        socklen_t n = sizeof(address);
        int fd = accept4(http->options.listen_fd, (struct sockaddr *)&address, &n,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            add_connection(http, fd, &address);
            continue;
        }
        if (errno == ECONNABORTED || errno == EINTR) continue;
        if (errno != EAGAIN) listen_for(http, false); /* no descriptors: until the next sweep */
        return;
    }
}

/* The loop */

static void take_event(mu_connection *c, uint32_t events) {
    if (c->is_dead) return;
    if (events & EPOLLIN) c->can_read = true;
    if (events & EPOLLOUT) c->can_write = true;
    if (events & EPOLLRDHUP) c->has_left = c->can_read = true;
    if (events & (EPOLLERR | EPOLLHUP)) {
        mu_connection_break(c);
    } else {
        mu_connection_turn(c);
    }
}

static void take_wakes(mu_http *http) {
    uint64_t count;
    ssize_t n = read(http->wake_fd, &count, sizeof(count));
    (void)n;
    for (;;) {
        pthread_mutex_lock(&http->lock);
        mu_exchange *x = http->woken;
        if (x) {
            http->woken = x->next_woken;
            x->is_woken = false;
        }
        pthread_mutex_unlock(&http->lock);
        if (!x) return;
        mu_connection_turn(x->connection);
    }
}

static void feed_hungry(mu_http *http) {
    mu_connection *c = http->hungry;
    http->hungry = NULL;
    for (mu_connection *next; c; c = next) {
        next = c->next_hungry;
        c->is_hungry = false;
        if (!c->is_dead) mu_connection_turn(c);
    }
}

static void sweep(mu_http *http, uint64_t now_ns) {
    http->swept_ns = now_ns;
    for (mu_connection *c = http->connections, *next; c; c = next) {
        next = c->next;
        mu_connection_check_time(c, now_ns);
    }
    listen_for(http, true);
}

static void free_dead(mu_http *http) {
    for (mu_connection **at = &http->dead, *c; (c = *at);) {
        if (c->is_hungry) { /* another list names it */
            at = &c->next_dead;
        } else {
            *at = c->next_dead;
            mu_free(c);
        }
    }
}

static void serve_round(mu_http *http) {
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(http->epoll_fd, events, EVENTS_MAX, http->hungry ? 0 : SWEEP_MS);
    bool is_woken = false;
    for (int i = 0; i < n; i++) {
        void *who = events[i].data.ptr;
        if (!who) {
            accept_some(http);
        } else if (who == http) {
            is_woken = true;
        } else {
            take_event(who, events[i].events);
        }
    }
    if (is_woken) take_wakes(http);
    feed_hungry(http);
    uint64_t now_ns = mu_now_ns();
    if (now_ns - http->swept_ns > SWEEP_MS * 1000000ull) sweep(http, now_ns);
    free_dead(http);
}

static void *serve(void *arg) {
    mu_http *http = arg;
    while (!atomic_load(&http->is_closing)) {
        serve_round(http);
    }
    mu_workers_close(http->workers); /* no exchange is at one after this */
    while (http->connections) {
        mu_connection_break(http->connections);
    }
    feed_hungry(http); /* all are dead: this forgets them */
    free_dead(http);
    return NULL;
}

/* Opening */

static mu_status open_loop(mu_http *http, mu_err *err) {
    int flags = fcntl(http->options.listen_fd, F_GETFL);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = http};
    http->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    http->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    http->block = mu_alloc(MU_HTTP_BLOCK_BYTES);
    if (!http->block) return mu_fail(err, MU_ERR_NOMEM, "HTTP server");
    if (flags < 0 || fcntl(http->options.listen_fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        http->epoll_fd < 0 || http->wake_fd < 0 ||
        epoll_ctl(http->epoll_fd, EPOLL_CTL_ADD, http->wake_fd, &event) != 0) {
        return mu_fail_os(err, MU_ERR_IO, "HTTP server");
    }
    listen_for(http, true);
    if (!http->is_listening) return mu_fail_os(err, MU_ERR_IO, "HTTP server: listening socket");
    return MU_OK;
}

mu_status mu_http_open(const mu_http_options *options, const mu_http_callbacks *callbacks,
                       mu_http **out, mu_err *err) {
    mu_http *http = mu_alloc(sizeof(*http));
    if (!http) return mu_fail(err, MU_ERR_NOMEM, "HTTP server");
    http->options = *options;
    http->callbacks = *callbacks;
    http->epoll_fd = http->wake_fd = -1;
    http->swept_ns = mu_now_ns();
    pthread_mutex_init(&http->lock, NULL);
    mu_status status = open_loop(http, err);
    if (status == MU_OK) {
        status = mu_workers_open(N_WORKERS, mu_exchange_run_work, &http->workers, err);
    }
    if (status == MU_OK && (errno = pthread_create(&http->thread, NULL, serve, http)) != 0) {
        status = mu_fail_os(err, MU_ERR_IO, "HTTP thread");
        mu_workers_close(http->workers);
    }
    if (status != MU_OK) {
        mu_http_close(http);
        return status;
    }
    http->is_started = true;
    pthread_setname_np(http->thread, "muai-http");
    *out = http;
    return MU_OK;
}

void mu_http_close(mu_http *http) {
    if (!http) return;
    if (http->is_started) {
        uint64_t one = 1;
        atomic_store(&http->is_closing, true);
        ssize_t n = write(http->wake_fd, &one, sizeof(one));
        (void)n;
        pthread_join(http->thread, NULL);
    }
    if (http->epoll_fd >= 0) close(http->epoll_fd);
    if (http->wake_fd >= 0) close(http->wake_fd);
    pthread_mutex_destroy(&http->lock);
    mu_free(http->block);
    mu_free(http);
}

mu_http_facts mu_http_get_facts(mu_http *http) {
    return (mu_http_facts){
        .n_connections = http->n_connections,
        .n_refused = http->n_refused,
        .n_replaced = http->n_replaced,
        .n_late = http->n_late,
    };
}
