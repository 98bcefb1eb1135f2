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
        .live = n_calls < n_calls_max ? mu_answer_parts_live_call(parts) : NULL,
    };
    told->n_content += delta.content.n;
    told->n_reasoning += delta.reasoning.n;
    told->n_calls = n_calls;
    return delta;
}

mu_call_piece mu_call_piece_take(const mu_delta *delta, const mu_tool_call *call,
                                 mu_parts_told *told) {
    mu_call_piece piece = {!told->is_named, rest_of(&call->arguments, told->n_arguments)};
    told->is_named = call == delta->live;
    told->n_arguments = call == delta->live ? call->arguments.n : 0;
    return piece;
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

/* A call, or the next piece of one; nothing when it was all told. */
static void append_call(json_t *calls, size_t index, const mu_delta *delta,
                        const mu_tool_call *call, mu_parts_told *told) {
    mu_call_piece piece = mu_call_piece_take(delta, call, told);
    json_t *json = NULL;
    if (piece.is_first) {
        json = call_json(call);
    } else if (piece.arguments.n > 0) {
        json = json_pack("{s:{s:o}}", "function", "arguments", mu_bytes_json(piece.arguments));
    }
    if (!json) return;
    json_object_set_new(json, "index", json_integer((json_int_t)index));
    json_array_append_new(calls, json);
}

/* first: the index of the first of them in the answer. */
static json_t *new_calls_json(const mu_delta *delta, size_t first, mu_parts_told *told) {
    json_t *calls = json_array();
    for (size_t i = 0; i < delta->n_calls; i++) {
        append_call(calls, first + i, delta, &delta->calls[i], told);
    }
    if (delta->live) append_call(calls, first + delta->n_calls, delta, delta->live, told);
    return calls;
}

json_t *mu_delta_json(const mu_answer_parts *parts, size_t n_calls_max, mu_parts_told *told) {
    if (mu_answer_parts_failed(parts)) return NULL;
    size_t first_call = told->n_calls;
    mu_delta delta = mu_delta_take(parts, n_calls_max, told);
    json_t *json = json_object();
    set_reasoning(json, delta.reasoning);
    if (delta.content.n > 0) json_object_set_new(json, "content", mu_bytes_json(delta.content));
    json_t *calls = new_calls_json(&delta, first_call, told);
    if (json_array_size(calls) > 0) json_object_set(json, "tool_calls", calls);
    json_decref(calls);
    return json;
}
