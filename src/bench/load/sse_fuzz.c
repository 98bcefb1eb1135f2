/* Any bytes as an event stream, whole and cut at places the bytes themselves choose: the same
 * events either way.
 */
#include "bench/load/sse.h"

#include <string.h>

#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool collect(void *ctx, char *data, size_t n) {
    mu_buf *events = ctx;
    MU_ASSERT(n <= MU_SSE_EVENT_MAX && data[n] == '\0');
    mu_buf_append(events, data, n);
    mu_buf_append(events, "\xff\n", 2);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mu_buf whole = {0}, cut = {0};
    mu_sse sse = {0};
    mu_sse_init(&sse);
    mu_status status = mu_sse_feed(&sse, (const char *)data, size, collect, &whole, NULL);
    bool has_rest = mu_sse_has_rest(&sse);
    mu_sse_init(&sse);
    mu_status status_cut = MU_OK;
    for (size_t at = 0; at < size && status_cut == MU_OK;) {
        size_t n = 1 + data[at] % 7u;
        if (n > size - at) n = size - at;
        status_cut = mu_sse_feed(&sse, (const char *)data + at, n, collect, &cut, NULL);
        at += n;
    }
    MU_ASSERT(status == status_cut);
    if (status == MU_OK) {
        MU_ASSERT(has_rest == mu_sse_has_rest(&sse));
        MU_ASSERT(whole.n == cut.n && (cut.n == 0 || memcmp(whole.data, cut.data, cut.n) == 0));
    }
    mu_sse_deinit(&sse);
    mu_buf_deinit(&whole);
    mu_buf_deinit(&cut);
    return 0;
}
