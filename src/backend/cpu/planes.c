/* The reference of planes.h: packing, which all levels share, and products as their definition. */
#include "backend/cpu/planes.h"

#include <math.h>

#include "tensor/block_fields.h"

static void put_level(const mu_plane_form f, uint8_t *unit, uint32_t input, uint32_t column,
                      uint8_t level) {
    uint32_t group = input / MU_QUANT_GROUP, k = input % MU_QUANT_GROUP / 4, i = input % 4;
    const uint32_t bits[] = {f.low_bits, f.high_bits};
    uint8_t *planes[] = {unit, unit + mu_plane_high_at(f)};
    for (int p = 0; p < 2 && bits[p] > 0; p++) {
        uint32_t b = bits[p], part = level & ((1u << b) - 1);
        uint8_t *at = planes[p] + ((size_t)(group * b + k % b) * MU_PANEL + column) * 4 + i;
        *at = (uint8_t)(*at | part << (b * (k / b)));
        level = (uint8_t)(level >> b);
    }
}

static uint32_t get_level(const mu_plane_form f, const uint8_t *unit, uint32_t input,
                          uint32_t column) {
    uint32_t group = input / MU_QUANT_GROUP, k = input % MU_QUANT_GROUP / 4, i = input % 4;
    const uint32_t bits[] = {f.low_bits, f.high_bits};
    const uint8_t *planes[] = {unit, unit + mu_plane_high_at(f)};
    uint32_t level = 0;
    for (int p = 0; p < 2 && bits[p] > 0; p++) {
        uint32_t b = bits[p];
        uint32_t byte = planes[p][((size_t)(group * b + k % b) * MU_PANEL + column) * 4 + i];
        level |= (byte >> (b * (k / b)) & ((1u << b) - 1)) << (p == 0 ? 0 : f.low_bits);
    }
    return level;
}

static void put_steps(const mu_plane_form f, uint8_t *unit, uint32_t column,
                      const mu_block_fields *b) {
    uint16_t *scales = (uint16_t *)(void *)(unit + mu_plane_scales_at(f));
    for (size_t s = 0; s < mu_plane_n_steps(f); s++) {
        size_t at = s * MU_PANEL + column;
        unit[mu_plane_steps_at(f) + at] = (uint8_t)b->steps[s];
        if (f.steps == MU_STEPS_BYTES) unit[mu_plane_mins_at(f) + at] = b->mins[s];
        if (f.steps == MU_STEPS_NIBBLES) {
            unit[mu_plane_steps_at(f) + at] = (uint8_t)(b->steps[s] | b->mins[s] << 4);
        }
    }
    scales[column] = b->scale;
    if (f.sign != 0.0f) scales[MU_PANEL + column] = b->min;
}

/* Of `sub` inputs of one output: what levels and what sums of inputs are multiplied by. */
typedef struct sub_scale {
    float scale, min;
} sub_scale;

static sub_scale get_scale(const mu_plane_form f, const uint8_t *unit, uint32_t input,
                           uint32_t column) {
    const uint16_t *scales = (const uint16_t *)(const void *)(unit + mu_plane_scales_at(f));
    size_t at = (size_t)input / f.sub * MU_PANEL + column;
    const uint8_t *steps = unit + mu_plane_steps_at(f), *mins = unit + mu_plane_mins_at(f);
    float step = 1.0f, min = 1.0f;
    if (f.steps == MU_STEPS_BYTES) step = steps[at], min = mins[at];
    if (f.steps == MU_STEPS_SIGNED) step = (int8_t)steps[at];
    if (f.steps == MU_STEPS_NIBBLES) step = steps[at] & 15, min = (float)(steps[at] >> 4);
    sub_scale out = {mu_f16_to_f32(scales[column]) * step, 0.0f};
    if (f.sign != 0.0f) out.min = f.sign * mu_f16_to_f32(scales[MU_PANEL + column]) * min;
    return out;
}

/* src: [MU_PANEL][units] blocks of the type. Where a step is zero, so are the levels: kernels may
 * then take any other step for it. */
static void pack_panel(const mu_plane_form f, mu_dtype dtype, void *dst, const void *src,
                       size_t n_in) {
    const mu_block_rule *rule = mu_block_rule_of(dtype);
    size_t n_units = mu_plane_units(f, n_in), block_bytes = mu_dtype_get(dtype)->block_bytes;
    memset(dst, 0, n_units * mu_plane_unit_bytes(f));
    for (uint32_t column = 0; column < MU_PANEL; column++) {
        for (size_t u = 0; u < n_units; u++) {
            mu_block_fields fields;
            uint8_t *unit = (uint8_t *)dst + u * mu_plane_unit_bytes(f);
            rule->read((const uint8_t *)src + (column * n_units + u) * block_bytes, &fields);
            put_steps(f, unit, column, &fields);
            uint8_t zero = (uint8_t)rule->offset;
            bool is_zero = (fields.scale & 0x7fff) == 0;
            for (uint32_t i = 0; i < f.groups * MU_QUANT_GROUP; i++) {
                bool has_step = !is_zero && fields.steps[i / f.sub] != 0;
                put_level(f, unit, i, column, has_step ? fields.levels[i] : zero);
            }
        }
    }
}

