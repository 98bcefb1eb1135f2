#include "bench/mock/mock_answer.h"

#include <string.h>

#include "base/rng.h"

/* jansson writes this as the escape \u0001, which is then overwritten with bytes of no character.
 */
static const char NO_CHARACTER[] = "\001";
static const char NO_CHARACTER_JSON[] = "\\u0001";

const char *mu_mock_token_text(uint64_t seed, uint32_t i) {
    static const char *const words[] = {
        " the",    " of",    " und",   " größer", " time", "。",     "漢字",   " é",
        " server", " slow,", " fast;", " 🙂",   "\n",    " naïve", " \"a\"", " token",
    };
    return words[mu_mix64(seed * 0x9e3779b97f4a7c15u + i) % MU_COUNTOF(words)];
}

static int append(const char *data, size_t n, void *out) {
    mu_buf_append(out, data, n);
    return 0;
}

void mu_mock_write_json(mu_buf *out, json_t *json) {
    if (!json || json_dump_callback(json, append, out, JSON_COMPACT) != 0) out->failed = true;
    json_decref(json);
}

static json_t *usage(const mu_mock_answer *a, uint32_t n_output) {
    uint32_t n_prompt = a->wish->n_prompt;
    uint32_t n_cached = (uint32_t)((uint64_t)n_prompt * a->options->cached_percent / 100);
    uint32_t n_reasoning = a->plan->n_reasoning < n_output ? a->plan->n_reasoning : n_output;
    return json_pack("{s:I, s:I, s:I, s:{s:I}, s:{s:I}}", "prompt_tokens", (json_int_t)n_prompt,
                     "completion_tokens", (json_int_t)n_output, "total_tokens",
                     (json_int_t)n_prompt + n_output, "prompt_tokens_details", "cached_tokens",
                     (json_int_t)n_cached, "completion_tokens_details", "reasoning_tokens",
                     (json_int_t)n_reasoning);
}

static json_t *frame(const mu_mock_answer *a, json_t *choices) {
    bool is_stream = a->wish->is_stream;
    const char *object = !a->wish->is_chat ? "text_completion"
                         : is_stream       ? "chat.completion.chunk"
                                           : "chat.completion";
    return json_pack("{s:s, s:s, s:I, s:s, s:o}", "id", a->id, "object", object, "created",
                     (json_int_t)a->created, "model", a->model, "choices", choices);
}

/* {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]} or its like for text. */
static json_t *event(const mu_mock_answer *a, json_t *delta, const char *reason) {
    const char *key = a->wish->is_chat ? "delta" : "text";
    return frame(a,
                 json_pack("[{s:i, s:o, s:s?}]", "index", 0, key, delta, "finish_reason", reason));
}

static void write_event(mu_buf *out, json_t *json) {
    mu_buf_append_str(out, "data: ");
    mu_mock_write_json(out, json);
    mu_buf_append_str(out, "\n\n");
}

static void append_tokens(mu_buf *text, const mu_mock_answer *a, uint32_t first, uint32_t n) {
    for (uint32_t i = first; i < first + n; i++) {
        mu_buf_append_str(text, mu_mock_token_text(a->options->seed, i));
    }
}

static json_t *text_json(mu_buf *text) {
    json_t *json = text->failed ? NULL : json_stringn(text->data ? text->data : "", text->n);
    mu_buf_deinit(text);
    return json;
}

static json_t *chunk_text(const mu_mock_answer *a, uint32_t chunk) {
    mu_buf text = {0};
    bool is_faulty = chunk == a->plan->fault_chunk;
    append_tokens(&text, a, chunk * a->options->tokens_per_chunk,
                  mu_mock_plan_chunk_tokens(a->options, a->plan, chunk));
    if (is_faulty && a->plan->fault == MU_MOCK_OTHER_TEXT) mu_buf_append_str(&text, " other");
    if (is_faulty && a->plan->fault == MU_MOCK_BAD_UTF8) mu_buf_append_str(&text, NO_CHARACTER);
    return text_json(&text);
}

void mu_mock_write_preamble(mu_buf *out, const mu_mock_answer *a) {
    if (a->options->ping) mu_buf_append_str(out, ": ping\n\n");
    if (!a->wish->is_chat || a->options->no_role) return;
    json_t *delta = json_pack("{s:s, s:s}", "role", "assistant", "content", "");
    json_t *json = event(a, delta, NULL);
    if (json && a->plan->has_continuous_usage) json_object_set_new(json, "usage", usage(a, 0));
    write_event(out, json);
}

/* Bytes [from, n) hold the JSON of something faulty: make it what the fault says. */
static void spoil(mu_buf *out, size_t from, mu_mock_fault fault) {
    if (out->failed || out->n == from) return;
    if (fault == MU_MOCK_BAD_JSON) {
        char *brace = memrchr(out->data + from, '}', out->n - from);
        if (brace) *brace = ',';
    }
    if (fault == MU_MOCK_BAD_UTF8) {
        size_t n = sizeof(NO_CHARACTER_JSON) - 1;
        char *at = memmem(out->data + from, out->n - from, NO_CHARACTER_JSON, n);
        if (at) memset(at, 0xff, n);
    }
}

