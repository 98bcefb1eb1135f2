#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "format/hf_tokenizer.h"

/* The character that stands for a byte in GPT-2's alphabet (src/encoder.py, bytes_to_unicode):
 * itself where it prints, else the next unused one from U+0100 on. */
static void append_letter(mu_buf *out, int byte) {
    int code = 0, n_shifted = 0;
    for (int i = 0; i <= byte; i++) {
        bool prints =
            (i >= '!' && i <= '~') || (i >= 0xA1 && i <= 0xAC) || (i >= 0xAE && i <= 0xFF);
        code = prints ? i : 256 + n_shifted++;
    }
    if (code < 0x80) {
        if (code == '"' || code == '\\') mu_buf_append_str(out, "\\");
        mu_buf_printf(out, "%c", code);
    } else {
        mu_buf_printf(out, "%c%c", 0xC0 | code >> 6, 0x80 | (code & 0x3F));
    }
}

/* "letter": id for all bytes, then tail; ids are those of the bytes. */
static void append_vocab(mu_buf *out, const char *tail) {
    mu_buf_append_str(out, "{");
    for (int byte = 0; byte < 256; byte++) {
        mu_buf_append_str(out, "\"");
        append_letter(out, byte);
        mu_buf_printf(out, "\":%d,", byte);
    }
    mu_buf_printf(out, "%s}", tail);
}

#define AB_VOCAB            \
    "\"ab\":256,\"\xC4\xA0" \
    "ab\":257,\"<|endoftext|>\":258"
#define BYTE_LEVEL \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}"
#define ADDED(fields) "[{\"id\":258,\"content\":\"<|endoftext|>\",\"special\":true" fields "}]"
#define MERGES        "[\"a b\",\"\xC4\xA0 ab\"]"

typedef struct parts {
    const char *vocab_tail, *merges, *model_more, *pre, *added, *more;
} parts;

static const parts plain = {AB_VOCAB, MERGES, "", BYTE_LEVEL, ADDED(""), ""};

static mu_buf json_of(const parts *p) {
    mu_buf json = {0};
    mu_buf_printf(&json, "{\"version\":\"1.0\",\"added_tokens\":%s%s,", p->added, p->more);
    mu_buf_printf(&json, "\"pre_tokenizer\":%s,\"model\":{\"type\":\"BPE\"%s,\"vocab\":", p->pre,
                  p->model_more);
    append_vocab(&json, p->vocab_tail);
    mu_buf_printf(&json, ",\"merges\":%s}}", p->merges);
    assert_false(json.failed);
    return json;
}

static mu_tokenizer *open_parts(const parts *p) {
    mu_tokenizer *tokenizer = NULL;
    mu_err err = {0};
    mu_buf json = json_of(p);
    if (mu_hf_tokenizer_parse(json.data, json.n, &tokenizer, &err) != MU_OK) {
        fail_msg("%s", err.text);
    }
    mu_buf_deinit(&json);
    return tokenizer;
}

/* "ab ab<|endoftext|>" by the tokenizer, which is closed. */
static void expect_the_usual_tokens(mu_tokenizer *tokenizer) {
    static const char text[] = "ab ab<|endoftext|>\xFF";
    static const mu_token wanted[] = {256, 257, 258, 0xFF};
    mu_encoder *encoder = NULL;
    const mu_token *tokens = NULL;
    size_t n = 0;
    assert_non_null(tokenizer);
    assert_int_equal(mu_tokenizer_vocab_size(tokenizer), 259);
    assert_int_equal(mu_tokenizer_eos(tokenizer), 258);
    assert_int_equal(mu_tokenizer_kind(tokenizer, 258), MU_TOKEN_SPECIAL);
    assert_int_equal(mu_encoder_open(tokenizer, &encoder, NULL), MU_OK);
    assert_int_equal(
        mu_encode(encoder, text, sizeof(text) - 1, MU_ENCODE_SPECIAL, &tokens, &n, NULL), MU_OK);
    assert_int_equal(n, MU_COUNTOF(wanted));
    assert_memory_equal(tokens, wanted, sizeof(wanted));
    mu_encoder_close(encoder);
    mu_tokenizer_close(tokenizer);
}

