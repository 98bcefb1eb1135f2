/* kernels.h - the CPU backend's inner loops, as a table of functions.
 *
 * Every kernel has a portable C version in kernels_ref.c, which is the specification. An ISA file
 * replaces the entries it can do faster; kernels_test.c runs every replacement against the
 * reference. No caller asks for a CPU feature.
 *
 * Matrix work is done in panels. A panel is MU_PANEL neighbouring outputs of a weight matrix,
 * stored so that one pass over it computes them for any number of rows: the same layout serves
 * decode (1 row, bound by memory) and prefill (hundreds, bound by arithmetic):
 *
 *     f32   [n_in][MU_PANEL]               activations: f32 [n_in]
 *     bf16  [ceil(n_in / 2)][MU_PANEL][2]  activations: bf16 [n_in rounded up to 2]
 *     q8    [ceil(n_in / 32)] mu_q8_group  activations: [ceil(n_in / 32)] mu_act_group
 *     q4    [ceil(n_in / 32)] mu_q4_group  activations: [ceil(n_in / 32)] mu_act_group
 *     Q4_1, Q5_0, Q5_1, Q2_K to Q6_K: planes.h; the same activations
 *
 * A row's result depends on that row and the panel only: each output is one sum over the inputs in
 * index order, whatever the number of rows.
 *
 * Quantized products are exact in integers inside a group of 32 inputs. The weights keep the values
 * and the f16 scale of the file's block, one for each output and group; they are stored as unsigned
 * bytes, because vpdpbusd multiplies unsigned by signed, and what the offset adds is the same for
 * all outputs, so the activations carry it. The activations' scale is a power of two, one for each
 * row and group: applying it is an integer addition to the exponent of the weight scale.
 *
 *     y[j] = sum over groups of (scale_j * 2^e) * (sum_i stored_ij * x_i - offset * sum_i x_i)
 *
 * KV storage is in groups of MU_KV_GROUP positions. For one head, K is [head_dim][MU_KV_GROUP], so
 * that one pass gives the scores of all positions, and V is [MU_KV_GROUP][head_dim]. In bf16 both
 * are in pairs, as vdpbf16ps takes them: K [ceil(head_dim / 2)][MU_KV_GROUP][2] and V
 * [MU_KV_GROUP / 2][head_dim][2]; queries and weights are rounded to bf16.
 *
 * Threads: kernels are pure functions of their arguments. Memory: none. Pointers to packed data and
 * KV are 64-byte aligned; others need only natural alignment.
 */
#ifndef MU_BACKEND_CPU_KERNELS_H
#define MU_BACKEND_CPU_KERNELS_H

#include "backend/ops.h"
#include "tensor/half.h"

/* For what is compiled again for each constant that it is called with. */
#define MU_INLINE static inline __attribute__((always_inline))

enum { MU_PANEL = 32, MU_QUANT_GROUP = 32 };
enum { MU_HEAD_DIM_MAX = 1024 };               /* the architecture table allows no more */
enum { MU_Q8_OFFSET = 128, MU_Q4_OFFSET = 8 }; /* stored weight = value + offset */

/* How the inputs of a product are rounded: a property of the product, so that matrices of several
 * types may take the same row. */
typedef enum mu_act_form {
    MU_ACTS_F32,
    MU_ACTS_BF16,
    MU_ACTS_Q8, /* mu_act_group */
    MU_N_ACT_FORMS
} mu_act_form;

typedef enum mu_kv_form { MU_KV_F32, MU_KV_BF16, MU_KV_F16, MU_N_KV_FORMS } mu_kv_form;

/* 32 inputs of a panel, 8 bits each. Input 4 k + i of output j is quants[k][j][i]. */
typedef struct mu_q8_group {
    uint8_t quants[8][MU_PANEL][4];
    uint16_t scales[MU_PANEL]; /* f16 bits */
} mu_q8_group;

