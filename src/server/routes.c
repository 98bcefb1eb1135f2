#include "server/routes.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "server/admin.h"
#include "server/anthropic.h"
#include "server/embedding.h"
#include "server/generation.h"
#include "server/generation_params.h"
#include "server/messages.h"
#include "server/metrics_text.h"
#include "server/ollama.h"
#include "server/prompts.h"
#include "server/rerank.h"

enum { TOKENIZE_BYTES_MAX = 1 << 20 }; /* so that none takes longer than a second or two */

static void get_live(mu_call *call) {
    mu_call_json(call, 200, json_pack("{s:s}", "status", "ok"));
}

static void get_ready(mu_call *call) {
    mu_api_error error;
    if (atomic_load(&call->server->is_draining)) {
        mu_api_fail(&error, MU_API_DRAINING, NULL, "Draining");
        mu_call_fail(call, &error);
    } else if (!atomic_load(&call->server->is_ready)) {
        mu_api_fail(&error, MU_API_LOADING, NULL, "Loading model");
        mu_call_fail(call, &error);
    } else {
        get_live(call);
    }
}

static void get_version(mu_call *call) {
    mu_call_json(call, 200, json_pack("{s:s}", "version", MUAI_VERSION));
}

/* As llama-server says it. */
static const char *status_of(const mu_served *served) {
    mu_resident_stats stats;
    mu_resident_get_stats(served->of.resident, &stats);
    bool is_closing = stats.residency.phase == MU_CLOSING; /* it still answers */
    return mu_phase_name(is_closing ? MU_READY : stats.residency.phase);
}

static json_t *model_json(const mu_server *server, const mu_served *served, const char *name) {
    const mu_decoder_spec *spec = mu_model_spec(served->model);
    return json_pack(
        "{s:s, s:s, s:I, s:s, s:i, s:s, s:{s:i, s:I, s:I}, s:{s:s}}", "id", name, "object", "model",
        "created", (json_int_t)server->opened_at, "owned_by", "muai", "max_model_len",
        (int)mu_engine_n_ctx(served->engine), "root", served->of.names[0], "meta", "n_ctx_train",
        (int)spec->n_ctx, "n_params", (json_int_t)mu_model_n_parameters(served->model), "size",
        (json_int_t)mu_model_file_bytes(served->model), "status", "value", status_of(served));
}

static void get_models(mu_call *call) {
    const mu_server *server = call->server;
    json_t *list = json_array();
    for (uint32_t i = 0; i < server->n_served; i++) {
        const mu_served *served = &server->served[i];
        for (uint32_t j = 0; j < served->of.n_listed; j++) {
            json_array_append_new(list, model_json(server, served, served->of.names[j]));
        }
    }
    mu_call_json(call, 200, json_pack("{s:s, s:o}", "object", "list", "data", list));
}

static void get_model(mu_call *call) {
    const char *name = strstr(mu_exchange_path(call->x), "/models/") + strlen("/models/");
    mu_api_error error;
    if (mu_call_choose_model(call, name, &error)) {
        mu_call_json(call, 200, model_json(call->server, call->served, name));
    } else {
        mu_call_fail(call, &error);
    }
}

static void post_completions(mu_call *call) {
    mu_generation_start(call, &mu_completion_form);
}

static void post_chat(mu_call *call) {
    mu_generation_start(call, &mu_chat_form);
}

/* The body, and the model that it names. False: answered with the error. */
static bool read_body(mu_call *call, json_t **out) {
    mu_api_error error;
    if (!mu_call_body(call, out)) return false;
    const char *name = json_string_value(json_object_get(*out, "model"));
    if (mu_call_choose_model(call, name, &error)) return true;
    mu_call_fail(call, &error);
    mu_call_body_free(call, *out);
    return false;
}

/* As text at once: a tree of as many numbers would be ten times as large. */
static void answer_tokens(mu_call *call, const mu_token *tokens, uint32_t n) {
    mu_buf text = {0};
    mu_buf_append_str(&text, "{\"tokens\":[");
    for (uint32_t i = 0; i < n; i++) {
        mu_buf_printf(&text, "%s%d", i > 0 ? "," : "", (int)tokens[i]);
    }
    mu_buf_printf(&text, "],\"count\":%u}", n);
    mu_call_text(call, "application/json", &text);
    mu_buf_deinit(&text);
}

