/* Fuzz the parting of answers: any text, whole and cut, gives the same parts. Where a grammar is
 * said to have bound it and has not, nothing breaks.
 *
 * The first byte chooses the format, the second where the text is cut, the rest is the answer. */
#include <string.h>

#include "chat/answer_parts.h"
#include "text/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const templates[] = {
    "<tool_call> </think>",
    "<tool_call> <function= <parameter= </think>",
    "<tool_call> <arg_key> </think>",
    "<|start_header_id|> \"parameters\": ",
    "[TOOL_CALLS]",
    "[TOOL_CALLS] [ARGS] [THINK]",
    "<|channel|> <|message|>",
    "<|tool_call> <tool_call|> <channel|>",
    "List of tools: ",
    "<｜tool▁call▁begin｜> </think>",
    "<|tool_call_begin|> <|tool_call_argument_begin|>",
    "<|tool_call|>",
};

static mu_answer_parts *parts_of(const char *template_text, const json_t *tools, const char *text,
                                 size_t n, size_t step, bool is_in_form) {
    mu_answer_parts *a = NULL;
    mu_answer_parts_options options = {
        .template_text = template_text,
        .template_n = strlen(template_text),
        .tools = tools,
        .is_in_form = is_in_form,
    };
    mu_status status = mu_answer_parts_open(&options, &a, NULL);
    MU_ASSERT(status == MU_OK);
    for (size_t at = 0; at < n; at += step) {
        mu_answer_parts_push(a, text + at, n - at < step ? n - at : step);
    }
    mu_answer_parts_finish(a);
    MU_ASSERT(!mu_answer_parts_failed(a));
    return a;
}

static bool same(const mu_buf *a, const mu_buf *b) {
    return a->n == b->n && (a->n == 0 || memcmp(a->data, b->data, a->n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    const char *template_text = templates[data[0] % MU_COUNTOF(templates)];
    const char *text = (const char *)data + 2;
    size_t n = size - 2;
    if (mu_utf8_valid(text, n) != n) return 0; /* answers are UTF-8 */
    json_t *tools = json_pack("[{s:s, s:{s:s}}]", "type", "function", "function", "name", "f");
    mu_answer_parts *whole = parts_of(template_text, tools, text, n, n + 1, false);
    mu_answer_parts *cut = parts_of(template_text, tools, text, n, 1 + data[1] % 16u, false);
    mu_answer_parts_close(parts_of(template_text, tools, text, n, 1 + data[1] % 16u, true));
    const mu_tool_calls *x = mu_answer_parts_calls(whole), *y = mu_answer_parts_calls(cut);
    MU_ASSERT(same(mu_answer_parts_content(whole), mu_answer_parts_content(cut)));
    MU_ASSERT(same(mu_answer_parts_reasoning(whole), mu_answer_parts_reasoning(cut)));
    MU_ASSERT(x->n == y->n);
    for (size_t i = 0; i < x->n; i++) {
        MU_ASSERT(same(&x->items[i].name, &y->items[i].name));
        MU_ASSERT(same(&x->items[i].arguments, &y->items[i].arguments));
        MU_ASSERT(mu_json_is_valid(x->items[i].arguments.data, x->items[i].arguments.n));
    }
    mu_answer_parts_close(whole);
    mu_answer_parts_close(cut);
    json_decref(tools);
    return 0;
}
