/* A turn is steps until one says that nothing more can be done now. What is to be sent goes first:
 * the application is asked for more only when the socket has taken all that it gave before, so a
 * slow reader holds back its own answer and nothing else.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "server/http_state.h"

static void start_phase(mu_connection *c, mu_phase phase) {
    c->phase = phase;
    c->since_ns = c->moved_ns = mu_now_ns();
    c->n_moved = 0;
}

mu_connection *mu_connection_open(mu_http *http, int fd, const struct sockaddr_storage *address) {
    mu_connection *c = mu_alloc(sizeof(*c));
    if (!c) return NULL;
    c->http = http;
    c->fd = fd;
    c->is_first = true;
    c->can_write = true;
    start_phase(c, http->options.tls ? MU_PHASE_HANDSHAKE : MU_PHASE_HEAD);
    c->peer = mu_peers_enter(&http->peers, address, c->peer_text);
    if (http->options.tls) c->tls = mu_tls_session_open(http->options.tls, fd);
    if (!c->peer || (http->options.tls && !c->tls)) {
        if (c->peer) mu_peers_leave(&http->peers, c->peer);
        mu_tls_session_close(c->tls);
        mu_free(c);
        return NULL;
    }
    c->next = http->connections;
    if (c->next) c->next->prev = c;
    http->connections = c;
    http->n_connections++;
    return c;
}

/* The end */

static void forget_wakes(mu_exchange *x) {
    mu_http *http = x->http;
    pthread_mutex_lock(&http->lock);
    mu_exchange *before = NULL;
    for (mu_exchange *at = x->is_woken ? http->woken : NULL; at; before = at, at = at->next_woken) {
        if (at != x) continue;
        *(before ? &before->next_woken : &http->woken) = x->next_woken;
        if (http->last_woken == x) http->last_woken = before;
        break;
    }
    pthread_mutex_unlock(&http->lock);
}

static void end_exchange(mu_connection *c, bool is_whole) {
    mu_exchange *x = c->x;
    c->http->callbacks.end(c->http->callbacks.ctx, x, is_whole); /* nobody wakes it after this */
    forget_wakes(x);
    mu_exchange_close(x);
    c->x = NULL;
}

static bool is_at_worker(mu_exchange *x, bool abandons) {
    pthread_mutex_lock(&x->http->lock);
    bool is_there = x->is_at_worker;
    x->is_abandoned |= abandons;
    pthread_mutex_unlock(&x->http->lock);
    return is_there;
}

void mu_connection_break(mu_connection *c) {
    mu_http *http = c->http;
    c->is_broken = true;
    if (c->is_dead || (c->x && is_at_worker(c->x, true))) return;
    if (c->x) end_exchange(c, false);
    c->is_dead = true; /* freed when no event can name it any more */
    c->next_dead = http->dead;
    http->dead = c;
    *(c->prev ? &c->prev->next : &http->connections) = c->next;
    if (c->next) c->next->prev = c->prev;
    http->n_connections--;
    mu_peers_leave(&http->peers, c->peer);
    mu_tls_session_close(c->tls);
    close(c->fd);
    mu_buf_deinit(&c->in);
    mu_buf_deinit(&c->out);
}

/* Bytes */

