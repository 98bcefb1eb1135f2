#include "chat/answer_format.h"

#include <string.h>

/* The more particular first: templates of Qwen3-Coder say <tool_call> too. */
static const mu_call_format formats[] = {
    {.name = "gemma",
     .told_by = {"<|tool_call>", "<tool_call|>"},
     .open = {"<|tool_call>"},
     .close = "<tool_call|>",
     .shows_special = true,
     .read = mu_call_body_gemma,
     .dropped = {"<tool_call|>", "<turn|>", "<|tool_response>"}},
    {.name = "qwen-coder",
     .told_by = {"<tool_call>", "<function=", "<parameter="},
     .open = {"<tool_call>", "<function="},
     .close = "</function>",
     .keeps_open = true,
     .read = mu_call_body_function,
     .dropped = {"</tool_call>"}},
    {.name = "seed",
     .told_by = {"<seed:tool_call>", "<function="},
     .open = {"<seed:tool_call>", "<function="},
     .close = "</function>",
     .keeps_open = true,
     .read = mu_call_body_function,
     .dropped = {"</seed:tool_call>"}},
    {.name = "glm",
     .told_by = {"<tool_call>", "<arg_key>"},
     .open = {"<tool_call>"},
     .close = "</tool_call>",
     .read = mu_call_body_pairs,
     .dropped = {"</tool_call>"}},
    {.name = "hermes",
     .told_by = {"<tool_call>"},
     .open = {"<tool_call>"},
     .close = "</tool_call>",
     .in_json = true,
     .read = mu_call_body_json,
     .dropped = {"</tool_call>"},
     .layout = {.open = "",
                .begin = "<tool_call>\n{\"name\": \"",
                .middle = "\", \"arguments\": ",
                .end = "}\n</tool_call>",
                .between = "\n",
                .close = ""}},
    {.name = "lfm2",
     .told_by = {"List of tools: "},
     .open = {"<|tool_call_start|>"},
     .close = "<|tool_call_end|>",
     .shows_special = true,
     .read = mu_call_body_python,
     .read_else = mu_call_body_json,
     .dropped = {"<|tool_call_end|>", "<|im_end|>"},
     .layout = {.open = "<|tool_call_start|>[",
                .begin = "{\"name\": \"",
                .middle = "\", \"arguments\": ",
                .end = "}",
                .between = ", ",
                .close = "]<|tool_call_end|>"}},
    {.name = "kimi",
     .told_by = {"<|tool_call_begin|>", "<|tool_call_argument_begin|>"},
     .open = {"<|tool_call_begin|>"},
     .close = "<|tool_call_end|>",
     .in_json = true,
     .shows_special = true,
     .read = mu_call_body_named,
     .dropped = {"<|tool_calls_section_begin|>", "<|tool_calls_section_end|>", "<|im_end|>"},
     .layout = {.open = "<|tool_calls_section_begin|>",
                .begin = "<|tool_call_begin|>functions.",
                .middle = ":0<|tool_call_argument_begin|>",
                .end = "<|tool_call_end|>",
                .between = "",
                .close = "<|tool_calls_section_end|>"}},
    {.name = "deepseek",
     .told_by = {"<｜tool▁call▁begin｜>"},
     .open = {"<｜tool▁call▁begin｜>"},
     .close = "<｜tool▁call▁end｜>",
     .in_json = true,
     .shows_special = true,
     .read = mu_call_body_named,
     .dropped = {"<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜end▁of▁sentence｜>"},
     .layout = {.open = "<｜tool▁calls▁begin｜>",
                .begin = "<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
                .middle = "\n```json\n",
                .end = "\n```<｜tool▁call▁end｜>",
                .between = "\n",
                .close = "<｜tool▁calls▁end｜>"}},
    {.name = "mistral",
     .told_by = {"[TOOL_CALLS]", "[ARGS]"},
     .open = {"[TOOL_CALLS]"},
     .shows_special = true,
     .read = mu_call_body_named,
     .read_else = mu_call_body_json,
     .dropped = {"</s>"},
     .layout = {.open = "",
                .begin = "[TOOL_CALLS]",
                .middle = "[ARGS]",
                .end = "",
                .between = "",
                .close = ""}},
    {.name = "mistral-json",
     .told_by = {"[TOOL_CALLS]"},
     .open = {"[TOOL_CALLS]"},
     .shows_special = true,
     .read = mu_call_body_json,
     .read_else = mu_call_body_named,
     .dropped = {"</s>"},
     .layout = {.open = "[TOOL_CALLS][",
                .begin = "{\"name\": \"",
                .middle = "\", \"arguments\": ",
                .end = "}",
                .between = ", ",
                .close = "]"}},
    {.name = "granite",
     .told_by = {"<|tool_call|>"},
     .open = {"<|tool_call|>"},
     .shows_special = true,
     .read = mu_call_body_json,
     .dropped = {"<|/tool_call|>", "<|end_of_text|>", "<|end|>"},
     .layout = {.open = "<|tool_call|>[",
                .begin = "{\"name\": \"",
                .middle = "\", \"arguments\": ",
                .end = "}",
                .between = ", ",
                .close = "]"}},
    {.name = "llama",
     .told_by = {"<|start_header_id|>", "\"parameters\": "},
     .shows_special = true,
     .read = mu_call_body_known_json,
     .dropped = {"<|python_tag|>", "<|eom_id|>", "<|eot_id|>"},
     .layout = {.open = "",
                .begin = "{\"name\": \"",
                .middle = "\", \"parameters\": ",
                .end = "}",
                .close = ""}},
};

