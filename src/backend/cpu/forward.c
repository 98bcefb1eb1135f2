/* The decoder, as stages that all threads run together.
 *
 * One mu_pool_run() is one step: every thread walks the same stages and takes pieces of each until
 * none is left; a barrier ends a stage. What a piece computes does not depend on who computes it,
 * and a row's arithmetic does not depend on the other rows, so results are the same for any number
 * of threads, any batch and any way of cutting a prompt into chunks.
 *
 *     embed | norm | QKV | store KV | attention | O += | norm | UP, activation | DOWN += | ...
 *           | norm | output
 *
 * Each stage leaves its result packed as the next product takes it. Two barriers go when a step is
 * decode: one or two rows are normalised by every thread for itself, and a row's K and V are stored
 * by whoever attends to them.
 */
#include <string.h>

#include "backend/cpu/plan.h"

enum {
    TASKS_PER_THREAD = 8, /* pieces of a matrix per thread: fine enough to balance */
    OWN_BLOCK_ROWS = 64,  /* rows worth reading all panels for */
    TILE = 12,            /* a multiple of the height of every kernel's tile */
};

typedef struct worker {
    mu_cpu_backend *b;
    uint32_t thread;
    mu_acts normed; /* the scratch's, or the thread's own */
} worker;

/* Matrix product of packed rows over the first n_columns outputs: y = acts * w (+ y), or packed
 * again after an activation. */
typedef struct product {
    const mu_packed *w;
    const mu_acts *acts;
    uint32_t n_rows;
    uint32_t n_columns; /* what y has room for: whole panels, but for logits */
    float *y;           /* NULL: packed */
    size_t y_stride;
    bool accumulate;
    const mu_acts *packed;
    void (*activation)(float *x, size_t n);
} product;

/* Rows of a tile of outputs go on from where the product left them. */
static void finish_tile(const product *p, const float *tile, uint32_t panel, uint32_t first_row,
                        uint32_t n_rows) {
    uint32_t column = panel * MU_PANEL;
    uint32_t n = p->n_columns - column < MU_PANEL ? p->n_columns - column : MU_PANEL;
    for (uint32_t r = 0; r < n_rows; r++) {
        const float *from = tile + (size_t)r * MU_PANEL;
        size_t row = first_row + r;
        if (p->y) {
            memcpy(p->y + row * p->y_stride + column, from, n * sizeof(float));
        } else {
            const mu_matmul *matmul = p->w->matmul;
            uint8_t *to = p->packed->rows + row * p->packed->row_bytes;
            matmul->pack_acts(to + matmul->act_bytes(column), from, n);
        }
    }
}

static void product_panel(const worker *k, const product *p, uint32_t panel, uint32_t first_row,
                          uint32_t n_rows) {
    uint32_t column = panel * MU_PANEL;
    bool is_direct = p->y && p->n_columns - column >= MU_PANEL;
    float *tile = k->b->scratch.threads[k->thread].tile;
    MU_DASSERT(n_rows <= MU_ROW_BLOCK && (is_direct || !p->accumulate));
    const uint8_t *weights = p->w->panels + panel * p->w->panel_bytes;
    bool has_next = panel + 1 < p->w->n_panels; /* tasks of a row block go from panel to panel */
    mu_matmul_args args = {
        .panel = weights,
        .next = has_next ? weights + p->w->panel_bytes : NULL,
        .acts = p->acts->rows + first_row * p->acts->row_bytes,
        .act_bytes = p->acts->row_bytes,
        .n_rows = n_rows,
        .n_in = p->w->n_in,
        .bias = p->w->bias + column,
        .y = is_direct ? p->y + first_row * p->y_stride + column : tile,
        .y_stride = is_direct ? p->y_stride : MU_PANEL,
        .accumulate = p->accumulate,
    };
    p->w->matmul->run(&args);
    if (p->activation) p->activation(tile, (size_t)n_rows * MU_PANEL);
    if (!is_direct) finish_tile(p, tile, panel, first_row, n_rows);
}

/* Rows of a matrix task. A long step is cut into as many row blocks as threads, or a multiple: each
 * thread then takes its own rows through all panels, and meets them again in the next stage. A
 * short one is a single block, cut into panels, and each thread keeps its own weights. */
