/* sse.h - server-sent events out of bytes that arrive in any pieces.
 *
 * By the event stream grammar of the HTML standard: lines end in CR, LF or CRLF; a leading byte
 * order mark is skipped; lines beginning with ':' are comments; "data" lines of an event are joined
 * by LF; an empty line ends it; an event without data is none. "event", "id" and "retry" are
 * skipped. An event that is not ended by an empty line is dropped at the end of the stream, as the
 * standard says; mu_sse_has_rest() tells that there was one.
 *
 * Threads: one at a time. Memory: one buffer that grows to the largest event and stays.
 */
#ifndef MU_BENCH_LOAD_SSE_H
#define MU_BENCH_LOAD_SSE_H

#include "base/buf.h"
#include "base/status.h"

enum { MU_SSE_EVENT_MAX = 1 << 20 }; /* bytes of data in one event */

typedef struct mu_sse {
    mu_buf data;      /* of the event so far */
    mu_buf line;      /* a line whose end has not come */
    uint64_t n_bytes; /* seen */
    uint64_t n_mark;  /* of them a byte order mark, or its beginning */
    bool was_cr;      /* the last byte was CR: a LF now belongs to it */
    bool has_data;
    bool failed;
} mu_sse;

/* Called for each whole event; data: [n], NUL behind it, lives until the call returns. Returning
 * false stops the feed. */
typedef bool (*mu_sse_fn)(void *ctx, char *data, size_t n);

void mu_sse_init(mu_sse *sse);   /* memory is kept when it was in use before */
void mu_sse_deinit(mu_sse *sse); /* a zeroed one is allowed */

/* Errors: MU_ERR_LIMIT (an event over MU_SSE_EVENT_MAX), MU_ERR_NOMEM; after one, every further
 * feed fails. MU_ERR_CANCELED when fn said so. */
mu_status mu_sse_feed(mu_sse *sse, const char *bytes, size_t n, mu_sse_fn fn, void *ctx,
                      mu_err *err) MU_MUST_USE;
bool mu_sse_has_rest(const mu_sse *sse); /* bytes of an event that has not ended */

#endif
