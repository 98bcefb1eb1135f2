/* libmicrohttpd calls from one thread. A connection that waits is suspended: it costs nothing, and
 * whoever has news resumes it. News that comes between "there is nothing" and the suspension is
 * kept in has_news, under the exchange's lock.
 *
 * libmicrohttpd's own timeout counts from the last byte, and not while a connection is suspended.
 * What is late as a whole (a head that comes byte by byte), who does not read and who left in the
 * middle of a request is found by mu_http_tick(), which shuts the socket down.
 */
#include "server/http.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/clock.h"

enum { STREAM_BLOCK_BYTES = 8192, DISCARD_BYTES_MAX = 1 << 20 };

typedef struct connection connection;
struct connection {
    int fd;
    uint64_t deadline_ns; /* of the next request's head, or of reading what was sent; 0: none */
    connection *next, *prev;
};

struct mu_exchange {
    mu_http *http;
    struct MHD_Connection *mhd;
    mu_exchange *next, *prev; /* all that have begun, under the server's lock */
    char *method, *path;
    size_t uri_bytes, n_discarded;
    bool has_nul, has_begun, is_too_large, is_dropped;
    char peer[INET6_ADDRSTRLEN];
    connection *connection; /* NULL: no memory for one */
    int fd;
    mu_buf body, headers; /* headers of the answer: name, NUL, value, NUL ... */
    unsigned code;
    void *user;

    mu_buf out; /* of a stream */
    size_t n_sent;
    mu_stream stream;

    pthread_mutex_t lock;
    bool is_suspended, has_news;
};

struct mu_http {
    mu_http_options options;
    mu_http_callbacks callbacks;
    struct MHD_Daemon *daemon;
    pthread_mutex_t lock;
    connection *connections;
    mu_exchange *exchanges;
    uint32_t n_connections;
    bool is_closing;
};

/* Connections */

static uint64_t after_s(uint32_t s) {
    return mu_now_ns() + s * 1000000000ull;
}

static void on_connection(void *ctx, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode code) {
    mu_http *http = ctx;
    pthread_mutex_lock(&http->lock);
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        connection *c = mu_alloc(sizeof(*c));
        *socket_context = c;
        http->n_connections++;
        if (c) {
            c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
            c->deadline_ns = after_s(http->options.header_timeout_s);
            c->next = http->connections;
            if (c->next) c->next->prev = c;
            http->connections = c;
        }
    } else {
        connection *c = *socket_context;
        http->n_connections--;
        if (c) {
            *(c->prev ? &c->prev->next : &http->connections) = c->next;
            if (c->next) c->next->prev = c->prev;
            mu_free(c);
        }
    }
    pthread_mutex_unlock(&http->lock);
}

static void set_deadline(mu_exchange *x, uint64_t deadline_ns) {
    if (!x->connection) return;
    pthread_mutex_lock(&x->http->lock);
    x->connection->deadline_ns = deadline_ns;
    pthread_mutex_unlock(&x->http->lock);
}

/* Of a connection whose request is being read: libmicrohttpd forgets it when it suspends. */
static void set_idle_timeout(mu_exchange *x, uint32_t idle_s) {
    MHD_set_connection_option(x->mhd, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)idle_s);
}

