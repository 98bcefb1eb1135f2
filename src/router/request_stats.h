/* request_stats.h - what the requests of one model were like: times, tokens, ends.
 *
 * Threads: one at a time. Memory: plain values; copying is fine.
 */
#ifndef MU_ROUTER_REQUEST_STATS_H
#define MU_ROUTER_REQUEST_STATS_H

#include "base/histogram.h"

typedef enum mu_outcome {
    MU_OUTCOME_STOP,
    MU_OUTCOME_LENGTH,
    MU_OUTCOME_CANCELED,
    MU_OUTCOME_ERROR,
    MU_N_OUTCOMES,
} mu_outcome;

const char *mu_outcome_name(mu_outcome outcome);

typedef struct mu_request_stats {
    mu_histogram ttft, inter_token, end_to_end, queue; /* seconds */
    mu_histogram prompt_tokens, output_tokens;         /* per request */
    uint64_t n_prompt_tokens, n_cached_tokens, n_output_tokens;
    uint64_t n_requests[MU_N_OUTCOMES]; /* ended */
} mu_request_stats;

void mu_request_stats_init(mu_request_stats *stats);
void mu_request_stats_started(mu_request_stats *stats, uint64_t submitted_ns, uint64_t now_ns);
void mu_request_stats_first_token(mu_request_stats *stats, uint64_t submitted_ns, uint64_t now_ns);
/* n tokens of one sequence, the newest now and the one before them at last_ns. */
void mu_request_stats_tokens(mu_request_stats *stats, uint32_t n, uint64_t last_ns,
                             uint64_t now_ns);

typedef struct mu_request_end_facts {
    mu_outcome outcome;
    bool has_started; /* false: it left the queue without running */
    uint32_t n_prompt, n_cached;
    uint64_t n_output;
    uint64_t submitted_ns, end_ns;
} mu_request_end_facts;

void mu_request_stats_ended(mu_request_stats *stats, const mu_request_end_facts *end);

#endif
