/* The load thread. curl keeps the protocol, this loop the time.
 *
 * Every call into curl that may read is one "action" with a number. curl 7.88 and its like read a
 * plain HTTP/1.1 socket once per action, so the first callback of an action comes right behind its
 * recv(): there the clock is read, before a byte is looked at, and all that the action delivers has
 * that instant. With TLS an action may hold several reads; they are one receive here.
 *
 * A wait is never longer than to the next thing that is due. Close to an intended instant the wait
 * becomes a poll, which still hears the sockets, so precision costs no deafness.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/load/load_loop.h"

enum {
    EVENTS_MAX = 64,
    SENDS_MAX = 64,
    SPIN_NS = 50000,
    TICK_NS = 100000000,
    PAUSE_NS = 100000000, /* after a refused connection */
    SLICE_NS = 100000,    /* the shortest that Linux takes */
};

#define NONE UINT32_MAX

static double thread_cpu_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t seconds_to_ns(double s) {
    return s < 1e9 ? (uint64_t)(s * 1e9) : UINT64_MAX / 4;
}

/* The instant of the receive that is being delivered. */
static uint64_t stamp(mu_stream *s) {
    if (s->receive != s->load->receive) {
        s->stamp_ns = mu_now_ns();
        s->receive = s->load->receive;
        s->load->result.n_receives++;
    }
    return s->stamp_ns;
}

static void note_progress(mu_stream *s, uint32_t n_gaps_before, bool had_token) {
    mu_live *live = &s->load->live;
    const mu_record *r = &s->answer.record;
    live->n_tokens += s->answer.n_new_tokens;
    s->answer.n_new_tokens = 0;
    if (!had_token && r->first_token_ns > 0) {
        mu_live_time_add(&live->ttft, r->first_token_ns - r->dispatch_ns);
    }
    for (uint32_t i = n_gaps_before; i < r->n_gaps; i++) {
        mu_live_time_add(&live->gaps, s->answer.gaps[i].ns);
    }
}

static size_t take_body(char *bytes, size_t size, size_t n, void *ctx) {
    mu_stream *s = ctx;
    uint64_t at_ns = stamp(s);
    const mu_record *r = &s->answer.record;
    uint32_t n_gaps = r->n_gaps;
    bool had_token = r->first_token_ns > 0;
    mu_answer_feed(&s->answer, bytes, size * n, at_ns, s->receive);
    note_progress(s, n_gaps, had_token);
    return size * n;
}

static size_t take_header(char *line, size_t size, size_t n, void *ctx) {
    mu_stream *s = ctx;
    uint64_t at_ns = stamp(s);
    if (s->answer.record.first_byte_ns == 0) s->answer.record.first_byte_ns = at_ns;
    if (size * n > 2 || line[0] != '\r') return size * n;
    long status = 0; /* the empty line: all headers are known */
    const char *type = NULL;
    curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(s->easy, CURLINFO_CONTENT_TYPE, &type);
    bool is_event_stream = type && strncasecmp(type, "text/event-stream", 17) == 0;
    mu_answer_head(&s->answer, (uint16_t)status, is_event_stream);
    return size * n;
}

/* The connection stands and the request is about to be written. A kept connection that turns out to
 * be dead is replaced, and this comes again: the first time counts. */
static int take_dispatch(void *ctx, char *ip, char *local_ip, int port, int local_port) {
    (void)ip, (void)local_ip, (void)port, (void)local_port;
    mu_stream *s = ctx;
    mu_record *r = &s->answer.record;
    uint64_t now = mu_now_ns();
    if (r->dispatch_ns == 0) r->dispatch_ns = now;
    if (s->connect_ns > 0 && r->connect_ns == 0) {
        r->connect_ns = now - s->connect_ns;
        r->is_new_connection = true;
    }
    s->load->written = s;
    return CURL_PREREQFUNC_OK;
}

static int take_socket(void *ctx, curl_socket_t fd, curlsocktype purpose) {
    (void)fd, (void)purpose;
    mu_stream *s = ctx;
    s->connect_ns = mu_now_ns();
    s->load->result.n_connections++;
    return CURL_SOCKOPT_OK;
}

static bool stream_open(mu_stream *s) {
    mu_load *load = s->load;
    const mu_load_options *o = &load->options;
    CURL *easy = s->easy = curl_easy_init();
    if (!easy) return false;
    mu_target_set_easy(o->target, easy);
    curl_easy_setopt(easy, CURLOPT_URL, o->target->endpoint);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, s);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, s->text);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(o->timeout_s * 1e3));
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, s);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, s);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, take_dispatch);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, s);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, take_socket);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, s);
    return true;
}

