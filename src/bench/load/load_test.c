/* The load against a server that does what servers should not: a thread with a socket and a script.
 * What a well-behaved server gives is tested against the truth server, in tests/bench.
 */
#include "bench/load/load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bench/load/target_state.h"

#define STREAM_HEAD \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
#define CHUNK "1c\r\ndata: {\"choices\":[{\"text\":1}\r\n" /* its text is no string: no token */

enum { REQUEST_MAX = 1 << 16 };

/* Reads a request, writes the answer, and then closes or goes on. */
typedef struct server {
    const char *answer;       /* NULL: never answers */
    bool closes, closes_late; /* after an answer; when the next request is there */
    int listen_fd;
    uint16_t port;
    _Atomic bool stops;
    _Atomic uint32_t n_connections, n_requests;
    pthread_t thread;
} server;

/* True when bytes hold a head and as much body as it announces. */
static bool is_whole(const char *bytes, size_t n) {
    const char *end = strstr(bytes, "\r\n\r\n"), *length = strstr(bytes, "Content-Length: ");
    if (!end) return false;
    size_t n_body = length && length < end ? strtoul(length + 16, NULL, 10) : 0;
    return n >= (size_t)(end + 4 - bytes) + n_body;
}

static bool is_readable(server *s, int fd) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (!s->stops) {
        if (poll(&p, 1, 20) > 0) return true;
    }
    return false;
}

static void serve_connection(server *s, int fd) {
    static char bytes[REQUEST_MAX];
    for (bool is_first = true; !s->stops; is_first = false) {
        size_t n = 0;
        do {
            ssize_t got = is_readable(s, fd) ? read(fd, bytes + n, sizeof(bytes) - 1 - n) : 0;
            if (got <= 0) return;
            n += (size_t)got;
            bytes[n] = '\0';
        } while (!is_whole(bytes, n));
        s->n_requests++;
        if (s->closes_late && !is_first) return;
        if (!s->answer) continue;
        size_t n_answer = strlen(s->answer);
        if (write(fd, s->answer, n_answer) != (ssize_t)n_answer || s->closes) return;
    }
}

static void *serve(void *ctx) {
    server *s = ctx;
    while (is_readable(s, s->listen_fd)) {
        int fd = accept(s->listen_fd, NULL, NULL);
        if (fd < 0) continue;
        s->n_connections++;
        serve_connection(s, fd);
        close(fd);
    }
    return NULL;
}

static void server_open(server *s) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    s->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listen_fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(s->listen_fd, 64), 0);
    assert_int_equal(getsockname(s->listen_fd, (struct sockaddr *)&address, &size), 0);
    s->port = ntohs(address.sin_port);
    s->stops = false;
    s->n_connections = s->n_requests = 0;
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_close(server *s) {
    s->stops = true;
    pthread_join(s->thread, NULL);
    close(s->listen_fd);
}

typedef struct setting {
    mu_target *target;
    mu_schedule *schedule;
    mu_prompts prompts;
    mu_load_options options;
} setting;

/* A closed loop of one client and n requests against a port that is believed to stream. */
static void setting_open(setting *s, uint16_t port, uint32_t n_requests) {
    char url[64];
    snprintf(url, sizeof(url), "127.0.0.1:%u", port);
    mu_target_options target = {.url = url, .model = "m", .api_key = "secret"};
    assert_int_equal(mu_target_open(&target, &s->target, NULL), MU_OK);
    s->target->info.can.stream = true;
    mu_shape shape = {"", 4, 1};
    mu_schedule_options schedule = {.n_requests = n_requests, .shapes = &shape, .n_shapes = 1};
    assert_int_equal(mu_schedule_open(&schedule, &s->schedule, NULL), MU_OK);
    s->prompts = mu_target_prompts(s->target, 1, 1);
    s->options = (mu_load_options){.target = s->target,
                                   .schedule = s->schedule,
                                   .prompts = &s->prompts,
                                   .n_clients = 1,
                                   .timeout_s = 0.3,
                                   .poll_ms = 5};
}

