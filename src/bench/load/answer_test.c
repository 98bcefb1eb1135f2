/* Answers fed by hand: which chunk is the first token, how tokens are counted, what is a failure.
 * Instants are chosen, so that every field of the record is known.
 */
#include "bench/load/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

#define EVENT(json) "data: " json "\n\n"
#define TEXT(text)  EVENT("{\"choices\":[{\"text\":\"" text "\"}]}")
#define COUNTED(text, n) \
    EVENT("{\"choices\":[{\"text\":\"" text "\"}],\"usage\":{\"completion_tokens\":" #n "}}")
#define DELTA(fields) EVENT("{\"choices\":[{\"delta\":{" fields "}}]}")
#define END(reason)   EVENT("{\"choices\":[{\"text\":\"\",\"finish_reason\":\"" reason "\"}]}")
#define USAGE(n)      EVENT("{\"choices\":[],\"usage\":{\"completion_tokens\":" #n "}}")
#define DONE          "data: [DONE]\n\n"

enum { PIECES_MAX = 10, UNKNOWN = -1 };

static const mu_scheduled four = {.prompt_tokens = 16, .output_tokens = 4, .index = 3};

/* Piece i arrives at 100, 200, ... as receive i + 1; a piece that begins with '+' came with the
 * receive before it. */
static void feed(mu_answer *a, const char *const *pieces) {
    uint64_t receive = 0;
    for (size_t i = 0; i < PIECES_MAX && pieces[i]; i++) {
        bool joined = pieces[i][0] == '+';
        receive += !joined;
        mu_answer_feed(a, pieces[i] + joined, strlen(pieces[i]) - joined, receive * 100, receive);
    }
}

static void begin(mu_answer *a, mu_answer_options options, uint16_t status, bool is_stream) {
    assert_true(mu_answer_begin(a, &options, &four, 10));
    a->record.dispatch_ns = 20;
    mu_answer_head(a, status, is_stream);
}

static const struct {
    const char *what;
    const char *pieces[PIECES_MAX];
    mu_answer_options options;
    mu_failure failure;
    uint64_t first, content, second, last, end;
    int n_chunks, output_tokens, first_chunk_tokens, n_coalesced;
    mu_token_source source;
} rows[] = {
    {"one token a chunk, usage last",
     {TEXT("a"), TEXT("b"), TEXT("c"), TEXT("d"), END("length"), USAGE(4), DONE},
     {.needs_exact = true},
     MU_FAILURE_NONE,
     100,
     100,
     200,
     400,
     700,
     4,
     4,
     1,
     0,
     MU_TOKEN_SOURCE_USAGE_ONE},
    {"several tokens a chunk, usage last",
     {TEXT("ab"), TEXT("cd"), END("length"), USAGE(4), DONE},
     {.needs_exact = true},
     MU_FAILURE_NONE,
     100,
     100,
     200,
     200,
     500,
     2,
     4,
     UNKNOWN,
     0,
     MU_TOKEN_SOURCE_USAGE},
    {"usage in every chunk",
     {COUNTED("ab", 2), COUNTED("c", 3), COUNTED("d", 4), END("length"), USAGE(4), DONE},
     {.needs_exact = true},
     MU_FAILURE_NONE,
     100,
     100,
     200,
     300,
     600,
     3,
     4,
     2,
     0,
     MU_TOKEN_SOURCE_USAGE_CHUNK},
    {"role first",
     {DELTA("\"role\":\"assistant\",\"content\":\"\""), DELTA("\"content\":\"a\""),
      DELTA("\"content\":\"b\""), END("stop"), DONE},
     {0},
     MU_FAILURE_NONE,
     200,
     200,
     300,
     300,
     500,
     2,
     2,
     UNKNOWN,
     0,
     MU_TOKEN_SOURCE_CHUNKS},
    {"role first with usage of nothing",
     {EVENT("{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}],\"usage\":{"
            "\"completion_tokens\":0}}"),
      COUNTED("a", 1), DONE},
     {0},
     MU_FAILURE_NONE,
     200,
     200,
     0,
     200,
     300,
     1,
     1,
     1,
     0,
     MU_TOKEN_SOURCE_USAGE_CHUNK},
    {"reasoning first",
     {DELTA("\"reasoning_content\":\"h\""), DELTA("\"reasoning\":\"m\""),
      DELTA("\"content\":\"a\""), END("stop"), DONE},
     {0},
     MU_FAILURE_NONE,
     100,
     300,
     200,
     300,
     500,
     3,
     3,
     UNKNOWN,
     0,
     MU_TOKEN_SOURCE_CHUNKS},
    {"only reasoning has no visible content",
     {DELTA("\"reasoning\":\"h\""), END("length"), DONE},
     {0},
     MU_FAILURE_NONE,
     100,
     0,
     0,
     100,
     300,
     1,
     1,
     UNKNOWN,
     0,
     MU_TOKEN_SOURCE_CHUNKS},
    {"a token whose text is not out yet",
     {COUNTED("", 1), COUNTED("ab", 2), DONE},
     {0},
     MU_FAILURE_NONE,
     100,
     200,
     200,
     200,
     300,
     2,
     2,
     1,
     0,
     MU_TOKEN_SOURCE_USAGE_CHUNK},
    {"end of text is a token and comes with the end",
     {COUNTED("a", 1),
      EVENT("{\"choices\":[{\"text\":\"\",\"finish_reason\":\"stop\"}],\"usage\":{\"completion_"
            "tokens\":2}}"),
      DONE},
     {0},
     MU_FAILURE_NONE,
     100,
     100,
     200,
     200,
     300,
     2,
     2,
     1,
     0,
     MU_TOKEN_SOURCE_USAGE_CHUNK},
    {"a count that comes with the end alone is of everything",
     {TEXT("ab"),
      EVENT("{\"choices\":[{\"text\":\"\",\"finish_reason\":\"stop\"}],\"usage\":{\"completion_"
            "tokens\":4}}"),
      DONE},
     {0},
     MU_FAILURE_NONE,
     100,
     100,
     0,
     100,
     300,
     1,
     4,
     UNKNOWN,
     0,
     MU_TOKEN_SOURCE_USAGE},
    {"tokens without text from a server that counts in every chunk",
     {EVENT("{\"choices\":[{\"text\":\"\",\"finish_reason\":\"length\"}],\"usage\":{\"completion_"
            "tokens\":4}}"),
      USAGE(4), DONE},
     {.counts_chunks = true, .needs_exact = true},
     MU_FAILURE_NONE,
     100,
     0,
     0,
     100,
     300,
     1,
     4,
     4,
     0,
     MU_TOKEN_SOURCE_USAGE_CHUNK},
    {"token ids",
     {EVENT("{\"choices\":[{\"text\":\"a\",\"token_ids\":[1,2]}]}"),
      EVENT("{\"choices\":[{\"text\":\"\",\"token_ids\":[3]}]}"),
      EVENT("{\"choices\":[{\"text\":\"b\",\"token_ids\":[4],\"finish_reason\":\"length\"}]}"),
      DONE},
     {.needs_exact = true},
     MU_FAILURE_NONE,
     100,
     100,
     200,
     300,
     400,
     3,
     4,
     2,
     0,
     MU_TOKEN_SOURCE_IDS},
    {"timings, and usage with the end",
     {EVENT("{\"choices\":[{\"text\":\"a\"}],\"timings\":{\"predicted_n\":1}}"),
      EVENT("{\"choices\":[{\"text\":\"b\"}],\"timings\":{\"predicted_n\":4}}"),
      EVENT("{\"choices\":[{\"text\":\"\",\"finish_reason\":\"length\"}],\"usage\":"
            "{\"completion_tokens\":4},\"timings\":{\"predicted_n\":4}}"),
      DONE},
     {.needs_exact = true},
     MU_FAILURE_NONE,
     100,
     100,
     200,
     200,
     400,
     2,
     4,
     1,
     0,
     MU_TOKEN_SOURCE_TIMINGS},
    {"timings",
     {EVENT("{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"timings\":{\"predicted_n\":1}}"),
      EVENT("{\"choices\":[{\"delta\":{\"content\":\"b\"}}],\"timings\":{\"predicted_n\":4}}"),
      DONE},
     {.needs_exact = true},
     MU_FAILURE_NONE,
     100,
     100,
     200,
     200,
     300,
     2,
     4,
     1,
     0,
     MU_TOKEN_SOURCE_TIMINGS},
    {"coalesced chunks",
     {COUNTED("a", 1) COUNTED("b", 2), "+" COUNTED("c", 3), COUNTED("d", 4), DONE},
     {0},
     MU_FAILURE_NONE,
     100,
     100,
     100,
     200,
     300,
     4,
     4,
     1,
     2,
     MU_TOKEN_SOURCE_USAGE_CHUNK},
    {"an event over two receives arrives with the second",
     {"data: {\"choices\":[{\"te", "xt\":\"a\"}]}\n", "\n" TEXT("b") DONE},
     {0},
     MU_FAILURE_NONE,
     300,
     300,
     300,
     300,
     300,
     2,
     2,
     UNKNOWN,
     1,
     MU_TOKEN_SOURCE_CHUNKS},
    {"comments are nothing",
     {": ping\n\n", ": ping\n\n", TEXT("a"), DONE},
     {0},
     MU_FAILURE_NONE,
     300,
     300,
     0,
     300,
     400,
     1,
     1,
     UNKNOWN,
     0,
     MU_TOKEN_SOURCE_CHUNKS},
    {"error in the stream",
     {TEXT("a"), EVENT("{\"error\":{\"message\":\"lost\"}}"), DONE},
     {0},
     MU_FAILURE_STREAM_ERROR,
     100,
     100,
     0,
     100,
     300,
     1,
     1,
     UNKNOWN,
     0,
     MU_TOKEN_SOURCE_CHUNKS},
    {"no [DONE], no end",
     {TEXT("a"), TEXT("b")},
     {0},
     MU_FAILURE_TRUNCATED,
     100,
     100,
     200,
     200,
     5000,
     2,
     2,
     UNKNOWN,
     0,
     MU_TOKEN_SOURCE_CHUNKS},
    {"no [DONE] where none is sent",
     {TEXT("a"), END("stop")},
     {0},
     MU_FAILURE_NONE,
     100,
     100,
     0,
     100,
     5000,
     1,
     1,
     UNKNOWN,
     0,
     MU_TOKEN_SOURCE_CHUNKS},
    {"no [DONE] where one is sent",
     {TEXT("a"), END("stop")},
     {.needs_done = true},
     MU_FAILURE_TRUNCATED,
     100,
     100,
     0,
     100,
     5000,
     1,
     1,
     UNKNOWN,
     0,
     MU_TOKEN_SOURCE_CHUNKS},
    {"half an event at the end",
     {TEXT("a") END("stop"), "data: {"},
     {0},
     MU_FAILURE_TRUNCATED,
     100,
     100,
     0,
     100,
     5000,
     1,
     1,
     UNKNOWN,
     0,
     MU_TOKEN_SOURCE_CHUNKS},
    {"no token at all",
     {DELTA("\"role\":\"assistant\""), END("stop"), DONE},
     {0},
     MU_FAILURE_WRONG_LENGTH,
     0,
     0,
     0,
     0,
     300,
     0,
     0,
     UNKNOWN,
     0,
     MU_TOKEN_SOURCE_NONE},
    {"too short",
     {COUNTED("a", 1), END("stop"), DONE},
     {.needs_exact = true},
     MU_FAILURE_WRONG_LENGTH,
     100,
     100,
     0,
     100,
     300,
     1,
     1,
     1,
     0,
     MU_TOKEN_SOURCE_USAGE_CHUNK},
    {"too short, but nothing was promised",
     {COUNTED("a", 1), END("stop"), DONE},
     {0},
     MU_FAILURE_NONE,
     100,
     100,
     0,
     100,
     300,
     1,
     1,
     1,
     0,
     MU_TOKEN_SOURCE_USAGE_CHUNK},
    {"an estimate does not prove a wrong length",
     {TEXT("a"), END("stop"), DONE},
     {.needs_exact = true},
     MU_FAILURE_NONE,
     100,
     100,
     0,
     100,
     300,
     1,
     1,
     UNKNOWN,
     0,
     MU_TOKEN_SOURCE_CHUNKS},
    {"not JSON",
     {TEXT("a"), EVENT("{\"choices\":["), TEXT("b"), DONE},
     {0},
     MU_FAILURE_INVALID_JSON,
     100,
     100,
     300,
     300,
     400,
     2,
     2,
     UNKNOWN,
     0,
     MU_TOKEN_SOURCE_CHUNKS},
    {"not UTF-8",
     {TEXT("a"), TEXT("\xff"), DONE},
     {0},
     MU_FAILURE_INVALID_UTF8,
     100,
     100,
     0,
     100,
     300,
     1,
     1,
     UNKNOWN,
     0,
     MU_TOKEN_SOURCE_CHUNKS},
    {"nothing behind [DONE] counts",
     {TEXT("a"), DONE, TEXT("b"), EVENT("garbage")},
     {0},
     MU_FAILURE_NONE,
     100,
     100,
     0,
     100,
     200,
     1,
     1,
     UNKNOWN,
     0,
     MU_TOKEN_SOURCE_CHUNKS},
};

static int known(uint32_t tokens) {
    return tokens == MU_TOKENS_UNKNOWN ? UNKNOWN : (int)tokens;
}

static void streams_become_records(void **state) {
    (void)state;
    mu_answer a = {0}; /* one for all: nothing may stay from the answer before */
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_answer_options options = rows[i].options;
        options.wants_stream = true;
        begin(&a, options, 200, true);
        feed(&a, rows[i].pieces);
        mu_answer_end(&a, MU_FAILURE_NONE, "", 5000);
        const mu_record *r = &a.record;
        if (r->failure != rows[i].failure || r->first_token_ns != rows[i].first ||
            r->first_content_ns != rows[i].content || r->second_chunk_ns != rows[i].second ||
            r->last_token_ns != rows[i].last || r->end_ns != rows[i].end ||
            (int)r->n_chunks != rows[i].n_chunks ||
            known(r->output_tokens) != rows[i].output_tokens ||
            known(r->first_chunk_tokens) != rows[i].first_chunk_tokens ||
            (int)r->n_coalesced != rows[i].n_coalesced || r->token_source != rows[i].source) {
            fail_msg("%s: %s, %s", rows[i].what, mu_failure_name((mu_failure)r->failure),
                     a.message);
        }
        assert_int_equal(r->n_gaps, r->n_chunks > 0 ? r->n_chunks - 1 : 0);
        assert_true((a.message[0] != '\0') == (r->failure != MU_FAILURE_NONE));
        assert_int_equal(r->intended_ns, 10);
        assert_int_equal(r->index, 3);
    }
    mu_answer_deinit(&a);
}

