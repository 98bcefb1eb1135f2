/* Texts in, vectors out. Texts are given to the engine as fast as it takes them, so that short ones
 * share steps; vectors are written in the order of the texts.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/options.h"

enum { PROGRESS_EVERY = 64, N_SEQS_MAX = 64, NPY_ALIGNMENT = 64 };

typedef struct embed_options {
    const char *model, *file, *format, *prefix, *device, *dtype;
    uint32_t threads, ctx, dimensions;
    bool truncate;
} embed_options;

typedef struct text {
    const char *data; /* borrowed, [n] */
    size_t n;
} text;

typedef struct embedding_run {
    const embed_options *o;
    mu_model *model;
    mu_engine *engine;
    mu_encoder *encoder;
    float *vector;   /* [n_dims], owned */
    uint32_t n_dims; /* that are written */
    mu_buf input, prefixed, line;
    text *texts;   /* [n_texts], owned */
    mu_seq **seqs; /* [n_texts]: those on their way, owned */
    size_t n_texts, n_given, n_written;
    bool is_npy;
} embedding_run;

static mu_status out_of_memory(mu_err *err) {
    return mu_fail(err, MU_ERR_NOMEM, "out of memory");
}

/* A line is a text; an empty one, too, but for what follows the last line feed. */
static mu_status split_lines(embedding_run *r, mu_err *err) {
    const char *data = r->input.data ? r->input.data : "", *end = data + r->input.n;
    size_t n = 1;
    for (const char *c = data; c < end; c++) {
        n += *c == '\n';
    }
    r->texts = MU_ALLOC(text, n);
    if (!r->texts) return out_of_memory(err);
    while (data < end) {
        const char *feed = memchr(data, '\n', (size_t)(end - data));
        const char *stop = feed ? feed : end;
        size_t length = (size_t)(stop - data);
        if (length > 0 && stop[-1] == '\r') length--;
        r->texts[r->n_texts++] = (text){data, length};
        data = feed ? feed + 1 : end;
    }
    return MU_OK;
}

static mu_status read_texts(embedding_run *r, const char *argument, mu_err *err) {
    if (argument && strcmp(argument, "-") != 0) {
        r->texts = MU_ALLOC(text, 1);
        if (!r->texts) return out_of_memory(err);
        r->texts[r->n_texts++] = (text){argument, strlen(argument)};
        return MU_OK;
    }
    mu_status status = mu_read_all(r->o->file ? r->o->file : "-", &r->input, err);
    return status == MU_OK ? split_lines(r, err) : status;
}

static mu_status open_engine(embedding_run *r, const mu_ref *ref, mu_err *err) {
    mu_engine_options e = mu_engine_options_default();
    const mu_placement_options where = {.device = r->o->device, .dtype = r->o->dtype, .kv = "auto"};
    mu_placement placement;
    uint32_t hidden_dim = mu_model_spec(r->model)->hidden_dim;
    if (mu_model_pooling(r->model) == MU_POOLING_NONE) {
        return mu_fail(err, MU_ERR_UNSUPPORTED,
                       "%s generates text, it gives no embeddings; name an embedding model",
                       mu_model_name(r->model));
    }
    if (mu_model_spec(r->model)->n_labels > 0) {
        return mu_fail(err, MU_ERR_UNSUPPORTED, "%s scores pairs of texts, it gives no embeddings",
                       mu_model_name(r->model));
    }
    if (r->o->dimensions > hidden_dim) {
        return mu_fail(err, MU_ERR_INVALID, "--dimensions: %u, %s has %u", r->o->dimensions,
                       mu_model_name(r->model), hidden_dim);
    }
    r->n_dims = r->o->dimensions > 0 ? r->o->dimensions : hidden_dim;
    e.n_seqs_max = N_SEQS_MAX;
    e.n_threads = r->o->threads;
    e.n_ctx = r->o->ctx;
    mu_status status = mu_settle_placement(r->model, ref, &where, &placement, err);
    if (status != MU_OK) return status;
    mu_placement_apply(&placement, &e);
    status = mu_engine_open(r->model, &e, &r->engine, err);
    return status == MU_OK ? mu_encoder_open(mu_model_tokenizer(r->model), &r->encoder, err)
                           : status;
}

/* The tokens of text i: owned by the encoder. */
static mu_status encode(embedding_run *r, size_t i, const mu_token **out, size_t *out_n,
                        mu_err *err) {
    text t = r->texts[i];
    if (r->o->prefix) {
        mu_buf_clear(&r->prefixed);
        mu_buf_append_str(&r->prefixed, r->o->prefix);
        mu_buf_append(&r->prefixed, t.data, t.n);
        if (r->prefixed.failed) return out_of_memory(err);
        t = (text){r->prefixed.data, r->prefixed.n};
    }
    return mu_encode(r->encoder, t.data, t.n, MU_ENCODE_WHOLE, out, out_n, err);
}

