/* What the grammar of calls lets through is what the reader of answers finds, for every format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "chat/answer_parts.h"
#include "chat/call_grammar.h"

static const char tools_text[] =
    "[{\"function\":{\"name\":\"f\",\"parameters\":{\"properties\":{\"x\":{\"type\":\"integer\"}},"
    "\"required\":[\"x\"]}}},{\"function\":{\"name\":\"g.h\"}}]";

#define F          "{\"x\": 1}"
#define NAMED(key) "{\"name\": \"f\", \"" key "\": " F "}"

/* A template's marks; a call of f, and what comes before and between several. */
static const struct {
    const char *template_text, *open, *call, *between, *close;
    bool may_watch; /* auto is constrained too */
} formats[] = {
    {"<tool_call>", "", "<tool_call>\n" NAMED("arguments") "\n</tool_call>", "\n", "", true},
    {"nothing", "", "<tool_call>\n" NAMED("arguments") "\n</tool_call>", "\n", "", true},
    {"List of tools: ", "<|tool_call_start|>[", NAMED("arguments"), ", ", "]<|tool_call_end|>",
     true},
    {"<|tool_call_begin|><|tool_call_argument_begin|>", "<|tool_calls_section_begin|>",
     "<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>" F "<|tool_call_end|>", "",
     "<|tool_calls_section_end|>", true},
    {"<｜tool▁call▁begin｜>", "<｜tool▁calls▁begin｜>",
     "<｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n" F "\n```<｜tool▁call▁end｜>", "\n",
     "<｜tool▁calls▁end｜>", true},
    {"[TOOL_CALLS][ARGS]", "", "[TOOL_CALLS]f[ARGS]" F, "", "", true},
    {"[TOOL_CALLS]", "[TOOL_CALLS][", NAMED("arguments"), ", ", "]", true},
    {"<|tool_call|>", "<|tool_call|>[", NAMED("arguments"), ", ", "]", true},
    {"<|start_header_id|>\"parameters\": ", "", NAMED("parameters"), NULL, "", false},
    {"<tool_call><function=<parameter=", "", "<tool_call>\n" NAMED("arguments") "\n</tool_call>",
     "\n", "", false},
    {"<tool_call><arg_key>", "", "<tool_call>\n" NAMED("arguments") "\n</tool_call>", "\n", "",
     false},
};

static json_t *tools;

static mu_grammar *compile(size_t i, bool is_required, bool is_single) {
    const char *text = formats[i].template_text;
    const mu_call_grammar_options options = {.template_text = text,
                                             .template_n = strlen(text),
                                             .prompt = "",
                                             .tools = tools,
                                             .is_required = is_required,
                                             .is_single = is_single};
    mu_grammar *grammar = NULL;
    mu_err err = {0};
    if (mu_call_grammar_compile(&options, NULL, &grammar, &err) != MU_OK) fail_msg("%s", err.text);
    return grammar;
}

/* n calls, around: free text before. */
static void write_answer(size_t i, size_t n, const char *around, mu_buf *out) {
    mu_buf_clear(out);
    mu_buf_append_str(out, around);
    mu_buf_append_str(out, formats[i].open);
    for (size_t k = 0; k < n; k++) {
        if (k > 0) mu_buf_append_str(out, formats[i].between);
        mu_buf_append_str(out, formats[i].call);
    }
    mu_buf_append_str(out, formats[i].close);
}

static bool accepts(mu_grammar *grammar, const mu_buf *text) {
    mu_matcher matcher;
    mu_matcher_init(&matcher, grammar);
    return mu_matcher_take(&matcher, text->data, text->n) && mu_matcher_may_end(&matcher);
}

static void check_read(size_t i, const mu_buf *text, size_t n, bool is_required) {
    mu_answer_parts *parts = NULL;
    const mu_answer_parts_options options = {.template_text = formats[i].template_text,
                                             .template_n = strlen(formats[i].template_text),
                                             .tools = tools,
                                             .is_constrained = is_required};
    assert_int_equal(mu_answer_parts_open(&options, &parts, NULL), MU_OK);
    mu_answer_parts_push(parts, text->data, text->n);
    mu_answer_parts_finish(parts);
    const mu_tool_calls *calls = mu_answer_parts_calls(parts);
    if (calls->n != n)
        fail_msg("%s: %zu calls of %s", formats[i].template_text, calls->n, text->data);
    for (size_t k = 0; k < n; k++) {
        assert_string_equal(calls->items[k].name.data, "f");
        assert_string_equal(calls->items[k].arguments.data, F);
    }
    mu_answer_parts_close(parts);
}

