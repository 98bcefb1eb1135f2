/* Each kernel alone, on one thread, over the shapes that a decoder gives it. A call is repeated
 * until it has run for a while; the fastest batch of calls counts.
 */
#include <stdio.h>
#include <string.h>

#include "backend/cpu/packed.h"
#include "backend/machine.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/rng.h"

enum { N_BATCHES = 5, HEAD_POSITIONS = 512 };
static const double batch_seconds = 0.004;

typedef struct rate_bench {
    mu_kernels kernels;
    const mu_decoder_spec *spec;
    uint32_t n_rows;
    bool (*each)(void *ctx, const mu_kernel_rate *rate);
    void *ctx;
    float *x, *y;    /* [n_rows, widest] */
    uint8_t *panels; /* the largest matrix in the widest form, or K or V of a head */
    uint8_t *acts;   /* [n_rows] packed rows */
    float *source;   /* a panel as f32 and as blocks */
    size_t act_bytes;
} rate_bench;

typedef struct kernel_call {
    void (*run)(const rate_bench *b, const struct kernel_call *call);
    const mu_matmul *matmul;
    const mu_kv_kernels *kv;
    uint32_t n_in, n_out;
    void (*map)(float *x, size_t n);
} kernel_call;

static double fastest(const rate_bench *b, const kernel_call *call) {
    double best = 0.0;
    uint32_t n_calls = 1;
    for (int i = 0; i < N_BATCHES;) {
        uint64_t start = mu_now_ns();
        for (uint32_t c = 0; c < n_calls; c++) {
            call->run(b, call);
        }
        double seconds = (double)(mu_now_ns() - start) * 1e-9;
        if (seconds < batch_seconds && n_calls < 1u << 24) {
            n_calls *= 2;
            continue;
        }
        if (i == 0 || seconds / n_calls < best) best = seconds / n_calls;
        i++;
    }
    return best;
}

static void run_matmul(const rate_bench *b, const kernel_call *call) {
    static const float bias[MU_PANEL];
    size_t panel_bytes = call->matmul->panel_bytes(call->n_in);
    for (uint32_t panel = 0; panel < mu_panels_of(call->n_out); panel++) {
        call->matmul->run(&(mu_matmul_args){
            .panel = b->panels + panel * panel_bytes,
            .acts = b->acts,
            .act_bytes = b->act_bytes,
            .n_rows = b->n_rows,
            .n_in = call->n_in,
            .bias = bias,
            .y = b->y,
            .y_stride = MU_PANEL,
        });
    }
}

static void run_pack_acts(const rate_bench *b, const kernel_call *call) {
    for (uint32_t r = 0; r < b->n_rows; r++) {
        b->kernels.acts[call->matmul->acts].pack(b->acts + r * b->act_bytes,
                                                 b->x + (size_t)r * call->n_in, call->n_in);
    }
}

static void run_attention(const rate_bench *b, const kernel_call *call, bool is_values) {
    const uint8_t *groups[HEAD_POSITIONS / MU_KV_GROUP];
    size_t group_bytes = (size_t)call->n_out * MU_KV_GROUP * sizeof(float);
    for (uint32_t g = 0; g < call->n_in / MU_KV_GROUP; g++) {
        groups[g] = b->panels + g * group_bytes;
    }
    mu_attention_args args = {
        .groups = groups,
        .n_positions = call->n_in,
        .head_dim = call->n_out,
        .n_rows = b->n_rows < MU_KV_GROUP ? b->n_rows : MU_KV_GROUP,
        .x = b->x,
        .x_stride = is_values ? call->n_in : call->n_out,
        .y = b->y,
        .y_stride = is_values ? call->n_out : call->n_in,
        .scale = 0.125f,
    };
    (is_values ? call->kv->values : call->kv->scores)(&args);
}

static void run_scores(const rate_bench *b, const kernel_call *call) {
    run_attention(b, call, false);
}

static void run_values(const rate_bench *b, const kernel_call *call) {
    run_attention(b, call, true);
}

static void run_map(const rate_bench *b, const kernel_call *call) {
    memcpy(b->y, b->x, (size_t)b->n_rows * call->n_in * sizeof(float));
    call->map(b->y, (size_t)b->n_rows * call->n_in);
}

static void run_multiply(const rate_bench *b, const kernel_call *call) {
    memcpy(b->y, b->x, (size_t)b->n_rows * call->n_in * sizeof(float));
    b->kernels.multiply(b->y, b->x, (size_t)b->n_rows * call->n_in);
}

static void run_layer_norm(const rate_bench *b, const kernel_call *call) {
    for (uint32_t r = 0; r < b->n_rows; r++) {
        size_t at = (size_t)r * call->n_in;
        b->kernels.layer_norm(b->y + at, b->x + at, b->x, b->x, call->n_in, 1e-5f);
    }
}

static void run_rms_norm(const rate_bench *b, const kernel_call *call) {
    for (uint32_t r = 0; r < b->n_rows; r++) {
        size_t at = (size_t)r * call->n_in;
        b->kernels.rms_norm(b->y + at, b->x + at, b->x, call->n_in, 1e-5f);
    }
}

