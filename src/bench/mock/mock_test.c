/* The truth server as a client sees it, over raw sockets: bytes, times, faults. Times are compared
 * with slack, because the machine that runs tests may be busy; nothing may ever be early. */
#include "bench/mock/mock.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "format/json.h"

enum { EVENTS_MAX = 512, RECVS_MAX = 2048 };

/* One answer, and when its bytes came. */
typedef struct answer {
    int code;
    bool is_chunked, has_end; /* has_end: the last chunk, or all of Content-Length */
    mu_buf raw, body;
    size_t *raw_end; /* [body.n] where a byte of body ends in raw */
    struct {
        size_t n; /* bytes of raw so far */
        uint64_t at_ns;
    } recvs[RECVS_MAX];
    uint32_t n_recvs;
    uint64_t sent_ns;
    uint32_t n_events;
    struct {
        const char *data; /* behind "data: ", NUL-terminated in place */
        uint64_t at_ns;
    } events[EVENTS_MAX];
} answer;

static void answer_deinit(answer *a) {
    mu_buf_deinit(&a->raw);
    mu_buf_deinit(&a->body);
    mu_free(a->raw_end);
}

static int connect_to(mu_mock *mock) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)mu_mock_port(mock))};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static uint64_t send_request(int fd, const char *method, const char *path, const char *body) {
    char text[4096];
    int n = snprintf(text, sizeof(text),
                     "%s %s HTTP/1.1\r\nHost: a\r\nX-Request-Id: me\r\nConnection: close\r\n"
                     "Content-Length: %zu\r\n\r\n%s",
                     method, path, strlen(body), body);
    uint64_t now_ns = mu_now_ns();
    assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
    return now_ns;
}

static void read_all(int fd, answer *a) {
    static _Thread_local char data[1 << 16];
    for (;;) {
        ssize_t n = recv(fd, data, sizeof(data), 0);
        uint64_t now_ns = mu_now_ns();
        if (n <= 0) break;
        mu_buf_append(&a->raw, data, (size_t)n);
        assert_true(a->n_recvs < RECVS_MAX);
        a->recvs[a->n_recvs].n = a->raw.n;
        a->recvs[a->n_recvs++].at_ns = now_ns;
    }
    close(fd);
}

static void take_body(answer *a, size_t from, size_t n) {
    for (size_t i = 0; i < n; i++) {
        a->raw_end[a->body.n + i] = from + i + 1;
    }
    mu_buf_append(&a->body, a->raw.data + from, n);
}

static void read_body(answer *a) {
    char *head_end = a->raw.data ? strstr(a->raw.data, "\r\n\r\n") : NULL;
    if (!head_end) return;
    a->code = (int)strtol(a->raw.data + strlen("HTTP/1.1 "), NULL, 10);
    a->raw_end = MU_ALLOC(size_t, a->raw.n + 1);
    size_t at = (size_t)(head_end - a->raw.data) + 4;
    *head_end = '\0';
    a->is_chunked = strstr(a->raw.data, "Transfer-Encoding: chunked") != NULL;
    const char *length = strstr(a->raw.data, "Content-Length: ");
    if (!a->is_chunked) {
        take_body(a, at, a->raw.n - at);
        a->has_end = length && strtoul(length + 16, NULL, 10) == a->body.n;
        return;
    }
    while (at < a->raw.n) {
        char *end;
        size_t n = strtoul(a->raw.data + at, &end, 16);
        at = (size_t)(end - a->raw.data) + 2;
        if (n == 0) a->has_end = true;
        if (n == 0 || at + n > a->raw.n) return;
        take_body(a, at, n);
        at += n + 2;
    }
}

static uint64_t came_at(const answer *a, size_t raw_end) {
    for (uint32_t i = 0; i < a->n_recvs; i++) {
        if (a->recvs[i].n >= raw_end) return a->recvs[i].at_ns;
    }
    return 0;
}

