#include "router/memory_plan.h"

#include <stdio.h>

static uint64_t kv_least(const mu_memory_need *need) {
    const mu_engine_bytes *b = &need->bytes;
    return need->kv_is_fixed || b->kv < b->kv_least ? b->kv : b->kv_least;
}

static mu_status refuse(const mu_memory_need *needs, uint32_t n, uint64_t total, uint64_t scratch,
                        uint64_t limit, mu_err *err) {
    char text[200];
    size_t used = 0;
    for (uint32_t i = 0; i < n && used < sizeof(text); i++) {
        int wrote = snprintf(text + used, sizeof(text) - used, "%s %.40s: weights %llu, KV %llu;",
                             i > 0 ? "" : ":", needs[i].name,
                             (unsigned long long)(needs[i].bytes.weights >> 20),
                             (unsigned long long)(kv_least(&needs[i]) >> 20));
        used += wrote > 0 ? (size_t)wrote : 0;
    }
    return mu_fail(err, MU_ERR_LIMIT, "%llu MiB are needed and %llu MiB may be used%s scratch %llu",
                   (unsigned long long)(total >> 20), (unsigned long long)(limit >> 20), text,
                   (unsigned long long)(scratch >> 20));
}

mu_status mu_memory_plan_make(const mu_memory_need *needs, uint32_t n, uint64_t limit,
                              mu_memory_plan *out, uint64_t *out_kv, mu_err *err) {
    uint64_t scratch = 0, own_scratch = 0, fixed = 0, least = 0, wanted = 0;
    for (uint32_t i = 0; i < n; i++) {
        const mu_engine_bytes *b = &needs[i].bytes;
        if (needs[i].scratch_is_own) {
            own_scratch += b->scratch;
        } else if (b->scratch > scratch) {
            scratch = b->scratch;
        }
        fixed += b->weights + b->accounting;
        least += kv_least(&needs[i]);
        wanted += b->kv;
    }
    scratch += own_scratch;
    fixed += scratch;
    if (limit > 0 && fixed + least > limit) {
        return refuse(needs, n, fixed + least, scratch, limit, err);
    }
    bool all_fits = limit == 0 || fixed + wanted <= limit;
    double part = all_fits ? 1.0 : (double)(limit - fixed - least) / (double)(wanted - least);
    *out = (mu_memory_plan){.limit = limit, .scratch = scratch, .total = fixed};
    for (uint32_t i = 0; i < n; i++) {
        uint64_t own = kv_least(&needs[i]), more = needs[i].bytes.kv - own;
        out_kv[i] = all_fits ? needs[i].bytes.kv : own + (uint64_t)(part * (double)more);
        out->total += out_kv[i];
    }
    return MU_OK;
}
