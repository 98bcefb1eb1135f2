#include "model/export.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "format/gguf_writer.h"
#include "model/family.h"

enum { ROWS = 32, BLOCK_MAX = 256 };

/* Weights that share a tensor follow each other: Q, K and V. */
typedef struct export_tensor {
    char name[64];
    const mu_weight *parts[MU_SLOT_PARTS_MAX];
    uint32_t n_parts;
    mu_dtype dtype;
    uint32_t interleaved_dim; /* as in mu_weight, of the file that is written */
} export_tensor;

typedef struct exporter {
    const mu_model *model;
    const mu_export_options *options;
    mu_gguf_writer *writer;
    export_tensor *tensors; /* [n_tensors] */
    uint32_t n_tensors;
    float *factors; /* [n_factors] of rotary frequencies, which no tensor of the model holds */
    uint32_t n_factors;
    float *panel;  /* [widest, ROWS], also rows as f32 */
    uint8_t *rows; /* [ROWS] rows of blocks */
    mu_export_report *report;
    mu_err *err;
} exporter;

/* Rows that are not whole blocks of the type wanted: Q8_0, and f32 where not even that fits. */
static mu_dtype type_of(mu_dtype wanted, uint32_t n_in) {
    if (n_in % mu_dtype_get(wanted)->block_elems == 0) return wanted;
    return n_in % mu_dtype_get(MU_Q8_0)->block_elems == 0 ? MU_Q8_0 : MU_F32;
}

/* general.file_type, as GGUF numbers what most matrices are. */
static uint32_t file_type(mu_dtype dtype) {
    static const uint32_t types[MU_N_DTYPES] = {
        [MU_Q4_0] = 2, [MU_Q8_0] = 7, [MU_Q4_K] = 14, [MU_Q6_K] = 18};
    return types[dtype];
}

/* interleaved_dim: of the rows as they are written. */
static void add_weight(exporter *e, const char *name, const mu_weight *w, bool may_quantize,
                       uint32_t interleaved_dim) {
    if (w->n_out == 0) return;
    export_tensor *last = e->n_tensors > 0 ? &e->tensors[e->n_tensors - 1] : NULL;
    if (last && strcmp(last->name, name) == 0) {
        last->parts[last->n_parts++] = w;
        return;
    }
    export_tensor *t = &e->tensors[e->n_tensors++];
    *t = (export_tensor){.parts = {w}, .n_parts = 1, .interleaved_dim = interleaved_dim};
    t->dtype = may_quantize ? type_of(e->options->dtype, w->n_in) : MU_F32;
    snprintf(t->name, sizeof(t->name), "%s", name);
}

static void list_layer(exporter *e, uint32_t layer) {
    const mu_family *family = mu_model_family(e->model);
    uint32_t head_dim = mu_layer_kind_of(mu_model_spec(e->model), layer)->head_dim;
    char name[64];
    /* weights before biases: the parts of a tensor must be neighbours */
    for (int is_vector = 0; is_vector < 2; is_vector++) {
        for (int slot = 0; slot < MU_N_LAYER_SLOTS; slot++) {
            const mu_weight *w = mu_model_layer_weight(e->model, layer, (mu_layer_slot)slot);
            if ((w->n_in == 1) != is_vector) continue;
            bool is_interleaved = family->is_interleaved && family->layer_slots[slot].is_turned;
            mu_family_layer_name(family, (mu_layer_slot)slot, layer, name, sizeof(name));
            add_weight(e, name, w, true, is_interleaved ? head_dim : 0);
        }
    }
}

static void list_tensors(exporter *e) {
    const mu_decoder_spec *spec = mu_model_spec(e->model);
    char name[64];
    for (int slot = 0; slot < MU_N_MODEL_SLOTS; slot++) {
        if (slot == MU_OUTPUT && spec->is_tied) continue;
        mu_family_model_name(mu_model_family(e->model), (mu_model_slot)slot, name, sizeof(name));
        add_weight(e, name, mu_model_weight(e->model, (mu_model_slot)slot), slot != MU_POSITIONS,
                   0);
    }
    for (uint32_t layer = 0; layer < spec->n_layers; layer++) {
        list_layer(e, layer);
    }
}

