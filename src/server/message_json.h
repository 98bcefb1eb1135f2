/* message_json.h - the parts of an answer as the OpenAI API shows them: a message, or what is new
 * for a stream. Private to server/. */
#ifndef MU_SERVER_MESSAGE_JSON_H
#define MU_SERVER_MESSAGE_JSON_H

#include <jansson.h>

#include "chat/answer_parts.h"

/* How much of an answer a stream has told. */
typedef struct mu_parts_told {
    size_t n_content, n_reasoning; /* bytes */
    size_t n_calls;
} mu_parts_told;

/* n_calls_max: of several calls the first so many. NULL: no memory. */
json_t *mu_message_json(const mu_answer_parts *parts, size_t n_calls_max);
json_t *mu_delta_json(const mu_answer_parts *parts, size_t n_calls_max, mu_parts_told *told);

#endif
