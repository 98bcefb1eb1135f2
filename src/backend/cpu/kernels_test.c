/* Every ISA level against the reference, over sizes that include the smallest and the awkward ones.
 * Outputs sit between guard values, so a kernel that writes one element too far is caught; inputs
 * are fresh for every row. Errors are relative to the sum of magnitudes: what rounding is relative
 * to.
 */
#include "backend/cpu/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "tensor/half.h"

enum {
    LEVELS_MAX = 8,
    N_IN_MAX = 300,
    ROWS_MAX = 40,
    GUARD = 16,
    POSITIONS_MAX = 100,
    HEAD_DIM_MAX = 80
};
static const float guard = 12345.0f;

static mu_rng rng = {2026};

static float random_unit(void) { /* [-1, 1) */
    return (float)(2.0 * mu_rng_f64(&rng) - 1.0);
}

static float *random_floats(size_t n, float scale) {
    float *x = mu_alloc_aligned(n * sizeof(float), 64);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) {
        x[i] = scale * random_unit();
    }
    return x;
}

static float *guarded(size_t n) {
    float *x = mu_alloc_aligned((n + 2 * GUARD) * sizeof(float), 64);
    assert_non_null(x);
    for (size_t i = 0; i < n + 2 * GUARD; i++) {
        x[i] = guard;
    }
    return x + GUARD;
}

static void free_guarded(float *x, size_t n) {
    for (size_t i = 0; i < GUARD; i++) {
        assert_true(x[(ptrdiff_t)i - GUARD] == guard);
        assert_true(x[n + i] == guard);
    }
    mu_free(x - GUARD);
}

static void assert_near(const float *got, const float *want, size_t n, double tolerance,
                        const char *what) {
    for (size_t i = 0; i < n; i++) {
        if (!(fabs((double)got[i] - (double)want[i]) <= tolerance)) {
            fail_msg("%s: element %zu is %.9g, the reference has %.9g", what, i, got[i], want[i]);
        }
    }
}

/* Levels above the reference that this CPU has. */
static size_t levels(mu_kernels *out) {
    size_t n = 0;
    assert_true(mu_cpu_n_levels() <= LEVELS_MAX);
    for (uint32_t i = 1; i < mu_cpu_n_levels(); i++) {
        mu_kernels k = mu_kernels_get(mu_cpu_level_at(i));
        if (strcmp(k.isa, "ref") != 0 && (n == 0 || strcmp(k.isa, out[n - 1].isa) != 0)) {
            out[n++] = k;
        }
    }
    return n;
}

typedef struct product_case {
    uint32_t n_in, n_rows;
    bool accumulate;
} product_case;

/* Blocks of any bits, but for the f16 scales: those are between 2^-4 and 2^-3, as in the types
 * that no f32 is rounded to. */
static void random_blocks(mu_dtype dtype, uint8_t *blocks, size_t n_bytes) {
    static const struct {
        mu_dtype dtype;
        int at[2]; /* of the scales; -1: none */
    } scales[] = {{MU_Q4_1, {0, 2}},   {MU_Q5_0, {0, -1}},   {MU_Q5_1, {0, 2}},
                  {MU_Q2_K, {80, 82}}, {MU_Q3_K, {108, -1}}, {MU_Q4_K, {0, 2}},
                  {MU_Q5_K, {0, 2}},   {MU_Q6_K, {208, -1}}};
    size_t block_bytes = mu_dtype_get(dtype)->block_bytes;
    for (size_t i = 0; i < n_bytes; i++) {
        blocks[i] = (uint8_t)mu_rng_below(&rng, 256);
    }
    for (size_t t = 0; t < MU_COUNTOF(scales); t++) {
        for (size_t b = 0; scales[t].dtype == dtype && b < n_bytes; b += block_bytes) {
            for (int i = 0; i < 2 && scales[t].at[i] >= 0; i++) {
                uint16_t bits = (uint16_t)(0x2c00 + mu_rng_below(&rng, 0x400));
                memcpy(blocks + b + scales[t].at[i], &bits, sizeof(bits));
            }
        }
    }
}