/* Byte by byte: the first call of a body is shown as it grows, and is then the one that is read. */
static void check_live(size_t i, const mu_buf *text, size_t n_kept) {
    mu_answer_parts *parts = NULL;
    const mu_answer_parts_options options = {.template_text = formats[i].template_text,
                                             .template_n = strlen(formats[i].template_text),
                                             .tools = tools,
                                             .is_constrained = true,
                                             .is_in_form = true};
    char id[10] = "";
    size_t n_grown = 0, n_lives = 0;
    assert_int_equal(mu_answer_parts_open(&options, &parts, NULL), MU_OK);
    for (size_t at = 0; at < n_kept; at++) {
        mu_answer_parts_push(parts, text->data + at, 1);
        const mu_tool_call *live = mu_answer_parts_live_call(parts);
        if (!live) continue;
        if (n_lives++ == 0) memcpy(id, live->id, sizeof(id));
        assert_string_equal(live->name.data, "f");
        assert_true(live->arguments.n <= strlen(F));
        assert_memory_equal(live->arguments.n ? live->arguments.data : "", F, live->arguments.n);
        if (live->arguments.n > n_grown) n_grown = live->arguments.n;
    }
    mu_answer_parts_finish(parts);
    const mu_tool_calls *calls = mu_answer_parts_calls(parts);
    assert_null(mu_answer_parts_live_call(parts));
    assert_true(n_lives > 0 && n_grown + 1 >= strlen(F) && calls->n > 0);
    bool is_first = strcmp(calls->items[0].id, id) == 0; /* of several bodies the last was live */
    assert_true(is_first || calls->n > 1);
    assert_string_equal(calls->items[0].name.data, "f");
    mu_answer_parts_close(parts);
}

static void what_is_let_through_is_found(void **state) {
    (void)state;
    mu_buf text = {0};
    for (size_t i = 0; i < MU_COUNTOF(formats); i++) {
        for (size_t n = 1; n <= (formats[i].between ? 3 : 1); n++) {
            mu_grammar *many = compile(i, true, false), *one = compile(i, true, true);
            mu_grammar *watched = compile(i, false, false), *single = compile(i, false, true);
            assert_true((watched != NULL) == formats[i].may_watch);
            assert_true((single != NULL) == formats[i].may_watch);
            write_answer(i, n, "", &text);
            if (!accepts(many, &text)) fail_msg("%s", text.data);
            assert_true(accepts(one, &text) == (n == 1));
            check_read(i, &text, n, true);
            check_live(i, &text, text.n);
            if (watched) {
                write_answer(i, n, "So: ", &text);
                if (!accepts(watched, &text)) fail_msg("%s", text.data);
                assert_true(accepts(single, &text) == (n == 1));
                check_read(i, &text, n, false);
                assert_false(accepts(many, &text) || accepts(one, &text));
            }
            mu_grammar_unref(many);
            mu_grammar_unref(one);
            mu_grammar_unref(watched);
            mu_grammar_unref(single);
        }
    }
    mu_buf_deinit(&text);
}

static void what_is_no_call_of_a_tool_is_not(void **state) {
    (void)state;
    static const char *const answers[] = {
        "",
        "Hi",
        "<tool_call>\n{\"name\": \"h\", \"arguments\": {}}\n</tool_call>",
        "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>",
        "<tool_call>\n{\"name\": \"g.h\", \"arguments\": 1}\n</tool_call>",
        "<tool_call>\n{\"name\": \"g.h\", \"arguments\": {}}",
        "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1, \"y\": 1}}\n</tool_call>",
    };
    mu_grammar *required = compile(0, true, false), *watched = compile(0, false, false);
    for (size_t i = 0; i < MU_COUNTOF(answers); i++) {
        mu_buf text = {0};
        mu_buf_append_str(&text, answers[i]);
        mu_buf_append(&text, "", 0);
        if (accepts(required, &text)) fail_msg("%s", answers[i]);
        if (accepts(watched, &text) != (i < 2)) fail_msg("%s", answers[i]);
        mu_buf_deinit(&text);
    }
    mu_grammar_unref(required);
    mu_grammar_unref(watched);
}

