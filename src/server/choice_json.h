/* choice_json.h - outputs as the OpenAI API shows them: logprobs of completions and of chats. */
#ifndef MU_SERVER_CHOICE_JSON_H
#define MU_SERVER_CHOICE_JSON_H

#include <jansson.h>

#include "engine/engine.h"

/* outputs: [n]. offset is the position in the text of the first, for text_offset; it is moved on.
 * NULL: no memory. */
json_t *mu_completion_logprobs(const mu_tokenizer *tokenizer, const mu_output *outputs, uint32_t n,
                               size_t *offset);
json_t *mu_chat_logprobs(const mu_tokenizer *tokenizer, const mu_output *outputs, uint32_t n);
const char *mu_finish_reason(mu_finish finish); /* NULL: goes on */

#endif
