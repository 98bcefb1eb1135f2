/* Opening a CUDA back end: lay out, allocate, pack. lay_out_*() walks the same code with and
 * without memory, on the device and in staging, so plan() and open() cannot disagree.
 */
#include "backend/cuda/cuda_backend.h"

#include <stdio.h>

#include "backend/cuda/cuda_layout.h"
#include "backend/cuda/cuda_library.h"
#include "base/alloc.h"

static void lay_out_step(const mu_cuda_backend *b, mu_cuda_step *step, mu_region *region) {
    const mu_backend_options *o = &b->options;
    size_t n_blocks = mu_cuda_whole(o->n_ctx, o->block_tokens) / o->block_tokens;
    step->rows = mu_region_take(region, o->step_tokens_max * sizeof(*step->rows));
    step->tiles = mu_region_take(region, o->step_tokens_max * sizeof(*step->tiles));
    step->outs = mu_region_take(region, o->step_rows_max * sizeof(*step->outs));
    step->tables = mu_region_take(region, o->step_tokens_max * n_blocks * sizeof(*step->tables));
}

static float *lay_out_logits(const mu_cuda_backend *b, mu_region *region) {
    return mu_region_take(region, b->options.step_rows_max * b->spec.vocab_size * sizeof(float));
}

static void *take_acts(const mu_cuda_backend *b, uint32_t n_in, mu_region *region) {
    size_t n_rows = mu_cuda_whole(b->options.step_tokens_max, MU_CUDA_ROW_BLOCK);
    return mu_region_take(region, n_rows * mu_cuda_whole(n_in, MU_CUDA_K_STEP) *
                                      mu_cuda_elem_bytes(b->type));
}

static void lay_out_scratch(const mu_cuda_backend *b, mu_cuda_scratch *d, mu_region *region) {
    const mu_decoder_spec *spec = &b->spec;
    size_t n_values = (size_t)b->options.step_tokens_max * spec->hidden_dim;
    lay_out_step(b, &d->step, region);
    d->logits = lay_out_logits(b, region);
    d->top_parts =
        mu_region_take(region, b->options.step_rows_max * mu_cuda_top_parts(spec->vocab_size) *
                                   sizeof(*d->top_parts));
    d->n_done = mu_region_take(region, b->options.step_rows_max * sizeof(*d->n_done));
    d->x = mu_region_take(region, n_values * sizeof(float));
    d->q = mu_region_take(region, n_values * mu_cuda_elem_bytes(b->type));
    d->normed = take_acts(b, spec->hidden_dim, region);
    d->attended = take_acts(b, spec->hidden_dim, region);
    d->ffn = take_acts(b, spec->kinds[0].ffn_dim, region);
}

static void lay_out_staging(mu_cuda_backend *b, mu_region *region) {
    size_t n_rows = b->options.step_rows_max;
    lay_out_step(b, &b->step, region);
    b->results.tops = mu_region_take(region, n_rows * sizeof(*b->results.tops));
    b->results.candidates = mu_region_take(region, n_rows * MU_TOP_MAX * sizeof(mu_candidate));
    b->results.logits = lay_out_logits(b, region);
}

static uint64_t kv_bytes(const mu_cuda_backend *b) {
    return (uint64_t)b->options.n_kv_blocks * b->options.block_tokens *
           mu_decoder_kv_values(&b->spec) * mu_cuda_elem_bytes(b->type);
}

static void init(mu_cuda_backend *b, const mu_decoder_spec *spec,
                 const mu_backend_options *options) {
    *b = (mu_cuda_backend){
        .base.ops = &mu_cuda_ops,
        .spec = *spec,
        .options = *options,
        .type = options->weight_type == MU_F32 ? MU_CUDA_F32 : MU_CUDA_BF16,
    };
}

static mu_backend_bytes plan(const mu_model *model, const mu_backend_options *options) {
    mu_cuda_backend b;
    mu_region weights = {0}, scratch = {0};
    init(&b, mu_model_spec(model), options);
    mu_cuda_weights_lay_out(&b, &weights);
    lay_out_scratch(&b, &b.d, &scratch);
    return (mu_backend_bytes){weights.used, kv_bytes(&b), scratch.used};
}

