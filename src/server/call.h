/* call.h - what the files of server/ share: the server, the models it serves, and one call: an HTTP
 * request on its way to an answer. Private.
 *
 *     server ──▶ served models [n]
 *        └─────▶ calls ──▶ the model that the call chose, the answer that takes time
 *
 * Threads: a call belongs to one thread at a time, that of the sockets or a worker (http.h), but
 * for the fields that say otherwise. Served models do not change once the server is ready.
 */
#ifndef MU_SERVER_CALL_H
#define MU_SERVER_CALL_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/answer.h"
#include "server/budget.h"
#include "server/constraint.h"
#include "server/gpu_watch.h"
#include "server/log_writer.h"
#include "server/server.h"
#include "text/encoder_pool.h"

enum { MU_CALL_ID_MAX = 128, MU_ROUTES_MAX = 64, MU_STATUS_CLASSES = 6 };

typedef struct mu_served {
    mu_server_model of;
    const mu_model *model;
    const mu_engine *engine;
    mu_encoder_pool *encoders; /* owned */
    size_t piece_bytes_max;    /* of the longest token, > 0 */
    mu_constraint_vocab vocab;
} mu_served;

struct mu_call {
    mu_server *server;
    mu_exchange *x;
    mu_call *next, *prev; /* all, under the server's lock */
    const struct mu_route *route;
    char id[MU_CALL_ID_MAX];
    uint64_t begun_ns;
    uint32_t key;                                   /* number of the API key, 0: none */
    uint64_t charged_bytes, body_bytes, json_bytes; /* of the budget; for the body, for its JSON */
    bool is_counted, is_large;
    const mu_served *served;      /* the model it is for; NULL: none, or not known yet */
    mu_answer *answer;            /* owned; NULL: answered at once, or not yet */
    atomic_uint_fast64_t sent_ns; /* last bytes of a stream; 0: it is none */
    atomic_bool wants_ping;
};

struct mu_server {
    mu_server_options options;
    mu_http *http;
    mu_budget *budget;  /* of what calls may need */
    mu_log_writer *log; /* NULL: none */
    uint64_t opened_ns;
    int64_t opened_at; /* Unix time */

    atomic_bool is_ready, is_draining;
    atomic_bool wants_trim; /* a large call has ended: its memory goes back to the system */
    mu_served *served;      /* [n_served], owned; set before is_ready, as is gpu */
    uint32_t n_served;
    mu_gpu_watch *gpu; /* NULL: none */

    pthread_mutex_t lock;
    mu_call *calls;
    uint32_t n_active;
    uint64_t n_http[MU_ROUTES_MAX][MU_STATUS_CLASSES];

    pthread_t ticker;
    bool has_ticker;
    int stop_fd; /* eventfd: ends the ticker */
};

int64_t mu_server_unix_time(const mu_server *server); /* seconds */

/* Choose the call's model: NULL or "" is the only one there is. False: *error says what is served.
 */
bool mu_call_choose_model(mu_call *call, const char *name, mu_api_error *error);
/* Memory that the call is about to need, until its end or until it is given back. False: *error
 * says how much it would be. */
bool mu_call_charge(mu_call *call, uint64_t bytes, mu_api_error *error);
void mu_call_discharge(mu_call *call, uint64_t bytes);
/* Whether one of n sequences ended with an error, or was canceled by the server: *error says so. */
bool mu_news_find_error(const mu_request_news *news, uint32_t n, mu_api_error *error);
/* The served model of a name, which may end in ":latest"; NULL: none. */
const mu_served *mu_served_find(const mu_server *server, const char *name);

#endif