static bool is_weight_type(mu_dtype dtype) {
    return mu_weight_type_name(dtype) != NULL;
}

/* w, [n_in][MU_PANEL], as what pack_panel() takes: itself, or blocks by rows, of any bits where
 * the type is none that weights are rounded to. One block of the first row has a scale of zero and
 * levels that are not. */
static void *source_of(const mu_matmul *matmul, const float *w, size_t n_in) {
    if (matmul->source == MU_F32) {
        float *copy = mu_alloc_aligned(n_in * MU_PANEL * sizeof(float), 64);
        memcpy(copy, w, n_in * MU_PANEL * sizeof(float));
        return copy;
    }
    const mu_dtype_info *info = mu_dtype_get(matmul->source);
    size_t padded = (n_in + info->block_elems - 1) / info->block_elems * info->block_elems;
    size_t row_bytes = padded / info->block_elems * info->block_bytes;
    uint8_t *blocks = mu_alloc_aligned(row_bytes * MU_PANEL, 64);
    if (!is_weight_type(matmul->source)) {
        random_blocks(matmul->source, blocks, row_bytes * MU_PANEL);
        return blocks;
    }
    float *row = MU_ALLOC(float, padded);
    for (size_t j = 0; j < MU_PANEL; j++) {
        for (size_t i = 0; i < padded; i++) {
            row[i] = i < n_in ? w[i * MU_PANEL + j] : 0.0f;
        }
        mu_quantize(matmul->source, row, padded, blocks + j * row_bytes);
    }
    if (info->block_elems == MU_QUANT_GROUP) memset(blocks, 0, sizeof(uint16_t));
    mu_free(row);
    return blocks;
}

static double largest_weight(const mu_matmul *matmul, const void *panel, uint32_t n_in) {
    double most = 0.0;
    float column[N_IN_MAX];
    for (uint32_t j = 0; j < MU_PANEL; j++) {
        matmul->unpack_column(column, panel, n_in, j);
        for (uint32_t i = 0; i < n_in; i++) {
            most = fmax(most, fabs((double)column[i]));
        }
    }
    return most;
}

static void check_product(const mu_kernels *k, const mu_kernels *ref, mu_dtype type,
                          product_case c) {
    const mu_matmul *matmul = &k->matmul[type];
    const mu_act_packing *packing = &k->acts[matmul->acts];
    size_t act_bytes = packing->bytes(c.n_in), stride = MU_PANEL + 3;
    size_t n_y = (c.n_rows - 1) * stride + MU_PANEL;
    float *w = random_floats(c.n_in * MU_PANEL, 1), *x = random_floats(c.n_in * c.n_rows, 1);
    float *bias = random_floats(MU_PANEL, 1), *before = random_floats(n_y, 1);
    uint8_t *panel = mu_alloc_aligned(matmul->panel_bytes(c.n_in), 64);
    uint8_t *acts = mu_alloc_aligned(act_bytes * c.n_rows, 64);
    float *got = guarded(n_y), *want = guarded(n_y);
    memcpy(got, before, n_y * sizeof(float));
    memcpy(want, before, n_y * sizeof(float));

    void *source = source_of(matmul, w, c.n_in);
    matmul->pack_panel(panel, source, c.n_in);
    for (uint32_t r = 0; r < c.n_rows; r++) {
        packing->pack(acts + r * act_bytes, x + r * c.n_in, c.n_in);
    }
    uint8_t *ref_panel = mu_alloc_aligned(matmul->panel_bytes(c.n_in), 64);
    uint8_t *ref_acts = mu_alloc_aligned(act_bytes, 64);
    ref->matmul[type].pack_panel(ref_panel, source, c.n_in);
    ref->acts[matmul->acts].pack(ref_acts, x, c.n_in);
    assert_memory_equal(panel, ref_panel, matmul->panel_bytes(c.n_in)); /* one layout for all */
    assert_memory_equal(acts, ref_acts, act_bytes);
    mu_free(ref_panel), mu_free(ref_acts);
    mu_matmul_args args = {.panel = panel,
                           .acts = acts,
                           .act_bytes = act_bytes,
                           .n_rows = c.n_rows,
                           .n_in = c.n_in,
                           .bias = bias,
                           .y = want,
                           .y_stride = stride,
                           .accumulate = c.accumulate};
    ref->matmul[type].run(&args);
    args.y = got;
    matmul->run(&args);
    double most = largest_weight(&ref->matmul[type], panel, c.n_in);
    assert_near(got, want, n_y, 2e-6 * (c.n_in + 2) * fmax(most, 1.0), k->isa);

    /* Batch invariance: each row alone gives the same bits. */
    for (uint32_t r = 0; r < c.n_rows; r++) {
        float alone[MU_PANEL];
        memcpy(alone, before + r * stride, sizeof(alone));
        args.acts = acts + r * act_bytes;
        args.n_rows = 1;
        args.y = alone;
        matmul->run(&args);
        assert_memory_equal(alone, got + r * stride, sizeof(alone));
    }
    free_guarded(got, n_y);
    free_guarded(want, n_y);
    mu_free(w), mu_free(x), mu_free(bias), mu_free(before), mu_free(panel), mu_free(acts);
    mu_free(source);
}

