/* Schemas and instances: a table of our own, and files of the form of MaskBench.
 *
 *     json_schema_test [FILE.jsonl]     one {"schema", "tests": [{"valid", "data"}]} a line
 *
 * Every instance is read token by token, each token looked up in the mask before it is taken. With
 * a file the test prints how many schemas compile and how many instances are judged rightly, and
 * which are not. Without one it reads a sample of ../shared/data/json-schema/maskbench.jsonl where
 * that is there, and demands the rates that the documentation promises.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/map.h"
#include "grammar/grammar.h"

enum { PIECE_MAX = 10, VOCAB_MAX = 40000, SAMPLE = 5 };

/* A vocabulary made of a text: its words and what lies between them, and every byte. */
typedef struct vocabulary {
    mu_token_bytes tokens[VOCAB_MAX];
    uint32_t n;
    mu_token_trie *trie;
    uint64_t *mask;
} vocabulary;

static char every_byte[256];

static int by_bytes(const void *a, const void *b) {
    const mu_token_bytes *x = a, *y = b;
    int order = memcmp(x->data, y->data, x->n < y->n ? x->n : y->n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

static bool is_letter(char c) {
    return (c | 32) >= 'a' && (c | 32) <= 'z';
}

static vocabulary *make_vocabulary(const char *text, size_t n_text) {
    vocabulary *v = mu_alloc(sizeof(*v));
    assert_non_null(v);
    for (size_t at = 0; at < n_text && v->n < VOCAB_MAX - 256;) {
        size_t n = 1;
        while (at + n < n_text && n < PIECE_MAX && is_letter(text[at + n]) == is_letter(text[at])) {
            n++;
        }
        if (n > 1) v->tokens[v->n++] = (mu_token_bytes){text + at, n};
        at += n;
    }
    qsort(v->tokens, v->n, sizeof(v->tokens[0]), by_bytes);
    uint32_t n = 0;
    for (uint32_t i = 0; i < v->n; i++) {
        if (n == 0 || by_bytes(&v->tokens[n - 1], &v->tokens[i]) != 0)
            v->tokens[n++] = v->tokens[i];
    }
    v->n = n;
    for (int b = 0; b < 256; b++) {
        every_byte[b] = (char)b;
        v->tokens[v->n++] = (mu_token_bytes){&every_byte[b], 1};
    }
    assert_int_equal(mu_token_trie_open(v->tokens, v->n, &v->trie, NULL), MU_OK);
    v->mask = MU_ALLOC(uint64_t, v->trie->n_words);
    assert_non_null(v->mask);
    return v;
}

static void free_vocabulary(vocabulary *v) {
    mu_token_trie_unref(v->trie);
    mu_free(v->mask);
    mu_free(v);
}

/* Whether the text is accepted to its end; the mask and the matcher must agree on every token. */
static bool is_accepted(const vocabulary *v, mu_grammar *grammar, const char *text) {
    mu_matcher matcher;
    mu_matcher_init(&matcher, grammar);
    while (*text) {
        mu_token token = mu_token_trie_longest(v->trie, text, strlen(text));
        assert_int_not_equal(token, MU_TOKEN_NONE);
        mu_matcher_mask(&matcher, v->mask);
        bool is_in_mask = v->mask[token / 64] >> (token % 64) & 1;
        bool is_taken = mu_matcher_take(&matcher, v->tokens[token].data, v->tokens[token].n);
        assert_int_equal(is_in_mask, is_taken);
        if (!is_taken) return false;
        text += v->tokens[token].n;
    }
    return mu_matcher_may_end(&matcher);
}

/* Cases of our own. */

enum { TEXTS_MAX = 10 };

typedef struct row {
    const char *schema;
    const char *yes[TEXTS_MAX], *no[TEXTS_MAX];
} row;

static const row rows[] = {
    {"true",
     {"1", "[[]]", "{\"a\":null}", "\"\\u00e9\"", "-1.5e+3"},
     {"01", "[1,]", "nul", "\"\n\""}},
    {"{}", {"{}", "[ ]", "{ }", "[\n  1,\n  2\n]"}, {"{,}", "[1 ,2]", "[  1]"}},
    {"{\"type\":[\"integer\",\"null\"]}", {"0", "-7", "null"}, {"1.5", "1e3", "\"1\"", "-"}},
    {"{\"minimum\":-2.5,\"type\":\"number\"}",
     {"-2.5", "-2.49", "0", "3.0", "-2.50"},
     {"-2.51", "-3"}},
    {"{\"exclusiveMaximum\":100}", {"99.999", "-5000", "\"x\""}, {"100", "100.0", "1e3"}},
    {"{\"minimum\":0,\"exclusiveMinimum\":true}", {"1", "0.01"}, {"0", "-1"}},
    {"{\"multipleOf\":0.25}", {"0.75", "1", "-2.5", "0.250"}, {"0.3", "1.1"}},
    {"{\"type\":\"integer\",\"multipleOf\":7}", {"0", "14", "-49"}, {"15", "1"}},
    {"{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}",
     {"\"ab\"", "\"\xC3\xA9\\n\xF0\x9F\x98\x80\"", "\"\\ud83d\\ude00\\u0041\""},
     {"\"a\"", "\"abcd\"", "\"\\ud83d\"", "\"\\udc00a\""}},
    {"{\"pattern\":\"^[a-c]+$\"}",
     {"\"abc\"", "\"\\u0061\"", "5"},
     {"\"\"", "\"abd\"", "\"\\u0064\""}},
    {"{\"pattern\":\"b|^c\"}", {"\"abc\"", "\"cx\""}, {"\"ac\"", "\"\""}},
    {"{\"format\":\"date\"}", {"\"2024-02-29\""}, {"\"2024-13-01\"", "\"2024-04-31\""}},
    {"{\"format\":\"unheard-of\"}", {"\"any\""}, {"\""}},
    {"{\"enum\":[1,\"a\",null,[2],{\"k\":true}]}",
     {"1", "\"a\"", "null", "[2]", "{\"k\": true}", "1.0"},
     {"2", "[]", "[2,2]", "{}", "{\"k\":false}"}},
    {"{\"const\":{\"a\":[1,2]}}", {"{\"a\":[1,2]}"}, {"{\"a\":[1]}", "{\"b\":[1,2]}"}},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"},\"b\":{}},\"required\":["
     "\"a\"],"
     "\"additionalProperties\":false}",
     {"{\"a\":\"\"}", "{\"b\":1,\"a\":\"x\"}"},
     {"{}", "{\"b\":1}", "{\"a\":1}", "{\"a\":\"\",\"c\":1}", "{\"a\":\"\",\"a\":\"\"}"}},
    {"{\"required\":[\"x\"],\"additionalProperties\":{\"type\":\"integer\"}}",
     {"{\"x\":1,\"y\":2}", "[]"},
     {"{\"y\":2}", "{\"x\":\"1\"}"}},
    {"{\"patternProperties\":{\"^a\":{\"type\":\"integer\"},\"b$\":{\"minimum\":5}},"
     "\"additionalProperties\":false,\"type\":\"object\"}",
     {"{\"a\":1}", "{\"b\":7.5,\"ab\":6}", "{}"},
     {"{\"ab\":4}", "{\"ab\":6.5}", "{\"c\":1}"}},
    {"{\"type\":\"object\",\"propertyNames\":{\"maxLength\":2}}", {"{\"ab\":1}"}, {"{\"abc\":1}"}},
    {"{\"type\":\"object\",\"minProperties\":1,\"maxProperties\":2}",
     {"{\"a\":1}", "{\"a\":1,\"b\":2}"},
     {"{}", "{\"a\":1,\"b\":2,\"c\":3}"}},
    {"{\"items\":{\"type\":\"integer\"},\"minItems\":1,\"maxItems\":2}",
     {"[1]", "[1, 2]"},
     {"[]", "[1,2,3]", "[\"1\"]"}},
    {"{\"prefixItems\":[{\"const\":1},{\"const\":2}],\"items\":false}",
     {"[]", "[1]", "[1,2]"},
     {"[2]", "[1,2,3]"}},
    {"{\"items\":[{\"const\":1}],\"additionalItems\":{\"const\":2}}", {"[1,2,2]"}, {"[1,1]"}},
    {"{\"contains\":{\"const\":1},\"maxContains\":2,\"maxItems\":3}",
     {"[1]", "[2,1,1]", "[2,2,1]"},
     {"[]", "[2,2,2]", "[1,1,1]"}},
    {"{\"anyOf\":[{\"type\":\"integer\"},{\"minLength\":3,\"type\":\"string\"}]}",
     {"4", "\"abc\""},
     {"\"ab\"", "null"}},
    {"{\"oneOf\":[{\"type\":\"integer\"},{\"minimum\":2,\"type\":\"number\"}]}",
     {"1", "2.5"},
     {"3", "1.5"}},
    {"{\"oneOf\":[{\"required\":[\"a\"]},{\"required\":[\"b\"]}],\"type\":\"object\"}",
     {"{\"a\":1}", "{\"b\":1,\"c\":2}"},
     {"{}", "{\"a\":1,\"b\":1}"}},
    {"{\"allOf\":[{\"properties\":{\"a\":{\"type\":\"integer\"}}},{\"properties\":{\"a\":{"
     "\"maximum\":3}}}],"
     "\"required\":[\"a\"],\"type\":\"object\"}",
     {"{\"a\":3}"},
     {"{\"a\":4}", "{\"a\":2.5}"}},
    {"{\"not\":{\"type\":[\"object\",\"array\",\"number\"]}}",
     {"\"x\"", "null"},
     {"1", "[]", "{}"}},
    {"{\"not\":{\"properties\":{\"a\":{\"const\":1}}}}", {"{\"a\":2}"}, {"{}", "{\"a\":1}", "3"}},
    {"{\"type\":\"array\",\"not\":{\"items\":{\"type\":\"integer\"}}}",
     {"[1,\"a\"]"},
     {"[]", "[1,2]"}},
    {"{\"if\":{\"properties\":{\"k\":{\"const\":1}},\"required\":[\"k\"]},\"then\":{\"required\":["
     "\"x\"]},"
     "\"else\":{\"required\":[\"y\"]},\"type\":\"object\"}",
     {"{\"k\":1,\"x\":0}", "{\"k\":2,\"y\":0}", "{\"y\":1}"},
     {"{\"k\":1}", "{\"k\":1,\"y\":0}", "{\"x\":0}"}},
    {"{\"type\":\"object\",\"dependentRequired\":{\"a\":[\"b\"]}}",
     {"{}", "{\"b\":1,\"a\":1}"},
     {"{\"a\":1}"}},
    {"{\"type\":\"object\",\"dependencies\":{\"a\":{\"properties\":{\"b\":{\"const\":1}}}}}",
     {"{\"b\":2}", "{\"a\":0,\"b\":1}"},
     {"{\"a\":0,\"b\":2}", "{\"b\":2,\"a\":0}"}},
    {"{\"$ref\":\"#/$defs/"
     "t\",\"$defs\":{\"t\":{\"type\":\"object\",\"properties\":{\"c\":{\"type\":\"array\","
     "\"items\":{\"$ref\":\"#/$defs/t\"}}},\"additionalProperties\":false}}}",
     {"{}", "{\"c\":[{},{\"c\":[]}]}"},
     {"{\"c\":[1]}", "{\"d\":1}"}},
    {"{\"$ref\":\"#here\",\"$defs\":{\"a\":{\"$anchor\":\"here\",\"type\":\"null\"}}}",
     {"null"},
     {"1"}},
    {"{\"properties\":{\"a\\\"\\n\":{\"const\":1}},\"additionalProperties\":false,\"type\":"
     "\"object\"}",
     {"{\"a\\\"\\n\":1}"},
     {"{\"a\":1}"}},
    {"{\"properties\":{\"n\":{\"$ref\":\"#\"}},\"required\":[\"n\"],\"anyOf\":[{},{\"type\":"
     "\"null\"}]}",
     {"null", "3"},
     {"{}"}},
};

static json_t *parse(const char *text) {
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(json);
    return json;
}

static void schemas_accept_and_refuse(void **state) {
    (void)state;
    static const char words[] = "{\"a\":\"b\":[1, \"x\",null},{\"k\":true]}\"ab\"";
    vocabulary *v = make_vocabulary(words, sizeof(words) - 1);
    for (size_t r = 0; r < MU_COUNTOF(rows); r++) {
        json_t *schema = parse(rows[r].schema);
        mu_grammar_spec spec = {.kind = MU_GRAMMAR_JSON_SCHEMA, .schema = schema};
        mu_grammar *grammar = NULL;
        mu_err err = {0};
        if (mu_grammar_compile(&spec, v->trie, &grammar, &err) != MU_OK) {
            fail_msg("%s: %s", rows[r].schema, err.text);
        }
        for (size_t i = 0; i < TEXTS_MAX && rows[r].yes[i]; i++) {
            if (!is_accepted(v, grammar, rows[r].yes[i])) {
                fail_msg("%s refuses %s", rows[r].schema, rows[r].yes[i]);
            }
        }
        for (size_t i = 0; i < TEXTS_MAX && rows[r].no[i]; i++) {
            if (is_accepted(v, grammar, rows[r].no[i])) {
                fail_msg("%s accepts %s", rows[r].schema, rows[r].no[i]);
            }
        }
        mu_grammar_unref(grammar);
        json_decref(schema);
    }
    free_vocabulary(v);
}

static void order_of_the_schema_is_kept_when_asked(void **state) {
    (void)state;
    json_t *schema = parse("{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{},\"c\":{}},"
                           "\"required\":[\"b\"]}");
    mu_grammar_spec spec = {.kind = MU_GRAMMAR_JSON_SCHEMA, .schema = schema, .in_order = true};
    static const row order = {
        NULL,
        {"{\"a\":1,\"b\":2}", "{\"b\":1,\"c\":2,\"x\":3}", "{\"b\":1,\"x\":2}"},
        {"{\"b\":1,\"a\":2}", "{\"a\":1,\"c\":2}", "{\"x\":1", "{\"b\":1,\"x\":2,\"c\""}};
    vocabulary *v = make_vocabulary("", 0);
    mu_grammar *grammar = NULL;
    assert_int_equal(mu_grammar_compile(&spec, v->trie, &grammar, NULL), MU_OK);
    for (size_t i = 0; order.yes[i]; i++) {
        assert_true(is_accepted(v, grammar, order.yes[i]));
    }
    for (size_t i = 0; order.no[i]; i++) {
        assert_false(is_accepted(v, grammar, order.no[i]));
    }
    mu_grammar_unref(grammar);
    free_vocabulary(v);
    json_decref(schema);
}

static void errors_name_the_place(void **state) {
    (void)state;
    static const struct {
        const char *schema;
        mu_status status;
        const char *text; /* the error starts so */
    } cases[] = {
        {"5", MU_ERR_INVALID, "#: expected a schema"},
        {"{\"type\":\"text\"}", MU_ERR_INVALID, "#/type: not a type"},
        {"{\"properties\":{\"a\":{\"uniqueItems\":true}}}", MU_ERR_UNSUPPORTED,
         "#/properties/a/uniqueItems: not supported"},
        {"{\"items\":{\"unevaluatedProperties\":false}}", MU_ERR_UNSUPPORTED,
         "#/items/unevaluatedProperties: not supported"},
        {"{\"anyOf\":[{},{\"pattern\":\"(?=a)\"}]}", MU_ERR_UNSUPPORTED,
         "#/anyOf/1/pattern: pattern: lookahead"},
        {"{\"pattern\":\"(a\"}", MU_ERR_INVALID, "#/pattern: pattern: a ( without )"},
        {"{\"$ref\":\"http://x/y\"}", MU_ERR_UNSUPPORTED, "#/$ref: it does not name a schema"},
        {"{\"minLength\":-1}", MU_ERR_INVALID, "#/minLength: expected a whole number"},
        {"{\"maxLength\":1000000}", MU_ERR_LIMIT, "#/maxLength: the grammar needs too many states"},
        {"{\"multipleOf\":0}", MU_ERR_INVALID, "#/multipleOf: expected a positive number"},
        {"{\"required\":[1]}", MU_ERR_INVALID, "#/required: expected an array of names"},
        {"{\"type\":\"string\",\"enum\":[1]}", MU_ERR_INVALID, "#: no value is valid"},
        {"{\"properties\":{\"n\":{\"$ref\":\"#\"}},\"required\":[\"n\"],\"type\":\"object\"}",
         MU_ERR_INVALID, "#: no value is valid"},
        {"{\"allOf\":[{\"$ref\":\"#\"}]}", MU_ERR_INVALID, "a schema refers to itself"},
    };
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        json_t *schema = parse(cases[i].schema);
        mu_grammar_spec spec = {.kind = MU_GRAMMAR_JSON_SCHEMA, .schema = schema};
        mu_grammar *grammar = NULL;
        mu_err err = {0};
        mu_status status = mu_grammar_compile(&spec, NULL, &grammar, &err);
        if (status != cases[i].status ||
            strncmp(err.text, cases[i].text, strlen(cases[i].text)) != 0) {
            fail_msg("%s: status %d, %s", cases[i].schema, status, err.text);
        }
        assert_null(grammar);
        json_decref(schema);
    }
}

