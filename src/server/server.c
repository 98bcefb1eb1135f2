/* Routes and what every request goes through: request id, host and origin, key, readiness; at the
 * end the count and the line in the access log. */
#include "server/server.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "format/json.h"
#include "server/generation_params.h"
#include "server/request.h"

typedef struct mu_route {
    const char *method, *path; /* a path that ends in '/' is a prefix */
    void (*handle)(mu_request *r);
    enum { OPEN, KEYED, MODEL } needs; /* no key; a key; a key and a loaded model */
    const char *help;
} mu_route;

/* Answers */

static void add_common_headers(mu_request *r) {
    const mu_server_options *o = &r->server->options;
    const char *origin = mu_exchange_header(r->x, "Origin");
    mu_exchange_add_header(r->x, "x-request-id", r->id);
    if (origin && o->n_origins > 0) {
        mu_exchange_add_header(r->x, "Access-Control-Allow-Origin", origin);
        mu_exchange_add_header(r->x, "Vary", "Origin");
    }
}

void mu_request_json(mu_request *r, unsigned code, json_t *json) {
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (!text) {
        mu_exchange_drop(r->x);
        return;
    }
    mu_exchange_respond(r->x, code, "application/json", text, strlen(text));
    mu_free(text);
}

void mu_request_text(mu_request *r, const char *content_type, const mu_buf *text) {
    if (text->failed) {
        mu_exchange_drop(r->x);
    } else {
        mu_exchange_respond(r->x, 200, content_type, text->data ? text->data : "", text->n);
    }
}

void mu_request_fail(mu_request *r, const mu_api_error *error) {
    char seconds[16] = "1";
    unsigned http = mu_api_http_code(error->code);
    if (error->code == MU_API_QUEUE_FULL) {
        snprintf(seconds, sizeof(seconds), "%u", mu_executor_wait_s(r->server->executor));
    }
    if (http == 401) mu_exchange_add_header(r->x, "WWW-Authenticate", "Bearer");
    if (http == 429 || http == 503) mu_exchange_add_header(r->x, "Retry-After", seconds);
    if (http == 500) mu_exchange_add_header(r->x, "x-should-retry", "false");
    mu_request_json(r, http, mu_api_error_json(error));
}

static void fail(mu_request *r, mu_api_code code, const char *text) {
    mu_api_error error;
    mu_api_fail(&error, code, NULL, "%s", text);
    mu_request_fail(r, &error);
}

void mu_request_report_unknown(mu_request *r, const mu_buf *unknown) {
    if (unknown->n > 0 && !unknown->failed && unknown->n < 512) {
        mu_exchange_add_header(r->x, "x-unknown-fields", unknown->data);
    }
}

/* JSON, or what curl -d calls its data. */
static bool type_is_taken(const char *type) {
    static const char *const taken[] = {"application/json", "application/x-www-form-urlencoded"};
    for (size_t i = 0; type && i < MU_COUNTOF(taken); i++) {
        size_t n = strlen(taken[i]);
        if (strncasecmp(type, taken[i], n) == 0 && (type[n] == '\0' || type[n] == ';')) return true;
    }
    return type == NULL;
}

bool mu_request_body(mu_request *r, json_t **out) {
    mu_buf *body = mu_exchange_body(r->x);
    mu_api_error error;
    mu_err err;
    if (!type_is_taken(mu_exchange_header(r->x, "Content-Type"))) {
        fail(r, MU_API_MEDIA_TYPE, "Content-Type must be application/json");
        return false;
    }
    mu_json_mend_surrogates(body->data, body->n);
    mu_status status = mu_json_parse(body->data ? body->data : "", body->n, out, &err);
    if (status == MU_OK) return true;
    if (status == MU_ERR_LIMIT) err.status = MU_ERR_FORMAT; /* depth */
    mu_api_fail_status(&error, &err);
    mu_request_fail(r, &error);
    return false;
}

/* Routes */

static void get_live(mu_request *r) {
    mu_request_json(r, 200, json_pack("{s:s}", "status", "ok"));
}

static void get_ready(mu_request *r) {
    if (atomic_load(&r->server->is_draining)) {
        fail(r, MU_API_DRAINING, "Draining");
    } else if (!atomic_load(&r->server->is_ready)) {
        fail(r, MU_API_LOADING, "Loading model");
    } else {
        get_live(r);
    }
}

static void get_version(mu_request *r) {
    mu_request_json(r, 200, json_pack("{s:s}", "version", MUAI_VERSION));
}

