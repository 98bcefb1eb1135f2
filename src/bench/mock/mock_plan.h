/* mock_plan.h - what the truth server will do about a request, before it does anything. Pure.
 *
 * Times of a plan are nanoseconds of the server's clock, which is mu_now_ns() except that it stands
 * still during the stall.
 */
#ifndef MU_BENCH_MOCK_MOCK_PLAN_H
#define MU_BENCH_MOCK_MOCK_PLAN_H

#include "bench/mock/mock.h"

typedef struct mu_mock_clock {
    uint64_t stall_ns, stall_begin_ns; /* length; begin UINT64_MAX: has not come */
} mu_mock_clock;

uint64_t mu_mock_to_wall(const mu_mock_clock *clock, uint64_t server_ns);
uint64_t mu_mock_to_server(const mu_mock_clock *clock, uint64_t wall_ns);

/* What a request asks for. */
typedef struct mu_mock_wish {
    bool is_chat, is_stream;
    bool ignores_eos, wants_usage, wants_continuous_usage;
    uint32_t n_prompt, max_tokens, min_tokens; /* 0: not said */
} mu_mock_wish;

typedef struct mu_mock_plan {
    mu_mock_fault fault;
    uint32_t fault_chunk;
    uint32_t n_tokens, n_chunks, n_reasoning;
    bool ends_by_itself; /* finish_reason "stop", else "length" */
    bool has_usage, has_continuous_usage;
    uint64_t *offsets_ns; /* [n_chunks] from the start, owned */
    uint64_t service_ns;  /* start to end */
} mu_mock_plan;

/* index: 1, 2, ... False: no memory. */
bool mu_mock_plan_init(mu_mock_plan *plan, const mu_mock_options *options, uint64_t index,
                       const mu_mock_wish *wish);
void mu_mock_plan_deinit(mu_mock_plan *plan);
uint32_t mu_mock_plan_chunk_tokens(const mu_mock_options *options, const mu_mock_plan *plan,
                                   uint32_t chunk);

/* Take the slot of slots [n] that frees first; when it starts. n == 0: at once. */
uint64_t mu_mock_slot_take(uint64_t *slots_free_ns, uint32_t n, uint64_t arrived_ns,
                           uint64_t service_ns);

#endif
