/* rng.h - deterministic random numbers: the same seed gives the same numbers on every machine.
 *
 * SplitMix64 (Steele, Lea, Flood 2014): the state is a counter, the output a mix of it, so the
 * n-th number of a seed can also be had directly (mu_mix64), which synthetic weights use.
 * Threads: a mu_rng belongs to one thread.
 */
#ifndef MU_BASE_RNG_H
#define MU_BASE_RNG_H

#include "base/base.h"

typedef struct mu_rng {
    uint64_t state;
} mu_rng;

static inline uint64_t mu_mix64(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static inline uint64_t mu_rng_u64(mu_rng *rng) {
    return mu_mix64(rng->state += 0x9e3779b97f4a7c15u);
}

__extension__ typedef unsigned __int128 mu_u128;

/* Uniform in [0, n), n > 0. The bias is below n / 2^64. */
static inline uint64_t mu_rng_below(mu_rng *rng, uint64_t n) {
    return (uint64_t)(((mu_u128)mu_rng_u64(rng) * n) >> 64);
}

/* Uniform in [0, 1), 53 bits. */
static inline double mu_rng_f64(mu_rng *rng) {
    return (double)(mu_rng_u64(rng) >> 11) * 0x1p-53;
}

#endif
