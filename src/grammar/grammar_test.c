/* Every kind of grammar, matchers, masks against their definition, and bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/rng.h"
#include "grammar/grammar.h"

/* A vocabulary that crosses every border: quotes, colons, escapes, parts of UTF-8. */
static const char *const words[] = {
    "{",        "}",        "[",        "]",    ",",     ":",     "\"",   "\\",      " ",
    "\n",       "a",        "b",        "c",    "0",     "1",     "9",    ".",       "-",
    "e",        "n",        "null",     "true", "false", "{\"",   "\"}",  "\":",     "\": ",
    "\",",      "\", \"",   "ab",       "abc",  "a\"",   "b\":1", "1,",   "12",      "1]",
    "],[",      "}}",       "[]",       "\\n",  "\\u",   "00e9",  "\xC3", "\xA9",    "\xC3\xA9",
    "\xF0\x9F", "\x98\x80", "aaaaaaaa", "x",    "y",     "(",     ")",    "+",       "1+1",
    "((",       "))+",      " a",       "a",    "root",  "<t>",   "t>",   "\xFF<c>",
};
enum { N_WORDS = MU_COUNTOF(words), N_TOKENS = N_WORDS + 256, N_VOCAB = N_TOKENS + 2 };

static char every_byte[256];
static mu_token_bytes tokens[N_VOCAB]; /* words, bytes, and two control tokens */

static mu_token_trie *trie;

static int open_trie(void **state) {
    (void)state;
    for (uint32_t i = 0; i < N_WORDS; i++) {
        tokens[i] = (mu_token_bytes){words[i], strlen(words[i])};
    }
    for (uint32_t b = 0; b < 256; b++) {
        every_byte[b] = (char)b;
        tokens[N_WORDS + b] = (mu_token_bytes){&every_byte[b], 1};
    }
    return mu_token_trie_open(tokens, N_VOCAB, &trie, NULL) == MU_OK ? 0 : 1;
}

static int close_trie(void **state) {
    (void)state;
    mu_token_trie_unref(trie);
    return 0;
}

static mu_grammar *compile_text(mu_grammar_kind kind, const char *text) {
    mu_grammar_spec spec = {.kind = kind, .text = text, .n_text = strlen(text)};
    mu_grammar *grammar = NULL;
    mu_err err = {0};
    if (mu_grammar_compile(&spec, trie, &grammar, &err) != MU_OK)
        fail_msg("%s: %s", text, err.text);
    return grammar;
}

static mu_grammar *compile_schema(const char *text, bool in_order) {
    json_t *schema = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(schema);
    mu_grammar_spec spec = {.kind = MU_GRAMMAR_JSON_SCHEMA, .schema = schema, .in_order = in_order};
    mu_grammar *grammar = NULL;
    mu_err err = {0};
    if (mu_grammar_compile(&spec, trie, &grammar, &err) != MU_OK)
        fail_msg("%s: %s", text, err.text);
    json_decref(schema);
    return grammar;
}

static bool accepts(mu_grammar *grammar, const char *text) {
    mu_matcher matcher;
    mu_matcher_init(&matcher, grammar);
    return mu_matcher_take(&matcher, text, strlen(text)) && mu_matcher_may_end(&matcher);
}

/* The mask has exactly the tokens that a copy of the matcher takes. */
static void check_mask(const mu_matcher *matcher, uint64_t *mask) {
    mu_matcher_mask(matcher, mask);
    for (uint32_t t = 0; t < N_VOCAB; t++) {
        mu_matcher copy = *matcher;
        bool is_taken = t < N_TOKENS && mu_matcher_take(&copy, tokens[t].data, tokens[t].n);
        if ((mask[t / 64] >> (t % 64) & 1) != is_taken) fail_msg("token %u", t);
    }
}

/* Walks at random along the masks; wherever it stops, something may follow or the text may end. */
static void walk(mu_grammar *grammar, uint64_t seed) {
    uint64_t mask[(N_VOCAB + 63) / 64];
    mu_matcher matcher;
    mu_rng rng = {seed};
    mu_matcher_init(&matcher, grammar);
    for (int step = 0; step < 60; step++) {
        check_mask(&matcher, mask);
        uint32_t choices[N_TOKENS], n = 0;
        for (uint32_t t = 0; t < N_TOKENS; t++) {
            if (mask[t / 64] >> (t % 64) & 1) choices[n++] = t;
        }
        assert_int_equal(mu_matcher_status(&matcher), MU_OK);
        assert_true(n > 0 || mu_matcher_may_end(&matcher));
        if (mu_matcher_must_end(&matcher)) assert_int_equal(n, 0);
        if (n == 0) return;
        mu_token_bytes token = tokens[choices[mu_rng_below(&rng, n)]];
        assert_true(mu_matcher_take(&matcher, token.data, token.n));
    }
}

