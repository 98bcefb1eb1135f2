/* Any bytes as a grammar, the first choosing its kind, and the rest of the input read by it: a
 * grammar or one line that says why not; masks agree with what the matcher takes, and what was
 * taken can go on.
 */
#include <string.h>

#include "base/alloc.h"
#include "grammar/grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const words[] = {"{\"", "\":", "[1", "null", "\\u00", "\xC3", "]}", " ", "ab"};
enum { N_WORDS = MU_COUNTOF(words), N_TOKENS = 256 + N_WORDS };

static mu_token_trie *make_trie(void) {
    static char bytes[256];
    mu_token_bytes tokens[N_TOKENS];
    for (uint32_t i = 0; i < N_TOKENS; i++) {
        if (i < 256) bytes[i] = (char)i;
        tokens[i] = i < 256 ? (mu_token_bytes){&bytes[i], 1}
                            : (mu_token_bytes){words[i - 256], strlen(words[i - 256])};
    }
    mu_token_trie *trie = NULL;
    mu_status status = mu_token_trie_open(tokens, N_TOKENS, &trie, NULL);
    MU_ASSERT(status == MU_OK);
    return trie;
}

/* Follow the text while it is accepted, then whatever comes first. */
static void read_text(mu_grammar *grammar, const char *text, size_t n) {
    uint64_t mask[(N_TOKENS + 63) / 64];
    mu_matcher matcher;
    mu_matcher_init(&matcher, grammar);
    for (size_t i = 0; i < n && i < 64; i++) {
        uint8_t byte = (uint8_t)text[i];
        mu_matcher_mask(&matcher, mask);
        bool is_in = mask[byte / 64] >> (byte % 64) & 1;
        mu_matcher copy = matcher;
        MU_ASSERT(is_in == mu_matcher_take(&copy, &text[i], 1) ||
                  mu_matcher_status(&matcher) != MU_OK);
        for (uint32_t b = 0; b < 256 && !is_in; b++) {
            is_in = mask[b / 64] >> (b % 64) & 1;
            if (is_in) byte = (uint8_t)b;
        }
        if (!is_in || !mu_matcher_take(&matcher, (const char *)&byte, 1)) break;
    }
    if (mu_matcher_status(&matcher) != MU_OK) return;
    mu_matcher_mask(&matcher, mask);
    bool can_go_on = mu_matcher_may_end(&matcher);
    for (uint32_t i = 0; i < MU_COUNTOF(mask); i++) {
        can_go_on = can_go_on || mask[i] != 0;
    }
    MU_ASSERT(can_go_on || mu_matcher_status(&matcher) != MU_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static mu_token_trie *trie;
    if (!trie) trie = make_trie();
    if (size < 2) return 0;
    const char *text = (const char *)data + 1;
    const char *end = memchr(text, '\0', size - 1);
    size_t n = end ? (size_t)(end - text) : size - 1;
    static const mu_grammar_kind kinds[] = {MU_GRAMMAR_JSON_SCHEMA, MU_GRAMMAR_REGEX,
                                            MU_GRAMMAR_GBNF};
    mu_grammar_spec spec = {
        .kind = kinds[data[0] % 3], .text = text, .n_text = n, .in_order = data[0] & 64};
    json_t *schema = NULL;
    if (spec.kind == MU_GRAMMAR_JSON_SCHEMA) {
        schema = json_loadb(text, n, JSON_DECODE_ANY, NULL);
        if (!schema) return 0;
        spec.schema = schema;
    }
    /* The same schema twice, within text. */
    const mu_grammar_tag tag = {.begin = "ab", .end = " ", .schema = schema, .name = "x"};
    const mu_grammar_tag items[] = {tag, {.begin = "a[", .end = "]", .name = "y"}, tag};
    const mu_grammar_tags tags = {.items = items,
                                  .n = 3,
                                  .open = data[0] & 16 ? "a" : "",
                                  .between = data[0] & 8 ? "a" : NULL,
                                  .close = "a",
                                  .trigger = data[0] & 32 ? "a" : NULL,
                                  .reasoning_close = data[0] & 4 ? "aab" : NULL};
    if (schema && data[0] & 128) {
        spec.kind = MU_GRAMMAR_TAGS;
        spec.tags = &tags;
    }
    mu_grammar *grammar = NULL;
    mu_err err = {0};
    mu_status status = mu_grammar_compile(&spec, trie, &grammar, &err);
    if (status == MU_OK) {
        read_text(grammar, end ? end + 1 : text, end ? size - 2 - n : n);
    } else {
        MU_ASSERT(!grammar && err.status == status && err.text[0] != '\0');
    }
    mu_grammar_unref(grammar);
    json_decref(schema);
    return 0;
}
