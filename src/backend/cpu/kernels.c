#include "backend/cpu/kernels.h"

mu_kernels mu_kernels_get(mu_isa max) {
    mu_kernels k = {0};
    mu_kernels_init_ref(&k);
#if defined(__x86_64__)
    /* F16C came with every CPU that has AVX2. */
    bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
    if (max >= MU_ISA_AVX2 && has_avx2) {
        mu_kernels_init_avx2(&k);
        mu_kernels_init_avx2quant(&k);
        mu_kernels_init_avx2kv(&k);
    }
    if (max >= MU_ISA_AVX512 && has_avx512) mu_kernels_init_avx512(&k);
    if (max >= MU_ISA_AVX512 && has_avx512 && __builtin_cpu_supports("avx512vnni")) {
        mu_kernels_init_avx512vnni(&k);
    }
    if (max >= MU_ISA_AVX512 && has_avx512 && __builtin_cpu_supports("avx512bf16")) {
        mu_kernels_init_avx512bf16(&k);
    }
#else
    (void)max;
#endif
    MU_ASSERT(k.isa);
    return k;
}