static json_t *model_json(const mu_server *server, const char *name) {
    const mu_decoder_spec *spec = mu_model_spec(server->model);
    return json_pack("{s:s, s:s, s:I, s:s, s:i, s:s, s:{s:i, s:I, s:I}, s:{s:s}}", "id", name,
                     "object", "model", "created", (json_int_t)server->opened_at, "owned_by",
                     "muai", "max_model_len", (int)mu_engine_n_ctx(server->engine), "root",
                     server->options.names[0], "meta", "n_ctx_train", (int)spec->n_ctx, "n_params",
                     (json_int_t)mu_model_n_parameters(server->model), "size",
                     (json_int_t)mu_model_file_bytes(server->model), "status", "value", "loaded");
}

static void get_models(mu_request *r) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < r->server->options.n_names; i++) {
        json_array_append_new(list, model_json(r->server, r->server->options.names[i]));
    }
    mu_request_json(r, 200, json_pack("{s:s, s:o}", "object", "list", "data", list));
}

static void get_model(mu_request *r) {
    const char *name = strstr(mu_exchange_path(r->x), "/models/") + strlen("/models/");
    mu_api_error error;
    for (uint32_t i = 0; i < r->server->options.n_names; i++) {
        if (strcmp(name, r->server->options.names[i]) != 0) continue;
        mu_request_json(r, 200, model_json(r->server, name));
        return;
    }
    mu_api_fail(&error, MU_API_MODEL_NOT_FOUND, "model", "the model \"%.100s\" is not served",
                name);
    mu_request_fail(r, &error);
}

static void post_completions(mu_request *r) {
    mu_generation_start(r, false);
}

static void post_chat(mu_request *r) {
    mu_generation_start(r, true);
}

/* As completions read a prompt: special tokens in the text are tokens, unless parse_special is
 * false; bos in front only where add_special asks for it. */
static uint32_t tokenize_flags(const json_t *body) {
    bool is_plain = json_is_false(json_object_get(body, "parse_special"));
    bool with_bos = json_is_true(json_object_get(body, "add_special"));
    return (is_plain ? 0 : MU_ENCODE_SPECIAL) | (with_bos ? MU_ENCODE_BOS : 0);
}

static void post_tokenize(mu_request *r) {
    json_t *body, *tokens = json_array();
    if (!mu_request_body(r, &body)) {
        json_decref(tokens);
        return;
    }
    json_t *content = json_object_get(body, "content");
    const mu_token *ids;
    size_t n;
    mu_err err;
    mu_api_error error;
    if (!json_is_string(content)) {
        mu_api_fail(&error, MU_API_INVALID_VALUE, "content", "content: must be a text");
        mu_request_fail(r, &error);
    } else if (mu_encode(r->server->encoder, json_string_value(content),
                         json_string_length(content), tokenize_flags(body), &ids, &n,
                         &err) != MU_OK) {
        mu_api_fail_status(&error, &err);
        mu_request_fail(r, &error);
    } else {
        for (size_t i = 0; i < n; i++) {
            json_array_append_new(tokens, json_integer(ids[i]));
        }
        mu_request_json(r, 200, json_pack("{s:O, s:I}", "tokens", tokens, "count", (json_int_t)n));
    }
    json_decref(tokens);
    json_decref(body);
}

static void post_detokenize(mu_request *r) {
    json_t *body;
    if (!mu_request_body(r, &body)) return;
    mu_token *tokens = NULL;
    uint32_t n = 0;
    mu_api_error error;
    if (!mu_tokens_read("tokens", json_object_get(body, "tokens"), &tokens, &n, &error)) {
        mu_request_fail(r, &error);
    } else {
        mu_detokenizer detok;
        mu_buf text = {0};
        mu_detokenizer_init(&detok, mu_model_tokenizer(r->server->model), true);
        for (uint32_t i = 0; i < n; i++) {
            mu_detokenizer_push(&detok, tokens[i], &text);
        }
        mu_detokenizer_finish(&detok, &text);
        mu_request_json(r, 200,
                        text.failed
                            ? NULL
                            : json_pack("{s:s%}", "content", text.data ? text.data : "", text.n));
        mu_buf_deinit(&text);
    }
    mu_free(tokens);
    json_decref(body);
}

