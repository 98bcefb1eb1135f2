/* Weights go over in batches: all threads pack blocks of 64 outputs into staging, in the order in
 * which they lie on the device, and one transfer takes the batch.
 */
#include <string.h>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/cuda_layout.h"
#include "base/alloc.h"
#include "base/cpu.h"
#include "base/pool.h"
#include "tensor/half.h"

static const size_t staging_bytes = (size_t)32 << 20;
enum { PARTS_MAX = 3 };

static float *take_floats(mu_region *region, size_t n) {
    return mu_region_take(region, n * sizeof(float));
}

static size_t block_bytes(mu_cuda_type type, uint32_t n_in) {
    return (size_t)MU_CUDA_OUT_BLOCK * mu_cuda_whole(n_in, MU_CUDA_K_STEP) *
           mu_cuda_elem_bytes(type);
}

static uint32_t blocks_of(uint32_t n_out) {
    return mu_cuda_whole(n_out, MU_CUDA_OUT_BLOCK) / MU_CUDA_OUT_BLOCK;
}

static mu_cuda_matrix take_matrix(const mu_cuda_backend *b, uint32_t n_out, uint32_t n_in,
                                  mu_region *region) {
    uint32_t n_blocks = blocks_of(n_out);
    return (mu_cuda_matrix){
        .d_weights = mu_region_take(region, n_blocks * block_bytes(b->type, n_in)),
        .d_bias = take_floats(region, (size_t)n_blocks * MU_CUDA_OUT_BLOCK),
        .n_in = n_in,
        .n_out = n_out,
    };
}

static mu_cuda_layer take_layer(const mu_cuda_backend *b, mu_region *region) {
    uint32_t hidden = b->spec.hidden_dim, ffn = b->spec.kinds[0].ffn_dim;
    return (mu_cuda_layer){
        .d_attn_norm_w = take_floats(region, hidden),
        .d_attn_norm_b = take_floats(region, hidden),
        .d_ffn_norm_w = take_floats(region, hidden),
        .d_ffn_norm_b = take_floats(region, hidden),
        .qkv = take_matrix(b, 3 * hidden, hidden, region),
        .o = take_matrix(b, hidden, hidden, region),
        .up = take_matrix(b, ffn, hidden, region),
        .down = take_matrix(b, hidden, ffn, region),
    };
}

void mu_cuda_weights_lay_out(mu_cuda_backend *b, mu_region *region) {
    const mu_decoder_spec *spec = &b->spec;
    mu_cuda_weights *w = &b->weights;
    for (uint32_t i = 0; i < spec->n_layers; i++) {
        mu_cuda_layer layer = take_layer(b, region);
        if (w->layers) w->layers[i] = layer; /* while counting there are none */
    }
    w->d_positions = take_floats(region, (size_t)spec->n_ctx * spec->hidden_dim);
    w->d_out_norm_w = take_floats(region, spec->hidden_dim);
    w->d_out_norm_b = take_floats(region, spec->hidden_dim);
    w->output = take_matrix(b, spec->vocab_size, spec->hidden_dim, region);
    w->embed = w->output;
    if (!spec->is_tied) w->embed = take_matrix(b, spec->vocab_size, spec->hidden_dim, region);
}

/* Everything that filling needs; what stays NULL was not opened. */
typedef struct filler {
    mu_cuda_backend *b;
    mu_pool *pool;
    uint8_t *staging;
    float **scratch; /* [n_threads], a block of outputs each */
    mu_err *err;
} filler;

/* One matrix on its way: its outputs are those of its parts, one after another. */
typedef struct fill_job {
    const filler *f;
    const mu_weight *parts[PARTS_MAX];
    uint32_t n_parts;
    uint32_t n_in;
    uint32_t first_block, n_blocks; /* of this batch */
} fill_job;

static void put(const fill_job *job, void *block, uint32_t out, uint32_t k, float value) {
    uint32_t k_padded = mu_cuda_whole(job->n_in, MU_CUDA_K_STEP);
    if (job->f->b->type == MU_CUDA_F32) {
        ((float *)block)[mu_cuda_weight_f32_at(out, k, k_padded)] = value;
    } else {
        ((uint16_t *)block)[mu_cuda_weight_bf16_at(out, k, k_padded)] = mu_f32_to_bf16(value);
    }
}

