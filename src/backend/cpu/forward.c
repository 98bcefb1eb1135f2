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
 * Norms of sums, which encoders have, are the norms in front of what comes next.
 *
 * Each stage leaves its result packed as the next product takes it. Two barriers go when a step is
 * decode: one or two rows are normalised by every thread for itself, and a row's K and V are stored
 * by whoever attends to them.
 */
#include <math.h>
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

/* Product of packed rows with matrices that lie side by side, each beginning at a panel of its own:
 * y = acts * w (+ y), or packed again after an activation. */
typedef struct product {
    const mu_packed *w[3]; /* [n_w] */
    uint32_t n_w;
    const mu_packed *gate; /* as w[0], for a gated activation; or NULL */
    const mu_acts *acts;
    uint32_t n_rows;
    uint32_t n_columns; /* what y has room for: whole panels, but for logits */
    float *y;           /* NULL: packed */
    size_t y_stride;
    bool accumulate;
    const mu_acts *packed;
    uint32_t forms; /* of packed */
    void (*activation)(float *x, size_t n);
} product;

/* n values of a row from `first` on, in every form. */
static void pack_row(const mu_cpu_backend *b, uint32_t forms, const mu_acts *to, size_t row,
                     const float *x, size_t first, size_t n) {
    for (int form = 0; form < MU_N_ACT_FORMS; form++) {
        if (!(forms & 1u << form)) continue;
        const mu_act_packing *packing = &b->kernels.acts[form];
        packing->pack(to->rows[form] + row * to->row_bytes[form] + packing->bytes(first), x, n);
    }
}

/* Rows of a tile of outputs go on from where the product left them. */
static void finish_tile(const worker *k, const product *p, const float *tile, uint32_t column,
                        uint32_t first_row, uint32_t n_rows) {
    uint32_t n = p->n_columns - column < MU_PANEL ? p->n_columns - column : MU_PANEL;
    for (uint32_t r = 0; r < n_rows; r++) {
        const float *from = tile + (size_t)r * MU_PANEL;
        size_t row = first_row + r;
        if (p->y) {
            memcpy(p->y + row * p->y_stride + column, from, n * sizeof(float));
        } else {
            pack_row(k->b, p->forms, p->packed, row, from, column, n);
        }
    }
}

typedef struct row_range {
    uint32_t first, n;
} row_range;

static void multiply_panel(const product *p, const mu_packed *w, uint32_t panel, row_range rows,
                           float *y, size_t y_stride, const uint8_t *next) {
    mu_act_form form = w->matmul->acts;
    w->matmul->run(&(mu_matmul_args){
        .panel = w->panels + panel * w->panel_bytes,
        .next = next,
        .acts = p->acts->rows[form] + rows.first * p->acts->row_bytes[form],
        .act_bytes = p->acts->row_bytes[form],
        .n_rows = rows.n,
        .n_in = w->n_in,
        .bias = w->bias + panel * MU_PANEL,
        .y = y,
        .y_stride = y_stride,
        .accumulate = p->accumulate,
    });
}

