/* Completions and chat completions: prompts to tokens, a request for the executor, news to JSON. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "server/call.h"
#include "server/choice_json.h"
#include "server/generation_params.h"

typedef struct prompt {
    mu_token *tokens; /* owned */
    uint32_t n;
} prompt;

typedef struct choice {
    uint32_t n_tokens;
    size_t offset; /* bytes of text given out */
    bool is_over;  /* its finish was told */
} choice;

struct mu_generation {
    mu_call *call;
    json_t *body;
    mu_generation_params params;
    bool is_chat, has_role, is_over;
    char id[48], model[256];
    int64_t created;
    prompt *prompts; /* [n_prompts] */
    uint32_t n_prompts, n_prompt_tokens, n_seqs;
    mu_request *request;
    mu_request_news *news; /* [n_seqs]; when not streamed all of it, else the latest */
    choice *choices;       /* [n_seqs] */
};

void mu_generation_cancel(mu_generation *g) {
    if (g->request) mu_request_cancel(g->request);
}

void mu_generation_close(mu_generation *g) {
    if (!g) return;
    mu_request_free(g->request);
    for (uint32_t i = 0; i < g->n_prompts && g->prompts; i++) {
        mu_free(g->prompts[i].tokens);
    }
    for (uint32_t i = 0; i < g->n_seqs && g->news; i++) {
        mu_request_news_deinit(&g->news[i]);
    }
    mu_free(g->prompts);
    mu_free(g->news);
    mu_free(g->choices);
    mu_generation_params_deinit(&g->params);
    json_decref(g->body);
    mu_free(g);
}

/* Prompts */

static bool no_memory(mu_api_error *error) {
    return mu_api_fail(error, MU_API_OVERLOADED, NULL, "out of memory");
}

static bool encode(mu_generation *g, const char *text, size_t n, uint32_t flags, prompt *out,
                   mu_api_error *error) {
    const mu_token *tokens;
    size_t n_tokens, n_least = n / g->call->server->piece_bytes_max;
    mu_err err;
    if (n_least >= mu_engine_n_ctx(g->call->server->engine)) { /* not worth the time to encode it */
        return mu_api_fail(
            error, MU_API_CONTEXT_LENGTH, NULL,
            "%zu bytes of prompt are at least %zu tokens and do not fit the context of %u", n,
            n_least, mu_engine_n_ctx(g->call->server->engine));
    }
    if (mu_encode(g->call->server->encoder, text, n, flags, &tokens, &n_tokens, &err) != MU_OK) {
        return mu_api_fail_status(error, &err);
    }
    if (n_tokens > INT32_MAX) return mu_api_fail(error, MU_API_TOO_LARGE, "prompt", "too long");
    out->tokens = MU_ALLOC(mu_token, n_tokens + 1);
    if (!out->tokens) return no_memory(error);
    if (n_tokens > 0) memcpy(out->tokens, tokens, n_tokens * sizeof(*tokens));
    out->n = (uint32_t)n_tokens;
    mu_token bos = mu_tokenizer_bos(mu_model_tokenizer(g->call->server->model));
    if (n_tokens == 0 && bos != MU_TOKEN_NONE) out->tokens[out->n++] = bos; /* of an empty text */
    return true;
}

static bool read_prompt(mu_generation *g, json_t *json, prompt *out, mu_api_error *error) {
    if (json_is_string(json)) {
        return encode(g, json_string_value(json), json_string_length(json),
                      MU_ENCODE_SPECIAL | MU_ENCODE_BOS, out, error);
    }
    return mu_tokens_read("prompt", json, &out->tokens, &out->n, error);
}

static bool read_prompts(mu_generation *g, mu_api_error *error) {
    json_t *json = g->params.prompt;
    bool is_list = json_is_array(json) && json_array_size(json) > 0 &&
                   !json_is_integer(json_array_get(json, 0));
    size_t n = is_list ? json_array_size(json) : 1;
    if (n > MU_PROMPTS_MAX) {
        return mu_api_fail(error, MU_API_INVALID_VALUE, "prompt", "prompt: more than %d",
                           MU_PROMPTS_MAX);
    }
    g->prompts = MU_ALLOC(prompt, n);
    if (!g->prompts) return no_memory(error);
    g->n_prompts = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        json_t *one = is_list ? json_array_get(json, i) : json;
        if (!read_prompt(g, one, &g->prompts[i], error)) return false;
    }
    return true;
}

