#include "bench/load/target_state.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "format/json.h"
#include "text/utf8.h"

enum { BODY_MAX = 8 << 20, TIMEOUT_S = 60 };

const char *mu_target_engine_name(mu_target_engine engine) {
    static const char *const names[] = {
        [MU_TARGET_UNKNOWN] = "unknown", [MU_TARGET_MUAI] = "muai",
        [MU_TARGET_VLLM] = "vllm",       [MU_TARGET_LLAMA_SERVER] = "llama-server",
        [MU_TARGET_OLLAMA] = "ollama",   [MU_TARGET_TGI] = "tgi",
        [MU_TARGET_SGLANG] = "sglang",
    };
    return names[engine];
}

static void start_curl(void) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

void mu_url_without_secrets(const char *url, char out[MU_URL_TEXT_MAX]) {
    const char *scheme = strstr(url, "://");
    const char *host = scheme ? scheme + 3 : url;
    size_t n = strcspn(host, "/?#"), n_user = 0;
    for (size_t i = 0; i < n; i++) {
        if (host[i] == '@') n_user = i + 1;
    }
    const char *rest = host + n_user;
    size_t n_rest = strcspn(rest, "?#");
    snprintf(out, MU_URL_TEXT_MAX, "%.*s%s%.*s%s", (int)(host - url), url, n_user > 0 ? "***@" : "",
             (int)n_rest, rest, rest[n_rest] ? "?***" : "");
}

/* Scheme, host, port and path without a trailing "/v1"; what else a URL may hold is refused, so
 * that no password gets into a document. */
static mu_status read_url(const char *text, char *out, size_t cap, mu_err *err) {
    mu_status status = MU_OK;
    char *part = NULL;
    CURLU *url = curl_url();
    if (!url) return mu_fail(err, MU_ERR_NOMEM, "url");
    static const CURLUPart refused[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY,
                                        CURLUPART_FRAGMENT};
    char with_scheme[1024];
    int n_text = snprintf(with_scheme, sizeof(with_scheme), "%s%s",
                          strstr(text, "://") ? "" : "http://", text);
    bool ok = n_text < (int)sizeof(with_scheme) &&
              curl_url_set(url, CURLUPART_URL, with_scheme, 0) == CURLUE_OK;
    for (size_t i = 0; ok && i < MU_COUNTOF(refused); i++) {
        ok = curl_url_get(url, refused[i], &part, 0) != CURLUE_OK;
        curl_free(part);
        part = NULL;
    }
    if (ok && curl_url_get(url, CURLUPART_SCHEME, &part, 0) == CURLUE_OK) {
        ok = strcmp(part, "http") == 0 || strcmp(part, "https") == 0;
    }
    curl_free(part);
    part = NULL;
    ok = ok && curl_url_get(url, CURLUPART_URL, &part, 0) == CURLUE_OK && strlen(part) < cap;
    if (ok) {
        snprintf(out, cap, "%s", part);
        size_t n = strlen(out);
        while (n > 0 && out[n - 1] == '/') {
            out[--n] = '\0';
        }
        if (n > 3 && strcmp(out + n - 3, "/v1") == 0) out[n - 3] = '\0';
    } else {
        char shown[MU_URL_TEXT_MAX];
        mu_url_without_secrets(text, shown);
        status = mu_fail(err, MU_ERR_INVALID,
                         "url \"%.80s\": http://HOST:PORT[/PATH], no password, no query", shown);
    }
    curl_free(part);
    curl_url_cleanup(url);
    return status;
}

static bool add_header(mu_target *t, const char *line) {
    struct curl_slist *headers = curl_slist_append(t->headers, line);
    if (headers) t->headers = headers;
    return headers != NULL;
}

static mu_status add_headers(mu_target *t, const char *api_key, mu_err *err) {
    char line[1024] = "";
    if (api_key) {
        int n = snprintf(line, sizeof(line), "Authorization: Bearer %s", api_key);
        if (n >= (int)sizeof(line) || strpbrk(api_key, "\r\n")) {
            return mu_fail(err, MU_ERR_INVALID, "api key: one line of at most 900 bytes");
        }
    }
    bool ok = add_header(t, "Content-Type: application/json") && add_header(t, "Expect:") &&
              add_header(t, "User-Agent: muai-bench/" MUAI_VERSION);
    if (ok && api_key) ok = add_header(t, line);
    return ok ? MU_OK : mu_fail(err, MU_ERR_NOMEM, "headers");
}

