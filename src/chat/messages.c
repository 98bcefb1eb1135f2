#include "chat/messages.h"

#include <string.h>

#include "base/buf.h"
#include "format/json.h"

typedef struct normalizer {
    const mu_conversation_abilities *abilities;
    json_t *out;     /* array */
    mu_buf system;   /* waits for the first user message, where the template has no place for it */
    mu_buf tools;    /* their description, which waits for the first system message */
    json_t *results; /* the message that holds the results of calls, while there may be more */
    size_t index;    /* of the message, for errors */
    mu_err *err;
} normalizer;

static mu_status no_memory(mu_err *err) {
    return mu_fail(err, MU_ERR_NOMEM, "messages: out of memory");
}

static const struct {
    const char *name, *is; /* is: the role that stands for it */
} roles[] = {{"system", "system"},       {"developer", "developer"}, {"user", "user"},
             {"assistant", "assistant"}, {"tool", "tool"},           {"function", "tool"}};

static mu_status read_role(const normalizer *z, const json_t *message, const char **out) {
    const char *role = json_string_value(json_object_get(message, "role"));
    for (size_t i = 0; role && i < MU_COUNTOF(roles); i++) {
        if (strcmp(role, roles[i].name) != 0) continue;
        bool is_folded = strcmp(role, "developer") == 0 && !z->abilities->developer;
        *out = is_folded ? "system" : roles[i].is;
        return MU_OK;
    }
    return mu_fail(z->err, MU_ERR_INVALID,
                   "messages: role %zu is not system, developer, user, assistant or tool",
                   z->index);
}

/* Text, or parts that are all text, one after the other. *out_present: there was some. */
static mu_status read_content(const normalizer *z, const json_t *message, mu_buf *out,
                              bool *out_present) {
    const json_t *content = json_object_get(message, "content"), *part;
    size_t i;
    *out_present = content && !json_is_null(content);
    if (!*out_present) return MU_OK;
    if (json_is_string(content)) {
        mu_buf_append(out, json_string_value(content), json_string_length(content));
        return MU_OK;
    }
    bool ok = json_is_array(content);
    json_array_foreach(content, i, part) {
        const char *type = json_string_value(json_object_get(part, "type"));
        const json_t *text = json_object_get(part, "text");
        bool is_text = type && (strcmp(type, "text") == 0 || strcmp(type, "input_text") == 0);
        if (!is_text && type)
            return mu_fail(z->err, MU_ERR_UNSUPPORTED,
                           "messages: content %zu has a part of type \"%.40s\", and this model "
                           "reads text only",
                           z->index, type);
        ok = ok && is_text && json_is_string(text);
        if (ok) mu_buf_append(out, json_string_value(text), json_string_length(text));
    }
    if (ok) return MU_OK;
    return mu_fail(z->err, MU_ERR_INVALID,
                   "messages: content %zu is neither text nor parts of type text", z->index);
}

static int append_text(const char *data, size_t n, void *ctx) {
    mu_buf_append(ctx, data, n);
    return 0;
}

/* A new reference: arguments as the template wants them. */
static json_t *arguments_of(const normalizer *z, json_t *given) {
    json_t *parsed = NULL;
    if (z->abilities->text_arguments && !json_is_string(given)) {
        mu_buf text = {0};
        bool ok = json_dump_callback(given, append_text, &text, 0) == 0 && !text.failed;
        json_t *string = ok ? json_stringn(text.data, text.n) : NULL;
        mu_buf_deinit(&text);
        return string;
    }
    bool is_wanted = !z->abilities->text_arguments && json_is_string(given);
    if (is_wanted &&
        mu_json_parse(json_string_value(given), json_string_length(given), &parsed, NULL) == MU_OK)
        return parsed;
    return json_incref(given);
}

static mu_status normalize_call(const normalizer *z, const json_t *call, json_t *to) {
    json_t *function = json_object_get(call, "function");
    json_t *arguments = json_object_get(function, "arguments");
    if (!json_is_string(json_object_get(function, "name")) ||
        (!json_is_string(arguments) && !json_is_object(arguments)))
        return mu_fail(z->err, MU_ERR_INVALID,
                       "messages: tool_calls %zu: a function with a name and arguments is expected",
                       z->index);
    json_t *new_call = json_copy((json_t *)call), *new_function = json_copy(function);
    int failed = json_object_set_new(new_function, "arguments", arguments_of(z, arguments));
    failed |= json_object_set_new(new_call, "function", new_function);
    failed |= json_array_append_new(to, new_call);
    return failed ? no_memory(z->err) : MU_OK;
}

