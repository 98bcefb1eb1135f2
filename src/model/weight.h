/* weight.h - one bound weight: which part of which tensor fills a slot, and how to read it as f32
 * whatever its type and orientation in the file.
 *
 * Backends read weights once, at load, to pack them in their own layout. The unit is a panel: all
 * inputs of `width` neighbouring outputs, input-major, because every packed layout starts from it.
 *
 * Threads: reading is a pure function, any thread.
 */
#ifndef MU_MODEL_WEIGHT_H
#define MU_MODEL_WEIGHT_H

#include "tensor/tensor.h"

typedef struct mu_weight {
    uint32_t n_out;          /* 0: the slot is empty, its value is zero */
    uint32_t n_in;           /* 1 for vectors */
    const mu_tensor *tensor; /* borrowed; NULL: synthetic, computed from seed */
    uint32_t first_out;      /* of the tensor's outputs (Q, K, V are thirds of one tensor) */
    bool is_transposed;      /* the tensor is [n_in, all outputs] (GPT-2's Conv1D) */
    /* Not 0: the rows of each head of so many, an even number, lie in the file as 0, d / 2, 1, d /
     * 2
     * + 1, ... (rotary positions that pair neighbours, rope.h); they are read in order. */
    uint32_t interleaved_dim;
    float added;           /* to every value that is read as rows */
    uint64_t seed;         /* synthetic: value(out, in) is a hash of seed and index ... */
    float mean, deviation; /* ... approximately normal with these */
} mu_weight;

/* What a matrix is packed as: the type wanted, or with MU_AS_FILE that which suits its own. */
mu_dtype mu_weight_type_of(const mu_weight *w, mu_dtype wanted);

/* Output `out` of a matrix with rows so interleaved is at this row of the file, and the other way
 * round. */
uint32_t mu_interleaved_row(uint32_t interleaved_dim, uint32_t out);
uint32_t mu_interleaved_output(uint32_t interleaved_dim, uint32_t row);

/* dst[i][j] = w[first_out + j][i] for i < n_in, j < width; zero where first_out + j >= n_out.
 * dst: [n_in, width] f32. */
void mu_weight_read_panel(const mu_weight *w, uint32_t first_out, uint32_t width, float *dst);

/* dst[j][i] = w[first_out + j][i].  dst: [n, n_in] f32, first_out + n <= n_out. */
void mu_weight_read_rows(const mu_weight *w, uint32_t first_out, uint32_t n, float *dst);

/* The rows [first_out, first_out + width) as blocks of a quantized type: dst is [width][ceil(n_in /
 * elements of a block)] blocks, padded with zeros. Blocks that the file already holds in that type
 * are copied, and MU_Q4_0 becomes MU_Q8_0, without a change of value; anything else is rounded from
 * f32, to what mu_quantize() knows. Rows past n_out are zero. panel: [n_in filled up to whole
 * blocks, width] f32 scratch. */
void mu_weight_read_blocks(const mu_weight *w, mu_dtype dtype, uint32_t first_out, uint32_t width,
                           float *panel, void *dst);

/* Let go of the file pages behind n outputs from first_out on (they may be read again, more
 * slowly). Outputs past the end are ignored. A transposed tensor has no pages of single outputs: it
 * goes whole when its last output does. */
void mu_weight_drop(const mu_weight *w, uint32_t first_out, uint32_t n);

#endif
