#include "server/messages.h"

#include <string.h>
#include <time.h>

bool mu_tools_choose(const mu_generation_params *p, const json_t **out, mu_api_error *error) {
    const char *choice = json_string_value(p->tool_choice);
    bool has_tools = json_array_size(p->tools) > 0;
    *out = has_tools ? p->tools : NULL;
    if (!p->tool_choice || (choice && strcmp(choice, "auto") == 0)) return true;
    if (choice && strcmp(choice, "none") == 0) {
        *out = NULL;
        return true;
    }
    bool is_known = json_is_object(p->tool_choice) || (choice && strcmp(choice, "required") == 0);
    if (!is_known)
        return mu_api_fail(error, MU_API_INVALID_VALUE, "tool_choice",
                           "tool_choice: must be none, auto, required or a function");
    return mu_api_fail(error, MU_API_NOT_SUPPORTED, "tool_choice",
                       "tool_choice: only none and auto are supported");
}

/* A new reference to the template's variables; NULL: none. */
static json_t *variables_of(const mu_generation_params *p) {
    if (!p->reasoning_effort) return json_incref(p->chat_template_kwargs);
    json_t *kwargs = p->chat_template_kwargs ? json_copy(p->chat_template_kwargs) : json_object();
    if (json_is_object(kwargs) && !json_object_get(kwargs, "reasoning_effort"))
        json_object_set_new(kwargs, "reasoning_effort", json_string(p->reasoning_effort));
    return kwargs;
}

bool mu_messages_render(const mu_conversation_format *f, const mu_generation_params *p,
                        int64_t now_s, mu_rendering *out, mu_api_error *error) {
    mu_conversation c = {.messages = p->messages,
                         .continues = p->continue_final_message,
                         .no_invitation = !p->add_generation_prompt};
    time_t now = (time_t)now_s;
    mu_err err = {0};
    if (!mu_tools_choose(p, &c.tools, error)) return false;
    if (p->tools && !json_is_array(p->tools))
        return mu_api_fail(error, MU_API_INVALID_VALUE, "tools", "tools: must be an array");
    json_t *kwargs = variables_of(p);
    c.kwargs = kwargs;
    localtime_r(&now, &c.now);
    mu_status status = mu_conversation_render(f, &c, out, &err);
    json_decref(kwargs);
    return status == MU_OK || mu_api_fail_status(error, &err);
}
