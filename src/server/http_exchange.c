/* An exchange is run by one thread at a time: that of the sockets, or a worker while is_at_worker.
 * News that comes between "there is nothing" and the sleep is kept in has_news, under the server's
 * lock. A worker gives an exchange back by putting it among the woken.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "server/http_state.h"

mu_exchange *mu_exchange_open(mu_connection *c) {
    mu_exchange *x = mu_alloc(sizeof(*x));
    if (!x) return NULL;
    x->http = c->http;
    x->connection = c;
    x->work.client = c->peer->id;
    return x;
}

void mu_exchange_close(mu_exchange *x) {
    if (!x) return;
    mu_buf_deinit(&x->body);
    mu_buf_deinit(&x->headers);
    mu_buf_deinit(&x->out);
    mu_buf_deinit(&x->chunk);
    mu_free(x->text);
    mu_free(x);
}

/* Waking */

/* The server's lock is held. */
static void add_woken(mu_exchange *x) {
    mu_http *http = x->http;
    if (x->is_woken) return;
    x->is_woken = true;
    x->next_woken = NULL;
    bool is_first = !http->woken;
    *(is_first ? &http->woken : &http->last_woken->next_woken) = x;
    http->last_woken = x;
    if (!is_first) return; /* the thread knows already */
    uint64_t one = 1;
    ssize_t n = write(http->wake_fd, &one, sizeof(one));
    (void)n; /* full: it is awake */
}

void mu_exchange_wake(mu_exchange *x) {
    pthread_mutex_lock(&x->http->lock);
    if (x->is_parked) {
        x->is_parked = false;
        add_woken(x);
    } else {
        x->has_news = true;
    }
    pthread_mutex_unlock(&x->http->lock);
}

/* True: it sleeps until woken, and is not this thread's any more. False: there is news. */
static bool park(mu_exchange *x) {
    pthread_mutex_lock(&x->http->lock);
    bool may_sleep = !x->has_news;
    x->has_news = false;
    if (may_sleep) {
        x->is_parked = true;
        if (x->is_at_worker && x->is_abandoned) add_woken(x);
        x->is_at_worker = false;
    }
    pthread_mutex_unlock(&x->http->lock);
    return may_sleep;
}

/* Running */

static void end_stream(mu_exchange *x) {
    if (x->stream == MU_STREAM_END && x->head.is_11) mu_buf_append_str(&x->out, "0\r\n\r\n");
    x->is_over = x->stream != MU_STREAM_MORE;
}

/* What source() has given, as it is sent. */
static void frame(mu_exchange *x) {
    if (x->chunk.n > 0 && x->head.is_11) mu_buf_printf(&x->out, "%zx\r\n", x->chunk.n);
    mu_buf_append(&x->out, x->chunk.data, x->chunk.n);
    if (x->chunk.n > 0 && x->head.is_11) mu_buf_append_str(&x->out, "\r\n");
}

static bool has_something(const mu_exchange *x) {
    return x->is_over || x->is_dropped || x->out.n > 0;
}

bool mu_exchange_run(mu_exchange *x) {
    const mu_http_callbacks *callbacks = &x->http->callbacks;
    while (!has_something(x)) {
        if (x->code == 0) {
            callbacks->handle(callbacks->ctx, x);
        } else {
            mu_buf_clear(&x->chunk);
            x->stream = callbacks->source(callbacks->ctx, x, &x->chunk);
            frame(x);
            end_stream(x);
        }
        if (x->out.failed || x->chunk.failed) x->is_dropped = true;
        if (!has_something(x) && park(x)) return false;
    }
    return true;
}

void mu_exchange_start_work(mu_exchange *x) {
    pthread_mutex_lock(&x->http->lock);
    x->is_at_worker = true;
    pthread_mutex_unlock(&x->http->lock);
    mu_workers_add(x->http->workers, &x->work);
}

void mu_exchange_run_work(mu_work *work) {
    mu_exchange *x = (mu_exchange *)(void *)work;
    mu_http *http = x->http;
    if (!mu_exchange_run(x)) return;
    pthread_mutex_lock(&http->lock);
    x->is_at_worker = false;
    add_woken(x);
    pthread_mutex_unlock(&http->lock);
}

