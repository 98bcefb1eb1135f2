/* fleet.h - the models of one process: found, planned together, loaded one after another, stepped
 * by one executor.
 *
 * Opening a model reads its header; then all plans are made and checked against the memory that may
 * be used, and only then is a weight read. A model that cannot be loaded ends it: what came before
 * is let go, and the error names the model where there are several.
 *
 * Where not all of them fit, those that do are loaded, in the order given, and the rest when they
 * are asked for (residency.h).
 *
 * Threads: open and close by one; residents may be used from any.
 * Memory: the fleet owns models, engines, their device and the executor.
 */
#ifndef MU_ROUTER_FLEET_H
#define MU_ROUTER_FLEET_H

#include "router/executor.h"
#include "router/memory_plan.h"
#include "router/placement.h"

typedef struct mu_fleet mu_fleet;

typedef struct mu_fleet_model {
    const mu_ref *ref; /* borrowed during open() */
    const char *name;  /* what clients are told of it, copied; NULL: the reference, maybe a path */
    uint32_t weight;   /* of its share of the device's time, > 0 */
    bool is_pinned;    /* once loaded it stays */
} mu_fleet_model;

typedef struct mu_fleet_options {
    const mu_fleet_model *models; /* [n_models], n_models > 0 */
    uint32_t n_models;
    const mu_hub_env *env;
    const mu_placement *placement; /* its device is settled; types are, for each model */
    mu_placement_options types;    /* dtype and kv */
    mu_engine_options engine;      /* of each; device and types come from the placement, and of
                                      several models n_ctx is no more than each one's own, if
                                      one has it */
    mu_resident_options resident;  /* of each; model, engine and weight are the fleet's */
    uint64_t memory_bytes_max;     /* of everything; 0: no limit */
    bool is_lazy;                  /* no model is loaded before it is asked for */
    uint64_t idle_ns, wait_ns;     /* as in mu_executor_options */
} mu_fleet_options;

mu_status mu_fleet_open(const mu_fleet_options *options, mu_fleet **out, mu_err *err) MU_MUST_USE;
/* Ends what runs. Requests must have been freed. NULL is allowed. */
void mu_fleet_close(mu_fleet *fleet);

mu_resident *mu_fleet_resident(mu_fleet *fleet, uint32_t i);
/* Cancel every request, with notice. */
void mu_fleet_cancel_all(mu_fleet *fleet);
const mu_memory_plan *mu_fleet_memory(const mu_fleet *fleet);

/* KV cache of a model: what it has, and what it would have with memory enough. */
typedef struct mu_fleet_kv {
    uint64_t bytes, wanted_bytes;
} mu_fleet_kv;

mu_fleet_kv mu_fleet_get_kv(const mu_fleet *fleet, uint32_t i);

#endif