static bool tokenize(mu_call *call, json_t *body, mu_token **out, uint32_t *out_n,
                     mu_api_error *error) {
    json_t *content = json_object_get(body, "content");
    size_t n = json_string_length(content);
    /* As completions read a prompt, unless the fields say otherwise. */
    uint32_t flags = json_is_true(json_object_get(body, "add_special")) ? MU_ENCODE_BOS : 0;
    if (!json_is_false(json_object_get(body, "parse_special"))) flags |= MU_ENCODE_SPECIAL;
    uint64_t scratch = (uint64_t)n * MU_ENCODE_BYTES_PER_BYTE;
    mu_err err;
    if (!json_is_string(content)) {
        return mu_api_fail(error, MU_API_INVALID_VALUE, "content", "content: must be a text");
    }
    if (n > TOKENIZE_BYTES_MAX) {
        return mu_api_fail(error, MU_API_TOO_LARGE, "content",
                           "content: %zu bytes, at most %d are tokenized at once", n,
                           TOKENIZE_BYTES_MAX);
    }
    if (!mu_call_charge(call, scratch, error)) return false;
    mu_status status = mu_encoder_pool_encode(call->served->encoders, json_string_value(content), n,
                                              flags, out, out_n, &err);
    return status == MU_OK || mu_api_fail_status(error, &err);
}

static void post_tokenize(mu_call *call) {
    json_t *body;
    mu_token *tokens = NULL;
    uint32_t n = 0;
    mu_api_error error;
    if (!read_body(call, &body)) return;
    if (tokenize(call, body, &tokens, &n, &error)) {
        answer_tokens(call, tokens, n);
    } else {
        mu_call_fail(call, &error);
    }
    mu_free(tokens);
    mu_call_body_free(call, body);
}

/* {name: text}; NULL: no memory. */
static json_t *text_json(const char *name, const mu_buf *text) {
    if (text->failed) return NULL;
    return json_pack("{s:s%}", name, text->data ? text->data : "", text->n);
}

static void post_detokenize(mu_call *call) {
    json_t *body;
    if (!read_body(call, &body)) return;
    mu_token *tokens = NULL;
    uint32_t n = 0;
    mu_api_error error;
    if (!mu_tokens_read("tokens", json_object_get(body, "tokens"), &tokens, &n, &error) ||
        !mu_call_charge(call, n * (uint64_t)call->served->piece_bytes_max, &error)) {
        mu_call_fail(call, &error);
    } else {
        mu_detokenizer detok;
        mu_buf text = {0};
        mu_detokenizer_init(&detok, mu_model_tokenizer(call->served->model), true);
        for (uint32_t i = 0; i < n; i++) {
            mu_detokenizer_push(&detok, tokens[i], &text);
        }
        mu_detokenizer_finish(&detok, &text);
        mu_call_json(call, 200, text_json("content", &text));
        mu_buf_deinit(&text);
    }
    mu_free(tokens);
    mu_call_body_free(call, body);
}

static void post_apply_template(mu_call *call) {
    json_t *body;
    if (!read_body(call, &body)) return;
    mu_generation_params params = {0};
    mu_rendering r = {0};
    mu_prompt *prompt = NULL;
    mu_buf unknown = {0};
    mu_api_error error;
    bool ok = mu_generation_params_read(body, true, &params, &unknown, &error) &&
              mu_messages_render(call->served->of.conversation, &params,
                                 mu_server_unix_time(call->server), &r, &error) &&
              mu_prompts_encode(call, &r, &prompt, &error);
    if (ok) {
        json_t *tokens = json_array();
        for (uint32_t i = 0; i < prompt->n; i++) {
            json_array_append_new(tokens, json_integer(prompt->tokens[i]));
        }
        mu_call_json(call, 200, json_pack("{s:s%, s:o}", "prompt", r.text, r.n, "tokens", tokens));
    } else {
        mu_call_fail(call, &error);
    }
    mu_prompts_free(prompt, 1);
    mu_rendering_deinit(&r);
    mu_generation_params_deinit(&params);
    mu_buf_deinit(&unknown);
    mu_call_body_free(call, body);
}

