/* messages.h - the messages of a chat as the text of a prompt. Private to server/. */
#ifndef MU_SERVER_MESSAGES_H
#define MU_SERVER_MESSAGES_H

#include "server/api_error.h"
#include "text/chat_template.h"

/* Appends to out, which ends with the invitation to answer. False: *error names the field. */
bool mu_messages_render(const mu_chat_template *t, json_t *messages, mu_buf *out,
                        mu_api_error *error);

#endif
