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
     .dropped = {"</tool_call>"}},
    {.name = "lfm2",
     .told_by = {"List of tools: "},
     .open = {"<|tool_call_start|>"},
     .close = "<|tool_call_end|>",
     .shows_special = true,
     .read = mu_call_body_python,
     .read_else = mu_call_body_json,
     .dropped = {"<|tool_call_end|>", "<|im_end|>"}},
    {.name = "kimi",
     .told_by = {"<|tool_call_begin|>", "<|tool_call_argument_begin|>"},
     .open = {"<|tool_call_begin|>"},
     .close = "<|tool_call_end|>",
     .in_json = true,
     .shows_special = true,
     .read = mu_call_body_named,
     .dropped = {"<|tool_calls_section_begin|>", "<|tool_calls_section_end|>", "<|im_end|>"}},
    {.name = "deepseek",
     .told_by = {"<｜tool▁call▁begin｜>"},
     .open = {"<｜tool▁call▁begin｜>"},
     .close = "<｜tool▁call▁end｜>",
     .in_json = true,
     .shows_special = true,
     .read = mu_call_body_named,
     .dropped = {"<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜end▁of▁sentence｜>"}},
    {.name = "mistral",
     .told_by = {"[TOOL_CALLS]", "[ARGS]"},
     .open = {"[TOOL_CALLS]"},
     .shows_special = true,
     .read = mu_call_body_named,
     .read_else = mu_call_body_json,
     .dropped = {"</s>"}},
    {.name = "mistral-json",
     .told_by = {"[TOOL_CALLS]"},
     .open = {"[TOOL_CALLS]"},
     .shows_special = true,
     .read = mu_call_body_json,
     .read_else = mu_call_body_named,
     .dropped = {"</s>"}},
    {.name = "granite",
     .told_by = {"<|tool_call|>"},
     .open = {"<|tool_call|>"},
     .shows_special = true,
     .read = mu_call_body_json,
     .dropped = {"<|/tool_call|>", "<|end_of_text|>", "<|end|>"}},
    {.name = "llama",
     .told_by = {"<|start_header_id|>", "\"parameters\": "},
     .shows_special = true,
     .read = mu_call_body_known_json,
     .dropped = {"<|python_tag|>", "<|eom_id|>", "<|eot_id|>"}},
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

const mu_call_format *mu_call_format_of(const char *text, size_t n) {
    for (size_t i = 0; i < MU_COUNTOF(formats); i++) {
        bool is = true;
        for (size_t k = 0; k < MU_COUNTOF(formats[i].told_by) && formats[i].told_by[k]; k++) {
            is = is && says(text, n, formats[i].told_by[k]);
        }
        if (is) return &formats[i];
    }
    return NULL;
}

const mu_reasoning_format *mu_reasoning_format_of(const char *text, size_t n) {
    for (size_t i = 0; i < MU_COUNTOF(reasonings); i++) {
        const char *mark = reasonings[i].told_by ? reasonings[i].told_by : reasonings[i].open;
        if (says(text, n, mark)) return &reasonings[i];
    }
    return NULL;
}

bool mu_answer_is_harmony(const char *text, size_t n) {
    return says(text, n, "<|channel|>") && says(text, n, "<|message|>");
}
