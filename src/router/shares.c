#include "router/shares.h"

uint32_t mu_shares_add(mu_shares *s, uint32_t weight) {
    MU_ASSERT(s->n < MU_SHARES_MAX);
    MU_ASSERT(weight > 0 && weight <= MU_SHARE_WEIGHT_MAX);
    s->items[s->n] = (mu_share){.weight = weight, .virtual_ns = s->now_ns};
    return s->n++;
}

void mu_shares_set_work(mu_shares *s, uint32_t i, bool has_work) {
    MU_ASSERT(i < s->n);
    mu_share *share = &s->items[i];
    if (has_work && !share->has_work && share->virtual_ns < s->now_ns) {
        share->virtual_ns = s->now_ns;
    }
    share->has_work = has_work;
}

uint32_t mu_shares_next(mu_shares *s) {
    uint32_t best = MU_SHARES_NONE;
    for (uint32_t i = 0; i < s->n; i++) {
        if (!s->items[i].has_work) continue;
        bool is_behind =
            best == MU_SHARES_NONE || s->items[i].virtual_ns < s->items[best].virtual_ns;
        if (is_behind) best = i;
    }
    if (best != MU_SHARES_NONE && s->items[best].virtual_ns > s->now_ns) {
        s->now_ns = s->items[best].virtual_ns;
    }
    return best;
}

void mu_shares_charge(mu_shares *s, uint32_t i, uint64_t ns) {
    MU_ASSERT(i < s->n);
    s->items[i].virtual_ns += (double)ns / s->items[i].weight;
}