static void gaps_are_between_chunks(void **state) {
    (void)state;
    static const char *const pieces[] = {COUNTED("a", 1) COUNTED("b", 2),
                                         ": ping\n\n",
                                         COUNTED("cde", 5),
                                         COUNTED("f", 6),
                                         DONE,
                                         NULL};
    mu_answer a = {0};
    begin(&a, (mu_answer_options){.wants_stream = true}, 200, true);
    feed(&a, pieces);
    mu_answer_end(&a, MU_FAILURE_NONE, "", 5000);
    static const mu_gap want[] = {{0, 1, MU_GAP_COALESCED}, {200, 3, 0}, {100, 1, 0}};
    assert_int_equal(a.record.n_gaps, 3);
    assert_memory_equal(a.gaps, want, sizeof(want));
    assert_int_equal(a.record.gap_max_ns, 200);
    mu_answer_deinit(&a);
}

/* Whether an answer is a stream is seen by what it says, not only by what it is called. */
static void streams_of_other_names_are_streams(void **state) {
    (void)state;
    static const struct {
        const char *what, *piece;
        uint16_t status;
        bool wants_stream, is_stream;
    } cases[] = {
        {"an event", TEXT("a") DONE, 200, true, true},
        {"a comment first", ": ping\n\n" TEXT("a") DONE, 200, true, true},
        {"a blank line first", "\r\n" TEXT("a") DONE, 200, true, true},
        {"a mark of the encoding first", "\xef\xbb\xbf" TEXT("a") DONE, 200, true, true},
        {"another field first", "event: message\n" TEXT("a") DONE, 200, true, true},
        {"a JSON object", "{\"choices\":[{\"text\":\"a\"}]}", 200, true, false},
        {"an error", TEXT("a"), 500, true, false},
        {"nobody asked for one", TEXT("a"), 200, false, false},
    };
    mu_answer a = {0};
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        begin(&a, (mu_answer_options){.wants_stream = cases[i].wants_stream}, cases[i].status,
              false);
        mu_answer_feed(&a, cases[i].piece, strlen(cases[i].piece), 100, 1);
        mu_answer_end(&a, MU_FAILURE_NONE, "", 5000);
        bool is_right = a.record.is_stream == cases[i].is_stream &&
                        a.record.n_chunks == (cases[i].is_stream ? 1 : 0);
        if (!is_right) fail_msg("%s: %u chunks", cases[i].what, a.record.n_chunks);
    }
    mu_answer_deinit(&a);
}

