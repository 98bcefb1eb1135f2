#include "bench/stats/validity.h"

#include <math.h>

static const double share_max = 0.01; /* of errors, steal, mismatches, cache hits */

static const struct flag {
    const char *name, *text;
} flags_known[] = {
#define X(name, key, text) {key, text},
    MU_FLAG_MAP(X)
#undef X
};

bool mu_flags_are_valid(mu_flags flags) {
    return (flags & ~(mu_flags)MU_FLAG_SATURATED) == 0;
}

const char *mu_flag_name(uint32_t bit) {
    MU_ASSERT(bit < MU_N_FLAGS);
    return flags_known[bit].name;
}

const char *mu_flag_text(uint32_t bit) {
    MU_ASSERT(bit < MU_N_FLAGS);
    return flags_known[bit].text;
}

const char *mu_flags_stamp(mu_flags flags) {
    if (!mu_flags_are_valid(flags)) return "INVALID";
    return flags & MU_FLAG_SATURATED ? "SATURATED" : "VALID";
}

static mu_flags flag_if(bool holds, mu_flags flag) { /* comparisons with NAN do not hold */
    return holds ? flag : 0;
}

static bool is_above_share(uint64_t n_hits, uint64_t n) {
    return n > 0 && (double)n_hits > share_max * (double)n;
}

mu_flags mu_check_client(double client_cores_used, double own_delay_p99_s, double ttft_p50_s) {
    return flag_if(client_cores_used > 0.8 || own_delay_p99_s > 0.05 * ttft_p50_s,
                   MU_FLAG_CLIENT_BOUND);
}

mu_flags mu_check_lag(double lag_p99_s, double ttft_p50_s) {
    return flag_if(lag_p99_s >= fmax(1e-3, 0.01 * ttft_p50_s), MU_FLAG_LAG);
}

mu_flags mu_check_rate(double achieved_per_s, double intended_per_s) {
    return flag_if(achieved_per_s < 0.98 * intended_per_s, MU_FLAG_RATE_NOT_ACHIEVED);
}

mu_flags mu_check_cache(uint64_t n_cached_tokens, uint64_t n_prompt_tokens, bool is_cold) {
    return flag_if(is_cold && is_above_share(n_cached_tokens, n_prompt_tokens),
                   MU_FLAG_CACHE_CONTAMINATED);
}

mu_flags mu_check_steady(bool ttft_is_steady, bool rate_is_steady) {
    return flag_if(!ttft_is_steady || !rate_is_steady, MU_FLAG_NOT_STEADY);
}

mu_flags mu_check_osl(uint64_t n_different, uint64_t n) {
    return flag_if(is_above_share(n_different, n), MU_FLAG_OSL_MISMATCH);
}

mu_flags mu_check_isl(uint64_t n_different, uint64_t n) {
    return flag_if(is_above_share(n_different, n), MU_FLAG_ISL_MISMATCH);
}

mu_flags mu_check_errors(uint64_t n_failed, uint64_t n_offered) {
    return flag_if(is_above_share(n_failed, n_offered), MU_FLAG_ERRORS);
}

mu_flags mu_check_steal(double steal_s, double cpu_s) {
    return flag_if(steal_s > share_max * cpu_s, MU_FLAG_STEAL);
}

mu_flags mu_check_throttled(uint64_t n_throttled, double ghz_min, double ghz_start) {
    return flag_if(n_throttled > 0 || ghz_min < 0.9 * ghz_start, MU_FLAG_THROTTLED);
}

mu_flags mu_check_samples(double n_eff, uint64_t n_needed) {
    return flag_if(n_eff < (double)n_needed, MU_FLAG_TOO_FEW_SAMPLES);
}

mu_flags mu_check_restarted(int64_t pid_before, int64_t pid_after) {
    return flag_if(pid_before != pid_after, MU_FLAG_SERVER_RESTARTED);
}

mu_flags mu_check_saturated(mu_interval slope_per_s, double window_s, double mean_inflight) {
    double growth = (slope_per_s.low + slope_per_s.high) / 2.0 * window_s;
    bool matters = growth >= 1.0 && growth >= 0.1 * mean_inflight;
    return flag_if(slope_per_s.low > 0.0 && matters, MU_FLAG_SATURATED);
}