static void post_apply_template(mu_request *r) {
    json_t *body;
    if (!mu_request_body(r, &body)) return;
    mu_buf text = {0};
    mu_api_error error;
    if (!mu_messages_render(r->server->options.chat_template, json_object_get(body, "messages"),
                            &text, &error)) {
        mu_request_fail(r, &error);
    } else {
        mu_request_json(r, 200,
                        text.failed ? NULL : json_pack("{s:s%}", "prompt", text.data, text.n));
    }
    mu_buf_deinit(&text);
    json_decref(body);
}

static void get_metrics(mu_request *r) {
    mu_buf text = {0};
    mu_metrics_write(r->server, &text);
    mu_request_text(r, "text/plain; version=0.0.4; charset=utf-8", &text);
    mu_buf_deinit(&text);
}

static const mu_route routes[] = {
    {"POST", "/v1/completions", post_completions, MODEL, "text from a prompt"},
    {"POST", "/v1/chat/completions", post_chat, MODEL, "an answer to messages"},
    {"GET", "/v1/models", get_models, MODEL, "the served models"},
    {"GET", "/v1/models/", get_model, MODEL, "one of them; `/` in its id may be `%2F`"},
    {"POST", "/tokenize", post_tokenize, MODEL,
     "`content` to `tokens`, as completions read a prompt; `add_special`: with bos; "
     "`parse_special` false: special tokens are plain text"},
    {"POST", "/detokenize", post_detokenize, MODEL, "`tokens` to `content`"},
    {"POST", "/apply-template", post_apply_template, MODEL, "`messages` to `prompt`"},
    {"GET", "/health", get_ready, OPEN, "200 when requests are taken, else 503"},
    {"GET", "/livez", get_live, OPEN, "200 while the process runs"},
    {"GET", "/healthz", get_live, OPEN, "the same"},
    {"GET", "/readyz", get_ready, OPEN, "200 when requests are taken; 503 loading or draining"},
    {"GET", "/metrics", get_metrics, KEYED, "Prometheus text"},
    {"GET", "/version", get_version, KEYED, "the program's version"},
};

const char *mu_route_path(uint32_t i) {
    return i < MU_COUNTOF(routes) ? routes[i].path : NULL;
}

static bool path_matches(const mu_route *route, const char *path) {
    size_t n = strlen(route->path);
    if (route->path[n - 1] == '/') return strncmp(path, route->path, n) == 0 && path[n] != '\0';
    return strcmp(path, route->path) == 0;
}

/* With and without "/v1": old clients leave it out, and health checks put it in. */
static const mu_route *find_route(const char *method, const char *path, bool *is_known) {
    bool is_head = strcmp(method, "HEAD") == 0;
    *is_known = false;
    for (size_t i = 0; i < MU_COUNTOF(routes); i++) {
        const mu_route *route = &routes[i];
        mu_route bare = *route;
        if (strncmp(bare.path, "/v1", 3) == 0) bare.path += 3;
        bool is_v1_health = strncmp(path, "/v1", 3) == 0 && strcmp(path + 3, "/health") == 0 &&
                            strcmp(route->path, "/health") == 0;
        if (!path_matches(route, path) && !path_matches(&bare, path) && !is_v1_health) continue;
        *is_known = true;
        if (strcmp(route->method, is_head ? "GET" : method) == 0) return route;
    }
    return NULL;
}

/* Access */

static bool is_in(const char *text, size_t n, const char *const *list, uint32_t n_list) {
    for (uint32_t i = 0; i < n_list; i++) {
        if (strcmp(list[i], "*") == 0) return true;
        if (strlen(list[i]) == n && strncasecmp(list[i], text, n) == 0) return true;
    }
    return false;
}

static bool host_is_allowed(const mu_request *r) {
    static const char *const loopback[] = {"localhost", "127.0.0.1", "[::1]"};
    const mu_server_options *o = &r->server->options;
    const char *host = mu_exchange_header(r->x, "Host");
    if (!o->checks_host || !host) return true;
    size_t n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    if (n > strlen(host)) return false;
    return is_in(host, n, loopback, MU_COUNTOF(loopback)) || is_in(host, n, o->hosts, o->n_hosts);
}

static bool origin_is_allowed(const mu_request *r) {
    const mu_server_options *o = &r->server->options;
    const char *origin = mu_exchange_header(r->x, "Origin");
    const char *host = mu_exchange_header(r->x, "Host");
    if (!origin) return true;
    if (is_in(origin, strlen(origin), o->origins, o->n_origins)) return true;
    const char *authority = strstr(origin, "://");
    return authority && host && strcasecmp(authority + 3, host) == 0; /* the page is ours */
}