/* One head a row, all of it turned. Any values do for cosines and sines. */
static void run_rotate(const rate_bench *b, const kernel_call *call) {
    memcpy(b->y, b->x, (size_t)b->n_rows * call->n_in * sizeof(float));
    for (uint32_t r = 0; r < b->n_rows; r++) {
        b->kernels.rotate(b->y + (size_t)r * call->n_in, b->x, call->n_in / 2);
    }
}

static void run_softmax(const rate_bench *b, const kernel_call *call) {
    memcpy(b->y, b->x, (size_t)b->n_rows * call->n_in * sizeof(float));
    for (uint32_t r = 0; r < b->n_rows; r++) {
        b->kernels.softmax(b->y + (size_t)r * call->n_in, call->n_in, call->n_in);
    }
}

static bool report(const rate_bench *b, const char *name, const kernel_call *call, double ops,
                   double bytes, mu_dtype peak) {
    mu_kernel_rate rate = {
        .isa = b->kernels.isa,
        .n_rows = b->n_rows,
        .n_in = call->n_in,
        .n_out = call->n_out,
        .seconds = fastest(b, call),
        .ops = ops,
        .bytes = bytes,
        .peak = peak,
    };
    snprintf(rate.kernel, sizeof(rate.kernel), "%s", name);
    return b->each(b->ctx, &rate);
}

/* Random weights of a matrix, packed. */
static void fill_panels(const rate_bench *b, const mu_matmul *matmul, uint32_t n_in,
                        uint32_t n_panels) {
    mu_rng rng = {7};
    size_t n_groups = (n_in + MU_QUANT_GROUP - 1) / MU_QUANT_GROUP;
    size_t n = n_groups * MU_QUANT_GROUP * MU_PANEL;
    for (size_t i = 0; i < n; i++) {
        b->source[i] = (float)mu_rng_f64(&rng) - 0.5f;
    }
    void *from = b->source;
    if (matmul->source != MU_F32) {
        from = b->source + n;
        mu_quantize(matmul->source, b->source, n, from);
    }
    for (uint32_t panel = 0; panel < n_panels; panel++) {
        matmul->pack_panel(b->panels + panel * matmul->panel_bytes(n_in), from, n_in);
    }
}

/* Shapes of the matrices of a layer of the first kind, each once: [n_in, n_out]. */
static uint32_t shapes_of(const mu_decoder_spec *spec, uint32_t out[MU_LAYER_MATRICES_MAX][2]) {
    mu_matrix matrices[MU_LAYER_MATRICES_MAX];
    uint32_t n_matrices = mu_layer_matrices(spec, 0, matrices), n = 0;
    for (uint32_t i = 0; i < n_matrices; i++) {
        bool is_known = false;
        for (uint32_t k = 0; k < n; k++) {
            is_known |= out[k][0] == matrices[i].n_in && out[k][1] == matrices[i].n_out;
        }
        if (is_known) continue;
        out[n][0] = matrices[i].n_in;
        out[n++][1] = matrices[i].n_out;
    }
    return n;
}

static bool measure_type(rate_bench *b, mu_dtype type) {
    char name[2][24];
    const mu_matmul *matmul = &b->kernels.matmul[type];
    const mu_act_packing *packing = &b->kernels.acts[matmul->acts];
    uint32_t shapes[MU_LAYER_MATRICES_MAX][2], n_shapes = shapes_of(b->spec, shapes);
    snprintf(name[0], sizeof(name[0]), "matmul %s", mu_weight_type_name(type));
    snprintf(name[1], sizeof(name[1]), "pack_acts %s", mu_weight_type_name(type));
    for (uint32_t i = 0; i < n_shapes; i++) {
        kernel_call call = {.matmul = matmul, .n_in = shapes[i][0], .n_out = shapes[i][1]};
        double rows = b->n_rows, n_in = call.n_in, n_out = call.n_out;
        uint32_t n_panels = mu_panels_of(call.n_out);
        b->act_bytes = (packing->bytes(call.n_in) / 64 | 1) * 64;
        call.run = run_pack_acts;
        double packed = rows * (double)packing->bytes(call.n_in);
        bool is_new = i == 0 || shapes[i - 1][0] != call.n_in;
        if (is_new && !report(b, name[1], &call, 0.0, rows * n_in * 4 + packed, MU_F32)) {
            return false;
        }
        fill_panels(b, matmul, call.n_in, n_panels);
        call.run = run_matmul;
        double bytes =
            (double)matmul->panel_bytes(call.n_in) * n_panels + packed + rows * n_out * 4;
        if (!report(b, name[0], &call, 2 * rows * n_in * n_out, bytes, type)) return false;
    }
    return true;
}