/* Every allocation of compiling, reading and masking fails once. */
static void failed_allocations_leak_nothing(void **state) {
    (void)state;
    json_t *schema = parse(
        "{\"type\":\"object\",\"properties\":{\"a\":{\"pattern\":\"x+\"},\"b\":{\"not\":"
        "{\"items\":{\"minimum\":3}}}},\"oneOf\":[{\"required\":[\"a\"]},{\"required\":[\"b\"]}]}");
    vocabulary *v = make_vocabulary("", 0);
    mu_grammar_spec spec = {.kind = MU_GRAMMAR_JSON_SCHEMA, .schema = schema};
    int64_t before = mu_alloc_n_alive();
    bool is_done = false;
    for (int n = 0; !is_done; n++) {
        mu_grammar *grammar = NULL;
        mu_err err = {0};
        mu_alloc_fail_after(n);
        mu_status status = mu_grammar_compile(&spec, v->trie, &grammar, &err);
        if (status == MU_OK) {
            static const char text[] = "{\"a\":\"ax\"}";
            mu_matcher matcher;
            mu_matcher_init(&matcher, grammar);
            mu_matcher_mask(&matcher, v->mask);
            bool is_taken = mu_matcher_take(&matcher, text, sizeof(text) - 1);
            mu_matcher_mask(&matcher, v->mask);
            status = mu_matcher_status(&matcher);
            is_done = status == MU_OK && is_taken;
        }
        mu_alloc_fail_after(-1);
        assert_true(is_done || status == MU_ERR_NOMEM || status == MU_OK);
        mu_grammar_unref(grammar);
        assert_int_equal(mu_alloc_n_alive(), before);
        assert_true(n < 5000);
    }
    free_vocabulary(v);
    json_decref(schema);
}

