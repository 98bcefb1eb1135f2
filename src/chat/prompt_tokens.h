/* prompt_tokens.h - a rendered conversation as tokens: special tokens only where the template wrote
 * them, bos once.
 *
 * The pieces are tokenized as the one text they are, so that the tokens are those of the reference;
 * only special tokens are not looked for in what came from the request.
 * Threads: as the encoder. */
#ifndef MU_CHAT_PROMPT_TOKENS_H
#define MU_CHAT_PROMPT_TOKENS_H

#include "chat/chat_template.h"
#include "text/tokenizer.h"

/* As mu_encode(). bos is put in front where the tokenizer says so and the template has not. */
mu_status mu_prompt_encode(mu_encoder *encoder, const mu_tokenizer *tokenizer,
                           const mu_rendering *r, const mu_token **out_tokens, size_t *out_n,
                           mu_err *err) MU_MUST_USE;

#endif
