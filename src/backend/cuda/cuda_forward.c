/* A step: one transfer to the device, the layers, one or a few transfers back.
 *
 *     embed | norm, QKV, store KV | attention | O += | norm, UP, activation | DOWN += | ...
 *           | norm, output | top
 *
 * Steps in which every sequence decodes one token look alike but for what is in the step's buffer:
 * from the second of a size on they are one CUDA graph.
 */
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/cuda_layout.h"

static mu_cuda_norm norm_of(const mu_cuda_backend *b, const float *d_w, const float *d_b) {
    return (mu_cuda_norm){.d_x = b->d.x, .d_w = d_w, .d_b = d_b, .eps = b->spec.norm_eps};
}

/* The product of all rows with a matrix; what becomes of it is for the caller to say. */
static mu_cuda_matmul product_of(const mu_cuda_backend *b, const mu_cuda_matrix *matrix,
                                 void *d_acts, const mu_cuda_norm *norm) {
    return (mu_cuda_matmul){
        .type = b->type,
        .d_weights = matrix->d_weights,
        .d_bias = matrix->d_bias,
        .n_in = matrix->n_in,
        .n_out = matrix->n_out,
        .n_rows = b->batch.n_rows,
        .d_acts = d_acts,
        .norm = norm,
    };
}

static mu_status add_qkv(mu_cuda_backend *b, const mu_cuda_layer *layer, const mu_cuda_kv *kv,
                         mu_err *err) {
    const mu_cuda_norm norm = norm_of(b, layer->d_attn_norm_w, layer->d_attn_norm_b);
    mu_cuda_matmul product = product_of(b, &layer->qkv, b->d.normed, &norm);
    product.output = MU_CUDA_TO_QKV;
    product.d_q = b->d.q;
    product.kv = *kv;
    product.batch = &b->batch;
    return b->api->matmul(b->stream, &product, err);
}

static mu_status add_attention(mu_cuda_backend *b, const mu_cuda_kv *kv, mu_err *err) {
    float scale = b->spec.kinds[0].attn_scale;
    if (b->spec.kinds[0].attn_scale_by_layer) scale /= (float)(kv->layer + 1);
    return b->api->attention(
        b->stream,
        &(mu_cuda_attention){
            .d_q = b->d.q, .kv = *kv, .batch = &b->batch, .scale = scale, .d_acts = b->d.attended},
        err);
}

/* x += acts * matrix */
static mu_status add_residual(mu_cuda_backend *b, const mu_cuda_matrix *matrix, void *d_acts,
                              mu_err *err) {
    mu_cuda_matmul product = product_of(b, matrix, d_acts, NULL);
    product.output = MU_CUDA_TO_RESIDUAL;
    product.d_y = b->d.x;
    return b->api->matmul(b->stream, &product, err);
}

static mu_status add_up(mu_cuda_backend *b, const mu_cuda_layer *layer, mu_err *err) {
    const mu_cuda_norm norm = norm_of(b, layer->d_ffn_norm_w, layer->d_ffn_norm_b);
    mu_cuda_matmul product = product_of(b, &layer->up, b->d.normed, &norm);
    product.output = MU_CUDA_TO_ACTS;
    product.d_y_acts = b->d.ffn;
    product.activation = b->spec.kinds[0].activation;
    return b->api->matmul(b->stream, &product, err);
}

static mu_status add_layer(mu_cuda_backend *b, uint32_t index, mu_err *err) {
    const mu_cuda_layer *layer = &b->weights.layers[index];
    mu_cuda_kv kv = b->kv;
    kv.layer = index;
    mu_status status = add_qkv(b, layer, &kv, err);
    if (status == MU_OK) status = add_attention(b, &kv, err);
    if (status == MU_OK) status = add_residual(b, &layer->o, b->d.attended, err);
    if (status == MU_OK) status = add_up(b, layer, err);
    if (status == MU_OK) status = add_residual(b, &layer->down, b->d.ffn, err);
    return status;
}

/* Logits of the rows that want them, and their best. */
static mu_status add_output(mu_cuda_backend *b, mu_err *err) {
    const mu_cuda_weights *w = &b->weights;
    mu_cuda_norm norm = norm_of(b, w->d_out_norm_w, w->d_out_norm_b);
    norm.d_outs = b->batch.d_outs;
    mu_cuda_matmul product = product_of(b, &w->output, b->d.normed, &norm);
    product.n_rows = b->batch.n_outs;
    product.output = MU_CUDA_TO_LOGITS;
    product.d_y = b->d.logits;
    if (b->batch.n_outs == 0) return MU_OK;
    mu_status status = b->api->matmul(b->stream, &product, err);
    if (status != MU_OK) return status;
    return b->api->top(b->stream,
                       &(mu_cuda_top_args){.d_logits = b->d.logits,
                                           .vocab_size = b->spec.vocab_size,
                                           .batch = &b->batch,
                                           .tops = b->results.tops,
                                           .candidates = b->results.candidates,
                                           .d_parts = b->d.top_parts,
                                           .d_n_done = b->d.n_done},
                       err);
}

