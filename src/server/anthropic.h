/* anthropic.h - Anthropic's Messages API over the generation of chats: /v1/messages and its
 * count_tokens. Private to server/.
 */
#ifndef MU_SERVER_ANTHROPIC_H
#define MU_SERVER_ANTHROPIC_H

#include "server/call.h"
#include "server/generation_form.h"

/* A body as one of /v1/chat/completions; *out is the caller's. Any JSON may come. */
bool mu_anthropic_translate(const json_t *body, json_t **out, mu_api_error *error);

void mu_anthropic_post_messages(mu_call *call);
void mu_anthropic_post_count_tokens(mu_call *call);

#endif
