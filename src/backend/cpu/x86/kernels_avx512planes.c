/* AVX-512 VNNI products of weights in planes (planes.h). A block of rows meets 256 unfolded inputs
 * after 256; its sums wait in memory, 128 bytes a row, between them. Six rows by a panel are one
 * tile: twelve integer and twelve f32 accumulators.
 */
#include "backend/cpu/x86/levels.h"

#include <immintrin.h>

#include "backend/cpu/planes.h"

enum {
    ROWS = 6,
    BLOCK_ROWS = 96, /* sums of 12 KB beside 12 KB of unfolded inputs: in L1 */
    INPUTS = MU_QUANT_GROUP / 4,
    LINE = 64,
};

/* Bits of a plane for inputs 4 k to 4 k + 3 of 16 outputs, `to` bits up. */
MU_INLINE __m512i plane_bits(const uint8_t *plane, const uint32_t bits, const uint32_t k,
                             const uint32_t half, const uint32_t to) {
    const uint32_t from = bits * (k / bits);
    __m512i v = _mm512_load_si512(plane + (size_t)(k % bits) * 4 * MU_PANEL + 64 * half);
    if (from > to) v = _mm512_srli_epi16(v, (int)(from - to));
    if (from < to) v = _mm512_slli_epi16(v, (int)(to - from));
    return _mm512_and_si512(v, _mm512_set1_epi8((char)(((1u << bits) - 1) << to)));
}

/* A group of 32 inputs in its planes. */
typedef struct folded {
    const uint8_t *low, *high;
} folded;

MU_INLINE folded folded_group(const mu_plane_form f, const uint8_t *units, uint32_t g) {
    const uint8_t *unit = units + g / f.groups * mu_plane_unit_bytes(f);
    const size_t bytes = (size_t)(g % f.groups) * MU_PANEL * 4;
    return (folded){unit + f.low_bits * bytes, unit + mu_plane_high_at(f) + f.high_bits * bytes};
}

MU_INLINE __m512i unfold_levels(const mu_plane_form f, folded from, const uint32_t k,
                                const uint32_t half) {
    __m512i v = plane_bits(from.low, f.low_bits, k, half, 0);
    if (f.high_bits == 0) return v;
    return _mm512_or_si512(v, plane_bits(from.high, f.high_bits, k, half, f.low_bits));
}

MU_INLINE void unfold_group(const mu_plane_form f, folded from, uint8_t *to) {
#pragma GCC unroll 8
    for (uint32_t k = 0; k < INPUTS; k++) {
        _mm512_store_si512(to + (size_t)k * 4 * MU_PANEL, unfold_levels(f, from, k, 0));
        _mm512_store_si512(to + (size_t)k * 4 * MU_PANEL + 64, unfold_levels(f, from, k, 1));
    }
}

MU_INLINE __m512 load_f16(const uint8_t *from) {
    return _mm512_cvtph_ps(_mm256_load_si256((const void *)from));
}

/* 16 bytes as f32. */
MU_INLINE __m512 widen(const mu_steps kind, __m128i bytes) {
    return _mm512_cvtepi32_ps(kind == MU_STEPS_SIGNED ? _mm512_cvtepi8_epi32(bytes)
                                                      : _mm512_cvtepu8_epi32(bytes));
}

/* What has powers of two added to its exponent. Levels of a zero scale are zeros: any will do. */
MU_INLINE __m512 normal(__m512 scale) {
    __mmask16 is_zero = _mm512_cmp_ps_mask(scale, _mm512_setzero_ps(), _CMP_EQ_OQ);
    return _mm512_mask_mov_ps(scale, is_zero, _mm512_set1_ps(0x1p-14f));
}

