#include "cmd/admin_client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

enum { ANSWER_BYTES_MAX = 8 << 20, TIMEOUT_S = 30 };

static size_t take(char *data, size_t size, size_t n, void *ctx) {
    mu_buf *out = ctx;
    if (out->n + size * n > ANSWER_BYTES_MAX) return 0; /* curl then gives up */
    mu_buf_append(out, data, size * n);
    return size * n;
}

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

static mu_status perform(CURL *curl, const mu_admin_target *target, const char *path,
                         const char *body, mu_buf *out, long *code, mu_err *err) {
    char url[1024];
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    snprintf(url, sizeof(url), "%s%s", target->url, path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
    if (body) curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    if (target->key) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, target->key);
    }
    CURLcode result = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, code);
    curl_slist_free_all(headers);
    if (result == CURLE_OK) return MU_OK;
    return mu_fail(err, MU_ERR_IO, "%.100s: %s; --url names a running muai serve", target->url,
                   curl_easy_strerror(result));
}

mu_status mu_admin_ask(const mu_admin_target *target, const char *path, json_t *body, json_t **out,
                       mu_err *err) {
    mu_buf text = {0};
    long code = 0;
    char *sent = body ? json_dumps(body, 0) : NULL;
    CURL *curl = curl_easy_init();
    mu_status status = MU_OK;
    if (!curl || (body && !sent)) status = mu_fail(err, MU_ERR_NOMEM, "%.100s", target->url);
    if (status == MU_OK) status = perform(curl, target, path, sent, &text, &code, err);
    if (status == MU_OK) {
        json_t *answer = text.failed ? NULL : json_loadb(text.data, text.n, 0, NULL);
        if (code / 100 == 2 && json_is_object(answer)) {
            *out = answer;
        } else {
            status = refuse(target->url, code, answer, err);
            json_decref(answer);
        }
    }
    curl_easy_cleanup(curl);
    mu_free(sent);
    json_decref(body);
    mu_buf_deinit(&text);
    return status;
}
