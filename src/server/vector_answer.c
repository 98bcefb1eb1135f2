#include "server/vector_answer.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

enum { LONG_BYTES = 1 << 18 }; /* an answer for a worker */

void mu_vector_append_text(const char *text, size_t n, mu_buf *out) {
    json_t *json = json_stringn(text, n);
    char *quoted = json ? json_dumps(json, JSON_ENCODE_ANY) : NULL;
    json_decref(json);
    if (quoted) mu_buf_append_str(out, quoted);
    out->failed |= !quoted;
    mu_free(quoted);
}

const float *mu_vector_values(const mu_vector_answer *p, uint32_t i, uint32_t *out_n) {
    *out_n = (uint32_t)(p->news[i].embedding.n / sizeof(float));
    return (const float *)(const void *)p->news[i].embedding.data;
}

static void resume(mu_answer *answer) {
    mu_vector_answer *p = (mu_vector_answer *)answer;
    mu_call *call = answer->call;
    mu_api_error error;
    mu_buf text = {0};
    if (!mu_request_get_facts(p->request).is_done) return;
    for (uint32_t i = 0; i < p->n_texts; i++) {
        mu_request_take(p->request, i, &p->news[i]);
    }
    if (mu_news_find_error(p->news, p->n_texts, &error) ||
        !mu_call_charge(call, p->answer_bytes, &error)) {
        mu_call_fail(call, &error);
        return;
    }
    p->form->write(p, &text);
    mu_call_text(call, "application/json", &text);
    mu_buf_deinit(&text);
}

static json_t *log_fields(const mu_answer *answer, bool is_whole) {
    const mu_vector_answer *p = (const mu_vector_answer *)answer;
    if (!p->request) return NULL;
    mu_request_facts f = mu_request_get_facts(p->request);
    uint64_t queue_ns = f.started_ns > f.submitted_ns ? f.started_ns - f.submitted_ns : 0;
    return json_pack("{s:s, s:i, s:i, s:f, s:s}", "model", p->model, "texts", (int)p->n_texts,
                     "prompt_tokens", (int)p->n_tokens, "queue_ms", (double)queue_ns / 1e6,
                     "finish", is_whole ? "stop" : "client_closed");
}

static void cancel(mu_answer *answer) {
    const mu_vector_answer *p = (const mu_vector_answer *)answer;
    if (p->request) mu_request_cancel(p->request);
}

static void close_answer(mu_answer *answer) {
    mu_vector_answer *p = (mu_vector_answer *)answer;
    mu_request_free(p->request);
    for (uint32_t i = 0; i < p->n_texts && p->news; i++) {
        mu_request_news_deinit(&p->news[i]);
    }
    p->form->close(p);
    mu_free(p->news);
    mu_free(p);
}

static const mu_answer_kind kind = {
    .resume = resume, .cancel = cancel, .close = close_answer, .log = log_fields};

void mu_vector_start(mu_call *call, const mu_vector_form *form, size_t size) {
    json_t *body;
    mu_api_error error = {0};
    mu_buf unknown = {0};
    if (!mu_call_body(call, &body)) return;
    mu_vector_answer *p = mu_alloc(size);
    bool ok = p || mu_api_no_memory(&error);
    if (ok) {
        p->answer = (mu_answer){.kind = &kind, .call = call};
        p->form = form;
        call->answer = &p->answer;
        ok = form->read(p, body, &unknown, &error);
    }
    mu_call_body_free(call, body);
    mu_call_report_unknown(call, &unknown);
    mu_buf_deinit(&unknown);
    if (!ok) mu_call_fail(call, &error);
}

bool mu_vector_choose_model(mu_vector_answer *p, const char *name, mu_api_error *error) {
    mu_call *call = p->answer.call;
    if (!mu_call_choose_model(call, name, error)) return false;
    snprintf(p->model, sizeof(p->model), "%s", name && name[0] ? name : call->served->of.names[0]);
    if (mu_model_pooling(call->served->model) != MU_POOLING_NONE) return true;
    return mu_api_fail(error, MU_API_INVALID_VALUE, "model",
                       "model: \"%.120s\" generates text, it gives no embeddings", p->model);
}

static bool check_tokens(const mu_vector_answer *p, const mu_seq_options *text, const char *field,
                         mu_api_error *error) {
    uint32_t vocab_size = mu_model_spec(p->answer.call->served->model)->vocab_size;
    if (text->n_prompt == 0) return mu_api_wrong(error, field, "a text without tokens");
    for (uint32_t i = 0; i < text->n_prompt; i++) {
        if ((uint32_t)text->prompt[i] < vocab_size) continue;
        return mu_api_fail(error, MU_API_INVALID_VALUE, field, "%s: token %d is not in [0, %u]",
                           field, (int)text->prompt[i], vocab_size - 1);
    }
    return true;
}

/* In words that clients of OpenAI look for. */
static bool check_texts(const mu_vector_answer *p, const mu_seq_options *texts, uint32_t n_texts,
                        const char *field, mu_api_error *error) {
    uint32_t n_ctx = mu_engine_n_ctx(p->answer.call->served->engine);
    for (uint32_t i = 0; i < n_texts; i++) {
        if (!check_tokens(p, &texts[i], field, error)) return false;
        if (texts[i].n_prompt <= n_ctx) continue;
        return mu_api_fail(error, MU_API_CONTEXT_LENGTH, field,
                           "This model's maximum context length is %u tokens. However, you "
                           "requested %u tokens in text %u of the input",
                           n_ctx, texts[i].n_prompt, i);
    }
    return true;
}

static bool charge(mu_vector_answer *p, mu_api_error *error) {
    enum { SEQ_BYTES = 4096 };
    mu_call *call = p->answer.call;
    uint64_t vectors =
        (uint64_t)p->n_texts * mu_model_spec(call->served->model)->hidden_dim * sizeof(float);
    if (p->answer_bytes > LONG_BYTES) mu_exchange_set_long(call->x);
    return mu_call_charge(
        call, p->n_texts * (uint64_t)SEQ_BYTES + 2 * vectors + p->n_tokens * 2 * sizeof(mu_token),
        error);
}

static void on_news(void *ctx) {
    mu_exchange_wake(ctx);
}

bool mu_vector_submit(mu_vector_answer *p, const mu_seq_options *texts, uint32_t n_texts,
                      const char *field, mu_api_error *error) {
    mu_call *call = p->answer.call;
    mu_err err;
    if (!check_texts(p, texts, n_texts, field, error)) return false;
    mu_request_seq *seqs = MU_ALLOC(mu_request_seq, n_texts);
    p->news = MU_ALLOC(mu_request_news, n_texts);
    if (!seqs || !p->news) {
        mu_free(seqs);
        return mu_api_no_memory(error);
    }
    p->n_texts = n_texts;
    for (uint32_t i = 0; i < n_texts; i++) {
        seqs[i] = (mu_request_seq){.options = texts[i], .follows = i};
        seqs[i].options.sampling = mu_sampling_default();
        p->n_tokens += texts[i].n_prompt;
    }
    const mu_request_options options = {
        .seqs = seqs,
        .n_seqs = n_texts,
        .client = mu_exchange_client(call->x),
        .notify = on_news,
        .ctx = call->x,
    };
    bool ok = charge(p, error);
    mu_status status = MU_OK;
    if (ok) status = mu_resident_submit(call->served->of.resident, &options, &p->request, &err);
    mu_free(seqs);
    return ok && (status == MU_OK || mu_api_fail_status(error, &err));
}
