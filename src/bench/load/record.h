/* record.h - what is known of each request: instants, tokens, gaps, how it failed.
 *
 * Instants are CLOCK_MONOTONIC in ns, as mu_now_ns(); 0 means it did not happen or is not known.
 * The names are those of the metric definitions: s intended, d dispatch, w written, h first byte,
 * a_1 first token, a_K last token, z end. Chunks are pieces of the answer with at least one
 * generated token in any channel; role-only, empty and usage-only pieces are none.
 *
 * Gaps: gap k is a_k - a_(k-1), k = 2..K, so a_k = first_token_ns + the sum of the first k - 1.
 *
 * Threads: one at a time. Memory: a mu_records owns its arrays.
 */
#ifndef MU_BENCH_LOAD_RECORD_H
#define MU_BENCH_LOAD_RECORD_H

#include <stdio.h>

#include "base/status.h"
#include "bench/load/chunk.h"

#define MU_TOKENS_UNKNOWN UINT32_MAX

#define MU_FAILURE_MAP(X)                                 \
    X(MU_FAILURE_NONE, "none")                            \
    X(MU_FAILURE_CONNECT, "connect")                      \
    X(MU_FAILURE_TIMEOUT, "timeout")                      \
    X(MU_FAILURE_HTTP_4XX, "http_4xx")                    \
    X(MU_FAILURE_HTTP_5XX, "http_5xx") /* and 1xx, 3xx */ \
    X(MU_FAILURE_STREAM_ERROR, "stream_error")            \
    X(MU_FAILURE_TRUNCATED, "truncated")                  \
    X(MU_FAILURE_WRONG_LENGTH, "wrong_length")            \
    X(MU_FAILURE_INVALID_UTF8, "invalid_utf8")            \
    X(MU_FAILURE_INVALID_JSON, "invalid_json")            \
    X(MU_FAILURE_CONTENT_MISMATCH, "content_mismatch")    \
    X(MU_FAILURE_CANCELED, "canceled") /* by us: not the server's fault, not in denominators */

typedef enum mu_failure {
#define X(name, text) name,
    MU_FAILURE_MAP(X)
#undef X
        MU_N_FAILURES
} mu_failure;

const char *mu_failure_name(mu_failure failure);

/* Where the number of output tokens comes from, best first. */
#define MU_TOKEN_SOURCE_MAP(X)                                                      \
    X(MU_TOKEN_SOURCE_NONE, "none")                                                 \
    X(MU_TOKEN_SOURCE_IDS, "token_ids")                 /* ids in every chunk */    \
    X(MU_TOKEN_SOURCE_USAGE_CHUNK, "usage_per_chunk")   /* usage in every chunk */  \
    X(MU_TOKEN_SOURCE_TIMINGS, "timings_per_chunk")     /* llama-server */          \
    X(MU_TOKEN_SOURCE_USAGE_ONE, "usage_one_per_chunk") /* total = chunks */        \
    X(MU_TOKEN_SOURCE_USAGE, "usage")                   /* total; chunks unknown */ \
    X(MU_TOKEN_SOURCE_CHUNKS, "chunks")                 /* no usage: chunks counted, an estimate */

typedef enum mu_token_source {
#define X(name, text) name,
    MU_TOKEN_SOURCE_MAP(X)
#undef X
        MU_N_TOKEN_SOURCES
} mu_token_source;

const char *mu_token_source_name(mu_token_source source);

enum { MU_GAP_COALESCED = 1 }; /* arrived in the receive of the chunk before: censored, not 0 */

typedef struct mu_gap {
    uint64_t ns;     /* a_k - a_(k-1) */
    uint32_t tokens; /* of chunk k; MU_TOKENS_UNKNOWN */
    uint32_t flags;  /* MU_GAP_COALESCED */
} mu_gap;

typedef struct mu_record {
    uint64_t intended_ns;      /* s; closed loop: when the client became free */
    uint64_t dispatch_ns;      /* d; the connection stands, the first byte is about to be written */
    uint64_t written_ns;       /* w */
    uint64_t first_byte_ns;    /* h */
    uint64_t first_token_ns;   /* a_1; 0 without a stream */
    uint64_t first_content_ns; /* first visible content (not reasoning, not tools) */
    uint64_t second_chunk_ns;  /* a_2 */
    uint64_t last_token_ns;    /* a_K; 0 without a stream */
    uint64_t end_ns;           /* z; [DONE], else the end of the message or the failure */
    uint64_t connect_ns;       /* a duration: opening the connection; 0: an open one was used */
    uint64_t gap_max_ns;       /* a duration */
    uint64_t text_hash;        /* of the output, see chunk.h */
    uint64_t gap_first;        /* gaps[gap_first .. gap_first + n_gaps) of the collection */
    uint32_t n_gaps;           /* n_chunks - 1, or 0 */
    uint32_t index;            /* in the schedule */
    uint32_t prompt_tokens_wanted;
    uint32_t output_tokens_wanted;
    uint32_t prompt_tokens;      /* as the server counts; MU_TOKENS_UNKNOWN */
    uint32_t cached_tokens;      /* of them from its prefix cache; MU_TOKENS_UNKNOWN */
    uint32_t output_tokens;      /* N; MU_TOKENS_UNKNOWN */
    uint32_t first_chunk_tokens; /* n_1; MU_TOKENS_UNKNOWN */
    uint32_t n_chunks;           /* K */
    uint32_t n_coalesced;        /* chunks that shared a receive with the one before */
    uint16_t http_status;        /* 0: no answer */
    uint8_t failure;             /* mu_failure */
    uint8_t token_source;        /* mu_token_source */
    uint8_t finish;              /* mu_chunk_finish */
    bool is_stream;              /* the answer was a stream of events */
    bool is_new_connection;
    bool is_warmup;  /* dispatched before the boundary; its events still count by their instants */
    bool is_drained; /* ended after the end of the window */
} mu_record;

typedef struct mu_records {
    mu_record *records; /* [n_records], in the order they ended */
    size_t n_records, cap_records;
    mu_gap *gaps; /* [n_gaps] */
    size_t n_gaps, cap_gaps;
    uint64_t n_by_failure[MU_N_FAILURES];
    char first_message[MU_N_FAILURES][MU_CHUNK_MESSAGE_MAX]; /* of each class; from servers */
} mu_records;

void mu_records_deinit(mu_records *records); /* a zeroed one is allowed */
void mu_records_clear(mu_records *records);  /* keeps the memory */

/* Append a record with its gaps; gap_first is set. message may be NULL. */
mu_status mu_records_add(mu_records *records, const mu_record *record, const mu_gap *gaps,
                         const char *message, mu_err *err) MU_MUST_USE;
mu_status mu_records_append(mu_records *records, const mu_records *other, mu_err *err) MU_MUST_USE;

/* One JSON object a line; instants in ns after start_ns, unknown ones null. cell names the load in
 * every line. Gaps as [ns, tokens] pairs, tokens null when unknown, negative ns when coalesced. */
mu_status mu_records_write_jsonl(const mu_records *records, uint64_t start_ns, const char *cell,
                                 FILE *file, mu_err *err) MU_MUST_USE;

/* The same without gaps, as CSV with a head line when with_head. */
mu_status mu_records_write_csv(const mu_records *records, uint64_t start_ns, const char *cell,
                               bool with_head, FILE *file, mu_err *err) MU_MUST_USE;

#endif
