/* mock_answer.h - the bytes of the truth server's answers: SSE events, bodies, errors. Pure.
 *
 * A failed append is remembered by the buffer, as always.
 */
#ifndef MU_BENCH_MOCK_MOCK_ANSWER_H
#define MU_BENCH_MOCK_MOCK_ANSWER_H

#include "base/buf.h"
#include "bench/mock/mock_plan.h"

typedef struct mu_mock_answer {
    const mu_mock_options *options;
    const mu_mock_plan *plan;
    const mu_mock_wish *wish;
    const char *id, *model;
    int64_t created; /* Unix time, s */
} mu_mock_answer;

/* What comes before the first chunk; may be nothing. */
void mu_mock_write_preamble(mu_buf *out, const mu_mock_answer *answer);
/* The event of a chunk; its fault, if it is the plan's, included. */
void mu_mock_write_chunk(mu_buf *out, const mu_mock_answer *answer, uint32_t chunk);
/* finish_reason, usage and [DONE], as planned. */
void mu_mock_write_tail(mu_buf *out, const mu_mock_answer *answer);
void mu_mock_write_error_event(mu_buf *out);

/* An answer that is not a stream. */
void mu_mock_write_body(mu_buf *out, const mu_mock_answer *answer);
void mu_mock_write_error(mu_buf *out, uint32_t status, const char *message);

/* Append JSON in one line; takes over the reference; NULL: no memory. */
void mu_mock_write_json(mu_buf *out, json_t *json);

/* Where to cut an event in two: inside a character of several bytes if it has one. 0 < cut < n. */
size_t mu_mock_cut(const char *data, size_t n);

#endif
