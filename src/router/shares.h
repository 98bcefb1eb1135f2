/* shares.h - whose engine steps next, where several share one device.
 *
 * Each has a virtual time: what its steps took, by its weight. The one that is furthest behind goes
 * next, so those with work get compute time as their weights are, whatever their steps cost. One
 * that had nothing to do goes on at the virtual time of the one in service: being idle gains no
 * credit, and costs none (start-time fair queueing; Goyal, Vin and Cheng 1996).
 *
 * While two have work, what they got by weight differs by one step of each at most, and nobody
 * waits for more than what the others' weights let them run in one of his own steps, and one step
 * of each.
 *
 * Pure: no clock. Threads: one at a time.
 */
#ifndef MU_ROUTER_SHARES_H
#define MU_ROUTER_SHARES_H

#include "base/base.h"

enum {
    MU_SHARES_MAX = 64,         /* engines of a device */
    MU_SHARE_WEIGHT_MAX = 1000, /* beside the least weight, 1 */
    MU_SHARES_NONE = MU_SHARES_MAX,
};

typedef struct mu_share {
    uint32_t weight;
    bool has_work;
    double virtual_ns;
} mu_share;

typedef struct mu_shares {
    mu_share items[MU_SHARES_MAX];
    uint32_t n;
    double now_ns; /* virtual time of the last one that was chosen; never goes back */
} mu_shares;       /* {0}: nobody yet */

/* weight: 1 to MU_SHARE_WEIGHT_MAX. Returns its index; there must be room. */
uint32_t mu_shares_add(mu_shares *shares, uint32_t weight);
void mu_shares_set_work(mu_shares *shares, uint32_t i, bool has_work);
/* The index of the next one; MU_SHARES_NONE: nobody has work. */
uint32_t mu_shares_next(mu_shares *shares);
/* A step of i took ns. */
void mu_shares_charge(mu_shares *shares, uint32_t i, uint64_t ns);

#endif