static bool key_is_right(mu_request *r) {
    const mu_auth *auth = &r->server->options.auth;
    bool is_open = r->route->needs == OPEN;
    if (r->route->handle == get_metrics && r->server->options.metrics_public) is_open = true;
    if (auth->n == 0 || is_open) return true;
    r->key = mu_auth_check(auth, mu_exchange_header(r->x, "Authorization"),
                           mu_exchange_header(r->x, "x-api-key"));
    return r->key != 0;
}

static void answer_preflight(mu_request *r) {
    mu_exchange_add_header(r->x, "Access-Control-Allow-Methods", "GET, POST, OPTIONS");
    mu_exchange_add_header(r->x, "Access-Control-Allow-Headers",
                           "authorization, content-type, x-api-key, x-request-id");
    mu_exchange_add_header(r->x, "Access-Control-Max-Age", "600");
    mu_exchange_respond(r->x, 204, NULL, NULL, 0);
}

/* Requests */

static void make_id(mu_request *r) {
    static atomic_uint_fast64_t n_made;
    const char *given = mu_exchange_header(r->x, "x-request-id");
    size_t n = given ? strlen(given) : 0;
    bool is_good = n > 0 && n < sizeof(r->id);
    for (size_t i = 0; i < n && is_good; i++) {
        is_good = given[i] > ' ' && given[i] < 0x7f && given[i] != '"' && given[i] != '\\';
    }
    if (is_good) {
        memcpy(r->id, given, n + 1);
    } else {
        snprintf(r->id, sizeof(r->id), "req-%llx%06llx", (unsigned long long)r->server->opened_ns,
                 (unsigned long long)atomic_fetch_add(&n_made, 1));
    }
}

static mu_request *open_request(mu_server *server, mu_exchange *x) {
    mu_request *r = mu_alloc(sizeof(*r));
    if (!r) {
        mu_exchange_drop(x);
        return NULL;
    }
    r->server = server;
    r->x = x;
    r->begun_ns = mu_now_ns();
    make_id(r);
    *mu_exchange_user(x) = r;
    add_common_headers(r);
    pthread_mutex_lock(&server->lock);
    r->next = server->requests;
    if (r->next) r->next->prev = r;
    server->requests = r;
    pthread_mutex_unlock(&server->lock);
    return r;
}

static void on_begin(void *ctx, mu_exchange *x) {
    mu_request *r = open_request(ctx, x);
    if (!r) return;
    bool is_known;
    const char *method = mu_exchange_method(x), *path = mu_exchange_path(x);
    r->route = find_route(method, path, &is_known);
    if (!host_is_allowed(r)) {
        fail(r, MU_API_HOST, "the Host header names another host; see --allowed-hosts");
    } else if (!origin_is_allowed(r)) {
        fail(r, MU_API_ORIGIN, "requests from this origin are not allowed; see --cors-origins");
    } else if (is_known && strcmp(method, "OPTIONS") == 0) {
        answer_preflight(r);
    } else if (!r->route && is_known) {
        fail(r, MU_API_METHOD, "this path takes another method");
    } else if (!r->route) {
        fail(r, MU_API_NOT_FOUND, "no such path");
    } else if (!key_is_right(r)) {
        fail(r, MU_API_KEY, "a valid API key is needed, as Authorization: Bearer KEY");
    }
}

static void on_handle(void *ctx, mu_exchange *x) {
    mu_server *server = ctx;
    mu_request *r = *mu_exchange_user(x);
    if (r->generation) {
        mu_generation_resume(r);
        return;
    }
    if (r->route->needs == MODEL && atomic_load(&server->is_draining)) {
        mu_exchange_add_header(x, "Connection", "close");
        fail(r, MU_API_DRAINING, "the server is stopping");
        return;
    }
    if (r->route->needs == MODEL && !atomic_load(&server->is_ready)) {
        fail(r, MU_API_LOADING, "Loading model");
        return;
    }
    if (r->route->needs == MODEL) {
        pthread_mutex_lock(&server->lock);
        server->n_active++;
        pthread_mutex_unlock(&server->lock);
        r->is_counted = true;
    }
    r->route->handle(r);
}

static mu_stream on_source(void *ctx, mu_exchange *x, mu_buf *out) {
    (void)ctx;
    return mu_generation_source(*mu_exchange_user(x), out);
}

