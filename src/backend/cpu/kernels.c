#include "backend/cpu/kernels.h"

#if defined(__x86_64__)
#include "backend/cpu/x86/levels.h"
#endif

mu_kernels mu_kernels_get(mu_isa max) {
    mu_kernels k = {0};
    mu_kernels_init_ref(&k);
#if defined(__x86_64__)
    mu_x86_kernels(&k, max);
#else
    (void)max;
#endif
    MU_ASSERT(k.isa);
    return k;
}
