#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

/* 256 bytes, then tokens that merges make, then tokens that are found in text. */
enum {
    AB = 256,
    ABAB,
    BC,
    SPACE_A,
    SPACES,
    E_ACUTE,
    AA,
    AAAA,
    EOS, /* <|e|> */
    EOS_LONG,
    TOOL,
    UNUSED,
    N_TOKENS,
};

static const char *const made[] = {"ab", "abab", "bc",    " a",     "  ",  "\xC3\xA9",
                                   "aa", "aaaa", "<|e|>", "<|e|>>", "[t]", ""};
_Static_assert(MU_COUNTOF(made) == N_TOKENS - 256, "one string each");

static const mu_token merges[][2] = {
    {'b', 'c'}, {'a', 'b'}, {AB, AB}, {' ', 'a'}, {' ', ' '}, {0xC3, 0xA9}, {'a', 'a'}, {AA, AA},
};

typedef struct fixture {
    char bytes[256];
    mu_bytes tokens[N_TOKENS];
    uint8_t kinds[N_TOKENS];
    mu_tokenizer_spec spec;
} fixture;

static void make_spec(fixture *f) {
    *f = (fixture){0};
    for (int i = 0; i < 256; i++) {
        f->bytes[i] = (char)(uint8_t)i;
        f->tokens[i] = (mu_bytes){&f->bytes[i], 1};
    }
    for (size_t i = 0; i < MU_COUNTOF(made); i++) {
        f->tokens[256 + i] = (mu_bytes){made[i], strlen(made[i])};
    }
    f->kinds[EOS] = f->kinds[EOS_LONG] = MU_TOKEN_SPECIAL;
    f->kinds[TOOL] = MU_TOKEN_ADDED;
    f->kinds[UNUSED] = MU_TOKEN_UNUSED;
    f->spec = (mu_tokenizer_spec){.vocab_size = N_TOKENS,
                                  .tokens = f->tokens,
                                  .kinds = f->kinds,
                                  .n_merges = MU_COUNTOF(merges),
                                  .merges = merges,
                                  .bos = EOS,
                                  .eos = EOS};
}

static mu_tokenizer *open_spec(const mu_tokenizer_spec *spec) {
    mu_tokenizer *tokenizer = NULL;
    mu_err err = {0};
    if (mu_tokenizer_open(spec, &tokenizer, &err) != MU_OK) fail_msg("%s", err.text);
    return tokenizer;
}

static mu_encoder *encoder_of(const mu_tokenizer *tokenizer) {
    mu_encoder *encoder = NULL;
    assert_int_equal(mu_encoder_open(tokenizer, &encoder, NULL), MU_OK);
    return encoder;
}

static void expect_tokens(mu_encoder *encoder, const char *what, const char *text, uint32_t flags,
                          const mu_token *wanted, size_t n_wanted) {
    const mu_token *tokens = NULL;
    size_t n = 99;
    mu_err err = {0};
    if (mu_encode(encoder, text, strlen(text), flags, &tokens, &n, &err) != MU_OK) {
        fail_msg("%s: %s", what, err.text);
    }
    if (n != n_wanted) fail_msg("%s: %zu tokens, expected %zu", what, n, n_wanted);
    for (size_t i = 0; i < n; i++) {
        if (tokens[i] != wanted[i]) fail_msg("%s: token %zu is %d", what, i, tokens[i]);
    }
}