void mu_mock_write_chunk(mu_buf *out, const mu_mock_answer *a, uint32_t chunk) {
    const mu_mock_plan *plan = a->plan;
    size_t from = out->n;
    uint32_t first = chunk * a->options->tokens_per_chunk;
    json_t *delta = chunk_text(a, chunk);
    if (a->wish->is_chat) {
        const char *channel = first < plan->n_reasoning ? "reasoning_content" : "content";
        delta = json_pack("{s:o}", channel, delta);
    }
    json_t *json = event(a, delta, NULL);
    uint32_t n_output = first + mu_mock_plan_chunk_tokens(a->options, plan, chunk);
    if (json && plan->has_continuous_usage) {
        json_object_set_new(json, "usage", usage(a, n_output));
    } else if (json && plan->has_usage) {
        json_object_set_new(json, "usage", json_null());
    }
    write_event(out, json);
    if (chunk == plan->fault_chunk) spoil(out, from, plan->fault);
}

static const char *reason_of(const mu_mock_plan *plan) {
    return plan->ends_by_itself ? "stop" : "length";
}

void mu_mock_write_tail(mu_buf *out, const mu_mock_answer *a) {
    json_t *nothing = a->wish->is_chat ? json_object() : json_string("");
    json_t *json = event(a, nothing, reason_of(a->plan));
    if (json && a->plan->has_continuous_usage) {
        json_object_set_new(json, "usage", usage(a, a->plan->n_tokens));
    }
    write_event(out, json);
    if (a->plan->has_usage) {
        json = frame(a, json_array());
        if (json) json_object_set_new(json, "usage", usage(a, a->plan->n_tokens));
        write_event(out, json);
    }
    if (a->plan->fault != MU_MOCK_NO_DONE) mu_buf_append_str(out, "data: [DONE]\n\n");
}

static json_t *error_json(const char *type, const char *code, const char *message) {
    return json_pack("{s:{s:s, s:s, s:n, s:s}}", "error", "message", message, "type", type, "param",
                     "code", code);
}

void mu_mock_write_error_event(mu_buf *out) {
    write_event(out, error_json("server_error", "internal_error", "planned error of the stream"));
    mu_buf_append_str(out, "data: [DONE]\n\n");
}

void mu_mock_write_error(mu_buf *out, uint32_t status, const char *message) {
    const char *type = status == 429   ? "rate_limit_error"
                       : status == 503 ? "unavailable_error"
                       : status >= 500 ? "server_error"
                                       : "invalid_request_error";
    const char *code = status == 429   ? "rate_limit_exceeded"
                       : status == 503 ? "overloaded"
                       : status >= 500 ? "internal_error"
                                       : "invalid_value";
    mu_mock_write_json(out, error_json(type, code, message));
}

static json_t *body_choice(const mu_mock_answer *a) {
    const mu_mock_plan *plan = a->plan;
    mu_buf content = {0}, reasoning = {0};
    uint32_t n_reasoning = plan->n_reasoning < plan->n_tokens ? plan->n_reasoning : plan->n_tokens;
    append_tokens(&reasoning, a, 0, n_reasoning);
    append_tokens(&content, a, n_reasoning, plan->n_tokens - n_reasoning);
    if (plan->fault == MU_MOCK_OTHER_TEXT) mu_buf_append_str(&content, " other");
    if (plan->fault == MU_MOCK_BAD_UTF8) mu_buf_append_str(&content, NO_CHARACTER);
    json_t *text = text_json(&content), *thoughts = text_json(&reasoning);
    if (!a->wish->is_chat) {
        json_decref(thoughts);
        return json_pack("[{s:i, s:o, s:s}]", "index", 0, "text", text, "finish_reason",
                         reason_of(plan));
    }
    json_t *message = json_pack("{s:s, s:o}", "role", "assistant", "content", text);
    if (message && n_reasoning > 0) json_object_set(message, "reasoning_content", thoughts);
    json_decref(thoughts);
    return json_pack("[{s:i, s:o, s:s}]", "index", 0, "message", message, "finish_reason",
                     reason_of(plan));
}

void mu_mock_write_body(mu_buf *out, const mu_mock_answer *a) {
    json_t *json = frame(a, body_choice(a));
    if (json && a->options->usage != MU_MOCK_USAGE_NEVER) {
        json_object_set_new(json, "usage", usage(a, a->plan->n_tokens));
    }
    mu_mock_write_json(out, json);
    spoil(out, 0, a->plan->fault);
}

size_t mu_mock_cut(const char *data, size_t n) {
    for (size_t i = 0; i + 1 < n; i++) {
        if ((unsigned char)data[i] >= 0xc0) return i + 1;
    }
    return n / 2;
}
