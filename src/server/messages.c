#include "server/messages.h"

#include <string.h>
#include <time.h>

static const char *name_of(const json_t *tool) {
    return json_string_value(json_object_get(json_object_get(tool, "function"), "name"));
}

static bool check_tools(const json_t *tools, mu_api_error *error) {
    if (!tools) return true;
    if (!json_is_array(tools)) return mu_api_wrong(error, "tools", "must be an array");
    for (size_t i = 0; i < json_array_size(tools); i++) {
        if (!name_of(json_array_get(tools, i)))
            return mu_api_fail(error, MU_API_INVALID_VALUE, "tools",
                               "tools: %zu is not a function with a name", i);
    }
    return true;
}

/* Adds the one of the shown tools that `like` names to those that may be called. */
static bool allow(const json_t *like, mu_tool_choice *out, mu_api_error *error) {
    const char *name = name_of(like);
    json_t *found = NULL;
    for (size_t i = 0; i < json_array_size(out->shown) && name && !found; i++) {
        json_t *tool = json_array_get(out->shown, i);
        if (strcmp(name_of(tool), name) == 0) found = tool;
    }
    if (!out->callable) out->callable = json_array();
    if (found && json_array_append(out->callable, found) == 0) return true;
    mu_tool_choice_deinit(out);
    return mu_api_fail(error, MU_API_INVALID_VALUE, "tool_choice",
                       "tool_choice: \"%.60s\" is not one of tools", name ? name : "function.name");
}

/* {"type": "allowed_tools", "allowed_tools": {"mode": "auto" | "required", "tools": [...]}} */
static bool choose_among(const json_t *allowed, mu_tool_choice *out, mu_api_error *error) {
    const char *mode = json_string_value(json_object_get(allowed, "mode"));
    const json_t *tools = json_object_get(allowed, "tools"), *tool;
    size_t i;
    bool is_required = mode && strcmp(mode, "required") == 0;
    if (json_array_size(tools) == 0 || !mode || (!is_required && strcmp(mode, "auto") != 0))
        return mu_api_wrong(error, "tool_choice",
                            "allowed_tools needs mode, auto or required, and tools");
    out->is_required = is_required;
    json_array_foreach(tools, i, tool) {
        if (!allow(tool, out, error)) return false;
    }
    return true;
}

/* {"type": "function", "function": {"name": ...}}: this tool is called, once. */
static bool choose_named(const json_t *choice, mu_tool_choice *out, mu_api_error *error) {
    const json_t *allowed = json_object_get(choice, "allowed_tools");
    if (allowed) return choose_among(allowed, out, error);
    out->is_required = out->is_single = true;
    return allow(choice, out, error);
}

bool mu_tool_choice_read(const mu_generation_params *p, mu_tool_choice *out, mu_api_error *error) {
    const char *word = json_string_value(p->tool_choice);
    *out = (mu_tool_choice){.is_single = !p->parallel_tool_calls};
    if (!check_tools(p->tools, error)) return false;
    if (json_array_size(p->tools) > 0) out->shown = p->tools;
    if (json_is_object(p->tool_choice)) return choose_named(p->tool_choice, out, error);
    if (p->tool_choice && !word)
        return mu_api_wrong(error, "tool_choice", "must be none, auto, required or a function");
    if (word && strcmp(word, "none") == 0) {
        out->shown = NULL;
    } else if (word && strcmp(word, "required") == 0) {
        out->is_required = true;
        if (!out->shown) return mu_api_wrong(error, "tool_choice", "required needs tools");
    } else if (word && strcmp(word, "auto") != 0) {
        return mu_api_wrong(error, "tool_choice", "must be none, auto, required or a function");
    }
    out->callable = json_incref(out->shown);
    return true;
}

void mu_tool_choice_deinit(mu_tool_choice *choice) {
    json_decref(choice->callable);
    *choice = (mu_tool_choice){0};
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
    mu_tool_choice choice;
    if (!mu_tool_choice_read(p, &choice, error)) return false;
    c.tools = choice.shown;
    mu_tool_choice_deinit(&choice);
    json_t *kwargs = variables_of(p);
    c.kwargs = kwargs;
    localtime_r(&now, &c.now);
    mu_status status = mu_conversation_render(f, &c, out, &err);
    json_decref(kwargs);
    return status == MU_OK || mu_api_fail_status(error, &err);
}
