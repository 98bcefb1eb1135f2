#include "backend/cpu/x86/levels.h"

/* F16C came with every CPU that has AVX2. */
static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

static bool has_vnni(void) {
    return has_avx512() && __builtin_cpu_supports("avx512vnni");
}

static bool has_bf16(void) {
    return has_avx512() && __builtin_cpu_supports("avx512bf16");
}

static bool has_vnni_and_bf16(void) {
    return has_vnni() && has_bf16();
}

static const struct {
    uint32_t level;
    bool (*is_there)(void);
    void (*kernels)(mu_kernels *k);
    void (*rates)(mu_rate_loops *loops);
} levels[] = {
    {MU_X86_AVX2, has_avx2, mu_kernels_init_avx2, mu_rate_loops_avx2},
    {MU_X86_AVX2, has_avx2, mu_kernels_init_avx2quant, NULL},
    {MU_X86_AVX2, has_avx2, mu_kernels_init_avx2kv, NULL},
    {MU_X86_AVX2, has_avx2, mu_kernels_init_avx2planes, NULL},
    {MU_X86_AVX512, has_avx512, mu_kernels_init_avx512, mu_rate_loops_avx512},
    {MU_X86_AVX512, has_vnni, mu_kernels_init_avx512vnni, NULL},
    {MU_X86_AVX512, has_vnni, mu_kernels_init_avx512planes, NULL},
    {MU_X86_AVX512, has_bf16, mu_kernels_init_avx512bf16, NULL},
    {MU_X86_AVX512, has_vnni_and_bf16, NULL, mu_rate_loops_avx512bf16},
};

void mu_x86_kernels(mu_kernels *kernels, uint32_t max) {
    for (size_t i = 0; i < MU_COUNTOF(levels); i++) {
        if (levels[i].level > max || !levels[i].kernels || !levels[i].is_there()) continue;
        levels[i].kernels(kernels);
    }
}

void mu_x86_rate_loops(mu_rate_loops *loops, uint32_t max) {
    for (size_t i = 0; i < MU_COUNTOF(levels); i++) {
        if (levels[i].level > max || !levels[i].rates || !levels[i].is_there()) continue;
        levels[i].rates(loops);
    }
}
