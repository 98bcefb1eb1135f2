/* target_state.h - the body of a mu_target, for the files of load/ that talk to one.
 *
 * Threads: as in target.h. Memory: a target owns everything in it but the text.
 */
#ifndef MU_BENCH_LOAD_TARGET_STATE_H
#define MU_BENCH_LOAD_TARGET_STATE_H

#include <curl/curl.h>

#include "bench/load/target.h"

/* Fields of a request that not every server takes. */
enum {
    MU_SEND_IGNORE_EOS = 1,
    MU_SEND_MIN_TOKENS = 2,
    MU_SEND_CACHE = 4,
    MU_SEND_USAGE = 8,
    MU_SEND_CONTINUOUS = 16,
    MU_SEND_TOKEN_IDS = 32,
    MU_SEND_TIMINGS = 64,
    MU_SEND_ALL = 127,
};

struct mu_target {
    mu_target_info info;
    struct curl_slist *headers;
    char *model_json; /* quoted and escaped; NULL: none is sent */
    char endpoint[640];
    uint32_t sends; /* set of MU_SEND_* */
    uint32_t vocab_size;
    bool use_chat, use_text, is_insecure;
    char ca_file[512]; /* "": the system's */
    double timeout_s;
    const char *text; /* borrowed */
    size_t n_text;
};

/* What every transfer to the target has in common: headers, HTTP/1.1, no proxy, no signals, no
 * "Expect: 100-continue", no delay of small segments. */
void mu_target_set_easy(const mu_target *target, CURL *easy);

mu_status mu_target_set_model(mu_target *target, const char *model, mu_err *err) MU_MUST_USE;
void mu_target_set_endpoint(mu_target *target, bool is_chat);

typedef struct mu_reply {
    uint16_t status;
    bool is_event_stream;
    char unknown_fields[512]; /* header x-unknown-fields */
    mu_buf body;
} mu_reply;

/* One blocking request; body NULL: GET. path begins with '/'. The reply's memory is used again;
 * mu_buf_deinit(&reply->body) frees it. Any HTTP status is MU_OK.
 * Errors: MU_ERR_IO, MU_ERR_TIMEOUT, MU_ERR_LIMIT (over 8 MiB), MU_ERR_NOMEM. */
mu_status mu_target_fetch(const mu_target *target, const char *path, const char *body,
                          mu_reply *reply, mu_err *err) MU_MUST_USE;

#endif
