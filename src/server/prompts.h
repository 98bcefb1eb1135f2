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

/* How a field holds them. */
typedef struct mu_prompt_rules {
    const char *field;
    uint32_t n_max;        /* prompts */
    uint32_t encode_flags; /* MU_ENCODE_*, of texts */
    uint32_t n_tokens_max; /* longer ones are cut (mu_tokenizer_cut()); 0: they stay */
    bool is_any_length;    /* a text is encoded however long it is: its words may be unknown and its
                              spaces nothing. Else one that must be too long is refused unread */
} mu_prompt_rules;

/* A text, tokens, or a list of either. False: *error names the field. */
bool mu_prompts_read(mu_call *call, const mu_prompt_rules *rules, json_t *json, mu_prompt **out,
                     uint32_t *out_n, mu_api_error *error);
/* One prompt from a rendered conversation. */
bool mu_prompts_encode(mu_call *call, const mu_rendering *rendering, mu_prompt **out,
                       mu_api_error *error);
void mu_prompts_free(mu_prompt *prompts, uint32_t n); /* NULL is allowed */

#endif