static void unpack_column(const mu_plane_form f, float *dst, const uint8_t *panel, size_t n_in,
                          uint32_t column) {
    uint32_t inputs = f.groups * MU_QUANT_GROUP;
    int offset = f.sign != 0.0f ? 0 : 1 << f.shift;
    for (size_t i = 0; i < n_in; i++) {
        const uint8_t *unit = panel + i / inputs * mu_plane_unit_bytes(f);
        uint32_t input = (uint32_t)(i % inputs);
        sub_scale s = get_scale(f, unit, input, column);
        dst[i] = s.scale * (float)((int)get_level(f, unit, input, column) - offset) + s.min;
    }
}

/* One output of a unit, unfolded: levels without their offset, and scales. */
typedef struct unit_column {
    int8_t levels[MU_UNFOLDED];
    sub_scale scales[MU_UNFOLDED_SUBS];
} unit_column;

static void unfold_column(const mu_plane_form f, const uint8_t *unit, uint32_t column,
                          unit_column *out) {
    int offset = f.sign != 0.0f ? 0 : 1 << f.shift;
    for (uint32_t i = 0; i < f.groups * MU_QUANT_GROUP; i++) {
        out->levels[i] = (int8_t)((int)get_level(f, unit, i, column) - offset);
        if (i % f.sub == 0) out->scales[i / f.sub] = get_scale(f, unit, i, column);
    }
}

/* y + a unit's inputs, from x on, times an output's weights: exact integers inside `sub` inputs. */
static float add_unit(const mu_plane_form f, float y, const unit_column *w, const mu_act_group *x,
                      uint32_t n_groups) {
    for (uint32_t first = 0; first < n_groups * MU_QUANT_GROUP; first += f.sub) {
        const mu_act_group *group = &x[first / MU_QUANT_GROUP];
        const int8_t *acts = group->quants + first % MU_QUANT_GROUP;
        int dot = 0, sum = 0;
        for (uint32_t i = 0; i < f.sub; i++) {
            dot += w->levels[first + i] * acts[i];
            sum += acts[i];
        }
        const sub_scale *s = &w->scales[first / f.sub];
        float part = fmaf((float)dot, s->scale, s->min * (float)sum);
        float power = mu_f32_from_bits((uint32_t)(group->exponent + (127 << 23)));
        y = fmaf(part, power, y);
    }
    return y;
}

/* Rows in blocks, so that what is unfolded serves several; their sums are the outputs. */
static void run_column(const mu_plane_form f, const mu_matmul_args *a, uint32_t row,
                       uint32_t n_rows, uint32_t column, float *sums) {
    uint32_t n_groups = (a->n_in + MU_QUANT_GROUP - 1) / MU_QUANT_GROUP;
    const uint8_t *unit = a->panel, *acts = (const uint8_t *)a->acts + row * a->act_bytes;
    for (uint32_t g = 0; g < n_groups; g += f.groups, unit += mu_plane_unit_bytes(f)) {
        unit_column w;
        unfold_column(f, unit, column, &w);
        uint32_t n = n_groups - g < f.groups ? n_groups - g : f.groups;
        for (uint32_t r = 0; r < n_rows; r++) {
            const mu_act_group *x = (const void *)(acts + r * a->act_bytes);
            sums[r] = add_unit(f, sums[r], &w, x + g, n);
        }
    }
}

static void run(const mu_plane_form f, const mu_matmul_args *a) {
    enum { BLOCK_ROWS = 64 };
    for (uint32_t row = 0; row < a->n_rows; row += BLOCK_ROWS) {
        uint32_t n_rows = a->n_rows - row < BLOCK_ROWS ? a->n_rows - row : BLOCK_ROWS;
        for (uint32_t j = 0; j < MU_PANEL; j++) {
            float sums[BLOCK_ROWS] = {0};
            run_column(f, a, row, n_rows, j, sums);
            for (uint32_t r = 0; r < n_rows; r++) {
                float *y = a->y + (row + r) * a->y_stride + j, sum = sums[r] + a->bias[j];
                *y = a->accumulate ? *y + sum : sum;
            }
        }
    }
}

/* The functions of each type. */
#define X(name, dtype, ...)                                                                    \
    static size_t name##_panel_bytes(size_t n_in) {                                            \
        return mu_plane_units(mu_##name##_form, n_in) * mu_plane_unit_bytes(mu_##name##_form); \
    }                                                                                          \
    static void name##_pack_panel(void *dst, const void *src, size_t n_in) {                   \
        pack_panel(mu_##name##_form, dtype, dst, src, n_in);                                   \
    }                                                                                          \
    static void name##_unpack_column(float *dst, const void *panel, size_t n_in,               \
                                     uint32_t column) {                                        \
        unpack_column(mu_##name##_form, dst, panel, n_in, column);                             \
    }                                                                                          \
    static void name##_run(const mu_matmul_args *a) {                                          \
        run(mu_##name##_form, a);                                                              \
    }
MU_PLANE_FORMS(X)
#undef X

void mu_kernels_init_planes(mu_kernels *k) {
#define X(name, dtype, ...)                                                         \
    k->matmul[dtype] = (mu_matmul){name##_panel_bytes, MU_ACTS_Q8,           dtype, \
                                   name##_pack_panel,  name##_unpack_column, name##_run};
    MU_PLANE_FORMS(X)
#undef X
}
