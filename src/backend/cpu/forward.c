/* The decoder, as stages that all threads run together.
 *
 * One mu_pool_run() is one step: every thread walks the same stages and takes pieces of each until
 * none is left; a barrier ends a stage. What a piece computes does not depend on who computes it,
 * and a row's arithmetic does not depend on the other rows, so results are the same for any number
 * of threads, any batch and any way of cutting a prompt into chunks.
 *
 *     embed | norm, pack | QKV | store KV | attention | pack | O += | norm, pack | UP, activation
 *           | pack | DOWN += | ... | norm, pack | output
 */
#include <string.h>

#include "backend/cpu/plan.h"

enum {
    ROW_BLOCK =
        192, /* rows of one matrix task: a multiple of every tile height; 576 KiB of 768-wide f32 */
    TASKS_PER_THREAD = 8, /* pieces of a decode matrix per thread: fine enough to balance */
};

typedef struct worker {
    mu_backend *b;
    uint32_t thread;
} worker;

/* Matrix product of packed rows: y = acts * w (+ y), over the first n_columns outputs. */
typedef struct product {
    const mu_packed *w;
    uint32_t n_rows;
    float *y;
    size_t y_stride;
    uint32_t n_columns; /* what y has room for: whole panels, but for logits */
    bool accumulate;
    void (*activation)(float *x, size_t n); /* NULL: none */
} product;

static void product_panel(const mu_backend *b, const product *p, uint32_t panel, uint32_t first_row,
                          uint32_t n_rows) {
    float partial[ROW_BLOCK * MU_PANEL]; /* the last panel of a matrix with fewer columns in y */
    uint32_t column = panel * MU_PANEL;
    bool is_partial = p->n_columns - column < MU_PANEL;
    MU_DASSERT(n_rows <= ROW_BLOCK && !(is_partial && p->accumulate));
    float *y = p->y + first_row * p->y_stride + column;
    size_t act_bytes = p->w->matmul->act_bytes(p->w->n_in);
    mu_matmul_args args = {
        .panel = p->w->panels + panel * p->w->panel_bytes,
        .acts = b->scratch.acts + first_row * act_bytes,
        .act_bytes = act_bytes,
        .n_rows = n_rows,
        .n_in = p->w->n_in,
        .bias = p->w->bias + column,
        .y = is_partial ? partial : y,
        .y_stride = is_partial ? MU_PANEL : p->y_stride,
        .accumulate = p->accumulate,
    };
    p->w->matmul->run(&args);
    for (uint32_t r = 0; r < n_rows && p->activation; r++) {
        p->activation(args.y + r * args.y_stride, MU_PANEL);
    }
    for (uint32_t r = 0; r < n_rows && is_partial; r++) {
        memcpy(y + r * p->y_stride, partial + r * MU_PANEL,
               (p->n_columns - column) * sizeof(float));
    }
}

static void run_product(const worker *k, const product *p) {
    mu_backend *b = k->b;
    uint32_t n_blocks = (p->n_rows + ROW_BLOCK - 1) / ROW_BLOCK;
    uint32_t n_tasks = p->w->n_panels * n_blocks;
    uint32_t chunk = n_tasks / (mu_pool_n_threads(b->pool) * TASKS_PER_THREAD);
    uint32_t task, end;
    while (mu_pool_next(b->pool, n_tasks, chunk > 0 ? chunk : 1, &task, &end)) {
        for (; task < end; task++) { /* blocks of one panel follow each other: it stays in L2 */
            uint32_t first_row = task % n_blocks * ROW_BLOCK;
            uint32_t left = p->n_rows - first_row;
            product_panel(b, p, task / n_blocks, first_row, left < ROW_BLOCK ? left : ROW_BLOCK);
        }
    }
    mu_pool_barrier(b->pool);
}