static void text_becomes_the_tokens_of_the_table(void **state) {
    (void)state;
    static const struct {
        const char *what, *text;
        uint32_t flags;
        size_t n;
        mu_token tokens[8];
    } rows[] = {
        {"nothing", "", MU_ENCODE_SPECIAL, 0, {0}},
        {"lowest rank first", "abc", 0, 2, {'a', BC}},
        {"leftmost of equals", "aaa", 0, 2, {AA, 'a'}},
        {"merges of merges", "ababab", 0, 2, {ABAB, AB}},
        {"words are merged apart", "ab ab", 0, 3, {AB, ' ', AB}},
        {"a space goes to the word", "x  ac", 0, 4, {'x', ' ', SPACE_A, 'c'}},
        {"white space at the end", "x  ", 0, 2, {'x', SPACES}},
        {"special as text", "<|e|>", 0, 5, {'<', '|', 'e', '|', '>'}},
        {"special as token", "ab<|e|>ab", MU_ENCODE_SPECIAL, 3, {AB, EOS, AB}},
        {"the longest special", "<|e|>>>", MU_ENCODE_SPECIAL, 2, {EOS_LONG, '>'}},
        {"specials side by side", "<|e|><|e|>", MU_ENCODE_SPECIAL, 2, {EOS, EOS}},
        {"half a special", "<|e|", MU_ENCODE_SPECIAL, 4, {'<', '|', 'e', '|'}},
        {"added ones always", "a[t]b", 0, 3, {'a', TOOL, 'b'}},
        {"bos only when it is to be added", "ab", MU_ENCODE_BOS, 1, {AB}},
        {"a character of two bytes", "\xC3\xA9", 0, 1, {E_ACUTE}},
        {"broken bytes are kept", "a\xFF\xC3", 0, 3, {'a', 0xFF, 0xC3}},
        {"broken bytes are no letters",
         "ab\xFF"
         "ab",
         0,
         3,
         {AB, 0xFF, AB}},
        {"a surrogate", " \xED\xA0\x80", 0, 4, {' ', 0xED, 0xA0, 0x80}},
    };
    fixture f;
    make_spec(&f);
    mu_tokenizer *tokenizer = open_spec(&f.spec);
    mu_encoder *encoder = encoder_of(tokenizer);
    for (int pass = 0; pass < 2; pass++) { /* the second time words come from the cache */
        for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
            expect_tokens(encoder, rows[i].what, rows[i].text, rows[i].flags, rows[i].tokens,
                          rows[i].n);
        }
    }
    mu_encoder_close(encoder);
    mu_tokenizer_close(tokenizer);
}

static void options_change_the_tokens(void **state) {
    (void)state;
    fixture f;
    make_spec(&f);
    f.spec.add_bos = f.spec.add_prefix_space = true;
    mu_tokenizer *tokenizer = open_spec(&f.spec);
    mu_encoder *encoder = encoder_of(tokenizer);
    expect_tokens(encoder, "bos and a space", "a", MU_ENCODE_BOS, (mu_token[]){EOS, SPACE_A}, 2);
    expect_tokens(encoder, "no bos unless asked", " a", 0, (mu_token[]){SPACE_A}, 1);
    expect_tokens(encoder, "a space after each special", "a<|e|>a", MU_ENCODE_SPECIAL,
                  (mu_token[]){SPACE_A, EOS, SPACE_A}, 3);
    expect_tokens(encoder, "no space alone", "", 0, NULL, 0);
    mu_encoder_close(encoder);
    mu_tokenizer_close(tokenizer);

    make_spec(&f);
    f.tokens[UNUSED] = (mu_bytes){"abc", 3};
    f.kinds[UNUSED] = MU_TOKEN_NORMAL; /* a token that no merge makes */
    f.spec.ignore_merges = true;
    tokenizer = open_spec(&f.spec);
    encoder = encoder_of(tokenizer);
    expect_tokens(encoder, "a whole word", "abc", 0, (mu_token[]){UNUSED}, 1);
    expect_tokens(encoder, "another word", "abcb", 0, (mu_token[]){'a', BC, 'b'}, 3);
    mu_encoder_close(encoder);
    mu_tokenizer_close(tokenizer);
}

/* The slow way: merge the pair of lowest rank, leftmost, until none is left. */
static size_t merge_slowly(mu_token *tokens, size_t n) {
    static const mu_token results[] = {BC, AB, ABAB, SPACE_A, SPACES, E_ACUTE, AA, AAAA};
    for (;;) {
        size_t best = n, best_rank = MU_COUNTOF(merges);
        for (size_t i = 0; i + 1 < n; i++) {
            for (size_t rank = 0; rank < best_rank; rank++) {
                if (merges[rank][0] != tokens[i] || merges[rank][1] != tokens[i + 1]) continue;
                best = i;
                best_rank = rank;
            }
        }
        if (best == n) return n;
        tokens[best] = results[best_rank];
        memmove(tokens + best + 1, tokens + best + 2, (n - best - 2) * sizeof(*tokens));
        n--;
    }
}

