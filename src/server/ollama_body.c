/* Bodies of Ollama as OpenAI's: options to fields, calls without ids to calls with ids. Pure. */
#include "server/ollama.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "format/json.h"

static const json_t *given(const json_t *body, const char *field) {
    const json_t *value = json_object_get(body, field);
    return json_is_null(value) ? NULL : value;
}

static void set(json_t *out, const char *field, const json_t *value) {
    json_object_set(out, field, (json_t *)(uintptr_t)value);
}

/* Of the others nothing here depends: num_ctx, num_gpu and the like. */
static const struct {
    const char *theirs, *ours;
} options[] = {
    {"num_predict", "max_tokens"},
    {"temperature", "temperature"},
    {"top_k", "top_k"},
    {"top_p", "top_p"},
    {"min_p", "min_p"},
    {"seed", "seed"},
    {"stop", "stop"},
    {"repeat_penalty", "repeat_penalty"},
    {"presence_penalty", "presence_penalty"},
    {"frequency_penalty", "frequency_penalty"},
};

static bool add_options(const json_t *body, json_t *out, mu_api_error *error) {
    const json_t *from = given(body, "options"), *n_predict = given(from, "num_predict");
    if (!from) return true;
    if (!json_is_object(from)) return mu_api_wrong(error, "options", "must be an object");
    for (size_t i = 0; i < MU_COUNTOF(options); i++) {
        const json_t *value = given(from, options[i].theirs);
        if (value) set(out, options[i].ours, value);
    }
    if (json_is_integer(n_predict) && json_integer_value(n_predict) < 0) { /* all there is */
        json_object_set_new(out, "max_tokens", json_integer(-1));
    }
    return true;
}

static bool add_format(const json_t *body, json_t *out, mu_api_error *error) {
    const json_t *from = given(body, "format");
    const char *name = json_string_value(from);
    if (!from || (name && name[0] == '\0')) return true;
    if (name && strcmp(name, "json") == 0) {
        json_object_set_new(out, "response_format", json_pack("{s:s}", "type", "json_object"));
        return true;
    }
    if (!json_is_object(from))
        return mu_api_wrong(error, "format", "must be \"json\" or a JSON Schema");
    set(out, "json_schema", from);
    return true;
}

static bool add_think(const json_t *body, json_t *out, mu_api_error *error) {
    const json_t *from = given(body, "think");
    if (!from) return true;
    if (!json_is_boolean(from) && !json_is_string(from)) {
        return mu_api_wrong(error, "think", "must be true, false, low, medium or high");
    }
    bool is_on = !json_is_false(from);
    json_object_set_new(out, "chat_template_kwargs",
                        json_pack("{s:b}", "enable_thinking", (int)is_on));
    if (json_is_string(from)) set(out, "reasoning_effort", from);
    return true;
}

/* What both kinds of bodies have. */
static bool add_shared(const json_t *body, json_t *out, mu_api_error *error) {
    const json_t *stream = given(body, "stream"), *model = given(body, "model");
    if (model) set(out, "model", model);
    if (stream) set(out, "stream", stream);
    if (!stream) json_object_set_new(out, "stream", json_true());
    return add_options(body, out, error) && add_format(body, out, error) &&
           add_think(body, out, error);
}

static bool has_images(const json_t *object) {
    return json_array_size(given(object, "images")) > 0;
}

/* Chats */

/* The id of the n-th call of a conversation: nine letters and digits, as some templates want. */
static void call_id(unsigned n, char out[16]) {
    snprintf(out, 16, "call%05u", n % 100000);
}

static bool add_calls(const json_t *from, unsigned *n_calls, json_t *to, mu_api_error *error) {
    if (!json_is_array(from)) return mu_api_wrong(error, "messages", "tool_calls must be an array");
    json_t *calls = json_array();
    json_object_set_new(to, "tool_calls", calls);
    for (size_t i = 0; i < json_array_size(from); i++) {
        const json_t *function = json_object_get(json_array_get(from, i), "function");
        const json_t *name = json_object_get(function, "name");
        const json_t *arguments = json_object_get(function, "arguments");
        char id[16];
        if (!json_is_string(name) || !json_is_object(arguments)) {
            return mu_api_wrong(error, "messages",
                                "a tool call needs a name and an object of arguments");
        }
        char *text = json_dumps(arguments, JSON_COMPACT);
        if (!text) return mu_api_no_memory(error);
        call_id((*n_calls)++, id);
        json_array_append_new(calls,
                              json_pack("{s:s, s:s, s:{s:O, s:s}}", "id", id, "type", "function",
                                        "function", "name", name, "arguments", text));
        mu_free(text);
    }
    return true;
}

typedef struct calls_seen {
    unsigned n, n_answered;
} calls_seen;

