/* messages.h - the messages and tools of a chat as a prompt. Private to server/. */
#ifndef MU_SERVER_MESSAGES_H
#define MU_SERVER_MESSAGES_H

#include "chat/conversation.h"
#include "server/generation_params.h"

/* The tools that the model may call; NULL: none. False: *error names tool_choice. */
bool mu_tools_choose(const mu_generation_params *p, const json_t **out, mu_api_error *error);

/* now_s: Unix time, for templates that tell the date. False: *error names the field. */
bool mu_messages_render(const mu_conversation_format *f, const mu_generation_params *p,
                        int64_t now_s, mu_rendering *out, mu_api_error *error);

#endif
