/* block_fields.h - the blocks whose values are whole levels times a scale, taken apart: what the
 * kernels pack and what dequantization multiplies out. Q4_1, Q5_0, Q5_1 and Q2_K to Q6_K.
 *
 *     value[i] = scale * steps[i / sub] * (levels[i] - offset)             without mins
 *     value[i] = scale * steps[i / sub] * levels[i] + sign * min * mins[i / sub]
 *
 * Blocks of 32 have one step and one min, which are 1.
 *
 * Threads: pure functions.
 */
#ifndef MU_TENSOR_BLOCK_FIELDS_H
#define MU_TENSOR_BLOCK_FIELDS_H

#include "tensor/dtype.h"

enum { MU_BLOCK_ELEMS_MAX = 256, MU_BLOCK_STEPS_MAX = 16 };

typedef struct mu_block_fields {
    uint8_t levels[MU_BLOCK_ELEMS_MAX]; /* [block_elems] */
    int8_t steps[MU_BLOCK_STEPS_MAX];   /* [block_elems / sub] */
    uint8_t mins[MU_BLOCK_STEPS_MAX];   /* [block_elems / sub]; 0 without mins */
    uint16_t scale, min;                /* f16 bits; min 0 without mins */
} mu_block_fields;

typedef struct mu_block_rule {
    uint32_t sub; /* elements of one step */
    int offset;   /* of levels */
    float sign;   /* of mins; 0: none */
    void (*read)(const void *src, mu_block_fields *out);
} mu_block_rule;

/* NULL: a type of another kind. src: a block at any address. */
const mu_block_rule *mu_block_rule_of(mu_dtype dtype);

#endif