static mu_status normalize_calls(const normalizer *z, json_t *message) {
    const json_t *calls = json_object_get(message, "tool_calls"), *call;
    size_t i;
    if (!calls || json_is_null(calls) || (json_is_array(calls) && json_array_size(calls) == 0)) {
        json_object_del(message, "tool_calls"); /* templates ask whether the key is there */
        return MU_OK;
    }
    if (!json_is_array(calls))
        return mu_fail(z->err, MU_ERR_INVALID, "messages: tool_calls %zu is not an array",
                       z->index);
    json_t *normalized = json_array();
    mu_status status = MU_OK;
    json_array_foreach(calls, i, call) {
        if (status == MU_OK) status = normalize_call(z, call, normalized);
    }
    if (status != MU_OK) {
        json_decref(normalized);
        return status;
    }
    return json_object_set_new(message, "tool_calls", normalized) ? no_memory(z->err) : MU_OK;
}

/* What the model is told where its template does not show tools, and how calls are then written:
 * as Hermes has them. */
static const char tools_before[] =
    "You may call functions. These are there, each one JSON object:\n",
                  tools_after[] =
                      "To call one, answer with its name and arguments:\n<tool_call>\n{\"name\": "
                      "NAME, \"arguments\": {...}}\n</tool_call>\nIts result comes between "
                      "<tool_response> and </tool_response>.";

static bool append_json(const json_t *json, mu_buf *out) {
    out->failed |= json_dump_callback(json, append_text, out, 0) != 0;
    return !out->failed;
}

static void describe_tools(const json_t *tools, mu_buf *out) {
    size_t i;
    const json_t *tool;
    mu_buf_append_str(out, tools_before);
    json_array_foreach(tools, i, tool) {
        append_json(json_object_get(tool, "function"), out);
        mu_buf_append_str(out, "\n");
    }
    mu_buf_append_str(out, tools_after);
}

/* Calls as text. A model that has seen its tools in JSON reads its calls in JSON. */
static mu_status fold_calls(const normalizer *z, json_t *message, mu_buf *content) {
    const json_t *calls = json_object_get(message, "tool_calls"), *call;
    bool is_list = z->abilities->tools;
    size_t i;
    if (!calls || z->abilities->calls) return MU_OK;
    if (content->n > 0) mu_buf_append_str(content, "\n");
    if (is_list) mu_buf_append_str(content, "[");
    json_array_foreach(calls, i, call) {
        if (i > 0) mu_buf_append_str(content, is_list ? ", " : "\n");
        if (!is_list) mu_buf_append_str(content, "<tool_call>\n");
        append_json(json_object_get(call, "function"), content);
        if (!is_list) mu_buf_append_str(content, "\n</tool_call>");
    }
    if (is_list) mu_buf_append_str(content, "]");
    json_object_del(message, "tool_calls");
    return content->failed ? no_memory(z->err) : MU_OK;
}

static bool keep_for_user(normalizer *z, const mu_buf *content) {
    if (content->n > 0) mu_buf_append(&z->system, content->data, content->n);
    mu_buf_append_str(&z->system, "\n\n");
    return !z->system.failed;
}

/* What waited from system messages goes before the text of a user message. */
static mu_status set_content(normalizer *z, json_t *message, bool is_user, const mu_buf *content,
                             bool is_null) {
    mu_buf whole = {0};
    if (is_user && z->system.n > 0) {
        mu_buf_append(&whole, z->system.data, z->system.n);
        mu_buf_clear(&z->system);
    }
    if (content->n > 0) mu_buf_append(&whole, content->data, content->n);
    json_t *json = is_null ? json_null() : json_stringn(whole.data ? whole.data : "", whole.n);
    bool ok = !whole.failed && json_object_set_new(message, "content", json) == 0;
    mu_buf_deinit(&whole);
    return ok ? MU_OK : no_memory(z->err);
}

static mu_status add(normalizer *z, const json_t *given, const char *role, mu_buf *content,
                     bool has_content) {
    json_t *message = json_copy((json_t *)given);
    if (!message || json_object_set_new(message, "role", json_string(role))) {
        json_decref(message);
        return no_memory(z->err);
    }
    json_t *reasoning = json_object_get(message, "reasoning"); /* its other name */
    if (json_is_string(reasoning) && !json_object_get(message, "reasoning_content"))
        json_object_set(message, "reasoning_content", reasoning);
    mu_status status = normalize_calls(z, message);
    if (status == MU_OK) status = fold_calls(z, message, content);
    bool only_calls = !has_content && json_object_get(message, "tool_calls");
    bool is_null = only_calls && z->abilities->null_content;
    if (status == MU_OK)
        status = set_content(z, message, strcmp(role, "user") == 0, content, is_null);
    if (status != MU_OK) {
        json_decref(message);
        return status;
    }
    return json_array_append_new(z->out, message) ? no_memory(z->err) : MU_OK;
}

