#include "server/rerank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "server/params.h"
#include "server/prompts.h"
#include "server/vector_answer.h"

enum { PAIRS_MAX = 2048, RESULT_BYTES = 96 };

typedef struct rerank_params {
    const char *model;
    json_t *query, *documents; /* of a score: text_1 and text_2 */
    uint32_t top_n;            /* 0: all */
    bool return_documents;
} rerank_params;

#define AT(member) offsetof(rerank_params, member)
static const mu_param rerank_rows[] = {
    {"model", MU_PARAM_TEXT, AT(model), 0, 0, "", ""},
    {"query", MU_PARAM_JSON, AT(query), 0, 0, "", ""},
    {"documents", MU_PARAM_JSON, AT(documents), 0, 0, "", ""},
    {"top_n", MU_PARAM_U32, AT(top_n), 0, PAIRS_MAX, "", ""},
    {"return_documents", MU_PARAM_BOOL, AT(return_documents), 0, 0, "", ""},
    {"max_tokens_per_doc", MU_PARAM_IGNORED, 0, 0, 0, "", ""},
};
static const mu_param score_rows[] = {
    {"model", MU_PARAM_TEXT, AT(model), 0, 0, "", ""},
    {"text_1", MU_PARAM_JSON, AT(query), 0, 0, "", ""},
    {"text_2", MU_PARAM_JSON, AT(documents), 0, 0, "", ""},
};
#undef AT
static const mu_param_table rerank_table = {rerank_rows, MU_COUNTOF(rerank_rows), NULL};
static const mu_param_table score_table = {score_rows, MU_COUNTOF(score_rows), NULL};

typedef struct rerank_form {
    mu_vector_form base; /* first: the answer's pointer is ours */
    const mu_param_table *table;
    const char *first, *second; /* fields */
} rerank_form;

typedef struct result {
    uint32_t index;
    double score;
} result;

typedef struct rerank {
    mu_vector_answer base; /* first: the server's pointer is ours */
    uint32_t n_shown;
    json_t *documents; /* texts to be shown; NULL: they are not */
} rerank;

/* Answers */

static double score_of(const mu_vector_answer *base, uint32_t i) {
    uint32_t n;
    const float *labels = mu_vector_values(base, i, &n);
    return 1.0 / (1.0 + exp(-(double)labels[0]));
}