static void long_words_merge_like_short_ones(void **state) {
    (void)state;
    enum { N_WORDS = 3000, N_MAX = 200 };
    const uint64_t seed = 11;
    mu_rng rng = {seed};
    fixture f;
    make_spec(&f);
    mu_tokenizer *tokenizer = open_spec(&f.spec);
    mu_encoder *encoder = encoder_of(tokenizer);
    for (int i = 0; i < N_WORDS; i++) {
        char word[N_MAX + 1] = {0};
        mu_token wanted[N_MAX];
        size_t n = 1 + mu_rng_below(&rng, N_MAX);
        for (size_t k = 0; k < n; k++) {
            word[k] = "aaabbcd"[mu_rng_below(&rng, 7)];
            wanted[k] = word[k];
        }
        expect_tokens(encoder, word, word, 0, wanted, merge_slowly(wanted, n));
    }
    print_message("seed %llu: %d words of up to %d bytes\n", (unsigned long long)seed, N_WORDS,
                  N_MAX);
    mu_encoder_close(encoder);
    mu_tokenizer_close(tokenizer);
}

static void a_million_letters_are_one_word(void **state) {
    (void)state;
    enum { N = 1 << 20 };
    fixture f;
    make_spec(&f);
    mu_tokenizer *tokenizer = open_spec(&f.spec);
    mu_encoder *encoder = encoder_of(tokenizer);
    char *text = mu_alloc(N);
    assert_non_null(text);
    static const struct {
        char c;
        mu_token token;
        size_t n;
    } rows[] = {{'a', AAAA, N / 4}, {' ', SPACES, N / 2}, {'!', '!', N}};
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        const mu_token *tokens = NULL;
        size_t n = 0;
        memset(text, rows[i].c, N);
        assert_int_equal(mu_encode(encoder, text, N, 0, &tokens, &n, NULL), MU_OK);
        assert_int_equal(n, rows[i].n);
        for (size_t k = 0; k < n; k++) {
            assert_int_equal(tokens[k], rows[i].token);
        }
    }
    mu_free(text);
    mu_encoder_close(encoder);
    mu_tokenizer_close(tokenizer);
}

static void contradictions_are_refused(void **state) {
    (void)state;
    static const mu_token outside[][2] = {{'a', N_TOKENS}}, negative[][2] = {{-1, 'a'}},
                          nothing[][2] = {{'a', 'z'}};
    static const struct {
        const char *what;
        uint32_t vocab_size;
        const mu_token (*merges)[2];
        const char *pattern;
        mu_token bos;
        mu_status status;
    } rows[] = {
        {"no tokens", 0, NULL, NULL, EOS, MU_ERR_LIMIT},
        {"too many tokens", UINT32_MAX, NULL, NULL, EOS, MU_ERR_LIMIT},
        {"merge outside the vocabulary", N_TOKENS, outside, NULL, EOS, MU_ERR_FORMAT},
        {"merge of a negative token", N_TOKENS, negative, NULL, EOS, MU_ERR_FORMAT},
        {"merge whose result is no token", N_TOKENS, nothing, NULL, EOS, MU_ERR_FORMAT},
        {"bos outside the vocabulary", N_TOKENS, NULL, NULL, N_TOKENS, MU_ERR_FORMAT},
        {"pattern that is none", N_TOKENS, NULL, "(", EOS, MU_ERR_FORMAT},
        {"pattern that is not read", N_TOKENS, NULL, "\\w", EOS, MU_ERR_UNSUPPORTED},
    };
    int64_t alive = mu_alloc_n_alive();
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        fixture f;
        mu_tokenizer *tokenizer = NULL;
        mu_err err = {0};
        make_spec(&f);
        f.spec.vocab_size = rows[i].vocab_size;
        f.spec.bos = rows[i].bos;
        f.spec.pattern = rows[i].pattern;
        f.spec.merges = rows[i].merges;
        f.spec.n_merges = rows[i].merges ? 1 : 0;
        mu_status status = mu_tokenizer_open(&f.spec, &tokenizer, &err);
        if (status != rows[i].status || tokenizer || err.status != status || !err.text[0]) {
            fail_msg("%s: %s (%s)", rows[i].what, mu_status_text(status), err.text);
        }
        assert_int_equal(mu_alloc_n_alive(), alive);
    }
}

