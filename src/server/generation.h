/* generation.h - an API's body to text of a model. Private to server/. */
#ifndef MU_SERVER_GENERATION_H
#define MU_SERVER_GENERATION_H

#include "server/call.h"
#include "server/generation_form.h"

/* From a call's body to a request of the model that it names; the answer comes when there is news.
 */
void mu_generation_start(mu_call *call, const mu_generation_form *form);
/* body: of mu_call_body(), taken over. */
void mu_generation_start_body(mu_call *call, const mu_generation_form *form, json_t *body);

#endif