static void free_stream(mu_load *load, mu_stream *s, uint64_t now) {
    s->in_flight = false;
    s->free_ns = now;
    s->next_free = load->first_free;
    load->first_free = (uint32_t)(s - load->streams);
    load->live.n_in_flight = --load->n_in_flight;
}

static mu_failure failure_of(const mu_stream *s, CURLcode code) {
    switch (code) {
    case CURLE_OK:
        return MU_FAILURE_NONE;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
        return MU_FAILURE_CONNECT;
    case CURLE_OPERATION_TIMEDOUT:
        return s->answer.record.dispatch_ns > 0 ? MU_FAILURE_TIMEOUT : MU_FAILURE_CONNECT;
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9: the answer has no head */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return MU_FAILURE_STREAM_ERROR;
    default:
        return s->answer.record.dispatch_ns > 0 ? MU_FAILURE_TRUNCATED : MU_FAILURE_CONNECT;
    }
}

static void keep_record(mu_load *load, const mu_stream *s) {
    const mu_record *r = &s->answer.record;
    pthread_mutex_lock(&load->lock);
    mu_status status = mu_records_add(&load->fresh, r, s->answer.gaps, s->answer.message, NULL);
    pthread_mutex_unlock(&load->lock);
    if (status != MU_OK || s->answer.out_of_memory) load->status = MU_ERR_NOMEM;
    load->result.n_chunks += r->n_chunks;
    load->result.n_coalesced += r->n_coalesced;
}

/* A transfer is over, in whatever way: write down and free. */
static void end_stream(mu_load *load, mu_stream *s, mu_failure failure, const char *message) {
    bool in_this_action = s->receive == load->receive && s->stamp_ns > 0;
    uint64_t now = in_this_action && failure == MU_FAILURE_NONE ? s->stamp_ns : mu_now_ns();
    mu_record *r = &s->answer.record;
    curl_multi_remove_handle(load->multi, s->easy);
    mu_answer_end(&s->answer, failure, message, now);
    load->live.n_tokens += s->answer.n_new_tokens; /* of an answer that is not a stream */
    s->answer.n_new_tokens = 0;
    r->is_warmup = s->is_warmup;
    r->is_drained = load->result.window_end_ns > 0;
    keep_record(load, s);
    load->live.n_done++;
    bool failed = r->failure != MU_FAILURE_NONE && r->failure != MU_FAILURE_CANCELED;
    load->live.n_failed += failed;
    load->n_failed_in_row = failed ? load->n_failed_in_row + 1 : 0;
    if (r->failure == MU_FAILURE_CONNECT) load->not_before_ns = mu_now_ns() + PAUSE_NS;
    free_stream(load, s, now);
}

/* A server may close a kept connection whenever it likes, also while a request is on its way. Curl
 * takes another then, but only five times in the life of a handle, that may be as dead, and not
 * when the connection is reset. No byte has come back, so the request is sent once more, on a
 * connection that nobody has used; its time goes on. */
static bool is_to_be_sent_again(const mu_stream *s, CURLcode code) {
    const mu_record *r = &s->answer.record;
    bool is_lost =
        code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING;
    return is_lost && !r->is_new_connection && r->first_byte_ns == 0 && !s->is_sent_again;
}

static void send_again(mu_load *load, mu_stream *s) {
    s->is_sent_again = true;
    s->text[0] = '\0';
    curl_multi_remove_handle(load->multi, s->easy);
    curl_easy_setopt(s->easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_multi_add_handle(load->multi, s->easy);
}

static void reap(mu_load *load) {
    int n_left;
    for (CURLMsg *m; (m = curl_multi_info_read(load->multi, &n_left));) {
        if (m->msg != CURLMSG_DONE) continue;
        CURLcode code = m->data.result;
        char *ctx = NULL;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &ctx);
        mu_stream *s = (mu_stream *)(void *)ctx;
        if (is_to_be_sent_again(s, code)) {
            send_again(load, s);
            continue;
        }
        const char *message = s->text[0] ? s->text : curl_easy_strerror(code);
        end_stream(load, s, failure_of(s, code), message);
    }
}

