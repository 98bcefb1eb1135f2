#include "bench/mock/mock_plan.h"

#include <math.h>

#include "base/alloc.h"
#include "base/rng.h"

static const double OFFSET_MS_MAX = 1e9; /* eleven days: any draw fits a clock */

uint64_t mu_mock_to_wall(const mu_mock_clock *clock, uint64_t server_ns) {
    return server_ns < clock->stall_begin_ns ? server_ns : server_ns + clock->stall_ns;
}

uint64_t mu_mock_to_server(const mu_mock_clock *clock, uint64_t wall_ns) {
    if (wall_ns < clock->stall_begin_ns) return wall_ns;
    uint64_t since = wall_ns - clock->stall_begin_ns;
    return clock->stall_begin_ns + (since > clock->stall_ns ? since - clock->stall_ns : 0);
}

/* Box-Muller; the second number of the pair is not used, so that draws can be counted. */
static double normal(mu_rng *rng) {
    const double two_pi = 6.283185307179586;
    double u = 1.0 - mu_rng_f64(rng), v = mu_rng_f64(rng); /* u > 0 */
    return sqrt(-2.0 * log(u)) * cos(two_pi * v);
}

static double draw_ms(const mu_mock_delay *delay, mu_rng *rng) {
    double sigma = delay->sigma;
    switch (delay->shape) {
    case MU_MOCK_EXPONENTIAL:
        return -delay->mean_ms * log(1.0 - mu_rng_f64(rng));
    case MU_MOCK_LOGNORMAL: /* exp(mu + sigma^2 / 2) is the mean */
        return delay->mean_ms * exp(sigma * normal(rng) - sigma * sigma / 2.0);
    default:
        return delay->mean_ms;
    }
}

static mu_mock_fault pick_fault(const mu_mock_options *options, uint64_t index) {
    for (int fault = MU_MOCK_FINE + 1; fault < MU_N_MOCK_FAULTS; fault++) {
        uint32_t every = options->fault_every[fault];
        if (every > 0 && index % every == 0) return (mu_mock_fault)fault;
    }
    return MU_MOCK_FINE;
}

static void plan_tokens(mu_mock_plan *plan, const mu_mock_options *o, const mu_mock_wish *wish) {
    uint32_t natural = o->output_tokens;
    if (wish->min_tokens > natural) natural = wish->min_tokens;
    bool has_max = wish->max_tokens > 0;
    bool is_cut = has_max && (wish->ignores_eos || wish->max_tokens <= natural);
    plan->n_tokens = is_cut ? wish->max_tokens : natural;
    plan->ends_by_itself = !is_cut;
    if (plan->fault == MU_MOCK_SHORT) {
        plan->n_tokens = (plan->n_tokens + 1) / 2;
        plan->ends_by_itself = true;
    }
    plan->n_chunks = (plan->n_tokens + o->tokens_per_chunk - 1) / o->tokens_per_chunk;
    plan->n_reasoning = wish->is_chat ? o->reasoning_tokens : 0;
}

bool mu_mock_plan_init(mu_mock_plan *plan, const mu_mock_options *o, uint64_t index,
                       const mu_mock_wish *wish) {
    *plan = (mu_mock_plan){.fault = pick_fault(o, index)};
    plan_tokens(plan, o, wish);
    plan->fault_chunk = o->fault_at < plan->n_chunks ? o->fault_at
                        : o->fault_at == UINT32_MAX  ? plan->n_chunks / 2
                                                     : plan->n_chunks - 1;
    plan->has_continuous_usage =
        o->continuous_usage || (wish->wants_continuous_usage && o->usage != MU_MOCK_USAGE_NEVER);
    plan->has_usage =
        o->usage == MU_MOCK_USAGE_ALWAYS ||
        (o->usage == MU_MOCK_USAGE_ASKED && (wish->wants_usage || wish->wants_continuous_usage));
    plan->offsets_ns = MU_ALLOC(uint64_t, plan->n_chunks);
    if (!plan->offsets_ns) return false;

    mu_rng rng = {.state = mu_mix64(o->seed ^ mu_mix64(index))};
    double at_ms = draw_ms(&o->ttft, &rng) + wish->n_prompt * o->prefill_us / 1e3;
    for (uint32_t i = 0; i < plan->n_chunks; i++) {
        if (i > 0) at_ms += draw_ms(&o->itl, &rng);
        if (at_ms > OFFSET_MS_MAX) at_ms = OFFSET_MS_MAX;
        plan->offsets_ns[i] = (uint64_t)llround(at_ms * 1e6);
    }
    plan->service_ns = plan->offsets_ns[plan->n_chunks - 1] + (uint64_t)llround(o->tail_ms * 1e6);
    return true;
}

void mu_mock_plan_deinit(mu_mock_plan *plan) {
    mu_free(plan->offsets_ns);
    plan->offsets_ns = NULL;
}

uint32_t mu_mock_plan_chunk_tokens(const mu_mock_options *options, const mu_mock_plan *plan,
                                   uint32_t chunk) {
    uint32_t first = chunk * options->tokens_per_chunk, left = plan->n_tokens - first;
    return left < options->tokens_per_chunk ? left : options->tokens_per_chunk;
}

uint64_t mu_mock_slot_take(uint64_t *slots_free_ns, uint32_t n, uint64_t arrived_ns,
                           uint64_t service_ns) {
    if (n == 0) return arrived_ns;
    uint32_t first = 0;
    for (uint32_t i = 1; i < n; i++) {
        if (slots_free_ns[i] < slots_free_ns[first]) first = i;
    }
    uint64_t start = slots_free_ns[first] > arrived_ns ? slots_free_ns[first] : arrived_ns;
    slots_free_ns[first] = start + service_ns;
    return start;
}
