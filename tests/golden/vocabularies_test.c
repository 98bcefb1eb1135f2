/* Token ids of published vocabularies against the expected ids that come with them: files
 * ggml-vocab-NAME.gguf, .inp and .out in MUAI_TEST_VOCABULARIES or build/vocabularies, where
 * tests/golden/get_vocabularies puts those of the llama-cpp-python source package. Skipped where
 * neither is there; none of them is part of the repository.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/map.h"
#include "format/gguf.h"
#include "format/hf_tokenizer.h"

static const char mark[] = "\n__ggml_vocab_test__\n";

/* The numbers of one line of expected ids; false: they are others. */
static bool is_line(const char *line, size_t n, const mu_token *tokens, size_t n_tokens) {
    size_t i = 0;
    const char *end = line + n;
    for (;;) {
        while (line < end && *line == ' ') {
            line++;
        }
        if (line == end) return i == n_tokens;
        char *after;
        long id = strtol(line, &after, 10);
        if (after == line || i == n_tokens || tokens[i++] != id) return false;
        line = after;
    }
}

static size_t compare(mu_encoder *encoder, const char *name, mu_map texts, mu_map ids) {
    const char *text = (const char *)texts.data, *text_end = text + texts.size;
    const char *line = (const char *)ids.data, *line_end = line + ids.size;
    size_t n_texts = 0;
    while (text < text_end && line < line_end) {
        const char *stop = memmem(text, (size_t)(text_end - text), mark, sizeof(mark) - 1);
        size_t n_text = stop ? (size_t)(stop - text) : (size_t)(text_end - text);
        const char *line_stop = memchr(line, '\n', (size_t)(line_end - line));
        size_t n_line = line_stop ? (size_t)(line_stop - line) : (size_t)(line_end - line);
        const mu_token *tokens;
        size_t n;
        mu_err err;
        if (mu_encode(encoder, text, n_text, 0, &tokens, &n, &err) != MU_OK) {
            fail_msg("%s: %s", name, err.text);
        }
        if (!is_line(line, n_line, tokens, n)) {
            fail_msg("%s: text %zu: not the expected ids", name, n_texts);
        }
        n_texts++;
        text += n_text + sizeof(mark) - 1;
        line += n_line + 1;
    }
    return n_texts;
}

static size_t check_file(const char *folder, const char *name) {
    char path[3][512];
    static const char *const endings[] = {"", ".inp", ".out"};
    for (int i = 0; i < 3; i++) {
        snprintf(path[i], sizeof(path[i]), "%s/%s%s", folder, name, endings[i]);
    }
    mu_map texts, ids;
    if (mu_map_open(path[1], &texts, NULL) != MU_OK) return 0; /* a vocabulary without texts */
    assert_int_equal(mu_map_open(path[2], &ids, NULL), MU_OK);
    mu_gguf *gguf = NULL;
    mu_tokenizer *tokenizer = NULL;
    mu_encoder *encoder = NULL;
    mu_err err;
    mu_status status = mu_gguf_open(path[0], &gguf, &err);
    if (status == MU_OK) {
        status = mu_gguf_tokenizer_open(mu_gguf_metadata(gguf), &tokenizer, &err);
    }
    if (status == MU_OK) status = mu_encoder_open(tokenizer, &encoder, &err);
    if (status != MU_OK) fail_msg("%s: %s", name, err.text);
    size_t n = compare(encoder, name, texts, ids);
    mu_encoder_close(encoder);
    mu_tokenizer_close(tokenizer);
    mu_gguf_close(gguf);
    mu_map_close(&texts);
    mu_map_close(&ids);
    return n;
}

static void published_vocabularies_give_the_expected_ids(void **state) {
    (void)state;
    const char *folder = getenv("MUAI_TEST_VOCABULARIES");
    if (!folder) folder = "build/vocabularies";
    DIR *dir = opendir(folder);
    if (!dir) {
        print_message("skipped: no folder %s (tests/golden/get_vocabularies)\n", folder);
        skip();
    }
    size_t n_files = 0, n_texts = 0;
    for (const struct dirent *entry; (entry = readdir(dir));) {
        size_t n = strlen(entry->d_name);
        if (n < 5 || strcmp(entry->d_name + n - 5, ".gguf") != 0) continue;
        size_t found = check_file(folder, entry->d_name);
        n_files += found > 0;
        n_texts += found;
    }
    closedir(dir);
    print_message("%zu texts of %zu vocabularies\n", n_texts, n_files);
    assert_true(n_files > 0);
}

/* The harness itself. */
static void other_ids_are_noticed(void **state) {
    (void)state;
    static const mu_token tokens[] = {5, 17};
    assert_true(is_line(" 5 17", 5, tokens, 2));
    assert_false(is_line(" 5 18", 5, tokens, 2));
    assert_false(is_line(" 5", 2, tokens, 2));
    assert_false(is_line(" 5 17 1", 7, tokens, 2));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vocabularies_give_the_expected_ids),
        cmocka_unit_test(other_ids_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