/* column_panel: of all matrices together. */
static void product_panel(const worker *k, const product *p, uint32_t column_panel,
                          row_range rows) {
    uint32_t column = column_panel * MU_PANEL, part = 0, panel = column_panel;
    while (panel >= p->w[part]->n_panels) {
        panel -= p->w[part++]->n_panels;
    }
    const mu_packed *w = p->w[part];
    const mu_thread_scratch *t = &k->b->scratch.threads[k->thread];
    bool is_direct = p->y && p->n_columns - column >= MU_PANEL;
    MU_DASSERT(rows.n <= MU_ROW_BLOCK && (is_direct || !p->accumulate));
    bool has_next = panel + 1 < w->n_panels; /* tasks of a row block go from panel to panel */
    const uint8_t *next = has_next ? w->panels + (panel + 1) * w->panel_bytes : NULL;
    float *y = is_direct ? p->y + rows.first * p->y_stride + column : t->tile;
    if (p->gate) { /* both halves of an output are finished while they are in cache */
        const uint8_t *up = w->panels + panel * w->panel_bytes;
        const uint8_t *gate = p->gate->panels + (panel + 1) * p->gate->panel_bytes;
        multiply_panel(p, p->gate, panel, rows, t->gate, MU_PANEL, up);
        multiply_panel(p, w, panel, rows, t->tile, MU_PANEL, has_next ? gate : NULL);
        p->activation(t->gate, (size_t)rows.n * MU_PANEL);
        k->b->kernels.multiply(t->tile, t->gate, (size_t)rows.n * MU_PANEL);
    } else {
        multiply_panel(p, w, panel, rows, y, is_direct ? p->y_stride : MU_PANEL, next);
        if (p->activation) p->activation(t->tile, (size_t)rows.n * MU_PANEL);
    }
    if (!is_direct) finish_tile(k, p, t->tile, column, rows.first, rows.n);
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
    uint32_t block = block_rows(b, p->n_rows), n_panels = 0;
    for (uint32_t i = 0; i < p->n_w; i++) {
        n_panels += p->w[i]->n_panels;
    }
    uint32_t n_tasks = n_panels * ((p->n_rows + block - 1) / block);
    uint32_t chunk = n_tasks / (mu_pool_n_threads(b->pool) * TASKS_PER_THREAD);
    uint32_t task, end;
    while (mu_pool_next(b->pool, k->thread, n_tasks, chunk > 0 ? chunk : 1, &task, &end)) {
        for (; task < end; task++) {
            uint32_t first_row = task / n_panels * block, left = p->n_rows - first_row;
            product_panel(k, p, task % n_panels,
                          (row_range){first_row, left < block ? left : block});
        }
    }
    mu_pool_barrier(b->pool);
}

/* Cosines and sines of a row's position, for each rope. The angle is rounded to f32, as models are
 * trained with it. */
static void turn_row(mu_cpu_backend *b, uint32_t row) {
    for (uint32_t i = 0; i < b->weights.n_ropes; i++) {
        const mu_cpu_rope *rope = &b->weights.ropes[i];
        uint32_t n_pairs = rope->rope.n_dims / 2;
        float *to = b->scratch.rotations + row * b->scratch.rotations_stride + rope->at;
        for (uint32_t pair = 0; pair < n_pairs; pair++) {
            float angle = (float)b->plan.rows[row].position * rope->frequencies[pair];
            to[pair] = (float)(cos((double)angle) * rope->rope.magnitude);
            to[n_pairs + pair] = (float)(sin((double)angle) * rope->rope.magnitude);
        }
    }
}

/* A norm: its weights, and what is to be packed of its rows. w NULL: rows go on as they are.
 * is_kept: what it gives is the residual stream, too. */
typedef struct norm {
    mu_norm kind;
    const float *w, *bias;
    uint32_t forms;
    bool is_kept;
} norm;

static void norm_row(const mu_cpu_backend *b, const norm *n, float *y, const float *x) {
    if (n->kind == MU_NORM_RMS) {
        b->kernels.rms_norm(y, x, n->w, b->spec.hidden_dim, b->spec.norm_eps);
    } else {
        b->kernels.layer_norm(y, x, n->w, n->bias, b->spec.hidden_dim, b->spec.norm_eps);
    }
}

