/* Fuzz the chat templates: any source and any conversation, a prompt or a status out.
 *
 * The input is a template, a NUL, and JSON that gives the variables; without the NUL, or where it
 * is no object, a fixed conversation stands for it. */
#include <string.h>

#include "chat/chat_template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *variables_of(const char *text, size_t n) {
    json_t *v = n > 0 ? json_loadb(text, n, 0, NULL) : NULL;
    if (json_is_object(v)) return v;
    json_decref(v);
    return json_pack("{s[{ssss}{sss[{ssss}]}]s[{ss s{ss s{}}}]sb}", "messages", "role", "user",
                     "content", "<|im_end|> hi", "role", "assistant", "content", "type", "text",
                     "text", "a", "tools", "type", "function", "function", "name", "f",
                     "parameters", "add_generation_prompt", 1);
}

static void check(const mu_rendering *r) {
    size_t n = 0;
    for (size_t i = 0; i < r->n_pieces; i++) {
        MU_ASSERT(r->pieces[i].text == r->text + n);
        MU_ASSERT(r->pieces[i].n > 0);
        n += r->pieces[i].n;
    }
    MU_ASSERT(n == r->n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *source = (const char *)data;
    const char *end = size > 0 ? memchr(source, '\0', size) : NULL;
    size_t n = end ? (size_t)(end - source) : size;
    mu_chat_template *t = NULL;
    mu_err err = {0};
    mu_status status = mu_chat_template_open("fuzz", source, n, &t, &err);
    if (status == MU_OK) {
        json_t *variables = variables_of(end ? end + 1 : NULL, end ? size - n - 1 : 0);
        mu_render_options options = {.memory_max = 4 << 20, .bos = "<s>"};
        mu_rendering r = {0};
        MU_ASSERT(variables);
        status = mu_chat_template_render(t, variables, &options, &r, &err);
        if (status == MU_OK) check(&r);
        mu_rendering_deinit(&r);
        json_decref(variables);
    }
    if (status != MU_OK) {
        MU_ASSERT(err.status == status);
        MU_ASSERT(!strchr(err.text, '\n'));
    }
    mu_chat_template_close(t);
    return 0;
}