/* What of a part is among the outputs [first, first + MU_CUDA_OUT_BLOCK) of the matrix. */
static void pack_part(const fill_job *job, uint32_t part, uint32_t first, float *scratch,
                      void *block) {
    const mu_weight *w = job->parts[part];
    uint32_t begin = part * w->n_out, end = begin + w->n_out;
    if (begin < first) begin = first;
    if (end > first + MU_CUDA_OUT_BLOCK) end = first + MU_CUDA_OUT_BLOCK;
    if (begin >= end) return;
    uint32_t n = end - begin;
    mu_weight_read_panel(w, begin - part * w->n_out, n, scratch);
    for (uint32_t k = 0; k < job->n_in; k++) {
        for (uint32_t i = 0; i < n; i++) {
            put(job, block, begin - first + i, k, scratch[(size_t)k * n + i]);
        }
    }
}

static void pack_blocks(void *ctx, uint32_t thread, uint32_t n_threads) {
    (void)n_threads;
    const fill_job *job = ctx;
    size_t bytes = block_bytes(job->f->b->type, job->n_in);
    uint32_t i, end;
    while (mu_pool_next(job->f->pool, thread, job->n_blocks, 1, &i, &end)) {
        uint8_t *block = job->f->staging + i * bytes;
        memset(block, 0, bytes);
        for (uint32_t part = 0; part < job->n_parts; part++) {
            pack_part(job, part, (job->first_block + i) * MU_CUDA_OUT_BLOCK,
                      job->f->scratch[thread], block);
        }
    }
}

/* Staging to the device; it is free again afterwards. */
static mu_status send(const filler *f, void *d_to, size_t bytes) {
    const mu_cuda_api *api = f->b->api;
    mu_status status = api->upload(f->b->stream, d_to, f->staging, bytes, f->err);
    return status == MU_OK ? api->synchronize(f->b->stream, f->err) : status;
}

static mu_status fill_vector(const filler *f, float *d_to, const mu_weight *w) {
    if (w->n_out == 0) return MU_OK; /* the device has zeros */
    uint32_t rows_max = (uint32_t)(staging_bytes / (w->n_in * sizeof(float))), first = 0;
    mu_status status = MU_OK;
    while (first < w->n_out && status == MU_OK) { /* a vector, or the table of positions */
        uint32_t n = w->n_out - first < rows_max ? w->n_out - first : rows_max;
        mu_weight_read_rows(w, first, n, (float *)f->staging);
        status = send(f, d_to + (size_t)first * w->n_in, (size_t)n * w->n_in * sizeof(float));
        first += n;
    }
    mu_weight_drop(w, 0, w->n_out);
    return status;
}

/* weights and biases: [n_parts] */
static mu_status fill_matrix(const filler *f, const mu_cuda_matrix *matrix,
                             const mu_weight *const *weights, const mu_weight *const *biases,
                             uint32_t n_parts) {
    fill_job job = {.f = f, .n_parts = n_parts, .n_in = matrix->n_in};
    memcpy(job.parts, weights, n_parts * sizeof(*weights));
    size_t bytes = block_bytes(f->b->type, matrix->n_in);
    uint32_t n_blocks = blocks_of(matrix->n_out), n_max = (uint32_t)(staging_bytes / bytes);
    MU_ASSERT(n_max > 0); /* the architecture table allows no such width */
    mu_status status = MU_OK;
    for (uint32_t first = 0; first < n_blocks && status == MU_OK; first += n_max) {
        job.first_block = first;
        job.n_blocks = n_blocks - first < n_max ? n_blocks - first : n_max;
        mu_pool_run(f->pool, pack_blocks, &job);
        status = send(f, (uint8_t *)matrix->d_weights + first * bytes, job.n_blocks * bytes);
        if (n_parts == 1)
            mu_weight_drop(weights[0], first * MU_CUDA_OUT_BLOCK, job.n_blocks * MU_CUDA_OUT_BLOCK);
    }
    for (uint32_t part = 0; part < n_parts && status == MU_OK; part++) {
        float *d_bias = matrix->d_bias + (size_t)part * weights[part]->n_out;
        if (biases) status = fill_vector(f, d_bias, biases[part]);
        if (n_parts > 1) mu_weight_drop(weights[part], 0, weights[part]->n_out);
    }
    return status;
}

