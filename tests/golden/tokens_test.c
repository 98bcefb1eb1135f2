/* Tokens equal those of Hugging Face tokenizers, for every string of tests/golden/tokens (made by
 * make_tokens.py, which describes the files), and decoding gives the bytes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "format/hf_tokenizer.h"
#include "text/utf8.h"

#define GPT2_FOLDER "../shared/data/gpt2"

/* The bytes of tests/golden/tokens/<name>.gz. */
static mu_buf unpacked(const char *name) {
    char command[256], chunk[1 << 14];
    mu_buf buf = {0};
    snprintf(command, sizeof(command), "gzip -dc tests/golden/tokens/%s.gz", name);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    for (size_t n; (n = fread(chunk, 1, sizeof(chunk), pipe)) > 0;) {
        mu_buf_append(&buf, chunk, n);
    }
    assert_int_equal(pclose(pipe), 0);
    assert_false(buf.failed);
    assert_true(buf.n > 0);
    return buf;
}

static mu_cursor cursor_of(const mu_buf *buf) {
    return (mu_cursor){.data = (const uint8_t *)buf->data, .size = buf->n};
}

static bool contains(const char *text, size_t n, const char *part) {
    return n > 0 && memmem(text, n, part, strlen(part)) != NULL;
}

static mu_tokenizer *open_json(void) {
    mu_tokenizer *tokenizer = NULL;
    mu_err err = {0};
    mu_buf json = unpacked("tokenizer.json");
    if (mu_hf_tokenizer_parse(json.data, json.n, &tokenizer, &err) != MU_OK)
        fail_msg("%s", err.text);
    mu_buf_deinit(&json);
    return tokenizer;
}

static mu_tokenizer *open_vocab_merges(void) {
    mu_tokenizer *tokenizer = NULL;
    mu_err err = {0};
    mu_buf vocab = unpacked("vocab.json"), merges = unpacked("merges.txt");
    mu_status status =
        mu_hf_vocab_merges_parse(vocab.data, vocab.n, merges.data, merges.n, &tokenizer, &err);
    if (status != MU_OK) fail_msg("%s", err.text);
    mu_buf_deinit(&vocab);
    mu_buf_deinit(&merges);
    return tokenizer;
}

static void decoding_gives_it_back(const mu_tokenizer *tokenizer, const mu_token *tokens, size_t n,
                                   const char *text, size_t n_text) {
    mu_buf exact = {0}, streamed = {0};
    mu_detokenizer detok;
    mu_decode_bytes(tokenizer, tokens, n, true, &exact);
    mu_detokenizer_init(&detok, tokenizer, true);
    for (size_t i = 0; i < n; i++) {
        mu_detokenizer_push(&detok, tokens[i], &streamed);
    }
    if (streamed.n > 0) assert_int_equal(mu_utf8_valid(streamed.data, streamed.n), streamed.n);
    mu_detokenizer_finish(&detok, &streamed);
    assert_int_equal(exact.n, n_text);
    assert_int_equal(streamed.n, n_text);
    if (n_text > 0) assert_memory_equal(exact.data, text, n_text);
    if (n_text > 0) assert_memory_equal(streamed.data, text, n_text);
    mu_buf_deinit(&exact);
    mu_buf_deinit(&streamed);
}

typedef struct comparison {
    const char *ids;      /* file of the reference's ids */
    const char *only;     /* only strings with this have ids; NULL: all */
    const char *skip[3];  /* strings with any of these are not compared */
    uint32_t flags;       /* of mu_encode() */
    size_t n_strings_min; /* fewer compared is a failure of the test itself */
} comparison;

/* Index of the first difference. */
static size_t mismatch(const mu_token *tokens, size_t n, const uint8_t *ids, size_t n_ids) {
    size_t i = 0;
    for (; i < n && i < n_ids; i++) {
        if (tokens[i] != (mu_token)(ids[2 * i] | ids[2 * i + 1] << 8)) break;
    }
    return i;
}

