/* Opening a CPU backend: lay out, allocate, pack.
 *
 * Weights, KV and scratch are one run of pages each. lay_out_*() walks the same code with and
 * without memory, so plan() and open() cannot disagree.
 */
#include "backend/cpu/cpu_backend.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cpu.h"

static mu_weight_form form_of(mu_dtype dtype) {
    switch (dtype) {
    case MU_BF16:
        return MU_FORM_BF16;
    case MU_Q8_0:
        return MU_FORM_Q8;
    case MU_Q4_0:
        return MU_FORM_Q4;
    default:
        return MU_FORM_F32;
    }
}

static mu_kv_form kv_form_of(mu_dtype dtype) {
    if (dtype == MU_BF16) return MU_KV_BF16;
    return dtype == MU_F16 ? MU_KV_F16 : MU_KV_F32;
}

static uint32_t whole(uint32_t n, uint32_t unit) {
    return (n + unit - 1) / unit * unit;
}

/* As the system sees them: [anon:muai-kv] and the like. */
static const char WEIGHTS_PAGES[] = "muai-weights";
static const char KV_PAGES[] = "muai-kv";
static const char SCRATCH_PAGES[] = "muai-scratch";

static float *take_floats(mu_region *region, size_t n) {
    return mu_region_take(region, n * sizeof(float));
}

static void lay_out_layer(const mu_cpu_backend *b, mu_cpu_layer *layer, mu_region *region) {
    const mu_decoder_spec *spec = &b->spec;
    const mu_matmul *matmul = &b->kernels.matmul[b->form];
    uint32_t hidden = spec->hidden_dim;
    layer->attn_norm_w = take_floats(region, hidden);
    layer->attn_norm_b = take_floats(region, hidden);
    layer->ffn_norm_w = take_floats(region, hidden);
    layer->ffn_norm_b = take_floats(region, hidden);
    mu_packed_layout(&layer->qkv, matmul, 3, hidden, hidden, region);
    mu_packed_layout(&layer->o, matmul, 1, hidden, hidden, region);
    mu_packed_layout(&layer->up, matmul, 1, spec->ffn_dim, hidden, region);
    mu_packed_layout(&layer->down, matmul, 1, hidden, spec->ffn_dim, region);
}

static void lay_out_weights(mu_cpu_backend *b, bool is_tied, mu_region *region) {
    const mu_decoder_spec *spec = &b->spec;
    const mu_matmul *matmul = &b->kernels.matmul[b->form];
    mu_cpu_weights *w = &b->weights;
    mu_cpu_layer counted; /* while counting there are no layers to write to */
    for (uint32_t i = 0; i < spec->n_layers; i++) {
        lay_out_layer(b, w->layers ? &w->layers[i] : &counted, region);
    }
    w->positions = take_floats(region, (size_t)spec->n_ctx * spec->hidden_dim);
    w->out_norm_w = take_floats(region, spec->hidden_dim);
    w->out_norm_b = take_floats(region, spec->hidden_dim);
    mu_packed_layout(&w->output, matmul, 1, spec->vocab_size, spec->hidden_dim, region);
    w->embed = w->output;
    if (!is_tied) {
        mu_packed_layout(&w->embed, matmul, 1, spec->vocab_size, spec->hidden_dim, region);
    }
}

static void lay_out_kv(mu_cpu_backend *b, mu_region *region) {
    const mu_decoder_spec *spec = &b->spec;
    mu_kv_store *kv = &b->kv;
    size_t elem_bytes = b->kv_form == MU_KV_F32 ? 4 : 2;
    /* whole pairs of dimensions; a multiple of 64 */
    kv->head_bytes = (size_t)whole(spec->head_dim, 2) * MU_KV_GROUP * elem_bytes;
    kv->layer_bytes = 2 * spec->n_heads * kv->head_bytes;
    kv->group_bytes = (spec->n_layers * kv->layer_bytes + 63) / 64 * 64;
    kv->groups_per_block = b->options.block_tokens / MU_KV_GROUP;
    kv->base = mu_region_take(region, (size_t)b->options.n_kv_blocks * kv->groups_per_block *
                                          kv->group_bytes);
}

static void lay_out_plan(mu_cpu_backend *b, mu_region *region) {
    uint32_t n_tokens = b->options.step_tokens_max;
    uint32_t n_groups = whole(b->options.n_ctx, b->options.block_tokens) / MU_KV_GROUP;
    mu_step_plan *plan = &b->plan;
    plan->rows = mu_region_take(region, n_tokens * sizeof(*plan->rows));
    plan->segments = mu_region_take(region, n_tokens * sizeof(*plan->segments));
    plan->groups = mu_region_take(region, (size_t)n_tokens * n_groups * sizeof(*plan->groups));
    plan->tiles = mu_region_take(region, n_tokens * sizeof(*plan->tiles));
    plan->last_tiles = mu_region_take(region, n_tokens * sizeof(*plan->last_tiles));
}