static void usage_is_kept(void **state) {
    (void)state;
    static const char *const pieces[] = {
        TEXT("a"),
        EVENT("{\"choices\":[],\"usage\":{\"prompt_tokens\":16,\"completion_tokens\":1,\"prompt_"
              "tokens_details\":{\"cached_tokens\":12}}}"),
        DONE, NULL};
    mu_answer a = {0};
    begin(&a, (mu_answer_options){.wants_stream = true}, 200, true);
    feed(&a, pieces);
    mu_answer_end(&a, MU_FAILURE_NONE, "", 5000);
    assert_int_equal(a.record.prompt_tokens, 16);
    assert_int_equal(a.record.cached_tokens, 12);
    assert_int_equal(a.record.output_tokens, 1);
    mu_answer_deinit(&a);
}

static const struct {
    const char *what, *body;
    uint16_t status;
    mu_failure failure;
    int output_tokens;
    const char *says;
} wholes[] = {
    {"good",
     "{\"choices\":[{\"text\":\"abcd\",\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":"
     "16,\"completion_tokens\":4}}",
     200, MU_FAILURE_NONE, 4, ""},
    {"without usage", "{\"choices\":[{\"message\":{\"content\":\"abcd\"}}]}", 200, MU_FAILURE_NONE,
     UNKNOWN, ""},
    {"empty", "{\"choices\":[{\"text\":\"\"}]}", 200, MU_FAILURE_WRONG_LENGTH, UNKNOWN, "no token"},
    {"short", "{\"choices\":[{\"text\":\"a\"}],\"usage\":{\"completion_tokens\":1}}", 200,
     MU_FAILURE_WRONG_LENGTH, 1, "1 tokens, not the 4"},
    {"error with 200", "{\"error\":{\"message\":\"lost\"}}", 200, MU_FAILURE_STREAM_ERROR, UNKNOWN,
     "lost"},
    {"nothing", "", 200, MU_FAILURE_INVALID_JSON, UNKNOWN, "not JSON"},
    {"HTML", "<html>", 200, MU_FAILURE_INVALID_JSON, UNKNOWN, "not JSON"},
    {"429", "{\"error\":{\"message\":\"full\"}}", 429, MU_FAILURE_HTTP_4XX, UNKNOWN,
     "HTTP 429: full"},
    {"503", "busy", 503, MU_FAILURE_HTTP_5XX, UNKNOWN, "HTTP 503"},
    {"302", "", 302, MU_FAILURE_HTTP_5XX, UNKNOWN, "HTTP 302"},
};

