#include "backend/cpu/kernels.h"

#if defined(__x86_64__)
#include "backend/cpu/x86/levels.h"
#endif

struct mu_cpu_level {
    const char *name;
};

static const mu_cpu_level levels[] = {
    {"ref"},
#if defined(__x86_64__)
    [MU_X86_AVX2] = {"avx2"},
    [MU_X86_AVX512] = {"avx512"},
#endif
};

uint32_t mu_cpu_n_levels(void) {
    return MU_COUNTOF(levels);
}

const mu_cpu_level *mu_cpu_level_at(uint32_t i) {
    MU_ASSERT(i < MU_COUNTOF(levels));
    return &levels[i];
}

const char *mu_cpu_level_name(const mu_cpu_level *level) {
    return level->name;
}

uint32_t mu_cpu_level_index(const mu_cpu_level *level) {
    return level ? (uint32_t)(level - levels) : MU_COUNTOF(levels) - 1;
}

mu_kernels mu_kernels_get(const mu_cpu_level *max) {
    mu_kernels k = {0};
    mu_kernels_init_ref(&k);
#if defined(__x86_64__)
    mu_x86_kernels(&k, mu_cpu_level_index(max));
#else
    (void)max;
#endif
    MU_ASSERT(k.isa);
    return k;
}
