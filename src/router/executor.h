/* executor.h - the thread that steps the engines of one device for everybody else.
 *
 * A resident is a model and its engine on an executor, loaded or not: its requests, its share of
 * the device's time. Any thread submits requests to a resident; the executor alone touches the
 * engines. A step runs one engine; which is next is decided by the time that each has had
 * (shares.h).
 *
 *     submit ──▶ queue of the resident ──fair share of clients──▶ running ──▶ done
 *        │                                   fair share of engines: one step ─┘
 *        └─ full: MU_ERR_BUSY
 *
 * A queue is bounded in requests and in prompt tokens. Beside running streams a step takes only as
 * much prefill as pacer.h allows.
 *
 * Which residents are loaded is decided by residency.h. Loading one is cut into pieces of some
 * milliseconds, which are its steps: they are its part of the device's time, and the others go on
 * beside it. Its requests wait in its queue.
 *
 * Threads: every function may be called from any thread, open() and close() by one.
 */
#ifndef MU_ROUTER_EXECUTOR_H
#define MU_ROUTER_EXECUTOR_H

#include "router/request.h"
#include "router/request_stats.h"
#include "router/residency.h"
#include "router/shares.h"

typedef struct mu_executor mu_executor;
typedef struct mu_resident mu_resident;

enum { MU_RESIDENTS_MAX = MU_SHARES_MAX };

typedef struct mu_executor_options {
    uint64_t loaded_bytes_max; /* of residents that are loaded, together; 0: no limit */
    uint64_t idle_ns;          /* what had no request for longer is unloaded; 0: nothing is */
    uint64_t wait_ns; /* a request that waits for longer, on a resident that is not loaded, ends
                         with MU_ERR_TIMEOUT; 0: none does */
} mu_executor_options;

typedef struct mu_resident_options {
    const char *name;              /* for errors; borrowed as the model; NULL: "the model" */
    const mu_model *model;         /* borrowed until the executor is closed, as is the engine */
    mu_engine *engine;             /* nobody else's; loaded, or prepared: then it is when it is
                                      asked for */
    uint64_t loaded_bytes;         /* what of it loading takes, > 0 */
    bool is_pinned;                /* once loaded it stays */
    uint32_t n_seqs_max;           /* as the engine's: more are not handed to it */
    uint32_t n_waiting_max;        /* requests, > 0 */
    uint64_t n_waiting_tokens_max; /* prompt tokens of waiting requests */
    uint32_t prefill_beside;       /* prefill tokens beside streams; 0: from measured speed */
    uint32_t weight;               /* of its share of the device's time, > 0 */
} mu_resident_options;

typedef struct mu_resident_stats {
    mu_request_stats requests;
    mu_histogram batch;            /* sequences per step */
    uint64_t n_refused;            /* because the queue was full */
    uint32_t n_waiting, n_running; /* requests */
    uint64_t n_waiting_tokens;
    uint32_t prefill_beside; /* of the last step */
    double step_s;           /* all its steps together */
    mu_residency_model residency;
    mu_err load_err; /* why the last load failed; MU_OK: it did not */
    mu_engine_stats engine;
} mu_resident_stats;

/* options NULL: no limits. */
mu_status mu_executor_open(const mu_executor_options *options, mu_executor **out,
                           mu_err *err) MU_MUST_USE;
/* Cancels what is left, with notice. Requests must have been freed. NULL is allowed. */
void mu_executor_close(mu_executor *ex);
/* Cancel every request, with notice. */
void mu_executor_cancel_all(mu_executor *ex);
/* From now on the engine is stepped. It lives until close(). MU_ERR_LIMIT: MU_RESIDENTS_MAX. */
mu_status mu_executor_add(mu_executor *ex, const mu_resident_options *options, mu_resident **out,
                          mu_err *err) MU_MUST_USE;

/* Soon, and seen in the statistics. An unload lets what runs finish, unless it is forced: then all
 * its requests end with MU_ERR_CANCELED. */
void mu_resident_ask(mu_resident *resident, mu_residency_wish wish, bool is_forced);

const mu_model *mu_resident_model(const mu_resident *resident);
const mu_engine *mu_resident_engine(const mu_resident *resident);
/* MU_ERR_BUSY: the queue is full, mu_resident_wait_s() says for how long; else as mu_seq_open(). */
mu_status mu_resident_submit(mu_resident *resident, const mu_request_options *options,
                             mu_request **out, mu_err *err) MU_MUST_USE;
/* Seconds until a request that came now would start, from the measured rate; 1 to 120. */
uint32_t mu_resident_wait_s(mu_resident *resident);

typedef struct mu_loaded_bytes { /* of all residents of the executor */
    uint64_t now, max;           /* max 0: no limit */
} mu_loaded_bytes;

mu_loaded_bytes mu_resident_loaded_bytes(mu_resident *resident);
void mu_resident_get_stats(mu_resident *resident, mu_resident_stats *out);

#endif
