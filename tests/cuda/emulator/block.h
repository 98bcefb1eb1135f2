/* block.h - run all blocks of a launch. Private to the emulator. */
#ifndef MU_EMULATED_BLOCK_H
#define MU_EMULATED_BLOCK_H

#include "cuda_runtime.h"

void mu_emulated_run(const dim3 &grid, unsigned n_threads, size_t shared_bytes,
                     const std::function<void()> &body);

#endif
