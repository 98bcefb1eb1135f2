/* generation.h - the answers of /v1/completions and /v1/chat/completions. Private to server/. */
#ifndef MU_SERVER_GENERATION_H
#define MU_SERVER_GENERATION_H

#include "server/call.h"

/* From a call's body to a request of the model that it names; the answer comes when there is news.
 */
void mu_generation_start(mu_call *call, bool is_chat);

#endif