static mu_status give(embedding_run *r, mu_err *err) {
    const mu_token *tokens;
    size_t n, i = r->n_given;
    uint32_t n_ctx = mu_engine_n_ctx(r->engine);
    mu_token *cut = NULL;
    mu_err why;
    mu_status status = encode(r, i, &tokens, &n, err);
    if (status != MU_OK) return status;
    if (n > n_ctx && r->o->truncate) {
        cut = MU_ALLOC(mu_token, n_ctx);
        if (!cut) return out_of_memory(err);
        mu_tokenizer_cut(mu_model_tokenizer(r->model), tokens, n, n_ctx, cut);
        tokens = cut;
        n = n_ctx;
    }
    const mu_seq_options options = {.prompt = tokens,
                                    .n_prompt = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX,
                                    .sampling = mu_sampling_default()};
    if (n > n_ctx) {
        status = mu_fail(err, MU_ERR_LIMIT,
                         "text %zu: %zu tokens, the context is %u; --truncate leaves the rest out",
                         i + 1, n, n_ctx);
    } else {
        status = mu_engine_submit(r->engine, &options, &r->seqs[i], &why);
        if (status != MU_OK && status != MU_ERR_BUSY) {
            mu_fail(err, status, "text %zu: %s", i + 1, why.text);
        }
    }
    mu_free(cut);
    if (status == MU_OK) r->n_given++;
    return status;
}

static mu_status write_one(embedding_run *r, mu_seq *seq, mu_err *err) {
    uint32_t n_all;
    const float *x = mu_seq_embedding(seq, &n_all);
    if (!x) {
        const mu_err *why = mu_seq_error(seq);
        return mu_fail(err, MU_ERR_DEVICE, "text %zu: %s", r->n_written + 1,
                       why ? why->text : "not computed");
    }
    mu_embedding_shorten(x, r->n_dims, r->vector);
    mu_buf_clear(&r->line);
    if (r->is_npy) {
        mu_buf_append(&r->line, r->vector, r->n_dims * sizeof(*r->vector));
    } else {
        mu_buf_printf(&r->line, "{\"index\":%zu,\"tokens\":%u,\"embedding\":[", r->n_written,
                      mu_seq_n_prompt(seq));
        mu_buf_append_f32s(&r->line, r->vector, r->n_dims);
        mu_buf_append_str(&r->line, "]}\n");
    }
    if (r->line.failed) return out_of_memory(err);
    if (fwrite(r->line.data, 1, r->line.n, stdout) != r->line.n) {
        return mu_fail(err, MU_ERR_IO, "standard output: %s", strerror(errno));
    }
    return MU_OK;
}

static mu_status write_finished(embedding_run *r, mu_err *err) {
    mu_status status = MU_OK;
    while (status == MU_OK && r->n_written < r->n_given) {
        mu_seq *seq = r->seqs[r->n_written];
        if (mu_seq_get_state(seq) != MU_SEQ_FINISHED) break;
        status = write_one(r, seq, err);
        mu_seq_free(seq);
        r->seqs[r->n_written++] = NULL;
        if (status == MU_OK && isatty(STDERR_FILENO) && r->n_texts > PROGRESS_EVERY &&
            r->n_written % PROGRESS_EVERY == 0) {
            mu_show_progress(NULL, (uint32_t)r->n_written, (uint32_t)r->n_texts, "texts");
        }
    }
    return status;
}

/* NumPy's format 1.0: a header of whole lines of memory, then rows. */
static mu_status write_npy_header(const embedding_run *r, mu_err *err) {
    char header[256];
    int n = snprintf(header, sizeof(header),
                     "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %u), }", r->n_texts,
                     r->n_dims);
    int total = (10 + n + 1 + NPY_ALIGNMENT - 1) / NPY_ALIGNMENT * NPY_ALIGNMENT - 10;
    const unsigned char magic[10] = {0x93,
                                     'N',
                                     'U',
                                     'M',
                                     'P',
                                     'Y',
                                     1,
                                     0,
                                     (unsigned char)(total & 0xFF),
                                     (unsigned char)(total >> 8)};
    bool is_whole = fwrite(magic, 1, sizeof(magic), stdout) == sizeof(magic) &&
                    printf("%-*s\n", total - 1, header) == total;
    return is_whole ? MU_OK : mu_fail(err, MU_ERR_IO, "standard output: %s", strerror(errno));
}

