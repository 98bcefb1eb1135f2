/* A step for the kernels: a row a token, tiles of neighbouring rows, block tables one after
 * another. How rows are tiled changes no row's result.
 */
#include <string.h>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/cuda_layout.h"

static void add_rows(mu_cuda_backend *b, const mu_segment *segment) {
    for (uint32_t i = 0; i < segment->n_tokens; i++) {
        mu_token token = segment->tokens[i];
        MU_ASSERT(token >= 0 && (uint32_t)token < b->spec.vocab_size);
        b->step.rows[b->batch.n_rows++] = (mu_cuda_row){
            .token = token,
            .position = segment->first_position + i,
            .table = b->n_tables,
        };
    }
}

static void add_segment_tiles(mu_cuda_backend *b, uint32_t first_row, uint32_t n_rows) {
    const mu_cuda_row *rows = b->step.rows + first_row;
    for (uint32_t i = 0; i < n_rows; i += MU_CUDA_ROW_TILE) {
        uint32_t left = n_rows - i;
        b->step.tiles[b->batch.n_tiles++] = (mu_cuda_tile){
            .first_row = first_row + i,
            .n_rows = left < MU_CUDA_ROW_TILE ? left : MU_CUDA_ROW_TILE,
            .position = rows[i].position,
            .table = rows[i].table,
        };
    }
}

/* Tiles of one row first: they have a kernel of their own. */
static void add_tiles(mu_cuda_backend *b, const mu_step *step) {
    for (int is_long = 0; is_long < 2; is_long++) {
        uint32_t first_row = 0;
        for (uint32_t i = 0; i < step->n_segments; i++) {
            uint32_t n_rows = step->segments[i].n_tokens;
            if ((n_rows > 1) == is_long) add_segment_tiles(b, first_row, n_rows);
            first_row += n_rows;
        }
        if (!is_long) b->batch.n_singles = b->batch.n_tiles;
    }
}

static void add_outs(mu_cuda_backend *b, const mu_segment *segment, uint32_t first_row) {
    uint32_t n = mu_segment_n_rows(segment);
    MU_ASSERT(n <= b->options.step_rows_max - b->batch.n_outs && segment->n_top <= MU_TOP_MAX);
    for (uint32_t i = segment->n_tokens - n; i < segment->n_tokens; i++) {
        b->step.outs[b->batch.n_outs++] = (mu_cuda_out){
            .row = first_row + i,
            .n_top = segment->n_top,
            .first = b->n_candidates,
        };
        b->n_candidates += segment->n_top;
    }
}

static void add_table(mu_cuda_backend *b, const mu_segment *segment) {
    uint32_t n_positions = segment->first_position + segment->n_tokens;
    uint32_t n = mu_cuda_whole(n_positions, b->options.block_tokens) / b->options.block_tokens;
    for (uint32_t i = 0; i < n; i++) {
        MU_ASSERT(segment->block_table[i] < b->options.n_kv_blocks);
    }
    memcpy(b->step.tables + b->n_tables, segment->block_table, n * sizeof(*b->step.tables));
    b->n_tables += n;
}

void mu_cuda_step_make(mu_cuda_backend *b, const mu_step *step) {
    b->n_tables = b->n_candidates = 0;
    b->batch.n_rows = b->batch.n_tiles = b->batch.n_outs = 0;
    for (uint32_t i = 0; i < step->n_segments; i++) {
        const mu_segment *segment = &step->segments[i];
        uint32_t first_row = b->batch.n_rows;
        MU_ASSERT(segment->n_tokens > 0);
        MU_ASSERT(segment->n_tokens <= b->options.step_tokens_max - first_row);
        MU_ASSERT(segment->first_position + segment->n_tokens <= b->options.n_ctx);
        add_rows(b, segment);
        add_outs(b, segment, first_row);
        add_table(b, segment);
    }
    add_tiles(b, step);
}