static void masks_are_what_may_follow(void **state) {
    (void)state;
    static const char *const schemas[] = {
        "true",
        "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"ab\":{\"type\":"
        "\"string\"},"
        "\"abc\":{}},\"required\":[\"ab\"]}",
        "{\"type\":\"string\",\"maxLength\":3}",
        "{\"type\":\"array\",\"items\":{\"anyOf\":[{\"type\":\"number\"},{\"$ref\":\"#\"}]},"
        "\"maxItems\":3}",
        "{\"anyOf\":[{\"properties\":{\"a\":{\"const\":1}},\"required\":[\"a\"]},{\"properties\":{"
        "\"a\":"
        "{\"const\":12}},\"maxProperties\":1}],\"type\":\"object\"}",
    };
    static const char *const gbnfs[] = {
        "root ::= e\ne ::= t (\"+\" t)*\nt ::= [0-9]+ | \"(\" e \")\"",
        "root ::= [a-c]* \"x\"?",
    };
    for (size_t i = 0; i < 2 * MU_COUNTOF(schemas); i++) {
        mu_grammar *grammar = compile_schema(schemas[i / 2], i % 2 != 0);
        for (uint64_t seed = 0; seed < 12; seed++) {
            walk(grammar, seed * 31 + i);
        }
        mu_grammar_unref(grammar);
    }
    for (size_t i = 0; i < MU_COUNTOF(gbnfs); i++) {
        mu_grammar *grammar = compile_text(MU_GRAMMAR_GBNF, gbnfs[i]);
        for (uint64_t seed = 0; seed < 12; seed++) {
            walk(grammar, seed);
        }
        mu_grammar_unref(grammar);
    }
    mu_grammar *grammar = compile_text(MU_GRAMMAR_REGEX, "(a|ab|abc)+\xC3\xA9?x{2}");
    walk(grammar, 5);
    mu_grammar_unref(grammar);
}

static void every_kind_accepts_and_refuses(void **state) {
    (void)state;
    static const struct {
        mu_grammar_kind kind;
        const char *text, *yes[4], *no[4];
    } cases[] = {
        {MU_GRAMMAR_REGEX, "[a-z]+@x\\.org", {"me@x.org"}, {"@x.org", "me@x.orgs"}},
        {MU_GRAMMAR_GBNF, "root ::= \"a\" root \"b\" | \"\"", {"", "aabb"}, {"aab", "ba"}},
        {MU_GRAMMAR_GBNF,
         "# sums\nroot ::= term (\n  \"+\" term # more\n)*\nterm ::= num | \"(\" root \")\"\nnum "
         "::= [1-9] [0-9]{0,2}",
         {"1+20", "((7))+1"},
         {"1234", "()", "1+"}},
        {MU_GRAMMAR_GBNF,
         "root ::= [^\\n\\x41-\\x43] \"\\u00e9\" .",
         {"x\xC3\xA9y"},
         {"A\xC3\xA9y", "x\xC3\xA9"}},
        {MU_GRAMMAR_GBNF, "root ::= a-b |\n  \"y\"\na-b ::= \"x\"+", {"xx", "y"}, {"xy"}},
        {MU_GRAMMAR_JSON_OBJECT, "", {"{}", "{\"a\": [1]}"}, {"[]", "1", "{\"a\"}"}},
    };
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        mu_grammar *grammar = compile_text(cases[i].kind, cases[i].text);
        for (size_t j = 0; j < 4 && cases[i].yes[j]; j++) {
            if (!accepts(grammar, cases[i].yes[j]))
                fail_msg("%s refuses %s", cases[i].text, cases[i].yes[j]);
        }
        for (size_t j = 0; j < 4 && cases[i].no[j]; j++) {
            if (accepts(grammar, cases[i].no[j]))
                fail_msg("%s accepts %s", cases[i].text, cases[i].no[j]);
        }
        mu_grammar_unref(grammar);
    }
    const char *choices[] = {"yes", "no", "not sure"};
    mu_grammar_spec spec = {.kind = MU_GRAMMAR_CHOICE, .choices = choices, .n_choices = 3};
    mu_grammar *grammar = NULL;
    assert_int_equal(mu_grammar_compile(&spec, NULL, &grammar, NULL), MU_OK);
    assert_true(accepts(grammar, "no") && accepts(grammar, "not sure"));
    assert_false(accepts(grammar, "not") || accepts(grammar, "yess"));
    mu_grammar_unref(grammar);
}