static void merges_are_strings_or_pairs(void **state) {
    (void)state;
    parts p = plain;
    expect_the_usual_tokens(open_parts(&p));
    p.merges = "[[\"a\",\"b\"],[\"\xC4\xA0\",\"ab\"]]";
    expect_the_usual_tokens(open_parts(&p));
}

static void added_tokens_extend_the_vocabulary(void **state) {
    (void)state;
    parts p = plain;
    p.vocab_tail = "\"ab\":256,\"\xC4\xA0"
                   "ab\":257";
    expect_the_usual_tokens(open_parts(&p));
}

static void split_names_the_pattern(void **state) {
    (void)state;
    parts p = plain;
    p.pre = "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"
            "\" ?\\\\p{L}+|.\"},\"behavior\":\"Isolated\",\"invert\":false},{\"type\":"
            "\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}]}";
    expect_the_usual_tokens(open_parts(&p));
}

static const struct {
    const char *what;
    parts p;
    mu_status status;
    const char *text; /* in the error */
} refused[] = {
    {"an unknown field is no harm", {.more = ",\"x\":1"}, MU_OK, NULL},
    {"another model", {.model_more = ",\"type2\":1"}, MU_OK, NULL},
    {"dropout", {.model_more = ",\"dropout\":0.1"}, MU_ERR_UNSUPPORTED, "dropout"},
    {"ends of words",
     {.model_more = ",\"end_of_word_suffix\":\"</w>\""},
     MU_ERR_UNSUPPORTED,
     "end_of_word_suffix"},
    {"pre_tokenizer", {.pre = "{\"type\":\"Whitespace\"}"}, MU_ERR_UNSUPPORTED, "Whitespace"},
    {"decoder",
     {.pre = "null", .more = ",\"decoder\":{\"type\":\"CTC\"}"},
     MU_ERR_UNSUPPORTED,
     "CTC"},
    {"post_processor",
     {.more = ",\"post_processor\":{\"type\":\"X\"}"},
     MU_ERR_UNSUPPORTED,
     "\"X\""},
    {"a template of what is no token",
     {.more = ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{"
              "\"SpecialToken\":{\"id\":\"<s>\"}}],\"special_tokens\":{}}"},
     MU_ERR_FORMAT,
     "<s>"},
    {"a split of another kind",
     {.pre = "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{"
             "\"String\":\"x\"},\"behavior\":\"Sideways\"},{\"type\":\"ByteLevel\"}]}"},
     MU_ERR_UNSUPPORTED,
     "Sideways"},
    {"added without id", {.added = "[{\"content\":\"x\"}]"}, MU_ERR_FORMAT, "added_tokens"},
    {"added with a negative id",
     {.added = "[{\"content\":\"x\",\"id\":-1}]"},
     MU_ERR_FORMAT,
     "added_tokens"},
    {"a hole of a billion ids",
     {.added = "[{\"content\":\"x\",\"id\":1000000000}]"},
     MU_ERR_FORMAT,
     "1000000000"},
    {"an id twice", {.vocab_tail = "\"ab\":255"}, MU_ERR_FORMAT, "twice"},
    {"an id that is text", {.vocab_tail = "\"ab\":\"256\""}, MU_ERR_FORMAT, "vocab"},
    {"a negative id", {.vocab_tail = "\"ab\":-256"}, MU_ERR_FORMAT, "vocab"},
    {"not the byte alphabet", {.vocab_tail = "\"\xE2\x96\x81\":256"}, MU_ERR_FORMAT, "merge 1"},
    {"merge without a space", {.merges = "[\"ab\"]"}, MU_ERR_FORMAT, "merge 0"},
    {"merge of what is no token", {.merges = "[\"a b\",\"a xyz\"]"}, MU_ERR_FORMAT, "merge 1"},
    {"merge into what is no token", {.merges = "[\"x y\"]"}, MU_ERR_FORMAT, "merge 0"},
    {"merge of three", {.merges = "[[\"a\",\"b\",\"c\"]]"}, MU_ERR_FORMAT, "merges"},
    {"merge of a number", {.merges = "[7]"}, MU_ERR_FORMAT, "merges"},
    {"merges that are none", {.merges = "7"}, MU_ERR_FORMAT, "merges"},
};

static void what_is_not_read_is_named(void **state) {
    (void)state;
    for (size_t i = 0; i < MU_COUNTOF(refused); i++) {
        parts p = plain;
        const parts *with = &refused[i].p;
        if (with->vocab_tail) p.vocab_tail = with->vocab_tail;
        if (with->merges) p.merges = with->merges;
        if (with->model_more) p.model_more = with->model_more;
        if (with->pre) p.pre = with->pre;
        if (with->added) p.added = with->added;
        if (with->more) p.more = with->more;
        mu_buf json = json_of(&p);
        mu_tokenizer *tokenizer = NULL;
        mu_err err = {0};
        mu_status status = mu_hf_tokenizer_parse(json.data, json.n, &tokenizer, &err);
        bool named = status == MU_OK || (err.status == status && strstr(err.text, refused[i].text));
        if (status != refused[i].status || !named || (status == MU_OK) != (tokenizer != NULL)) {
            fail_msg("%s: %s (%s)", refused[i].what, mu_status_text(status), err.text);
        }
        mu_tokenizer_close(tokenizer);
        mu_buf_deinit(&json);
    }
}

static void normalizer_is_refused(void **state) {
    (void)state;
    static const char json[] =
        "{\"normalizer\":{\"type\":\"Nmt\"},\"pre_tokenizer\":{\"type\":\"ByteLevel\"},"
        "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}";
    mu_tokenizer *tokenizer = NULL;
    mu_err err = {0};
    assert_int_equal(mu_hf_tokenizer_parse(json, sizeof(json) - 1, &tokenizer, &err),
                     MU_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "Nmt"));
    assert_null(tokenizer);
}

