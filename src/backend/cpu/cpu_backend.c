/* Opening a CPU backend: lay out, allocate, pack.
 *
 * Weights and KV are one run of pages each, and scratch is the device's. lay_out_*() walks the same
 * code with and without memory, so plan() and open() cannot disagree. What is laid out in scratch
 * means nothing between steps: another back end has used it.
 */
#include "backend/cpu/cpu_backend.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cpu.h"

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

static float *take_floats(mu_region *region, size_t n) {
    return mu_region_take(region, n * sizeof(float));
}

/* A matrix in the type that was asked for, or in the one that suits how the file holds it. */
static void lay_out_matrix(const mu_cpu_backend *b, mu_packed *packed, const mu_weight *w,
                           mu_region *region) {
    mu_dtype type = mu_weight_type_of(w, b->options.weight_type);
    mu_packed_layout(packed, &b->kernels.matmul[type], w->n_out, w->n_in, region);
}

/* The layer's rope among those of the backend, which grow when it is a new one. */
static uint32_t rope_of(mu_cpu_backend *b, const mu_rope *rope, mu_region *region) {
    mu_cpu_weights *w = &b->weights;
    for (uint32_t i = 0; i < w->n_ropes; i++) {
        if (mu_rope_equal(&w->ropes[i].rope, rope)) return i;
    }
    MU_ASSERT(w->n_ropes < MU_LAYER_KINDS_MAX);
    w->ropes[w->n_ropes] = (mu_cpu_rope){
        .rope = *rope,
        .frequencies = take_floats(region, rope->n_dims / 2),
        .at = b->scratch.rotations_stride,
    };
    b->scratch.rotations_stride += rope->n_dims;
    return w->n_ropes++;
}

static void lay_out_layer(mu_cpu_backend *b, const mu_model *model, uint32_t index,
                          mu_cpu_layer *layer, mu_region *region) {
    mu_matrix matrices[MU_LAYER_MATRICES_MAX];
    uint32_t n = mu_layer_matrices(&b->spec, index, matrices);
    bool is_bias[MU_N_LAYER_SLOTS] = {false};
    *layer = (mu_cpu_layer){.kind = mu_layer_kind_of(&b->spec, index)};
    for (uint32_t i = 0; i < n; i++) {
        is_bias[matrices[i].bias] = true;
    }
    for (int slot = 0; slot < MU_N_LAYER_SLOTS; slot++) {
        mu_slot_shape shape = mu_layer_slot_shape(&b->spec, index, (mu_layer_slot)slot);
        if (shape.n_in != 1 || is_bias[slot]) continue;
        layer->vector[slot] = take_floats(region, shape.n_out);
    }
    for (uint32_t i = 0; i < n; i++) {
        const mu_weight *w = mu_model_layer_weight(model, index, matrices[i].weight);
        mu_packed *packed = &layer->matrix[matrices[i].weight];
        lay_out_matrix(b, packed, w, region);
        layer->forms[matrices[i].feed] |= 1u << packed->matmul->acts;
    }
    for (int feed = 0; feed < MU_N_FEEDS; feed++) {
        b->forms[feed] |= layer->forms[feed];
    }
    if (layer->kind->rope.n_dims > 0) layer->rope = rope_of(b, &layer->kind->rope, region);
}

/* A slot that is read as floats; NULL where the spec has none. */
static float *take_slot(const mu_cpu_backend *b, mu_model_slot slot, mu_region *region) {
    mu_slot_shape shape = mu_model_slot_shape(&b->spec, slot);
    return shape.n_out > 0 ? take_floats(region, (size_t)shape.n_out * shape.n_in) : NULL;
}

static void lay_out_weights(mu_cpu_backend *b, const mu_model *model, mu_region *region) {
    const mu_decoder_spec *spec = &b->spec;
    mu_cpu_weights *w = &b->weights;
    mu_cpu_layer counted; /* while counting there are no layers to write to */
    for (uint32_t i = 0; i < spec->n_layers; i++) {
        lay_out_layer(b, model, i, w->layers ? &w->layers[i] : &counted, region);
    }
    w->positions = take_slot(b, MU_POSITIONS, region);
    w->token_types = take_slot(b, MU_TOKEN_TYPES, region);
    w->embed_norm_w = take_slot(b, MU_EMBED_NORM_W, region);
    w->embed_norm_b = take_slot(b, MU_EMBED_NORM_B, region);
    w->out_norm_w = take_slot(b, MU_OUT_NORM_W, region);
    w->out_norm_b = take_slot(b, MU_OUT_NORM_B, region);
    if (spec->has_output) {
        lay_out_matrix(b, &w->output, mu_model_weight(model, MU_OUTPUT), region);
        b->forms[MU_FEED_ATTN_NORM] |= 1u << w->output.matmul->acts;
        w->embed = w->output;
    }
    if (!spec->is_tied) lay_out_matrix(b, &w->embed, mu_model_weight(model, MU_EMBED), region);
}