static void malformed_grammars_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text;
        mu_status status;
        const char *says;
    } cases[] = {
        {"root ::= root \"a\" | \"b\"", MU_ERR_UNSUPPORTED, "grammar: rule root: it calls itself"},
        {"root ::= x root\nx ::= \"\"", MU_ERR_INVALID, "grammar: rule root: it can never end"},
        {"root ::= x root | \"a\"\nx ::= \"\"", MU_ERR_UNSUPPORTED,
         "grammar: rule root: it calls itself"},
        {"root ::= y", MU_ERR_INVALID, "grammar: rule y: it is not defined"},
        {"x ::= \"a\"", MU_ERR_INVALID, "grammar: rule root: it is not defined"},
        {"root ::= \"a", MU_ERR_INVALID, "grammar: line 1"},
        {"root ::= [a", MU_ERR_INVALID, "grammar: line 1"},
        {"root ::= \"a\"\n\nroot ::= \"b\"", MU_ERR_INVALID, "grammar: line 3"},
        {"root ::= (\"a\"", MU_ERR_INVALID, "grammar: line 1"},
        {"root ::= \"a\"{9999}", MU_ERR_LIMIT, "grammar: line 1"},
        {"root ::= (\"a\"{5000}){5000}", MU_ERR_LIMIT, "grammar: line 1"},
        {"root = 1", MU_ERR_INVALID, "grammar: line 1"},
        {"root ::= \"\xFF\"", MU_ERR_INVALID, "grammar: not UTF-8"},
        {"", MU_ERR_INVALID, "grammar: rule root"},
    };
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        mu_grammar_spec spec = {
            .kind = MU_GRAMMAR_GBNF, .text = cases[i].text, .n_text = strlen(cases[i].text)};
        mu_grammar *grammar = NULL;
        mu_err err = {0};
        mu_status status = mu_grammar_compile(&spec, trie, &grammar, &err);
        if (status != cases[i].status ||
            strncmp(err.text, cases[i].says, strlen(cases[i].says)) != 0) {
            fail_msg("%s: status %d, %s", cases[i].text, status, err.text);
        }
    }
    char deep[4096] = "root ::= ";
    memset(deep + 9, '(', 3000);
    mu_grammar_spec spec = {.kind = MU_GRAMMAR_GBNF, .text = deep, .n_text = 3009};
    mu_grammar *grammar = NULL;
    assert_int_equal(mu_grammar_compile(&spec, trie, &grammar, NULL), MU_ERR_LIMIT);
}

static const char *const with_marks[] = {"<t>f=", "<t>g=", "<c>f="};

typedef struct tags_case {
    mu_grammar_tags tags;
    const char *yes[5], *no[7];
} tags_case;

static mu_grammar *compile_tags(const mu_grammar_tags *given, uint32_t first, uint32_t n) {
    json_t *schema =
        json_loads("{\"$defs\":{\"x\":{\"maximum\":9}},\"type\":\"integer\",\"minimum\":"
                   "1,\"$ref\":\"#/$defs/x\"}",
                   0, NULL);
    assert_non_null(schema);
    mu_grammar_tag items[3];
    for (uint32_t i = 0; i < 3; i++) {
        items[i] = (mu_grammar_tag){with_marks[i], "!", i == 1 ? schema : NULL, "f"};
    }
    mu_grammar_tags tags = *given;
    tags.items = items + first;
    tags.n = n;
    mu_grammar_spec spec = {.kind = MU_GRAMMAR_TAGS, .tags = &tags};
    mu_grammar *grammar = NULL;
    mu_err err = {0};
    if (mu_grammar_compile(&spec, trie, &grammar, &err) != MU_OK) fail_msg("%s", err.text);
    json_decref(schema);
    return grammar;
}

static void check_tags(const tags_case *c, uint32_t first, uint32_t n) {
    mu_grammar *grammar = compile_tags(&c->tags, first, n);
    for (size_t i = 0; i < MU_COUNTOF(c->yes) && c->yes[i]; i++) {
        if (!accepts(grammar, c->yes[i])) fail_msg("refuses %s", c->yes[i]);
    }
    for (size_t i = 0; i < MU_COUNTOF(c->no) && c->no[i]; i++) {
        if (accepts(grammar, c->no[i])) fail_msg("accepts %s", c->no[i]);
    }
    for (uint64_t seed = 0; seed < 12; seed++) {
        walk(grammar, seed);
    }
    mu_grammar_unref(grammar);
}

