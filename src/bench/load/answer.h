/* answer.h - bytes of one HTTP answer, with the instants they came, become one record.
 *
 * Pure: no socket, no clock. The load feeds what it receives; tests feed tables.
 *
 *     begin ─▶ head ─▶ feed ... feed ─▶ end ─▶ record, gaps, message
 *
 * What counts as the first token, how tokens of a chunk are counted and when an answer is a failure
 * is decided here and nowhere else. The first failure stays.
 *
 * Threads: one at a time. Memory: buffers grow to the largest answer and are used again.
 */
#ifndef MU_BENCH_LOAD_ANSWER_H
#define MU_BENCH_LOAD_ANSWER_H

#include "bench/load/record.h"
#include "bench/load/schedule.h"
#include "bench/load/sse.h"

enum { MU_ANSWER_BODY_MAX = 8 << 20 }; /* bytes of an answer that is not a stream */

typedef struct mu_answer_options {
    bool wants_stream;
    bool counts_chunks; /* the server counts in every object: a first count at the end is new too */
    bool needs_done;    /* a stream without [DONE] is truncated, even when it names its end */
    bool needs_exact;   /* another number of tokens than wanted is a failure */
} mu_answer_options;

typedef struct mu_answer {
    mu_answer_options options;
    mu_record record; /* what is known so far; final after end */
    mu_gap *gaps;     /* [record.n_gaps], owned */
    size_t cap_gaps;
    char message[MU_CHUNK_MESSAGE_MAX]; /* of the failure */
    mu_sse sse;
    mu_buf body;
    bool is_done; /* [DONE] was seen */
    bool out_of_memory;
    uint64_t at_ns, receive, chunk_receive; /* of the bytes being fed; of the last chunk */
    uint32_t n_usage, n_timings;            /* objects with usage, with timings */
    uint32_t n_uncounted;                   /* chunks whose tokens are not known */
    int64_t n_counted;                      /* tokens of counted chunks */
    int64_t usage_total, timings_total;     /* as last said; -1 */
    mu_token_source chunk_source;
    uint32_t n_new_tokens; /* of the last feed; chunks where tokens are not known */
} mu_answer;

/* Room for the gaps of request->output_tokens is made here, so that feeding does not allocate.
 * False: no memory. */
bool mu_answer_begin(mu_answer *answer, const mu_answer_options *options,
                     const mu_scheduled *request, uint64_t intended_ns) MU_MUST_USE;

/* is_event_stream: as the head calls it. An answer to a request for a stream that begins with a
 * line of events is a stream under every name. */
void mu_answer_head(mu_answer *answer, uint16_t http_status, bool is_event_stream);

/* n bytes of the body; receive numbers the receives, so that chunks of one are known to be. */
void mu_answer_feed(mu_answer *answer, const char *bytes, size_t n, uint64_t at_ns,
                    uint64_t receive);

/* transport: MU_FAILURE_NONE when HTTP ended as it should. */
void mu_answer_end(mu_answer *answer, mu_failure transport, const char *message, uint64_t at_ns);

void mu_answer_deinit(mu_answer *answer); /* a zeroed one is allowed */

#endif