static mu_status check_types(const mu_cuda_backend *b, mu_err *err) {
    const mu_backend_options *o = &b->options;
    if (o->weight_type != MU_F32 && o->weight_type != MU_BF16) {
        return mu_fail(err, MU_ERR_UNSUPPORTED, "weight type %s: a GPU takes bf16 and f32",
                       mu_weight_type_name(o->weight_type));
    }
    if (o->kv_type != o->weight_type) {
        return mu_fail(err, MU_ERR_UNSUPPORTED, "KV type: on a GPU it is that of the weights, %s",
                       mu_weight_type_name(o->weight_type));
    }
    return MU_OK;
}

_Static_assert((int)MU_CUDA_GROUP == (int)MU_KV_GROUP, "what backend.c checks");

static mu_status open_device(mu_cuda_backend *b, mu_err *err) {
    mu_gpu gpu;
    mu_status status = mu_cuda_library_get(&b->api, err);
    if (status == MU_OK) status = b->api->gpu_read(b->options.device.index, &gpu, err);
    if (status == MU_OK) status = b->api->stream_open(b->options.device.index, &b->stream, err);
    if (status == MU_OK) snprintf(b->isa, sizeof(b->isa), "cuda %s", gpu.arch);
    return status;
}

/* Device memory for what was counted; the region is then ready to be laid out for real. what: "KV
 * cache", for the error. */
static mu_status open_region(mu_cuda_backend *b, mu_region *region, uint64_t bytes,
                             const char *what, mu_err *err) {
    void *memory = NULL;
    mu_err why = {0};
    mu_status status = b->api->memory_open(b->stream, bytes, &memory, &why);
    if (status != MU_OK) return mu_fail(err, status, "%s: %s", what, why.text);
    *region = (mu_region){.base = memory, .cap = bytes};
    return MU_OK;
}

static mu_status open_staging(mu_cuda_backend *b, mu_err *err) {
    mu_region counted = {0};
    void *memory = NULL;
    lay_out_staging(b, &counted);
    mu_status status = b->api->staging_open(b->stream, counted.used, &memory, err);
    if (status != MU_OK) return status;
    b->staging_region = (mu_region){.base = memory, .cap = counted.used};
    lay_out_staging(b, &b->staging_region);
    return MU_OK;
}

static mu_status open_host(mu_cuda_backend *b, mu_err *err) {
    size_t n = b->options.step_rows_max;
    b->weights.layers = MU_ALLOC(mu_cuda_layer, b->spec.n_layers);
    b->tops = MU_ALLOC(mu_row_top, n);
    b->graphs = MU_ALLOC(mu_cuda_graph *, n + 1);
    b->is_seen = MU_ALLOC(bool, n + 1);
    if (b->weights.layers && b->tops && b->graphs && b->is_seen) return MU_OK;
    return mu_fail(err, MU_ERR_NOMEM, "backend");
}

static void lay_out(mu_cuda_backend *b) {
    mu_cuda_weights_lay_out(b, &b->weights_region);
    lay_out_scratch(b, &b->d, &b->scratch_region);
    b->kv_region.used = b->kv_region.cap;
    MU_ASSERT(b->weights_region.used == b->weights_region.cap);
    MU_ASSERT(b->scratch_region.used == b->scratch_region.cap);
    b->kv = (mu_cuda_kv){.d_base = b->kv_region.base,
                         .type = b->type,
                         .n_layers = b->spec.n_layers,
                         .n_heads = b->spec.kinds[0].n_heads,
                         .head_dim = b->spec.kinds[0].head_dim,
                         .block_tokens = b->options.block_tokens};
    b->batch = (mu_cuda_batch){.d_rows = b->d.step.rows,
                               .d_tiles = b->d.step.tiles,
                               .d_outs = b->d.step.outs,
                               .d_tables = b->d.step.tables};
}