static mu_status embed_all(embedding_run *r, mu_err *err) {
    mu_status status = MU_OK;
    r->seqs = mu_alloc_array(r->n_texts + 1, sizeof(*r->seqs));
    r->vector = MU_ALLOC(float, r->n_dims);
    if (!r->seqs || !r->vector) return out_of_memory(err);
    if (r->is_npy) status = write_npy_header(r, err);
    while (status == MU_OK && r->n_written < r->n_texts) {
        mu_step_report report;
        if (mu_is_interrupted()) return mu_fail(err, MU_ERR_CANCELED, "interrupted");
        while (status == MU_OK && r->n_given < r->n_texts &&
               r->n_given < r->n_written + 2 * N_SEQS_MAX) {
            status = give(r, err);
        }
        if (status == MU_ERR_BUSY) status = MU_OK;
        if (status == MU_OK) status = mu_engine_step(r->engine, &report, err);
        if (status == MU_OK) status = write_finished(r, err);
    }
    if (status == MU_OK && fflush(stdout) != 0) {
        status = mu_fail(err, MU_ERR_IO, "standard output: %s", strerror(errno));
    }
    return status;
}

static void close_run(embedding_run *r) {
    for (size_t i = r->n_written; r->seqs && i < r->n_given; i++) {
        mu_seq_free(r->seqs[i]);
    }
    mu_encoder_close(r->encoder);
    mu_engine_close(r->engine);
    mu_model_close(r->model);
    mu_buf_deinit(&r->input);
    mu_buf_deinit(&r->prefixed);
    mu_buf_deinit(&r->line);
    mu_free(r->texts);
    mu_free(r->seqs);
    mu_free(r->vector);
}

static int embed(const embed_options *o, const char *reference, const char *argument) {
    embedding_run r = {.o = o, .is_npy = strcmp(o->format, "npy") == 0};
    mu_ref ref;
    mu_err err;
    mu_interrupts_install();
    mu_status status = mu_open_model(reference, &ref, &r.model, &err);
    if (status == MU_OK) status = open_engine(&r, &ref, &err);
    if (status == MU_OK) status = read_texts(&r, argument, &err);
    if (status == MU_OK) status = embed_all(&r, &err);
    if (isatty(STDERR_FILENO)) mu_clear_progress();
    close_run(&r);
    if (status == MU_ERR_CANCELED) return MU_EXIT_INTERRUPTED;
    return status == MU_OK ? MU_EXIT_OK : mu_report("embed", &err);
}

int mu_cmd_embed(int argc, char **argv) {
    embed_options o = {.format = "json", .device = "cpu", .dtype = "auto"};
    const mu_option options[] = {
        MU_MODEL_OPTION(&o.model),
        {"file", 'f', MU_OPTION_TEXT, &o.file, 0, 0, "FILE", "texts, one a line; - is stdin"},
        {"format", 0, MU_OPTION_TEXT, &o.format, 0, 0, "json|npy",
         "a JSON object a line, or one NumPy array [texts, dimensions] of f32"},
        {"dimensions", 0, MU_OPTION_U32, &o.dimensions, 0, 1 << 16, "N",
         "the first N of each vector (of models trained for it); 0: all"},
        {"prefix", 0, MU_OPTION_TEXT, &o.prefix, 0, 0, "TEXT",
         "in front of each text, as the model wants it: \"search_query: \""},
        {"truncate", 0, MU_OPTION_FLAG, &o.truncate, 0, 0, NULL,
         "leave out what does not fit the context"},
        {"dtype", 0, MU_OPTION_TEXT, &o.dtype, 0, 0, "TYPE",
         "weights as f32, bf16, q8, q4, q6_k, q4_k, or as the file has them: auto"},
        MU_DEVICE_OPTION(&o.device),
        {"threads", 't', MU_OPTION_U32, &o.threads, 0, 1024, "N", "0: all that may be used"},
        {"ctx", 0, MU_OPTION_U32, &o.ctx, 0, 1 << 20, "N",
         "tokens of the longest text; 0: the model's"},
    };
    const mu_command_line line = {
        .command = "embed",
        .usage = "[MODEL [TEXT]]",
        .about =
            "Print the embeddings of texts: vectors of length 1, whose products say how alike\n"
            "the texts are. Without TEXT, each line of --file or of standard input is one.",
        .examples =
            "  muai embed sentence-transformers/all-MiniLM-L6-v2 \"a cat on a mat\"\n"
            "  muai embed ./nomic-embed-text.gguf --prefix \"search_document: \" < lines.txt\n"
            "  muai embed -m ./bge-small --format npy -f lines.txt > vectors.npy\n",
        .options = options,
        .n_options = MU_COUNTOF(options),
        .n_positional_max = 2,
    };
    const char *positional[2] = {NULL, NULL};
    uint32_t n_positional;
    int code;
    if (!mu_options_start(&line, argc, argv, positional, &n_positional, &code)) return code;
    const char *reference = mu_take_model(&line, o.model, 0, positional, &n_positional);
    if (!reference) return MU_EXIT_USAGE;
    if (strcmp(o.format, "json") != 0 && strcmp(o.format, "npy") != 0) {
        fprintf(stderr, "muai embed: --format: \"%.40s\" is neither json nor npy\n", o.format);
        return MU_EXIT_USAGE;
    }
    return embed(&o, reference, n_positional > 0 ? positional[0] : NULL);
}
