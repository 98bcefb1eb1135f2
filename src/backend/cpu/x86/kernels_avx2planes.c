/* AVX2 products of weights in planes (planes.h). A block of rows meets 256 unfolded inputs after
 * 256; its sums wait in memory between them. vpmaddubsw adds pairs of products to 16 bits: levels
 * have at most 6 bits, so that 2, 4 or 8 sums of pairs fit before they are widened.
 */
#include "backend/cpu/x86/levels.h"

#include <immintrin.h>

#include "backend/cpu/planes.h"

enum {
    ROWS = 4,
    VECTORS = MU_PANEL / 8,
    BLOCK_ROWS = 64, /* sums of 8 KB beside 12 KB of unfolded inputs: in L1 */
    INPUTS = MU_QUANT_GROUP / 4,
    LINE = 64,
};

/* Bits of a plane for inputs 4 k to 4 k + 3 of 8 outputs, `to` bits up. */
MU_INLINE __m256i plane_bits(const uint8_t *plane, const uint32_t bits, const uint32_t k,
                             const uint32_t vector, const uint32_t to) {
    const uint32_t from = bits * (k / bits);
    const uint8_t *at = plane + (size_t)(k % bits) * 4 * MU_PANEL + 32 * vector;
    __m256i v = _mm256_load_si256((const void *)at);
    if (from > to) v = _mm256_srli_epi16(v, (int)(from - to));
    if (from < to) v = _mm256_slli_epi16(v, (int)(to - from));
    return _mm256_and_si256(v, _mm256_set1_epi8((char)(((1u << bits) - 1) << to)));
}

MU_INLINE void unfold_group(const mu_plane_form f, const uint8_t *low, const uint8_t *high,
                            uint8_t *to) {
#pragma GCC unroll 8
    for (uint32_t k = 0; k < INPUTS; k++) {
#pragma GCC unroll 4
        for (uint32_t v = 0; v < VECTORS; v++) {
            __m256i levels = plane_bits(low, f.low_bits, k, v, 0);
            if (f.high_bits > 0) {
                __m256i more = plane_bits(high, f.high_bits, k, v, f.low_bits);
                levels = _mm256_or_si256(levels, more);
            }
            _mm256_store_si256((void *)(to + (size_t)k * 4 * MU_PANEL + 32 * v), levels);
        }
    }
}

/* What has powers of two added to its exponent. Levels of a zero scale are zeros: any will do. */
MU_INLINE __m256 normal(__m256 scale) {
    __m256 is_zero = _mm256_cmp_ps(scale, _mm256_setzero_ps(), _CMP_EQ_OQ);
    return _mm256_blendv_ps(scale, _mm256_set1_ps(0x1p-14f), is_zero);
}

MU_INLINE __m256 load_f16(const uint8_t *from) {
    return _mm256_cvtph_ps(_mm_load_si128((const void *)from));
}

/* 8 bytes as f32. */
MU_INLINE __m256 widen(const mu_steps kind, __m128i bytes) {
    return _mm256_cvtepi32_ps(kind == MU_STEPS_SIGNED ? _mm256_cvtepi8_epi32(bytes)
                                                      : _mm256_cvtepu8_epi32(bytes));
}

MU_INLINE void unfold_scales(const mu_plane_form f, const uint8_t *unit, mu_unfolded *to,
                             uint32_t first_sub) {
    const __m128i low = _mm_set1_epi8(15);
    for (uint32_t column = 0; column < MU_PANEL; column += 8) {
        const uint8_t *scales = unit + mu_plane_scales_at(f) + (size_t)2 * column;
        __m256 scale = load_f16(scales), min = _mm256_setzero_ps();
        if (f.sign != 0.0f) {
            min = _mm256_mul_ps(_mm256_set1_ps(f.sign), load_f16(scales + 2 * MU_PANEL));
        }
        if (f.steps == MU_STEPS_NONE) {
            _mm256_store_ps(&to->scales[first_sub][column], normal(scale));
            if (f.sign != 0.0f) _mm256_store_ps(&to->mins[first_sub][column], min);
        }
        for (uint32_t s = 0; s < mu_plane_n_steps(f); s++) {
            const uint8_t *at = unit + (size_t)s * MU_PANEL + column;
            __m128i steps = _mm_loadl_epi64((const void *)(at + mu_plane_steps_at(f)));
            __m128i mins = steps;
            if (f.steps == MU_STEPS_BYTES) {
                mins = _mm_loadl_epi64((const void *)(at + mu_plane_mins_at(f)));
            } else if (f.steps == MU_STEPS_NIBBLES) {
                mins = _mm_and_si128(_mm_srli_epi16(steps, 4), low);
                steps = _mm_and_si128(steps, low);
            }
            _mm256_store_ps(&to->scales[s][column],
                            normal(_mm256_mul_ps(scale, widen(f.steps, steps))));
            if (f.sign == 0.0f) continue;
            _mm256_store_ps(&to->mins[s][column], _mm256_mul_ps(min, widen(MU_STEPS_BYTES, mins)));
        }
    }
}

