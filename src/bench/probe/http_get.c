#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "bench/probe/server_process.h"

enum { BODY_BYTES_MAX = 64 << 20 };

static void init_curl(void) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

typedef struct body {
    mu_buf *out; /* NULL: not wanted */
    size_t n;
    bool is_too_long;
} body;

static size_t take(char *data, size_t size, size_t n, void *ctx) {
    body *b = ctx;
    b->n += size * n;
    b->is_too_long = b->n > BODY_BYTES_MAX;
    if (b->is_too_long) return 0; /* curl then gives up */
    if (b->out) mu_buf_append(b->out, data, size * n);
    return size * n;
}

static void set_question(CURL *curl, const mu_http_question *q, struct curl_slist *headers) {
    curl_easy_setopt(curl, CURLOPT_URL, q->url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* whatever the environment says */
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(q->timeout_s * 1e3) + 1);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (q->json) curl_easy_setopt(curl, CURLOPT_POSTFIELDS, q->json);
    if (q->key) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, q->key);
    }
}

mu_status mu_http_ask(const mu_http_question *q, long *out_code, mu_buf *out_body, mu_err *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_curl);
    CURL *curl = curl_easy_init();
    if (!curl) return mu_fail(err, MU_ERR_NOMEM, "%s", q->url);
    struct curl_slist *headers =
        q->json ? curl_slist_append(NULL, "Content-Type: application/json") : NULL;
    body b = {.out = out_body};
    set_question(curl, q, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &b);
    CURLcode result = curl_easy_perform(curl);
    long code = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    if (b.is_too_long) return mu_fail(err, MU_ERR_LIMIT, "%s: more than 64 MiB", q->url);
    if (result != CURLE_OK) {
        return mu_fail(err, MU_ERR_IO, "%s: %s", q->url, curl_easy_strerror(result));
    }
    if (out_body && out_body->failed) return mu_fail(err, MU_ERR_NOMEM, "%s", q->url);
    *out_code = code;
    return MU_OK;
}

mu_status mu_http_get(const char *url, double timeout_s, long *out_code, mu_buf *out_body,
                      mu_err *err) {
    const mu_http_question question = {.url = url, .timeout_s = timeout_s};
    return mu_http_ask(&question, out_code, out_body, err);
}

uint32_t mu_free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_good = fd >= 0 && bind(fd, (struct sockaddr *)&address, n) == 0 &&
                   getsockname(fd, (struct sockaddr *)&address, &n) == 0;
    if (fd >= 0) close(fd);
    return is_good ? ntohs(address.sin_port) : 0;
}