/* Scaling as llama3 does it is a tensor in GGUF files. */
static bool make_factors(exporter *e) {
    const mu_rope *rope = &mu_model_spec(e->model)->kinds[0].rope;
    if (rope->scaling != MU_ROPE_LLAMA3) return true;
    e->n_factors = rope->n_dims / 2;
    e->factors = MU_ALLOC(float, e->n_factors);
    if (e->factors) mu_rope_factors(rope, e->factors);
    return e->factors != NULL;
}

static void declare(exporter *e) {
    mu_gguf_writer *w = e->writer;
    mu_family_declare(mu_model_family(e->model), mu_model_spec(e->model), w);
    mu_pooling pooling = mu_model_pooling(e->model);
    if (pooling != MU_POOLING_NONE) {
        char key[128];
        snprintf(key, sizeof(key), "%s.pooling_type", mu_model_architecture(e->model));
        mu_gguf_writer_u32(w, key, mu_pooling_gguf(pooling));
    }
    const char *slash = strrchr(mu_model_name(e->model), '/'); /* a path is nobody's business */
    mu_gguf_writer_string(w, "general.name", slash ? slash + 1 : mu_model_name(e->model));
    mu_gguf_writer_u32(w, "general.quantization_version", 2);
    mu_gguf_writer_u32(w, "general.file_type", file_type(e->options->dtype));
    for (uint32_t i = 0; i < e->n_tensors; i++) {
        const export_tensor *t = &e->tensors[i];
        uint64_t n_out = 0;
        for (uint32_t part = 0; part < t->n_parts; part++) {
            n_out += t->parts[part]->n_out;
        }
        mu_gguf_writer_tensor(w, t->name, t->dtype, n_out, t->parts[0]->n_in);
        e->report->n_quantized += t->dtype != MU_F32;
    }
    if (e->factors) mu_gguf_writer_tensor(w, "rope_freqs.weight", MU_F32, e->n_factors, 1);
}

/* n neighbouring outputs from first on, n <= ROWS. */
static mu_status write_outputs(exporter *e, const mu_weight *w, mu_dtype dtype, uint32_t first,
                               uint32_t n) {
    const void *data = e->panel;
    uint64_t bytes = 0;
    bool is_whole = mu_dtype_bytes(dtype, (uint64_t)n * w->n_in, &bytes);
    MU_ASSERT(is_whole);
    if (dtype == MU_F32) {
        mu_weight_read_rows(w, first, n, e->panel);
    } else {
        mu_weight_read_blocks(w, dtype, first, n, e->panel, e->rows);
        data = e->rows;
    }
    e->report->bytes += bytes;
    return mu_gguf_writer_data(e->writer, data, (size_t)bytes, e->err);
}

/* n rows of the file from first on. */
static mu_status write_rows(exporter *e, const export_tensor *t, const mu_weight *w, uint32_t first,
                            uint32_t n) {
    mu_status status = MU_OK;
    if (t->interleaved_dim == 0) return write_outputs(e, w, t->dtype, first, n);
    for (uint32_t row = first; row < first + n && status == MU_OK; row++) {
        status = write_outputs(e, w, t->dtype, mu_interleaved_output(t->interleaved_dim, row), 1);
    }
    return status;
}

static mu_status write_tensor(exporter *e, const export_tensor *t) {
    for (uint32_t part = 0; part < t->n_parts; part++) {
        const mu_weight *w = t->parts[part];
        for (uint32_t row = 0; row < w->n_out; row += ROWS) {
            uint32_t left = w->n_out - row;
            if (e->options->is_canceled && e->options->is_canceled()) {
                return mu_fail(e->err, MU_ERR_CANCELED, "interrupted, nothing written");
            }
            mu_status status = write_rows(e, t, w, row, left < ROWS ? left : ROWS);
            if (status != MU_OK) return status;
        }
        mu_weight_drop(w, 0, w->n_out);
    }
    return MU_OK;
}