static void products_match_the_reference_and_are_batch_invariant(void **state) {
    (void)state;
    static const uint32_t n_ins[] = {1, 2, 7, 16, 33, 64, 257, N_IN_MAX};
    static const uint32_t n_rows[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 23, 24, ROWS_MAX};
    mu_kernels ref = mu_kernels_get(mu_cpu_level_at(0)), isas[LEVELS_MAX] = {0};
    size_t n_isas = levels(isas), n = 0;
    for (size_t isa = 0; isa < n_isas; isa++) {
        for (int t = 0; t < MU_N_DTYPES; t++) {
            if (!ref.matmul[t].run) continue;
            for (size_t i = 0; i < MU_COUNTOF(n_ins) * MU_COUNTOF(n_rows); i++, n++) {
                check_product(&isas[isa], &ref, (mu_dtype)t,
                              (product_case){n_ins[i % MU_COUNTOF(n_ins)],
                                             n_rows[i / MU_COUNTOF(n_ins)], i % 2 != 0});
            }
        }
    }
    print_message("%zu products on %zu levels\n", n, n_isas);
}

/* Input i as the product sees it, checked against x. */
static float stored_act(mu_act_form form, const void *acts, const float *x, size_t i) {
    float stored = x[i];
    if (form == MU_ACTS_BF16) {
        stored = mu_bf16_to_f32(mu_f32_to_bf16(x[i]));
    } else if (form == MU_ACTS_Q8) {
        const mu_act_group *group = (const mu_act_group *)acts + i / MU_QUANT_GROUP;
        stored = ldexpf(group->quants[i % MU_QUANT_GROUP], group->exponent / (1 << 23));
    }
    assert_true(fabsf(stored - x[i]) <= 1.0f / 127); /* |x| <= 1: half a step is 2^-7 at most */
    return stored;
}