static bool append_content(json_t *content, mu_buf *out) {
    if (json_is_null(content) || !content) return true;
    if (json_is_string(content)) {
        mu_buf_append(out, json_string_value(content), json_string_length(content));
        return true;
    }
    size_t i;
    json_t *part;
    if (!json_is_array(content)) return false;
    json_array_foreach(content, i, part) {
        const char *type = json_string_value(json_object_get(part, "type"));
        json_t *text = json_object_get(part, "text");
        if (!type || strcmp(type, "text") != 0 || !json_is_string(text)) return false;
        mu_buf_append(out, json_string_value(text), json_string_length(text));
    }
    return true;
}

bool mu_messages_render(const mu_chat_template *t, json_t *messages, mu_buf *out,
                        mu_api_error *error) {
    enum { MESSAGES_MAX = 10000 };
    size_t i, n = json_array_size(messages);
    json_t *message;
    if (!json_is_array(messages) || n == 0 || n > MESSAGES_MAX) {
        return mu_api_fail(error, MU_API_INVALID_VALUE, "messages",
                           "messages: must be an array of 1 to %d objects", MESSAGES_MAX);
    }
    mu_buf content = {0};
    bool ok = true;
    json_array_foreach(messages, i, message) {
        const char *role = json_string_value(json_object_get(message, "role"));
        mu_buf_clear(&content);
        if (!append_content(json_object_get(message, "content"), &content)) {
            ok = mu_api_fail(error, MU_API_INVALID_VALUE, "messages",
                             "messages: content %zu is neither text nor parts of type text", i);
        } else if (!role || !mu_chat_template_append(t, role, content.data ? content.data : "",
                                                     content.n, out)) {
            ok = mu_api_fail(error, MU_API_INVALID_VALUE, "messages",
                             "messages: role %zu is not system, developer, user, assistant or tool",
                             i);
        }
        if (!ok) break;
    }
    if (ok && (content.failed || out->failed)) ok = no_memory(error);
    mu_buf_deinit(&content);
    if (ok) mu_chat_template_invite(t, out);
    return ok;
}

static bool read_messages(mu_generation *g, mu_api_error *error) {
    const mu_chat_template *t = g->call->server->options.chat_template;
    mu_buf text = {0};
    bool ok = mu_messages_render(t, g->params.messages, &text, error);
    g->prompts = MU_ALLOC(prompt, 1);
    if (ok && !g->prompts) ok = no_memory(error);
    if (ok) {
        g->n_prompts = 1;
        ok = encode(g, text.data, text.n, MU_ENCODE_SPECIAL | MU_ENCODE_BOS, g->prompts, error);
    }
    mu_buf_deinit(&text);
    return ok;
}

/* The request */

static void on_news(void *ctx) {
    mu_exchange_wake(ctx);
}

static mu_seq_options seq_options(const mu_generation *g, const prompt *from, uint32_t i,
                                  const char **stops) {
    const mu_generation_params *p = &g->params;
    uint32_t n_ctx = mu_engine_n_ctx(g->call->server->engine), n_output = p->max_tokens;
    if (n_output == 0) n_output = g->is_chat ? n_ctx : 16;
    if (p->max_tokens == 0 && from->n < n_ctx && n_output > n_ctx - from->n) {
        n_output = n_ctx - from->n;
    }
    bool ranks = p->best_of > p->n;
    return (mu_seq_options){
        .prompt = from->tokens,
        .n_prompt = from->n,
        .n_output_max = n_output,
        .n_output_min = p->min_tokens,
        .ignore_eos = p->ignore_eos,
        .stop_tokens = p->stop_tokens,
        .n_stop_tokens = p->n_stop_tokens,
        .stop_strings = stops,
        .n_stop_strings = p->n_stops,
        .no_prefix_cache = !p->cache_prompt,
        .sampling =
            {
                .temperature = p->temperature,
                .top_k = p->top_k,
                .top_p = p->top_p,
                .min_p = p->min_p,
                .repetition_penalty = p->repetition_penalty,
                .frequency_penalty = p->frequency_penalty,
                .presence_penalty = p->presence_penalty,
                .seed = p->seed + i,
                .biases = p->biases,
                .n_biases = p->n_biases,
                .n_logprobs = p->n_logprobs < 0 && ranks ? 0 : p->n_logprobs,
            },
    };
}