static void every_byte_is_a_token_of_the_built_in_one(void **state) {
    (void)state;
    char text[512];
    mu_tokenizer *tokenizer = NULL;
    assert_int_equal(mu_tokenizer_open_bytes(&tokenizer, NULL), MU_OK);
    assert_int_equal(mu_tokenizer_vocab_size(tokenizer), 257);
    assert_int_equal(mu_tokenizer_bos(tokenizer), 256);
    assert_int_equal(mu_tokenizer_eos(tokenizer), 256);
    assert_int_equal(mu_tokenizer_kind(tokenizer, 256), MU_TOKEN_SPECIAL);
    assert_int_equal(mu_tokenizer_piece(tokenizer, 257).n, 0);
    assert_int_equal(mu_tokenizer_piece(tokenizer, -1).n, 0);
    assert_int_equal(mu_tokenizer_kind(tokenizer, 257), MU_TOKEN_UNUSED);
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)(uint8_t)(i * 37);
    }
    mu_encoder *encoder = encoder_of(tokenizer);
    const mu_token *tokens = NULL;
    size_t n = 0;
    assert_int_equal(mu_encode(encoder, text, sizeof(text), 0, &tokens, &n, NULL), MU_OK);
    assert_int_equal(n, sizeof(text));
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(tokens[i], (uint8_t)text[i]);
    }
    mu_encoder_close(encoder);
    mu_tokenizer_close(tokenizer);
}

/* text with U+FFFD for each maximal broken run. */
static void append_repaired(mu_buf *out, const char *text, size_t n) {
    for (size_t i = 0, n_bytes; i < n; i += n_bytes) {
        bool whole = mu_utf8_step(text + i, n - i, &n_bytes) == MU_UTF8_WHOLE;
        mu_buf_append(out, whole ? text + i : MU_UTF8_REPLACEMENT, whole ? n_bytes : 3);
    }
}

static void streaming_never_splits_a_character(void **state) {
    (void)state;
    enum { N_TEXTS = 20000 };
    static const uint8_t likely[] = {'a',  0xC3, 0xA9, 0xE2, 0x82, 0xAC, 0xF0,
                                     0x9F, 0x98, 0x80, 0xED, 0xFF, 0xF4, 0xC0};
    const uint64_t seed = 5;
    mu_rng rng = {seed};
    mu_tokenizer *tokenizer = NULL;
    assert_int_equal(mu_tokenizer_open_bytes(&tokenizer, NULL), MU_OK);
    mu_buf streamed = {0}, wanted = {0};
    for (int i = 0; i < N_TEXTS; i++) {
        char text[16];
        size_t n = mu_rng_below(&rng, sizeof(text) + 1);
        mu_detokenizer detok;
        mu_detokenizer_init(&detok, tokenizer, false);
        mu_buf_clear(&streamed);
        mu_buf_clear(&wanted);
        for (size_t k = 0; k < n; k++) { /* a token for each byte is the hardest case */
            text[k] = (char)likely[mu_rng_below(&rng, sizeof(likely))];
            mu_detokenizer_push(&detok, (uint8_t)text[k], &streamed);
            if (mu_utf8_valid(streamed.data, streamed.n) != streamed.n) {
                fail_msg("seed %llu, text %d: half a character after byte %zu",
                         (unsigned long long)seed, i, k);
            }
            assert_in_range(detok.n_held, 0, 3);
        }
        mu_detokenizer_finish(&detok, &streamed);
        append_repaired(&wanted, text, n);
        assert_int_equal(streamed.n, wanted.n);
        if (wanted.n > 0) assert_memory_equal(streamed.data, wanted.data, wanted.n);
    }
    print_message("seed %llu: %d texts\n", (unsigned long long)seed, N_TEXTS);
    mu_buf_deinit(&streamed);
    mu_buf_deinit(&wanted);
    mu_tokenizer_close(tokenizer);
}