static void whole_answers_have_no_instants_of_tokens(void **state) {
    (void)state;
    mu_answer a = {0};
    for (size_t i = 0; i < MU_COUNTOF(wholes); i++) {
        begin(&a, (mu_answer_options){.needs_exact = true}, wholes[i].status, false);
        size_t n = strlen(wholes[i].body);
        mu_answer_feed(&a, wholes[i].body, n / 2, 100, 1);
        mu_answer_feed(&a, wholes[i].body + n / 2, n - n / 2, 200, 2);
        mu_answer_end(&a, MU_FAILURE_NONE, "", 300);
        const mu_record *r = &a.record;
        if (r->failure != wholes[i].failure || known(r->output_tokens) != wholes[i].output_tokens ||
            !strstr(a.message, wholes[i].says)) {
            fail_msg("%s: %s, %s", wholes[i].what, mu_failure_name((mu_failure)r->failure),
                     a.message);
        }
        assert_true(r->first_token_ns == 0 && r->last_token_ns == 0 && r->n_chunks == 0);
        assert_true(r->first_byte_ns == 100 && r->end_ns == 300 && !r->is_stream);
    }
    mu_answer_deinit(&a);
}

static void the_first_failure_stays(void **state) {
    (void)state;
    static const struct {
        const char *pieces[PIECES_MAX];
        mu_failure transport, failure;
    } cases[] = {
        {{TEXT("a"), EVENT("{\"error\":\"lost\"}")}, MU_FAILURE_TRUNCATED, MU_FAILURE_STREAM_ERROR},
        {{TEXT("a")}, MU_FAILURE_TRUNCATED, MU_FAILURE_TRUNCATED},
        {{TEXT("a")}, MU_FAILURE_TIMEOUT, MU_FAILURE_TIMEOUT},
        {{TEXT("a"), EVENT("x"), TEXT("\xff")}, MU_FAILURE_NONE, MU_FAILURE_INVALID_JSON},
        {{TEXT("a"), DONE}, MU_FAILURE_TRUNCATED, MU_FAILURE_NONE}, /* all had been said */
        {{NULL}, MU_FAILURE_CONNECT, MU_FAILURE_CONNECT},
    };
    mu_answer a = {0};
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        begin(&a, (mu_answer_options){.wants_stream = true}, 200, true);
        feed(&a, cases[i].pieces);
        mu_answer_end(&a, cases[i].transport, "by the transport", 900);
        assert_int_equal(a.record.failure, cases[i].failure);
    }
    mu_answer_deinit(&a);
}

