/* tile_avx2.h - what the AVX2 matrix kernels share: how rows are cut into tiles, what a tile
 * fetches on the way, and its end.
 *
 * A tile is a few rows by a panel or by half of one: as many accumulators as 16 registers leave
 * room for. Each accumulator lane is one output, summed over the inputs in index order, so a row's
 * result is the same in a tile of any shape.
 */
#ifndef MU_BACKEND_CPU_X86_TILE_AVX2_H
#define MU_BACKEND_CPU_X86_TILE_AVX2_H

#include <immintrin.h>

#include "backend/cpu/kernels.h"

enum { MU_LINE = 64, MU_VECTORS = MU_PANEL / 8 };

typedef struct mu_tile {
    const mu_matmul_args *args;
    uint32_t row, column; /* its first */
    /* The cache lines that this tile fetches on the way, for every group of inputs. */
    const uint8_t *next;
    uint32_t n_lines;
} mu_tile;

/* n_rows and n_vectors are constants where it is called, so that it is compiled for each shape. */
typedef void mu_tile_run(mu_tile tile, const uint32_t n_rows, const uint32_t n_vectors);

MU_INLINE void mu_tile_fetch(mu_tile *tile, size_t group_bytes) {
    for (uint32_t i = 0; i < tile->n_lines; i++) {
        _mm_prefetch((const char *)tile->next + (size_t)i * MU_LINE, _MM_HINT_T1);
    }
    tile->next += group_bytes;
}

/* Add bias, and what y held, and store the n_vectors vectors of a row of the tile. */
MU_INLINE void mu_tile_store(const mu_tile *tile, uint32_t row, const __m256 *sums,
                             const uint32_t n_vectors) {
    const mu_matmul_args *a = tile->args;
#pragma GCC unroll 4
    for (uint32_t v = 0; v < n_vectors; v++) {
        uint32_t column = tile->column + 8 * v;
        float *y = a->y + (tile->row + row) * a->y_stride + column;
        __m256 sum = _mm256_add_ps(sums[v], _mm256_loadu_ps(a->bias + column));
        if (a->accumulate) sum = _mm256_add_ps(_mm256_loadu_ps(y), sum);
        _mm256_storeu_ps(y, sum);
    }
}

/* With few tiles memory has no time for the next panel beside this one. */
typedef struct mu_tile_form {
    uint32_t most;      /* rows of a tile, at most 4 */
    uint32_t wide;      /* rows of a tile that is as wide as a panel, at most */
    uint32_t fetching;  /* tiles that fetch the next panel, at least */
    uint32_t ahead;     /* fewer than that: bytes from what is read to what is fetched; 0: none */
    size_t group_bytes; /* of a panel */
} mu_tile_form;

/* n_rows rows by the whole panel, in one pass over it or in two. */
MU_INLINE void mu_run_rows(mu_tile tile, mu_tile_run *run, const mu_tile_form form,
                           const uint32_t n_rows) {
    if (n_rows > form.most) return; /* never: so that it is not compiled */
    const uint32_t n_vectors = n_rows <= form.wide ? MU_VECTORS : MU_VECTORS / 2;
    const uint32_t n_passes = MU_VECTORS / n_vectors, n_lines = tile.n_lines;
    for (uint32_t pass = 0; pass < n_passes; pass++) {
        mu_tile part = tile;
        uint32_t line = n_lines * pass / n_passes;
        part.column = 8 * n_vectors * pass;
        part.next += (size_t)line * MU_LINE;
        part.n_lines = n_lines * (pass + 1) / n_passes - line;
        run(part, n_rows, n_vectors);
    }
}

/* All rows. Each tile fetches its part of the next panel, or the first what it will need soon. */
MU_INLINE void mu_run_tiles(const mu_matmul_args *a, mu_tile_run *run, const mu_tile_form form) {
    const uint32_t n_lines = (uint32_t)(form.group_bytes / MU_LINE);
    uint32_t n_tiles = (a->n_rows + form.most - 1) / form.most, line = 0;
    for (uint32_t t = 0; t < n_tiles; t++) {
        mu_tile tile = {.args = a, .row = t * form.most, .next = a->panel};
        if (a->next && n_tiles >= form.fetching) {
            tile.next = (const uint8_t *)a->next + (size_t)line * MU_LINE;
            tile.n_lines = n_lines * (t + 1) / n_tiles - line;
            line += tile.n_lines;
        } else if (form.ahead > 0 && n_tiles < form.fetching && t == 0) {
            tile.next = (const uint8_t *)a->panel + form.ahead;
            tile.n_lines = n_lines;
        }
        switch (a->n_rows - tile.row) {
        case 1:
            mu_run_rows(tile, run, form, 1);
            break;
        case 2:
            mu_run_rows(tile, run, form, 2);
            break;
        case 3:
            mu_run_rows(tile, run, form, 3);
            break;
        default:
            mu_run_rows(tile, run, form, form.most);
            break;
        }
    }
}

#endif
