/* Bytes go line by line: what is whole inside one feed is looked at where it lies, and only a line
 * that is cut is copied. A CR ends a line at once, so that an event is not held back until the next
 * byte; a LF that follows is skipped.
 */
#include "bench/load/sse.h"

#include <string.h>

void mu_sse_init(mu_sse *sse) {
    mu_buf_clear(&sse->data);
    mu_buf_clear(&sse->line);
    sse->n_bytes = sse->n_mark = 0;
    sse->was_cr = sse->has_data = sse->failed = false;
}

void mu_sse_deinit(mu_sse *sse) {
    mu_buf_deinit(&sse->data);
    mu_buf_deinit(&sse->line);
    *sse = (mu_sse){0};
}

static mu_status fail(mu_sse *sse, mu_status status, mu_err *err) {
    sse->failed = true;
    if (status == MU_ERR_NOMEM) return mu_fail(err, status, "event stream");
    return mu_fail(err, status, "event stream: an event over %d bytes", MU_SSE_EVENT_MAX);
}

static mu_status end_event(mu_sse *sse, mu_sse_fn fn, void *ctx, mu_err *err) {
    if (!sse->has_data) return MU_OK;
    sse->has_data = false;
    size_t n = sse->data.n;
    bool go_on = fn(ctx, sse->data.data, n);
    mu_buf_clear(&sse->data);
    return go_on ? MU_OK : mu_fail(err, MU_ERR_CANCELED, "event stream: stopped by its reader");
}

/* One line without its end. */
static mu_status take_line(mu_sse *sse, const char *line, size_t n, mu_sse_fn fn, void *ctx,
                           mu_err *err) {
    if (n == 0) return end_event(sse, fn, ctx, err);
    if (n < 4 || memcmp(line, "data", 4) != 0 || (n > 4 && line[4] != ':')) return MU_OK;
    size_t skip = n > 5 && line[5] == ' ' ? 6 : n > 4 ? 5 : 4;
    if (sse->has_data) mu_buf_append(&sse->data, "\n", 1);
    sse->has_data = true;
    mu_buf_append(&sse->data, line + skip, n - skip);
    if (sse->data.failed) return fail(sse, MU_ERR_NOMEM, err);
    return sse->data.n > MU_SSE_EVENT_MAX ? fail(sse, MU_ERR_LIMIT, err) : MU_OK;
}

static size_t line_length(const char *bytes, size_t n) {
    const char *lf = memchr(bytes, '\n', n);
    size_t end = lf ? (size_t)(lf - bytes) : n;
    const char *cr = memchr(bytes, '\r', end);
    return cr ? (size_t)(cr - bytes) : end;
}

/* The end of a line that may have begun in an earlier feed. */
static mu_status end_line(mu_sse *sse, const char *bytes, size_t n, mu_sse_fn fn, void *ctx,
                          mu_err *err) {
    if (sse->line.n == 0) return take_line(sse, bytes, n, fn, ctx, err);
    mu_buf_append(&sse->line, bytes, n);
    if (sse->line.failed) return fail(sse, MU_ERR_NOMEM, err);
    mu_status status = take_line(sse, sse->line.data, sse->line.n, fn, ctx, err);
    mu_buf_clear(&sse->line);
    return status;
}

/* A byte order mark at the very start is no part of the first line. Its bytes may come one by one:
 * they are skipped as long as everything so far was the mark. */
static size_t skip_mark(mu_sse *sse, const char *bytes, size_t n) {
    static const char mark[] = "\xEF\xBB\xBF";
    size_t i = 0;
    while (i < n && sse->n_mark < 3 && bytes[i] == mark[sse->n_mark]) {
        sse->n_mark++;
        i++;
    }
    return i;
}

mu_status mu_sse_feed(mu_sse *sse, const char *bytes, size_t n, mu_sse_fn fn, void *ctx,
                      mu_err *err) {
    if (sse->failed) return fail(sse, MU_ERR_LIMIT, err);
    size_t at = sse->n_bytes == sse->n_mark ? skip_mark(sse, bytes, n) : 0;
    sse->n_bytes += n;
    while (at < n) {
        if (sse->was_cr && bytes[at] == '\n') {
            sse->was_cr = false;
            at++;
            continue;
        }
        sse->was_cr = false;
        size_t length = line_length(bytes + at, n - at);
        if (at + length == n) {
            mu_buf_append(&sse->line, bytes + at, length);
            if (sse->line.failed) return fail(sse, MU_ERR_NOMEM, err);
            return sse->line.n > MU_SSE_EVENT_MAX ? fail(sse, MU_ERR_LIMIT, err) : MU_OK;
        }
        sse->was_cr = bytes[at + length] == '\r';
        mu_status status = end_line(sse, bytes + at, length, fn, ctx, err);
        if (status != MU_OK) return status;
        at += length + 1;
    }
    return MU_OK;
}

bool mu_sse_has_rest(const mu_sse *sse) {
    return sse->has_data || sse->line.n > 0;
}
