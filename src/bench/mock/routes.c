#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bench/mock/exchange.h"

enum { STREAM_BLOCK_BYTES = 32 << 10 };

/* Answers */

static enum MHD_Result queue(mu_mock_exchange *x, unsigned code, const char *type,
                             struct MHD_Response *response) {
    if (!response) return MHD_NO;
    MHD_add_response_header(response, "Content-Type", type);
    if (x->id[0] != '\0') MHD_add_response_header(response, "X-Request-Id", x->id);
    enum MHD_Result result = MHD_queue_response(x->mhd, code, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result respond(mu_mock_exchange *x, unsigned code, const char *type, mu_buf *body) {
    enum MHD_Result result = MHD_NO;
    if (!body->failed) {
        result = queue(x, code, type,
                       MHD_create_response_from_buffer(
                           body->n, body->data ? body->data : (void *)"", MHD_RESPMEM_MUST_COPY));
    }
    mu_buf_deinit(body);
    return result;
}

static enum MHD_Result respond_json(mu_mock_exchange *x, unsigned code, json_t *json) {
    mu_buf body = {0};
    mu_mock_write_json(&body, json);
    return respond(x, code, "application/json", &body);
}

static enum MHD_Result refuse(mu_mock_exchange *x, uint32_t code, const char *message) {
    mu_buf body = {0};
    mu_mock_write_error(&body, code, message);
    return respond(x, code, "application/json", &body);
}

static enum MHD_Result answer_stream(mu_mock_exchange *x) {
    uint64_t due_ns;
    if (x->mock->options.late_headers &&
        !mu_mock_wait_until(x->mock, x->start_ns + x->plan.offsets_ns[0], &due_ns))
        return MHD_NO;
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES, mu_mock_read_stream, x, NULL);
    if (!response) return MHD_NO;
    MHD_add_response_header(response, "Cache-Control", "no-cache");
    MHD_add_response_header(response, "X-Accel-Buffering", "no");
    return queue(x, 200, "text/event-stream; charset=utf-8", response);
}

/* Everything at once, when the stream's end would be due. */
static enum MHD_Result answer_whole(mu_mock_exchange *x) {
    const mu_mock_plan *plan = &x->plan;
    x->phase = MU_MOCK_END;
    uint64_t after_ns = plan->service_ns, due_ns;
    bool is_broken = mu_mock_stops_at(plan, plan->fault_chunk);
    if (is_broken) after_ns = plan->offsets_ns[plan->fault_chunk];
    if (!is_broken) mu_mock_write_body(&x->out, &x->answer);
    if (!mu_mock_wait_until(x->mock, x->start_ns + after_ns, &due_ns)) return MHD_NO;
    if (plan->fault == MU_MOCK_TRUNCATED) x->phase = MU_MOCK_CUT;
    if (plan->fault == MU_MOCK_TRUNCATED) return MHD_NO; /* the connection is closed */
    if (is_broken) return refuse(x, 500, "planned error");
    mu_mock_send send = {
        .due_ns = due_ns, .sent_ns = mu_now_ns(), .n_tokens = plan->n_tokens, .n_chunks = 1};
    mu_mock_entry_send(x->mock->ledger, x->entry, &send);
    mu_buf body = x->out;
    x->out = (mu_buf){0};
    return respond(x, 200, "application/json", &body);
}

/* Generation */

static uint64_t take_slot(mu_mock_exchange *x) {
    mu_mock *mock = x->mock;
    mu_mock_clock clock = mu_mock_get_clock(mock);
    uint64_t arrived_ns = mu_mock_to_server(&clock, x->received_ns);
    pthread_mutex_lock(&mock->slots_lock);
    uint64_t start_ns = mu_mock_slot_take(mock->slots_free_ns, mock->options.n_slots, arrived_ns,
                                          x->plan.service_ns);
    pthread_mutex_unlock(&mock->slots_lock);
    return start_ns;
}

static void keep_client_id(mu_mock_exchange *x, char *out, size_t cap) {
    const char *id = MHD_lookup_connection_value(x->mhd, MHD_HEADER_KIND, "X-Request-Id");
    snprintf(out, cap, "%s", id ? id : "");
}

static mu_mock_entry *begin_entry(mu_mock_exchange *x, uint64_t index) {
    mu_mock_clock clock = mu_mock_get_clock(x->mock);
    mu_mock_request request = {
        .index = index,
        .fault = x->plan.fault,
        .is_chat = x->wish.is_chat,
        .is_stream = x->wish.is_stream,
        .n_prompt = x->wish.n_prompt,
        .n_asked = x->wish.max_tokens,
        .n_planned = x->plan.n_tokens,
        .received_ns = x->received_ns,
        .started_ns = mu_mock_to_wall(&clock, x->start_ns),
    };
    keep_client_id(x, request.client_id, sizeof(request.client_id));
    return mu_mock_ledger_begin(x->mock->ledger, &request, x->plan.n_chunks);
}

static void begin_stall(mu_mock *mock, uint64_t index, uint64_t now_ns) {
    if (mock->stall_ns == 0 || index != mock->options.stall_at_request) return;
    unsigned long long never = UINT64_MAX;
    atomic_compare_exchange_strong(&mock->stall_begin_ns, &never, now_ns);
}

static enum MHD_Result generate(mu_mock_exchange *x, bool is_chat) {
    mu_mock *mock = x->mock;
    mu_err err;
    if (x->body.failed) return refuse(x, 413, "the body is too large");
    if (mu_mock_wish_parse(x->body.data ? x->body.data : (char[1]){0}, x->body.n, is_chat, &x->wish,
                           x->model, &err) != MU_OK) {
        return refuse(x, 400, err.text);
    }
    uint64_t index = mu_mock_ledger_next(mock->ledger);
    snprintf(x->id, sizeof(x->id), "mock-%llu", (unsigned long long)index);
    if (!mu_mock_plan_init(&x->plan, &mock->options, index, &x->wish)) return MHD_NO;
    begin_stall(mock, index, x->received_ns);
    bool is_refused = x->plan.fault == MU_MOCK_HTTP_ERROR;
    x->start_ns = is_refused ? x->received_ns : take_slot(x);
    x->entry = begin_entry(x, index);
    if (!x->entry) return MHD_NO;
    mu_mock_ballast_on_request(mock->ballast, index);
    if (!mu_mock_wait_for_stall(mock, x->received_ns)) return MHD_NO;
    if (is_refused) {
        x->phase = MU_MOCK_END;
        return refuse(x, mock->options.error_status, "planned error");
    }
    x->answer = (mu_mock_answer){.options = &mock->options,
                                 .plan = &x->plan,
                                 .wish = &x->wish,
                                 .id = x->id,
                                 .model = x->model,
                                 .created = mock->created};
    return x->wish.is_stream ? answer_stream(x) : answer_whole(x);
}

static enum MHD_Result complete(mu_mock_exchange *x) {
    return generate(x, false);
}

static enum MHD_Result chat(mu_mock_exchange *x) {
    return generate(x, true);
}

/* Everything else */

static enum MHD_Result models(mu_mock_exchange *x) {
    return respond_json(x, 200,
                        json_pack("{s:s, s:[{s:s, s:s, s:I, s:s}]}", "object", "list", "data", "id",
                                  "mock", "object", "model", "created",
                                  (json_int_t)x->mock->created, "owned_by", "muai"));
}

static enum MHD_Result health(mu_mock_exchange *x) {
    return respond_json(x, 200, json_pack("{s:s}", "status", "ok"));
}

static enum MHD_Result metrics(mu_mock_exchange *x) {
    mu_mock_counters c = mu_mock_get_counters(x->mock);
    mu_heap_facts heap = mu_heap_facts_read();
    const struct {
        const char *name, *type;
        uint64_t value;
        bool is_known;
    } rows[] = {
        {"vllm:num_requests_running", "gauge", c.n_running, true},
        {"vllm:prompt_tokens_total", "counter", c.n_prompt_tokens, true},
        {"vllm:generation_tokens_total", "counter", c.n_output_tokens, true},
        {"muai_mock_requests_total", "counter", c.n_requests, true},
        {"muai_mock_requests_done_total", "counter", c.n_done, true},
        {"muai_mock_requests_left_total", "counter", c.n_left, true},
        {"muai_mock_faults_total", "counter", c.n_faults, true},
        {"muai_mock_late_chunks_total", "counter", c.n_late, true},
        {"muai_mock_leaked_bytes", "gauge", c.leaked_bytes, true},
        {"muai_mock_pool_bytes", "gauge", c.pool_bytes, true},
        {"muai_mock_step_bytes", "gauge", c.step_bytes, true},
        {"muai_mock_retained_bytes", "gauge", c.retained_bytes, true},
        {"muai_heap_live_bytes", "gauge", heap.live_bytes, heap.is_known},
        {"muai_heap_retained_bytes", "gauge", heap.retained_bytes, heap.is_known},
        {"muai_allocated_bytes", "gauge", (uint64_t)mu_alloc_bytes_alive(), true},
    };
    mu_buf out = {0};
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        if (!rows[i].is_known) continue;
        mu_buf_printf(&out, "# TYPE %s %s\n%s %llu\n", rows[i].name, rows[i].type, rows[i].name,
                      (unsigned long long)rows[i].value);
    }
    return respond(x, 200, "text/plain; version=0.0.4", &out);
}