static void close_backend(mu_backend *backend) {
    mu_cuda_backend *b = (mu_cuda_backend *)backend;
    for (uint32_t i = 0; b->graphs && i <= b->options.step_rows_max; i++) {
        if (b->graphs[i]) b->api->graph_close(b->graphs[i]);
    }
    void *memory[] = {b->weights_region.base, b->kv_region.base, b->scratch_region.base};
    for (size_t i = 0; i < MU_COUNTOF(memory); i++) {
        if (memory[i]) b->api->memory_close(b->stream, memory[i]);
    }
    if (b->staging_region.base) b->api->staging_close(b->stream, b->staging_region.base);
    if (b->stream) b->api->stream_close(b->stream);
    mu_free(b->is_seen);
    mu_free(b->graphs);
    mu_free(b->tops);
    mu_free(b->weights.layers);
    mu_free(b);
}

static mu_status open_backend(const mu_model *model, const mu_backend_options *options,
                              mu_backend **out, mu_err *err) {
    mu_cuda_backend *b = mu_alloc(sizeof(*b));
    if (!b) return mu_fail(err, MU_ERR_NOMEM, "backend");
    init(b, mu_model_spec(model), options);
    mu_backend_bytes bytes = plan(model, options);
    mu_status status = check_types(b, err);
    if (status == MU_OK) status = open_device(b, err);
    if (status == MU_OK) status = open_host(b, err);
    if (status == MU_OK) status = open_region(b, &b->weights_region, bytes.weights, "weights", err);
    if (status == MU_OK) status = open_region(b, &b->kv_region, bytes.kv, "KV cache", err);
    if (status == MU_OK) status = open_region(b, &b->scratch_region, bytes.scratch, "scratch", err);
    if (status == MU_OK) status = open_staging(b, err);
    if (status == MU_OK) {
        lay_out(b);
        status = mu_cuda_weights_fill(b, model, err);
    }
    if (status == MU_OK) {
        *out = &b->base;
    } else {
        close_backend(&b->base);
    }
    return status;
}

static const char *isa(const mu_backend *backend) {
    return ((const mu_cuda_backend *)backend)->isa;
}

static uint32_t n_threads(const mu_backend *backend) {
    (void)backend;
    return 1;
}

static mu_backend_bytes get_bytes(const mu_backend *backend) {
    const mu_cuda_backend *b = (const mu_cuda_backend *)backend;
    return (mu_backend_bytes){b->weights_region.used, b->kv_region.used, b->scratch_region.used};
}

static mu_status rates(mu_device_id device, uint32_t n_threads, const mu_cpu_level *isa_max,
                       mu_machine_rates *out, mu_err *err) {
    (void)n_threads, (void)isa_max;
    const mu_cuda_api *api;
    mu_status status = mu_cuda_library_get(&api, err);
    return status == MU_OK ? api->rates(device.index, out, err) : status;
}

/* What a GPU's back ends share is in its driver. */
static mu_status open_shared(const mu_device_options *options, mu_device **out, mu_err *err) {
    mu_device *device = mu_alloc(sizeof(*device));
    if (!device) return mu_fail(err, MU_ERR_NOMEM, "device");
    *device = (mu_device){.ops = &mu_cuda_ops, .options = *options};
    *out = device;
    return MU_OK;
}

static void close_shared(mu_device *device) {
    mu_free(device);
}

static mu_status reserve_scratch(mu_device *device, uint64_t bytes, mu_err *err) {
    (void)device, (void)bytes, (void)err;
    return MU_OK;
}

const mu_backend_ops mu_cuda_ops = {
    .device_open = open_shared,
    .device_close = close_shared,
    .reserve_scratch = reserve_scratch,
    .plan = plan,
    .open = open_backend,
    .close = close_backend,
    .forward = mu_cuda_forward,
    .isa = isa,
    .n_threads = n_threads,
    .get_bytes = get_bytes,
    .rates = rates,
};