static void values_stand_within_texts(void **state) {
    (void)state;
    static const tags_case two[] = {
        {{.open = "", .close = "", .between = ","},
         {"<t>f={}!", "<t>g=1!", "<t>g=9!,<t>f={\"a\": [\"<t>\"]}!,<t>g=2!"},
         {"", "<t>g=12!", "<t>g=1", "<t>f=1!", "<t>g=1!,", " <t>g=1!", "<t>h=1!"}},
        {{.open = "[", .close = "]"}, {"[<t>g=1!]"}, {"[]", "[<t>g=1!<t>g=1!]", "<t>g=1!"}},
        {{.open = "", .close = "", .trigger = "<t>"},
         {"", "a<b <t", "<t>g=1!", "<<t>g=1!b<t>f={}!\xC3", "<t>g=2!<t>g=3!"},
         {"<t>", "a<t>h", "<t>g=12!", "<t>g=1", "<t>g=1!<t>g=0!"}},
        {{.open = "", .close = "", .trigger = "<t>", .once = true},
         {"", "a<t>g=1!"},
         {"<t>g=1!b", "<t>g=1!<t>g=1!"}},
        {{.open = "<t>[", .close = "]", .between = ",", .trigger = "<t>"},
         {"x<t>[<t>g=1!,<t>g=2!]y"},
         {"<t>g=1!", "<t>[]", "<t>[<t>g=1!"}},
        {{.open = "", .close = "", .reasoning_open = "(", .reasoning_close = "aab"},
         {"<t>g=1!", "(aab\n<t>g=1!", "(aaaab<t>g=1!", "(<t>g=1! aab\n\n<t>g=1!"},
         {"(<t>g=1!", "aab<t>g=1!", "(aab", "(aab\n\n\n<t>g=1!"}},
        {{.open = "", .close = "", .reasoning_close = "aab"},
         {"aab<t>g=1!", "hm\xFF<c>aab<t>g=1!"},
         {"<t>g=1!", "aab <t>g=1!"}},
    };
    static const tags_case control = {{.open = "", .close = "", .trigger = "<c>"},
                                      {"<c>", "<c>f=1", "a\xFF<c>f={}! \xFF<c>f={}!"},
                                      {"\xFF<c>", "\xFF<c>f=1!"}};
    for (size_t i = 0; i < MU_COUNTOF(two); i++) {
        check_tags(&two[i], 0, 2);
    }
    check_tags(&control, 2, 1);
    mu_grammar_tag none = {.begin = "", .end = "", .schema = json_false(), .name = "f"};
    mu_grammar_tags tags = {.items = &none, .n = 1, .open = "", .close = ""};
    mu_grammar_spec spec = {.kind = MU_GRAMMAR_TAGS, .tags = &tags};
    mu_grammar *grammar = NULL;
    mu_err err = {0};
    assert_int_equal(mu_grammar_compile(&spec, trie, &grammar, &err), MU_ERR_INVALID);
    assert_string_equal(err.text, "f: #: no value is valid under this schema");
    tags.n = 0;
    assert_int_equal(mu_grammar_compile(&spec, trie, &grammar, &err), MU_ERR_INVALID);
}

static void nesting_is_bounded_not_broken(void **state) {
    (void)state;
    mu_grammar *grammar = compile_schema("true", false);
    uint64_t mask[(N_VOCAB + 63) / 64];
    mu_matcher matcher;
    mu_matcher_init(&matcher, grammar);
    int depth = 0;
    while (depth < 1000 && mu_matcher_take(&matcher, "[", 1)) {
        depth++;
    }
    assert_in_range(depth, 256, 512);
    check_mask(&matcher, mask);
    assert_int_equal(mu_matcher_status(&matcher), MU_OK);
    for (int i = 0; i < depth; i++) {
        assert_true(mu_matcher_take(&matcher, "]", 1));
    }
    assert_true(mu_matcher_must_end(&matcher));
    mu_grammar_unref(grammar);
}

