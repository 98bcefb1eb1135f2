#include "chat/conversation.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "chat/messages.h"

struct mu_conversation_format {
    mu_chat_template *plain, *with_tools; /* the latter NULL: the same */
    char *bos, *eos, *stop;               /* NULL: none */
    mu_conversation_abilities abilities;
};

static bool copy_text(const char *text, char **out) {
    *out = text ? mu_alloc(strlen(text) + 1) : NULL;
    if (*out) memcpy(*out, text, strlen(text));
    return *out || !text;
}

static const mu_chat_template *template_for(const mu_conversation_format *f, bool has_tools) {
    return has_tools && f->with_tools ? f->with_tools : f->plain;
}

static mu_status render(const mu_conversation_format *f, const json_t *variables, struct tm now,
                        mu_rendering *out, mu_err *err) {
    mu_render_options options = {.now = now, .bos = f->bos, .eos = f->eos};
    bool has_tools = json_is_array(json_object_get(variables, "tools"));
    return mu_chat_template_render(template_for(f, has_tools), variables, &options, out, err);
}

/* Does a conversation render, and are all needles in the prompt? Takes over variables. */
static bool shows(const mu_conversation_format *f, json_t *variables, const char *const *needles,
                  size_t n) {
    mu_rendering r = {0};
    struct tm now = {.tm_year = 126, .tm_mday = 1};
    bool ok = variables && render(f, variables, now, &r, NULL) == MU_OK;
    for (size_t i = 0; i < n && ok; i++) {
        ok = memmem(r.text, r.n, needles[i], strlen(needles[i])) != NULL;
    }
    mu_rendering_deinit(&r);
    json_decref(variables);
    return ok;
}

/* A first message of this role, then a user's. */
static bool shows_role(const mu_conversation_format *f, const char *role) {
    static const char *const needles[] = {"probe one", "probe two"};
    json_t *v =
        json_pack("{s:[{s:s, s:s}, {s:s, s:s}], s:b}", "messages", "role", role, "content",
                  "probe one", "role", "user", "content", "probe two", "add_generation_prompt", 1);
    return shows(f, v, needles, MU_COUNTOF(needles));
}

static json_t *probe_tools(void) {
    return json_pack("[{s:s, s:{s:s, s:s, s:{s:s, s:{s:{s:s, s:s}}, s:[s]}}}]", "type", "function",
                     "function", "name", "probe_tool", "description", "probes", "parameters",
                     "type", "object", "properties", "probe_argument", "type", "string",
                     "description", "an argument", "required", "probe_argument");
}

static bool shows_tools(const mu_conversation_format *f) {
    static const char *const needles[] = {"probe_tool", "probe_argument"};
    json_t *v = json_pack("{s:[{s:s, s:s}], s:o, s:b}", "messages", "role", "user", "content",
                          "probe", "tools", probe_tools(), "add_generation_prompt", 1);
    return shows(f, v, needles, MU_COUNTOF(needles));
}

static bool shows_result(const mu_conversation_format *f) {
    static const char *const needles[] = {"probe one", "probe two"};
    json_t *v =
        json_pack("{s:[{s:s, s:s}, {s:s, s:s}], s:b}", "messages", "role", "user", "content",
                  "probe one", "role", "tool", "content", "probe two", "add_generation_prompt", 1);
    return shows(f, v, needles, MU_COUNTOF(needles));
}

/* A call in the history, with its arguments and content in one of the forms. */
static bool shows_call(const mu_conversation_format *f, bool text_arguments, bool null_content) {
    static const char *const needles[] = {"probe_tool", "probe_value", "probe_result"};
    json_t *arguments = text_arguments ? json_string("{\"probe_argument\": \"probe_value\"}")
                                       : json_pack("{s:s}", "probe_argument", "probe_value");
    /* Mistral's templates want ids of nine letters or digits. */
    json_t *v =
        json_pack("{s:[{s:s, s:s}, {s:s, s:o, s:[{s:s, s:s, s:{s:s, s:o}}]}, {s:s, s:s, s:s, "
                  "s:s}], s:o, s:b}",
                  "messages", "role", "user", "content", "probe", "role", "assistant", "content",
                  null_content ? json_null() : json_string(""), "tool_calls", "id", "probe0001",
                  "type", "function", "function", "name", "probe_tool", "arguments", arguments,
                  "role", "tool", "content", "probe_result", "tool_call_id", "probe0001", "name",
                  "probe_tool", "tools", probe_tools(), "add_generation_prompt", 1);
    return shows(f, v, needles, MU_COUNTOF(needles));
}

/* The first form of a call that the template takes; objects are the more common. */
static void probe_calls(mu_conversation_format *f) {
    mu_conversation_abilities *a = &f->abilities;
    for (int i = 0; i < 4 && !a->calls; i++) {
        a->text_arguments = i >= 2;
        a->null_content = i % 2 == 1;
        a->calls = shows_call(f, a->text_arguments, a->null_content);
    }
    if (!a->calls) a->text_arguments = a->null_content = false;
}

