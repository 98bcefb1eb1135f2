/* Answers of every format, whole and cut at every byte: content, reasoning and calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "chat/answer_format.h"
#include "chat/answer_parts.h"

/* What a template says that tells its format. */
#define HERMES    "<tool_call> </think>"
#define CODER     "<tool_call> <function= <parameter= </think>"
#define GLM       "<tool_call> <arg_key> </think>"
#define LLAMA     "<|start_header_id|> \"parameters\": "
#define MISTRAL   "[TOOL_CALLS]"
#define MINISTRAL "[TOOL_CALLS] [ARGS] [THINK]"
#define HARMONY   "<|channel|> <|message|>"
#define GEMMA     "<|tool_call> <tool_call|> <channel|>"
#define LFM       "List of tools: "
#define DEEPSEEK  "<｜tool▁call▁begin｜> </think>"
#define KIMI      "<|tool_call_begin|> <|tool_call_argument_begin|>"
#define GRANITE   "<|tool_call|>"

typedef struct row {
    const char *what, *template_text, *prompt, *text, *content, *reasoning, *calls;
} row;

static const row rows[] = {
    {"plain text", "", "", " It is 3 < 5.\n", " It is 3 < 5.\n", "", ""},
    {"text of a tool model", HERMES, "", "Hello <b>you</b> \n", "Hello <b>you</b> \n", "", ""},
    {"hermes", HERMES, "",
     "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>", "", "",
     "f {\"a\": 1};"},
    {"hermes with text", HERMES, "",
     "Let me see.\n\n<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>\n",
     "Let me see.", "", "f {};"},
    {"hermes, two", HERMES, "",
     "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>\n<tool_call>{\"name\": \"g\", "
     "\"arguments\": {\"x\": [1, {\"y\": null}]}}</tool_call>",
     "", "", "f {};g {\"x\": [1, {\"y\": null}]};"},
    {"hermes, mark within a string", HERMES, "",
     "<tool_call>{\"name\": \"f\", \"arguments\": {\"t\": \"</tool_call> \\\" \"}}</tool_call>", "",
     "", "f {\"t\": \"</tool_call> \\\" \"};"},
    {"hermes, not closed", HERMES, "", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}",
     "", "", "f {\"a\": 1};"},
    {"hermes, arguments as text", HERMES, "",
     "<tool_call>{\"name\": \"f\", \"arguments\": \"{\\\"a\\\": 1}\"}</tool_call>", "", "",
     "f {\"a\": 1};"},
    {"hermes, number kept as written", HERMES, "",
     "<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":0.10,\"b\":1e3}}</tool_call>", "", "",
     "f {\"a\":0.10,\"b\":1e3};"},
    {"hermes, no JSON", HERMES, "", "a <tool_call> b </tool_call> c",
     "a<tool_call> b </tool_call> c", "", ""},
    {"hermes, cut off", HERMES, "", "<tool_call>\n{\"name\": \"f\", \"argu",
     "<tool_call>\n{\"name\": \"f\", \"argu", "", ""},
    {"hermes, broken then whole", HERMES, "",
     "<tool_call>{\"name</tool_call> <tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>",
     "<tool_call>{\"name", "", "f {};"},
    {"hermes, stray close", HERMES, "", "yes</tool_call>", "yes", "", ""},
    {"beginning of a mark at the end", HERMES, "", "a <tool_", "a <tool_", "", ""},
    {"reasoning", HERMES, "", "<think>\nWhy?\n</think>\n\nSo.", "So.", "Why?", ""},
    {"reasoning that the prompt opened", HERMES, "...<think>\n", "Why?\n</think>\n\nSo.", "So.",
     "Why?", ""},
    {"reasoning opened twice", HERMES, "<think>", "<think>\nWhy?</think>So.", "So.", "Why?", ""},
    {"reasoning, then a call", HERMES, "<think>\n",
     "Hm.\n</think>\n\n<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>", "", "Hm.",
     "f {};"},
    {"reasoning not closed before a call", HERMES, "<think>\n",
     "Hm.\n<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>", "", "Hm.", "f {};"},
    {"reasoning without end", HERMES, "<think>\n", "Hm. ", "", "Hm. ", ""},
    {"empty reasoning", HERMES, "", "<think>\n\n</think>\n\nSo.", "So.", "", ""},
    {"think in the middle is text", HERMES, "", "a <think> b", "a <think> b", "", ""},
    {"think with space before", HERMES, "", "\n<think>x</think>y", "y", "x", ""},
    {"coder", CODER, "",
     "<tool_call>\n<function=f>\n<parameter=city>\nOslo\n</parameter>\n<parameter=n>\n3\n</"
     "parameter>\n</function>\n</tool_call>",
     "", "", "f {\"city\": \"Oslo\", \"n\": 3};"},
    {"coder, types of the schema", CODER, "",
     "<tool_call>\n<function=f>\n<parameter=city>\n12\n</parameter>\n<parameter=other>\n12\n</"
     "parameter>\n</function>\n</tool_call>",
     "", "", "f {\"city\": \"12\", \"other\": \"12\"};"},
    {"coder without outer mark, lines kept", CODER, "",
     "So:\n<function=f>\n<parameter=city>\na\n\nb\n</parameter>\n</function>", "So:", "",
     "f {\"city\": \"a\\n\\nb\"};"},
    {"coder, no parameters", CODER, "", "<tool_call>\n<function=f>\n</function>\n</tool_call>", "",
     "", "f {};"},
    {"coder, broken", CODER, "", "<tool_call>\n<function=f>\n<parameter=city>\nOslo\n</function>",
     "<tool_call>\n<function=f>\n<parameter=city>\nOslo\n</function>", "", ""},
    {"glm", GLM, "",
     "<tool_call>f\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n<arg_key>n</"
     "arg_key>\n<arg_value>2</arg_value>\n</tool_call>",
     "", "", "f {\"city\": \"Oslo\", \"n\": 2};"},
    {"llama", LLAMA, "", "{\"name\": \"f\", \"parameters\": {\"a\": 1}}", "", "", "f {\"a\": 1};"},
    {"llama with mark", LLAMA, "", "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}<|eom_id|>",
     "", "", "f {};"},
    {"llama, unknown tool is an answer", LLAMA, "", "{\"name\": \"nope\", \"parameters\": {}}",
     "{\"name\": \"nope\", \"parameters\": {}}", "", ""},
    {"llama, JSON that is no call", LLAMA, "", " {\"a\": [1, 2]} ok", " {\"a\": [1, 2]} ok", "",
     ""},
    {"llama, brace in text", LLAMA, "", "x {\"name\": \"f\", \"parameters\": {}}",
     "x {\"name\": \"f\", \"parameters\": {}}", "", ""},
    {"llama, broken", LLAMA, "", "{\"name\": \"f\", ", "{\"name\": \"f\", ", "", ""},
    {"mistral", MISTRAL, "",
     "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": 1}}, {\"name\": \"g\", \"arguments\": "
     "{}}]</s>",
     "", "", "f {\"a\": 1};g {};"},
    {"mistral, broken", MISTRAL, "", "[TOOL_CALLS] [{\"name\": 3}]!",
     "[TOOL_CALLS] [{\"name\": 3}]!", "", ""},
    {"mistral, nothing", MISTRAL, "", "[TOOL_CALLS] hm", "[TOOL_CALLS] hm", "", ""},
    {"ministral", MINISTRAL, "", "[TOOL_CALLS]f[ARGS]{\"a\": \"[x]\"}[TOOL_CALLS]g[ARGS]{}", "", "",
     "f {\"a\": \"[x]\"};g {};"},
    {"ministral with id and reasoning", MINISTRAL, "",
     "[THINK]why[/THINK]then [TOOL_CALLS]f[CALL_ID]abc[ARGS]{}", "then", "why", "f {};"},
    {"harmony", HARMONY, "<|start|>assistant",
     "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Four.<|"
     "return|>",
     "Four.", "Hm.", ""},
    {"harmony call", HARMONY, "",
     "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary "
     "to=functions.f <|constrain|>json<|message|>{\"a\": 1}<|call|>",
     "", "Hm.", "f {\"a\": 1};"},
    {"harmony call, recipient first", HARMONY, "",
     " to=functions.f<|channel|>commentary json<|message|>{\"a\": 1}", "", "", "f {\"a\": 1};"},
    {"harmony preamble", HARMONY, "",
     "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>commentary "
     "to=functions.f<|message|>{}<|call|>",
     "I look.", "", "f {};"},
    {"harmony, broken call", HARMONY, "",
     "<|channel|>commentary to=functions.f<|message|>no<|call|>", "no", "", ""},
    {"harmony without channels", HARMONY, "", "Four.", "Four.", "", ""},
    {"gemma", GEMMA, "",
     "<|tool_call>call:f{k:<|\"|>a \"b\" {<|\"|>,n:3,l:[1,<|\"|>x<|\"|>],o:{t:true}}<tool_call|>",
     "", "", "f {\"k\": \"a \\\"b\\\" {\", \"n\": 3, \"l\": [1, \"x\"], \"o\": {\"t\": true}};"},
    {"gemma reasoning", GEMMA, "", "<|channel>thought\nHm.\n<channel|>Yes.", "Yes.", "Hm.", ""},
    {"gemma, broken", GEMMA, "", "<|tool_call>call:f{k:<|\"|>a}<tool_call|>",
     "<|tool_call>call:f{k:<|\"|>a}<tool_call|>", "", ""},
    {"lfm2", LFM, "",
     "<|tool_call_start|>[f(a=\"x\", n=1), g(l=[1, 'y'], d={\"k\": None}, "
     "t=True)]<|tool_call_end|>Done.",
     "Done.", "",
     "f {\"a\": \"x\", \"n\": 1};g {\"l\": [1, \"y\"], \"d\": {\"k\": null}, \"t\": true};"},
    {"lfm2, broken", LFM, "", "<|tool_call_start|>[f(a=)]<|tool_call_end|>",
     "<|tool_call_start|>[f(a=)]<|tool_call_end|>", "", ""},
    {"deepseek v3", DEEPSEEK, "",
     "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\": "
     "1}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n```json\n{}\n```<"
     "｜tool▁call▁end｜><｜tool▁calls▁end｜><｜end▁of▁sentence｜>",
     "", "", "f {\"a\": 1};g {};"},
    {"deepseek v3.1", DEEPSEEK, "<think>\n",
     "Hm.</think>I look.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"a\": "
     "1}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
     "I look.", "Hm.", "f {\"a\": 1};"},
    {"kimi", KIMI, "",
     "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{"
     "\"a\": 1}<|tool_call_end|><|tool_calls_section_end|>",
     "", "", "f {\"a\": 1};"},
    {"granite", GRANITE, "", "<|tool_call|>[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]", "", "",
     "f {\"a\": 1};"},
    {"phi-4", GRANITE, "", "<|tool_call|>[{\"name\": \"f\", \"arguments\": {}}]<|/tool_call|>", "",
     "", "f {};"},
};