/* The reference itself, against sums in double. */
static void reference_product_is_the_formula(void **state) {
    (void)state;
    enum { N_IN = 50 };
    /* of weights of at most 1: rounding, then half a step of 1 / 127, a step of 1 / 8 and some */
    static const float weight_error[MU_N_DTYPES] = {[MU_BF16] = 1.0f / 256,
                                                    [MU_Q8_0] = 0.51f / 127,
                                                    [MU_Q4_0] = 0.15f,
                                                    [MU_Q6_K] = 0.07f,
                                                    [MU_Q4_K] = 0.11f};
    mu_kernels ref = mu_kernels_get(mu_cpu_level_at(0));
    for (int t = 0; t < MU_N_DTYPES; t++) {
        mu_dtype type = (mu_dtype)t;
        const mu_matmul *matmul = &ref.matmul[type];
        if (!matmul->run || !is_weight_type(type)) continue;
        const mu_act_packing *packing = &ref.acts[matmul->acts];
        float *w = random_floats(N_IN * MU_PANEL, 1), *x = random_floats(N_IN, 1);
        float bias[MU_PANEL] = {0}, y[MU_PANEL], column[N_IN];
        uint8_t *panel = mu_alloc_aligned(matmul->panel_bytes(N_IN), 64);
        uint8_t *acts = mu_alloc_aligned(packing->bytes(N_IN), 64);
        bias[3] = 5.0f;
        void *source = source_of(matmul, w, N_IN);
        matmul->pack_panel(panel, source, N_IN);
        packing->pack(acts, x, N_IN);
        matmul->run(&(mu_matmul_args){.panel = panel,
                                      .acts = acts,
                                      .n_rows = 1,
                                      .n_in = N_IN,
                                      .bias = bias,
                                      .y = y,
                                      .y_stride = MU_PANEL});
        for (uint32_t j = 0; j < MU_PANEL; j++) {
            double want = bias[j];
            matmul->unpack_column(column, panel, N_IN, j);
            for (size_t i = 0; i < N_IN; i++) {
                bool is_zeroed = (type == MU_Q8_0 || type == MU_Q4_0) && j == 0;
                is_zeroed &= i < MU_QUANT_GROUP;
                float weight = is_zeroed ? 0.0f : w[i * MU_PANEL + j];
                assert_true(fabsf(column[i] - weight) <= weight_error[type]);
                want += (double)stored_act(matmul->acts, acts, x, i) * (double)column[i];
            }
            assert_true(fabs(want - (double)y[j]) < 1e-5);
        }
        mu_free(w), mu_free(x), mu_free(panel), mu_free(acts), mu_free(source);
    }
}

/* Blocks of any bits: what a panel keeps of them is what they mean, bit by bit, and no more than
 * 4% more bytes. Cost: 10 ms. */
static void panels_keep_the_values_of_blocks(void **state) {
    (void)state;
    enum { N_IN = 768 };
    mu_kernels ref = mu_kernels_get(mu_cpu_level_at(0));
    uint32_t n_types = 0;
    for (int t = 0; t < MU_N_DTYPES; t++) {
        const mu_matmul *matmul = &ref.matmul[t];
        const mu_dtype_info *info = mu_dtype_get((mu_dtype)t);
        if (!matmul->run || matmul->source == MU_F32 || t == MU_Q8_0 || t == MU_Q4_0) continue;
        size_t row_bytes = (size_t)N_IN / info->block_elems * info->block_bytes;
        size_t panel_bytes = matmul->panel_bytes(N_IN);
        uint8_t *blocks = mu_alloc_aligned(row_bytes * MU_PANEL, 64);
        uint8_t *panel = mu_alloc_aligned(panel_bytes, 64);
        random_blocks((mu_dtype)t, blocks, row_bytes * MU_PANEL);
        matmul->pack_panel(panel, blocks, N_IN);
        assert_true((double)panel_bytes <= 1.04 * (double)(row_bytes * MU_PANEL));
        for (uint32_t j = 0; j < MU_PANEL; j++) {
            float want[N_IN], got[N_IN];
            mu_dequantize((mu_dtype)t, blocks + j * row_bytes, N_IN, want);
            matmul->unpack_column(got, panel, N_IN, j);
            assert_memory_equal(got, want, sizeof(got));
        }
        mu_free(blocks), mu_free(panel);
        n_types++;
    }
    assert_int_equal(n_types, 8);
}

/* Rounding activations: the same bytes on every level for values that are extreme, tiny or not
 * numbers, and nothing past the groups is written. */
static void activations_of_every_kind_are_packed_alike(void **state) {
    (void)state;
    static const float kinds[] = {0.0f,  -0.0f,  1e-45f,   1e-30f,   127.0f, 127.00001f,
                                  64.0f, 63.99f, 3.4e38f,  INFINITY, NAN,    -INFINITY,
                                  0.5f,  -128.f, 0x1p100f, 0x1p-60f, 1.5f,   -2.5f};
    enum { N = 2 * MU_QUANT_GROUP + 5 };
    mu_kernels ref = mu_kernels_get(mu_cpu_level_at(0)), isas[LEVELS_MAX] = {0};
    size_t n_isas = levels(isas);
    for (uint32_t round = 0; round < 20000; round++) {
        float x[N];
        for (size_t i = 0; i < N; i++) {
            float kind = kinds[mu_rng_below(&rng, MU_COUNTOF(kinds))];
            x[i] = mu_rng_below(&rng, 16) < round % 17 ? random_unit() : kind;
        }
        mu_act_group want[4], got[4];
        memset(want, 0x55, sizeof(want));
        ref.acts[MU_ACTS_Q8].pack(want, x, N);
        for (size_t isa = 0; isa < n_isas; isa++) {
            memset(got, 0x55, sizeof(got));
            isas[isa].acts[MU_ACTS_Q8].pack(got, x, N);
            assert_memory_equal(got, want, sizeof(want));
        }
    }
}

