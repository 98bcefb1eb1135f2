/* Requests to prompts: what templates can and cannot do, and what is done about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "chat/conversation.h"

/* Templates of the kinds that there are: knows roles only, raises on system, shows tools and calls
 * as objects, and shows calls as text where content is null. */
#define ROLES                                                          \
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}" \
    "{{ '<assistant>' if add_generation_prompt }}"
#define NO_SYSTEM                                                                                \
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% " \
    "endif %}" ROLES
#define OBJECTS                                                                           \
    "{% for t in tools or [] %}[{{ t | tojson }}]{% endfor %}{% for m in messages %}"     \
    "<{{ m.role }}>{{ '' + m.content }}{% for c in m.tool_calls %}({{ c.function.name }}" \
    "{% for k, v in c.function.arguments.items() %} {{ k }}={{ v }}{% endfor %})"         \
    "{% endfor %}{% endfor %}{{ '<assistant>' if add_generation_prompt }}"
#define TEXTS                                                                                 \
    "{% for t in tools or [] %}[{{ t | tojson }}]{% endfor %}{% for m in messages %}"         \
    "{% if m.content is none %}{% for c in m.tool_calls %}({{ c.function.name + ' ' +"        \
    " c.function.arguments }}){% endfor %}{% else %}<{{ m.role }}>{{ m.content }}{% endif %}" \
    "{% endfor %}{{ '<assistant>' if add_generation_prompt }}"

/* No system, no tools, and users and assistants take turns. */
#define ONLY_TURNS                                                                            \
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) or m.role == " \
    "'tool' %}"                                                                               \
    "{{ raise_exception('turns') }}{% endif %}<{{ m.role }}>{{ m.content }}{% endfor %}"      \
    "{{ '<assistant>' if add_generation_prompt }}"

/* What a model is told whose template does not. */
#define TOLD                                                                                      \
    "You may call functions. These are there, each one JSON object:\n{\"name\": \"f\"}\nTo call " \
    "one, answer with its name and arguments:\n<tool_call>\n{\"name\": NAME, \"arguments\": "     \
    "{...}}"                                                                                      \
    "\n</tool_call>\nIts result comes between <tool_response> and </tool_response>."
#define CALLED "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>"

static mu_conversation_format *open_format(const char *text) {
    mu_conversation_format *f = NULL;
    mu_err err = {0};
    mu_conversation_source source = {.name = "t", .text = text, .n = strlen(text), .bos = "<s>"};
    if (mu_conversation_format_open(&source, &f, &err) != MU_OK) fail_msg("%s", err.text);
    return f;
}

/* body: the fields of a request. */
static mu_status render(const mu_conversation_format *f, const char *body, mu_rendering *out,
                        mu_err *err) {
    json_t *json = json_loads(body, 0, NULL);
    assert_non_null(json);
    mu_conversation c = {
        .messages = json_object_get(json, "messages"),
        .tools = json_object_get(json, "tools"),
        .kwargs = json_object_get(json, "kwargs"),
        .continues = json_is_true(json_object_get(json, "continues")),
        .no_invitation = json_is_true(json_object_get(json, "no_invitation")),
    };
    mu_status status = mu_conversation_render(f, &c, out, err);
    json_decref(json);
    return status;
}

#define TOOL "{\"type\":\"function\",\"function\":{\"name\":\"f\"}}"
#define CALL                                                                                       \
    "{\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":" \
    " 1}\"}}"

