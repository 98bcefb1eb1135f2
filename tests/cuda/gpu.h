/* gpu.h - the GPU that tests run on: through the library that MUAI_CUDA_LIBRARY names, which is
 * that of a real one or of the emulator. */
#ifndef MU_TESTS_CUDA_GPU_H
#define MU_TESTS_CUDA_GPU_H

#include <stdio.h>
#include <stdlib.h>

#include "backend/machine.h"

/* False, and said why, where there is none. */
static inline bool test_has_gpu(void) {
    const char *path = getenv("MUAI_CUDA_LIBRARY");
    uint32_t n;
    mu_err err;
    mu_gpu gpu;
    if (!path) {
        printf("no test on a GPU: MUAI_CUDA_LIBRARY is not set\n");
        return false;
    }
    mu_gpu_use_library(path);
    if (mu_gpu_count(&n, &err) != MU_OK || mu_gpu_read(0, &gpu, &err) != MU_OK) {
        printf("no test on a GPU: %s\n", err.text);
        return false;
    }
    printf("GPU of this test: %s\n", gpu.name);
    return true;
}

#endif