static void expect(const parts *p, const char *text, uint32_t flags, size_t n_wanted,
                   const mu_token *wanted) {
    mu_tokenizer *tokenizer = open_parts(p);
    mu_encoder *encoder = NULL;
    const mu_token *tokens = NULL;
    size_t n = 0;
    assert_int_equal(mu_encoder_open(tokenizer, &encoder, NULL), MU_OK);
    assert_int_equal(mu_encode(encoder, text, strlen(text), flags, &tokens, &n, NULL), MU_OK);
    assert_int_equal(n, n_wanted);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(tokens[i], wanted[i]);
    }
    mu_encoder_close(encoder);
    mu_tokenizer_close(tokenizer);
}

static void added_tokens_take_what_their_flags_say(void **state) {
    (void)state;
    parts p = plain;
    const uint32_t special = MU_ENCODE_SPECIAL;
    expect(&p, "ab <|endoftext|> ab", special, 4, (mu_token[]){256, ' ', 258, 257});
    p.added = ADDED(",\"lstrip\":true");
    expect(&p, "ab \xC2\xA0<|endoftext|> ab", special, 3, (mu_token[]){256, 258, 257});
    p.added = ADDED(",\"rstrip\":true");
    expect(&p, "ab <|endoftext|>\n ab", special, 4, (mu_token[]){256, ' ', 258, 256});
    p.added = "[{\"id\":256,\"content\":\"ab\",\"special\":true,\"single_word\":true}]";
    expect(&p, "ab aab ab!", special, 7, (mu_token[]){256, ' ', 'a', 256, ' ', 256, '!'});
}

static void special_entries_of_the_vocabulary_stay_in_it(void **state) {
    (void)state;
    parts p = plain;
    p.added = "[{\"id\":256,\"content\":\"ab\",\"special\":true},"
              "{\"id\":33,\"content\":\"!\",\"special\":true}]";
    expect(&p, "ab!ab", MU_ENCODE_SPECIAL, 3, (mu_token[]){256, '!', 256});
    expect(&p, "ab!ab", 0, 3, (mu_token[]){256, '!', 256});
    p.added = "[{\"id\":256,\"content\":\"ab\",\"special\":true}]";
    p.vocab_tail = "\"ab\":256,\"abc\":257";
    p.merges = "[\"a b\",\"ab c\"]"; /* a merge of it, and into it */
    expect(&p, "abc", 0, 1, (mu_token[]){257});
}