static const mu_reasoning_format reasonings[] = {
    {"<seed:think>", "</seed:think>", NULL},
    {"[THINK]", "[/THINK]", NULL},
    {"<|START_THINKING|>", "<|END_THINKING|>", NULL},
    {"<|channel>thought\n", "<channel|>", "<channel|>"},
    {"<think>", "</think>", "</think>"},
};

static bool says(const char *text, size_t n, const char *mark) {
    return memmem(text, n, mark, strlen(mark)) != NULL;
}

static const mu_call_format *format_named(const char *name) {
    size_t i = 0;
    while (strcmp(formats[i].name, name) != 0) {
        i++;
    }
    return &formats[i];
}

static bool is_told(const mu_call_format *f, const char *text, size_t n) {
    bool is = true;
    for (size_t k = 0; k < MU_COUNTOF(f->told_by) && f->told_by[k]; k++) {
        is = is && says(text, n, f->told_by[k]);
    }
    return is;
}

const mu_call_format *mu_call_format_of(const char *text, size_t n) {
    for (size_t i = 0; i < MU_COUNTOF(formats); i++) {
        if (is_told(&formats[i], text, n)) return &formats[i];
    }
    return format_named("hermes");
}

const mu_call_format *mu_call_format_constrained(const char *text, size_t n) {
    const mu_call_format *f = mu_call_format_of(text, n);
    return f->layout.begin ? f : format_named("hermes");
}

const mu_reasoning_format *mu_reasoning_format_of(const char *text, size_t n) {
    for (size_t i = 0; i < MU_COUNTOF(reasonings); i++) {
        const char *mark = reasonings[i].told_by ? reasonings[i].told_by : reasonings[i].open;
        if (says(text, n, mark)) return &reasonings[i];
    }
    return NULL;
}

static size_t without_space(const char *text, size_t n) {
    while (n > 0 && strchr(" \t\r\n", text[n - 1]) && text[n - 1]) {
        n--;
    }
    return n;
}

bool mu_reasoning_is_open(const mu_reasoning_format *f, const char *prompt, size_t n) {
    size_t n_prompt = without_space(prompt, n), n_open = without_space(f->open, strlen(f->open));
    return n_prompt >= n_open && memcmp(prompt + n_prompt - n_open, f->open, n_open) == 0;
}

bool mu_answer_is_harmony(const char *text, size_t n) {
    return says(text, n, "<|channel|>") && says(text, n, "<|message|>");
}
