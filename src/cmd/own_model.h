/* own_model.h - the model that `muai bench` serves itself: its facts for the benchmark, and what is
 * measured of it in this process.
 *
 * bench/ knows servers, not engines: everything about weights, kernels and peak rates reaches it
 * from here.
 *
 * Threads: one. Memory: facts and device text live in the struct; close() frees the model.
 */
#ifndef MU_CMD_OWN_MODEL_H
#define MU_CMD_OWN_MODEL_H

#include "bench/suite/bench.h"
#include "cmd/common.h"

typedef struct mu_own {
    mu_ref ref;
    mu_model *model; /* NULL: none was opened; rates are then those of the CPU */
    mu_placement placement;
    mu_own_model facts;
    char device[192];
    uint32_t n_threads; /* that rates are measured with; 0: what is allowed */
    const mu_cpu_level *isa_max;
    mu_machine_rates rates; /* zero until they are measured */
    bool (*is_canceled)(void);
} mu_own;

/* On a zeroed struct whose n_threads, isa_max and is_canceled are set. */
mu_status mu_own_open(mu_own *own, const char *reference, const mu_placement_options *where,
                      mu_err *err) MU_MUST_USE;
void mu_own_close(mu_own *own); /* also of one that was not opened */

/* own is borrowed. */
mu_bench_inside mu_own_inside(mu_own *own);

#endif
