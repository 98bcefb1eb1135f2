#include "server/embedding.h"

#include <nettle/base64.h>
#include <string.h>

#include "base/alloc.h"
#include "server/params.h"
#include "server/prompts.h"
#include "server/vector_answer.h"

enum {
    TEXTS_MAX = 2048, /* of a body, as OpenAI has it */
    VALUE_BYTES = 16, /* of a number in JSON, with its comma */
    DIMENSIONS_MAX = 1 << 16,
};

typedef struct embedding_params {
    const char *model, *encoding_format;
    json_t *input, *prompt; /* of Ollama's older form */
    bool truncate;
    uint32_t dimensions;             /* 0: the model's */
    uint32_t truncate_prompt_tokens; /* 0: none; UINT32_MAX: what the model takes */
} embedding_params;

#define AT(member) offsetof(embedding_params, member)
static const mu_param openai_rows[] = {
    {"model", MU_PARAM_TEXT, AT(model), 0, 0, "the only one", "which of the served models"},
    {"input", MU_PARAM_JSON, AT(input), 0, 0, "", "a text, token ids, or a list of either"},
    {"encoding_format", MU_PARAM_TEXT, AT(encoding_format), 0, 0, "float",
     "`float` or `base64`: f32, little-endian"},
    {"dimensions", MU_PARAM_U32, AT(dimensions), 0, DIMENSIONS_MAX, "all",
     "the first so many, of length 1 again: for models that are trained for it"},
    {"truncate_prompt_tokens", MU_PARAM_U32, AT(truncate_prompt_tokens), -1, 1 << 24, "none",
     "longer texts are cut to so many tokens, -1: to what the model takes; else they are a 400"},
    {"user", MU_PARAM_IGNORED, 0, 0, 0, "", ""},
    {"add_special_tokens", MU_PARAM_IGNORED, 0, 0, 0, "", ""},
};
static const mu_param ollama_rows[] = {
    {"model", MU_PARAM_TEXT, AT(model), 0, 0, "", ""},
    {"input", MU_PARAM_JSON, AT(input), 0, 0, "", ""},
    {"prompt", MU_PARAM_JSON, AT(prompt), 0, 0, "", ""},
    {"truncate", MU_PARAM_BOOL, AT(truncate), 0, 0, "true", ""},
    {"dimensions", MU_PARAM_U32, AT(dimensions), 0, DIMENSIONS_MAX, "all", ""},
    {"options", MU_PARAM_IGNORED, 0, 0, 0, "", ""},
    {"keep_alive", MU_PARAM_IGNORED, 0, 0, 0, "", ""},
};
#undef AT
static const mu_param_table openai_table = {openai_rows, MU_COUNTOF(openai_rows), NULL};
static const mu_param_table ollama_table = {ollama_rows, MU_COUNTOF(ollama_rows), NULL};

typedef struct embedding_form {
    mu_vector_form base; /* first: the answer's pointer is ours */
    const mu_param_table *table;
    const char *field; /* of the texts, for errors */
    uint32_t n_max;    /* texts */
    bool truncates;    /* where the body is silent */
} embedding_form;

typedef struct embedding {
    mu_vector_answer base; /* first: the server's pointer is ours */
    bool is_base64;
    uint32_t n_dims;
    float *vector; /* [n_dims] */
} embedding;

static const embedding_form *form_of(const embedding *e) {
    return (const embedding_form *)e->base.form;
}

/* Answers */

/* Of text i as it was asked for. */
static const float *vector_of(const embedding *e, uint32_t i) {
    uint32_t n_all;
    mu_embedding_shorten(mu_vector_values(&e->base, i, &n_all), e->n_dims, e->vector);
    return e->vector;
}

static void append_list(const embedding *e, uint32_t i, mu_buf *out) {
    mu_buf_append_str(out, "[");
    mu_buf_append_f32s(out, vector_of(e, i), e->n_dims);
    mu_buf_append_str(out, "]");
}

static void append_base64(const embedding *e, uint32_t i, mu_buf *out) {
    const float *x = vector_of(e, i);
    size_t n = e->n_dims * sizeof(*x), n_text = BASE64_ENCODE_RAW_LENGTH(n);
    char *text = MU_ALLOC(char, n_text);
    out->failed |= !text;
    if (!text) return;
    base64_encode_raw(text, n, (const uint8_t *)x);
    mu_buf_append_str(out, "\"");
    mu_buf_append(out, text, n_text);
    mu_buf_append_str(out, "\"");
    mu_free(text);
}

static void write_openai(const mu_vector_answer *p, mu_buf *out) {
    const embedding *e = (const embedding *)p;
    mu_buf_append_str(out, "{\"object\":\"list\",\"data\":[");
    for (uint32_t i = 0; i < e->base.n_texts; i++) {
        mu_buf_printf(
            out, "%s{\"object\":\"embedding\",\"index\":%u,\"embedding\":", i > 0 ? "," : "", i);
        (e->is_base64 ? append_base64 : append_list)(e, i, out);
        mu_buf_append_str(out, "}");
    }
    mu_buf_append_str(out, "],\"model\":");
    mu_vector_append_text(e->base.model, strlen(e->base.model), out);
    mu_buf_printf(out, ",\"usage\":{\"prompt_tokens\":%u,\"total_tokens\":%u}}", e->base.n_tokens,
                  e->base.n_tokens);
}

static uint64_t ns(uint64_t from_ns, uint64_t to_ns) {
    return from_ns > 0 && to_ns > from_ns ? to_ns - from_ns : 0;
}