void mu_exchange_refuse(mu_exchange *x, unsigned code, const char *why) {
    x->is_last = true;
    x->http->callbacks.refuse(x->http->callbacks.ctx, x, code, why);
    if (x->code == 0) x->is_dropped = true;
}

/* Answers */

static const struct {
    unsigned code;
    const char *phrase;
} phrases[] = {
    {200, "OK"},
    {204, "No Content"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {503, "Service Unavailable"},
};

static const char *phrase_of(unsigned code) {
    for (size_t i = 0; i < MU_COUNTOF(phrases); i++) {
        if (phrases[i].code == code) return phrases[i].phrase;
    }
    return "Other";
}

static const char *date_now(void) {
    static _Thread_local time_t second;
    static _Thread_local char text[40];
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != second) {
        second = now.tv_sec;
        strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&second, &utc));
    }
    return text;
}

void mu_exchange_add_header(mu_exchange *x, const char *name, const char *value) {
    for (const char *c = value; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) return; /* never a header within a header */
    }
    mu_buf_printf(&x->headers, "%s: %s\r\n", name, value);
}

static void begin_answer(mu_exchange *x, unsigned code, const char *content_type) {
    MU_ASSERT(x->code == 0);
    x->code = code;
    if (!x->head.is_11 && x->is_stream) x->is_last = true; /* its end is the connection's */
    bool is_last = x->is_last || x->head.is_last;
    mu_buf_printf(&x->out, "HTTP/1.1 %u %s\r\nDate: %s\r\n", code, phrase_of(code), date_now());
    if (is_last) mu_buf_append_str(&x->out, "Connection: close\r\n");
    if (!is_last && !x->head.is_11) mu_buf_append_str(&x->out, "Connection: keep-alive\r\n");
    if (content_type) mu_buf_printf(&x->out, "Content-Type: %s\r\n", content_type);
    if (x->headers.failed) x->is_dropped = true;
    mu_buf_append(&x->out, x->headers.data, x->headers.n);
}

void mu_exchange_respond(mu_exchange *x, unsigned code, const char *content_type, const void *body,
                         size_t n) {
    enum { NO_CONTENT = 204 };
    begin_answer(x, code, content_type);
    if (code != NO_CONTENT) mu_buf_printf(&x->out, "Content-Length: %zu\r\n", n);
    mu_buf_append_str(&x->out, "\r\n");
    if (strcmp(mu_exchange_method(x), "HEAD") != 0) mu_buf_append(&x->out, body, n);
    x->is_over = true;
    if (x->out.failed) x->is_dropped = true;
}

void mu_exchange_stream(mu_exchange *x, unsigned code, const char *content_type) {
    x->is_stream = true;
    begin_answer(x, code, content_type);
    if (x->head.is_11) mu_buf_append_str(&x->out, "Transfer-Encoding: chunked\r\n");
    mu_buf_append_str(&x->out, "\r\n");
    if (x->out.failed) x->is_dropped = true;
}

/* The request */

const char *mu_exchange_method(const mu_exchange *x) {
    return x->head.method ? x->head.method : "";
}

const char *mu_exchange_path(const mu_exchange *x) {
    return x->head.path ? x->head.path : "";
}

const char *mu_exchange_header(const mu_exchange *x, const char *name) {
    return mu_http_head_field(&x->head, name);
}

mu_buf *mu_exchange_body(mu_exchange *x) {
    return &x->body;
}

const char *mu_exchange_peer(const mu_exchange *x) {
    return x->connection->peer_text;
}

uint64_t mu_exchange_client(const mu_exchange *x) {
    return x->work.client;
}

void mu_exchange_set_client(mu_exchange *x, uint64_t client) {
    x->work.client = client;
}

void mu_exchange_set_long(mu_exchange *x) {
    x->is_long = true;
}

void **mu_exchange_user(mu_exchange *x) {
    return &x->user;
}

unsigned mu_exchange_code(const mu_exchange *x) {
    return x->code;
}

void mu_exchange_set_last(mu_exchange *x) {
    x->is_last = true;
}

void mu_exchange_drop(mu_exchange *x) {
    x->is_dropped = true;
}
