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
    if (text->n <= from) return (mu_bytes){"", 0};
    return (mu_bytes){text->data + from, text->n - from};
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

/* Under both names that clients look for. */
static void set_reasoning(json_t *json, mu_bytes text) {
    if (text.n == 0) return;
    json_object_set_new(json, "reasoning_content", mu_bytes_json(text));
    json_object_set(json, "reasoning", json_object_get(json, "reasoning_content"));
}

json_t *mu_message_json(const mu_answer_parts *parts, size_t n_calls_max) {
    mu_parts_told nothing = {0};
    mu_delta all = mu_delta_take(parts, n_calls_max, &nothing);
    bool has_content = all.content.n > 0 || all.n_calls == 0;
    if (mu_answer_parts_failed(parts)) return NULL;
    json_t *json = json_pack("{s:s, s:o, s:n}", "role", "assistant", "content",
                             has_content ? mu_bytes_json(all.content) : json_null(), "refusal");
    set_reasoning(json, all.reasoning);
    if (all.n_calls == 0) return json;
    json_t *calls = json_array();
    for (size_t i = 0; i < all.n_calls; i++) {
        json_array_append_new(calls, call_json(&all.calls[i]));
    }
    json_object_set_new(json, "tool_calls", calls);
    return json;
}

/* What of a call was not told; nothing when it was all. */
static void append_call(json_t *calls, size_t index, const mu_tool_call *call,
                        mu_parts_told *told) {
    mu_bytes rest = rest_of(&call->arguments, told->n_arguments);
    json_t *json = NULL;
    if (!told->is_named) {
        json = call_json(call);
    } else if (rest.n > 0) {
        json = json_pack("{s:{s:o}}", "function", "arguments", mu_bytes_json(rest));
    }
    told->is_named = true;
    told->n_arguments += rest.n;
    if (!json) return;
    json_object_set_new(json, "index", json_integer((json_int_t)index));
    json_array_append_new(calls, json);
}

/* first: the index of the first of them in the answer; live: the one after them, or NULL. */
static json_t *new_calls_json(const mu_delta *delta, size_t first, const mu_tool_call *live,
                              mu_parts_told *told) {
    json_t *calls = json_array();
    for (size_t i = 0; i < delta->n_calls; i++) {
        append_call(calls, first + i, &delta->calls[i], told);
        told->is_named = false;
        told->n_arguments = 0;
    }
    if (live) append_call(calls, first + delta->n_calls, live, told);
    return calls;
}

json_t *mu_delta_json(const mu_answer_parts *parts, size_t n_calls_max, mu_parts_told *told) {
    if (mu_answer_parts_failed(parts)) return NULL;
    size_t first_call = told->n_calls;
    mu_delta delta = mu_delta_take(parts, n_calls_max, told);
    json_t *json = json_object();
    set_reasoning(json, delta.reasoning);
    if (delta.content.n > 0) json_object_set_new(json, "content", mu_bytes_json(delta.content));
    const mu_tool_call *live =
        told->n_calls < n_calls_max ? mu_answer_parts_live_call(parts) : NULL;
    json_t *calls = new_calls_json(&delta, first_call, live, told);
    if (json_array_size(calls) > 0) json_object_set(json, "tool_calls", calls);
    json_decref(calls);
    return json;
}
