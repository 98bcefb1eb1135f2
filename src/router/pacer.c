#include "router/pacer.h"

/* Weights of the newest value in the running means. A slow step once in a while must not throw the
 * allowance off, a longer context must be followed. */
static const double decode_weight = 1.0 / 8, prefill_weight = 1.0 / 8;

static uint32_t class_of(uint32_t n_decode) {
    uint32_t c = 0;
    while (c + 1 < MU_PACER_CLASSES && n_decode > 1u << c) {
        c++;
    }
    return c;
}

static void mix(double *mean, double value, double weight) {
    *mean = *mean == 0.0 ? value : *mean + weight * (value - *mean);
}

/* The class's own time, else the nearest measured one: of fewer tokens first, it is no longer. */
static double decode_ns(const mu_pacer *p, uint32_t n_decode) {
    uint32_t own = class_of(n_decode);
    for (uint32_t c = own + 1; c-- > 0;) {
        if (p->decode_ns[c] > 0.0) return p->decode_ns[c];
    }
    for (uint32_t c = own + 1; c < MU_PACER_CLASSES; c++) {
        if (p->decode_ns[c] > 0.0) return p->decode_ns[c];
    }
    return 0.0;
}

void mu_pacer_observe(mu_pacer *p, uint32_t n_decode, uint32_t n_prefill, double ns) {
    if (n_prefill == 0 && n_decode > 0) {
        mix(&p->decode_ns[class_of(n_decode)], ns, decode_weight);
        return;
    }
    double alone = n_decode > 0 ? decode_ns(p, n_decode) : 0.0;
    if (n_prefill == 0 || (n_decode > 0 && alone == 0.0)) return;
    double added = (ns - alone) / n_prefill;
    if (added > 0.0) mix(&p->prefill_token_ns, added, prefill_weight);
}

uint32_t mu_pacer_allowance(const mu_pacer *p, uint32_t n_decode) {
    if (n_decode == 0) return MU_PACER_TOKENS_MAX;
    double alone = decode_ns(p, n_decode);
    if (alone == 0.0 || p->prefill_token_ns == 0.0) return MU_PACER_TOKENS_FIRST;
    double n = alone * (MU_PACER_STRETCH - 1.0) / p->prefill_token_ns;
    if (n < MU_PACER_TOKENS_MIN) return MU_PACER_TOKENS_MIN;
    return n > MU_PACER_TOKENS_MAX ? MU_PACER_TOKENS_MAX : (uint32_t)n;
}