static void find_events(answer *a) {
    for (char *at = a->body.data; at && a->n_events < EVENTS_MAX;) {
        char *end = strstr(at, "\n\n");
        if (!end) return;
        *end = '\0';
        size_t last = (size_t)(end - a->body.data) + 1;
        a->events[a->n_events].data = strncmp(at, "data: ", 6) == 0 ? at + 6 : at;
        a->events[a->n_events++].at_ns = came_at(a, a->raw_end[last]);
        at = end + 2;
    }
}

static void ask(mu_mock *mock, const char *method, const char *path, const char *body, answer *a) {
    memset(a, 0, sizeof(*a));
    int fd = connect_to(mock);
    a->sent_ns = send_request(fd, method, path, body);
    read_all(fd, a);
    read_body(a);
}

static void stream(mu_mock *mock, const char *path, const char *more, answer *a) {
    char body[1024];
    snprintf(body, sizeof(body), "{\"%s, \"stream\": true, \"max_tokens\": 8%s}",
             strstr(path, "chat") ? "messages\": [{\"role\": \"user\", \"content\": \"a b c\"}]"
                                  : "prompt\": \"a b c\"",
             more);
    ask(mock, "POST", path, body, a);
    find_events(a);
}

static mu_mock *open_mock(const mu_mock_options *options) {
    mu_mock *mock = NULL;
    mu_err err = {0};
    if (mu_mock_open(options, &mock, &err) != MU_OK) fail_msg("%s", err.text);
    return mock;
}

static mu_mock_options quick(void) {
    mu_mock_options o = mu_mock_options_default();
    o.ttft.mean_ms = 2;
    o.itl.mean_ms = 1;
    return o;
}

static json_t *event_json(const answer *a, uint32_t i) {
    json_t *json = NULL;
    mu_err err;
    if (mu_json_parse(a->events[i].data, strlen(a->events[i].data), &json, &err) != MU_OK) {
        fail_msg("event %u: %s: %s", i, err.text, a->events[i].data);
    }
    return json;
}

/* The text of event i in a channel: "content", "reasoning_content" or "text"; NULL: not there. */
static bool event_has(const answer *a, uint32_t i, const char *channel, const char *want) {
    json_t *json = event_json(a, i);
    json_t *choice = json_array_get(json_object_get(json, "choices"), 0);
    json_t *place = strcmp(channel, "text") == 0 ? choice : json_object_get(choice, "delta");
    const char *text = json_string_value(json_object_get(place, channel));
    bool is_equal = text && want ? strcmp(text, want) == 0 : text == want;
    json_decref(json);
    return is_equal;
}

static json_int_t event_usage(const answer *a, uint32_t i, const char *name) {
    json_t *json = event_json(a, i);
    const json_t *value = json_object_get(json_object_get(json, "usage"), name);
    json_int_t number = value ? json_integer_value(value) : -1;
    json_decref(json);
    return number;
}

static void chunks_come_when_they_are_due(void **state) {
    (void)state;
    mu_mock_options o = mu_mock_options_default();
    o.ttft.mean_ms = 150;
    o.itl.mean_ms = 8;
    o.prefill_us = 1000;
    mu_mock *mock = open_mock(&o);
    static answer a;
    stream(mock, "/v1/completions", "", &a);
    mu_mock_request r;
    mu_mock_send sends[16];
    assert_int_equal(mu_mock_copy_requests(mock, 1, &r, 1), 1);
    assert_int_equal(mu_mock_copy_sends(mock, 1, sends, 16), 8);
    assert_true(r.received_ns >= a.sent_ns && r.started_ns == r.received_ns);
    assert_string_equal(r.client_id, "me");
    assert_int_equal(a.n_events, 10);
    uint64_t late_ns = UINT64_MAX, travel_ns = UINT64_MAX; /* the least: others use the CPUs, too */
    for (uint32_t k = 0; k < 8; k++) {
        assert_int_equal(sends[k].due_ns - r.received_ns, (153 + 8 * k) * 1000000ull);
        assert_true(sends[k].sent_ns >= sends[k].due_ns);
        assert_true(a.events[k].at_ns >= sends[k].sent_ns);
        uint64_t late = sends[k].sent_ns - sends[k].due_ns;
        uint64_t travel = a.events[k].at_ns - sends[k].sent_ns;
        if (late < late_ns) late_ns = late;
        if (travel < travel_ns) travel_ns = travel;
    }
    print_message("at least %.0f us late, from stamp to client at least %.0f us\n",
                  (double)late_ns / 1e3, (double)travel_ns / 1e3);
    assert_true(late_ns < 5000000 && travel_ns < 5000000);
    assert_true(a.recvs[0].at_ns < sends[0].due_ns); /* the head came at once */
    answer_deinit(&a);
    mu_mock_close(mock);
}