static void setting_close(setting *s) {
    mu_schedule_close(s->schedule);
    mu_target_close(s->target);
}

static const struct {
    const char *what, *answer;
    bool closes;
    mu_failure failure;
    uint16_t status;
    const char *says;
} rows[] = {
    {"never answers", NULL, false, MU_FAILURE_TIMEOUT, 0, "timed out"},
    {"stops in mid-stream", STREAM_HEAD CHUNK, false, MU_FAILURE_TIMEOUT, 200, "timed out"},
    {"hangs up without an answer", "", true, MU_FAILURE_TRUNCATED, 0, "mpty reply"},
    {"hangs up in the head", "HTTP/1.1 200 OK\r\nContent-", true, MU_FAILURE_TRUNCATED, 0, ""},
    {"hangs up in a stream", STREAM_HEAD CHUNK, true, MU_FAILURE_TRUNCATED, 200, ""},
    {"hangs up in a body",
     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{}", true,
     MU_FAILURE_TRUNCATED, 200, ""},
    {"is no HTTP server", "SSH-2.0-x\r\n", true, MU_FAILURE_STREAM_ERROR, 0, "HTTP/0.9"},
    {"breaks the framing", STREAM_HEAD "zz\r\n", true, MU_FAILURE_TRUNCATED, 200, "chunk"},
    {"is busy",
     "HTTP/1.1 429 Too Many\r\nContent-Length: 30\r\n\r\n{\"error\":{\"message\":\"queued\"}}",
     false, MU_FAILURE_HTTP_4XX, 429, "HTTP 429: queued"},
    {"answers JSON where a stream was asked for",
     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 33\r\n\r\n"
     "{\"error\":{\"message\":\"no stream\"}}",
     false, MU_FAILURE_STREAM_ERROR, 200, "no stream"},
    {"redirects", "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", false,
     MU_FAILURE_HTTP_5XX, 302, "HTTP 302"},
    {"ends a stream without an end", STREAM_HEAD "0\r\n\r\n", false, MU_FAILURE_TRUNCATED, 200,
     "without [DONE]"},
};

static void every_misdeed_has_its_class(void **state) {
    (void)state;
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        server s = {.answer = rows[i].answer, .closes = rows[i].closes};
        server_open(&s);
        setting set;
        setting_open(&set, s.port, 2);
        mu_load_result result = {0};
        assert_int_equal(mu_load_run(&set.options, &result, NULL), MU_OK);
        assert_int_equal(result.records.n_records, 2);
        for (size_t k = 0; k < 2; k++) {
            const mu_record *r = &result.records.records[k];
            const char *said = result.records.first_message[r->failure];
            if (r->failure != rows[i].failure || r->http_status != rows[i].status ||
                !strstr(said, rows[i].says)) {
                fail_msg("%s: %s, HTTP %u: %s", rows[i].what,
                         mu_failure_name((mu_failure)r->failure), r->http_status, said);
            }
            assert_true(r->dispatch_ns > 0 && r->end_ns >= r->dispatch_ns);
            assert_true(r->first_token_ns == 0 && r->output_tokens != 1);
        }
        mu_load_result_deinit(&result);
        setting_close(&set);
        server_close(&s);
    }
}

