#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "format/hf_tokenizer.h"

enum {
    AB = 256,
    SPACE_AB,
    ABC,
    BANG_LF,
    ONE_TWO,
    END,
    TOOL,
    UNUSED,
    N_TOKENS,
    NORMAL = 1,
    CONTROL = 3,
    USER,
    HOLE
};

/* Metadata as a GGUF file of this tokenizer has them; tests change fields before they open it. */
typedef struct fixture {
    char letters[256][3];
    mu_meta_string tokens[N_TOKENS];
    int64_t types[N_TOKENS];
    mu_meta_string merges[4];
    mu_meta_entry entries[8];
    mu_metadata metadata;
} fixture;

enum { E_ADD_BOS, E_BOS, E_EOS, E_MERGES, E_MODEL, E_PRE, E_TYPES, E_TOKENS, N_ENTRIES };

static mu_meta_string str(const char *text) {
    return (mu_meta_string){text, strlen(text)};
}

/* GPT-2's alphabet (src/encoder.py, bytes_to_unicode). */
static void make_letters(fixture *f) {
    for (int byte = 0, n_shifted = 0; byte < 256; byte++) {
        bool prints =
            (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
        int code = prints ? byte : 256 + n_shifted++;
        f->letters[byte][0] = (char)(code < 0x80 ? code : 0xC0 | code >> 6);
        if (code >= 0x80) f->letters[byte][1] = (char)(0x80 | (code & 0x3F));
        f->tokens[byte] = str(f->letters[byte]);
    }
}

static void set_string(fixture *f, int entry, const char *text) {
    f->entries[entry].value = (mu_meta_value){.kind = MU_META_STRING, .str = str(text)};
}

static void set_int(fixture *f, int entry, int64_t i) {
    f->entries[entry].value = (mu_meta_value){.kind = MU_META_INT, .i = i, .f = (double)i};
}

static void make(fixture *f) {
    static const char *const keys[N_ENTRIES] = {
        "tokenizer.ggml.add_bos_token", "tokenizer.ggml.bos_token_id",
        "tokenizer.ggml.eos_token_id",  "tokenizer.ggml.merges",
        "tokenizer.ggml.model",         "tokenizer.ggml.pre",
        "tokenizer.ggml.token_type",    "tokenizer.ggml.tokens"};
    static const char *const made[] = {"ab", "\304\240ab", "abc", "!\xC4\x8A",
                                       "12", "<|end|>",    "[t]", "[PAD]"};
    _Static_assert(MU_COUNTOF(made) == N_TOKENS - 256, "one string each");
    *f = (fixture){0};
    make_letters(f);
    for (int i = 0; i < N_TOKENS; i++) {
        if (i >= 256) f->tokens[i] = str(made[i - 256]);
        f->types[i] = NORMAL;
    }
    f->types[END] = CONTROL;
    f->types[TOOL] = USER;
    f->types[UNUSED] = HOLE;
    f->merges[0] = str("a b");
    f->merges[1] = str("\xC4\xA0 ab");
    f->merges[2] = str("! \xC4\x8A");
    f->merges[3] = str("1 2");
    for (int i = 0; i < N_ENTRIES; i++) {
        f->entries[i].key = keys[i];
    }
    f->entries[E_ADD_BOS].value = (mu_meta_value){.kind = MU_META_BOOL, .b = true};
    set_int(f, E_BOS, END);
    set_int(f, E_EOS, END);
    set_string(f, E_MODEL, "gpt2");
    set_string(f, E_PRE, "gpt-2");
    f->entries[E_MERGES].value = (mu_meta_value){.kind = MU_META_ARRAY,
                                                 .elem_kind = MU_META_STRING,
                                                 .n_elems = MU_COUNTOF(f->merges),
                                                 .strings = f->merges};
    f->entries[E_TYPES].value = (mu_meta_value){
        .kind = MU_META_ARRAY, .elem_kind = MU_META_INT, .n_elems = N_TOKENS, .ints = f->types};
    f->entries[E_TOKENS].value = (mu_meta_value){.kind = MU_META_ARRAY,
                                                 .elem_kind = MU_META_STRING,
                                                 .n_elems = N_TOKENS,
                                                 .strings = f->tokens};
    f->metadata = (mu_metadata){f->entries, N_ENTRIES};
    const char *duplicate = NULL; /* the entries are in order already: this only checks it */
    assert_true(mu_metadata_sort(&f->metadata, &duplicate));
    assert_ptr_equal(f->entries[E_TOKENS].key, keys[E_TOKENS]);
}

static void expect_tokens(const fixture *f, const char *text, size_t n_wanted,
                          const mu_token *wanted) {
    mu_tokenizer *tokenizer = NULL;
    mu_encoder *encoder = NULL;
    const mu_token *tokens = NULL;
    size_t n = 0;
    mu_err err = {0};
    if (mu_gguf_tokenizer_open(&f->metadata, &tokenizer, &err) != MU_OK) fail_msg("%s", err.text);
    assert_int_equal(mu_encoder_open(tokenizer, &encoder, NULL), MU_OK);
    assert_int_equal(mu_encode(encoder, text, strlen(text), MU_ENCODE_SPECIAL | MU_ENCODE_BOS,
                               &tokens, &n, NULL),
                     MU_OK);
    assert_int_equal(n, n_wanted);
    assert_memory_equal(tokens, wanted, n * sizeof(*tokens));
    mu_encoder_close(encoder);
    mu_tokenizer_close(tokenizer);
}

static void metadata_become_a_tokenizer(void **state) {
    (void)state;
    fixture f;
    make(&f);
    expect_tokens(&f, "ab ab<|end|>[t]", 5, (mu_token[]){END, AB, SPACE_AB, END, TOOL});
    f.entries[E_ADD_BOS].value.b = false;
    expect_tokens(&f, "[PAD]\n", 6, (mu_token[]){'[', 'P', 'A', 'D', ']', '\n'});
}

static void pre_names_the_pattern(void **state) {
    (void)state;
    static const struct {
        const char *pre;
        size_t n;
        mu_token tokens[6];
    } rows[] = {
        /* A line break belongs to the mark before it in all but GPT-2's, digits are single in
         * Qwen's, and only Llama's takes the word "abc" whole, which no merge makes. */
        {"gpt-2", 6, {END, AB, 'c', '!', '\n', ONE_TWO}},
        {"llama-bpe", 4, {END, ABC, BANG_LF, ONE_TWO}},
        {"qwen2", 6, {END, AB, 'c', BANG_LF, '1', '2'}},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        fixture f;
        make(&f);
        set_string(&f, E_PRE, rows[i].pre);
        expect_tokens(&f, "abc!\n12", rows[i].n, rows[i].tokens);
    }
}

static void what_is_not_read_is_named(void **state) {
    (void)state;
    fixture f;
    static const struct {
        const char *what;
        int entry;
        mu_meta_value value; /* in its place */
        mu_status status;
        const char *text; /* in the error */
    } rows[] = {
        {"a model that is no text", E_MODEL, {.kind = MU_META_INT}, MU_ERR_FORMAT, "ggml.model"},
        {"bos that is no number", E_BOS, {.kind = MU_META_STRING}, MU_ERR_FORMAT, "bos_token_id"},
        {"add_bos that is a number", E_ADD_BOS, {.kind = MU_META_INT}, MU_ERR_FORMAT, "add_bos"},
        {"said to have none",
         E_MODEL,
         {.kind = MU_META_STRING, .str = {"none", 4}},
         MU_ERR_NOT_FOUND,
         "tokenizer.ggml.model"},
        {"another model",
         E_MODEL,
         {.kind = MU_META_STRING, .str = {"rwkv", 4}},
         MU_ERR_UNSUPPORTED,
         "rwkv"},
        {"scores that are not there",
         E_MODEL,
         {.kind = MU_META_STRING, .str = {"llama", 5}},
         MU_ERR_FORMAT,
         "scores"},
        {"unknown pattern",
         E_PRE,
         {.kind = MU_META_STRING, .str = {"nobody", 6}},
         MU_ERR_UNSUPPORTED,
         "nobody"},
        {"tokens of another kind", E_TOKENS, {.kind = MU_META_INT}, MU_ERR_FORMAT, "tokens"},
        {"merges that are numbers",
         E_MERGES,
         {.kind = MU_META_ARRAY, .elem_kind = MU_META_INT},
         MU_ERR_FORMAT,
         "merges"},
        {"fewer types than tokens",
         E_TYPES,
         {.kind = MU_META_ARRAY, .elem_kind = MU_META_INT, .n_elems = 3},
         MU_ERR_FORMAT,
         "token_type"},
        {"no tokens at all",
         E_TOKENS,
         {.kind = MU_META_ARRAY, .elem_kind = MU_META_STRING},
         MU_ERR_FORMAT,
         "token_type"},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_tokenizer *tokenizer = NULL;
        mu_err err = {0};
        make(&f);
        f.entries[rows[i].entry].value = rows[i].value;
        mu_status status = mu_gguf_tokenizer_open(&f.metadata, &tokenizer, &err);
        if (status != rows[i].status || tokenizer || !strstr(err.text, rows[i].text)) {
            fail_msg("%s: %s (%s)", rows[i].what, mu_status_text(status), err.text);
        }
    }
}

static void broken_lists_are_refused(void **state) {
    (void)state;
    mu_tokenizer *tokenizer = NULL;
    mu_err err = {0};
    fixture f;
    make(&f);
    f.tokens[AB] = str("abc"); /* twice */
    assert_int_equal(mu_gguf_tokenizer_open(&f.metadata, &tokenizer, &err), MU_ERR_FORMAT);
    make(&f);
    f.merges[1] = str("ab zz");
    assert_int_equal(mu_gguf_tokenizer_open(&f.metadata, &tokenizer, &err), MU_ERR_FORMAT);
    assert_non_null(strstr(err.text, "merge 1"));
    make(&f);
    f.tokens[AB] = str("\xE2\x96\x81");
    assert_int_equal(mu_gguf_tokenizer_open(&f.metadata, &tokenizer, &err), MU_ERR_FORMAT);
    assert_non_null(strstr(err.text, "merge")); /* what it makes is no byte-level token */
    assert_null(tokenizer);
    assert_int_equal(mu_gguf_tokenizer_open(&(mu_metadata){0}, &tokenizer, &err), MU_ERR_NOT_FOUND);
}

static void failed_allocation_leaks_nothing_anywhere(void **state) {
    (void)state;
    int64_t alive = mu_alloc_n_alive();
    fixture f;
    make(&f);
    int n = 0;
    for (;; n++) {
        mu_tokenizer *tokenizer = NULL;
        mu_err err = {0};
        mu_alloc_fail_after(n);
        mu_status status = mu_gguf_tokenizer_open(&f.metadata, &tokenizer, &err);
        mu_alloc_fail_after(-1);
        mu_tokenizer_close(tokenizer);
        assert_int_equal(mu_alloc_n_alive(), alive);
        if (status == MU_OK) break;
        assert_int_equal(status, MU_ERR_NOMEM);
        assert_null(tokenizer);
    }
    assert_true(n > 10);
    print_message("%d places\n", n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metadata_become_a_tokenizer),
        cmocka_unit_test(pre_names_the_pattern),
        cmocka_unit_test(what_is_not_read_is_named),
        cmocka_unit_test(broken_lists_are_refused),
        cmocka_unit_test(failed_allocation_leaks_nothing_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