/* What stands between an answer and the next user's words, unless it looks like control tokens. */
static char *find_stop(const mu_conversation_format *f) {
    static const char answer[] = "probe answer", question[] = "probe question";
    mu_rendering r = {0};
    char *stop = NULL;
    struct tm now = {.tm_year = 126, .tm_mday = 1};
    json_t *v = json_pack("{s:[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}], s:b}", "messages", "role",
                          "user", "content", "probe", "role", "assistant", "content", answer,
                          "role", "user", "content", question, "add_generation_prompt", 1);
    bool ok = v && render(f, v, now, &r, NULL) == MU_OK;
    const char *from = ok ? memmem(r.text, r.n, answer, strlen(answer)) : NULL;
    const char *to = from ? strstr(from, question) : NULL;
    size_t n = to ? (size_t)(to - from) - strlen(answer) : 0;
    if (n > 0) from += strlen(answer);
    while (n > 0 && strchr(" \t\n", from[n - 1])) {
        n--;
    }
    bool is_plain = n > 2 && n < 64 && from[n - 1] == ':';
    for (size_t i = 0; i < n && is_plain; i++) {
        is_plain = !strchr("<>[]|", from[i]);
    }
    if (is_plain) stop = mu_alloc(n + 1); /* zeroed; without memory there is none */
    if (stop) memcpy(stop, from, n);
    mu_rendering_deinit(&r);
    json_decref(v);
    return stop;
}

static mu_status open_templates(mu_conversation_format *f, const mu_conversation_source *s,
                                mu_err *err) {
    mu_status status = mu_chat_template_open(s->name, s->text, s->n, &f->plain, err);
    if (status != MU_OK || !s->tool_text) return status;
    return mu_chat_template_open(s->name, s->tool_text, s->tool_n, &f->with_tools, err);
}

mu_status mu_conversation_format_open(const mu_conversation_source *source,
                                      mu_conversation_format **out, mu_err *err) {
    mu_conversation_format *f = mu_alloc(sizeof(*f));
    if (!f) return mu_fail(err, MU_ERR_NOMEM, "%s: chat template", source->name);
    mu_status status = open_templates(f, source, err);
    bool copied = copy_text(source->bos, &f->bos) && copy_text(source->eos, &f->eos) &&
                  copy_text(source->stop, &f->stop);
    if (status == MU_OK && !copied)
        status = mu_fail(err, MU_ERR_NOMEM, "%s: chat template", source->name);
    if (status != MU_OK) {
        mu_conversation_format_close(f);
        return status;
    }
    if (!f->stop) f->stop = find_stop(f);
    f->abilities.system = shows_role(f, "system");
    /* Some print any role that comes; only one that names it was made for it. */
    f->abilities.developer = memmem(source->text, source->n, "developer", strlen("developer")) &&
                             shows_role(f, "developer");
    f->abilities.tools = shows_tools(f);
    probe_calls(f);
    f->abilities.results = f->abilities.calls || shows_result(f);
    *out = f;
    return MU_OK;
}

void mu_conversation_format_close(mu_conversation_format *f) {
    if (!f) return;
    mu_chat_template_close(f->plain);
    mu_chat_template_close(f->with_tools);
    mu_free(f->bos);
    mu_free(f->eos);
    mu_free(f->stop);
    mu_free(f);
}

mu_conversation_abilities mu_conversation_format_abilities(const mu_conversation_format *f) {
    return f->abilities;
}

const char *mu_conversation_format_stop(const mu_conversation_format *f) {
    return f->stop;
}

const char *mu_conversation_format_source(const mu_conversation_format *f) {
    size_t n;
    return mu_chat_template_source(template_for(f, true), &n);
}

static bool is_given(const json_t *json) {
    return json && !json_is_null(json);
}

static mu_status check_tools(const json_t *tools, mu_err *err) {
    size_t i;
    const json_t *tool;
    if (!is_given(tools)) return MU_OK;
    if (!json_is_array(tools)) return mu_fail(err, MU_ERR_INVALID, "tools: must be an array");
    json_array_foreach(tools, i, tool) {
        const json_t *function = json_object_get(tool, "function");
        if (!json_is_string(json_object_get(function, "name")))
            return mu_fail(err, MU_ERR_INVALID, "tools: %zu is not a function with a name", i);
    }
    return MU_OK;
}