/* libmicrohttpd waits for edges: an end that came together with half a request makes none. */
static bool peer_has_left(const connection *c) {
    struct pollfd peer = {.fd = c->fd, .events = POLLRDHUP};
    return poll(&peer, 1, 0) > 0 && (peer.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void mu_http_tick(mu_http *http) {
    uint64_t now_ns = mu_now_ns();
    pthread_mutex_lock(&http->lock);
    for (connection *c = http->connections; c; c = c->next) {
        bool is_late = c->deadline_ns != 0 && c->deadline_ns <= now_ns;
        if (!is_late && !peer_has_left(c)) continue;
        c->deadline_ns = 0;
        shutdown(c->fd, SHUT_RDWR); /* the HTTP thread sees the end and closes */
    }
    pthread_mutex_unlock(&http->lock);
}

uint32_t mu_http_n_connections(mu_http *http) {
    pthread_mutex_lock(&http->lock);
    uint32_t n = http->n_connections;
    pthread_mutex_unlock(&http->lock);
    return n;
}

/* Waiting */

/* True: the connection sleeps until woken. False: there is news already. */
static bool park(mu_exchange *x) {
    pthread_mutex_lock(&x->lock);
    bool may_sleep = !x->has_news;
    x->has_news = false;
    if (may_sleep) {
        x->is_suspended = true;
        MHD_suspend_connection(x->mhd);
    }
    pthread_mutex_unlock(&x->lock);
    return may_sleep;
}

void mu_exchange_wake(mu_exchange *x) {
    pthread_mutex_lock(&x->lock);
    if (x->is_suspended) {
        x->is_suspended = false;
        MHD_resume_connection(x->mhd);
    } else {
        x->has_news = true;
    }
    pthread_mutex_unlock(&x->lock);
}

static bool is_closing(mu_http *http) {
    pthread_mutex_lock(&http->lock);
    bool closing = http->is_closing;
    pthread_mutex_unlock(&http->lock);
    return closing;
}

/* Answers */

void mu_exchange_add_header(mu_exchange *x, const char *name, const char *value) {
    for (const char *c = value; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) return; /* never a header within a header */
    }
    mu_buf_append(&x->headers, name, strlen(name) + 1);
    mu_buf_append(&x->headers, value, strlen(value) + 1);
}

static void queue(mu_exchange *x, unsigned code, const char *content_type,
                  struct MHD_Response *response) {
    MU_ASSERT(x->code == 0);
    if (!response) { /* no memory */
        x->is_dropped = true;
        return;
    }
    if (content_type) MHD_add_response_header(response, "Content-Type", content_type);
    for (size_t at = 0; at < x->headers.n && !x->headers.failed;) {
        const char *name = x->headers.data + at;
        const char *value = name + strlen(name) + 1;
        MHD_add_response_header(response, name, value);
        at += strlen(name) + strlen(value) + 2;
    }
    x->code = code;
    if (MHD_queue_response(x->mhd, code, response) != MHD_YES) x->is_dropped = true;
    MHD_destroy_response(response);
}

/* Called when the socket has taken all that was given before. */
static ssize_t read_stream(void *ctx, uint64_t position, char *buffer, size_t max) {
    mu_exchange *x = ctx;
    (void)position;
    set_deadline(x, 0);
    for (;;) {
        size_t n = x->out.n - x->n_sent;
        if (n > 0) {
            if (n > max) n = max;
            memcpy(buffer, x->out.data + x->n_sent, n);
            x->n_sent += n;
            set_deadline(x, after_s(x->http->options.body_timeout_s));
            return (ssize_t)n;
        }
        if (x->stream == MU_STREAM_END) return MHD_CONTENT_READER_END_OF_STREAM;
        if (x->stream == MU_STREAM_ABORT) return MHD_CONTENT_READER_END_WITH_ERROR;
        mu_buf_clear(&x->out);
        x->n_sent = 0;
        const mu_http_callbacks *callbacks = &x->http->callbacks;
        x->stream = callbacks->source(callbacks->ctx, x, &x->out);
        if (x->out.failed || (x->stream == MU_STREAM_MORE && is_closing(x->http))) {
            x->stream = MU_STREAM_ABORT;
        }
        if (x->out.n == 0 && x->stream == MU_STREAM_MORE && park(x)) return 0;
    }
}

void mu_exchange_respond(mu_exchange *x, unsigned code, const char *content_type, const void *body,
                         size_t n) {
    static char nothing[1];
    if (n <= STREAM_BLOCK_BYTES) {                               /* the socket takes it at once */
        void *bytes = n > 0 ? (void *)(uintptr_t)body : nothing; /* copied, not written */
        queue(x, code, content_type,
              MHD_create_response_from_buffer(n, bytes, MHD_RESPMEM_MUST_COPY));
        return;
    }
    mu_buf_append(&x->out, body, n);
    x->stream = x->out.failed ? MU_STREAM_ABORT : MU_STREAM_END;
    queue(x, code, content_type,
          MHD_create_response_from_callback(n, STREAM_BLOCK_BYTES, read_stream, x, NULL));
}

void mu_exchange_stream(mu_exchange *x, unsigned code, const char *content_type) {
    queue(x, code, content_type,
          MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES, read_stream, x,
                                            NULL));
}

/* Requests */

typedef struct head {
    mu_http *http;
    uint32_t n, n_hosts, n_lengths, n_encodings;
    bool is_chunked;
    const char *length;
    const char *wrong; /* NULL: nothing so far */
} head;

static bool is_token(const char *text, size_t n) {
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        bool is_alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_alnum && (c == '\0' || !strchr(others, c))) return false;
    }
    return n > 0;
}

static enum MHD_Result check_header(void *ctx, enum MHD_ValueKind kind, const char *name,
                                    size_t n_name, const char *value, size_t n_value) {
    head *h = ctx;
    (void)kind;
    if (++h->n > h->http->options.n_headers_max) h->wrong = "too many headers";
    if (!is_token(name, n_name)) h->wrong = "a header's name is not a token";
    for (size_t i = 0; i < n_value; i++) {
        unsigned char c = (unsigned char)value[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) h->wrong = "a header holds a control character";
    }
    if (strcasecmp(name, "Host") == 0) h->n_hosts++;
    if (strcasecmp(name, "Content-Length") == 0) {
        h->n_lengths++;
        h->length = value;
    }
    if (strcasecmp(name, "Transfer-Encoding") == 0) {
        h->n_encodings++;
        h->is_chunked = value && strcasecmp(value, "chunked") == 0;
    }
    return h->wrong ? MHD_NO : MHD_YES;
}

