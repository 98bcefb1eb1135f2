/* http_state.h - what the files of HTTP share: the server's, a connection's, an exchange's.
 * Private.
 *
 *     http.c             the loop: accept, events, wakes, time limits
 *     http_connection.c  a connection from one phase to the next
 *     http_exchange.c    the answer, and the calls of the application
 */
#ifndef MU_SERVER_HTTP_STATE_H
#define MU_SERVER_HTTP_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/http.h"
#include "server/http_chunks.h"
#include "server/http_peers.h"
#include "server/workers.h"

typedef struct mu_connection mu_connection;

typedef enum mu_phase {
    MU_PHASE_HANDSHAKE,
    MU_PHASE_HEAD, /* nothing of a request, or part of its head, is there */
    MU_PHASE_BODY,
    MU_PHASE_ANSWER, /* being handled, waiting, or sent */
    MU_PHASE_LINGER, /* all is sent; what still comes is read over */
} mu_phase;

struct mu_exchange {
    mu_work work; /* first: the workers' view */
    mu_http *http;
    mu_connection *connection;
    char *text; /* of the head, owned; taken apart by the head */
    mu_http_head head;
    mu_http_chunks chunks;
    mu_buf body, headers; /* headers of the answer: whole lines */
    uint64_t n_charged;
    bool is_long, is_last, is_dropped;
    void *user;

    unsigned code;           /* of the answer; 0: none yet */
    bool is_stream, is_over; /* is_over: all of the answer is in out */
    mu_stream stream;
    mu_buf out, chunk; /* what is to be sent; what source() gave */

    /* under the server's lock */
    bool is_parked, has_news, is_at_worker, is_abandoned, is_woken;
    mu_exchange *next_woken;
};

struct mu_connection {
    mu_http *http;
    mu_connection *next, *prev, *next_hungry, *next_dead;
    int fd;
    mu_tls_session *tls; /* NULL: plain */
    mu_peer *peer;
    char peer_text[MU_PEER_TEXT_MAX];
    mu_phase phase;
    bool can_read, can_write; /* as far as is known: edges are waited for */
    bool has_left;            /* the peer has closed its side */
    bool is_ended;            /* and all that it had sent is read */
    bool is_broken;           /* to be closed as soon as no worker has its exchange */
    bool is_started;          /* a byte of the head has come */
    bool is_first;            /* no request came before */
    bool is_stuck;            /* there is something to send that the socket did not take */
    bool is_hungry, is_dead;
    mu_buf in, out;
    size_t n_used, n_sent, n_scanned;     /* of in, of out, of the head in in */
    size_t n_read;                        /* in this turn */
    uint64_t since_ns, moved_ns, n_moved; /* of the phase: its start, its last byte, its bytes */
    mu_exchange *x;                       /* NULL in HANDSHAKE, HEAD and LINGER */
};

struct mu_http {
    mu_http_options options;
    mu_http_callbacks callbacks;
    pthread_t thread;
    bool is_started, is_listening;
    int epoll_fd, wake_fd;
    atomic_bool is_closing;
    mu_workers *workers;

    pthread_mutex_t lock;
    mu_exchange *woken, *last_woken;

    /* the thread's own */
    mu_peers peers;
    mu_connection *connections, *hungry, *dead;
    uint64_t swept_ns;
    char *block; /* [MU_HTTP_BLOCK_BYTES], for reading */

    atomic_uint n_connections; /* all that follows is read by others */
    atomic_uint_fast64_t n_refused, n_replaced, n_late;
};

enum {
    MU_HTTP_BLOCK_BYTES = 64 << 10,
    MU_HTTP_TURN_BYTES = 256 << 10, /* read of one connection before the others' turn */
    MU_HTTP_LONG_BYTES = 4 << 10,   /* bodies beyond are for workers */
    MU_HTTP_DISCARD_BYTES = 1 << 20,
    MU_HTTP_LINGER_S = 2,
    MU_HTTP_BYTES_PER_S_MIN = 1 << 10, /* beyond the time limits: of a body, of an answer read */
};

/* http_connection.c */
mu_connection *mu_connection_open(mu_http *http, int fd, const struct sockaddr_storage *address);
/* Everything that can be done now. May end the connection: it is dead then. */
void mu_connection_turn(mu_connection *c);
void mu_connection_break(mu_connection *c); /* end it as soon as no worker has its exchange */
/* What is late by now is answered 408 or broken. */
void mu_connection_check_time(mu_connection *c, uint64_t now_ns);

/* http_exchange.c */
mu_exchange *mu_exchange_open(mu_connection *c);
void mu_exchange_close(mu_exchange *x); /* without a word to the application */
/* Call the application until it has answered or has bytes to send. False: it sleeps until woken,
 * and is not the caller's any more. */
bool mu_exchange_run(mu_exchange *x);
void mu_exchange_run_work(mu_work *work); /* the same, on a worker */
void mu_exchange_start_work(mu_exchange *x);
void mu_exchange_refuse(mu_exchange *x, unsigned code, const char *why);

#endif
