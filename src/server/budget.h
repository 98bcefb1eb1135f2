/* budget.h - the memory that requests may use: all together, and those of one client.
 *
 * What a request is going to need is taken before it is allocated and given back when it is freed:
 * its body, the JSON in it, its sequences, its answer. One client can have half, so that another
 * always finds the other half.
 *
 * Threads: any.
 */
#ifndef MU_SERVER_BUDGET_H
#define MU_SERVER_BUDGET_H

#include "base/status.h"

typedef struct mu_budget mu_budget;

mu_status mu_budget_open(uint64_t bytes, mu_budget **out, mu_err *err) MU_MUST_USE;
void mu_budget_close(mu_budget *budget); /* NULL is allowed; all was given back */

/* held: what the same request has already. Errors: MU_ERR_LIMIT (with it more than one client can
 * ever have), MU_ERR_BUSY (with what the client's other requests have), MU_ERR_NOMEM (with what all
 * have). Nothing is taken then. */
mu_status mu_budget_take(mu_budget *budget, uint64_t client, uint64_t held, uint64_t bytes,
                         mu_err *err) MU_MUST_USE;
void mu_budget_give(mu_budget *budget, uint64_t client, uint64_t bytes);
uint64_t mu_budget_used(mu_budget *budget);
uint64_t mu_budget_total(const mu_budget *budget);

#endif
