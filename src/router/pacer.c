#include "router/pacer.h"

/* Weights of the newest value in the running means. A slow step once in a while must not throw the
 * allowance off, a longer context must be followed. */
static const double decode_weight = 1.0 / 4, prefill_weight = 1.0 / 8;

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

void mu_pacer_observe(mu_pacer *p, uint32_t n_decode, uint32_t n_prefill, double ns) {
    mu_pacer_class *c = &p->classes[class_of(n_decode)];
    if (n_decode == 0 || n_prefill > 0) {
        double added = n_decode > 0 ? ns - c->decode_ns : ns;
        bool is_known = n_prefill > 0 && (n_decode == 0 || c->decode_ns > 0.0);
        if (is_known && added > 0.0) mix(&p->prefill_token_ns, added / n_prefill, prefill_weight);
        if (n_decode > 0) c->age++;
        return;
    }
    mix(&c->decode_ns, ns, decode_weight);
    c->age = 0;
}

uint32_t mu_pacer_allowance(const mu_pacer *p, uint32_t n_decode, uint32_t n_waiting) {
    if (n_decode == 0) return MU_PACER_TOKENS_MAX;
    const mu_pacer_class *c = &p->classes[class_of(n_decode)];
    if (c->decode_ns == 0.0 || c->age >= MU_PACER_AGE_MAX) return 0;
    if (p->prefill_token_ns == 0.0) return MU_PACER_TOKENS_FIRST;
    double share = n_waiting > 1 ? MU_PACER_SHARE * n_waiting : MU_PACER_SHARE;
    if (share > MU_PACER_SHARE_MAX) share = MU_PACER_SHARE_MAX;
    double n = c->decode_ns * share / p->prefill_token_ns;
    if (n < MU_PACER_TOKENS_MIN) return MU_PACER_TOKENS_MIN;
    return n > MU_PACER_TOKENS_MAX ? MU_PACER_TOKENS_MAX : (uint32_t)n;
}
