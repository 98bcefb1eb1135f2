#include "server/access.h"

#include <string.h>
#include <strings.h>

#include "server/routes.h"

void mu_access_add_headers(mu_call *call) {
    const mu_server_options *o = &call->server->options;
    const char *origin = mu_exchange_header(call->x, "Origin");
    mu_exchange_add_header(call->x, "x-request-id", call->id);
    if (origin && o->n_origins > 0) {
        mu_exchange_add_header(call->x, "Access-Control-Allow-Origin", origin);
        mu_exchange_add_header(call->x, "Access-Control-Expose-Headers",
                               "x-request-id, x-unknown-fields, retry-after");
        mu_exchange_add_header(call->x, "Vary", "Origin");
    }
}

static bool is_in(const char *text, size_t n, const char *const *list, uint32_t n_list) {
    for (uint32_t i = 0; i < n_list; i++) {
        if (strcmp(list[i], "*") == 0) return true;
        if (strlen(list[i]) == n && strncasecmp(list[i], text, n) == 0) return true;
    }
    return false;
}

static bool host_is_allowed(const mu_call *call) {
    static const char *const loopback[] = {"localhost", "127.0.0.1", "[::1]"};
    const mu_server_options *o = &call->server->options;
    const char *host = mu_exchange_header(call->x, "Host");
    if (!o->checks_host || !host) return true;
    size_t n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    if (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == n) return true;
    if (n > strlen(host)) return false;
    return is_in(host, n, loopback, MU_COUNTOF(loopback)) || is_in(host, n, o->hosts, o->n_hosts);
}

static bool origin_is_allowed(const mu_call *call) {
    const mu_server_options *o = &call->server->options;
    const char *origin = mu_exchange_header(call->x, "Origin");
    const char *host = mu_exchange_header(call->x, "Host");
    if (!origin) return true;
    if (is_in(origin, strlen(origin), o->origins, o->n_origins)) return true;
    const char *authority = strstr(origin, "://");
    return authority && host && strcasecmp(authority + 3, host) == 0; /* the page is ours */
}

static bool key_is_right(mu_call *call) {
    const mu_server_options *o = &call->server->options;
    mu_route_needs needs = call->route->needs;
    bool is_open = needs == MU_ROUTE_OPEN || (needs == MU_ROUTE_METRICS && o->metrics_public);
    if ((o->auth.n == 0 && o->operators.n == 0) || is_open) return true;
    const char *authorization = mu_exchange_header(call->x, "Authorization");
    const char *api_key = mu_exchange_header(call->x, "x-api-key");
    uint32_t as_operator = mu_auth_check(&o->operators, authorization, api_key);
    call->key = mu_auth_check(&o->auth, authorization, api_key);
    if (as_operator > 0) call->key = MU_KEYS_MAX + as_operator;
    if (needs == MU_ROUTE_ADMIN) return as_operator > 0;
    return call->key > 0 || o->auth.n == 0;
}

static void add_methods(mu_call *call, const char *header) {
    char methods[64];
    mu_route_methods(mu_exchange_path(call->x), methods, sizeof(methods));
    mu_exchange_add_header(call->x, header, methods);
}

/* Whatever headers a page of an allowed origin wants to send it may send: what they say is checked
 * with the request itself. */
static void answer_preflight(mu_call *call) {
    const char *asked = mu_exchange_header(call->x, "Access-Control-Request-Headers");
    add_methods(call, "Access-Control-Allow-Methods");
    add_methods(call, "Allow");
    mu_exchange_add_header(call->x, "Access-Control-Allow-Headers",
                           asked ? asked : "authorization, content-type, x-api-key, x-request-id");
    mu_exchange_add_header(call->x, "Vary", "Access-Control-Request-Headers");
    mu_exchange_add_header(call->x, "Access-Control-Max-Age", "600");
    mu_exchange_respond(call->x, 204, NULL, NULL, 0);
}

static bool refuse(mu_call *call, mu_api_code code, const char *why) {
    mu_api_error error;
    mu_api_fail(&error, code, NULL, "%s", why);
    mu_call_fail(call, &error);
    return false;
}

static bool refuse_path(mu_call *call) {
    mu_api_error error;
    char paths[160];
    mu_route_paths(paths, sizeof(paths));
    mu_api_fail(&error, MU_API_NOT_FOUND, NULL, "no such path: %.80s; there are %s",
                mu_exchange_path(call->x), paths);
    mu_call_fail(call, &error);
    return false;
}

bool mu_access_check(mu_call *call, bool path_is_known) {
    if (!host_is_allowed(call)) {
        return refuse(call, MU_API_HOST, "the Host header names another host; see --allowed-hosts");
    }
    if (!origin_is_allowed(call)) {
        return refuse(call, MU_API_ORIGIN,
                      "requests from this origin are not allowed; see --cors-origins");
    }
    if (path_is_known && strcmp(mu_exchange_method(call->x), "OPTIONS") == 0) {
        answer_preflight(call);
        return false;
    }
    if (!call->route && path_is_known) {
        add_methods(call, "Allow");
        return refuse(call, MU_API_METHOD, "this path takes another method: see the header Allow");
    }
    if (!call->route) return refuse_path(call);
    if (key_is_right(call)) return true;
    if (call->route->needs == MU_ROUTE_ADMIN) {
        return refuse(call, call->key > 0 ? MU_API_NO_OPERATOR : MU_API_KEY,
                      "an operator's key is needed, one of --admin-key or --admin-key-file");
    }
    return refuse(call, MU_API_KEY, "a valid API key is needed, as Authorization: Bearer KEY");
}