static void template_puts_tokens_around_a_text(void **state) {
    (void)state;
    parts p = plain;
    p.more = ",\"post_processor\":{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"},"
             "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}},"
             "{\"Sequence\":{\"id\":\"A\"}},{\"SpecialToken\":{\"id\":\"</s>\"}}],"
             "\"special_tokens\":{\"<s>\":{\"ids\":[258]},\"</s>\":{\"ids\":[257,256]}}}]}";
    expect(&p, "b", 0, 1, (mu_token[]){'b'});
    expect(&p, "b", MU_ENCODE_BOS, 2, (mu_token[]){258, 'b'});
    expect(&p, "b", MU_ENCODE_BOS | MU_ENCODE_EOS, 4, (mu_token[]){258, 'b', 257, 256});
    expect(&p, "<|endoftext|>b", MU_ENCODE_BOS | MU_ENCODE_SPECIAL, 2, (mu_token[]){258, 'b'});
}

static void normal_form_c_joins_what_can_be_joined(void **state) {
    (void)state;
    parts p = plain;
    p.vocab_tail = "\"ab\":256,\"\xC4\xA0"
                   "ab\":257,\"\xC3\x83\xC2\xA9\":258"; /* the two bytes of U+00E9 */
    p.merges = "[\"\xC3\x83 \xC2\xA9\"]";
    p.added = "[]";
    expect(&p, "e\xCC\x81", 0, 3, (mu_token[]){'e', 0xCC, 0x81});
    p.more = ",\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"}]}";
    expect(&p, "xe\xCC\x81x", 0, 3, (mu_token[]){'x', 258, 'x'});
    expect(&p, "\xFF", 0, 1, (mu_token[]){0xFF}); /* what is not UTF-8 stays */
}

static void digits_and_splits_follow_one_another(void **state) {
    (void)state;
    parts p = plain;
    p.vocab_tail = "\"12\":256,\"ab\":257,\"bc\":258";
    p.merges = "[\"1 2\",\"a b\",\"b c\"]";
    p.added = "[]";
    expect(&p, "12", 0, 1, (mu_token[]){256});
    p.pre = "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":"
            "true}," BYTE_LEVEL "]}";
    expect(&p, "12ab", 0, 3, (mu_token[]){'1', '2', 257});
    static const struct {
        const char *keep;
        size_t n;
        mu_token tokens[5];
    } rows[] = {
        {"Isolated", 4, {257, '-', '-', 258}},
        {"Contiguous", 4, {257, '-', '-', 258}},
        {"Removed", 2, {257, 258}},
        {"MergedWithPrevious", 4, {257, '-', '-', 258}},
        {"MergedWithNext", 4, {257, '-', '-', 258}},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        char pre[300];
        snprintf(pre, sizeof(pre),
                 "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{"
                 "\"String\":\"-\"},\"behavior\":\"%s\"},{\"type\":\"ByteLevel\","
                 "\"add_prefix_space\":false,\"use_regex\":false}]}",
                 rows[i].keep);
        p.pre = pre;
        expect(&p, "ab--bc", 0, rows[i].n, rows[i].tokens);
    }
}

static mu_status parse_vocab_merges(const char *merges, mu_tokenizer **out, mu_err *err) {
    mu_buf vocab = {0};
    append_vocab(&vocab, AB_VOCAB);
    mu_status status =
        mu_hf_vocab_merges_parse(vocab.data, vocab.n, merges, strlen(merges), out, err);
    mu_buf_deinit(&vocab);
    return status;
}

static void merges_txt_may_have_a_version_and_any_line_ends(void **state) {
    (void)state;
    static const char *const texts[] = {
        "#version: 0.2\na b\n\xC4\xA0 ab\n",
        "a b\n\xC4\xA0 ab",
        "#version: 0.2\r\na b\r\n\r\n\xC4\xA0 ab\r\n",
    };
    for (size_t i = 0; i < MU_COUNTOF(texts); i++) {
        mu_tokenizer *tokenizer = NULL;
        assert_int_equal(parse_vocab_merges(texts[i], &tokenizer, NULL), MU_OK);
        expect_the_usual_tokens(tokenizer);
    }
    static const char *const broken[] = {"ab\n", "a b\na zz\n", "a  b\n", "x y\n", " \n"};
    for (size_t i = 0; i < MU_COUNTOF(broken); i++) {
        mu_tokenizer *tokenizer = NULL;
        mu_err err = {0};
        assert_int_equal(parse_vocab_merges(broken[i], &tokenizer, &err), MU_ERR_FORMAT);
        assert_non_null(strstr(err.text, "merge"));
        assert_null(tokenizer);
    }
}