static mu_status add_all(mu_cuda_backend *b, mu_err *err) {
    const mu_cuda_embed embed = {.type = b->type,
                                 .d_embed = b->weights.embed.d_weights,
                                 .d_positions = b->weights.d_positions,
                                 .hidden_dim = b->spec.hidden_dim,
                                 .d_x = b->d.x};
    mu_status status = b->api->embed(b->stream, &embed, &b->batch, err);
    for (uint32_t i = 0; i < b->spec.n_layers && status == MU_OK; i++) {
        status = add_layer(b, i, err);
    }
    return status == MU_OK ? add_output(b, err) : status;
}

/* Recording has to be ended whatever happens in it. */
static mu_status record(mu_cuda_backend *b, mu_cuda_graph **out, mu_err *err) {
    mu_cuda_graph *graph = NULL;
    mu_status status = b->api->graph_begin(b->stream, err);
    if (status != MU_OK) return status;
    status = add_all(b, err);
    mu_status ended = b->api->graph_end(b->stream, &graph, status == MU_OK ? err : NULL);
    if (status == MU_OK) status = ended;
    if (status == MU_OK) {
        *out = graph;
    } else if (ended == MU_OK) {
        b->api->graph_close(graph);
    }
    return status;
}

static mu_status run(mu_cuda_backend *b, uint32_t n_segments, mu_err *err) {
    uint32_t n = b->batch.n_rows;
    bool is_decode = n_segments == n && b->batch.n_outs == n;
    if (!is_decode) return add_all(b, err);
    if (!b->is_seen[n]) {
        b->is_seen[n] = true;
        return add_all(b, err);
    }
    mu_status status = b->graphs[n] ? MU_OK : record(b, &b->graphs[n], err);
    return status == MU_OK ? b->api->graph_launch(b->stream, b->graphs[n], err) : status;
}

static mu_status send_step(mu_cuda_backend *b, mu_err *err) {
    const uint8_t *from = (const uint8_t *)b->step.rows;
    const uint8_t *end = (const uint8_t *)(b->step.tables + b->n_tables);
    return b->api->upload(b->stream, b->d.step.rows, from, (size_t)(end - from), err);
}

/* Rows whose logits are wanted whole, in runs. */
static mu_status fetch_logits(mu_cuda_backend *b, mu_err *err) {
    size_t vocab_size = b->spec.vocab_size;
    mu_status status = MU_OK;
    for (uint32_t i = 0, end; i < b->batch.n_outs && status == MU_OK; i = end + 1) {
        for (end = i; end < b->batch.n_outs && b->step.outs[end].n_top == 0; end++) {}
        if (end == i) continue;
        status = b->api->download(b->stream, b->results.logits + i * vocab_size,
                                  b->d.logits + i * vocab_size,
                                  (end - i) * vocab_size * sizeof(float), err);
    }
    return status;
}

static void give_out(mu_cuda_backend *b, mu_step_result *out) {
    uint32_t n = b->batch.n_outs;
    for (uint32_t i = 0; i < n && b->n_candidates > 0; i++) {
        const mu_cuda_top *top = &b->results.tops[i];
        b->tops[i] = (mu_row_top){
            .best = b->results.candidates + b->step.outs[i].first,
            .n = top->n,
            .is_finite = top->is_finite != 0,
            .log_total = top->log_total,
        };
    }
    *out = (mu_step_result){
        .logits = n > 0 ? b->results.logits : NULL,
        .tops = b->n_candidates > 0 ? b->tops : NULL,
    };
}

mu_status mu_cuda_forward(mu_backend *backend, const mu_step *step, mu_step_result *out,
                          mu_err *err) {
    mu_cuda_backend *b = (mu_cuda_backend *)backend;
    mu_cuda_step_make(b, step);
    mu_status status = b->api->use(b->stream, err);
    if (status == MU_OK) status = send_step(b, err);
    if (status == MU_OK) status = run(b, step->n_segments, err);
    if (status == MU_OK) status = fetch_logits(b, err);
    if (status == MU_OK) status = b->api->synchronize(b->stream, err);
    if (status == MU_OK) give_out(b, out);
    return status;
}