static void embed_row(mu_cpu_backend *b, uint32_t row) {
    uint32_t hidden = b->spec.hidden_dim;
    float *x = b->scratch.x + row * b->scratch.x_stride, scale = b->spec.embed_scale;
    mu_packed_column(&b->weights.embed, (uint32_t)b->plan.rows[row].token, x);
    for (uint32_t i = 0; scale != 1.0f && i < hidden; i++) {
        x[i] *= scale;
    }
    const float *added[] = {b->weights.positions, b->weights.token_types};
    if (added[0]) added[0] += (size_t)b->plan.rows[row].position * hidden;
    if (added[1]) added[1] += (size_t)b->plan.rows[row].type * hidden;
    for (size_t a = 0; a < MU_COUNTOF(added); a++) {
        for (uint32_t i = 0; added[a] && i < hidden; i++) {
            x[i] += added[a][i];
        }
    }
    const norm of_all = {b->spec.out_norm, b->weights.embed_norm_w, b->weights.embed_norm_b, 0,
                         true};
    if (of_all.w) norm_row(b, &of_all, x, x);
}

static void embed(const worker *k) {
    mu_cpu_backend *b = k->b;
    uint32_t row, end;
    while (mu_pool_next(b->pool, k->thread, b->plan.n_rows, 4, &row, &end)) {
        for (; row < end; row++) {
            embed_row(b, row);
            turn_row(b, row);
        }
    }
    mu_pool_barrier(b->pool);
}

static void normalise_row(const worker *k, uint32_t row, const norm *n) {
    mu_cpu_backend *b = k->b;
    float *x = b->scratch.x + row * b->scratch.x_stride;
    float *normed = n->is_kept ? x : b->scratch.threads[k->thread].row;
    if (n->w) norm_row(b, n, normed, x);
    pack_row(b, n->forms, &k->normed, row, n->w ? normed : x, 0, b->spec.hidden_dim);
}

/* The first n_rows rows of x into k->normed. */
static void normalise(worker *k, uint32_t n_rows, const norm *n) {
    mu_cpu_backend *b = k->b;
    k->normed = b->scratch.normed;
    if (n_rows <= MU_OWN_ROWS && !n->is_kept) {
        k->normed = b->scratch.threads[k->thread].own;
        for (uint32_t row = 0; row < n_rows; row++) {
            normalise_row(k, row, n);
        }
        return;
    }
    uint32_t row, end;
    while (mu_pool_next(b->pool, k->thread, n_rows, 4, &row, &end)) {
        for (; row < end; row++) {
            normalise_row(k, row, n);
        }
    }
    mu_pool_barrier(b->pool);
}

static size_t kv_offset(const mu_cpu_layer *layer, uint32_t kv_head, bool is_v) {
    return layer->kv_at + ((is_v ? layer->kind->n_kv_heads : 0) + kv_head) * layer->kv_head_bytes;
}

static uint32_t whole_panels(uint32_t n) {
    return mu_panels_of(n) * MU_PANEL;
}

/* A head of q or k, before it meets others: normed and turned to its position. */
static void prepare_head(const mu_cpu_backend *b, const mu_cpu_layer *layer, uint32_t row,
                         float *head, const float *norm_w) {
    const mu_layer_kind *kind = layer->kind;
    if (kind->qk_norm == MU_QK_NORM_HEAD)
        b->kernels.rms_norm(head, head, norm_w, kind->head_dim, b->spec.norm_eps);
    if (kind->rope.n_dims == 0) return;
    const float *turn =
        b->scratch.rotations + row * b->scratch.rotations_stride + b->weights.ropes[layer->rope].at;
    b->kernels.rotate(head, turn, kind->rope.n_dims / 2);
}

/* Norms over all heads of q and of k, row by row. */
static void norm_qk_rows(const worker *k, const mu_cpu_layer *layer) {
    mu_cpu_backend *b = k->b;
    uint32_t n_q = layer->kind->n_heads * layer->kind->head_dim;
    uint32_t n_k = layer->kind->n_kv_heads * layer->kind->head_dim, row, end;
    while (mu_pool_next(b->pool, k->thread, b->plan.n_rows, 4, &row, &end)) {
        for (; row < end; row++) {
            float *q = b->scratch.qkv + row * b->scratch.qkv_stride;
            float *key = q + whole_panels(n_q);
            b->kernels.rms_norm(q, q, layer->vector[MU_Q_NORM_W], n_q, b->spec.norm_eps);
            b->kernels.rms_norm(key, key, layer->vector[MU_K_NORM_W], n_k, b->spec.norm_eps);
        }
    }
    mu_pool_barrier(b->pool);
}

