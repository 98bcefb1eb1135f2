/* rates.h - the loops behind mu_machine_rates_measure(), one table per ISA level like the kernels.
 * Private to backend/cpu/.
 *
 * Each loop does a fixed amount of work and returns a value that depends on all of it, so that it
 * cannot be optimised away.
 */
#ifndef MU_BACKEND_CPU_RATES_H
#define MU_BACKEND_CPU_RATES_H

#include "backend/machine.h"

typedef struct mu_rate_loop {
    double ops_per_pass;             /* floating or integer operations; a multiply-add is two */
    float (*run)(uint32_t n_passes); /* NULL: this level has no such instruction */
} mu_rate_loop;

typedef struct mu_rate_loops {
    float (*read)(const float *data,
                  size_t n); /* read n floats (a multiple of 256) once, in order */
    mu_rate_loop f32, bf16, int8, int4;
} mu_rate_loops;

#endif
