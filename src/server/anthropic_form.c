/* The answer as a message of blocks: thinking, text, tool_use. A stream opens a block when it has
 * something for it, and closes it when another begins. */
#include <stdio.h>

#include "server/anthropic.h"
#include "server/generation.h"
#include "server/generation_state.h"
#include "server/messages.h"

typedef enum block { NO_BLOCK, THINKING, TEXT, TOOL } block;

static json_t *usage(const mu_generation *g) {
    uint32_t n_cached = mu_request_get_facts(g->request).n_cached;
    return json_pack("{s:i, s:i, s:i, s:i}", "input_tokens", (int)(g->n_prompt_tokens - n_cached),
                     "cache_creation_input_tokens", 0, "cache_read_input_tokens", (int)n_cached,
                     "output_tokens", (int)mu_generation_n_output(g));
}

/* Why it ended, and the stop sequence that ended it. */
static const char *stop_reason(const mu_generation *g, mu_finish finish, json_t **sequence) {
    int32_t stop = g->news[0].stop_string;
    *sequence = NULL;
    if (finish == MU_FINISH_LENGTH) return "max_tokens";
    if (mu_generation_calls(g, 0)) return "tool_use";
    if (stop >= 0) {
        *sequence = json_is_array(g->stops) ? json_array_get(g->stops, (size_t)stop) : g->stops;
    }
    return *sequence && json_is_string(*sequence) ? "stop_sequence" : "end_turn";
}

static json_t *message(const mu_generation *g, json_t *content, const char *reason,
                       json_t *sequence) {
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:s?, s:O?, s:o}", "id", g->id, "type", "message",
                     "role", "assistant", "model", g->model, "content", content, "stop_reason",
                     reason, "stop_sequence", sequence, "usage", usage(g));
}

static json_t *call_json(const mu_tool_call *call, json_t *input) {
    char id[32];
    snprintf(id, sizeof(id), "toolu_%s", call->id);
    return json_pack("{s:s, s:s, s:o, s:o}", "type", "tool_use", "id", id, "name",
                     mu_bytes_json(mu_buf_bytes(&call->name)), "input", input);
}

static json_t *whole(mu_generation *g) {
    mu_delta all = mu_generation_delta(g, 0);
    json_t *content = json_array(), *sequence;
    if (all.reasoning.n > 0) {
        json_array_append_new(content, json_pack("{s:s, s:o, s:s}", "type", "thinking", "thinking",
                                                 mu_bytes_json(all.reasoning), "signature", ""));
    }
    if (all.content.n > 0) {
        json_array_append_new(
            content, json_pack("{s:s, s:o}", "type", "text", "text", mu_bytes_json(all.content)));
    }
    for (size_t i = 0; i < all.n_calls; i++) {
        json_array_append_new(content,
                              call_json(&all.calls[i], mu_tool_arguments_json(&all.calls[i])));
    }
    const char *reason = stop_reason(g, g->news[0].finish, &sequence);
    return message(g, content, reason, sequence);
}

/* The stream */

static void append(mu_buf *out, const char *type, json_t *json) {
    if (json) json_object_set_new(json, "type", json_string(type));
    mu_named_event_append(out, type, json);
}

static void begin(mu_generation *g, mu_buf *out) {
    append(out, "message_start",
           json_pack("{s:o}", "message", message(g, json_array(), NULL, NULL)));
}

static void close_block(mu_choice *c, mu_buf *out) {
    if (c->block == NO_BLOCK) return;
    append(out, "content_block_stop", json_pack("{s:i}", "index", (int)c->n_blocks - 1));
    c->block = NO_BLOCK;
}

/* content: of the empty block; taken over. */
static void open_block(mu_choice *c, block kind, json_t *content, mu_buf *out) {
    close_block(c, out);
    c->block = kind;
    append(out, "content_block_start",
           json_pack("{s:i, s:o}", "index", (int)c->n_blocks++, "content_block", content));
}

static void append_delta(const mu_choice *c, const char *type, const char *key, mu_bytes text,
                         mu_buf *out) {
    append(out, "content_block_delta",
           json_pack("{s:i, s:{s:s, s:o}}", "index", (int)c->n_blocks - 1, "delta", "type", type,
                     key, mu_bytes_json(text)));
}