/* K and V of a tile's rows into their group. */
static void store_kv_tile(mu_cpu_backend *b, const mu_cpu_layer *layer, const mu_query_tile *tile,
                          uint32_t kv_head) {
    const mu_scratch *s = &b->scratch;
    const mu_layer_kind *kind = layer->kind;
    uint32_t head_dim = kind->head_dim;
    float *k = s->qkv + tile->first_row * s->qkv_stride + whole_panels(kind->n_heads * head_dim) +
               kv_head * head_dim;
    uint32_t position = b->plan.rows[tile->first_row].position;
    uint8_t *group =
        (uint8_t *)(uintptr_t)b->plan.segments[tile->segment].groups[position / MU_KV_GROUP];
    for (uint32_t r = 0; r < tile->n_rows; r++) {
        prepare_head(b, layer, tile->first_row + r, k + r * s->qkv_stride,
                     layer->vector[MU_K_NORM_W]);
    }
    b->kernels.kv[b->kv_form].write(&(mu_kv_write_args){
        .k_group = group + kv_offset(layer, kv_head, false),
        .v_group = group + kv_offset(layer, kv_head, true),
        .in_group = position % MU_KV_GROUP,
        .n_positions = tile->n_rows,
        .head_dim = head_dim,
        .k = k,
        .v = k + whole_panels(kind->n_kv_heads * head_dim),
        .stride = s->qkv_stride,
    });
}

static void store_kv(const worker *k, const mu_cpu_layer *layer) {
    mu_cpu_backend *b = k->b;
    uint32_t n_heads = layer->kind->n_kv_heads, task, end;
    while (mu_pool_next(b->pool, k->thread, b->plan.n_tiles * n_heads, n_heads, &task, &end)) {
        for (; task < end; task++) {
            store_kv_tile(b, layer, &b->plan.tiles[task / n_heads], task % n_heads);
        }
    }
    mu_pool_barrier(b->pool);
}

/* A head is whole groups of activations: its part of a row can be packed by itself. */
static bool packs_by_head(const mu_layer_kind *kind) {
    return kind->head_dim % MU_QUANT_GROUP == 0;
}

/* Heads of attended rows, packed for O. */
static void pack_heads(const mu_cpu_backend *b, const mu_cpu_layer *layer, row_range rows,
                       uint32_t first_head, uint32_t n_heads) {
    const mu_scratch *s = &b->scratch;
    uint32_t head_dim = layer->kind->head_dim;
    size_t first = (size_t)first_head * head_dim, n = (size_t)n_heads * head_dim;
    for (uint32_t row = rows.first; row < rows.first + rows.n; row++) {
        pack_row(b, layer->forms[MU_FEED_ATTENDED], &s->heads, row,
                 s->attended + row * s->attended_stride + first, first, n);
    }
}

/* Queries that share a pass over K and V of one head: some rows of a tile, some query heads. */
typedef struct query_block {
    const mu_query_tile *tile;
    uint32_t first_row, n_rows; /* of the tile */
    uint32_t head, n_heads;     /* query heads */
    uint32_t kv_head;
} query_block;

/* Values of one row for the heads of a block, or back. */
static void copy_heads(float *to, size_t to_stride, const float *from, size_t from_stride,
                       const query_block *q, uint32_t head_dim) {
    for (uint32_t r = 0; r < q->n_rows; r++) {
        memcpy(to + r * to_stride, from + r * from_stride, q->n_heads * head_dim * sizeof(*to));
    }
}

/* The positions that some neighbouring ones see together. */
typedef struct view {
    uint32_t first, end;
} view;

