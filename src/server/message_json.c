#include "server/message_json.h"

static json_t *text_from(const mu_buf *text, size_t from) {
    return json_stringn(text->n > from ? text->data + from : "", text->n - from);
}

static json_t *call_json(const mu_tool_call *call) {
    return json_pack("{s:s, s:s, s:{s:o, s:o}}", "id", call->id, "type", "function", "function",
                     "name", text_from(&call->name, 0), "arguments",
                     text_from(&call->arguments, 0));
}

static size_t n_shown(const mu_answer_parts *parts, size_t n_calls_max) {
    size_t n = mu_answer_parts_calls(parts)->n;
    return n < n_calls_max ? n : n_calls_max;
}

json_t *mu_message_json(const mu_answer_parts *parts, size_t n_calls_max) {
    const mu_buf *content = mu_answer_parts_content(parts);
    const mu_buf *reasoning = mu_answer_parts_reasoning(parts);
    size_t n_calls = n_shown(parts, n_calls_max);
    bool has_content = content->n > 0 || n_calls == 0;
    if (mu_answer_parts_failed(parts)) return NULL;
    json_t *json = json_pack("{s:s, s:o, s:n}", "role", "assistant", "content",
                             has_content ? text_from(content, 0) : json_null(), "refusal");
    if (reasoning->n > 0) json_object_set_new(json, "reasoning_content", text_from(reasoning, 0));
    if (n_calls == 0) return json;
    json_t *calls = json_array();
    for (size_t i = 0; i < n_calls; i++) {
        json_array_append_new(calls, call_json(&mu_answer_parts_calls(parts)->items[i]));
    }
    json_object_set_new(json, "tool_calls", calls);
    return json;
}

static void add_calls(const mu_answer_parts *parts, size_t n, mu_parts_told *told, json_t *delta) {
    json_t *calls = json_array();
    for (; told->n_calls < n; told->n_calls++) {
        json_t *call = call_json(&mu_answer_parts_calls(parts)->items[told->n_calls]);
        json_object_set_new(call, "index", json_integer((json_int_t)told->n_calls));
        json_array_append_new(calls, call);
    }
    json_object_set_new(delta, "tool_calls", calls);
}

json_t *mu_delta_json(const mu_answer_parts *parts, size_t n_calls_max, mu_parts_told *told) {
    const mu_buf *content = mu_answer_parts_content(parts);
    const mu_buf *reasoning = mu_answer_parts_reasoning(parts);
    size_t n_calls = n_shown(parts, n_calls_max);
    if (mu_answer_parts_failed(parts)) return NULL;
    json_t *delta = json_object();
    if (reasoning->n > told->n_reasoning)
        json_object_set_new(delta, "reasoning_content", text_from(reasoning, told->n_reasoning));
    if (content->n > told->n_content)
        json_object_set_new(delta, "content", text_from(content, told->n_content));
    if (n_calls > told->n_calls) add_calls(parts, n_calls, told, delta);
    told->n_content = content->n;
    told->n_reasoning = reasoning->n;
    return delta;
}
