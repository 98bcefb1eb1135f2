/* Reasoning with a bound: when it is on, what is forced, and when it is over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/thinking.h"

static const mu_token ends[] = {7, 8};

static mu_thinking start(const char *open, uint32_t n_max) {
    mu_thinking t;
    const mu_thinking_options options = {
        .open = open, .close = "</t>", .ends = ends, .n_ends = 2, .n_max = n_max};
    assert_int_equal(mu_thinking_init(&t, &options, NULL), MU_OK);
    return t;
}

static void push(mu_thinking *t, const char *piece) {
    mu_thinking_push(t, (mu_bytes){piece, strlen(piece)});
}

static void the_mark_is_forced_when_the_tokens_are_used_up(void **state) {
    (void)state;
    mu_thinking t = start(NULL, 2);
    assert_int_equal(t.phase, MU_THINKING_ON);
    push(&t, "a");
    assert_int_equal(mu_thinking_forced(&t), MU_TOKEN_NONE);
    push(&t, "b");
    assert_int_equal(mu_thinking_forced(&t), 7);
    push(&t, "</");
    assert_int_equal(mu_thinking_forced(&t), 8);
    push(&t, "t>");
    assert_int_equal(mu_thinking_forced(&t), MU_TOKEN_NONE);
    assert_int_equal(t.phase, MU_THINKING_OVER);
    mu_thinking_deinit(&t);
}

static void its_own_mark_ends_it(void **state) {
    (void)state;
    mu_thinking t = start(NULL, 9);
    push(&t, "a <");
    push(&t, "/t> b");
    assert_int_equal(t.phase, MU_THINKING_OVER);
    for (int i = 0; i < 20; i++) {
        push(&t, "c");
    }
    assert_int_equal(mu_thinking_forced(&t), MU_TOKEN_NONE);
    mu_thinking_deinit(&t);
}

static void it_begins_where_the_output_opens_it(void **state) {
    (void)state;
    static const struct {
        const char *pieces[4];
        mu_thinking_phase phase;
    } cases[] = {
        {{"<t>"}, MU_THINKING_ON},
        {{"\n", " <", "t>"}, MU_THINKING_ON},
        {{"<t"}, MU_THINKING_BEFORE},
        {{"Hi"}, MU_THINKING_OVER},
        {{"<", "x", "<t>"}, MU_THINKING_OVER},
        {{" "}, MU_THINKING_BEFORE},
    };
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        mu_thinking t = start("<t>", 0);
        assert_int_equal(mu_thinking_forced(&t), MU_TOKEN_NONE);
        for (size_t k = 0; k < 4 && cases[i].pieces[k]; k++) {
            push(&t, cases[i].pieces[k]);
        }
        assert_int_equal(t.phase, cases[i].phase);
        bool is_forced = mu_thinking_forced(&t) == 7;
        assert_true(is_forced == (cases[i].phase == MU_THINKING_ON)); /* it may have no token */
        mu_thinking_deinit(&t);
    }
}

static void a_mark_that_was_not_let_come_is_given_up(void **state) {
    (void)state;
    mu_thinking t = start(NULL, 0);
    push(&t, "x");
    push(&t, "y");
    assert_int_equal(mu_thinking_forced(&t), MU_TOKEN_NONE);
    mu_thinking_deinit(&t);
    assert_int_equal(mu_thinking_init(&t, NULL, NULL), MU_OK);
    push(&t, "<t>");
    assert_int_equal(mu_thinking_forced(&t), MU_TOKEN_NONE);
    mu_thinking_deinit(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mark_is_forced_when_the_tokens_are_used_up),
        cmocka_unit_test(its_own_mark_ends_it),
        cmocka_unit_test(it_begins_where_the_output_opens_it),
        cmocka_unit_test(a_mark_that_was_not_let_come_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
