/* fair.h - whose request is next. The client with the fewest running requests goes first, the
 * earliest of equals, so one that sends hundreds does not hold up one that sends a single request.
 * A request that was passed over MU_FAIR_PASSES_MAX times goes before all: nobody starves.
 *
 * Pure. Threads: one at a time.
 */
#ifndef MU_ROUTER_FAIR_H
#define MU_ROUTER_FAIR_H

#include "base/base.h"

enum { MU_FAIR_PASSES_MAX = 32 };

typedef struct mu_fair {
    uint64_t client;
    uint32_t n_passed; /* later ones that went before */
} mu_fair;

/* How many of running [n_running] are the client's. */
uint32_t mu_fair_n_running(uint64_t client, mu_fair *const *running, uint32_t n_running);

/* queued: [n_queued], n_queued > 0, in order of arrival; running: [n_running]. Returns the index of
 * the next one and counts those that it passes. */
uint32_t mu_fair_pick(mu_fair *const *queued, uint32_t n_queued, mu_fair *const *running,
                      uint32_t n_running);

#endif