static void headers_can_wait_for_the_first_chunk(void **state) {
    (void)state;
    mu_mock_options o = quick();
    o.ttft.mean_ms = 40;
    o.late_headers = true;
    mu_mock *mock = open_mock(&o);
    static answer a;
    mu_mock_request r;
    stream(mock, "/v1/completions", "", &a);
    assert_int_equal(mu_mock_copy_requests(mock, 1, &r, 1), 1);
    assert_true(a.recvs[0].at_ns >= r.received_ns + 40000000);
    answer_deinit(&a);
    mu_mock_close(mock);
}

static void a_completion_has_its_tokens_and_an_end(void **state) {
    (void)state;
    mu_mock_options o = quick();
    mu_mock *mock = open_mock(&o);
    static answer a;
    stream(mock, "/v1/completions", "", &a);
    assert_int_equal(a.code, 200);
    assert_true(a.is_chunked && a.has_end);
    assert_int_equal(a.n_events, 10);
    for (uint32_t i = 0; i < 8; i++) {
        assert_true(event_has(&a, i, "text", mu_mock_token_text(o.seed, i)));
        assert_int_equal(event_usage(&a, i, "completion_tokens"), -1);
    }
    assert_true(event_has(&a, 8, "text", ""));
    assert_non_null(strstr(a.events[8].data, "\"finish_reason\":\"length\""));
    assert_string_equal(a.events[9].data, "[DONE]");
    answer_deinit(&a);
    mu_mock_close(mock);
}

static void a_chat_has_role_reasoning_content_and_usage(void **state) {
    (void)state;
    mu_mock_options o = quick();
    o.reasoning_tokens = 3;
    o.cached_percent = 50;
    o.ping = true;
    mu_mock *mock = open_mock(&o);
    static answer a;
    stream(mock, "/v1/chat/completions",
           ", \"stream_options\": {\"include_usage\": true, \"continuous_usage_stats\": true}", &a);
    assert_int_equal(a.n_events, 13);
    assert_string_equal(a.events[0].data, ": ping");
    assert_true(event_has(&a, 1, "role", "assistant") && event_has(&a, 1, "content", ""));
    for (uint32_t i = 0; i < 8; i++) {
        const char *text = mu_mock_token_text(o.seed, i);
        assert_true(event_has(&a, i + 2, i < 3 ? "reasoning_content" : "content", text));
        assert_true(event_has(&a, i + 2, i < 3 ? "content" : "reasoning_content", NULL));
        assert_int_equal(event_usage(&a, i + 2, "completion_tokens"), i + 1);
    }
    assert_non_null(strstr(a.events[11].data, "\"choices\":[]"));
    assert_int_equal(event_usage(&a, 11, "prompt_tokens"), 3);
    assert_int_equal(event_usage(&a, 11, "completion_tokens"), 8);
    assert_non_null(strstr(a.events[11].data, "\"cached_tokens\":1"));
    assert_string_equal(a.events[12].data, "[DONE]");
    answer_deinit(&a);

    stream(mock, "/v1/chat/completions", "", &a); /* usage only when asked */
    for (uint32_t i = 1; i + 1 < a.n_events; i++) {
        assert_int_equal(event_usage(&a, i, "completion_tokens"), -1);
    }
    answer_deinit(&a);
    mu_mock_close(mock);
}