static void append_call(mu_choice *c, const mu_delta *delta, const mu_tool_call *call,
                        mu_buf *out) {
    mu_call_piece piece = mu_call_piece_take(delta, call, &c->told);
    if (piece.is_first) open_block(c, TOOL, call_json(call, json_object()), out);
    if (piece.arguments.n > 0)
        append_delta(c, "input_json_delta", "partial_json", piece.arguments, out);
    if (call != delta->live) close_block(c, out);
}

static void news(mu_generation *g, uint32_t i, mu_finish finish, mu_buf *out) {
    mu_choice *c = &g->choices[i];
    mu_delta delta = mu_generation_delta(g, i);
    if (delta.reasoning.n > 0) {
        if (c->block != THINKING) {
            open_block(
                c, THINKING,
                json_pack("{s:s, s:s, s:s}", "type", "thinking", "thinking", "", "signature", ""),
                out);
        }
        append_delta(c, "thinking_delta", "thinking", delta.reasoning, out);
    }
    if (delta.content.n > 0) {
        if (c->block != TEXT) {
            open_block(c, TEXT, json_pack("{s:s, s:s}", "type", "text", "text", ""), out);
        }
        append_delta(c, "text_delta", "text", delta.content, out);
    }
    for (size_t at = 0; at < delta.n_calls; at++) {
        append_call(c, &delta, &delta.calls[at], out);
    }
    if (delta.live) append_call(c, &delta, delta.live, out);
    if (finish != MU_FINISH_NONE) close_block(c, out);
}

static void end(mu_generation *g, mu_buf *out) {
    json_t *sequence;
    const char *reason = stop_reason(g, g->news[0].finish, &sequence);
    append(out, "message_delta",
           json_pack("{s:{s:s, s:O?}, s:o}", "delta", "stop_reason", reason, "stop_sequence",
                     sequence, "usage", usage(g)));
    append(out, "message_stop", json_object());
}

static void fail(const mu_api_error *error, mu_buf *out) {
    append(out, "error", mu_api_error_json(MU_API_ANTHROPIC, error));
}

static bool translate(const json_t *body, json_t **out, mu_api_error *error) {
    const json_t *n = json_object_get(body, "max_tokens");
    if (!json_is_integer(n) || json_integer_value(n) < 1) {
        return mu_api_fail(error, MU_API_INVALID_VALUE, "max_tokens",
                           "max_tokens: must be a whole number, at least 1");
    }
    return mu_anthropic_translate(body, out, error);
}

const mu_generation_form mu_anthropic_form = {
    .id_prefix = "msg_",
    .is_chat = true,
    .stream = MU_STREAM_EVENTS,
    .translate = translate,
    .whole = whole,
    .begin = begin,
    .news = news,
    .end = end,
    .fail = fail,
};

void mu_anthropic_post_messages(mu_call *call) {
    mu_exchange_add_header(call->x, "request-id", call->id);
    mu_generation_start(call, &mu_anthropic_form);
}

/* count_tokens */

static bool count(mu_call *call, json_t *body, uint32_t *out, mu_api_error *error) {
    json_t *chat = NULL;
    mu_generation_params p = {0};
    mu_rendering rendering = {0};
    mu_prompt *prompt = NULL;
    mu_buf unknown = {0};
    bool ok = mu_anthropic_translate(body, &chat, error) &&
              mu_generation_params_read(chat, true, &p, &unknown, error) &&
              mu_call_choose_model(call, p.model, error) &&
              mu_messages_render(call->served->of.conversation, &p,
                                 mu_server_unix_time(call->server), &rendering, error) &&
              mu_prompts_encode(call, &rendering, &prompt, error);
    if (ok) *out = prompt->n;
    mu_prompts_free(prompt, 1);
    mu_rendering_deinit(&rendering);
    mu_generation_params_deinit(&p);
    mu_buf_deinit(&unknown);
    json_decref(chat);
    return ok;
}

void mu_anthropic_post_count_tokens(mu_call *call) {
    mu_api_error error;
    uint32_t n = 0;
    json_t *body;
    mu_exchange_add_header(call->x, "request-id", call->id);
    if (!mu_call_body(call, &body)) return;
    if (count(call, body, &n, &error)) {
        mu_call_json(call, 200, json_pack("{s:i}", "input_tokens", (int)n));
    } else {
        mu_call_fail(call, &error);
    }
    mu_call_body_free(call, body);
}