static view view_of(const mu_cpu_backend *b, const mu_layer_kind *kind,
                    const mu_step_segment *segment, uint32_t first, uint32_t last) {
    uint32_t end = segment->n_positions, window = kind->window;
    bool is_open = b->spec.is_bidirectional;
    if (!is_open || (window > 0 && end - last > window)) end = last + (is_open ? window : 1);
    return (view){window > 0 && first + 1 > window ? first + 1 - window : 0, end};
}

/* base: the position of the first score. */
static void softmax_block(const worker *k, const mu_layer_kind *kind, const query_block *q,
                          uint32_t base, float *scores, size_t stride) {
    const mu_cpu_backend *b = k->b;
    const mu_step_segment *segment = &b->plan.segments[q->tile->segment];
    uint32_t first = b->plan.rows[q->tile->first_row + q->first_row].position;
    for (uint32_t i = 0; i < q->n_rows * q->n_heads; i++) {
        float *x = scores + i * stride;
        uint32_t position = first + i / q->n_heads;
        view seen = view_of(b, kind, segment, position, position);
        if (kind->attn_softcap > 0.0f) {
            for (size_t p = 0; p < stride; p++) {
                x[p] = kind->attn_softcap * tanhf(x[p] / kind->attn_softcap);
            }
        }
        uint32_t skipped = seen.first - base;
        memset(x, 0, skipped * sizeof(*x));
        b->kernels.softmax(x + skipped, seen.end - seen.first, stride - skipped);
    }
}

static void attend_block(const worker *k, uint32_t index, const mu_cpu_layer *layer,
                         const query_block *q) {
    mu_cpu_backend *b = k->b;
    const mu_scratch *s = &b->scratch;
    const mu_thread_scratch *t = &s->threads[k->thread];
    const mu_layer_kind *kind = layer->kind;
    uint32_t head_dim = kind->head_dim, row = q->tile->first_row + q->first_row;
    const mu_step_segment *segment = &b->plan.segments[q->tile->segment];
    uint32_t position = b->plan.rows[row].position;
    view seen = view_of(b, kind, segment, position, position + q->n_rows - 1);
    uint32_t base = seen.first / MU_KV_GROUP * MU_KV_GROUP, n_positions = seen.end - base;
    size_t n_padded = (n_positions + MU_KV_GROUP - 1) / MU_KV_GROUP * (size_t)MU_KV_GROUP;
    float *queries = s->qkv + row * s->qkv_stride + q->head * head_dim;
    uint32_t out_row = q->tile->out_row + q->first_row;
    float *out = s->attended + out_row * s->attended_stride + q->head * head_dim;
    for (uint32_t r = 0; r < q->n_rows; r++) {
        for (uint32_t h = 0; h < q->n_heads; h++) {
            prepare_head(b, layer, row + r, queries + r * s->qkv_stride + h * head_dim,
                         layer->vector[MU_Q_NORM_W]);
        }
    }
    bool is_gathered = q->n_rows > 1 && q->n_heads > 1;
    size_t stride = (size_t)q->n_heads * head_dim;
    if (is_gathered) copy_heads(t->queries, stride, queries, s->qkv_stride, q, head_dim);
    mu_attention_args args = {
        .groups = segment->groups + base / MU_KV_GROUP,
        .offset = kv_offset(layer, q->kv_head, false),
        .n_positions = n_positions,
        .head_dim = head_dim,
        .n_rows = q->n_rows * q->n_heads,
        .x = is_gathered ? t->queries : queries,
        .x_stride = q->n_heads == 1 ? s->qkv_stride : head_dim,
        .y = t->scores,
        .y_stride = n_padded,
        .scale = kind->attn_scale / (kind->attn_scale_by_layer ? (float)(index + 1) : 1.0f),
    };
    b->kernels.kv[b->kv_form].scores(&args);
    softmax_block(k, kind, q, base, t->scores, n_padded);
    args.offset = kv_offset(layer, q->kv_head, true);
    args.x = t->scores;
    args.x_stride = n_padded;
    args.y = is_gathered ? t->values : out;
    args.y_stride = q->n_heads == 1 ? s->attended_stride : head_dim;
    b->kernels.kv[b->kv_form].values(&args);
    if (is_gathered) copy_heads(out, s->attended_stride, t->values, stride, q, head_dim);
    if (packs_by_head(kind)) {
        pack_heads(b, layer, (row_range){out_row, q->n_rows}, q->head, q->n_heads);
    }
}