static mu_status fill_layer(const filler *f, const mu_model *model, uint32_t index) {
    const mu_cuda_layer *layer = &f->b->weights.layers[index];
    const mu_weight *w[MU_N_LAYER_SLOTS];
    for (int slot = 0; slot < MU_N_LAYER_SLOTS; slot++) {
        w[slot] = mu_model_layer_weight(model, index, (mu_layer_slot)slot);
    }
    const struct {
        float *d_to;
        mu_layer_slot slot;
    } vectors[] = {
        {layer->d_attn_norm_w, MU_ATTN_NORM_W},
        {layer->d_attn_norm_b, MU_ATTN_NORM_B},
        {layer->d_ffn_norm_w, MU_FFN_NORM_W},
        {layer->d_ffn_norm_b, MU_FFN_NORM_B},
    };
    const struct {
        const mu_cuda_matrix *to;
        mu_layer_slot weights[PARTS_MAX], biases[PARTS_MAX];
        uint32_t n_parts;
    } matrices[] = {
        {&layer->qkv, {MU_Q_W, MU_K_W, MU_V_W}, {MU_Q_B, MU_K_B, MU_V_B}, 3},
        {&layer->o, {MU_O_W}, {MU_O_B}, 1},
        {&layer->up, {MU_UP_W}, {MU_UP_B}, 1},
        {&layer->down, {MU_DOWN_W}, {MU_DOWN_B}, 1},
    };
    mu_status status = MU_OK;
    for (size_t i = 0; i < MU_COUNTOF(vectors) && status == MU_OK; i++) {
        status = fill_vector(f, vectors[i].d_to, w[vectors[i].slot]);
    }
    for (size_t i = 0; i < MU_COUNTOF(matrices) && status == MU_OK; i++) {
        const mu_weight *weights[PARTS_MAX], *biases[PARTS_MAX];
        for (uint32_t part = 0; part < matrices[i].n_parts; part++) {
            weights[part] = w[matrices[i].weights[part]];
            biases[part] = w[matrices[i].biases[part]];
        }
        status = fill_matrix(f, matrices[i].to, weights, biases, matrices[i].n_parts);
    }
    return status;
}

static mu_status fill_all(const filler *f, const mu_model *model) {
    const mu_cuda_weights *w = &f->b->weights;
    mu_status status = MU_OK;
    for (uint32_t i = 0; i < f->b->spec.n_layers && status == MU_OK; i++) {
        status = fill_layer(f, model, i);
    }
    const mu_weight *output = mu_model_weight(model, MU_OUTPUT);
    const mu_weight *embed = mu_model_weight(model, MU_EMBED);
    if (status == MU_OK)
        status = fill_vector(f, w->d_positions, mu_model_weight(model, MU_POSITIONS));
    if (status == MU_OK)
        status = fill_vector(f, w->d_out_norm_w, mu_model_weight(model, MU_OUT_NORM_W));
    if (status == MU_OK)
        status = fill_vector(f, w->d_out_norm_b, mu_model_weight(model, MU_OUT_NORM_B));
    if (status == MU_OK) status = fill_matrix(f, &w->output, &output, NULL, 1);
    if (status == MU_OK && !f->b->spec.is_tied) {
        status = fill_matrix(f, &w->embed, &embed, NULL, 1);
    }
    return status;
}

static mu_status open_filler(filler *f, uint32_t n_threads) {
    const mu_decoder_spec *spec = &f->b->spec;
    uint32_t widest = mu_decoder_row_max(spec);
    mu_status status = mu_pool_open(n_threads, &f->pool, f->err);
    if (status != MU_OK) return status;
    n_threads = mu_pool_n_threads(f->pool);
    f->scratch = MU_ALLOC(float *, n_threads);
    bool is_whole = f->scratch != NULL;
    for (uint32_t i = 0; i < n_threads && is_whole; i++) {
        f->scratch[i] = MU_ALLOC(float, (size_t)MU_CUDA_OUT_BLOCK *widest);
        is_whole = f->scratch[i] != NULL;
    }
    if (!is_whole) return mu_fail(f->err, MU_ERR_NOMEM, "packing weights");
    void *staging = NULL;
    status = f->b->api->staging_open(f->b->stream, staging_bytes, &staging, f->err);
    f->staging = staging;
    return status;
}

static void close_filler(filler *f) {
    if (f->staging) f->b->api->staging_close(f->b->stream, f->staging);
    for (uint32_t i = 0; f->scratch && i < mu_pool_n_threads(f->pool); i++) {
        mu_free(f->scratch[i]);
    }
    mu_free(f->scratch);
    mu_pool_close(f->pool);
}

mu_status mu_cuda_weights_fill(mu_cuda_backend *b, const mu_model *model, mu_err *err) {
    filler f = {.b = b, .err = err};
    mu_status status = open_filler(&f, mu_cpu_threads(b->options.n_threads));
    if (status == MU_OK) status = fill_all(&f, model);
    close_filler(&f);
    if (status == MU_OK) mu_model_drop_pages(model);
    return status;
}
