/* pacer.h - how much prefill a step may take beside running streams.
 *
 * A step of D decode tokens takes a time that is learnt for D, in classes of powers of two; each
 * prefill token beside them adds a time that is learnt too. The allowance is what keeps a step
 * within MU_PACER_STRETCH of its time without prefill, so a stream's next token is at most that
 * much later while somebody's long prompt is read.
 *
 * Pure: no clock. Threads: one at a time.
 */
#ifndef MU_ROUTER_PACER_H
#define MU_ROUTER_PACER_H

#include "base/base.h"

#define MU_PACER_STRETCH 1.75 /* below 2: room for noise */

enum {
    MU_PACER_CLASSES = 13,       /* of decode tokens: 1, 2, 3 to 4, 5 to 8 ... */
    MU_PACER_TOKENS_FIRST = 32,  /* before anything was measured */
    MU_PACER_TOKENS_MIN = 4,     /* a prompt must come to its end */
    MU_PACER_TOKENS_MAX = 65536, /* the engine's own limit is below */
};

typedef struct mu_pacer {
    double decode_ns[MU_PACER_CLASSES]; /* a step without prefill; 0: not measured */
    double prefill_token_ns;            /* what one prefill token adds; 0: not measured */
} mu_pacer;

/* A step of n_decode and n_prefill tokens took ns. */
void mu_pacer_observe(mu_pacer *p, uint32_t n_decode, uint32_t n_prefill, double ns);
/* Prefill tokens allowed beside n_decode. */
uint32_t mu_pacer_allowance(const mu_pacer *p, uint32_t n_decode);

#endif
