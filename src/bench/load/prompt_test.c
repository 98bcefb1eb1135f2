/* Prompts: exact counts, no shared beginnings, the same again for the same seed, valid JSON. */
#include "bench/load/prompt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "format/json.h"

static json_t *write_json(const mu_prompts *prompts, uint32_t index, uint32_t n_tokens) {
    mu_buf out = {0};
    mu_prompt_write(prompts, index, n_tokens, &out);
    assert_false(out.failed);
    json_t *wrapped = NULL;
    mu_buf text = {0};
    mu_buf_printf(&text, "[%s]", out.data); /* mu_json_parse() takes arrays and objects */
    mu_err err = {0};
    if (mu_json_parse(text.data, text.n, &wrapped, &err) != MU_OK) fail_msg("%s", err.text);
    json_t *json = json_incref(json_array_get(wrapped, 0));
    json_decref(wrapped);
    mu_buf_deinit(&text);
    mu_buf_deinit(&out);
    return json;
}

static void token_counts_are_exact(void **state) {
    (void)state;
    static const uint32_t vocabs[] = {2, 10, 500, 50257, 1u << 31};
    for (size_t v = 0; v < MU_COUNTOF(vocabs); v++) {
        mu_prompts p = {.kind = MU_PROMPT_TOKENS, .seed = 3, .vocab_size = vocabs[v]};
        for (uint32_t n = 1; n < 200; n += 33) {
            json_t *json = write_json(&p, n, n);
            assert_int_equal(json_array_size(json), n);
            for (size_t i = 0; i < n; i++) {
                json_int_t id = json_integer_value(json_array_get(json, i));
                assert_true(id >= 0 && id < vocabs[v]);
            }
            json_decref(json);
        }
    }
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* 20,000 prompts of four tokens of 50,257: with random numbers the chance that any two agree in all
 * four is below 1e-10, and that two agree in the first is certain. */
static void no_two_prompts_begin_alike(void **state) {
    (void)state;
    enum { N = 20000 };
    static uint64_t begins[N];
    for (uint32_t i = 0; i < N; i++) {
        mu_prompts p = {.kind = MU_PROMPT_TOKENS, .seed = 3, .cell = i / 5000, .vocab_size = 50257};
        json_t *json = write_json(&p, i % 5000, 16);
        for (size_t k = 0; k < 4; k++) {
            begins[i] = begins[i] * 65536 + (uint64_t)json_integer_value(json_array_get(json, k));
        }
        json_decref(json);
    }
    qsort(begins, N, sizeof(*begins), by_value);
    for (size_t i = 1; i < N; i++) {
        assert_true(begins[i] != begins[i - 1]);
    }
}

static void seeds_cells_and_indices_decide(void **state) {
    (void)state;
    mu_prompts p = {.kind = MU_PROMPT_TEXT, .seed = 1, .cell = 2, .word_tokens = 1}, other = p;
    json_t *a = write_json(&p, 5, 40), *b = write_json(&p, 5, 40), *c = write_json(&p, 6, 40);
    assert_true(json_equal(a, b));
    assert_false(json_equal(a, c));
    json_decref(b);
    other.cell = 3;
    b = write_json(&other, 5, 40);
    assert_false(json_equal(a, b));
    json_decref(b);
    other = p;
    other.seed = 2;
    b = write_json(&other, 5, 40);
    assert_false(json_equal(a, b));
    json_decref(a);
    json_decref(b);
    json_decref(c);
}

static uint32_t count_words(const char *text) {
    uint32_t n = 1;
    for (; *text; text++) {
        n += *text == ' ';
    }
    return n;
}

static void text_follows_its_calibration(void **state) {
    (void)state;
    mu_prompts p = {.kind = MU_PROMPT_TEXT, .word_tokens = 1};
    json_t *json = write_json(&p, 0, 100);
    assert_int_equal(count_words(json_string_value(json)), 100);
    json_decref(json);
    p.base_tokens = 12;
    p.word_tokens = 1.25;
    json = write_json(&p, 0, 112);
    assert_int_equal(count_words(json_string_value(json)), 80);
    json_decref(json);
    assert_int_equal(mu_prompt_n_words(&p, 4), 1); /* less than the base: as short as can be */
}

static void words_of_a_file_are_escaped(void **state) {
    (void)state;
    static const char text[] = "  one\t\"two\"\\\n\x01three \xc3\xa9 ";
    mu_prompts p = {
        .kind = MU_PROMPT_TEXT, .word_tokens = 1, .text = text, .n_text = sizeof(text) - 1};
    for (uint32_t i = 0; i < 50; i++) {
        json_t *json = write_json(&p, i, 30);
        const char *got = json_string_value(json);
        assert_int_equal(count_words(got), 30);
        assert_non_null(strstr(got, " \"two\"\\ \x01three \xc3\xa9 one "));
        json_decref(json);
    }
    p.text = "  \n ";
    p.n_text = 4; /* no word at all: the built-in ones */
    json_t *json = write_json(&p, 0, 30);
    assert_int_equal(count_words(json_string_value(json)), 30);
    json_decref(json);
}

static void words_are_plain_and_different(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 256; i++) {
        const char *word = mu_prompt_word(i);
        assert_true(strlen(word) >= 1 &&
                    strspn(word, "abcdefghijklmnopqrstuvwxyz") == strlen(word));
        for (uint32_t k = 0; k < i; k++) {
            assert_string_not_equal(word, mu_prompt_word(k));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(token_counts_are_exact),
        cmocka_unit_test(no_two_prompts_begin_alike),
        cmocka_unit_test(seeds_cells_and_indices_decide),
        cmocka_unit_test(text_follows_its_calibration),
        cmocka_unit_test(words_of_a_file_are_escaped),
        cmocka_unit_test(words_are_plain_and_different),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
