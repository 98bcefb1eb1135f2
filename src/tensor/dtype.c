#include "tensor/dtype.h"

#include <string.h>

/* One row per type, and the byte counts come from the structs the readers use. A number typed by
 * hand here could disagree with the layout and nobody would notice until a model spoke nonsense. */
static const mu_dtype_info dtypes[] = {
    [MU_F32] = {"f32", 1, 4, MU_F32, "f32"},
    [MU_F16] = {"f16", 1, 2, MU_F32, NULL},
    [MU_BF16] = {"bf16", 1, 2, MU_BF16, "bf16"},
    [MU_Q8_0] = {"q8_0", 32, sizeof(mu_block_q8_0), MU_Q8_0, "q8"},
    [MU_Q4_0] = {"q4_0", 32, sizeof(mu_block_q4_0), MU_Q4_0, "q4"},
    [MU_Q4_1] = {"q4_1", 32, sizeof(mu_block_q4_1), MU_Q4_1, NULL},
    [MU_Q4_K] = {"q4_k", 256, sizeof(mu_block_q4_k), MU_Q4_K, "q4_k"},
    [MU_Q6_K] = {"q6_k", 256, sizeof(mu_block_q6_k), MU_Q6_K, "q6_k"},
    /* Those that no kernel reads have no struct: dequantize.c is their layout. */
    [MU_Q5_0] = {"q5_0", 32, 22, MU_Q5_0, NULL},
    [MU_Q5_1] = {"q5_1", 32, 24, MU_Q5_1, NULL},
    [MU_Q2_K] = {"q2_k", 256, 84, MU_Q2_K, NULL},
    [MU_Q3_K] = {"q3_k", 256, 110, MU_Q3_K, NULL},
    [MU_Q5_K] = {"q5_k", 256, 176, MU_Q5_K, NULL},
    [MU_IQ1_S] = {"iq1_s", 256, 50, MU_Q8_0, NULL},
    [MU_IQ1_M] = {"iq1_m", 256, 56, MU_Q8_0, NULL},
    [MU_IQ2_XXS] = {"iq2_xxs", 256, 66, MU_Q8_0, NULL},
    [MU_IQ2_XS] = {"iq2_xs", 256, 74, MU_Q8_0, NULL},
    [MU_IQ2_S] = {"iq2_s", 256, 82, MU_Q8_0, NULL},
    [MU_IQ3_XXS] = {"iq3_xxs", 256, 98, MU_Q8_0, NULL},
    [MU_IQ3_S] = {"iq3_s", 256, 110, MU_Q8_0, NULL},
    [MU_IQ4_NL] = {"iq4_nl", 32, 18, MU_Q8_0, NULL},
    [MU_IQ4_XS] = {"iq4_xs", 256, 136, MU_Q8_0, NULL},
    [MU_TQ1_0] = {"tq1_0", 256, 54, MU_Q8_0, NULL},
    [MU_TQ2_0] = {"tq2_0", 256, 66, MU_Q8_0, NULL},
    [MU_MXFP4] = {"mxfp4", 32, 17, MU_Q8_0, NULL},
    [MU_NVFP4] = {"nvfp4", 64, 36, MU_Q8_0, NULL},
    [MU_Q1_0] = {"q1_0", 128, 18, MU_Q8_0, NULL},
    [MU_F64] = {"f64", 1, 8, MU_F32, NULL},
    [MU_I8] = {"i8", 1, 1, MU_F32, NULL},
    [MU_I16] = {"i16", 1, 2, MU_F32, NULL},
    [MU_I32] = {"i32", 1, 4, MU_F32, NULL},
    [MU_I64] = {"i64", 1, 8, MU_F32, NULL},
};

_Static_assert(MU_COUNTOF(dtypes) == MU_N_DTYPES, "every dtype has a row");
_Static_assert(sizeof(mu_block_q8_0) == 34, "GGUF q8_0 block: f16 scale + 32 x i8");
_Static_assert(sizeof(mu_block_q4_0) == 18, "GGUF q4_0 block: f16 scale + 16");
_Static_assert(sizeof(mu_block_q4_1) == 20, "GGUF q4_1 block: 2 x f16 + 16");
_Static_assert(sizeof(mu_block_q4_k) == 144, "GGUF q4_k block: 2 x f16 + 12 + 128");
_Static_assert(sizeof(mu_block_q6_k) == 210, "GGUF q6_k block: 128 + 64 + 16 + f16");

const mu_dtype_info *mu_dtype_get(mu_dtype dtype) {
    MU_ASSERT((size_t)dtype < MU_COUNTOF(dtypes));
    return &dtypes[dtype];
}

/* As people list them; tables of a model's types show the first MU_N_WEIGHT_TYPES. */
static const mu_dtype weight_types[] = {MU_F32, MU_BF16, MU_Q8_0, MU_Q4_0, MU_Q6_K, MU_Q4_K};

_Static_assert(MU_COUNTOF(weight_types) >= MU_N_WEIGHT_TYPES, "the count in the header");

const char *mu_weight_type_name(mu_dtype dtype) {
    return dtype == MU_AS_FILE ? "mixed" : mu_dtype_get(dtype)->weight_name;
}

bool mu_weight_type_parse(const char *name, mu_dtype *out) {
    for (size_t i = 0; i < MU_COUNTOF(weight_types); i++) {
        if (strcmp(mu_weight_type_name(weight_types[i]), name) != 0) continue;
        *out = weight_types[i];
        return true;
    }
    return false;
}

mu_dtype mu_weight_type_at(uint32_t i) {
    MU_ASSERT(i < MU_N_WEIGHT_TYPES);
    return weight_types[i];
}

bool mu_dtype_bytes(mu_dtype dtype, uint64_t n_elems, uint64_t *out_bytes) {
    const mu_dtype_info *info = mu_dtype_get(dtype);
    if (n_elems % info->block_elems != 0) return false;
    uint64_t n_blocks = n_elems / info->block_elems;
    if (n_blocks > UINT64_MAX / info->block_bytes) return false;
    *out_bytes = n_blocks * info->block_bytes;
    return true;
}
