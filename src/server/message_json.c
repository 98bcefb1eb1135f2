#include "server/message_json.h"

#include "format/json.h"

mu_bytes mu_buf_bytes(const mu_buf *text) {
    return (mu_bytes){text->data ? text->data : "", text->n};
}

json_t *mu_bytes_json(mu_bytes text) {
    return json_stringn(text.data, text.n);
}

json_t *mu_tool_arguments_json(const mu_tool_call *call) {
    mu_bytes text = mu_buf_bytes(&call->arguments);
    json_t *json = NULL;
    mu_status status = mu_json_parse(text.data, text.n, &json, NULL);
    if (status == MU_OK && json_is_object(json)) return json;
    json_decref(json);
    return json_object();
}

static mu_bytes rest_of(const mu_buf *text, size_t from) {
    return (mu_bytes){text->n > from ? text->data + from : "", text->n - from};
}

mu_delta mu_delta_take(const mu_answer_parts *parts, size_t n_calls_max, mu_parts_told *told) {
    const mu_tool_calls *calls = mu_answer_parts_calls(parts);
    size_t n_calls = calls->n < n_calls_max ? calls->n : n_calls_max;
    mu_delta delta = {
        .content = rest_of(mu_answer_parts_content(parts), told->n_content),
        .reasoning = rest_of(mu_answer_parts_reasoning(parts), told->n_reasoning),
        .calls = calls->items + told->n_calls,
        .n_calls = n_calls - told->n_calls,
    };
    told->n_content += delta.content.n;
    told->n_reasoning += delta.reasoning.n;
    told->n_calls = n_calls;
    return delta;
}

static json_t *call_json(const mu_tool_call *call) {
    return json_pack("{s:s, s:s, s:{s:o, s:o}}", "id", call->id, "type", "function", "function",
                     "name", mu_bytes_json(mu_buf_bytes(&call->name)), "arguments",
                     mu_bytes_json(mu_buf_bytes(&call->arguments)));
}

json_t *mu_message_json(const mu_answer_parts *parts, size_t n_calls_max) {
    mu_parts_told nothing = {0};
    mu_delta all = mu_delta_take(parts, n_calls_max, &nothing);
    bool has_content = all.content.n > 0 || all.n_calls == 0;
    if (mu_answer_parts_failed(parts)) return NULL;
    json_t *json = json_pack("{s:s, s:o, s:n}", "role", "assistant", "content",
                             has_content ? mu_bytes_json(all.content) : json_null(), "refusal");
    if (all.reasoning.n > 0)
        json_object_set_new(json, "reasoning_content", mu_bytes_json(all.reasoning));
    if (all.n_calls == 0) return json;
    json_t *calls = json_array();
    for (size_t i = 0; i < all.n_calls; i++) {
        json_array_append_new(calls, call_json(&all.calls[i]));
    }
    json_object_set_new(json, "tool_calls", calls);
    return json;
}

/* first: the index of the first of them in the answer. */
static json_t *new_calls_json(const mu_delta *delta, size_t first) {
    json_t *calls = json_array();
    for (size_t i = 0; i < delta->n_calls; i++) {
        json_t *call = call_json(&delta->calls[i]);
        json_object_set_new(call, "index", json_integer((json_int_t)(first + i)));
        json_array_append_new(calls, call);
    }
    return calls;
}

json_t *mu_delta_json(const mu_answer_parts *parts, size_t n_calls_max, mu_parts_told *told) {
    if (mu_answer_parts_failed(parts)) return NULL;
    size_t first_call = told->n_calls;
    mu_delta delta = mu_delta_take(parts, n_calls_max, told);
    json_t *json = json_object();
    if (delta.reasoning.n > 0)
        json_object_set_new(json, "reasoning_content", mu_bytes_json(delta.reasoning));
    if (delta.content.n > 0) json_object_set_new(json, "content", mu_bytes_json(delta.content));
    if (delta.n_calls > 0)
        json_object_set_new(json, "tool_calls", new_calls_json(&delta, first_call));
    return json;
}
