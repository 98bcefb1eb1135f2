#include "server/admin.h"

#include <string.h>

#include "base/clock.h"

/* Since a time, in seconds. */
static double since_s(uint64_t at_ns) {
    uint64_t now_ns = mu_now_ns();
    return now_ns > at_ns ? (double)(now_ns - at_ns) * 1e-9 : 0.0;
}

static json_t *evictions_json(const mu_residency_model *r) {
    json_t *json = json_object();
    for (uint32_t i = 0; i < MU_N_EVICTIONS; i++) {
        json_object_set_new(json, mu_eviction_name((mu_eviction)i),
                            json_integer((json_int_t)r->n_evictions[i]));
    }
    return json;
}

static json_t *model_json(const mu_served *served) {
    mu_resident_stats stats;
    mu_resident_get_stats(served->of.resident, &stats);
    const mu_residency_model *r = &stats.residency;
    bool is_idle = stats.n_running + stats.n_waiting == 0 && r->phase == MU_READY;
    json_t *json =
        json_pack("{s:s, s:s, s:b, s:I, s:i, s:i, s:I, s:I, s:o}", "id", served->of.names[0],
                  "status", mu_phase_name(r->phase), "pinned", (int)r->is_pinned, "loaded_bytes",
                  (json_int_t)(r->phase == MU_ABSENT ? 0 : r->bytes), "requests_running",
                  (int)stats.n_running, "requests_waiting", (int)stats.n_waiting, "loads",
                  (json_int_t)r->n_loads, "load_failures", (json_int_t)r->n_failures, "evictions",
                  evictions_json(r));
    if (!json) return NULL;
    json_object_set_new(json, "needs_bytes", json_integer((json_int_t)r->bytes));
    json_object_set_new(json, "load_seconds",
                        r->n_loads > 0 ? json_real((double)r->load_ns * 1e-9) : json_null());
    json_object_set_new(json, "load_error",
                        stats.load_err.status == MU_OK ? json_null()
                                                       : json_string(stats.load_err.text));
    json_object_set_new(json, "idle_seconds",
                        is_idle ? json_real(since_s(r->used_ns)) : json_null());
    return json;
}

void mu_admin_get_models(mu_call *call) {
    const mu_server *server = call->server;
    mu_loaded_bytes bytes = mu_resident_loaded_bytes(server->served[0].of.resident);
    json_t *list = json_array();
    for (uint32_t i = 0; i < server->n_served; i++) {
        json_array_append_new(list, model_json(&server->served[i]));
    }
    json_t *limit = bytes.max > 0 ? json_integer((json_int_t)bytes.max) : json_null();
    mu_call_json(call, 200,
                 json_pack("{s:s, s:I, s:o, s:o}", "object", "list", "loaded_bytes",
                           (json_int_t)bytes.now, "loaded_bytes_max", limit, "data", list));
}

static const struct {
    const char *word;
    mu_residency_wish wish;
} wishes[] = {
    {"load", MU_WISH_LOAD},
    {"unload", MU_WISH_UNLOAD},
    {"pin", MU_WISH_PIN},
    {"unpin", MU_WISH_UNPIN},
};

static bool read_wish(mu_call *call, const json_t *body, mu_residency_wish *wish, bool *is_forced,
                      mu_api_error *error) {
    const char *word = strrchr(mu_exchange_path(call->x), '/') + 1;
    const json_t *name = json_object_get(body, "model"), *force = json_object_get(body, "force");
    for (size_t i = 0; i < MU_COUNTOF(wishes); i++) {
        if (strcmp(word, wishes[i].word) == 0) *wish = wishes[i].wish;
    }
    if (name && !json_is_string(name)) {
        return mu_api_fail(error, MU_API_INVALID_VALUE, "model", "model: must be a text");
    }
    if (force && (!json_is_boolean(force) || *wish != MU_WISH_UNLOAD)) {
        return mu_api_fail(error, MU_API_INVALID_VALUE, "force",
                           "force: must be true or false, and goes with unload");
    }
    *is_forced = json_is_true(force);
    return mu_call_choose_model(call, json_string_value(name), error);
}

void mu_admin_post_model(mu_call *call) {
    json_t *body;
    mu_api_error error;
    mu_residency_wish wish = MU_WISH_LOAD;
    bool is_forced = false;
    if (!mu_call_body(call, &body)) return;
    if (!read_wish(call, body, &wish, &is_forced, &error)) {
        mu_call_fail(call, &error);
    } else {
        /* As it was before: what counts from here on has come of the wish, or after it. */
        json_t *json = model_json(call->served);
        mu_resident_ask(call->served->of.resident, wish, is_forced);
        if (json) json_object_set_new(json, "success", json_true());
        mu_call_json(call, 202, json);
    }
    mu_call_body_free(call, body);
}
