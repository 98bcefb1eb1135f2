/* One table sets, checks and documents every option, for the command line and for suites. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/mock/mock.h"

#define AT(member) offsetof(mu_mock_options, member)

const mu_mock_option mu_mock_option_rows[] = {
    {"host", MU_MOCK_TEXT, AT(host), 0, 0, "ADDRESS", "of this machine, in numbers"},
    {"port", MU_MOCK_U32, AT(port), 0, 65535, "N", "0: any free one"},
    {"seed", MU_MOCK_U64, AT(seed), 0, 1e15, "N", "of texts and random delays"},
    {"ttft", MU_MOCK_DELAY, AT(ttft), 0, 0, "TIME",
     "to the first chunk: 50ms, exponential:50ms, lognormal:50ms:0.4"},
    {"itl", MU_MOCK_DELAY, AT(itl), 0, 0, "TIME", "between chunks, likewise"},
    {"prefill-us", MU_MOCK_F64, AT(prefill_us), 0, 1e6, "US",
     "more to the first chunk, for each prompt token"},
    {"tail-ms", MU_MOCK_F64, AT(tail_ms), 0, 1e6, "MS", "from the last token to usage and [DONE]"},
    {"late-headers", MU_MOCK_FLAG, AT(late_headers), 0, 0, NULL, "HTTP head with the first chunk"},
    {"realtime", MU_MOCK_FLAG, AT(realtime), 0, 0, NULL, "SCHED_FIFO, where that is allowed"},
    {"slots", MU_MOCK_U32, AT(n_slots), 0, 4096, "N", "requests at once, others wait; 0: all"},
    {"stall-s", MU_MOCK_F64, AT(stall_s), 0, 3600, "S", "the server stands still once, so long"},
    {"stall-after-s", MU_MOCK_F64, AT(stall_after_s), 0, 1e6, "S", "since it was opened"},
    {"stall-at-request", MU_MOCK_U32, AT(stall_at_request), 0, 1e9, "N",
     "or when this request has come"},
    {"output-tokens", MU_MOCK_U32, AT(output_tokens), 1, 1 << 20, "N",
     "where an answer ends that max_tokens does not end"},
    {"tokens-per-chunk", MU_MOCK_U32, AT(tokens_per_chunk), 1, 1024, "N", "in an event"},
    {"coalesce", MU_MOCK_U32, AT(coalesce), 1, 64, "N", "events in a write"},
    {"reasoning-tokens", MU_MOCK_U32, AT(reasoning_tokens), 0, 1 << 20, "N",
     "first tokens of a chat that are reasoning_content"},
    {"cached-percent", MU_MOCK_U32, AT(cached_percent), 0, 100, "N",
     "of prompt tokens that usage calls cached"},
    {"no-role", MU_MOCK_FLAG, AT(no_role), 0, 0, NULL,
     "chat without a first chunk of role and no content"},
    {"ping", MU_MOCK_FLAG, AT(ping), 0, 0, NULL, "a comment line before the first chunk"},
    {"continuous-usage", MU_MOCK_FLAG, AT(continuous_usage), 0, 0, NULL,
     "usage in every chunk, asked for or not"},
    {"usage", MU_MOCK_USAGE, AT(usage), 0, 0, "WHEN", "last chunk: asked, always, never"},
    {"split-us", MU_MOCK_U32, AT(split_us), 0, 1000000, "US",
     "every event in two writes so far apart, cut inside a character; 0: whole"},
#define FAULT(name, which, help) \
    { name, MU_MOCK_U32, AT(fault_every[which]), 0, 1e9, "N", "every N-th request: " help }
    FAULT("http-error-every", MU_MOCK_HTTP_ERROR, "an HTTP error"),
    FAULT("stream-error-every", MU_MOCK_STREAM_ERROR, "an error event in the stream"),
    FAULT("truncated-every", MU_MOCK_TRUNCATED, "the connection is cut"),
    FAULT("no-done-every", MU_MOCK_NO_DONE, "no [DONE]"),
    FAULT("short-every", MU_MOCK_SHORT, "half of the tokens"),
    FAULT("bad-json-every", MU_MOCK_BAD_JSON, "a chunk that is not JSON"),
    FAULT("bad-utf8-every", MU_MOCK_BAD_UTF8, "a chunk that is not UTF-8"),
    FAULT("other-text-every", MU_MOCK_OTHER_TEXT, "a chunk of another text"),
#undef FAULT
    {"fault-at", MU_MOCK_U32, AT(fault_at), 0, UINT32_MAX, "N", "chunk; default: the middle one"},
    {"error-status", MU_MOCK_U32, AT(error_status), 400, 599, "N", "of HTTP errors"},
    {"leak-mb-per-hour", MU_MOCK_F64, AT(leak_mb_per_hour), 0, 1e6, "MB", "of 1e6 bytes, by time"},
    {"leak-bytes", MU_MOCK_U64, AT(leak_bytes), 0, 1e9, "N", "lost with each request"},
    {"pool-bytes", MU_MOCK_U64, AT(pool_bytes), 0, 1e12, "N", "a pool that grows up to this"},
    {"pool-step-bytes", MU_MOCK_U64, AT(pool_step_bytes), 0, 1e9, "N", "with each request"},
    {"step-bytes", MU_MOCK_U64, AT(step_bytes), 0, 1e12, "N", "allocated once"},
    {"step-at", MU_MOCK_U32, AT(step_at), 1, 1e9, "N", "with this request"},
    {"retain-bytes", MU_MOCK_U64, AT(retain_bytes), 0, 1e9, "N",
     "freed with each request, but kept by the allocator"},
    {"records", MU_MOCK_U32, AT(n_records), 1, 1 << 20, "N", "requests whose truth is kept"},
};

const uint32_t mu_mock_n_option_rows = MU_COUNTOF(mu_mock_option_rows);

#undef AT

mu_mock_options mu_mock_options_default(void) {
    return (mu_mock_options){
        .host = "127.0.0.1",
        .seed = 1,
        .ttft = {.mean_ms = 50.0},
        .itl = {.mean_ms = 10.0},
        .output_tokens = 128,
        .tokens_per_chunk = 1,
        .coalesce = 1,
        .fault_at = UINT32_MAX,
        .error_status = 503,
        .step_at = 1,
        .n_records = 4096,
    };
}

/* "50ms" at *text; moves *text behind it. */
static bool parse_time_ms(const char **text, double *out) {
    static const struct {
        const char *unit;
        double ms;
    } units[] = {{"us", 1e-3}, {"ms", 1.0}, {"s", 1e3}};
    char *end;
    errno = 0;
    double number = strtod(*text, &end);
    if (end == *text || errno == ERANGE || !(number >= 0.0 && number < 1e9)) return false;
    for (size_t i = 0; i < MU_COUNTOF(units); i++) {
        size_t n = strlen(units[i].unit);
        if (strncmp(end, units[i].unit, n) != 0) continue;
        *out = number * units[i].ms;
        *text = end + n;
        return true;
    }
    return false;
}

