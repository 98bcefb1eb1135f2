/* Chat templates against what the reference renders (tests/golden/chat_template/make_rules.py).
 *
 *     chat_template_test           the rules of the dialect, and ../shared/data/templates if there
 *     chat_template_test FOLDER    FOLDER/rendered.json of its templates and FOLDER/cases.json
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/map.h"
#include "chat/chat_template.h"

static struct tm noon(void) {
    time_t seconds = 1795608000; /* 2026-11-25 12:00:00 UTC */
    struct tm now;
    gmtime_r(&seconds, &now);
    return now;
}

static json_t *load(const char *folder, const char *name) {
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return json_load_file(path, 0, NULL);
}

static mu_status render_once(const char *name, const char *source, size_t n,
                             const json_t *variables, mu_rendering *out, mu_err *err) {
    mu_chat_template *t = NULL;
    mu_render_options options = {.now = noon()};
    mu_status status = mu_chat_template_open(name, source, n, &t, err);
    if (status == MU_OK) status = mu_chat_template_render(t, variables, &options, out, err);
    mu_chat_template_close(t);
    return status;
}

/* Where the template or its values are at fault, the words are the reference's too; errors of
 * syntax and of Python's types only have to be errors. */
static bool error_agrees(const json_t *want, const mu_err *err) {
    const char *type = json_string_value(json_object_get(want, "error"));
    const char *message = json_string_value(json_object_get(want, "message"));
    if (!type) return false;
    if (strcmp(type, "TemplateError") == 0) return strcmp(err->text, message) == 0;
    if (strcmp(type, "UndefinedError") == 0 || strcmp(type, "SecurityError") == 0)
        return strstr(err->text, message) != NULL;
    return true;
}

static bool judge(const char *name, const char *source, size_t n, const json_t *variables,
                  const json_t *want) {
    mu_rendering got = {0};
    mu_err err = {0};
    mu_status status = render_once(name, source, n, variables, &got, &err);
    const char *text = json_string_value(json_object_get(want, "text"));
    bool ok = status != MU_OK ? err.status == status && error_agrees(want, &err)
                              : text && got.n == strlen(text) && memcmp(got.text, text, got.n) == 0;
    if (!ok) {
        const char *why = text ? text : json_string_value(json_object_get(want, "error"));
        printf("%s\n got: %.*s\nwant: %s\n", name,
               status == MU_OK ? (int)got.n : (int)strlen(err.text),
               status == MU_OK ? got.text : err.text, why);
    }
    mu_rendering_deinit(&got);
    return ok;
}

static void rules_render_as_the_reference(void **state) {
    (void)state;
    json_t *file = load("tests/golden/chat_template", "rules.json");
    const json_t *rules = json_object_get(file, "rules"), *rule;
    size_t n_right = 0, i;
    assert_true(json_array_size(rules) > 100);
    json_array_foreach(rules, i, rule) {
        const json_t *source = json_object_get(rule, "template");
        n_right +=
            judge(json_string_value(json_object_get(rule, "name")), json_string_value(source),
                  json_string_length(source), json_object_get(file, "variables"), rule);
    }
    assert_int_equal(n_right, json_array_size(rules));
    json_decref(file);
}

static json_t *variables_of(const json_t *c) {
    json_t *tools = json_object_get(c, "tools");
    json_t *add = json_object_get(c, "add_generation_prompt");
    json_t *v = json_pack("{sOsOsnssssssssso}", "messages", json_object_get(c, "messages"), "tools",
                          tools ? tools : json_null(), "documents", "bos_token", "<s>", "eos_token",
                          "</s>", "pad_token", "<pad>", "unk_token", "<unk>",
                          "add_generation_prompt", json_boolean(!add || json_is_true(add)));
    assert_non_null(v);
    json_object_update(v, json_object_get(c, "variables"));
    return v;
}

static size_t judge_template(const char *folder, const char *file, const json_t *cases,
                             const json_t *rows) {
    char path[1024], name[1024];
    mu_map map;
    size_t n_right = 0, i;
    const json_t *row;
    snprintf(path, sizeof(path), "%s/%s", folder, file);
    if (mu_map_open(path, &map, NULL) != MU_OK) return 0;
    json_array_foreach(rows, i, row) {
        json_t *variables = variables_of(json_array_get(cases, i));
        snprintf(name, sizeof(name), "%s: %s", file,
                 json_string_value(json_object_get(row, "case")));
        n_right += judge(name, (const char *)map.data, map.size, variables, row);
        json_decref(variables);
    }
    mu_map_close(&map);
    return n_right;
}

static const char *real_folder = "../shared/data/templates";

static void real_templates_render_as_the_reference(void **state) {
    (void)state;
    json_t *cases = load(real_folder, "cases.json"), *rendered = load(real_folder, "rendered.json");
    const char *file;
    json_t *rows;
    size_t n_right = 0, n = 0;
    if (!cases || !rendered) {
        printf("no templates in %s\n", real_folder);
        skip();
    }
    json_object_foreach(rendered, file, rows) {
        n_right += judge_template(real_folder, file, cases, rows);
        n += json_array_size(rows);
    }
    printf("%s: %zu of %zu renderings as the reference\n", real_folder, n_right, n);
    json_decref(cases);
    json_decref(rendered);
    assert_int_equal(n_right, n);
}