/* The same with 4 bits each: input 4 k + i is the low nibble of quants[k][j][i], input 16 + 4 k + i
 * the high one. */
typedef struct mu_q4_group {
    uint8_t quants[4][MU_PANEL][4];
    uint16_t scales[MU_PANEL]; /* f16 bits */
} mu_q4_group;

/* 32 inputs of a row: x = quants * 2^exponent. */
typedef struct mu_act_group {
    int8_t quants[MU_QUANT_GROUP]; /* -127 to 127 */
    int32_t exponent;              /* times 2^23: where an f32 has its exponent */
    /* Minus the sum of quants times what is added to stored weights: the products' first terms. */
    int32_t offset_q8, offset_q4;
    int16_t minus_sums[2]; /* minus the sums of the first and of the last 16 quants */
    float sum;             /* of what the quants stand for */
} mu_act_group;

/* The exponent is set already. */
static inline void mu_act_group_sum(mu_act_group *group, int32_t first, int32_t last) {
    group->offset_q8 = -MU_Q8_OFFSET * (first + last);
    group->offset_q4 = -MU_Q4_OFFSET * (first + last);
    group->minus_sums[0] = (int16_t)-first;
    group->minus_sums[1] = (int16_t)-last;
    group->sum =
        (float)(first + last) * mu_f32_from_bits((uint32_t)(group->exponent + (127 << 23)));
}

/* Inputs 4 k to 4 k + 3 of a group, as what the byte products broadcast. */
static inline int32_t mu_act_inputs(const mu_act_group *group, uint32_t k) {
    int32_t four;
    memcpy(&four, group->quants + 4 * k, sizeof(four));
    return four;
}

/* The scale of a group of activations whose largest magnitude is `most` (not-a-number left out):
 * the smallest power of two that brings it to 127 or below. Magnitudes past 2^100 count as 2^100
 * and below 2^-60 as zero, so that the scale of a product is a normal number. */
typedef struct mu_act_scale {
    float inverse;    /* 2^-e; 0 for a group of zeros */
    int32_t exponent; /* e * 2^23 */
} mu_act_scale;

static inline mu_act_scale mu_act_scale_of(float most) {
    if (!(most >= 0x1p-60f)) return (mu_act_scale){0.0f, 0};
    most = most < 0x1p100f ? most : 0x1p100f;
    int32_t exponent = (int32_t)(mu_f32_bits(most) >> 23) - 127 - 6; /* most / 2^e in [64, 128) */
    if ((mu_f32_bits(most) & 0x7fffff) > 0x7e0000) exponent++;       /* above 127 */
    return (mu_act_scale){mu_f32_from_bits((uint32_t)(127 - exponent) << 23), exponent * (1 << 23)};
}

/* y[r][j] = bias[j] + sum_i acts[r][i] * panel[i][j], plus what y held when accumulate is set. */
typedef struct mu_matmul_args {
    const void *panel;
    const void *acts; /* [n_rows] packed rows, act_bytes apart */
    size_t act_bytes;
    uint32_t n_rows;
    uint32_t n_in;
    const float *bias; /* [MU_PANEL] */
    float *y;          /* [n_rows][MU_PANEL], y_stride floats apart */
    size_t y_stride;
    bool accumulate;
    const void *next; /* the panel that comes next, to fetch on the way, or NULL; a hint */
} mu_matmul_args;

/* One form of activations. */
typedef struct mu_act_packing {
    size_t (*bytes)(size_t n_in);
    void (*pack)(void *dst, const float *x, size_t n_in); /* one row */
} mu_act_packing;

/* One weight type: how its panels are stored, what activations they take, and the product. */
typedef struct mu_matmul {
    size_t (*panel_bytes)(size_t n_in);
    mu_act_form acts;
    mu_dtype source; /* what pack_panel() takes: MU_F32 or the type's own blocks */
    /* src: f32 [n_in][MU_PANEL], or rows of blocks [MU_PANEL][ceil(n_in / elements of one)]. */
    void (*pack_panel)(void *dst, const void *src, size_t n_in);
    /* One column of a panel back as f32 [n_in]: an embedding row. */
    void (*unpack_column)(float *dst, const void *panel, size_t n_in, uint32_t column);
    void (*run)(const mu_matmul_args *args);
} mu_matmul;