/* n_groups groups from the first of a unit on. */
MU_INLINE void unfold(const mu_plane_form f, const uint8_t *units, uint32_t n_groups,
                      mu_unfolded *to) {
    for (uint32_t g = 0; g < n_groups; g++) {
        const uint8_t *unit = units + g / f.groups * mu_plane_unit_bytes(f);
        const size_t at = (size_t)(g % f.groups) * MU_PANEL * 4;
        if (g % f.groups == 0) unfold_scales(f, unit, to, g * (MU_QUANT_GROUP / f.sub));
        unfold_group(f, unit + f.low_bits * at, unit + mu_plane_high_at(f) + f.high_bits * at,
                     &to->levels[g][0][0][0]);
    }
}

typedef struct tile_args {
    const mu_unfolded *w;
    uint32_t n_groups;
    const uint8_t *acts; /* of the first row, from the first group on */
    size_t act_bytes;
    float *sums; /* [n_rows][MU_PANEL] */
} tile_args;

/* n_rows rows by n_vectors vectors of outputs from `column` on. */
MU_INLINE void tile(const mu_plane_form f, const tile_args *t, uint32_t column,
                    const uint32_t n_rows, const uint32_t n_vectors) {
    const uint32_t bits = f.low_bits + f.high_bits, n_halves = MU_QUANT_GROUP / f.sub;
    const uint32_t n_inputs = INPUTS / n_halves;
    const uint32_t most = bits <= 4 ? 8 : bits == 5 ? 4 : 2; /* pairs that 16 bits hold */
    const uint32_t depth = most < n_inputs ? most : n_inputs;
    const __m256i ones = _mm256_set1_epi16(1);
    const mu_act_group *x[ROWS];
#pragma GCC unroll 4
    for (uint32_t r = 0; r < n_rows; r++) {
        x[r] = (const void *)(t->acts + r * t->act_bytes);
    }
    for (uint32_t g = 0; g < t->n_groups; g++) {
#pragma GCC unroll 2
        for (uint32_t h = 0; h < n_halves; h++) {
            const uint8_t *w = &t->w->levels[g][h * n_inputs][column][0];
            __m256i dot[ROWS][VECTORS];
#pragma GCC unroll 4
            for (uint32_t r = 0; r < n_rows; r++) {
                int32_t sum = x[r][g].minus_sums[h];
                if (f.sub == 32) sum += x[r][g].minus_sums[1];
#pragma GCC unroll 4
                for (uint32_t v = 0; v < n_vectors; v++) {
                    dot[r][v] = f.sign != 0.0f ? _mm256_setzero_si256()
                                               : _mm256_set1_epi32(sum * (1 << f.shift));
                }
            }
#pragma GCC unroll 4
            for (uint32_t first = 0; first < n_inputs; first += depth) {
                __m256i pairs[ROWS][VECTORS];
#pragma GCC unroll 8
                for (uint32_t k = first; k < first + depth; k++) {
                    __m256i level[VECTORS];
#pragma GCC unroll 4
                    for (uint32_t v = 0; v < n_vectors; v++) {
                        const uint8_t *at = w + (size_t)k * 4 * MU_PANEL + 32 * v;
                        level[v] = _mm256_load_si256((const void *)at);
                    }
#pragma GCC unroll 4
                    for (uint32_t r = 0; r < n_rows; r++) {
                        __m256i acts = _mm256_set1_epi32(mu_act_inputs(&x[r][g], h * n_inputs + k));
#pragma GCC unroll 4
                        for (uint32_t v = 0; v < n_vectors; v++) {
                            __m256i p = _mm256_maddubs_epi16(level[v], acts);
                            pairs[r][v] = k == first ? p : _mm256_add_epi16(pairs[r][v], p);
                            __asm__ volatile("" : "+x"(pairs[r][v])); /* stays in a register */
                        }
                    }
                }
#pragma GCC unroll 4
                for (uint32_t r = 0; r < n_rows; r++) {
#pragma GCC unroll 4
                    for (uint32_t v = 0; v < n_vectors; v++) {
                        __m256i wide = _mm256_madd_epi16(pairs[r][v], ones);
                        dot[r][v] = _mm256_add_epi32(dot[r][v], wide);
                    }
                }
            }
            const float *scales = t->w->scales[g * n_halves + h] + column;
            const float *mins = t->w->mins[g * n_halves + h] + column;
#pragma GCC unroll 4
            for (uint32_t r = 0; r < n_rows; r++) {
                float *sums = t->sums + (size_t)r * MU_PANEL + column;
                __m256i e = _mm256_set1_epi32(x[r][g].exponent);
                __m256 sum = _mm256_set1_ps(x[r][g].sum);
                if (f.sub == 16) { /* of the half */
                    __m256i power = _mm256_add_epi32(e, _mm256_set1_epi32(127 << 23));
                    sum = _mm256_mul_ps(_mm256_set1_ps((float)-x[r][g].minus_sums[h]),
                                        _mm256_castsi256_ps(power));
                }
#pragma GCC unroll 4
                for (uint32_t v = 0; v < n_vectors; v++) {
                    __m256i scale = _mm256_load_si256((const void *)(scales + 8 * v));
                    __m256 y = _mm256_load_ps(sums + 8 * v);
                    y = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot[r][v]),
                                        _mm256_castsi256_ps(_mm256_add_epi32(scale, e)), y);
                    if (f.sign != 0.0f) {
                        y = _mm256_fmadd_ps(_mm256_load_ps(mins + 8 * v), sum, y);
                    }
                    _mm256_store_ps(sums + 8 * v, y);
                }
            }
        }
    }
}