mu_status mu_target_set_model(mu_target *target, const char *model, mu_err *err) {
    if (strlen(model) >= sizeof(target->info.model)) {
        return mu_fail(err, MU_ERR_INVALID, "model id: over %zu bytes",
                       sizeof(target->info.model) - 1);
    }
    json_t *text = json_string(model);
    char *quoted = text ? json_dumps(text, JSON_ENCODE_ANY) : NULL;
    json_decref(text);
    size_t n = quoted ? strlen(quoted) + 1 : 0;
    char *copy = quoted ? mu_alloc(n) : NULL;
    if (copy) memcpy(copy, quoted, n);
    json_free_t release;
    json_get_alloc_funcs(NULL, &release);
    release(quoted);
    if (!copy) return mu_fail(err, MU_ERR_INVALID, "model id: not UTF-8, or no memory");
    mu_free(target->model_json);
    target->model_json = copy;
    snprintf(target->info.model, sizeof(target->info.model), "%s", model);
    return MU_OK;
}

void mu_target_set_endpoint(mu_target *target, bool is_chat) {
    target->info.chat = is_chat;
    snprintf(target->endpoint, sizeof(target->endpoint), "%s/v1/%s", target->info.url,
             is_chat ? "chat/completions" : "completions");
}

mu_status mu_target_open(const mu_target_options *options, mu_target **out, mu_err *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_curl);
    if (options->text && mu_utf8_valid(options->text, options->n_text) != options->n_text) {
        return mu_fail(err, MU_ERR_INVALID, "text for prompts: not UTF-8");
    }
    mu_target *t = MU_ALLOC(mu_target, 1);
    if (!t) return mu_fail(err, MU_ERR_NOMEM, "target");
    t->vocab_size = options->vocab_size;
    t->use_chat = options->use_chat;
    t->use_text = options->use_text || options->text;
    t->is_insecure = options->is_insecure;
    t->timeout_s = options->timeout_s > 0 ? options->timeout_s : TIMEOUT_S;
    t->text = options->text;
    t->n_text = options->n_text;
    t->info.prompt_kind = MU_PROMPT_TEXT;
    t->info.word_tokens = 1;
    mu_status status = read_url(options->url, t->info.url, sizeof(t->info.url), err);
    const char *ca_file = options->ca_file ? options->ca_file : "";
    if (snprintf(t->ca_file, sizeof(t->ca_file), "%s", ca_file) >= (int)sizeof(t->ca_file)) {
        status = mu_fail(err, MU_ERR_INVALID, "certificates: a path of over 500 bytes");
    }
    if (status == MU_OK) status = add_headers(t, options->api_key, err);
    if (status == MU_OK && options->model) status = mu_target_set_model(t, options->model, err);
    if (status != MU_OK) {
        mu_target_close(t);
        return status;
    }
    mu_target_set_endpoint(t, t->use_chat);
    *out = t;
    return MU_OK;
}

void mu_target_close(mu_target *target) {
    if (!target) return;
    curl_slist_free_all(target->headers);
    mu_free(target->model_json);
    mu_free(target);
}

const mu_target_info *mu_target_info_of(const mu_target *target) {
    return &target->info;
}

mu_prompts mu_target_prompts(const mu_target *target, uint64_t seed, uint64_t cell) {
    return (mu_prompts){.kind = target->info.prompt_kind,
                        .seed = seed,
                        .cell = cell,
                        .vocab_size = target->info.vocab_size,
                        .base_tokens = target->info.base_tokens,
                        .word_tokens = target->info.word_tokens,
                        .text = target->text,
                        .n_text = target->n_text};
}

void mu_target_set_easy(const mu_target *target, CURL *easy) {
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, target->headers);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, -1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 65536L);
    /* Nothing is to be compressed; what is all the same is unpacked. */
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "identity");
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, target->is_insecure ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, target->is_insecure ? 0L : 2L);
    if (target->ca_file[0]) curl_easy_setopt(easy, CURLOPT_CAINFO, target->ca_file);
}

static size_t take_body(char *bytes, size_t size, size_t n, void *ctx) {
    mu_reply *reply = ctx;
    n *= size;
    if (reply->body.n + n > BODY_MAX) return 0;
    mu_buf_append(&reply->body, bytes, n);
    return reply->body.failed ? 0 : n;
}

static size_t take_header(char *line, size_t size, size_t n, void *ctx) {
    static const char unknown[] = "x-unknown-fields:";
    mu_reply *reply = ctx;
    n *= size;
    if (n >= sizeof(unknown) && strncasecmp(line, unknown, sizeof(unknown) - 1) == 0) {
        snprintf(reply->unknown_fields, sizeof(reply->unknown_fields), "%.*s",
                 (int)(n - sizeof(unknown) + 1), line + sizeof(unknown) - 1);
    }
    return n;
}

