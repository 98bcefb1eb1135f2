#include "cmd/admin_client.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "bench/probe/server_process.h"
#include "format/json.h"

enum { TIMEOUT_S = 30 };

/* What the server said was wrong. */
static mu_status refuse(const char *url, long code, const json_t *answer, mu_err *err) {
    const json_t *error = json_object_get(answer, "error");
    const char *message = json_string_value(json_object_get(error, "message"));
    if (code == 404 && !message) {
        return mu_fail(err, MU_ERR_NOT_FOUND, "%.100s: not a muai server", url);
    }
    return mu_fail(err, MU_ERR_INVALID, "%.100s: %.120s (HTTP %ld)", url,
                   message ? message : "no answer of a muai server", code);
}

/* sent: JSON of a POST; NULL: a GET. */
static mu_status exchange(const mu_admin_target *target, const char *path, const char *sent,
                          long *code, mu_buf *out, mu_err *err) {
    mu_buf url = {0};
    mu_err why;
    mu_buf_printf(&url, "%s%s", target->url, path);
    if (url.failed) return mu_fail(err, MU_ERR_NOMEM, "%.100s", target->url);
    const mu_http_question question = {
        .url = url.data, .json = sent, .key = target->key, .timeout_s = TIMEOUT_S};
    mu_status status = mu_http_ask(&question, code, out, &why);
    mu_buf_deinit(&url);
    if (status == MU_OK) return MU_OK;
    return mu_fail(err, status, "%.180s; --url names a running muai serve", why.text);
}

mu_status mu_admin_ask(const mu_admin_target *target, const char *path, json_t *body, json_t **out,
                       mu_err *err) {
    mu_buf text = {0};
    json_t *answer = NULL;
    long code = 0;
    char *sent = body ? json_dumps(body, 0) : NULL;
    mu_status status = MU_OK;
    if (body && !sent) status = mu_fail(err, MU_ERR_NOMEM, "%.100s", target->url);
    if (status == MU_OK) status = exchange(target, path, sent, &code, &text, err);
    if (status == MU_OK) {
        bool is_json = mu_json_parse(text.data ? text.data : "", text.n, &answer, NULL) == MU_OK;
        bool is_good = is_json && code / 100 == 2 && json_is_object(answer);
        if (!is_good) status = refuse(target->url, code, is_json ? answer : NULL, err);
    }
    if (status == MU_OK) *out = json_incref(answer);
    json_decref(answer);
    mu_free(sent);
    json_decref(body);
    mu_buf_deinit(&text);
    return status;
}