static void get_metrics(mu_call *call) {
    mu_buf text = {0};
    mu_metrics_write(call->server, &text);
    mu_call_text(call, "text/plain; version=0.0.4; charset=utf-8", &text);
    mu_buf_deinit(&text);
}

/* What clients of Ollama look for before they ask for more. */
static void get_root(mu_call *call) {
    mu_buf text = {0};
    mu_buf_append_str(&text, "MuAI is running\n");
    mu_call_text(call, "text/plain; charset=utf-8", &text);
    mu_buf_deinit(&text);
}

static const mu_route routes[] = {
    {"POST", "/v1/completions", post_completions, MU_ROUTE_MODEL, "text from a prompt"},
    {"POST", "/v1/chat/completions", post_chat, MU_ROUTE_MODEL, "an answer to messages"},
    {"POST", "/v1/embeddings", mu_embedding_post_openai, MU_ROUTE_MODEL,
     "vectors of texts, of a model that gives embeddings"},
    {"POST", "/v1/rerank", mu_rerank_post, MU_ROUTE_MODEL,
     "`documents` by how well they fit `query`, of a model that scores pairs; `top_n`, "
     "`return_documents`"},
    {"POST", "/v2/rerank", mu_rerank_post, MU_ROUTE_MODEL, "the same, as Cohere's clients ask"},
    {"POST", "/v1/score", mu_rerank_post_score, MU_ROUTE_MODEL,
     "how well `text_2` fits `text_1`: texts or lists"},
    {"POST", "/v1/messages", mu_anthropic_post_messages, MU_ROUTE_MODEL,
     "Anthropic's Messages: the same chats in its terms"},
    {"POST", "/v1/messages/count_tokens", mu_anthropic_post_count_tokens, MU_ROUTE_MODEL,
     "`input_tokens` that such a body would have"},
    {"POST", "/api/chat", mu_ollama_post_chat, MU_ROUTE_MODEL,
     "Ollama's chats; without messages: load the model, or unload it (`keep_alive` 0)"},
    {"POST", "/api/generate", mu_ollama_post_generate, MU_ROUTE_MODEL,
     "Ollama's prompts; `raw`: without the chat template"},
    {"POST", "/api/embed", mu_embedding_post_ollama, MU_ROUTE_MODEL, "Ollama's embeddings"},
    {"POST", "/api/embeddings", mu_embedding_post_ollama_one, MU_ROUTE_MODEL,
     "the same of one `prompt`, as older clients ask"},
    {"GET", "/api/tags", mu_ollama_get_tags, MU_ROUTE_MODEL,
     "the served models, as Ollama lists them"},
    {"GET", "/api/ps", mu_ollama_get_ps, MU_ROUTE_MODEL, "those that are loaded"},
    {"POST", "/api/show", mu_ollama_post_show, MU_ROUTE_MODEL, "what one of them is and can"},
    {"GET", "/api/version", get_version, MU_ROUTE_KEY, "the program's version"},
    {"GET", "/v1/models", get_models, MU_ROUTE_MODEL, "the served models"},
    {"GET", "/v1/models/", get_model, MU_ROUTE_MODEL, "one of them; `/` in its id may be `%2F`"},
    {"POST", "/tokenize", post_tokenize, MU_ROUTE_MODEL,
     "`content` to `tokens`, as completions read a prompt; `add_special`: with bos; "
     "`parse_special` false: special tokens are plain text"},
    {"POST", "/detokenize", post_detokenize, MU_ROUTE_MODEL, "`tokens` to `content`"},
    {"POST", "/apply-template", post_apply_template, MU_ROUTE_MODEL,
     "`messages`, as of a chat completion, to `prompt` and its `tokens`"},
    {"GET", "/admin/models", mu_admin_get_models, MU_ROUTE_ADMIN,
     "what is loaded, what it takes, what it does"},
    {"POST", "/admin/models/load", mu_admin_post_model, MU_ROUTE_ADMIN,
     "load `model` though nobody asks for it yet; answered at once, `GET` shows the rest"},
    {"POST", "/admin/models/unload", mu_admin_post_model, MU_ROUTE_ADMIN,
     "unload `model` when what runs on it has finished; `force`: at once, its requests end with "
     "503"},
    {"POST", "/admin/models/pin", mu_admin_post_model, MU_ROUTE_ADMIN,
     "once loaded, `model` stays"},
    {"POST", "/admin/models/unpin", mu_admin_post_model, MU_ROUTE_ADMIN, "it may go again"},
    {"POST", "/models/load", mu_admin_post_model, MU_ROUTE_ADMIN, "as `/admin/models/load`"},
    {"POST", "/models/unload", mu_admin_post_model, MU_ROUTE_ADMIN, "as `/admin/models/unload`"},
    {"GET", "/", get_root, MU_ROUTE_OPEN, "200: a server is here"},
    {"GET", "/health", get_ready, MU_ROUTE_OPEN, "200 when requests are taken, else 503"},
    {"GET", "/livez", get_live, MU_ROUTE_OPEN, "200 while the process runs"},
    {"GET", "/healthz", get_live, MU_ROUTE_OPEN, "the same"},
    {"GET", "/readyz", get_ready, MU_ROUTE_OPEN,
     "200 when requests are taken; 503 loading or draining"},
    {"GET", "/metrics", get_metrics, MU_ROUTE_METRICS, "Prometheus text"},
    {"GET", "/version", get_version, MU_ROUTE_KEY, "the program's version"},
};

