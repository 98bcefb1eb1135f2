#include "server/access_log.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "server/routes.h"

/* {"time": ..., "request_id": ..., ...}; never a word of a prompt. */
static json_t *log_json(const mu_call *call, bool is_whole) {
    struct timespec now;
    char when[MU_UTC_MAX];
    clock_gettime(CLOCK_REALTIME, &now);
    mu_utc_write(&now, 3, when);
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:f}", "time", when, "request_id", call->id,
                  "peer", mu_exchange_peer(call->x), "method", mu_exchange_method(call->x), "path",
                  call->route ? call->route->path : "-", "status",
                  is_whole ? (int)mu_exchange_code(call->x) : 499, "duration_ms",
                  (double)((mu_now_ns() - call->begun_ns) / 1000) / 1e3);
    json_t *more = call->answer ? call->answer->kind->log(call->answer, is_whole) : NULL;
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

void mu_access_log_write(mu_call *call, bool is_whole) {
    mu_server *server = call->server;
    if (server->options.log_format == MU_LOG_NONE) return;
    json_t *json = log_json(call, is_whole);
    mu_buf line = {0};
    if (server->options.log_format == MU_LOG_JSON) {
        char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(10)) : NULL;
        if (text) mu_buf_append_str(&line, text);
        mu_free(text);
    } else {
        const char *name;
        json_t *value;
        json_object_foreach(json, name, value) append_text_field(&line, name, value);
    }
    json_decref(json);
    mu_buf_append_str(&line, "\n");
    if (!line.failed) mu_log_writer_append(server->log, line.data, line.n);
    mu_buf_deinit(&line);
}
