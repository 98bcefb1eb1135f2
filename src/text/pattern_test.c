#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "text/pattern.h"
#include "text/tokenizer.h"

#define LLAMA3                                                                                    \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]" \
    "+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static mu_pattern *pattern_of(const char *regex) {
    mu_pattern *pattern = NULL;
    mu_err err = {0};
    if (mu_pattern_open(regex, &pattern, &err) != MU_OK) fail_msg("%s: %s", regex, err.text);
    return pattern;
}

static mu_matcher *matcher_of(void) {
    mu_matcher *matcher = NULL;
    assert_int_equal(mu_matcher_open(&matcher, NULL), MU_OK);
    return matcher;
}

/* Pieces of text, joined by "|". */
static void cut(const char *regex, const char *text, char *out) {
    mu_pattern *pattern = pattern_of(regex);
    mu_matcher *matcher = matcher_of();
    size_t n = strlen(text), n_out = 0;
    for (size_t at = 0, end; at < n; at = end) {
        assert_int_equal(mu_pattern_piece(pattern, matcher, text, n, at, &end, NULL), MU_OK);
        assert_true(end > at && end <= n);
        if (at > 0) out[n_out++] = '|';
        memcpy(out + n_out, text + at, end - at);
        n_out += end - at;
    }
    out[n_out] = '\0';
    mu_matcher_close(matcher);
    mu_pattern_close(pattern);
}

static void text_is_cut_as_the_reference_does(void **state) {
    (void)state;
    static const struct {
        const char *what, *regex, *text, *pieces;
    } rows[] = {
        {"words keep the space before them", mu_gpt2_pattern, "a bc  d", "a| bc| | d"},
        {"contractions in lower case only", mu_gpt2_pattern, "I'll I'LL", "I|'ll| I|'|LL"},
        {"white space at the end is one piece", mu_gpt2_pattern, "a \n\t ", "a| \n\t "},
        {"digits, marks", mu_gpt2_pattern, "x12?!\xc2\xb2", "x|12|?!|\xc2\xb2"},
        {"next line is white space", mu_gpt2_pattern, "a\xc2\x85\xc2\x85z",
         "a|\xc2\x85|\xc2\x85|z"},
        {"Mongolian vowel separator is not", mu_gpt2_pattern, "a\xe1\xa0\x8e\xe1\xa0\x8ez",
         "a|\xe1\xa0\x8e\xe1\xa0\x8e|z"},
        {"zero width space is not", mu_gpt2_pattern, "a \xe2\x80\x8bz", "a| \xe2\x80\x8b|z"},
        {"line separator is", mu_gpt2_pattern, "a\xe2\x80\xa8\xe2\x80\xa8z",
         "a|\xe2\x80\xa8|\xe2\x80\xa8|z"},
        {"letters of Unicode 15 and 16", mu_gpt2_pattern, "\xf0\x9e\x93\x90\xea\x9f\x8b!",
         "\xf0\x9e\x93\x90\xea\x9f\x8b|!"},
        {"what no match covers is a piece", "\\p{N}", "ab12c", "ab|1|2|c"},
        {"an empty match cuts only between characters", "\\p{N}*",
         "\xc3\xa9"
         "1",
         "\xc3\xa9|1"},
        {"contractions in both cases", LLAMA3, "I'LL don't", "I|'LL| don|'t"},
        {"at most three digits", LLAMA3, "12345 678", "123|45| |678"},
        {"line breaks end a piece", LLAMA3, "a!\n\n b \n\nc", "a|!\n\n| b| \n\n|c"},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        char pieces[256];
        cut(rows[i].regex, rows[i].text, pieces);
        if (strcmp(pieces, rows[i].pieces) != 0) {
            fail_msg("%s: \"%s\", expected \"%s\"", rows[i].what, pieces, rows[i].pieces);
        }
    }
}