static const struct {
    const char *what, *template, *body;
    mu_status status;
    const char *want;
} requests[] = {
    {"as it is", ROLES,
     "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":"
     "\"u\"}]}",
     MU_OK, "<system>s<user>u<assistant>"},
    {"developer is system", ROLES, "{\"messages\":[{\"role\":\"developer\",\"content\":\"s\"}]}",
     MU_OK, "<system>s<assistant>"},
    {"function is tool", ROLES, "{\"messages\":[{\"role\":\"function\",\"content\":\"r\"}]}", MU_OK,
     "<tool>r<assistant>"},
    {"parts", ROLES,
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{"
     "\"type\":\"text\",\"text\":\"b\"}]}]}",
     MU_OK, "<user>ab<assistant>"},
    {"no content is empty", ROLES, "{\"messages\":[{\"role\":\"user\"}]}", MU_OK,
     "<user><assistant>"},
    {"system is folded", NO_SYSTEM,
     "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":"
     "\"u\"}]}",
     MU_OK, "<user>s\n\nu<assistant>"},
    {"several systems are folded", NO_SYSTEM,
     "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"system\",\"content\":"
     "\"t\"},{\"role\":\"user\",\"content\":\"u\"}]}",
     MU_OK, "<user>s\n\nt\n\nu<assistant>"},
    {"system alone is folded", NO_SYSTEM,
     "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"}]}", MU_OK, "<user>s\n\n<assistant>"},
    {"arguments become an object", OBJECTS,
     "{\"messages\":[{\"role\":\"user\",\"content\":\"u\"},{\"role\":\"assistant\",\"content\":"
     "null,\"tool_calls\":[" CALL "]},{\"role\":\"tool\",\"content\":\"r\"}]}",
     MU_OK, "<user>u<assistant>(f a=1)<tool>r<assistant>"},
    {"arguments stay text, content null", TEXTS,
     "{\"messages\":[{\"role\":\"user\",\"content\":\"u\"},{\"role\":\"assistant\",\"tool_"
     "calls\":[" CALL "]}]}",
     MU_OK, "<user>u(f {\"a\": 1})<assistant>"},
    {"object becomes text", TEXTS,
     "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\","
     "\"arguments\":{\"a\":1}}}]}]}",
     MU_OK, "(f {\"a\": 1})<assistant>"},
    {"tools", OBJECTS,
     "{\"messages\":[{\"role\":\"user\",\"content\":\"u\"}],\"tools\":[" TOOL "]}", MU_OK,
     "[{\"type\": \"function\", \"function\": {\"name\": \"f\"}}]<user>u<assistant>"},
    {"reasoning under its other name", "{{ messages[0].reasoning_content }}",
     "{\"messages\":[{\"role\":\"assistant\",\"content\":\"a\",\"reasoning\":\"why\"}]}", MU_OK,
     "why"},
    {"no tools are none", ROLES,
     "{\"messages\":[{\"role\":\"user\",\"content\":\"u\"}],\"tools\":[]}", MU_OK,
     "<user>u<assistant>"},
    {"empty calls are none", ROLES,
     "{\"messages\":[{\"role\":\"assistant\",\"content\":\"a\",\"tool_calls\":[]}]}", MU_OK,
     "<assistant>a<assistant>"},
    {"variables", "{{ messages[0].content }}{{ think }}",
     "{\"messages\":[{\"role\":\"user\",\"content\":\"u\"}],\"kwargs\":{\"think\":true}}", MU_OK,
     "uTrue"},
    {"goes on", ROLES "!",
     "{\"messages\":[{\"role\":\"user\",\"content\":\"u\"},{\"role\":\"assistant\",\"content\":"
     "\"so \"}],\"continues\":true}",
     MU_OK, "<user>u<assistant>so"},
    {"not invited", ROLES,
     "{\"messages\":[{\"role\":\"user\",\"content\":\"u\"}],\"no_invitation\":true}", MU_OK,
     "<user>u"},
    {"tools that the template does not show", ROLES,
     "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":\"u\"}]"
     ","
     "\"tools\":[" TOOL "]}",
     MU_OK, "<system>s\n\n" TOLD "<user>u<assistant>"},
    {"the same without a system message", ROLES,
     "{\"messages\":[{\"role\":\"user\",\"content\":\"u\"}],\"tools\":[" TOOL "]}", MU_OK,
     "<system>" TOLD "<user>u<assistant>"},
    {"the same without a place for one", NO_SYSTEM,
     "{\"messages\":[{\"role\":\"user\",\"content\":\"u\"}],\"tools\":[" TOOL "]}", MU_OK,
     "<user>" TOLD "\n\nu<assistant>"},
    {"results that the template does not show", ONLY_TURNS,
     "{\"messages\":[{\"role\":\"user\",\"content\":\"u\"},{\"role\":\"assistant\",\"tool_calls\":"
     "[" CALL "," CALL
     "]},{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"1\"},{\"role\":\"tool\","
     "\"content\":\"2\"}]}",
     MU_OK,
     "<user>u<assistant>" CALLED "\n" CALLED
     "<user><tool_response>\n1\n</tool_response>\n<tool_response>\n2\n</tool_response><assistant>"},
    {"calls are folded where tools are shown", "{{ tools | tojson if tools }}" ROLES,
     "{\"messages\":[{\"role\":\"assistant\",\"content\":\"t\",\"tool_calls\":[" CALL "]}]}", MU_OK,
     "<assistant>t\n[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]<assistant>"},
    {"calls that the template does not show", ROLES,
     "{\"messages\":[{\"role\":\"assistant\",\"content\":\"t\",\"tool_calls\":[" CALL "]}]}", MU_OK,
     "<assistant>t\n" CALLED "<assistant>"},
    {"an image", ROLES,
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]}",
     MU_ERR_UNSUPPORTED,
     "messages: content 0 has a part of type \"image_url\", and this model reads text only"},
    {"an unknown role", ROLES, "{\"messages\":[{\"role\":\"x\",\"content\":\"u\"}]}",
     MU_ERR_INVALID, "messages: role 0 is not system, developer, user, assistant or tool"},
    {"no messages", ROLES, "{\"messages\":[]}", MU_ERR_INVALID,
     "messages: must be an array of 1 to 10000 objects"},
    {"the template refuses", "{{ raise_exception('no ' ~ messages[0].content) }}",
     "{\"messages\":[{\"role\":\"user\",\"content\":\"u\"}]}", MU_ERR_INVALID, "no u"},
    {"own variables", ROLES, "{\"messages\":[{\"role\":\"user\"}],\"kwargs\":{\"tools\":1}}",
     MU_ERR_INVALID, "chat_template_kwargs: tools is not among them"},
    {"nothing to go on with", ROLES,
     "{\"messages\":[{\"role\":\"user\",\"content\":\"u\"}],\"continues\":true}", MU_ERR_INVALID,
     "continue_final_message: the last message is not an answer with text"},
};

