/* Completions and chat completions, as OpenAI shows them: one object, or a chunk for what is new.
 */
#include <math.h>
#include <string.h>

#include "server/choice_json.h"
#include "server/generation_state.h"

static json_t *usage(const mu_generation *g) {
    uint32_t n_output = mu_generation_n_output(g);
    mu_request_facts facts = mu_request_get_facts(g->request);
    return json_pack("{s:i, s:i, s:i, s:{s:i}}", "prompt_tokens", (int)g->n_prompt_tokens,
                     "completion_tokens", (int)n_output, "total_tokens",
                     (int)(g->n_prompt_tokens + n_output), "prompt_tokens_details", "cached_tokens",
                     (int)facts.n_cached);
}

static json_t *envelope(const mu_generation *g, json_t *choices) {
    const char *object = !g->form->is_chat  ? "text_completion"
                         : g->params.stream ? "chat.completion.chunk"
                                            : "chat.completion";
    return json_pack("{s:s, s:s, s:I, s:s, s:o}", "id", g->id, "object", object, "created",
                     (json_int_t)g->created, "model", g->model, "choices", choices);
}

static json_t *logprobs_json(const mu_generation *g, uint32_t i) {
    if (g->params.n_logprobs < 0) return json_null();
    const mu_tokenizer *tokenizer = mu_model_tokenizer(g->answer.call->served->model);
    const mu_output *outputs = (const mu_output *)(const void *)g->news[i].outputs.data;
    uint32_t n = (uint32_t)(g->news[i].outputs.n / sizeof(*outputs));
    if (g->form->is_chat) return mu_chat_logprobs(tokenizer, outputs, n);
    return mu_completion_logprobs(tokenizer, outputs, n, &g->choices[i].offset);
}

static json_t *delta_json(const mu_generation *g, uint32_t i, const char *text, size_t n) {
    mu_choice *choice = &g->choices[i];
    if (choice->parts)
        return mu_delta_json(choice->parts, mu_generation_n_calls_max(g), &choice->told);
    return n == 0 ? json_object() : json_pack("{s:s%}", "content", text, n);
}

static json_t *message_json(const mu_generation *g, uint32_t i, const char *text, size_t n) {
    if (g->choices[i].parts)
        return mu_message_json(g->choices[i].parts, mu_generation_n_calls_max(g));
    return json_pack("{s:s, s:s%, s:n}", "role", "assistant", "content", text, n, "refusal");
}

/* One choice; of a stream the delta. */
static json_t *choice_json(const mu_generation *g, uint32_t i, uint32_t index, const char *text,
                           size_t n) {
    const char *reason = mu_finish_reason(g->news[i].finish);
    if (mu_generation_calls(g, i) && g->news[i].finish == MU_FINISH_STOP) reason = "tool_calls";
    json_t *json = json_pack("{s:i, s:o, s:s?}", "index", (int)index, "logprobs",
                             logprobs_json(g, i), "finish_reason", reason);
    if (!g->form->is_chat) {
        json_object_set_new(json, "text", json_stringn(text, n));
    } else if (g->params.stream) {
        json_object_set_new(json, "delta", delta_json(g, i, text, n));
    } else {
        json_object_set_new(json, "message", message_json(g, i, text, n));
    }
    return json;
}

static void append_echo(const mu_generation *g, uint32_t i, mu_buf *text) {
    const mu_prompt *from = &g->prompts[i / g->params.best_of];
    mu_detokenizer detok;
    mu_detokenizer_init(&detok, mu_model_tokenizer(g->answer.call->served->model), true);
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

static json_t *whole(mu_generation *g) {
    json_t *choices = json_array();
    for (uint32_t i = 0; i < g->n_prompts; i++) {
        add_choices(g, i, choices);
    }
    json_t *json = envelope(g, choices);
    if (json) json_object_set_new(json, "usage", usage(g));
    return json;
}

/* The stream */

static void append_chunk(const mu_generation *g, json_t *delta, mu_buf *out) {
    json_t *json = envelope(g, json_pack("[o]", delta));
    if (json && g->params.include_usage) {
        json_object_set_new(json, "usage",
                            g->params.continuous_usage_stats ? usage(g) : json_null());
    }
    mu_event_append(out, json);
}

static void append_role(mu_generation *g, uint32_t i, mu_buf *out) {
    append_chunk(g,
                 json_pack("{s:i, s:{s:s, s:s}, s:n, s:n}", "index", (int)i, "delta", "role",
                           "assistant", "content", "", "logprobs", "finish_reason"),
                 out);
}

static void begin(mu_generation *g, mu_buf *out) {
    for (uint32_t i = 0; i < g->n_seqs; i++) {
        if (g->form->is_chat) append_role(g, i, out);
        if (!g->params.echo) continue;
        mu_buf text = {0};
        append_echo(g, i, &text);
        append_chunk(g, choice_json(g, i, i, text.data ? text.data : "", text.n), out);
        mu_buf_deinit(&text);
    }
}

/* What sequence i has to tell. The last delta of a chat is empty and carries the reason. */
static void append_news(mu_generation *g, uint32_t i, mu_finish finish, mu_buf *out) {
    mu_request_news *news = &g->news[i];
    /* Tokens whose text is empty or withheld (half a character, perhaps a stop string) are told
     * too: a stream shows when each token was there. */
    bool has_tokens = news->n_tokens > 0 || news->text.n > 0;
    bool was_held_back = g->choices[i].parts && finish != MU_FINISH_NONE;
    if (g->form->is_chat) news->finish = MU_FINISH_NONE;
    if (has_tokens || was_held_back || (!g->form->is_chat && finish != MU_FINISH_NONE)) {
        append_chunk(g, choice_json(g, i, i, news->text.data ? news->text.data : "", news->text.n),
                     out);
    }
    news->finish = finish;
    if (finish == MU_FINISH_NONE || !g->form->is_chat) return;
    mu_buf_clear(&news->outputs);
    append_chunk(g, choice_json(g, i, i, "", 0), out);
}

static void append_end(mu_generation *g, mu_buf *out) {
    if (g->params.include_usage) {
        json_t *json = envelope(g, json_array());
        if (json) json_object_set_new(json, "usage", usage(g));
        mu_event_append(out, json);
    }
    mu_buf_append_str(out, "data: [DONE]\n\n");
}

static void append_error(const mu_api_error *error, mu_buf *out) {
    mu_event_append(out, mu_api_error_json(MU_API_OPENAI, error));
    mu_buf_append_str(out, "data: [DONE]\n\n");
}

#define OPENAI_FORM                                                                  \
    .stream = MU_STREAM_EVENTS, .whole = whole, .begin = begin, .news = append_news, \
    .end = append_end, .fail = append_error

const mu_generation_form mu_completion_form = {.id_prefix = "cmpl-", OPENAI_FORM};
const mu_generation_form mu_chat_form = {.id_prefix = "chatcmpl-", .is_chat = true, OPENAI_FORM};
