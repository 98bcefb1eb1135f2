/* The parts of an answer as a message, and as the deltas of a stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "server/message_json.h"

static const char template_text[] = "<tool_call> </think>";
static const char answer[] =
    "<think>\nWhy?\n</think>\nTwo:\n"
    "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"\\\"\"}}</tool_call>"
    "<tool_call>{\"name\": \"g\", \"arguments\": {}}</tool_call>";

static mu_answer_parts *open_parts(const json_t *tools) {
    mu_answer_parts *parts = NULL;
    mu_answer_parts_options options = {
        .template_text = template_text, .template_n = strlen(template_text), .tools = tools};
    assert_int_equal(mu_answer_parts_open(&options, &parts, NULL), MU_OK);
    return parts;
}

static void expect(json_t *json, const char *want) {
    char *text = json_dumps(json, JSON_COMPACT);
    assert_non_null(text);
    assert_string_equal(text, want);
    mu_free(text);
    json_decref(json);
}

/* Ids are drawn; here they have to be nine letters. */
static void take_ids(json_t *message) {
    size_t i;
    json_t *call;
    json_array_foreach(json_object_get(message, "tool_calls"), i, call) {
        assert_int_equal(json_string_length(json_object_get(call, "id")), 9);
        json_object_del(call, "id");
    }
}

#define F                                                                              \
    "{\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\": " \
    "\\\"\\\\\\\"\\\"}\"}"
#define G "{\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}"

static void a_message_has_all_parts(void **state) {
    (void)state;
    json_t *tools = json_array();
    mu_answer_parts *parts = open_parts(tools);
    mu_answer_parts_push(parts, answer, strlen(answer));
    mu_answer_parts_finish(parts);
    json_t *json = mu_message_json(parts, SIZE_MAX);
    take_ids(json);
    expect(json,
           "{\"role\":\"assistant\",\"content\":\"Two:\",\"refusal\":null,"
           "\"reasoning_content\":\"Why?\",\"reasoning\":\"Why?\",\"tool_calls\":[" F "}," G "}]}");
    json = mu_message_json(parts, 1);
    take_ids(json);
    expect(json, "{\"role\":\"assistant\",\"content\":\"Two:\",\"refusal\":null,"
                 "\"reasoning_content\":\"Why?\",\"reasoning\":\"Why?\",\"tool_calls\":[" F "}]}");
    mu_answer_parts_close(parts);
    json_decref(tools);
}

static void without_text_a_call_has_null_content(void **state) {
    (void)state;
    const char *call = strstr(answer, "<tool_call>");
    json_t *tools = json_array();
    mu_answer_parts *parts = open_parts(tools);
    mu_answer_parts_push(parts, call, strlen(call));
    mu_answer_parts_finish(parts);
    json_t *json = mu_message_json(parts, SIZE_MAX);
    assert_true(json_is_null(json_object_get(json, "content")));
    json_decref(json);
    mu_answer_parts_close(parts);
    parts = open_parts(tools);
    mu_answer_parts_finish(parts);
    expect(mu_message_json(parts, SIZE_MAX),
           "{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}");
    mu_answer_parts_close(parts);
    json_decref(tools);
}

/* A stream, put together again, is the message. */
static void deltas_tell_each_part_once(void **state) {
    (void)state;
    json_t *tools = json_array();
    mu_answer_parts *parts = open_parts(tools);
    mu_parts_told told = {0};
    mu_buf text = {0};
    size_t n_calls = 0;
    for (const char *c = answer;; c++) {
        if (*c) mu_answer_parts_push(parts, c, 1);
        if (!*c) mu_answer_parts_finish(parts);
        json_t *delta = mu_delta_json(parts, SIZE_MAX, &told);
        const char *content = json_string_value(json_object_get(delta, "content"));
        const char *reasoning = json_string_value(json_object_get(delta, "reasoning_content"));
        const json_t *calls = json_object_get(delta, "tool_calls");
        mu_buf_append_str(&text, reasoning ? reasoning : "");
        mu_buf_append_str(&text, content ? content : "");
        for (size_t i = 0; i < json_array_size(calls); i++) {
            const json_t *index = json_object_get(json_array_get(calls, i), "index");
            assert_int_equal(json_integer_value(index), n_calls++);
        }
        json_decref(delta);
        if (!*c) break;
    }
    assert_string_equal(text.data, "Why?Two:");
    assert_int_equal(n_calls, 2);
    expect(mu_delta_json(parts, SIZE_MAX, &told), "{}");
    mu_buf_deinit(&text);
    mu_answer_parts_close(parts);
    json_decref(tools);
}

/* A call in form: its name once, then pieces of its arguments, each once. */
static void a_call_in_form_comes_in_pieces(void **state) {
    (void)state;
    static const struct {
        const char *text, *delta;
    } steps[] = {
        {"<tool_call>\n{\"name\": \"f\", \"arg", "{}"},
        {"uments\": {\"a\"", "{\"tool_calls\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
                             "\"arguments\":\"{\\\"a"
                             "\\\"\"},\"index\":0}]}"},
        {": \"\xC3\xA9\"",
         "{\"tool_calls\":[{\"function\":{\"arguments\":\": \\\"\xC3\xA9\\\"\"},\"index\":0}]}"},
        {"}", "{\"tool_calls\":[{\"function\":{\"arguments\":\"}\"},\"index\":0}]}"},
        {"}\n</tool_call>", "{}"},
        {"\n<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>",
         "{\"tool_calls\":[{\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"{}"
         "\"},"
         "\"index\":1}]}"},
        {"\n<tool_call>\n{\"name\": \"f\", \"arguments\": {",
         "{\"tool_calls\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}"
         ","
         "\"index\":2}]}"},
    };
    json_t *tools = json_array();
    mu_answer_parts *parts = NULL;
    const mu_answer_parts_options options = {.template_text = template_text,
                                             .template_n = strlen(template_text),
                                             .tools = tools,
                                             .is_in_form = true};
    mu_parts_told told = {0};
    assert_int_equal(mu_answer_parts_open(&options, &parts, NULL), MU_OK);
    for (size_t i = 0; i < MU_COUNTOF(steps); i++) {
        mu_answer_parts_push(parts, steps[i].text, strlen(steps[i].text));
        json_t *delta = mu_delta_json(parts, SIZE_MAX, &told);
        json_t *call = json_array_get(json_object_get(delta, "tool_calls"), 0);
        bool is_named = json_object_get(json_object_get(call, "function"), "name");
        assert_true(is_named == (json_string_length(json_object_get(call, "id")) == 9));
        json_object_del(call, "id");
        expect(delta, steps[i].delta);
    }
    mu_answer_parts_finish(parts); /* cut: it has been told */
    expect(mu_delta_json(parts, SIZE_MAX, &told), "{}");
    assert_int_equal(mu_answer_parts_calls(parts)->n, 3);
    mu_answer_parts_close(parts);
    json_decref(tools);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_has_all_parts),
        cmocka_unit_test(without_text_a_call_has_null_content),
        cmocka_unit_test(deltas_tell_each_part_once),
        cmocka_unit_test(a_call_in_form_comes_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