static json_t *tools(void) {
    return json_pack("[{s:s, s:{s:s, s:{s:s, s:{s:{s:s}, s:{s:s}}}}}]", "type", "function",
                     "function", "name", "f", "parameters", "type", "object", "properties", "city",
                     "type", "string", "n", "type", "integer");
}

static void show(const mu_answer_parts *a, mu_buf *out) {
    const mu_tool_calls *calls = mu_answer_parts_calls(a);
    mu_buf_clear(out);
    mu_buf_append(out, mu_answer_parts_content(a)->data, mu_answer_parts_content(a)->n);
    mu_buf_append_str(out, "|");
    mu_buf_append(out, mu_answer_parts_reasoning(a)->data, mu_answer_parts_reasoning(a)->n);
    mu_buf_append_str(out, "|");
    for (size_t i = 0; i < calls->n; i++) {
        assert_int_equal(strlen(calls->items[i].id), 9);
        mu_buf_append(out, calls->items[i].name.data, calls->items[i].name.n);
        mu_buf_append_str(out, " ");
        mu_buf_append(out, calls->items[i].arguments.data, calls->items[i].arguments.n);
        mu_buf_append_str(out, ";");
    }
}

static mu_answer_parts *open_answer(const row *r, const json_t *known) {
    mu_answer_parts *a = NULL;
    mu_answer_parts_options options = {.template_text = r->template_text,
                                       .template_n = strlen(r->template_text),
                                       .prompt = r->prompt,
                                       .prompt_n = strlen(r->prompt),
                                       .tools = known,
                                       .id_seed = 7};
    assert_int_equal(mu_answer_parts_open(&options, &a, NULL), MU_OK);
    return a;
}

