/* From a connection to a call and back: what each call goes through, in order, and the thread that
 * ticks. The server owns no model; what it knows of each is in served[], which does not change once
 * is_ready is set.
 */
#include "server/server.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "server/access.h"
#include "server/access_log.h"
#include "server/embedding.h"
#include "server/generation_params.h"
#include "server/routes.h"

/* Models */

static const mu_served *find(const mu_server *server, const char *name, size_t n) {
    for (uint32_t i = 0; i < server->n_served; i++) {
        const mu_served *served = &server->served[i];
        for (uint32_t j = 0; j < served->of.n_names; j++) {
            const char *own = served->of.names[j];
            if (strlen(own) == n && memcmp(name, own, n) == 0) return served;
        }
    }
    return NULL;
}

const mu_served *mu_served_find(const mu_server *server, const char *name) {
    static const char latest[] = ":latest"; /* which Ollama's clients add */
    size_t n = strlen(name), n_latest = sizeof(latest) - 1;
    const mu_served *served = find(server, name, n);
    bool is_latest = n > n_latest && strcmp(name + n - n_latest, latest) == 0;
    return served || !is_latest ? served : find(server, name, n - n_latest);
}

bool mu_call_choose_model(mu_call *call, const char *name, mu_api_error *error) {
    const mu_server *server = call->server;
    bool is_named = name && name[0] != '\0';
    if (!is_named && server->n_served > 1) {
        return mu_api_fail(error, MU_API_INVALID_VALUE, "model",
                           "model: one of the %u models of /v1/models must be named",
                           server->n_served);
    }
    call->served = is_named ? mu_served_find(server, name) : &server->served[0];
    if (call->served) return true;
    return mu_api_fail(error, MU_API_MODEL_NOT_FOUND, "model", "the model \"%.100s\" is not served",
                       name);
}

enum { TRIM_BYTES = 4 << 20 };

bool mu_call_charge(mu_call *call, uint64_t bytes, mu_api_error *error) {
    mu_err err;
    mu_status status = mu_budget_take(call->server->budget, mu_exchange_client(call->x),
                                      call->charged_bytes, bytes, &err);
    if (status == MU_OK) {
        call->charged_bytes += bytes;
        if (call->charged_bytes > TRIM_BYTES) call->is_large = true;
        return true;
    }
    mu_api_code code = status == MU_ERR_LIMIT  ? MU_API_TOO_LARGE
                       : status == MU_ERR_BUSY ? MU_API_CLIENT_LIMIT
                                               : MU_API_OVERLOADED;
    return mu_api_fail(error, code, NULL, "%s", err.text);
}

void mu_call_discharge(mu_call *call, uint64_t bytes) {
    call->charged_bytes -= bytes;
    mu_budget_give(call->server->budget, mu_exchange_client(call->x), bytes);
}

/* Calls */

static void fail(mu_call *call, mu_api_code code, const char *text) {
    mu_api_error error;
    mu_api_fail(&error, code, NULL, "%s", text);
    mu_call_fail(call, &error);
}

static void make_id(mu_call *call) {
    static atomic_uint_fast64_t n_made;
    const char *given = mu_exchange_header(call->x, "x-request-id");
    size_t n = given ? strlen(given) : 0;
    bool is_good = n > 0 && n < sizeof(call->id);
    for (size_t i = 0; i < n && is_good; i++) {
        is_good = given[i] > ' ' && given[i] < 0x7f && given[i] != '"' && given[i] != '\\';
    }
    if (is_good) {
        memcpy(call->id, given, n + 1);
    } else {
        snprintf(call->id, sizeof(call->id), "req-%llx%06llx",
                 (unsigned long long)call->server->opened_ns,
                 (unsigned long long)atomic_fetch_add(&n_made, 1));
    }
}

static mu_call *open_call(mu_server *server, mu_exchange *x) {
    mu_call *call = mu_alloc(sizeof(*call));
    if (!call) {
        mu_exchange_drop(x);
        return NULL;
    }
    call->server = server;
    call->x = x;
    call->begun_ns = mu_now_ns();
    make_id(call);
    *mu_exchange_user(x) = call;
    mu_access_add_headers(call);
    pthread_mutex_lock(&server->lock);
    call->next = server->calls;
    if (call->next) call->next->prev = call;
    server->calls = call;
    pthread_mutex_unlock(&server->lock);
    return call;
}