_Static_assert(MU_COUNTOF(routes) < MU_ROUTES_MAX, "one more for unknown paths");

static bool path_matches(const char *own, const char *path) {
    size_t n = strlen(own);
    if (n > 1 && own[n - 1] == '/') return strncmp(path, own, n) == 0 && path[n] != '\0';
    return strcmp(path, own) == 0;
}

static bool route_matches(const mu_route *route, const char *path) {
    bool is_v1 = strncmp(route->path, "/v1", 3) == 0;
    if (path_matches(route->path, path)) return true;
    if (is_v1 && path_matches(route->path + 3, path)) return true;
    return strcmp(path, "/v1/health") == 0 && strcmp(route->path, "/health") == 0;
}

const mu_route *mu_route_find(const char *method, const char *path, bool *path_is_known) {
    const char *as = strcmp(method, "HEAD") == 0 ? "GET" : method;
    *path_is_known = false;
    for (size_t i = 0; i < MU_COUNTOF(routes); i++) {
        if (!route_matches(&routes[i], path)) continue;
        *path_is_known = true;
        if (strcmp(routes[i].method, as) == 0) return &routes[i];
    }
    return NULL;
}

void mu_route_methods(const char *path, char *out, size_t cap) {
    bool gets = false, posts = false;
    for (size_t i = 0; i < MU_COUNTOF(routes); i++) {
        if (!route_matches(&routes[i], path)) continue;
        gets |= strcmp(routes[i].method, "GET") == 0;
        posts |= strcmp(routes[i].method, "POST") == 0;
    }
    snprintf(out, cap, "%s%sOPTIONS", gets ? "GET, HEAD, " : "", posts ? "POST, " : "");
}

void mu_route_paths(char *out, size_t cap) {
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < MU_COUNTOF(routes); i++) {
        int n_more = snprintf(out + n, cap - n, "%s%s", n > 0 ? ", " : "", routes[i].path);
        if ((size_t)n_more >= cap - n) break;
        n += (size_t)n_more;
    }
    out[n] = '\0';
}

uint32_t mu_route_index(const mu_route *route) {
    return route ? (uint32_t)(route - routes) : (uint32_t)MU_COUNTOF(routes);
}

const mu_route *mu_route_at(uint32_t i) {
    return i < MU_COUNTOF(routes) ? &routes[i] : NULL;
}

void mu_routes_document(mu_buf *out) {
    mu_buf_append_str(out, "## Routes\n\n| method | path | what |\n|---|---|---|\n");
    for (size_t i = 0; i < MU_COUNTOF(routes); i++) {
        mu_buf_printf(out, "| %s | `%s` | %s%s |\n", routes[i].method, routes[i].path,
                      routes[i].help, routes[i].needs == MU_ROUTE_OPEN ? "; no key needed" : "");
    }
}
