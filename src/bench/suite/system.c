#include "bench/suite/system.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

static const double ready_timeout_s = 600, stop_grace_s = 10;

struct mu_system {
    mu_system_options options;
    mu_server_process *process;
    mu_server_process_facts facts; /* of the last child */
    mu_target *target;
    mu_sampler *sampler;
    bool is_probed;
    char url[64];
};

mu_status mu_system_open(const mu_system_options *options, mu_system **out, mu_err *err) {
    mu_system *s = mu_alloc(sizeof(*s));
    if (!s) return mu_fail(err, MU_ERR_NOMEM, "a system under test");
    s->options = *options;
    *out = s;
    return MU_OK;
}

static void forget_process(mu_system *s) {
    mu_sampler_close(s->sampler);
    mu_target_close(s->target);
    s->sampler = NULL;
    s->target = NULL;
    s->is_probed = false;
}

void mu_system_stop(mu_system *s) {
    if (!s->process) return;
    forget_process(s);
    mu_server_process_stop(s->process, stop_grace_s);
    s->facts = mu_server_process_get_facts(s->process);
    mu_server_process_close(s->process);
    s->process = NULL;
}

void mu_system_close(mu_system *s) {
    if (!s) return;
    mu_system_stop(s);
    forget_process(s);
    mu_free(s);
}

static mu_status spawn(mu_system *s, mu_err *err) {
    const mu_system_options *o = &s->options;
    uint32_t port = mu_free_port();
    if (port == 0) return mu_fail(err, MU_ERR_IO, "no free port on 127.0.0.1");
    char port_text[16];
    snprintf(port_text, sizeof(port_text), "%u", port);
    snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u", port);
    const char *argv[MU_SERVE_ARGS_MAX + 10] = {o->program, "serve",        o->own->reference,
                                                "--host",   "127.0.0.1",    "--port",
                                                port_text,  "--log-format", "none"};
    uint32_t n = 9;
    for (uint32_t i = 0; i < o->n_serve_args; i++) {
        argv[n++] = o->serve_args[i];
    }
    const mu_server_process_options child = {
        .argv = argv, .output_path = o->output_path, .cpus = o->cpus};
    mu_status status = mu_server_process_open(&child, &s->process, err);
    if (status != MU_OK) return status;
    status = mu_server_process_wait_ready(s->process, s->url, ready_timeout_s, o->is_canceled, err);
    s->facts = mu_server_process_get_facts(s->process);
    if (status != MU_OK) mu_system_stop(s);
    return status;
}

static mu_status open_target(mu_system *s, mu_err *err) {
    const mu_system_options *o = &s->options;
    if (s->target) return MU_OK;
    const mu_target_options target = {
        .url = o->own ? s->url : o->url,
        .api_key = o->api_key,
        .model = o->model_id,
        .vocab_size = o->own ? o->own->vocab_size : 0,
        .use_chat = o->use_chat,
        .use_text = o->use_text,
        .is_insecure = o->is_insecure,
        .ca_file = o->ca_file,
    };
    return mu_target_open(&target, &s->target, err);
}

static mu_status open_sampler(mu_system *s, mu_err *err) {
    pid_t pid = mu_system_pid(s);
    if (pid == 0 || s->sampler) return MU_OK;
    const mu_sampler_options options = {.root = pid,
                                        .gpu_pci_bus_id = s->options.gpu_pci_bus_id,
                                        .nvml_library = s->options.nvml_library};
    return mu_sampler_open(&options, &s->sampler, err);
}

mu_status mu_system_start(mu_system *s, mu_err *err) {
    mu_status status = MU_OK;
    if (s->options.own && !s->process) status = spawn(s, err);
    if (status == MU_OK) status = open_target(s, err);
    if (status == MU_OK && !s->is_probed) status = mu_target_probe(s->target, err);
    if (status == MU_OK) s->is_probed = true;
    if (status == MU_OK) status = open_sampler(s, err);
    return status;
}

static size_t discard(char *data, size_t size, size_t n, void *ctx) {
    (void)data, (void)ctx;
    return size * n;
}

/* The smallest request there is; its answer is its first token. */
static mu_status ask_one_token(const mu_system *s, mu_err *err) {
    char url[128];
    snprintf(url, sizeof(url), "%s/v1/completions", s->url);
    CURL *curl = curl_easy_init();
    if (!curl) return mu_fail(err, MU_ERR_NOMEM, "%s", url);
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS,
                     "{\"prompt\": [1, 2, 3, 4], \"max_tokens\": 1, \"temperature\": 0}");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, discard);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 600L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    CURLcode code = curl_easy_perform(curl);
    long http_status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &http_status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (code != CURLE_OK) return mu_fail(err, MU_ERR_IO, "%s: %s", url, curl_easy_strerror(code));
    if (http_status != 200) return mu_fail(err, MU_ERR_IO, "%s: HTTP %ld", url, http_status);
    return MU_OK;
}

mu_status mu_system_start_timed(mu_system *s, double *out_first_token_s, mu_err *err) {
    MU_ASSERT(s->options.own && !s->process);
    mu_status status = spawn(s, err);
    if (status == MU_OK) status = ask_one_token(s, err);
    *out_first_token_s = (double)(mu_now_ns() - s->facts.started_ns) * 1e-9;
    return status;
}

const char *mu_system_id(const mu_system *s) {
    return s->options.id;
}

