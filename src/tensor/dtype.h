/* dtype.h - element types of tensors, and the block layouts of the quantized ones as GGUF stores
 * them (ggml's block structs; the sizes are part of the file format). */
#ifndef MU_TENSOR_DTYPE_H
#define MU_TENSOR_DTYPE_H

#include "base/base.h"

typedef enum mu_dtype {
    MU_F32,
    MU_F16,
    MU_BF16,
    MU_Q8_0,
    MU_Q4_0,
    MU_Q4_1,
    MU_Q4_K,
    MU_Q6_K,
    MU_Q5_0,
    MU_Q5_1,
    MU_Q2_K,
    MU_Q3_K,
    MU_Q5_K,
    MU_IQ1_S,
    MU_IQ1_M,
    MU_IQ2_XXS,
    MU_IQ2_XS,
    MU_IQ2_S,
    MU_IQ3_XXS,
    MU_IQ3_S,
    MU_IQ4_NL,
    MU_IQ4_XS,
    MU_TQ1_0,
    MU_TQ2_0,
    MU_MXFP4,
    MU_NVFP4,
    MU_Q1_0,
    MU_F64,
    MU_I8, /* whole numbers, which no weight is */
    MU_I16,
    MU_I32,
    MU_I64,
    MU_N_DTYPES,
    MU_AS_FILE = MU_N_DTYPES /* no type: each matrix as its file holds it, or nearly so */
} mu_dtype;

typedef struct mu_block_q8_0 {
    uint16_t scale; /* f16 bits */
    int8_t quants[32];
} mu_block_q8_0;

typedef struct mu_block_q4_0 {
    uint16_t scale;     /* f16 bits */
    uint8_t quants[16]; /* element i: low nibble of byte i, element 16 + i: high nibble */
} mu_block_q4_0;

typedef struct mu_block_q4_1 {
    uint16_t scale; /* f16 bits */
    uint16_t min;   /* f16 bits */
    uint8_t quants[16];
} mu_block_q4_1;

typedef struct mu_block_q4_k {
    uint16_t scale;      /* f16 bits: scale of the 6-bit scales */
    uint16_t scale_min;  /* f16 bits: scale of the 6-bit mins */
    uint8_t scales[12];  /* 8 scales and 8 mins, 6 bits each */
    uint8_t quants[128]; /* 256 weights, 4 bits each */
} mu_block_q4_k;

typedef struct mu_block_q6_k {
    uint8_t quants_low[128]; /* low 4 bits of 256 weights */
    uint8_t quants_high[64]; /* high 2 bits */
    int8_t scales[16];
    uint16_t scale; /* f16 bits */
} mu_block_q6_k;

typedef struct mu_dtype_info {
    const char *name; /* "f32", "q4_k", ... */
    uint32_t block_elems;
    uint32_t block_bytes;
    mu_dtype packed_as;      /* the weight type that a matrix so held is best computed in */
    const char *weight_name; /* as a weight type people know it by this name; NULL: it is none */
} mu_dtype_info;

const mu_dtype_info *mu_dtype_get(mu_dtype dtype);

/* The types that weights may be rounded to, by the names people give them: f32, bf16, q8, q4 (the
 * blocks of MU_Q8_0 and MU_Q4_0), and q6_k and q4_k, which tables of types leave out; MU_AS_FILE is
 * "mixed". Types that are packed only where a file holds them are none of these. */
enum { MU_N_WEIGHT_TYPES = 4 };
const char *mu_weight_type_name(mu_dtype dtype); /* NULL: not one of them */
bool mu_weight_type_parse(const char *name, mu_dtype *out) MU_MUST_USE;
mu_dtype mu_weight_type_at(uint32_t i); /* i < MU_N_WEIGHT_TYPES */

/* Bytes of n_elems elements. False when n_elems is not whole blocks or the product overflows. */
bool mu_dtype_bytes(mu_dtype dtype, uint64_t n_elems, uint64_t *out_bytes) MU_MUST_USE;

/* Reference dequantization: the specification of every layout above. src: n_elems elements of
 * dtype, whole blocks, any alignment. dst: [n_elems] f32. */
void mu_dequantize(mu_dtype dtype, const void *src, size_t n_elems, float *dst);

/* Round to MU_Q8_0, MU_Q4_0, MU_Q6_K or MU_Q4_K. src: [n_elems] f32, whole blocks. dst: any
 * alignment. A q4_0 block's squared error is at most that of ggml's own choice of scale.
 * Not-a-number becomes some level. */
void mu_quantize(mu_dtype dtype, const float *src, size_t n_elems, void *dst);

#endif