/* One call into curl. */
static void act(mu_load *load, curl_socket_t fd, int what) {
    int n_running;
    load->receive++;
    curl_multi_socket_action(load->multi, fd, what, &n_running);
    if (load->written) {
        mu_record *r = &load->written->answer.record;
        if (r->written_ns == 0) r->written_ns = mu_now_ns();
        load->written = NULL;
    }
    reap(load);
}

static bool prepare_next(mu_load *load) {
    uint32_t i = load->n_prepared;
    mu_prepared *p = &load->prepared[i % MU_LOAD_PREPARED];
    p->request = mu_schedule_at(load->options.schedule, i);
    mu_buf_clear(&p->body);
    mu_target_write_body(load->options.target, &load->prompts, &p->request, load->stream,
                         load->options.keep_cache, &p->body);
    load->n_prepared++;
    if (p->body.failed) load->status = MU_ERR_NOMEM;
    return !p->body.failed;
}

static void send_next(mu_load *load, uint64_t intended_ns) {
    mu_stream *s = &load->streams[load->first_free];
    if (load->n_prepared == load->n_sent && !prepare_next(load)) return;
    mu_prepared *p = &load->prepared[load->n_sent % MU_LOAD_PREPARED];
    if ((!s->easy && !stream_open(s)) ||
        !mu_answer_begin(&s->answer, &load->answer_options, &p->request, intended_ns)) {
        load->status = MU_ERR_NOMEM;
        return;
    }
    mu_buf swap = s->body;
    s->body = p->body;
    p->body = swap;
    load->first_free = s->next_free;
    s->in_flight = true;
    s->is_warmup = load->result.boundary_ns == 0;
    s->receive = s->stamp_ns = s->connect_ns = 0;
    s->text[0] = '\0';
    s->is_sent_again = false;
    curl_easy_setopt(s->easy, CURLOPT_FRESH_CONNECT, 0L);
    curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, s->body.data);
    curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)s->body.n);
    load->n_sent++;
    load->live.n_sent++;
    load->live.n_in_flight = ++load->n_in_flight;
    if (load->n_in_flight > load->result.in_flight_peak) {
        load->result.in_flight_peak = load->n_in_flight;
    }
    curl_multi_add_handle(load->multi, s->easy);
    act(load, CURL_SOCKET_TIMEOUT, 0);
}

/* When the next request is to be sent; UINT64_MAX: no more, or nobody is free to. */
static uint64_t next_due_ns(const mu_load *load) {
    if (load->result.window_end_ns > 0 || load->n_sent >= load->n_scheduled) return UINT64_MAX;
    if (load->first_free == NONE) return UINT64_MAX;
    if (load->is_closed_loop) {
        uint64_t free_ns = load->streams[load->first_free].free_ns;
        return free_ns > load->not_before_ns ? free_ns : load->not_before_ns;
    }
    mu_scheduled next = mu_schedule_at(load->options.schedule, load->n_sent);
    return load->result.start_ns + next.intended_ns;
}

/* Open loop: a request is due and no stream is free. */
static void note_held(mu_load *load, uint64_t now) {
    if (load->is_closed_loop || load->first_free != NONE || load->held_i == load->n_sent) return;
    if (load->result.window_end_ns > 0 || load->n_sent >= load->n_scheduled) return;
    mu_scheduled next = mu_schedule_at(load->options.schedule, load->n_sent);
    if (load->result.start_ns + next.intended_ns > now) return;
    load->held_i = load->n_sent;
    load->result.n_held++;
}

static void end_window(mu_load *load, mu_load_end end, uint64_t at_ns) {
    mu_load_result *r = &load->result;
    r->end = end;
    r->window_end_ns = at_ns;
    load->cpu_window_end_s = thread_cpu_s();
    for (uint32_t i = load->n_sent; !load->is_closed_loop && i < load->n_scheduled; i++) {
        if (r->start_ns + mu_schedule_at(load->options.schedule, i).intended_ns >= at_ns) break;
        r->n_unsent++;
    }
}

