/* http.h - HTTP/1.1 over libmicrohttpd: connections, limits, and one exchange per request.
 *
 * An exchange is a request and its answer. begin() sees the head and may refuse it; handle() sees
 * the whole request, and either answers or waits: after each mu_exchange_wake() it is called again.
 * A streamed answer asks source() for bytes whenever it can send, and waits when there are none.
 *
 *     head ──begin──▶ body ──handle──▶ answered ──────────────▶ end
 *                              │  ▲                │  ▲
 *                              └──┘ wake           └──┘ wake: source
 *
 * Requests that are not plain HTTP/1.1 are refused before begin(): see refuse_head() for the list.
 *
 * Threads: callbacks run on the HTTP thread; mu_exchange_wake() may be called from any until end().
 */
#ifndef MU_SERVER_HTTP_H
#define MU_SERVER_HTTP_H

#include "base/buf.h"
#include "base/status.h"

typedef struct mu_http mu_http;
typedef struct mu_exchange mu_exchange;

typedef enum mu_stream { MU_STREAM_MORE, MU_STREAM_END, MU_STREAM_ABORT } mu_stream;

typedef struct mu_http_callbacks {
    void *ctx;
    void (*begin)(void *ctx, mu_exchange *x);
    void (*handle)(void *ctx, mu_exchange *x);
    mu_stream (*source)(void *ctx, mu_exchange *x, mu_buf *out);
    /* Answer with an error that HTTP itself demands. */
    void (*refuse)(void *ctx, mu_exchange *x, unsigned code, const char *why);
    void (*end)(void *ctx, mu_exchange *x, bool is_whole); /* is_whole: all of it was sent */
} mu_http_callbacks;

typedef struct mu_http_options {
    int listen_fd;                                        /* listening socket, borrowed */
    uint32_t n_connections_max, n_connections_per_ip_max; /* the latter 0: no limit */
    uint32_t request_line_bytes_max, header_bytes_max, n_headers_max;
    uint64_t body_bytes_max;
    uint32_t header_timeout_s, body_timeout_s, keep_alive_s;
    const char *tls_key, *tls_cert; /* PEM text; both or none */
} mu_http_options;

mu_status mu_http_open(const mu_http_options *options, const mu_http_callbacks *callbacks,
                       mu_http **out, mu_err *err) MU_MUST_USE;
/* Ends every exchange. NULL is allowed. */
void mu_http_close(mu_http *http);
/* Once a second: ends connections whose request head is late, or whose peer left. */
void mu_http_tick(mu_http *http);
uint32_t mu_http_n_connections(mu_http *http);

/* The request. Text is borrowed and lives as long as the exchange. */
const char *mu_exchange_method(const mu_exchange *x);
const char *mu_exchange_path(const mu_exchange *x); /* percent-decoded, without the query */
const char *mu_exchange_header(const mu_exchange *x, const char *name); /* NULL: absent */
mu_buf *mu_exchange_body(mu_exchange *x);
const char *mu_exchange_peer(const mu_exchange *x); /* "127.0.0.1", "unix" */
int mu_exchange_fd(const mu_exchange *x);
void **mu_exchange_user(mu_exchange *x); /* the caller's, NULL at first */

/* The answer. */
void mu_exchange_add_header(mu_exchange *x, const char *name, const char *value);
void mu_exchange_respond(mu_exchange *x, unsigned code, const char *content_type, const void *body,
                         size_t n); /* body is copied */
void mu_exchange_stream(mu_exchange *x, unsigned code, const char *content_type);
bool mu_exchange_is_answered(const mu_exchange *x);
unsigned mu_exchange_code(const mu_exchange *x); /* 0: not answered */
void mu_exchange_drop(mu_exchange *x);           /* no answer: close the connection */
void mu_exchange_wake(mu_exchange *x);

#endif
