/* packed.h - a weight matrix in panels, ready for the kernels (kernels.h says how a panel looks).
 *
 * Memory: nothing is owned; panels and bias point into a region that the backend carved.
 * Threads: immutable once packed.
 */
#ifndef MU_BACKEND_CPU_PACKED_H
#define MU_BACKEND_CPU_PACKED_H

#include "backend/cpu/kernels.h"
#include "backend/region.h"
#include "base/pool.h"

typedef struct mu_packed {
    const mu_matmul *matmul; /* borrowed from the backend's kernel table; NULL: no matrix */
    uint32_t n_out, n_in;
    uint32_t n_panels;
    size_t panel_bytes; /* multiple of 64 */
    uint8_t *panels;    /* [n_panels][panel_bytes] */
    float *bias;        /* [n_panels][MU_PANEL]; zeros where the model has none */
} mu_packed;

static inline uint32_t mu_panels_of(uint32_t n_out) {
    return (n_out + MU_PANEL - 1) / MU_PANEL;
}

/* Take memory for a matrix. */
void mu_packed_layout(mu_packed *packed, const mu_matmul *matmul, uint32_t n_out, uint32_t n_in,
                      mu_region *region);

/* Floats of scratch that a thread needs to pack panels of n_in inputs: a panel as f32 and as
 * blocks. */
size_t mu_packed_scratch_floats(uint32_t n_in);

/* Fill it from a weight and its bias (an empty slot is zeros), by all threads of the pool.
 * scratch: mu_packed_scratch_floats(n_in) for each thread. Lets go of the file pages it has read.
 */
void mu_packed_fill(const mu_packed *packed, const mu_weight *w, const mu_weight *bias,
                    mu_pool *pool, float *const *scratch);

/* Output `column`'s weights, dst: [n_in]. */
void mu_packed_column(const mu_packed *packed, uint32_t column, float *dst);

#endif
