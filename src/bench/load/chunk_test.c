/* What chunks of the servers in use say. */
#include "bench/load/chunk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { NO = -1, TEXT = MU_CHANNEL_TEXT, CONTENT = MU_CHANNEL_CONTENT };
enum { REASONING = MU_CHANNEL_REASONING, TOOL = MU_CHANNEL_TOOL };

static const struct {
    const char *what, *json;
    uint32_t channels, n_choices;
    int64_t token_ids, completion, prompt, cached, predicted;
    mu_chunk_finish finish;
} rows[] = {
    {"completion", "{\"choices\":[{\"index\":0,\"text\":\" a\"}]}", TEXT, 1, NO, NO, NO, NO, NO, 0},
    {"chat", "{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}", CONTENT, 1, NO, NO, NO, NO, NO, 0},
    {"role only", "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}", 0, 1, NO,
     NO, NO, NO, NO, 0},
    {"role and null", "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null}}]}", 0, 1,
     NO, NO, NO, NO, NO, 0},
    {"reasoning_content", "{\"choices\":[{\"delta\":{\"reasoning_content\":\"h\"}}]}", REASONING, 1,
     NO, NO, NO, NO, NO, 0},
    {"reasoning", "{\"choices\":[{\"delta\":{\"content\":\"\",\"reasoning\":\"h\"}}]}", REASONING,
     1, NO, NO, NO, NO, NO, 0},
    {"tool call",
     "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":"
     "\"f\",\"arguments\":\"\"}}]}}]}",
     TOOL, 1, NO, NO, NO, NO, NO, 0},
    {"empty tool call", "{\"choices\":[{\"delta\":{\"tool_calls\":[]}}]}", 0, 1, NO, NO, NO, NO, NO,
     0},
    {"finish", "{\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}", 0, 1, NO, NO, NO, NO,
     NO, MU_CHUNK_FINISH_LENGTH},
    {"finish stop", "{\"choices\":[{\"text\":\"\",\"finish_reason\":\"stop\"}]}", 0, 1, NO, NO, NO,
     NO, NO, MU_CHUNK_FINISH_STOP},
    {"finish tools", "{\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}", 0, 1, NO,
     NO, NO, NO, NO, MU_CHUNK_FINISH_OTHER},
    {"usage only",
     "{\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":9,\"prompt_tokens_"
     "details\":{\"cached_tokens\":3}}}",
     0, 0, NO, 9, 7, 3, NO, 0},
    {"usage null", "{\"choices\":[{\"text\":\"a\"}],\"usage\":null}", TEXT, 1, NO, NO, NO, NO, NO,
     0},
    {"details null",
     "{\"choices\":[],\"usage\":{\"completion_tokens\":1,\"prompt_tokens_details\":null}}", 0, 0,
     NO, 1, NO, NO, NO, 0},
    {"token ids", "{\"choices\":[{\"text\":\"\",\"token_ids\":[5,6]}]}", 0, 1, 2, NO, NO, NO, NO,
     0},
    {"token ids null", "{\"choices\":[{\"text\":\"a\",\"token_ids\":null}]}", TEXT, 1, NO, NO, NO,
     NO, NO, 0},
    {"timings",
     "{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"timings\":{\"cache_n\":2,\"predicted_n\":4,"
     "\"predicted_ms\":1.25e2}}",
     CONTENT, 1, NO, NO, NO, 2, 4, 0},
    {"whole", "{\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}",
     CONTENT, 1, NO, NO, NO, NO, NO, MU_CHUNK_FINISH_STOP},
    {"deepseek cache", "{\"choices\":[],\"usage\":{\"prompt_cache_hit_tokens\":64}}", 0, 0, NO, NO,
     NO, 64, NO, 0},
    {"counts that are none",
     "{\"usage\":{\"prompt_tokens\":-1,\"completion_tokens\":1.5,\"prompt_tokens_details\":[]}}", 0,
     0, NO, NO, NO, NO, NO, 0},
    {"a count too large", "{\"usage\":{\"prompt_tokens\":99999999999999999999}}", 0, 0, NO, NO, NO,
     NO, NO, 0},
    {"shapes that are others'", "{\"choices\":{\"text\":\"a\"},\"usage\":3,\"timings\":[]}", 0, 0,
     NO, NO, NO, NO, NO, 0},
    {"white space", " { \"choices\" : [ { \"text\" : \"a\" } , { } ] } \r\n\t", TEXT, 2, NO, NO, NO,
     NO, NO, 0},
};

static void chunks_are_read(void **state) {
    (void)state;
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_chunk c;
        uint64_t hash = MU_TEXT_HASH_EMPTY;
        mu_chunk_verdict verdict = mu_chunk_parse(rows[i].json, strlen(rows[i].json), &c, &hash);
        if (verdict != MU_CHUNK_OK || c.channels != rows[i].channels ||
            c.n_choices != rows[i].n_choices || c.n_token_ids != rows[i].token_ids ||
            c.completion_tokens != rows[i].completion || c.prompt_tokens != rows[i].prompt ||
            c.cached_tokens != rows[i].cached || c.predicted_n != rows[i].predicted ||
            c.finish != rows[i].finish || c.is_error) {
            fail_msg("%s", rows[i].what);
        }
        assert_true((hash == MU_TEXT_HASH_EMPTY) == (c.channels == 0));
    }
}

