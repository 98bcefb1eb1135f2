/* A tokenizer written to GGUF and read again is the same tokenizer. */
#include "format/gguf_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "format/gguf.h"
#include "format/hf_tokenizer.h"

static void assert_same(const mu_tokenizer *a, const mu_tokenizer *b) {
    uint32_t n = mu_tokenizer_vocab_size(a), n_merges = mu_tokenizer_n_merges(a);
    assert_int_equal(n, mu_tokenizer_vocab_size(b));
    assert_int_equal(mu_tokenizer_eos(a), mu_tokenizer_eos(b));
    for (uint32_t i = 0; i < n; i++) {
        mu_bytes x = mu_tokenizer_piece(a, (mu_token)i), y = mu_tokenizer_piece(b, (mu_token)i);
        assert_int_equal(x.n, y.n);
        if (x.n > 0) assert_memory_equal(x.data, y.data, x.n);
        assert_int_equal(mu_tokenizer_kind(a, (mu_token)i), mu_tokenizer_kind(b, (mu_token)i));
    }
    size_t bytes = (n_merges + 1) * sizeof(mu_token[2]);
    mu_token(*x)[2] = mu_alloc(bytes), (*y)[2] = mu_alloc(bytes);
    uint32_t n_x = mu_tokenizer_merges(a, x), n_y = mu_tokenizer_merges(b, y);
    assert_int_equal(n_x, n_y);
    assert_memory_equal(x, y, n_x * sizeof(*x));
    print_message("%u tokens, %u merges\n", n, n_x);
    mu_free(x), mu_free(y);
}

static void a_tokenizer_comes_back(void **state) {
    (void)state;
    char path[] = "/tmp/muai_gguf_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    mu_err err;
    mu_tokenizer *from = NULL, *to = NULL;
    mu_gguf_writer *w = NULL;
    mu_gguf *gguf = NULL;
    assert_int_equal(mu_hf_tokenizer_open("tests/golden/tokens", &from, &err), MU_OK);
    assert_int_equal(mu_gguf_writer_open(path, &w, &err), MU_OK);
    mu_gguf_writer_string(w, "general.architecture", "gpt2");
    assert_int_equal(mu_gguf_writer_tokenizer(w, from, &err), MU_OK);
    mu_gguf_writer_tensor(w, "one", MU_F32, 3, 1);
    static const float one[3] = {1, 2, 3};
    assert_int_equal(mu_gguf_writer_data(w, one, sizeof(one), &err), MU_OK);
    assert_int_equal(mu_gguf_writer_finish(w, &err), MU_OK);
    mu_gguf_writer_close(w);

    assert_int_equal(mu_gguf_open(path, &gguf, &err), MU_OK);
    assert_int_equal(mu_gguf_tokenizer_open(mu_gguf_metadata(gguf), &to, &err), MU_OK);
    assert_same(from, to);
    const mu_tensor *tensor = mu_tensor_set_find(mu_gguf_tensors(gguf), "one");
    assert_non_null(tensor);
    assert_memory_equal(tensor->data, one, sizeof(one));
    mu_tokenizer_close(from), mu_tokenizer_close(to);
    mu_gguf_close(gguf);
    unlink(path);
}

/* Tokenizers other than GPT-2's are refused, not written wrong: their pattern would be lost. */
static void another_pattern_is_refused(void **state) {
    (void)state;
    mu_err err;
    mu_tokenizer *t = NULL;
    mu_gguf_writer *w = NULL;
    mu_bytes tokens[256];
    char bytes[256];
    uint8_t kinds[256] = {0};
    for (int i = 0; i < 256; i++) {
        bytes[i] = (char)i;
        tokens[i] = (mu_bytes){&bytes[i], 1};
    }
    mu_tokenizer_spec spec = {.vocab_size = 256,
                              .tokens = tokens,
                              .kinds = kinds,
                              .pattern = "\\s+|\\S+",
                              .bos = MU_TOKEN_NONE,
                              .eos = MU_TOKEN_NONE};
    assert_int_equal(mu_tokenizer_open(&spec, &t, &err), MU_OK);
    assert_int_equal(mu_gguf_writer_open("/tmp/muai_never.gguf", &w, &err), MU_OK);
    assert_int_equal(mu_gguf_writer_tokenizer(w, t, &err), MU_ERR_UNSUPPORTED);
    mu_gguf_writer_close(w);
    assert_int_not_equal(access("/tmp/muai_never.gguf", F_OK), 0);
    assert_int_not_equal(access("/tmp/muai_never.gguf.part", F_OK), 0);
    mu_tokenizer_close(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tokenizer_comes_back),
        cmocka_unit_test(another_pattern_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