static void special_tokens_are_shown_on_request(void **state) {
    (void)state;
    fixture f;
    make_spec(&f);
    mu_tokenizer *tokenizer = open_spec(&f.spec);
    const mu_token tokens[] = {AB, EOS, TOOL, UNUSED, N_TOKENS, MU_TOKEN_NONE, 'c'};
    static const char *const wanted[] = {"ab[t]c", "ab<|e|>[t]c"};
    for (int show = 0; show < 2; show++) {
        mu_buf exact = {0}, streamed = {0};
        mu_detokenizer detok;
        mu_decode_bytes(tokenizer, tokens, MU_COUNTOF(tokens), show, &exact);
        mu_detokenizer_init(&detok, tokenizer, show);
        for (size_t i = 0; i < MU_COUNTOF(tokens); i++) {
            mu_detokenizer_push(&detok, tokens[i], &streamed);
        }
        assert_string_equal(exact.data, wanted[show]);
        assert_string_equal(streamed.data, wanted[show]);
        mu_buf_deinit(&exact);
        mu_buf_deinit(&streamed);
    }
    mu_tokenizer_close(tokenizer);
}

/* Open, encode every way there is, close; the allocation after n fails. */
static mu_status encode_with_failure(int n) {
    static const char text[] = "abab x  \xFF<|e|>"
                               "ababababababababababababababababababababababababababababababc";
    fixture f;
    make_spec(&f);
    f.spec.add_prefix_space = f.spec.ignore_merges = true;
    mu_tokenizer *tokenizer = NULL;
    mu_encoder *encoder = NULL;
    const mu_token *tokens = NULL;
    size_t n_tokens = 77;
    mu_err err = {0};
    mu_alloc_fail_after(n);
    mu_status status = mu_tokenizer_open(&f.spec, &tokenizer, &err);
    if (status == MU_OK) status = mu_encoder_open(tokenizer, &encoder, &err);
    if (status == MU_OK) {
        status =
            mu_encode(encoder, text, sizeof(text) - 1, MU_ENCODE_SPECIAL, &tokens, &n_tokens, &err);
    }
    mu_alloc_fail_after(-1);
    assert_true((status == MU_OK) == (tokens != NULL));
    assert_true((status == MU_OK) == (n_tokens != 77));
    if (status != MU_OK) assert_int_equal(err.status, MU_ERR_NOMEM);
    mu_encoder_close(encoder);
    mu_tokenizer_close(tokenizer);
    return status;
}

static void failed_allocation_leaks_nothing_anywhere(void **state) {
    (void)state;
    int64_t alive = mu_alloc_n_alive();
    int n = 0;
    for (;; n++) {
        mu_status status = encode_with_failure(n);
        assert_int_equal(mu_alloc_n_alive(), alive);
        if (status == MU_OK) break;
        assert_int_equal(status, MU_ERR_NOMEM);
    }
    assert_true(n > 20);
    print_message("%d places\n", n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_becomes_the_tokens_of_the_table),
        cmocka_unit_test(options_change_the_tokens),
        cmocka_unit_test(long_words_merge_like_short_ones),
        cmocka_unit_test(a_million_letters_are_one_word),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(every_byte_is_a_token_of_the_built_in_one),
        cmocka_unit_test(streaming_never_splits_a_character),
        cmocka_unit_test(special_tokens_are_shown_on_request),
        cmocka_unit_test(failed_allocation_leaks_nothing_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
