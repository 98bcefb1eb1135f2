/* The answer as Ollama tells it: objects that repeat the model and the time, the last of which is
 * done and counts. */
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "server/generation.h"
#include "server/generation_state.h"
#include "server/ollama.h"

static json_t *now_json(void) {
    char text[MU_UTC_MAX];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    mu_utc_write(&now, 6, text);
    return json_string(text);
}

static json_t *line(const char *model, bool is_done) {
    return json_pack("{s:s, s:o, s:b}", "model", model, "created_at", now_json(), "done",
                     (int)is_done);
}

static json_t *calls_json(const mu_delta *delta) {
    json_t *calls = json_array();
    for (size_t i = 0; i < delta->n_calls; i++) {
        const mu_tool_call *call = &delta->calls[i];
        json_array_append_new(calls, json_pack("{s:{s:o, s:o}}", "function", "name",
                                               mu_bytes_json(mu_buf_bytes(&call->name)),
                                               "arguments", mu_tool_arguments_json(call)));
    }
    return calls;
}

/* What is new goes into a message, or of a prompt's answer beside it. */
static void add_text(const mu_generation *g, const mu_delta *delta, json_t *json) {
    bool has_message = g->form == &mu_ollama_chat_form;
    json_t *to = has_message ? json_pack("{s:s}", "role", "assistant") : json;
    json_object_set_new(to, has_message ? "content" : "response", mu_bytes_json(delta->content));
    if (delta->reasoning.n > 0) {
        json_object_set_new(to, "thinking", mu_bytes_json(delta->reasoning));
    }
    if (delta->n_calls > 0) json_object_set_new(to, "tool_calls", calls_json(delta));
    if (has_message) json_object_set_new(json, "message", to);
}

static json_int_t ns(uint64_t from_ns, uint64_t to_ns) {
    return from_ns > 0 && to_ns > from_ns ? (json_int_t)(to_ns - from_ns) : 0;
}

/* Durations in nanoseconds; waiting, for a load too, is before the prompt is read. */
static void add_end(const mu_generation *g, json_t *json) {
    mu_request_facts f = mu_request_get_facts(g->request);
    const char *reason = g->news[0].finish == MU_FINISH_LENGTH ? "length" : "stop";
    json_t *counts =
        json_pack("{s:s, s:I, s:I, s:i, s:I, s:i, s:I}", "done_reason", reason, "total_duration",
                  ns(f.submitted_ns, f.end_ns), "load_duration", ns(f.submitted_ns, f.started_ns),
                  "prompt_eval_count", (int)g->n_prompt_tokens, "prompt_eval_duration",
                  ns(f.started_ns, f.first_ns), "eval_count", (int)mu_generation_n_output(g),
                  "eval_duration", ns(f.first_ns, f.end_ns));
    json_object_update(json, counts);
    json_decref(counts);
}

static json_t *whole(mu_generation *g) {
    mu_delta all = mu_generation_delta(g, 0);
    json_t *json = line(g->model, true);
    add_text(g, &all, json);
    add_end(g, json);
    return json;
}

/* The stream */

static void begin(mu_generation *g, mu_buf *out) {
    (void)g, (void)out;
}

static void news(mu_generation *g, uint32_t i, mu_finish finish, mu_buf *out) {
    (void)finish;
    mu_delta delta = mu_generation_delta(g, i);
    if (delta.content.n + delta.reasoning.n + delta.n_calls == 0) return;
    json_t *json = line(g->model, false);
    add_text(g, &delta, json);
    mu_line_append(out, json);
}

static void end(mu_generation *g, mu_buf *out) {
    const mu_delta nothing = {.content = {"", 0}};
    json_t *json = line(g->model, true);
    add_text(g, &nothing, json);
    add_end(g, json);
    mu_line_append(out, json);
}

static void fail(const mu_api_error *error, mu_buf *out) {
    mu_line_append(out, mu_api_error_json(MU_API_OLLAMA, error));
}

#define OLLAMA_FORM                                                                      \
    .stream = MU_STREAM_LINES, .whole = whole, .begin = begin, .news = news, .end = end, \
    .fail = fail

const mu_generation_form mu_ollama_chat_form = {
    .id_prefix = "chat-",
    .is_chat = true,
    .translate = mu_ollama_translate_chat,
    OLLAMA_FORM,
};

const mu_generation_form mu_ollama_generate_form = {
    .id_prefix = "generate-",
    .is_chat = true,
    .translate = mu_ollama_translate_generate,
    OLLAMA_FORM,
};

const mu_generation_form mu_ollama_raw_form = {
    .id_prefix = "generate-",
    .translate = mu_ollama_translate_generate,
    OLLAMA_FORM,
};

/* Requests for no text */

static bool keeps_nothing(const json_t *body) {
    const json_t *keep = json_object_get(body, "keep_alive");
    const char *text = json_string_value(keep);
    bool is_zero = json_is_number(keep) && json_number_value(keep) == 0.0;
    return is_zero || (text && (strcmp(text, "0") == 0 || strcmp(text, "0s") == 0));
}

static void answer_empty(mu_call *call, const json_t *body, bool is_chat) {
    const char *name = json_string_value(json_object_get(body, "model"));
    bool unloads = keeps_nothing(body);
    mu_api_error error;
    if (!mu_call_choose_model(call, name, &error)) {
        mu_call_fail(call, &error);
        return;
    }
    mu_resident_ask(call->served->of.resident, unloads ? MU_WISH_UNLOAD : MU_WISH_LOAD, false);
    json_t *json = line(name && name[0] ? name : call->served->of.names[0], true);
    json_object_set_new(json, "done_reason", json_string(unloads ? "unload" : "load"));
    if (is_chat) {
        json_object_set_new(json, "message",
                            json_pack("{s:s, s:s}", "role", "assistant", "content", ""));
    } else {
        json_object_set_new(json, "response", json_string(""));
    }
    mu_call_json(call, 200, json);
}

static void start(mu_call *call, bool is_chat) {
    json_t *body;
    if (!mu_call_body(call, &body)) return;
    if (json_is_object(body) && mu_ollama_is_empty(body)) {
        answer_empty(call, body, is_chat);
        mu_call_body_free(call, body);
    } else if (is_chat) {
        mu_generation_start_body(call, &mu_ollama_chat_form, body);
    } else {
        bool is_raw = mu_ollama_is_raw(body);
        mu_generation_start_body(call, is_raw ? &mu_ollama_raw_form : &mu_ollama_generate_form,
                                 body);
    }
}

void mu_ollama_post_chat(mu_call *call) {
    start(call, true);
}

void mu_ollama_post_generate(mu_call *call) {
    start(call, false);
}
