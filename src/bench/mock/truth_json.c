#include <string.h>

#include "base/alloc.h"
#include "bench/mock/exchange.h"

static json_t *sends_json(mu_mock *mock, const mu_mock_request *r) {
    mu_mock_send *sends = MU_ALLOC(mu_mock_send, r->n_sends);
    if (!sends) return NULL;
    json_t *rows = json_array();
    uint32_t n = mu_mock_copy_sends(mock, r->index, sends, r->n_sends);
    for (uint32_t i = 0; i < n; i++) {
        json_array_append_new(rows, json_pack("[I, I, i, i]", (json_int_t)sends[i].due_ns,
                                              (json_int_t)sends[i].sent_ns, (int)sends[i].n_tokens,
                                              (int)sends[i].n_chunks));
    }
    mu_free(sends);
    return rows;
}

static json_t *request_json(mu_mock *mock, const mu_mock_request *r, bool with_sends) {
    json_t *json = json_pack(
        "{s:I, s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "index",
        (json_int_t)r->index, "state", mu_mock_state_name(r->state), "fault",
        mu_mock_fault_name(r->fault), "chat", (int)r->is_chat, "stream", (int)r->is_stream,
        "prompt_tokens", (json_int_t)r->n_prompt, "asked_tokens", (json_int_t)r->n_asked,
        "planned_tokens", (json_int_t)r->n_planned, "sent_tokens", (json_int_t)r->n_sent,
        "received_ns", (json_int_t)r->received_ns, "started_ns", (json_int_t)r->started_ns,
        "end_ns", (json_int_t)r->end_ns, "client_id", r->client_id);
    if (json && with_sends) json_object_set_new(json, "sends", sends_json(mock, r));
    return json;
}

json_t *mu_mock_requests_json(mu_mock *mock, uint64_t from, bool with_sends) {
    uint32_t cap = mock->options.n_records;
    mu_mock_request *requests_copy = MU_ALLOC(mu_mock_request, cap);
    if (!requests_copy) return NULL;
    json_t *rows = json_array();
    uint32_t n = mu_mock_copy_requests(mock, from, requests_copy, cap);
    for (uint32_t i = 0; i < n; i++) {
        json_array_append_new(rows, request_json(mock, &requests_copy[i], with_sends));
    }
    mu_free(requests_copy);
    return json_pack("{s:s, s:[s, s, s, s], s:o}", "schema", "muai.mock_requests/1",
                     "sends_columns", "due_ns", "sent_ns", "tokens", "chunks", "requests", rows);
}
