/* What the truth server does wrong, or differently from others, is counted as what it is. */
#include "tests/bench/bench_mock.h"

enum { N = 40, EVERY = 20, OUTPUT = 8 };

static mu_mock_options fast(void) {
    mu_mock_options o = mu_mock_options_default();
    o.ttft.mean_ms = 1;
    o.itl.mean_ms = 0;
    return o;
}

static const struct {
    mu_mock_fault fault;
    uint32_t error_status;
    mu_failure failure;
} faults[] = {
    {MU_MOCK_HTTP_ERROR, 503, MU_FAILURE_HTTP_5XX},
    {MU_MOCK_HTTP_ERROR, 429, MU_FAILURE_HTTP_4XX},
    {MU_MOCK_STREAM_ERROR, 503, MU_FAILURE_STREAM_ERROR},
    {MU_MOCK_TRUNCATED, 503, MU_FAILURE_TRUNCATED},
    {MU_MOCK_NO_DONE, 503, MU_FAILURE_TRUNCATED},
    {MU_MOCK_SHORT, 503, MU_FAILURE_WRONG_LENGTH},
    {MU_MOCK_BAD_JSON, 503, MU_FAILURE_INVALID_JSON},
    {MU_MOCK_BAD_UTF8, 503, MU_FAILURE_INVALID_UTF8},
};

/* Every 20th of 40 requests has the fault; the probe has sent fewer than 20 before. */
static void every_fault_is_its_class(void **state) {
    (void)state;
    for (size_t i = 0; i < MU_COUNTOF(faults); i++) {
        mu_mock_options mock = fast();
        mock.fault_every[faults[i].fault] = EVERY;
        mock.error_status = faults[i].error_status;
        bench b;
        bench_open(&b, &mock, false);
        bench_schedule(&b, N, OUTPUT, 0);
        b.options.in_flight_max = 4;
        bench_run(&b);
        const mu_records *r = &b.result.records;
        if (r->n_by_failure[faults[i].failure] != N / EVERY ||
            r->n_by_failure[MU_FAILURE_NONE] != N - N / EVERY) {
            fail_msg("%s: %lu of them, %lu fine", mu_mock_fault_name(faults[i].fault),
                     (unsigned long)r->n_by_failure[faults[i].failure],
                     (unsigned long)r->n_by_failure[MU_FAILURE_NONE]);
        }
        assert_true(r->first_message[faults[i].failure][0] != '\0');
        bench_close(&b);
    }
}

static void another_text_has_another_hash(void **state) {
    (void)state;
    mu_mock_options mock = fast();
    mock.fault_every[MU_MOCK_OTHER_TEXT] = EVERY;
    bench b;
    bench_open(&b, &mock, false);
    bench_schedule(&b, N, OUTPUT, 0);
    b.options.in_flight_max = 1;
    bench_run(&b);
    const mu_record *r = b.result.records.records;
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(r[i].failure, MU_FAILURE_NONE);
        assert_int_equal(r[i].text_hash != r[0].text_hash, i % EVERY == EVERY - 1);
    }
    bench_close(&b);
}

static void one_run(bench *b, const mu_mock_options *mock, bool use_chat, uint32_t n_output) {
    bench_open(b, mock, use_chat);
    bench_schedule(b, 4, n_output, 0);
    b->options.in_flight_max = 1;
    bench_run(b);
    assert_int_equal(b->result.records.n_by_failure[MU_FAILURE_NONE], 4);
}

static void coalesced_chunks_are_censored(void **state) {
    (void)state;
    mu_mock_options mock = fast();
    mock.itl.mean_ms = 2;
    mock.coalesce = 4;
    bench b;
    one_run(&b, &mock, false, 16);
    for (size_t i = 0; i < 4; i++) {
        const mu_record *r = &b.result.records.records[i];
        assert_int_equal(r->n_chunks, 16);
        assert_in_range(r->n_coalesced, 12, 15); /* four writes, if none of them met */
        uint32_t n_marked = 0;
        for (uint32_t k = 0; k < r->n_gaps; k++) {
            n_marked += b.result.records.gaps[r->gap_first + k].flags & MU_GAP_COALESCED;
        }
        assert_int_equal(n_marked, r->n_coalesced);
    }
    bench_close(&b);
}

static void the_role_is_no_token(void **state) {
    (void)state;
    mu_mock_options mock = fast();
    mock.ttft.mean_ms = 50;
    bench b;
    one_run(&b, &mock, true, 4);
    assert_true(mu_target_info_of(b.target)->chat);
    for (size_t i = 0; i < 4; i++) {
        const mu_record *r = &b.result.records.records[i];
        assert_true(r->first_token_ns - r->dispatch_ns >= 49000000);
        assert_true(r->first_byte_ns < r->first_token_ns);
        assert_int_equal(r->n_chunks, 4);
    }
    bench_close(&b);
}

static void reasoning_is_a_token_but_not_visible(void **state) {
    (void)state;
    mu_mock_options mock = fast();
    mock.itl.mean_ms = 25; /* three of them, less what the first may be late */
    mock.reasoning_tokens = 3;
    bench b;
    one_run(&b, &mock, true, 8);
    for (size_t i = 0; i < 4; i++) {
        const mu_record *r = &b.result.records.records[i];
        assert_int_equal(r->output_tokens, 8);
        assert_true(r->first_content_ns - r->first_token_ns >= 25000000);
    }
    bench_close(&b);
}