MU_INLINE void unfold_scales(const mu_plane_form f, const uint8_t *unit, mu_unfolded *to,
                             uint32_t first_sub) {
    const __m512 sign = _mm512_set1_ps(f.sign);
    const __m128i low = _mm_set1_epi8(15);
    for (uint32_t half = 0; half < 2; half++) {
        const uint8_t *scales = unit + mu_plane_scales_at(f) + 32 * half;
        __m512 scale = load_f16(scales), min = _mm512_setzero_ps();
        if (f.sign != 0.0f) min = _mm512_mul_ps(sign, load_f16(scales + 2 * MU_PANEL));
        if (f.steps == MU_STEPS_NONE) {
            _mm512_store_ps(&to->scales[first_sub][16 * half], normal(scale));
            if (f.sign != 0.0f) _mm512_store_ps(&to->mins[first_sub][16 * half], min);
        }
        for (uint32_t s = 0; s < mu_plane_n_steps(f); s++) {
            const uint8_t *at = unit + (size_t)s * MU_PANEL + 16 * half;
            __m128i steps = _mm_load_si128((const void *)(at + mu_plane_steps_at(f)));
            __m128i mins = steps;
            if (f.steps == MU_STEPS_BYTES) {
                mins = _mm_load_si128((const void *)(at + mu_plane_mins_at(f)));
            } else if (f.steps == MU_STEPS_NIBBLES) {
                mins = _mm_and_si128(_mm_srli_epi16(steps, 4), low);
                steps = _mm_and_si128(steps, low);
            }
            _mm512_store_ps(&to->scales[s][16 * half], _mm512_mul_ps(scale, widen(f.steps, steps)));
            if (f.sign == 0.0f) continue;
            _mm512_store_ps(&to->mins[s][16 * half],
                            _mm512_mul_ps(min, widen(MU_STEPS_BYTES, mins)));
        }
    }
}

/* n_groups groups from the first of a unit on; has_levels: levels too, not scales alone. */
MU_INLINE void unfold(const mu_plane_form f, const uint8_t *units, uint32_t n_groups,
                      bool has_levels, mu_unfolded *to) {
    for (uint32_t g = 0; g < n_groups; g += f.groups) {
        const uint8_t *unit = units + g / f.groups * mu_plane_unit_bytes(f);
        unfold_scales(f, unit, to, g * (MU_QUANT_GROUP / f.sub));
    }
    for (uint32_t g = 0; g < n_groups && has_levels; g++) {
        unfold_group(f, folded_group(f, units, g), &to->levels[g][0][0][0]);
    }
}

typedef struct tile_args {
    const mu_unfolded *w;
    const uint8_t *units; /* the same, folded */
    uint32_t n_groups;
    const uint8_t *acts; /* of the first row, from the first group on */
    size_t act_bytes;
    float *sums;         /* [n_rows][MU_PANEL] */
    const uint8_t *next; /* lines to fetch, a few a group */
    uint32_t n_lines;
} tile_args;

/* Minus the sum of half h's inputs, times 1 << shift. */
MU_INLINE __m512i minus_sum(const mu_act_group *x, const uint32_t h, const uint32_t shift) {
    int32_t both;
    memcpy(&both, x->minus_sums, sizeof(both));
    __m512i v = _mm512_set1_epi32(both);
    v = h == 0 ? _mm512_slli_epi32(v, 16) : _mm512_and_si512(v, _mm512_set1_epi32(-65536));
    return _mm512_srai_epi32(v, 16 - shift);
}

/* Where a row's integer sums begin: levels with an offset owe it for every input. */
MU_INLINE __m512i first_dot(const mu_plane_form f, const mu_act_group *x, const uint32_t h) {
    if (f.sign != 0.0f) return _mm512_setzero_si512();
    if (f.sub == 16) return minus_sum(x, h, f.shift);
    return _mm512_slli_epi32(_mm512_set1_epi32(x->offset_q4), f.shift - 3); /* 8 = 1 << 3 */
}

/* y + 2^e (scale * dot + min * sum of the inputs). Adding to exponents costs no multiplication. */
MU_INLINE __m512 add_dot(const mu_plane_form f, __m512 y, __m512i dot, __m512i scale,
                         const float *min, const mu_act_group *x, const uint32_t h) {
    __m512i e = _mm512_set1_epi32(x->exponent);
    y = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), _mm512_castsi512_ps(_mm512_add_epi32(scale, e)),
                        y);
    if (f.sign == 0.0f) return y;
    if (f.sub == 32) return _mm512_fmadd_ps(_mm512_load_ps(min), _mm512_set1_ps(x->sum), y);
    __m512i one = _mm512_set1_epi32(127 << 23);
    __m512 minus = _mm512_mul_ps(_mm512_cvtepi32_ps(minus_sum(x, h, 0)),
                                 _mm512_castsi512_ps(_mm512_add_epi32(e, one)));
    return _mm512_fnmadd_ps(_mm512_load_ps(min), minus, y);
}

