/* A body becomes prompts, prompts and parameters a request of the model that the body names. */
#include "server/generation.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "server/choice_json.h"
#include "server/generation_state.h"
#include "server/messages.h"

enum { LONG_BYTES = 1 << 20 }; /* of sequences: their answer is for a worker */

static const mu_served *served_of(const mu_generation *g) {
    return g->answer.call->served;
}

static void on_news(void *ctx) {
    mu_exchange_wake(ctx);
}

static mu_seq_options seq_options(const mu_generation *g, const mu_prompt *from, uint32_t i,
                                  const char **stops) {
    const mu_generation_params *p = &g->params;
    uint32_t n_ctx = mu_engine_n_ctx(served_of(g)->engine), n_output = p->max_tokens;
    if (n_output == 0) n_output = g->form->is_chat ? n_ctx : 16;
    bool takes_rest = p->max_tokens == 0 || p->max_tokens == UINT32_MAX;
    if (takes_rest && from->n < n_ctx && n_output > n_ctx - from->n) {
        n_output = n_ctx - from->n;
    }
    bool ranks = p->best_of > p->n;
    return (mu_seq_options){
        .prompt = from->tokens,
        .n_prompt = from->n,
        .n_output_max = n_output,
        .n_output_min = p->min_tokens,
        .ignore_eos = p->ignore_eos,
        .grammar = g->grammar,
        .thinking = g->thinking.n_ends > 0 ? &g->thinking : NULL,
        .stop_tokens = p->stop_tokens,
        .n_stop_tokens = p->n_stop_tokens,
        .stop_strings = stops,
        .n_stop_strings = p->n_stops,
        .show_special = g->shows_special,
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

/* What a sequence takes from its start on; the answer is charged when it is made. */
static uint64_t seq_bytes(const mu_generation *g, const mu_seq_options *o) {
    enum { STRUCT_BYTES = 4096, TEXT_BYTES_PER_TOKEN = 16 };
    uint64_t n_tokens = (uint64_t)o->n_prompt + o->n_output_max, per_output = TEXT_BYTES_PER_TOKEN;
    if (o->sampling.n_logprobs >= 0) {
        per_output += sizeof(float) + sizeof(mu_logprob) * (uint64_t)o->sampling.n_logprobs;
        if (!g->params.stream) per_output += 2 * sizeof(mu_output); /* kept until all is there */
    }
    return STRUCT_BYTES + n_tokens * 2 * sizeof(mu_token) + o->n_output_max * per_output +
           o->n_stop_tokens * sizeof(mu_token) + o->sampling.n_biases * sizeof(mu_logit_bias);
}

/* In words that clients of OpenAI look for. */
static bool fits_context(const mu_generation *g, const mu_seq_options *o, uint32_t n_ctx,
                         mu_api_error *error) {
    uint64_t n = (uint64_t)o->n_prompt + o->n_output_max;
    if (n <= n_ctx) return true;
    return mu_api_fail(error, MU_API_CONTEXT_LENGTH, g->form->is_chat ? "messages" : "prompt",
                       "This model's maximum context length is %u tokens. However, you requested "
                       "%llu tokens (%u in the %s, %u in the completion)",
                       n_ctx, (unsigned long long)n, o->n_prompt,
                       g->form->is_chat ? "messages" : "prompt", o->n_output_max);
}

static bool charge_seqs(mu_generation *g, mu_api_error *error) {
    uint64_t bytes = 0;
    uint32_t n_ctx = mu_engine_n_ctx(served_of(g)->engine);
    for (uint32_t i = 0; i < g->n_prompts; i++) {
        mu_seq_options o = seq_options(g, &g->prompts[i], 0, NULL);
        if (!fits_context(g, &o, n_ctx, error)) return false;
        bytes += g->params.best_of * seq_bytes(g, &o);
    }
    if (bytes > LONG_BYTES) mu_exchange_set_long(g->answer.call->x);
    return mu_call_charge(g->answer.call, bytes, error);
}

static bool has_parts(const mu_generation *g) {
    const char *text = mu_conversation_format_source(served_of(g)->of.conversation);
    return g->form->is_chat && mu_answer_parts_are_told(text, strlen(text), g->tools != NULL);
}

/* What is content, reasoning or a call is told by the marks of the model's chat template. */
static bool open_parts(mu_generation *g, mu_api_error *error) {
    const char *text = mu_conversation_format_source(served_of(g)->of.conversation);
    if (!has_parts(g)) return true;
    for (uint32_t i = 0; i < g->n_seqs; i++) {
        mu_answer_parts_options options = {
            .template_text = text,
            .template_n = strlen(text),
            .prompt = g->rendering.text,
            .prompt_n = g->is_bound_at_once ? 0 : g->rendering.n,
            .tools = g->tools,
            .is_constrained = g->tool_choice.is_required,
            .is_in_form = g->calls_are_bound,
            .id_seed = g->params.seed ^ mu_now_ns() ^ i,
        };
        if (mu_answer_parts_open(&options, &g->choices[i].parts, NULL) != MU_OK)
            return mu_api_no_memory(error);
    }
    return true;
}

static bool submit(mu_generation *g, mu_api_error *error) {
    const mu_generation_params *p = &g->params;
    mu_request_seq *seqs = MU_ALLOC(mu_request_seq, g->n_seqs);
    g->news = MU_ALLOC(mu_request_news, g->n_seqs);
    g->choices = MU_ALLOC(mu_choice, g->n_seqs);
    if (!seqs || !g->news || !g->choices) {
        mu_free(seqs);
        return mu_api_no_memory(error);
    }
    if (!open_parts(g, error)) {
        mu_free(seqs);
        return false;
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
        .client = mu_exchange_client(g->answer.call->x),
        .is_streaming = p->stream,
        .notify = on_news,
        .ctx = g->answer.call->x,
    };
    mu_err err;
    mu_status status = mu_resident_submit(served_of(g)->of.resident, &options, &g->request, &err);
    mu_free(seqs);
    return status == MU_OK || mu_api_fail_status(error, &err);
}

static bool choose_model(mu_generation *g, mu_api_error *error) {
    const char *name = g->params.model;
    if (!mu_call_choose_model(g->answer.call, name, error)) return false;
    snprintf(g->model, sizeof(g->model), "%s", name && name[0] ? name : served_of(g)->of.names[0]);
    if (mu_model_pooling(served_of(g)->model) == MU_POOLING_NONE) return true;
    return mu_api_fail(error, MU_API_INVALID_VALUE, "model",
                       "model: \"%.120s\" gives embeddings, not text: /v1/embeddings", g->model);
}

/* What a request leaves open and the model has an opinion on. */
static void settle_sampling(mu_generation *g) {
    const json_t *asked = json_object_get(g->body, "temperature");
    if (!asked || json_is_null(asked)) {
        mu_model_temperature(served_of(g)->model, &g->params.temperature);
    }
}

/* The implicit end of an answer joins the caller's, where there is room. */
static void add_template_stop(mu_generation *g) {
    mu_generation_params *p = &g->params;
    const char *stop = mu_conversation_format_stop(served_of(g)->of.conversation);
    if (stop && p->n_stops < MU_COUNTOF(p->stops)) p->stops[p->n_stops++] = stop;
}

static bool read_prompts(mu_generation *g, mu_api_error *error) {
    const mu_prompt_rules rules = {.field = "prompt",
                                   .n_max = MU_PROMPTS_MAX,
                                   .encode_flags = MU_ENCODE_SPECIAL | MU_ENCODE_BOS};
    return mu_prompts_read(g->answer.call, &rules, g->params.prompt, &g->prompts, &g->n_prompts,
                           error);
}

static bool read_messages(mu_generation *g, mu_api_error *error) {
    const mu_conversation_format *f = served_of(g)->of.conversation;
    const char *text = mu_conversation_format_source(f);
    mu_tool_choice *choice = &g->tool_choice;
    if (!mu_tool_choice_read(&g->params, choice, error)) return false;
    /* The answer is read by them, after the body is gone. */
    g->tools = json_incref(choice->callable);
    g->shows_special = mu_answer_parts_shows_special(text, strlen(text), g->tools != NULL);
    if (!mu_messages_render(f, &g->params, g->created, &g->rendering, error)) return false;
    if (!mu_prompts_encode(g->answer.call, &g->rendering, &g->prompts, error)) return false;
    g->n_prompts = 1;
    return true;
}

/* Of an answer that may call tools, where nothing else constrains it. */
static bool constrain_calls(mu_generation *g, mu_constraint_vocab *vocab, mu_api_error *error) {
    const mu_tool_choice *choice = &g->tool_choice;
    const char *text = mu_conversation_format_source(served_of(g)->of.conversation);
    const mu_call_grammar_options options = {
        .template_text = text,
        .template_n = strlen(text),
        .prompt = g->rendering.text,
        .prompt_n = g->rendering.n,
        .tools = choice->callable,
        .is_required = choice->is_required,
        .is_single = choice->is_single,
    };
    if (!choice->callable) return true;
    if (!g->grammar) {
        bool ok = mu_constraint_read_calls(&options, vocab, &g->grammar, error);
        g->calls_are_bound = g->grammar != NULL;
        return ok;
    }
    return !choice->is_required ||
           mu_api_wrong(error, "tool_choice", "another field constrains the output already");
}

/* Where the template has reasoning. */
static bool bound_thinking(mu_generation *g, const mu_grammar_tags *marks, mu_api_error *error) {
    mu_token *ends = NULL;
    mu_err err;
    if (g->params.thinking_token_budget == UINT32_MAX || !marks->reasoning_close) return true;
    const char *close = marks->reasoning_close;
    mu_status status = mu_encoder_pool_encode(served_of(g)->encoders, close, strlen(close),
                                              MU_ENCODE_SPECIAL, &ends, &g->thinking.n_ends, &err);
    if (status != MU_OK) return mu_api_fail_status(error, &err);
    g->thinking.open = marks->reasoning_open;
    g->thinking.close = close;
    g->thinking.ends = ends;
    g->thinking.n_max = g->params.thinking_token_budget;
    return true;
}

static bool read_constraint(mu_generation *g, mu_api_error *error) {
    mu_server *server = g->answer.call->server;
    mu_served *served = &server->served[served_of(g) - server->served];
    mu_constraint_vocab *vocab = &served->vocab;
    mu_grammar_tags reasoning = {0};
    const char *text = mu_conversation_format_source(served->of.conversation);
    if (g->form->is_chat) {
        mu_call_grammar_set_reasoning(text, strlen(text), g->rendering.text, g->rendering.n,
                                      &reasoning);
    }
    bool ok = mu_constraint_read(&g->params.constraint, &reasoning, vocab, &g->grammar, error);
    g->is_bound_at_once = g->grammar && !reasoning.reasoning_close;
    return ok && constrain_calls(g, vocab, error) && bound_thinking(g, &reasoning, error);
}

static bool prepare(mu_generation *g, mu_buf *unknown, mu_api_error *error) {
    mu_generation_params *p = &g->params;
    if (!mu_generation_params_read(g->body, g->form->is_chat, p, unknown, error)) return false;
    if (!choose_model(g, error)) return false;
    g->stops = json_incref(p->stop);
    settle_sampling(g);
    if (!(g->form->is_chat ? read_messages(g, error) : read_prompts(g, error))) return false;
    if (!read_constraint(g, error)) return false;
    if (g->form->is_chat && !p->ignore_eos) add_template_stop(g);
    for (uint32_t i = 0; i < g->n_prompts; i++) {
        g->n_prompt_tokens += g->prompts[i].n;
    }
    g->n_seqs = g->n_prompts * p->best_of;
    return charge_seqs(g, error) && submit(g, error);
}

static double ms(uint64_t from_ns, uint64_t to_ns) {
    return from_ns > 0 && to_ns > from_ns ? round((double)(to_ns - from_ns) * 1e-3) / 1e3 : 0.0;
}

static json_t *log_fields(const mu_answer *answer, bool is_whole) {
    const mu_generation *g = (const mu_generation *)answer;
    if (!g->request) return NULL;
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

static void cancel(mu_answer *answer) {
    const mu_generation *g = (const mu_generation *)answer;
    if (g->request) mu_request_cancel(g->request);
}

static void close_generation(mu_answer *answer) {
    mu_generation *g = (mu_generation *)answer;
    mu_request_free(g->request);
    for (uint32_t i = 0; i < g->n_seqs && g->news; i++) {
        mu_request_news_deinit(&g->news[i]);
    }
    for (uint32_t i = 0; i < g->n_seqs && g->choices; i++) {
        mu_answer_parts_close(g->choices[i].parts);
    }
    mu_rendering_deinit(&g->rendering);
    mu_tool_choice_deinit(&g->tool_choice);
    mu_free((mu_token *)g->thinking.ends);
    json_decref(g->tools);
    json_decref(g->stops);
    mu_prompts_free(g->prompts, g->n_prompts);
    mu_free(g->news);
    mu_free(g->choices);
    mu_grammar_unref(g->grammar);
    mu_generation_params_deinit(&g->params);
    mu_free(g);
}

static const mu_answer_kind kind = {
    .resume = mu_generation_resume,
    .source = mu_generation_source,
    .cancel = cancel,
    .close = close_generation,
    .log = log_fields,
};

/* The body in OpenAI's terms. False: *error says why not; the body is still g's. */
static bool translate(mu_generation *g, mu_api_error *error) {
    json_t *body = NULL;
    if (!g->form->translate) return true;
    if (!g->form->translate(g->body, &body, error)) return false;
    json_decref(g->body);
    g->body = body;
    return true;
}

void mu_generation_start(mu_call *call, const mu_generation_form *form) {
    json_t *body;
    if (mu_call_body(call, &body)) mu_generation_start_body(call, form, body);
}

void mu_generation_start_body(mu_call *call, const mu_generation_form *form, json_t *body) {
    static atomic_uint_fast64_t n_started;
    mu_api_error error = {0};
    mu_generation *g = mu_alloc(sizeof(*g));
    if (!g) {
        mu_call_body_free(call, body);
        mu_api_no_memory(&error);
        mu_call_fail(call, &error);
        return;
    }
    g->answer = (mu_answer){.kind = &kind, .call = call};
    g->body = body;
    g->form = form;
    g->created = mu_server_unix_time(call->server);
    snprintf(g->id, sizeof(g->id), "%s%llx%06llx", form->id_prefix,
             (unsigned long long)call->server->opened_ns,
             (unsigned long long)(atomic_fetch_add(&n_started, 1) + 1));
    call->answer = &g->answer;
    mu_buf unknown = {0};
    bool ok = translate(g, &error) && prepare(g, &unknown, &error);
    mu_call_body_free(call, g->body); /* nothing of it is needed while it waits and runs */
    g->body = NULL;
    mu_call_report_unknown(call, &unknown);
    mu_buf_deinit(&unknown);
    if (!ok) {
        mu_call_fail(call, &error);
    } else if (g->params.stream) {
        mu_call_stream(call, form->stream);
    }
}