static void pattern_that_may_mean_something_else_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *regex;
        mu_status status;
    } rows[] = {
        {"", MU_ERR_FORMAT},
        {"[a", MU_ERR_FORMAT},
        {"(a", MU_ERR_FORMAT},
        {"a\xff", MU_ERR_FORMAT},
        {"\\", MU_ERR_UNSUPPORTED},
        {"[\\b]", MU_ERR_UNSUPPORTED},
        {"\\w+", MU_ERR_UNSUPPORTED},
        {"\\1", MU_ERR_UNSUPPORTED},
        {"^a", MU_ERR_UNSUPPORTED},
        {"[a&&b]", MU_ERR_UNSUPPORTED},
        {"[a[b]]", MU_ERR_UNSUPPORTED},
        {"[a-\\s]", MU_ERR_UNSUPPORTED},
        {"[\\s-z]", MU_ERR_UNSUPPORTED},
        {"[\\S]", MU_ERR_UNSUPPORTED},
        {"a{1,3}+", MU_ERR_UNSUPPORTED},
        {"a{2}?", MU_ERR_UNSUPPORTED},
        {"a{", MU_ERR_UNSUPPORTED},
        {"(*LIMIT_MATCH=1)a", MU_ERR_UNSUPPORTED},
        {"(?R)", MU_ERR_UNSUPPORTED},
        {"\\p{Thai}", MU_ERR_UNSUPPORTED},
        {"\\p{", MU_ERR_UNSUPPORTED},
        {"\\p", MU_ERR_UNSUPPORTED},
        {"\\x{110000}", MU_ERR_UNSUPPORTED},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_pattern *pattern = NULL;
        mu_err err = {0};
        mu_status status = mu_pattern_open(rows[i].regex, &pattern, &err);
        if (status != rows[i].status || err.status != status || pattern || err.text[0] == '\0') {
            fail_msg("\"%s\": %s (%s)", rows[i].regex, mu_status_text(status), err.text);
        }
    }
}

/* Text with much of what the scanner decides: blanks, quotes, and bytes above 7F at every place. */
static size_t random_text(mu_rng *rng, char *text, size_t cap) {
    static const char *const atoms[] = {
        " ",
        " ",
        "\n",
        "\t",
        "\r",
        "\v",
        "'",
        "'s",
        "'re",
        "'ll",
        "'v",
        "a",
        "Z",
        "qu",
        "0",
        "9",
        "!",
        "_",
        "\x7f",
        "\x1f",
        "\xc3\xa9",
        "\xc2\xa0",
        "\xc2\xb2",
        "\xe2\x80\xa8",
        "\xe4\xb8\xad",
        "\xf0\x9f\x98\x80",
        "'d",
        "'m",
        "'t",
        "`",
    };
    size_t n = 0, n_atoms = 1 + mu_rng_below(rng, 12);
    for (size_t i = 0; i < n_atoms; i++) {
        const char *atom = atoms[mu_rng_below(rng, MU_COUNTOF(atoms))];
        if (n + strlen(atom) > cap) break;
        memcpy(text + n, atom, strlen(atom));
        n += strlen(atom);
    }
    return n;
}

static void scanner_and_pcre2_cut_alike(void **state) {
    (void)state;
    enum { N_TEXTS = 200000 };
    const uint64_t seed = 7;
    mu_rng rng = {seed};
    mu_pattern *pattern = pattern_of(mu_gpt2_pattern);
    mu_matcher *matcher = matcher_of();
    size_t n_pieces = 0;
    for (int i = 0; i < N_TEXTS; i++) {
        char text[64];
        size_t n = random_text(&rng, text, sizeof(text));
        for (size_t at = 0, end = 0, wanted = 0; at < n; at = end) {
            assert_int_equal(mu_pattern_piece(pattern, matcher, text, n, at, &end, NULL), MU_OK);
            assert_int_equal(mu_pattern_piece_pcre2(pattern, matcher, text, n, at, &wanted, NULL),
                             MU_OK);
            if (end != wanted) {
                fail_msg("seed %llu, text %d \"%.*s\" at %zu: %zu, PCRE2 %zu",
                         (unsigned long long)seed, i, (int)n, text, at, end, wanted);
            }
            n_pieces++;
        }
    }
    print_message("seed %llu: %d texts, %zu pieces\n", (unsigned long long)seed, N_TEXTS, n_pieces);
    mu_matcher_close(matcher);
    mu_pattern_close(pattern);
}