static void a_closed_port_is_not_hammered(void **state) {
    (void)state;
    server s = {0};
    server_open(&s);
    server_close(&s);
    setting set;
    setting_open(&set, s.port, 0);
    set.options.n_failures_max = 3;
    mu_load_result result = {0};
    assert_int_equal(mu_load_run(&set.options, &result, NULL), MU_ERR_INVALID); /* no end */
    set.options.duration_s = 60;
    assert_int_equal(mu_load_run(&set.options, &result, NULL), MU_OK);
    assert_int_equal(result.end, MU_LOAD_END_FAILING);
    assert_int_equal(result.records.n_records, 3);
    assert_int_equal(result.records.n_by_failure[MU_FAILURE_CONNECT], 3);
    assert_true(result.window_end_ns - result.start_ns > 200000000); /* two pauses */
    const mu_record *r = result.records.records;
    assert_true(r[1].intended_ns - r[0].end_ns >= 90000000); /* a pause is not lag */
    assert_int_equal(r[0].dispatch_ns, 0);
    mu_load_result_deinit(&result);
    setting_close(&set);
}

/* The server closes its side after each answer without saying so: the next request finds a dead
 * connection and takes another, which is no failure and is told. */
static void dead_connections_are_replaced(void **state) {
    (void)state;
    enum { N = 20 }; /* more than the retries that curl has in all for a handle */
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
        "33\r\n\r\n{\"choices\":[{\"text\":\"a tokens\"}]}";
    for (int late = 0; late < 2; late++) {
        server s = {.answer = answer, .closes = late == 0, .closes_late = late == 1};
        server_open(&s);
        setting set;
        setting_open(&set, s.port, N);
        mu_load_result result = {0};
        assert_int_equal(mu_load_run(&set.options, &result, NULL), MU_OK);
        for (int failure = MU_FAILURE_NONE + 1; failure < MU_N_FAILURES; failure++) {
            if (result.records.n_by_failure[failure] == 0) continue;
            fail_msg("%llu requests failed: %s",
                     (unsigned long long)result.records.n_by_failure[failure],
                     result.records.first_message[failure]);
        }
        assert_int_equal(result.records.n_by_failure[MU_FAILURE_NONE], N);
        assert_true(result.n_connections >= N);
        for (size_t i = 0; i < N; i++) {
            assert_true(result.records.records[i].is_new_connection);
            assert_true(result.records.records[i].connect_ns > 0);
            assert_false(result.records.records[i].is_stream);
        }
        mu_load_result_deinit(&result);
        setting_close(&set);
        server_close(&s);
    }
}

static void cancel_ends_at_once(void **state) {
    (void)state;
    server s = {0};
    server_open(&s);
    setting set;
    setting_open(&set, s.port, 0);
    set.options.duration_s = set.options.timeout_s = 60;
    mu_load *load = NULL;
    mu_load_result result = {0};
    assert_int_equal(mu_load_start(&set.options, &load, NULL), MU_OK);
    while (s.n_requests == 0) {
        poll(NULL, 0, 1);
    }
    mu_load_snapshot snapshot;
    mu_load_snapshot_read(load, &snapshot);
    assert_int_equal(snapshot.n_in_flight, 1);
    assert_int_equal(snapshot.n_done, 0);
    assert_false(snapshot.is_ended);
    uint64_t before = mu_now_ns();
    mu_load_cancel(load);
    assert_int_equal(mu_load_wait(load, &result, NULL), MU_OK);
    assert_true(mu_now_ns() - before < 30000000000u); /* of 60 s */
    assert_int_equal(result.end, MU_LOAD_END_CANCELED);
    assert_int_equal(result.records.n_records, 1);
    assert_int_equal(result.records.n_by_failure[MU_FAILURE_CANCELED], 1);
    mu_load_snapshot_read(load, &snapshot);
    assert_true(snapshot.is_ended && snapshot.n_failed == 0);
    mu_load_close(load);
    mu_load_result_deinit(&result);

    assert_int_equal(mu_load_start(&set.options, &load, NULL), MU_OK);
    mu_load_close(load); /* without waiting for it */
    setting_close(&set);
    server_close(&s);
}