static mu_acts take_acts(const mu_cpu_backend *b, uint32_t n_in, mu_region *region) {
    size_t row_bytes = ((b->kernels.matmul[b->form].act_bytes(n_in) + 63) / 64 | 1) * 64;
    return (mu_acts){
        .rows = mu_region_take(region, b->options.step_tokens_max * row_bytes),
        .row_bytes = row_bytes,
    };
}

static void lay_out_thread(const mu_cpu_backend *b, mu_thread_scratch *t, mu_region *region) {
    t->scores = take_floats(region, (size_t)MU_KV_GROUP * whole(b->options.n_ctx, MU_KV_GROUP));
    t->tile = take_floats(region, MU_ROW_BLOCK * MU_PANEL);
    t->own = mu_region_take(region, MU_OWN_ROWS * b->scratch.normed.row_bytes);
}

static void lay_out_scratch(mu_cpu_backend *b, uint32_t n_threads, mu_region *region) {
    const mu_decoder_spec *spec = &b->spec;
    size_t n_tokens = b->options.step_tokens_max;
    uint32_t widest = spec->ffn_dim > spec->hidden_dim ? spec->ffn_dim : spec->hidden_dim;
    mu_scratch *s = &b->scratch;
    s->x_stride = whole(spec->hidden_dim, MU_PANEL);
    s->qkv_stride = 3 * s->x_stride;
    s->x = take_floats(region, n_tokens * s->x_stride);
    s->qkv = take_floats(region, n_tokens * s->qkv_stride);
    s->attended = take_floats(region, n_tokens * s->x_stride);
    s->normed = take_acts(b, spec->hidden_dim, region);
    s->heads = take_acts(b, spec->hidden_dim, region);
    s->ffn = take_acts(b, spec->ffn_dim, region);
    s->logits = take_floats(region, (size_t)b->options.step_rows_max * spec->vocab_size);
    s->threads = mu_region_take(region, n_threads * sizeof(*s->threads));
    s->rows = mu_region_take(region, n_threads * sizeof(*s->rows));
    mu_thread_scratch counted;
    for (uint32_t i = 0; i < n_threads; i++) {
        float *row = take_floats(region, mu_packed_scratch_floats(widest));
        if (s->rows) s->rows[i] = row;
        lay_out_thread(b, s->threads ? &s->threads[i] : &counted, region);
    }
    lay_out_plan(b, region);
}

static void init(mu_cpu_backend *b, const mu_decoder_spec *spec,
                 const mu_backend_options *options) {
    *b = (mu_cpu_backend){
        .base.ops = &mu_cpu_ops,
        .spec = *spec,
        .options = *options,
        .kernels = mu_kernels_get(options->isa_max),
        .form = form_of(options->weight_type),
        .kv_form = kv_form_of(options->kv_type),
    };
    b->options.n_threads = mu_cpu_threads(options->n_threads);
}

static mu_backend_bytes plan(const mu_decoder_spec *spec, bool is_tied,
                             const mu_backend_options *options) {
    mu_cpu_backend b;
    mu_region weights = {0}, kv = {0}, scratch = {0};
    init(&b, spec, options);
    lay_out_weights(&b, is_tied, &weights);
    lay_out_kv(&b, &kv);
    lay_out_scratch(&b, b.options.n_threads, &scratch);
    return (mu_backend_bytes){weights.used, kv.used, scratch.used};
}

static void pack_vector(float *dst, const mu_weight *w) {
    if (w->n_out > 0) mu_weight_read_rows(w, 0, w->n_out, dst);
}

static void pack_layer(mu_cpu_backend *b, const mu_model *model, uint32_t index) {
    static const mu_layer_slot qkv[3][2] = {{MU_Q_W, MU_Q_B}, {MU_K_W, MU_K_B}, {MU_V_W, MU_V_B}};
    mu_cpu_layer *layer = &b->weights.layers[index];
    const mu_weight *w[MU_N_LAYER_SLOTS];
    for (int slot = 0; slot < MU_N_LAYER_SLOTS; slot++) {
        w[slot] = mu_model_layer_weight(model, index, (mu_layer_slot)slot);
    }
    pack_vector(layer->attn_norm_w, w[MU_ATTN_NORM_W]);
    pack_vector(layer->attn_norm_b, w[MU_ATTN_NORM_B]);
    pack_vector(layer->ffn_norm_w, w[MU_FFN_NORM_W]);
    pack_vector(layer->ffn_norm_b, w[MU_FFN_NORM_B]);
    for (uint32_t part = 0; part < 3; part++) {
        mu_packed_fill(&layer->qkv, part, w[qkv[part][0]], w[qkv[part][1]], b->pool,
                       b->scratch.rows);
    }
    mu_packed_fill(&layer->o, 0, w[MU_O_W], w[MU_O_B], b->pool, b->scratch.rows);
    mu_packed_fill(&layer->up, 0, w[MU_UP_W], w[MU_UP_B], b->pool, b->scratch.rows);
    mu_packed_fill(&layer->down, 0, w[MU_DOWN_W], w[MU_DOWN_B], b->pool, b->scratch.rows);
}

