/* Fuzz the messages of a request: any fields, a prompt or an error that says something, whatever
 * the template can do.
 *
 * The first byte chooses the template, the rest is the request's JSON: messages, tools, kwargs,
 * continues, no_invitation. */
#include <string.h>

#include "chat/conversation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROLES "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
#define CALLS                                                                       \
    "{% for t in tools or [] %}{{ t | tojson }}{% endfor %}{% for m in messages %}" \
    "<{{ m.role }}>{{ '' ~ m.content }}{% for c in m.tool_calls %}{{ c.function.name }}"
static const char *const templates[] = {
    ROLES, /* knows roles only */
    "{% if messages[0].role == 'system' or messages[-1].role == 'tool' %}"
    "{{ raise_exception('no') }}{% endif %}" ROLES,
    CALLS "{% for k, v in c.function.arguments.items() %}{{ k }}{{ v }}{% endfor %}{% endfor %}"
          "{% endfor %}",
    CALLS "{{ c.function.arguments + '' }}{% endfor %}{% endfor %}",
};

static mu_conversation_format *formats[MU_COUNTOF(templates)];

static void open_formats(void) {
    for (size_t i = 0; i < MU_COUNTOF(templates); i++) {
        const mu_conversation_source source = {
            .name = "t", .text = templates[i], .n = strlen(templates[i])};
        mu_status status = mu_conversation_format_open(&source, &formats[i], NULL);
        MU_ASSERT(status == MU_OK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!formats[0]) open_formats();
    if (size < 2) return 0;
    json_t *json = json_loadb((const char *)data + 1, size - 1, 0, NULL);
    const mu_conversation c = {
        .messages = json_object_get(json, "messages"),
        .tools = json_object_get(json, "tools"),
        .kwargs = json_object_get(json, "kwargs"),
        .continues = json_is_true(json_object_get(json, "continues")),
        .no_invitation = json_is_true(json_object_get(json, "no_invitation")),
        .now = {.tm_year = 126, .tm_mday = 1},
    };
    mu_rendering r = {0};
    mu_err err = {0};
    mu_status status =
        mu_conversation_render(formats[data[0] % MU_COUNTOF(templates)], &c, &r, &err);
    if (status == MU_OK) {
        size_t n = 0;
        for (size_t i = 0; i < r.n_pieces; i++) {
            n += r.pieces[i].n;
        }
        MU_ASSERT(n == r.n);
        mu_rendering_deinit(&r);
    } else {
        MU_ASSERT(err.status == status && err.text[0] != '\0');
    }
    json_decref(json);
    return 0;
}
