/* answer.h - how a call is answered: at once, or by an answer that takes time. Private to server/.
 *
 * An answer that takes time is an mu_answer: a kind, which is a small table of functions, and
 * whatever the kind keeps behind it. The server knows no kind; a new API brings its own.
 *
 *     start ──▶ woken: resume() until it is answered whole ─────────────┐
 *         └───▶ streamed: source() whenever bytes can be sent ──────────┴──▶ log() ──▶ close()
 *                              the client leaves: cancel() ─────────────┘
 *
 * Threads: one at a time, that of the sockets or a worker (http.h); cancel(), log() and close() on
 * that of the sockets.
 */
#ifndef MU_SERVER_ANSWER_H
#define MU_SERVER_ANSWER_H

#include "server/api_error.h"
#include "server/http.h"

typedef struct mu_call mu_call;
typedef struct mu_answer mu_answer;

typedef struct mu_answer_kind {
    void (*resume)(mu_answer *answer); /* woken, and not answered yet */
    mu_stream (*source)(mu_answer *answer, mu_buf *out);
    void (*cancel)(mu_answer *answer); /* the client left */
    void (*close)(mu_answer *answer);  /* frees it */
    /* Fields of the access log: {"prompt_tokens": ...}; NULL: none, or no memory. */
    json_t *(*log)(const mu_answer *answer, bool is_whole);
} mu_answer_kind;

/* The first member of each kind's own struct. */
struct mu_answer {
    const mu_answer_kind *kind;
    mu_call *call;
};

/* Answers at once; each never fails: without memory the connection is closed. */
void mu_call_fail(mu_call *call, const mu_api_error *error);
void mu_call_json(mu_call *call, unsigned code,
                  json_t *json); /* takes over json; NULL: no memory */
void mu_call_text(mu_call *call, const char *content_type, const mu_buf *text);

enum { MU_CALL_VALUES_MAX = 1 << 20 }; /* of JSON in a body */
/* The body as JSON; false: answered with the error. The body's bytes are freed either way. */
bool mu_call_body(mu_call *call, json_t **out);
/* Frees what mu_call_body() gave, and gives its price back. */
void mu_call_body_free(mu_call *call, json_t *body);
void mu_call_report_unknown(mu_call *call, const mu_buf *unknown);
/* The answer is a stream from now on, bytes from its source(): server-sent events, which comment
 * lines keep alive, or a JSON object a line. */
typedef enum mu_stream_kind { MU_STREAM_EVENTS, MU_STREAM_LINES } mu_stream_kind;
void mu_call_stream(mu_call *call, mu_stream_kind kind);
/* What source() returns: notes what was sent, and keeps a silent stream alive. */
mu_stream mu_call_streamed(mu_call *call, mu_buf *out, bool is_over);
/* "data: {...}\n\n"; takes over json, NULL: no memory. */
void mu_event_append(mu_buf *out, json_t *json);
void mu_named_event_append(mu_buf *out, const char *name, json_t *json); /* "event: NAME" first */
void mu_line_append(mu_buf *out, json_t *json);                          /* "{...}\n" */

#endif