/* Read what has come. True: there is something new in the buffer. */
static bool fill(mu_connection *c) {
    if (!c->can_read) return false;
    if (c->n_read >= MU_HTTP_TURN_BYTES) {
        if (!c->is_hungry) {
            c->is_hungry = true;
            c->next_hungry = c->http->hungry;
            c->http->hungry = c;
        }
        return false;
    }
    char *block = c->http->block;
    ssize_t n = c->tls ? mu_tls_read(c->tls, block, MU_HTTP_BLOCK_BYTES)
                       : read(c->fd, block, MU_HTTP_BLOCK_BYTES);
    if (n <= 0) {
        c->can_read = n < 0 && errno == EINTR;
        c->is_ended = n == 0;
        c->is_broken |= n < 0 && errno != EAGAIN && errno != EINTR;
        return c->can_read;
    }
    /* A short read has emptied the socket: what comes later is told by an edge of its own. */
    if (n < MU_HTTP_BLOCK_BYTES && !c->tls && !c->has_left) c->can_read = false;
    c->moved_ns = mu_now_ns();
    if (c->phase == MU_PHASE_HEAD && !c->is_started) {
        c->is_started = true;
        c->since_ns = c->moved_ns;
    }
    c->n_moved += (size_t)n;
    c->n_read += (size_t)n;
    mu_buf_append(&c->in, block, (size_t)n);
    c->is_broken |= c->in.failed;
    return true;
}

/* True: all is sent. */
static bool flush(mu_connection *c) {
    while (c->n_sent < c->out.n && c->can_write) {
        const char *data = c->out.data + c->n_sent;
        size_t n_left = c->out.n - c->n_sent;
        ssize_t n = c->tls ? mu_tls_write(c->tls, data, n_left) : write(c->fd, data, n_left);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            c->can_write = false;
            c->is_broken |= errno != EAGAIN;
            break;
        }
        c->n_sent += (size_t)n;
        c->n_moved += (size_t)n;
        if (c->is_stuck) c->moved_ns = mu_now_ns();
    }
    if (c->n_sent < c->out.n) {
        if (!c->is_stuck) {
            c->since_ns = c->moved_ns = mu_now_ns();
            c->n_moved = 0;
        }
        c->is_stuck = true;
        return false;
    }
    c->is_stuck = false;
    if (c->out.n > 0) mu_buf_clear(&c->out);
    c->n_sent = 0;
    return true;
}

static void drop_used(mu_connection *c) {
    size_t n = c->in.n - c->n_used;
    if (n == 0) {
        mu_buf_deinit(&c->in); /* an idle connection holds no buffers */
    } else {
        memmove(c->in.data, c->in.data + c->n_used, n);
        c->in.n = n;
    }
    c->n_used = 0;
}

/* Steps: true when the next one may be tried. */

static bool shake_hands(mu_connection *c) {
    mu_status status = mu_tls_handshake(c->tls);
    if (status == MU_OK) {
        start_phase(c, MU_PHASE_HEAD);
        return true;
    }
    c->is_broken = status != MU_ERR_BUSY;
    return false;
}

static void refuse(mu_connection *c, unsigned code, const char *why) {
    mu_exchange_refuse(c->x, code, why);
    start_phase(c, MU_PHASE_ANSWER);
}

/* The head is there: what begin() says to it, and where the body goes. */
static void begin(mu_connection *c) {
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    mu_exchange *x = c->x;
    const mu_http_callbacks *callbacks = &c->http->callbacks;
    bool has_body = x->head.is_chunked || x->head.n_body > 0;
    x->is_last = has_body; /* until it is read: an answer before that is the last one */
    if (x->head.n_body > c->http->options.body_bytes_max) {
        refuse(c, 413, "body too large");
        return;
    }
    callbacks->begin(callbacks->ctx, x);
    start_phase(c, has_body && !x->is_over && !x->is_dropped ? MU_PHASE_BODY : MU_PHASE_ANSWER);
    if (c->phase == MU_PHASE_BODY && x->head.expects_continue && c->n_used == c->in.n) {
        mu_buf_append(&c->out, go_on, sizeof(go_on) - 1);
    }
}