static void on_refuse(void *ctx, mu_exchange *x, unsigned code, const char *why) {
    mu_request *r = *mu_exchange_user(x) ? *mu_exchange_user(x) : open_request(ctx, x);
    if (!r) return;
    fail(r,
         code == 413   ? MU_API_TOO_LARGE
         : code == 414 ? MU_API_URI_TOO_LONG
         : code == 431 ? MU_API_HEADERS_TOO_LARGE
                       : MU_API_BAD_REQUEST,
         why);
}

/* {"time": ..., "request_id": ..., ...}; never a word of a prompt. */
static json_t *log_json(const mu_request *r, bool is_whole) {
    struct timespec now;
    struct tm utc;
    char when[40];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t n = strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(when + n, sizeof(when) - n, ".%03ldZ", now.tv_nsec / 1000000);
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:f}", "time", when, "request_id",
                             r->id, "peer", mu_exchange_peer(r->x), "method",
                             mu_exchange_method(r->x), "path", r->route ? r->route->path : "-",
                             "status", is_whole ? (int)mu_exchange_code(r->x) : 499, "duration_ms",
                             (double)((mu_now_ns() - r->begun_ns) / 1000) / 1e3);
    json_t *more = mu_generation_log(r, is_whole);
    if (json && more) json_object_update(json, more);
    json_decref(more);
    return json;
}

static void append_text_field(mu_buf *line, const char *name, const json_t *value) {
    if (line->n > 0) mu_buf_append_str(line, " ");
    mu_buf_printf(line, "%s=", name);
    if (json_is_string(value)) mu_buf_append_str(line, json_string_value(value));
    if (json_is_integer(value)) mu_buf_printf(line, "%lld", (long long)json_integer_value(value));
    if (json_is_real(value)) mu_buf_printf(line, "%.3f", json_real_value(value));
    if (json_is_boolean(value)) mu_buf_append_str(line, json_is_true(value) ? "true" : "false");
}

static void write_log(mu_request *r, bool is_whole) {
    mu_server *server = r->server;
    if (server->options.log_format == MU_LOG_NONE) return;
    json_t *json = log_json(r, is_whole);
    mu_buf line = {0};
    if (server->options.log_format == MU_LOG_JSON) {
        char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
        if (text) mu_buf_append_str(&line, text);
        mu_free(text);
    } else {
        const char *name;
        json_t *value;
        json_object_foreach(json, name, value) append_text_field(&line, name, value);
    }
    json_decref(json);
    mu_buf_append_str(&line, "\n");
    ssize_t n = line.failed ? -1 : write(server->options.log_fd, line.data, line.n);
    if (n != (ssize_t)line.n) { /* a full disk stops the log, not the server */
        pthread_mutex_lock(&server->lock);
        server->n_log_lost++;
        pthread_mutex_unlock(&server->lock);
    }
    mu_buf_deinit(&line);
}

static void on_end(void *ctx, mu_exchange *x, bool is_whole) {
    mu_server *server = ctx;
    mu_request *r = *mu_exchange_user(x);
    if (!r) return;
    unsigned class = is_whole ? mu_exchange_code(x) / 100 : 4;
    size_t route = r->route ? (size_t)(r->route - routes) : MU_COUNTOF(routes);
    if (r->generation && !is_whole) mu_generation_cancel(r->generation);
    write_log(r, is_whole);
    mu_generation_close(r->generation);
    pthread_mutex_lock(&server->lock);
    if (class < MU_STATUS_CLASSES) server->n_http[route][class]++;
    if (r->is_counted) server->n_active--;
    *(r->prev ? &r->prev->next : &server->requests) = r->next;
    if (r->next) r->next->prev = r->prev;
    pthread_mutex_unlock(&server->lock);
    mu_free(r);
}

/* Once a second: late heads, the GPU's state, silent streams. */
static void *tick(void *arg) {
    mu_server *server = arg;
    struct pollfd stop = {.fd = server->stop_fd, .events = POLLIN};
    while (poll(&stop, 1, 1000) == 0) {
        mu_http_tick(server->http);
        if (atomic_load(&server->is_ready) && server->gpu) mu_gpu_watch_refresh(server->gpu);
        uint64_t now_ns = mu_now_ns(), silence_ns = server->options.ping_s * 1000000000ull;
        pthread_mutex_lock(&server->lock);
        for (mu_request *r = server->requests; r; r = r->next) {
            uint64_t sent_ns = atomic_load(&r->sent_ns);
            if (sent_ns == 0 || silence_ns == 0 || now_ns < sent_ns + silence_ns) continue;
            if (!atomic_exchange(&r->wants_ping, true)) mu_exchange_wake(r->x);
        }
        pthread_mutex_unlock(&server->lock);
    }
    return NULL;
}

