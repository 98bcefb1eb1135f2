/* http.h - HTTP/1.1 on sockets: connections, limits, and one exchange per request.
 *
 * An exchange is a request and its answer. begin() sees the head and may refuse it; handle() sees
 * the whole request, and either answers or waits: after each mu_exchange_wake() it is called again.
 * A streamed answer asks source() for bytes whenever it can send, and waits when there are none.
 *
 *     head ──begin──▶ body ──handle──▶ answered ──────────────▶ end
 *                              │  ▲                │  ▲
 *                              └──┘ wake           └──┘ wake: source
 *
 * What is not plain HTTP/1.1, is too large or too slow is answered by refuse(): every answer goes
 * through the callbacks. A peer that leaves, even half, while its request waits ends its exchange.
 *
 * Connections are shared: one address (http_peers.h) has a part of them, and when all are taken a
 * newcomer replaces one that waits for a request, of the address that has most.
 *
 * Threads: one for all sockets; its callbacks must be short. Long requests, by the size of their
 * body or by mu_exchange_set_long(), are handled by workers.h: one thread at a time has an
 * exchange, begin() and end() are always called by the thread of the sockets. mu_exchange_wake()
 * may be called from any thread until end().
 */
#ifndef MU_SERVER_HTTP_H
#define MU_SERVER_HTTP_H

#include "base/buf.h"
#include "base/status.h"
#include "server/http_head.h"
#include "server/tls.h"

typedef struct mu_http mu_http;
typedef struct mu_exchange mu_exchange;

typedef enum mu_stream { MU_STREAM_MORE, MU_STREAM_END } mu_stream;

typedef struct mu_http_callbacks {
    void *ctx;
    void (*begin)(void *ctx, mu_exchange *x);
    /* The body will hold n_bytes, more than before. False: that was answered with an error. */
    bool (*charge)(void *ctx, mu_exchange *x, uint64_t n_bytes);
    void (*handle)(void *ctx, mu_exchange *x);
    mu_stream (*source)(void *ctx, mu_exchange *x, mu_buf *out);
    /* Answer with an error that HTTP itself demands; the head may not have been read. */
    void (*refuse)(void *ctx, mu_exchange *x, unsigned code, const char *why);
    void (*end)(void *ctx, mu_exchange *x, bool is_whole); /* is_whole: all of it was sent */
} mu_http_callbacks;

typedef struct mu_http_options {
    int listen_fd; /* listening socket, borrowed */
    uint32_t n_connections_max;
    uint32_t n_connections_per_ip_max; /* 0: half of them */
    mu_http_limits limits;             /* of heads */
    uint64_t body_bytes_max;
    uint32_t header_timeout_s; /* for a head, from its first byte; for the first also before it */
    uint32_t body_timeout_s; /* without a byte of body, or of an answer read; see BYTES_PER_S_MIN */
    uint32_t keep_alive_s;
    mu_tls *tls; /* borrowed; NULL: plain HTTP */
} mu_http_options;

typedef struct mu_http_facts {
    uint32_t n_connections;
    uint64_t n_refused, n_replaced, n_late; /* connections */
} mu_http_facts;

mu_status mu_http_open(const mu_http_options *options, const mu_http_callbacks *callbacks,
                       mu_http **out, mu_err *err) MU_MUST_USE;
/* Ends every exchange. NULL is allowed. */
void mu_http_close(mu_http *http);
mu_http_facts mu_http_get_facts(mu_http *http);

/* The request. Text is borrowed and lives as long as the exchange; "" when the head is broken. */
const char *mu_exchange_method(const mu_exchange *x);
const char *mu_exchange_path(const mu_exchange *x); /* percent-decoded, without the query */
const char *mu_exchange_header(const mu_exchange *x, const char *name); /* NULL: absent */
mu_buf *mu_exchange_body(mu_exchange *x);
const char *mu_exchange_peer(const mu_exchange *x); /* "127.0.0.1", "unix" */
/* Who asks, for fair shares: the peer's address, until it is set to something better. */
uint64_t mu_exchange_client(const mu_exchange *x);
void mu_exchange_set_client(mu_exchange *x, uint64_t client);
void mu_exchange_set_long(mu_exchange *x); /* from the next call on, by a worker */
void **mu_exchange_user(mu_exchange *x);   /* the caller's, NULL at first */

/* The answer. */
void mu_exchange_add_header(mu_exchange *x, const char *name, const char *value);
void mu_exchange_set_last(mu_exchange *x); /* close the connection after the answer */
void mu_exchange_respond(mu_exchange *x, unsigned code, const char *content_type, const void *body,
                         size_t n); /* body is copied */
void mu_exchange_stream(mu_exchange *x, unsigned code, const char *content_type);
unsigned mu_exchange_code(const mu_exchange *x); /* 0: not answered */
void mu_exchange_drop(mu_exchange *x);           /* no answer: close the connection */
void mu_exchange_wake(mu_exchange *x);

#endif
