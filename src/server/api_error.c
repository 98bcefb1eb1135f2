#include "server/api_error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text/utf8.h"

static const struct {
    unsigned http;
    const char *type, *name;
} codes[MU_N_API_CODES] = {
    [MU_API_INVALID_JSON] = {400, "invalid_request_error", "invalid_json"},
    [MU_API_INVALID_VALUE] = {400, "invalid_request_error", "invalid_value"},
    [MU_API_CONTEXT_LENGTH] = {400, "invalid_request_error", "context_length_exceeded"},
    [MU_API_BAD_REQUEST] = {400, "invalid_request_error", "bad_request"},
    [MU_API_KEY] = {401, "authentication_error", "invalid_api_key"},
    [MU_API_NO_OPERATOR] = {403, "permission_error", "not_an_operator"},
    [MU_API_ORIGIN] = {403, "permission_error", "origin_not_allowed"},
    [MU_API_HOST] = {403, "permission_error", "host_not_allowed"},
    [MU_API_MODEL_NOT_FOUND] = {404, "invalid_request_error", "model_not_found"},
    [MU_API_NOT_FOUND] = {404, "invalid_request_error", "not_found"},
    [MU_API_METHOD] = {405, "invalid_request_error", "method_not_allowed"},
    [MU_API_LATE] = {408, "invalid_request_error", "request_timeout"},
    [MU_API_TOO_LARGE] = {413, "invalid_request_error", "request_too_large"},
    [MU_API_URI_TOO_LONG] = {414, "invalid_request_error", "uri_too_long"},
    [MU_API_HEADERS_TOO_LARGE] = {431, "invalid_request_error", "headers_too_large"},
    [MU_API_MEDIA_TYPE] = {415, "invalid_request_error", "unsupported_media_type"},
    [MU_API_QUEUE_FULL] = {429, "rate_limit_error", "queue_full"},
    [MU_API_CLIENT_LIMIT] = {429, "rate_limit_error", "client_limit"},
    [MU_API_INTERNAL] = {500, "server_error", "internal_error"},
    [MU_API_NOT_SUPPORTED] = {400, "invalid_request_error", "not_supported"},
    [MU_API_OVERLOADED] = {503, "unavailable_error", "overloaded"},
    [MU_API_LOADING] = {503, "unavailable_error", "model_loading"},
    [MU_API_DRAINING] = {503, "unavailable_error", "draining"},
};

static const struct {
    mu_status status;
    mu_api_code code;
} statuses[] = {
    {MU_ERR_NOMEM, MU_API_OVERLOADED},      {MU_ERR_IO, MU_API_INTERNAL},
    {MU_ERR_FORMAT, MU_API_INVALID_JSON},   {MU_ERR_UNSUPPORTED, MU_API_NOT_SUPPORTED},
    {MU_ERR_INVALID, MU_API_INVALID_VALUE}, {MU_ERR_NOT_FOUND, MU_API_NOT_FOUND},
    {MU_ERR_LIMIT, MU_API_CONTEXT_LENGTH},  {MU_ERR_BUSY, MU_API_QUEUE_FULL},
    {MU_ERR_CANCELED, MU_API_DRAINING},     {MU_ERR_TIMEOUT, MU_API_OVERLOADED},
    {MU_ERR_DEVICE, MU_API_INTERNAL},
};

unsigned mu_api_http_code(mu_api_code code) {
    return codes[code].http;
}

const char *mu_api_code_name(mu_api_code code) {
    return codes[code].name;
}

const char *mu_api_code_type(mu_api_code code) {
    return codes[code].type;
}

/* Whatever bytes were quoted: one line of UTF-8 without control characters, so that it can be JSON,
 * a line of a log and on a terminal. */
static void clean(char *text) {
    size_t n = strlen(text), n_step;
    for (size_t at = 0; at < n; at += n_step) {
        bool is_whole = mu_utf8_step(text + at, n - at, &n_step) == MU_UTF8_WHOLE;
        bool is_control = (unsigned char)text[at] < ' ' || text[at] == 0x7f;
        if (!is_whole || is_control) memset(text + at, '?', n_step);
    }
}

bool mu_api_fail(mu_api_error *error, mu_api_code code, const char *param, const char *format,
                 ...) {
    error->code = code;
    snprintf(error->param, sizeof(error->param), "%s", param ? param : "");
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
    clean(error->text);
    return false;
}

bool mu_api_no_memory(mu_api_error *error) {
    return mu_api_fail(error, MU_API_OVERLOADED, NULL, "out of memory");
}

bool mu_api_wrong(mu_api_error *error, const char *field, const char *what) {
    return mu_api_fail(error, MU_API_INVALID_VALUE, field, "%s: %s", field, what);
}

bool mu_api_fail_status(mu_api_error *error, const mu_err *err) {
    mu_api_code code = MU_API_INTERNAL;
    for (size_t i = 0; i < MU_COUNTOF(statuses); i++) {
        if (statuses[i].status == err->status) code = statuses[i].code;
    }
    char param[sizeof(error->param)] = "";
    size_t n = strspn(err->text, "abcdefghijklmnopqrstuvwxyz_");
    if (err->status == MU_ERR_INVALID && err->text[n] == ':' && n > 0 && n < sizeof(param)) {
        memcpy(param, err->text, n);
    }
    return mu_api_fail(error, code, param, "%s", err->text);
}

mu_api mu_api_of_path(const char *path) {
    static const struct {
        const char *prefix;
        mu_api api;
    } prefixes[] = {
        {"/v1/messages", MU_API_ANTHROPIC},
        {"/messages", MU_API_ANTHROPIC},
        {"/api/", MU_API_OLLAMA},
    };
    for (size_t i = 0; path && i < MU_COUNTOF(prefixes); i++) {
        if (strncmp(path, prefixes[i].prefix, strlen(prefixes[i].prefix)) == 0) {
            return prefixes[i].api;
        }
    }
    return MU_API_OPENAI;
}

/* What Anthropic calls an error of an HTTP code. */
static const char *anthropic_type(unsigned code) {
    static const struct {
        unsigned code;
        const char *type;
    } types[] = {
        {401, "authentication_error"}, {403, "permission_error"}, {404, "not_found_error"},
        {413, "request_too_large"},    {429, "rate_limit_error"}, {500, "api_error"},
        {503, "overloaded_error"},
    };
    for (size_t i = 0; i < MU_COUNTOF(types); i++) {
        if (types[i].code == code) return types[i].type;
    }
    return "invalid_request_error";
}

json_t *mu_api_error_json(mu_api api, const mu_api_error *error) {
    if (api == MU_API_OLLAMA) return json_pack("{s:s}", "error", error->text);
    if (api == MU_API_ANTHROPIC) {
        return json_pack("{s:s, s:{s:s, s:s}}", "type", "error", "error", "type",
                         anthropic_type(mu_api_http_code(error->code)), "message", error->text);
    }
    return json_pack("{s:{s:s, s:s, s:s?, s:s}}", "error", "message", error->text, "type",
                     mu_api_code_type(error->code), "param", error->param[0] ? error->param : NULL,
                     "code", mu_api_code_name(error->code));
}
