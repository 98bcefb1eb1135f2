/* levels.h - what an x86 CPU does faster than portable C. The files beside this one are compiled
 * each with flags of their own, on x86 only; nothing in them runs unless the CPU was asked.
 *
 * Threads: pure functions of the CPU.
 */
#ifndef MU_BACKEND_CPU_X86_LEVELS_H
#define MU_BACKEND_CPU_X86_LEVELS_H

#include "backend/cpu/kernels.h"
#include "backend/cpu/rates.h"

enum { MU_X86_AVX2 = 1, MU_X86_AVX512 }; /* indices of levels; 0 is portable C */

/* Overwrite the entries that the levels up to max have, lowest level first. */
void mu_x86_kernels(mu_kernels *kernels, uint32_t max);
void mu_x86_rate_loops(mu_rate_loops *loops, uint32_t max);

/* Each file overwrites its own entries and leaves the rest. */
void mu_kernels_init_avx2(mu_kernels *k);
void mu_kernels_init_avx2quant(mu_kernels *k);
void mu_kernels_init_avx2kv(mu_kernels *k);
void mu_kernels_init_avx2planes(mu_kernels *k);
void mu_kernels_init_avx512(mu_kernels *k);
void mu_kernels_init_avx512vnni(mu_kernels *k);
void mu_kernels_init_avx512bf16(mu_kernels *k);
void mu_kernels_init_avx512planes(mu_kernels *k);
void mu_rate_loops_avx2(mu_rate_loops *loops);
void mu_rate_loops_avx512(mu_rate_loops *loops);
void mu_rate_loops_avx512bf16(mu_rate_loops *loops); /* with VNNI */

#endif