static uint64_t client_of(const mu_call *call) {
    if (call->key != 0) return call->key;
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a of the address */
    for (const char *c = mu_exchange_peer(call->x); *c; c++) {
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    }
    return hash;
}

static bool submit(mu_generation *g, mu_api_error *error) {
    const mu_generation_params *p = &g->params;
    mu_request_seq *seqs = MU_ALLOC(mu_request_seq, g->n_seqs);
    g->news = MU_ALLOC(mu_request_news, g->n_seqs);
    g->choices = MU_ALLOC(choice, g->n_seqs);
    if (!seqs || !g->news || !g->choices) {
        mu_free(seqs);
        return no_memory(error);
    }
    const char *stops[MU_STOP_STRINGS_MAX];
    memcpy(stops, p->stops, sizeof(stops));
    for (uint32_t i = 0; i < g->n_seqs; i++) {
        seqs[i].options = seq_options(g, &g->prompts[i / p->best_of], i % p->best_of, stops);
        seqs[i].follows = p->cache_prompt ? i - i % p->best_of : i;
    }
    mu_request_options options = {
        .seqs = seqs,
        .n_seqs = g->n_seqs,
        .client = client_of(g->call),
        .peer_fd = mu_exchange_fd(g->call->x),
        .is_streaming = p->stream,
        .notify = on_news,
        .ctx = g->call->x,
    };
    mu_err err;
    mu_status status = mu_resident_submit(g->call->server->resident, &options, &g->request, &err);
    mu_free(seqs);
    return status == MU_OK || mu_api_fail_status(error, &err);
}

static bool check_model(mu_generation *g, mu_api_error *error) {
    const mu_server_options *o = &g->call->server->options;
    const char *name = g->params.model;
    snprintf(g->model, sizeof(g->model), "%s", name && name[0] ? name : o->names[0]);
    for (uint32_t i = 0; i < o->n_names; i++) {
        if (strcmp(g->model, o->names[i]) == 0) return true;
    }
    return mu_api_fail(error, MU_API_MODEL_NOT_FOUND, "model", "the model \"%.100s\" is not served",
                       g->model);
}

/* What a request leaves open and the model has an opinion on. */
static void settle_sampling(mu_generation *g) {
    const json_t *asked = json_object_get(g->body, "temperature");
    if (!asked || json_is_null(asked)) {
        mu_model_temperature(g->call->server->model, &g->params.temperature);
    }
}

/* The implicit end of an answer joins the caller's, where there is room. */
static void add_template_stop(mu_generation *g) {
    mu_generation_params *p = &g->params;
    if (p->n_stops == MU_COUNTOF(p->stops)) return;
    p->stops[p->n_stops++] = mu_chat_template_stop(g->call->server->options.chat_template);
}

static bool prepare(mu_generation *g, mu_buf *unknown, mu_api_error *error) {
    mu_generation_params *p = &g->params;
    if (!mu_generation_params_read(g->body, g->is_chat, p, unknown, error)) return false;
    if (!check_model(g, error)) return false;
    settle_sampling(g);
    if (!(g->is_chat ? read_messages(g, error) : read_prompts(g, error))) return false;
    if (g->is_chat && !p->ignore_eos) add_template_stop(g);
    for (uint32_t i = 0; i < g->n_prompts; i++) {
        g->n_prompt_tokens += g->prompts[i].n;
    }
    g->n_seqs = g->n_prompts * p->best_of;
    return submit(g, error);
}

