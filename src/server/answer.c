#include "server/answer.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "format/json.h"
#include "server/call.h"

void mu_call_json(mu_call *call, unsigned code, json_t *json) {
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (!text) {
        mu_exchange_drop(call->x);
        return;
    }
    mu_exchange_respond(call->x, code, "application/json", text, strlen(text));
    mu_free(text);
}

void mu_call_text(mu_call *call, const char *content_type, const mu_buf *text) {
    if (text->failed) {
        mu_exchange_drop(call->x);
    } else {
        mu_exchange_respond(call->x, 200, content_type, text->data ? text->data : "", text->n);
    }
}

void mu_call_fail(mu_call *call, const mu_api_error *error) {
    char seconds[16] = "1";
    unsigned http = mu_api_http_code(error->code);
    if (error->code == MU_API_QUEUE_FULL && call->served) {
        snprintf(seconds, sizeof(seconds), "%u", mu_resident_wait_s(call->served->of.resident));
    }
    if (http == 401) mu_exchange_add_header(call->x, "WWW-Authenticate", "Bearer");
    if (http == 429 || http == 503) mu_exchange_add_header(call->x, "Retry-After", seconds);
    if (http == 500) mu_exchange_add_header(call->x, "x-should-retry", "false");
    mu_api api = mu_api_of_path(mu_exchange_path(call->x));
    mu_call_json(call, http, mu_api_error_json(api, error));
}

void mu_call_report_unknown(mu_call *call, const mu_buf *unknown) {
    if (unknown->n > 0 && !unknown->failed && unknown->n < 512) {
        mu_exchange_add_header(call->x, "x-unknown-fields", unknown->data);
    }
}

/* JSON, or what curl -d calls its data. */
static bool type_is_taken(const char *type) {
    static const char *const taken[] = {"application/json", "application/x-www-form-urlencoded"};
    for (size_t i = 0; type && i < MU_COUNTOF(taken); i++) {
        size_t n = strlen(taken[i]);
        if (strncasecmp(type, taken[i], n) != 0) continue;
        const char *rest = type + n + strspn(type + n, " \t");
        if (*rest == '\0' || *rest == ';') return true;
    }
    return type == NULL;
}

static bool charge_json(mu_call *call, const mu_buf *body, mu_api_error *error) {
    mu_json_cost cost = mu_json_measure(body->data ? body->data : "", body->n);
    if (cost.n_values > MU_CALL_VALUES_MAX) {
        return mu_api_fail(error, MU_API_TOO_LARGE, NULL,
                           "the body has %llu JSON values and keys, at most %d are read",
                           (unsigned long long)cost.n_values, MU_CALL_VALUES_MAX);
    }
    if (!mu_call_charge(call, cost.bytes, error)) return false;
    call->json_bytes = cost.bytes;
    return true;
}

bool mu_call_body(mu_call *call, json_t **out) {
    mu_buf *body = mu_exchange_body(call->x);
    mu_api_error error;
    mu_err err;
    if (!type_is_taken(mu_exchange_header(call->x, "Content-Type"))) {
        mu_api_fail(&error, MU_API_MEDIA_TYPE, NULL, "Content-Type must be application/json");
        mu_call_fail(call, &error);
        return false;
    }
    if (!charge_json(call, body, &error)) {
        mu_call_fail(call, &error);
        return false;
    }
    mu_json_mend_surrogates(body->data, body->n);
    mu_json_mend_integers(body->data, body->n);
    mu_status status = mu_json_parse(body->data ? body->data : "", body->n, out, &err);
    mu_buf_deinit(body);
    mu_call_discharge(call, call->body_bytes);
    call->body_bytes = 0;
    if (status == MU_OK) return true;
    if (status == MU_ERR_LIMIT) err.status = MU_ERR_FORMAT; /* depth */
    mu_api_fail_status(&error, &err);
    mu_call_fail(call, &error);
    return false;
}

void mu_call_body_free(mu_call *call, json_t *body) {
    json_decref(body);
    mu_call_discharge(call, call->json_bytes);
    call->json_bytes = 0;
}

void mu_call_stream(mu_call *call, mu_stream_kind kind) {
    static const char *const types[] = {"text/event-stream; charset=utf-8", "application/x-ndjson"};
    if (kind == MU_STREAM_EVENTS) atomic_store(&call->sent_ns, mu_now_ns());
    mu_exchange_add_header(call->x, "Cache-Control", "no-cache");
    mu_exchange_add_header(call->x, "X-Accel-Buffering", "no");
    mu_exchange_stream(call->x, 200, types[kind]);
}

mu_stream mu_call_streamed(mu_call *call, mu_buf *out, bool is_over) {
    if (atomic_exchange(&call->wants_ping, false) && out->n == 0) {
        mu_buf_append_str(out, ": ping\n\n");
    }
    bool is_pinged = atomic_load(&call->sent_ns) > 0;
    if (out->n > 0 && is_pinged) atomic_store(&call->sent_ns, mu_now_ns());
    return is_over ? MU_STREAM_END : MU_STREAM_MORE;
}

static void append_json(mu_buf *out, json_t *json, const char *end) {
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (!text) {
        out->failed = true;
        return;
    }
    mu_buf_append_str(out, text);
    mu_buf_append_str(out, end);
    mu_free(text);
}

void mu_event_append(mu_buf *out, json_t *json) {
    mu_buf_append_str(out, "data: ");
    append_json(out, json, "\n\n");
}

void mu_named_event_append(mu_buf *out, const char *name, json_t *json) {
    mu_buf_printf(out, "event: %s\n", name);
    mu_event_append(out, json);
}

void mu_line_append(mu_buf *out, json_t *json) {
    append_json(out, json, "\n");
}

bool mu_news_find_error(const mu_request_news *news, uint32_t n, mu_api_error *error) {
    for (uint32_t i = 0; i < n; i++) {
        if (news[i].finish == MU_FINISH_ERROR) {
            mu_api_fail_status(error, &news[i].err);
            return true;
        }
        if (news[i].finish == MU_FINISH_CANCELED) {
            mu_api_fail(error, MU_API_DRAINING, NULL, "the server is stopping");
            return true;
        }
    }
    return false;
}