static void usage_comes_as_told(void **state) {
    (void)state;
    static const struct {
        mu_mock_usage usage;
        const char *more;
        bool is_there;
    } rows[] = {
        {MU_MOCK_USAGE_ASKED, "", false},
        {MU_MOCK_USAGE_ASKED, ", \"stream_options\": {\"include_usage\": true}", true},
        {MU_MOCK_USAGE_ALWAYS, "", true},
        {MU_MOCK_USAGE_NEVER, ", \"stream_options\": {\"include_usage\": true}", false},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_mock_options o = quick();
        o.usage = rows[i].usage;
        mu_mock *mock = open_mock(&o);
        static answer a;
        stream(mock, "/v1/completions", rows[i].more, &a);
        bool is_there = event_usage(&a, a.n_events - 2, "completion_tokens") == 8;
        assert_int_equal(is_there, rows[i].is_there);
        answer_deinit(&a);
        mu_mock_close(mock);
    }
}

static void chunks_can_carry_tokens_and_writes_chunks(void **state) {
    (void)state;
    mu_mock_options o = quick();
    o.tokens_per_chunk = 3;
    o.coalesce = 2;
    o.itl.mean_ms = 20;
    mu_mock *mock = open_mock(&o);
    static answer a;
    mu_mock_send sends[8];
    stream(mock, "/v1/completions", "", &a);
    assert_int_equal(a.n_events, 5);
    assert_int_equal(mu_mock_copy_sends(mock, 1, sends, 8), 2);
    assert_int_equal(sends[0].n_tokens, 6);
    assert_int_equal(sends[0].n_chunks, 2);
    assert_int_equal(sends[1].n_tokens, 2);
    assert_int_equal(sends[1].due_ns - sends[0].due_ns, 20000000);
    assert_true(a.events[0].at_ns >= sends[0].sent_ns); /* the first waited for the second */
    assert_int_equal(a.events[0].at_ns, a.events[1].at_ns);
    answer_deinit(&a);
    mu_mock_close(mock);
}

static void split_events_come_in_two_and_inside_a_character(void **state) {
    (void)state;
    mu_mock_options o = quick();
    o.itl.mean_ms = 20;
    o.split_us = 10000;
    mu_mock *mock = open_mock(&o);
    static answer a;
    mu_mock_send sends[8];
    stream(mock, "/v1/completions", "", &a);
    assert_int_equal(a.n_events, 10);
    assert_int_equal(mu_mock_copy_sends(mock, 1, sends, 8), 8);
    uint32_t n_inside = 0;
    for (uint32_t i = 0; i < 8; i++) {
        assert_true(event_has(&a, i, "text", mu_mock_token_text(o.seed, i)));
        assert_true(a.events[i].at_ns >= sends[i].sent_ns);
        if (i > 0) assert_int_equal(sends[i].due_ns - sends[i - 1].due_ns, 20000000);
    }
    for (uint32_t i = 0; i + 1 < a.n_recvs; i++) { /* "\r\n" of HTTP's chunk comes before the cut */
        size_t n = a.recvs[i].n;
        n_inside += n >= 3 && (unsigned char)a.raw.data[n - 3] >= 0xc0;
    }
    assert_true(n_inside >= 1);
    answer_deinit(&a);
    mu_mock_close(mock);
}