static void on_begin(void *ctx, mu_exchange *x) {
    mu_call *call = open_call(ctx, x);
    if (!call) return;
    bool path_is_known;
    call->route = mu_route_find(mu_exchange_method(x), mu_exchange_path(x), &path_is_known);
    if (mu_access_check(call, path_is_known) && call->key != 0)
        mu_exchange_set_client(x, call->key);
}

static bool on_charge(void *ctx, mu_exchange *x, uint64_t n_bytes) {
    (void)ctx;
    mu_call *call = *mu_exchange_user(x);
    mu_api_error error;
    if (mu_call_charge(call, n_bytes - call->body_bytes, &error)) {
        call->body_bytes = n_bytes;
        return true;
    }
    mu_call_fail(call, &error);
    return false;
}

/* False: answered, the models are not there. */
static bool enter(mu_call *call) {
    mu_server *server = call->server;
    mu_route_needs needs = call->route->needs;
    if (needs != MU_ROUTE_MODEL && needs != MU_ROUTE_ADMIN) return true;
    if (atomic_load(&server->is_draining)) {
        mu_exchange_set_last(call->x);
        fail(call, MU_API_DRAINING, "the server is stopping");
        return false;
    }
    if (!atomic_load(&server->is_ready)) {
        fail(call, MU_API_LOADING, "Loading model");
        return false;
    }
    pthread_mutex_lock(&server->lock);
    server->n_active++;
    pthread_mutex_unlock(&server->lock);
    call->is_counted = true;
    return true;
}

static void on_handle(void *ctx, mu_exchange *x) {
    (void)ctx;
    mu_call *call = *mu_exchange_user(x);
    if (call->answer) {
        call->answer->kind->resume(call->answer);
    } else if (enter(call)) {
        call->route->handle(call);
    }
}

static mu_stream on_source(void *ctx, mu_exchange *x, mu_buf *out) {
    (void)ctx;
    mu_answer *answer = ((mu_call *)*mu_exchange_user(x))->answer;
    return answer->kind->source(answer, out);
}

static void on_refuse(void *ctx, mu_exchange *x, unsigned code, const char *why) {
    mu_call *call = *mu_exchange_user(x) ? *mu_exchange_user(x) : open_call(ctx, x);
    if (!call) return;
    fail(call,
         code == 408   ? MU_API_LATE
         : code == 413 ? MU_API_TOO_LARGE
         : code == 414 ? MU_API_URI_TOO_LONG
         : code == 431 ? MU_API_HEADERS_TOO_LARGE
                       : MU_API_BAD_REQUEST,
         why);
}

static void on_end(void *ctx, mu_exchange *x, bool is_whole) {
    mu_server *server = ctx;
    mu_call *call = *mu_exchange_user(x);
    if (!call) return;
    unsigned class = is_whole ? mu_exchange_code(x) / 100 : 4;
    mu_answer *answer = call->answer;
    if (answer && !is_whole) answer->kind->cancel(answer);
    mu_access_log_write(call, is_whole);
    if (answer) answer->kind->close(answer);
    mu_call_discharge(call, call->charged_bytes);
    if (call->is_large) atomic_store(&server->wants_trim, true);
    pthread_mutex_lock(&server->lock);
    if (class < MU_STATUS_CLASSES) server->n_http[mu_route_index(call->route)][class]++;
    if (call->is_counted) server->n_active--;
    *(call->prev ? &call->prev->next : &server->calls) = call->next;
    if (call->next) call->next->prev = call->prev;
    pthread_mutex_unlock(&server->lock);
    mu_free(call);
}

/* Once a second: the GPU's state, silent streams. */
static void *tick(void *arg) {
    mu_server *server = arg;
    struct pollfd stop = {.fd = server->stop_fd, .events = POLLIN};
    while (poll(&stop, 1, 1000) == 0) {
        if (atomic_exchange(&server->wants_trim, false)) mu_heap_trim();
        if (atomic_load(&server->is_ready) && server->gpu) mu_gpu_watch_refresh(server->gpu);
        uint64_t now_ns = mu_now_ns(), silence_ns = server->options.ping_s * 1000000000ull;
        pthread_mutex_lock(&server->lock);
        for (mu_call *call = server->calls; call; call = call->next) {
            uint64_t sent_ns = atomic_load(&call->sent_ns);
            if (sent_ns == 0 || silence_ns == 0 || now_ns < sent_ns + silence_ns) continue;
            if (!atomic_exchange(&call->wants_ping, true)) mu_exchange_wake(call->x);
        }
        pthread_mutex_unlock(&server->lock);
    }
    return NULL;
}