static enum MHD_Result requests(mu_mock_exchange *x) {
    const char *from = MHD_lookup_connection_value(x->mhd, MHD_GET_ARGUMENT_KIND, "from");
    const char *sends = MHD_lookup_connection_value(x->mhd, MHD_GET_ARGUMENT_KIND, "sends");
    bool with_sends = !sends || strcmp(sends, "0") != 0;
    return respond_json(
        x, 200, mu_mock_requests_json(x->mock, from ? strtoull(from, NULL, 10) : 1, with_sends));
}

static enum MHD_Result reset(mu_mock_exchange *x) {
    mu_mock_reset(x->mock);
    return health(x);
}

static enum MHD_Result trim(mu_mock_exchange *x) {
    mu_heap_facts before = mu_heap_facts_read();
    int is_less = 0;
#ifdef __GLIBC__
    is_less = malloc_trim(0);
#endif
    return respond_json(x, 200,
                        json_pack("{s:b, s:I}", "returned_memory", is_less,
                                  "heap_retained_bytes_before", (json_int_t)before.retained_bytes));
}

static const struct route {
    const char *method, *path;
    bool is_truth; /* answered in a stall, too */
    enum MHD_Result (*run)(mu_mock_exchange *x);
} routes[] = {
    {"POST", "/v1/completions", false, complete},
    {"POST", "/v1/chat/completions", false, chat},
    {"GET", "/v1/models", false, models},
    {"GET", "/health", false, health},
    {"GET", "/readyz", false, health},
    {"GET", "/metrics", false, metrics},
    {"GET", "/mock/requests", true, requests},
    {"POST", "/mock/reset", true, reset},
    {"POST", "/mock/trim", true, trim},
};

enum MHD_Result mu_mock_dispatch(mu_mock_exchange *x, const char *method, const char *path) {
    for (size_t i = 0; i < MU_COUNTOF(routes); i++) {
        if (strcmp(routes[i].path, path) != 0 || strcmp(routes[i].method, method) != 0) continue;
        bool is_generation = routes[i].run == complete || routes[i].run == chat;
        if (!routes[i].is_truth && !is_generation &&
            !mu_mock_wait_for_stall(x->mock, x->received_ns)) {
            return MHD_NO;
        }
        return routes[i].run(x);
    }
    return refuse(x, 404, "no such path, or another method");
}
