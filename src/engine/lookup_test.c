/* What is drafted, and how its length adapts. That drafts change no output is tests/golden's. */
#include "engine/lookup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void drafts_follow_the_newest_match(void **state) {
    (void)state;
    static const mu_token tokens[] = {1, 2, 3, 10, 11, 1, 2, 3, 20, 21, 22, 1, 2, 3};
    mu_token out[MU_DRAFT_MAX];
    mu_lookup lookup = {0};
    assert_int_equal(mu_lookup_draft(&lookup, tokens, 14, MU_DRAFT_MAX, out), 3);
    static const mu_token want[] = {20, 21, 22};
    assert_memory_equal(out, want, sizeof(want));
    assert_int_equal(mu_lookup_draft(&lookup, tokens, 14, 2, out), 2);
    assert_int_equal(mu_lookup_draft(&lookup, tokens, 14, 0, out), 0);
}

/* A longer match that is older wins over a shorter one that is newer. */
static void longer_matches_win(void **state) {
    (void)state;
    static const mu_token tokens[] = {5, 6, 7, 50, 9, 6, 7, 60, 5, 6, 7};
    mu_token out[MU_DRAFT_MAX];
    mu_lookup lookup = {0};
    assert_true(mu_lookup_draft(&lookup, tokens, 11, 1, out) == 1 && out[0] == 50);
}

static void a_loop_goes_on_past_the_end(void **state) {
    (void)state;
    static const mu_token tokens[] = {8, 9, 8, 9};
    static const mu_token want[] = {8, 9, 8, 9, 8, 9, 8};
    mu_token out[MU_DRAFT_MAX];
    mu_lookup lookup = {.length = 7};
    assert_int_equal(mu_lookup_draft(&lookup, tokens, 4, 7, out), 7);
    assert_memory_equal(out, want, sizeof(want));
}

static void nothing_is_drafted_without_a_match(void **state) {
    (void)state;
    static const mu_token tokens[] = {1, 2, 3, 4, 5, 6, 1};
    mu_token out[MU_DRAFT_MAX];
    for (uint32_t n = 1; n <= MU_COUNTOF(tokens); n++) {
        mu_lookup lookup = {0};
        assert_int_equal(mu_lookup_draft(&lookup, tokens, n, MU_DRAFT_MAX, out), 0);
    }
}

static void wrong_drafts_pause_longer_and_longer(void **state) {
    (void)state;
    static const mu_token tokens[] = {3, 3, 3, 3, 3};
    mu_token out[MU_DRAFT_MAX];
    mu_lookup lookup = {0};
    static const uint32_t pauses[] = {1, 2, 4, 8, 16, 32, 32};
    for (size_t i = 0; i < MU_COUNTOF(pauses); i++) {
        uint32_t n = mu_lookup_draft(&lookup, tokens, 5, MU_DRAFT_MAX, out);
        assert_int_equal(n, i == 0 ? 3 : 1);
        mu_lookup_learn(&lookup, n, 0);
        for (uint32_t p = 0; p < pauses[i]; p++) {
            assert_int_equal(mu_lookup_draft(&lookup, tokens, 5, MU_DRAFT_MAX, out), 0);
        }
    }
    mu_lookup_learn(&lookup, mu_lookup_draft(&lookup, tokens, 5, 7, out), 1); /* right: 3, then 7 */
    assert_int_equal(mu_lookup_draft(&lookup, tokens, 5, 7, out), 3);
    mu_lookup_learn(&lookup, 3, 3);
    assert_int_equal(mu_lookup_draft(&lookup, tokens, 5, 7, out), 7);
    mu_lookup_learn(&lookup, 7, 2);
    assert_int_equal(mu_lookup_draft(&lookup, tokens, 5, 7, out), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drafts_follow_the_newest_match),
        cmocka_unit_test(longer_matches_win),
        cmocka_unit_test(a_loop_goes_on_past_the_end),
        cmocka_unit_test(nothing_is_drafted_without_a_match),
        cmocka_unit_test(wrong_drafts_pause_longer_and_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
