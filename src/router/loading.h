/* loading.h - the executor's side of residency.h: it is told what is seen, and what it decides is
 * done. Private to router/, and the executor's thread's.
 */
#ifndef MU_ROUTER_LOADING_H
#define MU_ROUTER_LOADING_H

#include "router/executor_state.h"

void mu_loading_init(mu_executor *ex);
void mu_loading_add(mu_resident *resident);
/* Carry out what is decided, and end what has waited for too long. True: something was done. */
bool mu_loading_decide(mu_executor *ex, uint32_t n_residents, uint64_t now_ns);
bool mu_loading_is_on(const mu_resident *resident); /* it is being loaded */
/* The next piece of it. Returns what that took. */
uint64_t mu_loading_piece(mu_resident *resident);
/* Until something may be decided though nothing is seen; -1: never. */
int mu_loading_sleep_ms(mu_executor *ex, uint32_t n_residents);

#endif
