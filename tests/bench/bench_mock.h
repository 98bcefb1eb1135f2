/* bench_mock.h - what tests of the load against the truth server share: a mock, a target that was
 * probed, a load of requests that can be told apart.
 *
 * Requests are matched with the mock's records by their number of prompt tokens: request i of a
 * load has PROMPT_BASE + i.
 */
#ifndef MU_TESTS_BENCH_MOCK_H
#define MU_TESTS_BENCH_MOCK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bench/load/load.h"
#include "bench/mock/mock.h"

enum { PROMPT_BASE = 100, RECORDS_MAX = 4096 };

typedef struct bench {
    mu_mock *mock;
    mu_target *target;
    mu_schedule *schedule;
    mu_prompts prompts;
    mu_load_options options;
    mu_load_result result;
} bench;

static inline void bench_open(bench *b, const mu_mock_options *mock, bool use_chat) {
    mu_err err = {0};
    *b = (bench){0};
    char url[64];
    if (mu_mock_open(mock, &b->mock, &err) != MU_OK) fail_msg("%s", err.text);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", mu_mock_port(b->mock));
    mu_target_options options = {.url = url, .use_chat = use_chat, .vocab_size = 50257};
    mu_status status = mu_target_open(&options, &b->target, &err);
    if (status == MU_OK) status = mu_target_probe(b->target, &err);
    if (status != MU_OK) fail_msg("%s", err.text);
    mu_mock_reset(b->mock);
    b->prompts = mu_target_prompts(b->target, 1, 1);
    b->options = (mu_load_options){
        .target = b->target, .prompts = &b->prompts, .n_clients = 1, .timeout_s = 30, .poll_ms = 5};
}

/* n requests of n_output tokens whose prompts all differ in length; per_s 0: all due at once. */
static inline void bench_schedule(bench *b, uint32_t n, uint32_t n_output, double per_s) {
    char path[] = "/tmp/muai-bench-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    assert_non_null(file);
    for (uint32_t i = 0; i < n; i++) {
        fprintf(file, "%.6f %u %u\n", per_s > 0 ? i / per_s : 0, PROMPT_BASE + i, n_output);
    }
    fclose(file);
    mu_schedule_options o = {.arrivals = {.kind = MU_ARRIVAL_TRACE, .trace_path = path}};
    mu_err err = {0};
    if (mu_schedule_open(&o, &b->schedule, &err) != MU_OK) fail_msg("%s", err.text);
    unlink(path);
    b->options.schedule = b->schedule;
}

static inline void bench_run(bench *b) {
    mu_err err = {0};
    if (mu_load_run(&b->options, &b->result, &err) != MU_OK) fail_msg("%s", err.text);
}

/* What the mock did for this record; false when it does not know the request. */
static inline bool bench_truth(bench *b, const mu_record *r, mu_mock_request *out) {
    static mu_mock_request all[RECORDS_MAX];
    uint32_t n = mu_mock_copy_requests(b->mock, 0, all, RECORDS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        if (all[i].n_prompt != r->prompt_tokens_wanted) continue;
        *out = all[i];
        return true;
    }
    return false;
}

static inline void bench_close(bench *b) {
    mu_load_result_deinit(&b->result);
    mu_schedule_close(b->schedule);
    mu_target_close(b->target);
    mu_mock_close(b->mock);
}

#endif