static void errors_are_seen(void **state) {
    (void)state;
    static const struct {
        const char *json;
        bool is_error;
        const char *message;
    } errors[] = {
        {"{\"error\":{\"message\":\"no\",\"code\":500}}", true, "no"},
        {"{\"error\":\"plain\"}", true, "plain"},
        {"{\"object\":\"error\",\"message\":\"old\"}", true, "old"},
        {"{\"error\":{\"message\":null}}", true, ""},
        {"{\"error\":true}", true, ""},
        {"{\"error\":null}", false, ""},
        {"{\"error\":false}", false, ""},
        {"{\"error\":{\"message\":\"a\\nb\\u0007c \\ud83d\\ude00 \\ud83d!\"}}", true,
         "a b c \xf0\x9f\x98\x80 \xef\xbf\xbd!"},
    };
    for (size_t i = 0; i < MU_COUNTOF(errors); i++) {
        mu_chunk c;
        uint64_t hash = 1;
        assert_int_equal(mu_chunk_parse(errors[i].json, strlen(errors[i].json), &c, &hash),
                         MU_CHUNK_OK);
        assert_int_equal(c.is_error, errors[i].is_error);
        assert_string_equal(c.message, errors[i].message);
    }
    char json[1000] = "{\"error\":\"";
    for (size_t n = strlen(json); n < 900; n += 2) {
        memcpy(json + n, "\xc3\xa9\"}", 5); /* a message that is cut between characters */
    }
    mu_chunk c;
    uint64_t hash = 1;
    assert_int_equal(mu_chunk_parse(json, strlen(json), &c, &hash), MU_CHUNK_OK);
    assert_in_range(strlen(c.message), MU_CHUNK_MESSAGE_MAX - 8, MU_CHUNK_MESSAGE_MAX - 1);
    assert_int_equal(strlen(c.message) % 2, 0);
}

static void what_is_not_json_is_not_taken(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "1",
                                      "{}x",
                                      "{\"a\":}",
                                      "{\"a\" 1}",
                                      "{a:1}",
                                      "{\"a\":1,}",
                                      "{\"a\":01}",
                                      "{\"a\":1.}",
                                      "{\"a\":-}",
                                      "{\"a\":+1}",
                                      "{\"a\":.5}",
                                      "{\"a\":1e}",
                                      "{\"a\":\"\n\"}",
                                      "{\"a\":\"\\x\"}",
                                      "{\"a\":\"\\u12g4\"}",
                                      "{\"a\":\"",
                                      "{\"a\":[1 2]}",
                                      "{\"a\":[1,]}",
                                      "{\"a\":nul}",
                                      "{\"a\":tru",
                                      "{\"a\":\"\\",
                                      "{\"a\":NaN}",
                                      "data: {}"};
    for (size_t i = 0; i < MU_COUNTOF(bad); i++) {
        mu_chunk c;
        uint64_t hash = 5;
        if (mu_chunk_parse(bad[i], strlen(bad[i]), &c, &hash) != MU_CHUNK_INVALID_JSON) {
            fail_msg("taken: %s", bad[i]);
        }
        assert_int_equal(hash, 5);
    }
    static const char *const not_utf8[] = {"{\"choices\":[{\"text\":\"\xff\"}]}",
                                           "{\"a\":\"\xc3\"}", "{\"a\":\"\xed\xa0\x80\"}"};
    for (size_t i = 0; i < MU_COUNTOF(not_utf8); i++) {
        mu_chunk c;
        uint64_t hash = 5;
        assert_int_equal(mu_chunk_parse(not_utf8[i], strlen(not_utf8[i]), &c, &hash),
                         MU_CHUNK_INVALID_UTF8);
    }
}

static void depth_is_limited(void **state) {
    (void)state;
    char json[300];
    for (int depth = 63; depth < 66; depth++) {
        size_t n = 0;
        memcpy(json, "{\"a\":", 5);
        n = 5;
        memset(json + n, '[', (size_t)depth);
        memset(json + n + depth, ']', (size_t)depth);
        n += 2 * (size_t)depth;
        json[n++] = '}';
        mu_chunk c;
        uint64_t hash = 1;
        assert_int_equal(mu_chunk_parse(json, n, &c, &hash),
                         depth < 64 ? MU_CHUNK_OK : MU_CHUNK_INVALID_JSON);
    }
}

static uint64_t hash_of(const char *const *texts, size_t n) {
    uint64_t hash = MU_TEXT_HASH_EMPTY;
    for (size_t i = 0; i < n; i++) {
        mu_chunk c;
        assert_int_equal(mu_chunk_parse(texts[i], strlen(texts[i]), &c, &hash), MU_CHUNK_OK);
    }
    return hash;
}

static void text_has_one_hash_however_it_is_cut_and_escaped(void **state) {
    (void)state;
    static const char *const whole[] = {
        "{\"choices\":[{\"text\":\"h\\u00e9 \\ud83d\\ude00\\n\"},{\"text\":\"other\"}]}"};
    static const char *const cut[] = {"{\"choices\":[{\"text\":\"h\"}]}",
                                      "{\"choices\":[{\"text\":\"\"}]}",
                                      "{\"choices\":[{\"text\":\"\xc3\xa9 \"}]}",
                                      "{\"choices\":[{\"text\":\"\xf0\x9f\x98\x80\\u000a\"}]}"};
    static const char *const other[] = {"{\"choices\":[{\"text\":\"h\\u00e9 \\ud83d\\n\"}]}"};
    assert_true(hash_of(whole, 1) == hash_of(cut, 4));
    assert_true(hash_of(whole, 1) != hash_of(other, 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_read),
        cmocka_unit_test(errors_are_seen),
        cmocka_unit_test(what_is_not_json_is_not_taken),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(text_has_one_hash_however_it_is_cut_and_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
