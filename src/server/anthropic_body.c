/* A body of Anthropic's Messages API as one of OpenAI's: system first, blocks to content, calls and
 * results, tools to functions. Pure. Fields that are not Anthropic's go along as they are. */
#include "server/anthropic.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "format/json.h"

static const char *text_of(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

static bool is_type(const json_t *block, const char *type) {
    const char *of = text_of(block, "type");
    return of && strcmp(of, type) == 0;
}

/* A text, or text blocks joined: what a system prompt or a tool's result may be. NULL: neither. */
static json_t *plain_text(const json_t *content) {
    if (json_is_string(content)) return json_incref((json_t *)(uintptr_t)content);
    if (!json_is_array(content)) return NULL;
    mu_buf joined = {0};
    bool is_text = true;
    for (size_t i = 0; i < json_array_size(content) && is_text; i++) {
        const json_t *block = json_array_get(content, i), *text = json_object_get(block, "text");
        is_text = is_type(block, "text") && json_is_string(text);
        if (!is_text) break;
        if (joined.n > 0) mu_buf_append_str(&joined, "\n");
        mu_buf_append(&joined, json_string_value(text), json_string_length(text));
    }
    json_t *json =
        is_text && !joined.failed ? json_stringn(joined.data ? joined.data : "", joined.n) : NULL;
    mu_buf_deinit(&joined);
    return json;
}

/* Messages */

typedef struct message {
    json_t *parts, *calls, *reasoning; /* of the message that blocks are gathered for */
} message;

static bool add_call(message *m, const json_t *block, mu_api_error *error) {
    const char *name = text_of(block, "name"), *id = text_of(block, "id");
    const json_t *input = json_object_get(block, "input");
    if (!name || !id || !json_is_object(input)) {
        return mu_api_wrong(error, "messages", "tool_use needs id, name and an object as input");
    }
    char *arguments = json_dumps(input, JSON_COMPACT);
    if (!arguments) return mu_api_no_memory(error);
    json_t *call = json_pack("{s:s, s:s, s:{s:s, s:s}}", "id", id, "type", "function", "function",
                             "name", name, "arguments", arguments);
    mu_free(arguments);
    if (!m->calls) m->calls = json_array();
    json_array_append_new(m->calls, call);
    return true;
}

/* A result becomes a message of its own, before what its user says beside it. */
static bool add_result(const json_t *block, json_t *messages, mu_api_error *error) {
    const char *id = text_of(block, "tool_use_id");
    const json_t *content = json_object_get(block, "content");
    if (!id) return mu_api_wrong(error, "messages", "tool_result needs tool_use_id");
    json_t *text = content ? plain_text(content) : json_string("");
    if (!text) return mu_api_wrong(error, "messages", "tool_result: only text is supported");
    json_array_append_new(messages, json_pack("{s:s, s:s, s:o}", "role", "tool", "tool_call_id", id,
                                              "content", text));
    return true;
}

static bool add_block(message *m, const json_t *block, bool is_user, json_t *messages,
                      mu_api_error *error) {
    const char *type = text_of(block, "type");
    if (!type) return mu_api_wrong(error, "messages", "a block of content has no type");
    if (strcmp(type, "text") == 0) {
        const json_t *text = json_object_get(block, "text");
        if (!json_is_string(text))
            return mu_api_wrong(error, "messages", "a text block has no text");
        json_array_append_new(m->parts, json_pack("{s:s, s:O}", "type", "text", "text", text));
        return true;
    }
    if (strcmp(type, "tool_result") == 0 && is_user) return add_result(block, messages, error);
    if (strcmp(type, "tool_use") == 0 && !is_user) return add_call(m, block, error);
    if (strcmp(type, "thinking") == 0 && !is_user) {
        json_decref(m->reasoning);
        m->reasoning = json_incref(json_object_get(block, "thinking"));
        return true;
    }
    if (strcmp(type, "redacted_thinking") == 0) return true;
    return mu_api_fail(error, MU_API_NOT_SUPPORTED, "messages",
                       "messages: content of type %.40s is not supported", type);
}

static void drop(message *m) {
    json_decref(m->parts);
    json_decref(m->calls);
    json_decref(m->reasoning);
}

/* Takes over what was gathered. A user's turn of nothing but results adds no message. */
static void end_message(message *m, const char *role, json_t *messages) {
    bool is_assistant = strcmp(role, "assistant") == 0;
    if (json_array_size(m->parts) > 0 || is_assistant) {
        json_t *json = json_pack("{s:s}", "role", role);
        bool is_empty = json_array_size(m->parts) == 0;
        json_object_set(json, "content", is_empty ? json_null() : m->parts);
        if (m->calls) json_object_set(json, "tool_calls", m->calls);
        if (json_is_string(m->reasoning)) {
            json_object_set(json, "reasoning_content", m->reasoning);
        }
        json_array_append_new(messages, json);
    }
    drop(m);
}

static bool add_message(const json_t *from, json_t *messages, mu_api_error *error) {
    const char *role = text_of(from, "role");
    const json_t *content = json_object_get(from, "content");
    bool is_user = role && strcmp(role, "user") == 0;
    if (!is_user && (!role || strcmp(role, "assistant") != 0)) {
        return mu_api_wrong(error, "messages", "role must be user or assistant");
    }
    if (json_is_string(content)) {
        json_array_append_new(messages, json_pack("{s:s, s:O}", "role", role, "content", content));
        return true;
    }
    if (!json_is_array(content)) {
        return mu_api_wrong(error, "messages", "content must be a text or an array of blocks");
    }
    message m = {.parts = json_array()};
    for (size_t i = 0; i < json_array_size(content); i++) {
        if (add_block(&m, json_array_get(content, i), is_user, messages, error)) continue;
        drop(&m);
        return false;
    }
    end_message(&m, role, messages);
    return true;
}

static bool add_messages(const json_t *body, json_t *out, mu_api_error *error) {
    const json_t *from = json_object_get(body, "messages"),
                 *system = json_object_get(body, "system");
    json_t *messages = json_array();
    json_object_set_new(out, "messages", messages);
    if (!json_is_array(from) || json_array_size(from) == 0) {
        return mu_api_wrong(error, "messages", "must be an array of at least one message");
    }
    if (system && !json_is_null(system)) {
        json_t *text = plain_text(system);
        if (!text) return mu_api_wrong(error, "system", "must be a text or text blocks");
        json_array_append_new(messages, json_pack("{s:s, s:o}", "role", "system", "content", text));
    }
    for (size_t i = 0; i < json_array_size(from); i++) {
        if (!add_message(json_array_get(from, i), messages, error)) return false;
    }
    return true;
}

/* Tools */

static bool add_tools(const json_t *body, json_t *out, mu_api_error *error) {
    const json_t *from = json_object_get(body, "tools");
    if (!from || json_is_null(from)) return true;
    if (!json_is_array(from)) return mu_api_wrong(error, "tools", "must be an array");
    json_t *tools = json_array();
    json_object_set_new(out, "tools", tools);
    for (size_t i = 0; i < json_array_size(from); i++) {
        const json_t *tool = json_array_get(from, i),
                     *schema = json_object_get(tool, "input_schema");
        const char *name = text_of(tool, "name"), *type = text_of(tool, "type");
        if (type && strcmp(type, "custom") != 0) {
            return mu_api_fail(error, MU_API_NOT_SUPPORTED, "tools",
                               "tools: type %.40s is not supported, custom is", type);
        }
        if (!name || !json_is_object(schema)) {
            return mu_api_wrong(error, "tools",
                                "a tool needs a name and an object as input_schema");
        }
        json_t *function = json_pack("{s:s, s:O}", "name", name, "parameters", schema);
        const json_t *description = json_object_get(tool, "description");
        if (json_is_string(description)) {
            json_object_set(function, "description", (json_t *)(uintptr_t)description);
        }
        json_array_append_new(tools,
                              json_pack("{s:s, s:o}", "type", "function", "function", function));
    }
    return true;
}

static bool add_tool_choice(const json_t *body, json_t *out, mu_api_error *error) {
    const json_t *from = json_object_get(body, "tool_choice");
    const char *name = text_of(from, "name");
    if (!from || json_is_null(from)) return true;
    if (json_is_true(json_object_get(from, "disable_parallel_tool_use"))) {
        json_object_set_new(out, "parallel_tool_calls", json_false());
    }
    json_t *choice = NULL;
    if (is_type(from, "auto")) choice = json_string("auto");
    if (is_type(from, "none")) choice = json_string("none");
    if (is_type(from, "any")) choice = json_string("required");
    if (is_type(from, "tool") && name) {
        choice = json_pack("{s:s, s:{s:s}}", "type", "function", "function", "name", name);
    }
    if (!choice) return mu_api_wrong(error, "tool_choice", "type must be auto, any, none or tool");
    json_object_set_new(out, "tool_choice", choice);
    return true;
}

/* The rest */

static bool add_thinking(const json_t *body, json_t *out, mu_api_error *error) {
    const json_t *from = json_object_get(body, "thinking");
    if (!from || json_is_null(from)) return true;
    bool is_on = is_type(from, "enabled") || is_type(from, "adaptive");
    if (!is_on && !is_type(from, "disabled")) {
        return mu_api_wrong(error, "thinking", "type must be enabled, adaptive or disabled");
    }
    json_object_set_new(out, "chat_template_kwargs",
                        json_pack("{s:b}", "enable_thinking", (int)is_on));
    json_t *budget = json_object_get(from, "budget_tokens");
    if (is_on && budget) json_object_set(out, "thinking_token_budget", budget);
    return true;
}

static bool add_format(const json_t *body, json_t *out, mu_api_error *error) {
    const json_t *from = json_object_get(json_object_get(body, "output_config"), "format");
    if (!from) from = json_object_get(body, "output_format");
    if (!from || json_is_null(from)) return true;
    json_t *schema = json_object_get(from, "schema");
    if (!is_type(from, "json_schema") || !schema) {
        return mu_api_wrong(error, "output_config", "format must be json_schema with a schema");
    }
    json_object_set(out, "json_schema", schema);
    return true;
}

/* What the rest of the translation reads, and what an answer here does not depend on. */
static bool is_handled(const char *field) {
    static const char *const names[] = {
        "messages",           "system",         "tools",         "tool_choice",
        "thinking",           "stop_sequences", "output_config", "metadata",
        "output_format",      "service_tier",   "cache_control", "container",
        "context_management", "mcp_servers",    "inference_geo",
    };
    for (size_t i = 0; i < MU_COUNTOF(names); i++) {
        if (strcmp(names[i], field) == 0) return true;
    }
    return false;
}

bool mu_anthropic_translate(const json_t *body, json_t **out, mu_api_error *error) {
    if (!json_is_object(body)) {
        return mu_api_fail(error, MU_API_INVALID_JSON, NULL, "the body must be a JSON object");
    }
    json_t *json = json_object(), *value;
    const char *field;
    json_object_foreach((json_t *)(uintptr_t)body, field, value) {
        if (!is_handled(field)) json_object_set(json, field, value);
    }
    json_t *stops = json_object_get(body, "stop_sequences");
    if (stops && !json_is_null(stops)) json_object_set(json, "stop", stops);
    if (add_messages(body, json, error) && add_tools(body, json, error) &&
        add_tool_choice(body, json, error) && add_thinking(body, json, error) &&
        add_format(body, json, error)) {
        *out = json;
        return true;
    }
    json_decref(json);
    return false;
}