/* A template of the model, where it has one. */
static mu_status write_template(exporter *e, const char *key,
                                mu_status (*read)(const mu_model *, mu_buf *, mu_err *)) {
    mu_buf text = {0};
    mu_status status = read(e->model, &text, e->err);
    if (status == MU_OK && text.n > 0) mu_gguf_writer_text(e->writer, key, text.data, text.n);
    mu_buf_deinit(&text);
    return status;
}

static mu_status write_tokenizer(exporter *e) {
    if (!mu_model_has_own_tokenizer(e->model)) { /* said, or llama.cpp does not load the file */
        mu_gguf_writer_string(e->writer, "tokenizer.ggml.model", "none");
        return MU_OK;
    }
    mu_status status = mu_gguf_writer_tokenizer(e->writer, mu_model_tokenizer(e->model), e->err);
    if (status == MU_OK)
        status = write_template(e, "tokenizer.chat_template", mu_model_chat_template);
    if (status == MU_OK)
        status = write_template(e, "tokenizer.chat_template.tool_use", mu_model_tool_template);
    return status;
}

static mu_status write_all(exporter *e) {
    const mu_export_options *o = e->options;
    list_tensors(e);
    declare(e);
    mu_status status = write_tokenizer(e);
    for (uint32_t i = 0; i < e->n_tensors && status == MU_OK; i++) {
        if (o->progress) o->progress(o->progress_ctx, i, e->n_tensors, e->tensors[i].name);
        status = write_tensor(e, &e->tensors[i]);
    }
    if (status == MU_OK && e->factors) {
        status = mu_gguf_writer_data(e->writer, e->factors, e->n_factors * sizeof(float), e->err);
    }
    e->report->n_tensors = e->n_tensors + (e->factors != NULL);
    return status == MU_OK ? mu_gguf_writer_finish(e->writer, e->err) : status;
}

mu_status mu_model_export_gguf(const mu_model *model, const char *path,
                               const mu_export_options *options, mu_export_report *out,
                               mu_err *err) {
    const mu_decoder_spec *spec = mu_model_spec(model);
    size_t widest = mu_decoder_row_max(spec);
    widest = (widest + BLOCK_MAX - 1) / BLOCK_MAX * BLOCK_MAX;
    *out = (mu_export_report){0};
    if (spec->n_kinds > 1) { /* GGUF's keys for them differ from family to family */
        return mu_fail(err, MU_ERR_UNSUPPORTED,
                       "%s models, with layers of several kinds, are not written yet",
                       mu_model_architecture(model));
    }
    exporter e = {.model = model, .options = options, .report = out, .err = err};
    e.tensors =
        MU_ALLOC(export_tensor, MU_N_MODEL_SLOTS + (size_t)spec->n_layers * MU_N_LAYER_SLOTS);
    e.panel = MU_ALLOC(float, widest *ROWS);
    uint64_t row_bytes; /* Q8_0 takes most */
    bool has_size = mu_dtype_bytes(MU_Q8_0, widest, &row_bytes);
    e.rows = has_size ? mu_alloc(row_bytes * ROWS) : NULL;
    bool is_whole = e.tensors && e.panel && e.rows && make_factors(&e);
    mu_status status = is_whole ? mu_gguf_writer_open(path, &e.writer, err)
                                : mu_fail(err, MU_ERR_NOMEM, "%s", path);
    if (status == MU_OK) status = write_all(&e);
    mu_gguf_writer_close(e.writer);
    mu_free(e.tensors), mu_free(e.panel), mu_free(e.rows), mu_free(e.factors);
    return status;
}