static void a_request_for_the_impossible_is_an_error(void **state) {
    (void)state;
    static const struct {
        const char *template_text, *tools, *says;
        bool is_required;
    } cases[] = {
        {"<tool_call>", "[{\"function\":{\"name\":\"a\\\"b\"}}]", "tools: a name is up to", true},
        {"<tool_call>", "[{\"function\":{\"name\":\"a\\\"b\"}}]", NULL, false},
        {"<tool_call>", "[{\"function\":{\"name\":\"<tool_call>\"}}]", "tools: a name is up to",
         true},
        {"<tool_call>", "[{\"function\":{\"name\":\"a\",\"parameters\":{\"uniqueItems\":true}}}]",
         "tools: a: #/uniqueItems: not supported", true},
        {"<tool_call>",
         "[{\"function\":{\"name\":\"a\",\"strict\":true,\"parameters\":{\"uniqueItems\":true}}}]",
         "tools: a: #/uniqueItems: not supported", false},
        {"<tool_call>",
         "[{\"function\":{\"name\":\"a\",\"parameters\":{\"properties\":{\"x\":{}},\"required\":["
         "\"y\"]}}}]",
         NULL, true},
        {"<tool_call>",
         "[{\"function\":{\"name\":\"a\",\"parameters\":{\"properties\":{\"x\":{}},"
         "\"minProperties\":2}}}]",
         NULL, true},
        {"<tool_call>",
         "[{\"function\":{\"name\":\"a\",\"parameters\":{\"properties\":{\"x\":{}},\"allOf\":[{"
         "\"required\":[\"y\"]}]}}}]",
         NULL, true},
        {"<|channel|><|message|>", "[{\"function\":{\"name\":\"a\"}}]",
         "tools: this model's calls cannot be required", true},
        {"<|channel|><|message|>", "[{\"function\":{\"name\":\"a\"}}]", NULL, false},
    };
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        json_t *own = json_loads(cases[i].tools, 0, NULL);
        assert_non_null(own);
        const mu_call_grammar_options options = {.template_text = cases[i].template_text,
                                                 .template_n = strlen(cases[i].template_text),
                                                 .prompt = "",
                                                 .tools = own,
                                                 .is_required = cases[i].is_required};
        mu_grammar *grammar = NULL;
        mu_err err = {0};
        mu_status status = mu_call_grammar_compile(&options, NULL, &grammar, &err);
        if ((status != MU_OK) != (cases[i].says != NULL))
            fail_msg("%s: %s", cases[i].tools, err.text);
        assert_true(!grammar || status == MU_OK);
        mu_grammar_unref(grammar);
        bool is_said =
            !cases[i].says || strncmp(err.text, cases[i].says, strlen(cases[i].says)) == 0;
        if (!is_said) fail_msg("%s", err.text);
        json_decref(own);
    }
}

static void reasoning_may_come_first(void **state) {
    (void)state;
    static const struct {
        const char *prompt, *answer;
        bool is_let;
    } cases[] = {
        {"", "<think>a</think>\n\n<tool_call>\n" NAMED("arguments") "\n</tool_call>", true},
        {"", "<tool_call>\n" NAMED("arguments") "\n</tool_call>", true},
        {"", "a</think>\n\n<tool_call>\n" NAMED("arguments") "\n</tool_call>", false},
        {"<think>\n", "a</think>\n\n<tool_call>\n" NAMED("arguments") "\n</tool_call>", true},
        {"<think>\n", "<tool_call>\n" NAMED("arguments") "\n</tool_call>", false},
        {"<think>\n\n</think>\n\n", "<tool_call>\n" NAMED("arguments") "\n</tool_call>", true},
    };
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        static const char text[] = "<tool_call> <think></think>";
        const mu_call_grammar_options options = {.template_text = text,
                                                 .template_n = strlen(text),
                                                 .prompt = cases[i].prompt,
                                                 .prompt_n = strlen(cases[i].prompt),
                                                 .tools = tools,
                                                 .is_required = true};
        mu_grammar *grammar = NULL;
        mu_err err;
        assert_int_equal(mu_call_grammar_compile(&options, NULL, &grammar, &err), MU_OK);
        mu_buf answer = {0};
        mu_buf_append_str(&answer, cases[i].answer);
        if (accepts(grammar, &answer) != cases[i].is_let) fail_msg("%zu", i);
        mu_buf_deinit(&answer);
        mu_grammar_unref(grammar);
    }
}

static void a_call_that_is_cut_is_one_as_it_is(void **state) {
    (void)state;
    mu_buf text = {0};
    for (size_t i = 0; i < MU_COUNTOF(formats); i++) {
        write_answer(i, 1, "", &text);
        const char *arguments = strstr(text.data, F);
        check_live(i, &text, (size_t)(arguments - text.data) + strlen(F) - 1);
    }
    mu_buf_deinit(&text);
}

int main(void) {
    json_set_alloc_funcs(mu_alloc, mu_free);
    tools = json_loads(tools_text, 0, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_let_through_is_found),
        cmocka_unit_test(what_is_no_call_of_a_tool_is_not),
        cmocka_unit_test(a_request_for_the_impossible_is_an_error),
        cmocka_unit_test(reasoning_may_come_first),
        cmocka_unit_test(a_call_that_is_cut_is_one_as_it_is),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(tools);
    return failed;
}
