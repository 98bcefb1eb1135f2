#include "router/fair.h"

uint32_t mu_fair_n_running(uint64_t client, mu_fair *const *running, uint32_t n_running) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_running; i++) {
        n += running[i]->client == client;
    }
    return n;
}

uint32_t mu_fair_pick(mu_fair *const *queued, uint32_t n_queued, mu_fair *const *running,
                      uint32_t n_running) {
    MU_ASSERT(n_queued > 0);
    if (queued[0]->n_passed >= MU_FAIR_PASSES_MAX) return 0;
    uint32_t best = 0, best_n = UINT32_MAX;
    for (uint32_t i = 0; i < n_queued && best_n > 0; i++) {
        uint32_t n = mu_fair_n_running(queued[i]->client, running, n_running);
        if (n >= best_n) continue;
        best = i;
        best_n = n;
    }
    for (uint32_t i = 0; i < best; i++) {
        queued[i]->n_passed++;
    }
    return best;
}