static bool read_head(mu_connection *c) {
    mu_http_refusal refusal;
    size_t n_head = 0;
    if (c->in.n > 0) {
        n_head = mu_http_head_scan(c->in.data, c->in.n, &c->http->options.limits, &c->n_scanned,
                                   &refusal);
    }
    if (c->in.n == 0 || (n_head == 0 && refusal.code == 0)) {
        if (fill(c)) return !c->is_broken;
        c->is_broken |= c->is_ended;
        return false;
    }
    mu_exchange *x = c->x = mu_exchange_open(c);
    if (x && n_head > 0) x->text = mu_alloc(n_head);
    if (!x || (n_head > 0 && !x->text)) {
        c->is_broken = true;
        return false;
    }
    c->is_first = false;
    c->n_used = n_head > 0 ? n_head : c->in.n;
    c->n_scanned = 0;
    if (n_head > 0) {
        memcpy(x->text, c->in.data, n_head);
        refusal = mu_http_head_parse(x->text, n_head, &c->http->options.limits, &x->head);
    }
    if (refusal.code != 0) {
        x->head = (mu_http_head){0};
        refuse(c, refusal.code, refusal.why);
    } else {
        begin(c);
    }
    return true;
}

/* n more bytes of body. False: refused. */
static bool take_body(mu_connection *c, const char *data, size_t n) {
    enum { FIRST_CHARGE = 4096 };
    mu_exchange *x = c->x;
    const mu_http_options *o = &c->http->options;
    const mu_http_callbacks *callbacks = &c->http->callbacks;
    uint64_t need = x->body.n + n;
    if (need > o->body_bytes_max) {
        refuse(c, 413, "body too large");
        return false;
    }
    if (need > x->n_charged) {
        uint64_t want = need > 2 * x->n_charged ? need : 2 * x->n_charged;
        if (want < FIRST_CHARGE) want = FIRST_CHARGE;
        if (!callbacks->charge(callbacks->ctx, x, want)) {
            start_phase(c, MU_PHASE_ANSWER);
            return false;
        }
        x->n_charged = want;
    }
    mu_buf_append(&x->body, data, n);
    c->is_broken |= x->body.failed;
    return !x->body.failed;
}

/* What of the body is in the buffer. False: refused. */
static bool take_chunks(mu_connection *c) {
    mu_exchange *x = c->x;
    while (c->n_used < c->in.n && x->chunks.state < MU_CHUNKS_DONE) {
        const char *run;
        size_t n;
        c->n_used +=
            mu_http_chunks_read(&x->chunks, c->in.data + c->n_used, c->in.n - c->n_used, &run, &n);
        if (n > 0 && !take_body(c, run, n)) return false;
    }
    if (x->chunks.state != MU_CHUNKS_BROKEN) return true;
    refuse(c, 400, "broken chunks");
    return false;
}

static bool read_body(mu_connection *c) {
    mu_exchange *x = c->x;
    bool is_whole;
    if (x->head.is_chunked) {
        if (!take_chunks(c)) return true;
        is_whole = x->chunks.state == MU_CHUNKS_DONE;
    } else {
        size_t n = c->in.n - c->n_used, n_left = (size_t)x->head.n_body - x->body.n;
        if (n > n_left) n = n_left;
        if (n > 0 && !take_body(c, c->in.data + c->n_used, n)) return true;
        c->n_used += n;
        is_whole = x->body.n == x->head.n_body;
    }
    drop_used(c);
    if (is_whole) {
        x->is_last = false;
        x->is_long = x->body.n > MU_HTTP_LONG_BYTES;
        start_phase(c, MU_PHASE_ANSWER);
        return true;
    }
    if (fill(c)) return !c->is_broken;
    c->is_broken |= c->is_ended;
    return false;
}

static bool finish(mu_connection *c) {
    bool is_last = c->x->is_last || c->x->head.is_last;
    end_exchange(c, true);
    drop_used(c);
    mu_buf_deinit(&c->out);
    c->is_started = c->in.n > 0; /* the next request has come already */
    start_phase(c, is_last ? MU_PHASE_LINGER : MU_PHASE_HEAD);
    if (is_last && c->tls) {
        mu_tls_session_close(c->tls);
        c->tls = NULL;
    }
    if (is_last) c->is_broken |= shutdown(c->fd, SHUT_WR) != 0;
    return true;
}