static void every_fault_does_what_it_says(void **state) {
    (void)state;
    static const struct {
        mu_mock_fault fault;
        bool has_end, has_done;
        uint32_t n_events;
        const char *holds; /* in event 4 */
    } rows[] = {
        {MU_MOCK_FINE, true, true, 10, "\"text\""},
        {MU_MOCK_STREAM_ERROR, true, true, 6, "\"error\""},
        {MU_MOCK_TRUNCATED, false, false, 4, NULL},
        {MU_MOCK_NO_DONE, true, false, 9, "\"text\""},
        {MU_MOCK_SHORT, true, true, 6, "\"finish_reason\":\"stop\""},
        {MU_MOCK_BAD_JSON, true, true, 10, "\"text\""},
        {MU_MOCK_BAD_UTF8, true, true, 10, "\xff"},
        {MU_MOCK_OTHER_TEXT, true, true, 10, " other"},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_mock_options o = quick();
        o.fault_every[rows[i].fault] = 1; /* that of MU_MOCK_FINE means nothing */
        mu_mock *mock = open_mock(&o);
        static answer a;
        mu_mock_request r;
        stream(mock, "/v1/completions", "", &a);
        const char *last = a.events[a.n_events - 1].data;
        if (a.n_events != rows[i].n_events)
            print_message("%s\n", mu_mock_fault_name(rows[i].fault));
        assert_int_equal(a.n_events, rows[i].n_events);
        assert_int_equal(a.has_end, rows[i].has_end);
        assert_int_equal(strcmp(last, "[DONE]") == 0, rows[i].has_done);
        if (rows[i].holds) assert_non_null(strstr(a.events[4].data, rows[i].holds));
        json_t *json = NULL;
        mu_err err;
        bool is_json = a.n_events > 4 && mu_json_parse(a.events[4].data, strlen(a.events[4].data),
                                                       &json, &err) == MU_OK;
        bool is_bad = rows[i].fault == MU_MOCK_BAD_JSON || rows[i].fault == MU_MOCK_BAD_UTF8;
        if (a.n_events > 4) assert_int_equal(is_json, !is_bad);
        json_decref(json);
        answer_deinit(&a);
        while (mu_mock_get_counters(mock).n_running > 0) {
            poll(NULL, 0, 1);
        }
        assert_int_equal(mu_mock_copy_requests(mock, 1, &r, 1), 1);
        assert_int_equal(r.state, MU_MOCK_DONE);
        assert_int_equal(r.fault, rows[i].fault);
        mu_mock_close(mock);
    }
}

static void http_errors_come_every_nth_request(void **state) {
    (void)state;
    mu_mock_options o = quick();
    o.fault_every[MU_MOCK_HTTP_ERROR] = 2;
    o.error_status = 429;
    mu_mock *mock = open_mock(&o);
    for (uint32_t i = 1; i <= 4; i++) {
        static answer a;
        stream(mock, "/v1/completions", "", &a);
        assert_int_equal(a.code, i % 2 == 0 ? 429 : 200);
        if (i % 2 == 0) assert_non_null(strstr(a.body.data, "rate_limit_exceeded"));
        answer_deinit(&a);
    }
    mu_mock_close(mock);
}

static void answers_without_a_stream_come_whole_at_the_end(void **state) {
    (void)state;
    mu_mock_options o = quick();
    o.ttft.mean_ms = 20;
    o.itl.mean_ms = 5;
    mu_mock *mock = open_mock(&o);
    static answer a;
    ask(mock, "POST", "/v1/completions", "{\"prompt\": [1, 2], \"max_tokens\": 4}", &a);
    assert_int_equal(a.code, 200);
    assert_true(a.has_end && !a.is_chunked);
    assert_non_null(strstr(a.body.data, "\"completion_tokens\":4"));
    mu_mock_request r;
    mu_mock_send send;
    assert_int_equal(mu_mock_copy_requests(mock, 1, &r, 1), 1);
    assert_int_equal(mu_mock_copy_sends(mock, 1, &send, 1), 1);
    assert_int_equal(send.due_ns - r.received_ns, 35000000);
    assert_true(a.recvs[0].at_ns >= send.due_ns);
    answer_deinit(&a);
    mu_mock_close(mock);
}

static void bad_requests_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *method, *path, *body;
        int code;
    } rows[] = {
        {"POST", "/v1/completions", "{", 400},
        {"POST", "/v1/completions", "", 400},
        {"POST", "/v1/completions", "{}", 400},
        {"POST", "/v1/chat/completions", "{}", 400},
        {"GET", "/v1/completions", "", 404},
        {"GET", "/nothing", "", 404},
        {"GET", "/health", "", 200},
        {"GET", "/readyz", "", 200},
        {"GET", "/v1/models", "", 200},
        {"GET", "/metrics", "", 200},
        {"POST", "/mock/trim", "", 200},
        {"POST", "/mock/reset", "", 200},
    };
    mu_mock_options o = quick();
    mu_mock *mock = open_mock(&o);
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        static answer a;
        ask(mock, rows[i].method, rows[i].path, rows[i].body, &a);
        if (a.code != rows[i].code) print_message("row: %s %s\n", rows[i].path, rows[i].body);
        assert_int_equal(a.code, rows[i].code);
        answer_deinit(&a);
    }
    assert_int_equal(mu_mock_get_counters(mock).n_requests, 0);
    mu_mock_close(mock);
}

