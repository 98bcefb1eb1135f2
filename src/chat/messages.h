/* messages.h - the messages of a request in the form that a chat template takes. Private to chat/.
 * Threads: any. Memory: *out is the caller's (json_decref). */
#ifndef MU_CHAT_MESSAGES_H
#define MU_CHAT_MESSAGES_H

#include "chat/conversation.h"

enum { MU_MESSAGES_MAX = 10000 };

/* tools: that a system message is to describe, because the template does not; NULL: none. Errors:
 * MU_ERR_INVALID, MU_ERR_UNSUPPORTED (parts that are not text), MU_ERR_NOMEM. */
mu_status mu_messages_normalize(const json_t *messages, const json_t *tools,
                                const mu_conversation_abilities *abilities, json_t **out,
                                mu_err *err) MU_MUST_USE;

#endif