static bool add_message(const json_t *from, calls_seen *seen, json_t *messages,
                        mu_api_error *error) {
    const json_t *role = given(from, "role"), *content = given(from, "content");
    const json_t *calls = given(from, "tool_calls"), *thinking = given(from, "thinking");
    if (!json_is_string(role)) return mu_api_wrong(error, "messages", "a message has no role");
    if (content && !json_is_string(content)) {
        return mu_api_wrong(error, "messages", "content must be a text");
    }
    if (has_images(from)) {
        return mu_api_fail(error, MU_API_NOT_SUPPORTED, "messages",
                           "messages: images are not supported");
    }
    json_t *to = json_pack("{s:O}", "role", role);
    json_array_append_new(messages, to);
    if (content) set(to, "content", content);
    if (!content) json_object_set_new(to, "content", json_string(""));
    if (json_is_string(thinking)) set(to, "reasoning_content", thinking);
    if (strcmp(json_string_value(role), "tool") == 0) {
        char id[16];
        const json_t *name = given(from, "tool_name");
        call_id(seen->n_answered++, id);
        json_object_set_new(to, "tool_call_id", json_string(id));
        if (json_is_string(name)) set(to, "name", name);
    }
    return !calls || add_calls(calls, &seen->n, to, error);
}

bool mu_ollama_translate_chat(const json_t *body, json_t **out, mu_api_error *error) {
    const json_t *from = given(body, "messages"), *tools = given(body, "tools");
    if (!json_is_object(body)) {
        return mu_api_fail(error, MU_API_INVALID_JSON, NULL, "the body must be a JSON object");
    }
    if (!json_is_array(from)) return mu_api_wrong(error, "messages", "must be an array");
    json_t *json = json_object(), *messages = json_array();
    calls_seen seen = {0};
    json_object_set_new(json, "messages", messages);
    bool ok = add_shared(body, json, error);
    for (size_t i = 0; i < json_array_size(from) && ok; i++) {
        ok = add_message(json_array_get(from, i), &seen, messages, error);
    }
    if (ok && json_array_size(tools) > 0) set(json, "tools", tools);
    if (!ok) {
        json_decref(json);
        return false;
    }
    *out = json;
    return true;
}

/* Prompts */

bool mu_ollama_is_raw(const json_t *body) {
    return json_is_true(json_object_get(body, "raw"));
}

bool mu_ollama_is_empty(const json_t *body) {
    const json_t *prompt = given(body, "prompt"), *messages = given(body, "messages");
    return json_string_length(prompt) == 0 && json_array_size(messages) == 0 &&
           (!prompt || json_is_string(prompt)) && (!messages || json_is_array(messages));
}

/* Fields that would change the answer, and cannot here. */
static bool check_generate(const json_t *body, mu_api_error *error) {
    static const char *const fields[] = {"template", "suffix"};
    if (!json_is_object(body)) {
        return mu_api_fail(error, MU_API_INVALID_JSON, NULL, "the body must be a JSON object");
    }
    if (!json_is_string(given(body, "prompt")))
        return mu_api_wrong(error, "prompt", "must be a text");
    for (size_t i = 0; i < MU_COUNTOF(fields); i++) {
        if (json_string_length(given(body, fields[i])) == 0) continue;
        return mu_api_fail(error, MU_API_NOT_SUPPORTED, fields[i], "%s: not supported", fields[i]);
    }
    if (!has_images(body)) return true;
    return mu_api_fail(error, MU_API_NOT_SUPPORTED, "images", "images: not supported");
}

bool mu_ollama_translate_generate(const json_t *body, json_t **out, mu_api_error *error) {
    const json_t *prompt = given(body, "prompt"), *system = given(body, "system");
    if (!check_generate(body, error)) return false;
    if (system && !json_is_string(system)) return mu_api_wrong(error, "system", "must be a text");
    json_t *json = json_object();
    if (!add_shared(body, json, error)) {
        json_decref(json);
        return false;
    }
    if (mu_ollama_is_raw(body)) {
        set(json, "prompt", prompt);
        json_object_del(json, "chat_template_kwargs");
        json_object_del(json, "reasoning_effort");
        if (!json_object_get(json, "max_tokens")) {
            json_object_set_new(json, "max_tokens", json_integer(-1));
        }
    } else {
        json_t *messages = json_array();
        json_object_set_new(json, "messages", messages);
        if (json_string_length(system) > 0) {
            json_array_append_new(messages,
                                  json_pack("{s:s, s:O}", "role", "system", "content", system));
        }
        json_array_append_new(messages, json_pack("{s:s, s:O}", "role", "user", "content", prompt));
    }
    *out = json;
    return true;
}