/* In pieces of n bytes, the first of them `first` bytes long. */
static void expect(const row *r, const json_t *known, size_t first, size_t n, mu_buf *got) {
    mu_answer_parts *a = open_answer(r, known);
    size_t n_text = strlen(r->text);
    for (size_t at = 0, step = first; at < n_text; at += step, step = n) {
        if (step > n_text - at || step == 0) step = step == 0 ? 1 : n_text - at;
        mu_answer_parts_push(a, r->text + at, step);
    }
    mu_answer_parts_finish(a);
    assert_false(mu_answer_parts_failed(a));
    char want[1024];
    snprintf(want, sizeof(want), "%s|%s|%s", r->content, r->reasoning, r->calls);
    show(a, got);
    if (strcmp(got->data, want) != 0)
        fail_msg("%s, cut at %zu then every %zu:\n got %s\nwant %s", r->what, first, n, got->data,
                 want);
    mu_answer_parts_close(a);
}

static void answers_come_apart_however_they_are_cut(void **state) {
    (void)state;
    json_t *known = tools();
    mu_buf got = {0};
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        size_t n = strlen(rows[i].text);
        expect(&rows[i], known, n, n, &got);
        for (size_t cut = 1; cut < n; cut++) {
            expect(&rows[i], known, cut, n, &got);
        }
        for (size_t step = 1; step < 8; step++) {
            expect(&rows[i], known, step, step, &got);
        }
    }
    mu_buf_deinit(&got);
    json_decref(known);
}