void mu_generation_start(mu_call *call, bool is_chat) {
    static uint64_t n_started; /* the HTTP thread's */
    mu_api_error error = {0};
    json_t *body;
    if (!mu_call_body(call, &body)) return;
    mu_generation *g = mu_alloc(sizeof(*g));
    if (!g) {
        json_decref(body);
        no_memory(&error);
        mu_call_fail(call, &error);
        return;
    }
    g->call = call;
    g->body = body;
    g->is_chat = is_chat;
    g->created =
        call->server->opened_at + (int64_t)((mu_now_ns() - call->server->opened_ns) / 1000000000);
    snprintf(g->id, sizeof(g->id), "%s-%llx%06llx", is_chat ? "chatcmpl" : "cmpl",
             (unsigned long long)call->server->opened_ns, (unsigned long long)++n_started);
    call->generation = g;
    mu_buf unknown = {0};
    bool ok = prepare(g, &unknown, &error);
    mu_call_report_unknown(call, &unknown);
    mu_buf_deinit(&unknown);
    if (!ok) {
        mu_call_fail(call, &error);
    } else if (g->params.stream) {
        atomic_store(&call->sent_ns, mu_now_ns());
        mu_exchange_add_header(call->x, "Cache-Control", "no-cache");
        mu_exchange_add_header(call->x, "X-Accel-Buffering", "no");
        mu_exchange_stream(call->x, 200, "text/event-stream; charset=utf-8");
    }
}

/* The answer */

static json_t *usage(const mu_generation *g) {
    uint32_t n_output = 0;
    for (uint32_t i = 0; i < g->n_seqs; i++) {
        n_output += g->choices[i].n_tokens;
    }
    mu_request_facts facts = mu_request_get_facts(g->request);
    return json_pack("{s:i, s:i, s:i, s:{s:i}}", "prompt_tokens", (int)g->n_prompt_tokens,
                     "completion_tokens", (int)n_output, "total_tokens",
                     (int)(g->n_prompt_tokens + n_output), "prompt_tokens_details", "cached_tokens",
                     (int)facts.n_cached);
}

static json_t *envelope(const mu_generation *g, json_t *choices) {
    const char *object = !g->is_chat        ? "text_completion"
                         : g->params.stream ? "chat.completion.chunk"
                                            : "chat.completion";
    return json_pack("{s:s, s:s, s:I, s:s, s:o}", "id", g->id, "object", object, "created",
                     (json_int_t)g->created, "model", g->model, "choices", choices);
}

static json_t *logprobs_json(const mu_generation *g, uint32_t i) {
    if (g->params.n_logprobs < 0) return json_null();
    const mu_tokenizer *tokenizer = mu_model_tokenizer(g->call->server->model);
    const mu_output *outputs = (const mu_output *)(const void *)g->news[i].outputs.data;
    uint32_t n = (uint32_t)(g->news[i].outputs.n / sizeof(*outputs));
    if (g->is_chat) return mu_chat_logprobs(tokenizer, outputs, n);
    return mu_completion_logprobs(tokenizer, outputs, n, &g->choices[i].offset);
}

/* One choice; of a stream the delta. */
static json_t *choice_json(const mu_generation *g, uint32_t i, uint32_t index, const char *text,
                           size_t n) {
    const char *reason = mu_finish_reason(g->news[i].finish);
    json_t *json = json_pack("{s:i, s:o, s:s?}", "index", (int)index, "logprobs",
                             logprobs_json(g, i), "finish_reason", reason);
    json_t *content = json_stringn(text, n);
    if (!json || !content) {
        json_decref(content);
        return json;
    }
    if (!g->is_chat) {
        json_object_set_new(json, "text", content);
    } else if (g->params.stream) {
        bool is_empty = n == 0;
        json_object_set_new(json, "delta",
                            is_empty ? json_object() : json_pack("{s:O}", "content", content));
        json_decref(content);
    } else {
        json_object_set_new(
            json, "message",
            json_pack("{s:s, s:o, s:n}", "role", "assistant", "content", content, "refusal"));
    }
    return json;
}

static void append_echo(const mu_generation *g, uint32_t i, mu_buf *text) {
    const prompt *from = &g->prompts[i / g->params.best_of];
    mu_detokenizer detok;
    mu_detokenizer_init(&detok, mu_model_tokenizer(g->call->server->model), true);
    for (uint32_t t = 0; t < from->n; t++) {
        mu_detokenizer_push(&detok, from->tokens[t], text);
    }
    mu_detokenizer_finish(&detok, text);
}