/* Why the window ends now; MU_LOAD_END_NONE: it does not. */
static mu_load_end why_end(const mu_load *load, uint64_t now) {
    const mu_load_options *o = &load->options;
    if (load->wants_cancel || load->status != MU_OK) return MU_LOAD_END_CANCELED;
    if (o->n_failures_max > 0 && load->n_failed_in_row >= o->n_failures_max) {
        return MU_LOAD_END_FAILING;
    }
    if (load->wants_stop) return MU_LOAD_END_STOP;
    bool all_sent = load->n_sent >= load->n_scheduled;
    if (load->result.boundary_ns == 0) {
        return all_sent && load->n_in_flight == 0 ? MU_LOAD_END_SCHEDULE : MU_LOAD_END_NONE;
    }
    uint64_t n_done = load->live.n_done - load->live.n_done_at_boundary;
    if (o->n_requests > 0 && n_done >= o->n_requests) return MU_LOAD_END_COUNT;
    if (o->duration_s > 0 && now - load->result.boundary_ns >= seconds_to_ns(o->duration_s)) {
        return MU_LOAD_END_DURATION;
    }
    bool waits = o->duration_s > 0 && !load->is_closed_loop;
    return all_sent && !waits ? MU_LOAD_END_SCHEDULE : MU_LOAD_END_NONE;
}

static void update_phase(mu_load *load, uint64_t now) {
    mu_load_result *r = &load->result;
    const mu_load_options *o = &load->options;
    if (r->window_end_ns > 0) return;
    if (r->boundary_ns == 0 && now - r->start_ns >= seconds_to_ns(o->warmup_s) &&
        load->live.n_done >= o->n_warmup) {
        load->cpu_boundary_s = thread_cpu_s();
        load->live.n_done_at_boundary = load->live.n_done;
        load->live.boundary_ns = r->boundary_ns = now;
    }
    mu_load_end end = why_end(load, now);
    if (end == MU_LOAD_END_NONE) return;
    bool by_time = end == MU_LOAD_END_DURATION;
    end_window(load, end, by_time ? r->boundary_ns + seconds_to_ns(o->duration_s) : now);
}

static void cancel_all(mu_load *load) {
    for (uint32_t i = 0; i < load->n_streams; i++) {
        mu_stream *s = &load->streams[i];
        if (s->in_flight) end_stream(load, s, MU_FAILURE_CANCELED, "canceled by the load");
    }
}

/* The window has ended: is there nothing more to wait for? */
static bool is_drained(mu_load *load, uint64_t now) {
    if (load->result.window_end_ns == 0) return false;
    uint64_t limit = load->result.window_end_ns + seconds_to_ns(load->options.drain_s);
    if (load->wants_cancel || load->status != MU_OK || now >= limit) cancel_all(load);
    return load->n_in_flight == 0;
}

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* When something happens by itself. */
static uint64_t deadline_ns(const mu_load *load, uint64_t now) {
    const mu_load_result *r = &load->result;
    const mu_load_options *o = &load->options;
    uint64_t at = earlier(now + TICK_NS, load->timer_ns);
    if (r->window_end_ns > 0) {
        return earlier(at, r->window_end_ns + seconds_to_ns(o->drain_s));
    }
    if (r->boundary_ns > 0) {
        if (o->duration_s > 0) at = earlier(at, r->boundary_ns + seconds_to_ns(o->duration_s));
    } else if (load->live.n_done >= o->n_warmup) {
        at = earlier(at, r->start_ns + seconds_to_ns(o->warmup_s));
    }
    return at;
}

static int wait_events(mu_load *load, struct epoll_event *events, uint64_t wait_ns) {
    struct timespec timeout = {(time_t)(wait_ns / 1000000000), (long)(wait_ns % 1000000000)};
    int n = epoll_pwait2(load->epoll_fd, events, EVENTS_MAX, &timeout, NULL);
    if (n < 0 && errno == ENOSYS) { /* Linux before 5.11: whole milliseconds, then polls */
        n = epoll_wait(load->epoll_fd, events, EVENTS_MAX, (int)(wait_ns / 1000000));
    }
    return n;
}