static void without_tools_calls_are_text(void **state) {
    (void)state;
    const char *text = "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>";
    row r = {"no tools", HERMES, "", text, text, "", ""};
    mu_buf got = {0};
    expect(&r, NULL, strlen(text), strlen(text), &got);
    mu_buf_deinit(&got);
}

static void parts_only_grow(void **state) {
    (void)state;
    json_t *known = tools();
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_answer_parts *a = open_answer(&rows[i], known);
        size_t n_content = 0, n_reasoning = 0, n_calls = 0;
        for (const char *c = rows[i].text; *c; c++) {
            mu_answer_parts_push(a, c, 1);
            assert_true(mu_answer_parts_content(a)->n >= n_content);
            assert_true(mu_answer_parts_reasoning(a)->n >= n_reasoning);
            assert_true(mu_answer_parts_calls(a)->n >= n_calls);
            n_content = mu_answer_parts_content(a)->n;
            n_reasoning = mu_answer_parts_reasoning(a)->n;
            n_calls = mu_answer_parts_calls(a)->n;
        }
        mu_answer_parts_close(a);
    }
    json_decref(known);
}

static void failed_allocations_leak_nothing(void **state) {
    (void)state;
    json_t *known = tools();
    int64_t alive = mu_alloc_n_alive();
    bool was_whole = false;
    for (int n = 0; !was_whole; n++) {
        mu_answer_parts *a = NULL;
        mu_answer_parts_options options = {
            .template_text = HERMES, .template_n = strlen(HERMES), .tools = known};
        mu_alloc_fail_after(n);
        if (mu_answer_parts_open(&options, &a, NULL) == MU_OK) {
            mu_answer_parts_push(a, rows[4].text, strlen(rows[4].text));
            mu_answer_parts_finish(a);
        }
        mu_alloc_fail_after(-1);
        was_whole = a && !mu_answer_parts_failed(a);
        mu_answer_parts_close(a);
        assert_int_equal(mu_alloc_n_alive(), alive);
        assert_true(n < 1000);
    }
    json_decref(known);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_come_apart_however_they_are_cut),
        cmocka_unit_test(without_tools_calls_are_text),
        cmocka_unit_test(parts_only_grow),
        cmocka_unit_test(failed_allocations_leak_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
