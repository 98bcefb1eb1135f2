/* The last layer computes attention and what follows only for rows whose results are wanted; they
 * move up to the front (out rows), in order, so an out row is never after its row.
 */
#include "backend/cpu/plan.h"

static void add_rows(mu_cpu_backend *b, const mu_segment *segment) {
    mu_step_plan *plan = &b->plan;
    for (uint32_t i = 0; i < segment->n_tokens; i++) {
        mu_token token = segment->tokens[i];
        MU_ASSERT(token >= 0 && (uint32_t)token < b->spec.vocab_size);
        bool is_second = segment->n_first > 0 && segment->first_position + i >= segment->n_first;
        plan->rows[plan->n_rows++] = (mu_step_row){
            .token = token,
            .position = segment->first_position + i,
            .segment = plan->n_segments,
            .type = is_second && b->spec.n_token_types > 1 ? 1 : 0,
        };
    }
}

static void add_groups(const mu_cpu_backend *b, const mu_segment *segment, const uint8_t **groups) {
    uint32_t n = (segment->first_position + segment->n_tokens + MU_KV_GROUP - 1) / MU_KV_GROUP;
    for (uint32_t g = 0; g < n; g++) {
        mu_kv_block_id block = segment->block_table[g / b->kv.groups_per_block];
        MU_ASSERT(block < b->options.n_kv_blocks);
        size_t at = (size_t)block * b->kv.groups_per_block + g % b->kv.groups_per_block;
        groups[g] = b->kv.base + at * b->kv.group_bytes;
    }
}

/* Cut rows of a segment where a KV group ends. How rows are tiled changes no row's result. */
static void add_tiles(const mu_step_plan *plan, mu_query_tile *tiles, uint32_t *n_tiles,
                      mu_query_tile rows) {
    while (rows.n_rows > 0) {
        uint32_t room = MU_KV_GROUP - plan->rows[rows.first_row].position % MU_KV_GROUP;
        mu_query_tile *tile = &tiles[(*n_tiles)++];
        *tile = rows;
        if (tile->n_rows > room) tile->n_rows = room;
        rows.first_row += tile->n_rows;
        rows.out_row += tile->n_rows;
        rows.n_rows -= tile->n_rows;
    }
}

void mu_step_plan_make(mu_cpu_backend *b, const mu_step *step) {
    mu_step_plan *plan = &b->plan;
    plan->n_rows = plan->n_segments = plan->n_tiles = plan->n_last_tiles = plan->n_out = 0;
    uint32_t n_groups_max = (b->options.n_ctx + b->options.block_tokens - 1) /
                            b->options.block_tokens * b->kv.groups_per_block;

    for (uint32_t i = 0; i < step->n_segments; i++) {
        const mu_segment *segment = &step->segments[i];
        MU_ASSERT(segment->n_tokens > 0);
        MU_ASSERT(segment->n_tokens <= b->options.step_tokens_max - plan->n_rows);
        MU_ASSERT(segment->first_position + segment->n_tokens <= b->options.n_ctx);
        uint32_t wanted = mu_segment_n_rows(segment);
        MU_ASSERT(!b->spec.has_output || wanted <= b->options.step_rows_max - plan->n_out);
        MU_ASSERT(!b->spec.is_bidirectional || segment->first_position == 0);

        uint32_t first_row = plan->n_rows;
        const uint8_t **groups = plan->groups + (size_t)i * n_groups_max;
        add_rows(b, segment);
        add_groups(b, segment, groups);
        uint32_t first_wanted = first_row + mu_segment_first_row(segment);
        add_tiles(plan, plan->tiles, &plan->n_tiles,
                  (mu_query_tile){i, first_row, segment->n_tokens, first_row});
        add_tiles(plan, plan->last_tiles, &plan->n_last_tiles,
                  (mu_query_tile){i, first_wanted, wanted, plan->n_out});
        plan->segments[plan->n_segments++] = (mu_step_segment){
            .first_wanted = first_wanted,
            .n_wanted = wanted,
            .first_out = plan->n_out,
            .n_positions = segment->first_position + segment->n_tokens,
            .groups = groups,
        };
        plan->n_out += wanted;
    }
    MU_ASSERT(plan->n_out <= plan->n_rows);
    plan->is_decode = plan->n_segments == plan->n_rows && plan->n_out == plan->n_rows;
}