static void embed(const worker *k) {
    mu_backend *b = k->b;
    uint32_t hidden = b->spec.hidden_dim, row, end;
    while (mu_pool_next(b->pool, b->plan.n_rows, 4, &row, &end)) {
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

/* Rows of x, normalised, into packed activations. w NULL: not normalised. */
static void pack_rows(const worker *k, const float *x, size_t stride, uint32_t n_rows, uint32_t n,
                      const float *w, const float *bias) {
    mu_backend *b = k->b;
    const mu_matmul *matmul = &b->kernels.matmul[b->form];
    size_t act_bytes = matmul->act_bytes(n);
    uint32_t row, end;
    while (mu_pool_next(b->pool, n_rows, 4, &row, &end)) {
        for (; row < end; row++) {
            const float *from = x + row * stride;
            float *normed = b->scratch.rows[k->thread];
            if (w) b->kernels.layer_norm(normed, from, w, bias, n, b->spec.norm_eps);
            matmul->pack_acts(b->scratch.acts + row * act_bytes, w ? normed : from, n);
        }
    }
    mu_pool_barrier(b->pool);
}

static size_t kv_offset(const mu_backend *b, uint32_t layer, uint32_t head, bool is_v) {
    return layer * b->kv.layer_bytes + ((is_v ? b->spec.n_heads : 0) + head) * b->kv.head_bytes;
}

/* K and V of a tile's rows into their group. */
static void store_kv_tile(mu_backend *b, uint32_t layer, const mu_query_tile *tile, uint32_t head) {
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
    mu_backend *b = k->b;
    uint32_t task, end;
    while (mu_pool_next(b->pool, b->plan.n_tiles * b->spec.n_heads, b->spec.n_heads, &task, &end)) {
        for (; task < end; task++) {
            store_kv_tile(b, layer, &b->plan.tiles[task / b->spec.n_heads], task % b->spec.n_heads);
        }
    }
    mu_pool_barrier(b->pool);
}

static void attend_tile(const worker *k, uint32_t layer, const mu_query_tile *tile, uint32_t head) {
    mu_backend *b = k->b;
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
        .y = s->scores[k->thread],
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
}

static void attend(const worker *k, uint32_t layer) {
    mu_backend *b = k->b;
    bool is_last = layer + 1 == b->spec.n_layers;
    const mu_query_tile *tiles = is_last ? b->plan.last_tiles : b->plan.tiles;
    uint32_t n_tiles = is_last ? b->plan.n_last_tiles : b->plan.n_tiles;
    uint32_t task, end;
    while (mu_pool_next(b->pool, n_tiles * b->spec.n_heads, 1, &task, &end)) {
        const mu_query_tile *tile = &tiles[task / b->spec.n_heads];
        uint32_t head = task % b->spec.n_heads;
        if (b->plan.is_decode) store_kv_tile(b, layer, tile, head); /* nobody else reads it */
        attend_tile(k, layer, tile, head);
    }
    mu_pool_barrier(b->pool);
}

/* The residual stream of the rows that go on, moved to their out rows. An out row is never after
 * its row, so moving in order overwrites nothing that is still needed. */
static void keep_wanted_rows(mu_backend *b) {
    const mu_scratch *s = &b->scratch;
    for (uint32_t i = 0; i < b->plan.n_segments; i++) {
        const mu_step_segment *segment = &b->plan.segments[i];
        memmove(s->x + segment->first_out * s->x_stride, s->x + segment->first_wanted * s->x_stride,
                segment->n_wanted * s->x_stride * sizeof(float));
    }
}

static void run_layer(const worker *k, uint32_t index) {
    mu_backend *b = k->b;
    const mu_scratch *s = &b->scratch;
    const mu_cpu_layer *layer = &b->weights.layers[index];
    uint32_t hidden = b->spec.hidden_dim, ffn = b->spec.ffn_dim, n_rows = b->plan.n_rows;
    uint32_t x_columns = (uint32_t)s->x_stride;

    pack_rows(k, s->x, s->x_stride, n_rows, hidden, layer->attn_norm_w, layer->attn_norm_b);
    run_product(k,
                &(product){&layer->qkv, n_rows, s->qkv, s->qkv_stride, 3 * x_columns, false, NULL});
    if (!b->plan.is_decode) store_kv(k, index);
    if (index + 1 == b->spec.n_layers) {
        n_rows = b->plan.n_out;
        if (k->thread == 0) keep_wanted_rows(b);
    }
    attend(k, index);
    pack_rows(k, s->attended, s->x_stride, n_rows, hidden, NULL, NULL);
    run_product(k, &(product){&layer->o, n_rows, s->x, s->x_stride, x_columns, true, NULL});
    pack_rows(k, s->x, s->x_stride, n_rows, hidden, layer->ffn_norm_w, layer->ffn_norm_b);
    run_product(k, &(product){&layer->up, n_rows, s->ffn, s->ffn_stride, (uint32_t)s->ffn_stride,
                              false, b->kernels.activation[b->spec.activation]});
    pack_rows(k, s->ffn, s->ffn_stride, n_rows, ffn, NULL, NULL);
    run_product(k, &(product){&layer->down, n_rows, s->x, s->x_stride, x_columns, true, NULL});
}

static void run_step(void *ctx, uint32_t thread, uint32_t n_threads) {
    (void)n_threads;
    worker k = {.b = ctx, .thread = thread};
    mu_backend *b = ctx;
    const mu_scratch *s = &b->scratch;
    embed(&k);
    for (uint32_t layer = 0; layer < b->spec.n_layers; layer++) {
        run_layer(&k, layer);
    }
    pack_rows(&k, s->x, s->x_stride, b->plan.n_out, b->spec.hidden_dim, b->weights.out_norm_w,
              b->weights.out_norm_b);
    run_product(&k, &(product){&b->weights.output, b->plan.n_out, s->logits, b->spec.vocab_size,
                               b->spec.vocab_size, false, NULL});
}

mu_status mu_backend_forward(mu_backend *b, const mu_step *step, const float **out_logits,
                             mu_err *err) {
    (void)err; /* a CPU has no device to fail */
    mu_step_plan_make(b, step);
    mu_pool_run(b->pool, run_step, b);
    *out_logits = b->plan.n_out > 0 ? b->scratch.logits : NULL;
    return MU_OK;
}
