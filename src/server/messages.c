#include "server/messages.h"

#include <string.h>

static bool append_content(json_t *content, mu_buf *out) {
    if (json_is_null(content) || !content) return true;
    if (json_is_string(content)) {
        mu_buf_append(out, json_string_value(content), json_string_length(content));
        return true;
    }
    size_t i;
    json_t *part;
    if (!json_is_array(content)) return false;
    json_array_foreach(content, i, part) {
        const char *type = json_string_value(json_object_get(part, "type"));
        json_t *text = json_object_get(part, "text");
        if (!type || strcmp(type, "text") != 0 || !json_is_string(text)) return false;
        mu_buf_append(out, json_string_value(text), json_string_length(text));
    }
    return true;
}

bool mu_messages_render(const mu_chat_template *t, json_t *messages, mu_buf *out,
                        mu_api_error *error) {
    enum { MESSAGES_MAX = 10000 };
    size_t i, n = json_array_size(messages);
    json_t *message;
    if (!json_is_array(messages) || n == 0 || n > MESSAGES_MAX) {
        return mu_api_fail(error, MU_API_INVALID_VALUE, "messages",
                           "messages: must be an array of 1 to %d objects", MESSAGES_MAX);
    }
    mu_buf content = {0};
    bool ok = true;
    json_array_foreach(messages, i, message) {
        const char *role = json_string_value(json_object_get(message, "role"));
        mu_buf_clear(&content);
        if (!append_content(json_object_get(message, "content"), &content)) {
            ok = mu_api_fail(error, MU_API_INVALID_VALUE, "messages",
                             "messages: content %zu is neither text nor parts of type text", i);
        } else if (!role || !mu_chat_template_append(t, role, content.data ? content.data : "",
                                                     content.n, out)) {
            ok = mu_api_fail(error, MU_API_INVALID_VALUE, "messages",
                             "messages: role %zu is not system, developer, user, assistant or tool",
                             i);
        }
        if (!ok) break;
    }
    if (ok && (content.failed || out->failed))
        ok = mu_api_fail(error, MU_API_OVERLOADED, NULL, "out of memory");
    mu_buf_deinit(&content);
    if (ok) mu_chat_template_invite(t, out);
    return ok;
}