mu_status mu_server_open(const mu_server_options *options, mu_server **out, mu_err *err) {
    _Static_assert(MU_COUNTOF(routes) < MU_ROUTES_MAX, "one more for unknown paths");
    MU_ASSERT(!options->gpu_pci_bus_id || (options->gpu_device && options->gpu_name));
    mu_server *server = mu_alloc(sizeof(*server));
    if (!server) return mu_fail(err, MU_ERR_NOMEM, "server");
    server->options = *options;
    server->opened_ns = mu_now_ns();
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    server->opened_at = now.tv_sec;
    pthread_mutex_init(&server->lock, NULL);
    server->stop_fd = eventfd(0, EFD_CLOEXEC);
    mu_http_callbacks callbacks = {.ctx = server,
                                   .begin = on_begin,
                                   .handle = on_handle,
                                   .source = on_source,
                                   .refuse = on_refuse,
                                   .end = on_end};
    mu_status status = MU_OK;
    if (server->stop_fd < 0) status = mu_fail_os(err, MU_ERR_IO, "server");
    if (status == MU_OK) status = mu_http_open(&options->http, &callbacks, &server->http, err);
    if (status == MU_OK && (errno = pthread_create(&server->ticker, NULL, tick, server)) != 0) {
        status = mu_fail_os(err, MU_ERR_IO, "server thread");
    }
    if (status != MU_OK) {
        mu_server_close(server);
        return status;
    }
    server->has_ticker = true;
    *out = server;
    return MU_OK;
}

mu_status mu_server_ready(mu_server *server, const mu_model *model, const mu_engine *engine,
                          mu_executor *executor, mu_err *err) {
    mu_status status = mu_encoder_open(mu_model_tokenizer(model), &server->encoder, err);
    if (status == MU_OK && server->options.gpu_pci_bus_id) {
        const mu_gpu_usage_options gpu = {.pci_bus_id = server->options.gpu_pci_bus_id,
                                          .library = server->options.nvml_library};
        status = mu_gpu_watch_open(&gpu, &server->gpu, err);
    }
    if (status != MU_OK) return status;
    server->piece_bytes_max = mu_tokenizer_longest_piece(mu_model_tokenizer(model));
    if (server->piece_bytes_max == 0) server->piece_bytes_max = 1;
    server->model = model;
    server->engine = engine;
    server->executor = executor;
    atomic_store(&server->is_ready, true);
    return MU_OK;
}

void mu_server_drain(mu_server *server) {
    atomic_store(&server->is_draining, true);
}

uint32_t mu_server_n_active(mu_server *server) {
    pthread_mutex_lock(&server->lock);
    uint32_t n = server->n_active;
    pthread_mutex_unlock(&server->lock);
    return n;
}

void mu_server_close(mu_server *server) {
    if (!server) return;
    if (server->has_ticker) {
        uint64_t one = 1;
        ssize_t n = write(server->stop_fd, &one, sizeof(one));
        (void)n;
        pthread_join(server->ticker, NULL);
    }
    mu_http_close(server->http);
    if (server->stop_fd >= 0) close(server->stop_fd);
    mu_encoder_close(server->encoder);
    mu_gpu_watch_close(server->gpu);
    pthread_mutex_destroy(&server->lock);
    mu_free(server);
}

void mu_server_document(mu_buf *out) {
    mu_buf_append_str(out, "## Routes\n\n| method | path | what |\n|---|---|---|\n");
    for (size_t i = 0; i < MU_COUNTOF(routes); i++) {
        mu_buf_printf(out, "| %s | `%s` | %s%s |\n", routes[i].method, routes[i].path,
                      routes[i].help, routes[i].needs == OPEN ? "; no key needed" : "");
    }
    mu_buf_append_str(out, "\n## Fields of `/v1/completions`\n\n");
    mu_generation_params_document(false, out);
    mu_buf_append_str(out, "\n## Fields of `/v1/chat/completions`\n\n");
    mu_generation_params_document(true, out);
    mu_buf_append_str(out, "\n## Errors\n\n| HTTP | type | code |\n|---|---|---|\n");
    for (int code = 0; code < MU_N_API_CODES; code++) {
        mu_buf_printf(out, "| %u | %s | %s |\n", mu_api_http_code((mu_api_code)code),
                      mu_api_code_type((mu_api_code)code), mu_api_code_name((mu_api_code)code));
    }
}