static uint32_t block_rows(const mu_cpu_backend *b, uint32_t n_rows) {
    uint32_t n_threads = mu_pool_n_threads(b->pool);
    uint32_t unit = n_rows >= n_threads * OWN_BLOCK_ROWS ? n_threads : 1;
    uint32_t n_blocks = (n_rows + unit * MU_ROW_BLOCK - 1) / (unit * MU_ROW_BLOCK) * unit;
    if (n_blocks == 0) return MU_ROW_BLOCK; /* no row wants logits */
    uint32_t rows = (n_rows + n_blocks - 1) / n_blocks;
    rows = (rows + TILE - 1) / TILE * TILE;
    return rows < MU_ROW_BLOCK ? rows : MU_ROW_BLOCK;
}

static void run_product(const worker *k, const product *p) {
    mu_cpu_backend *b = k->b;
    uint32_t block = block_rows(b, p->n_rows), n_panels = p->w->n_panels;
    uint32_t n_tasks = n_panels * ((p->n_rows + block - 1) / block);
    uint32_t chunk = n_tasks / (mu_pool_n_threads(b->pool) * TASKS_PER_THREAD);
    uint32_t task, end;
    while (mu_pool_next(b->pool, k->thread, n_tasks, chunk > 0 ? chunk : 1, &task, &end)) {
        for (; task < end; task++) {
            uint32_t first_row = task / n_panels * block, left = p->n_rows - first_row;
            product_panel(k, p, task % n_panels, first_row, left < block ? left : block);
        }
    }
    mu_pool_barrier(b->pool);
}

static void embed(const worker *k) {
    mu_cpu_backend *b = k->b;
    uint32_t hidden = b->spec.hidden_dim, row, end;
    while (mu_pool_next(b->pool, k->thread, b->plan.n_rows, 4, &row, &end)) {
        for (; row < end; row++) {
            const mu_step_row *r = &b->plan.rows[row];
            float *x = b->scratch.x + row * b->scratch.x_stride;
            const float *position = b->weights.positions + (size_t)r->position * hidden;
            mu_packed_column(&b->weights.embed, (uint32_t)r->token, x);
            for (uint32_t i = 0; i < hidden; i++) {
                x[i] += position[i];
            }
        }
    }
    mu_pool_barrier(b->pool);
}

static void normalise_row(const worker *k, uint32_t row, uint8_t *to, const float *w,
                          const float *bias) {
    mu_cpu_backend *b = k->b;
    const float *x = b->scratch.x + row * b->scratch.x_stride;
    float *normed = b->scratch.rows[k->thread];
    b->kernels.layer_norm(normed, x, w, bias, b->spec.hidden_dim, b->spec.norm_eps);
    b->kernels.matmul[b->form].pack_acts(to, normed, b->spec.hidden_dim);
}

/* The first n_rows rows of x into k->normed. */
static void normalise(worker *k, uint32_t n_rows, const float *w, const float *bias) {
    mu_cpu_backend *b = k->b;
    k->normed = b->scratch.normed;
    if (n_rows <= MU_OWN_ROWS) {
        k->normed.rows = b->scratch.threads[k->thread].own;
        for (uint32_t row = 0; row < n_rows; row++) {
            normalise_row(k, row, k->normed.rows + row * k->normed.row_bytes, w, bias);
        }
        return;
    }
    uint32_t row, end;
    while (mu_pool_next(b->pool, k->thread, n_rows, 4, &row, &end)) {
        for (; row < end; row++) {
            normalise_row(k, row, k->normed.rows + row * k->normed.row_bytes, w, bias);
        }
    }
    mu_pool_barrier(b->pool);
}

static size_t kv_offset(const mu_cpu_backend *b, uint32_t layer, uint32_t head, bool is_v) {
    return layer * b->kv.layer_bytes + ((is_v ? b->spec.n_heads : 0) + head) * b->kv.head_bytes;
}

/* K and V of a tile's rows into their group. */
static void store_kv_tile(mu_cpu_backend *b, uint32_t layer, const mu_query_tile *tile,
                          uint32_t head) {
    const mu_scratch *s = &b->scratch;
    const float *qkv = s->qkv + tile->first_row * s->qkv_stride + head * b->spec.head_dim;
    uint32_t position = b->plan.rows[tile->first_row].position;
    uint8_t *group =
        (uint8_t *)(uintptr_t)b->plan.segments[tile->segment].groups[position / MU_KV_GROUP];
    b->kernels.kv[b->kv_form].write(&(mu_kv_write_args){
        .k_group = group + kv_offset(b, layer, head, false),
        .v_group = group + kv_offset(b, layer, head, true),
        .in_group = position % MU_KV_GROUP,
        .n_positions = tile->n_rows,
        .head_dim = b->spec.head_dim,
        .k = qkv + s->x_stride,
        .v = qkv + 2 * s->x_stride,
        .stride = s->qkv_stride,
    });
}