/* is_folded: levels are unfolded on the way, because no other tile wants them. */
MU_INLINE void tile(const mu_plane_form f, tile_args t, const uint32_t n_rows,
                    const bool is_folded) {
    const uint32_t n_halves = MU_QUANT_GROUP / f.sub, n_inputs = INPUTS / n_halves;
    const mu_act_group *x[ROWS];
    __m512 lo[ROWS], hi[ROWS];
#pragma GCC unroll 6
    for (uint32_t r = 0; r < n_rows; r++) {
        x[r] = (const void *)(t.acts + r * t.act_bytes);
        lo[r] = _mm512_load_ps(t.sums + (size_t)r * MU_PANEL);
        hi[r] = _mm512_load_ps(t.sums + (size_t)r * MU_PANEL + 16);
    }
    for (uint32_t g = 0; g < t.n_groups; g++) {
        const folded from = folded_group(f, t.units, g);
        const uint8_t *w = &t.w->levels[g][0][0][0];
        for (uint32_t i = 0; i < t.n_lines; i++, t.next += LINE) {
            _mm_prefetch((const char *)t.next, _MM_HINT_T1);
        }
#pragma GCC unroll 2
        for (uint32_t h = 0; h < n_halves; h++) {
            const float *scales = t.w->scales[g * n_halves + h];
            const float *mins = t.w->mins[g * n_halves + h];
            __m512i dot_lo[ROWS], dot_hi[ROWS];
#pragma GCC unroll 6
            for (uint32_t r = 0; r < n_rows; r++) {
                dot_lo[r] = dot_hi[r] = first_dot(f, &x[r][g], h);
            }
#pragma GCC unroll 8
            for (uint32_t k = h * n_inputs; k < (h + 1) * n_inputs; k++) {
                const uint8_t *at = w + (size_t)k * 4 * MU_PANEL;
                __m512i w_lo = is_folded ? unfold_levels(f, from, k, 0) : _mm512_load_si512(at);
                __m512i w_hi =
                    is_folded ? unfold_levels(f, from, k, 1) : _mm512_load_si512(at + 64);
#pragma GCC unroll 6
                for (uint32_t r = 0; r < n_rows; r++) {
                    __m512i v = _mm512_set1_epi32(mu_act_inputs(&x[r][g], k));
                    dot_lo[r] = _mm512_dpbusd_epi32(dot_lo[r], w_lo, v);
                    dot_hi[r] = _mm512_dpbusd_epi32(dot_hi[r], w_hi, v);
                }
            }
            __m512i s_lo = _mm512_load_si512(scales), s_hi = _mm512_load_si512(scales + 16);
#pragma GCC unroll 6
            for (uint32_t r = 0; r < n_rows; r++) {
                lo[r] = add_dot(f, lo[r], dot_lo[r], s_lo, mins, &x[r][g], h);
                hi[r] = add_dot(f, hi[r], dot_hi[r], s_hi, mins + 16, &x[r][g], h);
            }
        }
    }
#pragma GCC unroll 6
    for (uint32_t r = 0; r < n_rows; r++) {
        _mm512_store_ps(t.sums + (size_t)r * MU_PANEL, lo[r]);
        _mm512_store_ps(t.sums + (size_t)r * MU_PANEL + 16, hi[r]);
    }
}

MU_INLINE void run_tile(const mu_plane_form f, tile_args t, uint32_t n_rows, const bool is_folded) {
    switch (n_rows) {
    case 6:
        tile(f, t, 6, is_folded);
        break;
    case 5:
        tile(f, t, 5, is_folded);
        break;
    case 4:
        tile(f, t, 4, is_folded);
        break;
    case 3:
        tile(f, t, 3, is_folded);
        break;
    case 2:
        tile(f, t, 2, is_folded);
        break;
    default:
        tile(f, t, 1, is_folded);
        break;
    }
}