typedef struct client {
    mu_mock *mock;
    answer answer;
    pthread_t thread;
} client;

static void *run_client(void *ctx) {
    client *c = ctx;
    stream(c->mock, "/v1/completions", "", &c->answer);
    return NULL;
}

static void slots_make_requests_wait_in_order(void **state) {
    (void)state;
    enum { N = 5 };
    static client clients[N];
    mu_mock_options o = quick();
    o.n_slots = 2;
    o.itl.mean_ms = 5;
    o.tail_ms = 3; /* service: 2 + 7 x 5 + 3 = 40 ms */
    mu_mock *mock = open_mock(&o);
    for (uint32_t i = 0; i < N; i++) {
        clients[i].mock = mock;
        pthread_create(&clients[i].thread, NULL, run_client, &clients[i]);
    }
    for (uint32_t i = 0; i < N; i++) {
        pthread_join(clients[i].thread, NULL);
        assert_int_equal(clients[i].answer.n_events, 10);
        answer_deinit(&clients[i].answer);
    }
    mu_mock_request r[N];
    assert_int_equal(mu_mock_copy_requests(mock, 1, r, N), N);
    uint64_t starts[N];
    for (uint32_t i = 0; i < N; i++) { /* by start: arrival order may differ from the numbers' */
        starts[i] = r[i].started_ns;
        assert_true(r[i].started_ns >= r[i].received_ns);
        for (uint32_t j = i; j > 0 && starts[j] < starts[j - 1]; j--) {
            uint64_t swap = starts[j];
            starts[j] = starts[j - 1];
            starts[j - 1] = swap;
        }
    }
    for (uint32_t i = 2; i < N; i++) { /* at most two at once */
        assert_true(starts[i] >= starts[i - 2] + 40000000);
    }
    mu_mock_close(mock);
}

static void nothing_is_answered_in_a_stall(void **state) {
    (void)state;
    mu_mock_options o = quick();
    o.ttft.mean_ms = 60;
    o.stall_s = 0.3;
    o.stall_at_request = 2;
    mu_mock *mock = open_mock(&o);
    static client running;
    running.mock = mock;
    pthread_create(&running.thread, NULL, run_client, &running);
    while (mu_mock_get_counters(mock).n_running == 0) {
        sched_yield();
    }
    static answer a;
    stream(mock, "/v1/completions", "", &a);
    pthread_join(running.thread, NULL);
    mu_mock_request r[2];
    mu_mock_send first, second;
    assert_int_equal(mu_mock_copy_requests(mock, 1, r, 2), 2);
    assert_int_equal(mu_mock_copy_sends(mock, 1, &first, 1), 1);
    assert_int_equal(mu_mock_copy_sends(mock, 2, &second, 1), 1);
    assert_int_equal(first.due_ns - r[0].received_ns, 360000000); /* it was running: later by S */
    assert_int_equal(second.due_ns - r[1].received_ns, 360000000);
    assert_true(a.recvs[0].at_ns >= r[1].received_ns + 300000000); /* not even the head */
    answer_deinit(&a);
    answer_deinit(&running.answer);
    mu_mock_close(mock);
}

static void clients_that_leave_are_told_apart(void **state) {
    (void)state;
    mu_mock_options o = quick();
    mu_mock *mock = open_mock(&o);
    int fd = connect_to(mock);
    send_request(fd, "POST", "/v1/completions",
                 "{\"prompt\": \"a\", \"stream\": true, \"max_tokens\": 100000, "
                 "\"ignore_eos\": true}");
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 1);
    close(fd);
    while (mu_mock_get_counters(mock).n_left == 0) {
        poll(NULL, 0, 1);
    }
    mu_mock_request r;
    assert_int_equal(mu_mock_copy_requests(mock, 1, &r, 1), 1);
    assert_int_equal(r.state, MU_MOCK_LEFT);
    assert_true(r.n_sent < 100000 && r.end_ns >= r.received_ns);
    mu_mock_close(mock);
}