static void what_is_left_after_the_drain_is_canceled(void **state) {
    (void)state;
    server s = {0};
    server_open(&s);
    setting set;
    setting_open(&set, s.port, 0);
    set.options.duration_s = 0.05;
    set.options.drain_s = 0.1;
    set.options.timeout_s = 60;
    mu_load_result result = {0};
    assert_int_equal(mu_load_run(&set.options, &result, NULL), MU_OK);
    assert_int_equal(result.end, MU_LOAD_END_DURATION);
    assert_int_equal(result.records.n_by_failure[MU_FAILURE_CANCELED], 1);
    assert_true(result.records.records[0].is_drained);
    assert_int_equal(result.window_end_ns - result.boundary_ns, 50000000);
    assert_true(result.drained_ns - result.window_end_ns >= 100000000);
    mu_load_result_deinit(&result);
    setting_close(&set);
    server_close(&s);
}

static void options_that_do_not_fit_are_refused(void **state) {
    (void)state;
    setting set;
    setting_open(&set, 1, 5);
    mu_load *load = NULL;
    for (int i = 0; i < 4; i++) {
        mu_load_options o = set.options;
        if (i == 0) o.n_clients = 0;
        if (i == 1) o.n_clients = 100000;
        if (i == 2) o.duration_s = -1;
        if (i == 3) o.in_flight_max = 100000;
        mu_err err = {0};
        assert_int_equal(mu_load_start(&o, &load, &err), MU_ERR_INVALID);
        assert_true(err.text[0] != '\0');
    }
    int64_t before = mu_alloc_n_alive();
    for (int i = 0; i < 2; i++) { /* the load, its streams */
        mu_alloc_fail_after(i);
        assert_int_equal(mu_load_start(&set.options, &load, NULL), MU_ERR_NOMEM);
        mu_alloc_fail_after(-1);
        assert_int_equal(mu_alloc_n_alive(), before);
    }
    setting_close(&set);
}

static void urls(void **state) {
    (void)state;
    static const struct {
        const char *text, *url; /* NULL: refused */
    } cases[] = {
        {"127.0.0.1:80", "http://127.0.0.1:80"},
        {"http://h:1/", "http://h:1"},
        {"http://h:1/v1", "http://h:1"},
        {"http://h:1/v1/", "http://h:1"},
        {"https://h/some/path/v1", "https://h/some/path"},
        {"[::1]:8080", "http://[::1]:8080"},
        {"http://user:pass@h:1", NULL},
        {"ftp://h/", NULL},
        {"http://h/?key=1", NULL},
        {"http://h/#x", NULL},
        {"", NULL},
        {"http://", NULL},
        {"h:99999999", NULL},
    };
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        mu_target *target = NULL;
        mu_target_options o = {.url = cases[i].text};
        mu_err err = {0};
        mu_status status = mu_target_open(&o, &target, &err);
        if ((status == MU_OK) != (cases[i].url != NULL)) fail_msg("%s", cases[i].text);
        if (status == MU_OK) {
            assert_string_equal(mu_target_info_of(target)->url, cases[i].url);
        } else {
            assert_non_null(strstr(err.text, "http://HOST:PORT"));
        }
        mu_target_close(target);
    }
    mu_target *target = NULL;
    mu_target_options o = {.url = "h", .api_key = "a\r\nX: y"};
    assert_int_equal(mu_target_open(&o, &target, NULL), MU_ERR_INVALID);
    o = (mu_target_options){.url = "h", .model = "\xff"};
    assert_int_equal(mu_target_open(&o, &target, NULL), MU_ERR_INVALID);
    o = (mu_target_options){.url = "h", .text = "\xff", .n_text = 1};
    assert_int_equal(mu_target_open(&o, &target, NULL), MU_ERR_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_misdeed_has_its_class),
        cmocka_unit_test(a_closed_port_is_not_hammered),
        cmocka_unit_test(dead_connections_are_replaced),
        cmocka_unit_test(cancel_ends_at_once),
        cmocka_unit_test(what_is_left_after_the_drain_is_canceled),
        cmocka_unit_test(options_that_do_not_fit_are_refused),
        cmocka_unit_test(urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
