#include "server/embedding.h"

#include <math.h>
#include <nettle/base64.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "server/params.h"
#include "server/prompts.h"

enum {
    TEXTS_MAX = 2048, /* of a body, as OpenAI has it */
    VALUE_BYTES = 16, /* of a number in JSON, with its comma */
    LONG_BYTES = 1 << 18,
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

typedef struct embedding embedding;

/* How an API asks and shows. */
typedef struct embedding_form {
    const mu_param_table *table;
    const char *field; /* of the texts, for errors */
    uint32_t n_max;    /* texts */
    bool truncates;    /* where the body is silent */
    void (*write)(const embedding *e, mu_buf *out);
} embedding_form;

struct embedding {
    mu_answer answer; /* first: the server's pointer is ours */
    const embedding_form *form;
    char model[256]; /* the name it was asked under */
    bool is_base64;
    uint32_t n_dims, n_texts, n_tokens;
    mu_request *request;
    mu_request_news *news; /* [n_texts] */
    float *vector;         /* [n_dims] */
};

static bool no_memory(mu_api_error *error) {
    return mu_api_fail(error, MU_API_OVERLOADED, NULL, "out of memory");
}

/* Answers */

/* Of text i as it was asked for. */
static const float *vector_of(const embedding *e, uint32_t i) {
    const float *all = (const float *)(const void *)e->news[i].embedding.data;
    mu_embedding_shorten(all, e->n_dims, e->vector);
    return e->vector;
}

static void append_list(const embedding *e, uint32_t i, mu_buf *out) {
    const float *x = vector_of(e, i);
    for (uint32_t d = 0; d < e->n_dims; d++) {
        char value[32];
        int n = snprintf(value, sizeof(value), "%c%.9g", d > 0 ? ',' : '[', (double)x[d]);
        mu_buf_append(out, value, (size_t)n);
    }
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

/* A name as JSON text. */
static void append_name(const char *name, mu_buf *out) {
    json_t *json = json_string(name);
    char *text = json ? json_dumps(json, JSON_ENCODE_ANY) : NULL;
    json_decref(json);
    if (text) mu_buf_append_str(out, text);
    out->failed |= !text;
    mu_free(text);
}

static void write_openai(const embedding *e, mu_buf *out) {
    mu_buf_append_str(out, "{\"object\":\"list\",\"data\":[");
    for (uint32_t i = 0; i < e->n_texts; i++) {
        mu_buf_printf(
            out, "%s{\"object\":\"embedding\",\"index\":%u,\"embedding\":", i > 0 ? "," : "", i);
        (e->is_base64 ? append_base64 : append_list)(e, i, out);
        mu_buf_append_str(out, "}");
    }
    mu_buf_append_str(out, "],\"model\":");
    append_name(e->model, out);
    mu_buf_printf(out, ",\"usage\":{\"prompt_tokens\":%u,\"total_tokens\":%u}}", e->n_tokens,
                  e->n_tokens);
}

static uint64_t ns(uint64_t from_ns, uint64_t to_ns) {
    return from_ns > 0 && to_ns > from_ns ? to_ns - from_ns : 0;
}

static void write_ollama(const embedding *e, mu_buf *out) {
    mu_request_facts f = mu_request_get_facts(e->request);
    mu_buf_append_str(out, "{\"model\":");
    append_name(e->model, out);
    mu_buf_append_str(out, ",\"embeddings\":[");
    for (uint32_t i = 0; i < e->n_texts; i++) {
        if (i > 0) mu_buf_append_str(out, ",");
        append_list(e, i, out);
    }
    mu_buf_printf(out, "],\"total_duration\":%llu,\"load_duration\":%llu,\"prompt_eval_count\":%u}",
                  (unsigned long long)ns(f.submitted_ns, f.end_ns),
                  (unsigned long long)ns(f.submitted_ns, f.started_ns), e->n_tokens);
}

static void write_ollama_one(const embedding *e, mu_buf *out) {
    mu_buf_append_str(out, "{\"embedding\":");
    append_list(e, 0, out);
    mu_buf_append_str(out, "}");
}

static bool find_error(const embedding *e, mu_api_error *error) {
    for (uint32_t i = 0; i < e->n_texts; i++) {
        if (e->news[i].finish == MU_FINISH_STOP) continue;
        if (e->news[i].finish == MU_FINISH_ERROR) {
            mu_api_fail_status(error, &e->news[i].err);
        } else {
            mu_api_fail(error, MU_API_DRAINING, NULL, "the server is stopping");
        }
        return true;
    }
    return false;
}

static void resume(mu_answer *answer) {
    embedding *e = (embedding *)answer;
    mu_call *call = answer->call;
    mu_api_error error;
    mu_buf text = {0};
    if (!mu_request_get_facts(e->request).is_done) return;
    for (uint32_t i = 0; i < e->n_texts; i++) {
        mu_request_take(e->request, i, &e->news[i]);
    }
    uint64_t bytes = (uint64_t)e->n_texts * e->n_dims * VALUE_BYTES;
    if (find_error(e, &error) || !mu_call_charge(call, bytes, &error)) {
        mu_call_fail(call, &error);
        return;
    }
    e->form->write(e, &text);
    mu_call_text(call, "application/json", &text);
    mu_buf_deinit(&text);
}

static json_t *log_fields(const mu_answer *answer, bool is_whole) {
    const embedding *e = (const embedding *)answer;
    if (!e->request) return NULL;
    mu_request_facts f = mu_request_get_facts(e->request);
    return json_pack("{s:s, s:i, s:i, s:f, s:s}", "model", e->model, "texts", (int)e->n_texts,
                     "prompt_tokens", (int)e->n_tokens, "queue_ms",
                     (double)ns(f.submitted_ns, f.started_ns) / 1e6, "finish",
                     is_whole ? "stop" : "client_closed");
}

static void cancel(mu_answer *answer) {
    const embedding *e = (const embedding *)answer;
    if (e->request) mu_request_cancel(e->request);
}

static void close_embedding(mu_answer *answer) {
    embedding *e = (embedding *)answer;
    mu_request_free(e->request);
    for (uint32_t i = 0; i < e->n_texts && e->news; i++) {
        mu_request_news_deinit(&e->news[i]);
    }
    mu_free(e->news);
    mu_free(e->vector);
    mu_free(e);
}

static const mu_answer_kind kind = {
    .resume = resume, .cancel = cancel, .close = close_embedding, .log = log_fields};

/* Requests */

static bool choose_model(embedding *e, const embedding_params *p, mu_api_error *error) {
    mu_call *call = e->answer.call;
    if (!mu_call_choose_model(call, p->model, error)) return false;
    const mu_served *served = call->served;
    uint32_t n_dims = mu_model_spec(served->model)->hidden_dim;
    snprintf(e->model, sizeof(e->model), "%s",
             p->model && p->model[0] ? p->model : served->of.names[0]);
    if (mu_model_pooling(served->model) == MU_POOLING_NONE) {
        return mu_api_fail(error, MU_API_INVALID_VALUE, "model",
                           "model: \"%.120s\" generates text, it gives no embeddings", e->model);
    }
    if (p->dimensions > n_dims) {
        return mu_api_fail(error, MU_API_INVALID_VALUE, "dimensions",
                           "dimensions: %u, the model has %u", p->dimensions, n_dims);
    }
    e->n_dims = p->dimensions > 0 ? p->dimensions : n_dims;
    return true;
}

static bool read_format(const embedding_params *p, bool *out_is_base64, mu_api_error *error) {
    const char *format = p->encoding_format ? p->encoding_format : "float";
    *out_is_base64 = strcmp(format, "base64") == 0;
    return *out_is_base64 || strcmp(format, "float") == 0 ||
           mu_api_wrong(error, "encoding_format", "must be float or base64");
}

static bool check_tokens(const embedding *e, const mu_prompt *text, mu_api_error *error) {
    uint32_t vocab_size = mu_model_spec(e->answer.call->served->model)->vocab_size;
    if (text->n == 0) return mu_api_wrong(error, e->form->field, "a text without tokens");
    for (uint32_t i = 0; i < text->n; i++) {
        if ((uint32_t)text->tokens[i] < vocab_size) continue;
        return mu_api_fail(error, MU_API_INVALID_VALUE, e->form->field,
                           "%s: token %d is not in [0, %u]", e->form->field, (int)text->tokens[i],
                           vocab_size - 1);
    }
    return true;
}

/* In words that clients of OpenAI look for. */
static bool check_texts(const embedding *e, const mu_prompt *texts, mu_api_error *error) {
    uint32_t n_ctx = mu_engine_n_ctx(e->answer.call->served->engine);
    for (uint32_t i = 0; i < e->n_texts; i++) {
        if (!check_tokens(e, &texts[i], error)) return false;
        if (texts[i].n <= n_ctx) continue;
        return mu_api_fail(error, MU_API_CONTEXT_LENGTH, e->form->field,
                           "This model's maximum context length is %u tokens. However, you "
                           "requested %u tokens in text %u of the input",
                           n_ctx, texts[i].n, i);
    }
    return true;
}

static bool charge(embedding *e, mu_api_error *error) {
    enum { SEQ_BYTES = 4096 };
    uint32_t hidden_dim = mu_model_spec(e->answer.call->served->model)->hidden_dim;
    uint64_t values = (uint64_t)e->n_texts * hidden_dim;
    if (values * VALUE_BYTES > LONG_BYTES) mu_exchange_set_long(e->answer.call->x);
    return mu_call_charge(e->answer.call,
                          e->n_texts * (uint64_t)SEQ_BYTES + 2 * values * sizeof(float) +
                              e->n_tokens * 2 * sizeof(mu_token),
                          error);
}

static void on_news(void *ctx) {
    mu_exchange_wake(ctx);
}

static bool submit(embedding *e, const mu_prompt *texts, mu_api_error *error) {
    mu_call *call = e->answer.call;
    mu_err err;
    mu_request_seq *seqs = MU_ALLOC(mu_request_seq, e->n_texts);
    e->news = MU_ALLOC(mu_request_news, e->n_texts);
    e->vector = MU_ALLOC(float, e->n_dims);
    if (!seqs || !e->news || !e->vector) {
        mu_free(seqs);
        return no_memory(error);
    }
    for (uint32_t i = 0; i < e->n_texts; i++) {
        seqs[i] = (mu_request_seq){.options = {.prompt = texts[i].tokens,
                                               .n_prompt = texts[i].n,
                                               .sampling = mu_sampling_default()},
                                   .follows = i};
    }
    const mu_request_options options = {
        .seqs = seqs,
        .n_seqs = e->n_texts,
        .client = mu_exchange_client(call->x),
        .notify = on_news,
        .ctx = call->x,
    };
    mu_status status = mu_resident_submit(call->served->of.resident, &options, &e->request, &err);
    mu_free(seqs);
    return status == MU_OK || mu_api_fail_status(error, &err);
}

static bool embed(embedding *e, const embedding_params *p, mu_api_error *error) {
    mu_call *call = e->answer.call;
    mu_prompt *texts = NULL;
    json_t *input = p->input ? p->input : p->prompt;
    if (!choose_model(e, p, error) || !read_format(p, &e->is_base64, error)) return false;
    if (!input) return mu_api_wrong(error, e->form->field, "must be a text or a list of texts");
    uint32_t n_ctx = mu_engine_n_ctx(call->served->engine), n_max = p->truncate_prompt_tokens;
    if (p->truncate || n_max > n_ctx) n_max = n_ctx;
    const mu_prompt_rules rules = {.field = e->form->field,
                                   .n_max = e->form->n_max,
                                   .encode_flags = MU_ENCODE_WHOLE,
                                   .n_tokens_max = n_max,
                                   .is_any_length = true};
    if (!mu_prompts_read(call, &rules, input, &texts, &e->n_texts, error)) return false;
    for (uint32_t i = 0; i < e->n_texts; i++) {
        e->n_tokens += texts[i].n;
    }
    uint32_t n_texts = e->n_texts;
    bool ok = check_texts(e, texts, error) && charge(e, error) && submit(e, texts, error);
    mu_prompts_free(texts, n_texts);
    return ok;
}

static void start(mu_call *call, const embedding_form *form) {
    json_t *body;
    mu_api_error error = {0};
    mu_buf unknown = {0};
    if (!mu_call_body(call, &body)) return;
    embedding *e = mu_alloc(sizeof(*e));
    embedding_params params = {.truncate = form->truncates};
    bool ok = e || no_memory(&error);
    if (ok) {
        e->answer = (mu_answer){.kind = &kind, .call = call};
        e->form = form;
        call->answer = &e->answer;
        ok = mu_params_read(form->table, body, &params, &unknown, &error) &&
             embed(e, &params, &error);
    }
    mu_call_body_free(call, body);
    mu_call_report_unknown(call, &unknown);
    mu_buf_deinit(&unknown);
    if (!ok) mu_call_fail(call, &error);
}

void mu_embedding_post_openai(mu_call *call) {
    static const embedding_form form = {&openai_table, "input", TEXTS_MAX, false, write_openai};
    start(call, &form);
}

void mu_embedding_post_ollama(mu_call *call) {
    static const embedding_form form = {&ollama_table, "input", TEXTS_MAX, true, write_ollama};
    start(call, &form);
}

void mu_embedding_post_ollama_one(mu_call *call) {
    static const embedding_form form = {&ollama_table, "prompt", 1, true, write_ollama_one};
    start(call, &form);
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