bool mu_system_is_own(const mu_system *s) {
    return s->options.own != NULL;
}

const mu_own_model *mu_system_own(const mu_system *s) {
    return s->options.own;
}

const mu_target *mu_system_target(const mu_system *s) {
    return s->target;
}

pid_t mu_system_pid(const mu_system *s) {
    return s->process ? s->facts.pid : s->options.pid;
}

mu_server_process_facts mu_system_process_facts(const mu_system *s) {
    return s->process ? mu_server_process_get_facts(s->process) : s->facts;
}

mu_sampler *mu_system_sampler(const mu_system *s) {
    return s->sampler;
}

mu_fact mu_system_metric(const mu_system *s, const char *name) {
    mu_buf text = {0};
    mu_fact found = mu_fact_unknown("the server's /metrics does not have it");
    size_t n = strlen(name);
    if (!s->target || mu_target_get(s->target, "/metrics", &text, NULL) != MU_OK) {
        mu_buf_deinit(&text);
        return mu_fact_unknown("the server has no /metrics");
    }
    for (char *line = text.data; line && *line;) {
        char *end = strchr(line, '\n');
        if (end) *end = '\0';
        if (strncmp(line, name, n) == 0 && (line[n] == ' ' || line[n] == '{')) {
            const char *space = strrchr(line, ' ');
            if (space) found = mu_fact_of(strtod(space + 1, NULL));
            break;
        }
        line = end ? end + 1 : NULL;
    }
    mu_buf_deinit(&text);
    return found;
}

static json_t *text_or_null(const char *text) {
    json_t *json = text && text[0] ? json_string(text) : NULL;
    return json ? json : json_null();
}

static json_t *capabilities_json(const mu_target_info *info) {
    const mu_capabilities *c = &info->can;
    const struct {
        const char *name;
        bool has;
    } rows[] = {{"stream", c->stream},
                {"usage", c->usage},
                {"continuous_usage", c->continuous_usage},
                {"token_ids", c->token_ids},
                {"token_prompts", c->token_prompts},
                {"ignore_eos", c->ignore_eos},
                {"min_tokens", c->min_tokens},
                {"exact_output", c->exact_output},
                {"cached_tokens", c->cached_tokens},
                {"cache_control", c->cache_control},
                {"tokenize", c->tokenize},
                {"metrics", c->metrics},
                {"completions", c->completions},
                {"chat", c->chat}};
    json_t *to = json_object();
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        json_object_set_new(to, rows[i].name, json_boolean(rows[i].has));
    }
    return to;
}

static json_t *model_json(const mu_system *s, const mu_target_info *info) {
    const mu_own_model *own = s->options.own;
    json_t *to = json_pack(
        "{s:o, s:n, s:n, s:n, s:n, s:n, s:o, s:n}", "id", text_or_null(info ? info->model : NULL),
        "architecture", "dtype", "kv_dtype", "parameters", "weight_bytes", "n_ctx",
        info && info->n_ctx > 0 ? json_integer(info->n_ctx) : json_null(), "kv_bytes_per_token");
    if (!own) return to;
    json_object_set_new(to, "id", text_or_null(own->reference));
    json_object_set_new(to, "architecture", text_or_null(own->architecture));
    json_object_set_new(to, "dtype", text_or_null(own->weight_type));
    json_object_set_new(to, "kv_dtype", text_or_null(own->kv_type));
    json_object_set_new(to, "parameters", json_integer((json_int_t)own->n_parameters));
    json_object_set_new(to, "weight_bytes", json_integer((json_int_t)own->weight_bytes));
    json_object_set_new(to, "n_ctx", json_integer(own->n_ctx));
    json_object_set_new(to, "kv_bytes_per_token",
                        json_integer((json_int_t)own->kv_bytes_per_token));
    return to;
}

static json_t *command_json(const mu_system *s) {
    const mu_system_options *o = &s->options;
    if (!o->own) return json_null();
    json_t *to = json_pack("[s, s, s]", "muai", "serve", o->own->reference);
    for (uint32_t i = 0; i < o->n_serve_args; i++) {
        bool is_secret = i > 0 && strcmp(o->serve_args[i - 1], "--api-key") == 0;
        bool has_secret = strncmp(o->serve_args[i], "--api-key=", 10) == 0;
        json_array_append_new(to, text_or_null(is_secret    ? "***"
                                               : has_secret ? "--api-key=***"
                                                            : o->serve_args[i]));
    }
    return to;
}

json_t *mu_system_json(const mu_system *s) {
    char url[MU_URL_TEXT_MAX] = "";
    if (s->options.url) mu_url_without_secrets(s->options.url, url);
    const mu_target_info *info = s->target && s->is_probed ? mu_target_info_of(s->target) : NULL;
    const mu_own_model *own = s->options.own;
    return json_pack(
        "{s:s, s:s, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:n}", "id", s->options.id, "name",
        s->options.name ? s->options.name
        : own           ? "muai"
        : info          ? mu_target_engine_name(info->engine)
                        : "unknown",
        "url", text_or_null(info ? info->url : url), "engine",
        text_or_null(info ? info->name : NULL), "is_own_process", s->options.own != NULL, "command",
        command_json(s), "device", text_or_null(own ? own->device : NULL), "model",
        model_json(s, info), "capabilities", info ? capabilities_json(info) : json_null(),
        "token_count_source", text_or_null(info ? mu_token_source_name(info->token_source) : NULL),
        "fidelity");
}