static void what_was_asked_for_needs_no_memory_while_it_comes(void **state) {
    (void)state;
    static const char *const warm[] = {
        TEXT("aaaaaaaa") "data: half of a line that is longer than those to come", NULL};
    static const char *const pieces[] = {
        TEXT("a"), TEXT("b"), "data: {\"choices\"", ":[{\"text\":\"c\"}]}\n\n", TEXT("d"),
        DONE,      NULL};
    mu_answer a = {0};
    begin(&a, (mu_answer_options){.wants_stream = true}, 200, true);
    feed(&a, warm);
    mu_answer_end(&a, MU_FAILURE_NONE, "", 900);
    begin(&a, (mu_answer_options){.wants_stream = true}, 200, true);
    mu_alloc_fail_after(0); /* any allocation fails from here on */
    feed(&a, pieces);
    mu_answer_end(&a, MU_FAILURE_NONE, "", 900);
    mu_alloc_fail_after(-1);
    assert_false(a.out_of_memory);
    assert_int_equal(a.record.failure, MU_FAILURE_NONE);
    assert_int_equal(a.record.n_chunks, 4);
    mu_answer_deinit(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_become_records),
        cmocka_unit_test(gaps_are_between_chunks),
        cmocka_unit_test(streams_of_other_names_are_streams),
        cmocka_unit_test(usage_is_kept),
        cmocka_unit_test(whole_answers_have_no_instants_of_tokens),
        cmocka_unit_test(the_first_failure_stays),
        cmocka_unit_test(what_was_asked_for_needs_no_memory_while_it_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