static void a_text_with_many_readings_stays_small(void **state) {
    (void)state;
    mu_grammar *grammar =
        compile_schema("{\"anyOf\":[{\"type\":\"array\",\"items\":{\"$ref\":\"#\"},\"maxItems\":3},"
                       "{\"type\":\"array\",\"items\":"
                       "{\"$ref\":\"#\"},\"minItems\":1},{\"type\":\"array\",\"items\":{\"anyOf\":["
                       "{\"$ref\":\"#\"},{\"const\":1}]}}]}",
                       false);
    mu_matcher matcher;
    mu_matcher_init(&matcher, grammar);
    for (int i = 0; i < 40; i++) {
        assert_true(mu_matcher_take(&matcher, "[", 1));
    }
    assert_in_range(matcher.n, 1, 16);
    assert_true(mu_matcher_take(&matcher, "1", 1));
    for (int i = 0; i < 40; i++) {
        assert_true(mu_matcher_take(&matcher, "]", 1));
    }
    assert_true(mu_matcher_must_end(&matcher));
    assert_int_equal(mu_matcher_status(&matcher), MU_OK);
    mu_grammar_unref(grammar);
}

static void what_has_one_way_is_forced(void **state) {
    (void)state;
    mu_grammar *grammar =
        compile_schema("{\"type\":\"object\",\"properties\":{\"abc\":{\"const\":\"xyz\"}},"
                       "\"required\":[\"abc\"],\"additionalProperties\":false}",
                       false);
    mu_matcher matcher;
    char forced[32];
    mu_matcher_init(&matcher, grammar);
    assert_true(mu_matcher_take(&matcher, "{\"", 2));
    size_t n = mu_matcher_forced(&matcher, forced, sizeof(forced));
    assert_int_equal(n, 5);
    assert_memory_equal(forced, "abc\":", 5);
    assert_int_equal(mu_matcher_forced(&matcher, forced, 2), 2);
    assert_true(mu_matcher_take(&matcher, "abc\":\"", 6));
    n = mu_matcher_forced(&matcher, forced, sizeof(forced));
    assert_memory_equal(forced, "xyz\"", n);
    mu_grammar_unref(grammar);
}

/* What would take minutes or gigabytes is refused, or ends with an error, in a moment. */
static void costly_grammars_are_bounded(void **state) {
    (void)state;
    mu_buf text = {0};
    mu_buf_append_str(&text, "{\"allOf\":[");
    for (int i = 0; i < 12; i++) { /* 3 to the 12th cases */
        mu_buf_printf(&text,
                      "%s{\"anyOf\":[{\"required\":[\"a%d\"]},{\"required\":[\"b%d\"]},{"
                      "\"maxProperties\":%d}]}",
                      i ? "," : "", i, i, i + 40);
    }
    mu_buf_append_str(&text, "]}");
    json_t *schema = json_loads(text.data, 0, NULL);
    assert_non_null(schema);
    mu_grammar_spec spec = {.kind = MU_GRAMMAR_JSON_SCHEMA, .schema = schema};
    mu_grammar *grammar = NULL;
    mu_err err = {0};
    assert_int_equal(mu_grammar_compile(&spec, trie, &grammar, &err), MU_ERR_LIMIT);
    json_decref(schema);
    mu_buf_deinit(&text);

    grammar = compile_text(MU_GRAMMAR_GBNF,
                           "root ::= ([a-z]? [a-y]? \"b\"?){1500} x*\nx ::= ([a-z]? \"a\"){300}");
    uint64_t mask[(N_VOCAB + 63) / 64];
    mu_matcher matcher;
    mu_matcher_init(&matcher, grammar);
    for (int i = 0; i < 6 && mu_matcher_status(&matcher) == MU_OK; i++) {
        mu_matcher_mask(&matcher, mask);
        mu_matcher_take(&matcher, "a", 1);
    }
    mu_status status = mu_matcher_status(&matcher);
    assert_true(status == MU_OK || status == MU_ERR_LIMIT);
    mu_grammar_unref(grammar);
}

int main(void) {
    json_set_alloc_funcs(mu_alloc, mu_free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_accepts_and_refuses),
        cmocka_unit_test(malformed_grammars_are_refused),
        cmocka_unit_test(masks_are_what_may_follow),
        cmocka_unit_test(values_stand_within_texts),
        cmocka_unit_test(nesting_is_bounded_not_broken),
        cmocka_unit_test(a_text_with_many_readings_stays_small),
        cmocka_unit_test(what_has_one_way_is_forced),
        cmocka_unit_test(costly_grammars_are_bounded),
    };
    return cmocka_run_group_tests(tests, open_trie, close_trie);
}
