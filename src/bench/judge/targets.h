/* targets.h - pass, fail or inconclusive: the project's own targets and those of a file.
 *
 * A target is a figure, a limit and a side. It passes only when the whole 95% interval is on the
 * right side and fails only when the whole interval is on the wrong one; anything else, and any
 * figure of an INVALID cell, is inconclusive and says why. When a cell was run several times the
 * interval is the union of those of its valid runs: all must agree.
 *
 * The built-in targets, judged for the first system of the document:
 *
 *     ttft         p95 of ttft_service_ms, 128-token prompts, 1 client          < 300 ms
 *     decode       p50 of rate_user_tok_s, 128/128 or the nearest shape         > 30 tok/s
 *     memory       peak of the whole process tree                               < 2000 MB
 *     requests     throughput of the tiny shape (6/30, 16/8), best concurrency  > 50 req/s
 *     leak         slope of memory with load                                    < 10 MB/h
 *     reliability  no failed request; a pass needs 3,000 of them                >= 99.9%
 *
 * A file of targets is JSON:
 *
 *     {"builtin": false,
 *      "targets": [{"id": "fast", "metric": "cell:throughput-c8.throughput.requests_s",
 *                   "limit": 9, "better": "higher"},
 *                  {"id": "chat-p99", "name": "Chat", "phase": "rate", "shape": "128/64",
 *                   "clients": 8, "metric": "ttft_ms", "percentile": 99, "limit": 300,
 *                   "better": "lower", "unit": "ms"}]}
 *
 * Threads: any. Memory: the caller owns what is returned.
 */
#ifndef MU_BENCH_JUDGE_TARGETS_H
#define MU_BENCH_JUDGE_TARGETS_H

#include <jansson.h>

#include "base/status.h"

enum { MU_TARGETS_MAX = 64 };

/* Exit codes of commands that judge (benchmarking.md, section 10). */
enum {
    MU_JUDGED_PASS = 0,
    MU_JUDGED_FAIL = 1,
    MU_JUDGED_INVALID = 2, /* the run itself cannot be trusted */
    MU_JUDGED_INCONCLUSIVE = 3,
    MU_JUDGED_TOOL_ERROR = 4,
};

typedef struct mu_targets mu_targets;

/* Errors name the target and the field. The caller owns *out, mu_targets_close(). */
mu_status mu_targets_parse(const char *text, size_t n, mu_targets **out, mu_err *err) MU_MUST_USE;
mu_status mu_targets_load(const char *path, mu_targets **out, mu_err *err) MU_MUST_USE;
void mu_targets_close(mu_targets *targets); /* NULL is allowed */

/* The "targets" array of muai.bench/1: the built-in ones, unless the file says "builtin": false,
 * then those of the file. targets NULL: the built-in ones. NULL when there is no memory. */
json_t *mu_targets_judge(const json_t *doc, const mu_targets *targets) MU_MUST_USE;

/* The worst verdict as an exit code: 2 when the run is invalid (it failed, its validation failed,
 * or no cell is valid), else 1 when a target failed, else 3 when one is inconclusive, else 0. */
int mu_targets_exit_code(const json_t *doc, const json_t *judged);

#endif
