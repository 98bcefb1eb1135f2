/* Patterns and the texts they match, whole and by search. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "grammar/regex.h"

enum { TEXTS_MAX = 8 };

static const struct {
    const char *pattern;
    mu_regex_form form;
    const char *yes[TEXTS_MAX], *no[TEXTS_MAX];
} rows[] = {
    {"", MU_REGEX_SEARCH, {"", "x"}, {NULL}},
    {"b", MU_REGEX_SEARCH, {"b", "abc"}, {"", "ac"}},
    {"b", MU_REGEX_WHOLE, {"b"}, {"abc", ""}},
    {"^b", MU_REGEX_SEARCH, {"bc"}, {"ab"}},
    {"b$", MU_REGEX_SEARCH, {"ab"}, {"bc"}},
    {"^$|^ab$", MU_REGEX_SEARCH, {"", "ab"}, {"a", "abb"}},
    {"(^a|b)c", MU_REGEX_SEARCH, {"ac", "xbc"}, {"xac"}},
    {"a(b|cd)*e", MU_REGEX_WHOLE, {"ae", "abcdbe"}, {"ace"}},
    {"a{2,3}", MU_REGEX_WHOLE, {"aa", "aaa"}, {"a", "aaaa"}},
    {"(ab){2}", MU_REGEX_WHOLE, {"abab"}, {"ab", "ababab"}},
    {"a{2,}b?", MU_REGEX_WHOLE, {"aa", "aaaab"}, {"ab"}},
    {"a{0}b", MU_REGEX_WHOLE, {"b"}, {"ab"}},
    {"a{x}", MU_REGEX_WHOLE, {"a{x}"}, {"a"}},
    {"a*?b+?", MU_REGEX_WHOLE, {"b", "aabb"}, {"a"}},
    {"[a-c\\d_-]+", MU_REGEX_WHOLE, {"b-3_"}, {"d"}},
    {"[^a-c]", MU_REGEX_WHOLE, {"d", "\xC3\xA9"}, {"b", ""}},
    {"[a-\\d]", MU_REGEX_WHOLE, {"a", "-", "5"}, {"b"}},
    {".", MU_REGEX_WHOLE, {"x", "\xF0\x9F\x98\x80"}, {"\n", "xx"}},
    {"\\w\\W\\s\\S\\D", MU_REGEX_WHOLE, {"a- xy"}, {"a-xxy"}},
    {"\\x41\\u0042\\u{43}\\cJ\\n\\/\\.", MU_REGEX_WHOLE, {"ABC\n\n/."}, {"ABC\n\n/x"}},
    {"\\ud83d\\ude00", MU_REGEX_WHOLE, {"\xF0\x9F\x98\x80"}, {"x"}},
    {"(?:a)(?<name>b)", MU_REGEX_WHOLE, {"ab"}, {"a"}},
};

static void patterns_match(void **state) {
    (void)state;
    for (size_t r = 0; r < MU_COUNTOF(rows); r++) {
        mu_chunks memory;
        mu_lexicon lexicon;
        mu_chunks_init(&memory, 1 << 22);
        mu_lexicon_init(&lexicon, &memory);
        mu_lexeme lexeme =
            mu_regex_lexeme(&lexicon, rows[r].pattern, strlen(rows[r].pattern), rows[r].form);
        if (lexicon.status != MU_OK) fail_msg("%s: %s", rows[r].pattern, lexicon.err.text);
        for (size_t i = 0; rows[r].yes[i]; i++) {
            const char *text = rows[r].yes[i];
            if (!mu_lexeme_matches(&lexicon, lexeme, text, strlen(text))) {
                fail_msg("%s does not match %s", rows[r].pattern, text);
            }
        }
        for (size_t i = 0; rows[r].no[i]; i++) {
            const char *text = rows[r].no[i];
            if (mu_lexeme_matches(&lexicon, lexeme, text, strlen(text))) {
                fail_msg("%s matches %s", rows[r].pattern, text);
            }
        }
        mu_lexicon_deinit(&lexicon);
        mu_chunks_deinit(&memory);
    }
}

static void what_is_not_done_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *pattern;
        mu_status status;
    } cases[] = {
        {"(?=a)", MU_ERR_UNSUPPORTED},
        {"(?<!a)", MU_ERR_UNSUPPORTED},
        {"(a)\\1", MU_ERR_UNSUPPORTED},
        {"\\bx", MU_ERR_UNSUPPORTED},
        {"\\p{L}", MU_ERR_UNSUPPORTED},
        {"(?i)a", MU_ERR_UNSUPPORTED},
        {"(", MU_ERR_INVALID},
        {")", MU_ERR_INVALID},
        {"[a", MU_ERR_INVALID},
        {"*", MU_ERR_INVALID},
        {"a**", MU_ERR_INVALID},
        {"[b-a]", MU_ERR_INVALID},
        {"a{3,2}", MU_ERR_INVALID},
        {"\\", MU_ERR_INVALID},
        {"a{20000}", MU_ERR_LIMIT},
        {"((a{999}){999}){999}", MU_ERR_LIMIT},
        {"(a|b)*a(a|b){18}", MU_ERR_LIMIT},
    };
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        mu_chunks memory;
        mu_lexicon lexicon;
        mu_chunks_init(&memory, 1 << 22);
        mu_lexicon_init(&lexicon, &memory);
        const char *pattern = cases[i].pattern;
        mu_regex_lexeme(&lexicon, pattern, strlen(pattern), MU_REGEX_WHOLE);
        if (lexicon.status != cases[i].status) {
            fail_msg("%s: status %d, %s", pattern, lexicon.status, lexicon.err.text);
        }
        mu_lexicon_deinit(&lexicon);
        mu_chunks_deinit(&memory);
    }
}

/* The algebra against its definition, over all texts of up to four letters of {a, b, c}. */
static void algebra_is_that_of_sets(void **state) {
    (void)state;
    static const char *const patterns[] = {"a*b", "[ab]{2}", "^c", "b|c$", "(ab|c)+", ""};
    mu_chunks memory;
    mu_lexicon lexicon;
    mu_chunks_init(&memory, 1 << 24);
    mu_lexicon_init(&lexicon, &memory);
    for (size_t i = 0; i < MU_COUNTOF(patterns); i++) {
        for (size_t j = 0; j < MU_COUNTOF(patterns); j++) {
            mu_lexeme a = mu_regex_lexeme(&lexicon, patterns[i], strlen(patterns[i]), i % 2);
            mu_lexeme b = mu_regex_lexeme(&lexicon, patterns[j], strlen(patterns[j]), j % 2);
            mu_lexeme both = mu_lexeme_and(&lexicon, a, b), any = mu_lexeme_or(&lexicon, a, b);
            mu_lexeme rest = mu_lexeme_minus(&lexicon, a, b);
            for (int code = 0; code < 3 * 81; code++) {
                char text[5];
                size_t n = (size_t)code % 5;
                for (size_t k = 0, c = (size_t)code; k < n; k++, c /= 3) {
                    text[k] = (char)('a' + c % 3);
                }
                bool in_a = mu_lexeme_matches(&lexicon, a, text, n);
                bool in_b = mu_lexeme_matches(&lexicon, b, text, n);
                assert_int_equal(mu_lexeme_matches(&lexicon, both, text, n), in_a && in_b);
                assert_int_equal(mu_lexeme_matches(&lexicon, any, text, n), in_a || in_b);
                assert_int_equal(mu_lexeme_matches(&lexicon, rest, text, n), in_a && !in_b);
            }
        }
    }
    assert_int_equal(lexicon.status, MU_OK);
    mu_lexicon_deinit(&lexicon);
    mu_chunks_deinit(&memory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match),
        cmocka_unit_test(what_is_not_done_is_refused),
        cmocka_unit_test(algebra_is_that_of_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
