/* Any bytes as the head of a request: refused with a code and a reason, or taken apart into texts
 * without what a head must not hold; the same whether it came at once or byte by byte. */
#include "server/http_head.h"

#include <string.h>

#include "base/alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const mu_http_limits limits = {256, 1024, 16};

static size_t scan(const char *text, size_t n, size_t step, mu_http_refusal *refusal) {
    size_t n_scanned = 0, n_head = 0;
    *refusal = (mu_http_refusal){0, NULL};
    for (size_t at = step; n_head == 0 && refusal->code == 0; at += step) {
        size_t n_fed = at < n ? at : n;
        n_head = mu_http_head_scan(text, n_fed, &limits, &n_scanned, refusal);
        if (n_fed == n) break;
    }
    return n_head;
}

static void check_text(const char *text) {
    for (const char *c = text; *c; c++) {
        MU_ASSERT((unsigned char)*c >= ' ' || *c == '\t');
        MU_ASSERT(*c != 0x7f);
    }
}

static void check_head(const mu_http_head *head, const char *text, size_t n) {
    MU_ASSERT(mu_http_is_token(head->method, strlen(head->method)));
    MU_ASSERT(head->path[0] == '/' || head->path[0] == '*');
    MU_ASSERT(head->fields >= text && head->fields_end <= text + n);
    MU_ASSERT(!head->is_chunked || !head->has_length);
    MU_ASSERT(!head->is_11 || mu_http_head_field(head, "host"));
    for (const char *at = head->fields; at < head->fields_end;) {
        const char *value = at + strlen(at) + 1;
        MU_ASSERT(mu_http_is_token(at, strlen(at)));
        check_text(value);
        MU_ASSERT(mu_http_head_field(head, at));
        at = value + strlen(value) + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    mu_http_refusal refusal, again;
    size_t n_head = scan(text, size, 1, &refusal);
    size_t n_again = scan(text, size, size + 1, &again);
    MU_ASSERT(n_head == n_again && (n_head == 0 || refusal.code == 0));
    MU_ASSERT((refusal.code != 0) == (again.code != 0));
    MU_ASSERT(refusal.code == 0 || refusal.why);
    if (n_head == 0) return 0;
    char *copy = mu_alloc(n_head);
    if (!copy) return 0;
    memcpy(copy, text, n_head);
    mu_http_head head;
    refusal = mu_http_head_parse(copy, n_head, &limits, &head);
    if (refusal.code == 0) check_head(&head, copy, n_head);
    MU_ASSERT(refusal.code == 0 || (refusal.code >= 400 && refusal.why));
    mu_free(copy);
    return 0;
}
