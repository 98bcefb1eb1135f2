/* residency.h - which models are loaded, under a budget of bytes: the decision alone.
 *
 *     absent ──load──▶ loading ──loaded──▶ ready ──▶ closing ──unload──▶ absent
 *        ▲                │                  ▲          │
 *        └─────failed─────┘                  └──────────┘ nobody needs its room any more
 *
 * The caller says what it sees (observe, ask, loaded, failed), and then carries out what
 * next() returns until that is nothing. A request runs on a model that is ready; else it waits.
 *
 * - Models that requests wait for stand in line, in the order in which they began to wait. One
 *   loads at a time, and its bytes are taken before it does.
 * - Where they are not free, the first in line gets those of idle models: the cheapest set of them,
 *   by load time x recent use. No model with a running request is ever unloaded.
 * - Where idle ones are not enough, busy ones that have had their turn are closed: what runs on
 *   them finishes, what came later waits, and they go to the end of the line. A turn is
 *   MU_TURN_LOADS times as long as their load took, so that loads take a sixth of the time at most,
 *   and within MU_TURN_LEAST_NS and MU_TURN_MOST_NS.
 * - A pinned model stays. A model that can so never fit is refused.
 *
 * So the first in line begins to load no later than the longest turn and the longest of the
 * requests that run then; each one before it in line takes as long again, and its load.
 *
 * Pure: no clock, no lock. Threads: one at a time. Times are mu_now_ns().
 */
#ifndef MU_ROUTER_RESIDENCY_H
#define MU_ROUTER_RESIDENCY_H

#include "base/base.h"
#include "router/shares.h"

enum { MU_RESIDENCY_MAX = MU_SHARES_MAX, MU_TURN_LOADS = 5 };

#define MU_TURN_LEAST_NS UINT64_C(1000000000)
#define MU_TURN_MOST_NS  UINT64_C(10000000000)

typedef enum mu_phase { MU_ABSENT, MU_LOADING, MU_READY, MU_CLOSING, MU_N_PHASES } mu_phase;
typedef enum mu_eviction {
    MU_EVICTED_FOR_ROOM,
    MU_EVICTED_IDLE, /* for longer than it may be */
    MU_EVICTED_ASKED,
    MU_N_EVICTIONS,
} mu_eviction;

const char *mu_phase_name(mu_phase phase);
const char *mu_eviction_name(mu_eviction reason);

typedef struct mu_residency_load { /* of requests on a model */
    uint32_t n_waiting, n_running;
    uint64_t n_requests; /* that ever came */
} mu_residency_load;

typedef struct mu_residency_model {
    uint64_t bytes; /* while it is not absent */
    mu_phase phase;
    bool is_pinned, is_asked_for, is_asked_to_go;
    mu_residency_load load;
    double uses;         /* requests, each counting less the older it is */
    uint64_t uses_at_ns; /* when that was so */
    uint64_t since_ns;   /* in its phase; for an absent one: in line */
    uint64_t used_ns;    /* it had a request last */
    uint64_t load_ns;    /* of the device's time that its last load took; at first a guess */
    uint64_t n_loads, n_failures; /* a refused one has failed too */
    uint64_t n_evictions[MU_N_EVICTIONS];
} mu_residency_model;

typedef struct mu_residency {
    uint64_t budget;       /* bytes; UINT64_MAX: no limit */
    uint64_t idle_ns;      /* a model that was idle for longer goes; 0: none does */
    uint64_t half_life_ns; /* of a use; 0: it counts for ever */
    mu_residency_model models[MU_RESIDENCY_MAX];
    uint32_t n;
} mu_residency; /* limits are set, the rest {0}: no model yet */

typedef enum mu_residency_verb {
    MU_RESIDENCY_NOTHING,
    MU_RESIDENCY_LOAD,   /* then loaded() or failed() */
    MU_RESIDENCY_UNLOAD, /* at once: it counts as absent from now on */
    MU_RESIDENCY_REFUSE, /* those that wait for the model: what is pinned leaves no room for it */
} mu_residency_verb;

typedef struct mu_residency_action {
    mu_residency_verb verb;
    uint32_t model;
} mu_residency_action;

typedef enum mu_residency_wish {
    MU_WISH_LOAD, /* though nobody waits for it */
    MU_WISH_UNLOAD,
    MU_WISH_PIN,
    MU_WISH_UNPIN,
    MU_N_WISHES, /* one and its opposite differ in the lowest bit */
} mu_residency_wish;

/* A model that is ready, or absent. Returns its index; there must be room. */
uint32_t mu_residency_add(mu_residency *r, uint64_t bytes, bool is_ready, uint64_t now_ns);
void mu_residency_observe(mu_residency *r, uint32_t i, const mu_residency_load *load,
                          uint64_t now_ns);
void mu_residency_ask(mu_residency *r, uint32_t i, mu_residency_wish wish, uint64_t now_ns);
/* load_ns: what it took of the device's time, beside others less than what passed. */
void mu_residency_loaded(mu_residency *r, uint32_t i, uint64_t load_ns, uint64_t now_ns);
/* Those that wait for it must be told before the next next(), or it tries again. */
void mu_residency_failed(mu_residency *r, uint32_t i);
mu_residency_action mu_residency_next(mu_residency *r, uint64_t now_ns);
/* When next() may say something though nothing was seen; UINT64_MAX: never. */
uint64_t mu_residency_deadline_ns(const mu_residency *r, uint64_t now_ns);
uint64_t mu_residency_bytes(const mu_residency *r);        /* of those that are not absent */
uint64_t mu_residency_pinned_bytes(const mu_residency *r); /* of those among them that are pinned */

/* Requests may start on it. */
static inline bool mu_residency_is_ready(const mu_residency *r, uint32_t i) {
    return r->models[i].phase == MU_READY;
}

#endif