/* n_rows rows by a whole panel, as many vectors at a time as registers hold. */
MU_INLINE void run_tile(const mu_plane_form f, const tile_args *t, const uint32_t n_rows) {
    const uint32_t n_vectors = n_rows == 1 ? 4 : n_rows == 2 ? 2 : 1;
    for (uint32_t column = 0; column < MU_PANEL; column += 8 * n_vectors) {
        tile(f, t, column, n_rows, n_vectors);
    }
}

/* All rows; each tile fetches its part of the n_bytes at next. */
MU_INLINE void run_tiles(const mu_plane_form f, tile_args t, uint32_t n_rows, const uint8_t *next,
                         size_t n_bytes) {
    const uint32_t n_tiles = (n_rows + ROWS - 1) / ROWS;
    const size_t n_lines = next ? (n_bytes / LINE + n_tiles - 1) / n_tiles : 0;
    for (uint32_t row = 0; row < n_rows; row += ROWS) {
        for (size_t i = 0; i < n_lines; i++, next += LINE) {
            _mm_prefetch((const char *)next, _MM_HINT_T1);
        }
        switch (n_rows - row) {
        case 1:
            run_tile(f, &t, 1);
            break;
        case 2:
            run_tile(f, &t, 2);
            break;
        case 3:
            run_tile(f, &t, 3);
            break;
        default:
            run_tile(f, &t, ROWS);
            break;
        }
        t.acts += ROWS * t.act_bytes;
        t.sums += (size_t)ROWS * MU_PANEL;
    }
}

MU_INLINE void run_block(const mu_plane_form f, const mu_matmul_args *a, uint32_t row,
                         uint32_t n_rows) {
    const uint32_t units = MU_UNFOLDED_GROUPS / f.groups;
    const size_t bytes = units * mu_plane_unit_bytes(f);
    mu_unfolded w;
    _Alignas(64) float sums[BLOCK_ROWS][MU_PANEL];
    memset(sums, 0, n_rows * sizeof(sums[0]));
    const uint8_t *unit = a->panel, *acts = (const uint8_t *)a->acts + row * a->act_bytes;
    uint32_t n_groups = (a->n_in + MU_QUANT_GROUP - 1) / MU_QUANT_GROUP;
    for (uint32_t g = 0; g < n_groups; g += MU_UNFOLDED_GROUPS, unit += bytes) {
        uint32_t n = n_groups - g < MU_UNFOLDED_GROUPS ? n_groups - g : MU_UNFOLDED_GROUPS;
        tile_args t = {&w, n, acts + g * sizeof(mu_act_group), a->act_bytes, sums[0]};
        unfold(f, unit, n, &w);
        run_tiles(f, t, n_rows, g + MU_UNFOLDED_GROUPS < n_groups ? unit + bytes : a->next, bytes);
    }
    for (uint32_t r = 0; r < n_rows; r++) {
        float *y = a->y + (row + r) * a->y_stride;
        for (uint32_t j = 0; j < MU_PANEL; j += 8) {
            __m256 sum = _mm256_add_ps(_mm256_load_ps(sums[r] + j), _mm256_loadu_ps(a->bias + j));
            if (a->accumulate) sum = _mm256_add_ps(_mm256_loadu_ps(y + j), sum);
            _mm256_storeu_ps(y + j, sum);
        }
    }
}

MU_INLINE void run(const mu_plane_form f, const mu_matmul_args *a) {
    for (uint32_t row = 0; row < a->n_rows; row += BLOCK_ROWS) {
        uint32_t left = a->n_rows - row;
        run_block(f, a, row, left < BLOCK_ROWS ? left : BLOCK_ROWS);
    }
}

#define X(name, dtype, ...)                           \
    static void name##_run(const mu_matmul_args *a) { \
        run(mu_##name##_form, a);                     \
    }
MU_PLANE_FORMS(X)
#undef X

void mu_kernels_init_avx2planes(mu_kernels *k) {
#define X(name, dtype, ...) k->matmul[dtype].run = name##_run;
    MU_PLANE_FORMS(X)
#undef X
}
