/* memory_plan.h - does all of it fit, and how much KV cache does each model get.
 *
 * Weights, accounting and the shared scratch are what they are. KV cache is what is left, and a
 * model runs with less of it: fewer sequences at once. When all that is asked for does not fit,
 * every model keeps what one sequence of its whole context needs, and the rest is divided in
 * proportion to what each asks for beyond that. A KV cache that was given in bytes stays as it is.
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
    uint64_t total;   /* of everything, as planned */
} mu_memory_plan;

/* out_kv: [n], bytes of each model's KV cache. MU_ERR_LIMIT spells the sum out. */
mu_status mu_memory_plan_make(const mu_memory_need *needs, uint32_t n, uint64_t limit,
                              mu_memory_plan *out, uint64_t *out_kv, mu_err *err) MU_MUST_USE;

#endif