typedef struct kv_fixture {
    uint32_t head_dim, n_positions, n_groups;
    size_t head_bytes;
    uint8_t *storage;
    const uint8_t *groups[(POSITIONS_MAX + MU_KV_GROUP - 1) / MU_KV_GROUP];
    float *k, *v; /* [n_positions, head_dim] */
} kv_fixture;

/* Groups in reverse order with K and V side by side; unwritten positions hold NaN, which must not
 * reach any result. */
static kv_fixture kv_make(const mu_kv_kernels *kernels, int form, uint32_t head_dim, uint32_t n) {
    kv_fixture f = {.head_dim = head_dim, .n_positions = n};
    f.n_groups = (n + MU_KV_GROUP - 1) / MU_KV_GROUP;
    f.head_bytes = (size_t)(head_dim + head_dim % 2) * MU_KV_GROUP * (form == MU_KV_F32 ? 4 : 2);
    f.storage = mu_alloc_aligned(2 * f.n_groups * f.head_bytes, 64);
    memset(f.storage, 0xff, 2 * f.n_groups * f.head_bytes);
    f.k = random_floats(n * head_dim, 2);
    f.v = random_floats(n * head_dim, 2);
    for (uint32_t g = 0; g < f.n_groups; g++) {
        f.groups[g] = f.storage + 2 * (f.n_groups - 1 - g) * f.head_bytes;
    }
    for (uint32_t p = 0; p < n;) { /* in runs of any length that end with the group */
        uint32_t in_group = p % MU_KV_GROUP, run = 1 + (uint32_t)mu_rng_below(&rng, MU_KV_GROUP);
        if (run > MU_KV_GROUP - in_group) run = MU_KV_GROUP - in_group;
        if (run > n - p) run = n - p;
        uint8_t *group = f.storage + (f.groups[p / MU_KV_GROUP] - f.storage);
        kernels->write(&(mu_kv_write_args){group, group + f.head_bytes, in_group, run, head_dim,
                                           f.k + p * head_dim, f.v + p * head_dim, head_dim});
        p += run;
    }
    return f;
}

static void kv_free(kv_fixture *f) {
    mu_free(f->storage), mu_free(f->k), mu_free(f->v);
}

static void check_attention(const mu_kernels *k, int form, uint32_t head_dim, uint32_t n_rows,
                            uint32_t n) {
    kv_fixture f = kv_make(&k->kv[form], form, head_dim, n);
    /* what a product loses: elements are rounded when stored, in bf16 both factors are */
    double lost = form == MU_KV_F32 ? 1e-7 : form == MU_KV_BF16 ? 1.0 / 128 : 1.0 / 2048;
    size_t stride = f.n_groups * MU_KV_GROUP;
    float *q = random_floats(n_rows * head_dim, 1), *weights = random_floats(n_rows * stride, 1);
    float *scores = guarded(n_rows * stride), *y = guarded(n_rows * head_dim);
    mu_attention_args args = {f.groups, 0, n, head_dim, n_rows, q, head_dim, scores, stride, 0.5f};
    k->kv[form].scores(&args);
    args.offset = f.head_bytes;
    args.x = weights;
    args.x_stride = stride;
    args.y = y;
    args.y_stride = head_dim;
    k->kv[form].values(&args);
    for (uint32_t r = 0; r < n_rows; r++) {
        for (uint32_t p = 0; p < n; p++) {
            double want = 0.0;
            for (uint32_t d = 0; d < head_dim; d++) {
                want += 0.5 * (double)q[r * head_dim + d] * (double)f.k[p * head_dim + d];
            }
            assert_true(fabs(want - (double)scores[r * stride + p]) < (lost + 1e-6) * head_dim);
        }
        for (uint32_t d = 0; d < head_dim; d++) {
            double want = 0.0;
            for (uint32_t p = 0; p < n; p++) {
                want += (double)weights[r * stride + p] * (double)f.v[p * head_dim + d];
            }
            assert_true(fabs(want - (double)y[r * head_dim + d]) < 2 * (lost + 1e-6) * n);
        }
    }
    free_guarded(scores, n_rows * stride);
    free_guarded(y, n_rows * head_dim);
    mu_free(q), mu_free(weights);
    kv_free(&f);
}