static size_t kv_head_bytes(const mu_cpu_backend *b, const mu_layer_kind *kind) {
    size_t elem_bytes = b->kv_form == MU_KV_F32 ? 4 : 2;
    /* whole pairs of dimensions; a multiple of 64 */
    return (size_t)whole(kind->head_dim, 2) * MU_KV_GROUP * elem_bytes;
}

static void lay_out_kv(mu_cpu_backend *b, mu_region *region) {
    mu_kv_store *kv = &b->kv;
    size_t at = 0, end = 0;
    for (uint32_t i = 0; i < b->spec.n_layers; i++) {
        const mu_layer_kind *kind = mu_layer_kind_of(&b->spec, i);
        size_t head_bytes = kv_head_bytes(b, kind);
        if (b->weights.layers) {
            b->weights.layers[i].kv_at = at;
            b->weights.layers[i].kv_head_bytes = head_bytes;
        }
        size_t bytes = 2 * kind->n_kv_heads * head_bytes;
        if (at + bytes > end) end = at + bytes;
        if (!b->spec.is_bidirectional) at += bytes; /* else a layer's are done with after it */
    }
    kv->group_bytes = (end + 63) / 64 * 64;
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

/* n_rows rows of n_in inputs in all of the forms. */
static mu_acts take_acts(const mu_cpu_backend *b, uint32_t forms, uint32_t n_rows, uint32_t n_in,
                         mu_region *region) {
    mu_acts acts = {{NULL}, {0}};
    for (int form = 0; form < MU_N_ACT_FORMS; form++) {
        if (!(forms & 1u << form)) continue;
        acts.row_bytes[form] = ((b->kernels.acts[form].bytes(n_in) + 63) / 64 | 1) * 64;
        acts.rows[form] = mu_region_take(region, n_rows * acts.row_bytes[form]);
    }
    return acts;
}

static uint32_t norm_forms(const mu_cpu_backend *b) {
    return b->forms[MU_FEED_ATTN_NORM] | b->forms[MU_FEED_FFN_NORM];
}

static uint32_t greater(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

/* The widest that rows of each kind of layer are. */
typedef struct row_widths {
    uint32_t qkv, attended, head, ffn;
} row_widths;

static row_widths widths_of(const mu_decoder_spec *spec) {
    row_widths widths = {0, 0, 0, 0};
    for (uint32_t i = 0; i < spec->n_kinds; i++) {
        const mu_layer_kind *kind = &spec->kinds[i];
        uint32_t q = whole(kind->n_heads * kind->head_dim, MU_PANEL);
        uint32_t kv = whole(kind->n_kv_heads * kind->head_dim, MU_PANEL);
        widths.qkv = greater(widths.qkv, q + 2 * kv);
        widths.attended = greater(widths.attended, q);
        widths.head = greater(widths.head, kind->head_dim);
        widths.ffn = greater(widths.ffn, kind->ffn_dim);
    }
    return widths;
}

static void lay_out_thread(const mu_cpu_backend *b, mu_thread_scratch *t, mu_region *region) {
    uint32_t head = widths_of(&b->spec).head;
    t->scores = take_floats(region, (size_t)MU_QUERIES_MAX * whole(b->options.n_ctx, MU_KV_GROUP));
    t->queries = take_floats(region, (size_t)MU_QUERIES_MAX * head);
    t->values = take_floats(region, (size_t)MU_QUERIES_MAX * head);
    t->tile = take_floats(region, MU_ROW_BLOCK * MU_PANEL);
    t->gate = take_floats(region, MU_ROW_BLOCK * MU_PANEL);
    t->row = take_floats(region, mu_packed_scratch_floats(mu_decoder_row_max(&b->spec)));
    t->own = take_acts(b, norm_forms(b), MU_OWN_ROWS, b->spec.hidden_dim, region);
}

static void lay_out_scratch(mu_cpu_backend *b, uint32_t n_threads, mu_region *region) {
    const mu_decoder_spec *spec = &b->spec;
    uint32_t n_tokens = b->options.step_tokens_max, hidden = spec->hidden_dim;
    row_widths widths = widths_of(spec);
    mu_scratch *s = &b->scratch;
    s->x_stride = whole(hidden, MU_PANEL);
    s->qkv_stride = widths.qkv;
    s->attended_stride = widths.attended;
    s->x = take_floats(region, n_tokens * s->x_stride);
    if (mu_cpu_has_branch(spec)) s->branch = take_floats(region, n_tokens * s->x_stride);
    s->qkv = take_floats(region, n_tokens * s->qkv_stride);
    s->attended = take_floats(region, n_tokens * s->attended_stride);
    s->rotations = take_floats(region, n_tokens * s->rotations_stride);
    s->normed = take_acts(b, norm_forms(b), n_tokens, hidden, region);
    s->heads = take_acts(b, b->forms[MU_FEED_ATTENDED], n_tokens, widths.attended, region);
    s->ffn = take_acts(b, b->forms[MU_FEED_ACTIVATED], n_tokens, widths.ffn, region);
    if (spec->has_output) {
        s->logits = take_floats(region, (size_t)b->options.step_rows_max * spec->vocab_size);
    }
    s->threads = mu_region_take(region, n_threads * sizeof(*s->threads));
    s->packing = mu_region_take(region, n_threads * sizeof(*s->packing));
    mu_thread_scratch counted;
    for (uint32_t i = 0; i < n_threads; i++) {
        lay_out_thread(b, s->threads ? &s->threads[i] : &counted, region);
        if (s->packing) s->packing[i] = s->threads[i].row;
    }
    lay_out_plan(b, region);
}

static void init(mu_cpu_backend *b, const mu_decoder_spec *spec,
                 const mu_backend_options *options) {
    *b = (mu_cpu_backend){
        .base.ops = &mu_cpu_ops,
        .spec = *spec,
        .options = *options,
        .device = (mu_cpu_device *)options->shared,
        .kernels = options->shared ? ((mu_cpu_device *)options->shared)->kernels
                                   : mu_kernels_get(options->isa_max),
        .kv_form = kv_form_of(options->kv_type),
    };
    b->options.n_threads = mu_cpu_threads(options->n_threads);
}

static mu_backend_bytes plan(const mu_model *model, const mu_backend_options *options) {
    mu_cpu_backend b;
    mu_region weights = {0}, kv = {0}, scratch = {0};
    init(&b, mu_model_spec(model), options);
    lay_out_weights(&b, model, &weights);
    lay_out_kv(&b, &kv);
    lay_out_scratch(&b, b.options.n_threads, &scratch);
    return (mu_backend_bytes){weights.used, kv.used, scratch.used};
}

void mu_cpu_scratch_enter(mu_cpu_backend *b) {
    mu_cpu_device *device = b->device;
    if (device->scratch_user == b) return;
    mu_region region = {.base = device->scratch, .cap = device->base.scratch_bytes};
    lay_out_scratch(b, b->options.n_threads, &region);
    b->scratch_bytes = region.used;
    device->scratch_user = b;
}

static void pack_vector(float *dst, const mu_weight *w) {
    if (w->n_out > 0) mu_weight_read_rows(w, 0, w->n_out, dst);
}

static void pack_layer_vectors(mu_cpu_backend *b, uint32_t index) {
    const mu_cpu_layer *layer = &b->weights.layers[index];
    for (int slot = 0; slot < MU_N_LAYER_SLOTS; slot++) {
        if (!layer->vector[slot]) continue;
        pack_vector(layer->vector[slot],
                    mu_model_layer_weight(b->source, index, (mu_layer_slot)slot));
    }
}

static void pack_layer_matrix(mu_cpu_backend *b, uint32_t index, const mu_matrix *matrix) {
    mu_packed_fill(&b->weights.layers[index].matrix[matrix->weight],
                   mu_model_layer_weight(b->source, index, matrix->weight),
                   mu_model_layer_weight(b->source, index, matrix->bias), b->pool,
                   b->scratch.packing);
}

/* The factors of the file, or none. */
static void pack_ropes(mu_cpu_backend *b, const mu_model *model) {
    const mu_weight *w = mu_model_weight(model, MU_ROPE_FACTORS);
    float *factors = w->n_out > 0 ? b->scratch.packing[0] : NULL;
    if (factors) mu_weight_read_rows(w, 0, w->n_out, factors);
    for (uint32_t i = 0; i < b->weights.n_ropes; i++) {
        const mu_cpu_rope *rope = &b->weights.ropes[i];
        bool is_meant = rope->rope.n_dims / 2 == w->n_out;
        mu_rope_frequencies(&rope->rope, is_meant ? factors : NULL, rope->frequencies);
    }
}

/* What belongs to no layer. */
static void pack_rest(mu_cpu_backend *b) {
    const mu_model *model = b->source;
    mu_cpu_weights *w = &b->weights;
    pack_vector(w->positions, mu_model_weight(model, MU_POSITIONS));
    mu_weight_drop(mu_model_weight(model, MU_POSITIONS), 0, b->spec.n_ctx);
    pack_vector(w->token_types, mu_model_weight(model, MU_TOKEN_TYPES));
    pack_vector(w->embed_norm_w, mu_model_weight(model, MU_EMBED_NORM_W));
    pack_vector(w->embed_norm_b, mu_model_weight(model, MU_EMBED_NORM_B));
    pack_ropes(b, model);
    pack_vector(w->out_norm_w, mu_model_weight(model, MU_OUT_NORM_W));
    pack_vector(w->out_norm_b, mu_model_weight(model, MU_OUT_NORM_B));
    if (b->spec.has_output) {
        mu_packed_fill(&w->output, mu_model_weight(model, MU_OUTPUT), NULL, b->pool,
                       b->scratch.packing);
    }
    if (!b->spec.is_tied) {
        mu_packed_fill(&w->embed, mu_model_weight(model, MU_EMBED), NULL, b->pool,
                       b->scratch.packing);
    }
    mu_model_drop_pages(model);
}

/* A matrix of a layer, its vectors with the first one; after the last layer the rest. */
static bool load(mu_backend *backend) {
    mu_cpu_backend *b = (mu_cpu_backend *)backend;
    mu_matrix matrices[MU_LAYER_MATRICES_MAX];
    if (!b->source) return false;
    mu_cpu_scratch_enter(b);
    if (b->next_layer == b->spec.n_layers) {
        pack_rest(b);
        b->source = NULL;
        return false;
    }
    uint32_t n = mu_layer_matrices(&b->spec, b->next_layer, matrices);
    if (b->next_matrix == 0) pack_layer_vectors(b, b->next_layer);
    pack_layer_matrix(b, b->next_layer, &matrices[b->next_matrix]);
    if (++b->next_matrix == n) {
        b->next_matrix = 0;
        b->next_layer++;
    }
    return true;
}

static void check(const mu_cpu_backend *b) {
    const mu_backend_options *o = &b->options;
    MU_ASSERT(o->weight_type == MU_AS_FILE || mu_weight_type_name(o->weight_type));
    MU_ASSERT(widths_of(&b->spec).head <= MU_HEAD_DIM_MAX);
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
    if (b->device->scratch_user == b) b->device->scratch_user = NULL;
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
    check(b);

    mu_backend_bytes bytes = plan(model, &b->options);
    b->weights.layers = MU_ALLOC(mu_cpu_layer, b->spec.n_layers);
    mu_status status = b->weights.layers ? MU_OK : mu_fail(err, MU_ERR_NOMEM, "backend");
    if (status == MU_OK)
        status = region_open(&b->weights_region, bytes.weights, WEIGHTS_PAGES, err);
    if (status == MU_OK) status = region_open(&b->kv_region, bytes.kv, KV_PAGES, err);
    if (status == MU_OK) {
        status = mu_device_reserve_scratch(&b->device->base, bytes.scratch, err);
    }
    if (status != MU_OK) goto fail;

    lay_out_weights(b, model, &b->weights_region);
    lay_out_kv(b, &b->kv_region);
    b->pool = b->device->pool;
    mu_cpu_scratch_enter(b);
    MU_ASSERT(b->weights_region.used == bytes.weights);
    MU_ASSERT(b->kv_region.used == bytes.kv);
    MU_ASSERT(b->scratch_bytes == bytes.scratch);
    b->source = model;
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
    return (mu_backend_bytes){b->weights_region.used, b->kv_region.used, b->scratch_bytes};
}

const char *mu_isa_best(const mu_cpu_level *max) {
    return mu_kernels_get(max).isa;
}

const mu_backend_ops mu_cpu_ops = {
    .name = "the CPU back end",
    .features = (1u << MU_N_FEATURES) - 1 - (1u << MU_FEATURE_SINKS) -
                (1u << MU_FEATURE_SHARED_KV) - (1u << MU_FEATURE_EXPERTS) -
                (1u << MU_FEATURE_RECURRENT),
    .device_open = mu_cpu_device_open,
    .device_close = mu_cpu_device_close,
    .reserve_scratch = mu_cpu_device_reserve_scratch,
    .plan = plan,
    .open = open_backend,
    .load = load,
    .close = close_backend,
    .forward = mu_cpu_forward,
    .isa = isa,
    .n_threads = n_threads,
    .get_bytes = get_bytes,
    .rates = mu_cpu_rates_measure,
};