static void add_whole_choice(const mu_generation *g, uint32_t i, uint32_t index, json_t *choices) {
    mu_buf text = {0};
    if (g->params.echo) append_echo(g, i, &text);
    if (g->news[i].text.n > 0) mu_buf_append(&text, g->news[i].text.data, g->news[i].text.n);
    if (!text.failed) {
        json_array_append_new(choices,
                              choice_json(g, i, index, text.data ? text.data : "", text.n));
    }
    mu_buf_deinit(&text);
}

static double mean_logprob(const mu_request_news *news) {
    const mu_output *outputs = (const mu_output *)(const void *)news->outputs.data;
    size_t n = news->outputs.n / sizeof(*outputs);
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)outputs[i].logprob;
    }
    return n > 0 ? sum / (double)n : -INFINITY;
}

/* The index of the best of news [n] that is not taken yet; there is one. */
static uint32_t best_left(const mu_request_news *news, const bool *is_taken, uint32_t n) {
    uint32_t best = 0;
    double best_mean = -INFINITY;
    for (uint32_t i = n; i-- > 0;) {
        double mean = mean_logprob(&news[i]);
        if (is_taken[i] || mean < best_mean) continue;
        best = i;
        best_mean = mean;
    }
    return best;
}

static void add_choices(const mu_generation *g, uint32_t prompt_index, json_t *choices) {
    const mu_generation_params *p = &g->params;
    uint32_t first = prompt_index * p->best_of;
    bool is_taken[MU_CHOICES_MAX] = {false};
    for (uint32_t n = 0; n < p->n; n++) {
        uint32_t i = p->best_of > p->n ? best_left(&g->news[first], is_taken, p->best_of) : n;
        is_taken[i] = true;
        add_whole_choice(g, first + i, prompt_index * p->n + n, choices);
    }
}

static bool find_error(const mu_generation *g, mu_api_error *error) {
    for (uint32_t i = 0; i < g->n_seqs; i++) {
        if (g->news[i].finish == MU_FINISH_ERROR) {
            mu_api_fail_status(error, &g->news[i].err);
            return true;
        }
        if (g->news[i].finish == MU_FINISH_CANCELED) {
            mu_api_fail(error, MU_API_DRAINING, NULL, "the server is stopping");
            return true;
        }
    }
    return false;
}

void mu_generation_resume(mu_call *call) {
    mu_generation *g = call->generation;
    mu_request_facts facts = mu_request_get_facts(g->request);
    if (!facts.is_done) return;
    if (facts.is_peer_gone) {
        mu_exchange_drop(call->x);
        return;
    }
    for (uint32_t i = 0; i < g->n_seqs; i++) {
        mu_request_take(g->request, i, &g->news[i]);
        g->choices[i].n_tokens = g->news[i].n_tokens;
    }
    mu_api_error error;
    if (find_error(g, &error)) {
        mu_call_fail(call, &error);
        return;
    }
    json_t *choices = json_array();
    for (uint32_t i = 0; i < g->n_prompts; i++) {
        add_choices(g, i, choices);
    }
    json_t *json = envelope(g, choices);
    if (json) json_object_set_new(json, "usage", usage(g));
    mu_call_json(call, 200, json);
}

/* The stream */

static void append_event(json_t *json, mu_buf *out) {
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (!text) {
        out->failed = true;
        return;
    }
    mu_buf_append_str(out, "data: ");
    mu_buf_append_str(out, text);
    mu_buf_append_str(out, "\n\n");
    mu_free(text);
}

static void append_chunk(const mu_generation *g, json_t *delta, mu_buf *out) {
    json_t *json = envelope(g, json_pack("[o]", delta));
    if (json && g->params.include_usage) {
        json_object_set_new(json, "usage",
                            g->params.continuous_usage_stats ? usage(g) : json_null());
    }
    append_event(json, out);
}

static void append_role(mu_generation *g, uint32_t i, mu_buf *out) {
    append_chunk(g,
                 json_pack("{s:i, s:{s:s, s:s}, s:n, s:n}", "index", (int)i, "delta", "role",
                           "assistant", "content", "", "logprobs", "finish_reason"),
                 out);
}

static void append_prelude(mu_generation *g, mu_buf *out) {
    g->has_role = true;
    for (uint32_t i = 0; i < g->n_seqs; i++) {
        if (g->is_chat) append_role(g, i, out);
        if (!g->params.echo) continue;
        mu_buf text = {0};
        append_echo(g, i, &text);
        append_chunk(g, choice_json(g, i, i, text.data ? text.data : "", text.n), out);
        mu_buf_deinit(&text);
    }
}