static void attention_matches_double_arithmetic(void **state) {
    (void)state;
    static const uint32_t head_dims[] = {1, 5, 8, 16, 20, 64, HEAD_DIM_MAX};
    static const uint32_t n_rows[] = {1, 2, 4, 7, 8, 9};
    static const uint32_t n_positions[] = {1, 15, 16, 17, 33, POSITIONS_MAX};
    size_t n = 0;
    for (uint32_t level = 0; level < mu_cpu_n_levels(); level++) {
        mu_kernels k = mu_kernels_get(mu_cpu_level_at(level));
        for (int form = 0; form < MU_N_KV_FORMS; form++) {
            for (size_t i = 0; i < 7 * 6 * 6; i++, n++) {
                check_attention(&k, form, head_dims[i % 7], n_rows[i / 7 % 6], n_positions[i / 42]);
            }
        }
    }
    print_message("%zu attention shapes\n", n);
}

static void layer_norm_matches_the_reference(void **state) {
    (void)state;
    mu_kernels ref = mu_kernels_get(mu_cpu_level_at(0)), isas[LEVELS_MAX] = {0};
    size_t n_isas = levels(isas);
    for (size_t isa = 0; isa < n_isas; isa++) {
        for (size_t n = 1; n <= 131; n++) {
            float *x = random_floats(n, 3), *w = random_floats(n, 1), *b = random_floats(n, 1);
            float *got = guarded(n), *want = guarded(n);
            ref.layer_norm(want, x, w, b, n, 1e-5f);
            isas[isa].layer_norm(got, x, w, b, n, 1e-5f);
            assert_near(got, want, n, 2e-5, isas[isa].isa);
            free_guarded(got, n);
            free_guarded(want, n);
            mu_free(x), mu_free(w), mu_free(b);
        }
    }
}

static void rms_norm_matches_double_arithmetic(void **state) {
    (void)state;
    for (uint32_t level = 0; level < mu_cpu_n_levels(); level++) {
        mu_kernels k = mu_kernels_get(mu_cpu_level_at(level));
        for (size_t n = 1; n <= 131; n++) {
            float *x = random_floats(n, 3), *w = random_floats(n, 1), *y = guarded(n);
            double squares = 0.0;
            for (size_t i = 0; i < n; i++) {
                squares += (double)x[i] * (double)x[i];
            }
            double scale = 1.0 / sqrt(squares / (double)n + 1e-5);
            k.rms_norm(y, x, w, n, 1e-5f);
            for (size_t i = 0; i < n; i++) {
                double want = (double)x[i] * scale * (double)w[i];
                assert_true(fabs((double)y[i] - want) <= 1e-6 * (1 + fabs(want)));
            }
            float *in_place = guarded(n); /* and from where no vector is aligned */
            memcpy(in_place, x, n * sizeof(float));
            k.rms_norm(in_place, in_place, w, n, 1e-5f);
            assert_memory_equal(in_place, y, n * sizeof(float));
            free_guarded(in_place, n);
            free_guarded(y, n);
            mu_free(x), mu_free(w);
        }
    }
}

