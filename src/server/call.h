/* call.h - what the files of server/ share: the server's state and that of one call, which
 * is an HTTP request and its answer. Private. */
#ifndef MU_SERVER_CALL_H
#define MU_SERVER_CALL_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/api_error.h"
#include "server/gpu_watch.h"
#include "server/server.h"

typedef struct mu_generation mu_generation;
typedef struct mu_call mu_call;

enum { MU_CALL_ID_MAX = 128, MU_ROUTES_MAX = 32, MU_STATUS_CLASSES = 6 };

struct mu_call {
    mu_server *server;
    mu_exchange *x;
    mu_call *next, *prev; /* all, under the server's lock */
    const struct mu_route *route;
    char id[MU_CALL_ID_MAX];
    uint64_t begun_ns;
    uint32_t key; /* number of the API key, 0: none */
    bool is_counted;
    mu_generation *generation;    /* NULL: none */
    atomic_uint_fast64_t sent_ns; /* last bytes of a stream; 0: it is none */
    atomic_bool wants_ping;
};

struct mu_server {
    mu_server_options options;
    mu_http *http;
    uint64_t opened_ns;
    int64_t opened_at; /* Unix time */

    atomic_bool is_ready, is_draining;
    const mu_model *model;
    const mu_engine *engine;
    mu_resident *resident;
    mu_encoder *encoder;    /* the HTTP thread's */
    size_t piece_bytes_max; /* of the longest token, > 0 */
    mu_gpu_watch *gpu;      /* NULL: none; set before is_ready */

    pthread_mutex_t lock;
    mu_call *calls;
    uint32_t n_active;
    uint64_t n_http[MU_ROUTES_MAX][MU_STATUS_CLASSES];
    uint64_t n_log_lost;

    pthread_t ticker;
    bool has_ticker;
    int stop_fd; /* eventfd: ends the ticker */
};

/* Answers; each takes what it needs and never fails: without memory the connection is closed. */
void mu_call_fail(mu_call *call, const mu_api_error *error);
void mu_call_json(mu_call *call, unsigned code, json_t *json); /* takes over json */
void mu_call_text(mu_call *call, const char *content_type, const mu_buf *text);
/* The body as JSON object; false: answered with the error. */
bool mu_call_body(mu_call *call, json_t **out);
void mu_call_report_unknown(mu_call *call, const mu_buf *unknown);

/* generation.c */
void mu_generation_start(mu_call *call, bool is_chat);
void mu_generation_resume(mu_call *call); /* woken before the answer */
mu_stream mu_generation_source(mu_call *call, mu_buf *out);
void mu_generation_cancel(mu_generation *g); /* the client left */
void mu_generation_close(mu_generation *g);
/* Fields of the access log: {"prompt_tokens": ...}; NULL: no memory. */
json_t *mu_generation_log(const mu_call *call, bool is_whole);
/* Messages to a prompt. */
bool mu_messages_render(const mu_chat_template *t, json_t *messages, mu_buf *out,
                        mu_api_error *error);

/* metrics_text.c */
void mu_metrics_write(mu_server *server, mu_buf *out);
const char *mu_route_path(uint32_t i); /* NULL: no more */

#endif
