#include "engine/stop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"

enum { N_WALK = 20000, SEED = 11, TEXT_MAX = 40 };

typedef struct row {
    const char *strings[3];
    const char *text;
    uint64_t n_visible;
    bool is_hit;
} row;

static uint32_t count(const char *const *strings) {
    uint32_t n = 0;
    while (n < 3 && strings[n]) {
        n++;
    }
    return n;
}

/* However the text is cut, the same is found. */
static void assert_row(const row *r, size_t piece) {
    mu_stop stop;
    assert_int_equal(mu_stop_init(&stop, r->strings, count(r->strings), NULL), MU_OK);
    bool is_hit = false;
    size_t n = strlen(r->text);
    for (size_t at = 0; at < n; at += piece) {
        is_hit = mu_stop_push(&stop, r->text + at, n - at < piece ? n - at : piece, true);
    }
    if (is_hit) assert_true(stop.hit < stop.n_strings);
    if (is_hit != r->is_hit || stop.n_visible != r->n_visible) {
        fail_msg("\"%s\" in pieces of %zu: hit %d, visible %llu", r->text, piece, is_hit,
                 (unsigned long long)stop.n_visible);
    }
    mu_stop_deinit(&stop);
}

static void text_is_visible_up_to_what_may_be_a_stop_string(void **state) {
    (void)state;
    static const row rows[] = {
        {{"END"}, "the EN", 4, false},         {{"END"}, "the ENV", 7, false},
        {{"END"}, "the END", 4, true},         {{"END"}, "the END of it", 4, true},
        {{"END"}, "EEEN", 2, false},           {{"END"}, "ENEND", 2, true},
        {{"aab"}, "aaaa", 2, false},           {{"aab"}, "aaaab", 2, true},
        {{"abab", "b"}, "xab", 2, true},       /* the one that ends first */
        {{"ab", "xab", "b"}, "yxab", 1, true}, /* of these the longest */
        {{"b", "xab", "ab"}, "yxab", 1, true}, /* in any order */
        {{"\n\n"}, "one\ntwo\n", 7, false},    {{"\n\n"}, "one\ntwo\n\nthree", 7, true},
        {{"\xc3\xa9"}, "caf\xc3", 3, false},   {{"a"}, "", 0, false},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        for (size_t piece = 1; piece <= 8; piece++) {
            assert_row(&rows[i], piece);
        }
    }
    printf("%zu texts in pieces of 1 to 8 bytes\n", MU_COUNTOF(rows));
}

/* The plainest search: at every end, every string. */
static bool search(const char *const *strings, uint32_t n_strings, const char *text, size_t n,
                   size_t first_end, uint64_t *out_start) {
    for (size_t end = first_end; end <= n; end++) {
        size_t longest = 0;
        for (uint32_t i = 0; i < n_strings; i++) {
            size_t length = strlen(strings[i]);
            if (length > end || memcmp(text + end - length, strings[i], length) != 0) continue;
            if (length > longest) longest = length;
        }
        if (longest == 0) continue;
        *out_start = end - longest;
        return true;
    }
    return false;
}

static uint64_t search_possible(const char *const *strings, uint32_t n_strings, const char *text,
                                size_t n) {
    for (size_t at = 0; at < n; at++) {
        for (uint32_t i = 0; i < n_strings; i++) {
            size_t left = n - at, length = strlen(strings[i]);
            if (left < length && memcmp(text + at, strings[i], left) == 0) return at;
        }
    }
    return n;
}

