/* memory_plan.h - does all of it fit, together or by turns, and how much KV cache each model gets.
 *
 * Weights, accounting and the shared scratch are what they are. KV cache is what is left, and a
 * model runs with less of it: fewer sequences at once. When all that is asked for does not fit,
 * every model keeps what one sequence of its whole context needs, and the rest is divided in
 * proportion to what each asks for beyond that. A KV cache that was given in bytes stays as it is.
 *
 * Where not even that fits, the models are loaded by turns (residency.h), as many at once as fit.
 * Each then has a KV cache of half its weights, and of no less than one sequence needs: what one
 * model has more of, another has no room for. Shared scratch and accounting are there always.
 *
 * Pure. Threads: any.
 */
#ifndef MU_ROUTER_MEMORY_PLAN_H
#define MU_ROUTER_MEMORY_PLAN_H

#include "base/status.h"
#include "engine/engine.h"

typedef struct mu_memory_need {
    const char *name; /* of the model, for the error */
    mu_engine_bytes bytes;
    bool kv_is_fixed;
    bool scratch_is_own; /* not the device's, shared by all */
} mu_memory_need;

typedef struct mu_memory_plan {
    uint64_t limit;   /* bytes; 0: none */
    uint64_t scratch; /* shared: the largest, and what is not shared */
    uint64_t fixed;   /* what is there whatever is loaded: shared scratch, accounting, `taken` */
    uint64_t total;   /* of everything, as planned; more than the limit when by turns */
    bool is_by_turns;
} mu_memory_plan;

typedef struct mu_memory_part { /* of one model */
    uint64_t kv;                /* its cache */
    uint64_t loaded;            /* what loading it takes: weights, KV cache, scratch of its own */
} mu_memory_part;

/* taken: bytes that something else of the process has of the limit. out_parts: [n]. MU_ERR_LIMIT
 * spells the sum out: of the one model that does not fit even alone. */
mu_status mu_memory_plan_make(const mu_memory_need *needs, uint32_t n, uint64_t limit,
                              uint64_t taken, mu_memory_plan *out, mu_memory_part *out_parts,
                              mu_err *err) MU_MUST_USE;

#endif