mu_status mu_mock_delay_parse(const char *text, mu_mock_delay *out, mu_err *err) {
    static const char *const shapes[] = {"constant:", "exponential:", "lognormal:"};
    mu_mock_delay delay = {.shape = MU_MOCK_CONSTANT};
    const char *at = text;
    for (size_t i = 0; i < MU_COUNTOF(shapes); i++) {
        size_t n = strlen(shapes[i]);
        if (strncmp(text, shapes[i], n) != 0) continue;
        delay.shape = (mu_mock_shape)i;
        at = text + n;
    }
    bool is_good = parse_time_ms(&at, &delay.mean_ms);
    if (is_good && delay.shape == MU_MOCK_LOGNORMAL) {
        char *end = NULL;
        is_good = *at == ':';
        if (is_good) delay.sigma = strtod(at + 1, &end);
        is_good = is_good && end != at + 1 && delay.sigma >= 0.0 && delay.sigma <= 5.0;
        if (is_good) at = end;
    }
    if (!is_good || *at != '\0') {
        return mu_fail(err, MU_ERR_INVALID,
                       "\"%.60s\" is not a time such as 50ms, exponential:50ms, lognormal:50ms:0.4",
                       text);
    }
    *out = delay;
    return MU_OK;
}

static mu_status parse_number(const mu_mock_option *row, const char *text, double *out,
                              mu_err *err) {
    char *end;
    errno = 0;
    double number = strtod(text, &end);
    bool is_whole = row->kind != MU_MOCK_F64;
    if (end == text || *end != '\0' || errno == ERANGE || !isfinite(number) ||
        (is_whole && number != floor(number))) {
        return mu_fail(err, MU_ERR_INVALID, "%s: \"%.60s\" is not a %snumber", row->name, text,
                       is_whole ? "whole " : "");
    }
    double max = row->kind == MU_MOCK_FLAG ? 1 : row->max;
    if (number < row->min || number > max) {
        return mu_fail(err, MU_ERR_INVALID, "%s: %.60s is not in [%.10g, %.10g]", row->name, text,
                       row->min, max);
    }
    *out = number;
    return MU_OK;
}