static void store_kv(const worker *k, uint32_t layer) {
    mu_cpu_backend *b = k->b;
    uint32_t task, end;
    while (mu_pool_next(b->pool, k->thread, b->plan.n_tiles * b->spec.n_heads, b->spec.n_heads,
                        &task, &end)) {
        for (; task < end; task++) {
            store_kv_tile(b, layer, &b->plan.tiles[task / b->spec.n_heads], task % b->spec.n_heads);
        }
    }
    mu_pool_barrier(b->pool);
}

/* A head is whole groups of activations: its part of a row can be packed by itself. */
static bool packs_by_head(const mu_cpu_backend *b) {
    return b->spec.head_dim % MU_QUANT_GROUP == 0;
}

/* n_heads heads of attended rows, packed for O. */
static void pack_heads(mu_cpu_backend *b, uint32_t first_row, uint32_t n_rows, uint32_t first_head,
                       uint32_t n_heads) {
    const mu_scratch *s = &b->scratch;
    const mu_matmul *matmul = &b->kernels.matmul[b->form];
    size_t first = first_head * b->spec.head_dim, n = (size_t)n_heads * b->spec.head_dim;
    for (uint32_t row = first_row; row < first_row + n_rows; row++) {
        matmul->pack_acts(s->heads.rows + row * s->heads.row_bytes + matmul->act_bytes(first),
                          s->attended + row * s->x_stride + first, n);
    }
}

static void attend_tile(const worker *k, uint32_t layer, const mu_query_tile *tile, uint32_t head) {
    mu_cpu_backend *b = k->b;
    const mu_scratch *s = &b->scratch;
    uint32_t first_position = b->plan.rows[tile->first_row].position;
    uint32_t n_positions = first_position + tile->n_rows; /* of the last row, which sees most */
    uint32_t n_padded = (n_positions + MU_KV_GROUP - 1) / MU_KV_GROUP * MU_KV_GROUP;
    float scale = b->spec.attn_scale;
    if (b->spec.attn_scale_by_layer) scale /= (float)(layer + 1);
    mu_attention_args args = {
        .groups = b->plan.segments[tile->segment].groups,
        .offset = kv_offset(b, layer, head, false),
        .n_positions = n_positions,
        .head_dim = b->spec.head_dim,
        .n_rows = tile->n_rows,
        .x = s->qkv + tile->first_row * s->qkv_stride + head * b->spec.head_dim,
        .x_stride = s->qkv_stride,
        .y = s->threads[k->thread].scores,
        .y_stride = n_padded,
        .scale = scale,
    };
    b->kernels.kv[b->kv_form].scores(&args);
    for (uint32_t r = 0; r < tile->n_rows; r++) { /* row r sees positions up to its own */
        b->kernels.softmax(args.y + r * n_padded, first_position + r + 1, n_padded);
    }
    args.offset = kv_offset(b, layer, head, true);
    args.x = args.y;
    args.x_stride = n_padded;
    args.y = s->attended + tile->out_row * s->x_stride + head * b->spec.head_dim;
    args.y_stride = s->x_stride;
    b->kernels.kv[b->kv_form].values(&args);
    if (packs_by_head(b)) pack_heads(b, tile->out_row, tile->n_rows, head, 1);
}

