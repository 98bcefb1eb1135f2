/* prompts.h - what a request gives as prompt, as tokens of the model it is for. Private to server/.
 *
 * Memory: tokens are the caller's, mu_prompts_free().
 */
#ifndef MU_SERVER_PROMPTS_H
#define MU_SERVER_PROMPTS_H

#include "server/call.h"

typedef struct mu_prompt {
    mu_token *tokens; /* [n] */
    uint32_t n;
} mu_prompt;

/* A text, tokens, or a list of either. False: *error names the field. */
bool mu_prompts_read(mu_call *call, json_t *json, mu_prompt **out, uint32_t *out_n,
                     mu_api_error *error);
/* One prompt from a rendered conversation. */
bool mu_prompts_encode(mu_call *call, const mu_rendering *rendering, mu_prompt **out,
                       mu_api_error *error);
void mu_prompts_free(mu_prompt *prompts, uint32_t n); /* NULL is allowed */

#endif