static void long_runs_are_one_piece(void **state) {
    (void)state;
    enum { N = 1 << 20 };
    static const char *const regexes[] = {mu_gpt2_pattern, LLAMA3};
    char *text = mu_alloc(N);
    assert_non_null(text);
    mu_matcher *matcher = matcher_of();
    for (size_t i = 0; i < MU_COUNTOF(regexes); i++) {
        mu_pattern *pattern = pattern_of(regexes[i]);
        for (const char *c = "a !\n"; *c; c++) {
            size_t end = 0;
            memset(text, *c, N);
            assert_int_equal(mu_pattern_piece_pcre2(pattern, matcher, text, N, 0, &end, NULL),
                             MU_OK);
            assert_int_equal(end, N);
        }
        mu_pattern_close(pattern);
    }
    mu_matcher_close(matcher);
    mu_free(text);
}

static void deep_groups_fall_back_to_the_heap(void **state) {
    (void)state;
    enum { N = 1 << 17 };
    char *text = mu_alloc(N);
    assert_non_null(text);
    memset(text, 'a', N);
    mu_matcher *matcher = matcher_of();
    mu_pattern *pattern = pattern_of("(?:a|(?:b|ab))+b|a");
    size_t end = 0;
    assert_int_equal(mu_pattern_piece(pattern, matcher, text, N, 0, &end, NULL), MU_OK);
    assert_int_equal(end, 1);
    mu_pattern_close(pattern);
    mu_matcher_close(matcher);
    mu_free(text);
}

static void endless_backtracking_is_a_limit(void **state) {
    (void)state;
    char text[64];
    memset(text, 'a', sizeof(text));
    mu_matcher *matcher = matcher_of();
    mu_pattern *pattern = pattern_of("(?:a|aa|aaa)+[!?]");
    mu_err err = {0};
    size_t end = 77;
    assert_int_equal(mu_pattern_piece(pattern, matcher, text, sizeof(text), 0, &end, &err),
                     MU_ERR_LIMIT);
    assert_int_equal(end, 77);
    assert_non_null(strstr(err.text, "pattern"));
    mu_pattern_close(pattern);
    mu_matcher_close(matcher);
}

static void failed_open_leaks_nothing(void **state) {
    (void)state;
    int64_t alive = mu_alloc_n_alive();
    int n_failures = 0;
    for (bool opened = false; !opened; n_failures++) {
        mu_pattern *pattern = NULL;
        mu_matcher *matcher = NULL;
        mu_alloc_fail_after(n_failures);
        mu_status status = mu_pattern_open(LLAMA3, &pattern, NULL);
        if (status == MU_OK) status = mu_matcher_open(&matcher, NULL);
        mu_alloc_fail_after(-1);
        opened = status == MU_OK;
        if (!opened) assert_int_equal(status, MU_ERR_NOMEM);
        mu_matcher_close(matcher);
        mu_pattern_close(pattern);
        assert_int_equal(mu_alloc_n_alive(), alive);
    }
    assert_true(n_failures > 5);
    print_message("%d places\n", n_failures - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_cut_as_the_reference_does),
        cmocka_unit_test(pattern_that_may_mean_something_else_is_refused),
        cmocka_unit_test(scanner_and_pcre2_cut_alike),
        cmocka_unit_test(long_runs_are_one_piece),
        cmocka_unit_test(deep_groups_fall_back_to_the_heap),
        cmocka_unit_test(endless_backtracking_is_a_limit),
        cmocka_unit_test(failed_open_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