static void closing_cuts_what_is_running(void **state) {
    (void)state;
    mu_mock_options o = quick();
    o.ttft.mean_ms = 60000;
    mu_mock *mock = open_mock(&o);
    int fd = connect_to(mock);
    send_request(fd, "POST", "/v1/completions", "{\"prompt\": \"a\", \"stream\": true}");
    while (mu_mock_get_counters(mock).n_running == 0) {
        poll(NULL, 0, 1);
    }
    uint64_t begin_ns = mu_now_ns();
    mu_mock_close(mock);
    assert_true(mu_now_ns() - begin_ns < 30000000000); /* of 60 s */
    close(fd);
}

static void records_are_a_ring_and_can_be_forgotten(void **state) {
    (void)state;
    mu_mock_options o = quick();
    o.n_records = 3;
    mu_mock *mock = open_mock(&o);
    for (uint32_t i = 0; i < 5; i++) {
        static answer a;
        stream(mock, "/v1/completions", "", &a);
        answer_deinit(&a);
    }
    mu_mock_request r[8];
    mu_mock_send sends[8];
    assert_int_equal(mu_mock_copy_requests(mock, 1, r, 8), 3);
    assert_int_equal(r[0].index, 3);
    assert_int_equal(mu_mock_copy_requests(mock, 5, r, 8), 1);
    assert_int_equal(mu_mock_copy_sends(mock, 2, sends, 8), 0);
    assert_int_equal(mu_mock_copy_sends(mock, 5, sends, 8), 8);
    static answer a;
    ask(mock, "GET", "/mock/requests?from=4", "", &a);
    json_t *json = NULL;
    assert_int_equal(mu_json_parse(a.body.data, a.body.n, &json, NULL), MU_OK);
    json_t *rows = json_object_get(json, "requests"), *last = json_array_get(rows, 1);
    assert_int_equal(json_array_size(rows), 2);
    assert_int_equal(json_integer_value(json_object_get(last, "index")), 5);
    json_t *send = json_array_get(json_object_get(last, "sends"), 7);
    assert_int_equal(json_integer_value(json_array_get(send, 0)), sends[7].due_ns);
    assert_int_equal(json_integer_value(json_array_get(send, 1)), sends[7].sent_ns);
    json_decref(json);
    answer_deinit(&a);
    mu_mock_reset(mock);
    assert_int_equal(mu_mock_copy_requests(mock, 1, r, 8), 0);
    assert_int_equal(mu_mock_get_counters(mock).n_chunks, 0);
    stream(mock, "/v1/completions", "", &a);
    answer_deinit(&a);
    assert_int_equal(mu_mock_copy_requests(mock, 1, r, 8), 1);
    assert_int_equal(r[0].index, 1);
    mu_mock_close(mock);
}

static void memory_is_taken_as_told(void **state) {
    (void)state;
    enum { N = 20, MB = 1 << 20 };
    static const struct {
        const char *what;
        uint64_t leak, pool, pool_step, step, retain;
        double live, retained; /* bytes more after N requests */
    } rows[] = {
        {"nothing", 0, 0, 0, 0, 0, 0, 0},
        {"leak", MB, 0, 0, 0, 0, N * MB, 0},
        {"pool", 0, 5 * MB, MB, 0, 0, 5 * MB, 0},
        {"step", 0, 0, 0, 7 * MB, 0, 7 * MB, 0},
    };
    if (!mu_heap_facts_read().is_known) skip();
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_mock_options o = quick();
        o.leak_bytes = rows[i].leak;
        o.pool_bytes = rows[i].pool;
        o.pool_step_bytes = rows[i].pool_step;
        o.step_bytes = rows[i].step;
        o.step_at = 5;
        o.retain_bytes = rows[i].retain;
        mu_mock *mock = open_mock(&o);
        mu_heap_facts before = mu_heap_facts_read();
        for (uint32_t k = 0; k < N; k++) {
            static answer a;
            stream(mock, "/v1/completions", "", &a);
            answer_deinit(&a);
        }
        while (mu_mock_get_counters(mock).n_running > 0) {
            poll(NULL, 0, 1);
        }
        mu_heap_facts after = mu_heap_facts_read();
        double live = (double)after.live_bytes - (double)before.live_bytes;
        double retained = (double)after.retained_bytes - (double)before.retained_bytes;
        print_message("%s: live %+.2f MB, retained %+.2f MB\n", rows[i].what, live / MB,
                      retained / MB);
        assert_true(live > rows[i].live - 0.2 * MB && live < rows[i].live * 1.02 + 0.5 * MB);
        if (rows[i].retained > 0) {
            assert_true(retained > 0.7 * rows[i].retained && retained < 1.2 * rows[i].retained);
        }
        mu_mock_close(mock);
    }
}