static void random_texts_agree_with_a_plain_search(void **state) {
    (void)state;
    mu_rng rng = {SEED};
    uint32_t n_hits = 0;
    for (int walk = 0; walk < N_WALK; walk++) {
        char texts[3][8] = {{0}}, text[TEXT_MAX] = {0};
        const char *strings[3] = {texts[0], texts[1], texts[2]};
        uint32_t n_strings = 1 + (uint32_t)mu_rng_below(&rng, 3);
        for (uint32_t i = 0; i < n_strings; i++) {
            size_t length = 1 + mu_rng_below(&rng, 6);
            for (size_t j = 0; j < length; j++) {
                texts[i][j] = (char)('a' + mu_rng_below(&rng, 2));
            }
        }
        mu_stop stop;
        assert_int_equal(mu_stop_init(&stop, strings, n_strings, NULL), MU_OK);
        size_t n = mu_rng_below(&rng, TEXT_MAX), n_ignored = mu_rng_below(&rng, 4);
        uint64_t start = 0;
        bool is_hit = false, wanted = false;
        for (size_t i = 0; i < n && !wanted; i++) {
            text[i] = (char)('a' + mu_rng_below(&rng, 2));
            is_hit = mu_stop_push(&stop, text + i, 1, i >= n_ignored);
            wanted = search(strings, n_strings, text, i + 1, n_ignored + 1, &start);
            assert_int_equal(is_hit, wanted);
            uint64_t visible = wanted ? start : search_possible(strings, n_strings, text, i + 1);
            assert_int_equal(stop.n_visible, visible);
        }
        n_hits += is_hit;
        mu_stop_end(&stop);
        assert_true(is_hit || stop.n_visible == UINT64_MAX);
        mu_stop_deinit(&stop);
    }
    assert_true(n_hits > N_WALK / 4 && n_hits < N_WALK);
    printf("%d random texts, %u with a stop string, seed %d\n", N_WALK, n_hits, SEED);
}

static void bad_strings_are_refused_and_named(void **state) {
    (void)state;
    static char too_long[MU_STOP_STRING_BYTES_MAX + 2];
    memset(too_long, 'x', MU_STOP_STRING_BYTES_MAX + 1);
    const char *empty[] = {"a", ""}, *longer[] = {too_long}, *many[MU_STOP_STRINGS_MAX + 1];
    for (size_t i = 0; i < MU_COUNTOF(many); i++) {
        many[i] = "x";
    }
    const struct {
        const char *const *strings;
        uint32_t n;
        mu_status status;
    } rows[] = {
        {empty, 2, MU_ERR_INVALID},
        {longer, 1, MU_ERR_INVALID},
        {many, MU_STOP_STRINGS_MAX + 1, MU_ERR_INVALID},
        {many, MU_STOP_STRINGS_MAX, MU_OK},
        {NULL, 0, MU_OK},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_stop stop = {0};
        mu_err err = {0};
        assert_int_equal(mu_stop_init(&stop, rows[i].strings, rows[i].n, &err), rows[i].status);
        if (rows[i].status != MU_OK) assert_non_null(strstr(err.text, "stop"));
        mu_stop_deinit(&stop);
    }
    too_long[MU_STOP_STRING_BYTES_MAX] = '\0';
    mu_stop stop = {0};
    assert_int_equal(mu_stop_init(&stop, longer, 1, NULL), MU_OK);
    assert_true(mu_stop_push(&stop, too_long, MU_STOP_STRING_BYTES_MAX, true));
    mu_stop_deinit(&stop);
}

static void push_allocates_nothing_and_failed_init_leaks_nothing(void **state) {
    (void)state;
    static const char *const strings[] = {"stop", "halt"};
    int64_t before = mu_alloc_n_alive();
    mu_stop stop = {0};
    for (int n = 0;; n++) {
        mu_alloc_fail_after(n);
        mu_status status = mu_stop_init(&stop, strings, 2, NULL);
        mu_alloc_fail_after(-1);
        if (status == MU_OK) break;
        assert_int_equal(status, MU_ERR_NOMEM);
        assert_int_equal(mu_alloc_n_alive(), before);
        assert_true(n < 10);
    }
    mu_alloc_fail_after(0);
    for (int i = 0; i < 1000; i++) {
        assert_false(mu_stop_push(&stop, "sto hal", 7, true));
    }
    void *refused = mu_alloc(1); /* the failure was still waiting: nothing had asked before */
    assert_null(refused);
    mu_stop_deinit(&stop);
    assert_int_equal(mu_alloc_n_alive(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_visible_up_to_what_may_be_a_stop_string),
        cmocka_unit_test(random_texts_agree_with_a_plain_search),
        cmocka_unit_test(bad_strings_are_refused_and_named),
        cmocka_unit_test(push_allocates_nothing_and_failed_init_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