/* What is wrong with the head as HTTP/1.1, and the code to refuse it with; 0: nothing. */
static unsigned refuse_head(mu_exchange *x, const char *version, const char **why) {
    const mu_http_options *o = &x->http->options;
    head h = {.http = x->http};
    MHD_get_connection_values_n(x->mhd, MHD_HEADER_KIND, check_header, &h);
    bool is_11 = strcmp(version, "HTTP/1.0") != 0;
    *why = h.wrong;
    if (is_11 && h.n_hosts == 0) *why = "no Host header";
    if (h.n_hosts > 1) *why = "more than one Host header";
    if (h.n_lengths > 1) *why = "more than one Content-Length header";
    if (h.n_encodings > 1) *why = "more than one Transfer-Encoding header";
    if (h.n_encodings == 1 && !h.is_chunked) *why = "Transfer-Encoding other than chunked";
    if (h.n_lengths > 0 && h.n_encodings > 0) *why = "both Content-Length and Transfer-Encoding";
    if (x->has_nul) *why = "a NUL in the path";
    if (*why) return h.n > o->n_headers_max ? 431 : 400;
    *why = "request line too long";
    if (x->uri_bytes + strlen(x->method) + sizeof(" HTTP/1.1") > o->request_line_bytes_max) {
        return 414;
    }
    *why = "body too large";
    unsigned long long length = 0;
    if (h.length && (sscanf(h.length, "%llu", &length) != 1 || length > o->body_bytes_max)) {
        return 413;
    }
    return 0;
}

static char *copy_text(const char *text) {
    size_t n = strlen(text) + 1;
    char *copy = mu_alloc(n);
    return copy ? memcpy(copy, text, n) : NULL;
}

static void read_peer(mu_exchange *x) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;
    snprintf(x->peer, sizeof(x->peer), "unix");
    if (address && address->sa_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, x->peer,
                  sizeof(x->peer));
    } else if (address && address->sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr,
                  x->peer, sizeof(x->peer));
    }
    info = MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    x->fd = info ? info->connect_fd : -1;
    info = MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    x->connection = info ? info->socket_context : NULL;
}

/* The request line is there: the exchange starts, as libmicrohttpd's context of the request. */
static void *on_uri(void *ctx, const char *uri, struct MHD_Connection *mhd) {
    mu_exchange *x = mu_alloc(sizeof(*x));
    if (!x) return NULL;
    x->http = ctx;
    x->mhd = mhd;
    x->uri_bytes = strlen(uri);
    x->has_nul = strstr(uri, "%00") != NULL;
    pthread_mutex_init(&x->lock, NULL);
    read_peer(x);
    pthread_mutex_lock(&x->http->lock);
    x->next = x->http->exchanges;
    if (x->next) x->next->prev = x;
    x->http->exchanges = x;
    pthread_mutex_unlock(&x->http->lock);
    return x;
}

static enum MHD_Result begin(mu_exchange *x, const char *url, const char *method,
                             const char *version) {
    const mu_http_callbacks *callbacks = &x->http->callbacks;
    const mu_http_options *o = &x->http->options;
    x->has_begun = true;
    x->method = copy_text(method);
    x->path = copy_text(url);
    if (!x->method || !x->path) return MHD_NO;
    set_deadline(x, 0);
    set_idle_timeout(x, o->body_timeout_s);
    const char *why = NULL;
    unsigned code = refuse_head(x, version, &why);
    if (code != 0) {
        mu_exchange_add_header(x, "Connection", "close");
        callbacks->refuse(callbacks->ctx, x, code, why);
    } else {
        callbacks->begin(callbacks->ctx, x);
    }
    return x->is_dropped ? MHD_NO : MHD_YES;
}

static enum MHD_Result take_body(mu_exchange *x, const char *data, size_t *n) {
    uint64_t max = x->http->options.body_bytes_max;
    if (x->body.n + *n > max || x->is_too_large) {
        x->is_too_large = true;
        x->n_discarded += *n;
        *n = 0;
        return x->n_discarded > DISCARD_BYTES_MAX ? MHD_NO : MHD_YES;
    }
    mu_buf_append(&x->body, data, *n);
    *n = 0;
    return x->body.failed ? MHD_NO : MHD_YES;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *n, void **request) {
    mu_http *http = ctx;
    mu_exchange *x = *request;
    (void)mhd;
    if (!x) return MHD_NO; /* no memory for it */
    if (!x->has_begun) return begin(x, url, method, version);
    if (x->code != 0) return MHD_YES;
    if (*n > 0) return take_body(x, data, n);
    const mu_http_callbacks *callbacks = &http->callbacks;
    if (x->is_too_large) {
        mu_exchange_add_header(x, "Connection", "close");
        callbacks->refuse(callbacks->ctx, x, 413, "body too large");
    }
    while (x->code == 0 && !x->is_dropped) {
        callbacks->handle(callbacks->ctx, x);
        if (x->code != 0 || x->is_dropped) break;
        if (is_closing(http)) return MHD_NO;
        if (park(x)) return MHD_YES;
    }
    return x->is_dropped ? MHD_NO : MHD_YES;
}