static void compare(const mu_tokenizer *tokenizer, const comparison *c) {
    mu_buf strings = unpacked("strings.bin"), ids = unpacked(c->ids);
    mu_cursor s = cursor_of(&strings), r = cursor_of(&ids);
    mu_encoder *encoder = NULL;
    mu_err err = {0};
    assert_int_equal(mu_encoder_open(tokenizer, &encoder, &err), MU_OK);
    size_t n_compared = 0, n_tokens = 0;
    uint32_t n_strings = mu_cursor_u32(&s);
    for (uint32_t i = 0; i < n_strings; i++) {
        uint32_t n_text = mu_cursor_u32(&s);
        const char *text = (const char *)mu_cursor_take(&s, n_text);
        assert_false(s.overrun);
        if (c->only && !contains(text, n_text, c->only)) continue;
        uint32_t n_ids = mu_cursor_u32(&r);
        const uint8_t *wanted = mu_cursor_take(&r, 2 * (uint64_t)n_ids);
        assert_false(r.overrun);
        bool skipped = false;
        for (size_t k = 0; k < MU_COUNTOF(c->skip) && c->skip[k]; k++) {
            skipped = skipped || contains(text, n_text, c->skip[k]);
        }
        if (skipped) continue;

        const mu_token *tokens = NULL;
        size_t n = 0;
        if (mu_encode(encoder, text, n_text, c->flags, &tokens, &n, &err) != MU_OK) {
            fail_msg("string %u: %s", i, err.text);
        }
        size_t at = mismatch(tokens, n, wanted, n_ids);
        if (at < n || n != n_ids) {
            fail_msg("%s: string %u of %u bytes \"%.60s\": %zu tokens, expected %u, differ at %zu",
                     c->ids, i, n_text, text, n, n_ids, at);
        }
        decoding_gives_it_back(tokenizer, tokens, n, text, n_text);
        n_compared++;
        n_tokens += n;
    }
    assert_int_equal(r.pos, r.size); /* the reference has no string more than we do */
    assert_true(n_compared >= c->n_strings_min);
    print_message("%s: %zu strings, %zu tokens, 0 differences\n", c->ids, n_compared, n_tokens);
    mu_encoder_close(encoder);
    mu_buf_deinit(&strings);
    mu_buf_deinit(&ids);
}

static void tokenizer_json_gives_the_references_ids(void **state) {
    (void)state;
    mu_tokenizer *tokenizer = open_json();
    compare(
        tokenizer,
        &(comparison){.ids = "trained.ids", .flags = MU_ENCODE_SPECIAL, .n_strings_min = 10000});
    mu_tokenizer_close(tokenizer);
}

static void special_tokens_are_text_unless_asked_for(void **state) {
    (void)state;
    mu_tokenizer *tokenizer = open_json();
    compare(tokenizer,
            &(comparison){.ids = "trained_plain.ids", .only = "<|", .n_strings_min = 500});
    mu_tokenizer_close(tokenizer);
}

static void vocab_and_merges_give_the_same_ids(void **state) {
    (void)state;
    mu_tokenizer *tokenizer = open_vocab_merges();
    /* These two files do not know the tokens that tokenizer.json adds. */
    compare(tokenizer, &(comparison){.ids = "trained.ids",
                                     .skip = {"<|user|>", "<|assistant|>", "[tool]"},
                                     .flags = MU_ENCODE_SPECIAL,
                                     .n_strings_min = 10000});
    mu_tokenizer_close(tokenizer);
}

static void gpt2_gives_the_references_ids(void **state) {
    (void)state;
    mu_tokenizer *tokenizer = NULL;
    mu_err err = {0};
    mu_status status = mu_hf_tokenizer_open(GPT2_FOLDER, &tokenizer, &err);
    if (status == MU_ERR_NOT_FOUND) {
        print_message("gpt2.ids: not compared, %s is absent\n", GPT2_FOLDER);
        skip();
    }
    if (status != MU_OK) fail_msg("%s", err.text);
    assert_int_equal(mu_tokenizer_vocab_size(tokenizer), 50257);
    assert_int_equal(mu_tokenizer_eos(tokenizer), 50256);
    compare(tokenizer,
            &(comparison){.ids = "gpt2.ids", .flags = MU_ENCODE_SPECIAL, .n_strings_min = 10000});
    mu_tokenizer_close(tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokenizer_json_gives_the_references_ids),
        cmocka_unit_test(special_tokens_are_text_unless_asked_for),
        cmocka_unit_test(vocab_and_merges_give_the_same_ids),
        cmocka_unit_test(gpt2_gives_the_references_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
