/* plan.h - a step, resolved for the CPU's layers: one row a token, addresses of KV groups, tiles of
 * queries. Made once a step by one thread, read by all. */
#ifndef MU_BACKEND_CPU_PLAN_H
#define MU_BACKEND_CPU_PLAN_H

#include "backend/cpu/cpu_backend.h"

/* Fills backend->plan. The step must fit the backend's options; this is asserted. */
void mu_step_plan_make(mu_cpu_backend *backend, const mu_step *step);

#endif