/* The server */

mu_status mu_server_open(const mu_server_options *options, mu_server **out, mu_err *err) {
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
                                   .charge = on_charge,
                                   .handle = on_handle,
                                   .source = on_source,
                                   .refuse = on_refuse,
                                   .end = on_end};
    mu_status status = MU_OK;
    if (server->stop_fd < 0) status = mu_fail_os(err, MU_ERR_IO, "server");
    if (status == MU_OK) status = mu_budget_open(options->request_memory, &server->budget, err);
    if (status == MU_OK && options->log_format != MU_LOG_NONE) {
        status = mu_log_writer_open(options->log_fd, &server->log, err);
    }
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

int64_t mu_server_unix_time(const mu_server *server) {
    return server->opened_at + (int64_t)((mu_now_ns() - server->opened_ns) / 1000000000);
}

static mu_status serve_model(const mu_server_model *of, mu_served *served, mu_err *err) {
    MU_ASSERT(of->n_names > 0 && of->n_names <= MU_SERVER_LIST_MAX && of->conversation);
    MU_ASSERT(of->n_listed > 0 && of->n_listed <= of->n_names);
    served->of = *of;
    served->model = mu_resident_model(of->resident);
    served->engine = mu_resident_engine(of->resident);
    mu_constraint_vocab_init(&served->vocab, served->engine);
    const mu_tokenizer *tokenizer = mu_model_tokenizer(served->model);
    served->piece_bytes_max = mu_tokenizer_longest_piece(tokenizer);
    if (served->piece_bytes_max == 0) served->piece_bytes_max = 1;
    return mu_encoder_pool_open(tokenizer, &served->encoders, err);
}

mu_status mu_server_ready(mu_server *server, const mu_server_model *models, uint32_t n_models,
                          mu_err *err) {
    MU_ASSERT(n_models > 0 && !server->served);
    mu_status status = MU_OK;
    server->served = MU_ALLOC(mu_served, n_models);
    if (!server->served) status = mu_fail(err, MU_ERR_NOMEM, "server");
    while (status == MU_OK && server->n_served < n_models) {
        uint32_t i = server->n_served++;
        status = serve_model(&models[i], &server->served[i], err);
    }
    if (status == MU_OK && server->options.gpu_pci_bus_id) {
        const mu_gpu_usage_options gpu = {.pci_bus_id = server->options.gpu_pci_bus_id,
                                          .library = server->options.nvml_library};
        status = mu_gpu_watch_open(&gpu, &server->gpu, err);
    }
    if (status == MU_OK) atomic_store(&server->is_ready, true);
    return status;
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
    for (uint32_t i = 0; i < server->n_served; i++) {
        mu_encoder_pool_close(server->served[i].encoders);
        mu_constraint_vocab_deinit(&server->served[i].vocab);
    }
    mu_budget_close(server->budget);
    mu_log_writer_close(server->log);
    mu_free(server->served);
    mu_gpu_watch_close(server->gpu);
    pthread_mutex_destroy(&server->lock);
    mu_free(server);
}

void mu_server_document(mu_buf *out) {
    mu_routes_document(out);
    mu_buf_append_str(out, "\n## Fields of `/v1/completions`\n\n");
    mu_generation_params_document(false, out);
    mu_buf_append_str(out, "\n## Fields of `/v1/chat/completions`\n\n");
    mu_generation_params_document(true, out);
    mu_buf_append_str(out, "\n## Fields of `/v1/embeddings`\n\n");
    mu_embedding_params_document(out);
    mu_buf_append_str(out, "\n## Errors\n\n| HTTP | type | code |\n|---|---|---|\n");
    for (int code = 0; code < MU_N_API_CODES; code++) {
        mu_buf_printf(out, "| %u | %s | %s |\n", mu_api_http_code((mu_api_code)code),
                      mu_api_code_type((mu_api_code)code), mu_api_code_name((mu_api_code)code));
    }
}
