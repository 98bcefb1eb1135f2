/* Token ids against the reference tokenizer's (make_tokens.py), with a byte-level BPE of 4,000
 * entries read from tokenizer.json and from vocab.json + merges.txt, and with GPT-2's own
 * vocabulary where
 * ../shared/data/gpt2 or MUAI_TEST_GPT2 has it. Decoding gives the bytes back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/map.h"
#include "format/hf_tokenizer.h"
#include "format/json.h"

enum { LINE_BYTES_MAX = 1 << 20 };

static const char *const added[] = {"<|pad|>", "<|tool|>"};

/* Texts with tokens that only tokenizer.json knows. */
static bool has_added(const char *text, size_t n) {
    for (size_t i = 0; i < MU_COUNTOF(added); i++) {
        if (n > 0 && memmem(text, n, added[i], strlen(added[i]))) return true;
    }
    return false;
}

/* Index of the first id that differs, or of the end of the shorter list; -1 when all are equal. */
static long first_difference(const mu_token *tokens, size_t n, const json_t *ids) {
    for (size_t i = 0; i < n && i < json_array_size(ids); i++) {
        if (tokens[i] != json_integer_value(json_array_get(ids, i))) return (long)i;
    }
    return n == json_array_size(ids) ? -1
                                     : (long)(n < json_array_size(ids) ? n : json_array_size(ids));
}

static void check_line(mu_encoder *encoder, const mu_tokenizer *tokenizer, json_t *row,
                       const char *key) {
    const json_t *text = json_object_get(row, "t");
    const char *data = json_string_value(text);
    size_t n_text = json_string_length(text), n = 0;
    const mu_token *tokens = NULL;
    mu_err err;
    if (mu_encode(encoder, data, n_text, MU_ENCODE_SPECIAL, &tokens, &n, &err) != MU_OK) {
        fail_msg("%s", err.text);
    }
    long at = first_difference(tokens, n, json_object_get(row, key));
    if (at >= 0) fail_msg("\"%.80s\": id %ld differs from the reference", data, at);

    mu_buf exact = {0}, streamed = {0};
    mu_detokenizer detok; /* the text is valid UTF-8, so streaming gives the same */
    mu_detokenizer_init(&detok, tokenizer, true);
    mu_decode_bytes(tokenizer, tokens, n, true, &exact);
    for (size_t i = 0; i < n; i++) {
        mu_detokenizer_push(&detok, tokens[i], &streamed);
    }
    mu_detokenizer_finish(&detok, &streamed);
    assert_int_equal(exact.n, n_text);
    assert_int_equal(streamed.n, n_text);
    if (n_text > 0) {
        assert_memory_equal(exact.data, data, n_text);
        assert_memory_equal(streamed.data, data, n_text);
    }
    mu_buf_deinit(&exact);
    mu_buf_deinit(&streamed);
}

/* Every string of the golden file. skip_added: leave out texts with tokens the vocabulary lacks. */
static size_t check_all(mu_tokenizer *tokenizer, const char *key, bool skip_added) {
    mu_encoder *encoder = NULL;
    size_t n = 0;
    char *line = mu_alloc(LINE_BYTES_MAX);
    assert_non_null(line);
    assert_int_equal(mu_encoder_open(tokenizer, &encoder, NULL), MU_OK);
    FILE *file = popen("gzip -dc tests/golden/tokens/strings.jsonl.gz", "r");
    assert_non_null(file);
    while (fgets(line, LINE_BYTES_MAX, file)) {
        json_t *row = NULL;
        mu_err err;
        if (mu_json_parse(line, strlen(line), &row, &err) != MU_OK) fail_msg("%s", err.text);
        const json_t *text = json_object_get(row, "t");
        if (!skip_added || !has_added(json_string_value(text), json_string_length(text))) {
            check_line(encoder, tokenizer, row, key);
            n++;
        }
        json_decref(row);
    }
    assert_int_equal(pclose(file), 0);
    mu_encoder_close(encoder);
    mu_free(line);
    return n;
}

static void trained_tokenizer_json_equals_the_reference(void **state) {
    (void)state;
    mu_tokenizer *tokenizer = NULL;
    mu_err err;
    if (mu_hf_tokenizer_open("tests/golden/tokens", &tokenizer, &err) != MU_OK) {
        fail_msg("%s", err.text);
    }
    size_t n = check_all(tokenizer, "a", false);
    print_message("%zu strings, tokenizer.json\n", n);
    assert_true(n >= 10000);
    mu_tokenizer_close(tokenizer);
}

