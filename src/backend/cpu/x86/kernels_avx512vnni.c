/* AVX-512 VNNI: vpdpbusd multiplies four unsigned by four signed bytes and adds the products to a
 * 32-bit lane, exactly. Both quantized products are replaced.
 *
 * A tile is up to six rows by one panel: twelve integer and twelve f32 accumulators, two weight
 * vectors and a broadcast. Per group an accumulator takes eight vpdpbusd, one conversion, one
 * integer addition that applies the activations' scale to the weights', and one multiply-add.
 */
#include "backend/cpu/x86/levels.h"

#include "backend/cpu/x86/tile_avx512.h"

enum { ROWS = 6, INPUTS = MU_QUANT_GROUP / 4, LINE = 64 };

MU_INLINE __m512i load_scales(const uint8_t *scales) {
    return _mm512_castps_si512(_mm512_cvtph_ps(_mm256_load_si256((const void *)scales)));
}

typedef enum quant_bits { Q8, Q4 } quant_bits;

/* Inputs 4 k to 4 k + 3 of outputs 16 half to 16 half + 15. */
MU_INLINE __m512i load_weights(const quant_bits bits, const uint8_t *group, uint32_t k,
                               uint32_t half) {
    if (bits == Q8) return _mm512_load_si512(group + (size_t)k * 4 * MU_PANEL + 64 * half);
    __m512i both = _mm512_load_si512(group + (size_t)(k % 4) * 4 * MU_PANEL + 64 * half);
    return _mm512_and_si512(k < 4 ? both : _mm512_srli_epi16(both, 4), _mm512_set1_epi8(15));
}

/* Cache lines of every group of the next panel that a tile fetches. */
typedef struct fetch {
    const uint8_t *next; /* its first line of the first group */
    uint32_t n_lines;    /* 0: none */
} fetch;

MU_INLINE void tile(const quant_bits bits, const mu_matmul_args *a, fetch ahead, uint32_t row,
                    const uint32_t n_rows) {
    const size_t group_bytes = bits == Q8 ? sizeof(mu_q8_group) : sizeof(mu_q4_group);
    const size_t scales_at = group_bytes - MU_PANEL * sizeof(uint16_t);
    const uint8_t *group = a->panel;
    const mu_act_group *x[ROWS];
    __m512 lo[ROWS], hi[ROWS];
#pragma GCC unroll 6
    for (uint32_t r = 0; r < n_rows; r++) {
        x[r] = (const void *)((const uint8_t *)a->acts + (row + r) * a->act_bytes);
        lo[r] = hi[r] = _mm512_setzero_ps();
    }
    uint32_t n_groups = (a->n_in + MU_QUANT_GROUP - 1) / MU_QUANT_GROUP;
    for (uint32_t g = 0; g < n_groups; g++, group += group_bytes) {
        for (uint32_t i = 0; i < ahead.n_lines; i++) {
            _mm_prefetch((const char *)ahead.next + (size_t)i * LINE, _MM_HINT_T1);
        }
        ahead.next += group_bytes;
        __m512i dot_lo[ROWS], dot_hi[ROWS];
#pragma GCC unroll 6
        for (uint32_t r = 0; r < n_rows; r++) {
            int32_t offset = bits == Q8 ? x[r][g].offset_q8 : x[r][g].offset_q4;
            dot_lo[r] = dot_hi[r] = _mm512_set1_epi32(offset);
        }
#pragma GCC unroll 8
        for (uint32_t k = 0; k < INPUTS; k++) {
            __m512i w_lo = load_weights(bits, group, k, 0), w_hi = load_weights(bits, group, k, 1);
#pragma GCC unroll 6
            for (uint32_t r = 0; r < n_rows; r++) {
                __m512i v = _mm512_set1_epi32(mu_act_inputs(&x[r][g], k));
                dot_lo[r] = _mm512_dpbusd_epi32(dot_lo[r], w_lo, v);
                dot_hi[r] = _mm512_dpbusd_epi32(dot_hi[r], w_hi, v);
            }
        }
        __m512i scale_lo = load_scales(group + scales_at);
        __m512i scale_hi = load_scales(group + scales_at + 32);
#pragma GCC unroll 6
        for (uint32_t r = 0; r < n_rows; r++) {
            __m512i e = _mm512_set1_epi32(x[r][g].exponent);
            __m512 s_lo = _mm512_castsi512_ps(_mm512_add_epi32(scale_lo, e));
            __m512 s_hi = _mm512_castsi512_ps(_mm512_add_epi32(scale_hi, e));
            lo[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot_lo[r]), s_lo, lo[r]);
            hi[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot_hi[r]), s_hi, hi[r]);
        }
    }
#pragma GCC unroll 6
    for (uint32_t r = 0; r < n_rows; r++) {
        mu_tile_store(a, row + r, lo[r], hi[r]);
    }
}

/* Tiles of nearly equal height: 32 rows are 6, 6, 5, 5, 5, 5 and not 6, 6, 6, 6, 6, 2. */
MU_INLINE void run(const quant_bits bits, const mu_matmul_args *a) {
    uint32_t n_tiles = (a->n_rows + ROWS - 1) / ROWS, row = 0;
    const size_t group_bytes = bits == Q8 ? sizeof(mu_q8_group) : sizeof(mu_q4_group);
    const uint32_t n_lines = (uint32_t)(group_bytes / LINE);
    for (uint32_t t = n_tiles; t > 0; t--) {
        uint32_t n_rows = (a->n_rows - row + t - 1) / t;
        uint32_t line = n_lines * (n_tiles - t) / n_tiles;
        fetch ahead = {a->next, 0};
        if (a->next && n_tiles > 2) {
            ahead.next += (size_t)line * LINE;
            ahead.n_lines = n_lines * (n_tiles - t + 1) / n_tiles - line;
        }
        switch (n_rows) {
        case 6:
            tile(bits, a, ahead, row, 6);
            break;
        case 5:
            tile(bits, a, ahead, row, 5);
            break;
        case 4:
            tile(bits, a, ahead, row, 4);
            break;
        case 3:
            tile(bits, a, ahead, row, 3);
            break;
        case 2:
            tile(bits, a, ahead, row, 2);
            break;
        default:
            tile(bits, a, ahead, row, 1);
            break;
        }
        row += n_rows;
    }
}

static void q8_run(const mu_matmul_args *a) {
    run(Q8, a);
}

static void q4_run(const mu_matmul_args *a) {
    run(Q4, a);
}

void mu_kernels_init_avx512vnni(mu_kernels *k) {
    k->isa = "avx512vnni";
    k->matmul[MU_Q8_0].run = q8_run;
    k->matmul[MU_Q4_0].run = q4_run;
}