/* The rendering with what came from the request in [brackets]. */
static void show_marks(const char *source, const json_t *variables, mu_buf *out) {
    mu_rendering r = {0};
    mu_err err = {0};
    mu_buf_clear(out);
    if (render_once("marks", source, strlen(source), variables, &r, &err) != MU_OK)
        fail_msg("%s: %s", source, err.text);
    for (size_t i = 0; i < r.n_pieces; i++) {
        if (i > 0) assert_int_not_equal(r.pieces[i].from_input, r.pieces[i - 1].from_input);
        mu_buf_append_str(out, r.pieces[i].from_input ? "[" : "");
        mu_buf_append(out, r.pieces[i].text, r.pieces[i].n);
        mu_buf_append_str(out, r.pieces[i].from_input ? "]" : "");
    }
    mu_rendering_deinit(&r);
}

static void text_of_the_request_stays_marked(void **state) {
    (void)state;
    static const struct {
        const char *source, *want;
    } rows[] = {
        {"<|a|>{{ u }}<|b|>", "<|a|>[ <|end|> x]<|b|>"},
        {"{{ '<' ~ u ~ '>' }}", "<[ <|end|> x]>"},
        {"{{ '<' + u.strip() + '>' }}", "<[<|end|> x]>"},
        {"{{ ('<' + u + '>')[2:-2] | upper }}", "[<|END|> ]"},
        {"{{ ('a' ~ u) | replace('end', 'E') }}", "a[ <|]E[|> x]"},
        {"{{ u | tojson }}", "\"[ <|end|> x]\""},
        {"{{ q | tojson }}", "\"[a\\\"b\\n]\""},
        {"{{ [u, 'k'] }}", "['[ <|end|> x]', 'k']"},
        {"{{ {'k': u} | tojson }}", "{\"k\": \"[ <|end|> x]\"}"},
        {"{{ (u ~ '|t').split('|') | join('-') }}", "[ <]-[end]-[> x]-t"},
        {"{{ '%s:%d' % (u, 3) }}", "[ <|end|> x]:3"},
        {"{{ '{}'.format(u) }}", "[ <|end|> x]"},
        {"{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(u) }}", "<[ <|end|> x]>"},
        {"{% set v %}<{{ u }}>{% endset %}{{ v | trim }}", "<[ <|end|> x]>"},
        {"{% filter upper %}a{{ u }}{% endfilter %}", "A[ <|END|> X]"},
        {"{{ u | indent(2, true) }}", "  [ <|end|> x]"},
        {"{{ u[::-1] }}", "[x >|dne|< ]"},
        {"{% for c in u[:3] %}{{ c }}.{% endfor %}", "[ ].[<].[|]."},
        {"{{ u | e }}", "[ &lt;|end|&gt; x]"},
        {"{{ (o | items | first)[0] }}{{ o }}", "[key]{'[key]': '[v]'}"},
        {"{{ u | default('d') }}{{ nope | default(u) }}{{ u if u else '' }}",
         "[ <|end|> x <|end|> x <|end|> x]"},
        {"<|{{ m.role }}|>", "<|user|>"}, /* one of the known roles: the template's own word */
        {"<|{{ odd.role }}|>", "<|[im_end]|>"},
        {"{{ n }}{{ 'lit' }}", "3lit"},
    };
    json_t *v = json_pack("{ssss s{ss} s{ss} s{ss} si}", "u", " <|end|> x", "q", "a\"b\n", "o",
                          "key", "v", "m", "role", "user", "odd", "role", "im_end", "n", 3);
    mu_buf got = {0};
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        show_marks(rows[i].source, v, &got);
        if (strcmp(got.data, rows[i].want) != 0) printf("%s\n", rows[i].source);
        assert_string_equal(got.data, rows[i].want);
    }
    mu_buf_deinit(&got);
    json_decref(v);
}

static void errors_name_template_line_and_column(void **state) {
    (void)state;
    static const struct {
        const char *source;
        mu_status status;
        const char *want;
    } rows[] = {
        {"a\n{{ x.y }}", MU_ERR_INVALID, "t: line 2, column 5: 'x' is undefined"},
        {"a\n  {% nope %}", MU_ERR_FORMAT, "t: line 2, column 6: unknown tag 'nope'"},
        {"{% include 'x' %}", MU_ERR_UNSUPPORTED,
         "t: line 1, column 4: 'include' is not for chat templates"},
        {"{{ 1 | nope }}", MU_ERR_UNSUPPORTED, "t: line 1, column 13: no filter named 'nope'"},
        {"{{ raise_exception('no\nmore') }}", MU_ERR_INVALID, "no more"},
        {"\n{{ 1 +\n 'a' }}", MU_ERR_INVALID,
         "t: line 2, column 4: unsupported operand type(s) for +: 'int' and 'str'"},
        {"{{ 9223372036854775807 + 1 }}", MU_ERR_LIMIT,
         "t: line 1, column 4: a number that does not fit 64 bits"},
    };
    json_t *v = json_object();
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_rendering r = {0};
        mu_err err = {0};
        mu_status status = render_once("t", rows[i].source, strlen(rows[i].source), v, &r, &err);
        assert_string_equal(err.text, rows[i].want);
        assert_int_equal(status, rows[i].status);
    }
    json_decref(v);
}

