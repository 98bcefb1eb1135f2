/* How long compiling a schema takes, and making the mask for each token of its instances.
 *
 *     mask_speed SCHEMAS.jsonl [VOCABULARY [STRIDE]]
 *
 * SCHEMAS: the form of MaskBench, every STRIDE-th line. VOCABULARY: a token in hexadecimal a line,
 * an empty line for a control token.
 *
 * Without a vocabulary: 128k tokens cut from the file itself and numbered words, so that nothing
 * else is needed. Prints one line of JSON, times in microseconds; tests/baseline/structured.py sets
 * it beside other engines on the same vocabulary and the same tokens.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/map.h"
#include "grammar/grammar.h"

enum { VOCAB_MAX = 1 << 18, TIMES_MAX = 1 << 20 };

static mu_token_bytes tokens[VOCAB_MAX];
static uint32_t n_tokens;
static double compile_us[TIMES_MAX], mask_us[TIMES_MAX];
static size_t n_compiles, n_masks, n_refused, n_failed;

static int hex_value(char c) {
    return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

/* A token in hexadecimal a line, an empty line for a control token. */
static bool read_vocabulary(const char *path, mu_buf *bytes) {
    mu_map map;
    if (mu_map_open(path, &map, NULL) != MU_OK) return false;
    static size_t starts[VOCAB_MAX + 1];
    const char *text = (const char *)map.data;
    for (size_t at = 0; at < map.size && n_tokens < VOCAB_MAX; at++) {
        starts[n_tokens++] = bytes->n;
        for (; at + 1 < map.size && text[at] != '\n'; at += 2) {
            char byte = (char)(hex_value(text[at]) << 4 | hex_value(text[at + 1]));
            mu_buf_append(bytes, &byte, 1);
        }
    }
    starts[n_tokens] = bytes->n;
    for (uint32_t t = 0; t < n_tokens; t++) {
        tokens[t] = (mu_token_bytes){bytes->data + starts[t], starts[t + 1] - starts[t]};
    }
    mu_map_close(&map);
    return !bytes->failed;
}

static void make_vocabulary(const char *text, size_t n, mu_buf *bytes) {
    static char every_byte[256];
    for (uint32_t b = 0; b < 256; b++) {
        every_byte[b] = (char)b;
        tokens[n_tokens++] = (mu_token_bytes){&every_byte[b], 1};
    }
    for (size_t at = 0, k = 2; at + 12 < n && n_tokens < 64000; at += k, k = k % 9 + 2) {
        tokens[n_tokens++] = (mu_token_bytes){text + at, k};
    }
    static size_t starts[64001];
    uint32_t first = n_tokens;
    for (uint32_t i = 0; i < 64000; i++) {
        starts[i] = bytes->n;
        mu_buf_printf(bytes, "%s%x", i % 2 ? " w" : "z", i * 7919u);
    }
    starts[64000] = bytes->n;
    for (uint32_t i = 0; i < 64000; i++) {
        tokens[n_tokens++] = (mu_token_bytes){bytes->data + starts[i], starts[i + 1] - starts[i]};
    }
    MU_ASSERT(n_tokens == first + 64000);
}

/* CPU time of this thread: what else runs on the machine does not count. */
static uint64_t now_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static double us_since(uint64_t start_ns) {
    return (double)(now_ns() - start_ns) / 1000;
}

static void read_instance(mu_token_trie *trie, mu_grammar *grammar, const char *text,
                          uint64_t *mask) {
    mu_matcher matcher;
    mu_matcher_init(&matcher, grammar);
    while (*text) {
        mu_token token = mu_token_trie_longest(trie, text, strlen(text));
        if (token == MU_TOKEN_NONE) return;
        uint64_t start = now_ns();
        mu_matcher_mask(&matcher, mask);
        if (n_masks < TIMES_MAX) mask_us[n_masks++] = us_since(start);
        if (!mu_matcher_take(&matcher, tokens[token].data, tokens[token].n)) {
            n_refused++;
            return;
        }
        text += tokens[token].n;
    }
}

static void measure(mu_token_trie *trie, const json_t *line, uint64_t *mask) {
    mu_grammar_spec spec = {.kind = MU_GRAMMAR_JSON_SCHEMA,
                            .schema = json_object_get(line, "schema")};
    mu_grammar *grammar = NULL;
    uint64_t start = now_ns();
    if (mu_grammar_compile(&spec, trie, &grammar, NULL) != MU_OK) {
        n_failed++;
        return;
    }
    if (n_compiles < TIMES_MAX) compile_us[n_compiles++] = us_since(start);
    const json_t *tests = json_object_get(line, "tests");
    for (size_t i = 0; i < json_array_size(tests); i++) {
        const json_t *test = json_array_get(tests, i);
        if (!json_is_true(json_object_get(test, "valid"))) continue;
        char *text =
            json_dumps(json_object_get(test, "data"), JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
        if (text) read_instance(trie, grammar, text, mask);
        mu_free(text);
    }
    mu_grammar_unref(grammar);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_times(const char *name, double *times, size_t n) {
    qsort(times, n, sizeof(*times), by_value);
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += times[i];
    }
    printf("\"%s_us\": {\"n\": %zu, \"p50\": %.2f, \"p95\": %.2f, \"p99\": %.2f, \"max\": %.1f, "
           "\"mean\": %.2f}, ",
           name, n, times[n / 2], times[n * 95 / 100], times[n * 99 / 100], times[n - 1],
           sum / (double)n);
}

int main(int argc, char **argv) {
    mu_map map;
    mu_buf bytes = {0};
    json_set_alloc_funcs(mu_alloc, mu_free);
    if (argc < 2 || mu_map_open(argv[1], &map, NULL) != MU_OK) {
        fprintf(stderr, "usage: mask_speed SCHEMAS.jsonl [VOCABULARY [STRIDE]]\n");
        return 2;
    }
    const char *text = (const char *)map.data;
    if (argc > 2 && !read_vocabulary(argv[2], &bytes)) return 1;
    if (argc == 2) make_vocabulary(text, map.size, &bytes);
    mu_token_trie *trie = NULL;
    uint64_t start = now_ns();
    if (mu_token_trie_open(tokens, n_tokens, &trie, NULL) != MU_OK) return 1;
    double trie_us = us_since(start);
    uint64_t *mask = MU_ALLOC(uint64_t, trie->n_words);
    long stride = argc > 3 ? strtol(argv[3], NULL, 10) : 1, n_lines = 0;
    for (size_t at = 0; mask && at < map.size;) {
        const char *end = memchr(text + at, '\n', map.size - at);
        size_t n = end ? (size_t)(end - text) - at : map.size - at;
        bool is_due = stride > 0 && n_lines++ % stride == 0;
        json_t *line = is_due ? json_loadb(text + at, n, JSON_DECODE_ANY, NULL) : NULL;
        if (line) measure(trie, line, mask);
        json_decref(line);
        at += n + 1;
    }
    printf("{\"vocabulary\": %u, \"tree_us\": %.0f, ", n_tokens, trie_us);
    if (n_compiles > 0) print_times("compile", compile_us, n_compiles);
    if (n_masks > 0) print_times("mask", mask_us, n_masks);
    printf("\"not_compiled\": %zu, \"refused\": %zu}\n", n_failed, n_refused);
    mu_free(mask);
    mu_token_trie_unref(trie);
    mu_buf_deinit(&bytes);
    mu_map_close(&map);
    return 0;
}
