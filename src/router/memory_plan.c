#include "router/memory_plan.h"

#include <stdio.h>

static uint64_t kv_least(const mu_memory_need *need) {
    const mu_engine_bytes *b = &need->bytes;
    return need->kv_is_fixed || b->kv < b->kv_least ? b->kv : b->kv_least;
}

static uint64_t own_scratch(const mu_memory_need *need) {
    return need->scratch_is_own ? need->bytes.scratch : 0;
}

/* What loading it takes beside its KV cache. */
static uint64_t loaded_least(const mu_memory_need *need) {
    return need->bytes.weights + own_scratch(need);
}

static mu_status refuse(const mu_memory_need *need, const mu_memory_plan *plan, mu_err *err) {
    uint64_t least = loaded_least(need) + kv_least(need);
    return mu_fail(err, MU_ERR_LIMIT,
                   "%.60s: %llu MiB are needed and %llu MiB may be used: weights %llu, KV %llu, "
                   "scratch %llu, the rest %llu",
                   need->name, (unsigned long long)((plan->fixed + least) >> 20),
                   (unsigned long long)(plan->limit >> 20),
                   (unsigned long long)(need->bytes.weights >> 20),
                   (unsigned long long)(kv_least(need) >> 20),
                   (unsigned long long)((plan->scratch + own_scratch(need)) >> 20),
                   (unsigned long long)((plan->fixed - plan->scratch) >> 20));
}

/* All at once: each as much of what it wants beyond the least as there is room for. */
static void divide(const mu_memory_need *needs, uint32_t n, double part, mu_memory_part *out) {
    for (uint32_t i = 0; i < n; i++) {
        uint64_t own = kv_least(&needs[i]), more = needs[i].bytes.kv - own;
        out[i].kv = part >= 1.0 ? needs[i].bytes.kv : own + (uint64_t)(part * (double)more);
    }
}

static mu_status take_turns(const mu_memory_need *needs, uint32_t n, const mu_memory_plan *plan,
                            mu_memory_part *out, mu_err *err) {
    for (uint32_t i = 0; i < n; i++) {
        uint64_t least = kv_least(&needs[i]), kv = needs[i].bytes.weights / 2;
        uint64_t others = plan->fixed + loaded_least(&needs[i]);
        if (others + least > plan->limit) return refuse(&needs[i], plan, err);
        if (kv > plan->limit - others) kv = plan->limit - others;
        if (kv > needs[i].bytes.kv) kv = needs[i].bytes.kv;
        out[i].kv = kv < least ? least : kv;
    }
    return MU_OK;
}

mu_status mu_memory_plan_make(const mu_memory_need *needs, uint32_t n, uint64_t limit,
                              uint64_t taken, mu_memory_plan *out, mu_memory_part *out_parts,
                              mu_err *err) {
    uint64_t loaded = 0, least = 0, wanted = 0;
    mu_memory_plan plan = {.limit = limit, .fixed = taken};
    mu_status status = MU_OK;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t shared = needs[i].bytes.scratch - own_scratch(&needs[i]);
        if (shared > plan.scratch) plan.scratch = shared;
        plan.fixed += needs[i].bytes.accounting;
        loaded += loaded_least(&needs[i]);
        least += kv_least(&needs[i]);
        wanted += needs[i].bytes.kv;
    }
    plan.fixed += plan.scratch;
    uint64_t always = plan.fixed + loaded;
    plan.is_by_turns = limit > 0 && always + least > limit;
    if (plan.is_by_turns) {
        status = take_turns(needs, n, &plan, out_parts, err);
    } else if (limit == 0 || always + wanted <= limit) {
        divide(needs, n, 1.0, out_parts);
    } else {
        divide(needs, n, (double)(limit - always - least) / (double)(wanted - least), out_parts);
    }
    if (status != MU_OK) return status;
    plan.total = plan.fixed;
    for (uint32_t i = 0; i < n; i++) {
        out_parts[i].loaded = loaded_least(&needs[i]) + out_parts[i].kv;
        plan.total += out_parts[i].loaded;
    }
    *out = plan;
    return MU_OK;
}
