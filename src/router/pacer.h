/* pacer.h - how much prefill a step may take beside running streams.
 *
 * A step of D decode tokens takes a time that is learnt for D, in classes of powers of two; each
 * prefill token beside them adds a time that is learnt too. Each prompt that waits to be read may
 * add MU_PACER_SHARE of a step's time without prefill, and all of them MU_PACER_SHARE_MAX: a
 * stream's next token is at most 1.75 times as far away while somebody's long prompt is read, and
 * at most 4 times when four or more wait. With one share for all, prompts would queue behind a
 * few streams whose steps cost nearly as much as those of many.
 *
 * Under load every step has prefill, and what the decode tokens take alone would never be seen: one
 * step in MU_PACER_AGE_MAX goes without.
 *
 * Pure: no clock. Threads: one at a time.
 */
#ifndef MU_ROUTER_PACER_H
#define MU_ROUTER_PACER_H

#include "base/base.h"

#define MU_PACER_SHARE     0.75 /* below 1: room for noise */
#define MU_PACER_SHARE_MAX 3.0

enum {
    MU_PACER_CLASSES = 13,       /* of decode tokens: 1, 2, 3 to 4, 5 to 8 ... */
    MU_PACER_AGE_MAX = 32,       /* steps with prefill before one without */
    MU_PACER_TOKENS_FIRST = 32,  /* before any prefill was measured */
    MU_PACER_TOKENS_MIN = 4,     /* a prompt must come to its end */
    MU_PACER_TOKENS_MAX = 65536, /* the engine's own limit is below */
};

typedef struct mu_pacer_class {
    double decode_ns; /* a step without prefill; 0: not measured */
    uint32_t age;     /* steps with prefill since it was measured */
} mu_pacer_class;

typedef struct mu_pacer {
    mu_pacer_class classes[MU_PACER_CLASSES];
    double prefill_token_ns; /* what one prefill token adds; 0: not measured */
} mu_pacer;

/* A step of n_decode and n_prefill tokens took ns. */
void mu_pacer_observe(mu_pacer *p, uint32_t n_decode, uint32_t n_prefill, double ns);
/* Prefill tokens allowed beside n_decode while n_waiting prompts are not read to their end; 0: a
 * step without prefill is to be seen. */
uint32_t mu_pacer_allowance(const mu_pacer *p, uint32_t n_decode, uint32_t n_waiting);

#endif