static uint32_t lesser(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

/* All rows of a tile and all query heads of a KV head, in blocks. */
static void attend_tile(const worker *k, uint32_t index, const mu_query_tile *tile,
                        uint32_t kv_head) {
    const mu_cpu_layer *layer = &k->b->weights.layers[index];
    uint32_t group = layer->kind->n_heads / layer->kind->n_kv_heads;
    uint32_t n_heads = lesser(group, MU_QUERIES_MAX), n_rows = MU_QUERIES_MAX / n_heads;
    for (uint32_t row = 0; row < tile->n_rows; row += n_rows) {
        for (uint32_t head = 0; head < group; head += n_heads) {
            const query_block block = {
                .tile = tile,
                .first_row = row,
                .n_rows = lesser(n_rows, tile->n_rows - row),
                .head = kv_head * group + head,
                .n_heads = lesser(n_heads, group - head),
                .kv_head = kv_head,
            };
            attend_block(k, index, layer, &block);
        }
    }
}

static void attend(const worker *k, uint32_t index) {
    mu_cpu_backend *b = k->b;
    const mu_cpu_layer *layer = &b->weights.layers[index];
    bool is_last = index + 1 == b->spec.n_layers;
    const mu_query_tile *tiles = is_last ? b->plan.last_tiles : b->plan.tiles;
    uint32_t n_tiles = is_last ? b->plan.n_last_tiles : b->plan.n_tiles;
    uint32_t n_heads = layer->kind->n_kv_heads, task, end;
    /* Heads lie side by side in a KV group: a thread that takes all of a sequence reads on
     * and on. */
    bool is_wide = n_tiles >= 4 * mu_pool_n_threads(b->pool);
    uint32_t chunk = b->plan.is_decode && is_wide ? n_heads : 1;
    while (mu_pool_next(b->pool, k->thread, n_tiles * n_heads, chunk, &task, &end)) {
        for (; task < end; task++) {
            const mu_query_tile *tile = &tiles[task / n_heads];
            uint32_t head = task % n_heads;
            if (b->plan.is_decode) store_kv_tile(b, layer, tile, head); /* nobody else reads it */
            attend_tile(k, index, tile, head);
        }
    }
    mu_pool_barrier(b->pool);
    if (packs_by_head(layer->kind)) return;
    uint32_t n_rows = is_last ? b->plan.n_out : b->plan.n_rows, row;
    while (mu_pool_next(b->pool, k->thread, n_rows, 4, &row, &end)) {
        pack_heads(b, layer, (row_range){row, end - row}, 0, layer->kind->n_heads);
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

/* x += residual_scale * norm(branch). w NULL: no norm. */
static void add_branch(const worker *k, uint32_t n_rows, const norm *n) {
    mu_cpu_backend *b = k->b;
    const mu_scratch *s = &b->scratch;
    uint32_t row, end;
    while (mu_pool_next(b->pool, k->thread, n_rows, 4, &row, &end)) {
        for (; row < end; row++) {
            float *x = s->x + row * s->x_stride, *y = s->branch + row * s->x_stride;
            if (n->w) norm_row(b, n, y, y);
            for (uint32_t i = 0; i < b->spec.hidden_dim; i++) {
                x[i] += b->spec.residual_scale * y[i];
            }
        }
    }
    mu_pool_barrier(b->pool);
}

/* acts * w onto the residual stream, by way of a norm where the kind has one. */
static void run_residual(const worker *k, const mu_packed *w, const mu_acts *acts, uint32_t n_rows,
                         const norm *after) {
    const mu_scratch *s = &k->b->scratch;
    run_product(k, &(product){.w = {w},
                              .n_w = 1,
                              .acts = acts,
                              .n_rows = n_rows,
                              .n_columns = (uint32_t)s->x_stride,
                              .y = s->branch ? s->branch : s->x,
                              .y_stride = s->x_stride,
                              .accumulate = !s->branch});
    if (s->branch) add_branch(k, n_rows, after);
}

/* Of the sum that came before. */
static norm norm_of_sum(const mu_cpu_layer *layer, mu_layer_slot w, mu_layer_slot bias) {
    return (norm){layer->kind->norm, layer->vector[w], layer->vector[bias], 0, true};
}

static norm norm_before_attention(const mu_cpu_backend *b, uint32_t index) {
    const mu_cpu_layer *layer = &b->weights.layers[index];
    norm n = {layer->kind->norm, layer->vector[MU_ATTN_NORM_W], layer->vector[MU_ATTN_NORM_B], 0,
              false};
    if (layer->kind->norms_sums && index > 0) {
        n = norm_of_sum(layer - 1, MU_FFN_POST_NORM_W, MU_FFN_POST_NORM_B);
    }
    n.forms = layer->forms[MU_FEED_ATTN_NORM];
    return n;
}

static norm norm_before_ffn(const mu_cpu_layer *layer) {
    norm n = {layer->kind->norm, layer->vector[MU_FFN_NORM_W], layer->vector[MU_FFN_NORM_B], 0,
              false};
    if (layer->kind->norms_sums) n = norm_of_sum(layer, MU_ATTN_POST_NORM_W, MU_ATTN_POST_NORM_B);
    n.forms = layer->forms[MU_FEED_FFN_NORM];
    return n;
}

static void run_attention(worker *k, uint32_t index, uint32_t n_rows) {
    mu_cpu_backend *b = k->b;
    const mu_scratch *s = &b->scratch;
    const mu_cpu_layer *layer = &b->weights.layers[index];
    const mu_packed *m = layer->matrix;
    norm before = norm_before_attention(b, index);
    normalise(k, b->plan.n_rows, &before);
    run_product(k, &(product){.w = {&m[MU_Q_W], &m[MU_K_W], &m[MU_V_W]},
                              .n_w = 3,
                              .acts = &k->normed,
                              .n_rows = b->plan.n_rows,
                              .n_columns = (uint32_t)s->qkv_stride,
                              .y = s->qkv,
                              .y_stride = s->qkv_stride});
    if (layer->kind->qk_norm == MU_QK_NORM_ROW) norm_qk_rows(k, layer);
    if (!b->plan.is_decode) store_kv(k, layer);
    if (index + 1 == b->spec.n_layers && k->thread == 0) keep_wanted_rows(b);
    attend(k, index);
    run_residual(k, &m[MU_O_W], &s->heads, n_rows,
                 &(norm){layer->kind->norm, layer->vector[MU_ATTN_POST_NORM_W], NULL, 0, false});
}

static void run_ffn(worker *k, uint32_t index, uint32_t n_rows) {
    mu_cpu_backend *b = k->b;
    const mu_scratch *s = &b->scratch;
    const mu_cpu_layer *layer = &b->weights.layers[index];
    const mu_packed *m = layer->matrix;
    norm before = norm_before_ffn(layer);
    normalise(k, n_rows, &before);
    run_product(k, &(product){.w = {&m[MU_UP_W]},
                              .n_w = 1,
                              .gate = layer->kind->is_gated ? &m[MU_GATE_W] : NULL,
                              .acts = &k->normed,
                              .n_rows = n_rows,
                              .n_columns = layer->kind->ffn_dim,
                              .packed = &s->ffn,
                              .forms = layer->forms[MU_FEED_ACTIVATED],
                              .activation = b->kernels.activation[layer->kind->activation]});
    run_residual(k, &m[MU_DOWN_W], &s->ffn, n_rows,
                 &(norm){layer->kind->norm, layer->vector[MU_FFN_POST_NORM_W], NULL, 0, false});
}

/* Logits as the model's last steps make them of its products. */
static void finish_logits(const worker *k) {
    mu_cpu_backend *b = k->b;
    float scale = b->spec.logit_scale, cap = b->spec.logit_softcap;
    uint32_t row, end;
    if (scale == 1.0f && cap == 0.0f) return;
    while (mu_pool_next(b->pool, k->thread, b->plan.n_out, 1, &row, &end)) {
        for (; row < end; row++) {
            float *x = b->scratch.logits + (size_t)row * b->spec.vocab_size;
            for (uint32_t i = 0; i < b->spec.vocab_size; i++) {
                x[i] *= scale;
                if (cap > 0.0f) x[i] = cap * tanhf(x[i] / cap);
            }
        }
    }
    mu_pool_barrier(b->pool);
}

static void run_output(worker *k) {
    mu_cpu_backend *b = k->b;
    normalise(k, b->plan.n_out,
              &(norm){b->spec.out_norm, b->weights.out_norm_w, b->weights.out_norm_b,
                      1u << b->weights.output.matmul->acts, false});
    run_product(k, &(product){.w = {&b->weights.output},
                              .n_w = 1,
                              .acts = &k->normed,
                              .n_rows = b->plan.n_out,
                              .n_columns = b->spec.vocab_size,
                              .y = b->scratch.logits,
                              .y_stride = b->spec.vocab_size});
    finish_logits(k);
}

/* The residual stream becomes the hidden states. */
static void finish_hidden(worker *k) {
    mu_cpu_backend *b = k->b;
    const mu_cpu_layer *last = &b->weights.layers[b->spec.n_layers - 1];
    norm out = {b->spec.out_norm, b->weights.out_norm_w, b->weights.out_norm_b, 0, true};
    if (last->kind->norms_sums) {
        norm sum = norm_of_sum(last, MU_FFN_POST_NORM_W, MU_FFN_POST_NORM_B);
        normalise(k, b->plan.n_out, &sum);
    }
    normalise(k, b->plan.n_out, &out);
}

static void run_step(void *ctx, uint32_t thread, uint32_t n_threads) {
    (void)n_threads;
    worker k = {.b = ctx, .thread = thread};
    mu_cpu_backend *b = ctx;
    embed(&k);
    for (uint32_t layer = 0; layer < b->spec.n_layers; layer++) {
        uint32_t n_rows = layer + 1 == b->spec.n_layers ? b->plan.n_out : b->plan.n_rows;
        run_attention(&k, layer, n_rows);
        run_ffn(&k, layer, n_rows);
    }
    if (b->spec.has_output) {
        run_output(&k);
    } else {
        finish_hidden(&k);
    }
}

mu_status mu_cpu_forward(mu_backend *backend, const mu_step *step, mu_step_result *out,
                         mu_err *err) {
    (void)err; /* a CPU has no device to fail */
    mu_cpu_backend *b = (mu_cpu_backend *)backend;
    mu_cpu_scratch_enter(b);
    mu_step_plan_make(b, step);
    mu_pool_run(b->pool, run_step, b);
    *out = (mu_step_result){.hidden_stride = b->scratch.x_stride};
    if (b->plan.n_out > 0) {
        *(b->spec.has_output ? &out->logits : &out->hidden) =
            b->spec.has_output ? b->scratch.logits : b->scratch.x;
    }
    return MU_OK;
}
