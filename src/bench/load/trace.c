/* Traces: arrivals that somebody recorded. Every number is checked before it is believed, because
 * a trace is a file from elsewhere. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load/schedule.h"
#include "format/json.h"

enum { LINE_MAX_BYTES = 4096, SECONDS_MAX = 1000000 };

typedef struct row {
    double seconds, prompt_tokens, output_tokens;
} row;

static bool read_words(const char *line, row *out) {
    double values[3];
    const char *at = line;
    for (int i = 0; i < 3; i++) {
        char *end;
        values[i] = strtod(at, &end);
        if (end == at) return false;
        at = end;
    }
    at += strspn(at, " \t\r");
    *out = (row){values[0], values[1], values[2]};
    return *at == '\0';
}

static bool read_json(const char *line, size_t n, row *out) {
    json_t *json = NULL;
    if (mu_json_parse(line, n, &json, NULL) != MU_OK) return false;
    const json_t *seconds = json_object_get(json, "seconds"),
                 *prompt = json_object_get(json, "prompt_tokens"),
                 *output = json_object_get(json, "output_tokens");
    bool ok = json_is_number(seconds) && json_is_number(prompt) && json_is_number(output);
    if (ok) {
        *out =
            (row){json_number_value(seconds), json_number_value(prompt), json_number_value(output)};
    }
    json_decref(json);
    return ok;
}

static bool is_count(double v) {
    return v >= 1 && v <= MU_SHAPE_TOKENS_MAX && v == floor(v);
}

static mu_status read_line(const char *text, size_t n, uint32_t line_number, row *out,
                           mu_err *err) {
    char line[LINE_MAX_BYTES];
    if (n >= sizeof(line)) {
        return mu_fail(err, MU_ERR_FORMAT, "line %u: over %d bytes", line_number, LINE_MAX_BYTES);
    }
    memcpy(line, text, n);
    line[n] = '\0';
    bool ok = memchr(line, '\0', n) == NULL;
    ok = ok && (line[0] == '{' ? read_json(line, n, out) : read_words(line, out));
    if (!ok) {
        return mu_fail(err, MU_ERR_FORMAT,
                       "line %u: needs seconds, prompt_tokens and output_tokens", line_number);
    }
    if (!(out->seconds >= 0 && out->seconds <= SECONDS_MAX)) {
        return mu_fail(err, MU_ERR_FORMAT, "line %u: seconds are 0 to %d", line_number,
                       SECONDS_MAX);
    }
    if (!is_count(out->prompt_tokens) || !is_count(out->output_tokens)) {
        return mu_fail(err, MU_ERR_FORMAT, "line %u: tokens are whole numbers, 1 to %d",
                       line_number, MU_SHAPE_TOKENS_MAX);
    }
    return MU_OK;
}

static int by_time(const void *a, const void *b) {
    const mu_scheduled *x = a, *y = b;
    if (x->intended_ns != y->intended_ns) return x->intended_ns < y->intended_ns ? -1 : 1;
    return x->index < y->index ? -1 : 1; /* lines of one instant stay in order */
}

mu_status mu_trace_parse(const char *text, size_t n, mu_scheduled *out, uint32_t cap,
                         uint32_t *n_out, mu_err *err) {
    uint32_t n_rows = 0, line_number = 0;
    for (size_t at = 0; at < n;) {
        const char *newline = memchr(text + at, '\n', n - at);
        size_t end = newline ? (size_t)(newline - text) : n, start = at;
        at = end + 1;
        line_number++;
        while (start < end && strchr(" \t\r", text[start]) && text[start] != '\0') {
            start++;
        }
        if (start == end || text[start] == '#') continue;
        if (n_rows == cap) return mu_fail(err, MU_ERR_LIMIT, "over %u requests", cap);
        row r = {0};
        mu_status status = read_line(text + start, end - start, line_number, &r, err);
        if (status != MU_OK) return status;
        out[n_rows] = (mu_scheduled){.intended_ns = (uint64_t)(r.seconds * 1e9),
                                     .index = n_rows,
                                     .prompt_tokens = (uint32_t)r.prompt_tokens,
                                     .output_tokens = (uint32_t)r.output_tokens};
        n_rows++;
    }
    if (n_rows == 0) return mu_fail(err, MU_ERR_FORMAT, "has no requests");
    qsort(out, n_rows, sizeof(*out), by_time);
    for (uint32_t i = 0; i < n_rows; i++) {
        out[i].index = i;
    }
    *n_out = n_rows;
    return MU_OK;
}