/* Heads of every size, turned whole and in part; cosines and sines of any angle. */
static void rotation_turns_the_pairs_and_leaves_the_rest(void **state) {
    (void)state;
    enum { REST = 5 };
    for (uint32_t level = 0; level < mu_cpu_n_levels(); level++) {
        mu_kernels k = mu_kernels_get(mu_cpu_level_at(level));
        for (size_t n_pairs = 0; n_pairs <= 67; n_pairs++) {
            size_t n = 2 * n_pairs + REST;
            float *x = random_floats(n, 10), *cos_sin = guarded(2 * n_pairs), *y = guarded(n);
            memcpy(y, x, n * sizeof(float));
            for (size_t i = 0; i < n_pairs; i++) {
                float angle = 1000.0f * random_unit();
                cos_sin[i] = cosf(angle);
                cos_sin[n_pairs + i] = sinf(angle);
            }
            k.rotate(y, cos_sin, n_pairs);
            for (size_t i = 0; i < n_pairs; i++) {
                double a = (double)x[i], b = (double)x[n_pairs + i];
                double c = (double)cos_sin[i], s = (double)cos_sin[n_pairs + i];
                assert_true(fabs((double)y[i] - (a * c - b * s)) <= 3e-6);
                assert_true(fabs((double)y[n_pairs + i] - (b * c + a * s)) <= 3e-6);
            }
            assert_memory_equal(y + 2 * n_pairs, x + 2 * n_pairs, REST * sizeof(float));
            free_guarded(y, n);
            free_guarded(cos_sin, 2 * n_pairs);
            mu_free(x);
        }
    }
}

static void multiply_is_exact(void **state) {
    (void)state;
    for (uint32_t level = 0; level < mu_cpu_n_levels(); level++) {
        mu_kernels k = mu_kernels_get(mu_cpu_level_at(level));
        for (size_t n = 0; n <= 67; n++) {
            float *x = random_floats(n + 1, 3), *y = random_floats(n + 1, 3), *got = guarded(n);
            memcpy(got, x, n * sizeof(float));
            k.multiply(got, y, n);
            for (size_t i = 0; i < n; i++) {
                assert_true(got[i] == x[i] * y[i]);
            }
            free_guarded(got, n);
            mu_free(x), mu_free(y);
        }
    }
}

/* What is not a number, infinite, too large to square or too small to be normal gives at every
 * level what it gives in the reference: an answer that is garbage is garbage everywhere. */
static void assert_same_kind(const float *got, const float *want, size_t n, const char *isa,
                             const char *kernel) {
    for (size_t i = 0; i < n; i++) {
        bool is_same = isnan(want[i]) ? isnan(got[i])
                       : isinf(want[i])
                           ? got[i] == want[i]
                           : fabsf(got[i] - want[i]) <= 1e-6f * fabsf(want[i]) + 1e-37f;
        if (!is_same) {
            fail_msg("%s %s: element %zu is %.9g, the reference has %.9g", isa, kernel, i, got[i],
                     want[i]);
        }
    }
}

static void extreme_values_give_what_the_reference_gives(void **state) {
    (void)state;
    enum { N = 21, N_ROUNDS = 4000 };
    static const float kinds[] = {0.0f,   -0.0f,    1e-45f,    -1e-30f, 87.5f,  88.8f,
                                  -87.5f, -88.8f,   1e15f,     1e20f,   -1e20f, 3.4e38f,
                                  NAN,    INFINITY, -INFINITY, -104.0f, 1e-20f, 150.5f};
    mu_kernels ref = mu_kernels_get(mu_cpu_level_at(0)), isas[LEVELS_MAX] = {0};
    size_t n_isas = levels(isas);
    for (size_t round = 0; round < N_ROUNDS * n_isas; round++) {
        const mu_kernels *k = &isas[round % n_isas];
        float x[N], y[N], got[N], want[N];
        uint64_t n_kinds = 1 + mu_rng_below(&rng, MU_COUNTOF(kinds));
        for (size_t i = 0; i < N; i++) {
            x[i] = mu_rng_below(&rng, 4) ? random_unit() : kinds[mu_rng_below(&rng, n_kinds)];
            y[i] = mu_rng_below(&rng, 4) ? random_unit() : kinds[mu_rng_below(&rng, n_kinds)];
        }
        k->rms_norm(got, x, y, N, 1e-5f);
        ref.rms_norm(want, x, y, N, 1e-5f);
        assert_same_kind(got, want, N, k->isa, "rms_norm");
        memcpy(got, x, sizeof(x)), memcpy(want, x, sizeof(x));
        k->multiply(got, y, N);
        ref.multiply(want, y, N);
        assert_same_kind(got, want, N, k->isa, "multiply");
        memcpy(got, x, sizeof(x)), memcpy(want, x, sizeof(x));
        k->activation[MU_ACTIVATION_SILU](got, N);
        ref.activation[MU_ACTIVATION_SILU](want, N);
        assert_same_kind(got, want, N, k->isa, "silu");
    }
}