static void hear(mu_load *load, uint64_t wait_ns) {
    struct epoll_event events[EVENTS_MAX];
    int n = wait_events(load, events, wait_ns);
    for (int i = 0; i < n; i++) {
        uint32_t e = events[i].events;
        if (events[i].data.fd == load->wake_fd) {
            uint64_t count;
            if (read(load->wake_fd, &count, sizeof(count)) < 0) continue; /* it only wakes */
            continue;
        }
        int what = (e & EPOLLIN ? CURL_CSELECT_IN : 0) | (e & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                   (e & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_IN | CURL_CSELECT_ERR : 0);
        act(load, events[i].data.fd, what);
    }
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known) {
    (void)easy;
    mu_load *load = ctx;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(load->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        curl_multi_assign(load->multi, fd, NULL);
        return 0;
    }
    struct epoll_event event = {.data.fd = fd};
    if (what & CURL_POLL_IN) event.events |= EPOLLIN;
    if (what & CURL_POLL_OUT) event.events |= EPOLLOUT;
    epoll_ctl(load->epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    if (!known) curl_multi_assign(load->multi, fd, load);
    return 0;
}

static int watch_timer(CURLM *multi, long timeout_ms, void *ctx) {
    (void)multi;
    mu_load *load = ctx;
    load->timer_ns = timeout_ms < 0 ? UINT64_MAX : mu_now_ns() + (uint64_t)timeout_ms * 1000000;
    return 0;
}

static void step(mu_load *load) {
    uint64_t now = mu_now_ns(), due;
    uint32_t n_sends = 0; /* sockets are heard in between */
    while ((due = next_due_ns(load)) <= now && n_sends++ < SENDS_MAX && load->status == MU_OK) {
        send_next(load, due);
        update_phase(load, mu_now_ns());
    }
    note_held(load, now);
    now = mu_now_ns();
    uint64_t at = deadline_ns(load, now);
    bool has_room = load->n_prepared - load->n_sent < MU_LOAD_PREPARED &&
                    load->n_prepared < load->n_scheduled && load->result.window_end_ns == 0;
    if (due != UINT64_MAX) at = earlier(at, due > SPIN_NS ? due - SPIN_NS : 0);
    uint64_t wait_ns = at > now ? at - now : 0;
    hear(load, has_room ? 0 : wait_ns);
    if (has_room && wait_ns > SPIN_NS) prepare_next(load);
    if (mu_now_ns() >= load->timer_ns) {
        load->timer_ns = UINT64_MAX; /* curl sets it again when it wants to */
        act(load, CURL_SOCKET_TIMEOUT, 0);
    }
}

static void begin(mu_load *load) {
    uint64_t now = mu_now_ns();
    load->result.start_ns = now;
    load->live.start_ns = load->live.second_ns = now;
    load->held_i = NONE;
    for (uint32_t i = 0; i < load->n_streams; i++) {
        load->streams[i].free_ns = now;
    }
}

static void finish(mu_load *load) {
    mu_load_result *r = &load->result;
    r->drained_ns = mu_now_ns();
    r->cpu_total_s = thread_cpu_s();
    if (r->boundary_ns > 0 && r->window_end_ns > r->boundary_ns) {
        r->cpu_s = load->cpu_window_end_s - load->cpu_boundary_s;
        r->cpu_share = r->cpu_s / ((double)(r->window_end_ns - r->boundary_ns) * 1e-9);
    }
    load->live.is_ended = true;
    pthread_mutex_lock(&load->lock);
    load->ended = true;
    pthread_cond_broadcast(&load->ended_cond);
    pthread_mutex_unlock(&load->lock);
}

/* On cores that the server keeps busy, a thread that wakes may wait for the end of the server's
 * slice, 3 ms and more. Who may (CAP_SYS_NICE) gets a class that does not wait: this thread sleeps
 * or sends, so it takes no more of the core. For others Linux from 6.12 on lets a thread that asks
 * for shorter slices go first, mostly; older ones ignore it. */
static void ask_to_be_in_time(void) {
    const struct sched_param priority = {.sched_priority = 1};
    if (pthread_setschedparam(pthread_self(), SCHED_RR, &priority) == 0) return;
    struct { /* the kernel's sched_attr, whose header does not go with glibc's */
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attr = {.size = sizeof(attr)};
    if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0U) != 0) return;
    attr.runtime = SLICE_NS;
    (void)syscall(SYS_sched_setattr, 0, &attr, 0U);
}

void *mu_load_loop(void *ctx) {
    mu_load *load = ctx;
    pthread_setname_np(pthread_self(), "muai-load");
    prctl(PR_SET_TIMERSLACK, 1UL);
    ask_to_be_in_time();
    curl_multi_setopt(load->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(load->multi, CURLMOPT_SOCKETDATA, load);
    curl_multi_setopt(load->multi, CURLMOPT_TIMERFUNCTION, watch_timer);
    curl_multi_setopt(load->multi, CURLMOPT_TIMERDATA, load);
    begin(load);
    for (;;) {
        uint64_t now = mu_now_ns();
        update_phase(load, now);
        mu_live_tick(&load->live, now);
        if (is_drained(load, now)) break;
        step(load);
    }
    finish(load);
    return NULL;
}