static mu_status parse_usage(const mu_mock_option *row, const char *text, mu_mock_usage *out,
                             mu_err *err) {
    static const char *const names[] = {"asked", "always", "never"};
    for (size_t i = 0; i < MU_COUNTOF(names); i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *out = (mu_mock_usage)i;
        return MU_OK;
    }
    return mu_fail(err, MU_ERR_INVALID, "%s: \"%.40s\" is not one of asked, always, never",
                   row->name, text);
}

static mu_status set(const mu_mock_option *row, void *target, const char *text, mu_err *err) {
    double number = 0.0;
    mu_err inner;
    mu_status status;
    switch (row->kind) {
    case MU_MOCK_TEXT:
        *(const char **)target = text;
        return MU_OK;
    case MU_MOCK_USAGE:
        return parse_usage(row, text, target, err);
    case MU_MOCK_DELAY:
        status = mu_mock_delay_parse(text, target, &inner);
        return status == MU_OK ? MU_OK : mu_fail(err, status, "%s: %s", row->name, inner.text);
    default:
        status = parse_number(row, text, &number, err);
        if (status != MU_OK) return status;
    }
    if (row->kind == MU_MOCK_FLAG) *(bool *)target = number != 0.0;
    if (row->kind == MU_MOCK_U32) *(uint32_t *)target = (uint32_t)number;
    if (row->kind == MU_MOCK_U64) *(uint64_t *)target = (uint64_t)number;
    if (row->kind == MU_MOCK_F64) *(double *)target = number;
    return MU_OK;
}

mu_status mu_mock_option_set(mu_mock_options *options, const char *name, const char *text,
                             mu_err *err) {
    for (uint32_t i = 0; i < mu_mock_n_option_rows; i++) {
        const mu_mock_option *row = &mu_mock_option_rows[i];
        if (strcmp(row->name, name) == 0) return set(row, (char *)options + row->offset, text, err);
    }
    return mu_fail(err, MU_ERR_INVALID, "%.60s: unknown option", name);
}

const char *mu_mock_fault_name(mu_mock_fault fault) {
    static const char *const names[MU_N_MOCK_FAULTS] = {"fine",      "http_error", "stream_error",
                                                        "truncated", "no_done",    "short",
                                                        "bad_json",  "bad_utf8",   "other_text"};
    return names[fault];
}

const char *mu_mock_state_name(mu_mock_state state) {
    static const char *const names[] = {"running", "done", "left", "closed"};
    return names[state];
}
