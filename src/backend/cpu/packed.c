/* Packing reads each weight once. File pages are let go in slices, not tensor by tensor: the
 * embedding alone is 154 MB in GPT-2, and what is resident at the peak should stay near the packed
 * size.
 */
#include "backend/cpu/packed.h"

#include <string.h>

enum {
    ALIGN = 64,
    SLICE_PANELS = 128, /* 4096 outputs: 12 MB of a 768-wide f32 matrix between two drops */
};

void mu_packed_layout(mu_packed *packed, const mu_matmul *matmul, uint32_t n_out, uint32_t n_in,
                      mu_region *region) {
    size_t panel_bytes = (matmul->panel_bytes(n_in) + ALIGN - 1) / ALIGN * ALIGN;
    uint32_t n_panels = mu_panels_of(n_out);
    *packed = (mu_packed){
        .matmul = matmul,
        .n_out = n_out,
        .n_in = n_in,
        .n_panels = n_panels,
        .panel_bytes = panel_bytes,
        .panels = mu_region_take(region, n_panels * panel_bytes),
        .bias = mu_region_take(region, (size_t)n_panels * MU_PANEL * sizeof(float)),
    };
}

/* The largest block that inputs are filled up to, and the bytes that no block exceeds. */
static size_t whole_blocks(size_t n_in) {
    enum { BLOCK = 256 };
    return (n_in + BLOCK - 1) / BLOCK * BLOCK;
}

size_t mu_packed_scratch_floats(uint32_t n_in) {
    size_t n_blocks = whole_blocks(n_in) / MU_QUANT_GROUP * MU_PANEL;
    return whole_blocks(n_in) * MU_PANEL + n_blocks * sizeof(mu_block_q8_0) / sizeof(float);
}

typedef struct fill_job {
    const mu_packed *packed;
    const mu_weight *w;
    mu_pool *pool;
    float *const *scratch;
} fill_job;

/* Panel `panel`, through the scratch that mu_packed_scratch_floats() speaks of. */
static void pack_panel(const fill_job *job, uint32_t panel, float *scratch) {
    const mu_packed *packed = job->packed;
    const mu_matmul *matmul = packed->matmul;
    uint8_t *dst = packed->panels + panel * packed->panel_bytes;
    if (matmul->source == MU_F32) {
        mu_weight_read_panel(job->w, panel * MU_PANEL, MU_PANEL, scratch);
        matmul->pack_panel(dst, scratch, packed->n_in);
        return;
    }
    void *blocks = scratch + whole_blocks(packed->n_in) * MU_PANEL;
    mu_weight_read_blocks(job->w, matmul->source, panel * MU_PANEL, MU_PANEL, scratch, blocks);
    matmul->pack_panel(dst, blocks, packed->n_in);
}

static void fill_panels(void *ctx, uint32_t thread, uint32_t n_threads) {
    (void)n_threads;
    const fill_job *job = ctx;
    for (uint32_t slice = 0; slice < job->packed->n_panels; slice += SLICE_PANELS) {
        uint32_t n = job->packed->n_panels - slice;
        if (n > SLICE_PANELS) n = SLICE_PANELS;
        uint32_t i, end;
        while (mu_pool_next(job->pool, thread, n, 1, &i, &end)) {
            pack_panel(job, slice + i, job->scratch[thread]);
        }
        mu_pool_barrier(job->pool);
        if (thread == 0) mu_weight_drop(job->w, slice * MU_PANEL, n * MU_PANEL);
    }
}

void mu_packed_fill(const mu_packed *packed, const mu_weight *w, const mu_weight *bias,
                    mu_pool *pool, float *const *scratch) {
    MU_ASSERT(w->n_in == packed->n_in && w->n_out == packed->n_out);
    fill_job job = {.packed = packed, .w = w, .pool = pool, .scratch = scratch};
    mu_pool_run(pool, fill_panels, &job);
    if (bias && bias->n_out > 0) {
        MU_ASSERT(bias->n_out == w->n_out);
        mu_weight_read_rows(bias, 0, bias->n_out, packed->bias);
    }
}

void mu_packed_column(const mu_packed *packed, uint32_t column, float *dst) {
    MU_ASSERT(column / MU_PANEL < packed->n_panels);
    const uint8_t *panel = packed->panels + column / MU_PANEL * packed->panel_bytes;
    packed->matmul->unpack_column(dst, panel, packed->n_in, column % MU_PANEL);
}