static void write_file(const char *folder, const char *name, const char *data, size_t n) {
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static void remove_file(const char *folder, const char *name) {
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(unlink(path), 0);
}

static void folder_holds_either_form(void **state) {
    (void)state;
    static const char merges[] = "#version: 0.2\na b\n\xC4\xA0 ab\n";
    char folder[] = "/tmp/hf_tokenizer_test.XXXXXX";
    assert_non_null(mkdtemp(folder));
    mu_tokenizer *tokenizer = NULL;
    mu_err err = {0};
    mu_buf json = json_of(&plain), vocab = {0};
    append_vocab(&vocab, AB_VOCAB);

    assert_int_equal(mu_hf_tokenizer_open(folder, &tokenizer, &err), MU_ERR_NOT_FOUND);
    write_file(folder, "vocab.json", vocab.data, vocab.n);
    assert_int_not_equal(mu_hf_tokenizer_open(folder, &tokenizer, &err), MU_OK);
    assert_non_null(strstr(err.text, "merges.txt"));
    assert_null(tokenizer);
    write_file(folder, "merges.txt", merges, sizeof(merges) - 1);
    assert_int_equal(mu_hf_tokenizer_open(folder, &tokenizer, &err), MU_OK);
    expect_the_usual_tokens(tokenizer);
    write_file(folder, "tokenizer.json", json.data, json.n);
    remove_file(folder, "merges.txt");
    assert_int_equal(mu_hf_tokenizer_open(folder, &tokenizer, &err), MU_OK);
    expect_the_usual_tokens(tokenizer);
    write_file(folder, "tokenizer.json", "{", 1); /* broken is not absent */
    tokenizer = NULL;
    assert_int_equal(mu_hf_tokenizer_open(folder, &tokenizer, &err), MU_ERR_FORMAT);
    assert_non_null(strstr(err.text, "tokenizer.json"));
    assert_null(tokenizer);

    remove_file(folder, "tokenizer.json");
    remove_file(folder, "vocab.json");
    assert_int_equal(rmdir(folder), 0);
    mu_buf_deinit(&json);
    mu_buf_deinit(&vocab);
}

/* A folder of what slow tokenizers were saved as; the last file says what ends a text. */
static void files_beside_say_more_about_tokens(void **state) {
    (void)state;
    static const struct {
        const char *name, *text;
    } files[] = {
        {"merges.txt", "a b\n\xC4\xA0 ab\n"},
        {"added_tokens.json", "{\"<|user|>\":259,\"</s>\":260}"},
        {"special_tokens_map.json",
         "{\"eos_token\":\"</s>\",\"additional_special_tokens\":[\"<|user|>\"]}"},
        {"tokenizer_config.json",
         "{\"add_bos_token\":true,\"bos_token\":{\"content\":\"<|endoftext|>\"},"
         "\"added_tokens_decoder\":{\"261\":{\"content\":\"<m>\",\"lstrip\":true}}}"},
        {"config.json", "{\"eos_token_id\":260}"},
        {"generation_config.json", "{\"eos_token_id\":[260,259]}"},
    };
    char folder[] = "/tmp/hf_tokenizer_test.XXXXXX";
    assert_non_null(mkdtemp(folder));
    mu_buf vocab = {0};
    append_vocab(&vocab, AB_VOCAB);
    write_file(folder, "vocab.json", vocab.data, vocab.n);
    for (size_t i = 0; i < MU_COUNTOF(files); i++) {
        write_file(folder, files[i].name, files[i].text, strlen(files[i].text));
    }
    mu_tokenizer *tokenizer = NULL;
    mu_encoder *encoder = NULL;
    const mu_token *tokens = NULL;
    size_t n = 0;
    mu_err err = {0};
    if (mu_hf_tokenizer_open(folder, &tokenizer, &err) != MU_OK) fail_msg("%s", err.text);
    assert_int_equal(mu_tokenizer_bos(tokenizer), 258);
    assert_int_equal(mu_tokenizer_eos(tokenizer), 260);
    assert_int_equal(mu_tokenizer_kind(tokenizer, 259), MU_TOKEN_SPECIAL);
    assert_int_equal(mu_tokenizer_kind(tokenizer, 261), MU_TOKEN_ADDED);
    assert_true(mu_tokenizer_ends_text(tokenizer, 259) && mu_tokenizer_ends_text(tokenizer, 260));
    assert_false(mu_tokenizer_ends_text(tokenizer, 261));
    assert_int_equal(mu_encoder_open(tokenizer, &encoder, NULL), MU_OK);
    static const mu_token wanted[] = {258, 259, 'a', 261, 260};
    assert_int_equal(mu_encode(encoder, "<|user|>a <m></s>", 17, MU_ENCODE_SPECIAL | MU_ENCODE_BOS,
                               &tokens, &n, NULL),
                     MU_OK);
    assert_int_equal(n, MU_COUNTOF(wanted));
    assert_memory_equal(tokens, wanted, sizeof(wanted));
    mu_encoder_close(encoder);
    mu_tokenizer_close(tokenizer);

    tokenizer = NULL;
    write_file(folder, "generation_config.json", "{\"eos_token_id\":\"x\"}", 20);
    assert_int_equal(mu_hf_tokenizer_open(folder, &tokenizer, &err), MU_ERR_FORMAT);
    assert_non_null(strstr(err.text, "generation_config.json"));
    assert_null(tokenizer);
    remove_file(folder, "vocab.json");
    write_file(folder, "generation_config.json", "{}", 2);
    write_file(folder, "tokenizer.model", "", 0); /* named, not passed over */
    assert_int_equal(mu_hf_tokenizer_open(folder, &tokenizer, &err), MU_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "tokenizer.model"));
    remove_file(folder, "tokenizer.model");
    for (size_t i = 0; i < MU_COUNTOF(files); i++) {
        remove_file(folder, files[i].name);
    }
    assert_int_equal(rmdir(folder), 0);
    mu_buf_deinit(&vocab);
}