/* NULL when the folder has no vocabulary. */
static mu_tokenizer *open_vocab_merges(const char *folder) {
    char path[2][512];
    mu_map vocab, merges;
    mu_tokenizer *tokenizer = NULL;
    mu_err err;
    snprintf(path[0], sizeof(path[0]), "%s/vocab.json", folder);
    snprintf(path[1], sizeof(path[1]), "%s/merges.txt", folder);
    if (mu_map_open(path[0], &vocab, &err) != MU_OK) return NULL;
    assert_int_equal(mu_map_open(path[1], &merges, &err), MU_OK);
    if (mu_hf_vocab_merges_parse((const char *)vocab.data, vocab.size, (const char *)merges.data,
                                 merges.size, &tokenizer, &err) != MU_OK) {
        fail_msg("%s", err.text);
    }
    mu_map_close(&vocab);
    mu_map_close(&merges);
    return tokenizer;
}

static void trained_vocab_and_merges_equal_the_reference(void **state) {
    (void)state;
    mu_tokenizer *tokenizer = open_vocab_merges("tests/golden/tokens");
    assert_non_null(tokenizer);
    size_t n = check_all(tokenizer, "a", true);
    print_message("%zu strings, vocab.json and merges.txt\n", n);
    assert_true(n >= 10000);
    mu_tokenizer_close(tokenizer);
}

static void gpt2_vocabulary_equals_the_reference(void **state) {
    (void)state;
    const char *folder = getenv("MUAI_TEST_GPT2");
    mu_tokenizer *tokenizer = open_vocab_merges(folder ? folder : "../shared/data/gpt2");
    if (!tokenizer) {
        print_message("skipped: no GPT-2 vocabulary in ../shared/data/gpt2 or MUAI_TEST_GPT2\n");
        skip();
    }
    size_t n = check_all(tokenizer, "g", false);
    print_message("%zu strings, GPT-2's vocabulary\n", n);
    assert_true(n >= 10000);
    mu_tokenizer_close(tokenizer);
}

/* The harness itself: ids of one vocabulary are not those of the other. */
static void wrong_ids_are_noticed(void **state) {
    (void)state;
    mu_tokenizer *tokenizer = open_vocab_merges("tests/golden/tokens");
    mu_encoder *encoder = NULL;
    const mu_token *tokens;
    size_t n;
    assert_int_equal(mu_encoder_open(tokenizer, &encoder, NULL), MU_OK);
    assert_int_equal(mu_encode(encoder, "hello", 5, 0, &tokens, &n, NULL), MU_OK);
    json_t *gpt2_ids = json_pack("[i]", 31373); /* "hello" in GPT-2's vocabulary */
    assert_int_equal(first_difference(tokens, n, gpt2_ids), 0);
    json_decref(gpt2_ids);
    mu_encoder_close(encoder);
    mu_tokenizer_close(tokenizer);
}

static void failed_allocation_leaks_nothing(void **state) {
    (void)state;
    static const char text[] = "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},"
                               "\"merges\":[\"a b\"]},\"pre_tokenizer\":{\"type\":\"ByteLevel\"}}";
    int64_t before = mu_alloc_n_alive();
    for (int n = 0;; n++) {
        mu_tokenizer *tokenizer = NULL;
        mu_err err = {0};
        mu_alloc_fail_after(n);
        mu_status status = mu_hf_tokenizer_parse(text, sizeof(text) - 1, &tokenizer, &err);
        mu_alloc_fail_after(-1);
        mu_tokenizer_close(tokenizer);
        assert_int_equal(mu_alloc_n_alive(), before);
        if (status == MU_OK) {
            print_message("%d points of failure\n", n);
            assert_true(n > 20);
            return;
        }
        if (status != MU_ERR_NOMEM) fail_msg("%d: %s", n, err.text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trained_tokenizer_json_equals_the_reference),
        cmocka_unit_test(trained_vocab_and_merges_equal_the_reference),
        cmocka_unit_test(gpt2_vocabulary_equals_the_reference),
        cmocka_unit_test(wrong_ids_are_noticed),
        cmocka_unit_test(failed_allocation_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
