#include "router/request_stats.h"

static const double latency_bounds[] = {.001, .005, .01, .02, .04, .06, .08, .1, .25, .5,  .75,
                                        1,    2.5,  5,   7.5, 10,  20,  40,  80, 160, 640, 2560};
static const double gap_bounds[] = {.001, .0025, .005, .01, .015, .02, .025, .05, .075, .1,
                                    .15,  .2,    .3,   .4,  .5,   .75, 1,    2.5, 5,    10};
static const double token_bounds[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000};

const char *mu_outcome_name(mu_outcome outcome) {
    static const char *const names[MU_N_OUTCOMES] = {"stop", "length", "canceled", "error"};
    return names[outcome];
}

void mu_request_stats_init(mu_request_stats *s) {
    *s = (mu_request_stats){0};
    mu_histogram_init(&s->ttft, latency_bounds, MU_COUNTOF(latency_bounds));
    mu_histogram_init(&s->inter_token, gap_bounds, MU_COUNTOF(gap_bounds));
    mu_histogram_init(&s->end_to_end, latency_bounds, MU_COUNTOF(latency_bounds));
    mu_histogram_init(&s->queue, latency_bounds, MU_COUNTOF(latency_bounds));
    mu_histogram_init(&s->prompt_tokens, token_bounds, MU_COUNTOF(token_bounds));
    mu_histogram_init(&s->output_tokens, token_bounds, MU_COUNTOF(token_bounds));
}

static double seconds(uint64_t from_ns, uint64_t to_ns) {
    return to_ns > from_ns ? (double)(to_ns - from_ns) * 1e-9 : 0.0;
}

void mu_request_stats_started(mu_request_stats *s, uint64_t submitted_ns, uint64_t now_ns) {
    mu_histogram_add(&s->queue, seconds(submitted_ns, now_ns), 1);
}

void mu_request_stats_first_token(mu_request_stats *s, uint64_t submitted_ns, uint64_t now_ns) {
    mu_histogram_add(&s->ttft, seconds(submitted_ns, now_ns), 1);
}

void mu_request_stats_tokens(mu_request_stats *s, uint32_t n, uint64_t last_ns, uint64_t now_ns) {
    MU_ASSERT(n > 0);
    mu_histogram_add(&s->inter_token, seconds(last_ns, now_ns) / n, n);
}

void mu_request_stats_ended(mu_request_stats *s, const mu_request_end_facts *end) {
    MU_ASSERT(end->outcome < MU_N_OUTCOMES);
    s->n_requests[end->outcome]++;
    s->n_output_tokens += end->n_output;
    if (end->has_started) {
        s->n_prompt_tokens += end->n_prompt;
        s->n_cached_tokens += end->n_cached;
        mu_histogram_add(&s->prompt_tokens, end->n_prompt, 1);
        mu_histogram_add(&s->output_tokens, (double)end->n_output, 1);
    }
    mu_histogram_add(&s->end_to_end, seconds(end->submitted_ns, end->end_ns), 1);
}
