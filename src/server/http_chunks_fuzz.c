/* Any bytes as a chunked body: runs that lie within what was fed, and the same body in the end
 * whether the bytes came at once or one by one. */
#include "server/http_chunks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct result {
    mu_http_chunks_state state;
    size_t n_used, n_body;
    uint64_t hash; /* FNV-1a of the body */
} result;

static result read_in(const char *text, size_t n, size_t piece) {
    result r = {.hash = 0xcbf29ce484222325u};
    mu_http_chunks c = {0};
    while (r.n_used < n && c.state < MU_CHUNKS_DONE) {
        const char *at = text + r.n_used, *run = at;
        size_t n_fed = n - r.n_used < piece ? n - r.n_used : piece, n_run;
        size_t n_used = mu_http_chunks_read(&c, at, n_fed, &run, &n_run);
        MU_ASSERT(n_used > 0 && n_used <= n_fed);
        MU_ASSERT(run >= at && run + n_run <= at + n_used);
        for (size_t i = 0; i < n_run; i++) {
            r.hash = (r.hash ^ (unsigned char)run[i]) * 0x100000001b3u;
        }
        r.n_used += n_used;
        r.n_body += n_run;
    }
    r.state = c.state;
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    result whole = read_in((const char *)data, size, size + 1);
    result bytes = read_in((const char *)data, size, 1);
    MU_ASSERT(whole.state == bytes.state && whole.n_used == bytes.n_used);
    MU_ASSERT(whole.n_body == bytes.n_body && whole.hash == bytes.hash);
    return 0;
}