typedef struct tally {
    int n_schemas, n_compiled, n_instances, n_right;
} tally;

static const char *name_of(const json_t *line) {
    const char *name = json_string_value(json_object_get(line, "name"));
    return name ? name : "?";
}

static void judge(const vocabulary *v, const json_t *line, bool in_order, bool is_loud,
                  tally *sum) {
    mu_grammar_spec spec = {.kind = MU_GRAMMAR_JSON_SCHEMA,
                            .schema = json_object_get(line, "schema"),
                            .in_order = in_order};
    mu_grammar *grammar = NULL;
    mu_err err = {0};
    sum->n_schemas++;
    if (mu_grammar_compile(&spec, v->trie, &grammar, &err) != MU_OK) {
        if (is_loud) printf("  not compiled: %s: %s\n", name_of(line), err.text);
        return;
    }
    sum->n_compiled++;
    const json_t *tests = json_object_get(line, "tests");
    for (size_t i = 0; i < json_array_size(tests); i++) {
        const json_t *test = json_array_get(tests, i);
        bool is_valid = json_is_true(json_object_get(test, "valid"));
        char *text =
            json_dumps(json_object_get(test, "data"), JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
        assert_non_null(text);
        bool is_right = is_accepted(v, grammar, text) == is_valid;
        sum->n_instances++;
        sum->n_right += is_right;
        if (!is_right && is_loud) {
            printf("  %s: %s, instance %zu: %.200s\n", is_valid ? "refused" : "accepted",
                   name_of(line), i, text);
        }
        mu_free(text);
    }
    mu_grammar_unref(grammar);
}

/* Every `stride`-th line. */
static tally judge_file(const char *path, int stride, bool in_order, bool is_loud) {
    mu_map map;
    tally sum = {0};
    if (mu_map_open(path, &map, NULL) != MU_OK) return sum;
    const char *text = (const char *)map.data;
    vocabulary *v = make_vocabulary(text, map.size);
    int n_lines = 0;
    for (size_t at = 0; at < map.size;) {
        const char *end = memchr(text + at, '\n', map.size - at);
        size_t n = end ? (size_t)(end - text) - at : map.size - at;
        if (n_lines++ % stride == 0) {
            json_t *json = json_loadb(text + at, n, JSON_DECODE_ANY, NULL);
            assert_non_null(json);
            judge(v, json, in_order, is_loud, &sum);
            json_decref(json);
        }
        at += n + 1;
    }
    free_vocabulary(v);
    mu_map_close(&map);
    return sum;
}

static void print_tally(const char *what, tally sum) {
    printf("%s: %d of %d schemas compile; of their instances %d of %d judged rightly\n", what,
           sum.n_compiled, sum.n_schemas, sum.n_right, sum.n_instances);
}

/* The official suite: {keyword: [{"description", "schema", "tests": [{"data", "valid"}]}]}. */
static tally judge_suite(const char *path, bool is_loud) {
    tally sum = {0};
    json_t *suite = json_load_file(path, JSON_ALLOW_NUL, NULL);
    if (!suite) return sum;
    mu_map map;
    assert_int_equal(mu_map_open(path, &map, NULL), MU_OK);
    vocabulary *v = make_vocabulary((const char *)map.data, map.size);
    const char *keyword;
    json_t *groups;
    json_object_foreach(suite, keyword, groups) {
        for (size_t i = 0; i < json_array_size(groups); i++) {
            json_t *group = json_array_get(groups, i);
            char name[120];
            snprintf(name, sizeof(name), "%s: %s", keyword,
                     json_string_value(json_object_get(group, "description")));
            json_object_set_new(group, "name", json_string(name));
            judge(v, group, false, is_loud, &sum);
        }
    }
    free_vocabulary(v);
    mu_map_close(&map);
    json_decref(suite);
    return sum;
}

static void real_schemas_are_judged_as_promised(void **state) {
    (void)state;
    tally sum = judge_file("../shared/data/json-schema/maskbench.jsonl", SAMPLE, false, false);
    if (sum.n_schemas == 0) skip();
    print_tally("sample", sum);
    assert_true(sum.n_compiled >= sum.n_schemas * 0.98);
    assert_true(sum.n_right >= sum.n_instances * 0.995);
}

static void official_suite_is_judged_as_promised(void **state) {
    (void)state;
    tally sum = judge_suite("../shared/data/json-schema/draft2020-12.json", false);
    if (sum.n_schemas == 0) skip();
    print_tally("official suite", sum);
    assert_true(sum.n_right >= sum.n_instances * 0.95);
}

int main(int argc, char **argv) {
    json_set_alloc_funcs(mu_alloc, mu_free);
    size_t n = argc == 2 ? strlen(argv[1]) : 0;
    if (n > 6 && strcmp(argv[1] + n - 6, ".jsonl") == 0) {
        print_tally("in any order", judge_file(argv[1], 1, false, true));
        print_tally("in the order of the schema", judge_file(argv[1], 1, true, false));
        return 0;
    }
    if (n > 0) {
        print_tally("suite", judge_suite(argv[1], true));
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemas_accept_and_refuse),
        cmocka_unit_test(order_of_the_schema_is_kept_when_asked),
        cmocka_unit_test(errors_name_the_place),
        cmocka_unit_test(failed_allocations_leak_nothing),
        cmocka_unit_test(real_schemas_are_judged_as_promised),
        cmocka_unit_test(official_suite_is_judged_as_promised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