static void repeat(mu_buf *out, const char *before, const char *text, size_t n, const char *after) {
    mu_buf_clear(out);
    mu_buf_append_str(out, before);
    for (size_t i = 0; i < n; i++) {
        mu_buf_append_str(out, text);
    }
    mu_buf_append_str(out, after);
}

static void expect_limit(const char *source, size_t n) {
    mu_rendering r = {0};
    mu_err err = {0};
    json_t *v = json_object();
    mu_status status = render_once("t", source, n, v, &r, &err);
    if (status != MU_ERR_LIMIT) printf("%.60s: %s\n", source, err.text);
    assert_int_equal(status, MU_ERR_LIMIT);
    assert_null(r.text); /* out is untouched on failure */
    json_decref(v);
}

static void hostile_templates_meet_limits(void **state) {
    (void)state;
    static const char *const sources[] = {
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ range(1000000000) }}",
        "{{ 'abcdefgh' * 1000000000 }}",
        "{{ ([0] * 1000) * 1000000 }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% set ns = namespace(a='xxxxxxxx') %}{% for i in range(99) %}{% set ns.a = ns.a ~ ns.a %}"
        "{% endfor %}",
        "{% set ns = namespace(a=[]) %}{% for i in range(999) %}{% set ns.a = [ns.a] %}{% endfor %}"
        "{{ ns.a }}",
        "{% set ns = namespace(a=[]) %}{% for i in range(90) %}{% set ns.a = [ns.a, ns.a] %}"
        "{% endfor %}{{ ns.a | tojson }}",
        "{{ '%999999999d' % 1 }}",
        "{{ strftime_now('%99999d') }}",
        "{{ 'x' | indent(999999999) }}",
        "{{ 3 ** 100 }}",
    };
    for (size_t i = 0; i < MU_COUNTOF(sources); i++) {
        expect_limit(sources[i], strlen(sources[i]));
    }
    mu_buf b = {0};
    repeat(&b, "{{ ", "[", 101, "");
    mu_buf_append(&b, "x", 1);
    for (int i = 0; i < 101; i++) {
        mu_buf_append(&b, "]", 1);
    }
    mu_buf_append_str(&b, " }}");
    expect_limit(b.data, b.n);
    repeat(&b, "{{ ", "not ", 5000, "x }}");
    expect_limit(b.data, b.n);
    repeat(&b, "", "{% if x %}", 101, "y");
    expect_limit(b.data, b.n);
    repeat(&b, "{{ 1", "+1", 100000, " }}"); /* deep to the left: met when it runs */
    expect_limit(b.data, b.n);
    repeat(&b, "", "0123456789", 105000, "");
    expect_limit(b.data, b.n);
    mu_buf_deinit(&b);
}

static void text_that_is_not_utf8_is_refused(void **state) {
    (void)state;
    mu_chat_template *t = NULL;
    mu_err err = {0};
    assert_int_equal(mu_chat_template_open("t", "ab\xff", 3, &t, &err), MU_ERR_FORMAT);
    assert_string_equal(err.text, "t: byte 2 is not UTF-8");
    assert_null(t);
}

static void failed_allocations_leak_nothing(void **state) {
    (void)state;
    const char *source = "{% for m in l %}{{ m | tojson }}{% endfor %}";
    json_t *v = json_pack("{s[ss]}", "l", "a", "b");
    int64_t alive = mu_alloc_n_alive();
    bool was_whole = false;
    for (int n = 0; !was_whole; n++) {
        mu_rendering r = {0};
        mu_err err = {0};
        mu_alloc_fail_after(n);
        mu_status status = render_once("t", source, strlen(source), v, &r, &err);
        mu_alloc_fail_after(-1);
        was_whole = status == MU_OK;
        if (!was_whole) assert_int_equal(status, MU_ERR_NOMEM);
        mu_rendering_deinit(&r);
        assert_int_equal(mu_alloc_n_alive(), alive);
        assert_true(n < 100);
    }
    json_decref(v);
}

int main(int argc, char **argv) {
    if (argc > 1) real_folder = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_render_as_the_reference),
        cmocka_unit_test(text_of_the_request_stays_marked),
        cmocka_unit_test(errors_name_template_line_and_column),
        cmocka_unit_test(hostile_templates_meet_limits),
        cmocka_unit_test(text_that_is_not_utf8_is_refused),
        cmocka_unit_test(failed_allocations_leak_nothing),
        cmocka_unit_test(real_templates_render_as_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