static void requests_become_prompts(void **state) {
    (void)state;
    for (size_t i = 0; i < MU_COUNTOF(requests); i++) {
        mu_conversation_format *f = open_format(requests[i].template);
        mu_rendering r = {0};
        mu_err err = {0};
        mu_status status = render(f, requests[i].body, &r, &err);
        const char *got = status == MU_OK ? r.text : err.text;
        size_t n = status == MU_OK ? r.n : strlen(got);
        if (status != requests[i].status || n != strlen(requests[i].want) ||
            memcmp(got, requests[i].want, n) != 0)
            fail_msg("%s: %.*s", requests[i].what, (int)n, got);
        size_t n_pieces = 0;
        for (size_t k = 0; k < r.n_pieces; k++) {
            n_pieces += r.pieces[k].n;
        }
        assert_int_equal(n_pieces, r.n);
        mu_rendering_deinit(&r);
        mu_conversation_format_close(f);
    }
}

static void abilities_are_found_by_rendering(void **state) {
    (void)state;
    mu_conversation_format *f = open_format(NO_SYSTEM);
    mu_conversation_abilities a = mu_conversation_format_abilities(f);
    assert_true(!a.system && !a.developer && !a.tools && !a.calls && a.results);
    mu_conversation_format_close(f);
    f = open_format(OBJECTS);
    a = mu_conversation_format_abilities(f);
    assert_true(a.system && !a.developer && a.tools && a.calls && !a.text_arguments &&
                !a.null_content);
    mu_conversation_format_close(f);
    f = open_format(TEXTS);
    a = mu_conversation_format_abilities(f);
    assert_true(a.tools && a.calls && a.text_arguments && a.null_content);
    mu_conversation_format_close(f);
}

static void builtin_templates_render(void **state) {
    (void)state;
    static const struct {
        const char *name, *want, *stop;
    } rows[] = {
        {"plain", "System: s\n\nUser: u\n\nAssistant:", "\n\nUser:"},
        {"chatml",
         "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\n",
         "<|im_end|>"},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_conversation_source source;
        mu_conversation_format *f = NULL;
        mu_rendering r = {0};
        mu_err err = {0};
        assert_true(mu_conversation_builtin(rows[i].name, &source));
        assert_int_equal(mu_conversation_format_open(&source, &f, &err), MU_OK);
        assert_int_equal(render(f,
                                "{\"messages\":[{\"role\":\"developer\",\"content\":\"s\"},"
                                "{\"role\":\"user\",\"content\":\"u\"}]}",
                                &r, &err),
                         MU_OK);
        assert_string_equal(r.text, rows[i].want);
        assert_string_equal(mu_conversation_format_stop(f), rows[i].stop);
        mu_rendering_deinit(&r);
        mu_conversation_format_close(f);
    }
    mu_conversation_source source;
    assert_false(mu_conversation_builtin("nope", &source));
}

static void turns_in_plain_words_end_an_answer(void **state) {
    (void)state;
    static const struct {
        const char *template, *stop;
    } cases[] = {
        {"{% for m in messages %}{{ m.role | title ~ ': ' ~ m.content ~ '\\n\\n' }}{% endfor %}",
         "\n\nUser:"},
        {"{% for m in messages %}### {{ m.role }}:\n{{ m.content }}\n{% endfor %}", "\n### user:"},
        {"{% for m in messages %}<|{{ m.role }}|>:{{ m.content }}{% endfor %}", NULL},
        {"{% for m in messages %}{{ m.content }}{% endfor %}", NULL},
        {"{{ messages[0].content }}", NULL},
    };
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        mu_conversation_format *f = open_format(cases[i].template);
        const char *stop = mu_conversation_format_stop(f);
        if (cases[i].stop) assert_string_equal(stop, cases[i].stop);
        if (!cases[i].stop) assert_null(stop);
        mu_conversation_format_close(f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_become_prompts),
        cmocka_unit_test(turns_in_plain_words_end_an_answer),
        cmocka_unit_test(abilities_are_found_by_rendering),
        cmocka_unit_test(builtin_templates_render),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