/* Best first, ties by index. */
static int order(const void *a, const void *b) {
    const result *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static void append_document(const rerank *r, uint32_t index, mu_buf *out) {
    const json_t *document = json_array_get(r->documents, index);
    mu_buf_append_str(out, ",\"document\":{\"text\":");
    mu_vector_append_text(json_string_value(document), json_string_length(document), out);
    mu_buf_append_str(out, "}");
}

static void write_usage(const mu_vector_answer *base, mu_buf *out) {
    mu_buf_append_str(out, "],\"model\":");
    mu_vector_append_text(base->model, strlen(base->model), out);
    mu_buf_printf(out, ",\"usage\":{\"prompt_tokens\":%u,\"total_tokens\":%u}}", base->n_tokens,
                  base->n_tokens);
}

static void write_rerank(const mu_vector_answer *base, mu_buf *out) {
    const rerank *r = (const rerank *)base;
    result *results = MU_ALLOC(result, base->n_texts);
    out->failed |= !results;
    if (!results) return;
    for (uint32_t i = 0; i < base->n_texts; i++) {
        results[i] = (result){i, score_of(base, i)};
    }
    qsort(results, base->n_texts, sizeof(*results), order);
    mu_buf_append_str(out, "{\"results\":[");
    for (uint32_t i = 0; i < r->n_shown; i++) {
        mu_buf_printf(out, "%s{\"index\":%u,\"relevance_score\":%.9g", i > 0 ? "," : "",
                      results[i].index, results[i].score);
        if (r->documents) append_document(r, results[i].index, out);
        mu_buf_append_str(out, "}");
    }
    mu_free(results);
    write_usage(base, out);
}

static void write_score(const mu_vector_answer *base, mu_buf *out) {
    mu_buf_append_str(out, "{\"object\":\"list\",\"data\":[");
    for (uint32_t i = 0; i < base->n_texts; i++) {
        mu_buf_printf(out, "%s{\"index\":%u,\"object\":\"score\",\"score\":%.9g}", i > 0 ? "," : "",
                      i, score_of(base, i));
    }
    write_usage(base, out);
}

/* Requests */

/* A text, or an object with one. */
static const json_t *text_of(const json_t *json) {
    const json_t *text = json_is_object(json) ? json_object_get(json, "text") : json;
    return json_is_string(text) ? text : NULL;
}

/* A text or a list of them. */
static bool check_list(const char *field, const json_t *json, mu_api_error *error) {
    size_t n = json_is_array(json) ? json_array_size(json) : 1;
    if (n == 0 || n > PAIRS_MAX) {
        return mu_api_fail(error, MU_API_INVALID_VALUE, field, "%s: 1 to %d texts", field,
                           PAIRS_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        if (text_of(json_is_array(json) ? json_array_get(json, i) : json)) continue;
        return mu_api_wrong(error, field, "must be a text or a list of texts");
    }
    return true;
}

static bool check_params(const rerank_form *form, const rerank_params *p, mu_api_error *error) {
    if (!check_list(form->first, p->query, error) || !check_list(form->second, p->documents, error))
        return false;
    size_t n_first = json_is_array(p->query) ? json_array_size(p->query) : 1;
    size_t n_second = json_is_array(p->documents) ? json_array_size(p->documents) : 1;
    return n_first == 1 || n_first == n_second ||
           mu_api_wrong(error, form->first, "must be one text, or as many as the other field has");
}

static bool choose_model(rerank *r, const char *name, mu_api_error *error) {
    if (!mu_vector_choose_model(&r->base, name, error)) return false;
    uint32_t n_labels = mu_model_spec(r->base.answer.call->served->model)->n_labels;
    if (n_labels == 1) return true;
    return mu_api_fail(error, MU_API_INVALID_VALUE, "model",
                       n_labels == 0 ? "model: \"%.120s\" gives embeddings, it scores no pairs"
                                     : "model: \"%.120s\" has several labels, not a score",
                       r->base.model);
}

/* The tokens of a pair: the second text follows the first one's end, which RoBERTa, without token
 * types to tell them apart, repeats. The end of what is too long is left out, but not the last
 * tokens. */
static bool join(const rerank *r, const mu_prompt *first, const mu_prompt *second,
                 mu_seq_options *out, mu_api_error *error) {
    const mu_served *served = r->base.answer.call->served;
    const mu_tokenizer *tokenizer = mu_model_tokenizer(served->model);
    uint32_t n_behind = mu_tokenizer_n_behind(tokenizer), n_ctx = mu_engine_n_ctx(served->engine);
    uint32_t n_repeated = mu_model_spec(served->model)->n_token_types > 1 ? 0 : n_behind;
    uint32_t n_before = first->n + n_repeated, n = n_before + second->n;
    mu_token *tokens = MU_ALLOC(mu_token, n);
    MU_ASSERT(first->n >= n_behind && second->n >= n_behind);
    if (!tokens) return mu_api_no_memory(error);
    memcpy(tokens, first->tokens, first->n * sizeof(*tokens));
    memcpy(tokens + first->n, first->tokens + first->n - n_repeated, n_repeated * sizeof(*tokens));
    memcpy(tokens + n_before, second->tokens, second->n * sizeof(*tokens));
    if (n > n_ctx && n_before + n_behind < n_ctx) {
        memmove(tokens + n_ctx - n_behind, tokens + n - n_behind, n_behind * sizeof(*tokens));
        n = n_ctx;
    }
    *out = (mu_seq_options){.prompt = tokens, .n_prompt = n, .n_first = first->n};
    return true;
}

static bool submit(rerank *r, const rerank_form *form, const mu_prompt *first, uint32_t n_first,
                   const mu_prompt *second, uint32_t n, mu_api_error *error) {
    mu_seq_options *pairs = MU_ALLOC(mu_seq_options, n);
    bool ok = pairs || mu_api_no_memory(error);
    for (uint32_t i = 0; ok && i < n; i++) {
        ok = join(r, &first[n_first > 1 ? i : 0], &second[i], &pairs[i], error);
    }
    ok = ok && mu_vector_submit(&r->base, pairs, n, form->second, error);
    for (uint32_t i = 0; pairs && i < n; i++) {
        mu_free((mu_token *)(uintptr_t)pairs[i].prompt);
    }
    mu_free(pairs);
    return ok;
}

/* Documents may be objects; their texts are what is read. */
static json_t *texts_of(const json_t *json) {
    json_t *texts = json_array();
    size_t n = json_is_array(json) ? json_array_size(json) : 1;
    for (size_t i = 0; texts && i < n; i++) {
        const json_t *text = text_of(json_is_array(json) ? json_array_get(json, i) : json);
        json_array_append(texts, (json_t *)(uintptr_t)text);
    }
    return texts;
}

static bool score(rerank *r, const rerank_form *form, const rerank_params *p, mu_api_error *error) {
    mu_call *call = r->base.answer.call;
    mu_prompt *first = NULL, *second = NULL;
    uint32_t n_first = 0, n = 0;
    if (!check_params(form, p, error) || !choose_model(r, p->model, error)) return false;
    mu_prompt_rules rules = {.field = form->first,
                             .n_max = PAIRS_MAX,
                             .encode_flags = MU_ENCODE_WHOLE,
                             .is_any_length = true};
    json_t *firsts = texts_of(p->query), *seconds = texts_of(p->documents);
    bool ok = (firsts && seconds) || mu_api_no_memory(error);
    ok = ok && mu_prompts_read(call, &rules, firsts, &first, &n_first, error);
    rules.field = form->second;
    rules.encode_flags =
        MU_ENCODE_SPECIAL | MU_ENCODE_EOS; /* what begins a text begins the first */
    ok = ok && mu_prompts_read(call, &rules, seconds, &second, &n, error);
    if (ok) {
        r->n_shown = p->top_n > 0 && p->top_n < n ? p->top_n : n;
        r->base.answer_bytes = (uint64_t)n * RESULT_BYTES;
        if (p->return_documents) r->documents = json_incref(seconds);
        ok = submit(r, form, first, n_first, second, n, error);
    }
    mu_prompts_free(first, n_first);
    mu_prompts_free(second, n);
    json_decref(firsts);
    json_decref(seconds);
    return ok;
}

static void close_rerank(mu_vector_answer *base) {
    json_decref(((rerank *)base)->documents);
}

static bool read_body(mu_vector_answer *base, json_t *body, mu_buf *unknown, mu_api_error *error) {
    const rerank_form *form = (const rerank_form *)base->form;
    rerank_params params = {0};
    return mu_params_read(form->table, body, &params, unknown, error) &&
           score((rerank *)base, form, &params, error);
}

static const rerank_form query_form = {
    {read_body, write_rerank, close_rerank}, &rerank_table, "query", "documents"};
static const rerank_form score_form = {
    {read_body, write_score, close_rerank}, &score_table, "text_1", "text_2"};

void mu_rerank_post(mu_call *call) {
    mu_vector_start(call, &query_form.base, sizeof(rerank));
}

void mu_rerank_post_score(mu_call *call) {
    mu_vector_start(call, &score_form.base, sizeof(rerank));
}

bool mu_rerank_check_body(json_t *body, mu_api_error *error) {
    static const rerank_form *const forms[] = {&query_form, &score_form};
    bool ok = true;
    for (size_t i = 0; i < MU_COUNTOF(forms) && ok; i++) {
        rerank_params params = {0};
        mu_buf unknown = {0};
        ok = mu_params_read(forms[i]->table, body, &params, &unknown, error) &&
             check_params(forms[i], &params, error);
        mu_buf_deinit(&unknown);
    }
    return ok;
}
