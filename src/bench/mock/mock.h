/* mock.h - the truth server: an OpenAI-compatible server whose every answer is planned, and which
 * remembers when it really sent what. The only header of bench/mock/ that others include.
 *
 * It generates nothing: a request gets known tokens at known times, so that whatever a client
 * reports can be compared with what happened. With t0 the instant the whole request was received,
 * and had a slot, chunk k = 0, 1, ... of a request of P prompt tokens is due at
 *
 *     t0 + ttft + P prefill_us + gap_1 + ... + gap_k            (absolute: delays do not add up)
 *
 * where ttft and gaps are constant or drawn from the seed and the request's number. Gaps are
 * between chunks; a chunk carries tokens_per_chunk tokens. coalesce > 1 sends that many chunks in
 * one write, when the last of them is due. A queueing server of n slots is planned too: a request
 * starts when the slot that frees first is free, first come first served; a client that leaves
 * keeps its slot to the planned end. In a stall the server's clock stands still: nothing is sent,
 * and everything that is due later is due later by its length.
 *
 *     POST /v1/completions, /v1/chat/completions (stream or not; max_tokens, max_completion_tokens,
 *          min_tokens, ignore_eos, stream_options {include_usage, continuous_usage_stats})
 *     GET  /v1/models, /health, /readyz, /metrics
 *     GET  /mock/requests[?from=INDEX&sends=0]   the truth as JSON, schema muai.mock_requests/1
 *     POST /mock/reset    forget requests, start counting at 1; POST /mock/trim    malloc_trim(0)
 *
 * An answer's id and header X-Request-Id are "mock-INDEX". All stamps
 * are mu_now_ns(), comparable with those of any process of this machine.
 *
 * Threads: every function from any thread; the server runs its own, one a connection.
 * Memory: records of the last n_records requests are kept; memory options are given back by
 * close().
 */
#ifndef MU_BENCH_MOCK_MOCK_H
#define MU_BENCH_MOCK_MOCK_H

#include <jansson.h>

#include "base/status.h"

typedef struct mu_mock mu_mock;

typedef enum mu_mock_shape {
    MU_MOCK_CONSTANT,
    MU_MOCK_EXPONENTIAL,
    MU_MOCK_LOGNORMAL,
} mu_mock_shape;

typedef struct mu_mock_delay {
    mu_mock_shape shape;
    double mean_ms; /* of the distribution, whatever its shape */
    double sigma;   /* lognormal: of the logarithm */
} mu_mock_delay;

/* What goes wrong with every n-th request. At most one thing: the first of this list that applies.
 * Faults of a stream happen at chunk fault_at (UINT32_MAX: the middle one). */
typedef enum mu_mock_fault {
    MU_MOCK_FINE,
    MU_MOCK_HTTP_ERROR,   /* error_status and the OpenAI error object, at once */
    MU_MOCK_STREAM_ERROR, /* an SSE event {"error": ...} in place of the chunk, then [DONE] */
    MU_MOCK_TRUNCATED,    /* the connection is cut: no end of the chunked body */
    MU_MOCK_NO_DONE,      /* all chunks and a clean end, but no [DONE] */
    MU_MOCK_SHORT,        /* half of the tokens asked for, finish_reason "stop" */
    MU_MOCK_BAD_JSON,     /* the chunk is not JSON */
    MU_MOCK_BAD_UTF8,     /* the chunk's text holds a byte 0xff */
    MU_MOCK_OTHER_TEXT,   /* the chunk's text is not what every other request gets */
    MU_N_MOCK_FAULTS,
} mu_mock_fault;

typedef enum mu_mock_usage {
    MU_MOCK_USAGE_ASKED, /* as stream_options says */
    MU_MOCK_USAGE_ALWAYS,
    MU_MOCK_USAGE_NEVER,
} mu_mock_usage;

typedef struct mu_mock_options {
    const char *host; /* address, borrowed during open() */
    uint32_t port;    /* 0: any free one */
    uint64_t seed;
    /* Time */
    mu_mock_delay ttft, itl;   /* itl: between chunks */
    double prefill_us;         /* more TTFT for each prompt token */
    double tail_ms;            /* from the last token to usage and [DONE] */
    bool late_headers;         /* HTTP headers with the first chunk, not at once */
    bool realtime;             /* ask for SCHED_FIFO; without the right to it: as usual */
    uint32_t n_slots;          /* requests served at once, others wait; 0: all */
    double stall_s;            /* length of the one stall; 0: none */
    double stall_after_s;      /* since open(); 0: see stall_at_request */
    uint32_t stall_at_request; /* it begins when this request (1, 2, ...) has been received */
    /* Answers */
    uint32_t output_tokens; /* where the answer ends by itself; ignore_eos and min_tokens go beyond
                               it, max_tokens ends before it */
    uint32_t tokens_per_chunk, coalesce; /* > 0 */
    uint32_t reasoning_tokens;           /* of a chat's tokens the first are reasoning_content */
    uint32_t cached_percent;             /* of the prompt tokens, in usage */
    bool no_role;          /* chat: without the first chunk {"role": "assistant", "content": ""} */
    bool ping;             /* a comment line before the first chunk */
    bool continuous_usage; /* usage in every chunk, asked for or not */
    mu_mock_usage usage;   /* the last chunk with usage and no choices */
    uint32_t split_us;     /* every event in two writes that much apart, cut inside a character or
                              JSON; the chunk then counts as sent with the second; 0: whole */
    /* Faults */
    uint32_t fault_every[MU_N_MOCK_FAULTS]; /* requests; 0: never */
    uint32_t fault_at, error_status;
    /* Memory, touched; in bytes */
    double leak_mb_per_hour;              /* MB = 1e6 bytes, by time */
    uint64_t leak_bytes;                  /* more for each request, for ever */
    uint64_t pool_bytes, pool_step_bytes; /* grows by step each request until it has pool_bytes */
    uint64_t step_bytes;                  /* once, at request step_at */
    uint32_t step_at;
    uint64_t retain_bytes; /* each request: freed at once, but the allocator keeps it; for about
                              5000 requests */
    uint32_t n_records;    /* requests whose truth is kept */
} mu_mock_options;