static void pack(mu_cpu_backend *b, const mu_model *model) {
    mu_cpu_weights *w = &b->weights;
    for (uint32_t i = 0; i < b->spec.n_layers; i++) {
        pack_layer(b, model, i);
    }
    const mu_weight *positions = mu_model_weight(model, MU_POSITIONS);
    mu_weight_read_rows(positions, 0, positions->n_out, w->positions);
    mu_weight_drop(positions, 0, positions->n_out);
    pack_vector(w->out_norm_w, mu_model_weight(model, MU_OUT_NORM_W));
    pack_vector(w->out_norm_b, mu_model_weight(model, MU_OUT_NORM_B));
    mu_packed_fill(&w->output, 0, mu_model_weight(model, MU_OUTPUT), NULL, b->pool,
                   b->scratch.rows);
    if (!mu_model_is_tied(model)) {
        mu_packed_fill(&w->embed, 0, mu_model_weight(model, MU_EMBED), NULL, b->pool,
                       b->scratch.rows);
    }
    mu_model_drop_pages(model);
}

static void check(const mu_cpu_backend *b) {
    const mu_backend_options *o = &b->options;
    MU_ASSERT(mu_weight_type_name(o->weight_type) && b->spec.head_dim <= MU_HEAD_DIM_MAX);
    MU_ASSERT(o->kv_type == MU_F32 || o->kv_type == MU_BF16 || o->kv_type == MU_F16);
}

/* Pages for what was counted; the region is then ready to be laid out for real. */
static mu_status region_open(mu_region *region, size_t bytes, const char *name, mu_err *err) {
    region->base = mu_pages_open(bytes, name);
    region->cap = bytes;
    if (!region->base) {
        return mu_fail(err, MU_ERR_NOMEM, "%zu MiB for %s", bytes >> 20, name);
    }
    return MU_OK;
}

static void close_backend(mu_backend *backend) {
    mu_cpu_backend *b = (mu_cpu_backend *)backend;
    mu_pool_close(b->pool);
    mu_pages_close(b->scratch_region.base, b->scratch_region.cap, SCRATCH_PAGES);
    mu_pages_close(b->kv_region.base, b->kv_region.cap, KV_PAGES);
    mu_pages_close(b->weights_region.base, b->weights_region.cap, WEIGHTS_PAGES);
    mu_free(b->weights.layers);
    mu_free(b);
}

static mu_status open_backend(const mu_model *model, const mu_backend_options *options,
                              mu_backend **out, mu_err *err) {
    mu_cpu_backend *b = mu_alloc(sizeof(*b));
    if (!b) return mu_fail(err, MU_ERR_NOMEM, "backend");
    init(b, mu_model_spec(model), options);
    bool is_tied = mu_model_is_tied(model);
    check(b);

    mu_backend_bytes bytes = plan(&b->spec, is_tied, &b->options);
    b->weights.layers = MU_ALLOC(mu_cpu_layer, b->spec.n_layers);
    mu_status status = b->weights.layers ? MU_OK : mu_fail(err, MU_ERR_NOMEM, "backend");
    if (status == MU_OK)
        status = region_open(&b->weights_region, bytes.weights, WEIGHTS_PAGES, err);
    if (status == MU_OK) status = region_open(&b->kv_region, bytes.kv, KV_PAGES, err);
    if (status == MU_OK)
        status = region_open(&b->scratch_region, bytes.scratch, SCRATCH_PAGES, err);
    if (status == MU_OK) status = mu_pool_open(b->options.n_threads, &b->pool, err);
    if (status != MU_OK) goto fail;

    lay_out_weights(b, is_tied, &b->weights_region);
    lay_out_kv(b, &b->kv_region);
    lay_out_scratch(b, b->options.n_threads, &b->scratch_region);
    MU_ASSERT(b->weights_region.used == bytes.weights);
    MU_ASSERT(b->kv_region.used == bytes.kv);
    MU_ASSERT(b->scratch_region.used == bytes.scratch);
    pack(b, model);
    *out = &b->base;
    return MU_OK;

fail:
    close_backend(&b->base);
    return status;
}

static const char *isa(const mu_backend *backend) {
    return ((const mu_cpu_backend *)backend)->kernels.isa;
}

static uint32_t n_threads(const mu_backend *backend) {
    return ((const mu_cpu_backend *)backend)->options.n_threads;
}

static mu_backend_bytes get_bytes(const mu_backend *backend) {
    const mu_cpu_backend *b = (const mu_cpu_backend *)backend;
    return (mu_backend_bytes){b->weights_region.used, b->kv_region.used, b->scratch_region.used};
}

const char *mu_isa_best(mu_isa max) {
    return mu_kernels_get(max).isa;
}

const mu_backend_ops mu_cpu_ops = {
    .plan = plan,
    .open = open_backend,
    .close = close_backend,
    .forward = mu_cpu_forward,
    .isa = isa,
    .n_threads = n_threads,
    .get_bytes = get_bytes,
    .rates = mu_cpu_rates_measure,
};
