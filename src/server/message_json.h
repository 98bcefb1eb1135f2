/* message_json.h - the parts of an answer for an API: what is new in them, and as the OpenAI API
 * shows them, a message or a delta. Private to server/. */
#ifndef MU_SERVER_MESSAGE_JSON_H
#define MU_SERVER_MESSAGE_JSON_H

#include <jansson.h>

#include "chat/answer_parts.h"
#include "text/tokenizer.h"

/* How much of an answer a stream has told. */
typedef struct mu_parts_told {
    size_t n_content, n_reasoning; /* bytes */
    size_t n_calls;
    bool is_named;      /* the call after those, as far as it is written */
    size_t n_arguments; /* bytes of it */
} mu_parts_told;

/* What of an answer was not told yet; borrowed from its parts. */
typedef struct mu_delta {
    mu_bytes content, reasoning;
    const mu_tool_call *calls; /* [n_calls] that are whole now */
    size_t n_calls;
    const mu_tool_call *live; /* the one after them, which is being written; NULL: none */
} mu_delta;

/* What of a call was not told. */
typedef struct mu_call_piece {
    bool is_first; /* id and name neither */
    mu_bytes arguments;
} mu_call_piece;

/* It counts as told then. n_calls_max: as below. */
mu_delta mu_delta_take(const mu_answer_parts *parts, size_t n_calls_max, mu_parts_told *told);
/* Of the calls of a delta in their order, the live one last. It counts as told then. */
mu_call_piece mu_call_piece_take(const mu_delta *delta, const mu_tool_call *call,
                                 mu_parts_told *told);

json_t *mu_bytes_json(mu_bytes text);
mu_bytes mu_buf_bytes(const mu_buf *text);
json_t *mu_tool_arguments_json(const mu_tool_call *call); /* an object, whatever was written */

/* n_calls_max: of several calls the first so many. NULL: no memory. */
json_t *mu_message_json(const mu_answer_parts *parts, size_t n_calls_max);
json_t *mu_delta_json(const mu_answer_parts *parts, size_t n_calls_max, mu_parts_told *told);

#endif