static void a_leak_by_time_has_its_rate(void **state) {
    (void)state;
    mu_mock_options o = quick();
    o.leak_mb_per_hour = 36000; /* 10 MB/s */
    uint64_t begin_ns = mu_now_ns();
    mu_mock *mock = open_mock(&o);
    uint64_t opened_ns = mu_now_ns(), leaked;
    while ((leaked = mu_mock_get_counters(mock).leaked_bytes) < 3000000) {
        poll(NULL, 0, 1);
    }
    uint64_t now_ns = mu_now_ns();
    assert_true((double)leaked <= (double)(now_ns - begin_ns) * 1e-2);
    assert_true((double)leaked >= (double)(now_ns - opened_ns) * 1e-2 * 0.5);
    mu_mock_close(mock);
}

static void failed_open_leaks_nothing(void **state) {
    (void)state;
    mu_mock_options o = quick();
    mu_mock *mock = NULL;
    mu_err err;
    int64_t n_alive = mu_alloc_n_alive();
    uint32_t n_failed = 0;
    for (int n = 0;; n++) {
        mu_alloc_fail_after(n);
        mu_status status = mu_mock_open(&o, &mock, &err);
        mu_alloc_fail_after(-1);
        if (status == MU_OK) break;
        n_failed++;
        assert_int_equal(status, MU_ERR_NOMEM);
        assert_null(mock);
        assert_int_equal(mu_alloc_n_alive(), n_alive);
    }
    assert_true(n_failed >= 3);
    mu_mock_options taken = quick();
    taken.port = mu_mock_port(mock);
    mu_mock *second = NULL;
    assert_int_equal(mu_mock_open(&taken, &second, &err), MU_ERR_IO);
    taken.host = "localhost";
    assert_int_equal(mu_mock_open(&taken, &second, &err), MU_ERR_INVALID);
    taken = quick();
    taken.coalesce = 0;
    assert_int_equal(mu_mock_open(&taken, &second, &err), MU_ERR_INVALID);
    mu_mock_close(mock);
    assert_int_equal(mu_alloc_n_alive(), n_alive);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_come_when_they_are_due),
        cmocka_unit_test(headers_can_wait_for_the_first_chunk),
        cmocka_unit_test(a_completion_has_its_tokens_and_an_end),
        cmocka_unit_test(a_chat_has_role_reasoning_content_and_usage),
        cmocka_unit_test(usage_comes_as_told),
        cmocka_unit_test(chunks_can_carry_tokens_and_writes_chunks),
        cmocka_unit_test(split_events_come_in_two_and_inside_a_character),
        cmocka_unit_test(every_fault_does_what_it_says),
        cmocka_unit_test(http_errors_come_every_nth_request),
        cmocka_unit_test(answers_without_a_stream_come_whole_at_the_end),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(slots_make_requests_wait_in_order),
        cmocka_unit_test(nothing_is_answered_in_a_stall),
        cmocka_unit_test(clients_that_leave_are_told_apart),
        cmocka_unit_test(closing_cuts_what_is_running),
        cmocka_unit_test(records_are_a_ring_and_can_be_forgotten),
        cmocka_unit_test(memory_is_taken_as_told),
        cmocka_unit_test(a_leak_by_time_has_its_rate),
        cmocka_unit_test(failed_open_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