typedef enum mu_mock_state {
    MU_MOCK_RUNNING,
    MU_MOCK_DONE,   /* everything that was planned has been sent, faults included */
    MU_MOCK_LEFT,   /* the client left first */
    MU_MOCK_CLOSED, /* the server was closed first */
} mu_mock_state;

/* What was done about one request. */
typedef struct mu_mock_request {
    uint64_t index; /* 1, 2, ... in order of arrival */
    mu_mock_state state;
    mu_mock_fault fault;
    bool is_chat, is_stream;
    uint32_t n_prompt, n_asked, n_planned; /* tokens; asked: max_tokens, 0: not said */
    uint32_t n_sent;                       /* tokens sent so far */
    uint32_t n_sends;                      /* rows of mu_mock_copy_sends() */
    uint64_t received_ns, started_ns;      /* whole request; its slot is free */
    uint64_t end_ns;                       /* everything has been sent; 0: not yet */
    char client_id[64];                    /* X-Request-Id, cut off; "": none */
} mu_mock_request;

/* One write that carried tokens. */
typedef struct mu_mock_send {
    uint64_t due_ns;
    uint64_t sent_ns; /* the server awoke and handed it to the socket: a few us before the kernel
                         had it */
    uint32_t n_tokens, n_chunks;
} mu_mock_send;

typedef struct mu_mock_counters {
    uint64_t n_requests, n_running; /* of generation */
    uint64_t n_done, n_left, n_faults;
    uint64_t n_prompt_tokens, n_output_tokens; /* sent */
    uint64_t n_chunks, n_late;        /* token-bearing; sent more than 100 us after they were due */
    double late_us_mean, late_us_max; /* sent_ns - due_ns of all chunks */
    uint64_t leaked_bytes, pool_bytes, step_bytes, retained_bytes; /* by our options, so far */
    bool is_realtime;
} mu_mock_counters;

/* 127.0.0.1, any port, TTFT 50 ms, gaps of 10 ms, 128 tokens, no fault, 4096 records. */
mu_mock_options mu_mock_options_default(void);

/* MU_ERR_INVALID names the option, MU_ERR_IO host and port. */
mu_status mu_mock_open(const mu_mock_options *options, mu_mock **out, mu_err *err) MU_MUST_USE;
void mu_mock_close(mu_mock *mock); /* cuts what is running; NULL is allowed */
uint32_t mu_mock_port(const mu_mock *mock);

mu_mock_counters mu_mock_get_counters(mu_mock *mock);
void mu_mock_reset(mu_mock *mock); /* forget ended requests; counting starts at 1 again */

/* Records of requests with index >= from, in order of arrival, at most cap; returns how many. */
uint32_t mu_mock_copy_requests(mu_mock *mock, uint64_t from, mu_mock_request *out, uint32_t cap);
/* What request index was sent, at most cap rows; returns how many, 0 when it is not kept. */
uint32_t mu_mock_copy_sends(mu_mock *mock, uint64_t index, mu_mock_send *out, uint32_t cap);
/* GET /mock/requests; the caller's reference, NULL: no memory. */
json_t *mu_mock_requests_json(mu_mock *mock, uint64_t from, bool with_sends);

/* The text of token i: what every request gets, in UTF-8, several bytes a character now and then.
 */
const char *mu_mock_token_text(uint64_t seed, uint32_t i);

/* "50ms", "1.5s", "200us", "exponential:50ms", "lognormal:50ms:0.4". */
mu_status mu_mock_delay_parse(const char *text, mu_mock_delay *out, mu_err *err) MU_MUST_USE;
/* The names of mu_mock_fault and mu_mock_state: "truncated", "running". */
const char *mu_mock_fault_name(mu_mock_fault fault);
const char *mu_mock_state_name(mu_mock_state state);

/* The table of options, for command lines and reports. */
typedef enum mu_mock_kind {
    MU_MOCK_FLAG,  /* bool */
    MU_MOCK_U32,   /* uint32_t */
    MU_MOCK_U64,   /* uint64_t */
    MU_MOCK_F64,   /* double */
    MU_MOCK_DELAY, /* mu_mock_delay */
    MU_MOCK_TEXT,  /* const char * */
    MU_MOCK_USAGE, /* mu_mock_usage: asked, always, never */
} mu_mock_kind;

typedef struct mu_mock_option {
    const char *name; /* "tokens-per-chunk" */
    mu_mock_kind kind;
    size_t offset;     /* in mu_mock_options */
    double min, max;   /* of numbers */
    const char *value; /* what help calls it */
    const char *help;
} mu_mock_option;

extern const mu_mock_option mu_mock_option_rows[];
extern const uint32_t mu_mock_n_option_rows;

/* Set one option from text, checked; text is borrowed as long as options for MU_MOCK_TEXT. Flags
 * take "1" and "0". */
mu_status mu_mock_option_set(mu_mock_options *options, const char *name, const char *text,
                             mu_err *err) MU_MUST_USE;

#endif