/* A result becomes a user's words; several in a row one message, since many templates want users
 * and assistants to take turns. */
static mu_status fold_result(normalizer *z, const json_t *given, const mu_buf *content) {
    mu_buf text = {0};
    json_t *last = z->results;
    if (last) {
        const json_t *before = json_object_get(last, "content");
        mu_buf_append(&text, json_string_value(before), json_string_length(before));
        mu_buf_append_str(&text, "\n");
    }
    mu_buf_append_str(&text, "<tool_response>\n");
    if (content->n > 0) mu_buf_append(&text, content->data, content->n);
    mu_buf_append_str(&text, "\n</tool_response>");
    mu_status status = MU_OK;
    if (!last) {
        status = add(z, given, "user", &text, true);
        if (status == MU_OK) last = json_array_get(z->out, json_array_size(z->out) - 1);
    } else if (text.failed ||
               json_object_set_new(last, "content", json_stringn(text.data, text.n))) {
        status = no_memory(z->err);
    }
    json_object_del(last, "tool_call_id");
    z->results = last;
    mu_buf_deinit(&text);
    return status;
}

static mu_status put_system(normalizer *z, const json_t *given, mu_buf *content) {
    if (content->n > 0 && z->tools.n > 0) mu_buf_append_str(content, "\n\n");
    if (z->tools.n > 0) mu_buf_append(content, z->tools.data, z->tools.n);
    mu_buf_clear(&z->tools);
    if (z->abilities->system) return add(z, given, "system", content, true);
    return keep_for_user(z, content) ? MU_OK : no_memory(z->err);
}

/* A message that nobody sent. */
static mu_status put_own(normalizer *z, const char *role) {
    mu_buf content = {0};
    json_t *message = json_object();
    bool is_system = strcmp(role, "system") == 0;
    mu_status status = !message    ? no_memory(z->err)
                       : is_system ? put_system(z, message, &content)
                                   : add(z, message, role, &content, true);
    json_decref(message);
    mu_buf_deinit(&content);
    return status;
}

static mu_status put(normalizer *z, const json_t *message, const char *role, mu_buf *content,
                     bool has_content) {
    bool is_system = strcmp(role, "system") == 0;
    mu_status status = MU_OK;
    if (!is_system && z->tools.n > 0) status = put_own(z, "system");
    if (status != MU_OK) return status;
    if (is_system) return put_system(z, message, content);
    if (strcmp(role, "tool") == 0 && !z->abilities->results)
        return fold_result(z, message, content);
    z->results = NULL;
    return add(z, message, role, content, has_content);
}

static mu_status normalize(normalizer *z, const json_t *message) {
    const char *role = NULL;
    mu_buf content = {0};
    bool has_content = false;
    mu_status status = read_role(z, message, &role);
    if (status == MU_OK) status = read_content(z, message, &content, &has_content);
    if (status == MU_OK && content.failed) status = no_memory(z->err);
    if (status == MU_OK) status = put(z, message, role, &content, has_content);
    mu_buf_deinit(&content);
    return status;
}

mu_status mu_messages_normalize(const json_t *messages, const json_t *tools,
                                const mu_conversation_abilities *abilities, json_t **out,
                                mu_err *err) {
    size_t n = json_array_size(messages);
    const json_t *message;
    if (!json_is_array(messages) || n == 0 || n > MU_MESSAGES_MAX)
        return mu_fail(err, MU_ERR_INVALID, "messages: must be an array of 1 to %d objects",
                       MU_MESSAGES_MAX);
    normalizer z = {.abilities = abilities, .out = json_array(), .err = err};
    if (tools) describe_tools(tools, &z.tools);
    mu_status status = z.out && !z.tools.failed ? MU_OK : no_memory(err);
    json_array_foreach(messages, z.index, message) {
        if (status == MU_OK) status = normalize(&z, message);
    }
    if (status == MU_OK && z.system.n > 0) status = put_own(&z, "user"); /* nobody spoke after it */
    mu_buf_deinit(&z.system);
    mu_buf_deinit(&z.tools);
    if (status != MU_OK) {
        json_decref(z.out);
        return status;
    }
    *out = z.out;
    return MU_OK;
}