static bool measure_attention(rate_bench *b, int form) {
    static const char *const names[MU_N_KV_FORMS][2] = {
        {"scores f32", "values f32"}, {"scores bf16", "values bf16"}, {"scores f16", "values f16"}};
    uint32_t rows = b->n_rows < MU_KV_GROUP ? b->n_rows : MU_KV_GROUP;
    for (int is_values = 0; is_values < 2; is_values++) {
        kernel_call call = {.run = is_values ? run_values : run_scores,
                            .kv = &b->kernels.kv[form],
                            .n_in = HEAD_POSITIONS,
                            .n_out = b->spec->kinds[0].head_dim};
        double elem_bytes = form == MU_KV_F32 ? 4 : 2, n = (double)call.n_in * call.n_out;
        if (!report(b, names[form][is_values], &call, 2.0 * rows * n, n * elem_bytes, MU_F32)) {
            return false;
        }
    }
    return true;
}

static bool measure_maps(rate_bench *b) {
    static const char *const names[MU_N_ACTIVATIONS] = {[MU_ACTIVATION_GELU_TANH] = "gelu_tanh",
                                                        [MU_ACTIVATION_GELU_ERF] = "gelu_erf",
                                                        [MU_ACTIVATION_RELU] = "relu",
                                                        [MU_ACTIVATION_SILU] = "silu"};
    const struct {
        const char *name;
        void (*run)(const rate_bench *b, const kernel_call *call);
        uint32_t n_in;
        double elem_bytes; /* moved for each element of a row */
    } rows[] = {{"layer_norm", run_layer_norm, b->spec->hidden_dim, 8},
                {"rms_norm", run_rms_norm, b->spec->hidden_dim, 8},
                {"rotate", run_rotate, b->spec->kinds[0].head_dim, 8},
                {"softmax", run_softmax, HEAD_POSITIONS, 8},
                {"multiply", run_multiply, b->spec->kinds[0].ffn_dim, 12}};
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        kernel_call call = {.run = rows[i].run, .n_in = rows[i].n_in};
        double bytes = rows[i].elem_bytes * b->n_rows * rows[i].n_in;
        if (!report(b, rows[i].name, &call, 0.0, bytes, MU_F32)) return false;
    }
    for (int i = 0; i < MU_N_ACTIVATIONS; i++) {
        kernel_call map = {
            .run = run_map, .n_in = b->spec->kinds[0].ffn_dim, .map = b->kernels.activation[i]};
        double bytes = 8.0 * b->n_rows * b->spec->kinds[0].ffn_dim;
        if (!report(b, names[i], &map, 0.0, bytes, MU_F32)) return false;
    }
    return true;
}

static bool measure_all(rate_bench *b) {
    for (uint32_t i = 0; i < MU_N_WEIGHT_TYPES; i++) {
        if (!measure_type(b, mu_weight_type_at(i))) return false;
    }
    mu_rng rng = {11};
    for (size_t i = 0; i < (size_t)2 * HEAD_POSITIONS * b->spec->kinds[0].head_dim; i++) {
        ((uint16_t *)(void *)b->panels)[i] = (uint16_t)(0x3800 + mu_rng_below(&rng, 0x400));
    }
    for (int form = 0; form < MU_N_KV_FORMS; form++) {
        if (!measure_attention(b, form)) return false;
    }
    return measure_maps(b);
}

mu_status mu_kernel_rates_measure(const mu_decoder_spec *spec, const mu_cpu_level *level,
                                  uint32_t n_rows,
                                  bool (*each)(void *ctx, const mu_kernel_rate *rate), void *ctx,
                                  mu_err *err) {
    uint32_t widest = mu_decoder_row_max(spec), head_dim = spec->kinds[0].head_dim;
    size_t n_values = (size_t)n_rows * (widest > HEAD_POSITIONS ? widest : HEAD_POSITIONS);
    size_t n_scores = (size_t)MU_KV_GROUP * (HEAD_POSITIONS + head_dim);
    if (n_values < n_scores) n_values = n_scores;
    size_t matrix = (size_t)mu_panels_of(widest) * MU_PANEL * (widest + MU_QUANT_GROUP) * 4;
    size_t head = (size_t)2 * HEAD_POSITIONS * head_dim * sizeof(float);
    rate_bench b = {
        .kernels = mu_kernels_get(level),
        .spec = spec,
        .n_rows = n_rows,
        .each = each,
        .ctx = ctx,
        .x = MU_ALLOC(float, n_values),
        .y = MU_ALLOC(float, n_values + MU_PANEL * n_rows),
        .panels = mu_alloc_aligned(matrix > head ? matrix : head, 64),
        .acts = mu_alloc_aligned((size_t)n_rows * (4 * (size_t)widest + 256), 64),
        .source = MU_ALLOC(float, mu_packed_scratch_floats(widest)),
    };
    mu_status status = MU_OK;
    if (!b.x || !b.y || !b.panels || !b.acts || !b.source) {
        status = mu_fail(err, MU_ERR_NOMEM, "kernels");
    }
    mu_rng rng = {3};
    for (size_t i = 0; i < n_values && status == MU_OK; i++) {
        b.x[i] = (float)mu_rng_f64(&rng) - 0.5f;
    }
    if (status == MU_OK && !measure_all(&b)) status = mu_fail(err, MU_ERR_CANCELED, "interrupted");
    mu_free(b.x), mu_free(b.y), mu_free(b.panels), mu_free(b.acts), mu_free(b.source);
    return status;
}