static void on_end(void *ctx, struct MHD_Connection *mhd, void **request,
                   enum MHD_RequestTerminationCode code) {
    mu_http *http = ctx;
    mu_exchange *x = *request;
    (void)mhd;
    if (!x) return;
    *request = NULL;
    if (x->has_begun) {
        bool is_whole = code == MHD_REQUEST_TERMINATED_COMPLETED_OK && x->code != 0;
        http->callbacks.end(http->callbacks.ctx, x, is_whole);
    }
    set_deadline(x, after_s(http->options.keep_alive_s));
    set_idle_timeout(x, http->options.keep_alive_s);
    pthread_mutex_lock(&http->lock);
    *(x->prev ? &x->prev->next : &http->exchanges) = x->next;
    if (x->next) x->next->prev = x->prev;
    pthread_mutex_unlock(&http->lock);
    pthread_mutex_destroy(&x->lock);
    mu_buf_deinit(&x->body);
    mu_buf_deinit(&x->headers);
    mu_buf_deinit(&x->out);
    mu_free(x->method);
    mu_free(x->path);
    mu_free(x);
}

static void log_nothing(void *ctx, const char *format, va_list arguments) {
    (void)ctx, (void)format, (void)arguments; /* broken requests are counted, not told */
}

mu_status mu_http_open(const mu_http_options *options, const mu_http_callbacks *callbacks,
                       mu_http **out, mu_err *err) {
    mu_http *http = mu_alloc(sizeof(*http));
    if (!http) return mu_fail(err, MU_ERR_NOMEM, "HTTP server");
    const mu_http_options *o = &http->options;
    http->options = *options;
    http->callbacks = *callbacks;
    pthread_mutex_init(&http->lock, NULL);
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)o->tls_key},
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)o->tls_cert},
        {MHD_OPTION_END, 0, NULL},
    };
    if (o->tls_key) {
        flags |= MHD_USE_TLS;
    } else {
        tls[0] = tls[2];
    }
    size_t pool_bytes = (size_t)o->header_bytes_max + o->request_line_bytes_max + 4096;
    http->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, log_nothing, NULL,
        MHD_OPTION_LISTEN_SOCKET, o->listen_fd, MHD_OPTION_URI_LOG_CALLBACK, on_uri, http,
        MHD_OPTION_NOTIFY_COMPLETED, on_end, http, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
        http, MHD_OPTION_CONNECTION_LIMIT, (unsigned)o->n_connections_max,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)o->n_connections_per_ip_max,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)o->keep_alive_s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, pool_bytes, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
    if (!http->daemon) {
        mu_http_close(http);
        return mu_fail(err, MU_ERR_IO, "the HTTP server did not start%s",
                       o->tls_key ? ": are key and certificate a pair of PEM files?" : "");
    }
    *out = http;
    return MU_OK;
}

void mu_http_close(mu_http *http) {
    if (!http) return;
    pthread_mutex_lock(&http->lock);
    http->is_closing = true;
    for (mu_exchange *x = http->exchanges; x; x = x->next) {
        mu_exchange_wake(x);
    }
    pthread_mutex_unlock(&http->lock);
    if (http->daemon) MHD_stop_daemon(http->daemon);
    pthread_mutex_destroy(&http->lock);
    mu_free(http);
}

const char *mu_exchange_method(const mu_exchange *x) {
    return x->method;
}

const char *mu_exchange_path(const mu_exchange *x) {
    return x->path;
}

const char *mu_exchange_header(const mu_exchange *x, const char *name) {
    return MHD_lookup_connection_value(x->mhd, MHD_HEADER_KIND, name);
}

mu_buf *mu_exchange_body(mu_exchange *x) {
    return &x->body;
}

const char *mu_exchange_peer(const mu_exchange *x) {
    return x->peer;
}

int mu_exchange_fd(const mu_exchange *x) {
    return x->fd;
}

void **mu_exchange_user(mu_exchange *x) {
    return &x->user;
}

bool mu_exchange_is_answered(const mu_exchange *x) {
    return x->code != 0;
}

unsigned mu_exchange_code(const mu_exchange *x) {
    return x->code;
}

void mu_exchange_drop(mu_exchange *x) {
    x->is_dropped = true;
}