/* n_rows rows in tiles of nearly equal height, each fetching its part of the n_bytes at next. */
MU_INLINE void run_tiles(const mu_plane_form f, tile_args t, uint32_t n_rows, const uint8_t *next,
                         size_t n_bytes) {
    uint32_t n_tiles = (n_rows + ROWS - 1) / ROWS;
    uint32_t n_pieces = n_tiles * t.n_groups;
    t.n_lines = next ? (uint32_t)((n_bytes / LINE + n_pieces - 1) / n_pieces) : 0;
    t.next = next;
    if (n_tiles == 1) { /* memory is the limit, and a unit is soon done: fetch further ahead */
        if (next) t.next += n_bytes;
        run_tile(f, t, n_rows, true);
        return;
    }
    for (uint32_t left = n_tiles; left > 0; left--) {
        uint32_t height = (n_rows + left - 1) / left;
        run_tile(f, t, height, false);
        n_rows -= height;
        t.acts += height * t.act_bytes;
        t.sums += (size_t)height * MU_PANEL;
        if (next) t.next += (size_t)t.n_lines * t.n_groups * LINE;
    }
}

MU_INLINE void run_block(const mu_plane_form f, const mu_matmul_args *a, uint32_t row,
                         uint32_t n_rows) {
    const size_t unit_bytes = mu_plane_unit_bytes(f);
    const uint32_t units = MU_UNFOLDED_GROUPS / f.groups;
    mu_unfolded w;
    _Alignas(64) float sums[BLOCK_ROWS][MU_PANEL];
    memset(sums, 0, n_rows * sizeof(sums[0]));
    const uint8_t *unit = a->panel;
    uint32_t n_groups = (a->n_in + MU_QUANT_GROUP - 1) / MU_QUANT_GROUP;
    for (uint32_t g = 0; g < n_groups; g += MU_UNFOLDED_GROUPS, unit += units * unit_bytes) {
        uint32_t n = n_groups - g < MU_UNFOLDED_GROUPS ? n_groups - g : MU_UNFOLDED_GROUPS;
        bool is_last = g + MU_UNFOLDED_GROUPS >= n_groups;
        unfold(f, unit, n, n_rows > ROWS, &w);
        tile_args t = {.w = &w,
                       .units = unit,
                       .n_groups = n,
                       .acts =
                           (const uint8_t *)a->acts + row * a->act_bytes + g * sizeof(mu_act_group),
                       .act_bytes = a->act_bytes,
                       .sums = sums[0]};
        run_tiles(f, t, n_rows, is_last ? a->next : unit + units * unit_bytes, units * unit_bytes);
    }
    for (uint32_t r = 0; r < n_rows; r++) {
        float *y = a->y + (row + r) * a->y_stride;
        for (uint32_t j = 0; j < MU_PANEL; j += 16) {
            __m512 sum = _mm512_add_ps(_mm512_load_ps(sums[r] + j), _mm512_loadu_ps(a->bias + j));
            if (a->accumulate) sum = _mm512_add_ps(_mm512_loadu_ps(y + j), sum);
            _mm512_storeu_ps(y + j, sum);
        }
    }
}

MU_INLINE void run(const mu_plane_form f, const mu_matmul_args *a) {
    uint32_t n_blocks = (a->n_rows + BLOCK_ROWS - 1) / BLOCK_ROWS, row = 0;
    for (uint32_t left = n_blocks; left > 0; left--) {
        uint32_t n = (a->n_rows - row + left - 1) / left;
        run_block(f, a, row, n);
        row += n;
    }
}

#define X(name, dtype, ...)                           \
    static void name##_run(const mu_matmul_args *a) { \
        run(mu_##name##_form, a);                     \
    }
MU_PLANE_FORMS(X)
#undef X

void mu_kernels_init_avx512planes(mu_kernels *k) {
#define X(name, dtype, ...) k->matmul[dtype].run = name##_run;
    MU_PLANE_FORMS(X)
#undef X
}