/* What sequence i has to tell. The last delta of a chat is empty and carries the reason. */
static void append_news(mu_generation *g, uint32_t i, mu_buf *out) {
    mu_request_news *news = &g->news[i];
    choice *c = &g->choices[i];
    if (c->is_over) return;
    mu_request_take(g->request, i, news);
    c->n_tokens += news->n_tokens;
    mu_finish finish = news->finish;
    /* Tokens whose text is empty or withheld (half a character, perhaps a stop string) are told
     * too: a stream shows when each token was there. */
    bool has_tokens = news->n_tokens > 0 || news->text.n > 0;
    if (g->is_chat) news->finish = MU_FINISH_NONE;
    if (has_tokens || (!g->is_chat && finish != MU_FINISH_NONE)) {
        append_chunk(g, choice_json(g, i, i, news->text.data ? news->text.data : "", news->text.n),
                     out);
    }
    news->finish = finish;
    if (finish == MU_FINISH_NONE) return;
    c->is_over = true;
    if (!g->is_chat) return;
    mu_buf_clear(&news->outputs);
    append_chunk(g, choice_json(g, i, i, "", 0), out);
}

static void append_end(mu_generation *g, mu_buf *out) {
    if (g->params.include_usage) {
        json_t *json = envelope(g, json_array());
        if (json) json_object_set_new(json, "usage", usage(g));
        append_event(json, out);
    }
    mu_buf_append_str(out, "data: [DONE]\n\n");
}

mu_stream mu_generation_source(mu_call *call, mu_buf *out) {
    mu_generation *g = call->generation;
    mu_request_facts facts =
        mu_request_get_facts(g->request); /* before the news: they are whole then */
    if (facts.is_done && facts.is_peer_gone) return MU_STREAM_ABORT;
    if (!g->has_role) append_prelude(g, out);
    bool is_over = true;
    mu_api_error error;
    for (uint32_t i = 0; i < g->n_seqs; i++) {
        append_news(g, i, out);
        is_over &= g->choices[i].is_over;
    }
    if (find_error(g, &error)) {
        append_event(mu_api_error_json(&error), out);
        mu_buf_append_str(out, "data: [DONE]\n\n");
        return MU_STREAM_END;
    }
    if (is_over) append_end(g, out);
    if (atomic_exchange(&call->wants_ping, false) && out->n == 0) {
        mu_buf_append_str(out, ": ping\n\n");
    }
    if (out->n > 0) atomic_store(&call->sent_ns, mu_now_ns());
    return is_over ? MU_STREAM_END : MU_STREAM_MORE;
}

/* The log */

static double ms(uint64_t from_ns, uint64_t to_ns) {
    return from_ns > 0 && to_ns > from_ns ? round((double)(to_ns - from_ns) * 1e-3) / 1e3 : 0.0;
}

json_t *mu_generation_log(const mu_call *call, bool is_whole) {
    const mu_generation *g = call->generation;
    if (!g || !g->request) return json_object();
    mu_request_facts f = mu_request_get_facts(g->request);
    uint32_t n_output = 0;
    const char *finish = NULL;
    for (uint32_t i = 0; i < g->n_seqs; i++) {
        n_output += g->choices[i].n_tokens;
        if (!finish) finish = mu_finish_reason(g->news[i].finish);
    }
    if (!is_whole) finish = "client_closed";
    double tpot =
        n_output > g->n_seqs ? ms(f.first_ns, f.end_ns) / (n_output / g->n_seqs - 1.0) : 0;
    return json_pack("{s:s, s:s, s:b, s:i, s:i, s:i, s:f, s:f, s:f, s:s?}", "completion_id", g->id,
                     "model", g->model, "stream", (int)g->params.stream, "prompt_tokens",
                     (int)g->n_prompt_tokens, "cached_tokens", (int)f.n_cached, "output_tokens",
                     (int)n_output, "queue_ms", ms(f.submitted_ns, f.started_ns), "ttft_ms",
                     ms(f.submitted_ns, f.first_ns), "tpot_ms", isfinite(tpot) ? tpot : 0.0,
                     "finish", finish);
}
