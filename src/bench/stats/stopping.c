#include "bench/stats/stopping.h"

#include <math.h>

enum { N_FIRST_DEFAULT = 30 };
static const double growth = 1.5;

double mu_relative_half_width(double value, mu_interval ci) {
    double half = (ci.high - ci.low) / 2.0 / fabs(value);
    return isfinite(half) ? half : INFINITY;
}

const char *mu_stop_reason_name(mu_stop_reason reason) {
    static const char *const names[] = {"not_yet", "precise", "time", "requests", "hopeless"};
    return names[reason];
}

/* The goal that needs the most more: widths fall with the root of n, so (width / goal)^2. */
static void find_worst(const mu_goal *goals, size_t n_goals, mu_stopping *out, double *out_times) {
    *out_times = 1.0;
    out->worst = n_goals;
    for (size_t i = 0; i < n_goals; i++) {
        double width =
            goals[i].is_gated ? INFINITY : mu_relative_half_width(goals[i].value, goals[i].ci);
        if (width <= goals[i].goal) continue;
        double times = (width / goals[i].goal) * (width / goals[i].goal);
        if (out->worst < n_goals && times <= *out_times) continue;
        *out_times = times;
        out->worst = i;
        out->worst_half_width = width;
    }
}

mu_stopping mu_stopping_decide(const mu_stop_rule *rule, const mu_stop_state *state,
                               const mu_goal *goals, size_t n_goals) {
    mu_stopping out = {.reason = MU_STOP_NOT_YET};
    double times;
    find_worst(goals, n_goals, &out, &times);
    bool is_precise = n_goals > 0 && out.worst == n_goals && !rule->is_fixed_n;
    if (state->is_hopeless && !rule->is_fixed_n) {
        out.reason = MU_STOP_HOPELESS;
    } else if (is_precise && state->elapsed_s >= rule->min_s) {
        out.reason = MU_STOP_PRECISE;
    } else if (rule->n_max > 0 && state->n >= rule->n_max) {
        out.reason = MU_STOP_REQUESTS;
    } else if (rule->max_s > 0.0 && state->elapsed_s >= rule->max_s && !rule->is_fixed_n) {
        out.reason = MU_STOP_TIME;
    }
    if (out.reason != MU_STOP_NOT_YET) return out;

    uint64_t n_first = rule->n_first ? rule->n_first : N_FIRST_DEFAULT;
    double grown = ceil((double)state->n * growth);
    out.n_next = state->n < n_first ? n_first : (uint64_t)grown;
    if (rule->is_fixed_n || (rule->n_max > 0 && out.n_next > rule->n_max)) {
        out.n_next = rule->n_max;
    }
    double left = state->elapsed_s * (times - 1.0);
    if (n_goals == 0) left = INFINITY;
    left = fmax(left, rule->min_s - state->elapsed_s);
    if (rule->max_s > 0.0) left = fmin(left, rule->max_s - state->elapsed_s);
    out.seconds_left = left;
    return out;
}