static void usage_behind_the_last_token_is_not_its_time(void **state) {
    (void)state;
    mu_mock_options mock = fast();
    mock.tail_ms = 200;
    bench b;
    one_run(&b, &mock, false, 4);
    for (size_t i = 0; i < 4; i++) {
        const mu_record *r = &b.result.records.records[i];
        assert_true(r->end_ns - r->last_token_ns >= 100000000);
    }
    bench_close(&b);
}

static const struct {
    const char *what;
    mu_mock_usage usage;
    uint32_t tokens_per_chunk;
    mu_token_source source;
    uint32_t first_chunk_tokens;
} counts[] = {
    {"usage in chunks", MU_MOCK_USAGE_ASKED, 1, MU_TOKEN_SOURCE_USAGE_CHUNK, 1},
    {"usage in chunks of four", MU_MOCK_USAGE_ASKED, 4, MU_TOKEN_SOURCE_USAGE_CHUNK, 4},
};

static void tokens_of_chunks_are_counted(void **state) {
    (void)state;
    for (size_t i = 0; i < MU_COUNTOF(counts); i++) {
        mu_mock_options mock = fast();
        mock.usage = counts[i].usage;
        mock.tokens_per_chunk = counts[i].tokens_per_chunk;
        bench b;
        one_run(&b, &mock, false, 16);
        assert_int_equal(mu_target_info_of(b.target)->token_source, counts[i].source);
        const mu_record *r = b.result.records.records;
        assert_int_equal(r->output_tokens, 16);
        assert_int_equal(r->n_chunks, 16 / counts[i].tokens_per_chunk);
        assert_int_equal(r->first_chunk_tokens, counts[i].first_chunk_tokens);
        assert_int_equal(r->prompt_tokens, r->prompt_tokens_wanted);
        bench_close(&b);
    }
}

static void whole_answers_have_no_ttft(void **state) {
    (void)state;
    mu_mock_options mock = fast();
    bench b;
    bench_open(&b, &mock, false);
    bench_schedule(&b, 4, 8, 0);
    b.options.no_stream = true;
    bench_run(&b);
    for (size_t i = 0; i < 4; i++) {
        const mu_record *r = &b.result.records.records[i];
        assert_int_equal(r->failure, MU_FAILURE_NONE);
        assert_int_equal(r->output_tokens, 8);
        assert_true(!r->is_stream && r->first_token_ns == 0 && r->last_token_ns == 0);
    }
    bench_close(&b);
}

static bool stop_at_30(void *ctx, const mu_load_snapshot *snapshot, const mu_records *records) {
    uint32_t *n_calls = ctx;
    ++*n_calls;
    return snapshot->measured_ns > 0 && records->n_records >= 30;
}

/* A closed loop is warmed up, measured and stopped by its owner without a pause in between. */
static void warm_up_is_handed_over(void **state) {
    (void)state;
    mu_mock_options mock = fast();
    mock.ttft.mean_ms = 5;
    bench b;
    bench_open(&b, &mock, false);
    mu_shape shape = {"", 16, 4};
    mu_schedule_options o = {.shapes = &shape, .n_shapes = 1};
    assert_int_equal(mu_schedule_open(&o, &b.schedule, NULL), MU_OK);
    uint32_t n_calls = 0;
    b.options.schedule = b.schedule;
    b.options.n_clients = 4;
    b.options.n_warmup = 8;
    b.options.stop = stop_at_30;
    b.options.stop_ctx = &n_calls;
    bench_run(&b);
    assert_int_equal(b.result.end, MU_LOAD_END_STOP);
    assert_true(n_calls > 0 && b.result.n_connections == 4 && b.result.in_flight_peak == 4);
    assert_true(b.result.boundary_ns > b.result.start_ns);
    uint32_t n_warmup = 0, n_drained = 0;
    for (size_t i = 0; i < b.result.records.n_records; i++) {
        const mu_record *r = &b.result.records.records[i];
        assert_int_equal(r->failure, MU_FAILURE_NONE);
        n_warmup += r->is_warmup;
        n_drained += r->is_drained;
        assert_true(r->is_warmup == (r->dispatch_ns < b.result.boundary_ns));
    }
    assert_in_range(n_warmup, 8, 12); /* eight have ended, up to four were in flight */
    assert_in_range(n_drained, 1, 4);
    bench_close(&b);
}

static void prompts_are_verified(void **state) {
    (void)state;
    mu_mock_options mock = fast();
    bench b;
    bench_open(&b, &mock, false);
    mu_shape shape = {"", 300, 8};
    mu_target_check check;
    assert_int_equal(mu_target_verify(b.target, &b.prompts, &shape, &check, NULL), MU_OK);
    assert_true(check.n == 3 && check.prompt_error <= 0.0 && check.n_output_wrong == 0);
    mu_prompts wrong = b.prompts;
    wrong.kind = MU_PROMPT_TEXT;
    wrong.word_tokens = 0.9; /* a tenth more words than tokens */
    mu_err err = {0};
    assert_int_equal(mu_target_verify(b.target, &wrong, &shape, &check, &err), MU_ERR_LIMIT);
    assert_true(check.prompt_error > 0.05 && err.text[0] != '\0');
    bench_close(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fault_is_its_class),
        cmocka_unit_test(another_text_has_another_hash),
        cmocka_unit_test(coalesced_chunks_are_censored),
        cmocka_unit_test(the_role_is_no_token),
        cmocka_unit_test(reasoning_is_a_token_but_not_visible),
        cmocka_unit_test(usage_behind_the_last_token_is_not_its_time),
        cmocka_unit_test(tokens_of_chunks_are_counted),
        cmocka_unit_test(whole_answers_have_no_ttft),
        cmocka_unit_test(warm_up_is_handed_over),
        cmocka_unit_test(prompts_are_verified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
