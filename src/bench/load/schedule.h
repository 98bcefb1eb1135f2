/* schedule.h - which request is sent when: decided before the first one is sent.
 *
 * A schedule is a list of requests with their intended instants, computed once from a seed, so that
 * the same seed offers the same load to every server, and so that a slow server cannot change what
 * it is asked (coordinated omission). Closed loops have no instants: a client sends its next
 * request when its last one has ended; only the order is scheduled.
 *
 *     closed             N clients, each with one request in flight
 *     constant           gaps of 1 / rate
 *     poisson            exponential gaps of mean 1 / rate
 *     gamma:CV           gamma gaps of mean 1 / rate and coefficient of variation CV (0.01 to 20)
 *     ramp:FROM:TO       the rate rises (or falls) linearly over the duration, Poisson arrivals
 *     burst:N:SECONDS    N at once every SECONDS
 *     trace:FILE         a line a request: "seconds prompt_tokens output_tokens", or JSON objects
 *                        {"seconds": s, "prompt_tokens": p, "output_tokens": o}
 *
 * Poisson and gamma gaps are drawn as they come and never rescaled to fill the duration.
 *
 * Threads: immutable once opened; any thread may read. Memory: owned until close.
 */
#ifndef MU_BENCH_LOAD_SCHEDULE_H
#define MU_BENCH_LOAD_SCHEDULE_H

#include "base/status.h"
#include "bench/load/shape.h"

enum { MU_SCHEDULE_MAX = 1 << 22 }; /* requests of an open loop or a trace */

typedef enum mu_arrival_kind {
    MU_ARRIVAL_CLOSED,
    MU_ARRIVAL_CONSTANT,
    MU_ARRIVAL_POISSON,
    MU_ARRIVAL_GAMMA,
    MU_ARRIVAL_RAMP,
    MU_ARRIVAL_BURST,
    MU_ARRIVAL_TRACE,
} mu_arrival_kind;

typedef struct mu_arrivals {
    mu_arrival_kind kind;
    double cv;              /* gamma */
    double from_per_s;      /* ramp */
    double to_per_s;        /* ramp */
    uint32_t burst_n;       /* burst */
    double burst_every_s;   /* burst */
    const char *trace_path; /* trace; points into the parsed text */
} mu_arrivals;

const char *mu_arrival_name(mu_arrival_kind kind); /* "poisson", as in documents */

/* Errors: MU_ERR_INVALID, with what may be written. out->trace_path borrows from text. */
mu_status mu_arrivals_parse(const char *text, mu_arrivals *out, mu_err *err) MU_MUST_USE;

typedef struct mu_scheduled {
    uint64_t intended_ns; /* after the start of the load; 0 for all in a closed loop */
    uint32_t index;       /* in the schedule, and of the prompt */
    uint32_t prompt_tokens;
    uint32_t output_tokens;
} mu_scheduled;

typedef struct mu_schedule_options {
    mu_arrivals arrivals;
    double rate_per_s;   /* constant, poisson, gamma; else ignored */
    double duration_s;   /* open loops: arrivals up to here; 0: only n_requests ends it */
    uint32_t n_requests; /* at most; 0: open loops end by duration_s, closed ones never */
    uint64_t seed;
    const mu_shape *shapes; /* [n_shapes], copied; drawn with equal chances. Not for traces */
    uint32_t n_shapes;      /* 1 to MU_SHAPES_MAX */
} mu_schedule_options;

/* What was drawn, not what was asked for. Unknown figures are NAN (closed loop, too few gaps). */
typedef struct mu_schedule_stats {
    double offered_per_s; /* requests / time from the first to the last, per gap */
    double gap_cv;        /* standard deviation of gaps / mean; 1 for Poisson */
    double dispersion;    /* variance / mean of counts in windows of 10 mean gaps; 1 for Poisson */
    double duration_s;    /* to the last intended instant */
} mu_schedule_stats;

typedef struct mu_schedule mu_schedule;

/* Errors: MU_ERR_INVALID (no end, no rate, no shape), MU_ERR_LIMIT (over MU_SCHEDULE_MAX),
 * MU_ERR_NOT_FOUND, MU_ERR_FORMAT (trace, with line), MU_ERR_NOMEM. */
mu_status mu_schedule_open(const mu_schedule_options *options, mu_schedule **out,
                           mu_err *err) MU_MUST_USE;
void mu_schedule_close(mu_schedule *schedule); /* NULL is allowed */

mu_arrival_kind mu_schedule_kind(const mu_schedule *schedule);
uint32_t mu_schedule_n(const mu_schedule *schedule); /* UINT32_MAX: a closed loop without end */

/* i < mu_schedule_n(). Rising in intended_ns. */
mu_scheduled mu_schedule_at(const mu_schedule *schedule, uint32_t i);
mu_schedule_stats mu_schedule_measure(const mu_schedule *schedule);

/* FNV-1a of all entries (of the first 4096 of a closed loop without end): equal for equal loads. */
uint64_t mu_schedule_hash(const mu_schedule *schedule);

/* The trace format alone, pure: out: [cap] entries sorted by time. Refuses negative, not finite or
 * absurd values, more than cap lines, lines over 4 KiB. */
mu_status mu_trace_parse(const char *text, size_t n, mu_scheduled *out, uint32_t cap,
                         uint32_t *n_out, mu_err *err) MU_MUST_USE;

#endif
