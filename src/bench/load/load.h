/* load.h - send a schedule to a target and write down what came back.
 *
 * One thread of its own with epoll and libcurl's multi interface. One connection per request in
 * flight, kept open between requests. Every receive is stamped once, before its bytes are looked
 * at. Requests are prepared ahead, so that their making is not in the dispatch.
 *
 *      start        boundary                          window ends      drained
 *        ├─ warm-up ─────┼──────────── measured ──────────────┼── drain ──┤
 *
 * Warm-up and measurement are one load: clients are not stopped between them, the boundary is an
 * instant. Records know on which side they were dispatched; events count by their own instants.
 * What is in flight when the window ends is waited for, up to a limit, and marked.
 *
 * Threads: start, poll, wait and close belong to the caller's thread; snapshot and cancel may be
 * called from any. Several loads may run at once. Memory: a load copies its options and borrows
 * target, schedule and prompts until close.
 */
#ifndef MU_BENCH_LOAD_LOAD_H
#define MU_BENCH_LOAD_LOAD_H

#include "bench/load/target.h"

typedef struct mu_load mu_load;

/* Cheap figures of a running load. Rates are of the last whole second. */
typedef struct mu_load_snapshot {
    uint64_t elapsed_ns;  /* since the start */
    uint64_t measured_ns; /* since the boundary; 0 in warm-up */
    uint32_t n_in_flight;
    uint64_t n_sent, n_done, n_failed; /* since the start; done includes failed */
    uint64_t n_done_measured;          /* ended after the boundary */
    uint64_t n_tokens;                 /* output tokens, chunks where tokens are not known */
    double tokens_per_s, requests_per_s;
    double ttft_p50_ms, ttft_p95_ms; /* service; NAN before there is one; within 2 % */
    double gap_p50_ms, gap_p95_ms;   /* between chunks */
    bool is_ended;
} mu_load_snapshot;

/* Called on the thread that waits, about every poll_ms, with everything that has ended so far.
 * True ends the window. */
typedef bool (*mu_load_stop_fn)(void *ctx, const mu_load_snapshot *snapshot,
                                const mu_records *records);

typedef struct mu_load_options {
    const mu_target *target;
    const mu_schedule *schedule;
    const mu_prompts *prompts;
    uint32_t n_clients;      /* closed loop: 1 to 8192; open loops: ignored */
    uint32_t in_flight_max;  /* open loops; 0: 4096. What is above waits and shows as lag */
    bool no_stream;          /* whole answers: first and last token stay unknown */
    bool keep_cache;         /* let the server use its prefix cache */
    double warmup_s;         /* the boundary is when both are reached */
    uint32_t n_warmup;       /* requests ended */
    double duration_s;       /* of the window; 0: no limit */
    uint32_t n_requests;     /* ended in the window; 0: no limit */
    double timeout_s;        /* of a request from dispatch; 0: 600 */
    double drain_s;          /* after the window; 0: 30. What is left then is canceled */
    uint32_t n_failures_max; /* in a row, then the load ends; 0: no limit */
    uint32_t poll_ms;        /* 0: 200 */
    mu_load_stop_fn stop;    /* NULL: none */
    void *stop_ctx;
} mu_load_options;

typedef enum mu_load_end {
    MU_LOAD_END_NONE,  /* still running */
    MU_LOAD_END_COUNT, /* n_requests */
    MU_LOAD_END_DURATION,
    MU_LOAD_END_SCHEDULE, /* nothing left to send */
    MU_LOAD_END_STOP,     /* the callback said so */
    MU_LOAD_END_CANCELED,
    MU_LOAD_END_FAILING, /* n_failures_max */
} mu_load_end;

const char *mu_load_end_name(mu_load_end end);

typedef struct mu_load_result {
    mu_records records; /* all, warm-up and drained included and marked */
    mu_load_end end;
    uint64_t start_ns;      /* CLOCK_MONOTONIC */
    uint64_t boundary_ns;   /* start of the window; 0: it was never reached */
    uint64_t window_end_ns; /* last dispatch is before this */
    uint64_t drained_ns;
    double cpu_s;       /* of the load thread, boundary to window end */
    double cpu_total_s; /* start to drained */
    double cpu_share;   /* cpu_s / window */
    uint32_t n_clients;
    uint32_t in_flight_peak;
    uint64_t n_held;        /* open loop: dispatches that waited for in_flight_max */
    uint64_t n_unsent;      /* open loop: intended before the window's end, never sent */
    uint64_t n_connections; /* opened */
    uint64_t n_receives;
    uint64_t n_coalesced; /* chunks */
    uint64_t n_chunks;
} mu_load_result;

/* Errors: MU_ERR_INVALID (options that do not fit, no end), MU_ERR_NOMEM, MU_ERR_IO (descriptors,
 * threads). */
mu_status mu_load_start(const mu_load_options *options, mu_load **out, mu_err *err) MU_MUST_USE;

/* Wait for the end, polling the stop function. *out belongs to the caller (mu_load_result_deinit).
 * Errors: MU_ERR_NOMEM. A load that ends by failures is a result, not an error. */
mu_status mu_load_wait(mu_load *load, mu_load_result *out, mu_err *err) MU_MUST_USE;
void mu_load_snapshot_read(mu_load *load, mu_load_snapshot *out);
void mu_load_cancel(mu_load *load); /* requests in flight end as canceled; returns at once */
void mu_load_close(mu_load *load);  /* cancels and waits if it still runs; NULL is allowed */
void mu_load_result_deinit(mu_load_result *result);

/* start, wait, close. */
mu_status mu_load_run(const mu_load_options *options, mu_load_result *out, mu_err *err) MU_MUST_USE;

#endif
