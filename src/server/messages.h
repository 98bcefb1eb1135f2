/* messages.h - the messages and tools of a chat as a prompt. Private to server/. */
#ifndef MU_SERVER_MESSAGES_H
#define MU_SERVER_MESSAGES_H

#include "chat/conversation.h"
#include "server/generation_params.h"

typedef struct mu_tool_choice {
    json_t *shown; /* to the model; NULL: none. Borrowed */
    json_t
        *callable; /* an array of those it may call; NULL: none. Owned: mu_tool_choice_deinit() */
    bool is_required; /* it calls one of them at least */
    bool is_single;   /* and at most */
} mu_tool_choice;

/* False: *error names the field, and nothing is owned. */
bool mu_tool_choice_read(const mu_generation_params *p, mu_tool_choice *out, mu_api_error *error);
void mu_tool_choice_deinit(mu_tool_choice *choice); /* a zeroed one is allowed */

/* now_s: Unix time, for templates that tell the date. False: *error names the field. */
bool mu_messages_render(const mu_conversation_format *f, const mu_generation_params *p,
                        int64_t now_s, mu_rendering *out, mu_api_error *error);

#endif