static double exact_gelu_tanh(double v) {
    return 0.5 * v * (1 + tanh(0.7978845608028654 * (v + 0.044715 * v * v * v)));
}
static double exact_gelu_erf(double v) {
    return 0.5 * v * (1 + erf(v / sqrt(2)));
}
static double exact_relu(double v) {
    return v > 0 ? v : 0;
}
static double exact_silu(double v) {
    return v / (1 + exp(-v));
}

/* Against the C library in double, over the whole range where anything happens. */
static void activations_are_exact_to_1e6(void **state) {
    (void)state;
    enum { N = 20011 };
    static double (*const exact[MU_N_ACTIVATIONS])(double v) = {
        [MU_ACTIVATION_GELU_TANH] = exact_gelu_tanh,
        [MU_ACTIVATION_GELU_ERF] = exact_gelu_erf,
        [MU_ACTIVATION_RELU] = exact_relu,
        [MU_ACTIVATION_SILU] = exact_silu,
    };
    for (uint32_t level = 0; level < mu_cpu_n_levels(); level++) {
        mu_kernels k = mu_kernels_get(mu_cpu_level_at(level));
        for (int kind = 0; kind < MU_N_ACTIVATIONS; kind++) {
            float *y = guarded(N);
            for (size_t i = 0; i < N; i++) {
                y[i] = 24.0f * (float)i / N - 12.0f;
            }
            k.activation[kind](y, N);
            for (size_t i = 0; i < N; i++) {
                double want = exact[kind]((double)(24.0f * (float)i / N - 12.0f));
                assert_true(fabs((double)y[i] - want) <= 1e-6 * (1 + fabs(want)));
            }
            free_guarded(y, N);
        }
    }
}

static void softmax_sums_to_one_and_clears_the_rest(void **state) {
    (void)state;
    enum { N_MAX = 70, PADDED = 80 };
    for (uint32_t level = 0; level < mu_cpu_n_levels(); level++) {
        mu_kernels k = mu_kernels_get(mu_cpu_level_at(level));
        for (size_t n = 1; n <= N_MAX; n++) {
            float *x = random_floats(PADDED, 30), *y = guarded(PADDED);
            memcpy(y, x, PADDED * sizeof(float));
            y[PADDED - 1] = NAN; /* past n: garbage that must not matter */
            k.softmax(y, n, PADDED);
            double max = -1e9, sum = 0.0;
            for (size_t i = 0; i < n; i++) {
                max = fmax(max, (double)x[i]);
            }
            for (size_t i = 0; i < n; i++) {
                sum += exp((double)x[i] - max);
            }
            for (size_t i = 0; i < PADDED; i++) {
                double want = i < n ? exp((double)x[i] - max) / sum : 0.0;
                assert_true(fabs((double)y[i] - want) <= 1e-6);
            }
            free_guarded(y, PADDED);
            mu_free(x);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_product_is_the_formula),
        cmocka_unit_test(panels_keep_the_values_of_blocks),
        cmocka_unit_test(activations_of_every_kind_are_packed_alike),
        cmocka_unit_test(products_match_the_reference_and_are_batch_invariant),
        cmocka_unit_test(attention_matches_double_arithmetic),
        cmocka_unit_test(layer_norm_matches_the_reference),
        cmocka_unit_test(rms_norm_matches_double_arithmetic),
        cmocka_unit_test(rotation_turns_the_pairs_and_leaves_the_rest),
        cmocka_unit_test(multiply_is_exact),
        cmocka_unit_test(activations_are_exact_to_1e6),
        cmocka_unit_test(extreme_values_give_what_the_reference_gives),
        cmocka_unit_test(softmax_sums_to_one_and_clears_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