static mu_status why_not(const mu_target *t, CURLcode code, const char *text, mu_err *err) {
    mu_status status = code == CURLE_OPERATION_TIMEDOUT ? MU_ERR_TIMEOUT
                       : code == CURLE_WRITE_ERROR      ? MU_ERR_LIMIT
                       : code == CURLE_OUT_OF_MEMORY    ? MU_ERR_NOMEM
                                                        : MU_ERR_IO;
    bool is_untrusted = code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE;
    return mu_fail(
        err, status, "%.100s: %.120s%s", t->info.url, text[0] ? text : curl_easy_strerror(code),
        is_untrusted ? " (SSL_CERT_FILE=FILE names what to trust, --insecure takes any)" : "");
}

mu_status mu_target_fetch(const mu_target *target, const char *path, const char *body,
                          mu_reply *reply, mu_err *err) {
    char url[1024], text[CURL_ERROR_SIZE] = "";
    mu_buf_clear(&reply->body);
    reply->unknown_fields[0] = '\0';
    CURL *easy = curl_easy_init();
    if (!easy) return mu_fail(err, MU_ERR_NOMEM, "transfer");
    snprintf(url, sizeof(url), "%s%s", target->info.url, path);
    mu_target_set_easy(target, easy);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, text);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(target->timeout_s * 1e3));
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, reply);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, reply);
    if (body) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
    }
    CURLcode code = curl_easy_perform(easy);
    mu_status status = code == CURLE_OK ? MU_OK : why_not(target, code, text, err);
    long http = 0;
    const char *type = NULL;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &http);
    curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
    reply->status = (uint16_t)http;
    reply->is_event_stream = type && strncasecmp(type, "text/event-stream", 17) == 0;
    curl_easy_cleanup(easy);
    return status;
}

mu_status mu_target_get(const mu_target *target, const char *path, mu_buf *out, mu_err *err) {
    mu_reply reply = {.body = *out};
    mu_status status = mu_target_fetch(target, path, NULL, &reply, err);
    *out = reply.body;
    if (status != MU_OK || (reply.status >= 200 && reply.status < 300)) return status;
    return mu_fail(err, reply.status == 404 ? MU_ERR_NOT_FOUND : MU_ERR_IO, "%.100s%.80s: HTTP %u",
                   target->info.url, path, reply.status);
}

void mu_target_write_body(const mu_target *target, const mu_prompts *prompts,
                          const mu_scheduled *request, bool stream, bool keep_cache, mu_buf *out) {
    uint32_t sends = target->sends;
    mu_buf_append_str(out, "{");
    if (target->model_json) {
        mu_buf_append_str(out, "\"model\":");
        mu_buf_append_str(out, target->model_json);
        mu_buf_append_str(out, ",");
    }
    mu_buf_append_str(out, target->info.chat ? "\"messages\":[{\"role\":\"user\",\"content\":"
                                             : "\"prompt\":");
    mu_prompt_write(prompts, request->index, request->prompt_tokens, out);
    mu_buf_append_str(out, target->info.chat ? "}]" : "");
    mu_buf_printf(out, ",\"temperature\":0,\"max_tokens\":%u", request->output_tokens);
    if (sends & MU_SEND_IGNORE_EOS) mu_buf_append_str(out, ",\"ignore_eos\":true");
    if (sends & MU_SEND_MIN_TOKENS) {
        mu_buf_printf(out, ",\"min_tokens\":%u", request->output_tokens);
    }
    if ((sends & MU_SEND_CACHE) && !keep_cache) {
        mu_buf_append_str(out, ",\"cache_prompt\":false");
    }
    if (sends & MU_SEND_TOKEN_IDS) mu_buf_append_str(out, ",\"return_token_ids\":true");
    if (stream) {
        mu_buf_append_str(out, ",\"stream\":true");
        if (sends & MU_SEND_TIMINGS) mu_buf_append_str(out, ",\"timings_per_token\":true");
        if (sends & MU_SEND_USAGE) {
            mu_buf_append_str(out, ",\"stream_options\":{\"include_usage\":true");
            if (sends & MU_SEND_CONTINUOUS) {
                mu_buf_append_str(out, ",\"continuous_usage_stats\":true");
            }
            mu_buf_append_str(out, "}");
        }
    }
    mu_buf_append_str(out, "}");
}