static void take_output(mu_connection *c) {
    MU_ASSERT(c->out.n == 0);
    mu_buf_deinit(&c->out);
    c->out = c->x->out;
    c->x->out = (mu_buf){0};
}

static bool answer(mu_connection *c) {
    mu_exchange *x = c->x;
    pthread_mutex_lock(&x->http->lock);
    bool waits = x->is_parked || x->is_at_worker;
    pthread_mutex_unlock(&x->http->lock);
    if (!waits && !x->is_over && !x->is_dropped && x->out.n == 0) {
        if (x->is_long) {
            mu_exchange_start_work(x);
            waits = true;
        } else {
            waits = !mu_exchange_run(x);
        }
    }
    if (waits) {
        c->is_broken |= c->has_left; /* leaving is canceling */
        return false;
    }
    if (x->is_dropped) {
        c->is_broken = true;
    } else if (x->out.n > 0) {
        take_output(c);
    } else {
        return finish(c);
    }
    return true;
}

static bool linger(mu_connection *c) {
    mu_buf_clear(&c->in);
    bool has_more = !c->tls && fill(c);
    if (c->is_ended || c->n_moved > MU_HTTP_DISCARD_BYTES) c->is_broken = true;
    return has_more && !c->is_broken;
}

void mu_connection_turn(mu_connection *c) {
    static bool (*const steps[])(mu_connection * c) = {
        [MU_PHASE_HANDSHAKE] = shake_hands, [MU_PHASE_HEAD] = read_head,
        [MU_PHASE_BODY] = read_body,        [MU_PHASE_ANSWER] = answer,
        [MU_PHASE_LINGER] = linger,
    };
    c->n_read = 0;
    while (!c->is_broken && flush(c) && steps[c->phase](c)) {}
    if (c->is_broken) mu_connection_break(c);
}

/* Time */

static uint64_t after_s(uint64_t from_ns, uint64_t s) {
    return from_ns + s * 1000000000u;
}

/* Neither silent for so long, nor slower than the least rate as a whole. */
static bool is_slow(const mu_connection *c, uint32_t timeout_s, uint64_t now_ns) {
    uint64_t allowed_s = timeout_s + c->n_moved / MU_HTTP_BYTES_PER_S_MIN;
    return now_ns > after_s(c->moved_ns, timeout_s) || now_ns > after_s(c->since_ns, allowed_s);
}

static bool is_late(const mu_connection *c, uint64_t now_ns) {
    const mu_http_options *o = &c->http->options;
    uint32_t s = c->is_first || c->is_started ? o->header_timeout_s : o->keep_alive_s;
    if (c->is_stuck) return is_slow(c, o->body_timeout_s, now_ns);
    switch (c->phase) {
    case MU_PHASE_HANDSHAKE:
        return now_ns > after_s(c->since_ns, o->header_timeout_s);
    case MU_PHASE_HEAD:
        return now_ns > after_s(c->since_ns, s);
    case MU_PHASE_BODY:
        return is_slow(c, o->body_timeout_s, now_ns);
    case MU_PHASE_ANSWER:
        return false;
    default:
        return now_ns > after_s(c->since_ns, MU_HTTP_LINGER_S);
    }
}

void mu_connection_check_time(mu_connection *c, uint64_t now_ns) {
    if (!is_late(c, now_ns)) return;
    bool is_request = c->phase == MU_PHASE_BODY || (c->phase == MU_PHASE_HEAD && c->is_started);
    if (c->phase != MU_PHASE_LINGER) c->http->n_late++;
    if (is_request && !c->is_stuck && !c->x) c->x = mu_exchange_open(c);
    if (!is_request || c->is_stuck || !c->x) {
        mu_connection_break(c);
        return;
    }
    refuse(c, 408, c->phase == MU_PHASE_BODY ? "the body is late" : "the head is late");
    mu_connection_turn(c);
}
