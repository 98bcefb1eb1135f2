#include "bench/stats/attainment.h"

#include <math.h>

#include "base/distributions.h"

mu_attainment mu_attainment_of(uint64_t n_good, uint64_t n_offered, double window_s) {
    MU_ASSERT(n_good <= n_offered);
    mu_attainment out = {.n_good = n_good,
                         .n_offered = n_offered,
                         .share = NAN,
                         .ci = {NAN, NAN},
                         .at_least = NAN,
                         .goodput_per_s = window_s > 0.0 ? (double)n_good / window_s : NAN};
    if (n_offered == 0) return out;
    double n = (double)n_offered;
    out.share = (double)n_good / n;
    out.ci = mu_interval_proportion(n_good, n_offered);
    out.at_least = n_good == n_offered ? fmax(0.0, 1.0 - 3.0 / n) : out.ci.low;
    return out;
}

mu_slo_state mu_attainment_decide(uint64_t n_misses, uint64_t n, double target, double confidence) {
    MU_ASSERT(n_misses <= n && target > 0.0 && target < 1.0);
    if (n == 0) return MU_SLO_UNDECIDED;
    double miss = 1.0 - target, rare = 1.0 - confidence + 1e-12;
    if (mu_binomial_cdf(n_misses, n, miss) <= rare) return MU_SLO_MET;
    if (n_misses > 0 && 1.0 - mu_binomial_cdf(n_misses - 1, n, miss) <= rare) {
        return MU_SLO_MISSED;
    }
    return MU_SLO_UNDECIDED;
}

uint64_t mu_attainment_n_needed(uint64_t n_misses, double target, double confidence) {
    uint64_t low = n_misses, high = n_misses + 1;
    while (mu_attainment_decide(n_misses, high, target, confidence) != MU_SLO_MET) {
        low = high;
        high *= 2;
    }
    while (high - low > 1) { /* low is not enough, high is */
        uint64_t middle = low + (high - low) / 2;
        if (mu_attainment_decide(n_misses, middle, target, confidence) == MU_SLO_MET) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return high;
}