static mu_status check_kwargs(const json_t *kwargs, mu_err *err) {
    static const char *const own[] = {"messages", "tools", "add_generation_prompt", "bos_token",
                                      "eos_token"};
    if (!is_given(kwargs)) return MU_OK;
    if (!json_is_object(kwargs))
        return mu_fail(err, MU_ERR_INVALID, "chat_template_kwargs: must be an object");
    for (size_t i = 0; i < MU_COUNTOF(own); i++) {
        if (json_object_get(kwargs, own[i]))
            return mu_fail(err, MU_ERR_INVALID, "chat_template_kwargs: %s is not among them",
                           own[i]);
    }
    return MU_OK;
}

/* A new reference to the template's variables. */
static mu_status variables_of(const mu_conversation_format *f, const mu_conversation *c,
                              json_t **out, mu_err *err) {
    json_t *messages = NULL;
    mu_status status = check_tools(c->tools, err);
    if (status == MU_OK) status = check_kwargs(c->kwargs, err);
    bool has_tools = is_given(c->tools) && json_array_size(c->tools) > 0;
    const json_t *to_fold = has_tools && !f->abilities.tools ? c->tools : NULL;
    if (status == MU_OK)
        status = mu_messages_normalize(c->messages, to_fold, &f->abilities, &messages, err);
    if (status != MU_OK) return status;
    has_tools = has_tools && !to_fold;
    json_t *v = json_pack("{s:o, s:b, s:O, s:n}", "messages", messages, "add_generation_prompt",
                          !c->continues && !c->no_invitation, "tools",
                          has_tools ? c->tools : json_null(), "documents");
    bool ok =
        v && (!c->continues || !json_object_set_new(v, "continue_final_message", json_true()));
    if (ok && is_given(c->kwargs)) ok = json_object_update(v, (json_t *)c->kwargs) == 0;
    if (!ok) {
        json_decref(v);
        return mu_fail(err, MU_ERR_NOMEM, "messages: out of memory");
    }
    *out = v;
    return MU_OK;
}

/* The prompt ends with the last message's text: what the template writes after it is cut off. */
static mu_status cut_after_last(const json_t *messages, mu_rendering *r, mu_err *err) {
    const json_t *last = json_array_get(messages, json_array_size(messages) - 1);
    const json_t *content = json_object_get(last, "content");
    const char *role = json_string_value(json_object_get(last, "role"));
    const char *text = json_string_value(content);
    size_t n = json_string_length(content), end = 0;
    if (!role || strcmp(role, "assistant") != 0 || n == 0)
        return mu_fail(err, MU_ERR_INVALID,
                       "continue_final_message: the last message is not an answer with text");
    while (n > 0 && strchr(" \t\r\n", text[n - 1])) {
        n--; /* templates trim */
    }
    for (size_t at = r->n + 1; at-- > n && end == 0;) {
        if (memcmp(r->text + at - n, text, n) == 0) end = at;
    }
    if (end == 0)
        return mu_fail(err, MU_ERR_UNSUPPORTED,
                       "continue_final_message: the chat template does not show the last message");
    while (r->n_pieces > 0 && r->pieces[r->n_pieces - 1].text >= r->text + end) {
        r->n_pieces--;
    }
    mu_piece *piece = &r->pieces[r->n_pieces - 1];
    piece->n = (size_t)(r->text + end - piece->text);
    r->n = end;
    return MU_OK;
}

mu_status mu_conversation_render(const mu_conversation_format *f, const mu_conversation *c,
                                 mu_rendering *out, mu_err *err) {
    json_t *variables = NULL;
    mu_rendering r = {0};
    mu_status status = variables_of(f, c, &variables, err);
    if (status == MU_OK) status = render(f, variables, c->now, &r, err);
    if (status == MU_OK && c->continues)
        status = cut_after_last(json_object_get(variables, "messages"), &r, err);
    json_decref(variables);
    if (status != MU_OK) {
        mu_rendering_deinit(&r);
        return status;
    }
    *out = r;
    return MU_OK;
}

static const struct {
    const char *name, *text, *stop;
} builtins[] = {
    {"plain",
     "{% for m in messages %}{{ m.role | title ~ ': ' ~ m.content ~ '\\n\\n' }}{% endfor %}"
     "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}",
     "\n\nUser:"},
    {"chatml",
     "{% for m in messages %}"
     "{{ '<|im_start|>' ~ m.role ~ '\\n' ~ m.content ~ '<|im_end|>\\n' }}{% endfor %}"
     "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
     "<|im_end|>"},
};

bool mu_conversation_builtin(const char *name, mu_conversation_source *out) {
    for (size_t i = 0; i < MU_COUNTOF(builtins); i++) {
        if (strcmp(builtins[i].name, name) != 0) continue;
        *out = (mu_conversation_source){.name = builtins[i].name,
                                        .text = builtins[i].text,
                                        .n = strlen(builtins[i].text),
                                        .stop = builtins[i].stop};
        return true;
    }
    return false;
}

const char *mu_conversation_builtin_names(void) {
    return "plain, chatml";
}