static void failed_allocation_leaks_nothing_anywhere(void **state) {
    (void)state;
    static const char merges[] = "a b\n\xC4\xA0 ab\n";
    mu_buf json = json_of(&plain), vocab = {0};
    append_vocab(&vocab, AB_VOCAB);
    int64_t alive = mu_alloc_n_alive();
    int n_places = 0;
    for (int form = 0; form < 2; form++) {
        for (int n = 0;; n++) {
            mu_tokenizer *tokenizer = NULL;
            mu_err err = {0};
            mu_alloc_fail_after(n);
            mu_status status = form == 0
                                   ? mu_hf_tokenizer_parse(json.data, json.n, &tokenizer, &err)
                                   : mu_hf_vocab_merges_parse(vocab.data, vocab.n, merges,
                                                              sizeof(merges) - 1, &tokenizer, &err);
            mu_alloc_fail_after(-1);
            if (status == MU_OK) {
                mu_tokenizer_close(tokenizer);
                assert_int_equal(mu_alloc_n_alive(), alive);
                break;
            }
            if (status != MU_ERR_NOMEM || err.status != MU_ERR_NOMEM || tokenizer) {
                fail_msg("form %d, allocation %d: %s", form, n, err.text);
            }
            assert_int_equal(mu_alloc_n_alive(), alive);
            n_places++;
        }
    }
    assert_true(n_places > 600);
    print_message("%d places\n", n_places);
    mu_buf_deinit(&json);
    mu_buf_deinit(&vocab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_are_strings_or_pairs),
        cmocka_unit_test(added_tokens_extend_the_vocabulary),
        cmocka_unit_test(split_names_the_pattern),
        cmocka_unit_test(what_is_not_read_is_named),
        cmocka_unit_test(normalizer_is_refused),
        cmocka_unit_test(added_tokens_take_what_their_flags_say),
        cmocka_unit_test(special_entries_of_the_vocabulary_stay_in_it),
        cmocka_unit_test(template_puts_tokens_around_a_text),
        cmocka_unit_test(normal_form_c_joins_what_can_be_joined),
        cmocka_unit_test(digits_and_splits_follow_one_another),
        cmocka_unit_test(merges_txt_may_have_a_version_and_any_line_ends),
        cmocka_unit_test(folder_holds_either_form),
        cmocka_unit_test(files_beside_say_more_about_tokens),
        cmocka_unit_test(failed_allocation_leaks_nothing_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