static void write_ollama(const mu_vector_answer *p, mu_buf *out) {
    const embedding *e = (const embedding *)p;
    mu_request_facts f = mu_request_get_facts(e->base.request);
    mu_buf_append_str(out, "{\"model\":");
    mu_vector_append_text(e->base.model, strlen(e->base.model), out);
    mu_buf_append_str(out, ",\"embeddings\":[");
    for (uint32_t i = 0; i < e->base.n_texts; i++) {
        if (i > 0) mu_buf_append_str(out, ",");
        append_list(e, i, out);
    }
    mu_buf_printf(out, "],\"total_duration\":%llu,\"load_duration\":%llu,\"prompt_eval_count\":%u}",
                  (unsigned long long)ns(f.submitted_ns, f.end_ns),
                  (unsigned long long)ns(f.submitted_ns, f.started_ns), e->base.n_tokens);
}

static void write_ollama_one(const mu_vector_answer *p, mu_buf *out) {
    const embedding *e = (const embedding *)p;
    mu_buf_append_str(out, "{\"embedding\":");
    append_list(e, 0, out);
    mu_buf_append_str(out, "}");
}

/* Requests */

static bool choose_model(embedding *e, const embedding_params *p, mu_api_error *error) {
    if (!mu_vector_choose_model(&e->base, p->model, error)) return false;
    const mu_decoder_spec *spec = mu_model_spec(e->base.answer.call->served->model);
    if (spec->n_labels > 0) {
        return mu_api_fail(error, MU_API_INVALID_VALUE, "model",
                           "model: \"%.120s\" scores pairs of texts, it gives no embeddings",
                           e->base.model);
    }
    if (p->dimensions > spec->hidden_dim) {
        return mu_api_fail(error, MU_API_INVALID_VALUE, "dimensions",
                           "dimensions: %u, the model has %u", p->dimensions, spec->hidden_dim);
    }
    e->n_dims = p->dimensions > 0 ? p->dimensions : spec->hidden_dim;
    e->vector = MU_ALLOC(float, e->n_dims);
    return e->vector || mu_api_no_memory(error);
}

static bool read_format(const embedding_params *p, bool *out_is_base64, mu_api_error *error) {
    const char *format = p->encoding_format ? p->encoding_format : "float";
    *out_is_base64 = strcmp(format, "base64") == 0;
    return *out_is_base64 || strcmp(format, "float") == 0 ||
           mu_api_wrong(error, "encoding_format", "must be float or base64");
}

static bool submit(embedding *e, const mu_prompt *texts, uint32_t n, mu_api_error *error) {
    mu_seq_options *options = MU_ALLOC(mu_seq_options, n);
    if (!options) return mu_api_no_memory(error);
    for (uint32_t i = 0; i < n; i++) {
        options[i] = (mu_seq_options){.prompt = texts[i].tokens, .n_prompt = texts[i].n};
    }
    e->base.answer_bytes = (uint64_t)n * e->n_dims * VALUE_BYTES;
    bool ok = mu_vector_submit(&e->base, options, n, form_of(e)->field, error);
    mu_free(options);
    return ok;
}

static bool embed(embedding *e, const embedding_params *p, mu_api_error *error) {
    mu_call *call = e->base.answer.call;
    mu_prompt *texts = NULL;
    uint32_t n_texts = 0;
    json_t *input = p->input ? p->input : p->prompt;
    if (!choose_model(e, p, error) || !read_format(p, &e->is_base64, error)) return false;
    if (!input) return mu_api_wrong(error, form_of(e)->field, "must be a text or a list of texts");
    uint32_t n_ctx = mu_engine_n_ctx(call->served->engine), n_max = p->truncate_prompt_tokens;
    if (p->truncate || n_max > n_ctx) n_max = n_ctx;
    const mu_prompt_rules rules = {.field = form_of(e)->field,
                                   .n_max = form_of(e)->n_max,
                                   .encode_flags = MU_ENCODE_WHOLE,
                                   .n_tokens_max = n_max,
                                   .is_any_length = true};
    if (!mu_prompts_read(call, &rules, input, &texts, &n_texts, error)) return false;
    bool ok = submit(e, texts, n_texts, error);
    mu_prompts_free(texts, n_texts);
    return ok;
}

static void close_embedding(mu_vector_answer *p) {
    mu_free(((embedding *)p)->vector);
}

static bool read_body(mu_vector_answer *p, json_t *body, mu_buf *unknown, mu_api_error *error) {
    embedding *e = (embedding *)p;
    embedding_params params = {.truncate = form_of(e)->truncates};
    return mu_params_read(form_of(e)->table, body, &params, unknown, error) &&
           embed(e, &params, error);
}

#define FORM(writer) \
    { read_body, writer, close_embedding }
static const embedding_form openai_form = {FORM(write_openai), &openai_table, "input", TEXTS_MAX,
                                           false};
static const embedding_form ollama_form = {FORM(write_ollama), &ollama_table, "input", TEXTS_MAX,
                                           true};
static const embedding_form ollama_one_form = {FORM(write_ollama_one), &ollama_table, "prompt", 1,
                                               true};
#undef FORM

void mu_embedding_post_openai(mu_call *call) {
    mu_vector_start(call, &openai_form.base, sizeof(embedding));
}

void mu_embedding_post_ollama(mu_call *call) {
    mu_vector_start(call, &ollama_form.base, sizeof(embedding));
}

void mu_embedding_post_ollama_one(mu_call *call) {
    mu_vector_start(call, &ollama_one_form.base, sizeof(embedding));
}

bool mu_embedding_check_body(json_t *body, mu_api_error *error) {
    embedding_params params = {0};
    mu_buf unknown = {0};
    bool is_base64, ok = mu_params_read(&openai_table, body, &params, &unknown, error) &&
                         read_format(&params, &is_base64, error);
    mu_buf_deinit(&unknown);
    return ok;
}

void mu_embedding_params_document(mu_buf *out) {
    mu_params_document(&openai_table, out);
}