/* Attention of n_rows queries of one head over the first n_positions positions of one sequence.
 * Scores are computed for whole groups (y has room for n_positions rounded up to MU_KV_GROUP; what
 * is past n_positions is garbage); values read only n_positions of V. */
typedef struct mu_attention_args {
    const uint8_t *const *groups; /* one address a group; K or V of the head is offset bytes in */
    size_t offset;
    uint32_t n_positions;
    uint32_t head_dim;
    uint32_t n_rows;
    const float *x;  /* scores: queries [n_rows][head_dim]; values: weights [n_rows][n_positions] */
    size_t x_stride; /* floats */
    float *y;        /* scores: [n_rows][whole groups]; values: [n_rows][head_dim] */
    size_t y_stride; /* floats */
    float scale;     /* scores are multiplied by it */
} mu_attention_args;

/* K and V of neighbouring positions of one head into their group. */
typedef struct mu_kv_write_args {
    void *k_group, *v_group;
    uint32_t in_group;    /* of the first: position % MU_KV_GROUP */
    uint32_t n_positions; /* in_group + n_positions <= MU_KV_GROUP */
    uint32_t head_dim;
    const float *k, *v; /* [n_positions][head_dim], stride floats apart */
    size_t stride;
} mu_kv_write_args;

typedef struct mu_kv_kernels {
    void (*write)(const mu_kv_write_args *args);
    void (*scores)(const mu_attention_args *args); /* y[r][p] = scale * x[r] . K[p] */
    void (*values)(const mu_attention_args *args); /* y[r] = sum_p x[r][p] * V[p] */
} mu_kv_kernels;

typedef struct mu_kernels {
    const char *isa;
    mu_matmul matmul[MU_N_DTYPES]; /* run NULL: no weight type */
    mu_act_packing acts[MU_N_ACT_FORMS];
    mu_kv_kernels kv[MU_N_KV_FORMS];

    /* y[i] = (x[i] - mean) / sqrt(variance + eps) * w[i] + b[i].   all: [n] f32; y may be x */
    void (*layer_norm)(float *y, const float *x, const float *w, const float *b, size_t n,
                       float eps);

    /* y[i] = x[i] / sqrt(mean of squares + eps) * w[i].   all: [n] f32; y may be x */
    void (*rms_norm)(float *y, const float *x, const float *w, size_t n, float eps);

    /* In place: the first 2 n_pairs elements of a head are turned by an angle a pair. A pair is
     * elements i and i + n_pairs; what is past the pairs stays (partial rotary positions).
     *     x[i], x[i + n_pairs] = x[i] c - x[i + n_pairs] s, x[i + n_pairs] c + x[i] s
     * cos_sin: [n_pairs] c, then [n_pairs] s */
    void (*rotate)(float *x, const float *cos_sin, size_t n_pairs);

    /* In place, [n] f32. */
    void (*activation[MU_N_ACTIVATIONS])(float *x, size_t n);

    /* x[i] *= y[i], [n] f32: an activated gate times what it lets through. */
    void (*multiply)(float *x, const float *y, size_t n);

    /* x[0 .. n) becomes exp(x - max) / sum of them; x[n .. n_padded) becomes 0. n > 0 */
    void (*softmax)(float *x, size_t n, size_t n_padded);
} mu_kernels;

/* The best table the CPU can run, not above max; NULL: the best of all. Tests ask for each level in
 * turn. */
mu_kernels mu_kernels_get(const mu_cpu_level *max);

uint32_t mu_cpu_level_index(const mu_cpu_level *level); /* NULL: of the highest */

void mu_kernels_init_ref(mu_kernels *k); /* all entries */

#endif