static void attend(const worker *k, uint32_t layer) {
    mu_cpu_backend *b = k->b;
    bool is_last = layer + 1 == b->spec.n_layers;
    const mu_query_tile *tiles = is_last ? b->plan.last_tiles : b->plan.tiles;
    uint32_t n_tiles = is_last ? b->plan.n_last_tiles : b->plan.n_tiles;
    uint32_t task, end;
    /* Heads lie side by side in a KV group: a thread that takes all of a sequence reads on and on.
     */
    bool is_wide = n_tiles >= 4 * mu_pool_n_threads(b->pool);
    uint32_t chunk = b->plan.is_decode && is_wide ? b->spec.n_heads : 1;
    while (mu_pool_next(b->pool, k->thread, n_tiles * b->spec.n_heads, chunk, &task, &end)) {
        for (; task < end; task++) {
            const mu_query_tile *tile = &tiles[task / b->spec.n_heads];
            uint32_t head = task % b->spec.n_heads;
            if (b->plan.is_decode) store_kv_tile(b, layer, tile, head); /* nobody else reads it */
            attend_tile(k, layer, tile, head);
        }
    }
    mu_pool_barrier(b->pool);
    if (packs_by_head(b)) return;
    uint32_t n_rows = is_last ? b->plan.n_out : b->plan.n_rows, row;
    while (mu_pool_next(b->pool, k->thread, n_rows, 4, &row, &end)) {
        pack_heads(b, row, end - row, 0, b->spec.n_heads);
    }
    mu_pool_barrier(b->pool);
}

/* The residual stream of the rows that go on, moved to their out rows. An out row is never after
 * its row, so moving in order overwrites nothing that is still needed. */
static void keep_wanted_rows(mu_cpu_backend *b) {
    const mu_scratch *s = &b->scratch;
    for (uint32_t i = 0; i < b->plan.n_segments; i++) {
        const mu_step_segment *segment = &b->plan.segments[i];
        memmove(s->x + segment->first_out * s->x_stride, s->x + segment->first_wanted * s->x_stride,
                segment->n_wanted * s->x_stride * sizeof(float));
    }
}

static void run_layer(worker *k, uint32_t index) {
    mu_cpu_backend *b = k->b;
    const mu_scratch *s = &b->scratch;
    const mu_cpu_layer *layer = &b->weights.layers[index];
    uint32_t n_rows = b->plan.n_rows, x_columns = (uint32_t)s->x_stride;

    normalise(k, n_rows, layer->attn_norm_w, layer->attn_norm_b);
    run_product(k, &(product){.w = &layer->qkv,
                              .acts = &k->normed,
                              .n_rows = n_rows,
                              .n_columns = 3 * x_columns,
                              .y = s->qkv,
                              .y_stride = s->qkv_stride});
    if (!b->plan.is_decode) store_kv(k, index);
    if (index + 1 == b->spec.n_layers) {
        n_rows = b->plan.n_out;
        if (k->thread == 0) keep_wanted_rows(b);
    }
    attend(k, index);
    run_product(k, &(product){.w = &layer->o,
                              .acts = &s->heads,
                              .n_rows = n_rows,
                              .n_columns = x_columns,
                              .y = s->x,
                              .y_stride = s->x_stride,
                              .accumulate = true});
    normalise(k, n_rows, layer->ffn_norm_w, layer->ffn_norm_b);
    run_product(k, &(product){.w = &layer->up,
                              .acts = &k->normed,
                              .n_rows = n_rows,
                              .n_columns = b->spec.ffn_dim,
                              .packed = &s->ffn,
                              .activation = b->kernels.activation[b->spec.activation]});
    run_product(k, &(product){.w = &layer->down,
                              .acts = &s->ffn,
                              .n_rows = n_rows,
                              .n_columns = x_columns,
                              .y = s->x,
                              .y_stride = s->x_stride,
                              .accumulate = true});
}

static void run_step(void *ctx, uint32_t thread, uint32_t n_threads) {
    (void)n_threads;
    worker k = {.b = ctx, .thread = thread};
    mu_cpu_backend *b = ctx;
    embed(&k);
    for (uint32_t layer = 0; layer < b->spec.n_layers; layer++) {
        run_layer(&k, layer);
    }
    normalise(&k, b->plan.n_out, b->weights.out_norm_w, b->weights.out_norm_b);
    run_product(&k, &(product){.w = &b->weights.output,
                               .acts = &k.normed,
                               .n_rows = b->plan.n_out,
                               .n_columns = b->spec.vocab_size,
                               .y = b->scratch.logits,
                               .y_stride = b->spec.vocab_size});
}

mu_status mu_cpu_forward(mu_backend *backend, const mu_step *step, mu_step_result *out,
                         mu_err *err) {
    (void)err; /* a CPU has no device to fail */
    mu_cpu_backend *b = (mu_cpu_backend *)backend;
    mu_step_plan_make(b, step);
    mu_pool_run(b->pool, run_step, b);
    *out = (mu_step_result){.logits = b->plan.n_out > 0 ? b->scratch.logits : NULL};
    return MU_OK;
}
